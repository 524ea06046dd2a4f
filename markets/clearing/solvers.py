"""Solvers of linear problems: `scipy.optimize.linprog`, or HiGHS called directly with the same problem.

Both are HiGHS with the same options and give the same results, bit by bit
(tests/markets/clearing/test_solvers.py). The choice affects speed only, so it is made once for a run or a
game and is not an argument of every block. The direct call is faster because the checks and copies of
`linprog` take longer than the problems of an auction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.choices import Solver

_highspy: Any = highspy  # untyped
_OPTIONS = {"output_flag": False, "threads": 1, "presolve": "off", "simplex_strategy": 1}
_MODEL_STATUS = _highspy.HighsModelStatus
_CODES = {
    _MODEL_STATUS.kOptimal: 0,
    _MODEL_STATUS.kTimeLimit: 1,
    _MODEL_STATUS.kIterationLimit: 1,
    _MODEL_STATUS.kModelError: 2,
    _MODEL_STATUS.kInfeasible: 2,
    _MODEL_STATUS.kUnbounded: 3,
}
"""Status numbers as in `scipy.optimize.linprog`; any other is 4."""

MOST_NODES_BY_COLUMNS = 10_000_000
"""Nodes that a search for whole numbers may visit, times its columns: a minute or so."""

_chosen: ContextVar[Solver] = ContextVar("solver", default="linprog")


@dataclass(frozen=True)
class Solved:
    """A result: a status as numbered by `scipy.optimize.linprog`; `x` is valid if it is 0, optimal."""

    status: int
    message: str
    x: FloatArray  # (n,)


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
    """``min cost.x`` with ``lower <= x <= upper`` (n,) and the constraints given.

    Columns `integral` (k,) are whole numbers; such problems are always solved by `linprog`, whose
    search ends after a number of nodes (status 1). Raises ValueError for nan.
    """
    if np.isnan(lower).any() or np.isnan(upper).any():
        raise ValueError("a bound of an optimisation problem is nan")  # linprog would ignore it
    if integral is None and _chosen.get() == "highspy":
        return solve_directly(cost, a_ub, b_ub, a_eq, b_eq, lower, upper)
    integrality, nodes = None, None
    if integral is not None:
        integrality = np.zeros(len(cost))
        integrality[integral] = 1
        nodes = MOST_NODES_BY_COLUMNS // len(cost)
    solver: Any = linprog  # its type stubs know no sparse matrices
    # Constraints that cannot bind are left out already; presolve takes longer than solving the rest.
    found = solver(
        cost,
        A_ub=a_ub,
        b_ub=b_ub,
        A_eq=a_eq,
        b_eq=b_eq,
        bounds=np.column_stack([lower, upper]),
        method="highs",
        integrality=integrality,
        options={"presolve": integral is not None, "mip_max_nodes": nodes},
    )
    if nodes is not None and found.status == 4 and found.get("mip_node_count", 0) >= nodes:
        why = f"no choice of whole numbers was proven best within {nodes} nodes"
        return Solved(1, why, np.empty(0))
    return Solved(found.status, str(found.message), np.empty(0) if found.x is None else found.x)


def solve_directly(
    cost: FloatArray,
    a_ub: sparse.csr_array | None,
    b_ub: FloatArray | None,
    a_eq: FloatArray | None,
    b_eq: FloatArray | None,
    lower: FloatArray,
    upper: FloatArray,
) -> Solved:
    """``min cost.x`` with ``lower <= x <= upper`` (n,) and the constraints given. ValueError for nan."""
    parts = [(sparse.csr_array(a), b) for a, b in ((a_ub, b_ub), (a_eq, b_eq)) if a is not None]
    right = np.concatenate([np.empty(0), *(b for _, b in parts if b is not None)])
    m = 0 if b_ub is None else len(b_ub)
    for values in (cost, lower, upper, right, *(a.data for a, _ in parts)):
        if np.isnan(values).any():
            raise ValueError("an optimisation problem contains nan")
    left = right.copy()
    left[:m] = -np.inf
    highs = _highspy.Highs()
    for name, value in _OPTIONS.items():
        highs.setOptionValue(name, value)
    highs.passModel(_model(cost, [a for a, _ in parts], left, right, lower, upper))
    highs.run()
    status = highs.getModelStatus()
    found, message = highs.getSolution(), highs.modelStatusToString(status)
    return Solved(_CODES.get(status, 4), message, np.array(found.col_value))


def _model(
    cost: FloatArray,
    matrices: list[Any],
    left: FloatArray,
    right: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> Any:
    """The optimisation problem with all constraints in one matrix."""
    model = _highspy.HighsLp()
    model.num_col_, model.num_row_ = len(cost), len(right)
    model.col_cost_, model.col_lower_, model.col_upper_ = cost, lower, upper
    model.row_lower_, model.row_upper_ = left, right
    ends, first = [np.zeros(1, dtype=np.int32)], 0
    for matrix in matrices:
        ends.append(first + matrix.indptr[1:])
        first += matrix.nnz
    rows = model.a_matrix_
    rows.format_, rows.num_col_, rows.num_row_ = _highspy.MatrixFormat.kRowwise, len(cost), len(right)
    rows.start_ = np.concatenate(ends)
    rows.index_ = np.concatenate([np.empty(0, dtype=np.int32), *(m.indices for m in matrices)])
    rows.value_ = np.concatenate([np.empty(0), *(m.data for m in matrices)])
    return model
