"""Voltage and current limits of a feeder, each evaluated at the point of an envelope that is worst for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.low_voltage.three_phase import Feeder, PortState
from tandem_sim.grids.tolerances import LV_LIMIT_TOLERANCE_PU
from tandem_sim.grids.types import ComplexArray, FloatArray, IntArray

LOW, HIGH, CURRENT = 0, 1, 2
CHUNK = 256
IMPORT, EXPORT = 1.0, -1.0


@dataclass(frozen=True)
class Band:
    """Limits of a feeder: voltage (p.u.) at users' terminals, and loading as a share of rated current."""

    low_pu: float = 0.9
    high_pu: float = 1.1
    loading: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """R limits of a feeder, each with the operating points for which it must hold."""

    kind: IntArray
    place: IntArray  # port or section
    phase: IntArray
    start: FloatArray  # direction assumed at first to raise the excess: IMPORT or EXPORT
    side: FloatArray  # applies while all users import (1), all export (-1), or in any case (0)


def worst_excess_pu(feeder: Feeder, band: Band, import_kw: FloatArray) -> FloatArray:
    """Largest excess over any limit at operating points, (K,) p.u.; nan without a solution.

    `import_kw` (K, U) kW. Voltage in p.u., current in p.u. of its limit; negative if all limits are kept.
    """
    state = feeder.solve(import_kw)
    vm = np.abs(state.voltage)
    current = np.abs(feeder.section_current(state.current)) / (band.loading * feeder.section_limit)[:, None]
    worst = np.maximum(band.low_pu - vm, vm - band.high_pu).max(axis=1, initial=-np.inf)
    worst = np.maximum(worst, (current - 1.0).max(axis=(1, 2), initial=-np.inf))
    return np.where(state.converged, worst, np.nan)


def limits_of(feeder: Feeder, connection_kw: FloatArray, band: Band, sides: tuple[float, ...]) -> Limits:
    """Every voltage limit, and the current limits that users could exceed, for each of `sides`.

    `connection_kw` (U,) bounds import and export of every user. A current limit is included only if all users
    together can exceed it at half the nominal voltage.
    """
    p = len(feeder.port_user)
    most = np.abs(feeder.port_power(connection_kw[None])[0]) / 0.5  # currents at half voltage
    feasible_range = np.abs(feeder.section_idle) + np.abs(feeder.section_share) @ most
    entries = [
        (kind, k, int(feeder.port_phase[k]), start, side)
        for side in sides
        for kind, start in ((LOW, IMPORT), (HIGH, EXPORT))
        for k in range(p)
    ]
    for section, phase in np.argwhere(feasible_range > band.loading * feeder.section_limit[:, None]).tolist():
        entries += [
            (CURRENT, section, phase, start, start if len(sides) > 1 else 0.0) for start in (IMPORT, EXPORT)
        ]
    table = np.array(entries, dtype=np.float64).reshape(-1, 5)
    whole = table[:, :3].astype(np.int64)
    return Limits(kind=whole[:, 0], place=whole[:, 1], phase=whole[:, 2], start=table[:, 3], side=table[:, 4])


