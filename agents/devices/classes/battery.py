"""Home batteries: they raise self-consumption, and offer what stored energy and room can sustain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.agents.devices.device import (
    STORAGE,
    Behind,
    DeviceClass,
    DeviceGroup,
    Limits,
    Premises,
    Prices,
    StateColumn,
)
from tandem_sim.agents.devices.profile_window import Window
from tandem_sim.grids.types import FloatArray, IntArray


@dataclass(frozen=True)
class Batteries:
    """Home batteries with ``0 <= stored_kwh <= energy_kwh`` (usable); power is measured at the meter."""

    energy_kwh: FloatArray
    power_kw: FloatArray
    charge_efficiency: FloatArray
    discharge_efficiency: FloatArray

    def baseline(self, stored_kwh: FloatArray, surplus_kw: FloatArray, hours: float) -> FloatArray:
        """Self-consumption: charge from the household's surplus, discharge into its deficit, never beyond."""
        low, high = self._bounds(stored_kwh, hours)
        power: FloatArray = np.minimum(np.maximum(-surplus_kw, low), high)
        return power

    def limits(self, stored_kwh: FloatArray, base_kw: FloatArray, hours: float, isps: int) -> Limits:
        """Injection that stored energy and room can sustain for ``isps`` ISPs, and always the baseline."""
        low, high = self._bounds(stored_kwh, hours * isps)
        return np.minimum(low, base_kw), np.maximum(high, base_kw)

    def move(self, stored_kwh: FloatArray, power_kw: FloatArray, hours: float) -> FloatArray:
        """Stored energy after one ISP: ``stored + eta_c * charged - discharged / eta_d``."""
        gained = np.maximum(-power_kw, 0.0) * self.charge_efficiency
        lost = np.maximum(power_kw, 0.0) / self.discharge_efficiency
        # Only rounding can leave the range: ``power_kw`` lies within ``limits(..., isps=1)``.
        moved = np.maximum(stored_kwh + (gained - lost) * hours, 0.0)
        stored: FloatArray = np.minimum(moved, self.energy_kwh)
        return stored

    def _bounds(self, stored_kwh: FloatArray, hours: float) -> Limits:
        room = (self.energy_kwh - stored_kwh) / (self.charge_efficiency * hours)
        fuel = stored_kwh * self.discharge_efficiency / hours
        return -np.minimum(self.power_kw, room), np.minimum(self.power_kw, fuel)


@dataclass(frozen=True)
class BatteryState:
    """Energy in the battery, kWh; and accounts since the start: energy then, charged and discharged."""

    stored_kwh: FloatArray
    stored_start_kwh: FloatArray
    charged_kwh: FloatArray
    discharged_kwh: FloatArray


