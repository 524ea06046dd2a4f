"""Post-qualification: after the TSO's market a DSO refuses awards beyond the capacity of its grid.

Source: ALEXANDER D3.3, multilevel-02: "preventing the activation of certain distributed-connected resource
bids selected by the TSO".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import Cleared, Status, clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.coordination.block import Block, Party, View, Written
from tandem_sim.markets.orders.bids import DOWN, UP, Bids


@dataclass(frozen=True, kw_only=True)
class PostQualify(Block):
    """The DSO allows as much of the awards of `market` as is safe, and refuses the most expensive first.

    Refused awards are not substituted: they stay unserved, and are not paid. The block's own award is minus
    the refusals.
    """

    name: str = "post_qualify"
    gate: str = "correct"
    market: str = "tso_market"

    party: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.grid", "area.sold", "area.local")
    writes: ClassVar[tuple[str, ...]] = ("area.sold",)

    def __call__(self, system: str, view: View) -> Written:
        """Refuse awards in an area."""
        area, bids, rows = view.area, view.area.bids, view.area.grid
        local = area.local.quantity_mw
        award = area.sold - local
        before = rows.after(bids.injection_mw(local, rows.flow_matrix.shape[1])).relaxed()
        refused = award - allowed_award_mw(before, bids, award)
        refused[refused < NEGLIGIBLE_MW] = 0.0
        up, down = (float(refused[bids.direction == d].sum()) for d in (UP, DOWN))
        answer = Cleared(
            status=Status.OPTIMAL,
            message="post-qualification",
            quantity_mw=-refused,
            cost_eur_per_h=-float(bids.signed_price @ refused),
            short_mw=up,
            long_mw=down,
        )
        return Written(
            refused={(self.market, system): refused} if refused.any() else {},
            clearings={system: AuctionNeed(answer, 0.0)},
        )


def allowed_award_mw(rows: GridConstraints, bids: Bids, award_mw: FloatArray) -> FloatArray:
    """The allowed part of each award (n,) MW: as much energy as `rows` permit, the cheapest first.

    ``max sum(w_b x_b)``, ``0 <= x_b <= award_b``, with the price-based weights of the envelope. Up and down
    are in one optimisation problem, because one dispatch is checked. Raises `ClearingError` if the solver
    fails.
    """
    signed = bids.signed_price
    weight = 1.0 + (signed.max(initial=0.0) - signed)
    limits = auction_constraints(rows, Columns(bids.node, bids.direction), award_mw, hard=True)
    answer = clear(-weight, award_mw, rows=limits)
    return np.minimum(answer.require("post-qualification").quantity_mw, award_mw)
