"""Load and generation of households by area from profiles alone, without simulating devices.

Inflexible load, PV and heat pumps follow their profiles as long as nothing is activated and no connection is
limited. EVs take the energy of the sessions that begin, as measured: it does not depend on the power of their
own charger. Batteries have no profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.devices.device import GENERATION
from tandem_sim.agents.households.layout import Layout
from tandem_sim.grids.types import FloatArray, IntArray

ROWS = 512
"""ISPs that are read at once."""


@dataclass(frozen=True, kw_only=True)
class ProfileSums:
    """Of A areas, all positive: inflexible load and generation (T, A) MW in all T ISPs.

    consumption_mw (T, A): that of devices with a power profile. device_mwh: energy (A,) by class of device
    with a profile, MWh.
    """

    load_mw: FloatArray
    generation_mw: FloatArray
    consumption_mw: FloatArray
    device_mwh: dict[str, FloatArray]


def profile_sums(layout: Layout, area_of_site: IntArray, n_areas: int) -> ProfileSums:
    """Sum the profiles of all households; `area_of_site` (n_sites,): area of every site by number."""

    def summed(places: IntArray, kw: FloatArray, area: IntArray) -> FloatArray:
        return _summed(layout, places, kw, area, n_areas) / 1000.0

    load = summed(layout.load_at, layout.load_kw, area_of_site[layout.load_site])
    generation, consumption = np.zeros_like(load), np.zeros_like(load)
    energies = {}
    of_member = layout.split(area_of_site[layout.member_site])
    for known, group, area in zip(layout.classes, layout.devices, of_member, strict=True):
        profile = group.profile()
        if profile is None:
            continue
        mw = summed(profile.places, profile.kw, area[profile.member])
        energies[known.name] = mw.sum(axis=0) * (1.0 if profile.sessions else layout.hours)
        if known.part == GENERATION:
            generation += mw
        elif not profile.sessions:
            consumption += mw
    return ProfileSums(
        load_mw=load, generation_mw=generation, consumption_mw=consumption, device_mwh=energies
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
