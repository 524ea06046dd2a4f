"""One auction for upward energy as a game: the smallest market there is, with known answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.games.equilibrium import Profile


@dataclass(frozen=True, kw_only=True)
class AuctionGame:
    """n sellers who name a price; capacity in MW, cost in EUR/MWh.

    A seller may name its cost (the first move) and all `prices` (EUR/MWh, rising) above it. At equal prices
    sellers are served in their order, as in every auction here. Need that nobody can serve stays unserved.
    """

    capacity_mw: FloatArray
    cost: FloatArray
    need_mw: float
    prices: FloatArray
    pricing: Literal["pay-as-bid", "pay-as-cleared"] = "pay-as-bid"

    @cached_property
    def _named(self) -> tuple[FloatArray, ...]:
        return tuple(np.array([cost, *self.prices[self.prices > cost]]) for cost in self.cost.tolist())

    @property
    def moves(self) -> Profile:
        """Prices each seller may name."""
        return tuple(len(prices) for prices in self._named)

    def prices_of(self, played: Profile) -> FloatArray:
        """Prices (n,) named in a profile."""
        return np.array([prices[move] for prices, move in zip(self._named, played, strict=True)])

    def profits(self, played: Profile) -> FloatArray:
        """What every seller earns, (n,) EUR/h."""
        named = self.prices_of(played)
        answer = clear(named, self.capacity_mw, np.ones(len(named)), self.need_mw).require("game")
        sold = answer.quantity_mw
        paid = named
        if self.pricing == "pay-as-cleared":
            called = named[sold > NEGLIGIBLE_MW]
            paid = np.full(len(named), called.max() if len(called) else 0.0)
        return np.asarray((paid - self.cost) * sold)
