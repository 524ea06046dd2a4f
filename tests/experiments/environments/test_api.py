"""Sellers as agents: the libraries' own tests, and that a world played from outside is the world itself."""

from __future__ import annotations

import importlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

from tandem_sim.experiments.environments.api import parallel_env, single_agent_env
from tandem_sim.experiments.environments.case import CaseWorld, dealt
from tandem_sim.experiments.environments.sellers_env import (
    ACTION,
    MARKUP_EUR_PER_MWH,
    OBSERVATION,
    TRUTHFUL_ACTION,
    SellersEnv,
)
from tandem_sim.experiments.environments.simulated import SimulatedWorld
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.grids.errors import InputError, StrategyError
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.games.repeated_market import CaseMarket
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.run import run
from tests.markets.hand import book, feeder, system
from tests.sim.conftest import SMALL, hashes, small_scenario

CASE_A = case_path("alexander-a")
TRUTH = np.array(TRUTHFUL_ACTION, dtype=np.float32)
NAMES = [name for name, _, _ in OBSERVATION]


def hand() -> Case:
    """3 MW are missing: 2 MW at 40 in the area, 5 MW at 60 on transmission; one seller each."""
    area = feeder(book(("d", 1, 1, 2.0, 40.0), ("e", 2, -1, 1.0, 10.0)), 10.0)
    case = system(3.0, book(("t", 0, 1, 5.0, 60.0)), D=area)
    bids = replace(area.bids, provider=np.array(["one", "one"]))
    tso_bids = replace(case.tso_bids, provider=np.array(["two"]))
    return replace(case, tso_bids=tso_bids, areas={"D": replace(area, bids=bids)})


def named(observation: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, observation.tolist(), strict=True))


def truthful(env: SellersEnv) -> dict[str, np.ndarray]:
    return dict.fromkeys(env.agents, TRUTH)


def small_env(**options: Any) -> SellersEnv:
    return parallel_env(SMALL, scheme="central-01", **options)


def test_pettingzoo_accepts_a_case() -> None:
    parallel_api_test(parallel_env(CASE_A, isps=12), num_cycles=30)
    parallel_seed_test(lambda: parallel_env(CASE_A, isps=12), num_cycles=30)


def test_pettingzoo_accepts_a_simulation() -> None:
    env = small_env(isps=3)
    parallel_api_test(env, num_cycles=10)
    env.close()
    parallel_seed_test(lambda: small_env(isps=3), num_cycles=10)


@pytest.mark.parametrize("given", [CASE_A, SMALL], ids=["case", "simulation"])
def test_gymnasium_accepts_one_seller(given: Path) -> None:
    env = single_agent_env(given, isps=3, scheme="central-01")
    check_env(env, skip_render_check=True)  # nothing is drawn
    env.close()


@pytest.mark.parametrize("watched", [["A01", "A02", "A03"], ["A02", "G1", "L3"]])
def test_the_truth_played_gives_the_tables_of_the_plain_run(tmp_path: Path, watched: list[str]) -> None:
    """Agents neither disturb random streams nor the order of events; profits are those of the tables."""
    run(small_scenario(), None, tmp_path / "plain")
    env = parallel_env(small_scenario(), sellers=watched)
    assert isinstance(env.world, SimulatedWorld)
    env.reset()
    while env.agents:
        _, rewards, _, over, infos = env.step(truthful(env))
    assert all(over.values())
    assert infos["A02"] == {"isp": 96}
    shutil.copytree(env.world.tables, tmp_path / "played")
    folder = env.world.tables
    env.close()
    assert not folder.exists()
    assert hashes(tmp_path / "played") == hashes(tmp_path / "plain")
    assert all(isinstance(value, float) for value in rewards.values())
    with pytest.raises(RuntimeError, match="not begun, or is closed"):
        _ = env.world.tables


def test_rewards_of_a_simulation_are_the_profit_of_its_tables() -> None:
    """Pay-as-bid with a markup of 5: that much on every MWh sold, told when it is settled, or at the end."""
    markup, dear = 5.0, ["G1", "G2", "L3"]

    def rewards(env: SellersEnv) -> list[float]:
        found, action = [], np.array([markup / MARKUP_EUR_PER_MWH, 1.0])
        env.reset()
        while env.agents:
            _, reward, _, _, _ = env.step({**dict.fromkeys(dear, action), "A01": TRUTH})
            assert reward["A01"] == pytest.approx(0.0, abs=1e-9)
            found.append(sum(reward[seller] for seller in dear))
        return found

    day, night = (small_env(sellers=[*dear, "A01"], isps=isps) for isps in (None, 3))
    whole, short = rewards(day), rewards(night)
    assert isinstance(day.world, SimulatedWorld)
    activations = pd.read_parquet(day.world.tables / "activations.parquet")
    activations = activations[activations.provider.isin(dear)]
    day.close()
    night.close()
    sold_mwh = 0.25 * activations.groupby("isp").quantity_mw.sum().reindex(range(96), fill_value=0.0)
    assert sum(whole) == pytest.approx(markup * sold_mwh.sum())
    assert sum(short) == pytest.approx(markup * sold_mwh[:3].sum())
    assert sold_mwh[:3].min() > 0.1
    assert whole[:3] == [*short[:2], 0.0]  # bids go out before anything is settled


