"""From a scenario's low-voltage sections to feeders, connections and contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.devices.connection_limits import ConnectionLimits, LvConnections, PermanentLimits
from tandem_sim.agents.non_firm.contracts import Contracts
from tandem_sim.agents.non_firm.lv_feeders import LvFeeder
from tandem_sim.grids.errors import InputError, present
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.low_voltage.limits import Band
from tandem_sim.grids.low_voltage.operating_envelope import guaranteed
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.sim.assembly.grids import Grids, grid_named
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.clock.randomness import CONTRACTS, stream
from tandem_sim.sim.households.seats import check_seats, held_by, seats
from tandem_sim.sim.scenario.low_voltage_sections import LvFeederSettings, NonFirmSettings
from tandem_sim.sim.scenario.scenario import Scenario


@dataclass(frozen=True)
class LowVoltage:
    """All LV feeders of a scenario, and the contracts and limits of their C connections."""

    lv_feeders: tuple[LvFeeder, ...]
    contracts: Contracts
    permanent: PermanentLimits
    lv_connections: LvConnections


def build_low_voltage(
    scenario: Scenario, folder: Path | None, calendar: Calendar, grids: Grids
) -> LowVoltage | None:
    """Connect households to LV feeders, as their table says and in their order at each bus.

    Raises `InputError` naming the field.
    """
    areas, site_of, people = grids.areas, grids.site_of, grids.people
    own = np.zeros(len(site_of), dtype=bool)
    if not scenario.low_voltage:
        if people is not None:
            nowhere = np.full(len(site_of), -1, dtype=np.int64)
            check_seats(people, scenario, nowhere, nowhere, own)
        return None
    connection_of = np.full(len(site_of), -1, dtype=np.int64)
    plug_in_isp, plug_in_kwh = connection_of.copy(), np.zeros(len(site_of))
    phases_of = np.zeros(len(site_of), dtype=np.int64)
    lv_feeders: list[LvFeeder] = []
    parts: list[Contracts] = []
    for k, given in scenario.feeders:
        field = f"low_voltage.{k}"
        area, site, node = _place(given, areas, field)
        with grid_named(given.grid, f"low_voltage.{k}.grid"):
            net = load_net(given.grid, folder)
        feeder = read_feeder(net, given.grid, given.source_vm_pu, units=False)  # households have their own
        band = Band(given.band.low_pu, given.band.high_pu, given.band.loading)
        drawn = _held(scenario, given.name, len(feeder.users))
        limits: dict[bytes, tuple[FloatArray, FloatArray, FloatArray]] = {}
        for name in given.names:
            free = np.flatnonzero((site_of == site) & (connection_of < 0))
            users, first = len(feeder.users), sum(len(p) for p in parts)
            rows = seats(people, free, name, feeder)
            if rows is None:
                raise _too_few(given, users, len(free), field)
            connection_of[rows] = np.arange(first, first + users)
            phases_of[rows] = [len(user.phases) for user in feeder.users]
            own[rows] = given.own_aggregator
            if given.plug_in is not None:
                plug_in_isp[rows], plug_in_kwh[rows] = _plug_in(given, calendar, field), given.plug_in.kwh
            if name in {lv_feeder.name for lv_feeder in lv_feeders}:
                raise InputError(
                    "scenario", f"{field}.name", f"{name} is the name of another feeder", "Choose another"
                )
            lv_feeder = LvFeeder(
                name=name,
                area=area.name,
                node=node,
                feeder=feeder,
                band=band,
                connections=slice(first, first + users),
            )
            lv_feeders.append(lv_feeder)
            held = held_by(people, rows, drawn)
            if (key := held.tobytes()) not in limits:
                limits[key] = _guaranteed(scenario.non_firm, given, feeder, band, held)
            parts.append(
                _contracts(scenario.non_firm, lv_feeder, held, limits[key], calendar.isp_hours, field)
            )
    if people is not None:
        check_seats(people, scenario, connection_of, phases_of, own)
    contracts = Contracts.join(parts)
    permanent = _permanent_limits(scenario.non_firm, contracts, calendar)
    lv_connections = LvConnections(
        connection_of=connection_of,
        permanent=permanent,
        plug_in_isp=plug_in_isp,
        plug_in_kwh=plug_in_kwh,
        phases_of=phases_of,
    )
    return LowVoltage(tuple(lv_feeders), contracts, permanent, lv_connections)


def with_lv_feeder_sites(grids: Grids, low: LowVoltage) -> Grids:
    """The same grids with every LV feeder as a site of its own, so that bids belong to one feeder."""
    moved = np.empty(grids.n_sites, dtype=np.int64)
    areas, first = [], 0
    site_of_connection = np.empty(len(low.contracts), dtype=np.int64)
    for area in grids.areas:
        lv_feeders = [lv_feeder for lv_feeder in low.lv_feeders if lv_feeder.area == area.name]
        buses = len(area.site_node)
        moved[area.sites] = np.arange(first, first + buses)
        for k, lv_feeder in enumerate(lv_feeders):
            site_of_connection[lv_feeder.connections] = first + buses + k
        nodes = np.array([lv_feeder.node for lv_feeder in lv_feeders], dtype=np.int64)
        labels = tuple(f"{lv_feeder.node:04d}-{lv_feeder.name}" for lv_feeder in lv_feeders)
        last = first + buses + len(lv_feeders)
        areas.append(
            replace(
                area,
                sites=slice(first, last),
                site_node=np.concatenate([area.site_node, nodes]),
                site_label=area.site_label + labels,
            )
        )
        first = last
    known = low.lv_connections.connection_of >= 0
    site_of = moved[grids.site_of]
    site_of[known] = site_of_connection[low.lv_connections.connection_of[known]]
    return replace(grids, areas=areas, site_of=site_of, n_sites=first)


def pools_of_lv_feeders(scenario: Scenario, low: LowVoltage, aggregator_of: IntArray) -> IntArray:
    """Aggregator of every household (H,) by number; some LV feeders have an aggregator of their own."""
    found, number, at = aggregator_of.copy(), scenario.aggregators, 0
    for _, given in scenario.feeders:
        for lv_feeder in low.lv_feeders[at : at + given.copies]:
            if given.own_aggregator:
                connection = low.lv_connections.connection_of
                mine = (connection >= lv_feeder.connections.start) & (connection < lv_feeder.connections.stop)
                found[mine] = number
                number += 1
        at += given.copies
    return found


def _plug_in(given: LvFeederSettings, calendar: Calendar, field: str) -> int:
    """The ISP of simultaneous EV plug-in on an LV feeder."""
    moment = present(given.plug_in, f"{field}.plug_in").at
    try:
        return calendar.isp_of(calendar.utc(pd.Timestamp(moment)))
    except ValueError as error:
        raise InputError(
            "scenario", f"{field}.plug_in.at", str(error), "Choose a time within start and days"
        ) from error


def _too_few(given: LvFeederSettings, users: int, left: int, field: str) -> InputError:
    """The error for a bus with fewer households than a feeder has users."""
    return InputError(
        "scenario",
        f"{field}.grid",
        f"{given.grid} has {users} users, and bus {given.bus} of {given.area} has {left} "
        "households left for it",
        "Raise households (or rows of population.table there), lower copies, or choose a bus with more load",
    )


def _place(given: LvFeederSettings, areas: Sequence[Area], field: str) -> tuple[Area, int, int]:
    """Area, site and node of a feeder's bus."""
    area = next((a for a in areas if a.name == given.area), None)
    if area is None:
        known = ", ".join(a.name for a in areas)
        raise InputError("scenario", f"{field}.area", f"{given.area} is no area", f"Use one of {known}")
    node = int(area.network.nodes_of(np.array([given.bus]), f"{field}.bus", "scenario")[0])
    at = np.flatnonzero(area.site_node == node)
    if not len(at):
        raise InputError(
            "scenario",
            f"{field}.bus",
            f"bus {given.bus} of {given.area} has no households: it has no load",
            "Choose a bus with load",
        )
    return area, area.sites.start + int(at[0]), node


