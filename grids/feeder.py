"""From a pandapower net to a feeder with phases. Every fault in the data is an `InputError`.

Branches, impedances, taps, shunts, ratings and powers are those of `Network`, so that a feeder is the grid
that markets are cleared on; from the tables come users, phases and zero-sequence data only.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.arrays import ComplexArray, FloatArray, IntArray
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network import Network
from tandem_sim.grids.sequences import Sequence, negative, positive, zero
from tandem_sim.grids.three_phase import PHASES, SEQUENCES, Feeder, User

BASE_MVA = 1.0
CARRIED = 1e-3
"""A branch that carries less than this share of any port's current is no section."""
ALIKE = 1e-5
"""Sections are one where shares differ by no more, and currents without load by no more of the rating."""
UNITS = ("sgen", "asymmetric_sgen", "storage")
POWERS = {
    quantity: tuple(f"{quantity}_{f}_{unit}" for f in PHASES)
    for quantity, unit in (("p", "mw"), ("q", "mvar"))
}


@dataclass(frozen=True)
class _Ports:
    """Users' ports first, then those of powers that belong to no user, drawn (Q,) in p.u. of one phase."""

    user: IntArray  # (P,)
    node: IntArray  # (P + Q,)
    phase: IntArray  # (P + Q,)
    fixed: ComplexArray  # (Q,)


def read_feeder(
    net: pandapowerNet, name: str, source_vm_pu: float | None = None, units: bool = True
) -> Feeder:
    """The feeder of a net: users are its loads, those of table ``asymmetric_load`` on the phases they load.

    `source_vm_pu` replaces the voltage of the external grid. All other powers are held as the net has them:
    motors, wards, and static generators and storages. Without `units` the latter two are left out, for what
    is behind the connections of users is theirs. Where nothing stands on single phases, one phase stands for
    all and zero-sequence data are not needed. Raises `InputError`.
    """
    left_out = _left_out(net, units)
    if not units:
        net = _without_units(net)
    users = _users(net, name)
    single = _single_phase_sources(net, name)
    balanced = all(user.phases == PHASES for user in users) and not single
    if not balanced:
        _refuse_delta(net, name)
    network = Network.from_pandapower(_without_users(net), name)
    if len(network.pv_node):
        raise InputError(
            name, "gen", "holds a voltage, which is not modelled in a feeder", "Make it a static generator"
        )
    ports = _ports(network, users, single, PHASES[:1] if balanced else PHASES)
    vm = network.root_vm_pu if source_vm_pu is None else source_vm_pu
    sequences = [positive(network)] if balanced else [positive(network), negative(network), zero(network)]
    _refuse_astray(network, sequences, ports)
    idle = [sequence.idle(vm if k == 0 else 0.0) for k, sequence in enumerate(sequences)]
    nodes, at = np.unique(ports.node, return_inverse=True)
    drop = [sequence.drop(nodes)[:, at] for sequence in sequences]
    onto = SEQUENCES[: len(sequences), ports.phase]  # (S, P + Q) how a sequence stands on the phase of a port
    of = np.conj(onto) / len(sequences)  # how much of a port's current is of a sequence
    source = np.einsum("sp,sp->p", onto, np.array(idle)[:, ports.node])
    z = np.einsum("sp,sq,spq->pq", onto, of, np.array(drop)[:, ports.node])
    names, limit, flow, share = _sections(
        network, sequences, idle, [o * d for o, d in zip(of, drop, strict=True)]
    )
    return Feeder(
        name=name,
        users=tuple(users),
        port_user=ports.user,
        port_phase=ports.phase[: len(ports.user)],
        port_share=1.0 / np.array([len(user.phases) for user in users])[ports.user],
        source=source,
        z_pu=z,
        fixed_pu=ports.fixed,
        section_name=names,
        section_limit=limit,
        section_idle=flow,
        section_share=share,
        base_kw=1000.0 * BASE_MVA / 3.0,
        left_out=left_out,
    )


