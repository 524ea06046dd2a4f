"""DC transmission: a triangle worked by hand, and pandapower's DC power flow on published cases."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.dc import DcModel
from tandem_sim.grids.network import Network
from tests.nets import empty_net


def _triangle() -> pandapowerNet:
    """Three 110 kV buses, three lines of 12.1 ohm (0.1 p.u. on 100 MVA), external grid at bus 0."""
    net = empty_net(sn_mva=100.0)
    pp.create_buses(net, 3, vn_kv=110.0)
    pp.create_ext_grid(net, 0)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        pp.create_line_from_parameters(net, a, b, 1.0, 0.0, 12.1, 0.0, max_i_ka=0.5)
    return net


def test_triangle_by_hand() -> None:
    # Equal reactances. 1 MW fed in at bus 1 and taken out at bus 0 has two ways home: direct (x) and through
    # bus 2 (2x), so 2/3 and 1/3 of it take them. Seen from the from ends (0-1, 1-2, 0-2): -2/3, +1/3, -1/3.
    # 1 MW injected at bus 2: direct over 0-2 (2/3), over 1-2 and 0-1 (1/3): -1/3, -1/3, -2/3.
    dc = DcModel.build(Network.from_pandapower(_triangle(), "triangle"))
    expected = np.array([[0.0, -2.0, -1.0], [0.0, 1.0, -1.0], [0.0, -1.0, -2.0]]) / 3.0
    assert dc.ptdf == pytest.approx(expected, abs=1e-12)
    # 90 MW consumed at bus 1, 30 MW generated at bus 2: 0-1 60 - 10, 1-2 -30 - 10, 0-2 30 - 20.
    flows = dc.flows_mw(np.array([0.0, -90.0, 30.0]))
    assert flows == pytest.approx([50.0, -40.0, 10.0], abs=1e-9)
    # sqrt(3) * 110 kV * 0.5 kA
    assert dc.limit_mw == pytest.approx(np.full(3, 95.2628), abs=1e-4)


@pytest.mark.parametrize("grid", ["case9", "case14"])
def test_flows_equal_pandapower_dc(
    grid: str, net_of: Callable[[str], pandapowerNet], network_of: Callable[[str], Network]
) -> None:
    network = network_of(grid)
    net = copy.deepcopy(net_of(grid))
    net.shunt["in_service"] = (
        False  # a DC shunt is a load at nominal voltage; the flows here are of injections
    )
    pp.rundcpp(net)
    flows = DcModel.build(network).flows_mw(network.p_mw)
    checked = 0
    for k, label in enumerate(network.branches.label):
        table, index = label.split()
        column = "p_from_mw" if table == "line" else "p_hv_mw"
        assert flows[k] == pytest.approx(net[f"res_{table}"][column][int(index)], abs=1e-6), label
        checked += 1
    assert checked == {"case9": 9, "case14": 20}[grid]
    assert np.abs(flows).max() > 10.0


def test_sensitivities_are_finite_differences_of_the_flows(network_of: Callable[[str], Network]) -> None:
    dc = DcModel.build(network_of("case14"))
    base = dc.flows_mw(dc.network.p_mw)
    for node in range(dc.network.n_nodes):
        moved = dc.network.p_mw.copy()
        moved[node] += 1.0
        assert dc.flows_mw(moved) - base == pytest.approx(dc.ptdf[:, node], abs=1e-9)
    assert (dc.ptdf[:, dc.network.root] == 0.0).all()