def _held(scenario: Scenario, lv_feeder: str, users: int) -> BoolArray:
    """Users of a feeder under contract (U,), the same on all its copies.

    A larger participation only adds users.
    """
    settings = scenario.non_firm
    held = np.zeros(users, dtype=bool)
    if settings.enabled:
        order = stream(scenario.seed, CONTRACTS, lv_feeder).permutation(users)
        held[order[: round(settings.participation * users)]] = True
    return held


def _contracts(
    settings: NonFirmSettings,
    lv_feeder: LvFeeder,
    held: BoolArray,
    limits: tuple[FloatArray, FloatArray, FloatArray],
    isp_hours: float,
    field: str,
) -> Contracts:
    """Contracts of one feeder; `limits` are connections and guaranteed import and export (U,) kW."""
    names = [f"{lv_feeder.name}/{user.name}" for user in lv_feeder.feeder.users]
    try:
        return Contracts.of(names, held, *limits, settings.terms, isp_hours)
    except ValueError as error:
        side = "import" if "import" in str(error) else "export"
        raise InputError(
            "scenario",
            f"non_firm.guaranteed_{side}_kw",
            str(error),
            f"Guarantee less, or raise {field}.connection_kw",
        ) from error


def _guaranteed(
    settings: NonFirmSettings, given: LvFeederSettings, feeder: Feeder, band: Band, held: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Connection capacities, guaranteed import and export (U,) kW: as given, or by the operating envelope."""
    connection = np.full(len(held), given.connection_kw)
    if not held.any():
        return connection, connection, connection
    agreed = {"import": settings.guaranteed_import_kw, "export": settings.guaranteed_export_kw}
    limited = [side for side in agreed if settings.sides in ("both", side)]
    envelope = {"import": connection, "export": connection}
    if any(agreed[side] is None for side in limited):
        found = guaranteed(feeder, connection, band, settings.rule, ~held, settings.points)
        envelope = {"import": found.import_kw, "export": found.export_kw}
    limits = []
    for side, kw in agreed.items():
        limit = envelope[side] if kw is None else np.full(len(held), kw)
        limits.append(np.where(held & (side in limited), limit, connection))
    return connection, limits[0], limits[1]


def _permanent_limits(settings: NonFirmSettings, contracts: Contracts, calendar: Calendar) -> PermanentLimits:
    """Limits known from the start: capacities of all connections, and contracts without activation."""
    fuse = ConnectionLimits(contracts.connection_kw, contracts.connection_kw)
    agreed = ConnectionLimits(
        np.where(contracts.held, contracts.import_kw, np.inf),
        np.where(contracts.held, contracts.export_kw, np.inf),
    )
    which = np.zeros(calendar.n_isp, dtype=np.int64)
    if settings.enabled and settings.permanent:
        which[:] = 1
    hour = calendar.times().tz_convert(calendar.zone).hour.to_numpy()
    for window in settings.windows if settings.enabled else ():
        which[(hour >= window.from_hour) & (hour < window.to_hour)] = 1
    return PermanentLimits((fuse, fuse.tighter(agreed)), which)
