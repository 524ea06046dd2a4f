"""Post-qualification: after the TSO's market a DSO refuses awards beyond the capacity of its grid.

Source: ALEXANDER D3.3, multilevel-02: "preventing the activation of certain distributed-connected resource
bids selected by the TSO".
"""

from __future__ import annotations

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import Cleared, Status, clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.coordination.block import Block, View, Written
from tandem_sim.markets.orders.bids import DOWN, UP, Bids


def post_qualify(market: str = "tso_market") -> Block:
    """The DSO allows as much of the awards of `market` as is safe, and refuses the most expensive first.

    Refused awards are not substituted: they stay unserved, and are not paid. The block's own award is minus
    the refusals.
    """

    def run(area: str, view: View) -> Written:
        bids: Bids = view.own["bids"]
        local: FloatArray = view.own["local"].quantity_mw
        award = view.own["sold"] - local
        rows: GridConstraints = view.own["grid"]
        before = rows.after(bids.injection_mw(local, rows.flow_matrix.shape[1])).relaxed()
        refused = award - allowed_award_mw(before, bids, award)
        refused[refused < NEGLIGIBLE_MW] = 0.0
        up, down = (float(refused[bids.direction == d].sum()) for d in (UP, DOWN))
        cost = -float(bids.signed_price @ refused)
        answer = Cleared(
            status=Status.OPTIMAL,
            message="post-qualification",
            quantity_mw=-refused,
            cost_eur_per_h=cost,
            short_mw=up,
            long_mw=down,
        )
        return Written(
            refused={(market, area): refused} if refused.any() else {},
            clearings={area: AuctionNeed(answer, 0.0)},
        )

    return Block(
        name="post_qualify",
        party="dso",
        gate="correct",
        reads=("area.bids", "area.grid", "area.sold", "area.local"),
        writes=("area.sold",),
        run=run,
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
