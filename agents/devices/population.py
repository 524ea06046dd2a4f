"""A synthetic population of households: shares, sizes and costs of their devices.

Powers and weather are measured (``tandem_sim.grids.io.profiles``). Sizes, efficiencies, thermal constants,
parking times and costs are **synthetic**: drawn uniformly from the ranges of ``Population``, which are
plausible for detached houses in Belgium and Germany; a study should replace them by its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType

import numpy as np
from scipy.special import ndtri

from tandem_sim.grids.io.profiles import EV_HOME, EV_HOME_KW, HEAT_PUMP, HOUSEHOLD, PV
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Range = tuple[float, float]

_SHARES = (
    "pv_share",
    "battery_share",
    "ev_share",
    "heat_pump_share",
    "smart_share",
    "three_phase_share",
)
SINGLE_PHASE_FEED_IN_KVA = 5.0
"""Most that a generator or battery may feed in on one phase in Belgium: the unbalance that Synergrid's
specification C10/11 accepts (Brugel, the Brussels regulator, in its questions and answers on renewables)."""
_POSITIVE = (
    "pv_kwp",
    "battery_kwh",
    "battery_kw",
    "heat_pump_kw",
    "cop",
    "heat_capacity_kwh_per_k",
    "heat_loss_h",
)
_NO_RANGES = ("load_profiles", "pv_profiles", "devices")
_COSTS = (
    "wear_eur_per_mwh",
    "inconvenience_eur_per_mwh",
    "comfort_eur_per_mwh",
    "feed_in_eur_per_mwh",
)


@dataclass(frozen=True)
class DeviceSettings:
    """Share of households with a device of a class that is declared by its module, and its ranges.

    share_column: number of the random number that decides who has one. ranges: name, (low, high) and number
    of the random number of each quantity.
    """

    name: str
    share: float
    share_column: int
    ranges: tuple[tuple[str, Range, int], ...]

    def __post_init__(self) -> None:
        """Raise ValueError naming the quantity at fault."""
        if not 0 <= self.share <= 1:
            raise ValueError(f"{self.name}.share must lie in 0..1")
        for name, (low, high), _ in self.ranges:
            if not (np.isfinite([low, high]).all() and low <= high):
                raise ValueError(f"{self.name}.{name} must be (low, high) with low <= high")


@dataclass(frozen=True, kw_only=True)
class Population:
    """Shares of households (0 to 1) and (low, high) ranges of what they own; ranges are drawn uniformly.

    Shares
        pv_share, ev_share, heat_pump_share: of all households, independently of each other.
        battery_share: of all households, and only where there is PV.
        smart_share: of the EVs, those that spread their charging evenly until departure; the others charge at
        once at full power.
        three_phase_share: of the households, those connected on three phases. Households whose PV or battery
        is larger than what may feed in on one phase (``SINGLE_PHASE_FEED_IN_KVA``) also are.
    Sizes
        consumption_kwh, consumption_sigma: median and log-deviation of annual base consumption (lognormal,
        cut to ``consumption_range_kwh``). battery_kwh is usable energy. battery_efficiency is one way,
        applied to charging and to discharging. heat_pump_kw is electrical. heat_loss_h is the thermal time
        constant tau, heat_capacity_kwh_per_k the capacity C, recovery_h the time constant with which the
        thermostat brings a deviation back to zero, band_k half the width of the comfort band. parking_h: an
        EV leaves this long after it arrived (an assumption: measured charging shows when it starts, not
        when the EV leaves), later if charging takes longer, and before its next session.
    Costs (EUR/MWh)
        wear of a battery, inconvenience of an EV, discomfort with a heat pump, feed-in tariff of PV.
    Diversity
        shift_weeks: household and EV profiles are moved by up to so many whole weeks either way, and by up to
        ``jitter_h`` hours, as heat pumps are. PV is not moved: weather is common.
    sustain_isps
        Consecutive ISPs of full activation that an offer of an energy-limited device must sustain.
    load_profiles, pv_profiles
        Profiles of which a household draws one: inflexible load in proportion to annual consumption, PV in
        units of kWp. Empty: those of SimBench.
    devices
        Shares and ranges of classes of device that declare them (``DeviceClass.settings``); none of a class
        that is not listed.
    """

    pv_share: float = 0.35
    battery_share: float = 0.15
    ev_share: float = 0.25
    heat_pump_share: float = 0.25
    smart_share: float = 0.5
    consumption_kwh: float = 3500.0
    consumption_sigma: float = 0.3
    consumption_range_kwh: Range = (1500.0, 8000.0)
    pv_kwp: Range = (3.0, 10.0)
    battery_kwh: Range = (4.0, 14.0)
    battery_kw: Range = (2.5, 5.0)
    battery_efficiency: Range = (0.93, 0.97)
    heat_pump_kw: Range = (2.0, 5.0)
    cop: Range = (2.5, 4.0)
    heat_capacity_kwh_per_k: Range = (4.0, 10.0)
    heat_loss_h: Range = (40.0, 100.0)
    recovery_h: float = 3.0
    band_k: float = 1.0
    parking_h: Range = (4.0, 12.0)
    wear_eur_per_mwh: Range = (20.0, 60.0)
    inconvenience_eur_per_mwh: Range = (10.0, 50.0)
    comfort_eur_per_mwh: Range = (20.0, 80.0)
    feed_in_eur_per_mwh: Range = (40.0, 120.0)
    shift_weeks: int = 3
    jitter_h: float = 0.5
    sustain_isps: int = 5
    three_phase_share: float = 0.5
    load_profiles: tuple[str, ...] = ()
    pv_profiles: tuple[str, ...] = ()
    devices: tuple[DeviceSettings, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError naming every field at fault."""
        problems = [f"{n} must lie in 0..1" for n in _SHARES if not 0 <= getattr(self, n) <= 1]
        if self.battery_share > self.pv_share:
            problems.append("battery_share must not exceed pv_share: only PV owners have batteries")
        for about in fields(self):
            value = getattr(self, about.name)
            if (
                isinstance(value, tuple)
                and about.name not in _NO_RANGES
                and not (len(value) == 2 and all(np.isfinite(value)) and value[0] <= value[1])
            ):
                problems.append(f"{about.name} must be (low, high) with low <= high")
        positive = [*_POSITIVE, "consumption_range_kwh"]
        problems += [f"{n} must be positive" for n in positive if min(getattr(self, n)) <= 0]
        scalars = ("consumption_kwh", "recovery_h", "band_k", "sustain_isps")
        problems += [f"{n} must be positive" for n in scalars if not getattr(self, n) > 0]
        not_negative = (*_COSTS, "parking_h")
        problems += [f"{n} must not be negative" for n in not_negative if min(getattr(self, n)) < 0]
        spreads = ("consumption_sigma", "shift_weeks", "jitter_h")
        problems += [f"{n} must not be negative" for n in spreads if not getattr(self, n) >= 0]
        if not 0 < min(self.battery_efficiency) <= max(self.battery_efficiency) <= 1:
            problems.append("battery_efficiency must lie in 0..1, above 0")
        if self.recovery_h > min(self.heat_loss_h):
            problems.append(
                "recovery_h must not exceed heat_loss_h: a thermostat cannot be slower than the building"
            )
        if problems:
            raise ValueError("Population: " + "; ".join(problems))

    @property
    def loads(self) -> tuple[str, ...]:
        """Profiles of inflexible load."""
        return self.load_profiles or HOUSEHOLD

    @property
    def pvs(self) -> tuple[str, ...]:
        """Profiles of PV."""
        return self.pv_profiles or PV


