"""Operating envelopes of a feeder: import and export that every user may take whatever the others do.

A point of an envelope is any choice of every user between its export and its import limit. For each limit of
the grid (voltage of a port, current of a section) the worst point is a corner: every user is at the end of
its range that raises the excess. Each limit is linearised at its own corner around the three-phase power
flow. A linear optimisation problem then finds larger envelopes, and the corners are solved again until
nothing changes. A last power flow on the corners scales the envelopes down where the linearisation was too
optimistic. Powers are at unity power factor. Source: guaranteed capacities from operating envelopes, optimal
and equal, as in ALEXANDER D3.3, 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linprog

from tandem_sim.grids.choices import Points, Rule
from tandem_sim.grids.low_voltage.limits import (
    EXPORT,
    IMPORT,
    Band,
    Limits,
    check_without_load,
    corners,
    excess_and_slope,
    firm_slack,
    limits_of,
    linearised,
    name_of,
    worst_anywhere,
    worst_direction,
)
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.tolerances import ENVELOPE_CONVERGED_KW, ENVELOPE_CONVERGED_PU, LV_LIMIT_TOLERANCE_PU
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

MOST_ROUNDS = 40
TANGENTS = np.geomspace(0.01, 1.0, 12)
"""Shares of the connection at which the logarithm of proportional fairness always has a tangent."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Guaranteed import and export (U,) kW, the limit that binds each of them, and how they were found."""

    import_kw: FloatArray
    export_kw: FloatArray
    binding: tuple[str, ...]
    rounds: int
    shrunk: float  # factor of the last check; 1: the linear solution was safe
    relaxed: tuple[str, ...]  # limits that firm users alone exceed


def guaranteed(
    feeder: Feeder,
    connection_kw: FloatArray,
    band: Band,
    rule: Rule = "optimal",
    firm: BoolArray | None = None,
    points: Points = "any",
) -> Envelope:
    """Guaranteed capacities of the users of a feeder.

    Parameters
    ----------
    connection_kw: (U,) connection capacity of every user, the same in both directions.
    rule: ``optimal`` maximises the sum of all capacities; ``fair`` guarantees all users the same share of
        their connection, the smaller of import and export first; ``weighted`` is proportional fairness,
        weighted by connection.
    firm: (U,) users without a contract: they keep their connection capacity. A limit that they exceed on
        their own is relaxed to the state they cause, and named in the result.
    points: with ``any``, every choice of users within their capacities is safe; with ``one-way`` only those
        in which all import or all export. On single phases, export of some users can worsen the voltage of
        users that import.

    Raises `InputError` where a limit is exceeded without any load, and where firm users draw more than the
    feeder can carry at any voltage.
    """
    check_without_load(feeder, band)
    u = len(feeder.users)
    firm = np.zeros(u, dtype=bool) if firm is None else firm
    rows = limits_of(feeder, connection_kw, band, (0.0,) if points == "any" else (IMPORT, EXPORT))
    most = np.concatenate([connection_kw, connection_kw])
    fixed = np.concatenate([firm, firm])
    x = np.where(fixed, most, 0.05 * most)
    slack = firm_slack(feeder, rows, band, np.where(fixed, most, 0.0))
    step, rounds, shares, last = 1.0, 0, np.zeros((0, 2 * u)), np.inf
    sign = worst_direction(feeder, rows, band, x)
    for _ in range(MOST_ROUNDS):
        value, matrix, sign = linearised(feeder, rows, band, x, sign)
        goal = float(x.sum())
        if fixed.all():
            break
        if abs(goal - last) < ENVELOPE_CONVERGED_KW * u and (value - slack).max() < ENVELOPE_CONVERGED_PU:
            break
        found, shares = _problem(matrix, slack - value + matrix @ x, most, fixed, rule, (x, step))
        rounds, x, step, last = rounds + 1, found, 0.7 * step, goal
    whole, factor = _shrunk(feeder, rows, band, np.maximum(x, 0.0), fixed, slack)
    return Envelope(
        import_kw=whole[:u],
        export_kw=whole[u:],
        binding=tuple(_why(feeder, rows, shares, whole, most, fixed)),
        rounds=rounds,
        shrunk=factor,
        relaxed=tuple(name_of(feeder, rows, int(k)) for k in np.flatnonzero(slack > LV_LIMIT_TOLERANCE_PU)),
    )


