"""Merit-order clearing gives the solver's result; every other problem reaches the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.grids.tolerances import TIE_STEP_EUR_PER_MWH
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.clearing import auction as problem
from tandem_sim.markets.clearing.auction import Cleared, Status, clear
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.clearing.merit_order import (
    ordered_costs,
)
from tandem_sim.markets.clearing.solvers import solve
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.run import run
from tests.sim.conftest import small_scenario

INF, NAN = float("inf"), float("nan")
BY_MERIT = "merit order"
SEEDS = st.integers(0, 2**32 - 1)


def solved(*args: Any, **kwargs: Any) -> Cleared:
    """The result of the solver for the problem of `clear`."""
    none: Callable[..., None] = lambda *_: None  # noqa: E731
    with patch.multiple(problem, nothing_to_trade=none, fill_balance=none, fill_nested=none):
        return clear(*args, **kwargs)


def assert_same(found: Cleared, asked: Cleared, cost: FloatArray, imbalance_price: float = 0.0) -> None:
    """Alike but for rounding, and for who is served at the margin: nudges are near what HiGHS tolerates."""
    assert asked.status is Status.OPTIMAL
    total = [a.cost_eur_per_h + imbalance_price * (a.short_mw + a.long_mw) for a in (found, asked)]
    assert total[0] == pytest.approx(total[1], rel=1e-9, abs=1e-6)
    decided = np.abs(cost - found.value_eur_per_mwh) > 1e-4
    np.testing.assert_allclose(found.quantity_mw[decided], asked.quantity_mw[decided], atol=1e-8)
    assert found.penalty_eur_per_h == pytest.approx(asked.penalty_eur_per_h)
    nudge = TIE_STEP_EUR_PER_MWH * (len(cost) + 1)
    assert found.price_eur_per_mwh == pytest.approx(asked.price_eur_per_mwh, abs=nudge, nan_ok=True)
    np.testing.assert_allclose(found.value_eur_per_mwh, asked.value_eur_per_mwh, atol=nudge)
    worth = nudge * (1.0 + found.quantity_mw.sum())
    assert found.limits_eur_per_h == pytest.approx(asked.limits_eur_per_h, abs=worth)


def book(rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Costs on few prices, so that there are ties; bounds, some of nothing; effects on the balance."""
    price: FloatArray = 5.0 * rng.integers(-4, 9, n).astype(np.float64)
    sign: FloatArray = rng.choice([-1.0, 1.0], n)
    available: FloatArray = rng.uniform(0.1, 3.0, n) * (rng.random(n) < 0.8)
    return price * sign, available, sign


def some_rows(rng: np.random.Generator, n: int) -> list[AuctionConstraints]:
    """Soft rows, tight or wide, of two owners."""
    return [
        AuctionConstraints(
            matrix=rng.normal(size=(m, n)).round(1),
            base=rng.normal(size=m),
            low=-rng.uniform(0.5, 8.0, m),
            high=rng.uniform(0.5, 8.0, m),
            penalty=10_000.0,
            owner=owner,
        )
        for m, owner in ((int(rng.integers(0, 3)), "T"), (int(rng.integers(0, 3)), "D"))
    ]


@settings(deadline=None, max_examples=150)
@given(SEEDS, st.sampled_from([0.0, 20.0, 10_000.0]), st.sampled_from([None, 0.0, 1.5]), st.booleans())
def test_a_balance_is_answered_like_its_programme(
    seed: int, imbalance_price: float, bound: float | None, limited: bool
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 16))
    cost, available, sign = book(rng, n)
    need = float(rng.choice([0.0, rng.normal(scale=4.0), np.round(available.sum()), available @ (sign > 0)]))
    asked = cost, available, sign, need, some_rows(rng, n) if limited else [], imbalance_price, bound
    found = clear(*asked)
    if found.message == BY_MERIT:
        assert_same(found, solved(*asked), cost, imbalance_price)
        served = sign @ found.quantity_mw + found.short_mw - found.long_mw
        assert served == pytest.approx(need, abs=1e-8)


