"""Feeders that several tests compute by hand."""

from __future__ import annotations

import pandapower as pp

from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tests.nets import empty_net


def line_of(lengths_km: list[float], ratings_ka: list[float]) -> Feeder:
    """Users one behind the other on one line of 0.4 kV, from a stiff source."""
    net = empty_net(sn_mva=1.0)
    before = pp.create_bus(net, 0.4)
    pp.create_ext_grid(net, before)
    for km, ka in zip(lengths_km, ratings_ka, strict=True):
        bus = pp.create_bus(net, 0.4)
        pp.create_line_from_parameters(net, before, bus, km, 0.3, 0.08, 0.0, ka)
        pp.create_load(net, bus, 0.001)
        before = bus
    return read_feeder(net, "a line")
