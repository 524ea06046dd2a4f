"""Limits of grids as constraints of an optimisation problem, on its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.tolerances import ROW_TOLERANCE_MW_OR_PU2
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.orders.penalties import overload_eur_per_mwh, voltage_eur_per_h_pu2


@dataclass(frozen=True, kw_only=True)
class AuctionConstraints:
    """Soft constraints ``low <= base + matrix @ x <= high``, m of them on n columns.

    Excess costs `penalty` EUR/h per unit.
    """

    matrix: FloatArray  # (m, n)
    base: FloatArray  # (m,)
    low: FloatArray  # (m,)
    high: FloatArray  # (m,)
    penalty: float  # inf makes the rows hard
    owner: str = ""  # whose limits they are
    of_voltage: bool = False  # else of branches

    def breakable(self, least: FloatArray, most: FloatArray) -> BoolArray:
        """Which constraints (m,) some ``least <= x <= most`` (n,) can violate: the others have no effect.

        ``least <= 0 <= most``; columns without effect are included in the range of effects.
        """
        middle, around = self.matrix @ (0.5 * (most + least)), np.abs(self.matrix) @ (0.5 * (most - least))
        # Negated, so that a row with nan is kept and the solver refuses it. In this order of summation a row
        # without any effect keeps its exact value, also at a limit.
        return ~((self.base + (middle + around) <= self.high) & (self.base + (middle - around) >= self.low))

    def pick(self, which: BoolArray) -> AuctionConstraints:
        """Only the constraints (m,) selected."""
        matrix, base, low, high = (a[which] for a in (self.matrix, self.base, self.low, self.high))
        return AuctionConstraints(
            matrix=matrix,
            base=base,
            low=low,
            high=high,
            penalty=self.penalty,
            owner=self.owner,
            of_voltage=self.of_voltage,
        )

    def strictly_kept(self, x: FloatArray) -> bool:
        """Whether all constraints are strictly fulfilled at `x` (n,); False with nan."""
        state = self.base + self.matrix @ x
        return bool(((state < self.high) & (state > self.low)).all())

    def largest_share(self, x: FloatArray) -> float:
        """The largest share of `x` (n,) that the upper limits allow; above 1 if there is room."""
        with np.errstate(divide="ignore"):
            return float(((self.high - self.base) / (self.matrix @ x)).min(initial=np.inf))

    def held(self, sides: BoolArray) -> AuctionConstraints:
        """Only the selected sides (2, m), above and below, of constraints that have one."""
        which: BoolArray = sides[0] | sides[1]
        some, (above, below) = self.pick(which), sides[:, which]
        return replace(some, high=np.where(above, some.high, np.inf), low=np.where(below, some.low, -np.inf))

    def broken(self, x: FloatArray) -> BoolArray:
        """Which constraints `x` (n,) violates above and below, (2, m); constraints with nan are violated."""
        state = self.base + self.matrix @ x
        return ~np.stack(
            [state <= self.high + ROW_TOLERANCE_MW_OR_PU2, state >= self.low - ROW_TOLERANCE_MW_OR_PU2]
        )


@dataclass(frozen=True)
class Columns:
    """Where columns of an optimisation problem inject into a grid: at one node each, `mw` per unit.

    They are the columns from `first` on, of `width` columns in all (None: no others); the rest have no
    effect.
    """

    node: IntArray  # (k,)
    mw: FloatArray | IntArray  # (k,)
    first: int = 0
    width: int | None = None

    def feasible_range(self, available: FloatArray, n_nodes: int) -> tuple[FloatArray, FloatArray]:
        """Least and largest injection at each node (N,), MW, of columns with ``0 <= x <= available``."""
        share = self.mw * available[self.first : self.first + len(self.node)]
        least = np.bincount(self.node, np.minimum(share, 0.0), n_nodes).astype(np.float64)
        return least, np.bincount(self.node, np.maximum(share, 0.0), n_nodes).astype(np.float64)

    def effect(self, matrix: FloatArray) -> FloatArray:
        """Effect of a unit of every column (m, width), from the effect of a MW at every node (m, N)."""
        part = matrix[:, self.node] * self.mw
        if self.width is None:
            return np.asarray(part)
        wide = np.zeros((len(matrix), self.width))
        wide[:, self.first : self.first + len(self.node)] = part
        return wide


def auction_constraints(
    rows: GridConstraints, columns: Columns, available: FloatArray, hard: bool = False, owner: str = ""
) -> list[AuctionConstraints]:
    """Flow and voltage constraints of a grid that ``0 <= x <= available`` can violate, on columns.

    `owner` is the operator of the grid. Violable constraints are found at the nodes, of which there are fewer
    than columns, so the matrix is built only for the few constraints that matter.
    """
    limited = np.isfinite(rows.limit_mw)
    flow_matrix, flow_mw = rows.flow_matrix[limited], rows.flow_mw[limited]
    low_mw, high_mw = rows.flow_min_mw[limited], rows.flow_max_mw[limited]
    flow_price, voltage_price = overload_eur_per_mwh(), voltage_eur_per_h_pu2()
    if hard:
        flow_price = voltage_price = np.inf
    parts = [
        AuctionConstraints(
            matrix=flow_matrix, base=flow_mw, low=low_mw, high=high_mw, penalty=flow_price, owner=owner
        ),
        AuctionConstraints(
            matrix=rows.voltage_matrix,
            base=rows.w_pu2,
            low=rows.w_min_pu2,
            high=rows.w_max_pu2,
            penalty=voltage_price,
            owner=owner,
            of_voltage=True,
        ),
    ]
    feasible_range = columns.feasible_range(available, rows.flow_matrix.shape[1])
    kept = [part.pick(keep) for part in parts if (keep := part.breakable(*feasible_range)).any()]
    return [replace(part, matrix=columns.effect(part.matrix)) for part in kept]
