"""Equilibria of small auctions: best responses over a grid of prices until nobody gains, or in circles.

Sellers know each other's costs and capacities here, which no strategy in a run does: this is a yardstick for
what a market admits, not a model of learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from grids.arrays import FloatArray
from markets.programme import clear

EPSILON_EUR_PER_H = 1e-6


@dataclass(frozen=True)
class Game:
    """One auction for upward energy among n sellers who name a price; capacity in MW, cost in EUR/MWh.

    `prices` are those a seller may name (EUR/MWh, rising), its cost or more. At equal prices sellers are
    served in their order, as in every auction here. Need that nobody can serve stays unserved.
    """

    capacity_mw: FloatArray
    cost: FloatArray
    need_mw: float
    prices: FloatArray
    pricing: Literal["pay-as-bid", "pay-as-cleared"] = "pay-as-bid"

    def profits(self, named: FloatArray) -> FloatArray:
        """What every seller earns, (n,) EUR/h, when they name prices (n,)."""
        answer = clear(named, self.capacity_mw, np.ones(len(named)), self.need_mw).require("game")
        sold = answer.quantity_mw
        paid = named
        if self.pricing == "pay-as-cleared":
            called = named[sold > 1e-9]
            paid = np.full(len(named), called.max() if len(called) else 0.0)
        return np.asarray((paid - self.cost) * sold)

    def best_response(self, seller: int, named: FloatArray) -> tuple[float, float]:
        """The price that earns a seller most against the others' (the lowest of equals), and its profit."""
        tried = self.prices[self.prices >= self.cost[seller] - 1e-9]
        found = []
        for price in tried.tolist():
            profile = named.copy()
            profile[seller] = price
            found.append(float(self.profits(profile)[seller]))
        best = int(np.argmax(np.array(found) >= max(found) - EPSILON_EUR_PER_H))
        return float(tried[best]), found[best]


@dataclass(frozen=True)
class Play:
    """How best responses end: in an equilibrium (one profile), or a cycle of several, each (n,) prices."""

    profiles: tuple[FloatArray, ...]
    is_equilibrium: bool
    rounds: int


def iterate(game: Game, start: FloatArray, most_rounds: int = 1000) -> Play:
    """Let sellers answer one another in turn until a round changes nothing or a profile comes back.

    A seller moves only if it gains. An equilibrium is verified by enumeration: no price of the grid earns any
    seller more. Raises RuntimeError if neither shows within `most_rounds`.
    """
    named = start.astype(np.float64).copy()
    seen: dict[tuple[float, ...], int] = {}
    history: list[FloatArray] = []
    for number in range(most_rounds):
        key = tuple(named.tolist())
        if key in seen:
            return Play(tuple(history[seen[key] :]), False, number)
        seen[key] = len(history)
        history.append(named.copy())
        for seller in range(len(named)):
            price, profit = game.best_response(seller, named)
            if profit > float(game.profits(named)[seller]) + EPSILON_EUR_PER_H:
                named[seller] = price
        if np.array_equal(named, history[-1]) and gains(game, named).max() <= EPSILON_EUR_PER_H:
            return Play((named,), True, number + 1)
    raise RuntimeError(f"neither equilibrium nor cycle within {most_rounds} rounds")


def gains(game: Game, named: FloatArray) -> FloatArray:
    """What every seller could gain by another price while the others stay, (n,) EUR/h >= 0."""
    now = game.profits(named)
    best = [game.best_response(seller, named)[1] for seller in range(len(named))]
    return np.maximum(np.array(best) - now, 0.0)