def test_one_case_world_without_noise_is_the_case() -> None:
    env = parallel_env(CASE_A, scheme="common", noise=0.0, isps=2)
    observed, infos = env.reset()
    assert env.possible_agents == ["S1", "S2", "S3"]
    assert infos["S1"] == {"isp": 0}
    _, rewards, _, _, _ = env.step(truthful(env))
    assert rewards == pytest.approx(dict.fromkeys(env.possible_agents, 0.0), abs=1e-9)
    assert isinstance(env.world, CaseWorld)
    case = env.world.market.case
    assert clear_case(case, SCHEMES["common"]).cost_eur_per_h == pytest.approx(
        env.world.market.play().cost_eur_per_h
    )
    books = CaseMarket(case, SCHEMES["common"]).books
    mine = {s: bids.quantity_mw[(bids.provider == "S1") & (bids.direction == 1)] for s, bids in books.items()}
    assert named(observed["S1"])["up_mw"] == pytest.approx(sum(mw.sum() for mw in mine.values()), rel=1e-6)


def test_profit_and_observation_by_hand() -> None:
    """Seller one asks 40 + 15 for 1 of its 2 MW and is paid that for a quarter of an hour."""
    env = parallel_env(hand(), scheme="central-01", noise=0.0, isps=5, seed=3)
    assert env.possible_agents == ["one", "two"]
    observed, _ = env.reset()
    first = named(observed["one"])
    assert first["up_mw"] == 2.0
    assert first["down_mw"] == 1.0
    assert first["up_cost"] == 40.0
    assert first["down_cost"] == 10.0
    assert first["hour_cos"] == 1.0
    assert first["share_sold"] == first["mean_received"] == first["profit_eur"] == 0.0
    markup = 15.0 / MARKUP_EUR_PER_MWH
    observed, rewards, _, _, _ = env.step({"one": np.array([markup, 0.5]), "two": TRUTH})
    assert rewards == pytest.approx({"one": 15.0 * 0.25, "two": 0.0}, abs=1e-6)
    after = named(observed["one"])
    assert after["share_sold"] == pytest.approx(1.0 / 1.5, rel=1e-6)
    assert after["mean_received"] == pytest.approx(55.0, rel=1e-6)
    assert after["profit_eur"] == pytest.approx(3.75, rel=1e-6)
    assert after["hour_sin"] == pytest.approx(np.sin(2.0 * np.pi / 96.0), rel=1e-6)
    assert observed["one"].dtype == np.float32


def test_noise_is_seeded_and_no_action_changes_it() -> None:
    def seen(env: SellersEnv, action: tuple[float, float], **how: Any) -> list[float]:
        observed, _ = env.reset(**how)
        found = [named(observed["S1"])["up_cost"]]
        while env.agents:
            observed, *_ = env.step({agent: np.array(action) for agent in env.agents})
            found.append(named(observed["S1"])["up_cost"])
        return found

    env = parallel_env(CASE_A, scheme="central-01", isps=4)
    base = seen(env, TRUTHFUL_ACTION)
    assert len(set(base)) == 4  # behind the last ISP its own resources are told again
    other = seen(env, TRUTHFUL_ACTION)
    assert other != base  # a reset without a seed draws the next
    assert seen(env, (0.3, 0.7), seed=0) == base
    assert seen(env, TRUTHFUL_ACTION) == other
    assert seen(env, TRUTHFUL_ACTION, seed=5) != base
    assert seen(parallel_env(CASE_A, scheme="central-01", isps=4, seed=5), (0.0, 0.5)) == seen(
        env, TRUTHFUL_ACTION, seed=5
    )


@pytest.mark.parametrize("others", ["fixed-markup", "exp3"])
def test_others_may_be_strategic(others: str) -> None:
    """Everybody else asks more than cost, so that more is left to earn."""

    def total(env: Any) -> float:
        env.reset(seed=1)
        return float(sum(env.step(np.array([0.2, 1.0]))[1] for _ in range(6)))

    calm = total(single_agent_env(CASE_A, scheme="central-01", isps=6, noise=0.0, seller="S2"))
    env = single_agent_env(CASE_A, scheme="central-01", isps=6, noise=0.0, seller="S2", others=others)
    assert total(env) == total(env)
    assert total(env) > calm


def test_others_answer_the_last_book() -> None:
    """Best response reads what has been published, and asks other prices than cost from then on."""
    env = parallel_env(CASE_A, scheme="central-01", isps=6, noise=0.0, sellers=["S2"], others="best-response")
    env.reset(seed=1)
    world = env.world
    assert isinstance(world, CaseWorld)

    def asked() -> bool:
        """Whether S1 would ask anything but its cost now."""
        bidder = world._bidders["S1"]
        return any((bidder.offers(view).price != view.cost).any() for view in world.views("S1"))

    assert not asked()  # nothing is published yet
    env.step({"S2": np.array([0.2, 1.0])})
    assert asked()


