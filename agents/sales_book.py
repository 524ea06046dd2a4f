"""What a seller has on offer: bids of ISPs to come, what they cost it, what was sold of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.portfolio import Resources
from agents.remedies import Sold
from agents.strategies import Offers, OfferView, Outcome
from grids.arrays import FloatArray, IntArray
from markets.bids import DOWN, UP, Bids

Key = tuple[int, int]
"""Resource and direction."""


@dataclass(frozen=True)
class SellerLine:
    """One seller in one system and direction for an ISP; see table ``sellers``."""

    system: str
    direction: int
    able_mw: float
    offered_mw: float
    sold_mw: float
    price: float  # EUR/MWh, mean over what is offered; nan where nothing is
    cost: float  # EUR/MWh, mean over what could be offered; nan where nothing could
    offered_cost: float  # EUR/MWh, mean over what is offered; nan where nothing is
    received_eur_per_h: float
    cost_eur_per_h: float


@dataclass
class _Isp:
    offered: dict[str, Bids] = field(default_factory=dict)  # system -> bids sent
    cost: dict[Key, float] = field(default_factory=dict)  # EUR/MWh
    able: dict[str, tuple[IntArray, FloatArray, FloatArray]] = field(
        default_factory=dict
    )  # of the first offer
    sold_mw: dict[str, float] = field(default_factory=dict)  # by bid


class SalesBook:
    """The books of one seller, by ISP, from the first offer to settlement."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._of_bid: dict[str, Key] = {}
        self._isps: dict[int, _Isp] = {}

    def price(self, found: Resources, rows: IntArray, view: OfferView, offers: Offers, consent: bool) -> Bids:
        """Bids for what a strategy offers of the resources `rows`; their costs are kept for settlement."""
        ids = found.bid_id[rows]
        keys = list(zip(found.resource[rows].tolist(), view.direction.tolist(), strict=True))
        self._of_bid.update(zip(ids.tolist(), keys, strict=True))
        book = self._isps.setdefault(view.isp, _Isp())
        book.cost.update(zip(keys, view.cost.tolist(), strict=True))
        book.able.setdefault(view.system, (view.direction, view.quantity_mw, view.cost))
        forwardable = np.full(len(rows), consent)
        if offers.forwardable is not None:
            forwardable &= offers.forwardable
        bids = Bids(
            ids, np.full(len(rows), self._provider), found.node[rows], view.direction,
            np.array(offers.quantity_mw), np.array(offers.price), forwardable,
        )  # fmt: skip
        kept = bids.quantity_mw > 0.0
        return bids if kept.all() else bids.pick(kept)

    def sent(self, isp: int, books: Mapping[str, Bids]) -> None:
        """Keep what was offered in every system."""
        self._isps.setdefault(isp, _Isp()).offered = dict(books)

    def offered(self, isp: int, system: str) -> Bids:
        """What was offered in a system."""
        book = self._isps.get(isp)
        return Bids.empty() if book is None else book.offered.get(system, Bids.empty())

    def alias(self, bid_id: str, of: str) -> None:
        """A second bid on the same resource."""
        self._of_bid[bid_id] = self._of_bid[of]

    def is_open(self, isp: int) -> bool:
        """Whether anything was priced for an ISP that is not settled yet."""
        return isp in self._isps

    def sell(self, isp: int, bid_id: Sequence[str], quantity_mw: FloatArray) -> None:
        """Add awards (n,) MW."""
        sold = self._isps[isp].sold_mw
        for bid, mw in zip(bid_id, quantity_mw.tolist(), strict=True):
            sold[bid] = sold.get(bid, 0.0) + mw

    def sold_mw(self, isp: int) -> Mapping[str, float]:
        """MW sold by bid, as told so far."""
        book = self._isps.get(isp)
        return {} if book is None else book.sold_mw

    def promises(self, isp: int, n_groups: int, reserve: bool) -> Sold:
        """What bids of an ISP promise beyond awards, and what groups (G,) cost, by direction.

        With a `reserve`, all that is offered may still be called.
        """
        standby = {d: np.zeros(n_groups) for d in (UP, DOWN)}
        price = {d: np.full(n_groups, np.nan) for d in (UP, DOWN)}
        book = self._isps.get(isp, _Isp())
        for bids in book.offered.values():
            rows = zip(bids.bid_id.tolist(), bids.quantity_mw.tolist(), bids.price.tolist(), strict=True)
            for bid, mw, asked in rows:
                group, direction = self._of_bid[bid]
                price[direction][group] = asked
                if reserve:
                    standby[direction][group] += 1000.0 * max(mw - book.sold_mw.get(bid, 0.0), 0.0)
        return Sold(standby, price)

    def groups_of(self, bid_id: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Resource and direction of bids (n,)."""
        group, direction = np.array([self._of_bid[b] for b in bid_id], dtype=np.int64).reshape(-1, 2).T
        return group, direction

    def account(
        self, isp: int, books: Mapping[str, Bids], sold_mw: Mapping[str, FloatArray],
        received_eur_per_h: Mapping[str, FloatArray],
    ) -> tuple[Outcome, list[SellerLine]]:  # fmt: skip
        """What became of an ISP: bid by bid, and by system and direction.

        `books` are those the markets closed with; sold and received (n,) per bid of each, in its order.
        """
        mine_of = self._isps.get(isp, _Isp())
        outcome: list[tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]] = []
        lines: list[SellerLine] = []
        for system, (side, able, cost) in mine_of.able.items():
            bids = books.get(system, Bids.empty())
            mine = np.flatnonzero(bids.provider == self._provider)
            keys = [self._of_bid[b] for b in bids.bid_id[mine].tolist()]
            unit = np.array([d * mine_of.cost.get((k, d), 0.0) for k, d in keys])
            mw, sold = bids.quantity_mw[mine], sold_mw[system][mine] if len(mine) else np.empty(0)
            received = received_eur_per_h[system][mine] if len(mine) else np.empty(0)
            outcome.append((bids.direction[mine], mw, sold, received, unit * sold))
            for direction in (UP, DOWN):
                own, here = side == direction, bids.direction[mine] == direction
                if own.any():
                    lines.append(
                        SellerLine(
                            system, direction, float(able[own].sum()), float(mw[here].sum()),
                            float(sold[here].sum()), _mean(bids.price[mine][here], mw[here]),
                            _mean(cost[own], able[own]), _mean(direction * unit[here], mw[here]),
                            float(received[here].sum()), float((unit * sold)[here].sum()),
                        )
                    )  # fmt: skip
        if not outcome:
            none = np.empty(0)
            outcome = [(np.empty(0, dtype=np.int64), none, none, none, none)]
        sides = np.concatenate([row[0] for row in outcome])
        rest = (np.concatenate([row[k] for row in outcome]) for k in (1, 2, 3, 4))
        return Outcome(isp, sides, *rest), lines

    def cost_eur_per_h(self, isp: int, delivered_kw: FloatArray) -> float:
        """Close an ISP: what net deliveries (resources,) in kW, up positive, cost, signed like prices."""
        book = self._isps.pop(isp, _Isp())
        moved = np.flatnonzero(delivered_kw)
        sides = np.sign(delivered_kw[moved]).astype(int).tolist()
        prices = [book.cost.get((k, side), 0.0) for k, side in zip(moved.tolist(), sides, strict=True)]
        return float(np.array(prices) @ delivered_kw[moved]) / 1000.0


def _mean(values: FloatArray, weights: FloatArray) -> float:
    total = float(weights.sum())
    return float(values @ weights) / total if total > 0.0 else float("nan")
