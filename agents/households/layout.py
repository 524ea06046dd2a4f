"""Fixed arrays of a household fleet: devices, their owners, sites and groups."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from tandem_sim.agents.devices.classes.registry import CLASSES, DEVICES
from tandem_sim.agents.devices.connection_limits import Connections, LvConnections
from tandem_sim.agents.devices.device import (
    DEMAND,
    GENERATION,
    STORAGE,
    DeviceClass,
    DeviceGroup,
    Premises,
    joined,
    summed,
    total,
)
from tandem_sim.agents.devices.population import (
    ROW,
    SINGLE_PHASE_FEED_IN_KVA,
    Households,
    Population,
    draw,
)
from tandem_sim.agents.devices.profile_window import ProfileColumns, Window, load_window
from tandem_sim.agents.devices.study_view import Devices, StudyTerms, as_studied
from tandem_sim.grids.io.profiles import step_of
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

__all__ = ["DEVICES", "FleetGroups", "FleetState", "Layout", "Residents", "lay_out"]
_BURN_IN_H = 24
Values = TypeVar("Values", FloatArray, IntArray)


@dataclass(frozen=True, kw_only=True)
class Residents:
    """H households: their sites, their aggregators, and the random numbers that decide who they are.

    Raises ValueError naming the argument at fault.
    """

    site_of: IntArray  # (H,) site, 0..n_sites - 1
    aggregator_of: IntArray  # (H,) aggregator by number, >= 0
    n_sites: int
    rows: FloatArray  # (H, ROW) numbers in 0..1, see ``draw``

    def __post_init__(self) -> None:
        site_of, aggregator_of = self.site_of, self.aggregator_of
        if site_of.ndim != 1 or site_of.shape != aggregator_of.shape:
            raise ValueError("site_of and aggregator_of must be one-dimensional, one element per household")
        if len(site_of) and (site_of.min() < 0 or site_of.max() >= self.n_sites):
            raise ValueError(f"site_of must lie in 0..n_sites - 1 = {self.n_sites - 1}")
        if len(aggregator_of) and aggregator_of.min() < 0:
            raise ValueError("aggregator_of must not be negative")
        if self.rows.shape != (len(site_of), ROW):
            raise ValueError(f"rows must have {ROW} numbers for each of the {len(site_of)} households")


@dataclass(frozen=True)
class FleetGroups:
    """The G groups that offer flexibility, sorted by aggregator, site, device, status; arrays (G,).

    status: how a network flexibility study treats the devices (see ``StudyTerms.statuses``); 0 without one.
    """

    aggregator: IntArray
    site: IntArray
    device: IntArray
    status: IntArray

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.device)


@dataclass(frozen=True, kw_only=True)
class FleetState:
    """Dynamic state of all devices, immutable.

    ``next_isp`` is the ISP that the next step delivers. ``devices`` has the state of each class of the
    fleet, in the order of ``Layout.devices``; its type is the class's own.
    """

    next_isp: int
    devices: tuple[Any, ...]


@dataclass(frozen=True)
class Fed:
    """Devices behind the battery of a household: members of class ``by`` and the members of storage there."""

    by: int
    at: IntArray
    storage: IntArray


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Fixed arrays of a fleet of M members: those of each class of device in turn.

    ``devices`` has a group for each class that a household of the fleet owns, in the order of the registry;
    ``classes`` is what they are, ``cuts`` where the members of one class end and of the next begin. ``fed``
    lists, for each class of storage by its place, the consuming devices in the same households. ``load_at``
    are places in the profile window: inflexible load is summed per distinct (site, profile, shift), PV per
    distinct (group, profile), so computing time does not grow with the number of households.
    """

    hours: float
    horizon: int
    n_sites: int
    sustain: int
    window: Window
    groups: FleetGroups
    devices: tuple[DeviceGroup[Any, Any], ...]
    classes: tuple[DeviceClass, ...]
    cuts: tuple[int, ...]
    fed: Mapping[int, tuple[Fed, ...]]
    member_group: IntArray
    member_site: IntArray
    generates: BoolArray  # (M,)
    load_site: IntArray
    load_at: IntArray
    load_kw: FloatArray
    connections: Connections
    studied: Devices
    owners: tuple[IntArray, ...]  # of each class of ``devices``, the households that own one
    connection_of: IntArray  # (H,) connection of every household, -1 for none of its own

    def split(self, values: Values) -> list[Values]:
        """Values of members (M,) by class: views."""
        ends = (0, *self.cuts, len(self.member_group))
        return [values[first:last] for first, last in pairwise(ends)] if self.devices else []

    def device(self, name: str) -> Any:
        """The group of a class by its name. Raises KeyError for one that no household has."""
        names = [known.name for known in self.classes]
        if name not in names:
            raise KeyError(f"no household of this fleet has {name}; there are {', '.join(names) or 'none'}")
        return self.devices[names.index(name)]

    def swing_kw(self) -> dict[int, FloatArray]:
        """Largest change of power of each group (G,), kW, for up (1) and down (-1)."""
        swings = [group.swing_kw() for group in self.devices]
        n = len(self.groups)
        return {
            sign: total(self.member_group, joined([swing[k] for swing in swings]), n)
            for k, sign in enumerate((1, -1))
        }

    def inverter_kw(self) -> FloatArray:
        """Rated power of the inverters of each group (G,), kW; 0 for groups of devices without one."""
        power = joined([group.inverter_kw() for group in self.devices])
        return total(self.member_group, power, len(self.groups))

    def start(self, isp: int) -> FleetState:
        """State before a burn-in from ``isp`` on."""
        return FleetState(next_isp=isp, devices=tuple(group.start(isp) for group in self.devices))


