"""Best response to the last published book: a search over own price and quantity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tandem_sim.agents.strategies.learners import MARKUPS
from tandem_sim.agents.strategies.strategy import BOOK, Offers, OfferView, PublishedBook, Truthful, marked_up
from tandem_sim.grids.tolerances import BEST_RESPONSE_GAIN_EUR_PER_H
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP

SHARES = (1.0, 0.75, 0.5)


class BestResponse(Truthful):
    """Bids that would have earned most against the bids of others in the last ISP.

    Separately up and down, it tries every markup with every share of its available MW. It clears the
    published book with its own bids for the volume bought then, pay-as-bid. Grids are not published, so the
    book is cleared without network limits. Among equals it takes the lowest markup and the largest share: it
    never expects less than from truthful bids.
    """

    sees = frozenset({BOOK})

    def __init__(self, markups: Sequence[float] = MARKUPS, shares: Sequence[float] = SHARES) -> None:
        """`markups` in EUR/MWh, `shares` in 0..1; truthful bids (markup 0, share 1) are always tried."""
        if not all(0.0 < s <= 1.0 for s in shares):
            raise ValueError(f"shares {list(shares)} must lie in 0..1, above 0")
        self._tries = [
            (0.0, 1.0),
            *((float(m), float(s)) for m in sorted(markups) for s in sorted(shares)[::-1]),
        ]

    def offers(self, view: OfferView) -> Offers:
        """The best try for each direction; truthful bids before a book is published."""
        price, quantity = np.array(view.cost), np.array(view.quantity_mw)
        if view.book is None:
            return Offers(price, quantity)
        for direction in (UP, DOWN):
            mine = view.direction == direction
            if mine.any() and view.book.bought_mw.get(direction, 0.0) > 0.0:
                markup, share = self._best(view, view.book, direction)
                price[mine] = marked_up(view, markup)[mine]
                quantity[mine] = share * view.quantity_mw[mine]
        return Offers(price, quantity)

    def _best(self, view: OfferView, book: PublishedBook, direction: int) -> tuple[float, float]:
        best, most = (0.0, 1.0), -np.inf
        for markup, share in self._tries:
            profit = self.profit_eur_per_h(view, book, direction, markup, share)
            if profit > most + BEST_RESPONSE_GAIN_EUR_PER_H:
                best, most = (markup, share), profit
        return best

    @staticmethod
    def profit_eur_per_h(
        view: OfferView, book: PublishedBook, direction: int, markup: float, share: float
    ) -> float:
        """Profit (EUR/h) of a try in a direction against the book."""
        mine, theirs = view.direction == direction, book.direction == direction
        signed_price: FloatArray = direction * marked_up(view, markup)[mine]
        cost = np.concatenate([direction * book.price[theirs], signed_price])
        available = np.concatenate([book.quantity_mw[theirs], share * view.quantity_mw[mine]])
        sold = served_in_order(cost, available, book.bought_mw[direction])[int(theirs.sum()) :]
        return float((signed_price - direction * view.cost[mine]) @ sold)


def served_in_order(cost: FloatArray, available: FloatArray, need_mw: float) -> FloatArray:
    """MW (n,) that `markets.clearing.auction` buys of offers (n,) for a need, without network limits.

    Exact: without network limits the optimisation problem is a fractional knapsack, which the merit order
    solves; equal costs in the order of the offers. It is called dozens of times in every ISP.
    """
    order = np.argsort(cost, kind="stable")
    before = np.cumsum(available[order]) - available[order]
    bought = np.empty(len(cost))
    bought[order] = np.clip(need_mw - before, 0.0, available[order])
    return bought
