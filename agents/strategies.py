"""Bidding strategies: from what a resource can do and what it costs, to an offer. They see nothing else."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from grids.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class OfferView:
    """What an aggregator knows when it bids for an ISP in one system: its own resources, prices, the rules.

    Arrays (n,) are read-only: direction (+1 up, -1 down), feasible MW, and cost in EUR/MWh with the sign rule
    of prices (an up bid is paid its price, a down bid pays it).
    """

    isp: int
    day_ahead_price: float  # EUR/MWh
    direction: IntArray
    quantity_mw: FloatArray
    cost: FloatArray
    price_floor: float = -9999.0  # EUR/MWh, of the product
    price_cap: float = 9999.0


@dataclass(frozen=True)
class Offers:
    """What is bid: prices (n,) in EUR/MWh and quantities (n,) in MW, in the order of the view."""

    price: FloatArray
    quantity_mw: FloatArray


@dataclass(frozen=True)
class Outcome:
    """What became of all offers of an ISP, n of them over all systems: MW sold and EUR/h received.

    A down bid that pays has received less than nothing. `cost` is what the MW sold cost at home, EUR/h.
    """

    isp: int
    offered_mw: FloatArray
    sold_mw: FloatArray
    received_eur_per_h: FloatArray
    cost_eur_per_h: FloatArray

    @property
    def profit_eur_per_h(self) -> float:
        """Received less cost, over all offers."""
        return float((self.received_eur_per_h - self.cost_eur_per_h).sum())


class Strategy(Protocol):
    """Turns views into offers. Asked again about an ISP, it answers the same.

    `learns` says whether it wants to hear outcomes.
    """

    learns: bool

    def offers(self, view: OfferView) -> Offers:
        """Prices and quantities of what the view holds."""
        ...

    def learn(self, outcome: Outcome) -> None:
        """Hear what became of an ISP's offers, in the order of ISPs."""
        ...


MOST_S = 5.0
"""Seconds that a strategy may take for one offer."""


class StrategyError(ValueError):
    """An offer that no aggregator may make: whose strategy, and what was wrong."""


def checked(strategy: Strategy, view: OfferView, who: str) -> Offers:
    """The offers of a strategy, or a `StrategyError` that names it and its user.

    Whatever a strategy raises is passed on under that name; it may not take more than `MOST_S` seconds.
    """
    name = f"strategy {type(strategy).__name__} of {who}, ISP {view.isp}"
    for array in (view.direction, view.quantity_mw, view.cost):
        array.flags.writeable = False
    began = time.perf_counter()
    try:  # a user's code may raise anything: it is named, and raised on
        found = strategy.offers(view)
    except Exception as error:
        raise StrategyError(f"{name}: {type(error).__name__}: {error}") from error
    if (took := time.perf_counter() - began) > MOST_S:
        raise StrategyError(f"{name}: takes {took:.1f} s, more than {MOST_S:g} s")
    _may_be_offered(found, view, name)
    return found


def _may_be_offered(found: Offers, view: OfferView, name: str) -> None:
    n = len(view.direction)
    for what, values in (("prices", found.price), ("quantities", found.quantity_mw)):
        if np.shape(values) != (n,):
            raise StrategyError(f"{name}: {what} have shape {np.shape(values)}, expected ({n},)")
        if not np.isfinite(values).all():
            raise StrategyError(f"{name}: {what} must be finite numbers")
    over = found.quantity_mw - view.quantity_mw
    if (over > 1e-9).any():
        k = int(np.argmax(over))
        raise StrategyError(
            f"{name}: offers {found.quantity_mw[k]:g} MW of {view.quantity_mw[k]:g} MW that it owns"
        )
    if (found.quantity_mw < 0.0).any():
        raise StrategyError(f"{name}: offers a negative quantity")
    if ((found.price < view.price_floor) | (found.price > view.price_cap)).any():
        raise StrategyError(
            f"{name}: a price lies outside {view.price_floor:g} to {view.price_cap:g} EUR/MWh"
        )


class Truthful:
    """Bid everything at cost."""

    learns = False

    def offers(self, view: OfferView) -> Offers:
        """The cost itself."""
        return Offers(view.cost, view.quantity_mw)

    def learn(self, outcome: Outcome) -> None:
        """Nothing to learn."""


class FixedMarkup:
    """Bid everything with a markup: up dearer, down cheaper, by so many EUR/MWh, within floor and cap."""

    learns = False

    def __init__(self, eur_per_mwh: float = 10.0) -> None:
        self._markup = float(eur_per_mwh)

    def offers(self, view: OfferView) -> Offers:
        """Cost and markup."""
        return Offers(marked_up(view, self._markup), view.quantity_mw)

    def learn(self, outcome: Outcome) -> None:
        """Nothing to learn."""


class Withholding:
    """Bid at cost, but keep a share of what could be offered from the market."""

    learns = False

    def __init__(self, share: float = 0.3) -> None:
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share {share} must lie in 0..1")
        self._left = 1.0 - float(share)

    def offers(self, view: OfferView) -> Offers:
        """Cost, and what is not withheld."""
        return Offers(view.cost, self._left * view.quantity_mw)

    def learn(self, outcome: Outcome) -> None:
        """Nothing to learn."""


def marked_up(view: OfferView, eur_per_mwh: float) -> FloatArray:
    """Prices (n,) with a markup: up dearer, down cheaper, within floor and cap."""
    wanted = view.cost + view.direction * eur_per_mwh
    return np.asarray(np.clip(wanted, view.price_floor, view.price_cap))
