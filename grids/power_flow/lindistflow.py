"""Distribution by LinDistFlow: flows and squared voltages of a radial grid are linear in injections.

Source: Baran and Wu (1989), the lossless simplification with transformer ratios. With ``P, Q`` the flow
towards the leaves and ``w = vm_pu**2``: ``w_child = g w_parent - 2 (r P + x Q) / S_base``.

A state includes what shunts, line charging and iron losses draw at its voltages, which is linear in ``w``,
and what generators inject to hold their voltage. Sensitivities are those of injections alone: both are
constant in them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.tolerances import SET_POINT_TOLERANCE_PU2
from tandem_sim.grids.types import BoolArray, ComplexArray, FloatArray, IntArray

MOST_CROSS_FLOW = 0.05
"""Largest share of the reactive flow that may become active flow in one of several parallel branches."""


@dataclass(frozen=True)
class LinState:
    """One state by LinDistFlow. E branches, N nodes; flows are positive towards the leaves."""

    flow_mw: FloatArray  # (E,)
    flow_mvar: FloatArray  # (E,)
    w_pu2: FloatArray  # (N,) squared voltages
    held_mvar: FloatArray  # (G,) what generators inject to hold their voltage


@dataclass(frozen=True, kw_only=True)
class LinDistFlow:
    """Sensitivities of a radial grid. E branches, N nodes; injections and flows to leaves are positive."""

    network: Network
    flow_matrix: (
        FloatArray  # (E, N): dP of a branch per MW injected at a node: 0, -1, or a share of parallels
    )
    voltage_matrix: FloatArray  # (N, N): dw of a node per MW injected at another
    voltage_q_matrix: FloatArray  # (N, N): dw per Mvar
    w_root_gain: FloatArray  # (N,): product of the squared ratios between the root and the node
    downhill: BoolArray  # (E,): the from end is the one towards the root

    @cached_property
    def w_min_pu2(self) -> FloatArray:
        """Lower limits (N,) of the network on squared voltages."""
        return self.network.node_limits_pu()[0] ** 2

    @cached_property
    def w_max_pu2(self) -> FloatArray:
        """Upper limits (N,) of the network on squared voltages."""
        return self.network.node_limits_pu()[1] ** 2

    @cached_property
    def buses(self) -> IntArray:
        """Number of buses joined in each node (N,)."""
        return np.bincount(self.network.bus_node, minlength=self.network.n_nodes)

    @classmethod
    def build(cls, network: Network) -> LinDistFlow:
        """The sensitivities of `network`, from its tree. A meshed grid is an `InputError`."""
        parent, order, feeders = _tree(network)
        n, e = network.n_nodes, len(network.branches)
        downstream = np.eye(n, dtype=bool)
        for node in reversed(order[1:]):
            downstream[parent[node]] |= downstream[node]
        flow = np.zeros((e, n))
        m_p, m_q, gain = np.zeros((n, n)), np.zeros((n, n)), np.ones(n)
        for node in order[1:]:
            g, r, x, share = _equivalent(network, feeders[node], parent[node])
            up = parent[node]
            below = downstream[node].astype(float)
            flow[feeders[node]] = -share[:, None] * below
            m_p[node] = g * m_p[up] + 2.0 * r / network.base_mva * below
            m_q[node] = g * m_q[up] + 2.0 * x / network.base_mva * below
            gain[node] = g * gain[up]
        downhill = parent[network.branches.to_node] == network.branches.from_node
        return cls(
            network=network,
            flow_matrix=flow,
            voltage_matrix=m_p,
            voltage_q_matrix=m_q,
            w_root_gain=gain,
            downhill=downhill,
        )

    @cached_property
    def _admittance_pu(self) -> ComplexArray:
        """Admittance to ground of every node (N,), p.u.: shunts, and the halves of lines and transformers."""
        network, b = self.network, self.network.branches
        half = (b.g_pu + 1j * b.b_pu) / 2.0
        y = network.shunt_g_pu + 1j * network.shunt_b_pu
        np.add.at(y, b.from_node, half / b.tap**2)
        np.add.at(y, b.to_node, half)
        return y

    @cached_property
    def _with_admittances(self) -> Any:
        """LU factors of the matrix from voltages without admittances to voltages with them."""
        y, base = self._admittance_pu, self.network.base_mva
        drop = base * (self.voltage_matrix * y.real - self.voltage_q_matrix * y.imag)
        return lu_factor(np.eye(len(y)) + drop)

    def state(self, p_mw: FloatArray, q_mvar: FloatArray) -> LinState:
        """Flows and voltages for injections (N,) in MW and Mvar.

        Generators that hold a voltage add reactive power to `q_mvar` within their limits; at a limit they
        stay there, and the voltage changes. Raises `InputError` where no reactive power leads to the voltages
        they should hold.
        """
        network, y, held = self.network, self._admittance_pu, np.zeros(len(self.network.pv_node))
        w = (
            self.w_root_gain * network.root_vm_pu**2
            + self.voltage_matrix @ p_mw
            + self.voltage_q_matrix @ q_mvar
        )
        if y.any() or len(held):
            w = lu_solve(self._with_admittances, w)
            if len(held):
                effect = lu_solve(self._with_admittances, self.voltage_q_matrix[:, network.pv_node])
                held = _held_mvar(network, effect[network.pv_node], w[network.pv_node])
                w = w + effect @ held
            p_mw = p_mw - network.base_mva * y.real * w
            q_mvar = q_mvar + network.base_mva * y.imag * w
            q_mvar[network.pv_node] += held
        return LinState(self.flow_matrix @ p_mw, self.flow_matrix @ q_mvar, w, held)


def _held_mvar(network: Network, effect: FloatArray, w_pu2: FloatArray) -> FloatArray:
    """Reactive power (G,) of generators that hold their voltages, Mvar, within their limits.

    `effect` (G, G) is the effect of a Mvar of each on the squared voltages `w_pu2` (G,) without it. In a
    solution a generator holds its voltage, or is at its upper limit and below it, or at its lower limit and
    above it.
    """
    low, high = network.pv_q_mvar
    missing = network.pv_vm_pu**2 - w_pu2
    q = np.zeros(len(missing))
    free: BoolArray = np.ones(len(missing), dtype=bool)
    for _ in range(4 * len(missing) + 4):
        try:
            q[free] = np.linalg.solve(
                effect[np.ix_(free, free)], missing[free] - effect[np.ix_(free, ~free)] @ q[~free]
            )
        except np.linalg.LinAlgError:
            break
        beyond = free & ((q < low) | (q > high))
        if beyond.any():
            q[beyond] = np.clip(q, low, high)[beyond]
            free &= ~beyond
            continue
        short = missing - effect @ q  # above zero: the voltage is too low
        wrong = (
            ~free
            & (low < high)
            & np.where(q >= high, short < -SET_POINT_TOLERANCE_PU2, short > SET_POINT_TOLERANCE_PU2)
        )
        if not wrong.any():
            return q
        free[np.argmax(np.where(wrong, np.abs(short), -1.0))] = True
    raise InputError(
        network.name,
        "gen",
        "generators cannot hold their voltages in LinDistFlow with reactive power within their limits",
        "Take the offsets from the AC power flow (offset: ac), or widen the limits",
    )


def _tree(network: Network) -> tuple[IntArray, list[int], list[IntArray]]:
    """Parent of every node, breadth-first order, and the (parallel) branches that feed each node."""
    branches = network.branches
    pairs: dict[tuple[int, int], list[int]] = {}
    for k, (a, b) in enumerate(zip(branches.from_node.tolist(), branches.to_node.tolist(), strict=True)):
        pairs.setdefault((min(a, b), max(a, b)), []).append(k)
    neighbours: list[list[int]] = [[] for _ in range(network.n_nodes)]
    for a, b in pairs:
        neighbours[a].append(b)
        neighbours[b].append(a)
    parent = np.full(network.n_nodes, -1, dtype=np.int64)
    feeders: list[IntArray] = [np.empty(0, dtype=np.int64) for _ in range(network.n_nodes)]
    order, queue, seen = [network.root], deque([network.root]), {network.root}
    while queue:
        node = queue.popleft()
        for other in neighbours[node]:
            if other == parent[node]:
                continue
            if other in seen:
                label = branches.label[pairs[min(node, other), max(node, other)][0]]
                raise InputError(
                    network.name,
                    label,
                    "closes a loop: LinDistFlow needs a radial grid",
                    "Open a switch, take a branch out of service, or use linearise_ac instead",
                )
            seen.add(other)
            parent[other] = node
            feeders[other] = np.array(pairs[min(node, other), max(node, other)], dtype=np.int64)
            order.append(other)
            queue.append(other)
    return parent, order, feeders


def _equivalent(network: Network, feeders: IntArray, parent: int) -> tuple[float, float, float, FloatArray]:
    """Ratio g, resistance, reactance (seen at the child) and the flow shares of parallel branches."""
    b = network.branches
    tap2 = b.tap[feeders] ** 2
    forward = b.from_node[feeders] == parent
    g = np.where(forward, 1.0 / tap2, tap2)
    z = (b.r_pu[feeders] + 1j * b.x_pu[feeders]) * np.where(forward, 1.0, tap2)
    if len(feeders) == 1:
        return float(g[0]), float(z[0].real), float(z[0].imag), np.ones(1)
    if np.ptp(g) > 1e-9:
        raise InputError(
            network.name,
            b.label[feeders[0]],
            "parallel branches with different ratios cause a circulating flow, which LinDistFlow neglects",
            "Set equal taps, or use linearise_ac instead",
        )
    y = 1.0 / z
    total, share = 1.0 / y.sum(), y / y.sum()
    if np.abs(share.imag).max() > MOST_CROSS_FLOW:
        raise InputError(
            network.name,
            b.label[feeders[0]],
            "parallel branches with different ratios of resistance to reactance exchange active and reactive "
            "flow, which LinDistFlow cannot represent",
            "Replace them by one branch, or use linearise_ac instead",
        )
    return float(g[0]), float(total.real), float(total.imag), np.asarray(share.real)
