"""A pandapower net as arrays: nodes, branches, ratings, base injections.

Everything electrical is taken from pandapower's own per-unit model (its ``pd2ppc``), so switches, parallel
elements, off-neutral taps, mismatched nominal voltages and three-winding transformers mean here exactly
what they mean to ``pandapower.runpp``. Injection is positive, consumption negative.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import _add_ppc_options, pandapowerNet
from pandapower.pd2ppc import _pd2ppc

from tandem_sim.grids.arrays import FloatArray, IntArray
from tandem_sim.grids.branches import BR_STATUS, F_BUS, T_BUS, Branches, read_branches
from tandem_sim.grids.errors import InputError

DEFAULT_VM_MIN_PU, DEFAULT_VM_MAX_PU = 0.9, 1.1

# Columns of the MATPOWER bus matrix (Zimmerman et al., 2011).
BUS_TYPE, PD, QD, GS, BS, BASE_KV = 1, 2, 3, 4, 5, 9
ISOLATED = 4

NOT_MODELLED = (
    "ward",
    "xward",
    "dcline",
    "svc",
    "tcsc",
    "ssc",
    "vsc",
    "vsc_stacked",
    "vsc_bipolar",
    "line_dc",
    "source_dc",
    "load_dc",
)
"""Tables that `Network` cannot carry: voltage-dependent, controlled or direct-current elements."""


@dataclass(frozen=True)
class Network:
    """One grid. N electrical nodes (buses joined by closed switches are one node), B pandapower buses."""

    name: str
    base_mva: float
    bus_index: IntArray  # (B,) pandapower indices of the buses in service
    bus_node: IntArray  # (B,) node of each of them
    vm_min_pu: FloatArray  # (B,)
    vm_max_pu: FloatArray  # (B,)
    node_vn_kv: FloatArray  # (N,)
    root: int  # node of the external grid
    root_vm_pu: float
    p_mw: FloatArray  # (N,) base injections without the external grid
    q_mvar: FloatArray  # (N,)
    shunt_g_pu: FloatArray  # (N,)
    shunt_b_pu: FloatArray  # (N,)
    pv_node: IntArray  # voltage-controlling generators besides the root
    pv_vm_pu: FloatArray
    branches: Branches
    net: pandapowerNet  # a private copy, for the reference power flow

    @property
    def n_nodes(self) -> int:
        """Number of electrical nodes."""
        return len(self.node_vn_kv)

    @property
    def interface_mw(self) -> float:
        """Lossless flow into this grid through its root in the base state (MW, positive inwards)."""
        return -float(self.p_mw.sum())

    def node_limits_pu(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper voltage limit of every node (N,), the tightest of the buses it joins."""
        low, high = np.zeros(self.n_nodes), np.full(self.n_nodes, np.inf)
        np.maximum.at(low, self.bus_node, self.vm_min_pu)
        np.minimum.at(high, self.bus_node, self.vm_max_pu)
        return low, high

    def nodes_of(self, buses: IntArray, field: str, source: str = "") -> IntArray:
        """Map pandapower bus indices to nodes; an unknown one is an `InputError` on `field` of `source`."""
        order = np.argsort(self.bus_index)
        place = np.searchsorted(self.bus_index[order], buses)
        found = self.bus_index[order][np.minimum(place, len(order) - 1)] == buses
        if not found.all():
            missing = ", ".join(str(b) for b in np.unique(buses[~found])[:5])
            raise InputError(
                source or self.name,
                field,
                f"bus {missing} does not exist (or is out of service) in grid {self.name}",
                "Use the bus indices of the pandapower net",
            )
        return np.asarray(self.bus_node[order[place]], dtype=np.int64)

    def with_ratings(self, ratings_mva: Mapping[str, float], field: str, source: str = "") -> Network:
        """The same grid with other ratings for some branches (label such as ``line 3`` -> MVA).

        An unknown branch is an `InputError` naming `field` of `source`.
        """
        b = self.branches
        unknown = [label for label in ratings_mva if label not in b.label]
        if unknown:
            raise InputError(
                source or self.name,
                f"{field}.{unknown[0]}",
                f"no such branch in service in grid {self.name}",
                f"Name branches by table and index, from {b.label[0]} to {b.label[-1]}",
            )
        s_max, i_from, i_to = b.s_max_mva.copy(), b.i_max_from_ka.copy(), b.i_max_to_ka.copy()
        for label, mva in ratings_mva.items():
            k = b.label.index(label)
            s_max[k] = mva
            i_from[k] = mva / np.sqrt(3.0) / self.node_vn_kv[b.from_node[k]]
            i_to[k] = mva / np.sqrt(3.0) / self.node_vn_kv[b.to_node[k]]
        return replace(self, branches=replace(b, s_max_mva=s_max, i_max_from_ka=i_from, i_max_to_ka=i_to))

    @classmethod
    def from_pandapower(cls, net: pandapowerNet, name: str = "") -> Network:
        """Read a pandapower net. The net itself is left untouched.

        Raises `InputError` when the net has no single external grid, a bus without supply, no branch, or an
        element in service that is not modelled.
        """
        net = copy.deepcopy(net)
        name = name or str(net.get("name") or "network")
        _refuse_unknown_elements(net, name)
        root_bus, root_vm = _external_grid(net, name)
        ppc = _per_unit_model(net, name)
        served = net.bus.index[net.bus.in_service.to_numpy(dtype=bool)].to_numpy(dtype=np.int64)
        bus, lookup = _live_nodes(net, ppc, served, name)
        bus_node = lookup[served]
        pv_node, pv_vm, p_gen = _generators(net, lookup, len(bus), root_bus)
        limits = [
            _limits(net, served, c, d)
            for c, d in (("min_vm_pu", DEFAULT_VM_MIN_PU), ("max_vm_pu", DEFAULT_VM_MAX_PU))
        ]
        return cls(
            name=name,
            base_mva=float(ppc["baseMVA"]),
            bus_index=served,
            bus_node=bus_node,
            vm_min_pu=limits[0],
            vm_max_pu=limits[1],
            node_vn_kv=bus[:, BASE_KV].copy(),
            root=int(lookup[root_bus]),
            root_vm_pu=root_vm,
            p_mw=p_gen - bus[:, PD],
            q_mvar=-bus[:, QD],
            shunt_g_pu=bus[:, GS] / ppc["baseMVA"],
            shunt_b_pu=bus[:, BS] / ppc["baseMVA"],
            pv_node=pv_node,
            pv_vm_pu=pv_vm,
            branches=read_branches(net, ppc, name),
            net=net,
        )


