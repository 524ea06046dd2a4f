"""Sellers as agents: the interfaces of PettingZoo and Gymnasium to a `SellerWorld`.

See `tandem_sim.experiments.environments.api`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tandem_sim.agents.strategies.strategy import OfferView, SellerResult
from tandem_sim.experiments.environments.simulated import PlayedActions, SellerWorld
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP

try:
    import gymnasium
    import pettingzoo
    from gymnasium.spaces import Box
except ImportError as error:
    raise ImportError(
        "tandem_sim.experiments.environments.api needs pettingzoo and gymnasium: pip install 'tandem-sim[rl]'"
    ) from error

MARKUP_EUR_PER_MWH = 50.0
"""Markup of an action of 1."""
ACTION = (("markup", -1.0, 1.0), ("share_offered", 0.0, 1.0))
TRUTHFUL_ACTION = (0.0, 1.0)
OBSERVATION = (
    ("hour_sin", -1.0, 1.0), ("hour_cos", -1.0, 1.0), ("day_ahead_price", -1e4, 1e4),
    ("up_mw", 0.0, 1e5), ("down_mw", 0.0, 1e5), ("up_cost", -1e4, 1e4), ("down_cost", -1e4, 1e4),
    ("share_sold", 0.0, 1.0), ("mean_received", -1e5, 1e5), ("profit_eur", -1e8, 1e8),
)  # fmt: skip
"""Names and bounds of what is observed; units stand in `tandem_sim.experiments.environments.api`."""


class SellersEnv(pettingzoo.ParallelEnv[str, np.ndarray, np.ndarray]):
    """Sellers of one market as agents; see `tandem_sim.experiments.environments.api`.

    Episodes end by truncation. The first has the seed of the world, and ``reset(seed=...)`` starts one with
    another seed; after that every reset draws the next seed from the last one given. Observations are float32
    arrays (10,), actions arrays (2,), rewards EUR; each by the name of the agent.

    >>> from tandem_sim import parallel_env
    >>> env = parallel_env("alexander-b", isps=4)
    >>> env.action_space(env.possible_agents[0]).low.tolist()
    [-1.0, 0.0]
    """

    metadata: dict[str, Any] = {"name": "tandem_sellers_v0", "render_modes": []}  # noqa: RUF012
    render_mode = None

    def __init__(self, world: SellerWorld, sellers: Sequence[str], seed: int | None = None) -> None:
        """`sellers` are controlled by agents; the others follow the strategies of the world."""
        self.world = world
        self.possible_agents = list(sellers)
        self.agents: list[str] = []
        self._action, self._observation = (
            {seller: _box(spec) for seller in sellers} for spec in (ACTION, OBSERVATION)
        )
        self._first_seed: int | None = world.default_seed if seed is None else seed
        self._seeds = np.random.default_rng(self._first_seed)
        self._strategies: dict[str, PlayedActions] = {}
        self._knows: dict[str, FloatArray] = {}
        self._heard: dict[str, FloatArray] = {}

    def observation_space(self, agent: str) -> Box:
        """Bounds of `OBSERVATION`."""
        return self._observation[agent]

    def action_space(self, agent: str) -> Box:
        """Bounds of `ACTION`."""
        return self._action[agent]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin an episode; there are no options."""
        if seed is not None:
            self._seeds, chosen = np.random.default_rng(seed), seed
        elif self._first_seed is not None:
            chosen = self._first_seed
        else:
            chosen = int(self._seeds.integers(2**31))
        self._first_seed = None
        self._strategies = {agent: PlayedActions() for agent in self.possible_agents}
        self.world.begin(chosen, self._strategies)
        self.agents = list(self.possible_agents)
        self._heard = {agent: np.zeros(3) for agent in self.agents}
        return {agent: self._observed(agent) for agent in self.agents}, self._infos()

    def step(
        self, actions: Mapping[str, np.ndarray]
    ) -> tuple[
        dict[str, np.ndarray],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Bid an ISP. Raises ValueError for actions that are missing, not of an agent, or out of bounds."""
        if not self.agents:
            raise RuntimeError("the episode is over or has not begun: reset first")
        if set(actions) != set(self.agents):
            raise ValueError(f"actions of {', '.join(actions)}; expected those of {', '.join(self.agents)}")
        for agent in self.agents:
            markup, share = _numbers(agent, actions[agent])
            self._strategies[agent].play(self.world.isp, MARKUP_EUR_PER_MWH * markup, share)
        self.world.advance()
        agents, over = self.agents, self.world.isp >= self.world.n_isps
        rewards = {agent: self._reward(agent) for agent in agents}
        observed = {agent: self._observed(agent, over) for agent in agents}
        infos = self._infos()
        self.agents = [] if over else agents
        return observed, rewards, dict.fromkeys(agents, False), dict.fromkeys(agents, over), infos

    def close(self) -> None:
        """Release the resources of the world: the tables of a simulation are removed."""
        self.world.close()

    def _reward(self, agent: str) -> float:
        heard, hours = self._strategies[agent].heard(), self.world.isp_hours
        if heard:
            self._heard[agent] = _became(heard[-1], hours)
        return float(sum(outcome.profit_eur_per_h for outcome in heard) * hours)

    def _observed(self, agent: str, over: bool = False) -> np.ndarray:
        """The observation; after the last ISP with the resources of that ISP."""
        if not over:
            self._knows[agent] = _known(self.world.views(agent), self.world.hour())
        space = self._observation[agent]
        found = np.concatenate([self._knows[agent], self._heard[agent]])
        return np.clip(found.astype(np.float32), space.low, space.high)

    def _infos(self) -> dict[str, dict[str, Any]]:
        """The next ISP to bid for."""
        return {agent: {"isp": self.world.isp} for agent in self.agents}


class SellerEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One seller of a market as a Gymnasium environment: `SellersEnv` with a single agent.

    Observations are float32 arrays (10,), actions arrays (2,), rewards EUR.

    >>> from tandem_sim import single_agent_env
    >>> env = single_agent_env("alexander-b", isps=1)
    >>> _ = env.reset(seed=3)
    >>> _, _, terminated, truncated, _ = env.step(np.array([0.0, 1.0], dtype=np.float32))
    >>> terminated, truncated  # the episode of one ISP is over
    (False, True)
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, sellers: SellersEnv) -> None:
        """`sellers` has one agent."""
        (self.seller,) = sellers.possible_agents
        self.sellers = sellers
        self.action_space = sellers.action_space(self.seller)
        self.observation_space = sellers.observation_space(self.seller)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; there are no options."""
        super().reset(seed=seed)
        observed, infos = self.sellers.reset(seed, options)
        return observed[self.seller], infos[self.seller]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Bid an ISP. Raises ValueError for an action out of bounds."""
        observed, rewards, over, cut, infos = self.sellers.step({self.seller: action})
        name = self.seller
        return observed[name], rewards[name], over[name], cut[name], infos[name]

    def close(self) -> None:
        """Release the resources of the world."""
        self.sellers.close()


def _box(spec: tuple[tuple[str, float, float], ...]) -> Box:
    _, low, high = zip(*spec, strict=True)
    return Box(np.array(low, dtype=np.float32), np.array(high, dtype=np.float32), dtype=np.float32)


def _numbers(agent: str, action: Any) -> tuple[float, float]:
    """Markup and share of an action, if it is one."""
    values = np.asarray(action, dtype=np.float64)
    if values.shape != (len(ACTION),):
        raise ValueError(f"action of {agent} has shape {values.shape}, expected ({len(ACTION)},)")
    for (name, low, high), value in zip(ACTION, values.tolist(), strict=True):
        if not low <= value <= high:
            raise ValueError(f"action of {agent}: {name} is {value:g}, outside {low:g} to {high:g}")
    return float(values[0]), float(values[1])


def _known(views: Sequence[OfferView], hour: float) -> FloatArray:
    """Information of a seller before its bids: the first part of an observation."""
    angle, price = 2.0 * np.pi * hour / 24.0, views[0].day_ahead_price if views else 0.0
    mw, cost = [], []
    for direction in (UP, DOWN):
        sides = [view.direction == direction for view in views]
        total = sum(float(view.quantity_mw[side].sum()) for view, side in zip(views, sides, strict=True))
        worth = sum(
            float(view.cost[side] @ view.quantity_mw[side]) for view, side in zip(views, sides, strict=True)
        )
        mw.append(total)
        cost.append(worth / total if total > 0.0 else 0.0)
    return np.array([np.sin(angle), np.cos(angle), price, *mw, *cost])


def _became(outcome: SellerResult, hours: float) -> FloatArray:
    """Results of its bids: the last part of an observation."""
    offered, sold = float(outcome.offered_mw.sum()), float(outcome.sold_mw.sum())
    received = float(outcome.received_eur_per_h.sum())
    return np.array(
        [
            sold / offered if offered > 0.0 else 0.0,
            received / sold if sold > 1e-9 else 0.0,
            outcome.profit_eur_per_h * hours,
        ]
    )
