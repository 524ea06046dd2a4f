"""Grids of a scenario, places of households, and measured profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.passive import PassiveInjections
from tandem_sim.grids.errors import InputError, present
from tandem_sim.grids.io.read import is_file, load_elements, load_network
from tandem_sim.grids.low_voltage.read_feeder import BEHIND, UNITS, USERS
from tandem_sim.grids.network.contents import Content
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.dc import DcModel
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.series.profiles import MW, Profiles
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.delivery.physics import TransmissionReactive
from tandem_sim.sim.households.table import HouseholdTable, read_households
from tandem_sim.sim.inputs.injections import (
    Follower,
    check_ratio,
    followers_of,
    injections_of,
    taken_out,
)
from tandem_sim.sim.inputs.profiles import power_profile
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.scenario.sections import DistributionSettings, GridSettings, TransmissionSettings


@dataclass(frozen=True, kw_only=True)
class Grids:
    """Grids, loads and places of households of a scenario."""

    transmission: Network
    dc: DcModel
    areas: list[Area]
    interface_node: dict[str, int]
    load_mw: FloatArray  # (T, N)
    passive: PassiveInjections  # on transmission
    reactive: TransmissionReactive
    site_of: IntArray  # (H,) site of each household
    n_sites: int
    people: HouseholdTable | None  # the table of households, if there is one
    incident_mw: FloatArray  # (T, N) change of injection by unforeseen incidents

    def sizes_mw(self) -> dict[str, float]:
        """Nominal load of every area and of transmission with all areas, and the peaks of profiles, MW."""
        sizes = {area.name: -area.nominal_mw + area.passive.size_mw() for area in self.areas}
        own = -float(self.transmission.p_mw.sum()) + self.passive.size_mw()
        return {T: own + sum(sizes.values()), **sizes}


def build_grids(scenario: Scenario, calendar: Calendar, folder: Path | None, profiles: Profiles) -> Grids:
    """Load the grids, place the households, and read the profiles of load.

    Households are where their table says, or else in proportion to nominal load. Sites are the buses with
    load, and those that the table names.
    """
    times = calendar.times()
    settings = scenario.transmission
    transmission, followers = _network(settings, folder, "transmission")
    load = transmission.p_mw * settings.load_scale
    interface_node = {}
    read = {d.id: _network(d, folder, f"distribution.{k}") for k, d in scenario.areas}
    networks = {name: network for name, (network, _) in read.items()}
    shares = {d.id: np.maximum(-networks[d.id].p_mw * d.load_scale, 0.0) for _, d in scenario.areas}
    people = read_households(scenario, folder, networks)
    for k, d in scenario.areas:
        if shares[d.id].sum() <= 0 and people is None:
            raise InputError(
                "scenario",
                f"distribution.{k}.grid",
                f"{d.grid} has no load to place households by",
                "Give a grid with loads, and a load_scale above zero",
            )
    counts = _households_at(scenario, shares, people)
    areas, first, site_of = [], 0, []
    for k, d in scenario.areas:
        field = f"distribution.{k}.interface_bus"
        interface_node[d.id] = int(transmission.nodes_of(np.array([d.interface_bus]), field, "scenario")[0])
        nominal = shares[d.id]
        sites = np.flatnonzero((nominal > 0) | (counts[d.id] > 0))
        site_of.append(np.repeat(np.arange(first, first + len(sites)), counts[d.id][sites]))
        areas.append(
            _area(
                d,
                networks[d.id],
                nominal=nominal,
                sites=sites,
                first=first,
                other_mw=_other_mw(d, k, nominal, profiles, times),
                passive=injections_of(
                    read[d.id][1], networks[d.id], profiles, times, f"distribution.{k}.injections"
                ),
            )
        )
        first += len(sites)
    idle = transmission.p_mw == 0
    q = np.where(idle, 0.0, transmission.q_mvar / np.where(idle, 1.0, transmission.p_mw))
    passive = injections_of(followers, transmission, profiles, times, "transmission.injections")
    return Grids(
        transmission=transmission,
        dc=DcModel.build(transmission),
        areas=areas,
        interface_node=interface_node,
        load_mw=_load_mw(settings, load, profiles, times),
        passive=passive,
        reactive=TransmissionReactive(
            tan_phi=q, fixed_mvar=np.where(idle, transmission.q_mvar, 0.0), passive=passive
        ),
        site_of=np.concatenate(site_of).astype(np.int64),
        n_sites=first,
        people=people,
        incident_mw=_incidents(scenario, calendar, transmission),
    )


def _households_at(
    scenario: Scenario, shares: Mapping[str, FloatArray], people: HouseholdTable | None
) -> dict[str, IntArray]:
    """Households at every node (N,), by area: as their table says, or in proportion to nominal load."""
    if people is not None:
        return {
            area: np.bincount(people.node[people.area == k], minlength=len(share)).astype(np.int64)
            for k, (area, share) in enumerate(shares.items())
        }
    households = present(scenario.households, "the number of households of a scenario without a table")
    counts = _apportion(np.concatenate(list(shares.values())), households)
    cuts = np.cumsum([len(share) for share in shares.values()])[:-1]
    return dict(zip(shares, np.split(counts, cuts), strict=True))


def _load_mw(
    settings: TransmissionSettings, load: FloatArray, profiles: Profiles, times: pd.DatetimeIndex
) -> FloatArray:
    """Injections of loads on transmission (T, N), MW, in proportion to nominal load (N,)."""
    field = "transmission.load_profile"
    values, unit = power_profile(profiles, settings.load_profile, times, field)
    if unit != MW:
        return np.asarray(values[:, None] * load[None, :])
    nominal = -float(load.sum())
    if nominal <= 0.0:
        raise InputError(
            "scenario", field, f"is in MW, and {settings.grid} has no load to share it by", "Give p.u."
        )
    _check_total(profiles, settings.load_profile, nominal, field)
    return np.asarray(values[:, None] * (load / nominal)[None, :])


def _other_mw(
    d: DistributionSettings, k: int, nominal: FloatArray, profiles: Profiles, times: pd.DatetimeIndex
) -> FloatArray:
    """Injection of the load of an area besides households (T,), MW."""
    field = f"distribution.{k}.other_profile"
    values, unit = power_profile(profiles, d.other_profile, times, field)
    if unit != MW:
        return np.asarray(-values * d.other_share * float(nominal.sum()))
    if "other_share" in d.model_fields_set:
        raise InputError(
            "scenario",
            f"distribution.{k}.other_share",
            "has no effect: other_profile is in kW or MW, which is the load itself",
            "Leave it out",
        )
    _check_total(profiles, d.other_profile, float(nominal.sum()), field)
    return -values


def _check_total(profiles: Profiles, names: list[str], nominal_mw: float, field: str) -> None:
    """Refuse a series of load whose peak is far from nominal load, unless its energy was stated."""
    for name in names:
        own = profiles.own[name]
        check_ratio(
            float(np.abs(own.values).max()),
            nominal_mw,
            lowest=True,
            what=f"{name} of {own.source}",
            field=field,
            sure=own.energy_checked,
        )


def _incidents(scenario: Scenario, calendar: Calendar, network: Network) -> FloatArray:
    """Changes of injection on transmission by incidents (T, N), MW."""
    change = np.zeros((calendar.n_isp, network.n_nodes))
    times = calendar.times()
    for k, incident in scenario.incidents_in_order:
        node = network.nodes_of(np.array([incident.bus]), f"incidents.{k}.bus", "scenario")
        start, end = (calendar.utc(pd.Timestamp(moment)) for moment in (incident.start, incident.end))
        hit = (times >= start) & (times < end)
        if not hit.any():
            raise InputError(
                "scenario",
                f"incidents.{k}.start",
                "no ISP of the horizon lies in the incident",
                "Choose times within start and days",
            )
        change[np.flatnonzero(hit), int(node[0])] += incident.mw
    return change


LEFT_OUT = {
    "gen": "units of the scenario are scheduled instead; injections may name it; its voltage is kept",
    "sgen": "the scenario brings its own generation; injections may name it, with a profile",
    "asymmetric_sgen": "the scenario brings its own generation",
    "storage": "the scenario brings its own batteries; injections may name it, with a profile",
}
"""Tables of a net that a scenario does not use, with the reason: it uses branches and loads."""


def grid_contents(scenario: Scenario, folder: Path | None) -> dict[str, list[dict[str, Any]]]:
    """Use of every grid in a run, by table of the net; keys: transmission ``T``, area, LV feeder."""
    found = {T: _network(scenario.transmission, folder, "transmission")[0].contents}
    for k, d in scenario.areas:
        network, _ = _network(d, folder, f"distribution.{k}")
        found[d.id] = network.contents + _feeding_in(network)
    for k, given in scenario.feeders:
        with grid_named(given.grid, f"low_voltage.{k}.grid"):
            found[given.name] = _of_feeder(given.grid, folder)
    return {name: [content.as_row() for content in contents] for name, contents in found.items()}


def _of_feeder(grid: str, folder: Path | None) -> tuple[Content, ...]:
    """Use of the net of a low-voltage feeder: its loads are users, the scenario gives its limits."""
    contents = load_network(grid, folder, dict.fromkeys(UNITS, BEHIND)).contents
    users = "users of the feeder, on the phases they load"
    return tuple(
        replace(content, how=users) if content.table in USERS and content.use == "modelled" else content
        for content in contents
        if (content.table, content.use) != ("bus", "assumed")
    )


def _feeding_in(network: Network) -> tuple[Content, ...]:
    """Buses of an area with net injection by their loads."""
    in_mw = network.p_mw[network.p_mw > 0]
    how = "buses with net injection by their loads: only consumption is assigned to households"
    return (
        (Content(table="load", count=len(in_mw), p_mw=-float(in_mw.sum()), use="left out", how=how),)
        if len(in_mw)
        else ()
    )


def _network(settings: GridSettings, folder: Path | None, field: str) -> tuple[Network, list[Follower]]:
    """The grid of some settings, and its elements that follow a profile, which it does not hold itself."""
    followers: list[Follower] = []
    with grid_named(settings.grid, f"{field}.grid"):
        if settings.injections:
            elements = load_elements(settings.grid, folder)
            followers = followers_of(settings.injections, elements, settings.grid, f"{field}.injections")
            network = load_network(settings.grid, folder, LEFT_OUT, taken_out(followers))
        elif is_file(settings.grid):
            network = _loads_alone(settings.grid, folder)
        else:
            network = _published(settings.grid)
    return network.with_ratings(settings.ratings_mva, f"{field}.ratings_mva", "scenario"), followers


@contextmanager
def grid_named(grid: str, field: str) -> Iterator[None]:
    """An `InputError` about a grid that is not found, or a published one, names the scenario's `field`."""
    try:
        yield
    except InputError as error:
        if error.field != "grid" and error.source != grid:
            raise
        at = "" if error.field == "grid" else f"{error.field}: "
        raise InputError("scenario", field, f"{error.source}: {at}{error.problem}", error.hint) from error


