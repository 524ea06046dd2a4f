"""Limits of a grid in the AC power flow: the excess over each in a state, and its sensitivities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tandem_sim.grids.power_flow.ac import AcState
from tandem_sim.grids.power_flow.operator_model import OperatorModel
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

MOST_EXCESS = 1e3
"""A branch with a rating of zero is infinitely loaded by any current: this multiple of its limit is used."""


@dataclass(frozen=True)
class AcLimits:
    """Limits of an operator around injections (N,) in MW and Mvar. E branches, N nodes, R = E + 2 N limits.

    In order: branch currents, high voltages, low voltages. The operator's margins narrow them, whatever the
    offset of its linear constraints. Excess is a share of the limit, negative where the limit is kept.
    """

    operator_model: OperatorModel
    p_mw: FloatArray
    q_mvar: FloatArray

    @property
    def n_branches(self) -> int:
        """Number of branch limits, which come first."""
        return len(self.operator_model.lin.network.branches)

    def after(self, dp_mw: FloatArray) -> AcLimits:
        """The same limits after a change of active injections (N,) in MW."""
        return replace(self, p_mw=self.p_mw + dp_mw)

    def after_reactive(self, dq_mvar: FloatArray) -> AcLimits:
        """The same limits after a change of reactive injections (N,) in Mvar."""
        return replace(self, q_mvar=self.q_mvar + dq_mvar)

    def state(self, change_mw: FloatArray | float = 0.0) -> AcState:
        """The AC state after a change of active injections (N,) in MW."""
        return self.operator_model.power_flow.solve(self.p_mw + change_mw, self.q_mvar)

    def excess(self, state: AcState) -> FloatArray:
        """Excess of a solved state over every limit (R,), as a share of it."""
        low, high = self._band
        over = np.concatenate(
            [
                state.loading_percent / self._full_percent - 1.0,
                state.vm_pu / high - 1.0,
                np.where(low > 0.0, 1.0 - state.vm_pu / np.where(low > 0.0, low, 1.0), -1.0),
            ]
        )
        return np.asarray(np.minimum(over, MOST_EXCESS))

    def slopes(self, state: AcState, which: IntArray) -> FloatArray:
        """Sensitivity of the excess of some limits (k,) to active injections: (k, N) shares per MW."""
        low, high = self._band
        n, e = len(low), len(state.loading_percent)
        of_branch: BoolArray = which < e
        node, is_low = (which[~of_branch] - e) % n, which[~of_branch] >= e + n
        loading, voltage = self.operator_model.power_flow.slopes(state, which[of_branch], node)
        limit = np.where(is_low, -low[node], high[node])
        found = np.empty((len(which), n))
        found[of_branch] = loading / self._full_percent
        found[~of_branch] = voltage / limit[:, None]
        return found

    @property
    def _full_percent(self) -> float:
        return 100.0 * (1.0 - self.operator_model.margins.flow)

    @cached_property
    def _band(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest voltages (N,) in p.u., the same as in the linear constraints."""
        lin, margin = self.operator_model.lin, 2.0 * self.operator_model.margins.voltage_pu
        open_end = lin.w_min_pu2 <= 0.0  # of a line: a node without a bus
        low = np.where(open_end, 0.0, lin.w_min_pu2 + margin)
        return np.sqrt(low), np.sqrt(lin.w_max_pu2 - margin)
