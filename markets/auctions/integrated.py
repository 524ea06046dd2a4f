"""The integrated market: operators and companies buy in one market, which an independent operator clears.

Source: SmartNet, coordination scheme E.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tandem_sim.markets.auctions.local_and_tso import clear_system
from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.coordination.block import TSO, Block, Party, View, Written
from tandem_sim.markets.coordination.state import expected_mw, offered_mw, unsold_mw, wanted_mw


@dataclass(frozen=True, kw_only=True)
class IntegratedMarket(Block):
    """Largest welfare: the TSO's need, the limits of all grids, and companies with a willingness to pay.

    What a company buys is withdrawn at its bus, within the limits of its grid. The needs of operators have
    the penalties of every auction as their willingness to pay. The TSO is the residual buyer: it pays the
    sellers and receives the payments of the companies.
    """

    name: str = "integrated_market"
    gate: str = "tso_clear"
    pricing: Pricing = "pay-as-bid"

    party: ClassVar[Party] = "operator"
    pays: ClassVar[Party] = "tso"
    reads: ClassVar[tuple[str, ...]] = (
        "tso.bids",
        "tso.grid",
        "tso.sold",
        "area.exchange",
        "area.bids",
        "area.offers",
        "area.grid",
        "area.sold",
    )
    writes: ClassVar[tuple[str, ...]] = ("tso.sold", "tso.balancing", "tso.need", "area.sold")

    def __call__(self, system: str, view: View) -> Written:
        """Clear the market of all."""
        available = {TSO: unsold_mw(view.tso) + wanted_mw(view.tso)}
        for name, area in view.areas.items():
            available[name] = offered_mw(area) + wanted_mw(area)
        p = expected_mw(view.tso, view.areas)
        return clear_system(
            view.tso, view.areas, available, p, limits_of=set(available), pricing=self.pricing, who=self.name
        )