@lru_cache(maxsize=16)
def _published(grid: str) -> Network:
    """A published grid, loaded once for all runs of a process."""
    return _loads_alone(grid, None)


def _loads_alone(grid: str, folder: Path | None) -> Network:
    """A grid with its branches and loads alone."""
    return load_network(grid, folder, LEFT_OUT)


def _area(
    d: DistributionSettings,
    network: Network,
    *,
    nominal: FloatArray,
    sites: IntArray,
    first: int,
    other_mw: FloatArray,
    passive: PassiveInjections,
) -> Area:
    active = -network.p_mw
    tan_phi = np.where(nominal > 0, -network.q_mvar / np.where(active > 0, active, 1.0), 0.0)
    whole = float(nominal.sum())
    return Area(
        name=d.id,
        network=network,
        lin=LinDistFlow.build(network),
        power_flow=PowerFlow(network),
        sites=slice(first, first + len(sites)),
        site_node=sites.astype(np.int64),
        site_label=tuple(f"{node:04d}" for node in sites),
        share=nominal / whole if whole else nominal,
        tan_phi=tan_phi,
        fixed_mvar=np.where(active == 0, network.q_mvar, 0.0),
        nominal_mw=-whole,
        other_mw=other_mw,
        passive=passive,
    )


def _apportion(weights: FloatArray, total: int) -> IntArray:
    """Whole numbers in proportion to weights, by largest remainder (ties: the first)."""
    quota = weights / weights.sum() * total
    counts = np.floor(quota).astype(np.int64)
    order = np.argsort(-(quota - counts), kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return np.asarray(counts, dtype=np.int64)
