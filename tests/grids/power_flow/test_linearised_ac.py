"""Linearisation at the AC point: against AC on meshed grids, against LinDistFlow where losses vanish."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.constraints import distribution_constraints_ac
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.power_flow.linearised_ac import linearise_ac
from tests.nets import empty_net


def _meshed_mv(net_of: Callable[[str], pandapowerNet]) -> Network:
    """The CIGRE medium-voltage grid with every switch closed."""
    net = copy.deepcopy(net_of("create_cigre_network_mv"))
    net.switch["closed"] = True
    return Network.from_pandapower(net, "meshed")


@pytest.mark.parametrize("grid", ["case14", "meshed"])
def test_predicts_ac_after_a_small_change(
    grid: str, net_of: Callable[[str], pandapowerNet], network_of: Callable[[str], Network]
) -> None:
    network = network_of(grid) if grid == "case14" else _meshed_mv(net_of)
    with pytest.raises(InputError, match="linearise_ac"):
        LinDistFlow.build(network)
    flow = PowerFlow(network)
    rows = linearise_ac(flow, network.p_mw, network.q_mvar)
    base = flow.solve(network.p_mw, network.q_mvar)
    assert rows.w_pu2 == pytest.approx(base.vm_pu**2)
    dp = np.random.default_rng(3).uniform(-0.02, 0.02, network.n_nodes) * np.abs(network.p_mw).max()
    dp[network.root] = 0.0
    after, predicted = flow.solve(network.p_mw + dp, network.q_mvar), rows.after(dp)
    exact = linearise_ac(flow, network.p_mw + dp, network.q_mvar)
    moved_w = np.abs(after.vm_pu**2 - base.vm_pu**2).max()
    moved_mw = np.abs(exact.flow_mw - rows.flow_mw).max()
    assert np.abs(predicted.w_pu2 - after.vm_pu**2).max() < 0.02 * moved_w
    assert np.abs(predicted.flow_mw - exact.flow_mw).max() < 0.02 * moved_mw
    assert moved_w > 1e-5
    assert moved_mw > 1e-2
    dq = 0.3 * dp
    after = flow.solve(network.p_mw, network.q_mvar + dq)
    moved_w = np.abs(after.vm_pu**2 - base.vm_pu**2).max()
    assert np.abs(rows.after_reactive(dq).w_pu2 - after.vm_pu**2).max() < 0.02 * moved_w
    assert moved_w > 1e-5


def test_equals_lindistflow_sensitivities_where_losses_vanish() -> None:
    net = empty_net(sn_mva=1.0)
    pp.create_buses(net, 3, vn_kv=10.0)
    pp.create_ext_grid(net, 0)
    for a in (0, 1):
        pp.create_line_from_parameters(net, a, a + 1, 1.0, 1e-2, 2e-2, 0.0, max_i_ka=0.1)
        pp.create_load(net, a + 1, p_mw=0.3, q_mvar=0.1)
    network = Network.from_pandapower(net, "short")
    flow, lin = PowerFlow(network), LinDistFlow.build(network)
    rows = linearise_ac(flow, network.p_mw, network.q_mvar)
    by_hand = distribution_constraints_ac(lin, flow.solve(network.p_mw, network.q_mvar))
    assert rows.flow_matrix == pytest.approx(by_hand.flow_matrix, abs=1e-3)
    assert rows.voltage_matrix == pytest.approx(by_hand.voltage_matrix, abs=1e-6)
    assert rows.voltage_q_matrix == pytest.approx(by_hand.voltage_q_matrix, abs=1e-6)
    assert rows.limit_mw == pytest.approx(by_hand.limit_mw)
    assert np.abs(rows.voltage_matrix).max() == pytest.approx(
        2 * 2e-4, rel=1e-2
    )  # 2 r, two lines of 1e-4 p.u.


def test_operating_point_without_solution_is_refused(power_flow_of: Callable[[str], PowerFlow]) -> None:
    flow = power_flow_of("case69")
    with pytest.raises(InputError, match="has no solution"):
        linearise_ac(flow, 50.0 * flow.network.p_mw, 50.0 * flow.network.q_mvar)