def linearised(
    feeder: Feeder, rows: Limits, band: Band, x: FloatArray, sign: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Excess of every limit at its corner, (R,) p.u., and its slope by the limits of users, (R, 2 U) per kW.

    `sign` (R, U) defines the corners. The third value is the direction (R, U) in which each user raises the
    excess there: the corners of the next iteration.
    """
    u = len(feeder.users)
    value, slope = excess_and_slope(feeder, rows, band, corners(rows, sign, x))
    matrix = np.zeros((len(value), 2 * u))
    matrix[:, :u] = np.where(rows.side[:, None] >= 0, np.maximum(slope, 0.0), 0.0)
    matrix[:, u:] = np.where(rows.side[:, None] <= 0, np.maximum(-slope, 0.0), 0.0)
    return value, matrix, np.where(slope >= 0.0, 1.0, -1.0)


def worst_direction(feeder: Feeder, rows: Limits, band: Band, x: FloatArray) -> FloatArray:
    """Direction in which every user raises the excess of a limit: (R, U), import (1) or export (-1)."""
    u = len(feeder.users)
    sign = np.broadcast_to(rows.start[:, None], (len(rows.kind), u)).copy()
    for _ in range(2):
        _, slope = excess_and_slope(feeder, rows, band, corners(rows, sign, x))
        sign = np.where(slope >= 0.0, 1.0, -1.0)
    return np.asarray(sign)


def corners(rows: Limits, sign: FloatArray, x: FloatArray) -> FloatArray:
    """The worst point of every limit (R, U), kW of import.

    Every user is at the end of its envelope `x` (2 U,) that raises the excess. For limits that hold only for
    import or only for export, users for whom that end is in the other direction are at zero.
    """
    u, side = sign.shape[1], rows.side[:, None]
    most = np.where(side >= 0, x[:u], 0.0)
    least = np.where(side <= 0, -x[u:], 0.0)
    return np.asarray(np.where(sign > 0, most, least))


def excess_and_slope(
    feeder: Feeder, rows: Limits, band: Band, points_kw: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Excess over limit r at operating point r, (R,) p.u., and its gradient (R, U) per kW of import."""
    value = np.empty(len(points_kw))
    slope = np.empty((len(points_kw), len(feeder.users)))
    for first in range(0, len(points_kw), CHUNK):
        part = slice(first, first + CHUNK)
        state = feeder.solve(points_kw[part])
        value[part], by_v, by_i = _differentials(feeder, rows, band, state, part)
        slope[part] = feeder.gradients(state, by_v, by_i)
    return value, slope


def _differentials(
    feeder: Feeder, rows: Limits, band: Band, state: PortState, part: slice
) -> tuple[FloatArray, ComplexArray, ComplexArray]:
    """Excess of limits (K,), and its complex differentials by port voltages and currents."""
    kind, place, phase = rows.kind[part], rows.place[part], rows.phase[part]
    k = np.arange(len(kind))
    volt, vm = kind != CURRENT, np.abs(state.voltage)
    port = np.where(volt, place, 0)
    sign = np.where(kind == LOW, -1.0, 1.0)
    limit = np.where(kind == LOW, band.low_pu, band.high_pu)
    by_v = np.zeros_like(state.voltage)
    by_v[k, port] = np.where(volt, sign * np.conj(state.voltage[k, port]) / vm[k, port], 0.0j)
    value = sign * (vm[k, port] - limit)
    by_i = np.zeros_like(state.current)
    on, section, phase = ~volt, place[~volt], phase[~volt]
    share = feeder.section_share[section, phase]  # (rows of currents, P + Q)
    current = feeder.section_idle[section, phase] + (share * state.current[on]).sum(axis=1)
    size = np.maximum(np.abs(current), 1e-12)
    rated = band.loading * feeder.section_limit[section]
    by_i[on] = (np.conj(current) / size / rated)[:, None] * share
    value[on] = size / rated - 1.0
    return np.where(state.converged, value, 1.0), by_v, by_i


def worst_anywhere(feeder: Feeder, rows: Limits, band: Band, points_kw: FloatArray) -> FloatArray:
    """The largest excess over every limit (R,), p.u., at the corners (R, U) kW of all limits of its side.

    Infinite where a corner has no solution.
    """
    volt = rows.kind != CURRENT
    port, section = rows.place[volt], rows.place[~volt]
    low, rated = rows.kind[volt] == LOW, band.loading * feeder.section_limit[section]
    worst = np.full(len(volt), -np.inf)
    for first in range(0, len(points_kw), CHUNK):
        part = slice(first, first + CHUNK)
        state = feeder.solve(points_kw[part])
        vm, value = np.abs(state.voltage[:, port]), np.empty((len(state.voltage), len(volt)))
        value[:, volt] = np.where(low, band.low_pu - vm, vm - band.high_pu)
        current = np.abs(feeder.section_current(state.current))
        value[:, ~volt] = current[:, section, rows.phase[~volt]] / rated - 1.0
        value[~state.converged] = np.inf
        value[rows.side[part, None] != rows.side] = -np.inf
        worst = np.maximum(worst, value.max(axis=0))
    return worst


def check_without_load(feeder: Feeder, band: Band) -> None:
    """Check that limits hold without any load of users; if not, no envelope is safe: `InputError`.

    What flows then are powers that belong to no user, shunts and line charging.
    """
    state = feeder.solve(np.zeros(len(feeder.users)))
    if not state.converged.all():
        raise InputError(
            feeder.name,
            "sgen",
            "powers that belong to no user are more than the feeder can carry at any voltage",
            "Lower static generators, storages, motors or wards",
        )
    vm = np.abs(state.voltage)
    if np.maximum(band.low_pu - vm, vm - band.high_pu).max() > LV_LIMIT_TOLERANCE_PU:
        raise InputError(
            feeder.name,
            "voltage",
            f"is {vm.min():.3f} to {vm.max():.3f} p.u. at users without any load, and "
            f"{band.low_pu:g} to {band.high_pu:g} p.u. is allowed: no envelope is safe",
            "Change the voltage of the source, or the band",
        )
    loading = np.abs(feeder.section_current(state.current))[0] / feeder.section_limit[:, None]
    if loading.max(initial=0.0) > band.loading + LV_LIMIT_TOLERANCE_PU:
        section = int(loading.max(axis=1).argmax())
        raise InputError(
            feeder.name,
            feeder.section_name[section],
            f"is loaded by {100 * loading.max():.1f} % without any load of users, and "
            f"{100 * band.loading:g} % is allowed: no envelope is safe",
            "Lower static generators, storages, motors, wards or shunts",
        )


def firm_slack(feeder: Feeder, rows: Limits, band: Band, firm_kw: FloatArray) -> FloatArray:
    """Excess (R,) >= 0 that firm users alone cause at the worst corner of every limit, p.u.

    Raises `InputError` where the power flow of such a corner has no solution.
    """
    if not firm_kw.any():
        return np.zeros(len(rows.kind))
    worst = corners(rows, worst_direction(feeder, rows, band, firm_kw), firm_kw)
    if not feeder.solve(worst).converged.all():
        raise InputError(
            feeder.name,
            "participation",
            "users without a contract alone draw more than the feeder can carry at any voltage",
            "Let more take part, or give them smaller connections",
        )
    value, _ = excess_and_slope(feeder, rows, band, worst)
    return np.maximum(value, 0.0)


def name_of(feeder: Feeder, rows: Limits, row: int) -> str:
    """Name of a limit, for reports."""
    kind, place, phase = int(rows.kind[row]), int(rows.place[row]), int(rows.phase[row])
    letter = "" if all(len(user.phases) == 3 for user in feeder.users) else f" phase {'abc'[phase]}"
    if kind == CURRENT:
        return f"current of {feeder.section_name[place]}{letter}"
    user = feeder.users[int(feeder.port_user[place])].name
    return f"{'low' if kind == LOW else 'high'} voltage at {user}{letter}"
