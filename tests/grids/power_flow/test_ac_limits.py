"""AC limits: excess against pandapower, sensitivities against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.power_flow.operator_model import NO_MARGINS, Margins, OperatorModel

Nets = Callable[[str], pandapowerNet]
Flows = Callable[[str], PowerFlow]


def limits_of(flow: PowerFlow, margins: Margins = NO_MARGINS) -> AcLimits:
    network = flow.network
    operator_model = OperatorModel(LinDistFlow.build(network), flow, "linear", margins)
    return AcLimits(operator_model, network.p_mw, network.q_mvar)


@pytest.mark.parametrize(
    "grid", ["create_cigre_network_mv", "case141", "four_loads_with_branches_out", "case14"]
)
def test_slopes_are_those_of_the_power_flow(grid: str, power_flow_of: Flows) -> None:
    """case14 has generators that hold voltages; four_loads_with_branches_out a transformer with a tap."""
    flow = power_flow_of(grid)
    n = flow.network
    state = flow.solve(n.p_mw, n.q_mvar)
    branches, nodes = np.arange(len(n.branches)), np.arange(n.n_nodes)
    loading, voltage = flow.slopes(state, branches, nodes)
    step = 1e-5 * np.abs(n.p_mw).sum()
    for node in range(0, n.n_nodes, max(1, n.n_nodes // 12)):
        change = np.zeros(n.n_nodes)
        change[node] = step
        more, less = (flow.solve(n.p_mw + sign * change, n.q_mvar) for sign in (1.0, -1.0))
        by_steps = (more.loading_percent - less.loading_percent) / (2.0 * step)
        np.testing.assert_allclose(loading[:, node], by_steps, atol=1e-4 * max(np.abs(loading).max(), 1.0))
        by_steps = (more.vm_pu - less.vm_pu) / (2.0 * step)
        np.testing.assert_allclose(voltage[:, node], by_steps, atol=1e-4 * np.abs(voltage).max())


def test_excess_is_what_runpp_shows(net_of: Nets, power_flow_of: Flows) -> None:
    flow = power_flow_of("create_cigre_network_mv")
    limits, net = limits_of(flow), deepcopy(net_of("create_cigre_network_mv"))
    pp.runpp(net, calculate_voltage_angles=True)
    excess, e, n = limits.excess(limits.state()), limits.n_branches, flow.network.n_nodes
    heaviest = max(net.res_line.loading_percent.max(), net.res_trafo.loading_percent.max())
    assert excess[:e].max() == pytest.approx(heaviest / 100.0 - 1.0, abs=1e-6)
    assert excess[e : e + n].max() == pytest.approx(net.res_bus.vm_pu.max() / 1.1 - 1.0, abs=1e-8)
    assert excess[e + n :].max() == pytest.approx(1.0 - net.res_bus.vm_pu.min() / 0.9, abs=1e-8)


def test_margins_narrow_what_is_allowed(power_flow_of: Flows) -> None:
    flow = power_flow_of("create_cigre_network_mv")
    whole, narrow = limits_of(flow), limits_of(flow, Margins(0.1, 0.01))
    state, e = whole.state(), whole.n_branches
    before, after = whole.excess(state), narrow.excess(state)
    np.testing.assert_allclose(1.0 + after[:e], (1.0 + before[:e]) / 0.9)
    # w <= 1.21 - 0.02 and w >= 0.81 + 0.02, as the linear rows have it
    n = flow.network.n_nodes
    has_bus = np.isin(np.arange(n), flow.network.bus_node)  # open ends of lines have no band
    vm, high, low = state.vm_pu[has_bus], after[e : e + n], after[e + n :]
    np.testing.assert_allclose(1.0 + high[has_bus], vm / np.sqrt(1.19))
    np.testing.assert_allclose(1.0 - low[has_bus], vm / np.sqrt(0.83))
    assert (high[~has_bus] == -1.0).all()
    assert (low[~has_bus] == -1.0).all()
    which = np.array([0, e + 3, e + n + 3])
    ratio = narrow.slopes(state, which)[:, 5] / whole.slopes(state, which)[:, 5]
    np.testing.assert_allclose(ratio, [1.0 / 0.9, 1.1 / np.sqrt(1.19), 0.9 / np.sqrt(0.83)])


def test_changes_add_up(power_flow_of: Flows) -> None:
    limits = limits_of(power_flow_of("case141"))
    n = len(limits.p_mw)
    dp, dq = np.full(n, 0.01), np.full(n, -0.005)
    moved = limits.after(dp).after_reactive(dq)
    direct = limits.operator_model.power_flow.solve(limits.p_mw + 2.0 * dp, limits.q_mvar + dq)
    np.testing.assert_array_equal(moved.state(dp).vm_pu, direct.vm_pu)
