"""Low-voltage feeders phase by phase: what users draw, and the voltages and currents it makes.

A radial feeder hangs on one source. A **port** is one phase of one user; three-phase users share their power
equally over three ports. Currents are those of constant powers, so voltages follow from a fixed point of
``v = v0 - z i(v)`` with ``z`` the impedance that two ports have in common, mutual coupling included. Loads
are connected to neutral; line charging and magnetising currents are left out. Powers are **imports** here
(kW, consumption positive), as contracts state them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.arrays import BoolArray, ComplexArray, FloatArray, IntArray

PHASES = "abc"
_TURN = np.exp(2j * np.pi / 3)
MOST_STEPS = 200
SETTLED_PU = 1e-11
SETTLED_ADJOINT = 1e-13
"""Of the adjoint, as a share of the largest weight that a port's current has in its figure."""


@dataclass(frozen=True)
class User:
    """One connection: name, pandapower bus, and its phases, a subset of ``abc``."""

    name: str
    bus: int
    phases: str


@dataclass(frozen=True)
class PortState:
    """K operating points: voltages and currents of P ports (p.u.), and which points have a solution."""

    voltage: ComplexArray  # (K, P)
    current: ComplexArray  # (K, P) drawn
    converged: BoolArray  # (K,)


@dataclass(frozen=True)
class Feeder:
    """U users on P ports, and L sections: of the branches that carry the same ports, the weakest."""

    name: str
    users: tuple[User, ...]
    port_user: IntArray  # (P,)
    port_phase: IntArray  # (P,) 0..2
    port_share: FloatArray  # (P,) of its user's power
    source: ComplexArray  # (P,) voltage of each port without load, p.u.
    z_pu: ComplexArray  # (P, P) voltage drop at a port per current drawn at a port
    downstream: BoolArray  # (L, P) ports behind a section
    section_name: tuple[str, ...]
    section_limit: FloatArray  # (L,) current per phase, p.u.
    base_kw: float  # of one phase

    def solve(self, import_kw: FloatArray) -> PortState:
        """Voltages and currents when users import (K, U) or (U,) kW, export being negative."""
        power = np.atleast_2d(import_kw)[:, self.port_user] * self.port_share / self.base_kw
        voltage = np.broadcast_to(self.source, power.shape).astype(np.complex128)
        change = np.full(len(power), np.inf)
        for _ in range(MOST_STEPS):
            with np.errstate(all="ignore"):
                after = self.source - (power / np.conj(voltage)) @ self.z_pu.T
                change = np.abs(after - voltage).max(axis=1, initial=0.0)
            voltage = after
            if not (change > SETTLED_PU).any():
                break
        converged = np.isfinite(change) & (change <= 1e-6)
        voltage = np.asarray(np.where(converged[:, None], voltage, self.source), dtype=np.complex128)
        current = np.asarray(power / np.conj(voltage), dtype=np.complex128)
        return PortState(voltage, current, converged)

    def section_current(self, current: ComplexArray) -> ComplexArray:
        """Current of every section and phase, (K, L, 3), when ports draw (K, P)."""
        by_phase = [
            current[:, on] @ self.downstream[:, on].T.astype(np.float64)
            for on in (self.port_phase == phase for phase in range(3))
        ]
        return np.asarray(np.stack(by_phase, axis=2))

    def gradients(
        self, power: FloatArray, state: PortState, by_voltage: ComplexArray, by_current: ComplexArray
    ) -> FloatArray:
        """Derivative of K real figures by the imports of users, (K, U) per kW.

        Figure k has the differential ``Re(by_voltage[k] . dv + by_current[k] . di)`` at operating point k;
        `power` (K, P) are the ports' powers in p.u. Ports obey ``di = dp / v* - p / v*^2 dv*`` and
        ``dv = -z di``; the adjoint of these equations follows from a fixed point, as voltages do, and from
        a dense system where that does not settle, near and beyond the last point with a solution.
        """
        inverse = 1.0 / np.conj(state.voltage)  # (K, P)
        back = np.asarray(power * inverse**2, dtype=np.complex128)
        weight = by_current - by_voltage @ self.z_pu  # the figure's differential is Re(weight . di)
        adjoint: ComplexArray = weight
        settled = np.zeros(len(weight), dtype=bool)
        size = np.abs(weight).max(axis=1, initial=0.0)
        for _ in range(MOST_STEPS):
            with np.errstate(all="ignore"):
                after = weight + np.conj(adjoint * back) @ self.z_pu
                settled = np.abs(after - adjoint).max(axis=1, initial=0.0) <= SETTLED_ADJOINT * size
            adjoint = after
            if settled.all():
                break
        if not settled.all():
            adjoint[~settled] = self._dense_adjoint(back[~settled], weight[~settled])
        per_port = (adjoint * inverse).real * self.port_share / self.base_kw
        by_user = np.zeros((len(power), len(self.users)))
        for port, user in enumerate(self.port_user.tolist()):
            by_user[:, user] += per_port[:, port]
        return by_user

    def _dense_adjoint(self, back: ComplexArray, weight: ComplexArray) -> ComplexArray:
        """Solution a (K, P) of ``a = weight + conj(a back) z``, as 2 P real equations for each figure."""
        n = weight.shape[1]
        # di = inverse dp + back conj(z di): with di = x + i y, and B = diag(back) conj(z).
        b = back[:, :, None] * np.conj(self.z_pu)[None, :, :]
        eye = np.eye(n)
        matrix = np.concatenate(
            [
                np.concatenate([eye - b.real, -b.imag], axis=2),
                np.concatenate([-b.imag, eye + b.real], axis=2),
            ],
            axis=1,
        )
        right = np.concatenate([weight.real, -weight.imag], axis=1)[:, :, None]
        found = np.linalg.solve(np.swapaxes(matrix, 1, 2), right)[:, :, 0]
        return np.asarray(found[:, :n] - 1j * found[:, n:])

    def port_power(self, import_kw: FloatArray) -> FloatArray:
        """Powers of ports (K, P) in p.u. when users import (K, U) kW."""
        return np.asarray(import_kw[:, self.port_user] * self.port_share / self.base_kw)


def phase_impedance(z0: complex, z1: complex, z2: complex) -> ComplexArray:
    """Impedance between phases (3, 3) from those of the zero, positive and negative sequence."""
    a = np.array([[1, 1, 1], [1, _TURN**2, _TURN], [1, _TURN, _TURN**2]])
    return np.asarray(a @ np.diag([z0, z1, z2]) @ np.linalg.inv(a))


def source_phases(vm_pu: float) -> ComplexArray:
    """A balanced source, (3,)."""
    return np.asarray(vm_pu * np.array([1.0, _TURN**2, _TURN]))
