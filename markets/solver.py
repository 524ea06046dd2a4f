"""Who solves a linear programme: `scipy.optimize.linprog`, or HiGHS handed the same programme directly.

Both are HiGHS with the same options and answer alike, bit by bit (tests/markets/test_solver.py): the choice
is one of speed alone, so it is made once around a run or a game and not passed through every block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from tandem_sim.grids.arrays import FloatArray, IntArray
from tandem_sim.markets.choices import Solver
from tandem_sim.markets.highs import Solved, solve_directly

_chosen: ContextVar[Solver] = ContextVar("solver", default="linprog")


@contextmanager
def solving_by(solver: Solver) -> Iterator[None]:
    """Within this context auctions are solved by `solver`."""
    token = _chosen.set(solver)
    try:
        yield
    finally:
        _chosen.reset(token)


def solve(
    cost: FloatArray,
    a_ub: sparse.csr_array | None,
    b_ub: FloatArray | None,
    a_eq: FloatArray | None,
    b_eq: FloatArray | None,
    lower: FloatArray,
    upper: FloatArray,
    integral: IntArray | None = None,
) -> Solved:
    """``min cost.x`` over ``lower <= x <= upper`` (n,) and the rows given; columns `integral` are whole.

    Whole numbers always go to `linprog`. Raises ValueError for nan.
    """
    if np.isnan(lower).any() or np.isnan(upper).any():
        raise ValueError("a bound of a programme is nan")  # linprog would take it for none
    if integral is None and _chosen.get() == "highspy":
        return solve_directly(cost, a_ub, b_ub, a_eq, b_eq, lower, upper)
    integrality = None
    if integral is not None:
        integrality = np.zeros(len(cost))
        integrality[integral] = 1
    solver: Any = linprog  # its type stubs know no sparse matrices
    # Rows that cannot bind are gone already; presolving the dense rest takes longer than solving it.
    found = solver(
        cost, A_ub=a_ub, b_ub=b_ub, A_eq=a_eq, b_eq=b_eq, bounds=np.column_stack([lower, upper]),
        method="highs", integrality=integrality, options={"presolve": integral is not None},
    )  # fmt: skip
    return Solved(found.status, str(found.message), np.empty(0) if found.x is None else found.x)