def _grouped(
    owners: Sequence[IntArray],
    status: Sequence[IntArray],
    site_of: IntArray,
    aggregator_of: IntArray,
    n_sites: int,
) -> tuple[FleetGroups, list[IntArray]]:
    """Groups over the owners of each device class, and the group of every device, class by class."""
    kinds = 1 + max(int(s.max(initial=0)) for s in status)
    keys = [
        ((aggregator_of[o] * n_sites + site_of[o]) * len(CLASSES) + d) * kinds + s
        for d, (o, s) in enumerate(zip(owners, status, strict=True))
    ]
    distinct, where = np.unique(np.concatenate(keys), return_inverse=True)
    rest, kind = np.divmod(distinct, kinds)
    place, device = np.divmod(rest, len(CLASSES))
    aggregator, site = np.divmod(place, n_sites)
    groups = FleetGroups(aggregator, site, device, kind)
    return groups, np.split(where.ravel(), np.cumsum([len(k) for k in keys])[:-1])


def _matches(owners: IntArray, others: IntArray) -> tuple[IntArray, IntArray]:
    """Positions in ``owners`` and in ``others`` of the households found in both."""
    _, here, there = np.intersect1d(owners, others, assume_unique=True, return_indices=True)
    return here, there


def _fed(parts: Sequence[int], owners: Sequence[IntArray]) -> dict[int, tuple[Fed, ...]]:
    """The consuming devices behind each class of storage, by the place of the class."""
    found = {}
    for place, part in enumerate(parts):
        if part == STORAGE:
            others = [k for k, other in enumerate(parts) if other == DEMAND]
            pairs = [(k, *_matches(owners[place], owners[k])) for k in others]
            found[place] = tuple(Fed(k, there, here) for k, here, there in pairs)
    return found


def loads_of(homes: Households, window: Window) -> tuple[IntArray, FloatArray]:
    """Inflexible load of households (H,): places in the window, and the kW they are multiplied by."""
    load_at = window.places(window.columns.household_at + homes.load_profile, homes.load_shift)
    return load_at, homes.annual_kwh / window.load_hours[homes.load_profile]


def _numbered(connection_of: IntArray) -> tuple[int, IntArray]:
    """Number n of connections, and the connection of every household (H,), n for none of its own."""
    n = int(connection_of.max(initial=-1)) + 1
    return n, np.where(connection_of < 0, n, connection_of)


def _owners(homes: Households) -> list[IntArray]:
    """Households that have a device of each class of the registry.

    A household whose device takes the place of another class (``DeviceClass.replaces``) has none of that.
    """
    owned = {known.name: known.owned(homes) for known in CLASSES}
    for known in CLASSES:
        if known.replaces:
            owned[known.replaces] = owned[known.replaces] & ~owned[known.name]
    return [np.flatnonzero(has).astype(np.int64) for has in owned.values()]


def _phases(homes: Households, owners: Sequence[IntArray], given: IntArray | None) -> IntArray:
    """Phases of households (H,): by the nets where they give them (``given`` not 0), else by feed-in."""
    ruled = homes.phases
    for known, who in zip(CLASSES, owners, strict=True):
        if known.feed_in_kw is not None:
            large = known.feed_in_kw(homes)[who] > SINGLE_PHASE_FEED_IN_KVA
            free = who[large] if homes.given_phases is None else who[large & (homes.given_phases[who] == 0)]
            ruled[free] = 3
    return ruled if given is None else np.where(given > 0, given, ruled)


def _plug_in(lv_connections: LvConnections, n: int) -> tuple[IntArray, FloatArray]:
    """ISP and energy (kWh) of the simultaneous plug-in of EVs of n households; -1 and 0 without one."""
    isp, kwh = lv_connections.plug_in_isp, lv_connections.plug_in_kwh
    return np.full(n, -1) if isp is None else isp, np.zeros(n) if kwh is None else kwh


