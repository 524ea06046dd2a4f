"""PV: generation by a measured profile, which can only be curtailed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tandem_sim.agents.devices.device import (
    GENERATION,
    Behind,
    DeviceClass,
    DeviceGroup,
    DeviceProfile,
    Limits,
    Premises,
    Prices,
    summed,
    total,
)
from tandem_sim.agents.devices.profile_window import Window
from tandem_sim.grids.types import FloatArray, IntArray


@dataclass(frozen=True)
class PvState:
    """Nothing: generation follows the weather alone."""


class PvReading(NamedTuple):
    """The ISP by number, and generation (M,) kW in it."""

    isp: int
    kw: FloatArray


@dataclass(frozen=True, kw_only=True)
class PvGroup(DeviceGroup[PvState, PvReading]):
    """PV in M sums, one per group and connection, of n parts with a profile each.

    part_of (n,): sum to which a part belongs; at (n,): its place in the window; kwp, feed_in (n,): its peak
    power, and that times the feed-in tariff.
    """

    member_group: IntArray
    member_connection: IntArray
    window: Window
    part_of: IntArray
    at: IntArray
    kwp: FloatArray
    feed_in: FloatArray
    sum_of_owner: IntArray  # (O,) sum to which the PV of every owner belongs

    def of_owners(self, power_kw: FloatArray, isp: int, kwp: FloatArray, profile: IntArray) -> FloatArray:
        """Power (O,) kW of owners with peak power `kwp` (O,) and `profile` (O,), out of that of sums (M,).

        What is curtailed of a sum is curtailed of its owners in proportion.
        """
        whole = self.read(isp).kw
        left = np.divide(power_kw, whole, out=np.ones(len(whole)), where=whole > 0.0)
        place = self.window.places(self.window.columns.pv_at + profile, np.zeros_like(profile))
        return np.asarray(kwp * self.window.read(isp, place) * left[self.sum_of_owner])

    def start(self, isp: int) -> PvState:
        """No state."""
        return PvState()

    def read(self, isp: int) -> PvReading:
        """Generation of an ISP."""
        return PvReading(isp, self._sum(self.kwp * self.window.read(isp, self.at)))

    def baseline(self, state: PvState, reading: PvReading, behind: Behind) -> FloatArray:
        """All that the sun gives."""
        return reading.kw

    def feasible_range(self, state: PvState, reading: PvReading, base_kw: FloatArray, isps: int) -> Limits:
        """From nothing to the baseline."""
        return np.zeros(len(base_kw)), base_kw

    def move(
        self, state: PvState, reading: PvReading, power_kw: FloatArray, forgone_kw: FloatArray | None
    ) -> PvState:
        """No state."""
        return state

    def cost(
        self,
        state: PvState,
        reading: PvReading,
        base_kw: FloatArray,
        feasible: Limits,
        energy_value: float,
    ) -> Prices:
        """Curtailed PV loses its feed-in tariff."""
        pv = reading.kw
        earned = self._sum(self.feed_in * self.window.read(reading.isp, self.at))
        return np.zeros(len(pv)), -np.divide(earned, pv, out=np.zeros(len(pv)), where=pv > 0)

    def rebound_kwh(self, state: PvState) -> FloatArray:
        """Curtailed generation does not come back."""
        return np.zeros(len(self.member_group))

    def most_rebound_kwh(self) -> FloatArray:
        """None."""
        return np.zeros(len(self.member_group))

    def swing_kw(self) -> Limits:
        """PV can only be curtailed."""
        peak = self.inverter_kw()
        return 0.0 * peak, peak

    def inverter_kw(self) -> FloatArray:
        """Peak power of every sum."""
        return self._sum(self.kwp)

    def profile(self) -> DeviceProfile:
        """Generation."""
        return DeviceProfile(self.at, self.kwp, self.part_of)

    def _sum(self, values: FloatArray) -> FloatArray:
        return total(self.part_of, values, len(self.member_group))


def _build(at: Premises) -> PvGroup:
    homes, pv, window, n = at.homes, at.owners, at.window, at.n_connections
    place = window.places(window.columns.pv_at + homes.pv_profile[pv], np.zeros(len(pv), dtype=np.int64))
    feed_in = homes.pv_kwp * homes.feed_in_eur_per_mwh
    key, place, (kwp, value) = summed(
        at.group * (n + 1) + at.member_connection, place, homes.pv_kwp[pv], feed_in[pv]
    )
    keys, part_of = np.unique(key, return_inverse=True)
    return PvGroup(
        member_group=(keys // (n + 1)).astype(np.int64),
        member_connection=(keys % (n + 1)).astype(np.int64),
        window=window,
        part_of=part_of.ravel().astype(np.int64),
        at=place,
        kwp=kwp,
        feed_in=value,
        sum_of_owner=np.searchsorted(keys, at.group * (n + 1) + at.member_connection).astype(np.int64),
    )


CLASS = DeviceClass(
    name="pv",
    title="PV",
    part=GENERATION,
    owned=lambda homes: homes.has_pv,
    rated_kw=lambda homes: homes.pv_kwp,
    build=_build,
)
