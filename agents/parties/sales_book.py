"""The books of one seller: its bids by ISP, their costs, and the MW sold of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tandem_sim.agents.non_firm.substitution import Sold
from tandem_sim.agents.portfolios.portfolio import Resources
from tandem_sim.agents.strategies.strategy import Offers, OfferView, SellerResult
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.orders.bids import DOWN, UP, Bids


@dataclass(frozen=True)
class ClosedBook:
    """The closed book of one system, n bids, with MW sold and pay in the order of the bids."""

    bids: Bids
    sold_mw: FloatArray  # (n,)
    received_eur_per_h: FloatArray  # (n,)


@dataclass(frozen=True)
class Available:
    """MW that a seller had available at its first offer in one system: k rows, upwards first."""

    n_up: int
    mw: FloatArray  # (k,)
    cost: FloatArray  # (k,) EUR/MWh


@dataclass
class _Isp:
    cost: FloatArray  # (R,) EUR/MWh of the rows offered so far, 0 of others
    offered: dict[str, Bids] = field(default_factory=dict)  # system -> bids sent
    available: dict[str, Available] = field(default_factory=dict)  # by system
    sold_mw: dict[str, float] = field(default_factory=dict)  # by bid


class SalesBook:
    """The books of one seller, by ISP, from the first offer to settlement.

    Its R rows are its resources in either direction over all systems, numbered at the first offer.
    """

    def __init__(self, provider: str, consents: bool = True) -> None:
        """`consents`: bids left by a local market may be forwarded, unless a strategy refuses."""
        self.provider, self._consents = provider, consents
        self._row_of: dict[str, int] = {}  # by bid id
        self._first_row: dict[str, int] = {}  # by system
        self._resource, self._direction = np.empty((2, 0), dtype=np.int64)  # (R,)
        self._blanks: dict[str, Bids] = {}  # by system, a bid of 0 MW for each of its rows
        self._isps: dict[int, _Isp] = {}

    def open(self, isp: int, found: Sequence[Resources]) -> None:
        """Open the book of an ISP; `found` lists the same resources in every ISP."""
        if found and not self._first_row:
            ends = np.cumsum([0, *(len(part.bid_id) for part in found)]).tolist()
            self._first_row = dict(zip((part.system for part in found), ends, strict=False))
            ids = [bid for part in found for bid in part.bid_id.tolist()]
            self._row_of = dict(zip(ids, range(len(ids)), strict=True))
            self._resource = np.concatenate([part.resource for part in found])
            self._direction = np.concatenate([part.direction for part in found])
            self._blanks = {part.system: self._unpriced(part) for part in found}
        if isp not in self._isps:
            self._isps[isp] = self._blank()

    def price(self, rows: IntArray, view: OfferView, offers: Offers) -> Bids:
        """Bids for the offers of a strategy for resources `rows` (n,); costs are stored for settlement.

        The arrays of `offers` become those of the bids.
        """
        book = self._isps[view.isp]
        book.cost[self._first_row[view.system] + rows] = view.cost
        if view.system not in book.available:
            n_up = int(np.count_nonzero(view.direction == UP))
            book.available[view.system] = Available(n_up, view.quantity_mw, view.cost)
        blanks = self._blanks[view.system]
        forwardable = blanks.forwardable[rows]
        if offers.forwardable is not None:
            forwardable &= offers.forwardable
        bids = blanks.offering(rows, offers.quantity_mw, offers.price, forwardable)
        kept = bids.quantity_mw > 0.0
        return bids if kept.all() else bids.pick(kept)

    def sent(self, isp: int, books: Mapping[str, Bids]) -> None:
        """Store the bids sent in every system."""
        self._isps[isp].offered = dict(books)

    def offered(self, isp: int, system: str) -> Bids:
        """The bids sent in a system; empty for an ISP without a book."""
        book = self._isps.get(isp)
        return Bids.empty() if book is None else book.offered.get(system, Bids.empty())

    def alias(self, bid_id: str, of: str) -> None:
        """Register a second bid id `bid_id` for the resource of bid `of`."""
        self._row_of[bid_id] = self._row_of[of]

    def is_open(self, isp: int) -> bool:
        """Whether an ISP has a book that is not settled yet."""
        return isp in self._isps

    def sell(self, isp: int, bid_id: Sequence[str], quantity_mw: FloatArray) -> None:
        """Add awards (n,) MW."""
        sold = self._isps[isp].sold_mw
        for bid, mw in zip(bid_id, quantity_mw.tolist(), strict=True):
            sold[bid] = sold.get(bid, 0.0) + mw

    def sold_mw(self, isp: int) -> Mapping[str, float]:
        """MW sold by bid, by the awards received so far."""
        book = self._isps.get(isp)
        return {} if book is None else book.sold_mw

    def commitments(self, isp: int, n_groups: int, reserve: bool) -> Sold:
        """Standby of bids beyond awards, and bid prices, by direction and group (G,); see `Sold`.

        With a `reserve` (aFRR), all unsold MW of bids may still be called; else standby is zero.
        """
        standby = {d: np.zeros(n_groups) for d in (UP, DOWN)}
        price = {d: np.full(n_groups, np.nan) for d in (UP, DOWN)}
        book = self._isps.get(isp) or self._blank()
        for bids in book.offered.values():
            rows = zip(bids.bid_id.tolist(), bids.quantity_mw.tolist(), bids.price.tolist(), strict=True)
            for bid, mw, bid_price in rows:
                row = self._row_of[bid]
                group, direction = int(self._resource[row]), int(self._direction[row])
                price[direction][group] = bid_price
                if reserve:
                    standby[direction][group] += 1000.0 * max(mw - book.sold_mw.get(bid, 0.0), 0.0)
        return Sold(standby, price)

    def groups_of(self, bid_id: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Resource and direction of bids (n,)."""
        rows = self._rows(bid_id)
        return self._resource[rows], self._direction[rows]

    def available(self, isp: int, system: str) -> Available | None:
        """What was available at the first offer in a system; None without an offer."""
        book = self._isps.get(isp)
        return None if book is None else book.available.get(system)

    def cost_of(self, isp: int, bid_id: Sequence[str]) -> FloatArray:
        """Cost of bids (n,) of an ISP to their resources, EUR/MWh."""
        return self._isps[isp].cost[self._rows(bid_id)]

    def outcome(self, isp: int, books: Mapping[str, ClosedBook]) -> SellerResult:
        """The result of an ISP, bid by bid over all systems in the order of their books."""
        book = self._isps.get(isp) or self._blank()
        found: list[tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]] = []
        for system in book.available:
            closed = books[system]
            mine = closed.bids.places_of(self.provider)
            rows, sold = self._rows(closed.bids.bid_id[mine].tolist()), closed.sold_mw[mine]
            cost = self._direction[rows] * book.cost[rows] * sold
            side, mw = closed.bids.direction[mine], closed.bids.quantity_mw[mine]
            found.append((side, mw, sold, closed.received_eur_per_h[mine], cost))
        if not found:
            none = np.empty(0)
            return SellerResult(
                isp=isp,
                direction=np.empty(0, dtype=np.int64),
                offered_mw=none,
                sold_mw=none,
                received_eur_per_h=none,
                cost_eur_per_h=none,
            )
        side, offered, sold, received, cost = (np.concatenate(column) for column in zip(*found, strict=True))
        return SellerResult(
            isp=isp,
            direction=side,
            offered_mw=offered,
            sold_mw=sold,
            received_eur_per_h=received,
            cost_eur_per_h=cost,
        )

    def cost_eur_per_h(self, isp: int, delivered_kw: FloatArray) -> float:
        """Close an ISP: cost of the deliveries of the seller's resources, EUR/h, signed like prices.

        `delivered_kw` is the net delivery of the resources of all sellers by number, kW, up positive. It may
        be empty.
        """
        book = self._isps.pop(isp, None)
        if book is None or not len(delivered_kw):
            return 0.0
        rows = np.flatnonzero(self._direction * delivered_kw[self._resource] > 0.0)
        rows = rows[np.argsort(self._resource[rows])]  # a resource delivers in one direction: it occurs once
        return float(book.cost[rows] @ delivered_kw[self._resource[rows]]) / 1000.0

    def _unpriced(self, part: Resources) -> Bids:
        nothing, consent = np.zeros(len(part.bid_id)), np.full(len(part.bid_id), self._consents)
        owner = [self.provider] * len(part.bid_id)
        bids = Bids.of(part.bid_id, owner, part.node, part.direction, nothing, nothing)
        return replace(bids, forwardable=consent)

    def _blank(self) -> _Isp:
        return _Isp(np.zeros(len(self._resource)))

    def _rows(self, bid_id: Sequence[str]) -> IntArray:
        row_of = self._row_of
        return np.array([row_of[bid] for bid in bid_id], dtype=np.int64)
