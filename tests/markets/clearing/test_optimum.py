"""The price is the slope of the least cost: its fall if the need were marginally smaller in size."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import SOLVERS, Solver
from tandem_sim.markets.clearing import auction as problem
from tandem_sim.markets.clearing.auction import Cleared, clear
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.clearing.optimum import Optimum
from tandem_sim.markets.clearing.solvers import solving_by

PENALTY = 10_000.0
SMALL_MW = 1e-5
SEEDS = st.integers(0, 2**32 - 1)


def least_cost(answer: Cleared) -> float:
    """The objective of the problem, penalties included (EUR/h)."""
    return answer.cost_eur_per_h + PENALTY * (answer.short_mw + answer.long_mw) + answer.penalty_eur_per_h


def slopes(
    cost: FloatArray, available: FloatArray, sign: FloatArray, need: float, rows: list[AuctionConstraints]
) -> tuple[float, float]:
    """Of the least cost to the left and to the right of a need, by solving again (EUR/MWh)."""
    at = [least_cost(clear(cost, available, sign, need + step, rows)) for step in (-SMALL_MW, 0.0, SMALL_MW)]
    return (at[1] - at[0]) / SMALL_MW, (at[2] - at[1]) / SMALL_MW


def book(rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Bids on whole MW and few prices, negative ones too, and a need that is exact as often as not."""
    n = int(rng.integers(1, 9))
    sign: FloatArray = rng.choice([-1.0, 1.0], n)
    price: FloatArray = 5.0 * rng.integers(-4, 9, n).astype(np.float64)
    available: FloatArray = rng.integers(0, 4, n).astype(np.float64)
    need = float(rng.integers(-6, 7)) + float(rng.choice([0.0, 0.0, 0.37]))
    return sign * price, available, sign, need


def some_rows(rng: np.random.Generator, n: int) -> list[AuctionConstraints]:
    m = int(rng.integers(0, 4))
    if not m:
        return []
    matrix: FloatArray = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], (m, n))
    limit: FloatArray = rng.integers(0, 4, m).astype(np.float64)
    return [
        AuctionConstraints(
            matrix=matrix, base=np.zeros(m), low=-limit, high=limit, penalty=50_000.0, owner="D"
        )
    ]


def by_solver(solver: Solver) -> Callable[..., Cleared]:
    none: Callable[..., None] = lambda *_: None  # noqa: E731

    def cleared(*given: object) -> Cleared:
        with (
            solving_by(solver),
            patch.multiple(problem, nothing_to_trade=none, fill_balance=none, fill_nested=none),
        ):
            return clear(*given)  # type: ignore[arg-type]

    return cleared


PATHS: dict[str, Callable[..., Cleared]] = {"merit order": clear} | {s: by_solver(s) for s in SOLVERS}


