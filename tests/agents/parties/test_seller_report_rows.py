"""What became of all offers, in sums, on a case worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tandem_sim.agents.parties.sales_book import ClosedBook, SalesBook
from tandem_sim.agents.parties.seller_report import seller_rows
from tandem_sim.agents.portfolios.portfolio import Resources
from tandem_sim.agents.strategies.strategy import Offers, OfferView
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

ISP = 3


def _offered(name: str, mw: FloatArray, cost: FloatArray, bid_mw: FloatArray, price: FloatArray) -> SalesBook:
    """A seller with two resources up and one down in D1, and what it bids of them."""
    direction, rows = np.array([UP, UP, DOWN]), np.arange(3)
    ids = np.array([f"{name}.1.up", f"{name}.2.up", f"{name}.1.down"])
    book = SalesBook(name)
    found = Resources(
        system="D1",
        resource=np.array([0, 1, 0]),
        bid_id=ids,
        node=np.zeros(3, dtype=int),
        direction=direction,
        quantity_mw=mw,
        cost=cost,
        baseline_mw=0.0 * mw,
    )
    book.open(ISP, [found])
    some = mw > 0.0
    view = OfferView(
        isp=ISP,
        day_ahead_price=30.0,
        direction=direction[some],
        quantity_mw=mw[some],
        cost=cost[some],
        system="D1",
    )
    book.sent(ISP, {"D1": book.price(rows[some], view, Offers(price[some], bid_mw[some]))})
    return book


def test_offers_are_added_up_by_seller_system_and_direction() -> None:
    # A can do 2 + 1 MW up and 4 down, and holds back 1 MW up; B can only go up, and sells nothing.
    a = _offered(
        "A",
        np.array([2.0, 1.0, 4.0]),
        np.array([10.0, 20.0, 5.0]),
        np.array([1.0, 1.0, 4.0]),
        np.array([12.0, 24.0, 3.0]),
    )
    b = _offered(
        "B", np.array([1.0, 0.0, 0.0]), np.full(3, 50.0), np.array([0.0, 0.0, 0.0]), np.full(3, 60.0)
    )
    company = Bids.of(["X.1"], ["X"], [0], [DOWN], [9.0], [99.0], [True])  # buys, and is no seller
    book = Bids.join([company, a.offered(ISP, "D1"), b.offered(ISP, "D1")])
    sold, received = np.array([9.0, 1.0, 0.5, 2.0]), np.array([-7.0, 12.0, 12.0, -6.0])
    rows = seller_rows(ISP, [b, a], {"D1": ClosedBook(book, sold, received)})
    assert rows["provider"] == ["B", "A", "A"]
    assert rows["system"].tolist() == ["D1"] * 3
    assert rows["direction"].tolist() == [UP, UP, DOWN]
    assert rows["available_mw"].tolist() == [1.0, 3.0, 4.0]
    assert rows["offered_mw"].tolist() == [0.0, 2.0, 4.0]
    assert rows["sold_mw"].tolist() == [0.0, 1.5, 2.0]
    assert rows["received_eur_per_h"].tolist() == [0.0, 24.0, -6.0]
    assert rows["cost_eur_per_mwh"] == pytest.approx([50.0, 40.0 / 3.0, 5.0])  # (2 x 10 + 1 x 20) / 3
    assert math.isnan(rows["price_eur_per_mwh"][0])  # nothing is offered: no price
    assert math.isnan(rows["offered_cost_eur_per_mwh"][0])
    assert rows["price_eur_per_mwh"][1:] == pytest.approx([18.0, 3.0])
    assert rows["offered_cost_eur_per_mwh"][1:] == pytest.approx([15.0, 5.0])
    assert rows["cost_eur_per_h"].tolist() == [0.0, 20.0, -10.0]  # 1 x 10 + 0.5 x 20; 2 MW down save 5 each
