"""Names, ends and coordinates of branches and buses, from the tables of the net."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.network.network import Network
from tandem_sim.grids.network.places import branch_places, bus_coordinates, bus_names, bus_vn_kv


def _open_line() -> pandapowerNet:
    """A feeder of three buses whose second line is open at its far end; a third line closes the way."""
    net = pp.create_empty_network()
    buses = [pp.create_bus(net, vn_kv=10.0, name=f"b{k}", index=10 * k + 3) for k in range(3)]
    pp.create_ext_grid(net, buses[0])
    for k, (start, end) in enumerate(((0, 1), (1, 2), (0, 2))):
        pp.create_line(net, buses[start], buses[end], 1.0, "NAYY 4x50 SE", name=f"cable {k}")
    pp.create_switch(net, buses[2], 1, et="l", closed=False)
    pp.create_load(net, buses[2], 0.1)
    return net


def test_an_open_end_has_no_bus() -> None:
    network = Network.from_pandapower(_open_line(), "open")
    found = dict(zip(network.branches.label, zip(*branch_places(network), strict=True), strict=True))
    assert found == {
        "line 0": ("cable 0", 3, 13),
        "line 1": ("cable 1", 13, None),
        "line 2": ("cable 2", 3, 23),
    }
    assert bus_names(network) == ["b0", "b1", "b2"]


def test_a_three_winding_transformer_is_three_branches_that_meet_at_no_bus() -> None:
    net = pn.example_multivoltage()
    network = Network.from_pandapower(net, "multivoltage")
    places = branch_places(network)
    row = net.trafo3w.loc[0]
    sides = [
        (start, end)
        for label, start, end in zip(network.branches.label, places.from_bus, places.to_bus, strict=True)
        if label == "trafo3w 0"
    ]
    assert sides == [(row.hv_bus, None), (None, row.mv_bus), (None, row.lv_bus)]
    by_label = dict(zip(network.branches.label, zip(*places, strict=True), strict=True))
    for table, start, end in (("line", "from_bus", "to_bus"), ("trafo", "hv_bus", "lv_bus")):
        for index, element in net[table].iterrows():
            if f"{table} {index}" not in by_label:
                continue
            name, first, other = by_label[f"{table} {index}"]
            assert name == (element["name"] or "")
            assert first in (element[start], None)
            assert other in (element[end], None)
    assert bus_vn_kv(network).tolist() == net.bus.vn_kv.loc[network.bus_index].tolist()


@pytest.mark.parametrize(
    ("geo", "expected"),
    [
        ('{"coordinates": [4.35, 50.85], "type": "Point"}', (4.35, 50.85)),
        ('{"coordinates": [4.35, 50.85, 12.0], "type": "Point"}', (4.35, 50.85)),
        (None, (math.nan, math.nan)),
        ("", (math.nan, math.nan)),
        ("[1, 2]", (math.nan, math.nan)),
        ('{"coordinates": [1]}', (math.nan, math.nan)),
        ('{"coordinates": ["a", "b"]}', (math.nan, math.nan)),
        ('{"coordinates": [1e999, 2]}', (math.nan, math.nan)),
        ("[" * 100_000, (math.nan, math.nan)),
        (float("nan"), (math.nan, math.nan)),
    ],
)
def test_coordinates_are_a_point_or_nothing(geo: Any, expected: tuple[float, float]) -> None:
    net = _open_line()
    net.bus["geo"] = net.bus["geo"].astype(object) if "geo" in net.bus else None
    net.bus.at[13, "geo"] = geo
    found = bus_coordinates(Network.from_pandapower(net, "geo"))
    np.testing.assert_array_equal(found[1], expected)
    assert np.isnan(found[[0, 2]]).all()


def test_a_name_is_printable_text() -> None:
    net = _open_line()
    net.bus["name"] = net.bus["name"].astype(object)
    net.bus.loc[3, "name"], net.bus.loc[13, "name"], net.bus.loc[23, "name"] = (
        7,
        None,
        "a\nb\x1b[2J" + "x" * 500,
    )
    names = bus_names(Network.from_pandapower(net, "names"))
    assert names[:2] == ["7", ""]
    assert names[2].isprintable()
    assert len(names[2]) <= 80
