"""Pricing rules: what the buyer pays for an award, given the duals of the auction that made it."""

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
    paid_eur_per_h: FloatArray  # (n,) all that is paid
    make_whole_eur_per_h: FloatArray  # (n,) of it, what lifts the pay to the bid's own price
    purposes: Purposes

    @classmethod
    def of(cls, award_mw: FloatArray, paid_eur_per_h: FloatArray) -> Sale:
        """A sale for balancing at a pay that needs no making whole."""
        return cls(award_mw, paid_eur_per_h, np.zeros(len(award_mw)), Purposes.to_balance(award_mw))


def sale_of(
    pricing: Pricing,
    bids: Bids,
    award_mw: FloatArray,
    answer: Cleared,
    first: int = 0,
    why: Purposes | None = None,
) -> Sale:
    """The sale of a book whose bids' columns in the auction of `answer` start at `first`.

    `why` says why every column of the auction was bought; None: it is worked out here.

    Paid is, by the rule's name: the bid's own price; the price of the balance; that price plus the duals of
    the limits the bid moves. Under the two uniform rules nobody gets less than its bid: a bid called against
    a limit may stand out of the merit order of the balance, and what it lacks is make-whole. Where a limit
    or the need is broken, the duals are those of the penalties: scarcity prices.
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
