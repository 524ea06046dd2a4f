"""Bid mitigation: bids of a pivotal seller beyond a reference price are replaced by the reference price.

Source: conduct and impact tests with reference levels, as US system operators apply them to congested areas
(NYISO Market Services Tariff, attachment H). Here the conduct test is the reference itself, and the impact
test is a market without the seller. The reference stands for a value set by a regulator; costs of sellers are
not used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tandem_sim.grids.tolerances import PENALTY_RISE_EUR_PER_H
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.local_and_tso import clear_area
from tandem_sim.markets.coordination.block import Block, Values, View, Written
from tandem_sim.markets.coordination.state import unsold_mw
from tandem_sim.markets.orders.bids import UP, Bids


def pivotal_sellers(own: Values, suspects: list[str]) -> list[str]:
    """Those of `suspects` that an area needs: without their bids, violations of limits increase."""
    bids: Bids = own["bids"]
    available = unsold_mw(own)

    def penalty(offered: FloatArray) -> float:
        return clear_area(own, offered).require("mitigation").penalty_eur_per_h

    least = penalty(available)
    return [
        seller
        for seller in suspects
        if penalty(np.where(bids.provider == seller, 0.0, available)) > least + PENALTY_RISE_EUR_PER_H
    ]


def mitigate(gate: str, reference_up: float, reference_down: float) -> Block:
    """Limit bids of pivotal sellers to the reference (EUR/MWh): up bids from above, down bids from below."""

    def run(area: str, view: View) -> Written:
        bids: Bids = view.own["bids"]
        limit = np.where(bids.direction == UP, reference_up, reference_down)
        beyond = (bids.direction * (bids.price - limit) > 0.0) & ~bids.demand
        suspects = sorted({str(name) for name in bids.provider[beyond]})
        held = pivotal_sellers(view.own, suspects) if suspects else []
        change = beyond & np.isin(bids.provider, held)
        if change.any():
            bids = replace(bids, price=np.where(change, limit, bids.price))
        return Written(entries={area: {"bids": bids, "mitigated": held}})

    return Block(
        name="mitigate",
        party="dso",
        gate=gate,
        reads=("area.bids", "area.grid", "area.sold"),
        writes=("area.bids", "area.mitigated"),
        run=run,
    )