@pytest.mark.parametrize("path", PATHS)
@settings(deadline=None, max_examples=150)
@given(SEEDS)
def test_the_price_is_the_slope_of_the_least_cost(path: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost, available, sign, need = book(rng)
    rows = some_rows(rng, len(cost))
    answer = PATHS[path](cost, available, sign, need, rows)
    left, right = slopes(cost, available, sign, need, rows)
    x = answer.quantity_mw
    both = bool(((x > 0.0) & (sign > 0.0)).any() and ((x > 0.0) & (sign < 0.0)).any())
    expected = 0.5 * (left + right) if both or need == 0.0 else left if need > 0.0 else right
    assert answer.price_eur_per_mwh == pytest.approx(expected, abs=2e-3 + 1e-7 * abs(expected))
    assert answer.optimum is not None
    assert answer.optimum.price_interval == pytest.approx((left, right), abs=2e-3 + 1e-7 * PENALTY)


TWO_DOWN = np.array([-30.0, -20.0]), np.full(2, 5.0), -np.ones(2)
"""Bids down of 5 MW each that pay 30 and 20 EUR/MWh."""
TWO_UP = np.array([10.0, 1000.0]), np.full(2, 5.0), np.ones(2)


def test_the_last_bid_called_sets_the_price_downwards_too() -> None:
    """Both are called for 10 MW: 20 EUR/MWh, not the 0 of a dual that is as valid."""
    answer = clear(*TWO_DOWN, -10.0)
    assert answer.price_eur_per_mwh == 20.0
    assert clear(*TWO_DOWN, -5.0).price_eur_per_mwh == 30.0
    assert clear(*TWO_DOWN, -5.5).price_eur_per_mwh == 20.0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("rest", [0.0, 1e-10, -1e-10])
def test_a_rest_of_rounding_calls_no_bid(path: str, rest: float) -> None:
    answer = PATHS[path](*TWO_UP, 5.0 + rest)
    assert answer.quantity_mw.tolist() == [5.0, 0.0]
    assert answer.price_eur_per_mwh == 10.0
    assert (answer.short_mw, answer.long_mw) == (0.0, 0.0)


@pytest.mark.parametrize("path", PATHS)
def test_equal_bids_leave_no_trace_in_the_price(path: str) -> None:
    answer = PATHS[path](np.full(4, 10.0), np.ones(4), np.ones(4), 2.5)
    assert answer.price_eur_per_mwh == 10.0
    limited = AuctionConstraints(
        matrix=np.array([[1.0, 1.0, 0.0, 0.0]]),
        base=np.zeros(1),
        low=-np.ones(1),
        high=np.ones(1),
        penalty=50_000.0,
        owner="D",
    )
    assert PATHS[path](np.full(4, 10.0), np.ones(4), np.ones(4), 2.5, [limited]).price_eur_per_mwh == 10.0


def test_what_nobody_serves_has_the_price_of_the_penalty() -> None:
    assert clear(*TWO_UP, 10.0).price_eur_per_mwh == 1000.0
    assert clear(*TWO_UP, 10.5).price_eur_per_mwh == PENALTY
    assert clear(*TWO_DOWN, -10.5).price_eur_per_mwh == -PENALTY


def test_a_limit_exactly_full_that_need_not_be_wider_is_worth_nothing() -> None:
    """2 MW fit, and the third MW costs the same elsewhere; at 2.5 elsewhere is dearer by 5 EUR/MWh."""
    limit = AuctionConstraints(
        matrix=np.array([[1.0, 0.0]]),
        base=np.zeros(1),
        low=-np.full(1, 2.0),
        high=np.full(1, 2.0),
        penalty=50_000.0,
        owner="D",
    )
    for other, worth in ((10.0, 0.0), (15.0, -10.0)):
        answer = clear(np.array([10.0, other]), np.full(2, 5.0), np.ones(2), 2.5, [limit])
        assert answer.limits_eur_per_h == pytest.approx({"D": worth})
    answer = clear(np.array([10.0, 15.0]), np.full(2, 5.0), np.ones(2), 2.0, [limit])
    assert answer.price_eur_per_mwh == 10.0  # of the last MW called: one less costs 10 less
    assert answer.limits_eur_per_h == pytest.approx({"D": 0.0})


@pytest.mark.parametrize("beyond", [2e-8, 5e-8, 9e-8, 2e-7, 1e-3])
@pytest.mark.parametrize("path", PATHS)
def test_a_limit_broken_by_less_than_the_solver_sees_has_a_price(path: str, beyond: float) -> None:
    """1 MW of line, exceeded by the base state: bids up at 50 and down at 20 may relieve it, or need not."""
    line = AuctionConstraints(
        matrix=np.array([[-1.0, 0.0]]),
        base=np.array([1.0 + beyond]),
        low=-np.ones(1),
        high=np.ones(1),
        penalty=PENALTY,
        owner="D",
    )
    answer = PATHS[path](np.array([50.0, -20.0]), np.ones(2), np.array([1.0, -1.0]), 0.0, [line], 0.0, 0.0)
    assert 20.0 - 1e-6 <= answer.price_eur_per_mwh <= 50.0 + 1e-6


def test_what_is_no_optimum_has_no_prices() -> None:
    """Half a MW of a bid that costs 10 is called, at a full limit that has no use for it: nobody gains by it.

    A bid called in part is worth its price, 10. The limit is full from above, so that a MW is worth -d to it
    with a dual d of 0 at least: no d makes that 10.
    """
    one = np.ones(1)
    full = AuctionConstraints(
        matrix=np.ones((1, 1)), base=np.zeros(1), low=-one, high=0.5 * one, penalty=PENALTY, owner="D"
    )
    for sign in (None, one):
        found = Optimum(
            quantity_mw=0.5 * one,
            cost=10.0 * one,
            nudged=10.0 * one,
            available=one,
            sign=sign,
            need_mw=-1.0,
            imbalance_price=5.0,
            imbalance_bound_mw=np.inf,
            rows=[full],
            long_mw=1.5,
        )
        with pytest.raises(ClearingError, match="the result of the solver has no valid prices"):
            assert found.value_eur_per_mwh