@settings(deadline=None, max_examples=150)
@given(SEEDS)
def test_nested_limits_are_answered_like_their_programme(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, nodes = int(rng.integers(1, 16)), int(rng.integers(1, 6))
    above = [int(rng.integers(0, k)) for k in range(1, nodes)]  # a tree rooted at node 0
    carries: FloatArray = np.eye(nodes)
    for k in range(nodes - 1, 0, -1):
        carries[above[k - 1]] += carries[k]
    node = rng.integers(0, nodes, n)
    room = rng.uniform(0.0, 6.0, nodes)
    factor = rng.choice([-1.0, 1.0], nodes) * rng.choice([1.0, 0.5], nodes)
    up = factor > 0.0
    flows = AuctionConstraints(
        matrix=carries[:, node] * factor[:, None],
        base=np.zeros(nodes),
        low=np.where(up, -100.0, -room),
        high=np.where(up, room, 100.0),
        penalty=INF,
        owner="D",
    )
    voltages = AuctionConstraints(
        matrix=rng.uniform(0.0, 1.0, (2, n)),
        base=np.zeros(2),
        low=np.full(2, -9.0),
        high=rng.uniform(2.0, 20.0, 2),
        penalty=INF,
        owner="D",
    )
    cost, available, _ = book(rng, n)
    asked = cost, available, None, 0.0, [flows, voltages]
    found = clear(*asked)
    if found.message == BY_MERIT:
        assert_same(found, solved(*asked), cost)


@pytest.mark.parametrize("need", [0.0, 0.4, -0.4, 1e-16])
def test_common_programmes_do_reach_the_merit_order(need: float) -> None:
    cost, sign = np.array([50.0, 60.0, -20.0, -10.0]), np.array([1.0, 1.0, -1.0, -1.0])
    answer = clear(cost, np.ones(4), sign, need)
    assert answer.message == BY_MERIT
    expected = [max(need, 0.0), 0.0, max(-need, 0.0), 0.0] if abs(need) > 0.1 else np.zeros(4)
    assert answer.quantity_mw.tolist() == list(expected)  # and nothing for what rounding left of a need
    # The last unit called; without a need the middle of what the best bids of both sides leave.
    assert answer.price_eur_per_mwh == (50.0 if need > 0.1 else 20.0 if need < -0.1 else 35.0)


def test_nested_limits_by_hand() -> None:
    # 3 MW through the transformer, 2 of them through the feeder of the two best bids.
    rows = AuctionConstraints(
        matrix=np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]),
        base=np.zeros(2),
        low=np.full(2, -9.0),
        high=np.array([3.0, 2.0]),
        penalty=INF,
    )
    answer = clear(np.array([-3.0, -4.0, -2.0]), np.full(3, 1.5), rows=[rows])
    assert answer.message == BY_MERIT
    assert answer.quantity_mw.tolist() == [0.5, 1.5, 1.0]
    assert answer.value_eur_per_mwh.tolist() == [-3.0, -3.0, -2.0]  # 1 EUR/MWh of it for the feeder
    assert answer.limits_eur_per_h == {"": -8.0}


def test_what_the_merit_order_cannot_decide_goes_to_the_solver() -> None:
    one, two = np.ones(1), np.ones(2)
    tight = clear(
        np.array([10.0, 20.0]),
        two,
        two,
        0.5,
        [AuctionConstraints(matrix=np.eye(1, 2), base=np.zeros(1), low=-one, high=0.2 * one, penalty=9.0)],
    )
    nowhere = clear(one, one, one, 5.0, imbalance_bound_mw=1.0)
    broken = clear(
        -one,
        one,
        rows=[AuctionConstraints(matrix=np.ones((1, 1)), base=3.0 * one, low=-one, high=one, penalty=INF)],
    )
    crossing = AuctionConstraints(
        matrix=np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]),
        base=np.zeros(2),
        low=np.full(2, -9.0),
        high=two,
        penalty=INF,
    )
    crossed = clear(-np.array([1.0, 1.5, 1.2]), np.ones(3), rows=[crossing])
    answers = tight, nowhere, broken, crossed
    assert BY_MERIT not in [answer.message for answer in answers]
    assert [nowhere.status, broken.status] == [Status.INFEASIBLE] * 2
    assert crossed.quantity_mw == pytest.approx([1.0, 0.0, 1.0])


