"""Low-voltage feeders in a simulation: whose households hang on them, and how they are seen to stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grids.arrays import BoolArray, FloatArray
from grids.feeder_limits import Band
from grids.three_phase import Feeder


@dataclass(frozen=True)
class Street:
    """One low-voltage feeder below a bus of an area: its users are consecutive connections of the fleet."""

    name: str
    area: str
    node: int  # of the area's network
    feeder: Feeder
    band: Band
    connections: slice


@dataclass(frozen=True)
class StreetState:
    """K operating points of a feeder, (K,): voltages (p.u.), highest loading (%), and whether limits hold."""

    vm_min_pu: FloatArray
    vm_max_pu: FloatArray
    loading_percent: FloatArray
    safe: BoolArray


def look_at(street: Street, injection_kw: FloatArray) -> StreetState:
    """Three-phase power flow of a feeder at K points (K, U) kW of its users' injections.

    A point without a solution is unsafe, and its figures are those of the feeder without load.
    """
    feeder, band = street.feeder, street.band
    state = feeder.solve(-np.atleast_2d(injection_kw))
    vm = np.abs(state.voltage)
    current = np.abs(feeder.section_current(state.current))
    loading = 100.0 * (current / feeder.section_limit[:, None]).max(axis=(1, 2), initial=0.0)
    low, high = vm.min(axis=1), vm.max(axis=1)
    kept = (low >= band.low_pu - 1e-9) & (high <= band.high_pu + 1e-9)
    kept &= loading <= 100.0 * band.loading + 1e-6
    return StreetState(low, high, loading, np.asarray(kept & state.converged))
