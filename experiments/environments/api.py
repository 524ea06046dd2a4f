"""Markets as environments of reinforcement learning: PettingZoo for many sellers, Gymnasium for one.

One agent is one seller, one step is one ISP: the agents bid for it, and time advances to the next gate for
bids.

An action has two numbers (`ACTION` of `tandem_sim.experiments.environments.sellers_env`): a mark-up, -1 to 1
times `MARKUP_EUR_PER_MWH`, by which up bids are dearer and down bids cheaper than cost; and the share of the
available MW that is offered. `TRUTHFUL_ACTION` bids all MW at cost.

An observation holds the information of the seller, in this order (`OBSERVATION`, each with its bounds):
``hour_sin`` and ``hour_cos`` of the local time at which the ISP to bid for starts, its ``day_ahead_price``
(EUR/MWh; 0 in a case, which has none), the available MW of the seller's resources, ``up_mw`` and ``down_mw``,
their mean costs ``up_cost`` and ``down_cost`` (EUR/MWh, weighted by MW, 0 without any), and results of the
last ISP that was reported to it: ``share_sold`` of its offers, ``mean_received`` (EUR/MWh sold, negative if
it paid) and ``profit_eur``. Values are not scaled; they are clipped at their bounds.

A reward is profit in EUR: payments for energy, less its true cost, of the ISPs settled during the step. In a
case an ISP is settled at once. In a simulation it is settled hours after its bids, so rewards are delayed:
the first ones are 0, and the last step runs until the last ISP is settled. Imbalance charges are not
included.

Needs the extra ``rl`` (``pip install 'tandem-sim[rl]'``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.experiments.environments.case import CASE_ISPS, TRUTHFUL, CaseWorld, dealt
from tandem_sim.experiments.environments.sellers_env import SellerEnv, SellersEnv
from tandem_sim.experiments.environments.simulated import SellerWorld, SimulatedWorld
from tandem_sim.experiments.runs.bundled import SCENARIOS, case_path
from tandem_sim.experiments.runs.scenario import read_scenario, scenario_of
from tandem_sim.grids.documents.text import check_known, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.games.repeated_market import CaseMarket
from tandem_sim.markets.schemes import build_schemes
from tandem_sim.sim.scenario.scenario import Scenario

CASE_NOISE = 0.05
DEFAULT_SCHEME = "common"
"""Of a case that names none."""
Instance = str | Path | Case | Scenario | Mapping[str, Any]
"""A bundled scenario, the path of a scenario or case, or either of them as an object."""


def parallel_env(
    scenario: Instance,
    *,
    scheme: str | None = None,
    seed: int | None = None,
    isps: int | None = None,
    sellers: Sequence[str] | None = None,
    others: str | None = None,
    noise: float | None = None,
    split: int | None = None,
    allow_code: Iterable[str] = (),
) -> SellersEnv:
    """Sellers of a scenario, or of a case cleared in every ISP, as agents of PettingZoo's parallel API.

    Parameters
    ----------
    scenario: bundled name, path of a scenario (YAML) or case (folder or JSON), keys of a scenario, or object.
        Relative paths of keys and objects start at the current folder.
    scheme: coordination scheme; else that of the scenario or case (``common`` where a case names none).
    seed: of the first episode; else that of the scenario, or 0.
    isps: length of an episode; else all of the scenario, or a day of a case.
    sellers: those controlled by agents; else all aggregators of a scenario, or all sellers of a case.
    others: strategy of all other sellers; else that of the scenario, or truthful.
    allow_code: modules that strategies named ``module:Class`` may be imported from, or packages they are in.
    noise: of a case only, see `CaseWorld`; 0 clears the same ISP every time.
    split: of a case only, number of sellers among whom its bids are distributed, see `dealt`.

    Raises `InputError` for what cannot be read or does not exist. Needs the extra ``rl``.

    >>> import numpy as np
    >>> env = parallel_env("alexander-b", seed=1, isps=2)
    >>> observations, _ = env.reset()
    >>> sorted(observations) == env.possible_agents
    True
    >>> truthful = {agent: np.array([0.0, 1.0], dtype=np.float32) for agent in env.agents}
    >>> _, rewards, *_ = env.step(truthful)
    >>> all(abs(reward) < 1e-6 for reward in rewards.values())  # bids at cost earn nothing, pay-as-bid
    True
    """
    _whole("seed", seed, 0)
    world = _world(scenario, scheme, isps, others, noise, split, AllowedCode.of(allow_code))
    if sellers is None:
        sellers = world.pools
    return SellersEnv(world, _checked(sellers, world), seed)


def single_agent_env(
    scenario: Instance,
    *,
    seller: str | None = None,
    others: str | None = TRUTHFUL,
    scheme: str | None = None,
    seed: int | None = None,
    isps: int | None = None,
    noise: float | None = None,
    split: int | None = None,
    allow_code: Iterable[str] = (),
) -> SellerEnv:
    """One seller (else the first) as a Gymnasium environment; see `parallel_env`.

    `others` names the strategy of all other sellers; with None it is that of the scenario.

    >>> import numpy as np
    >>> env = single_agent_env("alexander-b", seed=1, isps=2)
    >>> observed, _ = env.reset()
    >>> observed.shape, env.action_space.shape
    ((10,), (2,))
    >>> _, reward, terminated, truncated, _ = env.step(np.array([0.1, 1.0], dtype=np.float32))
    >>> terminated, truncated
    (False, False)
    """
    _whole("seed", seed, 0)
    world = _world(scenario, scheme, isps, others, noise, split, AllowedCode.of(allow_code))
    chosen = world.pools[0] if seller is None else seller
    return SellerEnv(SellersEnv(world, _checked([chosen], world), seed))


def _whole(name: str, value: int | None, least: int) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise InputError("environment", name, f"is {shown(value)}", f"Give a whole number, {least} or more")


def _checked(sellers: Sequence[str], world: SellerWorld) -> Sequence[str]:
    if isinstance(sellers, str):
        raise InputError("sellers", sellers, "is one name", "Give a list of names")
    for seller in sellers:
        if seller not in world.sellers:
            raise InputError("sellers", seller, "sells nothing here", f"Use {', '.join(world.sellers[:20])}")
    if not sellers or len(set(sellers)) < len(sellers):
        raise InputError("sellers", ", ".join(sellers), "are none, or not different ones", "Name each once")
    return sellers


def _world(
    given: Instance,
    scheme: str | None,
    isps: int | None,
    others: str | None,
    noise: float | None,
    split: int | None,
    allowed: AllowedCode,
) -> SellerWorld:
    """The world of a case or a scenario, whatever it is given as."""
    _whole("isps", isps, 1)
    _whole("split", split, 1)
    if isinstance(given, str | Path) and str(given) not in SCENARIOS:
        path = case_path(given)
        if path.is_dir() or path.suffix == ".json":
            given = read_case(path)
    if isinstance(given, Case):
        return _case_world(given, scheme, isps, others, noise, split, allowed)
    for name, value in (("noise", noise), ("split", split)):
        if value is not None:
            raise InputError("scenario", name, "is an option of a case only", "Leave it out")
    changes: dict[str, Any] = {} if scheme is None else {"scheme": scheme}
    if others is not None:
        changes |= {"strategy": others, "strategies": []}
    if isinstance(given, str | Path):
        scenario, folder = read_scenario(str(given), changes)
        return SimulatedWorld(scenario, folder, isps, allowed)
    keys = given.model_dump(mode="json", by_alias=True) if isinstance(given, Scenario) else dict(given)
    return SimulatedWorld(scenario_of(keys, "scenario", changes, Path()), None, isps, allowed)


def _case_world(
    case: Case,
    scheme: str | None,
    isps: int | None,
    others: str | None,
    noise: float | None,
    split: int | None,
    allowed: AllowedCode,
) -> CaseWorld:
    chosen = scheme or case.options.scheme or DEFAULT_SCHEME
    schemes = build_schemes(case.options.options)
    check_known("scheme", [chosen], list(schemes))
    if others == "inc-dec":
        raise InputError(
            "case",
            "others",
            "inc-dec sells day-ahead, and a case has no such market",
            "Use a scenario, or tandem_sim.markets.games.case_game",
        )
    market = CaseMarket(dealt(case, split), schemes[chosen])
    return CaseWorld(
        market=market,
        isps=CASE_ISPS if isps is None else isps,
        noise=CASE_NOISE if noise is None else noise,
        others=TRUTHFUL if others is None else others,
        allowed=allowed,
    )
