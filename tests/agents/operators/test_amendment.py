"""Bids between a local market and the TSO's: lowered, withdrawn and repriced, as far as the rules allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import mesa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.base.messages import AmendMessage, AwardMessage, BidsMessage, DayAheadMessage
from tandem_sim.agents.operators.admission import Admission
from tandem_sim.agents.operators.amendment import Amendments, AmendRules, amended
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.operator import Ledgers, OperatorSetup
from tandem_sim.agents.parties.aggregator import Aggregator, Conduct, MarketAccess
from tandem_sim.agents.portfolios.portfolio import Portfolio, Resources
from tandem_sim.agents.strategies.strategy import Truthful
from tandem_sim.markets.coordination.state import offered_mw
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.products import Product
from tandem_sim.markets.schemes import SCHEMES
from tests.agents.recording_context import RecordingContext

PRODUCT = Product(name="p", price_floor_eur_per_mwh=-50.0, price_cap_eur_per_mwh=300.0)
FIXED, FREE = AmendRules(False, PRODUCT), AmendRules(True, PRODUCT)
NAN = float("nan")
NOT_RAISED = "a quantity may only fall, to what is sold at the least"
NOT_REPRICED = "the price may not be changed"
BOOK = Bids.of(
    ["a", "b", "c"], ["A", "A", "B"], [1, 2, 3], [UP, DOWN, UP], [5.0, 4.0, 3.0], [60.0, 20.0, 70.0]
)
SOLD = np.array([2.0, 0.0, 0.0])


def _message(*changes: tuple[str, float, float], sender: str = "A") -> AmendMessage:
    ids, mw, price = zip(*changes, strict=True)
    return AmendMessage(
        sender, "DSO-D1", 0, system="D1", bid_id=ids, quantity_mw=np.array(mw), price=np.array(price)
    )


def _change(
    bid: str, mw: float, price: float, rules: AmendRules = FREE, sender: str = "A"
) -> tuple[float, float, str]:
    """Quantity and price of the bid afterwards, and the reason of a refusal; nothing else may move."""
    book, (row,) = amended(BOOK, SOLD, _message((bid, mw, price), sender=sender), rules)
    k = BOOK.bid_id.tolist().index(bid)
    others = np.arange(3) != k
    assert book.quantity_mw[others].tolist() == BOOK.quantity_mw[others].tolist()
    assert book.price[others].tolist() == BOOK.price[others].tolist()
    assert row["bid_id"] == bid
    assert row["new_quantity_mw"] == pytest.approx(mw, nan_ok=True)
    return float(book.quantity_mw[k]), float(book.price[k]), str(row["reason"])


def test_a_quantity_may_fall_to_what_is_sold() -> None:
    assert _change("a", 3.5, 60.0) == (3.5, 60.0, "")
    assert _change("a", 2.0, 60.0) == (2.0, 60.0, "")
    assert _change("a", 1.9, 60.0) == (5.0, 60.0, NOT_RAISED)
    assert _change("b", 0.0, 20.0) == (0.0, 20.0, "")  # withdrawn
    assert _change("b", -1.0, 20.0) == (4.0, 20.0, NOT_RAISED)


def test_a_quantity_is_never_raised() -> None:
    assert _change("b", 4.0, 20.0) == (4.0, 20.0, "")
    assert _change("b", 4.1, 20.0) == (4.0, 20.0, NOT_RAISED)
    assert _change("b", NAN, 20.0) == (4.0, 20.0, NOT_RAISED)
    # Twice in one message: what was given up is gone.
    book, rows = amended(BOOK, SOLD, _message(("b", 1.0, 20.0), ("b", 2.0, 20.0)), FREE)
    assert book.quantity_mw[1] == 1.0
    assert [row["reason"] for row in rows] == ["", NOT_RAISED]


@pytest.mark.parametrize(
    ("bid", "price", "rules", "reason"),
    [
        ("b", 25.0, FREE, ""),
        ("b", 25.0, FIXED, NOT_REPRICED),
        ("a", 65.0, FREE, NOT_REPRICED),  # part of it is sold
        ("a", 60.0, FREE, ""),
        ("a", 60.0, FIXED, ""),
        ("b", -50.0, FREE, ""),
        ("b", -50.5, FREE, "price is below the floor of -50.0 EUR/MWh"),
        ("b", 300.0, FREE, ""),
        ("b", 300.5, FREE, "price is above the cap of 300.0 EUR/MWh"),
        ("b", NAN, FREE, "price is not a number"),
        ("b", 300.5, FIXED, NOT_REPRICED),
    ],
)
def test_a_price_changes_where_national_terms_allow_it_and_nothing_is_sold(
    bid: str, price: float, rules: AmendRules, reason: str
) -> None:
    mw, before = {"a": (4.0, 60.0), "b": (3.0, 20.0)}[bid]
    left = _change(bid, mw, price, rules)
    assert left == ((mw, price, "") if not reason else (mw + 1.0, before, reason))


COARSE = AmendRules(
    True,
    Product(
        name="p", min_quantity_mw=0.5, tick_mw=0.1, price_floor_eur_per_mwh=-50.0, price_cap_eur_per_mwh=300.0
    ),
)
BELOW = "quantity is below the minimum of 0.5 MW"
OFF = "quantity is not a multiple of the tick of 0.1 MW"


@pytest.mark.parametrize(
    ("bid", "mw", "reason"),
    [
        ("b", 0.00005, BELOW),
        ("b", 0.4, BELOW),
        ("b", 0.5, ""),
        ("b", 3.25, OFF),
        ("b", 3.3, ""),
        ("b", 0.0, ""),  # withdrawn
        ("a", 2.0, ""),  # what is sold: the rest is withdrawn
        ("a", 2.05, OFF),
        ("a", 2.1, ""),
        ("a", 1.9, NOT_RAISED),
    ],
)
def test_an_amended_quantity_keeps_the_rules_of_the_product(bid: str, mw: float, reason: str) -> None:
    price, before = {"a": (60.0, 5.0), "b": (20.0, 4.0)}[bid]
    assert _change(bid, mw, price, COARSE) == (before if reason else mw, price, reason)


def test_what_is_sold_off_the_tick_may_stay_as_it_is_and_a_withdrawn_bid_has_a_price() -> None:
    # An auction sells any quantity: the seller may withdraw the rest, and say so again.
    sold = np.array([2.0345, 0.0, 0.0])
    message = _message(("a", 2.0345, 60.0), ("a", 2.0345, 60.0), ("b", 0.0, NAN), ("b", 0.0, 20.0))
    book, rows = amended(BOOK, sold, message, COARSE)
    assert [row["reason"] for row in rows] == ["", "", "price is not a number", ""]
    assert book.quantity_mw.tolist() == [2.0345, 0.0, 3.0]
    assert book.price.tolist() == [60.0, 20.0, 70.0]


def test_nobody_changes_anothers_bid_and_an_unknown_bid_is_named() -> None:
    assert _change("c", 1.0, 70.0) == (3.0, 70.0, "no such bid of this provider")
    assert _change("c", 1.0, 70.0, sender="B") == (1.0, 70.0, "")
    book, (row,) = amended(BOOK, SOLD, _message(("z", 1.0, 9.0)), FREE)
    assert book.quantity_mw.tolist() == BOOK.quantity_mw.tolist()
    assert row == {
        "bid_id": "z",
        "reason": "no such bid of this provider",
        "quantity_mw": None,
        "new_quantity_mw": 1.0,
        "price_eur_per_mwh": None,
        "new_price_eur_per_mwh": 9.0,
    }


def test_a_refused_change_does_not_stop_the_others_and_every_one_is_recorded() -> None:
    book, rows = amended(BOOK, SOLD, _message(("a", 9.0, 60.0), ("b", 1.0, 30.0)), FREE)
    assert book.quantity_mw.tolist() == [5.0, 1.0, 3.0]
    assert book.price.tolist() == [60.0, 30.0, 70.0]
    assert [(r["quantity_mw"], r["price_eur_per_mwh"], r["reason"]) for r in rows] == [
        (5.0, 60.0, NOT_RAISED),
        (4.0, 20.0, ""),
    ]
    assert BOOK.quantity_mw.tolist() == [5.0, 4.0, 3.0]  # the old book stands as it was
    assert book.forwardable.tolist() == BOOK.forwardable.tolist()


def test_what_is_held_for_the_reserve_falls_with_the_bid() -> None:
    held = replace(BOOK, held_mw=np.array([0.0, 3.0, 1.0]))
    book, _ = amended(held, SOLD, _message(("b", 2.0, 20.0)), FREE)
    assert book.held_mw.tolist() == [0.0, 2.0, 1.0]
    assert amended(held, SOLD, _message(("b", 3.5, 20.0)), FREE)[0].held_mw.tolist() == [0.0, 3.0, 1.0]


def test_no_more_is_held_for_the_reserve_than_a_bid_has_left_unsold() -> None:
    """5 MW, 3 MW of them held and 2 MW sold: lowered to 3.5 MW, 1.5 MW are left to hold."""
    held = replace(BOOK, held_mw=np.array([3.0, 0.0, 0.0]))
    book, _ = amended(held, SOLD, _message(("a", 3.5, 60.0)), FREE)
    assert book.held_mw.tolist() == [1.5, 0.0, 0.0]


CHANGES = st.lists(
    st.tuples(st.sampled_from("abcz"), st.floats(-1.0, 6.0), st.sampled_from([20.0, 60.0, 70.0, 999.0])),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(CHANGES, st.sampled_from("AB"), st.booleans(), st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3))
def test_whatever_is_asked_for_bids_only_fall_and_what_is_sold_stays(
    changes: list[tuple[str, float, float]], sender: str, reprice: bool, share: list[float]
) -> None:
    sold = BOOK.quantity_mw * np.array(share)
    book, rows = amended(BOOK, sold, _message(*changes, sender=sender), AmendRules(reprice, PRODUCT))
    assert len(rows) == len(changes)
    assert (book.quantity_mw <= BOOK.quantity_mw).all()
    assert (book.quantity_mw >= sold - 1e-12).all()
    moved = (book.quantity_mw != BOOK.quantity_mw) | (book.price != BOOK.price)
    assert (BOOK.provider[moved] == sender).all()
    coarse, _ = amended(BOOK, sold, _message(*changes, sender=sender), replace(COARSE, reprice=reprice))
    left = (coarse.quantity_mw != BOOK.quantity_mw) & (coarse.quantity_mw > sold + 1e-9)
    assert COARSE.product.reasons(coarse.pick(left)) == [""] * int(left.sum())
    repriced = book.price != BOOK.price
    assert not repriced.any() or (reprice and not sold[repriced].any() and book.price.max() <= 300.0)


def _dso(top: RecordingContext, scheme: str) -> tuple[DSO, Ledgers]:
    """A DSO whose book holds 4 MW of A; its grid is not used."""
    nothing: Any = cast(Any, SimpleNamespace(name="D1"))
    ledgers: Ledgers = {}
    dso = DSO(
        mesa.Model(rng=0),
        setup=OperatorSetup(
            name="DSO-D1",
            context=top.context,
            scheme=SCHEMES[scheme],
            admission=Admission(PRODUCT),
            ledgers=ledgers,
            operators={"D1": "DSO-D1", "T": "TSO"},
        ),
        area=nothing,
        fleet_agent=nothing,
        forecast_error_mw=lambda area, isp: 0.0,
        operator_model=nothing,
        clearer="TSO",
    )
    dso.add_role(Amendments(dso=dso, rules=FREE))
    bids = Bids.of(["b"], ["A"], [2], [UP], [4.0], [20.0])
    dso.receive(BidsMessage("A", "DSO-D1", 0, system="D1", bids=bids))
    dso.close_book(0, ["D1"])
    return dso, ledgers


def _close(dso: DSO, gate: str) -> None:
    for action in dso.actions(gate):
        action(0)


def test_a_dso_changes_its_book_and_the_ledger_until_bids_are_forwarded() -> None:
    top = RecordingContext()
    dso, ledgers = _dso(top, "multilevel-01")
    dso.receive(_message(("b", 3.0, 25.0)))
    assert ledgers[0].offered["D1"].tolist() == [3.0]
    _close(dso, "forward")
    assert dso.known(0).area("D1").offers.tolist() == [3.0]
    dso.receive(_message(("b", 1.0, 25.0)))
    assert ledgers[0].offered["D1"].tolist() == [3.0]
    assert dso.known(0).area("D1").bids.price.tolist() == [25.0]
    (row,) = top.table("amendments")
    assert (row["provider"], row["quantity_mw"], row["new_quantity_mw"]) == ("A", 4.0, 3.0)
    (late,) = top.table("rejections")
    assert late["reason"] == "amendment came after bids were forwarded"


@pytest.mark.parametrize(
    "scheme", ["central-02", "multilevel-01", "multilevel-05", "multilevel-06", "hybrid"]
)
def test_what_a_bid_offers_to_the_tso_falls_with_it_in_every_scheme(scheme: str) -> None:
    """Where nothing is forwarded the offer stands since the book closed: more than is left would be sold."""
    dso, ledgers = _dso(RecordingContext(), scheme)
    dso.receive(_message(("b", 1.0, 20.0)))
    _close(dso, "forward")
    assert (offered_mw(dso.known(0).area("D1")) <= ledgers[0].offered["D1"]).all()


class Shrinking:
    """A portfolio of one resource in D1 with falling quantities and rising prices."""

    def __init__(self) -> None:
        self.up_mw, self.down_mw, self.cost = 5.0, 4.0, 60.0

    def resources(self, isp: int, day_ahead_price: float) -> list[Resources]:
        side, mw = np.array([UP, DOWN]), np.array([self.up_mw, self.down_mw])
        ids = np.array(["r.up", "r.down"], dtype=np.str_)
        zero = np.zeros(2, dtype=np.int64)
        return [
            Resources(
                system="D1",
                resource=zero,
                bid_id=ids,
                node=zero,
                direction=side,
                quantity_mw=mw,
                cost=np.full(2, self.cost),
                baseline_mw=np.zeros(2),
            )
        ]


@pytest.mark.parametrize(
    ("now", "reprices", "expected"),
    [
        ((5.0, 4.0, 60.0), True, None),  # nothing has changed, nothing is said
        ((9.0, 9.0, 60.0), True, None),  # more than offered is no change either
        ((3.0, 4.0, 60.0), False, {"r.up": (3.0, 60.0)}),
        ((1.0, 0.0, 60.0), False, {"r.up": (2.0, 60.0), "r.down": (0.0, 60.0)}),  # 2 MW up are sold
        ((5.0, 4.0, 66.0), False, None),
        ((5.0, 4.0, 66.0), True, {"r.down": (4.0, 66.0)}),  # the other has sold something
    ],
)
def test_an_aggregator_lowers_what_it_can_no_longer_do_and_keeps_what_it_has_sold(
    now: tuple[float, float, float], reprices: bool, expected: Mapping[str, tuple[float, float]] | None
) -> None:
    top, portfolio = RecordingContext(), Shrinking()
    agent = Aggregator(
        mesa.Model(rng=0),
        name="A",
        context=top.context,
        portfolio=cast(Portfolio, portfolio),
        strategy=Truthful(),
        access=MarketAccess(product=PRODUCT, receivers={"D1": "DSO-D1"}, fleet_name="meter"),
        conduct=Conduct(reprices=reprices),
    )
    agent.receive(DayAheadMessage("market", "A", 0, price=np.array([40.0])))
    agent.offer(0)
    agent.receive(
        AwardMessage(
            "DSO-D1",
            "A",
            0,
            system="D1",
            bid_id=("r.up",),
            quantity_mw=np.array([2.0]),
            price=np.array([60.0]),
        )
    )
    portfolio.up_mw, portfolio.down_mw, portfolio.cost = now
    agent.amend(0)
    sent = top.take(AmendMessage)
    assert len(sent) == (expected is not None)
    for message in sent:
        assert message.receiver == "DSO-D1"
        pairs = zip(message.quantity_mw.tolist(), message.price.tolist(), strict=True)
        assert dict(zip(message.bid_id, pairs, strict=True)) == expected
