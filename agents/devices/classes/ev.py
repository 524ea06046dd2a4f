"""Electric vehicles that charge at home, at once or evenly until departure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from tandem_sim.agents.devices.device import (
    DEMAND,
    Behind,
    DeviceClass,
    DeviceGroup,
    DeviceProfile,
    Limits,
    Premises,
    Prices,
    StateColumn,
)
from tandem_sim.agents.devices.profile_window import Window
from tandem_sim.grids.io.profiles import EV_HOME_KW
from tandem_sim.grids.tolerances import SUM_ROUNDING_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

PLUG_IN_STAY_H = 14.0
"""Hours for which an EV is plugged in before a journey: from the evening to the next morning."""


@dataclass(frozen=True)
class Vehicles:
    """Charging EVs that need ``left_kwh`` (at the meter) within ``left_isps``; 0 and <= 0 when away."""

    smart: BoolArray
    parking_isps: IntArray

    def baseline(
        self,
        left_kwh: FloatArray,
        left_isps: IntArray,
        limit_kw: FloatArray,
        hours: float,
        at_once: BoolArray | bool = False,
    ) -> FloatArray:
        """Full power at once, or spread evenly until departure where ``smart`` and not ``at_once``."""
        isps = np.where(self.smart & ~np.asarray(at_once), np.maximum(left_isps, 1), 1)
        power: FloatArray = -np.minimum(limit_kw, left_kwh / (isps * hours))
        return power

    def limits(
        self,
        left_kwh: FloatArray,
        left_isps: IntArray,
        limit_kw: FloatArray,
        base_kw: FloatArray,
        hours: float,
        isps: int,
    ) -> Limits:
        """Delay no more than full power can make up until departure; advance no more than is needed.

        Slack is the energy that full power until departure could charge beyond the need; a delay by d kW
        uses up ``d * hours`` of it per ISP.
        """
        span = np.clip(left_isps, 1, isps) * hours
        slack = limit_kw * np.maximum(left_isps, 0) * hours - left_kwh
        least = np.maximum(limit_kw - slack / span, 0.0)
        most = np.minimum(limit_kw, left_kwh / span)
        return np.minimum(-most, base_kw), np.maximum(-least, base_kw)


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """n EVs that plug in: energy needed (kWh at the meter), departure, highest charging power.

    The energy replaces what an EV still needed; with `adds` (n,) it is added to it.
    """

    car: IntArray  # (n,) positions among the M cars
    need_kwh: FloatArray  # (n,)
    depart_isp: IntArray  # (n,) first ISP in which they are away
    limit_kw: FloatArray  # (n,)
    adds: BoolArray  # (n,)


@dataclass(frozen=True, kw_only=True)
class EvReading:
    """The ISP by number; EVs (M,) plugged in together before a journey; arrivals."""

    isp: int
    plugged_in: BoolArray
    arrivals: Arrivals


@dataclass(frozen=True)
class EvState:
    """Energy still needed, the first ISP in which the EV is away, and highest power.

    Accounts since the start: energy needed, charged, missing at departure; and denied: the most energy that
    limits of connections may have kept from EVs for good.
    """

    left_kwh: FloatArray
    depart_isp: IntArray
    limit_kw: FloatArray
    needed_kwh: FloatArray
    charged_kwh: FloatArray
    short_kwh: FloatArray
    denied_kwh: FloatArray


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Charging sessions of M cars, as measured and moved in time.

    at (M,): places in the window of the energies of sessions; kw (M,): power of the charger; profile_kw (M,):
    of the charger at which the sessions were measured; plug_in_isp, plug_in_kwh (M,): simultaneous plug-in
    before a journey, -1 and 0 for none.
    """

    window: Window
    hours: float
    at: IntArray
    kw: FloatArray
    profile_kw: FloatArray
    parking_isps: IntArray
    plug_in_isp: IntArray
    plug_in_kwh: FloatArray

    @classmethod
    def of(cls, at: Premises) -> Sessions:
        """Sessions of the owners of cars."""
        homes, ev, window = at.homes, at.owners, at.window
        return cls(
            window=window,
            hours=at.hours,
            at=window.places(window.columns.sessions_at[0] + homes.ev_profile[ev], homes.ev_shift[ev]),
            kw=homes.ev_kw[ev],
            profile_kw=np.asarray(EV_HOME_KW)[homes.ev_profile[ev]],
            parking_isps=np.rint(homes.ev_parking_h[ev] / at.hours).astype(np.int64),
            plug_in_isp=at.plug_in_isp[ev],
            plug_in_kwh=at.plug_in_kwh[ev],
        )

    def read(self, isp: int) -> EvReading:
        """Sessions that begin; EVs plugged in before a journey charge at full power instead.

        A session keeps its energy at a charger of another power than the measured one. A slower charger takes
        longer, at most until the next session, and leaves out what it cannot charge until then.
        """
        stay_isps, window = round(PLUG_IN_STAY_H / self.hours), self.window
        planned = self.plug_in_isp >= 0
        plugged_in = planned & (isp >= self.plug_in_isp) & (isp < self.plug_in_isp + stay_isps)
        plug_in = np.flatnonzero((self.plug_in_isp == isp) & planned)
        energy = np.where(plugged_in, 0.0, window.read(isp, self.at))
        new = np.flatnonzero(energy)
        energy_at, *others_at = window.columns.sessions_at
        at, rated = self.at[new] - energy_at, self.kw[new]
        length, gap, level = (window.read(isp, at + column) for column in others_at)
        need, limit = energy[new] * self.profile_kw[new], level * rated
        slower = rated < self.profile_kw[new]
        length = np.where(slower, np.ceil(need / (limit * self.hours) - SUM_ROUNDING_SHARE), length)
        stay = np.minimum(np.maximum(self.parking_isps[new], length), gap).astype(np.int64)
        need = np.where(slower, np.minimum(need, limit * stay * self.hours), need)
        night = np.full(len(plug_in), stay_isps)
        arrivals = Arrivals(
            car=np.concatenate([plug_in, new]),
            need_kwh=np.concatenate([self.plug_in_kwh[plug_in], need]),
            depart_isp=isp + np.concatenate([night, stay]),
            limit_kw=np.concatenate([self.kw[plug_in], limit]),
            adds=np.repeat([True, False], [len(plug_in), len(new)]),
        )
        return EvReading(isp=isp, plugged_in=np.asarray(plugged_in), arrivals=arrivals)


