"""The linear programme behind every auction, solved by ``scipy.optimize.linprog`` (see `markets.solver`).

``min c.x`` over ``0 <= x <= available``, a soft balance ``sum(sign x) = need`` and soft two-sided rows.
Penalties keep the programme feasible and never enter a reported cost. A solve has a status; only `OPTIMAL`
has quantities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial

import numpy as np
from scipy import sparse

from grids.arrays import BoolArray, FloatArray, IntArray
from grids.rows import GridRows
from markets.highs import Solved
from markets.solver import solve

UNSERVED_EUR_PER_MWH = 10_000.0
OVERLOAD_EUR_PER_MWH = 10_000.0
VOLTAGE_EUR_PER_H_PU2 = 1e6
TIE_STEP_EUR_PER_MWH = 1e-6
IDLE_EUR_PER_MWH = 1e-7
"""What a bid costs more in the ordering if it could trade with one at its own price: nobody gains by that."""


class Status(Enum):
    """Outcome of a solve."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    LIMIT = "iteration or time limit"
    NUMERICAL = "numerical difficulties"


_STATUS = {0: Status.OPTIMAL, 1: Status.LIMIT, 2: Status.INFEASIBLE, 3: Status.UNBOUNDED, 4: Status.NUMERICAL}


class ClearingError(RuntimeError):
    """An auction whose programme has no optimal solution: who ran it, and what the solver said."""


@dataclass(frozen=True)
class Rows:
    """Soft rows ``low <= base + matrix @ x <= high``; excess costs `penalty` EUR/h a unit. m rows, n bids."""

    matrix: FloatArray  # (m, n)
    base: FloatArray  # (m,)
    low: FloatArray  # (m,)
    high: FloatArray  # (m,)
    penalty: float  # inf makes the rows hard
    owner: str = ""  # whose limits they are

    def binding(self, available: FloatArray) -> Rows:
        """Only the rows that some ``0 <= x <= available`` can break: the others cannot change the answer."""
        rise = np.maximum(self.matrix, 0.0) @ available
        fall = np.minimum(self.matrix, 0.0) @ available
        # Asked the other way round, so that a row of nan is kept and the solver refuses it aloud.
        keep: BoolArray = ~((self.base + rise <= self.high) & (self.base + fall >= self.low))
        return replace(
            self, matrix=self.matrix[keep], base=self.base[keep], low=self.low[keep], high=self.high[keep]
        )


@dataclass(frozen=True)
class Cleared:
    """The answer of one auction. n bids."""

    status: Status
    message: str
    quantity_mw: FloatArray  # (n,), empty unless optimal
    cost_eur_per_h: float  # procurement, without penalties; nan unless optimal
    short_mw: float  # need left unserved (more injection wanted)
    long_mw: float  # need left unserved (less injection wanted)
    price_eur_per_mwh: float  # dual of the balance; nan without one
    penalty_eur_per_h: float = 0.0  # of limits that could not be kept; no part of the cost
    value_eur_per_mwh: FloatArray = field(default_factory=lambda: np.empty(0))
    """(n,) what a MW of each column is worth to balance and limits together: the duals times its effects."""
    limits_eur_per_h: Mapping[str, float] = field(default_factory=dict)
    """What the cleared quantities are worth to the limits of each owner: duals times effects, summed."""

    def require(self, who: str) -> Cleared:
        """Return this answer, or raise a `ClearingError` that says who asked and what the solver said."""
        if self.status is not Status.OPTIMAL:
            raise ClearingError(
                f"{who}: the market has no solution ({self.status.value}; solver: {self.message})"
            )
        return self


@dataclass(frozen=True)
class Columns:
    """Where columns of a programme inject into a grid: each at one node, so many MW a unit.

    They are those from `first` on of all `width` columns (None: there are no others); the rest do nothing.
    """

    node: IntArray  # (k,)
    mw: FloatArray | IntArray  # (k,)
    first: int = 0
    width: int | None = None

    def effect(self, matrix: FloatArray) -> FloatArray:
        """What a unit of every column does to rows, (m, width), from what a MW at every node does, (m, N)."""
        part = matrix[:, self.node] * self.mw
        if self.width is None:
            return np.asarray(part)
        wide = np.zeros((len(matrix), self.width))
        wide[:, self.first : self.first + len(self.node)] = part
        return wide


