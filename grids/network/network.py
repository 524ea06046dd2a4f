"""A pandapower net as arrays: nodes, branches, ratings, base injections.

All electrical values come from pandapower's own per-unit model (its ``pd2ppc``). So switches, parallel
elements, off-neutral taps, mismatched nominal voltages and three-winding transformers have the same effect as
in ``pandapower.runpp``. Injection is positive, consumption negative.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import _add_ppc_options, pandapowerNet
from pandapower.pd2ppc import _pd2ppc

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.branches import BR_STATUS, F_BUS, T_BUS, Branches, read_branches
from tandem_sim.grids.network.checks import NO_TAP_CHANGER, check_net, flags, in_service
from tandem_sim.grids.network.contents import REFUSED, Content, contents_of, live_rows
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

DEFAULT_VM_MIN_PU, DEFAULT_VM_MAX_PU = 0.9, 1.1

# Columns of the MATPOWER bus matrix (Zimmerman et al., 2011).
BUS_TYPE, PD, QD, GS, BS, BASE_KV = 1, 2, 3, 4, 5, 9
GEN_BUS, VG, GEN_STATUS = 0, 5, 7  # and of its generator matrix
ISOLATED = 4


@dataclass(frozen=True, kw_only=True)
class Network:
    """One grid: N electrical nodes (buses joined by closed switches are one node), B pandapower buses."""

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
    pv_node: IntArray  # (G,) nodes whose voltage generators hold, without the root
    pv_vm_pu: FloatArray  # (G,)
    pv_q_mvar: FloatArray  # (2, G) least and largest reactive injection, inf without a limit
    branches: Branches
    net: pandapowerNet  # a private copy, for the reference power flow
    contents: tuple[Content, ...] = ()  # how each of its tables is used

    @property
    def n_nodes(self) -> int:
        """Number of electrical nodes."""
        return len(self.node_vn_kv)

    @property
    def interface_mw(self) -> float:
        """Lossless flow into this grid through its root in the base state (MW, positive inwards)."""
        return -float(self.p_mw.sum())

    @property
    def shunt_mw(self) -> FloatArray:
        """Power of shunts at nominal voltage (N,), MW: constants of the lossless models."""
        return self.shunt_g_pu * self.base_mva

    def node_limits_pu(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper voltage limit of every node (N,) p.u., the tightest of the buses it joins."""
        low, high = np.zeros(self.n_nodes), np.full(self.n_nodes, np.inf)
        np.maximum.at(low, self.bus_node, self.vm_min_pu)
        np.minimum.at(high, self.bus_node, self.vm_max_pu)
        return low, high

    def nodes_of(self, buses: IntArray, field: str, source: str = "") -> IntArray:
        """Nodes of pandapower bus indices; an unknown index is an `InputError` on `field` of `source`."""
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

        An unknown branch is an `InputError` on `field` of `source`.
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
    def from_pandapower(
        cls,
        net: pandapowerNet,
        name: str = "",
        left_out: Mapping[str, str] | None = None,
        profiled: Mapping[str, Sequence[int]] | None = None,
    ) -> Network:
        """Read a pandapower net. The net itself is not changed.

        `left_out` gives injecting tables whose power the caller does not use (voltage set-points stay), with
        the reason; it appears in `contents`. `profiled` gives the index of elements whose power the caller
        adds itself, by table.

        Raises `InputError` for a value that cannot be used (`tandem_sim.grids.network.checks`), for a net
        without exactly one external grid, with a bus without supply, or without branches, and for an element
        in service that is not modelled.
        """
        net = copy.deepcopy(net)
        name = name or str(net.get("name") or "network")
        check_net(net, name)
        _refuse_unknown_elements(net, name)
        profiled = profiled or {}
        contents = contents_of(net, left_out or {}, profiled)
        for table, rows in profiled.items():
            _drop_injections(net, table, rows)
        for table in left_out or {}:
            _drop_injections(net, table, net[table].index.tolist())
        root_bus, root_vm = _external_grid(net, name)
        ppc = _per_unit_model(net, name)
        served = net.bus.index[net.bus.in_service.to_numpy(dtype=bool)].to_numpy(dtype=np.int64)
        bus, number, lookup = _live_nodes(net, ppc, served, name)
        bus_node, root = lookup[served], int(lookup[root_bus])
        pv_node, pv_vm = _held_voltages(ppc, number, root)
        limits = [
            _limits(net, served, c, d)
            for c, d in (("min_vm_pu", DEFAULT_VM_MIN_PU), ("max_vm_pu", DEFAULT_VM_MAX_PU))
        ]
        branches = read_branches(net, ppc, name)
        found = cls(
            name=name,
            base_mva=float(ppc["baseMVA"]),
            bus_index=served,
            bus_node=bus_node,
            vm_min_pu=limits[0],
            vm_max_pu=limits[1],
            node_vn_kv=bus[:, BASE_KV].copy(),
            root=root,
            root_vm_pu=root_vm,
            p_mw=_generation(net, lookup, len(bus)) - bus[:, PD],
            q_mvar=-bus[:, QD],
            shunt_g_pu=bus[:, GS] / ppc["baseMVA"],
            shunt_b_pu=bus[:, BS] / ppc["baseMVA"],
            pv_node=pv_node,
            pv_vm_pu=pv_vm,
            pv_q_mvar=_reactive_limits(net, lookup, pv_node),
            branches=branches,
            net=net,
            contents=contents + _assumed(net, served, branches),
        )
        _refuse_infinite(found)
        return found


