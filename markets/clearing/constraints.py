"""Limits of grids as rows of a programme, on its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.tolerances import ROW_TOLERANCE_MW_OR_PU2
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.orders.penalties import overload_eur_per_mwh, voltage_eur_per_h_pu2


@dataclass(frozen=True, kw_only=True)
class AuctionConstraints:
    """Soft rows ``low <= base + matrix @ x <= high``; excess costs `penalty` EUR/h a unit. m rows, n bids."""

    matrix: FloatArray  # (m, n)
    base: FloatArray  # (m,)
    low: FloatArray  # (m,)
    high: FloatArray  # (m,)
    penalty: float  # inf makes the rows hard
    owner: str = ""  # whose limits they are
    of_voltage: bool = False  # else of branches

    def breakable(self, least: FloatArray, most: FloatArray) -> BoolArray:
        """Which rows (m,) some ``least <= x <= most`` can break: the others cannot change the answer.

        ``least <= 0 <= most`` (n,); columns that do nothing are among what they can do.
        """
        middle, around = self.matrix @ (0.5 * (most + least)), np.abs(self.matrix) @ (0.5 * (most - least))
        # Asked the other way round, so that a row of nan is kept and the solver refuses it aloud. Summed in
        # this order what cannot move stays exactly where it is, be that at a limit.
        return ~((self.base + (middle + around) <= self.high) & (self.base + (middle - around) >= self.low))

    def pick(self, which: BoolArray) -> AuctionConstraints:
        """Only the rows (m,) asked for."""
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
        """Whether all rows stay strictly inside their limits at `x` (n,); not, for one of nan."""
        state = self.base + self.matrix @ x
        return bool(((state < self.high) & (state > self.low)).all())

    def largest_share(self, x: FloatArray) -> float:
        """How much of `x` (n,) rows that grow with it allow, as a share; more than 1 if there is room."""
        with np.errstate(divide="ignore"):
            return float(((self.high - self.base) / (self.matrix @ x)).min(initial=np.inf))

    def held(self, sides: BoolArray) -> AuctionConstraints:
        """Only the sides (2, m) asked for, above and below, of only the rows that have one."""
        which: BoolArray = sides[0] | sides[1]
        some, (above, below) = self.pick(which), sides[:, which]
        return replace(some, high=np.where(above, some.high, np.inf), low=np.where(below, some.low, -np.inf))

    def broken(self, x: FloatArray) -> BoolArray:
        """Which rows `x` (n,) breaks above and below, (2, m); rows of nan are broken."""
        state = self.base + self.matrix @ x
        return ~np.stack(
            [state <= self.high + ROW_TOLERANCE_MW_OR_PU2, state >= self.low - ROW_TOLERANCE_MW_OR_PU2]
        )


@dataclass(frozen=True)
class Columns:
    """Where columns of a programme inject into a grid: each at one node, so many MW a unit.

    They are those from `first` on of all `width` columns (None: there are no others); the rest do nothing.
    """

    node: IntArray  # (k,)
    mw: FloatArray | IntArray  # (k,)
    first: int = 0
    width: int | None = None

    def feasible_range(self, available: FloatArray, n_nodes: int) -> tuple[FloatArray, FloatArray]:
        """Least and most that columns of ``0 <= x <= available`` (of all) inject at each node (N,), MW."""
        share = self.mw * available[self.first : self.first + len(self.node)]
        least = np.bincount(self.node, np.minimum(share, 0.0), n_nodes).astype(np.float64)
        return least, np.bincount(self.node, np.maximum(share, 0.0), n_nodes).astype(np.float64)

    def effect(self, matrix: FloatArray) -> FloatArray:
        """What a unit of every column does to rows, (m, width), from what a MW at every node does, (m, N)."""
        part = matrix[:, self.node] * self.mw
        if self.width is None:
            return np.asarray(part)
        wide = np.zeros((len(matrix), self.width))
        wide[:, self.first : self.first + len(self.node)] = part
        return wide


def auction_constraints(
    rows: GridConstraints, columns: Columns, available: FloatArray, hard: bool = False, owner: str = ""
) -> list[AuctionConstraints]:
    """Flow and voltage rows of a grid that ``0 <= x <= available`` can break, on the columns of a programme.

    `owner` is whose grid it is. What can break is looked for at the nodes, of which there are fewer than
    columns, so that a matrix is written only for the few rows that matter.
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
