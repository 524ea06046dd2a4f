"""Strategies that learn a markup, and which market to serve, from profits (multi-armed bandits).

An arm is chosen for every ISP: a markup on all offers, and the market to serve. ``both`` sells to the DSO and
forwards the rest; ``local`` refuses forwarding; ``tso`` adds a hurdle to prices in the local market, and
lowers them again where forwarded bids may change their price. The result of an ISP arrives long after later
ISPs were priced, so every learner stores the chosen arm until then. Profits are scaled by the mean size of
all profits and losses so far: most offers are never called, and the volume that could have been sold would be
too large a scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from tandem_sim.agents.strategies.strategy import Offers, OfferView, SellerResult, marked_up
from tandem_sim.grids.types import FloatArray

Market = Literal["both", "local", "tso"]
MARKETS: tuple[Market, ...] = ("both", "local", "tso")
LARGEST = 5.0
"""Profits are capped at this multiple of the mean size."""
MARKUPS = (0.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 22.0, 33.0, 50.0, 75.0)
"""EUR/MWh. Steps are below a factor of 2: at 2, sharing a price pays two sellers as much as undercutting."""


class MarkupLearner(ABC):
    """Base of the learners of a markup."""

    learns = True

    def __init__(
        self,
        rng: np.random.Generator,
        markups: Sequence[float] = MARKUPS,
        markets: Sequence[Market] = ("both",),
        hurdle_eur_per_mwh: float = 100.0,
    ) -> None:
        """The arms are all `markups` (EUR/MWh) in each of the `markets`."""
        if not markups or not markets:
            raise ValueError("markups and markets must not be empty")
        if unknown := sorted(set(markets) - set(get_args(Market))):
            raise ValueError(f"markets {unknown} are not known; use {', '.join(MARKETS)}")
        self.markups: FloatArray = np.tile(np.array(markups, dtype=np.float64), len(markets))
        self.markets = tuple(market for market in markets for _ in markups)
        self._hurdle = float(hurdle_eur_per_mwh)
        self._rng = rng
        self._size_eur_per_h, self._results = 0.0, 0  # mean size of profits, and their number
        self._chosen: dict[int, tuple[int, int, float]] = {}  # ISP -> state, arm, its probability then

    def offers(self, view: OfferView) -> Offers:
        """All MW, at cost plus the markup chosen for the ISP, in the market chosen for it."""
        if view.isp not in self._chosen:
            state = self._state(view)
            chance = self.probabilities(state)
            arm = int(self._rng.choice(len(chance), p=chance))
            self._chosen[view.isp] = state, arm, float(chance[arm])
        _, arm, _ = self._chosen[view.isp]
        market, markup = self.markets[arm], float(self.markups[arm])
        if market == "tso" and view.stage == "first":
            markup += self._hurdle
        forwardable = np.full(len(view.cost), market != "local")
        return Offers(marked_up(view, markup), view.quantity_mw, forwardable)

    def learn(self, outcome: SellerResult) -> None:
        """Profit of the ISP's arm, scaled to -1..1."""
        if outcome.isp not in self._chosen:
            return  # nothing was offered
        state, arm, chance = self._chosen.pop(outcome.isp)
        profit = outcome.profit_eur_per_h
        self._results += 1
        self._size_eur_per_h += (abs(profit) - self._size_eur_per_h) / self._results
        largest = LARGEST * self._size_eur_per_h
        self._update(state, arm, chance, min(max(profit / largest, -1.0), 1.0) if largest > 0.0 else 0.0)

    @abstractmethod
    def probabilities(self, state: int = 0) -> FloatArray:
        """Probability of each arm now, (arms,)."""

    @abstractmethod
    def _update(self, state: int, arm: int, chance: float, reward: float) -> None:
        """Learn from a reward, -1 to 1, of an arm that was chosen with probability `chance`."""

    def _state(self, view: OfferView) -> int:
        """Number of the state that the learner distinguishes."""
        return 0