Cars = TypeVar("Cars", bound=EvState)


@dataclass(frozen=True, kw_only=True)
class CarGroup(DeviceGroup[Cars, EvReading]):
    """M cars: what those that only charge and those that also discharge have in common.

    inconvenience (M,): EUR/MWh of shifted charging.
    """

    member_group: IntArray
    member_connection: IntArray
    hours: float
    sessions: Sessions
    vehicles: Vehicles
    inconvenience: FloatArray

    def read(self, isp: int) -> EvReading:
        """Sessions that begin."""
        return self.sessions.read(isp)

    def arrive(self, state: Cars, reading: EvReading) -> Cars:
        """EVs leave and plug in; energy still needed at departure is booked as missing."""
        late = (state.depart_isp <= reading.isp) & (state.left_kwh > 0)
        if late.any():
            short = state.short_kwh + np.where(late, state.left_kwh, 0.0)
            state = replace(state, short_kwh=short, left_kwh=np.where(late, 0.0, state.left_kwh))
        new = reading.arrivals
        if not len(new.car):
            return state
        changed = (state.left_kwh, state.needed_kwh, state.limit_kw)
        left, needed, limit = (values.copy() for values in changed)
        depart = state.depart_isp.copy()
        left[new.car] = np.where(new.adds, left[new.car], 0.0) + new.need_kwh
        needed[new.car] += new.need_kwh
        depart[new.car] = new.depart_isp
        limit[new.car] = new.limit_kw
        return replace(state, left_kwh=left, needed_kwh=needed, depart_isp=depart, limit_kw=limit)

    def baseline(self, state: Cars, reading: EvReading, behind: Behind) -> FloatArray:
        """Full power, or evenly until departure."""
        isps = state.depart_isp - reading.isp
        return self.vehicles.baseline(state.left_kwh, isps, state.limit_kw, self.hours, reading.plugged_in)

    def rebound_kwh(self, state: Cars) -> FloatArray:
        """Energy still needed before departure."""
        return state.left_kwh

    def lost_kwh(self, before: Cars, after: Cars) -> float:
        """Energy missing at departures."""
        return float(after.short_kwh.sum() - before.short_kwh.sum())

    def profile(self) -> DeviceProfile:
        """Energy of the sessions that begin, as measured."""
        cars = self.sessions
        return DeviceProfile(cars.at, cars.profile_kw, np.arange(len(cars.at)), sessions=True)


