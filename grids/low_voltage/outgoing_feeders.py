"""The outgoing feeders of a low-voltage net, each on its own: the net is cut at its low-voltage busbar.

The capacity of a feeder and the capacity of the transformer that supplies all feeders are separate questions.
Here the busbar is a stiff source. The transformer with its rating, and everything at the busbar itself, are
left out. The caller accounts for the voltage drop of the transformer in the voltage of the busbar, or in a
narrower voltage band.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pandapower as pp
from pandapower import topology
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import FloatArray


@dataclass(frozen=True)
class Outgoing:
    """An outgoing feeder, and the length of line from the busbar to each of its users, (U,) km."""

    feeder: Feeder
    km: FloatArray


def split(net: pandapowerNet, name: str, busbar_vm_pu: float = 1.0, units: bool = True) -> list[Outgoing]:
    """The outgoing feeders of a radial net that have users, ordered by their lowest bus.

    Every user is behind exactly one line that leaves the low-voltage busbar, and belongs to that feeder.
    `busbar_vm_pu` is the voltage of the busbar (p.u.); `units` as in `read_feeder`; `net` is not changed.
    Raises `InputError` for nets that are not radial, have not exactly one low-voltage busbar, or have a user
    at no feeder.
    """
    alone = copy.deepcopy(net)
    busbar = _busbar(net, name)
    alone.trafo["in_service"] = False
    alone.ext_grid["in_service"] = False
    pp.create_ext_grid(alone, busbar, vm_pu=busbar_vm_pu)
    graph = topology.create_nxgraph(alone, respect_switches=True, multi=True)
    joined = nx.Graph([(a, b) for a, b, key in graph.edges(keys=True) if _ideal(net, key)])
    joined.add_node(busbar)
    bars = nx.node_connected_component(joined, busbar)
    behind = nx.node_connected_component(graph, busbar) - bars
    _placed(net, name, behind)
    km = topology.calc_distance_to_bus(alone, busbar)
    lv_feeders: list[Outgoing] = []
    for buses in sorted(nx.connected_components(graph.subgraph(behind)), key=min):
        if not net.load.bus[net.load.in_service].isin(buses).any() and not (
            net.asymmetric_load.bus[net.asymmetric_load.in_service].isin(buses).any()
        ):
            continue
        ways = [key for a, b, key in graph.edges(keys=True) if (a in buses) != (b in buses)]
        if len(ways) > 1:
            raise InputError(
                name,
                " and ".join(f"{key[0]} {key[1]}" for key in ways[:2]),
                "leave the busbar towards the same buses: the net is not radial",
                "Open a switch, or read the whole net as one feeder",
            )
        feeder = read_feeder(_only(alone, bars | buses), f"{name}, feeder {len(lv_feeders) + 1}", units=units)
        away = [float(km[user.bus]) for user in feeder.users]
        lv_feeders.append(Outgoing(feeder, np.array(away)))
    return lv_feeders


def _only(net: pandapowerNet, buses: set[Any]) -> pandapowerNet:
    """A copy in which only the given buses, and the lines between them, are in service."""
    part = copy.deepcopy(net)
    part.bus["in_service"] &= part.bus.index.isin(buses)
    part.line["in_service"] &= part.line.from_bus.isin(buses) & part.line.to_bus.isin(buses)
    for table in ("load", "asymmetric_load"):
        part[table]["in_service"] &= part[table].bus.isin(buses)
    return part


def _ideal(net: pandapowerNet, key: tuple[str, int]) -> bool:
    """Whether an edge of the graph is a switch without impedance, which joins two buses."""
    return key[0] == "switch" and not net.switch.z_ohm.at[key[1]]


def _busbar(net: pandapowerNet, name: str) -> int:
    buses = net.trafo.lv_bus[net.trafo.in_service].unique()
    if len(buses) != 1:
        raise InputError(
            name,
            "trafo",
            f"the net's transformers feed {len(buses)} low-voltage busbars",
            "Give a net with one, or read the whole net as one feeder",
        )
    return int(buses[0])


def _placed(net: pandapowerNet, name: str, behind: set[Any]) -> None:
    """Raise an `InputError` for a user that is not behind a line that leaves the busbar."""
    for table in ("load", "asymmetric_load"):
        astray = net[table][net[table].in_service & ~net[table].bus.isin(behind)]
        if len(astray):
            raise InputError(
                name,
                f"{table} {astray.index[0]}",
                f"bus {astray.bus.iloc[0]} is not behind a line that leaves the low-voltage busbar",
                "Connect it to a feeder, or take it out",
            )
