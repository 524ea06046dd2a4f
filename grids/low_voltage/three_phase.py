"""Three-phase power flow of low-voltage feeders: voltages and currents for given powers of users.

A feeder has one source. A **port** is one phase of one user; three-phase users share their power equally over
three ports. Powers that belong to no user have ports of their own, after those of users, and are constant.
All powers are constant powers, so voltages follow from the fixed point of ``v = v0 - z i(v)`` with ``z`` the
impedance between two ports. Mutual coupling, shunts, line charging and magnetising currents are included in
``z`` and ``v0``. Everything is connected to neutral. Powers are **imports** (kW, consumption positive), as in
connection contracts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.tolerances import (
    LV_ADJOINT_CONVERGED_SHARE,
    LV_VOLTAGE_ACCEPTED_PU,
    LV_VOLTAGE_CONVERGED_PU,
)
from tandem_sim.grids.types import BoolArray, ComplexArray, FloatArray, IntArray

PHASES = "abc"
_TURN = np.exp(2j * np.pi / 3)
SEQUENCES: ComplexArray = np.array([[1, _TURN**2, _TURN], [1, _TURN, _TURN**2], [1, 1, 1]])
"""Phases a, b, c (columns) of a unit of positive, negative and zero sequence (rows)."""
MOST_STEPS = 200


@dataclass(frozen=True)
class User:
    """One connection: name, pandapower bus, and its phases, a subset of ``abc``."""

    name: str
    bus: int
    phases: str


@dataclass(frozen=True)
class PortState:
    """K operating points: voltages and currents of ports (p.u.), and which points have a solution."""

    voltage: ComplexArray  # (K, P) of users' ports
    held: ComplexArray  # (K, Q) voltages of the other ports
    current: ComplexArray  # (K, P + Q) drawn
    converged: BoolArray  # (K,)


@dataclass(frozen=True, kw_only=True)
class Feeder:
    """U users on P ports, Q ports of constant powers, and L sections of F phases.

    A section is an end of a branch with a rating; of ends with the same currents, the one with the lowest
    limit. F is 1 where one phase stands for all, else 3.
    """

    name: str
    users: tuple[User, ...]
    port_user: IntArray  # (P,)
    port_phase: IntArray  # (P,) 0..2
    port_share: FloatArray  # (P,) of its user's power
    source: ComplexArray  # (P + Q,) voltage of each port when nothing is drawn, p.u.
    z_pu: ComplexArray  # (P + Q, P + Q) voltage drop at a port per current drawn at a port
    fixed_pu: ComplexArray  # (Q,) powers drawn that belong to no user
    section_name: tuple[str, ...]
    section_limit: FloatArray  # (L,) current per phase, p.u.
    section_idle: ComplexArray  # (L, F) current when nothing is drawn, p.u.
    section_share: ComplexArray  # (L, F, P + Q) current of a section per current drawn at a port
    base_kw: float  # of one phase
    left_out: tuple[str, ...]  # parts of the net that the feeder leaves out, for reports

    @property
    def held_kva(self) -> complex:
        """Power that belongs to no user: drawn by all phases together, kW and kvar."""
        return complex(self.fixed_pu.sum() * self.base_kw * 3.0 / self.section_idle.shape[1])

    @property
    def downstream(self) -> BoolArray:
        """Which users' ports (L, P) draw at least half of their current through a section."""
        share = np.abs(self.section_share[:, :, : len(self.port_user)])
        return np.asarray(share.max(axis=1, initial=0.0) >= 0.5)

    def solve(self, import_kw: FloatArray) -> PortState:
        """Voltages and currents for imports of users (K, U) or (U,) kW, export negative."""
        drawn = np.conj(self.port_power(np.atleast_2d(import_kw)))
        voltage = np.broadcast_to(self.source, drawn.shape).astype(np.complex128)
        change = np.full(len(drawn), np.inf)
        for _ in range(MOST_STEPS):
            with np.errstate(all="ignore"):
                after = self.source - (drawn / np.conj(voltage)) @ self.z_pu.T
                change = np.abs(after - voltage).max(axis=1, initial=0.0)
            voltage = after
            if not (change > LV_VOLTAGE_CONVERGED_PU).any():
                break
        converged = np.isfinite(change) & (change <= LV_VOLTAGE_ACCEPTED_PU)
        voltage = np.asarray(np.where(converged[:, None], voltage, self.source), dtype=np.complex128)
        current = np.asarray(drawn / np.conj(voltage), dtype=np.complex128)
        users = len(self.port_user)
        return PortState(voltage[:, :users], voltage[:, users:], current, converged)

    def section_current(self, current: ComplexArray) -> ComplexArray:
        """Current of every section and phase, (K, L, F) p.u., for currents drawn at ports (K, P + Q) p.u."""
        sections, phases, ports = self.section_share.shape
        through = current @ self.section_share.reshape(sections * phases, ports).T
        return np.asarray(self.section_idle + through.reshape(len(current), sections, phases))

    def gradients(self, state: PortState, by_voltage: ComplexArray, by_current: ComplexArray) -> FloatArray:
        """Derivative of K real quantities by the imports of users, (K, U) per kW.

        Quantity k has the differential ``Re(by_voltage[k] . dv + by_current[k] . di)`` at operating point k,
        dv of users' ports (P) and di of all (P + Q). Ports obey ``di = ds* / v* - i / v* dv*`` and ``dv = -z
        di``. The adjoint of these equations follows from a fixed point, like the voltages; where that does
        not converge, near and beyond the last point with a solution, from a dense system.
        """
        users = len(self.port_user)
        inverse = 1.0 / np.conj(np.concatenate([state.voltage, state.held], axis=1))  # (K, P + Q)
        back = np.asarray(state.current * inverse, dtype=np.complex128)
        weight = by_current - by_voltage @ self.z_pu[:users]  # the figure's differential is Re(weight . di)
        adjoint: ComplexArray = weight
        settled = np.zeros(len(weight), dtype=bool)
        size = np.abs(weight).max(axis=1, initial=0.0)
        for _ in range(MOST_STEPS):
            with np.errstate(all="ignore"):
                after = weight + np.conj(adjoint * back) @ self.z_pu
                settled = (
                    np.abs(after - adjoint).max(axis=1, initial=0.0) <= LV_ADJOINT_CONVERGED_SHARE * size
                )
            adjoint = after
            if settled.all():
                break
        if not settled.all():
            adjoint[~settled] = self._dense_adjoint(back[~settled], weight[~settled])
        per_port = (adjoint * inverse)[:, :users].real * self.port_share / self.base_kw
        by_user = np.zeros((len(weight), len(self.users)))
        for port, user in enumerate(self.port_user.tolist()):
            by_user[:, user] += per_port[:, port]
        return by_user

    def _dense_adjoint(self, back: ComplexArray, weight: ComplexArray) -> ComplexArray:
        """Solution a (K, P + Q) of ``a = weight + conj(a back) z``, as real equations, two for each port."""
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

    def port_power(self, import_kw: FloatArray) -> ComplexArray:
        """Powers drawn at ports (K, P + Q) p.u., for imports of users (K, U) kW."""
        own = import_kw[:, self.port_user] * self.port_share / self.base_kw
        held = np.broadcast_to(self.fixed_pu, (len(own), len(self.fixed_pu)))
        return np.concatenate([own.astype(np.complex128), held], axis=1)