def _connections(
    homes: Households,
    apart: IntArray,
    n: int,
    site_of: IntArray,
    load: tuple[IntArray, FloatArray],
    member: IntArray,
    part: IntArray,
    pv_hours: FloatArray | None,
) -> Connections:
    """The n households that are connections of their own, in the order of their numbers in ``apart`` (H,)."""
    rows = np.argsort(apart, kind="stable")[: int((apart < n).sum())]
    if len(rows) != n:
        raise ValueError("connection_of must number households 0, 1, ... without gap or repetition")
    generation = np.zeros(len(apart))
    if pv_hours is not None:
        generation = np.where(homes.has_pv, homes.pv_kwp * pv_hours[homes.pv_profile], 0.0)
    return Connections(
        site=site_of[rows].astype(np.int64),
        load_at=load[0][rows],
        load_kw=load[1][rows],
        member=member,
        part=part,
        generation_kwh=generation[rows],
    )


def lay_out(
    population: Population,
    residents: Residents,
    times: pd.DatetimeIndex,
    lv_connections: LvConnections | None = None,
    terms: StudyTerms | None = None,
    profiles: Profiles | None = None,
    homes: Households | None = None,
) -> Layout:
    """Lay out the arrays of households; arguments and errors as in ``HouseholdFleet.build``."""
    hours = step_of(times) / pd.Timedelta(hours=1)
    furthest = round(168 * population.shift_weeks / hours) + math.ceil(population.jitter_h / hours)
    window = load_window(
        times,
        shift_isps=furthest,
        first=round(_BURN_IN_H / hours),
        profiles=profiles or Profiles(),
        columns=ProfileColumns(population.loads, population.pvs),
        pv_hours=lv_connections is not None,
    )
    if homes is None:
        homes = draw(population, residents.rows, 1 / hours)
    if lv_connections is None:
        lv_connections = LvConnections(connection_of=np.full(len(residents.site_of), -1, dtype=np.int64))
    return layout_of(
        population=population,
        homes=homes,
        residents=residents,
        window=window,
        times=times,
        lv_connections=lv_connections,
        terms=terms,
    )


def layout_of(
    population: Population,
    homes: Households,
    residents: Residents,
    window: Window,
    times: pd.DatetimeIndex,
    lv_connections: LvConnections,
    terms: StudyTerms | None = None,
) -> Layout:
    """The arrays of given households over the ISPs that start at ``times``."""
    hours = step_of(times) / pd.Timedelta(hours=1)
    site_of, n_sites = residents.site_of, residents.n_sites
    owners = _owners(homes)
    kva = [known.rated_kw(homes)[who] for known, who in zip(CLASSES, owners, strict=True)]
    phases = _phases(homes, owners, lv_connections.phases_of)
    status = as_studied(terms, owners, kva, phases)
    groups, group_of = _grouped(owners, status, site_of, residents.aggregator_of, n_sites)
    load_at, load_kw = loads_of(homes, window)
    load_site, load_place, (load_sum,) = summed(site_of, load_at, load_kw)
    n, apart = _numbered(lv_connections.connection_of)
    plug_in_isp, plug_in_kwh = _plug_in(lv_connections, len(site_of))
    present = [k for k, who in enumerate(owners) if len(who)]
    devices = tuple(
        CLASSES[k].build(
            Premises(
                population=population,
                homes=homes,
                window=window,
                hours=hours,
                first_hour=_hour(times[0]),
                owners=owners[k],
                group=group_of[k],
                connection=apart,
                n_connections=n,
                load_at=load_at,
                load_kw=load_kw,
                plug_in_isp=plug_in_isp,
                plug_in_kwh=plug_in_kwh,
            )
        )
        for k in present
    )
    sizes, parts = [len(group.member_group) for group in devices], [CLASSES[k].part for k in present]
    part = np.repeat(np.array(parts, dtype=np.int64), sizes)
    member_group = _integers([group.member_group for group in devices])
    member = _integers([group.member_connection for group in devices])
    return Layout(
        hours=hours,
        horizon=len(times),
        n_sites=n_sites,
        sustain=population.sustain_isps,
        window=window,
        groups=groups,
        devices=devices,
        classes=tuple(CLASSES[k] for k in present),
        cuts=tuple(np.cumsum(sizes)[:-1].tolist()),
        fed=_fed(parts, [owners[k] for k in present]),
        member_group=member_group,
        member_site=groups.site[member_group],
        generates=part == GENERATION,
        load_site=load_site,
        load_at=load_place,
        load_kw=load_sum,
        connections=_connections(homes, apart, n, site_of, (load_at, load_kw), member, part, window.pv_hours),
        studied=Devices.join(
            group_of, kva, phases[np.concatenate(owners)], [known.part == GENERATION for known in CLASSES]
        ),
        owners=tuple(owners[k] for k in present),
        connection_of=lv_connections.connection_of,
    )


def _integers(parts: Sequence[IntArray]) -> IntArray:
    """Numbers of several classes as one array."""
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, dtype=np.int64)


def _hour(first: pd.Timestamp) -> float:
    """Hour of the day of a UTC time in UTC + 1 h, the clock of the measured load profiles all year."""
    moved = first + pd.Timedelta(hours=1)
    return (moved - moved.normalize()) / pd.Timedelta(hours=1)
