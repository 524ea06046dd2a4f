"""From a scenario's low-voltage sections to feeders, connections and contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.area import Area
from agents.compliance import Caps, Standing
from agents.contracts import Contracts
from agents.streets import Street
from grids.arrays import BoolArray, FloatArray, IntArray
from grids.envelope import guaranteed
from grids.errors import InputError
from grids.feeder import read_feeder
from grids.feeder_limits import Band
from grids.load import load_net
from grids.three_phase import Feeder
from sim.calendar import Calendar
from sim.non_firm_sections import NonFirmSettings, StreetSettings
from sim.randomness import stream
from sim.settings import Scenario


@dataclass(frozen=True)
class LowVoltage:
    """All feeders of a scenario, and what their C connections are held to."""

    streets: tuple[Street, ...]
    contracts: Contracts
    connection_of: IntArray  # (H,) connection of every household, -1 for none
    standing: Standing


def build_low_voltage(
    scenario: Scenario, folder: Path | None, calendar: Calendar, areas: Sequence[Area], site_of: IntArray
) -> LowVoltage | None:
    """Hang households on feeders, in their order at each bus. Raises `InputError` for what does not fit."""
    if not scenario.low_voltage:
        return None
    connection_of = np.full(len(site_of), -1, dtype=np.int64)
    streets: list[Street] = []
    parts: list[Contracts] = []
    for k, given in enumerate(scenario.low_voltage):
        field = f"low_voltage.{k}"
        area, site, node = _place(given, areas, field)
        feeder = read_feeder(load_net(given.grid, folder), given.grid, given.source_vm_pu)
        band = Band(given.band.low_pu, given.band.high_pu, given.band.loading)
        held = _held(scenario, given.name, len(feeder.users))
        limits = _guaranteed(scenario.non_firm, given, feeder, band, held)
        for copy in range(given.copies):
            name = given.name if given.copies == 1 else f"{given.name}-{copy + 1}"
            free = np.flatnonzero((site_of == site) & (connection_of < 0))
            users, first = len(feeder.users), sum(len(p) for p in parts)
            if len(free) < users:
                raise InputError(
                    "scenario",
                    f"{field}.grid",
                    f"{given.grid} has {users} users, and bus {given.bus} of {given.area} has {len(free)} "
                    "households left for it",
                    "Raise households, lower copies, or choose a bus with more load",
                )
            connection_of[free[:users]] = np.arange(first, first + users)
            street = Street(name, area.name, node, feeder, band, slice(first, first + users))
            streets.append(street)
            parts.append(_contracts(scenario.non_firm, street, held, limits, calendar.isp_hours, field))
    contracts = Contracts.join(parts)
    standing = _standing(scenario.non_firm, contracts, calendar)
    return LowVoltage(tuple(streets), contracts, connection_of, standing)


def _place(given: StreetSettings, areas: Sequence[Area], field: str) -> tuple[Area, int, int]:
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
            f"no household lives at bus {given.bus} of {given.area}: it has no load",
            "Choose a bus with load",
        )
    return area, area.sites.start + int(at[0]), node


def _held(scenario: Scenario, street: str, users: int) -> BoolArray:
    """Who of a feeder is under contract (U,), the same on all its copies.

    A larger share only adds to those of a smaller one.
    """
    settings = scenario.non_firm
    held = np.zeros(users, dtype=bool)
    if settings.enabled:
        order = stream(scenario.seed, f"contracts {street}").permutation(users)
        held[order[: round(settings.participation * users)]] = True
    return held


def _contracts(
    settings: NonFirmSettings,
    street: Street,
    held: BoolArray,
    limits: tuple[FloatArray, FloatArray, FloatArray],
    isp_hours: float,
    field: str,
) -> Contracts:
    """Contracts of one feeder; `limits` are connections and guaranteed import and export (U,) kW."""
    names = [f"{street.name}/{user.name}" for user in street.feeder.users]
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
    settings: NonFirmSettings, given: StreetSettings, feeder: Feeder, band: Band, held: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Connections, guaranteed import and export (U,) kW: as agreed, or by the envelope of the feeder."""
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


def _standing(settings: NonFirmSettings, contracts: Contracts, calendar: Calendar) -> Standing:
    """Every connection is held to its capacity; where contracts hold without activation, to what they say."""
    fuse = Caps(contracts.connection_kw, contracts.connection_kw)
    agreed = Caps(
        np.where(contracts.held, contracts.import_kw, np.inf),
        np.where(contracts.held, contracts.export_kw, np.inf),
    )
    which = np.zeros(calendar.n_isp, dtype=np.int64)
    if settings.enabled and settings.permanent:
        which[:] = 1
    hour = calendar.times().tz_convert(calendar.zone).hour.to_numpy()
    for window in settings.windows if settings.enabled else ():
        which[(hour >= window.from_hour) & (hour < window.to_hour)] = 1
    return Standing((fuse, fuse.tighter(agreed)), which)
