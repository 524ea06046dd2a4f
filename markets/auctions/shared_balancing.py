"""Shared balancing responsibility: each DSO holds a scheduled flow at its boundary with local bids only.

Source: SmartNet, coordination scheme C.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed, left_of
from tandem_sim.markets.clearing.pricing import sale_of
from tandem_sim.markets.coordination.block import Block, Party, View, Written
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.coordination.state import area_state, unsold_mw


@dataclass(frozen=True, kw_only=True)
class DsoBalancing(Block):
    """Least cost of bringing the interface flow to its schedule within the limits of the area.

    Any flow within `tolerance_mw` of the schedule is free of cost. The schedule has priority: only what the
    bids cannot reach stays unserved, and limits that cannot be kept beside it are broken. The TSO receives
    the flow to which the area commits (``area.boundary``), and treats the rest as given.
    """

    name: str = "dso_balancing"
    gate: str = "dso_clear"
    tolerance_mw: float = 0.0
    pricing: Pricing = "pay-as-bid"

    party: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.grid", "area.sold", "area.scheduled")
    writes: ClassVar[tuple[str, ...]] = ("area.sold", "area.local", "area.boundary")

    def __call__(self, system: str, view: View) -> Written:
        """Clear the market of an area."""
        area, bids, flow, tolerance = view.area, view.area.bids, view.area.scheduled, self.tolerance_mw
        available, sign = unsold_mw(area), bids.direction.astype(np.float64)
        need = flow.expected_mw - flow.scheduled_mw
        feasible_range = available @ np.maximum(sign, 0.0), available @ np.minimum(sign, 0.0)
        target = float(np.clip(need, feasible_range[1] - tolerance, feasible_range[0] + tolerance))
        rows = area_state(area)
        bounds = np.concatenate([available, np.full(2, tolerance)])
        answer = clear(
            np.concatenate([bids.signed_price, np.zeros(2)]),
            bounds,
            sign=np.concatenate([sign, [1.0, -1.0]]),
            need_mw=target,
            rows=auction_constraints(rows, Columns(bids.node, bids.direction, width=len(bids) + 2), bounds),
            imbalance_price=0.0,
            imbalance_bound_mw=0.0,
        ).require(f"{self.name} of {system}")
        n = len(bids)
        band = float(answer.quantity_mw[n] - answer.quantity_mw[n + 1])
        local = replace(answer, quantity_mw=answer.quantity_mw[:n])
        return Written(
            areas={system: AreaState(local=local, boundary=flow.scheduled_mw + band)},
            sales={system: sale_of(self.pricing, bids, local.quantity_mw, answer)},
            clearings={system: AuctionNeed(left_of(local, need, target), need, band)},
        )
