"""aFRR inside the ISP: merit order, controller, signals of operators, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.services.afrr import (
    ActivationQueue,
    AfrrBids,
    AfrrSettings,
    ControllerState,
    imbalance_path,
    run_isp,
    within_band,
)
from tandem_sim.grids.types import FloatArray

CYCLES = 225  # of 4 s in a quarter-hour


def _bids(*rows: tuple[float, float, float], full_activation_s: float = 300.0) -> AfrrBids:
    direction, quantity, price = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return AfrrBids(
        direction=direction, quantity_mw=quantity, price=price, ramp_mw_per_s=quantity / full_activation_s
    )


def test_the_merit_order_calls_the_cheapest_first() -> None:
    order = ActivationQueue(_bids((1, 5, 60), (1, 5, 40), (-1, 4, 10), (-1, 4, 30)))
    assert order.split(7.0) == pytest.approx([2.0, 5.0, 0.0, 0.0])
    assert order.split(-5.0) == pytest.approx([0.0, 0.0, 1.0, 4.0])  # 30 pays back most
    assert order.split(99.0) == pytest.approx([5.0, 5.0, 0.0, 0.0])
    order.lower(np.array([5.0, 1.0, 4.0, 4.0]))
    assert order.split(3.0) == pytest.approx([2.0, 1.0, 0.0, 0.0])


def test_a_lasting_shortage_is_closed_and_energy_adds_up() -> None:
    state = ControllerState()
    bids = _bids((1, 10, 50), (1, 10, 60), (-1, 10, 20))
    result = run_isp(AfrrSettings(), bids, np.full(CYCLES, -8.0), state)
    assert abs(result.error_mw[-50:]).max() < 0.3
    assert result.net_mw == pytest.approx(result.delivered_mw @ bids.direction)
    later = run_isp(AfrrSettings(), bids, np.full(CYCLES, -8.0), state)
    assert abs(later.error_mw).max() < 0.3  # handed over to the next ISP without a step


def test_an_operator_can_terminate_what_hurts_its_grid() -> None:
    bids = _bids((1, 10, 50), (1, 10, 60))

    def monitor(second: int, delivered: FloatArray) -> list[tuple[int, FloatArray]]:
        return [(second, np.array([3.0, np.inf]))] if delivered[0] > 3.0 else []

    result = run_isp(AfrrSettings(), bids, np.full(CYCLES, -8.0), ControllerState(), monitor)
    assert result.terminated.tolist() == [True, False]
    assert result.delivered_mw[-1, 0] == pytest.approx(3.0)
    assert result.delivered_mw[-1, 1] == pytest.approx(5.0, abs=0.3)  # the next in the list makes it good


def test_delivery_is_checked_against_its_band() -> None:
    assert within_band(np.full(4, 10.0), np.array([8.9, 9.0, 12.0, 12.1])).tolist() == [
        False,
        True,
        True,
        False,
    ]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(-30.0, 30.0), st.floats(0.0, 10.0))
def test_bounds_and_ramps_hold_whatever_the_system_does(seed: int, mean: float, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (float(rng.choice([-1, 1])), float(rng.uniform(0.1, 5)), float(rng.uniform(0, 100))) for _ in range(8)
    ]
    bids, how = _bids(*rows), AfrrSettings()
    path = imbalance_path(mean, CYCLES, sigma, how, rng)
    assert path.mean() == pytest.approx(mean, abs=1e-9)
    state = ControllerState()
    for _ in range(2):
        result = run_isp(how, bids, path, state)
        assert (result.setpoint_mw >= 0).all()
        assert (result.setpoint_mw <= bids.quantity_mw + 1e-9).all()
        assert (np.abs(np.diff(result.delivered_mw, axis=0)) <= bids.ramp_mw_per_s * how.cycle_s + 1e-9).all()
        assert result.error_mw[1:] == pytest.approx(path[1:] + result.net_mw[:-1], abs=1e-9)
    limit = sum(q for d, q, _ in rows if d > 0), -sum(q for d, q, _ in rows if d < 0)
    assert limit[1] - 1e-9 <= result.net_mw.min()
    assert result.net_mw.max() <= limit[0] + 1e-9