def _refuse_unknown_elements(net: pandapowerNet, name: str) -> None:
    for table in REFUSED:
        if isinstance(net.get(table), pd.DataFrame) and in_service(net, table, name).any():
            raise InputError(
                name,
                table,
                "elements of this table are not modelled",
                "Replace them by loads, sgens or shunts, or set them out of service",
            )
    if "slack" in net.gen and (flags(net.gen, "gen", "slack", name) & in_service(net, "gen", name)).any():
        raise InputError(
            name,
            "gen.slack",
            "a generator takes part in the slack, besides the external grid",
            "Set gen.slack to False: the external grid is the one slack bus",
        )


def _refuse_infinite(network: Network) -> None:
    """All values computed from the tables must be finite at every node."""
    for array, what in (
        (network.p_mw, "an active injection"),
        (network.q_mvar, "a reactive injection"),
        (network.shunt_g_pu, "a shunt"),
        (network.shunt_b_pu, "a shunt"),
    ):
        wrong = np.flatnonzero(~np.isfinite(array))
        if len(wrong):
            bus = network.bus_index[network.bus_node == wrong[0]]
            raise InputError(
                network.name,
                f"bus {bus[0]}" if len(bus) else "bus",
                f"has {what} of {array[wrong[0]]:g}",
                "Correct the elements at the bus",
            )


def _drop_injections(net: pandapowerNet, table: str, rows: Sequence[int]) -> None:
    """Elements of a table inject nothing; generators still hold their voltage."""
    if table == "gen":
        net.gen.loc[rows, "p_mw"] = 0.0
    elif len(rows):
        net[table].loc[rows, "in_service"] = False


def _assumed(net: pandapowerNet, served: IntArray, branches: Branches) -> tuple[Content, ...]:
    """Values missing in the net, and what is assumed for them."""
    band = f"no voltage limit given: {DEFAULT_VM_MIN_PU:g} to {DEFAULT_VM_MAX_PU:g} p.u."
    given = [_given(net, served, column) for column in ("min_vm_pu", "max_vm_pu")]
    unlimited = [
        label.split()[0] for label, s in zip(branches.label, branches.s_max_mva, strict=True) if s == np.inf
    ]
    found = [
        Content(table="bus", count=int((~(given[0] & given[1])).sum()), p_mw=np.nan, use="assumed", how=band)
    ]
    found += [
        Content(
            table=table,
            count=_idle_taps(net[table]),
            p_mw=np.nan,
            use="assumed",
            how="tap_changer_type is empty: no tap changer",
        )
        for table in ("trafo", "trafo3w")
    ]
    found += [
        Content(
            table=table,
            count=unlimited.count(table),
            p_mw=np.nan,
            use="assumed",
            how="no rating in the data: never overloaded, unless ratings_mva gives one",
        )
        for table in sorted(set(unlimited) - {"switch", "xward"})
    ]
    return tuple(content for content in found if content.count)


