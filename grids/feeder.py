"""From a pandapower net to a feeder with phases. Every fault in the data is an `InputError`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from pandapower import topology
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.arrays import ComplexArray
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.three_phase import PHASES, Feeder, User, phase_impedance, source_phases

BASE_MVA = 1.0
IEC_VOLTAGE_FACTOR = 1.1  # of short-circuit powers, IEC 60909


@dataclass(frozen=True)
class _Branch:
    """What leads to a bus from its parent, p.u.: impedance, current limit, and its voltage ratio."""

    name: str
    z: ComplexArray  # (3, 3)
    limit: float
    gain: float = 1.0
    delta: bool = False  # zero-sequence current does not pass


def read_feeder(net: pandapowerNet, name: str, source_vm_pu: float | None = None) -> Feeder:
    """The feeder of a net: users are its loads, those of table ``asymmetric_load`` on the phases they load.

    `source_vm_pu` replaces the voltage of the external grid. Where every user has three phases, one phase
    stands for all and zero-sequence data are not needed. Raises `InputError`.
    """
    users = _users(net, name)
    balanced = all(user.phases == PHASES for user in users)
    root, vm = _source(net, name)
    vm = vm if source_vm_pu is None else source_vm_pu
    parent, branch = _tree(net, name, root, balanced)
    paths = [_path(user, parent, name) for user in users]
    ports = [
        (u, PHASES.index(f))
        for u, user in enumerate(users)
        for f in (PHASES[:1] if balanced else user.phases)
    ]
    gain_to = {bus: float(np.prod([branch[b].gain for b in path])) for bus, path in _all_paths(paths).items()}
    behind_bus: dict[int, list[int]] = {bus: [] for path in paths for bus in path}  # ports, in their order
    for k, (u, _) in enumerate(ports):
        for bus in paths[u]:
            behind_bus[bus].append(k)
    z, source = _impedances(net, users, ports, paths, behind_bus, branch, gain_to, vm, balanced)
    behind: dict[frozenset[int], str] = {}
    limit: dict[frozenset[int], float] = {}
    for bus, those in behind_bus.items():
        carried = frozenset(those)
        if branch[bus].limit < limit.get(carried, np.inf):
            behind[carried], limit[carried] = branch[bus].name, branch[bus].limit
    downstream = np.array([[k in s for k in range(len(ports))] for s in behind], dtype=bool)
    count = np.array([len(user.phases) for user in users])
    user_of = np.array([u for u, _ in ports], dtype=np.int64)
    return Feeder(
        name,
        tuple(users),
        user_of,
        np.array([f for _, f in ports], dtype=np.int64),
        1.0 / count[user_of],
        source,
        z,
        downstream.reshape(len(behind), len(ports)),
        tuple(behind.values()),
        np.array(list(limit.values())),
        1000.0 * BASE_MVA / 3.0,
    )


def _users(net: pandapowerNet, name: str) -> list[User]:
    found: list[User] = []
    unequal = net.asymmetric_load[net.asymmetric_load.in_service]
    for k, row in unequal.iterrows():
        phases = "".join(f for f in PHASES if row[f"p_{f}_mw"] != 0.0) or PHASES
        found.append(User(_name(row, "asymmetric_load", k), int(row.bus), phases))
    for k, row in net.load[net.load.in_service].iterrows():
        found.append(User(_name(row, "load", k), int(row.bus), PHASES))
    if not found:
        raise InputError(name, "load", "the net has no load in service", "Give a net with users")
    names = pd.Series([user.name for user in found])
    twice = names.duplicated(keep=False)
    return [
        User(f"{user.name} #{k}", user.bus, user.phases) if twice[k] else user for k, user in enumerate(found)
    ]


def _name(row: Any, table: str, k: Any) -> str:
    return (
        str(row["name"]) if row["name"] not in (None, "") and row["name"] == row["name"] else f"{table} {k}"
    )


def _source(net: pandapowerNet, name: str) -> tuple[int, float]:
    sources = net.ext_grid[net.ext_grid.in_service]
    if len(sources) != 1:
        raise InputError(
            name, "ext_grid", f"has {len(sources)} sources", "Give a feeder with one external grid"
        )
    return int(sources.bus.iloc[0]), float(sources.vm_pu.iloc[0])


def _tree(
    net: pandapowerNet, name: str, root: int, balanced: bool
) -> tuple[dict[int, int], dict[int, _Branch]]:
    """Parent of every bus, and the branch from it."""
    graph = topology.create_nxgraph(net, respect_switches=True, multi=True)
    reached = graph.subgraph(nx.node_connected_component(graph, root))
    if reached.number_of_edges() != reached.number_of_nodes() - 1:
        raise InputError(
            name, "line", "the feeder is not radial", "Open switches or take parallel branches together"
        )
    parent: dict[int, int] = {}
    branch: dict[int, _Branch] = {}
    lines, vn_kv = net.line.to_dict("index"), net.bus.vn_kv.to_dict()
    for above, bus in nx.bfs_edges(reached, root):
        (key,) = reached[above][bus]
        table, index = key[0], key[1]
        parent[bus] = above
        if table == "line":
            branch[bus] = _line(lines[index], vn_kv, name, index, balanced)
        elif table == "trafo":
            branch[bus] = _transformer(net, name, index, bus, balanced)
        elif table == "switch":
            branch[bus] = _Branch(f"switch {index}", np.zeros((3, 3), dtype=np.complex128), np.inf)
        else:
            raise InputError(name, table, "is not modelled in a feeder", "Use lines, transformers, switches")
    return parent, branch


def _line(
    row: Mapping[Hashable, Any], vn_kv: Mapping[int, float], name: str, index: int, balanced: bool
) -> _Branch:
    kv = float(vn_kv[row["from_bus"]])
    scale = row["length_km"] / row["parallel"] / (kv**2 / BASE_MVA)
    z1 = complex(row["r_ohm_per_km"], row["x_ohm_per_km"]) * scale
    z0 = (
        z1
        if balanced
        else _zero_sequence(row, name, f"line {index}", "r0_ohm_per_km", "x0_ohm_per_km") * scale
    )
    limit = row["max_i_ka"] * row["df"] * row["parallel"] * np.sqrt(3.0) * kv
    limit = float(limit) / BASE_MVA if np.isfinite(limit) else np.inf
    return _Branch(f"line {index}", phase_impedance(z0, z1, z1), limit)


def _transformer(net: pandapowerNet, name: str, index: int, bus: int, balanced: bool) -> _Branch:
    row = net.trafo.loc[index]
    where = f"trafo {index}"
    if bus != row.lv_bus:
        raise InputError(name, where, "feeds its high-voltage side", "Put the source above the transformer")
    side = row.tap_side if "tap_side" in row.index else None
    steps = 0.0
    if side in ("hv", "lv") and np.isfinite(row.tap_pos) and np.isfinite(row.tap_neutral):
        steps = float(row.tap_pos - row.tap_neutral) * float(np.nan_to_num(row.tap_step_percent)) / 100.0
    hv = row.vn_hv_kv * (1.0 + steps if side == "hv" else 1.0)
    lv = row.vn_lv_kv * (1.0 + steps if side == "lv" else 1.0)
    gain = float(net.bus.vn_kv.at[row.hv_bus] / hv * lv / net.bus.vn_kv.at[row.lv_bus])
    scale = BASE_MVA / row.sn_mva / row.parallel / 100.0 * (lv / net.bus.vn_kv.at[row.lv_bus]) ** 2
    z1 = complex(row.vkr_percent, np.sqrt(row.vk_percent**2 - row.vkr_percent**2)) * scale
    z0 = z1
    if not balanced:
        group = str(row["vector_group"]) if "vector_group" in row.index else "unknown"
        if not group.startswith("Dyn"):
            raise InputError(
                name,
                f"{where}.vector_group",
                f"is {group}, and users have single phases",
                "Give a Dyn transformer with zero-sequence data",
            )
        z0 = _zero_of_transformer(row, name, where) * scale
    limit = float(row.sn_mva * row.parallel * row.df) / BASE_MVA
    return _Branch(where, phase_impedance(z0, z1, z1), limit, gain, delta=True)


def _zero_of_transformer(row: Any, name: str, where: str) -> complex:
    """Zero-sequence impedance of a Dyn transformer seen from its star, percent: leakage and magnetising T."""
    vkr0, vk0 = _numbers(row, name, where, "vkr0_percent", "vk0_percent")
    ratio, split = _numbers(row, name, where, "mag0_percent", "si0_hv_partial")
    leakage = complex(vkr0, np.sqrt(max(vk0**2 - vkr0**2, 0.0)))
    magnetising = abs(leakage) * ratio / 100.0 * 1j
    primary = split * leakage
    return (1.0 - split) * leakage + primary * magnetising / (primary + magnetising)


def _zero_sequence(row: Any, name: str, where: str, *columns: str) -> complex:
    r, x = _numbers(row, name, where, *columns)
    return complex(r, x)


def _numbers(row: Any, name: str, where: str, *columns: str) -> list[float]:
    values = []
    for column in columns:
        value = float(row[column]) if column in row else np.nan
        if not np.isfinite(value):
            raise InputError(
                name,
                f"{where}.{column}",
                "is missing, and users have single phases",
                "Give zero-sequence data, or three-phase users only",
            )
        values.append(value)
    return values


def _path(user: User, parent: dict[int, int], name: str) -> list[int]:
    """Buses from a user up to, and without, the source."""
    path, bus = [], user.bus
    while bus in parent:
        path.append(bus)
        bus = parent[bus]
    if not path:
        raise InputError(
            name, f"load {user.name}", f"bus {user.bus} is not supplied", "Connect it, or take it out"
        )
    return path


def _all_paths(paths: list[list[int]]) -> dict[int, list[int]]:
    """The path of every bus on the way to a user."""
    return {bus: path[k:] for path in paths for k, bus in enumerate(path)}


def _impedances(
    net: pandapowerNet,
    users: list[User],
    ports: list[tuple[int, int]],
    paths: list[list[int]],
    behind_bus: dict[int, list[int]],
    branch: dict[int, _Branch],
    gain_to: dict[int, float],
    vm: float,
    balanced: bool,
) -> tuple[ComplexArray, ComplexArray]:
    """Common impedances of ports (P, P), and their voltages without load (P,)."""
    phases = np.array([f for _, f in ports])
    gain = np.array([gain_to[users[u].bus] for u, _ in ports])
    z = np.zeros((len(ports), len(ports)), dtype=np.complex128)
    for bus, those in behind_bus.items():
        on = np.zeros(len(ports), dtype=bool)
        on[those] = True
        path = paths[ports[those[0]][0]]
        blocked = any(branch[b].delta for b in path[: path.index(bus)])
        between = branch[bus].z
        if blocked:  # a delta below it keeps zero-sequence current away: take that sequence out
            between = between - between.sum() / 9.0
        ratio = np.where(on, gain / gain_to[bus], 0.0)
        z += np.outer(ratio, ratio) * between[np.ix_(phases, phases)]
    if balanced:
        return z, np.asarray(vm * gain, dtype=np.complex128)
    z += np.outer(gain, gain) * _negative_of_source(net)[np.ix_(phases, phases)]
    return z, np.asarray(gain * source_phases(vm)[phases])


def _negative_of_source(net: pandapowerNet) -> ComplexArray:
    """The source holds the positive sequence; the negative one sees its short-circuit impedance, if known."""
    row = net.ext_grid[net.ext_grid.in_service].iloc[0]
    known = [float(row[c]) if c in row.index else np.nan for c in ("s_sc_max_mva", "rx_max")]
    if not np.isfinite(known).all():
        return np.zeros((3, 3), dtype=np.complex128)
    size = IEC_VOLTAGE_FACTOR * BASE_MVA / known[0]
    x = size / np.sqrt(1.0 + known[1] ** 2)
    return phase_impedance(0.0, 0.0, complex(known[1] * x, x))
