"""What a book admits: the product's rules, then the register, then the size of the pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tandem_sim.agents.operators.admission import Admission
from tandem_sim.markets.orders.bids import UP, Bids
from tandem_sim.markets.orders.flexibility_register import SOLD_TWICE, FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Product, Service

PRODUCT = Product(
    name="p", min_quantity_mw=0.1, tick_mw=0.1, price_floor_eur_per_mwh=0.0, pool_minimum_mw=1.0
)
ANY_SIZE = replace(PRODUCT, pool_minimum_mw=0.0)


def _now() -> int:
    return 0


def _book(*rows: tuple[str, str, float, float], demand: bool = False) -> Bids:
    """Up bids by (unit, provider, MW, price)."""
    unit, provider, mw, price = zip(*rows, strict=True)
    n = len(rows)
    return Bids.of([f"{u}.up" for u in unit], provider, [0] * n, [UP] * n, mw, price, [demand] * n)


def _register(**groups: Service) -> FlexibilityRegister:
    """Groups of two units, 1 MW each, named after their provider."""
    register = FlexibilityRegister()
    for name, service in groups.items():
        units = [
            RegisteredUnit(name=f"{name}{k}", system="D1", node=0, up_mw=1.0, down_mw=1.0) for k in (1, 2)
        ]
        register.enter(name, units, [(1.0, 1.0)] * 2, 1000, [service])
    return register


def test_without_register_and_pools_only_the_products_rules_count() -> None:
    book = _book(("u1", "A", 0.05, 9.0), ("u2", "A", 0.2, -1.0), ("u3", "A", 0.2, 9.0))
    found = Admission(ANY_SIZE).reasons(0, book, _now)
    assert found[0] == "quantity is below the minimum of 0.1 MW"
    assert found[1] == "price is below the floor of 0.0 EUR/MWh"
    assert found[2] == ""


def test_a_bid_is_refused_for_the_first_rule_that_it_breaks() -> None:
    book = _book(("A1", "A", 0.05, 9.0), ("X1", "X", 0.5, 9.0), ("A9", "A", 0.5, 9.0), ("A1", "A", 0.6, 9.0))
    assert Admission(PRODUCT, "mFRR", _register(A="mFRR")).reasons(0, book, _now) == [
        "quantity is below the minimum of 0.1 MW",
        "X is not qualified for mFRR",
        "the unit is not in the flexibility register for A",
        "its pool does not reach the minimum of 1 MW",
    ]


def test_only_admitted_bids_make_a_pool() -> None:
    # A offers 0.9 + 0.3 MW, but 0.3 MW are below the floor: its pool is too small. B's 1 MW will do.
    book = _book(("A1", "A", 0.9, 9.0), ("A2", "A", 0.3, -1.0), ("B1", "B", 1.0, 9.0))
    small = "its pool does not reach the minimum of 1 MW"
    floor = "price is below the floor of 0.0 EUR/MWh"
    assert Admission(PRODUCT).reasons(0, book, _now) == [small, floor, ""]
    assert Admission(PRODUCT, pooled_by="operator").reasons(0, book, _now) == ["", floor, ""]
    good = _book(("A1", "A", 0.9, 9.0), ("A2", "A", 0.3, 1.0))
    assert Admission(PRODUCT).reasons(0, good, _now) == ["", ""]


def test_a_bid_that_breaks_the_products_rules_claims_nothing_in_the_register() -> None:
    admission = Admission(ANY_SIZE, "mFRR", _register(A="mFRR"))
    assert admission.reasons(0, _book(("A1", "A", 1.0, -1.0)), _now) != [""]
    assert admission.reasons(0, _book(("A1", "A", 1.0, 9.0)), _now) == [""]


def test_a_bid_that_its_pool_keeps_out_claims_nothing_in_the_register() -> None:
    """It is in no book, so it is not "offered already in another book"."""
    register = _register(A="mFRR")
    assert Admission(PRODUCT, "mFRR", register).reasons(0, _book(("A1", "A", 0.9, 9.0)), _now) != [""]
    assert Admission(ANY_SIZE, "LFM", register).reasons(0, _book(("A1", "A", 0.9, 9.0)), _now) == [""]


def test_two_books_share_one_register() -> None:
    register = _register(A="mFRR")
    local, tso = Admission(ANY_SIZE, "LFM", register), Admission(PRODUCT, "mFRR", register)
    assert local.reasons(0, _book(("A1", "A", 0.5, 9.0)), _now) == [""]
    both = _book(("A1", "A", 1.0, 9.0), ("A2", "A", 1.0, 9.0))
    assert tso.reasons(0, both, _now) == [SOLD_TWICE, ""]
    assert tso.reasons(1, both, _now) == ["", ""]


def test_qualification_is_looked_up_at_the_moment_the_book_closes() -> None:
    admission = Admission(ANY_SIZE, "mFRR", _register(A="mFRR"))
    book = _book(("A1", "A", 1.0, 9.0))
    assert admission.reasons(0, book, lambda: 1000) == ["A is not qualified for mFRR"]
    assert admission.reasons(0, book, lambda: 999) == [""]


def test_companies_buy_without_qualification_and_pool() -> None:
    book = _book(("x", "BRP", 0.2, 9.0), demand=True)
    admitted, reasons = Admission(PRODUCT, "mFRR", _register()).admit(0, book, _now)
    assert reasons == [""]
    assert admitted.demand.tolist() == [True]


def test_admitted_bids_stay_in_order_and_go_on_to_the_tso_only_if_their_group_may_sell_there() -> None:
    # L is qualified for local flexibility alone; A's second bid is refused; the third had no consent.
    book = _book(("L1", "L", 0.5, 5.0), ("A1", "A", 0.5, -9.0), ("A2", "A", 0.4, 5.0), ("B1", "B", 0.3, 5.0))
    book = replace(book, forwardable=np.array([True, True, False, True]))
    local = Admission(ANY_SIZE, "LFM", _register(L="LFM", A="mFRR", B="aFRR"))
    admitted, reasons = local.admit(0, book, _now)
    assert [bool(r) for r in reasons] == [False, True, False, False]
    assert admitted.bid_id.tolist() == ["L1.up", "A2.up", "B1.up"]
    assert admitted.forwardable.tolist() == [False, False, True]
    open_to_all, _ = Admission(ANY_SIZE, "LFM").admit(0, book, _now)
    assert open_to_all.forwardable.tolist() == [True, False, True]


@pytest.mark.parametrize("register", [None, FlexibilityRegister()])
def test_an_empty_book_is_admitted_as_it_is(register: FlexibilityRegister | None) -> None:
    admitted, reasons = Admission(PRODUCT, "mFRR", register).admit(0, Bids.empty(), _now)
    assert len(admitted) == 0
    assert reasons == []
