"""A net cut at its busbar: each feeder is the one read on its own, and every user is in one of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.low_voltage.outgoing_feeders import split
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tests.nets import empty_net

FEEDERS = (((0.1, "near"), (0.05, "far")), ((0.2, "other"),))
TRAFO: dict[str, Any] = {
    "sn_mva": 0.25,
    "vn_hv_kv": 20.0,
    "vn_lv_kv": 0.4,
    "vkr_percent": 1.3,
    "vk_percent": 6.0,
    "pfe_kw": 0.0,
    "i0_percent": 0.0,
}


def _lv_feeder(net: pandapowerNet, before: int, lv_feeder: tuple[tuple[float, str], ...]) -> None:
    for km, name in lv_feeder:
        bus = pp.create_bus(net, 0.4)
        pp.create_line_from_parameters(net, before, bus, km, 0.3, 0.08, 0.0, 0.1 + km)
        pp.create_load(net, bus, 0.01, name=name)
        before = int(bus)


def _two_lv_feeders() -> tuple[pandapowerNet, int]:
    """20 kV, a transformer, and two feeders from its busbar: two users on the first, one on the second."""
    net = empty_net(sn_mva=1.0)
    above, busbar = pp.create_bus(net, 20.0), pp.create_bus(net, 0.4)
    pp.create_ext_grid(net, above, vm_pu=1.02)
    pp.create_transformer_from_parameters(net, above, busbar, **TRAFO)
    for lv_feeder in FEEDERS:
        _lv_feeder(net, busbar, lv_feeder)
    return net, int(busbar)


def test_the_feeders_are_those_of_each_street_alone() -> None:
    net, _ = _two_lv_feeders()
    lv_feeders = split(net, "two", 1.03)
    assert len(lv_feeders) == 2
    for found, lv_feeder in zip(lv_feeders, FEEDERS, strict=True):
        alone = empty_net(sn_mva=1.0)
        pp.create_ext_grid(alone, pp.create_bus(alone, 0.4), vm_pu=1.03)
        _lv_feeder(alone, 0, lv_feeder)
        reference = read_feeder(alone, "alone")
        assert [user.name for user in found.feeder.users] == [name for _, name in lv_feeder]
        assert found.feeder.z_pu == pytest.approx(reference.z_pu)
        assert found.feeder.source == pytest.approx(reference.source)
        assert (found.feeder.downstream == reference.downstream).all()
        assert found.feeder.section_limit == pytest.approx(reference.section_limit)
        assert found.km == pytest.approx(np.cumsum([km for km, _ in lv_feeder]))
    assert net.load.in_service.all()
    assert net.trafo.in_service.all()  # the net is as it was
    assert list(net.ext_grid.vm_pu) == [1.02]


def test_users_out_of_service_and_streets_without_users_are_left_out() -> None:
    net, busbar = _two_lv_feeders()
    net.load.loc[net.load.name != "far", "in_service"] = False
    _lv_feeder(net, busbar, ())
    (lv_feeder,) = split(net, "one")
    assert [user.name for user in lv_feeder.feeder.users] == ["far"]
    assert lv_feeder.km == pytest.approx([0.15])


def test_a_busbar_of_two_halves_is_one_busbar() -> None:
    net, busbar = _two_lv_feeders()
    other = pp.create_bus(net, 0.4)
    pp.create_switch(net, busbar, other, et="b")
    _lv_feeder(net, other, ((0.3, "behind a switch"),))
    assert [user.name for s in split(net, "halves") for user in s.feeder.users] == [
        "near",
        "far",
        "other",
        "behind a switch",
    ]
    assert len(split(net, "halves")) == 3


def test_a_switch_with_an_impedance_belongs_to_the_street_behind_it() -> None:
    net, busbar = _two_lv_feeders()
    other = pp.create_bus(net, 0.4)
    pp.create_switch(net, busbar, other, et="b", z_ohm=0.08)
    pp.create_load(net, other, 0.01, name="behind a switch")
    lv_feeder = split(net, "switch")[-1]
    assert [user.name for user in lv_feeder.feeder.users] == ["behind a switch"]
    assert abs(lv_feeder.feeder.z_pu[0, 0]) == pytest.approx(0.08 / 0.16)  # p.u. of 0.4 kV and 1 MVA


def test_what_is_held_counts_in_its_own_street_only() -> None:
    net, _ = _two_lv_feeders()
    pp.create_sgen(net, 3, 0.02)
    assert [lv_feeder.feeder.held_kva for lv_feeder in split(net, "held")] == pytest.approx([-20.0, 0.0])
    assert [lv_feeder.feeder.held_kva for lv_feeder in split(net, "own", units=False)] == [0.0, 0.0]


def test_a_ring_within_a_street_is_one_street() -> None:
    net, _ = _two_lv_feeders()
    pp.create_line_from_parameters(net, 2, 3, 0.05, 0.3, 0.08, 0.0, 0.1)
    lv_feeder = split(net, "ring")[0].feeder
    # 50 m and another 50 m side by side behind 100 m: 0.03 ohm and half of 0.015 ohm are shared and own.
    assert lv_feeder.z_pu.real == pytest.approx(np.array([[0.03, 0.03], [0.03, 0.0375]]) / 0.16)


def test_every_user_of_a_village_is_in_one_feeder(net_of: Callable[[str], pandapowerNet]) -> None:
    net = copy.deepcopy(net_of("create_kerber_dorfnetz"))
    net.load["name"] = [f"house {k}" for k in net.load.index]
    lv_feeders = split(net, "village")
    names = [user.name for lv_feeder in lv_feeders for user in lv_feeder.feeder.users]
    assert sorted(names) == sorted(net.load.name)
    assert [len(s.feeder.users) for s in lv_feeders] == [9, 9, 16, 12, 7, 4]
    whole = read_feeder(net, "village")
    carried = {name for s in lv_feeders for name in s.feeder.section_name}
    assert carried == set(whole.section_name) - {"trafo 0"}  # and no line is lost


def test_users_on_single_phases_keep_them(net_of: Callable[[str], pandapowerNet]) -> None:
    net = net_of("ieee_european_lv_asymmetric")
    (lv_feeder,) = split(net, "european", 1.01)
    whole = read_feeder(net, "european")
    assert lv_feeder.feeder.users == whole.users
    assert np.abs(lv_feeder.feeder.source) == pytest.approx(1.01)
    assert np.diag(lv_feeder.feeder.z_pu).real.max() < np.diag(whole.z_pu).real.max()  # no transformer in it


def test_what_has_no_streets_is_refused() -> None:
    net, busbar = _two_lv_feeders()
    net.trafo["in_service"] = False
    with pytest.raises(InputError, match="feed 0 low-voltage busbars"):
        split(net, "none")
    net, busbar = _two_lv_feeders()
    pp.create_transformer_from_parameters(net, 0, pp.create_bus(net, 0.4), **TRAFO)
    with pytest.raises(InputError, match="feed 2 low-voltage busbars"):
        split(net, "twice")
    net, busbar = _two_lv_feeders()
    pp.create_load(net, busbar, 0.01)
    with pytest.raises(InputError, match="load 3: bus 1 is not behind a line"):
        split(net, "at the busbar")
    net, busbar = _two_lv_feeders()
    net.line["in_service"] = False
    with pytest.raises(InputError, match="load 0: bus 2 is not behind a line"):
        split(net, "dark")
    net, busbar = _two_lv_feeders()
    pp.create_line_from_parameters(net, 2, 4, 0.1, 0.3, 0.08, 0.0, 0.1)
    with pytest.raises(InputError, match="not radial"):
        split(net, "ring")
