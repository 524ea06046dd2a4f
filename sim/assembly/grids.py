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
from tandem_sim.grids.errors import InputError, ProfileError
from tandem_sim.grids.io.profiles import measured, span
from tandem_sim.grids.io.read import is_file, load_network
from tandem_sim.grids.low_voltage.read_feeder import BEHIND, UNITS, USERS
from tandem_sim.grids.network.contents import Content
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.dc import DcModel
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.households.table import HouseholdTable, read_households
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.scenario.sections import DistributionSettings, GridSettings


@dataclass(frozen=True, kw_only=True)
class Grids:
    """Grids, loads and places of households of a scenario."""

    transmission: Network
    dc: DcModel
    areas: list[Area]
    interface_node: dict[str, int]
    load_mw: FloatArray  # (T, N)
    tan_phi: FloatArray  # (N,)
    fixed_mvar: FloatArray  # (N,) injections of reactive power without active power
    site_of: IntArray  # (H,) site of each household
    n_sites: int
    people: HouseholdTable | None  # the table of households, if there is one
    incident_mw: FloatArray  # (T, N) change of injection by unforeseen incidents


def build_grids(scenario: Scenario, calendar: Calendar, folder: Path | None) -> Grids:
    """Load the grids, place the households, and read the measured profiles.

    Households are where their table says, or else in proportion to nominal load. Sites are the buses with
    load, and those that the table names.
    """
    times = calendar.times()
    settings = scenario.transmission
    transmission = _network(settings, folder, "transmission")
    load = transmission.p_mw * settings.load_scale
    interface_node = {}
    networks = {d.id: _network(d, folder, f"distribution.{k}") for k, d in scenario.areas}
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
        areas.append(_area(d, networks[d.id], nominal, sites, first, times))
        first += len(sites)
    idle = transmission.p_mw == 0
    q = np.where(idle, 0.0, transmission.q_mvar / np.where(idle, 1.0, transmission.p_mw))
    profile = _profile(settings.load_profile, times, "transmission.load_profile")
    return Grids(
        transmission=transmission,
        dc=DcModel.build(transmission),
        areas=areas,
        interface_node=interface_node,
        load_mw=profile[:, None] * load[None, :],
        tan_phi=q,
        fixed_mvar=np.where(idle, transmission.q_mvar, 0.0),
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
    assert scenario.households is not None  # a scenario without a table has it
    counts = _apportion(np.concatenate(list(shares.values())), scenario.households)
    cuts = np.cumsum([len(share) for share in shares.values()])[:-1]
    return dict(zip(shares, np.split(counts, cuts), strict=True))


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
    "gen": "units of the scenario are scheduled instead; the voltage set-point is kept",
    "sgen": "the scenario brings its own generation",
    "asymmetric_sgen": "the scenario brings its own generation",
    "storage": "the scenario brings its own batteries",
}
"""Tables of a net that a scenario does not use, with the reason: it uses branches and loads."""


def grid_contents(scenario: Scenario, folder: Path | None) -> dict[str, list[dict[str, Any]]]:
    """Use of every grid in a run, by table of the net; keys: transmission ``T``, area, LV feeder."""
    found = {T: _network(scenario.transmission, folder, "transmission").contents}
    for k, d in scenario.areas:
        network = _network(d, folder, f"distribution.{k}")
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


def _network(settings: GridSettings, folder: Path | None, field: str) -> Network:
    with grid_named(settings.grid, f"{field}.grid"):
        network = _loads_alone(settings.grid, folder) if is_file(settings.grid) else _published(settings.grid)
    return network.with_ratings(settings.ratings_mva, f"{field}.ratings_mva", "scenario")


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
    nominal: FloatArray,
    sites: IntArray,
    first: int,
    times: pd.DatetimeIndex,
) -> Area:
    active = -network.p_mw
    tan_phi = np.where(nominal > 0, -network.q_mvar / np.where(active > 0, active, 1.0), 0.0)
    profile = _profile(d.other_profile, times, f"distribution.{d.id}.other_profile")
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
        other_mw=-profile * d.other_share * whole,
    )


def _profile(names: list[str], times: pd.DatetimeIndex, field: str) -> FloatArray:
    """Mean of measured profiles (T,), 1 at the peak of the year."""
    names = sorted(names)  # the order of a sum changes its last digit
    try:
        year = measured(names, pd.date_range(*span(), freq="15min", inclusive="left")).mean(axis=1)
        return np.asarray(measured(names, times).mean(axis=1) / year.max())
    except ProfileError as error:
        problem = str(error).removeprefix("names: ")
        raise InputError(
            "scenario", field, problem, "Change the profile's name, or start and days"
        ) from error


def _apportion(weights: FloatArray, total: int) -> IntArray:
    """Whole numbers in proportion to weights, by largest remainder (ties: the first)."""
    quota = weights / weights.sum() * total
    counts = np.floor(quota).astype(np.int64)
    order = np.argsort(-(quota - counts), kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return np.asarray(counts, dtype=np.int64)
