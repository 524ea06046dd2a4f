"""A pandapower net as arrays: nodes, branches, ratings, base injections.

Everything electrical is taken from pandapower's own per-unit model (its ``pd2ppc``), so switches, parallel
elements, off-neutral taps, mismatched nominal voltages and three-winding transformers mean here exactly
what they mean to ``pandapower.runpp``. Injection is positive, consumption negative.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import _add_ppc_options, pandapowerNet
from pandapower.pd2ppc import _pd2ppc

from grids.arrays import BoolArray, FloatArray, IntArray
from grids.errors import InputError

NO_LIMIT_MVA = 9000.0
"""Ratings above this mean that the data set states no limit (MATPOWER writes 9900)."""
DEFAULT_VM_MIN_PU, DEFAULT_VM_MAX_PU = 0.9, 1.1

# Columns of the MATPOWER bus, branch and generator matrices (Zimmerman et al., 2011).
BUS_TYPE, PD, QD, GS, BS, BASE_KV = 1, 2, 3, 4, 5, 9
F_BUS, T_BUS, BR_R, BR_X, BR_B, TAP, SHIFT, BR_STATUS = 0, 1, 2, 3, 4, 8, 9, 10
BR_G = 23  # pandapower's own column
ISOLATED = 4


@dataclass(frozen=True)
class Branches:
    """Branches in service, as the pi model of MATPOWER: the tap stands at the from end. E branches."""

    label: tuple[str, ...]  # "line 3", "trafo 0": table and index in the pandapower net
    from_node: IntArray
    to_node: IntArray
    r_pu: FloatArray
    x_pu: FloatArray
    b_pu: FloatArray  # total line charging susceptance
    g_pu: FloatArray  # total shunt conductance (iron losses)
    tap: FloatArray  # off-nominal turns ratio at the from end, 1 for lines
    shift_rad: FloatArray
    s_max_mva: FloatArray  # inf where there is no limit
    i_max_from_ka: FloatArray
    i_max_to_ka: FloatArray

    def __len__(self) -> int:
        return len(self.label)


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

    def nodes_of(self, buses: IntArray, field: str) -> IntArray:
        """Map pandapower bus indices to nodes; an unknown bus is an `InputError` naming `field`."""
        order = np.argsort(self.bus_index)
        place = np.searchsorted(self.bus_index[order], buses)
        found = self.bus_index[order][np.minimum(place, len(order) - 1)] == buses
        if not found.all():
            missing = ", ".join(str(b) for b in np.unique(buses[~found])[:5])
            raise InputError(
                self.name,
                field,
                f"bus {missing} does not exist (or is out of service) in this grid",
                "Use the bus indices of the pandapower net",
            )
        return np.asarray(self.bus_node[order[place]], dtype=np.int64)

    @classmethod
    def from_pandapower(cls, net: pandapowerNet, name: str = "") -> Network:
        """Read a pandapower net. The net itself is left untouched.

        Raises `InputError` when the net has no single external grid, has a bus without supply, or has no branch.
        """
        net = copy.deepcopy(net)
        name = name or str(net.get("name") or "network")
        root_bus, root_vm = _external_grid(net, name)
        ppc = _per_unit_model(net, name)
        served = net.bus.index[net.bus.in_service.to_numpy(dtype=bool)].to_numpy(dtype=np.int64)
        bus, lookup = _live_nodes(net, ppc, served, name)
        bus_node = lookup[served]
        pv_node, pv_vm, p_gen = _generators(net, lookup, len(bus), root_bus)
        limits = [_limits(net, served, c, d) for c, d in (("min_vm_pu", DEFAULT_VM_MIN_PU), ("max_vm_pu", DEFAULT_VM_MAX_PU))]
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
            branches=_branches(net, ppc, name),
            net=net,
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
        raise InputError(name, "line", "the grid has neither lines nor transformers", "Give a grid with branches")
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
    return nodes, gen.vm_pu.to_numpy(dtype=float)[keep][first], p_node


def _limits(net: pandapowerNet, served: IntArray, column: str, default: float) -> FloatArray:
    if column not in net.bus:
        return np.full(len(served), default)
    values = pd.to_numeric(net.bus.loc[served, column], errors="coerce").fillna(default)
    return values.to_numpy(dtype=float)


def _branches(net: pandapowerNet, ppc: dict[str, Any], name: str) -> Branches:
    branch = ppc["branch"]
    n = len(branch)
    label = [""] * n
    s_max, i_from, i_to = np.full(n, np.inf), np.full(n, np.inf), np.full(n, np.inf)
    for table, (start, end) in net._pd2ppc_lookups["branch"].items():
        rows = net[table]
        for k in range(start, end):
            label[k] = f"{table} {rows.index[(k - start) % len(rows)]}"
        if table == "line":
            vn = net.bus.vn_kv.loc[rows.from_bus].to_numpy(dtype=float)
            i_max = _column(rows, "max_i_ka", np.inf) * _column(rows, "df", 1.0) * _column(rows, "parallel", 1.0)
            s_max[start:end] = np.sqrt(3.0) * vn * i_max
            i_from[start:end] = i_to[start:end] = i_max
        elif table == "trafo":
            count = _column(rows, "parallel", 1.0)
            sn = _column(rows, "sn_mva", np.inf)
            s_max[start:end] = sn * count
            rated = sn * count * _column(rows, "df", 1.0) / np.sqrt(3.0)
            i_from[start:end] = rated / _column(rows, "vn_hv_kv", np.nan)
            i_to[start:end] = rated / _column(rows, "vn_lv_kv", np.nan)
        elif table == "trafo3w":
            for third, side in enumerate(("hv", "mv", "lv")):
                part = slice(start + third * len(rows), start + (third + 1) * len(rows))
                s_max[part] = _column(rows, f"sn_{side}_mva", np.inf)
                i_from[part] = i_to[part] = s_max[part] / np.sqrt(3.0) / _column(rows, f"vn_{side}_kv", np.nan)
    unlimited: BoolArray = ~(s_max <= NO_LIMIT_MVA)
    s_max[unlimited] = i_from[unlimited] = i_to[unlimited] = np.inf
    if (s_max < 0).any():
        raise InputError(name, label[int(np.argmax(s_max < 0))], "has a negative rating", "Give a rating of zero or more")
    on = branch[:, BR_STATUS].astype(bool)
    tap = np.where(branch[:, TAP] == 0.0, 1.0, branch[:, TAP])
    return Branches(
        label=tuple(lab for lab, keep in zip(label, on, strict=True) if keep),
        from_node=branch[on, F_BUS].astype(np.int64),
        to_node=branch[on, T_BUS].astype(np.int64),
        r_pu=branch[on, BR_R].copy(),
        x_pu=branch[on, BR_X].copy(),
        b_pu=branch[on, BR_B].copy(),
        g_pu=branch[on, BR_G].copy(),
        tap=tap[on],
        shift_rad=np.deg2rad(branch[on, SHIFT]),
        s_max_mva=s_max[on],
        i_max_from_ka=i_from[on],
        i_max_to_ka=i_to[on],
    )


def _column(rows: pd.DataFrame, column: str, default: float) -> FloatArray:
    if column not in rows:
        return np.full(len(rows), default)
    return pd.to_numeric(rows[column], errors="coerce").fillna(default).to_numpy(dtype=float)
