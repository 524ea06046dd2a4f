"""The linear optimisation problem of every auction, solved by ``scipy.optimize.linprog``.

Solvers are in `tandem_sim.markets.clearing.solvers`. Where merit-order clearing gives the optimum, no solver
is needed (see `tandem_sim.markets.clearing.merit_order`).

``min c.x`` with ``0 <= x <= available``, a soft balance ``sum(sign x) = need`` and soft two-sided
constraints. Penalties keep the problem feasible and are never part of a reported cost. A solve has a status;
only `OPTIMAL` has quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

import numpy as np
from scipy import sparse

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.clearing.merit_order import (
    Filled,
    fill_balance,
    fill_nested,
    nothing_to_trade,
    ordered_costs,
)
from tandem_sim.markets.clearing.optimum import Optimum
from tandem_sim.markets.clearing.solvers import solve
from tandem_sim.markets.orders.penalties import unserved_eur_per_mwh

FEW_ROWS = 8
"""Problems with more constraints are first solved with those that are violated."""


class Status(Enum):
    """Outcome of a solve."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    LIMIT = "iteration or time limit"
    NUMERICAL = "numerical difficulties"


_STATUS = {0: Status.OPTIMAL, 1: Status.LIMIT, 2: Status.INFEASIBLE, 3: Status.UNBOUNDED, 4: Status.NUMERICAL}


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """The result of one auction. n bids."""

    status: Status
    message: str
    quantity_mw: FloatArray  # (n,), empty unless optimal
    cost_eur_per_h: float  # procurement, without penalties; nan unless optimal
    short_mw: float  # need left unserved (more injection required)
    long_mw: float  # need left unserved (less injection required)
    penalty_eur_per_h: float = 0.0  # of limits that could not be kept; not part of the cost
    optimum: Optimum | None = None  # from which prices are computed; None without an optimum

    @property
    def price_eur_per_mwh(self) -> float:
        """Price of the balance (see `tandem_sim.markets.clearing.optimum`); nan without one."""
        return float("nan") if self.optimum is None else self.optimum.price_eur_per_mwh

    @property
    def value_eur_per_mwh(self) -> FloatArray:
        """Value of a MW of each column (n,) for balance and limits together."""
        return np.empty(0) if self.optimum is None else self.optimum.value_eur_per_mwh

    @property
    def limits_eur_per_h(self) -> Mapping[str, float]:
        """Value of the cleared quantities for the limits of each owner: sum of duals times effects."""
        return {} if self.optimum is None else self.optimum.limits_eur_per_h

    def require(self, who: str) -> Cleared:
        """Return the result; without an optimum raise a `ClearingError` with `who` and the solver message."""
        if self.status is not Status.OPTIMAL:
            raise ClearingError(
                f"{who}: the market has no solution ({self.status.value}; solver: {self.message})"
            )
        return self


def clear(
    cost: FloatArray,
    available: FloatArray,
    sign: FloatArray | None = None,
    need_mw: float = 0.0,
    rows: Sequence[AuctionConstraints] = (),
    imbalance_price: float | None = None,
    imbalance_bound_mw: float | None = None,
    choices: Sequence[IntArray] = (),
) -> Cleared:
    """Clear one auction: in merit order where that is the optimum, else by the solver.

    Parameters
    ----------
    cost: (n,) EUR/MWh paid per MW of each column, sign rule applied; equal costs are served in column order.
    available: (n,) MW, upper bounds.
    sign: (n,) effect of a column on the balance; None leaves the balance out.
    need_mw: right-hand side of the balance, MW of required injection.
    rows: soft (or hard) two-sided constraints on the columns.
    imbalance_price: EUR/MWh of deviation from the balance, either side; None: the penalty of unserved need.
    imbalance_bound_mw: bound on that deviation; None means free.
    choices: groups of columns of which exactly one is taken, whole (integers). Prices are then those of the
        problem with the choices fixed.
    """
    breakable = [(part, part.breakable(np.zeros(len(cost)), available)) for part in rows]
    rows = [part.pick(keep) for part, keep in breakable if keep.any()]
    if len(cost) == 0 and sign is None:
        return _without_bids(rows)
    bound = imbalance_bound_mw if imbalance_bound_mw is not None else np.inf
    beyond = unserved_eur_per_mwh() if imbalance_price is None else imbalance_price
    optimum_of = partial(
        Optimum,
        cost=cost,
        available=available,
        sign=sign,
        need_mw=need_mw,
        imbalance_price=beyond,
        imbalance_bound_mw=bound,
        rows=rows,
    )
    if sign is not None and need_mw == 0.0 and not choices:
        idle = nothing_to_trade(cost, available, sign, beyond, bound, rows)
        if idle is not None:
            return _by_merit(idle, optimum_of(quantity_mw=idle.quantity_mw, nudged=cost))
    ordered = ordered_costs(cost, sign)
    if choices:
        filled = None
    elif sign is None:
        filled = fill_nested(ordered, available, rows)
    else:
        filled = fill_balance(ordered, available, sign, need_mw, beyond, bound, rows)
    if filled is not None:
        return _by_merit(filled, _optimum(optimum_of, filled, ordered))
    problem = _Problem(
        cost=cost,
        ordered=ordered,
        available=available,
        sign=sign,
        need_mw=need_mw,
        imbalance_price=beyond,
        bound=bound,
        choices=choices,
    )
    solved = partial(_solved, problem)
    few = choices or sum(len(r.base) for r in rows) <= FEW_ROWS
    answer = solved(rows) if few else _grown(solved, rows, len(cost))
    if answer.status is not Status.OPTIMAL:
        return answer
    return replace(answer, optimum=_optimum(partial(optimum_of, choices=choices), answer, ordered))


