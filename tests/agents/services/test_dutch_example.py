"""The worked example of the hybrid scheme proposed for the Netherlands, by hand and with its numbers.

A BSP with a stable production of 200 MW offers 20 MW up and 20 MW down, 10 MW of it from distributed
resources, at the best price. At 10:00 the system is short, and 10 MW are activated: from 10:01 to 10:06 the
set-point rises by 1 MW every 30 s until it is 10 MW, and is then constant. Set-points change by at most 1 MW,
and no sooner than after 4 s. The system is still short, and the BSP goes on to its 20 MW; at last it is
sent back to its reference. Volumes are compared every five minutes, -10 % to +20 % of the set-point are
tolerated, and in the stable period the mean must be at least what was requested. The DSO may set a boundary
of 15 MW.

10 MW in five minutes is the ramp of a bid of 10 MW with the full activation time of 300 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tandem_sim.agents.services.afrr import (
    AfrrBids,
    AfrrResult,
    AfrrSettings,
    ControllerState,
    Dispatcher,
    run_isp,
)
from tandem_sim.agents.services.reserve_volumes import Volumes, five_minutes
from tandem_sim.grids.types import FloatArray, IntArray

REFERENCE_MW = 200.0
ONE_BSP = np.zeros(4, dtype=np.int64)
BIDS = AfrrBids(
    direction=np.array([1.0, 1.0, -1.0, -1.0]),
    quantity_mw=np.full(4, 10.0),
    price=np.array([50.0, 51.0, 30.0, 29.0]),  # own plant first, then the distributed resources
    ramp_mw_per_s=np.full(4, 10.0 / 300.0),
    owner=ONE_BSP,
)
EVERY_SECOND = AfrrSettings(cycle_s=1, delay_s=60, step_mw=1.0)
"""A cycle of one second shows each step at its second; that of the example is 4 s."""
HALF_A_CYCLE_MWH = 0.003
"""Volumes are sums over cycles of their last values: 16 MW of ramp in five minutes, half a second off."""


@dataclass
class Day:
    """Set-point and production of the BSP from 10:00 on, MW, cycle by cycle; and the same by bid."""

    setpoint_mw: FloatArray
    production_mw: FloatArray
    control: AfrrResult

    def at(self, clock: str) -> float:
        """The set-point from a moment on."""
        return float(self.setpoint_mw[_second(clock)])


def _second(clock: str) -> int:
    """Seconds since 10:00."""
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return 3600 * (hour - 10) + 60 * minute + sum(second)


def _follow(
    wanted_mw: list[tuple[str, float]],
    until: str,
    how: AfrrSettings = EVERY_SECOND,
    bids: AfrrBids = BIDS,
    available_mw: FloatArray | None = None,
) -> Day:
    """The TSO wants so many MW from a moment on."""
    bsp, cycles = Dispatcher(how, bids), _second(until) // how.cycle_s
    sent, asked, got = (np.empty((cycles, len(bids.price))) for _ in range(3))
    for c in range(cycles):
        wanted = [mw for clock, mw in wanted_mw if _second(clock) <= c * how.cycle_s][-1]
        sent[c] = bsp.follow(wanted, available_mw=available_mw)
        asked[c], got[c] = bsp.requested, bsp.delivered
    net = got @ bids.direction
    control = AfrrResult(
        setpoint_mw=sent,
        requested_mw=asked,
        delivered_mw=got,
        error_mw=np.zeros(cycles),
        net_mw=net,
        terminated=np.zeros(len(bids.price), dtype=bool),
    )
    return Day(REFERENCE_MW + sent @ bids.direction, REFERENCE_MW + net, control)


def _compared(day: Day, start: str, cycle_s: int = 1) -> Volumes:
    """The three comparisons of the ISP that starts at a moment."""
    first = _second(start) // cycle_s
    one = slice(first, first + 900 // cycle_s)
    c = day.control
    part = AfrrResult(
        setpoint_mw=c.setpoint_mw[one],
        requested_mw=c.requested_mw[one],
        delivered_mw=c.delivered_mw[one],
        error_mw=c.error_mw[one],
        net_mw=c.net_mw[one],
        terminated=c.terminated,
    )
    return five_minutes(BIDS, part, cycle_s)


@pytest.fixture(scope="module")
def day() -> Day:
    return _follow([("10:00", 10.0), ("10:15", 20.0), ("10:30", 0.0)], "10:45")


def test_from_10_01_to_10_06_the_setpoint_rises_by_1_mw_every_30_s_and_is_then_kept(day: Day) -> None:
    assert set(day.setpoint_mw[: _second("10:01")]) == {200.0}
    for step in range(10):  # 10:01:00, 10:01:30, .., 10:05:30
        begin = _second("10:01") + 30 * step
        assert day.setpoint_mw[begin : begin + 30] == pytest.approx([201.0 + step] * 30)
    assert day.setpoint_mw[_second("10:06") : _second("10:16")] == pytest.approx([210.0] * 600)


def test_assets_have_the_30_s_to_follow_and_produce_210_mw_at_10_06(day: Day) -> None:
    # Samples are taken at the end of each second: sample 89 is 10:01:30.
    assert day.production_mw[_second("10:01") - 1] == pytest.approx(200.0)
    assert day.production_mw[_second("10:01:30") - 1] == pytest.approx(201.0)
    assert day.production_mw[_second("10:03:45") - 1] == pytest.approx(205.5)
    assert day.production_mw[_second("10:06") - 1] == pytest.approx(210.0)
    lag = day.setpoint_mw[: _second("10:06")] - day.production_mw[: _second("10:06")]
    assert lag.min() >= -1e-9
    assert lag.max() <= 1.0


def test_it_goes_on_to_its_20_mw_and_back_to_the_reference(day: Day) -> None:
    assert [day.at(c) for c in ("10:15:59", "10:16", "10:20:30", "10:29")] == pytest.approx(
        [210, 211, 220, 220]
    )
    # Both bids end together: 20 MW in the five minutes of each, 1 MW every 15 s from 10:31 on.
    assert [day.at(c) for c in ("10:30:59", "10:31", "10:31:15", "10:35:44", "10:35:45")] == pytest.approx(
        [220, 219, 218, 201, 200]
    )
    assert day.production_mw[_second("10:36") - 1] == pytest.approx(200.0)
    assert day.setpoint_mw.max() == pytest.approx(220.0)
    assert np.abs(np.diff(day.setpoint_mw)).max() == pytest.approx(1.0)  # the most a set-point changes


def test_downwards_it_is_the_same_with_the_other_sign(day: Day) -> None:
    down = _follow([("10:00", -10.0), ("10:15", -20.0), ("10:30", 0.0)], "10:45")
    assert down.setpoint_mw == pytest.approx(2.0 * REFERENCE_MW - day.setpoint_mw)
    assert down.production_mw == pytest.approx(2.0 * REFERENCE_MW - day.production_mw)


def test_with_setpoints_every_4_s_each_step_comes_within_one_cycle() -> None:
    followed = _follow([("10:00", 10.0)], "10:15", AfrrSettings(cycle_s=4, delay_s=60, step_mw=1.0))
    changes = np.flatnonzero(np.diff(followed.setpoint_mw) > 1e-9) + 1
    assert np.diff(followed.setpoint_mw)[changes - 1] == pytest.approx([1.0] * 10)
    late = 4 * changes - (60 + 30 * np.arange(10))
    assert np.abs(late).max() < 4


def test_volumes_requested_and_delivered_are_compared_every_five_minutes(day: Day) -> None:
    """Mean MW above 200 by hand, over 12 in MWh: a ramp counts with the middle of its ends.

    10:00 1 min of 0, 4 min from 0 to 8: 3.2 MW. 10:05 1 min from 8 to 10, 4 min of 10: 9.8. 10:10 10.
    10:15 1 min of 10, 4 min from 10 to 18: 13.2. 10:20 1 min from 18 to 20, 4 min of 20: 19.8. 10:25 20.
    10:30 1 min of 20, 4 min from 20 to 4: 13.6. 10:35 1 min from 4 to 0: 0.4.
    """
    mean_mw = {"10:00": [3.2, 9.8, 10.0], "10:15": [13.2, 19.8, 20.0], "10:30": [13.6, 0.4]}
    for start, by_hand in mean_mw.items():
        found, mwh = _compared(day, start), np.array(by_hand) / 12.0
        assert found.start_s.tolist() == [0, 300, 600][: len(by_hand)]
        assert found.direction.tolist() == [1] * len(by_hand)
        assert found.requested_mwh == pytest.approx(mwh, abs=HALF_A_CYCLE_MWH)
        assert found.delivered_mwh == pytest.approx(mwh, abs=HALF_A_CYCLE_MWH)
        assert found.within_band.all()
        first = _second(start)
        metered = day.production_mw[first : first + 900].reshape(3, 300).mean(axis=1) - REFERENCE_MW
        assert found.delivered_mwh == pytest.approx(metered[: len(by_hand)] / 12.0)


def test_the_stable_period_starts_at_10_06(day: Day) -> None:
    first = _compared(day, "10:00")
    assert first.stable_s.tolist() == [0, 240, 300]  # 10:06 to 10:10, and 10:10 to 10:15
    assert first.stable_requested_mw == pytest.approx([0.0, 10.0, 10.0])
    assert first.stable_delivered_mw == pytest.approx([0.0, 10.0, 10.0])  # at least what was requested
    second = _compared(day, "10:15")
    assert second.stable_s.tolist() == [59, 240, 300]  # the first cycle of an ISP has none before it
    assert second.stable_delivered_mw == pytest.approx([10.0, 20.0, 20.0])


@pytest.mark.parametrize(("available_mw", "kept"), [(10.0, True), (9.5, True), (9.0, True), (8.9, False)])
def test_less_than_requested_is_tolerated_to_10_percent_and_shows_in_the_stable_period(
    available_mw: float, kept: bool
) -> None:
    able = np.array([available_mw, 10.0, 10.0, 10.0])
    found = _compared(_follow([("10:00", 10.0)], "10:15", available_mw=able), "10:00")
    assert bool(found.within_band[2]) is kept
    assert found.requested_mwh[2] == pytest.approx(10.0 / 12.0)
    assert found.stable_delivered_mw[2] == pytest.approx(available_mw)
    assert bool(found.stable_delivered_mw[2] >= found.stable_requested_mw[2] - 1e-9) is (available_mw == 10.0)


def test_a_boundary_of_15_mw_from_the_dso_is_never_exceeded() -> None:
    bounded = AfrrBids(
        direction=BIDS.direction,
        quantity_mw=np.array([10.0, 5.0, 10.0, 10.0]),
        price=BIDS.price,
        ramp_mw_per_s=BIDS.ramp_mw_per_s,
        owner=ONE_BSP,
    )
    followed = _follow([("10:00", 10.0), ("10:15", 20.0)], "10:30", bids=bounded)
    assert followed.setpoint_mw.max() == pytest.approx(215.0)
    assert followed.production_mw.max() == pytest.approx(215.0)
    assert followed.at("10:29") == pytest.approx(215.0)


def test_a_large_disturbance_activates_all_bids_in_parallel_at_their_ramps() -> None:
    # 1000 MW short: all 20 MW are wanted at once, and both bids ramp from 10:01 to 10:06.
    how = AfrrSettings(cycle_s=4, delay_s=60, step_mw=1.0)
    result = run_isp(how, BIDS, np.full(225, -1000.0), ControllerState())
    produced = REFERENCE_MW + result.net_mw
    assert [produced[_second(c) // 4 - 1] for c in ("10:01", "10:02", "10:06")] == pytest.approx(
        [200, 204, 220]
    )
    assert result.delivered_mw[:, 0] == pytest.approx(result.delivered_mw[:, 1])


def test_a_delay_is_carried_into_the_next_isp() -> None:
    """What is wanted in the last 20 s of an ISP moves set-points 60 s later: 40 s into the next."""
    how, state = AfrrSettings(cycle_s=20, delay_s=60), ControllerState()
    before, after = Dispatcher(how, BIDS, state), Dispatcher(how, BIDS, state)
    for wanted in [0.0] * 44 + [10.0]:
        assert not before.follow(wanted).any()
    moved = [float(after.follow(10.0)[0]) for _ in range(4)]
    assert moved == pytest.approx([0.0, 0.0, 20.0 / 30.0, 40.0 / 30.0])


def test_steps_are_those_of_the_bsp_and_not_of_its_bids() -> None:
    """Four bids of 0.5 MW of one BSP: 1 MW at first, the other when the ramps have brought the first."""
    n = 4
    owner: IntArray = np.zeros(n, dtype=np.int64)
    bids = AfrrBids(
        direction=np.ones(n),
        quantity_mw=np.full(n, 0.5),
        price=np.arange(50.0, 54.0),
        ramp_mw_per_s=np.full(n, 0.5 / 300.0),
        owner=owner,
    )
    bsp = Dispatcher(AfrrSettings(cycle_s=1, step_mw=1.0), bids)
    total = [float(bsp.follow(2.0).sum()) for _ in range(301)]
    assert total[:150] == pytest.approx([1.0] * 150)  # 2 MW in 300 s: 1 MW in 150 s
    assert total[150:] == pytest.approx([2.0] * 151)
    small = AfrrBids(
        direction=np.ones(1),
        quantity_mw=np.ones(1),
        price=np.array([50.0]),
        ramp_mw_per_s=np.array([1.0 / 300.0]),
    )
    alone = Dispatcher(AfrrSettings(cycle_s=1, step_mw=1.0), small)
    assert alone.follow(0.4) == pytest.approx([0.4])  # what is wanted is nearer than a step
