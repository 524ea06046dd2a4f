"""Day-ahead schedules within ramps: by hand, and beside every schedule on a grid of megawatts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.services.day_ahead import Supply, schedule_units

PENALTY = 10_000.0


def _supply(
    asked: list[list[float]],
    step_mw: float,
    ramp_mw: list[float],
    isps: int,
    before: list[float] | None = None,
) -> Supply:
    """Units by what their steps ask, all steps of one size, from nothing upwards."""
    ask = np.repeat(np.array(asked)[:, :, None], isps, axis=2)
    ramps = np.repeat(np.array(ramp_mw)[:, None], isps, axis=1)
    known = np.array(before or [np.nan] * len(asked))
    return Supply(
        least_mw=np.zeros((len(asked), isps)),
        step_mw=np.full(ask.shape, step_mw),
        price_eur_per_mwh=ask,
        ramp_mw=ramps,
        before_mw=known,
    )


def test_without_binding_ramps_every_isp_is_a_merit_order() -> None:
    found = schedule_units(
        _supply([[20.0], [50.0]], 100.0, [60.0, 60.0], 3), np.array([90.0, 120.0, 80.0]), "m"
    )
    assert found.output_mw.tolist() == [[90.0, 100.0, 80.0], [0.0, 20.0, 0.0]]
    assert found.price_eur_per_mwh.tolist() == [20.0, 50.0, 20.0]


def test_a_rise_that_the_cheap_unit_cannot_follow_is_prepared_or_left_to_the_dear_one() -> None:
    # 40 then 100 MW; G1 (20 EUR) ramps 30, G2 (50 EUR) as fast as it likes. G1 is 40, then 70; G2 serves 30.
    # A MW more in ISP 1 is G2's: 50. A MW more in ISP 0 is one of G1, which is then there in ISP 1 too and
    # saves one of G2: 20 + 20 - 50 = -10, less than any unit asks.
    found = schedule_units(_supply([[20.0], [50.0]], 200.0, [30.0, 200.0], 2), np.array([40.0, 100.0]), "m")
    assert found.output_mw == pytest.approx(np.array([[40.0, 70.0], [0.0, 30.0]]))
    assert found.price_eur_per_mwh == pytest.approx([-10.0, 50.0])
    assert not found.excess_mw.any()
    assert not found.short_mw.any()


def test_the_day_before_counts() -> None:
    given = _supply([[20.0], [50.0]], 200.0, [30.0, 200.0], 1, before=[10.0, 0.0])
    found = schedule_units(given, np.array([100.0]), "m")
    assert found.output_mw == pytest.approx(np.array([[40.0], [60.0]]))


def test_a_demand_faster_than_all_units_is_followed_and_told() -> None:
    # 20 then 100 MW, units ramp 30 and 20: 30 MW are beyond. Their penalty is no part of the price.
    found = schedule_units(_supply([[20.0], [50.0]], 200.0, [30.0, 20.0], 2), np.array([20.0, 100.0]), "m")
    assert found.output_mw.sum(axis=0) == pytest.approx([20.0, 100.0])
    assert found.excess_mw.sum() == pytest.approx(30.0)
    assert (
        np.abs(np.diff(found.output_mw)).ravel() - found.excess_mw[:, 1] <= np.array([30.0, 20.0]) + 1e-6
    ).all()
    assert np.abs(found.price_eur_per_mwh).max() < 1000.0


def test_equal_units_are_scheduled_in_their_order_and_leave_no_trace_in_prices() -> None:
    found = schedule_units(
        _supply([[40.0], [40.0], [20.0]], 100.0, [10.0, 100.0, 100.0], 2), np.array([110.0, 150.0]), "m"
    )
    assert found.output_mw == pytest.approx(np.array([[10.0, 20.0], [0.0, 30.0], [100.0, 100.0]]))
    assert found.price_eur_per_mwh == pytest.approx([40.0, 40.0], abs=1e-9)


def test_what_no_unit_has_is_short() -> None:
    found = schedule_units(_supply([[20.0]], 50.0, [10.0], 2, before=[45.0]), np.array([48.0, 60.0]), "m")
    assert found.short_mw == pytest.approx([0.0, 10.0])


def _cheapest(supply: Supply, demand: FloatArray, grid_mw: float) -> float:
    """Least cost by trying every schedule on a grid of MW: two units, of which the second serves the rest."""
    isps = len(demand)
    levels = np.arange(0.0, float(supply.step_mw[0, :, 0].sum()) + grid_mw / 2, grid_mw)
    best = np.inf
    for first in product(levels, repeat=isps):
        output = np.array([first, demand - np.array(first)])
        most = supply.step_mw.sum(axis=1)
        if (output < -1e-9).any() or (output > most + 1e-9).any():
            continue
        if (np.abs(np.diff(output, axis=1)) > supply.ramp_mw[:, 1:] + 1e-9).any():
            continue
        best = min(best, _cost(supply, output))
    return best


def _cost(supply: Supply, output: FloatArray) -> float:
    """What outputs (U, K) cost, their steps filled from below."""
    below = np.cumsum(supply.step_mw, axis=1) - supply.step_mw
    used = np.clip(output[:, None] - below, 0.0, supply.step_mw)
    return float((used * supply.price_eur_per_mwh).sum())


@pytest.mark.parametrize("seed", range(12))
def test_no_schedule_on_a_grid_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    asked = np.sort(rng.integers(10, 60, (2, 2)), axis=1).astype(float).tolist()
    supply = _supply(asked, 4.0, [float(rng.integers(1, 4)), float(rng.integers(2, 6))], 4)
    demand = np.clip(8.0 + np.cumsum(rng.integers(-3, 4, 4)), 2.0, 14.0).astype(float)
    found = schedule_units(supply, demand, "m")
    best = _cheapest(supply, demand, 1.0)  # all numbers are whole, so an optimum stands on whole MW
    if np.isfinite(best):
        assert not found.excess_mw.any()
        assert _cost(supply, found.output_mw) == pytest.approx(best)
        rest = float(
            found.price_eur_per_mwh @ demand
        )  # duality: a price a MW and ISP, rents of steps and ramps
        assert rest >= best - 1e-6
    else:
        assert found.excess_mw.any()
