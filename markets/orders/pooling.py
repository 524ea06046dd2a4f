"""Pooling: small bids together reach the minimum size of a market.

Source: ALEXANDER D3.3, 3.3.3: in NorFlex the market operator adds up uncleared bids to the 1 MW of Statnett's
mFRR. Here a pool may be called in part, and each member keeps its price: pooling only decides on admission.
"""

from __future__ import annotations

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.choices import PooledBy
from tandem_sim.markets.orders.bids import DOWN, UP, Bids


def in_pools(bids: Bids, offered_mw: FloatArray, minimum_mw: float, by: PooledBy = "provider") -> BoolArray:
    """Which bids (n,) of one system are in a pool of at least `minimum_mw`, from the MW offered of each.

    A pool is everything that one provider (or, with ``operator``, all providers) offers in one direction.
    Demand of companies needs no pool.
    """
    inside = np.ones(len(bids), dtype=bool)
    if minimum_mw <= 0.0:
        return inside
    _, owner = np.unique(bids.provider, return_inverse=True)
    owner = owner if by == "provider" else np.zeros(len(bids), dtype=np.int64)
    for direction in (UP, DOWN):
        side = (bids.direction == direction) & ~bids.demand
        size = np.bincount(owner[side], weights=offered_mw[side], minlength=int(owner.max(initial=-1)) + 1)
        inside[side] = size[owner[side]] >= minimum_mw - NEGLIGIBLE_MW
    return inside
