"""Device physics against numbers worked by hand, for one device of each class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_sim.agents.devices.classes.battery import Batteries
from tandem_sim.agents.devices.classes.ev import Vehicles
from tandem_sim.agents.devices.classes.heat_pump import HeatPumps
from tandem_sim.agents.devices.device import spread
from tandem_sim.agents.devices.population import ROW, Population, draw
from tandem_sim.agents.devices.profile_window import sessions
from tandem_sim.grids.types import FloatArray

HOURS = 0.25


def _a(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float64)


def _battery() -> Batteries:
    return Batteries(_a(10.0), _a(5.0), _a(0.9), _a(0.8))


def test_battery_charges_from_surplus_only() -> None:
    """3 kW of surplus for a quarter hour: 0.75 kWh at the meter, 0.675 kWh stored at 90 %."""
    battery = _battery()
    power = battery.baseline(_a(4.0), _a(3.0), HOURS)
    np.testing.assert_allclose(power, [-3.0])
    np.testing.assert_allclose(battery.move(_a(4.0), power, HOURS), [4.675])


def test_battery_discharges_into_the_deficit_down_to_empty() -> None:
    """0.2 kWh stored give 0.16 kWh at 80 %, 0.64 kW for a quarter hour, though 2 kW are missing."""
    battery = _battery()
    power = battery.baseline(_a(0.2), _a(-2.0), HOURS)
    np.testing.assert_allclose(power, [0.64])
    np.testing.assert_allclose(battery.move(_a(0.2), power, HOURS), [0.0], atol=1e-15)


def test_battery_offers_what_five_isps_can_bear() -> None:
    """5 kWh of 10: out 5*0.8/1.25 h = 3.2 kW, in 5/0.9/1.25 h = 4.44 kW; a single ISP is bound by 5 kW."""
    low, high = _battery().limits(_a(5.0), _a(-1.0), HOURS, 5)
    np.testing.assert_allclose(high, [3.2])
    np.testing.assert_allclose(low, [-5 / 0.9 / 1.25])
    low, high = _battery().limits(_a(5.0), _a(-1.0), HOURS, 1)
    np.testing.assert_allclose([low[0], high[0]], [-5.0, 5.0])


@given(stored=st.floats(0, 10), surplus=st.floats(-20, 20), want=st.floats(0, 1), isps=st.integers(1, 8))
def test_battery_energy_is_conserved_and_bounded(
    stored: float, surplus: float, want: float, isps: int
) -> None:
    battery = _battery()
    base = battery.baseline(_a(stored), _a(surplus), HOURS)
    low, high = battery.limits(_a(stored), base, HOURS, isps)
    assert low <= base <= high
    power = low + want * (high - low)
    after = battery.move(_a(stored), power, HOURS)
    assert 0 <= after <= 10
    kept = 0.9 * np.maximum(-power, 0) * HOURS - np.maximum(power, 0) * HOURS / 0.8
    np.testing.assert_allclose(after - stored, kept, atol=1e-12)


def _ev(smart: bool) -> Vehicles:
    return Vehicles(np.array([smart]), np.array([16], dtype=np.int64))


def test_ev_baselines() -> None:
    """6 kWh needed within 12 ISPs (3 h), 11 kW: at once 11 kW, spread 2 kW; 1 kWh needed at once: 4 kW."""
    left_isps = np.array([12], dtype=np.int64)
    np.testing.assert_allclose(_ev(False).baseline(_a(6.0), left_isps, _a(11.0), HOURS), [-11.0])
    np.testing.assert_allclose(_ev(True).baseline(_a(6.0), left_isps, _a(11.0), HOURS), [-2.0])
    np.testing.assert_allclose(_ev(False).baseline(_a(1.0), left_isps, _a(11.0), HOURS), [-4.0])


def test_ev_offers_only_what_it_can_recover() -> None:
    """Full power for 3 ISPs could charge 8.25 kWh, 6 are needed: slack 2.25 kWh.

    One ISP may be held back by 2.25/0.25 = 9 kW to 2 kW; three in a row by 2.25/0.75 = 3 kW to 8 kW.
    """
    args = (_a(6.0), np.array([3], dtype=np.int64), _a(11.0), _a(-11.0), HOURS)
    np.testing.assert_allclose(_ev(False).limits(*args, 1)[1], [-2.0])
    np.testing.assert_allclose(_ev(False).limits(*args, 5)[1], [-8.0])


def test_ev_about_to_leave_or_away_offers_nothing() -> None:
    last = _ev(False).limits(_a(2.0), np.array([1], dtype=np.int64), _a(11.0), _a(-8.0), HOURS, 5)
    np.testing.assert_allclose(last, [[-8.0], [-8.0]])
    away = _ev(True).limits(_a(0.0), np.array([-7], dtype=np.int64), _a(11.0), _a(0.0), HOURS, 5)
    np.testing.assert_allclose(away, [[0.0], [0.0]], atol=0)


def _pump() -> HeatPumps:
    return HeatPumps.build(_a(4.0), _a(3.0), _a(6.0), _a(50.0), recovery_h=3.0, band_k=1.0, hours=HOURS)


def test_heat_pump_deviation_follows_the_equation() -> None:
    """Off instead of 2 kW for 15 min: about -3*2/6*0.25 = -0.25 K, exactly (1-exp(-0.005))*25*(-2)."""
    theta = _pump().move(_a(0.0), _a(2.0), _a(0.0))
    np.testing.assert_allclose(theta, [(1 - np.exp(-0.005)) * 25 * -2.0])
    np.testing.assert_allclose(theta, [-0.25], rtol=0.01)


def test_heat_pump_recovers_with_its_time_constant() -> None:
    pump = _pump()
    base = pump.baseline(_a(-0.2), _a(2.0))
    assert -4.0 < base[0] < -2.0
    np.testing.assert_allclose(pump.move(_a(-0.2), _a(2.0), base), [-0.2 * np.exp(-HOURS / 3)])


@given(theta=st.floats(-1, 1), measured=st.floats(0, 4), want=st.floats(0, 1), running=st.booleans())
def test_heat_pump_stays_in_band_and_rating(
    theta: float, measured: float, want: float, running: bool
) -> None:
    pump = _pump()
    base = pump.baseline(_a(theta), _a(measured))
    low, high = pump.limits(_a(theta), _a(measured), np.array([running]), base, pump.decay)
    assert -4.0 <= low <= base <= high <= 0.0
    power = low + want * (high - low)
    assert abs(pump.move(_a(theta), _a(measured), power)[0]) <= 1 + 1e-12
    assert running or low == base


def test_spread_is_proportional_and_says_what_is_missing() -> None:
    """Groups offer 1+3 and 2 kW, orders of 2 and 5: half of each; all of it, and 3 missing."""
    group = np.array([0, 0, 1], dtype=np.int64)
    shared, missing = spread(_a(2.0, 5.0), group, _a(1.0, 3.0, 2.0))
    np.testing.assert_allclose(shared, [0.5, 1.5, 2.0])
    np.testing.assert_allclose(missing, [0.0, 3.0])


def test_sessions_join_short_pauses_and_measure_gaps() -> None:
    """Blocks of 2 and 1 ISPs, two apart (half an hour), are one session of 5; the next arrives 10 later."""
    charging = _a(0, 1, 0.5, 0, 0, 1, 0, 0, 0, 0, 0, 0.4, 0)
    table = sessions(charging, HOURS)
    assert np.flatnonzero(table[:, 0]).tolist() == [1, 11]
    np.testing.assert_allclose(table[1], [2.5 * HOURS, 5, 10, 1.0])
    np.testing.assert_allclose(table[11, [0, 1, 3]], [0.4 * HOURS, 1, 0.4])
    assert not sessions(np.zeros(8), HOURS).any()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pv_share", 1.2),
        ("battery_share", 0.5),
        ("pv_kwp", (5.0, 3.0)),
        ("battery_kwh", (0.0, 3.0)),
        ("battery_efficiency", (0.9, 1.1)),
        ("wear_eur_per_mwh", (-1.0, 3.0)),
        ("recovery_h", 1000.0),
        ("band_k", float("nan")),
        ("sustain_isps", 0),
        ("jitter_h", -1.0),
    ],
)
def test_population_names_the_field_at_fault(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"Population: .*{field}"):
        Population(**{field: value})  # type: ignore[arg-type]


def test_changed_shares_leave_other_draws_alone() -> None:
    rows = np.random.default_rng(3).random((500, ROW))
    one = draw(Population(), rows, 4.0)
    two = draw(Population(ev_share=0.9, pv_kwp=(1.0, 2.0)), rows, 4.0)
    np.testing.assert_array_equal(one.annual_kwh, two.annual_kwh)
    np.testing.assert_array_equal(one.has_battery, two.has_battery)
    np.testing.assert_array_equal(one.comfort_eur_per_mwh, two.comfort_eur_per_mwh)
    assert not (one.has_battery & ~one.has_pv).any()
    assert one.has_pv.mean() == pytest.approx(0.35, abs=0.06)
    assert one.has_battery.mean() == pytest.approx(0.15, abs=0.05)
