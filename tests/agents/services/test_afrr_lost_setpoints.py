"""Set-points that get lost: an asset keeps the last set-point received."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.services.afrr import (
    AfrrBids,
    AfrrSettings,
    ControllerState,
    Dispatcher,
    imbalance_path,
    run_isp,
)
from tandem_sim.grids.types import BoolArray

HOW = AfrrSettings()
CYCLES = 225  # of 4 s in a quarter-hour


def _bids(*rows: tuple[float, float, float], full_activation_s: float = 300.0) -> AfrrBids:
    direction, quantity, price = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return AfrrBids(
        direction=direction, quantity_mw=quantity, price=price, ramp_mw_per_s=quantity / full_activation_s
    )


def _followed(bids: AfrrBids, wanted: float, received: list[list[bool]], start_mw: float = 0.0) -> Dispatcher:
    dispatch = Dispatcher(HOW, bids, ControllerState(delivered_mw=start_mw))
    for now in received:
        dispatch.follow(wanted, np.array(now))
    return dispatch


def test_an_asset_that_hears_nothing_keeps_to_the_last_setpoint() -> None:
    # 10 MW in 40 s: 1 MW a cycle. The set-point rises to 1, 2, .. 5 MW whether it arrives or not.
    # Received in cycles 1, 4 and 5: the set-points are 1, then 4, then 5 MW, and moves by 1 MW a cycle.
    bids = _bids((1, 10, 50), full_activation_s=40.0)
    dispatch, setpoint, delivered = Dispatcher(HOW, bids), [], []
    for received in (True, False, False, True, True):
        setpoint.append(float(dispatch.follow(10.0, np.array([received]))[0]))
        delivered.append(float(dispatch.delivered[0]))
    assert setpoint == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])
    assert delivered == pytest.approx([1.0, 1.0, 1.0, 2.0, 3.0])


def test_an_asset_on_its_way_still_reaches_what_it_heard_last() -> None:
    # It stands at 0 while 4 cycles are lost, receives 5 MW once, then nothing: it goes on to 5 MW and stays.
    bids = _bids((1, 10, 50), full_activation_s=40.0)
    received = [[False]] * 4 + [[True]] + [[False]] * 10
    assert _followed(bids, 10.0, received[:5]).delivered == pytest.approx([1.0])
    assert _followed(bids, 10.0, received[:9]).delivered == pytest.approx([5.0])
    assert _followed(bids, 10.0, received).delivered == pytest.approx([5.0])


def test_before_anything_is_heard_the_activation_of_the_isp_before_goes_on() -> None:
    bids = _bids((1, 10, 50), (1, 10, 60), full_activation_s=40.0)
    dispatch = _followed(bids, 0.0, [[False, True]] * 3, start_mw=12.0)
    # 10 MW of the first and 2 MW of the second bid were called. Only the second receives the end.
    assert dispatch.delivered == pytest.approx([10.0, 0.0])


def test_each_bid_is_heard_or_not_on_its_own() -> None:
    bids = _bids((1, 4, 50), (-1, 4, 20), (1, 4, 60), full_activation_s=16.0)
    dispatch = _followed(bids, 8.0, [[True, True, False]] * 6)
    assert dispatch.delivered == pytest.approx([4.0, 0.0, 0.0])


def test_everything_heard_is_the_same_as_no_losses() -> None:
    path = imbalance_path(-8.0, CYCLES, 2.0, HOW, np.random.default_rng(1))
    bids = _bids((1, 10, 50), (-1, 10, 20))
    all_received = run_isp(HOW, bids, path, ControllerState(), received=np.ones((CYCLES, 2), dtype=bool))
    none_lost = run_isp(HOW, bids, path, ControllerState())
    assert (all_received.delivered_mw == none_lost.delivered_mw).all()
    assert (all_received.setpoint_mw == none_lost.setpoint_mw).all()


def test_when_nothing_arrives_nothing_moves_and_the_error_stays() -> None:
    bids, state = _bids((1, 10, 50)), ControllerState()
    result = run_isp(HOW, bids, np.full(CYCLES, -8.0), state, received=np.zeros((CYCLES, 1), dtype=bool))
    assert not result.delivered_mw.any()
    assert result.error_mw == pytest.approx(np.full(CYCLES, -8.0))
    assert result.setpoint_mw[-1] == pytest.approx([10.0])  # the controller asks for all there is
    assert state.delivered_mw == 0.0


def test_the_next_in_the_merit_order_makes_good_what_a_deaf_one_does_not_deliver() -> None:
    bids = _bids((1, 10, 50), (1, 10, 60))
    received = np.ones((CYCLES, 2), dtype=bool)
    received[:, 0] = False
    result = run_isp(HOW, bids, np.full(CYCLES, -8.0), ControllerState(), received=received)
    assert not result.delivered_mw[:, 0].any()
    assert result.delivered_mw[-1, 1] == pytest.approx(8.0, abs=0.5)
    assert abs(result.error_mw[-20:]).max() < 0.5


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.floats(-20.0, 20.0))
def test_whatever_is_lost_bounds_and_ramps_hold_and_only_who_hears_turns_to_a_new_setpoint(
    seed: int, loss: float, mean: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (float(rng.choice([-1, 1])), float(rng.uniform(0.1, 5)), float(rng.uniform(0, 100))) for _ in range(5)
    ]
    bids = _bids(*rows)
    received: BoolArray = rng.random((CYCLES, 5)) >= loss
    path = imbalance_path(mean, CYCLES, 3.0, HOW, rng)
    result = run_isp(HOW, bids, path, ControllerState(), received=received)
    assert (result.delivered_mw >= -1e-9).all()
    assert (result.delivered_mw <= bids.quantity_mw + 1e-9).all()
    moves = np.diff(np.vstack([np.zeros(5), result.delivered_mw]), axis=0)
    assert (np.abs(moves) <= bids.ramp_mw_per_s * HOW.cycle_s + 1e-9).all()
    assert result.net_mw == pytest.approx(result.delivered_mw @ bids.direction, abs=1e-9)
    known = np.zeros(5)  # an asset moves towards the last set-point it received, as far as its ramp lets it
    at = np.zeros(5)
    for c in range(CYCLES):
        known = np.where(received[c], result.setpoint_mw[c], known)
        step = bids.ramp_mw_per_s * HOW.cycle_s
        at = at + np.clip(known - at, -step, step)
        assert result.delivered_mw[c] == pytest.approx(at, abs=1e-9)
