"""Imbalance prices: what a short party pays, and what a long party receives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

Rule = Literal["single", "dual"]
Alpha = Literal["none", "elia-2019", "elia-2020"]


@dataclass(frozen=True, kw_only=True)
class Regulation:
    """Balancing of an ISP: net activation in the order of calls, and prices.

    `delta_mw` (k,) is the net activation minute by minute (one entry if it does not change). Volumes (MW) and
    marginal prices (EUR/MWh) are those without limits of grids: the most expensive up and the cheapest down
    bid, unserved need at its penalty, nan if none. So they are net, what the system needed; calls against
    limits are not included (Regulation (EU) 2017/2195, art. 30(1)(b)). Means are the pay per MWh called for
    balancing, nan if none.
    """

    delta_mw: FloatArray
    up_mw: float
    down_mw: float
    up_price: float
    down_price: float
    up_mean: float = float("nan")
    down_mean: float = float("nan")

    @property
    def up_floor(self) -> float:
        """The least price of a shortage: marginal, and no less than the mean paid (art. 55(4))."""
        return float(np.fmax(self.up_price, self.up_mean))

    @property
    def down_cap(self) -> float:
        """The largest price of a surplus: marginal, and no more than the mean paid (art. 55(5))."""
        return float(np.fmin(self.down_price, self.down_mean))


@dataclass(frozen=True)
class ImbalancePrices:
    """EUR/MWh for parties that are long (they receive it) and short (they pay it)."""

    long: float
    short: float


def mid_price(books: Sequence[Bids], otherwise: float) -> float:
    """Middle of the cheapest up and the highest down bid of all books, `otherwise` where a side is empty.

    Source: TenneT, Imbalance Pricing System v6.1 (2024), 4.
    """
    whole = Bids.join(list(books))
    up, down = ((whole.direction == d) & ~whole.demand for d in (UP, DOWN))
    if not up.any() or not down.any():
        return otherwise
    return 0.5 * float(whole.price[up].min() + whole.price[down].max())


def regulation_state(found: Regulation) -> int:
    """Regulation state of an ISP by TenneT.

    0: no activation; 1 or -1: the balance delta was only up or only down, or crossed zero while it only rose
    or only fell; 2: it crossed zero and turned. Source: TenneT, imbalance pricing system.
    """
    up, down = (found.delta_mw > NEGLIGIBLE_MW).any(), (found.delta_mw < -NEGLIGIBLE_MW).any()
    if not up and not down:
        return 0
    if up != down:
        return 1 if up else -1
    steps = np.diff(found.delta_mw)
    if len(steps) and (steps >= 0).all():
        return 1
    return -1 if len(steps) and (steps <= 0).all() else 2


def single_price(
    found: Regulation, mid_price: float, alpha: float = 0.0, both_sides: bool = True
) -> ImbalancePrices:
    """One price for all parties: marginal price of the dominating direction, worsened by `alpha`.

    In a short system (net activation up) short parties pay the marginal incremental price plus alpha; in a
    long one long parties get the marginal decremental price minus alpha; without activation the mid price
    applies. With `both_sides` parties on the other side have the same price, as in a single price. Without,
    they have the marginal price alone, as Elia published it until 2019 (21 February 2018, 00:00 to 00:15:
    system long by 215 MW, alpha 1.46, marginal decremental price 28.67, long 27.21, short 28.67).
    """
    net = found.up_mw - found.down_mw
    if abs(net) < NEGLIGIBLE_MW:
        return ImbalancePrices(mid_price, mid_price)
    marginal = found.up_floor if net > 0 else found.down_cap
    worse = marginal + alpha if net > 0 else marginal - alpha
    if both_sides:
        return ImbalancePrices(worse, worse)
    return ImbalancePrices(marginal, worse) if net > 0 else ImbalancePrices(worse, marginal)


def dual_price(found: Regulation, mid_price: float) -> ImbalancePrices:
    """The rule of TenneT: one price in states 0, 1 and -1, two in state 2, none better than the mid price."""
    state = regulation_state(found)
    if state == 0:
        return ImbalancePrices(mid_price, mid_price)
    if state == 2:
        return ImbalancePrices(np.fmin(found.down_cap, mid_price), np.fmax(found.up_floor, mid_price))
    price = found.up_floor if state == 1 else found.down_cap
    price = mid_price if np.isnan(price) else price  # calls cancelled out: no bid of that direction is left
    return ImbalancePrices(price, price)


def adder(rule: Alpha, system_imbalance_mw: FloatArray) -> float:
    """Adder (EUR/MWh) from the system imbalances (k,) MW of past ISPs, the present one last.

    ``elia-2019``: mean square of the last eight over 15 000 where the present one exceeds 140 MW, else 0.
    ``elia-2020``: ``200 / (1 + exp((450 - x) / 65))`` with x the mean size of the last two where the present
    one exceeds 150 MW, else 0; the factor that lowers it at high prices is left out. Published alphas fit the
    first threshold (0 at 57.2 MW, 1.48 at 146.7 MW, 21 February 2018). The constants are those commonly
    cited; they have not been checked against the text of the tariff.
    """
    if rule == "none" or not len(system_imbalance_mw):
        return 0.0
    now = abs(float(system_imbalance_mw[-1]))
    if rule == "elia-2019":
        return float(np.mean(np.square(system_imbalance_mw[-8:]))) / 15_000.0 if now > 140.0 else 0.0
    x = float(np.mean(np.abs(system_imbalance_mw[-2:])))
    return 200.0 / (1.0 + np.exp((450.0 - x) / 65.0)) if now > 150.0 else 0.0