def grid_rows(rows: GridRows, columns: Columns, hard: bool = False, owner: str = "") -> list[Rows]:
    """Flow and voltage rows of a grid on the columns of a programme; `owner` is whose grid it is."""
    overload = np.inf if hard else OVERLOAD_EUR_PER_MWH
    voltage = np.inf if hard else VOLTAGE_EUR_PER_H_PU2
    limited = np.isfinite(rows.limit_mw)
    low, high = rows.flow_min_mw[limited], rows.flow_max_mw[limited]
    flow = columns.effect(rows.flow_matrix[limited])
    found = [Rows(flow, rows.flow_mw[limited], low, high, overload, owner)]
    if len(rows.w_pu2):
        effect = columns.effect(rows.voltage_matrix)
        found.append(Rows(effect, rows.w_pu2, rows.w_min_pu2, rows.w_max_pu2, voltage, owner))
    return found


def clear(
    cost: FloatArray,
    available: FloatArray,
    sign: FloatArray | None = None,
    need_mw: float = 0.0,
    rows: Sequence[Rows] = (),
    imbalance_price: float = UNSERVED_EUR_PER_MWH,
    imbalance_bound_mw: float | None = None,
    choices: Sequence[IntArray] = (),
) -> Cleared:
    """Clear one auction.

    Parameters
    ----------
    cost: (n,) EUR/MWh paid per MW of each column, sign rule applied; equal costs are served in column order.
    available: (n,) MW, upper bounds.
    sign: (n,) effect of a column on the balance; None leaves the balance out.
    need_mw: right-hand side of the balance, MW of injection wanted.
    rows: soft (or hard) two-sided rows on the columns.
    imbalance_price: EUR/MWh of deviation from the balance, either side.
    imbalance_bound_mw: bound on that deviation; None means free.
    choices: groups of columns of which exactly one is taken, whole (integers). Prices are then those of the
        programme with the choices made.
    """
    n = len(cost)
    ordered = cost + _tie_breaks(cost) + _idle_trades(cost, sign)
    rows = [r for r in (part.binding(available) for part in rows) if len(r.base)]
    if n == 0 and sign is None:
        status = Status.INFEASIBLE if any(np.isinf(r.penalty) for r in rows) else Status.OPTIMAL
        return Cleared(status, "no bids", np.empty(0), 0.0, 0.0, 0.0, float("nan"))
    if sign is None and not rows and not choices and np.isfinite(available).all():
        return _each_alone(cost, ordered, available)
    soft = [r for r in rows if np.isfinite(r.penalty)]
    n_balance = 2 if sign is not None else 0
    n_slack = sum(len(r.base) for r in soft)
    c = np.concatenate(
        [ordered, np.full(n_balance, imbalance_price), *[np.full(len(r.base), r.penalty) for r in soft]]
    )
    bound = imbalance_bound_mw if imbalance_bound_mw is not None else np.inf
    upper = np.concatenate([available, np.full(n_balance, bound), np.full(n_slack, np.inf)])
    a_ub, b_ub = _upper_rows(rows, n, n_balance, n_slack)
    a_eq = b_eq = None
    if sign is not None:
        a_eq, b_eq = _equalities(sign, need_mw, choices, len(c))
    lower = np.zeros(len(c))
    solved = partial(solve, c, a_ub, b_ub, a_eq, b_eq)
    if choices:
        answer = solved(lower, upper, integral=np.concatenate(choices))
        if _STATUS[answer.status] is Status.OPTIMAL:
            for group in choices:
                lower[group] = upper[group] = np.rint(answer.x[group])
            answer = solved(lower, upper)
    else:
        answer = solved(lower, upper)
    status, message = _STATUS[answer.status], answer.message
    if status is not Status.OPTIMAL:
        nan = float("nan")
        return Cleared(status, message, np.empty(0), nan, nan, nan, nan)
    x = np.clip(answer.x[:n], 0.0, available)
    short, long_ = (float(answer.x[n]), float(answer.x[n + 1])) if sign is not None else (0.0, 0.0)
    price = float(answer.equal_duals[0]) if sign is not None else float("nan")
    slack = slice(n + n_balance, None)
    penalty = float(c[slack] @ answer.x[slack])
    value = ordered - answer.bound_duals[:n]
    limits = _worth_of_limits(rows, answer, x)
    return Cleared(status, message, x, float(cost @ x), short, long_, price, penalty, value, limits)


