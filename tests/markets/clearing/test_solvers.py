"""Problems passed directly to HiGHS have the results of scipy, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from tandem_sim.markets.choices import SOLVERS
from tandem_sim.markets.clearing import solvers as module
from tandem_sim.markets.clearing.solvers import solve, solve_directly, solving_by


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_answers_are_those_of_linprog(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 30)), int(rng.integers(0, 6))
    cost, lower, upper = rng.normal(size=n), np.zeros(n), rng.uniform(0.0, 2.0, n)
    a_ub = sparse.csr_array(rng.normal(size=(m, n)).round(1)) if m else None
    b_ub = rng.uniform(-0.5, 2.0, m) if m else None
    a_eq, b_eq = (np.ones((1, n)), rng.uniform(-1.0, n, 1)) if seed % 2 else (None, None)
    found = solve_directly(cost, a_ub, b_ub, a_eq, b_eq, lower, upper)
    solver: Any = linprog  # its type stubs know no sparse matrices
    asked = solver(
        cost,
        A_ub=a_ub,
        b_ub=b_ub,
        A_eq=a_eq,
        b_eq=b_eq,
        bounds=np.column_stack([lower, upper]),
        method="highs",
        options={"presolve": False},
    )
    assert found.status == asked.status
    if found.status:
        return
    np.testing.assert_array_equal(found.x, asked.x)


def test_what_has_no_answer_says_why() -> None:
    one, none = np.ones(1), (None, None, None, None)
    assert solve_directly(-one, *none, 0.0 * one, np.inf * one).status == 3
    infeasible = solve_directly(one, None, None, np.ones((1, 1)), 5.0 * one, 0.0 * one, one)
    assert (infeasible.status, infeasible.message) == (2, "Infeasible")
    with pytest.raises(ValueError, match="nan"):
        solve_directly(np.nan * one, *none, 0.0 * one, one)


def test_the_choice_holds_within_its_context_and_changes_no_answer() -> None:
    one = np.array([1.0, 2.0, -1.0])
    given = one, sparse.csr_array(np.ones((1, 3))), np.array([1.5]), None, None, 0.0 * one, np.ones(3)
    answers = []
    for solver in SOLVERS:
        with solving_by(solver):
            answers.append(solve(*given))
    assert answers[0].message != answers[1].message  # scipy words it its own way
    np.testing.assert_array_equal(answers[0].x, answers[1].x)
    assert solve(*given).message == answers[0].message  # linprog, unless somebody asks


def test_whole_numbers_go_to_linprog_whoever_is_asked() -> None:
    cost = np.array([-1.0, -1.0])
    with solving_by("highspy"):
        found = solve(
            cost,
            sparse.csr_array(np.ones((1, 2))),
            np.array([1.5]),
            None,
            None,
            0.0 * cost,
            np.ones(2),
            np.array([0, 1]),
        )
    assert found.x.sum() == pytest.approx(1.0)


def test_a_search_for_whole_numbers_ends_after_a_number_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    # One of ten points for each of eight, together as near to a sum as can be: all 1e8 choices are alike to a
    # programme without whole numbers, so that the search visits thousands of nodes.
    rng = np.random.default_rng(1)
    groups, n = 8, 80
    a_eq = np.zeros((groups + 1, n + 2))
    a_eq[0, :n], a_eq[0, n:] = rng.uniform(-3.0, 3.0, n), (1.0, -1.0)
    for row in range(groups):
        a_eq[row + 1, 10 * row : 10 * row + 10] = 1.0
    cost = np.concatenate([np.zeros(n), [1.0, 1.0]])
    b_eq = np.concatenate([[3.123], np.ones(groups)])
    lower, upper = np.zeros(n + 2), np.concatenate([np.ones(n), [np.inf, np.inf]])
    given = cost, None, None, a_eq, b_eq, lower, upper, np.arange(n)
    monkeypatch.setattr(module, "MOST_NODES_BY_COLUMNS", 20 * len(cost))
    found = solve(*given)
    assert found.status == 1
    assert found.message == "no choice of whole numbers was proven best within 20 nodes"
