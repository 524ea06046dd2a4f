"""Pricing rules: what the buyer pays for an award, from the duals of the auction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.clearing.auction import Cleared
from tandem_sim.markets.clearing.purposes import Purposes, purposes_of
from tandem_sim.markets.orders.bids import Bids


@dataclass(frozen=True)
class Sale:
    """What a market buys from one book, why, and what it pays. n bids; EUR/h signed like prices."""

    award_mw: FloatArray  # (n,)
    paid_eur_per_h: FloatArray  # (n,) total pay
    make_whole_eur_per_h: FloatArray  # (n,) of it, the supplement up to the bid's own price
    purposes: Purposes

    @classmethod
    def of(cls, award_mw: FloatArray, paid_eur_per_h: FloatArray) -> Sale:
        """A sale for balancing, with pay that needs no make-whole payment."""
        return cls(award_mw, paid_eur_per_h, np.zeros(len(award_mw)), Purposes.to_balance(award_mw))


def sale_of(
    pricing: Pricing,
    bids: Bids,
    award_mw: FloatArray,
    answer: Cleared,
    first: int = 0,
    why: Purposes | None = None,
) -> Sale:
    """The sale of a book whose bids have columns from `first` on in the auction of `answer`.

    `why` gives the purposes of every column of the auction; None: they are computed here.

    Pay by rule: the bid's own price; the price of the balance; that price plus the duals of the limits on
    which the bid has an effect. Under the two uniform rules no bid gets less than its own price: a bid called
    against a limit may lie outside the merit order of the balance, and the difference is a make-whole
    payment. Where a limit is violated or a need unserved, the duals are the penalties: scarcity prices.
    """
    columns = slice(first, first + len(bids))
    at_bid_price = bids.signed_price * award_mw
    if pricing == "pay-as-bid":
        uniform = at_bid_price
    elif pricing == "pay-as-cleared":
        uniform = bids.direction * answer.price_eur_per_mwh * award_mw
    else:
        uniform = answer.value_eur_per_mwh[columns] * award_mw
    paid = np.maximum(uniform, at_bid_price)
    why = purposes_of(answer) if why is None else why
    return Sale(award_mw, paid, paid - uniform, why.part(columns))
