"""A linear optimisation problem solved repeatedly for other right-hand sides from the last basis (HiGHS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highspy
import numpy as np

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.tolerances import CHANGE_TOLERANCE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.orders.penalties import unserved_eur_per_mwh


class WarmProblem:
    """``min c.x``, ``0 <= x <= available``, hard constraints, ``sign.x = change``; only `change` varies.

    `cost` (n,) EUR/MWh, `available` (n,) MW, `sign` (n,) effect on the injection. The result may miss the
    change by `CHANGE_TOLERANCE_MW`, at the penalty of unserved need; the penalty is no part of the cost.
    """

    def __init__(
        self, cost: FloatArray, available: FloatArray, sign: FloatArray, rows: Sequence[AuctionConstraints]
    ) -> None:
        n = len(cost) + 2  # the last two columns: by how much the change is missed, up and down
        self._cost = np.concatenate([cost, np.full(2, unserved_eur_per_mwh())])
        self._sign = np.concatenate([sign, np.zeros(2)])
        self._n, self._bids = n, len(cost)
        module: Any = highspy  # untyped
        self._highs = module.Highs()
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        matrix = np.vstack([sign[None, :], *(part.matrix for part in rows)])
        missed = np.zeros((len(matrix), 2))
        missed[0] = 1.0, -1.0
        matrix = np.hstack([matrix, missed])
        low = np.concatenate([[0.0], *(part.low - part.base for part in rows)])
        high = np.concatenate([[0.0], *(part.high - part.base for part in rows)])
        self._highs.addVars(n, np.zeros(n), np.append(available, np.full(2, CHANGE_TOLERANCE_MW)))
        self._highs.changeColsCost(n, np.arange(n, dtype=np.int32), self._cost)
        starts = np.arange(len(matrix), dtype=np.int32) * n
        index = np.tile(np.arange(n, dtype=np.int32), len(matrix))
        self._highs.addRows(len(matrix), low, high, matrix.size, starts, index, matrix.ravel())

    def range(self) -> tuple[float, float]:
        """Smallest and largest change (MW) that the constraints allow."""
        if not self._bids:
            return 0.0, 0.0
        columns = np.arange(self._n, dtype=np.int32)
        self._highs.changeRowBounds(0, -highspy.kHighsInf, highspy.kHighsInf)
        ends = []
        for direction in (1.0, -1.0):
            self._highs.changeColsCost(self._n, columns, direction * self._sign)
            self._run()
            ends.append(direction * self._highs.getInfo().objective_function_value)
        self._highs.changeColsCost(self._n, columns, self._cost)
        return min(ends), max(ends)  # a single point may come out in either order, by rounding

    def solve(self, change: float) -> tuple[float, float]:
        """Least cost (EUR/h) of a change (MW), and its slope (EUR/MWh); at a breakpoint, one of two."""
        if not self._bids:
            return 0.0, 0.0
        self._highs.changeRowBounds(0, change, change)
        self._run()
        found = self._highs.getSolution()
        bids = slice(self._bids)
        return float(self._cost[bids] @ np.array(found.col_value)[bids]), found.row_dual[0]

    def _run(self) -> None:
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise ClearingError(f"optimisation problem of an area: {self._highs.modelStatusToString(status)}")
