"""Measured profiles of one ISP for the devices of a fleet, independent of their state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.households.layout import Layout
from tandem_sim.grids.tolerances import SUM_ROUNDING_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

PLUG_IN_STAY_H = 14.0
"""Hours for which an EV is plugged in before a journey: from the evening to the next morning."""


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """n EVs that plug in: energy needed (kWh at the meter), departure, highest charging power.

    The energy replaces what an EV still needed; with `adds` (n,) it is added to it.
    """

    car: IntArray  # (n,) positions among the E cars
    need_kwh: FloatArray  # (n,)
    depart_isp: IntArray  # (n,) first ISP in which they are away
    limit_kw: FloatArray  # (n,)
    adds: BoolArray  # (n,)


@dataclass(frozen=True, kw_only=True)
class Readings:
    """One ISP, kW. Sites (n_sites,), PV groups (V,), pumps (P,), batteries (B,), EVs (E,), connections (C,).

    site_load: inflexible load, injection (<= 0). pv: generation. pump_kw: measured consumption, >= 0;
    heating: pumps in their heating season. surplus: PV less inflexible load of the households with batteries.
    plugged_in: EVs plugged in together before a journey. connection_load: inflexible load, consumption
    positive.
    """

    isp: int
    site_load: FloatArray
    pv: FloatArray
    pump_kw: FloatArray
    heating: BoolArray
    surplus: FloatArray
    plugged_in: BoolArray
    arrivals: Arrivals
    connection_load: FloatArray


def total(index: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Sum ``values`` by ``index`` into n places."""
    # With an empty index numpy counts in integers even though weights are given.
    return np.bincount(index, values, n).astype(np.float64, copy=False)


def read(lay: Layout, isp: int) -> Readings:
    """Profile values of an ISP."""
    at, connections = lay.window.read, lay.connections
    plugged_in = _plugged_in(lay, isp)
    return Readings(
        isp=isp,
        site_load=-total(lay.load_site, lay.load_kw * at(isp, lay.load_at), lay.n_sites),
        pv=total(lay.pv_member, lay.pv_kwp * at(isp, lay.pv_at), lay.cuts[0]),
        pump_kw=lay.pumps.power_kw * at(isp, lay.pump_at),
        heating=at(isp, lay.heating_at) > 0,
        surplus=lay.battery_pv_kwp * at(isp, lay.battery_pv_at)
        - lay.battery_load_kw * at(isp, lay.battery_load_at),
        plugged_in=plugged_in,
        arrivals=_arrivals(lay, isp, plugged_in),
        connection_load=connections.load_kw * at(isp, connections.load_at),
    )


def _plugged_in(lay: Layout, isp: int) -> BoolArray:
    """EVs (E,) plugged in together before a journey."""
    night = round(PLUG_IN_STAY_H / lay.hours)
    return np.asarray((lay.plug_in_isp >= 0) & (isp >= lay.plug_in_isp) & (isp < lay.plug_in_isp + night))


def _arrivals(lay: Layout, isp: int, plugged_in: BoolArray) -> Arrivals:
    """Sessions that begin; EVs plugged in before a journey charge at full power instead.

    A session keeps its energy at a charger of another power than the measured one. A slower charger takes
    longer, at most until the next session, and leaves out what it cannot charge until then.
    """
    plug_in = np.flatnonzero((lay.plug_in_isp == isp) & (lay.plug_in_isp >= 0))
    energy = np.where(plugged_in, 0.0, lay.window.read(isp, lay.ev_at))
    new = np.flatnonzero(energy)
    energy_at, *others_at = lay.window.columns.sessions_at
    at, rated = lay.ev_at[new] - energy_at, lay.ev_kw[new]
    length, gap, level = (lay.window.read(isp, at + column) for column in others_at)
    need, limit = energy[new] * lay.ev_profile_kw[new], level * rated
    slower = rated < lay.ev_profile_kw[new]
    length = np.where(slower, np.ceil(need / (limit * lay.hours) - SUM_ROUNDING_SHARE), length)
    stay = np.minimum(np.maximum(lay.vehicles.parking_isps[new], length), gap).astype(np.int64)
    need = np.where(slower, np.minimum(need, limit * stay * lay.hours), need)
    night = np.full(len(plug_in), round(PLUG_IN_STAY_H / lay.hours))
    return Arrivals(
        car=np.concatenate([plug_in, new]),
        need_kwh=np.concatenate([lay.plug_in_kwh[plug_in], need]),
        depart_isp=isp + np.concatenate([night, stay]),
        limit_kw=np.concatenate([lay.ev_kw[plug_in], limit]),
        adds=np.repeat([True, False], [len(plug_in), len(new)]),
    )