@dataclass(frozen=True)
class Owned:
    """A class of device in H households: who has one (H,), and its quantities (H,) by name."""

    has: BoolArray
    values: Mapping[str, FloatArray]

    @classmethod
    def join(cls, parts: Sequence[Owned]) -> Owned:
        """Those of several parts, in their order."""
        values = {name: np.concatenate([p.values[name] for p in parts]) for name in parts[0].values}
        return cls(np.concatenate([p.has for p in parts]), values)


@dataclass(frozen=True, kw_only=True)
class Households:
    """H households and what they own; every array has shape (H,), unused where ``has_*`` is False.

    Profile indices count into the load and PV profiles of the population, EV_HOME and HEAT_PUMP; shifts are
    in ISPs, added to the time at which a profile is read; powers in kW, energies in kWh, costs in EUR/MWh.
    """

    annual_kwh: FloatArray
    load_profile: IntArray
    load_shift: IntArray
    has_pv: BoolArray
    pv_profile: IntArray
    pv_kwp: FloatArray
    feed_in_eur_per_mwh: FloatArray
    has_battery: BoolArray
    battery_kwh: FloatArray
    battery_kw: FloatArray
    charge_efficiency: FloatArray
    discharge_efficiency: FloatArray
    wear_eur_per_mwh: FloatArray
    has_ev: BoolArray
    ev_profile: IntArray
    ev_shift: IntArray
    ev_kw: FloatArray
    ev_smart: BoolArray
    ev_parking_h: FloatArray
    inconvenience_eur_per_mwh: FloatArray
    has_heat_pump: BoolArray
    heat_pump_profile: IntArray
    heat_pump_shift: IntArray
    heat_pump_kw: FloatArray
    cop: FloatArray
    heat_capacity_kwh_per_k: FloatArray
    heat_loss_h: FloatArray
    comfort_eur_per_mwh: FloatArray
    three_phase: BoolArray
    given_phases: IntArray | None = None  # 1 or 3 where known, 0 where `three_phase` and feed-in decide
    devices: Mapping[str, Owned] = field(default_factory=lambda: MappingProxyType({}))  # by class

    @property
    def phases(self) -> IntArray:
        """Phases (H,) on which a household and all its devices are connected, 1 or 3."""
        feeds_in = np.maximum(
            np.where(self.has_pv, self.pv_kwp, 0.0), np.where(self.has_battery, self.battery_kw, 0.0)
        )
        three = self.three_phase | (feeds_in > SINGLE_PHASE_FEED_IN_KVA)
        ruled = np.where(three, 3, 1).astype(np.int64)
        given = self.given_phases
        return ruled if given is None else np.where(given > 0, given, ruled)

    def owns(self, device: str) -> BoolArray:
        """Which households (H,) have a device of a class that is declared by its module."""
        if device in self.devices:
            return self.devices[device].has
        return np.zeros(len(self.annual_kwh), dtype=bool)

    @classmethod
    def join(cls, parts: Sequence[Households]) -> Households:
        """Households of several parts, in their order; none of them has `given_phases`."""
        names = [f.name for f in fields(cls) if f.name not in ("given_phases", "devices")]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        known = parts[0].devices
        return cls(**arrays, devices={d: Owned.join([part.devices[d] for part in parts]) for d in known})


