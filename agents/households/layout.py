"""Fixed arrays of a household fleet: devices, their owners, sites and groups."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tandem_sim.agents.devices.connection_limits import Connections, LvConnections
from tandem_sim.agents.devices.models import Batteries, HeatPumps, Vehicles
from tandem_sim.agents.devices.population import ROW, Households, Population, draw
from tandem_sim.agents.devices.profile_window import ProfileColumns, Window, load_window
from tandem_sim.agents.devices.study_view import Devices, StudyTerms, as_studied
from tandem_sim.grids.io.profiles import EV_HOME_KW, step_of
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.grids.types import FloatArray, IntArray

DEVICES = ("pv", "battery", "ev", "heat_pump")
_BURN_IN_H = 24


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
    """Dynamic state of all devices, immutable. Batteries (B,), EVs (E,), heat pumps (P,).

    ``next_isp`` is the ISP that the next step delivers. Energies in kWh at the meter, except ``stored_kwh``
    (in the battery); theta in K; ``ev_depart_isp`` is the first ISP in which the EV is away. The fields from
    ``stored_start_kwh`` on are energy accounts since the start. ``ev_denied_kwh`` is the most energy that
    connection limits may have kept from EVs for good. ``theta_forced`` is 1 while a building is outside its
    comfort band because of such limits.
    """

    next_isp: int
    stored_kwh: FloatArray
    ev_left_kwh: FloatArray
    ev_depart_isp: IntArray
    ev_limit_kw: FloatArray
    theta_k: FloatArray
    stored_start_kwh: FloatArray
    charged_kwh: FloatArray
    discharged_kwh: FloatArray
    ev_needed_kwh: FloatArray
    ev_charged_kwh: FloatArray
    ev_short_kwh: FloatArray
    ev_denied_kwh: FloatArray
    theta_forced: FloatArray


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Fixed arrays of a fleet of M members: its PV groups, then each battery, each EV and each heat pump.

    ``*_at`` are places in the profile window. Inflexible load is summed per distinct (site, profile, shift),
    PV per distinct (group, profile): computing time does not grow with the number of households.
    """

    hours: float
    horizon: int
    n_sites: int
    sustain: int
    window: Window
    groups: FleetGroups
    member_group: IntArray
    member_site: IntArray
    cuts: tuple[int, int, int]
    load_site: IntArray
    load_at: IntArray
    load_kw: FloatArray
    pv_member: IntArray
    pv_at: IntArray
    pv_kwp: FloatArray
    pv_feed_in: FloatArray
    batteries: Batteries
    battery_wear: FloatArray
    battery_load_at: IntArray
    battery_load_kw: FloatArray
    battery_pv_at: IntArray
    battery_pv_kwp: FloatArray
    battery_of_ev: IntArray
    ev_of_battery: IntArray
    battery_of_pump: IntArray
    pump_of_battery: IntArray
    vehicles: Vehicles
    ev_at: IntArray
    ev_kw: FloatArray
    ev_profile_kw: FloatArray  # of the charger at which the sessions were measured
    ev_cost: FloatArray
    pumps: HeatPumps
    pump_at: IntArray
    heating_at: IntArray
    pump_cost: FloatArray
    pump_decay_sustained: FloatArray
    connections: Connections
    plug_in_isp: IntArray  # (E,) ISP of simultaneous plug-in, -1 for none; see ``LvConnections``
    plug_in_kwh: FloatArray
    devices: Devices

    def by_device(self, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Values of members (M,) split by device: views for PV groups, batteries, EVs and heat pumps."""
        pv, battery, ev = self.cuts
        return values[:pv], values[pv:battery], values[battery:ev], values[ev:]

    def swing_kw(self) -> dict[int, FloatArray]:
        """Largest change of power of each group (G,), kW, for up (1) and down (-1).

        A battery can change from full charging to full discharging; PV can only be curtailed.
        """
        pv = self._pv_kw()
        others = np.concatenate([2.0 * self.batteries.power_kw, self.ev_kw, self.pumps.power_kw])
        n = len(self.groups)
        up = np.bincount(self.member_group, weights=np.concatenate([0.0 * pv, others]), minlength=n)
        down = np.bincount(self.member_group, weights=np.concatenate([pv, others]), minlength=n)
        return {1: up.astype(np.float64), -1: down.astype(np.float64)}

    def inverter_kw(self) -> FloatArray:
        """Rated power of the PV or batteries of each group (G,), kW; 0 for groups of other devices."""
        power = np.concatenate([self._pv_kw(), self.batteries.power_kw])
        group, n = self.member_group[: self.cuts[1]], len(self.groups)
        return np.bincount(group, weights=power, minlength=n).astype(np.float64)

    def _pv_kw(self) -> FloatArray:
        """Peak power of every PV group."""
        return np.bincount(self.pv_member, weights=self.pv_kwp, minlength=self.cuts[0]).astype(np.float64)

    def start(self, isp: int) -> FleetState:
        """State before a burn-in from ``isp`` on: batteries half full, EVs away, measured temperatures."""
        ev, pump = np.zeros(len(self.ev_kw)), np.zeros(len(self.pump_cost))
        stored, cells = 0.5 * self.batteries.energy_kwh, np.zeros(len(self.battery_wear))
        gone = np.full(len(ev), isp, dtype=np.int64)
        return FleetState(
            next_isp=isp,
            stored_kwh=stored,
            ev_left_kwh=ev,
            ev_depart_isp=gone,
            ev_limit_kw=ev,
            theta_k=pump,
            stored_start_kwh=stored,
            charged_kwh=cells,
            discharged_kwh=cells,
            ev_needed_kwh=ev,
            ev_charged_kwh=ev,
            ev_short_kwh=ev,
            ev_denied_kwh=ev,
            theta_forced=pump,
        )


def _summed(
    first: IntArray, second: IntArray, *weights: FloatArray
) -> tuple[IntArray, IntArray, list[FloatArray]]:
    """Sum weights over equal (first, second) pairs; return the distinct pairs and their sums."""
    pairs, where = np.unique(np.column_stack([first, second]), axis=0, return_inverse=True)
    sums = [np.bincount(where.ravel(), w, len(pairs)).astype(np.float64) for w in weights]
    return pairs[:, 0].copy(), pairs[:, 1].copy(), sums


def _grouped(
    owners: tuple[IntArray, ...],
    status: Sequence[IntArray],
    site_of: IntArray,
    aggregator_of: IntArray,
    n_sites: int,
) -> tuple[FleetGroups, list[IntArray]]:
    """Groups over the owners of each device class, and the group of every device, class by class."""
    kinds = 1 + max(int(s.max(initial=0)) for s in status)
    keys = [
        ((aggregator_of[o] * n_sites + site_of[o]) * len(DEVICES) + d) * kinds + s
        for d, (o, s) in enumerate(zip(owners, status, strict=True))
    ]
    distinct, where = np.unique(np.concatenate(keys), return_inverse=True)
    rest, kind = np.divmod(distinct, kinds)
    place, device = np.divmod(rest, len(DEVICES))
    aggregator, site = np.divmod(place, n_sites)
    groups = FleetGroups(aggregator, site, device, kind)
    return groups, np.split(where.ravel(), np.cumsum([len(k) for k in keys])[:-1])


def _matches(owners: IntArray, others: IntArray) -> tuple[IntArray, IntArray]:
    """Positions in ``owners`` and in ``others`` of the households found in both."""
    _, here, there = np.intersect1d(owners, others, assume_unique=True, return_indices=True)
    return here, there


def _pumps(population: Population, homes: Households, pump: IntArray, hours: float) -> HeatPumps:
    return HeatPumps.build(
        homes.heat_pump_kw[pump],
        homes.cop[pump],
        homes.heat_capacity_kwh_per_k[pump],
        homes.heat_loss_h[pump],
        population.recovery_h,
        population.band_k,
        hours,
    )


def _pump_places(homes: Households, pump: IntArray, window: Window) -> tuple[IntArray, IntArray]:
    """Places in the window of the power of heat pumps (P,), and of their heating seasons."""
    profile, shift = homes.heat_pump_profile[pump], homes.heat_pump_shift[pump]
    at, season = window.columns.heat_pump_at, window.columns.heating_at
    return window.places(at + profile, shift), window.places(season + profile, shift)


def _loads(homes: Households, window: Window) -> tuple[IntArray, FloatArray]:
    """Inflexible load of households (H,): places in the window, and the kW they are multiplied by."""
    load_at = window.places(window.columns.household_at + homes.load_profile, homes.load_shift)
    return load_at, homes.annual_kwh / window.load_hours[homes.load_profile]


def _numbered(connection_of: IntArray) -> tuple[int, IntArray]:
    """Number n of connections, and the connection of every household (H,), n for none of its own."""
    n = int(connection_of.max(initial=-1)) + 1
    return n, np.where(connection_of < 0, n, connection_of)


def _owners(homes: Households) -> tuple[IntArray, ...]:
    """Households that have PV, a battery, an EV and a heat pump."""
    has = (homes.has_pv, homes.has_battery, homes.has_ev, homes.has_heat_pump)
    return tuple(np.flatnonzero(h).astype(np.int64) for h in has)


def _batteries(homes: Households, bat: IntArray) -> Batteries:
    return Batteries(
        homes.battery_kwh[bat],
        homes.battery_kw[bat],
        homes.charge_efficiency[bat],
        homes.discharge_efficiency[bat],
    )


def _pv_sums(
    homes: Households, pv: IntArray, key: IntArray, pv_at: IntArray
) -> tuple[IntArray, IntArray, list[FloatArray]]:
    """PV power (kW) and feed-in value of households ``pv``, summed by key (n,) and place in the window."""
    feed_in = homes.pv_kwp * homes.feed_in_eur_per_mwh
    return _summed(key, pv_at[pv], homes.pv_kwp[pv], feed_in[pv])


def _plug_in(lv_connections: LvConnections, ev: IntArray) -> tuple[IntArray, FloatArray]:
    """ISP and energy (kWh) of the simultaneous plug-in of EVs (E,); -1 and 0 without one."""
    isp, kwh = lv_connections.plug_in_isp, lv_connections.plug_in_kwh
    return (
        np.full(len(ev), -1) if isp is None else isp[ev],
        np.zeros(len(ev)) if kwh is None else kwh[ev],
    )


def _connections(
    homes: Households,
    apart: IntArray,
    n: int,
    site_of: IntArray,
    load: tuple[IntArray, FloatArray],
    member: IntArray,
    cuts: list[int],
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
        cuts=(cuts[0], cuts[1], cuts[2]),
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
    return layout_of(population, homes, residents, window, len(times), hours, lv_connections, terms)


def layout_of(
    population: Population,
    homes: Households,
    residents: Residents,
    window: Window,
    horizon: int,
    hours: float,
    lv_connections: LvConnections,
    terms: StudyTerms | None = None,
) -> Layout:
    """The arrays of given households over ``horizon`` ISPs of ``hours`` each."""
    site_of, aggregator_of, n_sites = residents.site_of, residents.aggregator_of, residents.n_sites
    owners = pv, bat, ev, pump = _owners(homes)
    kva, phases, status = as_studied(terms, homes, owners, lv_connections.phases_of)
    groups, group_of = _grouped(owners, status, site_of, aggregator_of, n_sites)
    load_at, load_kw = _loads(homes, window)
    load_site, load_place, (load_sum,) = _summed(site_of, load_at, load_kw)
    pv_at = window.places(window.columns.pv_at + homes.pv_profile, np.zeros(len(site_of), dtype=np.int64))
    n, apart = _numbered(lv_connections.connection_of)
    pv_key, pv_place, (pv_kwp, pv_feed_in) = _pv_sums(homes, pv, group_of[0] * (n + 1) + apart[pv], pv_at)
    pv_keys, pv_member = np.unique(pv_key, return_inverse=True)
    member_group = np.concatenate([pv_keys // (n + 1), *group_of[1:]]).astype(np.int64)
    member = np.concatenate([pv_keys % (n + 1), *(apart[o] for o in owners[1:])]).astype(np.int64)
    pumps, (pump_at, heating_at) = _pumps(population, homes, pump, hours), _pump_places(homes, pump, window)
    plug_in_isp, plug_in_kwh = _plug_in(lv_connections, ev)
    battery_of_ev, ev_of_battery = _matches(bat, ev)
    battery_of_pump, pump_of_battery = _matches(bat, pump)
    cuts = np.cumsum([len(pv_keys), len(bat), len(ev)]).tolist()
    return Layout(
        hours=hours,
        horizon=horizon,
        n_sites=n_sites,
        sustain=population.sustain_isps,
        window=window,
        groups=groups,
        member_group=member_group,
        member_site=groups.site[member_group],
        cuts=(cuts[0], cuts[1], cuts[2]),
        load_site=load_site,
        load_at=load_place,
        load_kw=load_sum,
        pv_member=pv_member.ravel().astype(np.int64),
        pv_at=pv_place,
        pv_kwp=pv_kwp,
        pv_feed_in=pv_feed_in,
        batteries=_batteries(homes, bat),
        battery_wear=homes.wear_eur_per_mwh[bat],
        battery_load_at=load_at[bat],
        battery_load_kw=load_kw[bat],
        battery_pv_at=pv_at[bat],
        battery_pv_kwp=np.where(homes.has_pv, homes.pv_kwp, 0.0)[bat],
        battery_of_ev=battery_of_ev,
        ev_of_battery=ev_of_battery,
        battery_of_pump=battery_of_pump,
        pump_of_battery=pump_of_battery,
        vehicles=Vehicles(homes.ev_smart[ev], np.rint(homes.ev_parking_h[ev] / hours).astype(np.int64)),
        ev_at=window.places(window.columns.sessions_at[0] + homes.ev_profile[ev], homes.ev_shift[ev]),
        ev_kw=homes.ev_kw[ev],
        ev_profile_kw=np.asarray(EV_HOME_KW)[homes.ev_profile[ev]],
        ev_cost=homes.inconvenience_eur_per_mwh[ev],
        pumps=pumps,
        pump_at=pump_at,
        heating_at=heating_at,
        pump_cost=homes.comfort_eur_per_mwh[pump],
        pump_decay_sustained=pumps.decay**population.sustain_isps,
        plug_in_isp=plug_in_isp,
        plug_in_kwh=plug_in_kwh,
        connections=_connections(homes, apart, n, site_of, (load_at, load_kw), member, cuts, window.pv_hours),
        devices=Devices.join(group_of, kva, phases[np.concatenate(owners)]),
    )
