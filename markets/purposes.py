"""Why a market bought what it did: to balance, or against limits of flows or of voltages.

Of what a market with limits buys, *balancing* is what it would have bought had there been no limits; the rest
is bought against them: *congestion* is what it would have bought with the limits of branches alone, *voltage*
what the limits of voltages add. Bids called against a limit set no balancing price and no imbalance price
(Regulation (EU) 2017/2195, art. 30(1)(b)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.arrays import FloatArray
from tandem_sim.markets.programme import Cleared, clear
from tandem_sim.markets.worth import Optimum

BALANCING, CONGESTION, VOLTAGE = "balancing", "congestion", "voltage"


@dataclass(frozen=True)
class Purposes:
    """MW of each award (n,) that balances and that keeps voltages; the rest relieves branches."""

    balancing_mw: FloatArray
    voltage_mw: FloatArray

    def part(self, columns: slice) -> Purposes:
        """Those of some columns."""
        return Purposes(self.balancing_mw[columns], self.voltage_mw[columns])

    def plus(self, other: Purposes) -> Purposes:
        """Those of two awards together."""
        return Purposes(self.balancing_mw + other.balancing_mw, self.voltage_mw + other.voltage_mw)

    def scaled(self, share: FloatArray) -> Purposes:
        """Those of a share (n,) of each award."""
        return Purposes(self.balancing_mw * share, self.voltage_mw * share)

    def by_name(self, award_mw: FloatArray) -> dict[str, FloatArray]:
        """MW of each award (n,) by purpose."""
        congestion = np.maximum(award_mw - self.balancing_mw - self.voltage_mw, 0.0)
        return {BALANCING: self.balancing_mw, CONGESTION: congestion, VOLTAGE: self.voltage_mw}


def purposes_of(answer: Cleared) -> Purposes:
    """Why every column (n,) of an auction was bought."""
    x, at = answer.quantity_mw, answer.optimum
    none = np.zeros(len(x))
    if at is None or not at.limits_bind:
        return Purposes(x, none)
    free = np.minimum(x, _without(at, voltages=False, flows=False))
    if not at.voltages_bind:
        return Purposes(free, none)
    relieved = np.maximum(free, np.minimum(x, _without(at, voltages=False, flows=True)))
    return Purposes(free, x - relieved)


def unserved_without_limits(answer: Cleared) -> tuple[float, float]:
    """Need that an auction left (short and long, MW) and would have left had there been no limits."""
    at = answer.optimum
    if at is None or not (answer.short_mw or answer.long_mw) or not at.limits_bind:
        return answer.short_mw, answer.long_mw
    free = clear(at.cost, at.available, at.sign, at.need_mw, (), at.imbalance_price, at.imbalance_bound_mw)
    for_limits = max(at.short_mw - free.short_mw, 0.0), max(at.long_mw - free.long_mw, 0.0)
    return max(answer.short_mw - for_limits[0], 0.0), max(answer.long_mw - for_limits[1], 0.0)


def _without(at: Optimum, voltages: bool, flows: bool) -> FloatArray:
    """What the same auction buys (n,) with only some of its limits."""
    rows = [part for part in at.rows if (voltages if part.of_voltage else flows)]
    return clear(
        at.cost, at.available, at.sign, at.need_mw, rows, at.imbalance_price, at.imbalance_bound_mw
    ).quantity_mw
