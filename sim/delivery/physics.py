"""AC power flow of every grid after activation, compared with the state without activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.passive import PassiveInjections
from tandem_sim.agents.households.fleet import FleetStep, SitesAhead
from tandem_sim.grids.errors import PowerFlowMismatchError
from tandem_sim.grids.power_flow.ac import AcState, PowerFlow
from tandem_sim.grids.power_flow.constraints import (
    GridConstraints,
    Violations,
    ac_violations,
    distribution_constraints,
    distribution_constraints_ac,
    overloads,
)
from tandem_sim.grids.power_flow.dc import DcModel
from tandem_sim.grids.tolerances import AUDIT_TOLERANCE_PU
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO

Injections = tuple[FloatArray, FloatArray]
"""MW and Mvar of all nodes of one grid, (N,) each."""


@dataclass(frozen=True, kw_only=True)
class GridResult:
    """One grid in one ISP after activation; `base` and `base_state` are the same ISP without activation.

    `injections` are those of `state`; on transmission they include the exchange with areas.
    """

    state: AcState
    interface_mw: float  # into a distribution grid, or from the slack into transmission
    losses_mw: float
    after: Violations
    base: Violations | None  # None for transmission, as are `linear` and `base_state`
    linear: Violations | None  # after activation, by the operators' linearised model
    flow_error_mw: float  # linearised model against AC, worst branch, same injections
    voltage_error_pu: float
    injections: Injections
    base_state: AcState | None = None


@dataclass(frozen=True, kw_only=True)
class TransmissionReactive:
    """Reactive power on transmission: of loads, of elements that follow a profile, and constant."""

    tan_phi: FloatArray  # (N,) of loads
    fixed_mvar: FloatArray  # (N,) injections without active power
    passive: PassiveInjections

    def mvar(self, isp: int, load_mw: FloatArray) -> FloatArray:
        """Injections of reactive power (N,), Mvar, with the active ones (N,) of loads and profiles."""
        q_mvar = self.tan_phi * self.passive.left_of(isp, load_mw) + self.fixed_mvar
        self.passive.add_to(isp, np.zeros_like(q_mvar), q_mvar)
        return q_mvar


class Physics:
    """Solves all grids. The linearised model is evaluated at true injections, so its error is its own."""

    def __init__(
        self,
        *,
        areas: Sequence[Area],
        dc: DcModel,
        transmission_flow: PowerFlow,
        interface_node: Mapping[str, int],
        reactive: TransmissionReactive,
        offset: str,
        solver: str,
    ) -> None:
        self._areas = list(areas)
        self._dc = dc
        self._t_flow = transmission_flow
        self._interface_node = dict(interface_node)
        self._reactive = reactive
        self._offset = offset
        self._reference = solver == "pandapower"

    def deliver(
        self,
        isp: int,
        step: FleetStep,
        site_mvar: FloatArray,
        unit_mw: FloatArray,
        load_mw: FloatArray,
        audit: bool,
    ) -> dict[str, GridResult]:
        """All grids of one ISP. `unit_mw`, `load_mw` (N,): injections of units and all else on transmission.

        `site_mvar` is the reactive power that was activated, over the sites of all areas. With `audit`,
        every state is solved again by ``pandapower.runpp``; a difference above 1e-6 p.u. is a
        `PowerFlowMismatchError`.
        """
        results: dict[str, GridResult] = {}
        p_t, q_t = unit_mw + load_mw, self._reactive.mvar(isp, load_mw)
        for area in self._areas:
            p0, q0 = area.injections(isp, step.site_base_kw, step.site_load_kw)
            p, _ = area.injections(isp, step.site_p_kw, step.site_load_kw)
            q = q0 + area.at_nodes(site_mvar)
            results[area.name] = result = self._area(area, (p0, q0), (p, q), isp, audit)
            self._supply(area, result.state, (p, q), (p_t, q_t))
        state = self._solve(self._t_flow, p_t, q_t, isp, audit)
        results[TSO] = self._transmission(state, p_t, q_t)
        return results

    def without_activation(
        self, isp: int, sites: SitesAhead, unit_mw: FloatArray, load_mw: FloatArray
    ) -> dict[str, tuple[AcState, Injections]]:
        """States of all grids in an ISP without activation, with their injections; others as of `deliver`."""
        states: dict[str, tuple[AcState, Injections]] = {}
        p_t, q_t = unit_mw + load_mw, self._reactive.mvar(isp, load_mw)
        for area in self._areas:
            given = area.injections(isp, sites.site_base_kw, sites.site_load_kw)
            state = self._solve(area.power_flow, *given, isp, False)
            states[area.name] = state, given
            self._supply(area, state, given, (p_t, q_t))
        return {**states, TSO: (self._solve(self._t_flow, p_t, q_t, isp, False), (p_t, q_t))}

    def _supply(self, area: Area, state: AcState, given: Injections, transmission: Injections) -> None:
        """Take the power of an area out of its node on transmission.

        A grid without solution takes its lossless power; this is recorded.
        """
        taken = (-state.root_mw, -state.root_mvar) if state.converged else (given[0].sum(), given[1].sum())
        for injection, power in zip(transmission, taken, strict=True):
            injection[self._interface_node[area.name]] += power

    def _area(self, area: Area, before: Injections, after: Injections, isp: int, audit: bool) -> GridResult:
        (p0, q0), (p, q) = before, after
        idle = np.array_equal(p0, p) and np.array_equal(q0, q)
        base = self._solve(area.power_flow, p0, q0, isp, audit and idle)
        state = base if idle else self._solve(area.power_flow, p, q, isp, audit)
        by_ac = self._offset == "ac" and base.converged
        rows = (
            distribution_constraints_ac(area.lin, base)
            if by_ac
            else distribution_constraints(area.lin, p0, q0)
        )
        if not idle:
            rows = rows.after(p - p0)
            rows = rows.after_reactive(q - q0) if (q != q0).any() else rows
        flow_error, voltage_error = _model_error(area, rows, state)
        return GridResult(
            state=state,
            base_state=base,
            interface_mw=state.root_mw if state.converged else -float(p.sum()),
            losses_mw=state.losses_mw,
            after=ac_violations(state, rows),
            base=ac_violations(base, rows),
            linear=rows.violations(),
            flow_error_mw=flow_error,
            voltage_error_pu=voltage_error,
            injections=(p, q),
        )

    def _transmission(self, state: AcState, p_mw: FloatArray, q_mvar: FloatArray) -> GridResult:
        lines, worst = overloads(state)
        error = float("nan")
        if state.converged:
            error = float(
                np.abs(self._dc.flows_mw(p_mw) - state.p_from_mw)[np.isfinite(self._dc.limit_mw)].max(
                    initial=0.0
                )
            )
        after = Violations(lines=lines, max_overload_pct=worst) if state.converged else Violations(diverged=1)
        return GridResult(
            state=state,
            interface_mw=state.root_mw,
            losses_mw=state.losses_mw,
            after=after,
            base=None,
            linear=None,
            flow_error_mw=error,
            voltage_error_pu=float("nan"),
            injections=(p_mw, q_mvar),
        )

    def _solve(self, flow: PowerFlow, p: FloatArray, q: FloatArray, isp: int, audit: bool) -> AcState:
        state = flow.reference(p, q, compiled=True) if self._reference else flow.solve(p, q)
        if audit and not self._reference:
            judge = flow.reference(p, q)
            if judge.converged != state.converged:
                raise PowerFlowMismatchError(
                    f"ISP {isp}, grid {flow.network.name}: only one of the two power flows converged"
                )
            gap = float(np.abs(judge.vm_pu - state.vm_pu).max())
            if state.converged and not gap <= AUDIT_TOLERANCE_PU:  # also true for nan
                raise PowerFlowMismatchError(
                    f"ISP {isp}, grid {flow.network.name}: voltages differ by {gap:.2e} p.u."
                )
        return state


def _model_error(area: Area, rows: GridConstraints, state: AcState) -> tuple[float, float]:
    if not state.converged:
        return float("nan"), float("nan")
    flow = np.maximum(np.abs(state.p_from_mw), np.abs(state.p_to_mw))
    limited = np.isfinite(area.network.branches.s_max_mva)
    error = np.abs(np.abs(rows.flow_mw) - flow)[limited]
    vm = np.sqrt(np.maximum(rows.w_pu2, 0.0))
    return float(error.max(initial=0.0)), float(np.abs(vm - state.vm_pu).max())
