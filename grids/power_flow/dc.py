"""Transmission by the lossless DC model: branch flows are affine in injections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pandapower.pypower.makePTDF import makePTDF

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.branches import BR_R, BR_STATUS, BR_X, F_BUS, SHIFT, T_BUS, TAP
from tandem_sim.grids.network.network import BUS_TYPE, Network
from tandem_sim.grids.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class DcModel:
    """``f = H (p - c) + f0``: E branches, N nodes (Wood and Wollenberg, 2014; MATPOWER manual, 3.7).

    ``H`` are the PTDF of the susceptances ``1/(x tap)``. Two constants: ``f0`` is the flow that a phase shift
    causes through its own branch; ``c`` is what these flows take from nodes, and what shunts draw at nominal
    voltage. ``pandapower.rundcpp`` has the same.
    """

    network: Network
    ptdf: FloatArray  # (E, N): MW on a branch per MW injected at a node and taken out at the root
    limit_mw: FloatArray  # (E,)
    drawn_mw: FloatArray  # (N,) c
    shifted_mw: FloatArray  # (E,) f0

    @classmethod
    def build(cls, network: Network) -> DcModel:
        """Power transfer distribution factors of `network`, by pandapower.

        Raises `InputError` for a branch without reactance, which this model cannot represent.
        """
        branches = network.branches
        none = branches.x_pu == 0.0
        if none.any():
            raise InputError(
                network.name,
                branches.label[int(np.argmax(none))],
                "has no reactance, and the DC model of transmission divides by it",
                "Give it one, or join its buses by a closed switch",
            )
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
        shifted = -branches.shift_rad / (branches.x_pu * branches.tap) * network.base_mva + 0.0
        drawn = network.shunt_mw
        drawn += np.bincount(branches.from_node, shifted, network.n_nodes)
        drawn -= np.bincount(branches.to_node, shifted, network.n_nodes)
        return cls(
            network=network,
            ptdf=np.ascontiguousarray(ptdf, dtype=np.float64),
            limit_mw=branches.s_max_mva,
            drawn_mw=drawn,
            shifted_mw=shifted,
        )

    def flows_mw(self, p_mw: FloatArray) -> FloatArray:
        """Branch flows (E,) in MW, positive from the from end, for injections (N,) in MW."""
        return np.asarray(self.ptdf @ (p_mw - self.drawn_mw) + self.shifted_mw)


@dataclass(frozen=True)
class TransmissionGrid:
    """The TSO's model of its grid: base injections (N,), and the flow it expects into each area (MW)."""

    dc: DcModel
    p_mw: FloatArray
    interface_node: Mapping[str, int]
    interface_mw: Mapping[str, float]
