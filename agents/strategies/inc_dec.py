"""Increase-decrease gaming by units that sell day-ahead first and relieve congestion afterwards."""

from __future__ import annotations

import numpy as np

from tandem_sim.agents.strategies.strategy import BOOK, Offers, OfferView, SellerResult
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP

SEEN_MW = 0.1
"""MW; less is rounding, and the balancing of rounding."""


class IncDec:
    """Create the congestion day-ahead, be paid to relieve it (Hirth and Schlecht, 2018).

    Behind an export limit a unit offers below its cost day-ahead, is scheduled beyond the capacity of the
    lines, and buys the surplus back below the day-ahead price. Behind an import limit it offers above its
    cost, is not scheduled, and is called up above the day-ahead price. The first day it only observes. At a
    time of day at which its bids were called in a direction in the last settled result, it plays that game
    next: one day later, two days for hours that are not settled when the day-ahead market closes. Where the
    published book shows that both directions were bought (redispatch, not balancing), it tries either game
    with a probability, and repeats it while it is called. Time of day is counted in ISPs, so it is one hour
    off after a clock change. Where nothing is bought it schedules and earns what a truthful unit does. It is
    a rule of thumb: it does not check whether the game pays if its own schedule changes the day-ahead price.
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
        """Day-ahead markup in size, margin on redispatch bids (both EUR/MWh), probability of a try."""
        if eur_per_mwh < 0.0 or not 0.0 <= tries <= 1.0:
            raise ValueError("eur_per_mwh must not be negative, tries must lie in 0..1")
        self._rng, self._tries = rng, tries
        self._eur, self._markup = float(eur_per_mwh), float(markup_eur_per_mwh)
        self._game = np.zeros(isps_per_day)  # by time of day: the direction it expects to be called in, or 0
        self._congested = np.zeros(isps_per_day, dtype=bool)  # by time of day, as last published

    def supply_markup(self, isps: range) -> FloatArray:
        """Below cost where it expects to be called down, above where it expects to be called up."""
        at = np.arange(isps.start, isps.stop) % len(self._game)
        side, draw = self._rng.random((len(at), 2)).T  # ISP by ISP: a day that ends early begins alike
        tried = np.where(side < 0.5, UP, DOWN) * (draw < self._tries)
        self._game[at] = np.where(self._congested[at] & (self._game[at] == 0.0), tried, self._game[at])
        return np.asarray(self._eur * self._game[at])

    def offers(self, view: OfferView) -> Offers:
        """All MW, up above and down below both cost and the day-ahead price."""
        if view.book is not None:
            bought = view.book.bought_mw
            self._congested[view.book.isp % len(self._game)] = min(bought[UP], bought[DOWN]) > SEEN_MW
        side, day_ahead = view.direction, view.day_ahead_price
        worse = np.where(side == UP, np.maximum(view.cost, day_ahead), np.minimum(view.cost, day_ahead))
        price = np.clip(worse + side * self._markup, view.price_floor, view.price_cap)
        return Offers(price, view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Store the direction in which its bids were called, if they were."""
        called = float(outcome.direction @ outcome.sold_mw)
        self._game[outcome.isp % len(self._game)] = np.sign(called) if abs(called) > SEEN_MW else 0.0