def _refuse_unknown_elements(net: pandapowerNet, name: str) -> None:
    for table in NOT_MODELLED:
        if table in net and net[table].in_service.to_numpy(dtype=bool).any():
            raise InputError(
                name,
                table,
                "elements of this table are not modelled",
                "Replace them by loads, sgens or shunts, or set them out of service",
            )
    if "slack" in net.gen and (net.gen.slack & net.gen.in_service).to_numpy(dtype=bool).any():
        raise InputError(
            name,
            "gen.slack",
            "a generator takes part in the slack, besides the external grid",
            "Set gen.slack to False: the external grid is the one slack bus",
        )


def _external_grid(net: pandapowerNet, name: str) -> tuple[int, float]:
    grids = net.ext_grid[net.ext_grid.in_service.to_numpy(dtype=bool)]
    if len(grids) != 1:
        raise InputError(
            name,
            "ext_grid",
            f"has {len(grids)} external grids in service",
            "Keep exactly one: it is the slack bus, or the interface of a distribution grid",
        )
    return int(grids.bus.iloc[0]), float(grids.vm_pu.iloc[0])


def _per_unit_model(net: pandapowerNet, name: str) -> dict[str, Any]:
    if not len(net.line) and not len(net.trafo):
        raise InputError(
            name, "line", "the grid has neither lines nor transformers", "Give a grid with branches"
        )
    voltage_dependent = [c for c in net.load.columns if c.startswith("const_")]
    if net.load[voltage_dependent].fillna(0.0).to_numpy(dtype=float).any():
        raise InputError(
            name,
            "load.const_*",
            "voltage-dependent loads are not modelled",
            "Set the const_z and const_i percentages to zero",
        )
    # pandapower's public to_ppc drops the iron losses and renumbers; its own first step keeps everything.
    net["_options"] = {}
    _add_ppc_options(
        net,
        calculate_voltage_angles=True,
        trafo_model="t",
        check_connectivity=True,
        mode="pf",
        switch_rx_ratio=2,
        enforce_q_lims=False,
        enforce_p_lims=False,
        recycle=None,
        voltage_depend_loads=False,
        init_vm_pu="flat",
        init_va_degree="flat",
    )
    ppc, _ = _pd2ppc(net)
    return dict(ppc)


def _live_nodes(
    net: pandapowerNet, ppc: dict[str, Any], served: IntArray, name: str
) -> tuple[FloatArray, IntArray]:
    """The supplied rows of the bus matrix, and the map from pandapower bus to them (-1: none).

    pandapower keeps rows for buses that a closed switch fused away or that nothing supplies. The branch
    matrix is renumbered in place to the rows kept.
    """
    rows = ppc["bus"]
    live = rows[:, BUS_TYPE] != ISOLATED
    number = np.where(live, np.cumsum(live) - 1, -1)
    lookup = np.asarray(net._pd2ppc_lookups["bus"], dtype=np.int64)
    lookup = np.where(lookup >= 0, number[np.maximum(lookup, 0)], -1)
    dark = served[lookup[served] < 0]
    if len(dark):
        some = ", ".join(str(b) for b in dark[:5])
        raise InputError(
            name,
            "bus",
            f"{len(dark)} bus(es) in service have no connection to the external grid (bus {some})",
            "Connect them, or set them out of service",
        )
    branch = ppc["branch"]
    for end in (F_BUS, T_BUS):
        branch[:, end] = number[branch[:, end].real.astype(np.int64)]
    branch[(branch[:, F_BUS] < 0) | (branch[:, T_BUS] < 0), BR_STATUS] = 0
    return rows[live], lookup


def _generators(
    net: pandapowerNet, lookup: IntArray, n_nodes: int, root_bus: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    p_node = np.zeros(n_nodes)
    gen = net.gen[net.gen.in_service.to_numpy(dtype=bool)]
    node = lookup[gen.bus.to_numpy(dtype=np.int64)]
    np.add.at(p_node, node, gen.p_mw.to_numpy(dtype=float) * gen.scaling.fillna(1.0).to_numpy(dtype=float))
    keep = node != lookup[root_bus]  # the external grid holds the voltage where both stand
    nodes, first = np.unique(node[keep], return_index=True)
    vm_pu: FloatArray = gen.vm_pu.to_numpy(dtype=float)[keep][first]
    return nodes, vm_pu, p_node


def _limits(net: pandapowerNet, served: IntArray, column: str, default: float) -> FloatArray:
    if column not in net.bus:
        return np.full(len(served), default)
    values = pd.to_numeric(net.bus.loc[served, column], errors="coerce").fillna(default)
    limit_pu: FloatArray = values.to_numpy(dtype=float)
    return limit_pu