def _optimum(optimum_of: Callable[..., Optimum], found: Filled | Cleared, ordered: FloatArray) -> Optimum:
    """The optimum with the quantities of `found`; `ordered` are the costs (n,) with ties broken."""
    return optimum_of(
        quantity_mw=found.quantity_mw, nudged=ordered, short_mw=found.short_mw, long_mw=found.long_mw
    )


def _without_bids(rows: Sequence[AuctionConstraints]) -> Cleared:
    """The result without bids and balance; `rows` are those that are violated."""
    status = Status.INFEASIBLE if any(np.isinf(r.penalty) for r in rows) else Status.OPTIMAL
    return Cleared(
        status=status,
        message="no bids",
        quantity_mw=np.empty(0),
        cost_eur_per_h=0.0,
        short_mw=0.0,
        long_mw=0.0,
    )


def _by_merit(filled: Filled, optimum: Optimum) -> Cleared:
    """The result of merit-order clearing: all limits are kept."""
    cost = float(optimum.cost @ filled.quantity_mw)
    return Cleared(
        status=Status.OPTIMAL,
        message="merit order",
        quantity_mw=filled.quantity_mw,
        cost_eur_per_h=cost,
        short_mw=filled.short_mw,
        long_mw=filled.long_mw,
        penalty_eur_per_h=0.0,
        optimum=optimum,
    )


def _grown(
    solved: Callable[[Sequence[AuctionConstraints]], Cleared], rows: Sequence[AuctionConstraints], n: int
) -> Cleared:
    """The result of the solver on the sides of constraints that matter, added as solutions violate them.

    Exact: leaving constraints out can only lower the least cost, so an optimum without them that fulfils them
    is an optimum with them. Their duals are zero, and a soft constraint that is fulfilled has no slack. An
    infeasible problem stays infeasible with more constraints; an unbounded one is solved again with all of
    them.
    """
    held = [part.broken(np.zeros(n)) for part in rows]
    while True:
        answer = solved([part.held(sides) for part, sides in zip(rows, held, strict=True)])
        if answer.status is Status.UNBOUNDED:
            return solved(rows)
        if answer.status is not Status.OPTIMAL:
            return answer
        more = [part.broken(answer.quantity_mw) & ~sides for part, sides in zip(rows, held, strict=True)]
        if not any(each.any() for each in more):
            return answer
        held = [sides | each for sides, each in zip(held, more, strict=True)]


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """An auction of n bids as the solver gets it, but for its limits; arguments of `clear`.

    `ordered` (n,) are the costs with ties broken.
    """

    cost: FloatArray
    ordered: FloatArray
    available: FloatArray
    sign: FloatArray | None
    need_mw: float
    imbalance_price: float
    bound: float
    choices: Sequence[IntArray]


def _solved(problem: _Problem, rows: Sequence[AuctionConstraints]) -> Cleared:
    """The result of the solver, with costs that fix the order of equal bids."""
    cost, available, sign, choices = problem.cost, problem.available, problem.sign, problem.choices
    n = len(cost)
    soft = [r for r in rows if np.isfinite(r.penalty)]
    n_balance = 2 if sign is not None else 0
    n_slack = sum(len(r.base) for r in soft)
    c = np.concatenate(
        [
            problem.ordered,
            np.full(n_balance, problem.imbalance_price),
            *[np.full(len(r.base), r.penalty) for r in soft],
        ]
    )
    upper = np.concatenate([available, np.full(n_balance, problem.bound), np.full(n_slack, np.inf)])
    a_ub, b_ub = _upper_rows(rows, n, n_balance, n_slack)
    a_eq = b_eq = None
    if sign is not None:
        a_eq, b_eq = _equalities(sign, problem.need_mw, choices, len(c))
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
        return Cleared(
            status=status,
            message=message,
            quantity_mw=np.empty(0),
            cost_eur_per_h=nan,
            short_mw=nan,
            long_mw=nan,
        )
    x = _whole(np.clip(answer.x[:n], 0.0, available), available)
    short, long_ = (_whole(answer.x[n : n + 2]).tolist()) if sign is not None else (0.0, 0.0)
    slack = slice(n + n_balance, None)
    penalty = float(c[slack] @ answer.x[slack])
    return Cleared(
        status=status,
        message=message,
        quantity_mw=x,
        cost_eur_per_h=float(cost @ x),
        short_mw=short,
        long_mw=long_,
        penalty_eur_per_h=penalty,
    )


def _whole(x: FloatArray, available: FloatArray | float = np.inf) -> FloatArray:
    """Quantities without rounding errors: zero, or all of a bid, where they are within the tolerance."""
    x = np.where(x <= NEGLIGIBLE_MW, 0.0, x)
    return np.where(x >= available - NEGLIGIBLE_MW, available, x)


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
    rows: Sequence[AuctionConstraints], n: int, n_balance: int, n_slack: int
) -> tuple[sparse.csr_array | None, FloatArray | None]:
    """All constraints as ``A x <= b``; both sides of a soft constraint share one slack column."""
    if not sum(len(part.base) for part in rows):
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
    bounded = b != np.inf  # nan stays, so that the solver refuses it
    return sparse.csr_array(np.vstack(blocks)[bounded]), b[bounded]
