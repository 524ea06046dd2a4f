"""Reading a pandapower net: nodes, signs, limits, and refused input."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tests.nets import empty_net


def _net() -> pandapowerNet:
    """Buses 10, 11, 12 at 20 kV: 10 and 11 joined by a closed switch, a line 11-12."""
    net = empty_net(sn_mva=1.0)
    pp.create_buses(net, 3, vn_kv=20.0, index=[10, 11, 12], min_vm_pu=[0.9, 0.95, 0.92], max_vm_pu=1.1)
    pp.create_ext_grid(net, 10, vm_pu=1.01)
    pp.create_switch(net, 10, 11, et="b", closed=True)
    pp.create_line_from_parameters(net, 11, 12, 2.0, 0.5, 0.4, 0.0, max_i_ka=0.2, df=0.5, parallel=3)
    pp.create_load(net, 12, p_mw=2.0, q_mvar=0.5, scaling=0.5)
    pp.create_sgen(net, 12, p_mw=0.4, q_mvar=-0.1)
    pp.create_storage(net, 12, p_mw=0.3, max_e_mwh=1.0)
    pp.create_load(net, 11, p_mw=0.7, in_service=False)
    return net


def test_buses_joined_by_a_closed_switch_are_one_node() -> None:
    network = Network.from_pandapower(_net(), "small")
    assert network.n_nodes == 2
    assert network.bus_index.tolist() == [10, 11, 12]
    root, same, leaf = network.bus_node.tolist()
    assert root == same == network.root
    assert leaf != root
    assert network.root_vm_pu == 1.01
    low, high = network.node_limits_pu()  # the tightest of the joined buses
    assert low[root] == 0.95
    assert low[leaf] == 0.92
    assert high.tolist() == [1.1, 1.1]


def test_injection_is_positive_and_load_and_storage_charging_are_not() -> None:
    network = Network.from_pandapower(_net(), "small")
    leaf = network.nodes_of(np.array([12]), "bus")[0]
    assert network.p_mw[leaf] == pytest.approx(-2.0 * 0.5 + 0.4 - 0.3)  # storage: positive p_mw charges
    assert network.q_mvar[leaf] == pytest.approx(-0.5 * 0.5 - 0.1)
    assert network.p_mw[network.root] == 0.0  # its load is out of service
    assert network.interface_mw == pytest.approx(0.9)


def test_ratings_of_transformers_and_admitted_loadings_by_hand() -> None:
    net = _net()
    bus = pp.create_bus(net, vn_kv=0.4, index=13)
    pp.create_transformer(net, 12, bus, "0.63 MVA 20/0.4 kV", df=0.5, parallel=2)
    branches = Network.from_pandapower(net, "small").branches
    assert branches.s_max_mva[1] == pytest.approx(0.63)  # 0.63 * 0.5 * 2
    assert branches.i_max_to_ka[1] == pytest.approx(0.63 / np.sqrt(3.0) / 0.4)
    whole = branches.s_max_mva[0]
    net.line["max_loading_percent"], net.trafo["max_loading_percent"] = 60.0, 80.0
    branches = Network.from_pandapower(net, "small").branches
    assert branches.s_max_mva == pytest.approx([0.6 * whole, 0.8 * 0.63])
    assert branches.i_max_from_ka == pytest.approx([0.6 * 0.2 * 0.5 * 3.0, 0.8 * 0.63 / np.sqrt(3.0) / 20.0])


def test_rating_counts_derating_and_parallel_lines() -> None:
    branches = Network.from_pandapower(_net(), "small").branches
    assert branches.s_max_mva == pytest.approx([np.sqrt(3.0) * 20.0 * 0.2 * 0.5 * 3.0])
    assert branches.r_pu == pytest.approx([2.0 * 0.5 / 3.0 / 400.0])


def test_voltage_band_defaults_where_the_data_states_none() -> None:
    net = _net()
    net.bus = net.bus.drop(columns=["min_vm_pu"])
    net.bus.loc[12, "max_vm_pu"] = np.nan
    network = Network.from_pandapower(net, "small")
    assert network.vm_min_pu.tolist() == [0.9, 0.9, 0.9]
    assert network.vm_max_pu.tolist() == [1.1, 1.1, 1.1]


def test_ratings_above_9000_mva_mean_no_limit(network_of: Callable[[str], Network]) -> None:
    assert np.isinf(network_of("case14").branches.s_max_mva).all()
    assert np.isfinite(network_of("create_cigre_network_mv").branches.s_max_mva).all()


def test_the_net_is_left_untouched(net_of: Callable[[str], pandapowerNet]) -> None:
    net = copy.deepcopy(net_of("case14"))
    before = pp.to_json(net)
    Network.from_pandapower(net)
    assert pp.to_json(net) == before


def _refusal(net: pandapowerNet) -> InputError:
    with pytest.raises(InputError) as error:
        Network.from_pandapower(net, "small")
    assert error.value.source == "small"
    assert error.value.hint
    return error.value


def test_two_external_grids_are_refused() -> None:
    net = _net()
    pp.create_ext_grid(net, 12)
    error = _refusal(net)
    assert error.field == "ext_grid"
    assert "2 external grids" in error.problem


def test_no_external_grid_in_service_is_refused() -> None:
    net = _net()
    net.ext_grid["in_service"] = False
    assert "0 external grids" in _refusal(net).problem


def test_bus_without_supply_is_refused_and_named() -> None:
    net = _net()
    pp.create_bus(net, vn_kv=20.0, index=77)
    error = _refusal(net)
    assert error.field == "bus"
    assert "77" in error.problem


def test_bus_out_of_service_is_left_out() -> None:
    net = _net()
    pp.create_bus(net, vn_kv=20.0, index=77, in_service=False)
    assert 77 not in Network.from_pandapower(net, "small").bus_index


def test_net_without_branches_is_refused() -> None:
    net = empty_net()
    pp.create_ext_grid(net, pp.create_bus(net, vn_kv=20.0))
    assert _refusal(net).field == "line"


def test_negative_rating_is_refused_with_its_line() -> None:
    net = _net()
    net.line["max_i_ka"] = -0.1
    assert _refusal(net).field == "line 0.max_i_ka"


def test_voltage_dependent_loads_are_refused() -> None:
    net = _net()
    net.load["const_z_p_percent"] = 30.0
    assert _refusal(net).field == "load.const_*"


def test_unknown_bus_is_refused_with_the_field_that_names_it(network_of: Callable[[str], Network]) -> None:
    with pytest.raises(InputError, match="bus 999 does not exist") as error:
        network_of("case14").nodes_of(np.array([3, 999]), "bids.bus")
    assert error.value.field == "bids.bus"


def _add_dcline(net: pandapowerNet) -> None:
    pp.create_dcline(net, 10, 12, 0.1, 1.0, 0.0, 1.0, 1.0)


def _add_svc(net: pandapowerNet) -> None:
    pp.create_svc(net, 12, 1.0, -1.0, 1.0, 120.0)


def _add_ssc(net: pandapowerNet) -> None:
    pp.create_ssc(net, 12, 0.1, 0.1)


@pytest.mark.parametrize("add", [_add_dcline, _add_svc, _add_ssc])
def test_elements_that_are_not_modelled_are_refused_by_table(add: Callable[[pandapowerNet], None]) -> None:
    table = add.__name__.removeprefix("_add_")
    net = _net()
    add(net)
    assert _refusal(net).field == table
    net[table]["in_service"] = False
    assert Network.from_pandapower(net, "small").n_nodes == 2


def test_generator_in_the_slack_is_refused() -> None:
    net = _net()
    pp.create_gen(net, 12, p_mw=0.1, slack=True)
    assert _refusal(net).field == "gen.slack"


def test_impedance_with_unlike_directions_is_refused() -> None:
    net = _net()
    bus = pp.create_bus(net, vn_kv=20.0, index=13)
    pp.create_impedance(net, 12, bus, rft_pu=0.01, xft_pu=0.02, rtf_pu=0.03, xtf_pu=0.02, sn_mva=1.0)
    assert _refusal(net).field == "impedance 0"
    net.impedance["rtf_pu"] = 0.01
    assert Network.from_pandapower(net, "small").branches.label == ("line 0", "impedance 0")
