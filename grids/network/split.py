"""A pandapower net cut at its substations: the grid above the HV/MV transformers, and every MV grid.

Everything at the upper bus of a substation (loads and generators of the upper level) stays above. Some data
sets also have an equivalent of the MV grid there (SimBench: loads and sgens whose `subnet` ends in ``_eq``).
Cutting moves and drops nothing: a user that joins the parts again must leave out one of the two.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import pandapower as pp
import pandas as pd
from pandapower import topology
from pandapower.auxiliary import pandapowerNet
from pandapower.toolbox import pp_elements, select_subnet

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError

UPPER_FROM_KV = 60.0
"""Nominal voltage from which a bus belongs to the upper part."""
FLAT_VM_PU = 1.0
BUS_COLUMNS = {"bus", "from_bus", "hv_bus", "bus_dc", "from_bus_dc"}
"""A table with one of these columns contains elements of a net."""


@dataclass(frozen=True)
class Substation:
    """One MV grid with its HV/MV transformers, fed by an external grid at the bus above them."""

    name: str  # subnet of the transformers where the data have one, otherwise "substation BUS"
    upper_bus: int  # the bus above the transformers, by the same index in the upper net and in `net`
    net: pandapowerNet


def split_at_substations(
    net: pandapowerNet, vm_pu: Mapping[int, float] | None = None
) -> tuple[pandapowerNet, list[Substation]]:
    """Cut `net` at its transformers from 60 kV or more to less; the net itself is not changed.

    Buses and elements keep their indices. The upper net has no load in place of what was cut off. A part
    contains its transformers, everything below them regardless of switches, and the bus above them with an
    external grid only. Its set-point is `vm_pu` of that bus (p.u., for instance of a solved net's
    ``res_bus``), or 1.0 where none is given. Substations are in order of their first transformer. Results,
    measurements, profiles and other tables without elements are left out.

    Raises `InputError` if nothing can be cut, an MV grid has two upper buses or is joined to them by other
    branches than transformers, or an element is in no part.
    """
    name = one_line(str(net.get("name") or "network"))
    cut = _substation_trafos(net, name)
    graph = topology.create_nxgraph(
        net,
        respect_switches=False,
        include_trafos=net.trafo.index.difference(cut.index),
        multi=False,
        include_out_of_service=True,
    )
    below: set[int] = set()
    found: list[Substation] = []
    for first, trafo in cut.iterrows():
        if trafo.lv_bus in below:
            continue
        buses = {int(bus) for bus in nx.node_connected_component(graph, trafo.lv_bus)}
        feeding = cut[cut.lv_bus.isin(buses)]
        _check_feeding(feeding, buses, f"trafo {first}", name)
        upper_bus = int(trafo.hv_bus)
        found.append(
            Substation(
                str(trafo.get("subnet") or f"substation {upper_bus}"),
                upper_bus,
                _part(net, buses, upper_bus, (vm_pu or {}).get(upper_bus, FLAT_VM_PU)),
            )
        )
        below |= buses
    upper = _select(net, set(net.bus.index) - below)
    _check_complete(net, upper, found, name)
    return upper, found


def with_one_external_grid(net: pandapowerNet) -> pandapowerNet:
    """A copy of `net` with one external grid; the others become generators that hold the voltage.

    The first external grid in service stays. ``p_mw`` of the new generators is 0: the one external grid, or
    units at their buses, take over what they injected. Raises `InputError` for a net without an external grid
    in service.
    """
    changed: pandapowerNet = copy.deepcopy(net)
    others = changed.ext_grid[changed.ext_grid.in_service.to_numpy(dtype=bool)]
    if others.empty:
        raise InputError(
            one_line(str(net.get("name") or "network")),
            "ext_grid",
            "has no external grid in service",
            "Put one in service",
        )
    for index, grid in others.iloc[1:].iterrows():
        pp.create_gen(changed, int(grid.bus), p_mw=0.0, vm_pu=float(grid.vm_pu), name=str(grid["name"]))
        changed.ext_grid = changed.ext_grid.drop(index)
    return changed


def with_loops_opened(net: pandapowerNet) -> tuple[pandapowerNet, list[str]]:
    """A copy of `net` with every loop of closed switches opened, and the lines opened for it.

    Every bus keeps its shortest path (km of line) to the external grid; lines in service on no such path go
    out of service (labels such as ``line 3``). Parallel lines stay together. Raises `InputError` for a net
    without exactly one external grid in service.
    """
    changed: pandapowerNet = copy.deepcopy(net)
    roots = changed.ext_grid.bus[changed.ext_grid.in_service.to_numpy(dtype=bool)]
    if len(roots) != 1:
        raise InputError(
            one_line(str(net.get("name") or "network")),
            "ext_grid",
            f"has {len(roots)} external grids in service",
            "Keep exactly one",
        )
    graph = topology.create_nxgraph(changed, respect_switches=True, multi=False)
    ways = nx.single_source_dijkstra_path(graph, roots.iloc[0])
    kept = {frozenset(way[-2:]) for way in ways.values()}
    opened = []
    for index, line in changed.line.iterrows():
        ends = (line.from_bus, line.to_bus)
        if line.in_service and graph.has_edge(*ends) and frozenset(ends) not in kept:
            changed.line.at[index, "in_service"] = False
            opened.append(f"line {index}")
    return changed, opened


def write_nets(nets: Mapping[str, pandapowerNet], folder: Path) -> list[Path]:
    """Write nets as pandapower JSON, ``NAME.json`` each; the folder is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.json" for name in nets]
    for path, net in zip(paths, nets.values(), strict=True):
        pp.to_json(net, str(path))
    return paths


