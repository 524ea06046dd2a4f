"""Zones of a network flexibility study: at which nodes which direction of flexibility may be sold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.orders.bids import UP, Bids
from tandem_sim.markets.orders.flexibility_register import unit_of


@dataclass(frozen=True)
class Zones:
    """Result of a study: green nodes (2, N), up and down, and units that differ from their zone.

    `units` gives for up and for down whether a unit may sell: an exempt or still qualified unit in a red
    zone, or a unit without an answer yet in a green one.
    """

    green: BoolArray
    units: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)

    def open_to(self, bids: Bids) -> BoolArray:
        """Which bids (n,) may be sold; the id of a bid names its unit."""
        line = np.where(bids.direction == UP, 0, 1)
        found: BoolArray = self.green[line, bids.node]
        if self.units:
            for k, bid in enumerate(bids.bid_id.tolist()):
                own = self.units.get(unit_of(bid))
                if own is not None:
                    found[k] = own[line[k]]
        return found

    def open_mw(self, bids: Bids, offered_mw: FloatArray) -> FloatArray:
        """Offers (n,) MW of bids that may be sold, zero for others."""
        return np.where(self.open_to(bids), offered_mw, 0.0)
