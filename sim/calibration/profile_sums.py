"""Load and generation of households by area from profiles alone, without simulating devices.

Inflexible load, PV and heat pumps follow their profiles as long as nothing is activated and no connection is
limited. EVs take the energy of the sessions that begin, as measured: it does not depend on the power of their
own charger. Batteries have no profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.households.layout import Layout
from tandem_sim.grids.types import FloatArray, IntArray

ROWS = 512
"""ISPs that are read at once."""


@dataclass(frozen=True, kw_only=True)
class ProfileSums:
    """MW of A areas in all T ISPs, (T, A): consumption and PV generation positive. `ev_mwh` (A,)."""

    load_mw: FloatArray
    heat_pump_mw: FloatArray
    pv_mw: FloatArray
    ev_mwh: FloatArray


def profile_sums(layout: Layout, area_of_site: IntArray, n_areas: int) -> ProfileSums:
    """Sum the profiles of all households; `area_of_site` (n_sites,): area of every site by number."""
    pv, battery, ev = layout.cuts
    of_member = area_of_site[layout.member_site]

    def summed(places: IntArray, kw: FloatArray, area: IntArray) -> FloatArray:
        return _summed(layout, places, kw, area, n_areas) / 1000.0

    return ProfileSums(
        load_mw=summed(layout.load_at, layout.load_kw, area_of_site[layout.load_site]),
        heat_pump_mw=summed(layout.pump_at, layout.pumps.power_kw, of_member[ev:]),
        pv_mw=summed(layout.pv_at, layout.pv_kwp, of_member[:pv][layout.pv_member]),
        ev_mwh=summed(layout.ev_at, layout.ev_profile_kw, of_member[battery:ev]).sum(axis=0),
    )


def _summed(layout: Layout, places: IntArray, kw: FloatArray, area: IntArray, n_areas: int) -> FloatArray:
    """Profile values at places, times kW, by area (T, A)."""
    distinct, where = np.unique(places, return_inverse=True)
    weights = np.zeros((len(distinct), n_areas))
    np.add.at(weights, (where.ravel(), area), kw)
    found = np.empty((layout.horizon, n_areas))
    for first in range(0, layout.horizon, ROWS):
        isps = range(first, min(first + ROWS, layout.horizon))
        values = np.array([layout.window.read(isp, distinct) for isp in isps])
        found[isps.start : isps.stop] = values.reshape(len(isps), -1) @ weights
    return found