@pytest.mark.parametrize(
    "given",
    [{"isps": 2.5}, {"isps": 0}, {"split": 2.5}, {"sellers": "S1"}, {"others": "inc-dec"}, {"seed": -1}],
)
def test_options_that_cannot_be_are_named(given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        parallel_env(CASE_A, **given)


def test_a_bundled_scenario_keys_and_a_case_with_its_own_scheme() -> None:
    world = parallel_env("reference", isps=2).world
    assert isinstance(world, SimulatedWorld)
    keys = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    env = single_agent_env(keys, isps=1, seller="G1", others="fixed-markup", seed=9)
    env.reset()
    env.step(TRUTH)
    env.close()
    case = hand()
    chosen = replace(case, options=replace(case.options, scheme="multilevel-03"))
    world = parallel_env(chosen).world
    assert isinstance(world, CaseWorld)
    assert world.market.scheme.name == "multilevel-03"


def test_bids_are_dealt_where_nobody_is_named() -> None:
    case = hand()
    assert dealt(case, None) is case
    unnamed = dealt(replace(case, tso_bids=replace(case.tso_bids, provider=np.array(["one"]))), None)
    assert unnamed.areas["D"].bids.provider.tolist() == ["S1", "S1"]  # first up, first down
    two = CaseMarket(dealt(case, 2), SCHEMES["common"])
    assert two.sellers == ("S1",)
    assert two.rows_of("S1")[TSO].tolist() == [0]


def test_actions_that_are_none() -> None:
    env = parallel_env(hand(), isps=1)
    with pytest.raises(RuntimeError, match="reset first"):
        env.step({})
    env.reset()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"one": TRUTH}, "actions of one; expected those of one, two"),
        ({"one": TRUTH, "two": np.zeros(3)}, r"action of two has shape \(3,\), expected \(2,\)"),
        ({"one": np.array([2.0, 1.0]), "two": TRUTH}, "action of one: markup is 2, outside -1 to 1"),
        ({"one": np.array([0.0, np.nan]), "two": TRUTH}, "share_offered is nan, outside 0 to 1"),
    ]
    for action, problem in wrong:
        with pytest.raises(ValueError, match=problem):
            env.step(action)
    env.step(truthful(env))
    with pytest.raises(RuntimeError, match="reset first"):
        env.step(dict.fromkeys(env.possible_agents, TRUTH))


@pytest.mark.parametrize(
    ("given", "options", "problem"),
    [
        ("nowhere", {}, "is no bundled scenario"),
        (CASE_A, {"scheme": "central-99"}, "scheme: central-99: is not known"),
        (CASE_A, {"noise": 1.5}, "noise: is 1.5. Give 0 or more"),
        (CASE_A, {"isps": 0}, "isps: is 0"),
        (CASE_A, {"split": 0}, "split: is 0"),
        (CASE_A, {"sellers": ["S9"]}, "S9: sells nothing here. Use S1, S2, S3"),
        (CASE_A, {"sellers": []}, "are none, or not different"),
        (SMALL, {"noise": 0.1}, "noise: is an option of a case only"),
        (SMALL, {"isps": 97}, "isps: is 97. Give 1 to 96"),
        (SMALL, {"scheme": "central-99"}, "central-99"),
        (SMALL, {"sellers": ["A09"]}, "A09: sells nothing here"),
    ],
)
def test_what_cannot_be_played(given: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parallel_env(given, **options)


def test_others_may_play_code_of_ones_own_if_it_is_allowed() -> None:
    given: dict[str, Any] = {"others": "tests.agents.strategies.test_time_limit:Leaving", "sellers": ["S1"]}
    with pytest.raises(InputError, match=r"--allow-code tests\.agents\.strategies\.test_time_limit"):
        parallel_env(CASE_A, **given).reset()
    with pytest.raises(InputError, match=r"--allow-code tests\.agents\.strategies\.test_time_limit"):
        parallel_env(SMALL, others=given["others"])
    with pytest.raises(StrategyError, match="Leaving of S2: its constructor fails: SystemExit"):
        parallel_env(CASE_A, **given, allow_code=["tests"]).reset()


def test_an_unknown_strategy_of_others_is_named() -> None:
    with pytest.raises(InputError, match="greedy"):
        parallel_env(CASE_A, others="greedy", sellers=["S1"]).reset()


@pytest.mark.parametrize("library", ["pettingzoo", "gymnasium"])
def test_without_the_extra_one_message_says_so(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    for module in (
        "tandem_sim.experiments.environments.api",
        "tandem_sim.experiments.environments.sellers_env",
    ):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r"pip install 'tandem-sim\[rl\]'"):
        importlib.import_module("tandem_sim.experiments.environments.api")


def test_bounds_are_those_documented() -> None:
    env = parallel_env(hand())
    space = env.action_space("one")
    assert space is env.action_space("one")
    assert space.low.tolist() == [low for _, low, _ in ACTION]
    assert space.contains(TRUTH)
    assert env.observation_space("one").shape == (len(OBSERVATION),)
