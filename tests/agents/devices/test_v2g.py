"""Vehicle-to-grid against numbers worked by hand: kept charge, energy at departure, efficiency, wear."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.devices.classes import v2g as module
from tandem_sim.agents.devices.classes.ev import Arrivals, EvReading, Sessions, Vehicles
from tandem_sim.agents.devices.classes.v2g import V2gGroup, V2gState
from tandem_sim.agents.devices.population import ROW, Population
from tandem_sim.agents.devices.profile_window import ProfileColumns, Window
from tandem_sim.agents.households.fleet import HouseholdFleet, Residents
from tandem_sim.grids.types import FloatArray, IntArray

HOURS = 0.25
CARS = Population(
    pv_share=0, battery_share=0, ev_share=1, heat_pump_share=0, devices=(module.CLASS.settings(1.0),)
)


def _a(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float64)


def _i(*values: int) -> IntArray:
    return np.array(values, dtype=np.int64)


def _group(kept_kwh: float = 20.0, smart: bool = True) -> V2gGroup:
    """A car of 50 kWh and 10 kW with 90 % one way, wear of 60 and inconvenience of 10 EUR/MWh."""
    window = Window(
        flat=np.zeros(1), before=0, first=0, columns=ProfileColumns(), load_hours=_a(1.0), pv_hours=None
    )
    sessions = Sessions(
        window=window,
        hours=HOURS,
        at=_i(0),
        kw=_a(10.0),
        profile_kw=_a(10.0),
        parking_isps=_i(16),
        plug_in_isp=_i(-1),
        plug_in_kwh=_a(0.0),
    )
    return V2gGroup(
        member_group=_i(0),
        member_connection=_i(0),
        hours=HOURS,
        sessions=sessions,
        vehicles=Vehicles(np.array([smart]), _i(16)),
        inconvenience=_a(10.0),
        capacity_kwh=_a(50.0),
        kept_kwh=_a(kept_kwh),
        efficiency=_a(0.9),
        wear=_a(60.0),
    )


def _reading(isp: int) -> EvReading:
    nobody = Arrivals(car=_i(), need_kwh=_a(), depart_isp=_i(), limit_kw=_a(), adds=np.array([], dtype=bool))
    return EvReading(isp=isp, plugged_in=np.array([False]), arrivals=nobody)


def _plugged(left_kwh: float, isps: int) -> V2gState:
    """Plugged in for so many ISPs, with so much energy needed."""
    none = _a(0.0)
    return V2gState(_a(left_kwh), _i(isps), _a(10.0), _a(left_kwh), none, none, none, none, none)


def test_discharge_is_bounded_by_the_energy_that_the_owner_keeps() -> None:
    """10 kWh needed: 50 - 9 = 41 kWh stored, 21 above the kept 20, 18.9 kWh at the meter in 2 h: 9.45 kW."""
    group = _group()
    _, high = group.feasible_range(_plugged(10.0, 96), _reading(0), _a(-1.0), 8)
    np.testing.assert_allclose(high, [9.45])
    _, high = group.feasible_range(_plugged(10.0, 96), _reading(0), _a(-1.0), 4)
    np.testing.assert_allclose(high, [10.0])  # the charger


def test_discharge_is_bounded_by_what_can_be_charged_until_departure() -> None:
    """10 kWh needed, 8 ISPs: after one, 7 ISPs charge 17.5 kWh, 7.5 more than needed: 6.075 kWh = 24.3 kW.

    Over 4 ISPs: 4 more charge 10 kWh, which are needed: nothing is left to discharge. Over 5 ISPs: 3 more
    charge 7.5 kWh, so 2.5 kWh must be charged within 1.25 h: 2 kW.
    """
    group = _group(kept_kwh=0.0)
    one = group.feasible_range(_plugged(10.0, 8), _reading(0), _a(-5.0), 1)
    np.testing.assert_allclose(one, [[-10.0], [10.0]])
    four = group.feasible_range(_plugged(10.0, 8), _reading(0), _a(-5.0), 4)
    np.testing.assert_allclose(four, [[-10.0], [0.0]])
    five = group.feasible_range(_plugged(10.0, 8), _reading(0), _a(-5.0), 5)
    np.testing.assert_allclose(five, [[-8.0], [-2.0]])


def test_a_discharge_is_owed_with_its_losses() -> None:
    """8.1 kW for a quarter: 2.025 kWh at the meter, 2.25 kWh from the battery, 2.5 kWh to charge again."""
    group = _group()
    after = group.move(_plugged(10.0, 96), _reading(0), _a(8.1), None)
    np.testing.assert_allclose(after.left_kwh, [12.5])
    np.testing.assert_allclose(group.stored_kwh(after), [50.0 - 0.9 * 12.5])
    np.testing.assert_allclose(after.discharged_kwh, [2.025])
    np.testing.assert_allclose(group.rebound_kwh(after), [12.5])


def test_prices_cover_losses_wear_and_inconvenience() -> None:
    """From -2 to +6 kW at 81 EUR/MWh: 2 kW delayed at 91, 6 kW discharged at 81 / 0.81 + 60 + 10 = 170."""
    group = _group()
    up, down = group.cost(_plugged(10.0, 96), _reading(0), _a(-2.0), (_a(-5.0), _a(6.0)), 81.0)
    np.testing.assert_allclose(up, [(2 * 91.0 + 6 * 170.0) / 8])
    np.testing.assert_allclose(down, [71.0])
    up, _ = group.cost(_plugged(10.0, 96), _reading(0), _a(-2.0), (_a(-5.0), _a(-1.0)), 81.0)
    np.testing.assert_allclose(up, [91.0])


@settings(deadline=None)
@given(
    left=st.floats(0, 50),
    isps=st.integers(1, 60),
    kept=st.floats(0, 50),
    seed=st.integers(0, 2**32 - 1),
    smart=st.booleans(),
)
def test_it_leaves_full_and_never_discharges_below_the_kept_charge(
    left: float, isps: int, kept: float, seed: int, smart: bool
) -> None:
    group, rng = _group(kept, smart), np.random.default_rng(seed)
    left = min(left, isps * HOURS * 10.0)  # a session that the charger can meet
    state = _plugged(left, isps)
    for isp in range(isps):
        reading = _reading(isp)
        base = group.baseline(state, reading, ())
        low, high = group.feasible_range(state, reading, base, 1)
        before = group.stored_kwh(state)[0]
        power = low + rng.integers(0, 3) / 2 * (high - low)
        state = group.move(state, reading, power, None)
        stored = group.stored_kwh(state)[0]
        assert stored >= min(before, kept) - 1e-9 if power[0] > 0 else stored >= before - 1e-9
        assert all(x.max() <= 1e-9 for x in group.checks(state).values())
    np.testing.assert_allclose(state.left_kwh, 0.0, atol=1e-9)


def _fleet(population: Population = CARS, days: int = 4, households: int = 120) -> HouseholdFleet:
    times = pd.date_range("2016-01-11", periods=96 * days, freq="15min", tz="UTC")
    homes = np.arange(households)
    rows = np.random.default_rng(4).random((households, ROW))
    residents = Residents(site_of=homes % 3, aggregator_of=homes % 2, n_sites=3, rows=rows)
    return HouseholdFleet.build(population, residents, times)


def test_without_activation_it_charges_as_other_evs_do() -> None:
    plain = Population(pv_share=0, battery_share=0, ev_share=1, heat_pump_share=0)
    cars, v2g = _fleet(plain), _fleet()
    for isp in range(192):
        one, two = cars.step(isp, None, None), v2g.step(isp, None, None)
        np.testing.assert_allclose(one.site_p_kw, two.site_p_kw, atol=1e-9)
    assert [cars.layout.classes[0].name, v2g.layout.classes[0].name] == ["ev", "v2g"]


@pytest.mark.parametrize("direction", ["up", "mixed"])
def test_offers_are_deliverable_and_departures_are_met(direction: str) -> None:
    """Every offer bought, four ISPs ahead, with the orders in between known; then the cars charge again."""
    fleet, rng = _fleet(), np.random.default_rng(5)
    orders: dict[int, tuple[FloatArray, FloatArray]] = {}
    ordered = delivered = fed_in = 0.0
    for isp in range(300):
        offer = fleet.lookahead(isp, isp + 4, 60.0, orders)
        share = np.ones(len(fleet.groups)) if direction == "up" else rng.random(len(fleet.groups)).round()
        orders[isp + 4] = (offer.up_kw * share, offer.down_kw * (1.0 - share))
        up, down = orders.get(isp, (None, None))
        step = fleet.step(isp, up, down)
        fed_in += step.measures["v2g_discharged_mwh"]
        assert fleet.checks() == []
        if up is not None and down is not None:
            ordered += up.sum() + down.sum()
            delivered += np.minimum(step.up_kw, up).sum() + np.minimum(step.down_kw, down).sum()
    assert ordered > 500
    assert delivered / ordered > 0.999
    assert fed_in > 0.1
    end = fleet.snapshot()
    assert end["v2g_short_kwh"].max() < 1e-6
