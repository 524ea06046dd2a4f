"""From a pandapower net to a feeder with phases. Every fault in the data is an `InputError`.

Branches, impedances, taps, shunts, ratings and powers are those of `Network`, so a feeder is the same grid as
the one of the markets. Only users, phases and zero-sequence data come from the tables of the net.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.low_voltage.sequences import Sequence, negative, positive, zero
from tandem_sim.grids.low_voltage.three_phase import PHASES, SEQUENCES, Feeder, User
from tandem_sim.grids.network.contents import live_rows
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.tolerances import EQUAL_CURRENT_SHARE, NEGLIGIBLE_CURRENT_SHARE, ZERO_RATING_PU
from tandem_sim.grids.types import ComplexArray, FloatArray, IntArray

BASE_MVA = 1.0
USERS = ("load", "asymmetric_load")
UNITS = ("sgen", "asymmetric_sgen", "storage")
BEHIND = "behind the connections of users"
POWERS = {
    quantity: tuple(f"{quantity}_{f}_{unit}" for f in PHASES)
    for quantity, unit in (("p", "mw"), ("q", "mvar"))
}


@dataclass(frozen=True)
class _Ports:
    """Users' ports first, then ports of powers that belong to no user, drawn (Q,) in p.u. of one phase."""

    user: IntArray  # (P,)
    node: IntArray  # (P + Q,)
    phase: IntArray  # (P + Q,)
    fixed: ComplexArray  # (Q,)


def read_feeder(
    net: pandapowerNet, name: str, source_vm_pu: float | None = None, units: bool = True
) -> Feeder:
    """The feeder of a net: users are its loads, those of table ``asymmetric_load`` on the phases they load.

    `source_vm_pu` replaces the voltage of the external grid (p.u.). All other powers are constant as in the
    net: motors, wards, static generators and storages. Without `units` static generators and storages are
    left out, because units behind the connections belong to users. If nothing is on single phases, one phase
    stands for all three, and zero-sequence data are not needed. Raises `InputError`.
    """
    apart = dict.fromkeys(USERS, "users of the feeder") | {"asymmetric_sgen": "held, phase by phase"}
    if not units:
        apart |= dict.fromkeys(UNITS, BEHIND)
    network = Network.from_pandapower(net, name, apart)
    if len(network.pv_node):
        raise InputError(
            name,
            f"bus {_a_bus(network, int(network.pv_node[0]))}",
            "a generator or an extended ward holds its voltage, which a feeder does not model",
            "Make it a static generator, or a ward",
        )
    users = _users(net, name)
    held = _held_by_phase(net) if units else {}
    unequal = any((power != power[0]).any() for power in held.values())
    balanced = all(user.phases == PHASES for user in users) and not unequal
    if not balanced:
        _refuse_delta(net, name)
    ports = _ports(network, users, held, PHASES[:1] if balanced else PHASES)
    vm = network.root_vm_pu if source_vm_pu is None else source_vm_pu
    sequences = [positive(network)] if balanced else [positive(network), negative(network), zero(network)]
    _refuse_floating(network, sequences, ports)
    idle = [sequence.idle(vm if k == 0 else 0.0) for k, sequence in enumerate(sequences)]
    nodes, at = np.unique(ports.node, return_inverse=True)
    drop = [sequence.drop(nodes)[:, at] for sequence in sequences]
    onto = SEQUENCES[: len(sequences), ports.phase]  # (S, P + Q) phase component of a sequence
    of = np.conj(onto) / len(sequences)  # share of a sequence in a port's current
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
        left_out=_left_out(net, network),
    )


def _users(net: pandapowerNet, name: str) -> list[User]:
    found: list[User] = []
    for k, row in net.asymmetric_load[live_rows(net, "asymmetric_load")].iterrows():
        phases = "".join(f for f in PHASES if row[f"p_{f}_mw"] != 0.0) or PHASES
        found.append(User(_name(row, "asymmetric_load", k), int(row.bus), phases))
    for k, row in net.load[live_rows(net, "load")].iterrows():
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


def _held_by_phase(net: pandapowerNet) -> dict[int, ComplexArray]:
    """Power (3,) MVA that table ``asymmetric_sgen`` draws, by bus."""
    found: dict[int, ComplexArray] = {}
    rows = net.asymmetric_sgen[live_rows(net, "asymmetric_sgen")]
    p, q = (rows[list(POWERS[quantity])].to_numpy(dtype=float) for quantity in ("p", "q"))
    power = -(p + 1j * q) * rows.scaling.fillna(1.0).to_numpy(dtype=float)[:, None]
    for bus, drawn in zip(rows.bus.tolist(), power, strict=True):
        found[bus] = found.get(bus, np.zeros(3)) + drawn
    return found