def _each_alone(cost: FloatArray, ordered: FloatArray, available: FloatArray) -> Cleared:
    """The answer where nothing ties columns together: each is taken whole if it pays, else not at all.

    Exact: the programme falls apart into one per column. Its bound carries the whole cost as dual, so that a
    MW more of it is worth nothing to the limits of others.
    """
    x = np.where(ordered < 0.0, available, 0.0)
    value = np.zeros(len(cost))
    return Cleared(
        Status.OPTIMAL, "no limit can bind", x, float(cost @ x), 0.0, 0.0, float("nan"), 0.0, value
    )


def _worth_of_limits(rows: Sequence[Rows], answer: Solved, x: FloatArray) -> dict[str, float]:
    """Duals of the rows times what `x` does to them, by owner (EUR/h)."""
    worth: dict[str, float] = {}
    duals, first = answer.upper_duals, 0
    for part in rows:
        effect = part.matrix @ x
        for side, slack in ((1.0, part.high - part.base), (-1.0, part.base - part.low)):
            bounded = slack != np.inf
            here = duals[first : first + int(bounded.sum())]
            worth[part.owner] = worth.get(part.owner, 0.0) + side * float(here @ effect[bounded])
            first += len(here)
    return worth


def _equalities(
    sign: FloatArray, need_mw: float, choices: Sequence[IntArray], width: int
) -> tuple[FloatArray, FloatArray]:
    """The balance with its two slack columns, and one row per choice."""
    n = len(sign)
    a = np.zeros((1 + len(choices), width))
    a[0, :n], a[0, n], a[0, n + 1] = sign, 1.0, -1.0
    for row, group in enumerate(choices, start=1):
        a[row, group] = 1.0
    return a, np.concatenate([[need_mw], np.ones(len(choices))])


def _upper_rows(
    rows: Sequence[Rows], n: int, n_balance: int, n_slack: int
) -> tuple[sparse.csr_array | None, FloatArray | None]:
    """All rows as ``A x <= b``; the excess of both sides of a soft row shares one slack column."""
    if not rows:
        return None, None
    blocks, bounds, first = [], [], n + n_balance
    for part in rows:
        m = len(part.base)
        a = np.zeros((2 * m, n + n_balance + n_slack))
        a[:m, :n], a[m:, :n] = part.matrix, -part.matrix
        if np.isfinite(part.penalty):
            slack = np.arange(first, first + m)
            a[np.arange(m), slack] = a[np.arange(m, 2 * m), slack] = -1.0
            first += m
        blocks.append(a)
        bounds.append(np.concatenate([part.high - part.base, part.base - part.low]))
    b = np.concatenate(bounds)
    bounded = b != np.inf  # nan stays, for the solver to refuse
    return sparse.csr_array(np.vstack(blocks)[bounded]), b[bounded]


def _tie_breaks(cost: FloatArray) -> FloatArray:
    """A nudge (n,) that serves equal costs in column order, and never reorders different ones.

    Columns stand in order of time stamp, then bid id. The k-th of a group of equals is nudged by k steps, the
    step being small against the distance to the next dearer group.
    """
    order = np.argsort(cost, kind="stable")
    ranked = cost[order]
    starts = (
        np.flatnonzero(np.concatenate([[True], np.diff(ranked) > 0]))
        if len(cost)
        else np.empty(0, dtype=np.int64)
    )
    if len(starts) == len(cost):
        return np.zeros(len(cost))
    sizes = np.diff(np.concatenate([starts, [len(cost)]]))
    gaps = np.concatenate([np.diff(ranked[starts]), [np.inf]])
    steps = np.minimum(TIE_STEP_EUR_PER_MWH, gaps / (2.0 * sizes))
    place = np.arange(len(cost)) - np.repeat(starts, sizes)
    nudge = np.empty(len(cost))
    nudge[order] = place * np.repeat(steps, sizes)
    return nudge


def _idle_trades(cost: FloatArray, sign: FloatArray | None) -> FloatArray:
    """A nudge (n,) on bids for which there is one the other way at the very same price."""
    if sign is None:
        return np.zeros(len(cost))
    price, up, down = cost * sign, sign == 1.0, sign == -1.0
    both = (up & np.isin(price, price[down])) | (down & np.isin(price, price[up]))
    return np.where(both, IDLE_EUR_PER_MWH, 0.0)
