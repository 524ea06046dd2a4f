"""Heat pumps: flexibility is the heat capacity of the building, within a comfort band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class HeatPumps:
    """Heat pumps around their measured consumption, with the deviation theta (K) it causes indoors.

    ``d theta / dt = -theta / tau + COP * dp / C`` with dp the consumption above the measured one, solved
    exactly over an ISP: ``theta' = decay * theta + (1 - decay) * gain * dp``, ``decay = exp(-hours /
    tau)``, ``gain = COP * tau / C``. The thermostat adds ``-answer * theta`` to the measured consumption,
    within 0 and ``power_kw``: this is the rebound. Unclipped it shrinks theta by ``exp(-hours / recovery)``
    per ISP, so it never overshoots; clipped it acts less.
    """

    power_kw: FloatArray
    decay: FloatArray
    gain_k_per_kw: FloatArray
    answer_kw_per_k: FloatArray
    band_k: float

    @classmethod
    def build(
        cls,
        power_kw: FloatArray,
        cop: FloatArray,
        capacity_kwh_per_k: FloatArray,
        loss_h: FloatArray,
        recovery_h: float,
        band_k: float,
        hours: float,
    ) -> HeatPumps:
        """Turn thermal constants (kWh/K, h) into those of one ISP."""
        decay = np.exp(-hours / loss_h)
        gain = cop * loss_h / capacity_kwh_per_k
        answer = (decay - np.exp(-hours / recovery_h)) / ((1 - decay) * gain)
        return cls(power_kw=power_kw, decay=decay, gain_k_per_kw=gain, answer_kw_per_k=answer, band_k=band_k)

    def baseline(self, theta_k: FloatArray, measured_kw: FloatArray) -> FloatArray:
        """Measured consumption, corrected by the thermostat for the present deviation."""
        wanted = measured_kw - self.answer_kw_per_k * theta_k
        power: FloatArray = -np.minimum(np.maximum(wanted, 0.0), self.power_kw)
        return power

    def limits(
        self,
        theta_k: FloatArray,
        measured_kw: FloatArray,
        running: BoolArray,
        base_kw: FloatArray,
        decay: FloatArray,
    ) -> Limits:
        """Injection that keeps theta inside the band after the ISPs over which ``decay`` is taken.

        A pump that is not ``running`` (outside the heating season) does not offer to heat more.
        """
        scale = 1.0 / ((1.0 - decay) * self.gain_k_per_kw)
        drift = decay * theta_k
        least = np.maximum(measured_kw - (self.band_k + drift) * scale, 0.0)
        most = np.minimum(measured_kw + (self.band_k - drift) * scale, self.power_kw)
        low = np.where(running, np.minimum(-most, base_kw), base_kw)
        return low, np.maximum(-least, base_kw)

    def move(self, theta_k: FloatArray, measured_kw: FloatArray, power_kw: FloatArray) -> FloatArray:
        """Deviation after one ISP at injection ``power_kw``."""
        excess = -power_kw - measured_kw
        theta: FloatArray = self.decay * theta_k + (1.0 - self.decay) * self.gain_k_per_kw * excess
        return theta


@dataclass(frozen=True)
class HeatPumpState:
    """Deviation of indoor temperature, K.

    ``forced`` is 1 while it is outside its band because of limits of connections.
    """

    theta_k: FloatArray
    forced: FloatArray


@dataclass(frozen=True)
class HeatPumpReading:
    """Measured consumption (M,) kW >= 0, and which pumps are in their heating season."""

    kw: FloatArray
    heating: BoolArray


@dataclass(frozen=True, kw_only=True)
class HeatPumpGroup(DeviceGroup[HeatPumpState, HeatPumpReading]):
    """M heat pumps. decay_sustained (M,): decay over the ISPs that an offer must sustain."""

    member_group: IntArray
    member_connection: IntArray
    window: Window
    hours: float
    pumps: HeatPumps
    at: IntArray
    heating_at: IntArray
    comfort: FloatArray
    sustain_isps: int
    decay_sustained: FloatArray

    def start(self, isp: int) -> HeatPumpState:
        """Measured temperatures."""
        none = np.zeros(len(self.comfort))
        return HeatPumpState(none, none)

    def read(self, isp: int) -> HeatPumpReading:
        """Measured consumption."""
        read = self.window.read
        return HeatPumpReading(self.pumps.power_kw * read(isp, self.at), read(isp, self.heating_at) > 0)

    def baseline(self, state: HeatPumpState, reading: HeatPumpReading, behind: Behind) -> FloatArray:
        """Measured consumption, corrected by the thermostat."""
        return self.pumps.baseline(state.theta_k, reading.kw)

    def feasible_range(
        self, state: HeatPumpState, reading: HeatPumpReading, base_kw: FloatArray, isps: int
    ) -> Limits:
        """What keeps the building in its band."""
        if isps == 1:
            decay = self.pumps.decay
        else:
            decay = self.decay_sustained if isps == self.sustain_isps else self.pumps.decay**isps
        return self.pumps.limits(state.theta_k, reading.kw, reading.heating, base_kw, decay)

    def move(
        self,
        state: HeatPumpState,
        reading: HeatPumpReading,
        power_kw: FloatArray,
        forgone_kw: FloatArray | None,
    ) -> HeatPumpState:
        """Temperature after an ISP."""
        theta, forced = self.pumps.move(state.theta_k, reading.kw, power_kw), state.forced
        if forgone_kw is not None:
            forced = np.where(forgone_kw > 0, 1.0, forced)
        if forced.any():
            forced = np.where(np.abs(theta) <= self.pumps.band_k, 0.0, forced)
        return replace(state, theta_k=theta, forced=forced)

    def cost(
        self,
        state: HeatPumpState,
        reading: HeatPumpReading,
        base_kw: FloatArray,
        feasible: Limits,
        energy_value: float,
    ) -> Prices:
        """Discomfort costs more the further the temperature already deviates."""
        tilt = state.theta_k / self.pumps.band_k
        colder = self.comfort * (1.0 + np.maximum(-tilt, 0.0))
        warmer = self.comfort * (1.0 + np.maximum(tilt, 0.0))
        return energy_value + colder, energy_value - warmer

    def rebound_kwh(self, state: HeatPumpState) -> FloatArray:
        """Consumption that would undo the deviation at once."""
        return -state.theta_k * self._kwh_per_k()

    def most_rebound_kwh(self) -> FloatArray:
        """That of the whole band."""
        return self.pumps.band_k * self._kwh_per_k()

    def checks(self, state: HeatPumpState) -> Mapping[str, FloatArray]:
        """The comfort band."""
        outside = np.abs(state.theta_k) - self.pumps.band_k
        return {"indoor temperature outside its band (K)": np.where(state.forced > 0, 0.0, outside)}

    def swing_kw(self) -> Limits:
        """From off to full power."""
        return self.pumps.power_kw, self.pumps.power_kw

    def measures(self, before: HeatPumpState, after: HeatPumpState) -> tuple[float, ...]:
        """Mean deviation, K."""
        return (float(after.theta_k.mean()) if len(after.theta_k) else 0.0,)

    def profile(self) -> DeviceProfile:
        """Measured consumption."""
        return DeviceProfile(self.at, self.pumps.power_kw, np.arange(len(self.at)))

    def _kwh_per_k(self) -> FloatArray:
        """Electric energy (M,) that changes indoor temperature by 1 K at once: C / COP, kWh/K."""
        per_k: FloatArray = -self.hours / (np.log(self.pumps.decay) * self.pumps.gain_k_per_kw)
        return per_k


def _build(at: Premises) -> HeatPumpGroup:
    homes, owners, window, population = at.homes, at.owners, at.window, at.population
    pumps = HeatPumps.build(
        homes.heat_pump_kw[owners],
        homes.cop[owners],
        homes.heat_capacity_kwh_per_k[owners],
        homes.heat_loss_h[owners],
        population.recovery_h,
        population.band_k,
        at.hours,
    )
    profile, shift = homes.heat_pump_profile[owners], homes.heat_pump_shift[owners]
    return HeatPumpGroup(
        member_group=at.group,
        member_connection=at.member_connection,
        window=window,
        hours=at.hours,
        pumps=pumps,
        at=window.places(window.columns.heat_pump_at + profile, shift),
        heating_at=window.places(window.columns.heating_at + profile, shift),
        comfort=homes.comfort_eur_per_mwh[owners],
        sustain_isps=population.sustain_isps,
        decay_sustained=pumps.decay**population.sustain_isps,
    )


CLASS = DeviceClass(
    name="heat_pump",
    title="heat pumps",
    part=DEMAND,
    owned=lambda homes: homes.has_heat_pump,
    rated_kw=lambda homes: homes.heat_pump_kw,
    build=_build,
    columns=(
        StateColumn("indoor_deviation_k", "mean deviation of indoor temperature from its set-point, K"),
    ),
)