def _substation_trafos(net: pandapowerNet, name: str) -> pd.DataFrame:
    """Transformers between the upper and the lower part, in order of their indices."""
    vn = net.bus.vn_kv
    windings = net.trafo3w
    if len(windings):
        upper = vn.loc[windings.hv_bus].to_numpy() >= UPPER_FROM_KV
        mixed = upper & (vn.loc[windings.lv_bus].to_numpy() < UPPER_FROM_KV)
        if mixed.any():
            raise InputError(
                name,
                f"trafo3w {windings.index[mixed][0]}",
                f"is a three-winding transformer across {UPPER_FROM_KV:g} kV, which is not cut",
                "Replace it by transformers with two windings",
            )
    trafos = net.trafo.sort_index()
    across = (vn.loc[trafos.hv_bus].to_numpy() >= UPPER_FROM_KV) & (
        vn.loc[trafos.lv_bus].to_numpy() < UPPER_FROM_KV
    )
    if not across.any():
        raise InputError(
            name,
            "trafo",
            f"no transformer leads from {UPPER_FROM_KV:g} kV or more to less: there is nothing to cut",
            "Give a net with HV/MV substations, such as SimBench's 1-HVMV-...",
        )
    found: pd.DataFrame = trafos[across]
    return found


def _check_feeding(feeding: pd.DataFrame, buses: set[int], field: str, name: str) -> None:
    """Exactly one upper bus, connected only by the transformers."""
    above = sorted({int(bus) for bus in feeding.hv_bus})
    if len(above) > 1:
        raise InputError(
            name,
            field,
            f"the grid below it has {len(above)} upper buses ({', '.join(map(str, above[:5]))})",
            "Cut the MV grid between its substations, or a net without busbar switches (SimBench: no_sw)",
        )
    if above[0] in buses:
        raise InputError(
            name,
            field,
            "the grid below it is joined to the bus above it by other branches too",
            "Cut those branches, or correct the nominal voltages of the buses",
        )


def _part(net: pandapowerNet, buses: set[int], upper_bus: int, vm_pu: float) -> pandapowerNet:
    """An MV grid: its buses and the bus above, which has only an external grid."""
    part = _select(net, buses | {upper_bus})
    for table in pp_elements(bus=False, branch_elements=False, other_elements=False, res_elements=False):
        part[table] = part[table][part[table].bus != upper_bus]
    part.switch = part.switch[(part.switch.bus != upper_bus) | (part.switch.et != "b")]
    pp.create_ext_grid(part, upper_bus, vm_pu=vm_pu, name="upper grid")
    return part


def _select(net: pandapowerNet, buses: set[int]) -> pandapowerNet:
    part = select_subnet(net, sorted(buses))
    part.sn_mva = net.sn_mva
    part.measurement = part.measurement.iloc[:0]
    return part


def _check_complete(net: pandapowerNet, upper: pandapowerNet, found: Sequence[Substation], name: str) -> None:
    """Every element is in exactly one part; the external grids of the parts are new."""
    tables = [
        table
        for table, rows in net.items()
        if isinstance(rows, pd.DataFrame) and not table.startswith(("res_", "_")) and BUS_COLUMNS & {*rows}
    ]
    for table in ["bus", *tables]:
        kept = pd.Index(upper[table].index)
        for station in found:
            own = station.net[table].index
            if table == "bus":
                own = own.drop(station.upper_bus)
            if table == "ext_grid":
                own = own[:-1]
            kept = kept.append(own)
        if not kept.sort_values().equals(net[table].index.sort_values()):
            raise InputError(
                name,
                table,
                "has elements that belong to no part, or to two",
                "Remove them from the net, or move them away from the border of its substations",
            )
