"""Cutting a net at its substations: nothing is lost, and the parts solve to the same state as the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net, load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.network.split import (
    Substation,
    split_at_substations,
    with_loops_opened,
    with_one_external_grid,
    write_nets,
)
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tests.nets import empty_net

LINE = "NA2XS2Y 1x185 RM/25 12/20 kV"
SIMBENCH = "1-HVMV-mixed-all-1-no_sw"


@pytest.fixture
def net() -> Any:
    """Three 110 kV buses in a ring; two transformers and an open ring below bus 1, a closed one below 2."""
    net = empty_net(name="two substations", sn_mva=10.0)
    pp.create_buses(net, 3, 110.0)
    pp.create_ext_grid(net, 0, vm_pu=1.04)
    pp.create_ext_grid(net, 2, vm_pu=1.03)
    for ends in ((0, 1), (1, 2), (2, 0)):
        pp.create_line(net, *ends, 12.0, "149-AL1/24-ST1A 110.0")
    pp.create_load(net, 1, 3.0, 0.5, name="of the upper level")
    for upper, kv, count in ((1, 20.0, 2), (2, 10.0, 1)):
        first = int(pp.create_buses(net, 4, kv)[0])
        for _ in range(count):
            pp.create_transformer(net, upper, first, f"25 MVA 110/{kv:g} kV")
        for a, b in ((0, 1), (1, 2), (0, 3), (3, 2)):
            pp.create_line(net, first + a, first + b, 2.0 + b, LINE)
        pp.create_loads(net, [first + 1, first + 2, first + 3], [1.5, 2.0, 1.0], 0.3)
        pp.create_sgen(net, first + 3, 0.7)
        pp.create_shunt(net, first + 2, q_mvar=-0.2)
    pp.create_switch(net, 4, 4, "l", closed=False)
    pp.create_switch(net, 1, 0, "t", closed=True)
    return net


def _assert_solves_alike(net: Any) -> tuple[Any, list[Substation]]:
    """The parts, each with the voltage above it, against the whole: all voltages, and flows at the cuts."""
    pp.runpp(net, calculate_voltage_angles=True, numba=False)
    upper, stations = split_at_substations(net, net.res_bus.vm_pu.to_dict())
    for station in stations:
        pp.runpp(station.net, numba=False)
        whole = net.res_bus.vm_pu.loc[station.net.bus.index]
        np.testing.assert_allclose(station.net.res_bus.vm_pu, whole, atol=1e-6)
        mine = net.res_trafo.loc[station.net.trafo.index]
        flow = station.net.res_ext_grid.iloc[0]
        np.testing.assert_allclose([flow.p_mw, flow.q_mvar], mine[["p_hv_mw", "q_hv_mvar"]].sum(), atol=1e-3)
        pp.create_load(upper, station.upper_bus, flow.p_mw, flow.q_mvar)
    pp.runpp(upper, calculate_voltage_angles=True, numba=False)
    np.testing.assert_allclose(upper.res_bus.vm_pu, net.res_bus.vm_pu.loc[upper.bus.index], atol=1e-6)
    np.testing.assert_allclose(upper.res_ext_grid.p_mw, net.res_ext_grid.p_mw, atol=1e-3)
    return split_at_substations(net)


def _assert_nothing_lost(net: Any, upper: Any, stations: list[Substation]) -> None:
    parts = [upper, *(s.net for s in stations)]
    for table in ("load", "sgen", "storage", "shunt"):
        for column in ("p_mw", "q_mvar"):
            total = sum(part[table][column].sum() for part in parts)
            assert total == pytest.approx(net[table][column].sum(), abs=1e-9)
    for table in ("line", "trafo", "load", "sgen", "switch"):
        assert sorted(i for part in parts for i in part[table].index) == sorted(net[table].index)
    assert sum(len(part.bus) for part in parts) == len(net.bus) + len(stations)
    for station in stations:
        assert station.upper_bus in upper.bus.index
        assert station.net.ext_grid.bus.tolist() == [station.upper_bus]
        assert station.net.bus.vn_kv.drop(station.upper_bus).max() < 60.0 <= upper.bus.vn_kv.min()


def test_parts_solve_to_what_the_whole_does_and_nothing_is_lost(net: Any) -> None:
    before = {table: len(net[table]) for table in ("bus", "load", "ext_grid", "trafo")}
    upper, stations = _assert_solves_alike(net)
    _assert_nothing_lost(net, upper, stations)
    assert [(s.name, s.upper_bus) for s in stations] == [("substation 1", 1), ("substation 2", 2)]
    assert upper.load.name.tolist() == ["of the upper level"]
    assert {table: len(net[table]) for table in before} == before
    assert all(s.net.ext_grid.vm_pu.tolist() == [1.0] and s.net.sn_mva == net.sn_mva for s in stations)


def test_loops_are_opened_where_the_way_is_longest(net: Any) -> None:
    _, (ring, loop) = split_at_substations(net)
    LinDistFlow.build(Network.from_pandapower(ring.net))  # its switch is open
    assert with_loops_opened(ring.net)[1] == []
    with pytest.raises(InputError, match="closes a loop"):
        LinDistFlow.build(Network.from_pandapower(loop.net))
    radial, opened = with_loops_opened(loop.net)
    assert opened == ["line 10"]  # 3 + 4 km over bus 8 + 1 against 5 + 4 km: the last of the longer way
    assert loop.net.line.in_service.all()
    assert LinDistFlow.build(Network.from_pandapower(radial)).network.n_nodes == 5
    with pytest.raises(InputError, match="2 external grids"):
        with_loops_opened(net)


def test_one_external_grid_is_left_and_the_others_hold_their_voltage(net: Any) -> None:
    changed = with_one_external_grid(net)
    assert (len(net.ext_grid), len(changed.ext_grid)) == (2, 1)
    network = Network.from_pandapower(changed)
    assert (network.root_vm_pu, network.pv_vm_pu.tolist()) == (1.04, [1.03])
    net.ext_grid["in_service"] = False
    with pytest.raises(InputError, match="no external grid in service"):
        with_one_external_grid(net)


def test_written_nets_are_read_again(net: Any, tmp_path: Path) -> None:
    _, stations = split_at_substations(net)
    paths = write_nets({s.name: s.net for s in stations}, tmp_path / "new" / "folder")
    network = load_network(str(paths[0]))
    assert network.p_mw.sum() == pytest.approx(0.7 - 4.5)


def _no_substation(net: Any) -> None:
    net.trafo = net.trafo.iloc[:0]


def _two_feeds(net: Any) -> None:
    pp.create_line(net, 4, 8, 1.0, LINE)


def _a_way_around(net: Any) -> None:
    pp.create_line(net, 1, 4, 1.0, LINE)


def _three_windings(net: Any) -> None:
    low = pp.create_bus(net, 20.0)
    pp.create_transformer3w(net, 0, low, pp.create_bus(net, 10.0), "63/25/38 MVA 110/20/10 kV")


def _an_open_switch_around(net: Any) -> None:
    pp.create_switch(net, 1, 4, "b", closed=False)


def _an_element_unknown_here(net: Any) -> None:
    pp.create_svc(net, 4, x_l_ohm=1.0, x_cvar_ohm=-10.0, set_vm_pu=1.0, thyristor_firing_angle_degree=144.0)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_no_substation, "nothing to cut"),
        (_two_feeds, "has 2 upper buses"),
        (_a_way_around, "by other branches too"),
        (_an_open_switch_around, "by other branches too"),
        (_an_element_unknown_here, "svc: has elements that belong to no part"),
        (_three_windings, "three-winding transformer across 60 kV"),
    ],
)
def test_what_cannot_be_cut_is_refused(net: Any, change: Callable[[Any], None], problem: str) -> None:
    change(net)
    with pytest.raises(InputError, match=problem):
        split_at_substations(net)


@pytest.mark.long("1729 buses take 15 s: what the small net shows, at fifteen substations of measured data")
def test_simbench_is_cut_into_fifteen_radial_grids() -> None:
    net = load_net(SIMBENCH)
    upper, stations = _assert_solves_alike(net)
    _assert_nothing_lost(net, upper, stations)
    assert (len(upper.bus), len(stations)) == (94, 15)
    assert [s.name for s in stations[:2]] == ["MV1.101", "MV1.102"]
    opened = {s.name: with_loops_opened(s.net) for s in stations}
    assert {name: len(lines) for name, (_, lines) in opened.items() if lines} == {
        "MV3.101": 2,
        "MV3.102": 2,
        "MV3.103": 2,
        "MV4.101": 1,
    }
    for name, (radial, _) in opened.items():
        LinDistFlow.build(Network.from_pandapower(radial, name))