ROW = 64
"""Random numbers of every household; those without a column below are reserved for later attributes."""
COLUMNS = {
    "pv": 0,
    "battery": 1,
    "ev": 2,
    "heat_pump": 3,
    "consumption": 4,
    "load_profile": 5,
    "load_weeks": 6,
    "load_hours": 7,
    "pv_profile": 8,
    "pv_kwp": 9,
    "feed_in": 10,
    "battery_kwh": 11,
    "battery_kw": 12,
    "charge_efficiency": 13,
    "discharge_efficiency": 14,
    "wear": 15,
    "ev_profile": 16,
    "ev_weeks": 17,
    "ev_hours": 18,
    "ev_smart": 19,
    "parking": 20,
    "inconvenience": 21,
    "heat_pump_profile": 22,
    "heat_pump_hours": 23,
    "heat_pump_kw": 24,
    "cop": 25,
    "heat_capacity": 26,
    "heat_loss": 27,
    "comfort": 28,
    "aggregator": 29,
    "three_phase": 30,
    "newcomer": 31,
}
"""Attribute of a household -> its random number. A column never moves: results depend on it.

Classes of device that declare their parameters name further columns themselves (``Parameter.column``).
"""


def draw(
    population: Population, rows: FloatArray, isps_per_hour: float, has_pv: BoolArray | None = None
) -> Households:
    """Households of a population, one for each of the rows (H, ROW) of numbers in 0..1.

    `has_pv` (H,): which of them have PV, if that is known; batteries are drawn where there is PV.
    Every attribute is decided by a number of its own (`COLUMNS`): a changed share or range leaves all others
    unchanged. Shifts are drawn in hours and rounded to whole ISPs: a household does not depend on the length
    of an ISP.
    """
    p = population

    def number(name: str) -> FloatArray:
        return rows[:, COLUMNS[name]]

    def between(name: str, bounds: Range) -> FloatArray:
        return np.asarray(bounds[0] + (bounds[1] - bounds[0]) * number(name))

    def one_of(name: str, count: int) -> IntArray:
        return (number(name) * count).astype(np.int64)

    def hours(name: str) -> FloatArray:
        return between(name, (-p.jitter_h, p.jitter_h))

    def moved(weeks: str, by: str) -> IntArray:
        whole = one_of(weeks, 2 * p.shift_weeks + 1) - p.shift_weeks
        return np.rint((168 * whole + hours(by)) * isps_per_hour).astype(np.int64)

    if has_pv is None:
        has_pv = number("pv") < p.pv_share
    annual = p.consumption_kwh * np.exp(p.consumption_sigma * ndtri(number("consumption")))
    ev_profile = one_of("ev_profile", len(EV_HOME))
    return Households(
        annual_kwh=np.clip(annual, *p.consumption_range_kwh),
        load_profile=one_of("load_profile", len(p.loads)),
        load_shift=moved("load_weeks", "load_hours"),
        has_pv=has_pv,
        pv_profile=one_of("pv_profile", len(p.pvs)),
        pv_kwp=between("pv_kwp", p.pv_kwp),
        feed_in_eur_per_mwh=between("feed_in", p.feed_in_eur_per_mwh),
        has_battery=has_pv & (number("battery") * p.pv_share < p.battery_share),
        battery_kwh=between("battery_kwh", p.battery_kwh),
        battery_kw=between("battery_kw", p.battery_kw),
        charge_efficiency=between("charge_efficiency", p.battery_efficiency),
        discharge_efficiency=between("discharge_efficiency", p.battery_efficiency),
        wear_eur_per_mwh=between("wear", p.wear_eur_per_mwh),
        has_ev=number("ev") < p.ev_share,
        ev_profile=ev_profile,
        ev_shift=moved("ev_weeks", "ev_hours"),
        ev_kw=np.asarray(EV_HOME_KW)[ev_profile],
        ev_smart=number("ev_smart") < p.smart_share,
        ev_parking_h=between("parking", p.parking_h),
        inconvenience_eur_per_mwh=between("inconvenience", p.inconvenience_eur_per_mwh),
        has_heat_pump=number("heat_pump") < p.heat_pump_share,
        heat_pump_profile=one_of("heat_pump_profile", len(HEAT_PUMP)),
        heat_pump_shift=np.rint(hours("heat_pump_hours") * isps_per_hour).astype(np.int64),
        heat_pump_kw=between("heat_pump_kw", p.heat_pump_kw),
        cop=between("cop", p.cop),
        heat_capacity_kwh_per_k=between("heat_capacity", p.heat_capacity_kwh_per_k),
        heat_loss_h=between("heat_loss", p.heat_loss_h),
        comfort_eur_per_mwh=between("comfort", p.comfort_eur_per_mwh),
        three_phase=number("three_phase") < p.three_phase_share,
        devices={settings.name: _owned(settings, rows) for settings in p.devices},
    )


def _owned(settings: DeviceSettings, rows: FloatArray) -> Owned:
    """Who has a device of a class, and its quantities."""
    values = {
        name: np.asarray(low + (high - low) * rows[:, column])
        for name, (low, high), column in settings.ranges
    }
    return Owned(rows[:, settings.share_column] < settings.share, values)
