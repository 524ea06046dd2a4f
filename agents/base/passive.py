"""Injections that follow a profile and sell nothing: loads, generators and storages of a grid's data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.types import FloatArray, IntArray


@dataclass(frozen=True)
class PassiveInjections:
    """Injections at U different nodes of a grid in each of T ISPs; generation is positive."""

    node: IntArray  # (U,)
    p_mw: FloatArray  # (T, U)
    q_mvar: FloatArray  # (T, U)

    @classmethod
    def none(cls, n_isp: int) -> PassiveInjections:
        """A grid without any."""
        empty = np.zeros((n_isp, 0))
        return cls(np.zeros(0, dtype=np.int64), empty, empty)

    def add_to(self, isp: int, p_mw: FloatArray, q_mvar: FloatArray) -> None:
        """Add those of an ISP to the injections of all nodes (N,), in place."""
        if len(self.node):
            p_mw[self.node] += self.p_mw[isp]
            q_mvar[self.node] += self.q_mvar[isp]

    def left_of(self, isp: int, p_mw: FloatArray) -> FloatArray:
        """Injections of all nodes (N,) in an ISP without these; `p_mw` itself if there are none."""
        if not len(self.node):
            return p_mw
        left = p_mw.copy()
        left[self.node] -= self.p_mw[isp]
        return left

    def with_loads(self, load_mw: FloatArray) -> FloatArray:
        """Injections of loads (T, N) and these together; the loads themselves if there are none."""
        if not len(self.node):
            return load_mw
        both = load_mw.copy()
        both[:, self.node] += self.p_mw
        return both

    def total_mw(self) -> FloatArray:
        """Sum over the nodes (T,), MW."""
        return np.asarray(self.p_mw.sum(axis=1))

    def extremes_mw(self, n_nodes: int) -> tuple[FloatArray, FloatArray]:
        """Highest injection of every node (N,), >= 0, and lowest, <= 0, over all ISPs, MW."""
        highest, lowest = np.zeros(n_nodes), np.zeros(n_nodes)
        if len(self.node):
            highest[self.node] = np.maximum(self.p_mw.max(axis=0), 0.0)
            lowest[self.node] = np.minimum(self.p_mw.min(axis=0), 0.0)
        return highest, lowest