def _refuse_delta(net: pandapowerNet, name: str) -> None:
    """Everything is connected to neutral; between phases the same powers would draw other currents."""
    for table in ("load", "asymmetric_load", "sgen", "asymmetric_sgen"):
        rows = net[table][live_rows(net, table)]
        delta = rows.index[rows["type"].astype(str).str.lower() == "delta"]
        if len(delta):
            raise InputError(
                name,
                f"{table} {delta[0]}.type",
                "is delta, and a feeder with single phases connects everything to neutral",
                "Give the power from each phase to neutral, and the type wye",
            )


def _ports(network: Network, users: list[User], held: dict[int, ComplexArray], phases: str) -> _Ports:
    bus = np.array([user.bus for user in users], dtype=np.int64)
    at = network.nodes_of(bus, "load")
    user = [(u, PHASES.index(f)) for u, one in enumerate(users) for f in phases if f in one.phases]
    drawn = np.repeat((-(network.p_mw + 1j * network.q_mvar) / 3.0)[:, None], 3, axis=1)  # (N, 3) MVA
    for place, power in held.items():
        drawn[network.nodes_of(np.array([place]), "asymmetric_sgen")[0]] += power
    drawn[network.root] = 0.0  # the source holds the voltage there, whatever the load
    node, phase = np.nonzero(drawn[:, : len(phases)])
    return _Ports(
        np.array([u for u, _ in user], dtype=np.int64),
        np.concatenate([at[[u for u, _ in user]], node]),
        np.concatenate([np.array([f for _, f in user], dtype=np.int64), phase]),
        np.asarray(drawn[node, phase] / (BASE_MVA / 3.0), dtype=np.complex128),
    )


def _refuse_floating(network: Network, sequences: list[Sequence], ports: _Ports) -> None:
    """Every port needs a path for currents of all sequences; the `InputError` names a bus without one."""
    floating = [node for sequence in sequences for node in ports.node[~sequence.tied()[ports.node]]]
    if floating:
        raise InputError(
            network.name,
            f"bus {_a_bus(network, int(floating[0]))}",
            "has loads to neutral, and nothing earths its neutral (a delta stands between it and the source)",
            "Connect it to the star of a transformer, or give three-phase users only",
        )


def _sections(
    network: Network, sequences: list[Sequence], idle: list[ComplexArray], drop: list[ComplexArray]
) -> tuple[tuple[str, ...], FloatArray, ComplexArray, ComplexArray]:
    """Name, limit (L,), current without load (L, F) and by currents of ports (L, F, P + Q) of every section.

    Sections are both ends of every rated branch; of ends with the same currents, the one with the lowest
    limit.
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
            carried = np.abs(share) > NEGLIGIBLE_CURRENT_SHARE
            if not np.isfinite(limits[e]) or not carried.any():
                continue
            if limits[e] <= ZERO_RATING_PU:
                raise InputError(
                    network.name,
                    label,
                    "has a rating of zero and carries the current of users: no envelope is safe",
                    "Give its rating, or leave it out where there is no limit",
                )
            first = share[
                np.arange(f), carried.argmax(axis=1)
            ]  # only magnitudes count: rotate all by the same angle
            back = np.where(
                carried.any(axis=1), np.conj(first) / np.maximum(np.abs(first), NEGLIGIBLE_CURRENT_SHARE), 1.0
            )
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
        if np.abs(share - new[3]).max() <= EQUAL_CURRENT_SHARE and np.abs(
            flow - new[2]
        ).max() <= EQUAL_CURRENT_SHARE * min(limit, new[1]):
            if new[1] < limit:
                kept[k] = new
            return
    kept.append(new)


def _left_out(net: pandapowerNet, network: Network) -> tuple[str, ...]:
    """What the net has and the feeder leaves out, with its size."""
    mvar = sum(
        float(
            (rows[[c for c in rows if c.startswith("q_")]].abs().sum(axis=1) * rows.scaling.fillna(1.0)).sum()
        )
        for rows in (net[table][live_rows(net, table)] for table in USERS)
    )
    words = [f"reactive power of loads, {1000.0 * mvar:.1f} kvar: users are at unity power factor"]
    return tuple(words if mvar else ()) + tuple(
        f"{content.count} of table {content.table}, {1000.0 * content.p_mw:.1f} kW: {content.how}"
        for content in network.contents
        if content.use == "left out" and content.how == BEHIND
    )


def _a_bus(network: Network, node: int) -> int:
    return int(network.bus_index[network.bus_node == node][0])
