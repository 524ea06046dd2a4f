"""What the TSO buys on transmission for what limits block, by hand: two bids up, two down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.services.substitution import SubstitutedByTso, substitute_missing

BOOK = Bids.of(
    ["cheap up", "dear up", "poor down", "rich down"],
    ["G1", "G2", "G1", "G2"],
    [0, 1, 0, 1],
    [UP, UP, DOWN, DOWN],
    [10.0, 10.0, 10.0, 10.0],
    [50.0, 70.0, 10.0, 30.0],
)
LEFT = np.full(4, 10.0)
NONE = {UP: 0.0, DOWN: 0.0}


def _bought(energy_mw: float, left: tuple[float, ...] = (10.0, 10.0, 10.0, 10.0)) -> SubstitutedByTso:
    return substitute_missing(BOOK, np.array(left), np.zeros(4), energy_mw, NONE)


def test_missing_injection_is_bought_from_the_cheapest_bids_up() -> None:
    found = _bought(12.0)
    assert found.answer.quantity_mw == pytest.approx([10.0, 2.0, 0.0, 0.0])
    assert found.answer.cost_eur_per_h == pytest.approx(10.0 * 50.0 + 2.0 * 70.0)
    assert not found.slow_mw.any()


def test_missing_consumption_is_bought_from_who_pays_back_most() -> None:
    found = _bought(-12.0)
    assert found.answer.quantity_mw == pytest.approx([0.0, 0.0, 2.0, 10.0])
    assert found.answer.cost_eur_per_h == pytest.approx(-(10.0 * 30.0 + 2.0 * 10.0))


def test_only_what_is_unsold_can_be_bought() -> None:
    assert _bought(5.0, (4.0, 10.0, 10.0, 10.0)).answer.quantity_mw == pytest.approx([4.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize(("energy_mw", "short", "long"), [(23.5, 3.5, 0.0), (-21.0, 0.0, 1.0)])
def test_what_nobody_can_serve_is_reported(energy_mw: float, short: float, long: float) -> None:
    answer = _bought(energy_mw).answer
    assert (answer.short_mw, answer.long_mw) == pytest.approx((short, long))
    assert answer.quantity_mw[BOOK.direction == np.sign(energy_mw)] == pytest.approx([10.0, 10.0])


def test_without_any_bid_all_of_it_is_unserved() -> None:
    found = substitute_missing(Bids.empty(), np.empty(0), np.empty(0), 2.0, {UP: 1.0, DOWN: 0.0})
    assert (found.answer.short_mw, len(found.answer.quantity_mw), len(found.slow_mw)) == (2.0, 0, 0)


def test_missing_reserve_opens_what_is_slow_the_best_price_first() -> None:
    """Of 10 MW each, 4, 0, 10 and 7 MW are fast: the reserve may call them anyway."""
    fast = np.array([4.0, 0.0, 10.0, 7.0])
    found = substitute_missing(BOOK, LEFT, fast, 0.0, {UP: 8.0, DOWN: 5.0})
    assert not found.answer.quantity_mw.any()
    assert found.slow_mw == pytest.approx([6.0, 2.0, 0.0, 3.0])  # 6 cheap, then 2 dear; down only 3 are slow
    assert substitute_missing(BOOK, LEFT, fast, 0.0, {UP: 0.0, DOWN: 2.0}).slow_mw.tolist() == [0, 0, 0, 2]
    assert not substitute_missing(BOOK, LEFT, LEFT, 0.0, {UP: 9.0, DOWN: 9.0}).slow_mw.any()


def test_down_the_highest_price_is_opened_first() -> None:
    found = substitute_missing(BOOK, LEFT, np.zeros(4), 0.0, {UP: 0.0, DOWN: 12.0})
    assert found.slow_mw == pytest.approx([0.0, 0.0, 2.0, 10.0])


def test_what_is_bought_as_energy_is_not_opened_to_the_reserve() -> None:
    found = substitute_missing(BOOK, LEFT, np.array([0.0, 3.0, 0.0, 0.0]), 9.0, {UP: 20.0, DOWN: 0.0})
    assert found.answer.quantity_mw == pytest.approx([9.0, 0.0, 0.0, 0.0])
    assert found.slow_mw == pytest.approx([1.0, 7.0, 0.0, 0.0])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    energy=st.floats(-30.0, 30.0),
    up=st.floats(0.0, 30.0),
    down=st.floats(0.0, 30.0),
)
def test_nothing_is_sold_twice_and_no_cheaper_bid_is_passed_over(
    seed: int, energy: float, up: float, down: float
) -> None:
    rng = np.random.default_rng(seed)
    left = rng.uniform(0.0, 10.0, 4)
    fast = left * rng.random(4)
    found = substitute_missing(BOOK, left, fast, energy, {UP: up, DOWN: down})
    bought, slow = found.answer.quantity_mw, found.slow_mw
    assert (bought + slow <= left + 1e-7).all()
    served = float(BOOK.direction @ bought) + found.answer.short_mw - found.answer.long_mw
    assert served == pytest.approx(energy, abs=1e-7)
    for direction, wanted, (best, next_best) in ((UP, up, (0, 1)), (DOWN, down, (3, 2))):
        room = np.maximum(left - bought - fast, 0.0)
        assert slow[[best, next_best]].sum() == pytest.approx(min(wanted, room[[best, next_best]].sum()))
        assert slow[next_best] <= 1e-7 or slow[best] == pytest.approx(room[best])
        assert bought[next_best] <= 1e-7 or bought[best] == pytest.approx(left[best])
        assert BOOK.direction[best] == direction
