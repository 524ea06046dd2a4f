"""Values of a table in the place of drawn ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tandem_sim.agents.devices.population import COLUMNS, Households, Owned
from tandem_sim.grids.io.profiles import EV_HOME_KW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.sim.households.table import HouseholdTable

PHASES = np.array([1, 3])
"""Phases by the number of the choice."""
AS_THEY_ARE = (
    *("annual_kwh", "pv_kwp", "feed_in_eur_per_mwh", "battery_kwh", "battery_kw", "charge_efficiency"),
    *("discharge_efficiency", "wear_eur_per_mwh", "inconvenience_eur_per_mwh", "heat_pump_kw", "cop"),
    *("heat_capacity_kwh_per_k", "heat_loss_h", "comfort_eur_per_mwh"),
)
"""Columns of a table whose values are those of `Households` of that name."""


def owners_of_pv(table: HouseholdTable) -> BoolArray | None:
    """Which households (H,) have PV by the table; None where it does not say."""
    return table.values["pv_kwp"] > 0.0 if "pv_kwp" in table.values else None


def with_given(homes: Households, table: HouseholdTable, rows: FloatArray) -> Households:
    """Drawn households with the values of the table; `rows` (H, ROW) are their random numbers.

    A size decides who has a device. An EV whose profile is not given takes one of those measured at the
    chargers with the nearest power.
    """
    number, instead = table.values, table.instead
    same: dict[str, Any] = {name: instead(name, getattr(homes, name)) for name in AS_THEY_ARE}
    ev_profile = _ev_profiles(homes, table, rows)
    phases = np.where(table.given("phases"), PHASES[_choices(table, "phases")], 0)
    return replace(
        homes,
        **same,
        load_profile=_chosen(table, "load_profile", homes.load_profile),
        pv_profile=_chosen(table, "pv_profile", homes.pv_profile),
        heat_pump_profile=_chosen(table, "heat_pump_profile", homes.heat_pump_profile),
        has_battery=number["battery_kwh"] > 0.0 if "battery_kwh" in number else homes.has_battery,
        has_ev=number["ev_kw"] > 0.0 if "ev_kw" in number else homes.has_ev,
        has_heat_pump=number["heat_pump_kw"] > 0.0 if "heat_pump_kw" in number else homes.has_heat_pump,
        ev_profile=ev_profile,
        ev_kw=instead("ev_kw", np.asarray(EV_HOME_KW)[ev_profile]),
        ev_smart=_chosen(table, "ev_smart", homes.ev_smart.astype(np.int64)) > 0,
        ev_parking_h=instead("parking_h", homes.ev_parking_h),
        given_phases=phases.astype(np.int64),
        devices={name: _declared(name, owned, table) for name, owned in homes.devices.items()},
    )


def _declared(device: str, drawn: Owned, table: HouseholdTable) -> Owned:
    """A class of `population.devices`; its first quantity is the size, 0 for households without one."""
    values = {name: table.instead(f"{device}_{name}", found) for name, found in drawn.values.items()}
    size = f"{device}_{next(iter(values))}"
    return Owned(table.values[size] > 0.0 if size in table.values else drawn.has, values)


def _choices(table: HouseholdTable, name: str) -> IntArray:
    """Numbers of choices (H,), 0 where none is given."""
    found = table.values.get(name, np.zeros(len(table)))
    return np.nan_to_num(found, nan=0.0).astype(np.int64)


def _chosen(table: HouseholdTable, name: str, drawn: IntArray) -> IntArray:
    """Numbers of choices (H,): as given, and otherwise as drawn."""
    return np.where(table.given(name), _choices(table, name), drawn)


def _ev_profiles(homes: Households, table: HouseholdTable, rows: FloatArray) -> IntArray:
    """Profile of every EV (H,): given, or one of those whose charger is nearest in power, or as drawn."""
    kw = np.asarray(EV_HOME_KW)
    drawn = homes.ev_profile
    if "ev_kw" in table.values:
        power = np.unique(kw)
        nearest = power[np.argmin(np.abs(table.values["ev_kw"][:, None] - power), axis=1)]
        order = np.argsort(kw, kind="stable")
        first, last = (np.searchsorted(kw[order], nearest, side=side) for side in ("left", "right"))
        pick = (rows[:, COLUMNS["ev_profile"]] * (last - first)).astype(np.int64)
        drawn = np.asarray(order[first + pick], dtype=np.int64)
    return _chosen(table, "ev_profile", drawn)
