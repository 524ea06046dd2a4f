"""Auctions solved by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import Status, clear
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.clearing.merit_order import _tie_breaks

UP2 = np.array([1.0, 1.0])
INF = np.inf


def _row(matrix: list[float], base: float, low: float, high: float, penalty: float) -> AuctionConstraints:
    return AuctionConstraints(
        matrix=np.array([matrix]),
        base=np.array([base]),
        low=np.array([low]),
        high=np.array([high]),
        penalty=penalty,
    )


def test_two_up_bids_and_a_need() -> None:
    # 5 MW wanted: 3 MW at 10, the other 2 at 20. J = 30 + 40. One more MW would cost 20.
    answer = clear(np.array([20.0, 10.0]), np.array([4.0, 3.0]), sign=UP2, need_mw=5.0)
    assert answer.status is Status.OPTIMAL
    assert answer.quantity_mw == pytest.approx([2.0, 3.0])
    assert answer.cost_eur_per_h == pytest.approx(70.0)
    assert answer.price_eur_per_mwh == pytest.approx(20.0)
    assert (answer.short_mw, answer.long_mw) == (0.0, 0.0)


def test_down_bids_pay_the_buyer() -> None:
    # 5 MW less wanted: 3 MW pay back 30, 4 MW pay back 10. Take 3 and 2: J = -90 - 20. One MW less taken
    # (need -4) forgoes 10, so the dual of the balance is +10.
    answer = clear(np.array([-30.0, -10.0]), np.array([3.0, 4.0]), sign=-UP2, need_mw=-5.0)
    assert answer.quantity_mw == pytest.approx([3.0, 2.0])
    assert answer.cost_eur_per_h == pytest.approx(-110.0)
    assert answer.price_eur_per_mwh == pytest.approx(10.0)


def test_up_against_down_is_taken_where_it_pays() -> None:
    # No need, but a down bid pays 30 and an up bid asks 10: 2 MW of both, J = 20 - 60.
    answer = clear(np.array([10.0, -30.0]), np.array([2.0, 5.0]), sign=np.array([1.0, -1.0]))
    assert answer.quantity_mw == pytest.approx([2.0, 2.0])
    assert answer.cost_eur_per_h == pytest.approx(-40.0)


def test_hard_congestion_row_moves_the_dispatch() -> None:
    # The cheap bid loads a branch that has 1.5 MW left: 1.5 at 10, 3.5 at 20.
    row = _row([1.0, 0.0], base=0.5, low=-2.0, high=2.0, penalty=INF)
    answer = clear(np.array([10.0, 20.0]), np.array([3.0, 4.0]), sign=UP2, need_mw=5.0, rows=[row])
    assert answer.quantity_mw == pytest.approx([1.5, 3.5])
    assert answer.cost_eur_per_h == pytest.approx(85.0)


@pytest.mark.parametrize(("penalty", "first"), [(9.0, 3.0), (11.0, 1.5)])
def test_soft_row_is_broken_only_when_keeping_it_is_dearer(penalty: float, first: float) -> None:
    # Keeping it costs 10 EUR/MWh more: a penalty of 9 is paid, one of 11 is not. No penalty enters the cost.
    row = _row([1.0, 0.0], base=0.5, low=-2.0, high=2.0, penalty=penalty)
    answer = clear(np.array([10.0, 20.0]), np.array([3.0, 4.0]), sign=UP2, need_mw=5.0, rows=[row])
    assert answer.quantity_mw == pytest.approx([first, 5.0 - first])
    assert answer.cost_eur_per_h == pytest.approx(10.0 * first + 20.0 * (5.0 - first))


def test_lower_side_of_a_row_binds_too() -> None:
    row = _row([-1.0, 0.0], base=-0.5, low=-2.0, high=2.0, penalty=INF)
    answer = clear(np.array([10.0, 20.0]), np.array([3.0, 4.0]), sign=UP2, need_mw=5.0, rows=[row])
    assert answer.quantity_mw == pytest.approx([1.5, 3.5])


def test_unserved_need_is_reported_and_priced_but_not_booked_as_cost() -> None:
    answer = clear(np.array([10.0, 20.0]), np.array([3.0, 4.0]), sign=UP2, need_mw=10.0)
    assert answer.quantity_mw == pytest.approx([3.0, 4.0])
    assert answer.short_mw == pytest.approx(3.0)
    assert answer.long_mw == 0.0
    assert answer.cost_eur_per_h == pytest.approx(110.0)
    assert answer.price_eur_per_mwh == pytest.approx(10_000.0)


def test_surplus_that_no_bid_can_absorb() -> None:
    answer = clear(np.array([10.0, 20.0]), np.array([3.0, 4.0]), sign=UP2, need_mw=-2.0)
    assert answer.quantity_mw == pytest.approx([0.0, 0.0])
    assert answer.long_mw == pytest.approx(2.0)
    assert answer.price_eur_per_mwh == pytest.approx(-10_000.0)


def test_bounded_imbalance_makes_the_programme_infeasible() -> None:
    answer = clear(np.array([10.0]), np.array([3.0]), sign=np.ones(1), need_mw=5.0, imbalance_bound_mw=1.0)
    assert answer.status is Status.INFEASIBLE
    assert len(answer.quantity_mw) == 0
    assert np.isnan(answer.cost_eur_per_h)


def test_equal_prices_are_served_in_column_order() -> None:
    available = np.array([3.0, 3.0, 3.0, 3.0])
    cost = np.array([20.0, 10.0, 20.0, 20.0])
    answer = clear(cost, available, sign=np.ones(4), need_mw=7.0)
    assert answer.quantity_mw == pytest.approx([3.0, 3.0, 1.0, 0.0])
    assert answer.cost_eur_per_h == pytest.approx(110.0)
    down = clear(np.array([-5.0, -5.0]), np.array([2.0, 2.0]), sign=-UP2, need_mw=-3.0)
    assert down.quantity_mw == pytest.approx([2.0, 1.0])


def test_infeasible_is_a_status_and_an_error_that_says_who() -> None:
    row = _row([1.0, 1.0], base=5.0, low=-2.0, high=2.0, penalty=INF)  # broken before anything is taken
    answer = clear(np.array([10.0, 20.0]), np.array([3.0, 4.0]), sign=UP2, need_mw=1.0, rows=[row])
    assert answer.status is Status.INFEASIBLE
    assert len(answer.quantity_mw) == 0
    assert np.isnan(answer.cost_eur_per_h)
    with pytest.raises(ClearingError, match=r"market of D7.*infeasible"):
        answer.require("market of D7")


def test_unbounded_is_a_status() -> None:
    answer = clear(np.array([-1.0]), np.array([INF]))
    assert answer.status is Status.UNBOUNDED
    with pytest.raises(ClearingError, match="unbounded"):
        answer.require("a market")


def test_no_bids() -> None:
    empty = np.empty(0)
    nothing = clear(empty, empty)
    assert nothing.status is Status.OPTIMAL
    assert nothing.cost_eur_per_h == 0.0
    short = clear(empty, empty, sign=empty, need_mw=3.0)
    assert short.require("a market").short_mw == pytest.approx(3.0)
    broken = _row([], base=5.0, low=-2.0, high=2.0, penalty=INF)
    broken = AuctionConstraints(
        matrix=np.empty((1, 0)), base=broken.base, low=broken.low, high=broken.high, penalty=INF
    )
    assert clear(empty, empty, rows=[broken]).status is Status.INFEASIBLE
    soft = AuctionConstraints(
        matrix=broken.matrix, base=broken.base, low=broken.low, high=broken.high, penalty=1.0
    )
    assert clear(empty, empty, rows=[soft]).status is Status.OPTIMAL


def test_only_rows_that_can_break_are_kept() -> None:
    rows = AuctionConstraints(
        matrix=np.array([[1.0, 0.0], [1.0, -1.0], [0.0, 2.0]]),
        base=np.zeros(3),
        low=np.full(3, -2.0),
        high=np.full(3, 4.0),
        penalty=1.0,
    )
    kept = rows.breakable(np.zeros(2), np.array([3.0, 2.5]))  # ranges: 0..3, -2.5..3, 0..5
    assert kept.tolist() == [False, True, True]


def test_a_row_that_is_not_a_number_is_never_dropped_in_silence() -> None:
    row = _row([1.0], base=float("nan"), low=-2.0, high=2.0, penalty=1.0)
    with pytest.raises(ValueError, match="nan"):
        clear(np.array([10.0]), np.array([3.0]), sign=np.ones(1), need_mw=1.0, rows=[row])


@given(st.lists(st.sampled_from([-3.0, 0.0, 1.0, 1.0 + 1e-9, 50.0]), max_size=30))
def test_tie_breaks_keep_the_order_of_prices(prices: list[float]) -> None:
    cost = np.array(prices)
    nudged = cost + _tie_breaks(cost)
    by_rule = sorted(range(len(prices)), key=lambda k: (prices[k], k))
    assert (np.diff(nudged[by_rule]) >= 0).all()
    assert np.abs(nudged - cost).max(initial=0.0) <= 1e-6 * len(prices)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_cost_rises_and_marginal_price_rises_with_the_need(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost, available = rng.uniform(0.0, 100.0, 6), rng.uniform(0.1, 2.0, 6)
    needs = np.sort(rng.uniform(0.0, available.sum(), 4))
    answers = [clear(cost, available, sign=np.ones(6), need_mw=float(need)) for need in needs]
    total: FloatArray = np.array([a.cost_eur_per_h for a in answers])
    assert (np.diff(total) >= -1e-9).all()
    merit = np.sort(cost)
    for need, answer in zip(needs, answers, strict=True):
        assert answer.quantity_mw.sum() == pytest.approx(need, abs=1e-7)
        filled = np.cumsum(available[np.argsort(cost)])
        marginal = merit[np.searchsorted(filled, need - 1e-9)]
        assert answer.price_eur_per_mwh == pytest.approx(marginal, rel=1e-6)


def test_bids_at_one_price_do_not_trade_for_nothing() -> None:
    # 1 MW up and 1 MW down, both at 50: without a need nobody gains if they meet.
    sign = np.array([1.0, -1.0])
    idle = clear(50.0 * sign, np.ones(2), sign=sign, need_mw=0.0)
    assert idle.quantity_mw == pytest.approx([0.0, 0.0])
    wanted = clear(50.0 * sign, np.ones(2), sign=sign, need_mw=0.5)
    assert wanted.quantity_mw == pytest.approx([0.5, 0.0])
    assert wanted.cost_eur_per_h == 25.0
    # A trade that gains is made: 60 offered for what costs 50.
    assert clear(np.array([50.0, -60.0]), np.ones(2), sign=sign).quantity_mw == pytest.approx([1.0, 1.0])


@given(seed=st.integers(0, 2**32 - 1))
def test_without_rows_the_answer_is_that_of_the_programme_it_skips(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost: FloatArray = 10.0 * rng.integers(-3, 4, 12).astype(np.float64)
    available: FloatArray = 1.5 * rng.integers(0, 3, 12).astype(np.float64)
    never = _row([1.0] * 12, 0.0, -INF, 100.0, INF)  # no more than 36 MW are offered
    answer = clear(cost, available, rows=[never])
    bounds: Any = np.column_stack([np.zeros(12), available])
    solved: Any = linprog(cost, bounds=bounds)
    assert answer.cost_eur_per_h == pytest.approx(solved.fun)
    kept = cost != 0.0
    assert answer.quantity_mw[kept] == pytest.approx(solved.x[kept])
    assert not answer.value_eur_per_mwh.any()
