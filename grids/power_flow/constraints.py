"""A grid as linear constraints: present flows and squared voltages, limits, and effects of injections."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import AcState
from tandem_sim.grids.power_flow.dc import DcModel
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.tolerances import LIMIT_TOLERANCE_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class Violations:
    """Limits broken in one grid in one state; percentages are of the limit, 0 if none is broken."""

    lines: int = 0
    max_overload_pct: float = 0.0
    buses: int = 0
    max_voltage_pct: float = 0.0
    diverged: int = 0  # grids whose AC power flow has no solution: other fields are zero

    def worst_with(self, other: Violations) -> Violations:
        """Two grids together: counts are added, depths take the larger."""
        return Violations(
            lines=self.lines + other.lines,
            max_overload_pct=max(self.max_overload_pct, other.max_overload_pct),
            buses=self.buses + other.buses,
            max_voltage_pct=max(self.max_voltage_pct, other.max_voltage_pct),
            diverged=self.diverged + other.diverged,
        )


@dataclass(frozen=True, kw_only=True)
class GridConstraints:
    """Constraints of a linear grid model around an operating point. E branches, N nodes.

    ``flow_mw + flow_matrix @ dp`` and ``w_pu2 + voltage_matrix @ dp`` are the state after a change ``dp``
    (N,) of injections in MW. A change ``dq`` (N,) in Mvar adds ``voltage_q_matrix @ dq`` to ``w_pu2`` and
    ``flow_matrix @ dq`` to ``q_mvar``. Transmission has no voltage constraints (N' = 0).
    """

    flow_matrix: FloatArray  # (E, N)
    flow_mw: FloatArray  # (E,)
    limit_mw: FloatArray  # (E,) on the absolute flow
    voltage_matrix: FloatArray  # (N', N)
    w_pu2: FloatArray  # (N',)
    w_min_pu2: FloatArray  # (N',)
    w_max_pu2: FloatArray  # (N',)
    buses: IntArray  # (N',) pandapower buses joined in each node, for counting
    relief_up_mw: FloatArray | float = 0.0  # (E,) permitted excess of a flow that exceeds its limit already
    relief_down_mw: FloatArray | float = 0.0  # (E,) the same in the opposite direction
    q_mvar: FloatArray | float = 0.0  # (E,) reactive flow, independent of active power
    rating_mva: FloatArray | float = np.inf  # (E,) rating shared by active and reactive flow
    voltage_q_matrix: FloatArray = field(default_factory=lambda: np.empty((0, 0)))  # (N', N), if known

    @property
    def flow_max_mw(self) -> FloatArray:
        """Upper bound of every flow (E,)."""
        return np.asarray(self.limit_mw + self.relief_up_mw)

    @property
    def flow_min_mw(self) -> FloatArray:
        """Lower bound of every flow (E,)."""
        return np.asarray(-self.limit_mw - self.relief_down_mw)

    @classmethod
    def without_limits(cls, n_nodes: int) -> GridConstraints:
        """A grid without any constraint."""
        none, no_rows = np.empty(0), np.empty((0, n_nodes))
        buses = np.empty(0, dtype=np.int64)
        return cls(
            flow_matrix=no_rows,
            flow_mw=none,
            limit_mw=none,
            voltage_matrix=no_rows,
            w_pu2=none,
            w_min_pu2=none,
            w_max_pu2=none,
            buses=buses,
            voltage_q_matrix=no_rows,
        )

    def after(self, dp_mw: FloatArray) -> GridConstraints:
        """The same grid after a change of injections (N,) in MW."""
        return replace(
            self,
            flow_mw=self.flow_mw + self.flow_matrix @ dp_mw,
            w_pu2=self.w_pu2 + self.voltage_matrix @ dp_mw,
        )

    def after_reactive(self, dq_mvar: FloatArray) -> GridConstraints:
        """The same grid after a change of reactive injections (N,) in Mvar, positive raising voltages.

        Voltages change; so does, with the reactive flow, the part of a rating left for active power (margins
        included).
        """
        w = self.w_pu2 + self.voltage_q_matrix @ dq_mvar
        q, limit = self.q_mvar + self.flow_matrix @ dq_mvar, self.limit_mw.copy()
        rated, share = self._rated()
        left = np.sqrt(np.maximum(np.square(self._rating()[rated]) - np.square(q[rated]), 0.0))
        limit[rated] = share * left
        return replace(self, w_pu2=w, q_mvar=q, limit_mw=limit)

    def reactive_limit_mvar(self) -> FloatArray:
        """Largest reactive flow (E,), either direction, beside the present active flow; margins kept."""
        rated, share = self._rated()
        most = np.full(len(self.flow_mw), np.inf)
        needed = np.divide(self.flow_mw[rated], share, out=np.full(rated.sum(), np.inf), where=share > 0.0)
        most[rated] = np.sqrt(np.maximum(np.square(self._rating()[rated]) - np.square(needed), 0.0))
        return most

    def _rating(self) -> FloatArray:
        return np.broadcast_to(self.rating_mva, self.flow_mw.shape)

    def _rated(self) -> tuple[BoolArray, FloatArray]:
        """Branches with a rating, and the share that margins leave of it."""
        rating = self._rating()
        rated: BoolArray = np.isfinite(rating)
        q = np.broadcast_to(self.q_mvar, self.flow_mw.shape)[rated]
        whole = np.sqrt(np.maximum(np.square(rating[rated]) - np.square(q), 0.0))
        ones = np.ones(len(whole))
        return rated, np.divide(self.limit_mw[rated], whole, out=ones, where=whole > 0.0)

    def excess_pct(self) -> float:
        """Excess over all limits, in percent of each and summed; zero if all are kept."""
        rated = np.isfinite(self.limit_mw) & (self.limit_mw > 0.0)
        over = np.maximum(self.flow_mw - self.flow_max_mw, 0.0) + np.maximum(
            self.flow_min_mw - self.flow_mw, 0.0
        )
        volts = np.maximum(self.w_min_pu2 - self.w_pu2, 0.0) + np.maximum(self.w_pu2 - self.w_max_pu2, 0.0)
        return 100.0 * float((over[rated] / self.limit_mw[rated]).sum() + 0.5 * volts.sum())

    def relaxed(self) -> GridConstraints:
        """The same grid with broken limits moved to the present state: "do not aggravate".

        Only on the side that is broken: a branch overloaded towards the leaves keeps its limit in the other
        direction.
        """
        return replace(
            self,
            relief_up_mw=self.relief_up_mw + np.maximum(self.flow_mw - self.flow_max_mw, 0.0),
            relief_down_mw=self.relief_down_mw + np.maximum(self.flow_min_mw - self.flow_mw, 0.0),
            w_min_pu2=np.minimum(self.w_min_pu2, self.w_pu2),
            w_max_pu2=np.maximum(self.w_max_pu2, self.w_pu2),
        )

    def tightened(self, flow_margin: float, w_margin_pu2: float) -> GridConstraints:
        """Limits with margins for forecast errors: `flow_margin` is a share, `w_margin_pu2` in p.u.**2."""
        return replace(
            self,
            limit_mw=self.limit_mw * (1.0 - flow_margin),
            w_min_pu2=self.w_min_pu2 + w_margin_pu2,
            w_max_pu2=self.w_max_pu2 - w_margin_pu2,
        )

    def violations(self) -> Violations:
        """Count the limits that this state breaks.

        A branch that reactive flow alone fills can carry no active power; its overload is that of the
        apparent power, and infinite for a rating of zero.
        """
        over = np.maximum(self.flow_mw - self.flow_max_mw, self.flow_min_mw - self.flow_mw)
        lines = over > LIMIT_TOLERANCE_SHARE * np.maximum(self.limit_mw, 1e-9)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = over / self.limit_mw
            full = (self.limit_mw <= 0.0) & np.isfinite(self.rating_mva)  # reactive flow alone fills it
            apparent = np.hypot(self.flow_mw, self.q_mvar) / self.rating_mva - 1.0
        lines |= full & (apparent > LIMIT_TOLERANCE_SHARE)
        depth = np.where(full, apparent, depth)
        worst = float(100.0 * depth[lines].max()) if lines.any() else 0.0
        buses, voltage = voltage_violations(
            np.sqrt(np.maximum(self.w_pu2, 0.0)),
            np.sqrt(np.maximum(self.w_min_pu2, 0.0)),
            np.sqrt(self.w_max_pu2),
            self.buses,
        )
        return Violations(
            lines=int(lines.sum()), max_overload_pct=worst, buses=buses, max_voltage_pct=voltage
        )


def voltage_violations(
    vm_pu: FloatArray, vm_min_pu: FloatArray, vm_max_pu: FloatArray, buses: IntArray
) -> tuple[int, float]:
    """Number of buses outside their band, and the largest distance in percent of the limit.

    Open line ends are nodes without a bus; their band is 0 to inf, and a lower limit of 0 means none.
    """
    below = np.where(vm_min_pu > 0.0, 1.0 - vm_pu / np.maximum(vm_min_pu, 1e-9), -1.0)
    distance = np.maximum(below, vm_pu / vm_max_pu - 1.0)
    broken = distance > LIMIT_TOLERANCE_SHARE
    return int(buses[broken].sum()), float(100.0 * distance[broken].max()) if broken.any() else 0.0


def ac_violations(state: AcState, rows: GridConstraints) -> Violations:
    """The same count in an AC state: branches above 100 % of their current, buses outside their band."""
    if not state.converged:
        return Violations(diverged=1)
    lines, worst = overloads(state)
    buses, depth = voltage_violations(
        state.vm_pu, np.sqrt(rows.w_min_pu2), np.sqrt(rows.w_max_pu2), rows.buses
    )
    return Violations(lines=lines, max_overload_pct=worst, buses=buses, max_voltage_pct=depth)


def overloads(state: AcState) -> tuple[int, float]:
    """Number of branches above 100 % of their current rating, and the largest excess in percent of it."""
    over = state.loading_percent > 100.0 * (1.0 + LIMIT_TOLERANCE_SHARE)
    return int(over.sum()), float(state.loading_percent[over].max() - 100.0) if over.any() else 0.0


def transmission_constraints(dc: DcModel, p_mw: FloatArray) -> GridConstraints:
    """DC constraints of a transmission grid at injections `p_mw` (N,)."""
    none, no_rows = np.empty(0), np.empty((0, dc.network.n_nodes))
    return GridConstraints(
        flow_matrix=dc.ptdf,
        flow_mw=dc.flows_mw(p_mw),
        limit_mw=dc.limit_mw,
        voltage_matrix=no_rows,
        w_pu2=none,
        w_min_pu2=none,
        w_max_pu2=none,
        buses=np.empty(0, dtype=np.int64),
        voltage_q_matrix=no_rows,
    )


def distribution_constraints(lin: LinDistFlow, p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints:
    """LinDistFlow constraints of a distribution grid at injections (N,); base state by LinDistFlow.

    The limit on an active flow is ``sqrt(S**2 - Q**2)``, 0 where reactive flow alone fills the rating.
    """
    state, rating = lin.state(p_mw, q_mvar), lin.network.branches.s_max_mva
    return GridConstraints(
        flow_matrix=lin.flow_matrix,
        flow_mw=state.flow_mw,
        limit_mw=np.sqrt(np.maximum(rating**2 - state.flow_mvar**2, 0.0)),
        voltage_matrix=lin.voltage_matrix,
        w_pu2=state.w_pu2,
        w_min_pu2=lin.w_min_pu2,
        w_max_pu2=lin.w_max_pu2,
        buses=lin.buses,
        q_mvar=state.flow_mvar,
        rating_mva=rating,
        voltage_q_matrix=lin.voltage_q_matrix,
    )


def distribution_constraints_ac(lin: LinDistFlow, state: AcState) -> GridConstraints:
    """LinDistFlow sensitivities around an AC state: base state and ratings by AC power flow.

    A rating is a current: at voltage v it carries ``S v`` MVA, less the reactive flow. The more loaded end of
    a branch counts, so losses are included.
    """
    ends = rated_ends(lin.network, state)
    return GridConstraints(
        flow_matrix=lin.flow_matrix,
        flow_mw=np.where(lin.downhill, ends.p_mw, -ends.p_mw),
        limit_mw=ends.limit_mw,
        voltage_matrix=lin.voltage_matrix,
        w_pu2=state.vm_pu**2,
        w_min_pu2=lin.w_min_pu2,
        w_max_pu2=lin.w_max_pu2,
        buses=lin.buses,
        q_mvar=np.where(lin.downhill, ends.q_mvar, -ends.q_mvar),
        rating_mva=ends.rating_mva,
        voltage_q_matrix=lin.voltage_q_matrix,
    )


@dataclass(frozen=True)
class RatedEnds:
    """The more loaded end of every branch (E,): flows, positive from the from end, and the rating there."""

    p_mw: FloatArray
    q_mvar: FloatArray
    rating_mva: FloatArray  # what the current rating carries at the lower of both voltages
    from_end: BoolArray

    @property
    def limit_mw(self) -> FloatArray:
        """Largest active power beside the reactive flow (E,)."""
        return np.sqrt(np.maximum(self.rating_mva**2 - self.q_mvar**2, 0.0))


def rated_ends(network: Network, state: AcState) -> RatedEnds:
    """Flows of an AC state at the more loaded end of every branch, and the ratings there.

    Raises `InputError` for a state without a solution.
    """
    if not state.converged:
        raise InputError(
            network.name,
            "offset",
            "the AC power flow of the operating point has no solution",
            "Correct the injections, or use the linear offset",
        )
    b = network.branches
    from_end: BoolArray = np.abs(state.p_from_mw) >= np.abs(state.p_to_mw)
    p_end = np.where(from_end, state.p_from_mw, -state.p_to_mw)
    q_end = np.where(from_end, state.q_from_mvar, -state.q_to_mvar)
    vm = np.minimum(state.vm_pu[b.from_node], state.vm_pu[b.to_node])
    return RatedEnds(p_end, q_end, b.s_max_mva * vm, from_end)
