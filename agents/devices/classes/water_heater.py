"""Electric water heaters: a storage tank with a thermostat, and hot water that is drawn off.

The tank is one well-mixed volume of water. Its energy E (kWh above cold water) follows

    dE/dt = p - d - (E - E_room) / tau

with p the heating power, d the draw-off and E_room the energy at the temperature of the room, solved exactly
over an ISP: ``E' = a E + (1 - a) (E_room + tau (p - d))``, ``a = exp(-hours / tau)``. The thermostat starts
to heat below its set-point less a hysteresis and stops at the set-point. An order may let the tank cool to
``LOWEST_C`` and heat it to ``HIGHEST_C``; the thermostat then takes the energy back, or saves it. Hot water
that the tank can no longer give at ``USEFUL_C`` is counted as unmet.

Sources
    Draw-off: load profiles S, M and L of Commission Delegated Regulation (EU) 812/2013, Annex VII, Table 3,
    as they stand in ``verify_EU_Tapping.m`` of the CARNOT Blockset (Solar-Institut Juelich): 2.1, 5.845 and
    11.655 kWh of hot water a day above cold water of 10 degrees Celsius.
    Standing loss: ``16.66 + 8.33 V^0.4`` W for V litres, the limit of Regulation (EU) 814/2013 for hot water
    tanks (class C of 812/2013), measured at 45 K above the room.
    Set-point: 55 to 60 degrees Celsius, and at least 50 for less than 400 litres (French order of 30 November
    2005). Water heaters among the assets of an aggregator: ALEXANDER D3.3.
Assumptions
    Sizes, powers, hysteresis, the highest temperature, the room at 20 degrees Celsius, the cost of
    discomfort, and that a tank below 120 l has profile S, below 220 l profile M, and a larger one L, every
    day, moved by up to ``jitter_h``.
    Hours of the profiles are in UTC + 1 h all year, as those of the measured household loads are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.agents.devices.device import (
    DEMAND,
    Behind,
    DeviceClass,
    DeviceGroup,
    Limits,
    Parameter,
    Premises,
    Prices,
    StateColumn,
)
from tandem_sim.grids.tolerances import FLEET_TOLERANCE_KWH_OR_K, SUM_ROUNDING_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

NAME = "water_heater"
KWH_PER_LITRE_K = 4.186 / 3600.0
"""Heat capacity of water, kWh per litre and K."""
COLD_C, ROOM_C = 10.0, 20.0
LOWEST_C, HIGHEST_C, USEFUL_C = 50.0, 65.0, 40.0
HYSTERESIS_K = 5.0
LOSS_AT_K = 45.0
"""Temperature above the room at which standing losses are measured."""
SMALL = 0.105
DRAW_OFFS: tuple[Mapping[float, float], ...] = (
    {
        **dict.fromkeys((7.0, 7.5, 8.5, 9.5, 11.5, 11.75, 18.0, 18.25), SMALL),
        12.75: 0.315,
        20.5: 0.42,
        21.5: 0.525,
    },
    {
        **dict.fromkeys((7.0, 7.5, 8 + 1 / 60, 8.25, 8.5, 8.75, 9.0, 9.5, 10.5, 11.5, 11.75), SMALL),
        **dict.fromkeys((14.5, 15.5, 16.5, 18.0, 18.25, 18.5, 19.0, 21.25), SMALL),
        7 + 5 / 60: 1.4,
        12.75: 0.315,
        20.5: 0.735,
        21.5: 1.4,
    },
    {
        **dict.fromkeys((7.0, 7.5, 7.75, 8 + 25 / 60, 8.5, 8.75, 9.0, 9.5, 10.5, 11.5, 11.75), SMALL),
        **dict.fromkeys((14.5, 15.5, 16.5, 18.0, 18.25, 18.5, 19.0, 21.5), SMALL),
        7 + 5 / 60: 1.4,
        8 + 5 / 60: 3.605,
        12.75: 0.315,
        20.5: 0.735,
        21.0: 3.605,
    },
)
"""Profiles S, M and L: hour of the day, and kWh of hot water that are drawn off then."""
SUITS_L = (120.0, 220.0)
"""Volumes (l) from which a tank has profile M, and profile L."""


def draw_off_kwh(hours: float) -> FloatArray:
    """Hot water by ISP of the day (T,) and profile (3,), kWh; ISP 0 starts at midnight."""
    table = np.zeros((round(24 / hours), len(DRAW_OFFS)))
    for profile, draws in enumerate(DRAW_OFFS):
        for at, kwh in draws.items():
            table[int(at / hours + SUM_ROUNDING_SHARE), profile] += kwh
    return table


@dataclass(frozen=True, kw_only=True)
class Tanks:
    """M tanks over ISPs of ``hours``. All arrays (M,); energies in kWh above cold water.

    decay: share of a deviation from the room that is left after an ISP. gain_h: energy at the end of an ISP
    per kW of heating in it, kWh/kW. Energies at the temperatures of the room, of hot water that is still
    useful, lowest, set-point and highest.
    """

    hours: float
    power_kw: FloatArray
    kwh_per_k: FloatArray
    tau_h: FloatArray
    decay: FloatArray
    gain_h: FloatArray
    room_kwh: FloatArray
    useful_kwh: FloatArray
    lowest_kwh: FloatArray
    set_kwh: FloatArray
    highest_kwh: FloatArray

    @classmethod
    def build(cls, litres: FloatArray, power_kw: FloatArray, set_c: FloatArray, hours: float) -> Tanks:
        """Tanks of so many litres with the standing loss of class C."""
        kwh_per_k = KWH_PER_LITRE_K * litres
        loss_kw_per_k = (16.66 + 8.33 * litres**0.4) / 1000.0 / LOSS_AT_K
        tau = kwh_per_k / loss_kw_per_k
        decay = np.exp(-hours / tau)
        return cls(
            hours=hours,
            power_kw=power_kw,
            kwh_per_k=kwh_per_k,
            tau_h=tau,
            decay=decay,
            gain_h=(1.0 - decay) * tau,
            room_kwh=kwh_per_k * (ROOM_C - COLD_C),
            useful_kwh=kwh_per_k * (USEFUL_C - COLD_C),
            lowest_kwh=kwh_per_k * (LOWEST_C - COLD_C),
            set_kwh=kwh_per_k * (set_c - COLD_C),
            highest_kwh=kwh_per_k * (HIGHEST_C - COLD_C),
        )

    def unheated(self, stored_kwh: FloatArray, draw_kw: FloatArray) -> FloatArray:
        """Energy after an ISP without heating."""
        after: FloatArray = (
            self.decay * stored_kwh + (1.0 - self.decay) * self.room_kwh - self.gain_h * draw_kw
        )
        return after

    def lost(self, before_kwh: FloatArray, net_kw: FloatArray) -> FloatArray:
        """Standing loss (kWh) of an ISP by the integral of the solution; net_kw: heating less draw-off."""
        above = before_kwh - self.room_kwh - self.tau_h * net_kw
        lost: FloatArray = above * (1.0 - self.decay) + net_kw * self.hours
        return lost


@dataclass(frozen=True)
class TankState:
    """Energy in the tank above cold water, kWh; ``heats`` is 1 while the thermostat heats to its set-point.

    Accounts since the start, kWh: energy then, heated, drawn off, lost to the room, and unmet hot water.
    """

    stored_kwh: FloatArray
    heats: FloatArray
    stored_start_kwh: FloatArray
    heated_kwh: FloatArray
    drawn_kwh: FloatArray
    lost_kwh: FloatArray
    unmet_kwh: FloatArray


@dataclass(frozen=True)
class TankReading:
    """Draw-off (n, M) kW in this ISP and in those after it that an offer must sustain."""

    draw_kw: FloatArray


@dataclass(frozen=True, kw_only=True)
class WaterHeaterGroup(DeviceGroup[TankState, TankReading]):
    """M water heaters.

    draw_kw (T, 3): draw-off by ISP of the day and profile; draws_of (M,): profile of a member; first (M,):
    ISP of the day that it has in ISP 0.
    """

    member_group: IntArray
    member_connection: IntArray
    tanks: Tanks
    draw_kw: FloatArray
    draws_of: IntArray
    first: IntArray
    sustain_isps: int
    comfort: FloatArray

    def start(self, isp: int) -> TankState:
        """At the set-point."""
        stored, none = self.tanks.set_kwh, np.zeros(len(self.comfort))
        return TankState(stored, none, stored, none, none, none, none)

    def open_accounts(self, state: TankState) -> TankState:
        """Nothing heated, drawn off, lost or unmet."""
        none = np.zeros(len(self.comfort))
        begun = replace(state, stored_start_kwh=state.stored_kwh, heated_kwh=none, drawn_kwh=none)
        return replace(begun, lost_kwh=none, unmet_kwh=none)

    def read(self, isp: int) -> TankReading:
        """Draw-off, the same every day."""
        rows = isp + self.first + np.arange(self.sustain_isps)[:, None]
        return TankReading(self.draw_kw[rows % len(self.draw_kw), self.draws_of])

    def baseline(self, state: TankState, reading: TankReading, behind: Behind) -> FloatArray:
        """The thermostat: as much as reaches the set-point while it heats, otherwise nothing."""
        tanks = self.tanks
        cold = tanks.unheated(state.stored_kwh, reading.draw_kw[0])
        wanted = np.clip((tanks.set_kwh - cold) / tanks.gain_h, 0.0, tanks.power_kw)
        power: FloatArray = -np.where(self._heats(state, cold), wanted, 0.0)
        return power

    def feasible_range(
        self, state: TankState, reading: TankReading, base_kw: FloatArray, isps: int
    ) -> Limits:
        """What keeps the tank between its lowest and highest temperature at the end of each of the ISPs."""
        tanks, cold = self.tanks, state.stored_kwh
        least, most, decay = np.zeros(len(cold)), tanks.power_kw, np.ones(len(cold))
        for k in range(isps):
            cold = tanks.unheated(cold, reading.draw_kw[min(k, len(reading.draw_kw) - 1)])
            decay = decay * tanks.decay
            gain = (1.0 - decay) * tanks.tau_h
            least = np.maximum(least, (tanks.lowest_kwh - cold) / gain)
            most = np.minimum(most, (tanks.highest_kwh - cold) / gain)
        least = np.minimum(least, tanks.power_kw)
        most = np.maximum(most, 0.0)
        return np.minimum(-most, base_kw), np.maximum(-least, base_kw)

    def move(
        self, state: TankState, reading: TankReading, power_kw: FloatArray, forgone_kw: FloatArray | None
    ) -> TankState:
        """Energy after an ISP; hot water below the useful temperature is not drawn off but unmet."""
        tanks, draw = self.tanks, reading.draw_kw[0]
        cold = tanks.unheated(state.stored_kwh, draw)
        after = cold - tanks.gain_h * power_kw
        unmet = np.clip((tanks.useful_kwh - after) / tanks.gain_h, 0.0, draw)
        after = after + tanks.gain_h * unmet
        heats = self._heats(state, cold) & (after < tanks.set_kwh - FLEET_TOLERANCE_KWH_OR_K)
        served = draw - unmet
        return TankState(
            stored_kwh=after,
            heats=heats.astype(np.float64),
            stored_start_kwh=state.stored_start_kwh,
            heated_kwh=state.heated_kwh - power_kw * tanks.hours,
            drawn_kwh=state.drawn_kwh + served * tanks.hours,
            lost_kwh=state.lost_kwh + tanks.lost(state.stored_kwh, -power_kw - served),
            unmet_kwh=state.unmet_kwh + unmet * tanks.hours,
        )

    def cost(
        self,
        state: TankState,
        reading: TankReading,
        base_kw: FloatArray,
        feasible: Limits,
        energy_value: float,
    ) -> Prices:
        """Discomfort costs more the further the tank already is from its set-point."""
        tanks = self.tanks
        below = (tanks.set_kwh - state.stored_kwh) / (tanks.set_kwh - tanks.lowest_kwh)
        above = (state.stored_kwh - tanks.set_kwh) / (tanks.highest_kwh - tanks.set_kwh)
        colder = self.comfort * (1.0 + np.clip(below, 0.0, 1.0))
        warmer = self.comfort * (1.0 + np.clip(above, 0.0, 1.0))
        return energy_value + colder, energy_value - warmer

    def rebound_kwh(self, state: TankState) -> FloatArray:
        """Energy that brings the tank to its set-point."""
        return self.tanks.set_kwh - state.stored_kwh

    def most_rebound_kwh(self) -> FloatArray:
        """That of a tank full of cold water."""
        return self.tanks.set_kwh

    def checks(self, state: TankState) -> Mapping[str, FloatArray]:
        """Balance of energy and temperature limits."""
        inside = state.heated_kwh - state.drawn_kwh - state.lost_kwh
        return {
            "hot water energy not accounted for (kWh)": np.abs(
                state.stored_start_kwh + inside - state.stored_kwh
            ),
            "tank above its highest temperature (kWh)": state.stored_kwh - self.tanks.highest_kwh,
            "tank colder than its cold water (kWh)": -state.stored_kwh,
        }

    def swing_kw(self) -> Limits:
        """From off to full power."""
        return self.tanks.power_kw, self.tanks.power_kw

    def measures(self, before: TankState, after: TankState) -> tuple[float, ...]:
        """Mean temperature, degrees Celsius, and unmet hot water, MWh."""
        celsius = COLD_C + after.stored_kwh / self.tanks.kwh_per_k
        return float(celsius.mean()), float(after.unmet_kwh.sum() - before.unmet_kwh.sum()) / 1000.0

    def profile(self) -> None:
        """Consumption follows the thermostat and not a measured profile."""
        return

    def _heats(self, state: TankState, cold_kwh: FloatArray) -> BoolArray:
        """Tanks whose thermostat heats: as before, or as they would be too cold without heating."""
        start = self.tanks.set_kwh - HYSTERESIS_K * self.tanks.kwh_per_k
        return np.asarray((state.heats > 0) | (cold_kwh < start))


def _build(at: Premises) -> WaterHeaterGroup:
    owners, hours, population = at.owners, at.hours, at.population
    own = {name: values[owners] for name, values in at.homes.devices[NAME].values.items()}
    later = np.rint((2.0 * own["jitter"] - 1.0) * population.jitter_h / hours).astype(np.int64)
    return WaterHeaterGroup(
        member_group=at.group,
        member_connection=at.member_connection,
        tanks=Tanks.build(own["litres"], own["kw"], own["set_c"], hours),
        draw_kw=draw_off_kwh(hours) / hours,
        draws_of=np.searchsorted(SUITS_L, own["litres"], side="right"),
        first=int(at.first_hour / hours) + later,
        sustain_isps=population.sustain_isps,
        comfort=own["comfort_eur_per_mwh"],
    )


CLASS = DeviceClass(
    name=NAME,
    title="water heaters",
    part=DEMAND,
    owned=lambda homes: homes.owns(NAME),
    rated_kw=lambda homes: homes.devices[NAME].values["kw"] if NAME in homes.devices else 0.0 * homes.ev_kw,
    build=_build,
    columns=(
        StateColumn("hot_water_c", "mean temperature of the tanks of water heaters", "degree Celsius"),
        StateColumn("hot_water_unmet_mwh", "hot water that they could not give"),
    ),
    share="Share of households with an electric water heater.",
    share_column=32,
    parameters=(
        Parameter("kw", "Power of a water heater.", "kW", (0.1, 50.0), (1.5, 3.0), (0.5, 10.0), 33),
        Parameter(
            "litres",
            "Volume of its tank.",
            "l",
            (10.0, 2000.0),
            (100.0, 300.0),
            (30.0, 400.0),
            34,
        ),
        Parameter(
            "set_c",
            "Set-point of its thermostat.",
            "degree Celsius",
            (LOWEST_C + HYSTERESIS_K, HIGHEST_C - 1.0),
            (55.0, 60.0),
            (LOWEST_C + HYSTERESIS_K, HIGHEST_C - 1.0),
            35,
        ),
        Parameter(
            "comfort_eur_per_mwh",
            "Discomfort of shifted heating of water.",
            "EUR/MWh",
            (0.0, 2000.0),
            (10.0, 40.0),
            (0.0, 500.0),
            36,
        ),
    ),
    numbers={"jitter": 37},
)
