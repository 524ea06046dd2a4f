"""Who lives behind the meters: the shares, sizes and costs of a synthetic population of households.

Powers and weather are measured (``tandem_sim.grids.profiles``). Sizes, efficiencies, thermal constants,
parking times and costs are **synthetic**: drawn uniformly from the ranges of ``Population``, which are
plausible for detached houses in Belgium and Germany and meant to be replaced by a study's own.
"""

from dataclasses import dataclass, fields

import numpy as np

from tandem_sim.grids.arrays import BoolArray, FloatArray, IntArray
from tandem_sim.grids.profiles import EV_HOME, EV_HOME_KW, HEAT_PUMP, HOUSEHOLD, PV

Range = tuple[float, float]

_SHARES = (
    "pv_share", "battery_share", "ev_share", "heat_pump_share", "smart_share", "three_phase_share",
)  # fmt: skip
SINGLE_PHASE_FEED_IN_KVA = 5.0
"""Most that a generator or battery may feed in on one phase in Belgium: the unbalance that Synergrid's
specification C10/11 accepts (Brugel, the Brussels regulator, in its questions and answers on renewables)."""
_POSITIVE = (
    "pv_kwp", "battery_kwh", "battery_kw", "heat_pump_kw", "cop", "heat_capacity_kwh_per_k", "heat_loss_h",
)  # fmt: skip
_COSTS = (
    "wear_eur_per_mwh", "inconvenience_eur_per_mwh", "comfort_eur_per_mwh", "feed_in_eur_per_mwh",
)  # fmt: skip


@dataclass(frozen=True)
class Population:
    """Shares of households (0 to 1) and (low, high) ranges of what they own; ranges are drawn uniformly.

    Shares
        pv_share, ev_share, heat_pump_share: of all households, independently of each other.
        battery_share: of all households, and only where there is PV.
        smart_share: of the EVs, those that spread their charging evenly until departure; the others charge at
        once at full power.
        three_phase_share: of the households, those connected on three phases. Besides them all are whose PV
        or battery is larger than what may feed in on one (``SINGLE_PHASE_FEED_IN_KVA``).
    Sizes
        consumption_kwh, consumption_sigma: median and log-deviation of annual base consumption (lognormal,
        cut to ``consumption_range_kwh``). battery_kwh is usable energy. battery_efficiency is one way,
        applied to charging and to discharging. heat_pump_kw is electrical. heat_loss_h is the thermal time
        constant tau, heat_capacity_kwh_per_k the capacity C, recovery_h the time constant with which the
        thermostat brings a deviation back to zero, band_k half the width of the comfort band. parking_h: an
        EV leaves this long after it arrived (an assumption: the measured charging tells when it starts, not
        when the car leaves), later if charging takes longer, and before its next session.
    Costs (EUR/MWh)
        wear of a battery, inconvenience of an EV, discomfort with a heat pump, feed-in tariff of PV.
    Diversity
        shift_weeks: household and EV profiles are moved by up to so many whole weeks either way, and by up to
        ``jitter_h`` hours, as heat pumps are. PV is not moved: weather is common.
    sustain_isps
        Consecutive ISPs of full activation that an offer of an energy-limited device must be able to bear.
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

    def __post_init__(self) -> None:
        """Raise ValueError naming every field at fault."""
        problems = [f"{n} must lie in 0..1" for n in _SHARES if not 0 <= getattr(self, n) <= 1]
        if self.battery_share > self.pv_share:
            problems.append("battery_share must not exceed pv_share: only PV owners have batteries")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and not (
                len(value) == 2 and all(np.isfinite(value)) and value[0] <= value[1]
            ):
                problems.append(f"{field.name} must be (low, high) with low <= high")
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
            problems.append("recovery_h must not exceed heat_loss_h: thermostats outrun the house")
        if problems:
            raise ValueError("Population: " + "; ".join(problems))


@dataclass(frozen=True)
class Households:
    """What each of H households is and owns; every array has shape (H,), unused where ``has_*`` is False.

    Profile indices count into HOUSEHOLD, PV, EV_HOME and HEAT_PUMP; shifts are in ISPs, added to the time at
    which a profile is read; powers in kW, energies in kWh, costs in EUR/MWh.
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

    @property
    def phases(self) -> IntArray:
        """Phases (H,) on which a household and all its devices are connected, 1 or 3."""
        feeds_in = np.maximum(
            np.where(self.has_pv, self.pv_kwp, 0.0), np.where(self.has_battery, self.battery_kw, 0.0)
        )
        three = self.three_phase | (feeds_in > SINGLE_PHASE_FEED_IN_KVA)
        return np.where(three, 3, 1).astype(np.int64)


def draw(
    population: Population, households: int, isps_per_hour: float, rng: np.random.Generator
) -> Households:
    """Draw ``households`` at random.

    Every attribute is drawn for every household, in the order below, so that a changed share or range leaves
    all other draws as they were.
    """
    h, p = households, population
    per_week, jitter = round(168 * isps_per_hour), int(p.jitter_h * isps_per_hour)

    def between(bounds: Range) -> FloatArray:
        return bounds[0] + (bounds[1] - bounds[0]) * rng.random(h)

    def moved() -> IntArray:
        weeks = rng.integers(-p.shift_weeks, p.shift_weeks + 1, h)
        shift: IntArray = weeks * per_week + rng.integers(-jitter, jitter + 1, h)
        return shift

    owns = rng.random((4, h))
    has_pv = owns[0] < p.pv_share
    annual = p.consumption_kwh * np.exp(p.consumption_sigma * rng.standard_normal(h))
    ev_profile = rng.integers(0, len(EV_HOME), h)
    return Households(
        annual_kwh=np.clip(annual, *p.consumption_range_kwh),
        load_profile=rng.integers(0, len(HOUSEHOLD), h),
        load_shift=moved(),
        has_pv=has_pv,
        pv_profile=rng.integers(0, len(PV), h),
        pv_kwp=between(p.pv_kwp),
        feed_in_eur_per_mwh=between(p.feed_in_eur_per_mwh),
        has_battery=has_pv & (owns[1] * p.pv_share < p.battery_share),
        battery_kwh=between(p.battery_kwh),
        battery_kw=between(p.battery_kw),
        charge_efficiency=between(p.battery_efficiency),
        discharge_efficiency=between(p.battery_efficiency),
        wear_eur_per_mwh=between(p.wear_eur_per_mwh),
        has_ev=owns[2] < p.ev_share,
        ev_profile=ev_profile,
        ev_shift=moved(),
        ev_kw=np.asarray(EV_HOME_KW)[ev_profile],
        ev_smart=rng.random(h) < p.smart_share,
        ev_parking_h=between(p.parking_h),
        inconvenience_eur_per_mwh=between(p.inconvenience_eur_per_mwh),
        has_heat_pump=owns[3] < p.heat_pump_share,
        heat_pump_profile=rng.integers(0, len(HEAT_PUMP), h),
        heat_pump_shift=rng.integers(-jitter, jitter + 1, h),
        heat_pump_kw=between(p.heat_pump_kw),
        cop=between(p.cop),
        heat_capacity_kwh_per_k=between(p.heat_capacity_kwh_per_k),
        heat_loss_h=between(p.heat_loss_h),
        comfort_eur_per_mwh=between(p.comfort_eur_per_mwh),
        three_phase=rng.random(h) < p.three_phase_share,
    )
