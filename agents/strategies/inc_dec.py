"""Increase-decrease gaming by units that sell in the day-ahead market first, and relieve congestion after."""

from __future__ import annotations

import numpy as np

from tandem_sim.agents.strategies.strategy import BOOK, Offers, OfferView, SellerResult
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP

SEEN_MW = 0.1
"""Less is rounding, and the balancing of what rounding leaves."""


class IncDec:
    """Create the congestion day-ahead, be paid to relieve it (Hirth and Schlecht, 2018).

    Behind an export limit a unit asks for less than its cost day-ahead, is scheduled more than the wires can
    carry, and buys the surplus back below the day-ahead price; behind an import limit it stays out and is
    called up above that price. A day of watching comes first. At a time of day at which its bids were called
    in a direction when it last heard of it, it plays that game next: a day later, two for hours that are not
    settled when the day-ahead market closes. Where the published book shows both directions bought
    (redispatch, not balancing) it tries either game with a probability, and keeps to it while it is called.
    Time of day is counted in ISPs, and so an hour off after a change of clocks. Where nothing is bought it
    schedules and earns what a truthful unit does. It is a rule of thumb: whether the game pays where its own
    schedule moves the day-ahead price it does not ask.
    """

    learns = True
    sees = frozenset({BOOK})

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        isps_per_day: int,
        eur_per_mwh: float = 20.0,
        markup_eur_per_mwh: float = 10.0,
        tries: float = 0.5,
    ) -> None:
        """What is asked below or above cost day-ahead, the margin of redispatch, the probability of a try."""
        if eur_per_mwh < 0.0 or not 0.0 <= tries <= 1.0:
            raise ValueError("eur_per_mwh must not be negative, tries must lie in 0..1")
        self._rng, self._tries = rng, tries
        self._eur, self._markup = float(eur_per_mwh), float(markup_eur_per_mwh)
        self._game = np.zeros(isps_per_day)  # by time of day: the direction it expects to be called in, or 0
        self._congested = np.zeros(isps_per_day, dtype=bool)  # by time of day, as last published

    def supply_markup(self, isps: range) -> FloatArray:
        """Below cost where it expects to be called down, above where it expects to be called up."""
        at = np.arange(isps.start, isps.stop) % len(self._game)
        side, dares = self._rng.random((len(at), 2)).T  # ISP by ISP: a day that ends early begins alike
        tried = np.where(side < 0.5, UP, DOWN) * (dares < self._tries)
        self._game[at] = np.where(self._congested[at] & (self._game[at] == 0.0), tried, self._game[at])
        return np.asarray(self._eur * self._game[at])

    def offers(self, view: OfferView) -> Offers:
        """Everything, up above and down below both cost and the day-ahead price."""
        if view.book is not None:
            bought = view.book.bought_mw
            self._congested[view.book.isp % len(self._game)] = min(bought[UP], bought[DOWN]) > SEEN_MW
        side, day_ahead = view.direction, view.day_ahead_price
        worse = np.where(side == UP, np.maximum(view.cost, day_ahead), np.minimum(view.cost, day_ahead))
        price = np.clip(worse + side * self._markup, view.price_floor, view.price_cap)
        return Offers(price, view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Which way it was called, if it was."""
        called = float(outcome.direction @ outcome.sold_mw)
        self._game[outcome.isp % len(self._game)] = np.sign(called) if abs(called) > SEEN_MW else 0.0
