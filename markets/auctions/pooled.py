"""One local market of several DSOs: each keeps its limits, and all together stay balanced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import sale_of
from tandem_sim.markets.clearing.purposes import purposes_of
from tandem_sim.markets.coordination.block import Block, View, Written
from tandem_sim.markets.coordination.state import area_state, unsold_mw
from tandem_sim.markets.orders.bids import Bids


def pooled_market(
    gate: str = "dso_clear", name: str = "pooled_market", pricing: Pricing = "pay-as-bid"
) -> Block:
    """Least cost over the bids of all areas within the limits of each; the sum of their flows is held.

    A relief in one area may be balanced by any seller of another area. So no seller is pivotal only because
    of the border between two DSOs. Each DSO pays for the bids of its own area.
    """

    def run(system: str, view: View) -> Written:
        areas = {area: values for area, values in view.areas.items() if len(values["bids"])}
        if not areas:
            return Written()
        books: dict[str, Bids] = {area: values["bids"] for area, values in areas.items()}
        ends = np.cumsum([len(b) for b in books.values()])
        first = dict(zip(books, (ends - [len(b) for b in books.values()]).tolist(), strict=True))
        available = np.concatenate([unsold_mw(values) for values in areas.values()])
        limits = []
        for area, bids in books.items():
            own = Columns(bids.node, bids.direction, first[area], int(ends[-1]))
            limits += auction_constraints(area_state(areas[area]), own, available, owner=area)
        answer = clear(
            np.concatenate([b.signed_price for b in books.values()]),
            available,
            sign=np.concatenate([b.direction for b in books.values()]).astype(np.float64),
            rows=limits,
            imbalance_bound_mw=0.0,
        ).require(name)
        awards = dict(zip(books, np.split(answer.quantity_mw, ends[:-1]), strict=True))
        local = {
            a: replace(answer, quantity_mw=mw, cost_eur_per_h=float(books[a].signed_price @ mw))
            for a, mw in awards.items()
        }
        why = purposes_of(answer)
        net = {a: float(books[a].direction @ mw) for a, mw in awards.items()}
        return Written(
            entries={a: {"local": local[a], "exchange": areas[a]["exchange"] + net[a]} for a in areas},
            sales={a: sale_of(pricing, books[a], mw, answer, first[a], why) for a, mw in awards.items()},
            clearings={a: AuctionNeed(local[a], 0.0, -net[a]) for a in areas},
        )

    reads = ("area.bids", "area.grid", "area.sold", "area.exchange")
    return Block(
        name=name,
        party="operator",
        gate=gate,
        reads=reads,
        writes=("area.sold", "area.local", "area.exchange"),
        run=run,
        pays="dso",
    )
