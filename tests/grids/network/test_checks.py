"""Values that no power flow can use are named by table, row and column; other values are accepted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tests.nets import empty_net


def _net() -> pandapowerNet:
    """A transformer, two lines, a bus-bus switch, and one of nearly everything that injects."""
    net = empty_net(sn_mva=1.0)
    pp.create_buses(net, 5, vn_kv=[20.0, 0.4, 0.4, 0.4, 0.4], min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0)
    pp.create_transformer(net, 0, 1, "0.63 MVA 20/0.4 kV")
    for a, b in ((1, 2), (2, 3)):
        pp.create_line(net, a, b, 0.1, "NAYY 4x150 SE")
    pp.create_switch(net, 3, 4, et="b", z_ohm=0.01)
    pp.create_switch(net, 2, 0, et="l")
    pp.create_load(net, 3, p_mw=0.05, q_mvar=0.01)
    pp.create_sgen(net, 4, p_mw=0.02)
    pp.create_storage(net, 2, p_mw=0.01, max_e_mwh=1.0)
    pp.create_gen(net, 2, p_mw=0.01, vm_pu=1.0, min_q_mvar=-0.1, max_q_mvar=0.1)
    pp.create_shunt(net, 3, q_mvar=-0.01)
    pp.create_ward(net, 3, 0.01, 0.0, 0.01, 0.0)
    pp.create_motor(net, 3, 0.01, 0.9)
    pp.create_asymmetric_load(net, 3, p_a_mw=0.01)
    return net


FAULTS: list[tuple[str, int, str, Any, str]] = [
    ("bus", 2, "vn_kv", np.nan, "bus 2.vn_kv"),
    ("bus", 2, "vn_kv", 0.0, "bus 2.vn_kv"),
    ("bus", 2, "min_vm_pu", 1.2, "bus 2.min_vm_pu"),
    ("bus", 2, "max_vm_pu", -1.0, "bus 2.max_vm_pu"),
    ("ext_grid", 0, "vm_pu", np.nan, "ext_grid 0.vm_pu"),
    ("line", 1, "length_km", 0.0, "line 1.length_km"),
    ("line", 1, "length_km", -1.0, "line 1.length_km"),
    ("line", 1, "r_ohm_per_km", np.nan, "line 1.r_ohm_per_km"),
    ("line", 1, "c_nf_per_km", np.inf, "line 1.c_nf_per_km"),
    ("line", 1, "df", 0.0, "line 1.df"),
    ("line", 1, "parallel", 0, "line 1.parallel"),
    ("line", 1, "to_bus", 77, "line 1.to_bus"),
    ("trafo", 0, "sn_mva", 0.0, "trafo 0.sn_mva"),
    ("trafo", 0, "vn_lv_kv", np.nan, "trafo 0.vn_lv_kv"),
    ("trafo", 0, "vk_percent", 0.0, "trafo 0.vk_percent"),
    ("trafo", 0, "vkr_percent", 50.0, "trafo 0.vk_percent"),
    ("trafo", 0, "tap_pos", np.inf, "trafo 0.tap_pos"),
    ("trafo", 0, "tap_changer_type", "Foo", "trafo 0.tap_changer_type"),
    ("load", 0, "p_mw", np.nan, "load 0.p_mw"),
    ("load", 0, "q_mvar", np.inf, "load 0.q_mvar"),
    ("load", 0, "bus", 99, "load 0.bus"),
    ("sgen", 0, "scaling", np.inf, "sgen 0.scaling"),
    ("storage", 0, "p_mw", np.nan, "storage 0.p_mw"),
    ("gen", 0, "vm_pu", 0.0, "gen 0.vm_pu"),
    ("gen", 0, "min_q_mvar", 0.2, "gen 0.min_q_mvar"),
    ("shunt", 0, "q_mvar", np.nan, "shunt 0.q_mvar"),
    ("shunt", 0, "vn_kv", 0.0, "shunt 0.vn_kv"),
    ("ward", 0, "pz_mw", np.nan, "ward 0.pz_mw"),
    ("motor", 0, "cos_phi", np.nan, "motor 0.cos_phi"),
    ("asymmetric_load", 0, "p_b_mw", np.nan, "asymmetric_load 0.p_b_mw"),
    ("switch", 0, "z_ohm", -1.0, "switch 0.z_ohm"),
    ("switch", 0, "et", "x", "switch 0.et"),
    ("switch", 1, "element", 9, "switch 1.element"),
]


@pytest.mark.parametrize(("table", "row", "column", "value", "field"), FAULTS)
def test_a_value_no_power_flow_can_use_is_named(
    table: str, row: int, column: str, value: Any, field: str
) -> None:
    net = _net()
    net[table][column] = net[table][column].astype(object)  # as a file may hold it
    net[table].at[row, column] = value
    with pytest.raises(InputError) as error:
        Network.from_pandapower(net, "small")
    assert (error.value.source, error.value.field) == ("small", field)
    assert error.value.hint
    if (
        "in_service" in net[table]
        and table not in ("bus", "ext_grid")
        and column != "bus"
        and "_bus" not in column
    ):
        net[table].at[row, "in_service"] = False
        if table not in ("line", "trafo"):  # without a branch its buses have no supply
            Network.from_pandapower(net, "small")


@pytest.mark.parametrize(("table", "column"), [("load", "p_mw"), ("line", "in_service"), ("trafo", "hv_bus")])
def test_a_missing_column_is_named(table: str, column: str) -> None:
    net = _net()
    net[table] = net[table].drop(columns=column)
    with pytest.raises(InputError) as error:
        Network.from_pandapower(net, "small")
    assert error.value.field == f"{table}.{column}"
    assert "missing" in error.value.problem


@pytest.mark.parametrize(("column", "value"), [("in_service", None), ("in_service", "yes"), ("p_mw", "much")])
def test_words_and_gaps_where_a_flag_or_number_belongs_are_named(column: str, value: Any) -> None:
    net = _net()
    net.load[column] = net.load[column].astype(object)
    net.load.at[0, column] = value
    with pytest.raises(InputError) as error:
        Network.from_pandapower(net, "small")
    assert error.value.field == f"load 0.{column}"


def test_lines_and_impedances_without_impedance_are_named() -> None:
    net = _net()
    net.line[["r_ohm_per_km", "x_ohm_per_km"]] = 0.0
    with pytest.raises(InputError, match="line 0: has no impedance"):
        Network.from_pandapower(net, "small")
    net = _net()
    pp.create_impedance(net, 3, 2, rft_pu=0.0, xft_pu=0.0, sn_mva=1.0)
    with pytest.raises(InputError, match="impedance 0: has no impedance"):
        Network.from_pandapower(net, "small")


def test_a_base_power_of_zero_is_named() -> None:
    net = _net()
    net.sn_mva = 0.0
    with pytest.raises(InputError, match="sn_mva: is 0"):
        Network.from_pandapower(net, "small")


def test_rows_that_share_an_index_and_tables_that_are_missing_are_named() -> None:
    net = _net()
    net.line.index = [0, 0]
    with pytest.raises(InputError, match="line: line 0 occurs twice"):
        Network.from_pandapower(net, "small")
    net = _net()
    del net["trafo3w"]
    with pytest.raises(InputError, match="trafo3w: the table is missing"):
        Network.from_pandapower(net, "small")


@pytest.mark.parametrize("column", [None, 3, ("p_mw", "q_mvar")])
def test_a_column_without_a_name_is_refused(column: object) -> None:
    net = _net()
    net.load[column] = 1.0
    with pytest.raises(InputError, match=r"load: has a column .*: columns have names"):
        Network.from_pandapower(net, "net")


def test_what_pandapower_cannot_build_ends_in_one_message() -> None:
    net = _net()
    pp.create_gen(net, 2, p_mw=0.01, vm_pu=1.0)
    net.gen.at[1, "vm_pu"] = 0.9  # two set-points at one bus
    with pytest.raises(InputError, match="different setpoints"):
        Network.from_pandapower(net, "small")


def test_limits_may_be_absent_or_infinite() -> None:
    net = _net()
    net.line["max_i_ka"] = [np.nan, np.inf]
    net.bus["max_vm_pu"] = np.nan
    assert np.isinf(Network.from_pandapower(net, "small").branches.s_max_mva[:2]).all()


@pytest.mark.parametrize(
    "grid", ["case14", "case69", "create_cigre_network_mv", "ieee_european_lv_asymmetric"]
)
def test_published_nets_pass(grid: str, net_of: Callable[[str], pandapowerNet]) -> None:
    Network.from_pandapower(copy.deepcopy(net_of(grid)), grid)
