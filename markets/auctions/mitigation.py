"""Bid mitigation: bids of a pivotal seller beyond a reference price are replaced by the reference price.

Source: conduct and impact tests with reference levels, as US system operators apply them to congested areas
(NYISO Market Services Tariff, attachment H). Here the conduct test is the reference itself, and the impact
test is a market without the seller. The reference stands for a value set by a regulator; costs of sellers are
not used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tandem_sim.grids.tolerances import PENALTY_RISE_EUR_PER_H
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.local_and_tso import clear_area
from tandem_sim.markets.coordination.block import Block, Party, View, Written
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.coordination.state import unsold_mw
from tandem_sim.markets.orders.bids import UP


def pivotal_sellers(area: AreaState, suspects: list[str]) -> list[str]:
    """Those of `suspects` that an area needs: without their bids, violations of limits increase."""
    bids, available = area.bids, unsold_mw(area)

    def penalty(offered: FloatArray) -> float:
        return clear_area(area, offered).require("mitigation").penalty_eur_per_h

    least = penalty(available)
    return [
        seller
        for seller in suspects
        if penalty(np.where(bids.provider == seller, 0.0, available)) > least + PENALTY_RISE_EUR_PER_H
    ]


@dataclass(frozen=True, kw_only=True)
class Mitigate(Block):
    """Limit bids of pivotal sellers to the reference (EUR/MWh): up bids from above, down bids from below."""

    name: str = "mitigate"
    gate: str = "dso_clear"
    reference_up_eur_per_mwh: float
    reference_down_eur_per_mwh: float

    party: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.grid", "area.sold")
    writes: ClassVar[tuple[str, ...]] = ("area.bids", "area.mitigated")

    def __call__(self, system: str, view: View) -> Written:
        """Limit prices in an area."""
        bids = view.area.bids
        limit = np.where(bids.direction == UP, self.reference_up_eur_per_mwh, self.reference_down_eur_per_mwh)
        beyond = (bids.direction * (bids.price - limit) > 0.0) & ~bids.demand
        suspects = sorted({str(name) for name in bids.provider[beyond]})
        held = pivotal_sellers(view.area, suspects) if suspects else []
        change = beyond & np.isin(bids.provider, held)
        if change.any():
            bids = replace(bids, price=np.where(change, limit, bids.price))
        return Written(areas={system: AreaState(bids=bids, mitigated=tuple(held))})
