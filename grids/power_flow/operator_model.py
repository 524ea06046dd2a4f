"""An operator's model of its radial grid: linear constraints around a state, with margins."""

from __future__ import annotations

from dataclasses import dataclass

from tandem_sim.grids.choices import Offset
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.constraints import (
    GridConstraints,
    distribution_constraints,
    distribution_constraints_ac,
)
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.types import FloatArray


@dataclass(frozen=True)
class Margins:
    """Margins that an operator keeps because its forecast and its linear model have errors."""

    flow: float = 0.0  # share of a branch's rating
    voltage_pu: float = 0.0


NO_MARGINS = Margins()


@dataclass(frozen=True)
class OperatorModel:
    """How an operator computes linear constraints from injections."""

    lin: LinDistFlow
    power_flow: PowerFlow
    offset: Offset = "linear"
    margins: Margins = NO_MARGINS

    def rows(self, p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints | None:
        """Constraints around the state of injections (N,) in MW and Mvar, with margins.

        None if the power flow has no solution.
        """
        if self.offset == "linear":
            found = distribution_constraints(self.lin, p_mw, q_mvar)
        else:
            state = self.power_flow.solve(p_mw, q_mvar)
            if not state.converged:
                return None
            found = distribution_constraints_ac(self.lin, state)
        m = self.margins
        return found.tightened(m.flow, 2.0 * m.voltage_pu) if m.flow or m.voltage_pu else found

    def linear_rows(self, p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints:
        """Constraints by LinDistFlow alone, for states without a power flow solution."""
        m = self.margins
        return distribution_constraints(self.lin, p_mw, q_mvar).tightened(m.flow, 2.0 * m.voltage_pu)
