"""Shared balancing responsibility: each DSO holds a scheduled flow at its boundary with local bids only.

Source: SmartNet, coordination scheme C.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed, left_of
from tandem_sim.markets.clearing.pricing import sale_of
from tandem_sim.markets.coordination.block import Block, View, Written
from tandem_sim.markets.coordination.state import area_state, unsold_mw
from tandem_sim.markets.orders.bids import Bids


@dataclass(frozen=True)
class Profile:
    """Flow from transmission into an area (MW): the schedule, and the present expectation of its DSO."""

    scheduled_mw: float
    expected_mw: float


def dso_balancing(tolerance_mw: float = 0.0, pricing: Pricing = "pay-as-bid") -> Block:
    """Least cost of bringing the interface flow to its schedule within the limits of the area.

    Any flow within `tolerance_mw` of the schedule is free of cost. The schedule has priority: only what the
    bids cannot reach stays unserved, and limits that cannot be kept beside it are broken. The TSO receives
    the flow to which the area commits (``area.boundary``), and treats the rest as given.
    """

    def run(area: str, view: View) -> Written:
        bids: Bids = view.own["bids"]
        profile: Profile = view.own["scheduled"]
        available, sign = unsold_mw(view.own), bids.direction.astype(np.float64)
        need = profile.expected_mw - profile.scheduled_mw
        feasible_range = available @ np.maximum(sign, 0.0), available @ np.minimum(sign, 0.0)
        target = float(np.clip(need, feasible_range[1] - tolerance_mw, feasible_range[0] + tolerance_mw))
        rows = area_state(view.own)
        bounds = np.concatenate([available, np.full(2, tolerance_mw)])
        answer = clear(
            np.concatenate([bids.signed_price, np.zeros(2)]),
            bounds,
            sign=np.concatenate([sign, [1.0, -1.0]]),
            need_mw=target,
            rows=auction_constraints(rows, Columns(bids.node, bids.direction, width=len(bids) + 2), bounds),
            imbalance_price=0.0,
            imbalance_bound_mw=0.0,
        ).require(f"dso_balancing of {area}")
        n = len(bids)
        band = float(answer.quantity_mw[n] - answer.quantity_mw[n + 1])
        local = replace(answer, quantity_mw=answer.quantity_mw[:n])
        return Written(
            entries={area: {"local": local, "boundary": profile.scheduled_mw + band}},
            sales={area: sale_of(pricing, bids, local.quantity_mw, answer)},
            clearings={area: AuctionNeed(left_of(local, need, target), need, band)},
        )

    return Block(
        name="dso_balancing",
        party="dso",
        gate="dso_clear",
        reads=("area.bids", "area.grid", "area.sold", "area.scheduled"),
        writes=("area.sold", "area.local", "area.boundary"),
        run=run,
    )
