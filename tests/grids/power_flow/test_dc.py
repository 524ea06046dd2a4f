"""DC transmission: a triangle worked by hand, and pandapower's DC power flow on published cases."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.dc import DcModel
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
    assert _equal_to_pandapower(net, network) == {"case9": 9, "case14": 20}[grid]


def _equal_to_pandapower(net: pandapowerNet, network: Network) -> int:
    """Branches whose flow was found equal to that of ``rundcpp``."""
    pp.rundcpp(net)
    flows = DcModel.build(network).flows_mw(network.p_mw)
    for flow, label in zip(flows, network.branches.label, strict=True):
        table, index = label.split()
        column = {"trafo": "p_hv_mw"}.get(table, "p_from_mw")
        assert flow == pytest.approx(net[f"res_{table}"][column][int(index)], abs=1e-6), label
    assert np.abs(flows).max() > 10.0
    return len(flows)


def _phase_shifter() -> pandapowerNet:
    """The triangle with 60 MW at bus 1, its line 1-2 replaced by a transformer that turns by 10 degrees."""
    net = _triangle()
    net.line.loc[1, "in_service"] = False
    pp.create_transformer_from_parameters(
        net,
        1,
        2,
        sn_mva=100.0,
        vn_hv_kv=110.0,
        vn_lv_kv=110.0,
        vkr_percent=0.0,
        vk_percent=10.0,
        pfe_kw=0.0,
        i0_percent=0.0,
        shift_degree=10.0,
    )
    pp.create_load(net, 1, p_mw=60.0)
    net.line = net.line.drop(1)
    return net


def test_phase_shifter_by_hand() -> None:
    # Three equal reactances of 0.1 p.u. on 100 MVA in a ring. Without the shift 60 MW reach bus 1 as 40 over
    # 0-1 and 20 over 0-2-1. The shift drives pi/18 / 0.3 * 100 = 58.18 MW round the ring: the low-voltage
    # side lags, so its own flow from bus 1 to 2 falls by as much.
    around = np.pi / 18.0 / 0.3 * 100.0
    network = Network.from_pandapower(_phase_shifter(), "ring")
    flows = dict(zip(network.branches.label, DcModel.build(network).flows_mw(network.p_mw), strict=True))
    assert flows["line 0"] == pytest.approx(40.0 - around)
    assert flows["trafo 0"] == pytest.approx(-20.0 - around)
    assert flows["line 2"] == pytest.approx(20.0 + around)
    assert _equal_to_pandapower(_phase_shifter(), network) == 3


def test_shunts_wards_and_dead_buses_as_pandapower_has_them() -> None:
    net = _phase_shifter()
    pp.create_shunt(net, 2, q_mvar=0.0, p_mw=7.0, vn_kv=100.0, step=2)
    pp.create_ward(net, 1, 3.0, 0.0, 4.0, 0.0)
    dead = pp.create_bus(net, vn_kv=110.0, in_service=False)
    pp.create_gen(net, dead, p_mw=25.0)
    pp.create_impedance(net, 0, 1, rft_pu=0.0, xft_pu=0.2, sn_mva=100.0)
    assert _equal_to_pandapower(net, Network.from_pandapower(net, "ring")) == 4


def test_a_branch_without_reactance_is_named() -> None:
    net = _triangle()
    net.line.loc[1, ["r_ohm_per_km", "x_ohm_per_km"]] = 1.0, 0.0
    with pytest.raises(InputError, match="line 1: has no reactance"):
        DcModel.build(Network.from_pandapower(net, "triangle"))


def test_sensitivities_are_finite_differences_of_the_flows(network_of: Callable[[str], Network]) -> None:
    dc = DcModel.build(network_of("case14"))
    base = dc.flows_mw(dc.network.p_mw)
    for node in range(dc.network.n_nodes):
        moved = dc.network.p_mw.copy()
        moved[node] += 1.0
        assert dc.flows_mw(moved) - base == pytest.approx(dc.ptdf[:, node], abs=1e-9)
    assert (dc.ptdf[:, dc.network.root] == 0.0).all()
