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
    highest: FloatArray  # (2, U) MW, and Mvar with them: the highest injections of the whole series, >= 0 MW
    lowest: FloatArray  # (2, U) the lowest, <= 0 MW

    @classmethod
    def none(cls, n_isp: int) -> PassiveInjections:
        """A grid without any."""
        empty = np.zeros((n_isp, 0))
        return cls(np.zeros(0, dtype=np.int64), empty, empty, np.zeros((2, 0)), np.zeros((2, 0)))

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

    def extremes(self, n_nodes: int) -> tuple[FloatArray, FloatArray]:
        """Highest and lowest injections of all nodes, (2, N) each: MW, and the Mvar with them.

        They are those of the whole series, so they do not depend on the horizon.
        """
        found = np.zeros((2, 2, n_nodes))
        found[:, :, self.node] = self.highest, self.lowest
        return found[0], found[1]

    def size_mw(self) -> float:
        """Sum of the largest injections of all nodes, of either sign, MW."""
        return float(np.maximum(self.highest[0], -self.lowest[0]).sum())