@dataclass(frozen=True, kw_only=True)
class BatteryGroup(DeviceGroup[BatteryState, FloatArray]):
    """M batteries, each with the PV and the inflexible load of its household.

    A reading is PV less inflexible load (M,) kW. load_at, load_kw, pv_at, pv_kwp (M,): places in the window
    and what their values are multiplied by.
    """

    member_group: IntArray
    member_connection: IntArray
    window: Window
    hours: float
    cells: Batteries
    wear: FloatArray
    load_at: IntArray
    load_kw: FloatArray
    pv_at: IntArray
    pv_kwp: FloatArray

    def start(self, isp: int) -> BatteryState:
        """Half full."""
        stored, none = 0.5 * self.cells.energy_kwh, np.zeros(len(self.wear))
        return BatteryState(stored, stored, none, none)

    def open_accounts(self, state: BatteryState) -> BatteryState:
        """Nothing charged, nothing discharged."""
        none = np.zeros(len(self.wear))
        return replace(state, stored_start_kwh=state.stored_kwh, charged_kwh=none, discharged_kwh=none)

    def read(self, isp: int) -> FloatArray:
        """Surplus of PV over inflexible load."""
        read = self.window.read
        surplus: FloatArray = self.pv_kwp * read(isp, self.pv_at) - self.load_kw * read(isp, self.load_at)
        return surplus

    def baseline(self, state: BatteryState, reading: FloatArray, behind: Behind) -> FloatArray:
        """Self-consumption of the household without activation."""
        surplus = reading.copy()
        for member, kw in behind:
            surplus[member] += kw
        return self.cells.baseline(state.stored_kwh, surplus, self.hours)

    def feasible_range(
        self, state: BatteryState, reading: FloatArray, base_kw: FloatArray, isps: int
    ) -> Limits:
        """What stored energy and room can sustain."""
        return self.cells.limits(state.stored_kwh, base_kw, self.hours, isps)

    def move(
        self, state: BatteryState, reading: FloatArray, power_kw: FloatArray, forgone_kw: FloatArray | None
    ) -> BatteryState:
        """Energy and accounts after an ISP."""
        return replace(
            state,
            stored_kwh=self.cells.move(state.stored_kwh, power_kw, self.hours),
            charged_kwh=state.charged_kwh + np.maximum(-power_kw, 0.0) * self.hours,
            discharged_kwh=state.discharged_kwh + np.maximum(power_kw, 0.0) * self.hours,
        )

    def cost(
        self,
        state: BatteryState,
        reading: FloatArray,
        base_kw: FloatArray,
        feasible: Limits,
        energy_value: float,
    ) -> Prices:
        """A battery buys its energy back with round-trip losses, and wears."""
        round_trip = self.cells.charge_efficiency * self.cells.discharge_efficiency
        return energy_value / round_trip + self.wear, energy_value * round_trip - self.wear

    def rebound_kwh(self, state: BatteryState) -> FloatArray:
        """Energy that fills it."""
        room: FloatArray = (self.cells.energy_kwh - state.stored_kwh) / self.cells.charge_efficiency
        return room

    def most_rebound_kwh(self) -> FloatArray:
        """That of an empty battery."""
        return self.cells.energy_kwh / self.cells.charge_efficiency

    def checks(self, state: BatteryState) -> Mapping[str, FloatArray]:
        """Bounds and balance of energy."""
        cells = self.cells
        gained = (
            state.charged_kwh * cells.charge_efficiency - state.discharged_kwh / cells.discharge_efficiency
        )
        return {
            "battery energy outside 0..capacity (kWh)": np.maximum(
                -state.stored_kwh, state.stored_kwh - cells.energy_kwh
            ),
            "battery energy not accounted for (kWh)": np.abs(
                state.stored_start_kwh + gained - state.stored_kwh
            ),
        }

    def swing_kw(self) -> Limits:
        """A battery can change from full charging to full discharging."""
        swing = 2.0 * self.cells.power_kw
        return swing, swing

    def inverter_kw(self) -> FloatArray:
        """Power of the battery."""
        return self.cells.power_kw

    def measures(self, before: BatteryState, after: BatteryState) -> tuple[float, ...]:
        """State of charge of all batteries together."""
        capacity = self.cells.energy_kwh.sum()
        return (float(after.stored_kwh.sum() / capacity) if capacity > 0 else 0.0,)

    def profile(self) -> None:
        """A battery has no profile."""
        return


def _build(at: Premises) -> BatteryGroup:
    homes, bat, window = at.homes, at.owners, at.window
    pv_at = window.places(window.columns.pv_at + homes.pv_profile[bat], np.zeros(len(bat), dtype=np.int64))
    return BatteryGroup(
        member_group=at.group,
        member_connection=at.member_connection,
        window=window,
        hours=at.hours,
        cells=Batteries(
            homes.battery_kwh[bat],
            homes.battery_kw[bat],
            homes.charge_efficiency[bat],
            homes.discharge_efficiency[bat],
        ),
        wear=homes.wear_eur_per_mwh[bat],
        load_at=at.load_at[bat],
        load_kw=at.load_kw[bat],
        pv_at=pv_at,
        pv_kwp=np.where(homes.has_pv, homes.pv_kwp, 0.0)[bat],
    )


CLASS = DeviceClass(
    name="battery",
    title="batteries",
    part=STORAGE,
    owned=lambda homes: homes.has_battery,
    rated_kw=lambda homes: homes.battery_kw,
    build=_build,
    columns=(
        StateColumn(
            "battery_soc",
            "state of charge of all batteries together at the end of the ISP, 0 to 1",
            "share",
        ),
    ),
)
