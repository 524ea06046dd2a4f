"""Purchases of the TSO on transmission when connection limits block energy that pools have sold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import Cleared, clear
from tandem_sim.markets.orders.bids import Bids

SUBSTITUTION = "substitution"
"""Market of the ledger in which the TSO books the substitution of blocked energy."""
SLOW_S = 750.0
"""Full activation time of what substitutes reserve: that of mFRR, 12.5 minutes."""


@dataclass(frozen=True)
class SubstitutedByTso:
    """Energy bought at once, and MW per bid (n,) that the reserve may call although they are slow."""

    answer: Cleared
    slow_mw: FloatArray


def substitute_missing(
    bids: Bids, left_mw: FloatArray, fast_mw: FloatArray, energy_mw: float, reserve_mw: dict[int, float]
) -> SubstitutedByTso:
    """Buy blocked energy at least cost, and open slow bids to the reserve, the best prices first.

    left_mw (n,): unsold; fast_mw (n,): its part that the reserve may call anyway. energy_mw: missing, up
    positive; reserve_mw: missing by direction, >= 0. Raises `ClearingError` if the solver fails.
    """
    side_of_need = np.where(bids.direction * energy_mw > 0.0, left_mw, 0.0)
    answer = clear(bids.signed_price, side_of_need, bids.direction.astype(np.float64), energy_mw)
    answer = answer.require("substitution of blocked energy")
    slow = np.zeros(len(bids))
    room = np.maximum(left_mw - answer.quantity_mw - fast_mw, 0.0)
    for direction, wanted in reserve_mw.items():
        side = np.flatnonzero(bids.direction == direction)
        side = side[np.argsort(direction * bids.price[side], kind="stable")]
        before = np.concatenate([[0.0], np.cumsum(room[side])])[: len(side)]
        slow[side] = np.clip(wanted - before, 0.0, room[side])
    return SubstitutedByTso(answer, slow)
