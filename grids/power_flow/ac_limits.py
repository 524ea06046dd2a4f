"""Limits of a grid as the AC power flow sees them: how far a state exceeds each, and what moves that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tandem_sim.grids.power_flow.ac import AcState
from tandem_sim.grids.power_flow.operator_model import OperatorModel
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

MOST_EXCESS = 1e3
"""A branch rated zero is infinitely loaded by any current: counted as so many times its limit."""


@dataclass(frozen=True)
class AcLimits:
    """Limits of an operator around injections (N,) in MW and Mvar. E branches, N nodes, R = E + 2 N limits.

    They are those of branch currents, then of high, then of low voltages, narrowed by the operator's margins
    whatever the offset of its linear rows. Excess is a share of the limit, negative where it is kept.
    """

    operator_model: OperatorModel
    p_mw: FloatArray
    q_mvar: FloatArray

    @property
    def n_branches(self) -> int:
        """How many of the limits, the first ones, are those of branches."""
        return len(self.operator_model.lin.network.branches)

    def after(self, dp_mw: FloatArray) -> AcLimits:
        """The same limits around a change of active injections (N,) in MW."""
        return replace(self, p_mw=self.p_mw + dp_mw)

    def after_reactive(self, dq_mvar: FloatArray) -> AcLimits:
        """The same limits around a change of reactive injections (N,) in Mvar."""
        return replace(self, q_mvar=self.q_mvar + dq_mvar)

    def state(self, change_mw: FloatArray | float = 0.0) -> AcState:
        """The AC state after a change of injections (N,) in MW."""
        return self.operator_model.power_flow.solve(self.p_mw + change_mw, self.q_mvar)

    def excess(self, state: AcState) -> FloatArray:
        """By how much a solved state exceeds every limit (R,), as a share of it."""
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
        """How the excess of some limits (k,) moves with active injections: (k, N) shares a MW."""
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
        """Lowest and highest voltages (N,) in p.u., the same that the linear rows hold."""
        lin, margin = self.operator_model.lin, 2.0 * self.operator_model.margins.voltage_pu
        open_end = lin.w_min_pu2 <= 0.0  # of a line: a node without a bus
        low = np.where(open_end, 0.0, lin.w_min_pu2 + margin)
        return np.sqrt(low), np.sqrt(lin.w_max_pu2 - margin)
