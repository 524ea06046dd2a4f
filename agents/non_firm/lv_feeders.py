"""Low-voltage feeders in a simulation: their connections, and their state by three-phase power flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class LvFeeder:
    """One low-voltage feeder at a bus of an area; its users are consecutive connections of the fleet."""

    name: str
    area: str
    node: int  # node of the area's network
    feeder: Feeder
    band: Band
    connections: slice


@dataclass(frozen=True)
class LvFeederState:
    """K operating points of a feeder, (K,): voltages (p.u.), highest loading (%), whether limits hold."""

    vm_min_pu: FloatArray
    vm_max_pu: FloatArray
    loading_percent: FloatArray
    safe: BoolArray


def by_feeder(lv_feeders: Sequence[LvFeeder]) -> list[list[LvFeeder]]:
    """LV feeders grouped by identical net and limits; each group is solved together."""
    found: dict[tuple[int, Band], list[LvFeeder]] = {}
    for lv_feeder in lv_feeders:
        found.setdefault((id(lv_feeder.feeder), lv_feeder.band), []).append(lv_feeder)
    return list(found.values())


def lv_feeder_states(
    lv_feeders: Sequence[LvFeeder], injection_kw: FloatArray
) -> list[tuple[LvFeeder, LvFeederState]]:
    """Three-phase power flow of every LV feeder at K points of injections (K, C) kW of all connections.

    A point without a solution is unsafe; its figures are those of the feeder without load.
    """
    found = []
    for copies in by_feeder(lv_feeders):
        feeder, band, k = copies[0].feeder, copies[0].band, len(injection_kw)
        state = feeder.solve(
            -np.concatenate([injection_kw[:, lv_feeder.connections] for lv_feeder in copies])
        )
        vm = np.abs(state.voltage)
        current = np.abs(feeder.section_current(state.current))
        loading = 100.0 * (current / feeder.section_limit[:, None]).max(axis=(1, 2), initial=0.0)
        low, high = vm.min(axis=1), vm.max(axis=1)
        safe = (low >= band.low_pu - 1e-9) & (high <= band.high_pu + 1e-9)
        safe &= (loading <= 100.0 * band.loading + 1e-6) & state.converged
        for place, lv_feeder in enumerate(copies):
            part = slice(place * k, (place + 1) * k)
            found.append((lv_feeder, LvFeederState(low[part], high[part], loading[part], safe[part])))
    return found


def excess_pu(lv_feeders: Sequence[LvFeeder], bands: Sequence[Band], injection_kw: FloatArray) -> FloatArray:
    """Excess of injections (C,) kW over the worst limit of every LV feeder, (S,) p.u. (`worst_excess_pu`)."""
    worst = np.empty(len(lv_feeders))
    place = {lv_feeder.name: k for k, lv_feeder in enumerate(lv_feeders)}
    for copies in by_feeder(lv_feeders):
        points = np.stack([-injection_kw[lv_feeder.connections] for lv_feeder in copies])
        at = [place[lv_feeder.name] for lv_feeder in copies]
        worst[at] = worst_excess_pu(copies[0].feeder, bands[at[0]], points)
    return worst
