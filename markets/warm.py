"""One linear programme solved again and again for another right-hand side, its basis kept warm (HiGHS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highspy
import numpy as np

from tandem_sim.grids.arrays import FloatArray
from tandem_sim.markets.limits import Rows
from tandem_sim.markets.programme import ClearingError


class WarmProgramme:
    """``min c.x`` over ``0 <= x <= available``, hard rows, and ``sign.x = change``; only `change` changes."""

    def __init__(
        self, cost: FloatArray, available: FloatArray, sign: FloatArray, rows: Sequence[Rows]
    ) -> None:
        n = len(cost)
        self._cost, self._n = cost, n
        module: Any = highspy  # untyped
        self._highs = module.Highs()
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        matrix = np.vstack([sign[None, :], *(part.matrix for part in rows)])
        low = np.concatenate([[0.0], *(part.low - part.base for part in rows)])
        high = np.concatenate([[0.0], *(part.high - part.base for part in rows)])
        self._highs.addVars(n, np.zeros(n), available)
        self._highs.changeColsCost(n, np.arange(n, dtype=np.int32), cost)
        starts = np.arange(len(matrix), dtype=np.int32) * n
        index = np.tile(np.arange(n, dtype=np.int32), len(matrix))
        self._highs.addRows(len(matrix), low, high, matrix.size, starts, index, matrix.ravel())
        self._sign = sign

    def range(self) -> tuple[float, float]:
        """Smallest and largest change that the rows allow."""
        if not self._n:
            return 0.0, 0.0
        columns = np.arange(self._n, dtype=np.int32)
        self._highs.changeRowBounds(0, -highspy.kHighsInf, highspy.kHighsInf)
        ends = []
        for direction in (1.0, -1.0):
            self._highs.changeColsCost(self._n, columns, direction * self._sign)
            self._run()
            ends.append(direction * self._highs.getInfo().objective_function_value)
        self._highs.changeColsCost(self._n, columns, self._cost)
        return ends[0], ends[1]

    def solve(self, change: float) -> tuple[float, float]:
        """Least cost at a change, and its slope there (one of them, at a breakpoint)."""
        if not self._n:
            return 0.0, 0.0
        self._highs.changeRowBounds(0, change, change)
        self._run()
        return self._highs.getInfo().objective_function_value, self._highs.getSolution().row_dual[0]

    def _run(self) -> None:
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise ClearingError(f"area programme: {self._highs.modelStatusToString(status)}")