def _idle_taps(rows: pd.DataFrame) -> int:
    """Number of transformers in service with a position off neutral but without a type of tap changer."""
    if "tap_changer_type" not in rows:
        return 0
    moved = (rows.tap_pos - rows.tap_neutral).fillna(0.0) != 0.0
    step = rows[["tap_step_percent", "tap_step_degree"]].fillna(0.0).any(axis=1)
    none = rows.tap_changer_type.isna() | rows.tap_changer_type.isin(NO_TAP_CHANGER)
    return int((moved & step & none & rows.in_service).sum())


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
    # pandapower's public to_ppc drops iron losses and renumbers; its internal first step does not.
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
    try:
        ppc, _ = _pd2ppc(net)
    except Exception as error:  # pandapower raises many kinds, for columns not checked here
        raise InputError(
            name,
            "net",
            f"pandapower cannot build its model of it ({one_line(error)})",
            "Correct the net until pandapower.runpp accepts it",
        ) from error
    return dict(ppc)


def _live_nodes(
    net: pandapowerNet, ppc: dict[str, Any], served: IntArray, name: str
) -> tuple[FloatArray, IntArray, IntArray]:
    """Supplied rows of the bus matrix, and maps to them from its rows and from pandapower buses (-1: none).

    pandapower keeps rows for buses that a closed switch has merged or that have no supply. The branch matrix
    is renumbered in place.
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
    return rows[live], number, lookup


def _held_voltages(ppc: dict[str, Any], number: IntArray, root: int) -> tuple[IntArray, FloatArray]:
    """Nodes whose voltage generators and extended wards hold, and their set-points (p.u.).

    At the node of the external grid, the external grid holds the voltage.
    """
    gens = ppc["gen"][ppc["gen"][:, GEN_STATUS] > 0]
    node = number[gens[:, GEN_BUS].real.astype(np.int64)]
    keep = (node >= 0) & (node != root)
    nodes, first = np.unique(node[keep], return_index=True)
    vm_pu: FloatArray = gens[keep, VG][first].real
    return nodes, vm_pu


def _live_generators(net: pandapowerNet, lookup: IntArray) -> tuple[pd.DataFrame, IntArray]:
    """Generators in service at supplied buses, and their nodes."""
    gen = net.gen[live_rows(net, "gen")]
    return gen, lookup[gen.bus.to_numpy(dtype=np.int64)]


def _generation(net: pandapowerNet, lookup: IntArray, n_nodes: int) -> FloatArray:
    """Active power of generators (N,), MW."""
    gen, node = _live_generators(net, lookup)
    p_mw = gen.p_mw.to_numpy(dtype=float) * gen.scaling.fillna(1.0).to_numpy(dtype=float)
    return np.bincount(node, p_mw, n_nodes).astype(np.float64)


def _reactive_limits(net: pandapowerNet, lookup: IntArray, nodes: IntArray) -> FloatArray:
    """Least and largest reactive injection (2, G) of the generators at `nodes` (G,), Mvar."""
    gen, node = _live_generators(net, lookup)
    limits = np.zeros((2, len(nodes)))
    for line, (column, none) in enumerate((("min_q_mvar", -np.inf), ("max_q_mvar", np.inf))):
        values = np.full(len(gen), none)
        if column in gen:
            values = pd.to_numeric(gen[column]).fillna(none).to_numpy(dtype=float)
        for k, held in enumerate(nodes.tolist()):
            here = values[node == held]
            limits[line, k] = here.sum() if len(here) else none  # an extended ward has no limit
    return limits


def _given(net: pandapowerNet, served: IntArray, column: str) -> BoolArray:
    """Which of the buses in service have a limit."""
    if column not in net.bus:
        return np.zeros(len(served), dtype=bool)
    return np.asarray(net.bus.loc[served, column].notna().to_numpy(dtype=bool))


def _limits(net: pandapowerNet, served: IntArray, column: str, default: float) -> FloatArray:
    if column not in net.bus:
        return np.full(len(served), default)
    limit_pu: FloatArray = pd.to_numeric(net.bus.loc[served, column]).fillna(default).to_numpy(dtype=float)
    return limit_pu
