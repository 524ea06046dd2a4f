"""Bidding strategies: from what a resource can do and what it costs, to a price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from grids.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class OfferView:
    """What an aggregator knows when it bids for an ISP: its own resources, and the day-ahead price."""

    isp: int
    day_ahead_price: float  # EUR/MWh
    direction: IntArray  # (n,)
    quantity_mw: FloatArray  # (n,) feasible
    cost: FloatArray  # (n,) EUR/MWh, sign rule of prices


class Strategy(Protocol):
    """Prices an offer. Learning strategies keep their own state."""

    def prices(self, view: OfferView) -> FloatArray:
        """Prices (n,) in EUR/MWh, in the order of the view."""
        ...


class Truthful:
    """Bid the cost."""

    def prices(self, view: OfferView) -> FloatArray:
        """The cost itself."""
        return view.cost


STRATEGIES: dict[str, type[Strategy]] = {"truthful": Truthful}