def random_points(envelope: Envelope, n: int, rng: np.random.Generator, points: Points = "any") -> FloatArray:
    """Points (n, U) kW of an envelope: a third inside, a third at limits, a third with users at zero."""
    u = len(envelope.import_kw)
    if points == "one-way":
        zero = np.zeros(u)
        halves = (replace(envelope, export_kw=zero), replace(envelope, import_kw=zero))
        return np.concatenate([random_points(half, n // 2, rng) for half in halves])
    anywhere = rng.random((n, u))
    ends = (rng.random((n, u)) < rng.random((n, 1))).astype(np.float64)
    kind = np.arange(n)[:, None] % 3
    idle = rng.random((n, u)) < 0.5
    at = np.where(kind == 0, anywhere, ends)
    chosen = -envelope.export_kw + at * (envelope.import_kw + envelope.export_kw)
    return np.asarray(np.where((kind == 2) & idle, 0.0, chosen))


def _solved(
    cost: FloatArray, matrix: FloatArray, bound: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Solution of a linear problem, and the size of its duals; RuntimeError without an optimum."""
    bounds: Any = np.column_stack([low, high])
    answer: Any = linprog(cost, matrix, bound, bounds=bounds, method="highs")
    if answer.status != 0:
        raise RuntimeError(
            f"operating envelope: the linear optimisation problem ended with: {answer.message}"
        )
    return np.asarray(answer.x), np.abs(np.asarray(answer.ineqlin.marginals))


def _problem(
    matrix: FloatArray,
    bound: FloatArray,
    most: FloatArray,
    fixed: BoolArray,
    rule: Rule,
    trust: tuple[FloatArray, float],
) -> tuple[FloatArray, FloatArray]:
    """Best limits (2 U,) kW of the linearised feeder within a trust region, and duals times slopes (R, 2 U).

    `trust` has the last limits (2 U,) and the size of the region as a share of `most`.
    """
    last, step = trust
    n = len(most)
    low, high = np.maximum(last - step * most, 0.0), np.minimum(last + step * most, most)
    low, high = np.where(fixed, most, low), np.where(fixed, most, high)
    order = 1.0 - 1e-6 * np.arange(n) / n  # equal users are served in their order
    # An excess of the last solution is corrected as far as the region allows.
    bound = np.maximum(bound, matrix @ low)
    if rule == "fair":
        return _same_share(matrix, bound, most, fixed, (low, high))
    if rule == "optimal":
        x, duals = _solved(-order * ~fixed, matrix, bound, low, high)
        return x, duals[:, None] * matrix
    free = np.flatnonzero(~fixed)
    lines, level = _tangents(last, most, free)
    wide = np.vstack([np.hstack([matrix, np.zeros((len(matrix), len(free)))]), lines])
    cost = np.concatenate([np.zeros(n), -most[free]])
    low, high = np.append(low, np.full(len(free), -20.0)), np.append(high, np.zeros(len(free)))
    x, duals = _solved(cost, wide, np.concatenate([bound, level]), low, high)
    return x[:n], duals[: len(matrix), None] * matrix


def _tangents(last: FloatArray, most: FloatArray, free: IntArray) -> tuple[FloatArray, FloatArray]:
    """Constraints that keep a variable of every free limit below the logarithm of its share.

    Shares are of the connection. Tangents stand at a coarse grid of shares and close to the last ones.
    """
    n, rows, level = len(most), [], []
    for k, at in enumerate(free.tolist()):
        here = last[at] / most[at] * np.array([0.8, 0.9, 0.97, 1.0, 1.03, 1.1, 1.25])
        shares = np.unique(np.clip(np.concatenate([TANGENTS, here]), 1e-3, 1.0))
        lines = np.zeros((len(shares), n + len(free)))
        lines[:, at] = -1.0 / (shares * most[at])
        lines[:, n + k] = 1.0
        rows.append(lines)
        level.append(np.log(shares) - 1.0)
    return np.vstack(rows), np.concatenate(level)


def _same_share(
    matrix: FloatArray,
    bound: FloatArray,
    most: FloatArray,
    fixed: BoolArray,
    box: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """The largest shares of connection, of import and of export, that all users under contract can have."""
    n = len(most)
    half = np.arange(n) < n // 2
    free = ~fixed
    spread = np.column_stack([np.where(free & half, most, 0.0), np.where(free & ~half, most, 0.0)])
    left = bound - matrix @ np.where(fixed, most, 0.0)
    bounds = []
    for side in (free & half, free & ~half):
        ratio = (b[side] / most[side] for b in box) if side.any() else (np.zeros(1), np.zeros(1))
        low, high = ratio
        bounds.append((float(low.max()), float(max(high.min(), low.max()))))
    left = np.maximum(left, (matrix @ spread) @ np.array([b[0] for b in bounds]))
    lesser = np.array([[-1.0, 0.0, 1.0], [0.0, -1.0, 1.0]])  # a third variable: the smaller share
    wide = np.vstack([np.column_stack([matrix @ spread, np.zeros(len(matrix))]), lesser])
    cost = -np.array([1.0, 1.0, 1000.0])
    limits = np.concatenate([left, np.zeros(2)])
    ends = np.array([*bounds, (0.0, 1.0)])
    found, duals = _solved(cost, wide, limits, ends[:, 0], ends[:, 1])
    return np.asarray(np.where(fixed, most, spread @ found[:2])), duals[: len(matrix), None] * matrix


def _shrunk(
    feeder: Feeder, rows: Limits, band: Band, x: FloatArray, fixed: BoolArray, slack: FloatArray
) -> tuple[FloatArray, float]:
    """The largest multiple (at most 1) of contract limits whose corners keep every limit by power flow.

    Not only its own: behind a reactance export lowers voltages too, and far from idle a limit may be harmed
    by other choices than its slopes say.
    """

    def worst(x: FloatArray) -> FloatArray:
        return corners(rows, worst_direction(feeder, rows, band, x), x)

    alone = slack  # what firm users do to every limit at any corner
    if fixed.any():
        firm = worst(np.where(fixed, x, 0.0))
        alone = np.maximum(slack, worst_anywhere(feeder, rows, band, firm))

    def excess(factor: float) -> float:
        points = worst(np.where(fixed, x, factor * x))
        value, _ = excess_and_slope(feeder, rows, band, points)
        own = float((value - slack).max(initial=-np.inf))
        if own > LV_LIMIT_TOLERANCE_PU:
            return own
        return float((worst_anywhere(feeder, rows, band, points) - alone).max(initial=own))

    if excess(1.0) <= LV_LIMIT_TOLERANCE_PU:
        return x, 1.0
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) <= LV_LIMIT_TOLERANCE_PU else (low, middle)
    return np.where(fixed, x, low * x), low


def _why(
    feeder: Feeder, rows: Limits, shares: FloatArray, x: FloatArray, most: FloatArray, fixed: BoolArray
) -> list[str]:
    """The limit that binds every user, for reports."""
    u = len(feeder.users)
    words = []
    for user in range(u):
        if fixed[user]:
            words.append("firm")
            continue
        found = []
        for name, at in (("import", user), ("export", u + user)):
            if x[at] >= most[at] - 1e-3:
                continue
            push = shares[:, at] if len(shares) else np.zeros(0)
            cause = name_of(feeder, rows, int(np.argmax(push))) if push.any() else "the last check"
            found.append(f"{name}: {cause}")
        words.append("; ".join(found) or "connection")
    return words
