"""One case as a market environment: the same instance in every ISP, with costs and quantities that vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tandem_sim.agents.parties.bidder import Bidder
from tandem_sim.agents.parties.sales_book import ClosedBook
from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.agents.strategies.registry import Permission, StrategyInputs, build_strategy
from tandem_sim.agents.strategies.strategy import OfferView, SellerResult, Strategy, Truthful
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.games.repeated_market import CaseMarket
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.sim.clock.randomness import CASE, STRATEGY, stream

CASE_ISPS, CASE_ISP_MINUTES = 96, 15
"""A case has no clock: its ISPs are quarter-hours from midnight on."""
TRUTHFUL = "truthful"
DEALT_TO = 3
"""Sellers among whom the bids of a case without providers are distributed."""


class CaseWorld:
    """The same market instance cleared in every ISP, with costs and volumes that vary from ISP to ISP."""

    def __init__(
        self, *, market: CaseMarket, isps: int, noise: float, others: str, allowed: AllowedCode = NO_CODE
    ) -> None:
        """`noise` is the standard deviation of costs, and the largest reduction of quantities, as shares.

        `others` names the strategy of all other sellers, which may be code that is `allowed`. Raises
        `InputError` for values out of range.
        """
        if isps < 1:
            raise InputError("case", "isps", f"is {isps}", "Give 1 or more")
        if not 0.0 <= noise < 1.0:
            raise InputError("case", "noise", f"is {noise:g}", "Give 0 or more, below 1")
        self.sellers = self.pools = market.sellers
        self.n_isps, self.isp_hours = isps, CASE_ISP_MINUTES / 60.0
        self.default_seed = 0
        self.isp = 0
        self.market, self._noise, self._others = market, noise, others
        self._permission = Permission(allowed)
        self._rows = {seller: market.rows_of(seller) for seller in market.sellers}
        self._bidders: dict[str, Bidder] = {}
        self._rng = np.random.default_rng()
        self._true = market.books

    def hour(self) -> float:
        """Time of day, the first ISP being at midnight."""
        return self.isp * self.isp_hours % 24.0

    def begin(self, seed: int, strategies: Mapping[str, Strategy]) -> None:
        """Start at the first ISP."""
        self._rng = stream(seed, CASE)
        self._bidders = {}
        for seller in self.sellers:
            strategy = strategies.get(seller) or self._other(seller, seed)
            if type(strategy) is not Truthful:  # whose bids are the true ones
                self._bidders[seller] = Bidder(seller, strategy, _unrecorded, replaces_faults=False)
        self.isp, self._true = 0, self._drawn()

    def views(self, seller: str) -> list[OfferView]:
        """A seller's bids at cost, by system. A case has no day-ahead price: it is given as 0."""
        found, bidder = [], self._bidders.get(seller)
        for system, rows in self._rows[seller].items():
            own = self._true[system]
            view = OfferView(
                isp=self.isp,
                day_ahead_price=0.0,
                direction=own.direction[rows],
                quantity_mw=own.quantity_mw[rows],
                cost=own.price[rows],
                system=system,
            )
            if bidder is not None and bidder.sees:
                view = replace(view, sees=bidder.sees, published=bidder.book(system))
            found.append(view)
        return found

    def advance(self) -> None:
        """All sellers bid, the market clears, and all receive their results at once."""
        price = {system: bids.price.copy() for system, bids in self._true.items()}
        quantity = {system: bids.quantity_mw.copy() for system, bids in self._true.items()}
        consent = {system: bids.forwardable.copy() for system, bids in self._true.items()}
        for seller, bidder in self._bidders.items():
            places = self._rows[seller].items()
            for (system, rows), view in zip(places, self.views(seller), strict=True):
                offers = bidder.offers(view)
                price[system][rows], quantity[system][rows] = offers.price, offers.quantity_mw
                if offers.forwardable is not None:
                    consent[system][rows] = offers.forwardable
        books = {
            s: replace(bids, price=price[s], quantity_mw=quantity[s], forwardable=consent[s])
            for s, bids in self._true.items()
        }
        played = self.market.play(books)
        closed = {s: ClosedBook(b, played.sold_mw[s], played.received_eur_per_h[s]) for s, b in books.items()}
        for seller, bidder in self._bidders.items():
            outcome = self._outcome(seller, books, played.sold_mw, played.received_eur_per_h)
            bidder.take_results(outcome, closed)
        self.isp += 1
        if self.isp < self.n_isps:
            self._true = self._drawn()

    def close(self) -> None:
        """There is nothing to release."""

    def _other(self, seller: str, seed: int) -> Strategy:
        own = stream(seed, STRATEGY, seller)
        handed = StrategyInputs(own, 24 * 60 // CASE_ISP_MINUTES, publishes_books=True)
        return build_strategy(self._others, {}, handed, "others", seller, self._permission)

    def _outcome(
        self,
        seller: str,
        books: Mapping[str, Bids],
        sold_mw: Mapping[str, FloatArray],
        received_eur_per_h: Mapping[str, FloatArray],
    ) -> SellerResult:
        def mine(arrays: Mapping[str, FloatArray]) -> FloatArray:
            return np.concatenate([arrays[system][rows] for system, rows in self._rows[seller].items()])

        places = self._rows[seller].items()
        direction = np.concatenate([books[system].direction[rows] for system, rows in places])
        offered = mine({system: bids.quantity_mw for system, bids in books.items()})
        cost = mine({system: bids.signed_price * sold_mw[system] for system, bids in self._true.items()})
        return SellerResult(
            isp=self.isp,
            direction=direction,
            offered_mw=offered,
            sold_mw=mine(sold_mw),
            received_eur_per_h=mine(received_eur_per_h),
            cost_eur_per_h=cost,
        )

    def _drawn(self) -> dict[str, Bids]:
        """The books of an ISP at cost."""
        if not self._noise:
            return dict(self.market.books)
        drawn = {}
        for system, bids in self.market.books.items():
            cost = bids.price + np.abs(bids.price) * self._noise * self._rng.standard_normal(len(bids))
            share = 1.0 - self._noise * self._rng.random(len(bids))
            drawn[system] = replace(bids, price=cost, quantity_mw=bids.quantity_mw * share)
        return drawn


def dealt(case: Case, split: int | None) -> Case:
    """A case whose bids belong to sellers S1, S2, ...: bids of each book are assigned in turn, by direction.

    There are `split` sellers. With None a case with at least two providers, and more bids than providers,
    keeps them; any other case has one provider per bid, and its bids are assigned to `DEALT_TO` sellers.
    Raises `InputError` for less than one.
    """
    books = (case.tso_bids, *(area.bids for area in case.areas.values()))
    provider = [name for bids in books for name in bids.provider.tolist()]
    if split is None and 1 < len(set(provider)) < len(provider):
        return case
    sellers = DEALT_TO if split is None else split
    if sellers < 1:
        raise InputError("case", "split", f"is {split}", "Give 1 or more sellers")
    areas = {name: replace(a, bids=_dealt_to(a.bids, sellers)) for name, a in case.areas.items()}
    return replace(case, tso_bids=_dealt_to(case.tso_bids, sellers), areas=areas)


def _dealt_to(bids: Bids, sellers: int) -> Bids:
    """Bids assigned to sellers in turn; bids to buy keep their companies."""
    provider = bids.provider.astype(object)
    for direction in (UP, DOWN):
        mine = np.flatnonzero((bids.direction == direction) & ~bids.demand)
        provider[mine] = [f"S{1 + k % sellers}" for k in range(len(mine))]
    return replace(bids, provider=provider.astype(np.str_))


def _unrecorded(table: str, row: Mapping[str, Any]) -> None:
    """A case writes no tables."""
