"""Imbalance prices: what a party pays for being short, and is paid for being long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from grids.arrays import FloatArray

Rule = Literal["single", "dual"]
ACTIVATED_MW = 1e-6
"""An activation below this is rounding, and sets no price."""
ALPHA_THRESHOLD_MW = 140.0
ALPHA_DIVISOR_MW2_MWH_PER_EUR = 15_000.0


@dataclass(frozen=True)
class Regulation:
    """What balancing an ISP took: net activation in the order it was called, and marginal prices.

    `delta_mw` (k,) is the net activation minute by minute (one entry if it does not change); volumes (MW) and
    prices (EUR/MWh) are those of all that was called, the dearest up and the cheapest down bid, nan if none.
    """

    delta_mw: FloatArray
    up_mw: float
    down_mw: float
    up_price: float
    down_price: float


@dataclass(frozen=True)
class ImbalancePrices:
    """EUR/MWh for parties that are long (they receive it) and short (they pay it)."""

    long: float
    short: float


def regulation_state(found: Regulation) -> int:
    """TenneT's regulation state of an ISP.

    0: nothing was called; 1 or -1: the balance delta was only up or only down, or crossed zero while it only
    rose or only fell; 2: it crossed zero and turned. Source: TenneT, imbalance pricing system.
    """
    up, down = (found.delta_mw > ACTIVATED_MW).any(), (found.delta_mw < -ACTIVATED_MW).any()
    if not up and not down:
        return 0
    if up != down:
        return 1 if up else -1
    steps = np.diff(found.delta_mw)
    if len(steps) and (steps >= 0).all():
        return 1
    return -1 if len(steps) and (steps <= 0).all() else 2


def single_price(found: Regulation, mid_price: float, alpha: float = 0.0) -> ImbalancePrices:
    """One price for everybody: marginal price of the dominating direction, `alpha` dearer for its cause.

    A short system (net activation up) pays the marginal incremental price plus alpha, a long one gets the
    marginal decremental price minus alpha; without activation the mid price holds (Elia's tariff).
    """
    net = found.up_mw - found.down_mw
    if abs(net) < ACTIVATED_MW:
        return ImbalancePrices(mid_price, mid_price)
    price = found.up_price + alpha if net > 0 else found.down_price - alpha
    return ImbalancePrices(price, price)


def dual_price(found: Regulation, mid_price: float) -> ImbalancePrices:
    """TenneT's rule: one price in states 0, 1 and -1, two in state 2, none better than the mid price."""
    state = regulation_state(found)
    if state == 0:
        return ImbalancePrices(mid_price, mid_price)
    if state == 2:
        return ImbalancePrices(np.fmin(found.down_price, mid_price), np.fmax(found.up_price, mid_price))
    price = found.up_price if state == 1 else found.down_price
    price = (
        mid_price if np.isnan(price) else price
    )  # called and cancelled out: no bid of that direction stands
    return ImbalancePrices(price, price)


def elia_alpha(system_imbalance_mw: FloatArray) -> float:
    """Elia's adder (EUR/MWh) from the system imbalance of the last eight quarter-hours, the present one last.

    Mean of their squares over 15 000 MW^2 MWh/EUR where the present one exceeds 140 MW, else 0, after Elia's
    tariff before its change of 2022. The constants have not been checked against the text of the tariff.
    """
    if not len(system_imbalance_mw) or abs(system_imbalance_mw[-1]) <= ALPHA_THRESHOLD_MW:
        return 0.0
    return float(np.mean(np.square(system_imbalance_mw[-8:])) / ALPHA_DIVISOR_MW2_MWH_PER_EUR)
