"""Every table of a net is modelled, off, or listed as left out, with its rows and MW."""

from __future__ import annotations

from typing import Any

import pandapower as pp
import pytest

from tandem_sim.grids.network.contents import Content
from tandem_sim.grids.network.network import Network
from tests.grids.network.test_checks import _net


def _found(contents: tuple[Content, ...]) -> dict[tuple[str, str], Any]:
    return {(c.table, c.use): (c.count, c.p_mw) for c in contents}


def test_rows_and_megawatts_of_every_table() -> None:
    net = _net()
    pp.create_load(net, 3, p_mw=0.5, scaling=0.4)
    pp.create_load(net, 3, p_mw=0.3, in_service=False)
    pp.create_poly_cost(net, 0, "gen", 1.0)
    found = _found(Network.from_pandapower(net, "small").contents)
    assert found["load", "modelled"] == (2, pytest.approx(0.05 + 0.5 * 0.4))
    assert found["load", "off"] == (1, pytest.approx(0.3))
    assert found["sgen", "modelled"] == (1, pytest.approx(0.02))
    assert found["ward", "modelled"] == (1, pytest.approx(0.02))
    assert found["asymmetric_load", "modelled"] == (1, pytest.approx(0.01))
    assert found["motor", "modelled"] == (1, pytest.approx(0.01))  # at 100 % loading and efficiency
    assert found["poly_cost", "left out"][0] == 1
    assert ("line", "assumed") not in found  # their types have ratings


def test_a_tap_position_without_a_tap_changer_is_listed() -> None:
    net = _net()
    net.trafo["tap_pos"], net.trafo["tap_changer_type"] = 2.0, None
    found = [c for c in Network.from_pandapower(net, "small").contents if "tap_changer_type" in c.how]
    assert [(c.table, c.count, c.use) for c in found] == [("trafo", 1, "assumed")]
    net.trafo["tap_changer_type"] = "Ratio"
    assert not [c for c in Network.from_pandapower(net, "small").contents if "tap_changer_type" in c.how]


def test_power_that_is_not_wanted_is_left_out_and_listed() -> None:
    network = Network.from_pandapower(_net(), "small", {"sgen": "not wanted", "gen": "scheduled elsewhere"})
    whole = Network.from_pandapower(_net(), "small")
    assert network.p_mw.sum() == pytest.approx(whole.p_mw.sum() - 0.02 - 0.01)
    assert network.pv_vm_pu.tolist() == [1.0]  # the voltage is held all the same
    found = {c.table: c for c in network.contents}
    assert (found["sgen"].use, found["sgen"].how) == ("left out", "not wanted")
    assert found["gen"].p_mw == pytest.approx(0.01)


def test_a_generator_at_a_dead_bus_is_off() -> None:
    net = _net()
    dead = pp.create_bus(net, vn_kv=0.4, in_service=False)
    pp.create_gen(net, dead, p_mw=25.0, vm_pu=1.05)
    pp.create_load(net, dead, p_mw=7.0)
    network, alone = Network.from_pandapower(net, "small"), Network.from_pandapower(_net(), "small")
    assert network.p_mw == pytest.approx(alone.p_mw)
    assert network.pv_vm_pu.tolist() == [1.0]
    found = _found(network.contents)
    assert found["gen", "off"] == (1, 25.0)
    assert found["load", "off"] == (1, 7.0)
