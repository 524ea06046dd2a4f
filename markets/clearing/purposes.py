"""Purpose of purchases: balancing, or relief of flow limits or of voltage limits.

Of the purchases of a market with limits, *balancing* is what it would have bought without limits. The rest is
bought against limits: *congestion* is what it would have bought with the limits of branches only, *voltage*
what the voltage limits add. Bids called against a limit set neither a balancing price nor an imbalance price
(Regulation (EU) 2017/2195, art. 30(1)(b)). These prices come from the market without limits, which buys what
the system needs, including bids that a limit blocked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import Cleared, clear
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.clearing.optimum import Optimum

BALANCING, CONGESTION, VOLTAGE = "balancing", "congestion", "voltage"


@dataclass(frozen=True)
class Purposes:
    """MW of each award (n,) for balancing and for voltages; the rest relieves branches."""

    balancing_mw: FloatArray
    voltage_mw: FloatArray
    unlimited_mw: FloatArray
    """MW of each bid that the market would have bought without limits: at least the balancing part."""

    @classmethod
    def to_balance(cls, award_mw: FloatArray) -> Purposes:
        """All of each award (n,) is for balancing."""
        return cls(award_mw, np.zeros(len(award_mw)), award_mw)

    def part(self, columns: slice) -> Purposes:
        """Those of some columns."""
        return Purposes(self.balancing_mw[columns], self.voltage_mw[columns], self.unlimited_mw[columns])

    def plus(self, other: Purposes) -> Purposes:
        """Those of two awards together."""
        return Purposes(
            self.balancing_mw + other.balancing_mw,
            self.voltage_mw + other.voltage_mw,
            self.unlimited_mw + other.unlimited_mw,
        )

    def scaled(self, share: FloatArray) -> Purposes:
        """Those of a share (n,) of each award."""
        return Purposes(self.balancing_mw * share, self.voltage_mw * share, self.unlimited_mw * share)

    def by_name(self, award_mw: FloatArray) -> dict[str, FloatArray]:
        """MW of each award (n,) by purpose."""
        congestion = np.maximum(award_mw - self.balancing_mw - self.voltage_mw, 0.0)
        return {BALANCING: self.balancing_mw, CONGESTION: congestion, VOLTAGE: self.voltage_mw}


def purposes_of(answer: Cleared, unlimited_need_mw: float | None = None) -> Purposes:
    """Purpose of the purchase of every column (n,) of an auction.

    `unlimited_need_mw` is the need (MW injected) that the auction would have had without limits elsewhere;
    None: the need it had.
    """
    x, at = answer.quantity_mw, answer.optimum
    if at is None:
        return Purposes.to_balance(x)
    need = at.need_mw if unlimited_need_mw is None else unlimited_need_mw
    if not at.limits_bind and abs(need - at.need_mw) <= NEGLIGIBLE_MW:
        return Purposes.to_balance(x)
    unlimited = _cleared_anew(at, need, ()).quantity_mw
    balancing, none = np.minimum(x, unlimited), np.zeros(len(x))
    if not at.voltages_bind:
        return Purposes(balancing, none, unlimited)
    flows = [part for part in at.rows if not part.of_voltage]
    relieved = np.maximum(balancing, np.minimum(x, _cleared_anew(at, at.need_mw, flows).quantity_mw))
    return Purposes(balancing, x - relieved, unlimited)


def unserved_without_limits(answer: Cleared) -> tuple[float, float]:
    """Need that an auction left unserved (short and long, MW), without the part caused by limits."""
    at = answer.optimum
    if at is None or not (answer.short_mw or answer.long_mw) or not at.limits_bind:
        return answer.short_mw, answer.long_mw
    unlimited = _cleared_anew(at, at.need_mw, ())
    for_limits = max(at.short_mw - unlimited.short_mw, 0.0), max(at.long_mw - unlimited.long_mw, 0.0)
    return max(answer.short_mw - for_limits[0], 0.0), max(answer.long_mw - for_limits[1], 0.0)


def _cleared_anew(at: Optimum, need_mw: float, rows: Sequence[AuctionConstraints]) -> Cleared:
    """The same auction for another need, with only some of its limits."""
    return clear(
        at.cost,
        at.available,
        at.sign,
        need_mw,
        rows,
        at.imbalance_price,
        at.imbalance_bound_mw,
        at.choices,
    ).require("an auction without its limits")
