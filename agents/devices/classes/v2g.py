"""Vehicle-to-grid (V2G): EVs that may discharge, down to a state of charge that their owner keeps.

An EV of this class leaves with a full battery. So its stored energy is ``capacity - eta * left`` with
``left`` the energy (kWh at the meter) still needed before departure and ``eta`` the efficiency one way. A
discharge of d kWh at the meter raises ``left`` by ``d / eta^2``. It is offered only as far as full power can
make it up until departure, and as the battery stays at or above the state of charge that the owner keeps.
Without activation it charges as other EVs do.

Sources
    Efficiency: a round trip of 87.0 % on average, 79.1 to 87.8 % (Schram, Brinkel, Smink, van Wijk, van Sark,
    "Empirical Evaluation of V2G Round-trip Efficiency", 2020); one way the square root.
    Wear: at most the price difference of 0.12 USD/kWh at which a Tesla Model Y breaks even (Sustainability
    17(12), 5626, 2025). Smallest battery: 40 kWh, a car with V2G (Nissan Leaf).
Assumptions
    The lower end of wear, larger batteries, the state of charge that owners keep, that an EV leaves full, and
    that it discharges with the power with which it charges. A session of more energy than the battery holds
    is cut to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.agents.devices.classes.ev import CarGroup, EvReading, EvState, Sessions, Vehicles
from tandem_sim.agents.devices.device import (
    DEMAND,
    DeviceClass,
    Limits,
    Parameter,
    Premises,
    Prices,
    StateColumn,
)
from tandem_sim.grids.types import FloatArray

NAME = "v2g"


@dataclass(frozen=True)
class V2gState(EvState):
    """That of an EV; energy discharged; and the largest energy below the kept one after a discharge."""

    discharged_kwh: FloatArray
    below_kept_kwh: FloatArray


@dataclass(frozen=True, kw_only=True)
class V2gGroup(CarGroup[V2gState]):
    """M EVs that may discharge: capacity, kept energy (kWh), efficiency one way, wear (EUR/MWh)."""

    capacity_kwh: FloatArray
    kept_kwh: FloatArray
    efficiency: FloatArray
    wear: FloatArray

    def start(self, isp: int) -> V2gState:
        """Away."""
        none = np.zeros(len(self.wear))
        gone = np.full(len(none), isp, dtype=np.int64)
        return V2gState(none, gone, none, none, none, none, none, none, none)

    def open_accounts(self, state: V2gState) -> V2gState:
        """What is still needed now is all that was needed so far."""
        none = np.zeros(len(self.wear))
        begun = replace(state, needed_kwh=state.left_kwh, charged_kwh=none, short_kwh=none)
        return replace(begun, discharged_kwh=none, below_kept_kwh=none)

    def arrive(self, state: V2gState, reading: EvReading) -> V2gState:
        """EVs leave and plug in; none needs more than its battery holds."""
        state = super().arrive(state, reading)
        over = np.maximum(state.left_kwh - self.most_rebound_kwh(), 0.0)
        if over.any():
            left, needed = state.left_kwh - over, state.needed_kwh - over
            state = replace(state, left_kwh=left, needed_kwh=needed)
        return state

    def stored_kwh(self, state: V2gState) -> FloatArray:
        """Energy in the batteries (M,), kWh; full while they are away."""
        stored: FloatArray = self.capacity_kwh - self.efficiency * state.left_kwh
        return stored

    def feasible_range(self, state: V2gState, reading: EvReading, base_kw: FloatArray, isps: int) -> Limits:
        """Charge no more than is needed; delay and discharge no more than full power makes up in time.

        After k ISPs at injection x the EV needs ``left + k hours x`` if it charges, and ``left + k hours x /
        eta^2`` if it discharges. Full power until departure gives ``limit (left_isps - k) hours``.
        """
        left_isps, limit, hours = state.depart_isp - reading.isp, state.limit_kw, self.hours
        k = np.clip(left_isps, 1, isps)
        span = k * hours
        spare = (limit * (left_isps - k) * hours - state.left_kwh) / span
        above = np.maximum(self.stored_kwh(state) - self.kept_kwh, 0.0) * self.efficiency / span
        discharge = np.minimum(np.minimum(np.maximum(spare, 0.0) * self.efficiency**2, limit), above)
        high = np.where(spare < 0, np.maximum(spare, -limit), discharge)
        low = -np.minimum(limit, state.left_kwh / span)
        fixed = reading.plugged_in
        low, high = np.minimum(low, base_kw), np.maximum(high, base_kw)
        return np.where(fixed, base_kw, low), np.where(fixed, base_kw, high)

    def move(
        self, state: V2gState, reading: EvReading, power_kw: FloatArray, forgone_kw: FloatArray | None
    ) -> V2gState:
        """Energy charged, discharged, and still needed."""
        charged = np.maximum(-power_kw, 0.0) * self.hours
        discharged = np.maximum(power_kw, 0.0) * self.hours
        denied = state.denied_kwh if forgone_kw is None else state.denied_kwh + forgone_kw * self.hours
        left = np.maximum(state.left_kwh - charged + discharged / self.efficiency**2, 0.0)
        moved = replace(
            state,
            charged_kwh=state.charged_kwh + charged,
            discharged_kwh=state.discharged_kwh + discharged,
            left_kwh=left,
            denied_kwh=denied,
        )
        below = np.where(power_kw > 0, self.kept_kwh - self.stored_kwh(moved), 0.0)
        return replace(moved, below_kept_kwh=np.maximum(state.below_kept_kwh, below))

    def cost(
        self,
        state: V2gState,
        reading: EvReading,
        base_kw: FloatArray,
        feasible: Limits,
        energy_value: float,
    ) -> Prices:
        """Delayed charging is inconvenient; discharged energy is bought back with losses, and wears.

        Up has the mean price of both, weighted by their power in the feasible range.
        """
        high = feasible[1]
        delayed = np.maximum(np.minimum(high, 0.0) - base_kw, 0.0)
        discharged = np.maximum(high - np.maximum(base_kw, 0.0), 0.0)
        dear = energy_value / self.efficiency**2 + self.wear + self.inconvenience
        cheap = energy_value + self.inconvenience
        whole = delayed + discharged
        share = np.divide(discharged, whole, out=np.zeros(len(whole)), where=whole > 0)
        return cheap + share * (dear - cheap), energy_value - self.inconvenience

    def most_rebound_kwh(self) -> FloatArray:
        """Energy that fills an empty battery."""
        return self.capacity_kwh / self.efficiency

    def checks(self, state: V2gState) -> Mapping[str, FloatArray]:
        """Balance of energy, the kept state of charge, and a full battery at departure."""
        lost = state.discharged_kwh / self.efficiency**2
        unaccounted = state.needed_kwh + lost - state.charged_kwh - state.left_kwh - state.short_kwh
        return {
            "V2G energy not accounted for (kWh)": np.abs(unaccounted),
            "V2G battery below empty (kWh)": -self.stored_kwh(state),
            "V2G discharge below the kept state of charge (kWh)": state.below_kept_kwh,
            "V2G energy missing at departure (kWh)": state.short_kwh - state.denied_kwh,
        }

    def swing_kw(self) -> Limits:
        """From full charging to full discharging."""
        swing = 2.0 * self.sessions.kw
        return swing, swing

    def measures(self, before: V2gState, after: V2gState) -> tuple[float, ...]:
        """Energy charged, and discharged, MWh."""
        charged = float(after.charged_kwh.sum() - before.charged_kwh.sum())
        return charged / 1000.0, float(after.discharged_kwh.sum() - before.discharged_kwh.sum()) / 1000.0


def _build(at: Premises) -> V2gGroup:
    homes, ev, sessions = at.homes, at.owners, Sessions.of(at)
    own = {name: values[ev] for name, values in homes.devices[NAME].values.items()}
    return V2gGroup(
        member_group=at.group,
        member_connection=at.member_connection,
        hours=at.hours,
        sessions=sessions,
        vehicles=Vehicles(homes.ev_smart[ev], sessions.parking_isps),
        inconvenience=homes.inconvenience_eur_per_mwh[ev],
        capacity_kwh=own["battery_kwh"],
        kept_kwh=own["kept_soc"] * own["battery_kwh"],
        efficiency=own["efficiency"],
        wear=own["wear_eur_per_mwh"],
    )


CLASS = DeviceClass(
    name=NAME,
    title="V2G",
    part=DEMAND,
    owned=lambda homes: homes.owns(NAME) & homes.has_ev,
    rated_kw=lambda homes: homes.ev_kw,
    feed_in_kw=lambda homes: homes.ev_kw,
    build=_build,
    columns=(
        StateColumn("v2g_charged_mwh", "energy charged by EVs that may discharge (V2G)"),
        StateColumn("v2g_discharged_mwh", "energy that they discharged"),
    ),
    share="Share of EVs that may discharge (vehicle-to-grid, V2G).",
    share_column=39,
    parameters=(
        Parameter(
            "battery_kwh",
            "Usable energy of the battery of a V2G car.",
            "kWh",
            (1.0, 500.0),
            (40.0, 60.0),
            (10.0, 120.0),
            40,
        ),
        Parameter(
            "efficiency",
            "Efficiency of a V2G charger and battery one way, charging and discharging alike.",
            "p.u.",
            (0.5, 1.0),
            (0.889, 0.937),
            (0.8, 1.0),
            41,
        ),
        Parameter(
            "kept_soc",
            "State of charge below which a V2G car does not discharge.",
            "p.u.",
            (0.0, 1.0),
            (0.3, 0.6),
            (0.1, 0.9),
            42,
        ),
        Parameter(
            "wear_eur_per_mwh",
            "Wear of the battery of a V2G car, per energy discharged.",
            "EUR/MWh",
            (0.0, 2000.0),
            (40.0, 110.0),
            (0.0, 500.0),
            43,
        ),
    ),
    replaces="ev",
)
