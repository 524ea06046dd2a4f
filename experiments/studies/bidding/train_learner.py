"""A learner of another library sells on the one-case world.

Run it by ``python -m tandem_sim.experiments.studies.bidding.train_learner``. PPO of stable-baselines3 (extra
``train``) plays one seller of a case, ``alexander-a`` or the one named as argument, all others bidding the
truth, once paid as bid and once as cleared. What it has learned is compared with the truth and with every
fixed markup of a grid, over days that neither has seen. Prints the table of docs/studies/learner.md.
Everything is seeded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import TransformAction

from tandem_sim.experiments.environments.api import single_agent_env
from tandem_sim.experiments.environments.sellers_env import MARKUP_EUR_PER_MWH, TRUTHFUL_ACTION, SellerEnv
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.choices import Pricing

CASE, SELLER, SCHEME = "alexander-a", "S1", "common"
PRICINGS: tuple[Pricing, ...] = ("pay-as-bid", "pay-as-cleared")
STEPS, SEED = 9_600, 1
RANGE = ((0.0, 0.5), (10.0, 1.0))
"""Least and most that the learner may choose: EUR/MWh of markup, share offered."""
UNIT = np.array([MARKUP_EUR_PER_MWH, 1.0])
"""What an action of one is, in these."""
UNSEEN = (1001, 1002, 1003, 1004)
"""Seeds of the days that are compared."""
MARKUPS = (2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0)
"""EUR/MWh, offering everything: the yardstick that is tried out on the unseen days themselves."""
Policy = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a seller earns under one pricing rule, EUR per ISP on unseen days."""

    pricing: Pricing
    truthful: float
    learner: float
    best_markup: float  # EUR/MWh, of those tried
    best_fixed: float
    mean_markup: float  # EUR/MWh that the learner asks
    mean_share: float  # that it offers


def env_of(case: Case, pricing: Pricing) -> SellerEnv:
    """The world that is learned in, days of 96 ISPs."""
    options = replace(case.options, options=replace(case.options.options, pricing=pricing))
    return single_agent_env(replace(case, options=options), scheme=SCHEME, seller=SELLER)


def evaluated(env: SellerEnv, policy: Policy) -> tuple[float, np.ndarray]:
    """EUR per ISP over the unseen days, and the mean action (2,)."""
    profits, actions = [], []
    for seed in UNSEEN:
        observed, _ = env.reset(seed=seed)
        over = False
        while not over:
            action = policy(observed)
            observed, profit, _, over, _ = env.step(action)
            profits.append(profit)
            actions.append(action)
    return float(np.mean(profits)), np.mean(actions, axis=0)


def trained(env: SellerEnv, steps: int, seed: int) -> Policy:
    """A policy of PPO after `steps` ISPs; without a future, since no ISP changes the next.

    It chooses within `RANGE`: over all markups profit has a second, lower top, of a seller that only sells
    what nobody else has, and PPO tends to end there.
    """
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    torch.set_num_threads(1)
    low, high = np.array(RANGE[0]) / UNIT, np.array(RANGE[1]) / UNIT

    def wide(choice: np.ndarray) -> np.ndarray:
        return np.asarray(low + 0.5 * (np.clip(choice, -1.0, 1.0) + 1.0) * (high - low))

    narrow: Any = TransformAction(env, wide, Box(-1.0, 1.0, (2,), dtype=np.float32))
    scaled = VecNormalize(DummyVecEnv([lambda: narrow]), gamma=0.0)
    options: dict[str, Any] = {"n_steps": 480, "batch_size": 96, "gamma": 0.0, "gae_lambda": 0.0}
    options["policy_kwargs"] = {"log_std_init": -0.5}
    model = PPO("MlpPolicy", scaled, learning_rate=1e-3, seed=seed, device="cpu", **options)
    model.learn(steps)
    scaled.training = False

    def policy(observed: np.ndarray) -> np.ndarray:
        choice, _ = model.predict(scaled.normalize_obs(observed[None, :]), deterministic=True)
        return wide(choice[0])

    return policy


def fixed(action: tuple[float, float]) -> Policy:
    """The same action always."""
    return lambda observed: np.array(action)


def learned(case: Case, pricing: Pricing, steps: int = STEPS, seed: int = SEED) -> Learned:
    """Train, and compare on unseen days."""
    env = env_of(case, pricing)
    truthful, _ = evaluated(env, fixed(TRUTHFUL_ACTION))
    tried = {m: evaluated(env, fixed((m / MARKUP_EUR_PER_MWH, 1.0)))[0] for m in MARKUPS}
    best = max(tried, key=lambda m: tried[m])
    learner, action = evaluated(env, trained(env, steps, seed))
    markup = MARKUP_EUR_PER_MWH * float(action[0])
    return Learned(
        pricing=pricing,
        truthful=truthful,
        learner=learner,
        best_markup=best,
        best_fixed=tried[best],
        mean_markup=markup,
        mean_share=float(action[1]),
    )


def main() -> None:
    """Train under every pricing rule and print."""
    case = read_case(case_path(sys.argv[1] if len(sys.argv) > 1 else CASE))
    print("| paid | truthful | learner | asks, EUR/MWh | offers | best fixed markup | earns |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for pricing in PRICINGS:
        r = learned(case, pricing)
        print(
            f"| {pricing} | {r.truthful:.2f} | {r.learner:.2f} | {r.mean_markup:.1f} "
            f"| {100.0 * r.mean_share:.0f} % | {r.best_markup:g} | {r.best_fixed:.2f} |"
        )


if __name__ == "__main__":
    main()
