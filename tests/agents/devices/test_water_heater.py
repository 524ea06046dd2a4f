"""Water heaters against numbers worked by hand: energy of a day, thermostat, offers, unmet hot water."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.devices.classes import water_heater as module
from tandem_sim.agents.devices.classes.water_heater import Tanks, WaterHeaterGroup, draw_off_kwh
from tandem_sim.agents.devices.population import ROW, Population
from tandem_sim.agents.households.fleet import HouseholdFleet, Residents
from tandem_sim.grids.types import FloatArray

HOURS = 0.25
ONLY = Population(
    pv_share=0, battery_share=0, ev_share=0, heat_pump_share=0, devices=(module.CLASS.settings(1.0),)
)


def _group(
    draws: FloatArray, litres: float = 150.0, kw: float = 2.0, set_c: float = 60.0
) -> WaterHeaterGroup:
    """One tank with draw-offs of so many kWh in each ISP of a day."""
    one = np.zeros(1, dtype=np.int64)
    return WaterHeaterGroup(
        member_group=one,
        member_connection=one,
        tanks=Tanks.build(np.array([litres]), np.array([kw]), np.array([set_c]), HOURS),
        draw_kw=draws[:, None] / HOURS,
        draws_of=one,
        first=one,
        sustain_isps=5,
        comfort=np.array([20.0]),
    )


def test_draw_off_profiles_have_the_published_energy_of_a_day() -> None:
    """Regulation (EU) 812/2013: S 2.1, M 5.845, L 11.655 kWh; M draws 1.4 kWh at 7:05 and at 21:30."""
    for hours in (1 / 12, 0.25, 0.5, 1.0):
        np.testing.assert_allclose(draw_off_kwh(hours).sum(axis=0), [2.1, 5.845, 11.655], rtol=1e-12)
    quarter = draw_off_kwh(HOURS)[:, 1]
    assert quarter[28] == pytest.approx(0.105 + 1.4)  # 7:00 to 7:15
    assert quarter[86] == pytest.approx(1.4)  # 21:30
    assert not quarter[:28].any()


def test_a_tank_stores_and_loses_what_is_published() -> None:
    """180 litres over 10 K: 2.1 kWh. 150 litres of class C lose 16.66 + 8.33 * 150^0.4 = 78.5 W at 45 K."""
    tank = Tanks.build(np.array([180.0]), np.array([2.0]), np.array([60.0]), HOURS)
    assert 10 * tank.kwh_per_k[0] == pytest.approx(2.09, abs=0.005)
    tank = Tanks.build(np.array([150.0]), np.array([2.0]), np.array([60.0]), HOURS)
    assert 45 * tank.kwh_per_k[0] / tank.tau_h[0] == pytest.approx(0.0785, abs=5e-5)


def test_a_day_without_draw_off_costs_the_standing_loss() -> None:
    """40 K above the room: 78.5 W * 40 / 45 for 24 h is 1.674 kWh, less as it cools by 5 K."""
    group = _group(np.zeros(96))
    state, heated, coldest = group.start(0), 0.0, 60.0
    for isp in range(20 * 96):
        power = group.baseline(state, group.read(isp), ())
        state = group.move(state, group.read(isp), power, None)
        heated -= float(power[0]) * HOURS
        coldest = min(coldest, 10.0 + float(state.stored_kwh[0] / group.tanks.kwh_per_k[0]))
    assert 1.674 * 37.5 / 40 * 0.97 < heated / 20 < 1.674
    assert 55.0 - 0.2 < coldest < 55.5  # the thermostat starts 5 K below the set-point
    assert not group.checks(state)["hot water energy not accounted for (kWh)"].max() > 1e-9


def test_the_thermostat_waits_for_its_hysteresis_and_then_heats_to_the_set_point() -> None:
    """150 l: 0.1744 kWh/K. 0.5 kWh (2.9 K) do not start it, 1.0 kWh (5.7 K) do: two ISPs at 2 kW and more."""
    group = _group(np.array([0.5, 0.0, 0.0, 0.5, *[0.0] * 92]))
    state, powers = group.start(0), []
    for isp in range(8):
        power = group.baseline(state, group.read(isp), ())
        powers.append(-float(power[0]))
        state = group.move(state, group.read(isp), power, None)
    assert powers[:3] == [0.0, 0.0, 0.0]
    assert powers[3] == pytest.approx(2.0)
    assert powers[4] == pytest.approx(2.0)
    assert 0.0 < powers[5] < 1.0  # 1.0 kWh and the loss of about an hour and a half, less 2 * 0.5 kWh
    assert powers[6:] == [0.0, 0.0]
    assert state.stored_kwh[0] == pytest.approx(group.tanks.set_kwh[0], abs=0.06)


def test_offers_keep_the_tank_between_its_temperatures() -> None:
    """At 60 of 50 to 65 degrees, 150 l, without draw-off: 0.872 kWh until 65 in 1.25 h, and the loss.

    Heating by p for 1.25 h raises the tank by 1.25 p - 0.087 (the loss at 70 W): p = (0.872 + 0.087) / 1.25.
    """
    group = _group(np.zeros(96))
    state, reading = group.start(0), group.read(0)
    base = group.baseline(state, reading, ())
    low, high = group.feasible_range(state, reading, base, 5)
    assert high[0] == 0.0
    assert -low[0] == pytest.approx((0.872 + 0.087) / 1.25, rel=0.02)
    for isp in range(5):
        state = group.move(state, group.read(isp), low, None)
    assert 10 + state.stored_kwh[0] / group.tanks.kwh_per_k[0] == pytest.approx(65.0, abs=1e-9)


def test_known_draw_off_is_kept_in_the_tank() -> None:
    """It heats at 55 degrees: 0.872 kWh above the lowest; 1.3 kWh are drawn off in the third quarter.

    By its end (0.75 h) heating must give 1.3 - 0.872 kWh and the loss at 58 W: 0.47 kWh in 0.75 h, 0.63 kW.
    """
    group = _group(np.array([0.0, 0.0, 1.3, *[0.0] * 93]))
    low_kwh = group.tanks.set_kwh - 5.0 * group.tanks.kwh_per_k
    state = replace(group.start(0), stored_kwh=low_kwh, heats=np.ones(1))
    base = group.baseline(state, group.read(0), ())
    _, high = group.feasible_range(state, group.read(0), base, 5)
    assert base[0] == pytest.approx(-2.0)
    assert -high[0] == pytest.approx(0.63, rel=0.02)
    for isp in range(3):
        state = group.move(state, group.read(isp), high, None)
    assert state.stored_kwh[0] == pytest.approx(group.tanks.lowest_kwh[0], abs=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), litres=st.floats(30, 300), kw=st.floats(0.5, 4.0))
def test_hot_water_is_met_or_counted(seed: int, litres: float, kw: float) -> None:
    rng = np.random.default_rng(seed)
    draws = rng.random(96) * (rng.random(96) < 0.3)
    group = _group(draws, litres, kw)
    state = group.open_accounts(group.start(0))
    for isp in range(96):
        reading = group.read(isp)
        base = group.baseline(state, reading, ())
        low, high = group.feasible_range(state, reading, base, 1)
        state = group.move(state, reading, low + rng.random() * (high - low), None)
        assert all(x.max() <= 1e-9 for x in group.checks(state).values())
    assert state.drawn_kwh[0] + state.unmet_kwh[0] == pytest.approx(draws.sum(), abs=1e-9)


def _fleet(days: int = 3, households: int = 120) -> HouseholdFleet:
    times = pd.date_range("2016-06-13", periods=96 * days, freq="15min", tz="UTC")
    homes = np.arange(households)
    rows = np.random.default_rng(4).random((households, ROW))
    return HouseholdFleet.build(
        ONLY, Residents(site_of=homes % 3, aggregator_of=homes % 2, n_sites=3, rows=rows), times
    )


@pytest.mark.parametrize("direction", ["up", "down"])
def test_offers_are_deliverable_and_the_rebound_conserves_energy(direction: str) -> None:
    """An hour of offers in full is delivered; later consumption makes up for it.

    Energy that was not consumed is missing in the tanks, or was not lost to the room, or was not drawn off.
    """
    free, held = _fleet(), _fleet()
    gap = []
    for isp in range(192):
        offer = held.lookahead(isp, isp, 50.0, {})
        up, down = (
            (None, None)
            if not 40 <= isp < 44
            else ((offer.up_kw, None) if direction == "up" else (None, offer.down_kw))
        )
        step, alone = held.step(isp, up, down), free.step(isp, None, None)
        if up is not None:
            np.testing.assert_allclose(step.up_kw, up, atol=1e-9)
        if down is not None:
            np.testing.assert_allclose(step.down_kw, down, atol=1e-9)
        gap.append(float(step.site_p_kw.sum() - alone.site_p_kw.sum()) * HOURS)
        assert held.checks() == []
    one, two = free.snapshot(), held.snapshot()
    change = {
        name: float((two[f"water_heater_{name}"] - one[f"water_heater_{name}"]).sum())
        for name in ("stored_kwh", "drawn_kwh", "lost_kwh", "unmet_kwh")
    }
    assert abs(sum(gap[40:44])) > 20.0
    # Less injected = more heated = more stored, drawn off or lost.
    unmet = change.pop("unmet_kwh")
    assert -sum(gap) == pytest.approx(sum(change.values()), abs=1e-6)
    assert change["drawn_kwh"] + unmet == pytest.approx(0.0, abs=1e-6)
    assert abs(sum(gap)) < 0.25 * abs(sum(gap[40:44]))  # most of it has come back within a day and a half