class RothErev(MarkupLearner):
    """Reinforcement learning by propensities (Roth and Erev, 1995), with forgetting and experimentation.

    Propensities decay by `recency`. A reward goes to the chosen arm, except for a share `experimentation`,
    which is spread over the others. Losses reinforce nothing.
    """

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        markups: Sequence[float] = MARKUPS,
        recency: float = 0.02,
        experimentation: float = 0.2,
        initial: float = 1.0,
        markets: Sequence[Market] = ("both",),
    ) -> None:
        super().__init__(rng, markups, markets)
        self._recency, self._experimentation = recency, experimentation
        self._propensity = np.full(len(self.markups), float(initial))

    def probabilities(self, state: int = 0) -> FloatArray:
        """In proportion to propensities."""
        return np.asarray(self._propensity / self._propensity.sum())

    def _update(self, state: int, arm: int, chance: float, reward: float) -> None:
        gained = np.full(len(self.markups), self._experimentation / max(len(self.markups) - 1, 1))
        gained[arm] = 1.0 - self._experimentation
        faded = (1.0 - self._recency) * self._propensity + max(reward, 0.0) * gained
        self._propensity = np.maximum(faded, 1e-9)


class QLearning(MarkupLearner):
    """Tabular Q-learning without a future: states are bins of the day-ahead price; epsilon-greedy.

    What is sold in an ISP hardly changes what can be earned in the next, so no value of a next state is
    learned. The share of exploration falls as ``epsilon / (1 + visits / patience)``.
    """

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        markups: Sequence[float] = MARKUPS,
        rate: float = 0.1,
        epsilon: float = 0.3,
        patience: float = 500.0,
        price_bins: Sequence[float] = (),
        markets: Sequence[Market] = ("both",),
    ) -> None:
        """`price_bins` are rising edges of day-ahead prices (EUR/MWh) between states."""
        super().__init__(rng, markups, markets)
        self._rate, self._epsilon, self._patience = rate, epsilon, patience
        self._edges = np.array(price_bins, dtype=np.float64)
        self._value = np.zeros((len(self._edges) + 1, len(self.markups)))
        self._visits = np.zeros(len(self._edges) + 1)

    def probabilities(self, state: int = 0) -> FloatArray:
        """The best arm (the first of equals), mixed with uniform exploration."""
        explore = self._epsilon / (1.0 + self._visits[state] / self._patience)
        chance = np.full(len(self.markups), explore / len(self.markups))
        chance[int(np.argmax(self._value[state]))] += 1.0 - explore
        return np.asarray(chance)

    def _state(self, view: OfferView) -> int:
        return int(np.searchsorted(self._edges, view.day_ahead_price))

    def _update(self, state: int, arm: int, chance: float, reward: float) -> None:
        self._visits[state] += 1
        self._value[state, arm] += self._rate * (reward - self._value[state, arm])


class Exp3(MarkupLearner):
    """Exponential weights for adversarial bandits (Auer, Cesa-Bianchi, Freund and Schapire, 2002)."""

    def __init__(
        self,
        rng: np.random.Generator,
        markups: Sequence[float] = MARKUPS,
        gamma: float = 0.1,
        markets: Sequence[Market] = ("both",),
    ) -> None:
        super().__init__(rng, markups, markets)
        if not 0.0 < gamma <= 1.0:
            raise ValueError(f"gamma {gamma} must lie in 0..1, above 0")
        self._gamma = gamma
        self._log_weight = np.zeros(len(self.markups))

    def probabilities(self, state: int = 0) -> FloatArray:
        """Weights mixed with a uniform choice."""
        weight = np.exp(self._log_weight - self._log_weight.max())
        return np.asarray((1.0 - self._gamma) * weight / weight.sum() + self._gamma / len(weight))

    def _update(self, state: int, arm: int, chance: float, reward: float) -> None:
        gain = max(reward, 0.0)  # Exp3 is stated for rewards of 0 to 1
        self._log_weight[arm] += self._gamma * gain / (chance * len(self.markups))
