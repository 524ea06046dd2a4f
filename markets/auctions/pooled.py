"""One local market of several DSOs: each keeps its limits, and all together stay balanced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import sale_of
from tandem_sim.markets.clearing.purposes import purposes_of
from tandem_sim.markets.coordination.block import Block, Party, View, Written
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.coordination.state import area_state, unsold_mw
from tandem_sim.markets.orders.bids import Bids


@dataclass(frozen=True, kw_only=True)
class PooledMarket(Block):
    """Least cost over the bids of all areas within the limits of each; the sum of their flows is held.

    A relief in one area may be balanced by any seller of another area. So no seller is pivotal only because
    of the border between two DSOs. Each DSO pays for the bids of its own area.
    """

    name: str = "pooled_market"
    gate: str = "dso_clear"
    pricing: Pricing = "pay-as-bid"

    party: ClassVar[Party] = "operator"
    pays: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.grid", "area.sold", "area.exchange")
    writes: ClassVar[tuple[str, ...]] = ("area.sold", "area.local", "area.exchange")

    def __call__(self, system: str, view: View) -> Written:
        """Clear the market of all areas."""
        areas = {name: area for name, area in view.areas.items() if len(area.bids)}
        if not areas:
            return Written()
        books: dict[str, Bids] = {name: area.bids for name, area in areas.items()}
        ends = np.cumsum([len(b) for b in books.values()])
        first = dict(zip(books, (ends - [len(b) for b in books.values()]).tolist(), strict=True))
        available = np.concatenate([unsold_mw(area) for area in areas.values()])
        limits = []
        for name, bids in books.items():
            own = Columns(bids.node, bids.direction, first[name], int(ends[-1]))
            limits += auction_constraints(area_state(areas[name]), own, available, owner=name)
        answer = clear(
            np.concatenate([b.signed_price for b in books.values()]),
            available,
            sign=np.concatenate([b.direction for b in books.values()]).astype(np.float64),
            rows=limits,
            imbalance_bound_mw=0.0,
        ).require(self.name)
        awards = dict(zip(books, np.split(answer.quantity_mw, ends[:-1]), strict=True))
        local = {
            a: replace(answer, quantity_mw=mw, cost_eur_per_h=float(books[a].signed_price @ mw))
            for a, mw in awards.items()
        }
        why = purposes_of(answer)
        net = {a: float(books[a].direction @ mw) for a, mw in awards.items()}
        return Written(
            areas={a: AreaState(local=local[a], exchange=areas[a].exchange + net[a]) for a in areas},
            sales={a: sale_of(self.pricing, books[a], mw, answer, first[a], why) for a, mw in awards.items()},
            clearings={a: AuctionNeed(local[a], 0.0, -net[a]) for a in areas},
        )
