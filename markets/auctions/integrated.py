"""The integrated market: operators and companies buy in one market, which an independent operator clears.

Source: SmartNet, coordination scheme E.
"""

from __future__ import annotations

from tandem_sim.markets.auctions.local_and_tso import clear_system
from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.coordination.block import TSO, Block, View, Written
from tandem_sim.markets.coordination.state import expected_mw, offered_mw, unsold_mw, wanted_mw


def integrated_market(pricing: Pricing = "pay-as-bid") -> Block:
    """Largest welfare: the TSO's need, the limits of all grids, and companies with a willingness to pay.

    What a company buys is withdrawn at its bus, within the limits of its grid. The needs of operators have
    the penalties of every auction as their willingness to pay. The TSO is the residual buyer: it pays the
    sellers and receives the payments of the companies.
    """

    def run(system: str, view: View) -> Written:
        available = {TSO: unsold_mw(view.tso) + wanted_mw(view.tso)}
        for area, values in view.areas.items():
            available[area] = offered_mw(values) + wanted_mw(values)
        p = expected_mw(view.tso, view.areas)
        return clear_system(view.tso, view.areas, available, p, set(available), pricing, "integrated_market")

    reads = ("tso.bids", "tso.grid", "tso.sold", "area.exchange", "area.bids", "area.offers", "area.grid")
    writes = ("tso.sold", "tso.balancing", "tso.need", "area.sold")
    return Block(
        name="integrated_market",
        party="operator",
        gate="tso_clear",
        reads=(*reads, "area.sold"),
        writes=writes,
        run=run,
        pays="tso",
    )
