"""Writing a grid in one state as a pandapower JSON."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandapower as pp

from tandem_sim.grids.network.network import Network
from tandem_sim.grids.types import FloatArray, IntArray

INJECTIONS = ("load", "sgen", "gen", "storage")
REPLACED = ("motor", "asymmetric_load", "asymmetric_sgen")
"""Injections without columns for active and reactive power: taken out of service."""


def buses_of_nodes(network: Network) -> IntArray:
    """One pandapower bus for every node (N,); -1 for nodes without a bus (open line ends)."""
    bus = np.full(network.n_nodes, -1, dtype=np.int64)
    bus[network.bus_node[::-1]] = network.bus_index[::-1]  # the first bus of each node wins
    return bus


def save_network(network: Network, p_mw: FloatArray, q_mvar: FloatArray, path: Path) -> None:
    """Write the pandapower net of `network` with injections (N,): one load per bus is the only injection."""
    net = copy.deepcopy(network.net)
    for table in INJECTIONS:
        if len(net[table]):
            net[table]["p_mw"] = 0.0
        if len(net[table]) and "q_mvar" in net[table]:
            net[table]["q_mvar"] = 0.0
    for table in ("ward", "xward"):
        if table in net and len(net[table]):
            net[table][["ps_mw", "qs_mvar"]] = 0.0
    for table in REPLACED:
        if table in net and len(net[table]):
            net[table]["in_service"] = False
    bus = buses_of_nodes(network)
    for k in np.flatnonzero((bus >= 0) & ((p_mw != 0) | (q_mvar != 0))):
        pp.create_load(net, int(bus[k]), p_mw=-float(p_mw[k]), q_mvar=-float(q_mvar[k]), name="state")
    pp.to_json(net, str(path))
