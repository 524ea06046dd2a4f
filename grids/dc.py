"""Transmission as the lossless DC model: branch flows are linear in injections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pandapower.pypower.makePTDF import makePTDF

from tandem_sim.grids.arrays import FloatArray
from tandem_sim.grids.branches import BR_R, BR_STATUS, BR_X, F_BUS, SHIFT, T_BUS, TAP
from tandem_sim.grids.network import BUS_TYPE, Network


@dataclass(frozen=True)
class DcModel:
    """``f = H p`` with susceptances ``1/(x tap)``; E branches, N nodes (Wood and Wollenberg, 2014)."""

    network: Network
    ptdf: FloatArray  # (E, N): MW on a branch per MW injected at a node and taken out at the root
    limit_mw: FloatArray  # (E,)

    @classmethod
    def build(cls, network: Network) -> DcModel:
        """Power transfer distribution factors of `network`, by pandapower's own routine."""
        branches = network.branches
        bus = np.zeros((network.n_nodes, 13))
        bus[:, 0] = np.arange(network.n_nodes)
        bus[:, BUS_TYPE] = 1
        bus[network.root, BUS_TYPE] = 3
        branch = np.zeros((len(branches), 22))
        branch[:, F_BUS], branch[:, T_BUS] = branches.from_node, branches.to_node
        branch[:, BR_R], branch[:, BR_X] = branches.r_pu, branches.x_pu
        branch[:, TAP], branch[:, SHIFT] = branches.tap, np.rad2deg(branches.shift_rad)
        branch[:, BR_STATUS] = 1
        ptdf = makePTDF(network.base_mva, bus, branch, slack=network.root)
        return cls(network, np.ascontiguousarray(ptdf, dtype=np.float64), branches.s_max_mva)

    def flows_mw(self, p_mw: FloatArray) -> FloatArray:
        """Branch flows (E,) in MW, positive from the from end, for injections (N,) in MW."""
        return np.asarray(self.ptdf @ p_mw)


@dataclass(frozen=True)
class TransmissionGrid:
    """The TSO's picture of its grid: base injections (N,), and the flow it expects into each area (MW)."""

    dc: DcModel
    p_mw: FloatArray
    interface_node: Mapping[str, int]
    interface_mw: Mapping[str, float]
