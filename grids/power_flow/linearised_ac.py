"""Any grid, meshed or not, linearised around its AC state: sensitivities by finite differences."""

from __future__ import annotations

import numpy as np

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.power_flow.ac import AcState, PowerFlow
from tandem_sim.grids.power_flow.constraints import GridConstraints, rated_ends
from tandem_sim.grids.types import FloatArray

STEP_SHARE = 1e-4
"""Step of the finite differences as a share of the base power: small against the curvature of the power flow,
large against the mismatch at which it stops."""


def linearise_ac(power_flow: PowerFlow, p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints:
    """Constraints around the AC state at injections (N,) in MW and Mvar, by two power flows per node.

    Flows are positive from the from end and taken at the more loaded end of the branch, losses included;
    limits are those of `tandem_sim.grids.power_flow.constraints.distribution_constraints_ac`. Activation is
    at unity power factor. An injection at the root changes nothing: the external grid balances it. Raises
    `InputError` when a power flow has no solution.
    """
    network = power_flow.network
    base = power_flow.solve(p_mw, q_mvar)
    ends = rated_ends(network, base)
    flow_mw, limit_mw, from_end = ends.p_mw, ends.limit_mw, ends.from_end
    w_pu2 = base.vm_pu**2
    flow_matrix = np.zeros((len(network.branches), network.n_nodes))
    voltage_matrix, voltage_q_matrix = np.zeros((2, network.n_nodes, network.n_nodes))
    step_mw = STEP_SHARE * network.base_mva
    for node in range(network.n_nodes):
        if node == network.root:
            continue
        step = np.zeros(network.n_nodes)
        step[node] = step_mw
        state = _solved(power_flow, p_mw + step, q_mvar, node)
        flow_matrix[:, node] = (np.where(from_end, state.p_from_mw, -state.p_to_mw) - flow_mw) / step_mw
        voltage_matrix[:, node] = (state.vm_pu**2 - w_pu2) / step_mw
        state = _solved(power_flow, p_mw, q_mvar + step, node)
        voltage_q_matrix[:, node] = (state.vm_pu**2 - w_pu2) / step_mw
    low, high = network.node_limits_pu()
    buses = np.bincount(network.bus_node, minlength=network.n_nodes)
    return GridConstraints(
        flow_matrix=flow_matrix,
        flow_mw=flow_mw,
        limit_mw=limit_mw,
        voltage_matrix=voltage_matrix,
        w_pu2=w_pu2,
        w_min_pu2=low**2,
        w_max_pu2=high**2,
        buses=buses,
        q_mvar=ends.q_mvar,
        rating_mva=ends.rating_mva,
        voltage_q_matrix=voltage_q_matrix,
    )


def _solved(power_flow: PowerFlow, p_mw: FloatArray, q_mvar: FloatArray, node: int) -> AcState:
    state = power_flow.solve(p_mw, q_mvar)
    if not state.converged:
        raise InputError(
            power_flow.network.name,
            f"node {node}",
            "the AC power flow has no solution close to the operating point",
            "Correct the injections: the grid is at its limit of transfer",
        )
    return state