def _users(net: pandapowerNet, name: str) -> list[User]:
    found: list[User] = []
    unequal = net.asymmetric_load[net.asymmetric_load.in_service]
    for k, row in unequal.iterrows():
        power = row[list(POWERS["p"])].to_numpy(dtype=float)
        if np.isnan(power).any():
            raise InputError(
                name,
                f"asymmetric_load {k}",
                "has a power that is no number",
                "Give zero on phases without load",
            )
        phases = "".join(f for f, p in zip(PHASES, power, strict=True) if p != 0.0) or PHASES
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


def _single_phase_sources(net: pandapowerNet, name: str) -> dict[int, ComplexArray]:
    """Power drawn (3,) MVA, by bus, of what table ``asymmetric_sgen`` has on phases unequally."""
    found: dict[int, ComplexArray] = {}
    for k, row in net.asymmetric_sgen[net.asymmetric_sgen.in_service].iterrows():
        p, q = (row[list(POWERS[quantity])].to_numpy(dtype=float) for quantity in ("p", "q"))
        power = -(p + 1j * q) * float(row.scaling)
        if np.isnan(power).any():
            raise InputError(
                name, f"asymmetric_sgen {k}", "has a power that is no number", "Give zero on idle phases"
            )
        if net.bus.in_service.at[row.bus] and (power != power[0]).any():
            found[int(row.bus)] = found.get(int(row.bus), 0.0) + power
    return found


def _refuse_delta(net: pandapowerNet, name: str) -> None:
    """Feeders connect everything to neutral: what stands between phases is an error."""
    for table in ("load", "asymmetric_load", "sgen", "asymmetric_sgen"):
        rows = net[table][net[table].in_service]
        delta = rows.index[rows["type"].astype(str).str.lower() == "delta"]
        if len(delta):
            raise InputError(
                name,
                f"{table} {delta[0]}.type",
                "is delta, and with single phases everything is connected to neutral",
                "Give the power of each phase to neutral, and the type wye",
            )


def _without_users(net: pandapowerNet) -> pandapowerNet:
    """A copy in which users and what is told by phases draw nothing."""
    left = copy.deepcopy(net)
    left.load[["p_mw", "q_mvar"]] = 0.0
    left.asymmetric_load[[*POWERS["p"], *POWERS["q"]]] = 0.0
    unequal = left.asymmetric_sgen[list(POWERS["p"])].nunique(axis=1) > 1
    unequal |= left.asymmetric_sgen[list(POWERS["q"])].nunique(axis=1) > 1
    left.asymmetric_sgen.loc[unequal, [*POWERS["p"], *POWERS["q"]]] = 0.0
    return left


def _ports(network: Network, users: list[User], single: dict[int, ComplexArray], phases: str) -> _Ports:
    bus = np.array([user.bus for user in users], dtype=np.int64)
    at = network.nodes_of(bus, "load")
    user = [(u, PHASES.index(f)) for u, one in enumerate(users) for f in phases if f in one.phases]
    drawn = np.repeat((-(network.p_mw + 1j * network.q_mvar) / 3.0)[:, None], 3, axis=1)  # (N, 3) MVA
    for place, power in single.items():
        drawn[network.nodes_of(np.array([place]), "asymmetric_sgen")[0]] += power
    drawn[network.root] = 0.0  # the source holds the voltage there, whatever is drawn
    node, phase = np.nonzero(drawn[:, : len(phases)])
    return _Ports(
        np.array([u for u, _ in user], dtype=np.int64),
        np.concatenate([at[[u for u, _ in user]], node]),
        np.concatenate([np.array([f for _, f in user], dtype=np.int64), phase]),
        np.asarray(drawn[node, phase] / (BASE_MVA / 3.0), dtype=np.complex128),
    )


def _refuse_astray(network: Network, sequences: list[Sequence], ports: _Ports) -> None:
    """Every port has a way for currents of all sequences, or an error says which bus has none."""
    astray = [node for sequence in sequences for node in ports.node[~sequence.tied()[ports.node]]]
    if astray:
        bus = network.bus_index[network.bus_node == astray[0]][0]
        raise InputError(
            network.name,
            f"bus {bus}",
            "has loads to neutral, and nothing earths its neutral (a delta stands between it and the source)",
            "Connect it to the star of a transformer, or give three-phase users only",
        )


