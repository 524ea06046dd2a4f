"""Low-voltage feeders in a simulation: whose households hang on them, and how they are seen to stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class LvFeeder:
    """One low-voltage feeder below a bus of an area: its users are consecutive connections of the fleet."""

    name: str
    area: str
    node: int  # of the area's network
    feeder: Feeder
    band: Band
    connections: slice


@dataclass(frozen=True)
class LvFeederState:
    """K operating points of a feeder, (K,): voltages (p.u.), highest loading (%), and whether limits hold."""

    vm_min_pu: FloatArray
    vm_max_pu: FloatArray
    loading_percent: FloatArray
    safe: BoolArray


def by_feeder(lv_feeders: Sequence[LvFeeder]) -> list[list[LvFeeder]]:
    """Streets that are copies of one feeder with the same limits, solved together."""
    found: dict[tuple[int, Band], list[LvFeeder]] = {}
    for lv_feeder in lv_feeders:
        found.setdefault((id(lv_feeder.feeder), lv_feeder.band), []).append(lv_feeder)
    return list(found.values())


def look_at(lv_feeders: Sequence[LvFeeder], injection_kw: FloatArray) -> list[tuple[LvFeeder, LvFeederState]]:
    """Three-phase power flow of every street at K points (K, C) kW of all connections' injections.

    A point without a solution is unsafe, and its figures are those of the feeder without load.
    """
    answers = []
    for copies in by_feeder(lv_feeders):
        feeder, band, k = copies[0].feeder, copies[0].band, len(injection_kw)
        state = feeder.solve(
            -np.concatenate([injection_kw[:, lv_feeder.connections] for lv_feeder in copies])
        )
        vm = np.abs(state.voltage)
        current = np.abs(feeder.section_current(state.current))
        loading = 100.0 * (current / feeder.section_limit[:, None]).max(axis=(1, 2), initial=0.0)
        low, high = vm.min(axis=1), vm.max(axis=1)
        kept = (low >= band.low_pu - 1e-9) & (high <= band.high_pu + 1e-9)
        kept &= (loading <= 100.0 * band.loading + 1e-6) & state.converged
        for place, lv_feeder in enumerate(copies):
            part = slice(place * k, (place + 1) * k)
            answers.append((lv_feeder, LvFeederState(low[part], high[part], loading[part], kept[part])))
    return answers


def excess_pu(lv_feeders: Sequence[LvFeeder], bands: Sequence[Band], injection_kw: FloatArray) -> FloatArray:
    """Largest excess of injections (C,) kW in every LV feeder, (S,) p.u., as in `worst_excess_pu`."""
    worst = np.empty(len(lv_feeders))
    place = {lv_feeder.name: k for k, lv_feeder in enumerate(lv_feeders)}
    for copies in by_feeder(lv_feeders):
        points = np.stack([-injection_kw[lv_feeder.connections] for lv_feeder in copies])
        at = [place[lv_feeder.name] for lv_feeder in copies]
        worst[at] = worst_excess_pu(copies[0].feeder, bands[at[0]], points)
    return worst
