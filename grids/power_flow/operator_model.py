"""An operator's picture of its radial grid: linear rows around a state, with what it keeps free."""

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

"""Flows and voltages of a state by AC power flow, or by LinDistFlow itself."""


@dataclass(frozen=True)
class Margins:
    """What an operator keeps free because its forecast and its linear model err."""

    flow: float = 0.0  # share of a branch's rating
    voltage_pu: float = 0.0


NO_MARGINS = Margins()


@dataclass(frozen=True)
class OperatorModel:
    """How an operator turns injections into rows."""

    lin: LinDistFlow
    power_flow: PowerFlow
    offset: Offset = "linear"
    margins: Margins = NO_MARGINS

    def rows(self, p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints | None:
        """Rows around the state of injections (N,), limits narrowed; None where no power flow is found."""
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
        """Rows by LinDistFlow alone: what is left where the power flow has no solution."""
        m = self.margins
        return distribution_constraints(self.lin, p_mw, q_mvar).tightened(m.flow, 2.0 * m.voltage_pu)
