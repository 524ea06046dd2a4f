"""What an auction was asked to serve, and what of it was left."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.markets.clearing.auction import Cleared


@dataclass(frozen=True)
class Clearing:
    """One auction of one system: its answer, whose `short_mw` and `long_mw` are what stays unserved.

    Over the awards of the auction, sellers' only, the need is accounted for to the last MW::

        net award + exchange_mw = need_mw - answer.short_mw + answer.long_mw

    `need_mw` is injection wanted (negative: less injection). `exchange_mw` is injection that comes from
    elsewhere than from these awards: over an interface that may move, from areas that sell as a whole, or,
    negative, what companies take out.
    """

    answer: Cleared
    need_mw: float
    exchange_mw: float = 0.0


def left_of(answer: Cleared, need_mw: float, served_mw: float) -> Cleared:
    """An answer that leaves unserved what it does not serve of a need (MW, injection wanted)."""
    left = need_mw - served_mw
    if abs(left) <= NEGLIGIBLE_MW:
        left = 0.0
    return replace(answer, short_mw=max(left, 0.0), long_mw=max(-left, 0.0))