def _sections(
    network: Network, sequences: list[Sequence], idle: list[ComplexArray], drop: list[ComplexArray]
) -> tuple[tuple[str, ...], FloatArray, ComplexArray, ComplexArray]:
    """Name, limit (L,), current without load (L, F) and by currents of ports (L, F, P + Q) of every section.

    Both ends of every rated branch; of those that carry the same, the weakest.
    """
    b, f = network.branches, len(sequences)
    turn = SEQUENCES[:f, :f]  # (S, F)
    rated = [
        i_ka * np.sqrt(3.0) * network.node_vn_kv[node] / BASE_MVA
        for i_ka, node in ((b.i_max_from_ka, b.from_node), (b.i_max_to_ka, b.to_node))
    ]
    flow = np.einsum("sf,seh->ehf", turn, [s.into_branches(v) for s, v in zip(sequences, idle, strict=True)])
    by_sequence = [s.into_branches(-d) for s, d in zip(sequences, drop, strict=True)]
    same: dict[bytes, list[tuple[str, float, ComplexArray, ComplexArray]]] = {}
    for e, label in enumerate(b.label):
        for end, limits in enumerate(rated):
            share = turn.T @ np.array([into[e, end] for into in by_sequence])  # (F, P + Q)
            carried = np.abs(share) > CARRIED
            if not np.isfinite(limits[e]) or not carried.any():
                continue
            first = share[np.arange(f), carried.argmax(axis=1)]  # only sizes count: turn all alike
            back = np.where(carried.any(axis=1), np.conj(first) / np.maximum(np.abs(first), CARRIED), 1.0)
            found = (label, float(limits[e]), flow[e, end] * back, share * back[:, None])
            _keep_weakest(same.setdefault(carried.tobytes(), []), found)
    kept = [section for alike in same.values() for section in alike]
    n = drop[0].shape[1]
    return (
        tuple(section[0] for section in kept),
        np.array([section[1] for section in kept]),
        np.array([section[2] for section in kept], dtype=np.complex128).reshape(len(kept), f),
        np.array([section[3] for section in kept], dtype=np.complex128).reshape(len(kept), f, n),
    )


def _keep_weakest(
    kept: list[tuple[str, float, ComplexArray, ComplexArray]],
    new: tuple[str, float, ComplexArray, ComplexArray],
) -> None:
    for k, (_, limit, flow, share) in enumerate(kept):
        if np.abs(share - new[3]).max() <= ALIKE and np.abs(flow - new[2]).max() <= ALIKE * min(
            limit, new[1]
        ):
            if new[1] < limit:
                kept[k] = new
            return
    kept.append(new)


def _left_out(net: pandapowerNet, units: bool) -> tuple[str, ...]:
    """What a net has and its feeder has not, with its size."""
    words = []
    kvar = 1000.0 * sum(_size(net, table, "q") for table in ("load", "asymmetric_load"))
    if kvar:
        words.append(f"reactive power of loads, {kvar:.1f} kvar in all: users are at unity power factor")
    kw = 1000.0 * sum(_size(net, table, "p") for table in UNITS)
    if kw and not units:
        words.append(
            f"static generators and storages, {kw:.1f} kW in all: they are behind users' connections"
        )
    return tuple(words)


def _size(net: pandapowerNet, table: str, quantity: str) -> float:
    """Sum of the sizes of a table's powers in service, MW or Mvar."""
    rows = net[table][net[table].in_service.astype(bool)]
    columns = [c for c in (*POWERS[quantity], "p_mw" if quantity == "p" else "q_mvar") if c in rows]
    each = rows[columns].abs().sum(axis=1) * rows.scaling.fillna(1.0)
    return float(each.sum())


def _without_units(net: pandapowerNet) -> pandapowerNet:
    left = copy.deepcopy(net)
    for table in UNITS:
        left[table]["in_service"] = False
    return left
