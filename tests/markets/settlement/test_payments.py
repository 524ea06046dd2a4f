"""Money: every euro has a payer and a payee, and buyers pay exactly what was awarded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_sim.markets.cases.clear import open_case
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import Options, build_schemes
from tandem_sim.markets.settlement.imbalance import ImbalancePrices
from tandem_sim.markets.settlement.payments import (
    FOR_ENERGY,
    activation_payments,
    balances,
    cost_payments,
    imbalance_payments,
)
from tests.markets.hand import book, feeder, system

BIDS = st.lists(
    st.tuples(
        st.sampled_from(["A01", "A02", "A03"]),
        st.sampled_from([1, -1]),
        st.floats(0.001, 5.0),
        st.floats(-200.0, 300.0),
        st.floats(0.0, 1.0),
        st.floats(0.0, 1.0),
    ),
    max_size=12,
)


@given(BIDS, st.dictionaries(st.sampled_from(["A01", "A02", "BRP"]), st.floats(-9, 9)), st.floats(-500, 500))
def test_money_sums_to_zero_and_activations_are_paid_at_their_price(
    rows: list[tuple[str, int, float, float, float, float]], deviation: dict[str, float], price: float
) -> None:
    provider, direction, quantity, prices, first, second = (
        map(list, zip(*rows, strict=True)) if rows else [[]] * 6
    )
    book = Bids.of(
        [f"b{k}" for k in range(len(rows))], provider, [0] * len(rows), direction, quantity, prices
    )
    ledger = Ledger()
    ledger.open("D1", book.quantity_mw)
    local = book.quantity_mw * np.array(first, dtype=float)
    balancing = (book.quantity_mw - local) * np.array(second, dtype=float)
    ledger.book("D1", "dso_market", Sale.of(local, book.signed_price * local))
    ledger.book("D1", "tso_market", Sale.of(balancing, book.signed_price * balancing))
    buyers = {("dso_market", "D1"): "DSO-D1", ("tso_market", "D1"): "TSO"}
    payments = activation_payments(ledger, {"D1": book}, buyers, 0.25)
    owed = {"DSO-D1": book.signed_price @ local * 0.25, "TSO": book.signed_price @ balancing * 0.25}
    for buyer, amount in owed.items():
        paid = sum(p.amount_eur for p in payments if p.payer == buyer)
        assert paid == pytest.approx(amount, abs=1e-9)
    payments += imbalance_payments(deviation, ImbalancePrices(price, price), "TSO", 0.25)
    payments += cost_payments({"A01": 3.0, "A02": -1.0}, "households")
    net = balances(payments)
    assert sum(net.values()) == pytest.approx(0.0, abs=1e-9)
    assert set(net) <= {"A01", "A02", "A03", "BRP", "TSO", "DSO-D1", "households"}


def test_signs_by_hand() -> None:
    # A sells 2 MW up at 60, B 1 MW down at 20: for a quarter the DSO pays 30 EUR and is paid 5 EUR.
    book = Bids.of(["u", "d"], ["A", "B"], [1, 2], [1, -1], [2.0, 1.0], [60.0, 20.0])
    ledger = Ledger()
    ledger.open("D1", book.quantity_mw)
    ledger.book("D1", "dso_market", Sale.of(np.array([2.0, 1.0]), np.array([120.0, -20.0])))
    payments = activation_payments(ledger, {"D1": book}, {("dso_market", "D1"): "DSO"}, 0.25)
    assert {(p.payee, p.amount_eur, p.quantity_mwh) for p in payments} == {
        ("A", 30.0, 0.5),
        ("B", -5.0, -0.25),
    }
    # A delivers 0.4 MW too little at 100 EUR/MWh: it pays the TSO 10 EUR.
    (bill,) = imbalance_payments({"A": -0.4}, ImbalancePrices(90.0, 100.0), "TSO", 0.25)
    assert (bill.payer, bill.payee, bill.amount_eur) == ("TSO", "A", -10.0)
    assert balances([*payments, bill]) == pytest.approx({"DSO": -25.0, "A": 20.0, "B": -5.0, "TSO": 10.0})


def test_what_a_company_is_spared_is_no_procurement() -> None:
    """An area exports 4 MW over 3; a company there takes 1 MW at no more than 10, where a MWh costs 40.

    It pays the price of the market, 40, and gets back 30; the seller of the 3 MW needed and of that 1 MW gets
    160. For a quarter the purchase is 10 EUR, 7.5 of which come back; procured is for the seller's 40 EUR.
    """
    area = feeder(book(("A", 1, -1, 3.0, 10.0), demand=("A",)), 3.0, base_mw=(4.0, 0.0))
    case = system(3.0, book(("t", 0, 1, 9.0, 40.0)), D=area)
    scheme = build_schemes(Options(pricing="pay-as-cleared"))["integrated"]
    states, ledger = open_case(case, scheme)
    run_scheme(scheme, states, ledger)
    books = states.books()
    market = scheme.blocks[-1].name
    payments = activation_payments(ledger, books, {(market, s): "TSO" for s in (TSO, "D")}, 0.25)
    found = {(p.payee, p.kind): (p.quantity_mwh, p.amount_eur) for p in payments}
    assert found[("A", "purchase")] == pytest.approx((-0.25, -10.0))
    assert found[("A", "purchase make-whole")] == pytest.approx((0.0, 7.5))
    assert found[("t", "activation")] == pytest.approx((1.0, 40.0))
    assert len(found) == 3
    assert sum(p.amount_eur for p in payments if p.kind in FOR_ENERGY) == pytest.approx(40.0)
