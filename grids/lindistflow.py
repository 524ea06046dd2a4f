"""Distribution as LinDistFlow: flows and squared voltages of a radial grid are linear in injections.

Source: Baran and Wu (1989), the lossless simplification with transformer ratios. With ``P, Q`` the flow
towards the leaves and ``w = vm_pu**2``: ``w_child = g w_parent - 2 (r P + x Q) / S_base``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tandem_sim.grids.arrays import BoolArray, FloatArray, IntArray
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network import Network

MOST_CROSS_FLOW = 0.05
"""Share of the reactive flow that may turn up as active flow in one of several parallel branches."""


@dataclass(frozen=True)
class LinDistFlow:
    """Sensitivities of a radial grid, E branches, N nodes; injection and flow to the leaves are positive."""

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
        """Buses (N,) joined in each node."""
        return np.bincount(self.network.bus_node, minlength=self.network.n_nodes)

    @classmethod
    def build(cls, network: Network) -> LinDistFlow:
        """Walk the tree from the root once. A meshed grid is an `InputError`."""
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
        return cls(network, flow, m_p, m_q, gain, downhill)

    def flows_mw(self, p_mw: FloatArray) -> FloatArray:
        """Active flow of every branch (E,), MW towards the leaves, for injections (N,)."""
        return np.asarray(self.flow_matrix @ p_mw)

    def w_pu2(self, p_mw: FloatArray, q_mvar: FloatArray) -> FloatArray:
        """Squared voltages (N,) in p.u.**2 for injections (N,) in MW and Mvar."""
        w0 = self.w_root_gain * self.network.root_vm_pu**2
        return np.asarray(w0 + self.voltage_matrix @ p_mw + self.voltage_q_matrix @ q_mvar)

    def limits_mw(self, q_mvar: FloatArray) -> FloatArray:
        """Limit on the active flow of every branch (E,): ``sqrt(S**2 - Q**2)``, 0 where Q alone fills it."""
        q_flow = self.flow_matrix @ q_mvar
        return np.sqrt(np.maximum(self.network.branches.s_max_mva**2 - q_flow**2, 0.0))


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
            "parallel branches with different ratios drive a circulating flow that LinDistFlow cannot show",
            "Set equal taps, or use linearise_ac instead",
        )
    y = 1.0 / z
    total, share = 1.0 / y.sum(), y / y.sum()
    if np.abs(share.imag).max() > MOST_CROSS_FLOW:
        raise InputError(
            network.name,
            b.label[feeders[0]],
            "parallel branches with different ratios of resistance to reactance swap active and reactive "
            "flow, which LinDistFlow cannot show",
            "Replace them by one branch, or use linearise_ac instead",
        )
    return float(g[0]), float(total.real), float(total.imag), np.asarray(share.real)
