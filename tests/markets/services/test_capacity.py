"""Capacity: what stands ready is bought at least cost, booked once, and never sold beyond the pool."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.services.capacity import CapacityBids, CapacityBook, Contract, clear_capacity
from tests.agents.recording_context import obligation_mw

Row = tuple[str, str, int, float, float]
THREE = CapacityBids.of([("A", "D1", UP, 2.0, 8.0), ("B", "T", UP, 3.0, 5.0), ("C", "T", UP, 4.0, 12.0)])


def _rows(bids: CapacityBids) -> list[tuple[str, str, int, float, float, bool]]:
    return list(
        zip(
            bids.provider.tolist(),
            bids.system.tolist(),
            bids.direction.tolist(),
            bids.quantity_mw.tolist(),
            bids.price.tolist(),
            bids.forwarded.tolist(),
            strict=True,
        )
    )


def _contract(isps: range, mw: float, **other: object) -> Contract:
    given: dict[str, object] = {
        "operator": "TSO",
        "service": "mFRR",
        "provider": "A",
        "system": "D1",
        "direction": UP,
        "price": 5.0,
    }
    return Contract(isps=isps, mw=mw, **(given | other))  # type: ignore[arg-type]


def _book(**units: tuple[str, float, float]) -> CapacityBook:
    """The book of pool A, registered with (system, MW, MW within 5 minutes) units that go both ways alike."""
    register = FlexibilityRegister()
    entered = [
        RegisteredUnit(name=name, system=system, node=0, up_mw=mw, down_mw=mw)
        for name, (system, mw, _) in units.items()
    ]
    register.enter("A", entered, [(fast, fast) for _, _, fast in units.values()], 86_400, ["aFRR"])
    return CapacityBook(register)


def test_books_are_joined_by_provider_and_system_what_was_forwarded_first() -> None:
    own = CapacityBids.of(
        [
            ("B", "T", UP, 1.0, 9.0),
            ("A", "D2", UP, 2.0, 1.0),
            ("A", "D1", UP, 3.0, 4.0),
            ("A", "D1", DOWN, 4.0, 7.0),
        ]
    )
    forwarded = CapacityBids.of([("A", "D1", UP, 5.0, 6.0), ("A", "D2", DOWN, 6.0, 2.0)], forwarded=True)
    expected = [
        ("A", "D1", UP, 5.0, 6.0, True),
        ("A", "D1", DOWN, 4.0, 7.0, False),
        ("A", "D1", UP, 3.0, 4.0, False),
        ("A", "D2", DOWN, 6.0, 2.0, True),
        ("A", "D2", UP, 2.0, 1.0, False),
        ("B", "T", UP, 1.0, 9.0, False),
    ]
    assert _rows(CapacityBids.join([own, forwarded])) == expected
    assert _rows(CapacityBids.join([forwarded, own])) == expected  # whoever came first
    assert len(CapacityBids.join([])) == len(CapacityBids.of([])) == 0
    assert len(CapacityBids.join([CapacityBids.of([]), own])) == 4


def test_limited_picks_rows_and_changes_quantities_alone() -> None:
    some = THREE.limited(np.array([1.0, 9.0, 0.5]), np.array([2, 0]))
    assert _rows(some) == [("C", "T", UP, 0.5, 12.0, False), ("A", "D1", UP, 1.0, 8.0, False)]
    assert THREE.quantity_mw.tolist() == [2.0, 3.0, 4.0]


def test_three_bids_by_hand() -> None:
    # 6 MW: 3 MW of B at 5, 2 MW of A at 8, 1 MW of C at 12.
    as_bid = clear_capacity(THREE, {UP: 6.0}, marginal=False)
    assert as_bid.award_mw == pytest.approx([2.0, 3.0, 1.0])
    assert as_bid.price.tolist() == [8.0, 5.0, 12.0]
    assert as_bid.short_mw[UP] == 0.0
    alike = clear_capacity(THREE, {UP: 6.0}, marginal=True)
    assert alike.award_mw == pytest.approx([2.0, 3.0, 1.0])
    assert alike.price.tolist() == [12.0, 12.0, 12.0]
    # 4 MW: C is not needed, and the dearest accepted price is 8.
    less = clear_capacity(THREE, {UP: 4.0}, marginal=True)
    assert less.award_mw == pytest.approx([1.0, 3.0, 0.0])
    assert less.price.tolist() == [8.0, 8.0, 12.0]


def test_directions_are_bought_apart_and_priced_apart() -> None:
    bids = CapacityBids.of(
        [
            ("A", "T", UP, 5.0, 7.0),
            ("A", "T", DOWN, 5.0, 2.0),
            ("B", "T", DOWN, 5.0, 3.0),
            ("B", "T", UP, 1.0, 6.0),
        ]
    )
    found = clear_capacity(bids, {UP: 2.0, DOWN: 6.0}, marginal=True)
    assert found.award_mw == pytest.approx([1.0, 5.0, 1.0, 1.0])
    assert found.price.tolist() == [7.0, 3.0, 3.0, 7.0]
    assert not clear_capacity(bids, {}, marginal=True).award_mw.any()


def test_a_need_that_bids_do_not_cover_stays_short() -> None:
    found = clear_capacity(THREE, {UP: 10.0, DOWN: 1.5}, marginal=False)
    assert found.award_mw == pytest.approx([2.0, 3.0, 4.0])
    assert found.short_mw == pytest.approx({UP: 1.0, DOWN: 1.5})
    nobody = clear_capacity(CapacityBids.of([]), {UP: 2.0}, marginal=True)
    assert len(nobody.award_mw) == 0
    assert nobody.short_mw == pytest.approx({UP: 2.0, DOWN: 0.0})


def test_what_is_too_dear_to_be_bought_is_reported_short() -> None:
    """Need stays unserved at 10 000 EUR/MW and hour; the result must not say that it was covered."""
    found = clear_capacity(CapacityBids.of([("A", "T", UP, 2.0, 20_000.0)]), {UP: 1.0}, marginal=False)
    assert found.award_mw.sum() + found.short_mw[UP] == pytest.approx(1.0)


def test_equal_prices_are_served_in_the_order_of_the_book() -> None:
    bids = CapacityBids.of([(name, "T", UP, 1.0, 5.0) for name in "ABC"])
    assert clear_capacity(bids, {UP: 1.5}, marginal=False).award_mw == pytest.approx([1.0, 0.5, 0.0])


def test_a_pool_below_the_minimum_is_left_out() -> None:
    # A has 0.6 + 0.4 MW up in two areas: together a pool of 1 MW. Its 0.9 MW down and B's 0.9 MW up are none.
    bids = CapacityBids.of(
        [
            ("A", "D1", UP, 0.6, 5.0),
            ("A", "D2", UP, 0.4, 5.0),
            ("A", "D1", DOWN, 0.9, 1.0),
            ("B", "T", UP, 0.9, 1.0),
        ]
    )
    found = clear_capacity(bids, {UP: 2.0, DOWN: 0.5}, marginal=False, pool_minimum_mw=1.0)
    assert found.award_mw == pytest.approx([0.6, 0.4, 0.0, 0.0])
    assert found.short_mw == pytest.approx({UP: 1.0, DOWN: 0.5})
    assert bids.quantity_mw.tolist() == [0.6, 0.4, 0.9, 0.9]
    free = clear_capacity(bids, {UP: 2.0, DOWN: 0.5}, marginal=False)
    assert free.award_mw == pytest.approx([0.6, 0.4, 0.5, 0.9])


BIDS = st.lists(
    st.tuples(
        st.sampled_from("ABC"),
        st.sampled_from(["T", "D1"]),
        st.sampled_from([UP, DOWN]),
        st.integers(1, 6).map(float),
        st.integers(0, 30).map(float),
    ),
    min_size=1,
    max_size=6,
)


def _least_cost(rows: list[Row], need: float) -> float:
    """The cheapest way to cover an integer need with integer bids: every combination of whole MW."""
    steps = [range(int(mw) + 1) for _, _, _, mw, _ in rows]
    cover = min(need, sum(row[3] for row in rows))
    return min(
        sum(mw * row[4] for mw, row in zip(taken, rows, strict=True))
        for taken in product(*steps)
        if sum(taken) == cover
    )


@settings(deadline=None, max_examples=40)
@given(BIDS, st.integers(0, 12), st.booleans())
def test_no_more_is_bought_than_offered_and_nothing_costs_less(
    rows: list[Row], need: int, marginal: bool
) -> None:
    bids = CapacityBids.of(rows)
    found = clear_capacity(bids, {UP: float(need)}, marginal)
    assert (found.award_mw >= 0).all()
    assert (found.award_mw <= bids.quantity_mw + 1e-9).all()
    up = [row for row in rows if row[2] == UP]
    assert found.award_mw.sum() == pytest.approx(min(need, sum(row[3] for row in up)))
    assert found.award_mw.sum() + found.short_mw[UP] == pytest.approx(need)
    assert not found.award_mw[bids.direction == DOWN].any()
    assert found.award_mw @ bids.price == pytest.approx(_least_cost(up, need), abs=1e-6)
    won = found.award_mw > 0
    assert (found.price[won] >= bids.price[won]).all()
    if marginal and won.any():
        assert set(found.price[won].tolist()) == {bids.price[won].max()}
    else:
        assert found.price.tolist() == bids.price.tolist()


def test_the_book_knows_the_most_a_pool_has_sold_in_a_block() -> None:
    book = _book(u=("D1", 10.0, 4.0))
    book.enter(_contract(range(8), 2.0))
    book.enter(_contract(range(4, 12), 3.0, service="LFM", operator="DSO-D1"))
    book.enter(_contract(range(12), 1.0, direction=DOWN))
    book.enter(_contract(range(12), 4.0, system="T"))
    book.enter(_contract(range(12), 5.0, provider="B"))
    for isps, mw in ((range(4), 2.0), (range(4, 8), 5.0), (range(12), 5.0), (range(8, 12), 3.0)):
        assert book.sold_mw(isps, "A", "D1", UP) == pytest.approx(mw)
    assert book.sold_mw(range(12, 20), "A", "D1", UP) == 0.0
    assert book.sold_mw(range(0), "A", "D1", UP) == 0.0
    assert book.sold_mw(range(12), "A", "D1", DOWN) == pytest.approx(1.0)


def test_what_is_owed_is_summed_over_systems_and_operators() -> None:
    book = _book(u=("D1", 10.0, 4.0))
    book.enter(_contract(range(4), 2.0))
    book.enter(_contract(range(2, 4), 1.5, system="D2"))
    book.enter(_contract(range(4), 3.0, service="aFRR"))
    book.enter(_contract(range(4), 4.0, direction=DOWN))
    assert [obligation_mw(book, isp, "A", "mFRR", UP) for isp in range(5)] == pytest.approx(
        [2.0, 2.0, 3.5, 3.5, 0.0]
    )
    assert obligation_mw(book, 0, "A", "aFRR", UP) == pytest.approx(3.0)
    assert obligation_mw(book, 0, "A", "LFM", UP) == 0.0
    assert obligation_mw(book, 0, "B", "mFRR", UP) == 0.0
    book.forget(2)
    assert [obligation_mw(book, isp, "A", "mFRR", UP) for isp in range(4)] == pytest.approx(
        [2.0, 2.0, 0.0, 3.5]
    )
    book.forget(99)


def test_room_is_what_a_pool_has_neither_sold_nor_offered_ahead_in_the_book() -> None:
    # The pool has 10 MW in D1 (4 MW of them fast) and 1 MW in D2. Sold in the block: 3 MW up in D1.
    book = _book(u=("D1", 6.0, 4.0), v=("D1", 4.0, 0.0), w=("D2", 1.0, 1.0))
    book.enter(_contract(range(4), 3.0))
    bids = CapacityBids.of(
        [
            *[("A", "D1", UP, 5.0, 1.0)] * 3,
            ("A", "D1", DOWN, 11.0, 1.0),
            ("A", "D2", UP, 0.5, 1.0),
            ("B", "D1", UP, 1.0, 1.0),
        ]
    )
    assert book.room_mw(range(4), bids, "LFM") == pytest.approx([5.0, 2.0, 0.0, 10.0, 0.5, 0.0])
    assert book.room_mw(range(4, 8), bids, "LFM") == pytest.approx([5.0, 5.0, 0.0, 10.0, 0.5, 0.0])
    # For aFRR 4 MW are fast enough, and 3 MW of capacity are promised: 1 MW is left.
    assert book.room_mw(range(4), bids, "aFRR") == pytest.approx([1.0, 0.0, 0.0, 4.0, 0.5, 0.0])
    book.enter(_contract(range(4), 9.0))  # oversold: there is no negative room
    assert book.room_mw(range(4), bids, "LFM")[:3] == pytest.approx([0.0, 0.0, 0.0])