@dataclass(frozen=True, kw_only=True)
class EvGroup(CarGroup[EvState]):
    """M electric vehicles that charge."""

    def start(self, isp: int) -> EvState:
        """Away."""
        none = np.zeros(len(self.inconvenience))
        gone = np.full(len(none), isp, dtype=np.int64)
        return EvState(none, gone, none, none, none, none, none)

    def open_accounts(self, state: EvState) -> EvState:
        """What is still needed now is all that was needed so far."""
        none = np.zeros(len(self.inconvenience))
        return replace(state, needed_kwh=state.left_kwh, charged_kwh=none, short_kwh=none)

    def feasible_range(self, state: EvState, reading: EvReading, base_kw: FloatArray, isps: int) -> Limits:
        """What can be delayed or advanced; before a journey EVs offer nothing."""
        left_isps = state.depart_isp - reading.isp
        low, high = self.vehicles.limits(state.left_kwh, left_isps, state.limit_kw, base_kw, self.hours, isps)
        fixed = reading.plugged_in
        return np.where(fixed, base_kw, low), np.where(fixed, base_kw, high)

    def move(
        self, state: EvState, reading: EvReading, power_kw: FloatArray, forgone_kw: FloatArray | None
    ) -> EvState:
        """Energy charged, and still needed."""
        charged, denied = -power_kw * self.hours, state.denied_kwh
        if forgone_kw is not None:
            denied = denied + forgone_kw * self.hours
        return replace(
            state,
            charged_kwh=state.charged_kwh + charged,
            left_kwh=np.maximum(state.left_kwh - charged, 0.0),
            denied_kwh=denied,
        )

    def cost(
        self,
        state: EvState,
        reading: EvReading,
        base_kw: FloatArray,
        feasible: Limits,
        energy_value: float,
    ) -> Prices:
        """Shifted charging is inconvenient."""
        return energy_value + self.inconvenience, energy_value - self.inconvenience

    def most_rebound_kwh(self) -> FloatArray:
        """Sessions are measured: no bound of their own."""
        return np.full(len(self.inconvenience), np.inf)

    def checks(self, state: EvState) -> Mapping[str, FloatArray]:
        """Balance of energy, and that only limits of connections keep energy from an EV."""
        unaccounted = state.needed_kwh - state.charged_kwh - state.left_kwh - state.short_kwh
        return {
            "EV energy not accounted for (kWh)": np.abs(unaccounted),
            "EV energy below zero (kWh)": -state.left_kwh,
            "EV energy missing at departure (kWh)": state.short_kwh - state.denied_kwh,
        }

    def swing_kw(self) -> Limits:
        """From no charging to full charging."""
        return self.sessions.kw, self.sessions.kw

    def measures(self, before: EvState, after: EvState) -> tuple[float, ...]:
        """Energy charged, MWh."""
        return (float(after.charged_kwh.sum() - before.charged_kwh.sum()) / 1000.0,)


def _build(at: Premises) -> EvGroup:
    homes, ev, sessions = at.homes, at.owners, Sessions.of(at)
    return EvGroup(
        member_group=at.group,
        member_connection=at.member_connection,
        hours=at.hours,
        sessions=sessions,
        vehicles=Vehicles(homes.ev_smart[ev], sessions.parking_isps),
        inconvenience=homes.inconvenience_eur_per_mwh[ev],
    )


CLASS = DeviceClass(
    name="ev",
    title="EVs",
    part=DEMAND,
    owned=lambda homes: homes.has_ev,
    rated_kw=lambda homes: homes.ev_kw,
    build=_build,
    columns=(StateColumn("ev_charged_mwh", "energy charged by cars", "MWh"),),
)