def test_limits_of_several_owners_are_worth_what_each_gives_up() -> None:
    one, two = np.ones(1), np.ones(2)
    halves = [
        AuctionConstraints(
            matrix=np.eye(1, 2, k), base=np.zeros(1), low=-one, high=0.5 * one, penalty=INF, owner=owner
        )
        for k, owner in enumerate("TD")
    ]
    shared = clear(-two, two, rows=halves)
    assert shared.message == BY_MERIT
    assert shared.limits_eur_per_h == {"T": -0.5, "D": -0.5}


@pytest.mark.parametrize("where", ["cost", "available", "need_mw", "base", "matrix"])
@pytest.mark.parametrize("balanced", [True, False])
def test_no_nan_is_answered(where: str, balanced: bool) -> None:
    if where == "need_mw" and not balanced:
        return
    values = {"cost": -np.ones(2), "available": np.ones(2), "base": np.zeros(1), "matrix": np.ones((1, 2))}
    if where in values:
        values[where][..., 0] = NAN
    row = AuctionConstraints(
        matrix=values["matrix"], base=values["base"], low=-np.ones(1), high=1.5 * np.ones(1), penalty=INF
    )
    with pytest.raises(ValueError, match=r"nan|inf"):
        clear(
            values["cost"],
            values["available"],
            np.ones(2) if balanced else None,
            NAN if where == "need_mw" else 0.5,
            [row],
        )


@contextmanager
def counting() -> Iterator[dict[str, int]]:
    """Counts of auctions cleared in merit order, and of problems passed to a solver, within this context."""
    count = {"ordered": 0, "solved": 0}

    def counted(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            count[what] += 1
            return function(*args, **kwargs)

        return call

    with patch.multiple(
        problem,
        ordered_costs=counted("ordered", ordered_costs),
        solve=counted("solved", solve),
    ):
        yield count


@cache
def case_of(name: str) -> Case:
    return read_case(case_path(f"alexander-{name.lower()}"))


def test_few_programmes_of_a_simulated_day_are_solved(tmp_path: Path) -> None:
    with counting() as count:
        run(small_scenario(scheme="multilevel-03"), None, tmp_path)
    # Day-ahead, local and TSO market, an envelope for either direction: 480, less those in which no trade
    # pays or no limit can break.
    assert count["ordered"] == 339
    assert 0 < count["solved"] <= 40  # local markets with a limit to relieve: 26


@pytest.mark.parametrize(
    ("scheme", "solved_of"),
    {
        "central-01": {"A": 0, "B": 0, "C": 0, "D": 0, "V": 0},
        "central-02": {"A": 0, "B": 0, "C": 0, "D": 0, "V": 2},  # of 5 asked: an envelope for voltages, twice
        "multilevel-01": {
            "A": 2,
            "B": 2,
            "C": 2,
            "D": 2,
            "V": 0,
        },  # of 3: local markets with limits to relieve
        "multilevel-03": {"A": 2, "B": 2, "C": 2, "D": 2, "V": 2},  # of 7
        # One market, its rows growing; in V again with the limits of branches alone, to tell purposes apart:
        # once, not for every book.
        "common": {"A": 1, "B": 2, "C": 3, "D": 1, "V": 4},
    }.items(),
)
def test_how_many_programmes_of_the_cases_are_solved(scheme: str, solved_of: dict[str, int]) -> None:
    found = {}
    for name in solved_of:
        with counting() as count:
            clear_case(case_of(name), SCHEMES[scheme])
        found[name] = count["solved"]
    assert found == solved_of


def test_a_limit_that_two_bids_fill_but_for_rounding_is_worth_what_the_next_bid_is() -> None:
    cost, available = np.array([-10.0, -9.0, -1.0]), np.array([0.1, 0.2, 1.0])
    row = AuctionConstraints(
        matrix=np.ones((1, 3)),
        base=np.zeros(1),
        low=np.array([-INF]),
        high=np.array([0.3]),
        penalty=INF,
        owner="D1",
    )
    found = clear(cost, available, rows=[row])
    assert found.message == BY_MERIT
    np.testing.assert_allclose(found.quantity_mw, [0.1, 0.2, 0.0], atol=1e-12)  # 0.3 - 0.1 < 0.2 in binary
    assert found.limits_eur_per_h["D1"] == pytest.approx(-0.3)
    assert found.limits_eur_per_h["D1"] == pytest.approx(
        solved(cost, available, rows=[row]).limits_eur_per_h["D1"]
    )
