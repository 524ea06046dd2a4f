"""What an auction had to serve, and what it left unserved."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.markets.clearing.auction import Cleared


@dataclass(frozen=True)
class AuctionNeed:
    """One auction of one system: its result, with the unserved need as `short_mw` and `long_mw`.

    Over the awards of sellers in the auction, the need is accounted for to the last MW::

        net award + exchange_mw = need_mw - answer.short_mw + answer.long_mw

    `need_mw` is required injection (negative: less injection). `exchange_mw` is injection from other sources
    than these awards: over an interface whose flow may change, from areas that sell as a whole, or (negative)
    purchases of companies.
    """

    answer: Cleared
    need_mw: float
    exchange_mw: float = 0.0


def left_of(answer: Cleared, need_mw: float, served_mw: float) -> Cleared:
    """The result with the part of a need unserved that it does not serve (MW of required injection)."""
    left = need_mw - served_mw
    if abs(left) <= NEGLIGIBLE_MW:
        left = 0.0
    return replace(answer, short_mw=max(left, 0.0), long_mw=max(-left, 0.0))
