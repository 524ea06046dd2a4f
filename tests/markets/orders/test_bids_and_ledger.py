"""Bids, the rules of products, and the ledger that sells nothing twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.errors import DoubleSaleError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.products import Product


def _book(quantity: list[float], price: list[float] | None = None) -> Bids:
    n = len(quantity)
    ids = [f"b{k}" for k in range(n)]
    return Bids.of(
        ids,
        ids,
        [0, 1] * (n // 2) + [2] * (n % 2),
        [UP, DOWN] * (n // 2) + [UP] * (n % 2),
        quantity,
        price or [10.0] * n,
    )


def test_signed_price_and_injection() -> None:
    bids = Bids.of(
        ["a", "b", "c"], ["p"] * 3, [1, 1, 0], [UP, DOWN, DOWN], [2.0, 1.0, 4.0], [30.0, 20.0, -5.0]
    )
    assert bids.signed_price.tolist() == [30.0, -20.0, 5.0]
    assert bids.injection_mw(np.array([2.0, 0.5, 4.0]), 3).tolist() == [-4.0, 1.5, 0.0]


def test_books_are_read_only_and_of_one_length() -> None:
    bids = _book([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        bids.quantity_mw[0] = 9.0
    with pytest.raises(ValueError, match=r"Bids\.price has 1 entries for 2 bids"):
        Bids.of(["a", "b"], ["p", "p"], [0, 0], [UP, UP], [1.0, 1.0], [5.0])


def test_pick_and_join_keep_consent() -> None:
    bids = _book([1.0, 2.0, 3.0])
    assert bids.forwardable.tolist() == [True, True, True]
    two = Bids.join([bids.pick(np.array([2, 0])), Bids.empty()])
    assert two.bid_id.tolist() == ["b2", "b0"]
    assert two.quantity_mw.tolist() == [3.0, 1.0]
    assert len(Bids.join([])) == 0


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        (1.0, 10.0, ""),
        (0.0, 10.0, "quantity must be a positive number of MW"),
        (-1.0, 10.0, "quantity must be a positive number of MW"),
        (float("nan"), 10.0, "quantity must be a positive number of MW"),
        (0.25, 10.0, "quantity is below the minimum of 0.5 MW"),
        (0.6, 10.0, "quantity is not a multiple of the tick of 0.25 MW"),
        (1.0, float("nan"), "price is not a number"),
        (1.0, -50.5, "price is below the floor of -50.0 EUR/MWh"),
        (1.0, 300.5, "price is above the cap of 300.0 EUR/MWh"),
        (1.0, -50.0, ""),
        (1.0, 300.0, ""),
    ],
)
def test_product_rules(quantity: float, price: float, reason: str) -> None:
    product = Product(
        name="mFRR",
        min_quantity_mw=0.5,
        tick_mw=0.25,
        price_floor_eur_per_mwh=-50.0,
        price_cap_eur_per_mwh=300.0,
    )
    assert product.reasons(_book([1.0, quantity], [0.0, price])) == ["", reason]


def _ledger(**offered: list[float]) -> Ledger:
    ledger = Ledger()
    for system, mw in offered.items():
        ledger.open(system, np.array(mw))
    return ledger


def test_ledger_by_hand() -> None:
    ledger = _ledger(T=[2.0], D1=[3.0, 1.0])
    ledger.book("D1", "dso_market", Sale.of(np.array([1.0, 0.0]), np.zeros(2)))
    ledger.book("D1", "tso_market", Sale.of(np.array([2.0, 0.5]), np.zeros(2)))
    assert ledger.sold("D1").tolist() == [3.0, 0.5]
    assert ledger.sold("T").tolist() == [0.0]
    assert ledger.markets["dso_market"]["D1"].tolist() == [1.0, 0.0]


def test_nothing_is_sold_twice_and_a_refusal_changes_nothing() -> None:
    ledger = _ledger(D1=[3.0, 1.0])
    ledger.book("D1", "dso_market", Sale.of(np.array([2.5, 0.0]), np.zeros(2)))
    with pytest.raises(
        DoubleSaleError, match=r"market tso_market, system D1: bid 0 would sell 3\.5 MW of 3\.0 MW"
    ):
        ledger.book("D1", "tso_market", Sale.of(np.array([1.0, 0.5]), np.zeros(2)))
    assert ledger.sold("D1").tolist() == [2.5, 0.0]
    assert "tso_market" not in ledger.markets
    with pytest.raises(DoubleSaleError):
        ledger.book("D1", "tso_market", Sale.of(np.array([-0.1, 0.0]), np.zeros(2)))


def test_a_book_is_opened_once() -> None:
    ledger = _ledger(D1=[3.0])
    with pytest.raises(ValueError, match="D1 is open already"):
        ledger.open("D1", np.array([1.0]))


def test_what_is_sold_is_read_only_from_the_start() -> None:
    ledger = _ledger(D1=[3.0])
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            ledger.sold("D1")[0] = 1.0
        ledger.book("D1", "a", Sale.of(np.array([1.0]), np.zeros(1)))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(0.0, 10.0), min_size=1, max_size=5),
    st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.floats(-1.0, 8.0), min_size=5, max_size=5)), max_size=8
    ),
)
def test_ledger_invariants(offered: list[float], sales: list[tuple[str, list[float]]]) -> None:
    """Whatever is tried, sold is the sum of the markets and within the offer; refusals leave no trace."""
    ledger = _ledger(D1=offered)
    for market, tried in sales:
        award: FloatArray = np.array(tried[: len(offered)])
        before = ledger.sold("D1").copy()
        fits = (award >= 0).all() and (before + award <= ledger.offered["D1"]).all()
        try:
            ledger.book("D1", market, Sale.of(award, np.zeros(len(award))))
        except DoubleSaleError:
            assert not fits
            assert (ledger.sold("D1") == before).all()
        total = sum((systems["D1"] for systems in ledger.markets.values()), start=np.zeros(len(offered)))
        assert ledger.sold("D1") == pytest.approx(total, abs=1e-8)
        assert (ledger.sold("D1") >= 0).all()
        assert (ledger.sold("D1") <= ledger.offered["D1"]).all()


def test_places_of_providers_follow_the_book() -> None:
    bids = Bids.of(
        ["c", "a", "b"], ["P2", "P1", "P2"], [0, 0, 0], [1, 1, -1], [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]
    )
    assert {name: at.tolist() for name, at in bids.places.items()} == {"P1": [1], "P2": [0, 2]}
    assert list(bids.places) == ["P1", "P2"]
    assert not len(bids.places_of("P3"))
    assert bids.pick(np.array([2, 1])).places_of("P2").tolist() == [0]


def test_a_book_cut_from_another_cannot_be_written_to() -> None:
    bids = Bids.of(["a", "b"], ["P1", "P2"], [0, 1], [1, -1], [1.0, 2.0], [5.0, 6.0])
    at = np.array([1])
    offered = bids.offering(at, np.array([0.5]), np.array([9.0]), np.array([False]))
    assert (offered.bid_id.tolist(), offered.node.tolist(), offered.price.tolist()) == (["b"], [1], [9.0])
    for book in (offered, bids.pick(at), Bids.join([bids, offered])):
        with pytest.raises(ValueError, match="read-only"):
            book.price[0] = 0.0


def test_bids_are_found_by_provider_wherever_they_stand() -> None:
    book = Bids.of(list("abcde"), list("YXYYX"), [0] * 5, [1] * 5, [1.0] * 5, [9.0] * 5)
    assert {name: p.tolist() for name, p in book.places.items()} == {"X": [1, 4], "Y": [0, 2, 3]}
    assert list(book.places) == ["X", "Y"]
    some = book.by_provider(np.array([0, 3, 4]))
    assert {name: p.tolist() for name, p in some.items()} == {"X": [4], "Y": [0, 3]}
    assert book.places_of("Z").tolist() == []
    assert Bids.empty().places == {}
