"""Pricing rules: what the buyer pays for an award, given the duals of the auction that made it."""

from __future__ import annotations

import numpy as np

from tandem_sim.grids.arrays import FloatArray
from tandem_sim.markets.bids import Bids
from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.programme import Cleared

"""Rules by name: its own price; the dual of the balance; that dual plus those of the limits it moves."""


def pay_eur_per_h(
    pricing: Pricing, bids: Bids, award_mw: FloatArray, answer: Cleared, first: int = 0
) -> FloatArray:
    """What the buyer pays for each award (n,), EUR/h, signed like prices.

    The bids' columns in the programme of `answer` start at `first`. Under the two uniform rules nobody gets
    less than its bid (make-whole): a bid called against a limit may stand out of the merit order of the
    balance. Where a limit or the need is broken, the duals are those of the penalties: scarcity prices.
    """
    if pricing == "pay-as-bid":
        return bids.signed_price * award_mw
    if pricing == "pay-as-cleared":
        unit = bids.direction * answer.price_eur_per_mwh
    else:
        unit = answer.value_eur_per_mwh[first : first + len(bids)]
    return np.asarray(np.maximum(unit, bids.signed_price) * award_mw)
