"""What households a scenario has: their number, devices and energy by area."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.devices.population import Households
from tandem_sim.grids.io.profiles import EV_HOME, EV_HOME_KW, HEAT_PUMP, full_load_hours
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.sim.households.columns import ATTRIBUTES
from tandem_sim.sim.households.table import HouseholdTable
from tandem_sim.sim.scenario.population_section import DECLARED


@dataclass(frozen=True, kw_only=True)
class AreaHouseholds:
    """Households of one area. Energy in MWh of the year that was measured, without activation."""

    area: str
    households: int
    buses: int
    load_mwh: float  # without EVs and heat pumps
    pv: int
    pv_kwp: float
    pv_mwh: float  # NaN where a series of PV is shorter than a year
    batteries: int
    battery_kwh: float
    battery_kw: float
    evs: int
    smart_evs: int
    ev_kw: float
    ev_mwh: float
    heat_pumps: int
    heat_pump_kw: float
    heat_pump_mwh: float
    others: tuple[tuple[str, int, float], ...]  # further classes of device: title, number, kW

    def lines(self) -> Iterator[str]:
        """A line for the households, and one for each kind of device."""
        yield (
            f"Households of {self.area}: {self.households} at {self.buses} buses, {self.load_mwh:.6g} MWh "
            "a year without EVs and heat pumps"
        )
        rows = (
            ("PV", self.pv, f"{self.pv_kwp:.6g} kWp, {_mwh(self.pv_mwh)}"),
            ("batteries", self.batteries, f"{self.battery_kwh:.6g} kWh, {self.battery_kw:.6g} kW"),
            (
                "EVs",
                self.evs,
                f"{self.ev_kw:.6g} kW, {_mwh(self.ev_mwh)}, {self.smart_evs} charge evenly",
            ),
            (
                "heat pumps",
                self.heat_pumps,
                f"{self.heat_pump_kw:.6g} kW, {_mwh(self.heat_pump_mwh)}",
            ),
        )
        others = [(title, number, f"{kw:.6g} kW") for title, number, kw in self.others if number]
        for name, number, size in (*rows, *others):
            yield f"  {name:<12}{number:>8}  {size if number else ''}".rstrip()


def _mwh(energy: float) -> str:
    return "energy of a year not known" if math.isnan(energy) else f"{energy:.6g} MWh a year"


def hours_of_pv(profiles: Profiles, names: Sequence[str]) -> FloatArray:
    """Full-load hours of profiles of PV (n,), NaN where a series of one's own does not give them."""
    return np.array(
        [
            math.nan
            if name in profiles.own and profiles.own[name].full_load_hours is None
            else profiles.full_load_hours([name])[0]
            for name in names
        ]
    )


def summary_of(
    area: str, homes: Households, which: BoolArray, buses: int, pv_hours: FloatArray
) -> AreaHouseholds:
    """Households `which` (H,) of one area, at so many buses; full-load hours by profile of PV."""

    def total(values: FloatArray, has: BoolArray) -> float:
        return float(values[which & has].sum())

    everybody = np.ones(len(which), dtype=bool)
    pump_hours = full_load_hours(HEAT_PUMP)
    owned = {known: known.owned(homes) for known in DECLARED}
    ev_kwh = full_load_hours(EV_HOME) * np.asarray(EV_HOME_KW)
    return AreaHouseholds(
        area=area,
        households=int(which.sum()),
        buses=buses,
        load_mwh=total(homes.annual_kwh, everybody) / 1000.0,
        pv=int((which & homes.has_pv).sum()),
        pv_kwp=total(homes.pv_kwp, homes.has_pv),
        pv_mwh=total(homes.pv_kwp * pv_hours[homes.pv_profile], homes.has_pv) / 1000.0,
        batteries=int((which & homes.has_battery).sum()),
        battery_kwh=total(homes.battery_kwh, homes.has_battery),
        battery_kw=total(homes.battery_kw, homes.has_battery),
        evs=int((which & homes.has_ev).sum()),
        smart_evs=int((which & homes.has_ev & homes.ev_smart).sum()),
        ev_kw=total(homes.ev_kw, homes.has_ev),
        ev_mwh=total(ev_kwh[homes.ev_profile], homes.has_ev) / 1000.0,
        heat_pumps=int((which & homes.has_heat_pump).sum()),
        heat_pump_kw=total(homes.heat_pump_kw, homes.has_heat_pump),
        heat_pump_mwh=total(homes.heat_pump_kw * pump_hours[homes.heat_pump_profile], homes.has_heat_pump)
        / 1000.0,
        others=tuple(
            (known.title, int((which & has).sum()), total(known.rated_kw(homes), has))
            for known, has in owned.items()
        ),
    )


def table_lines(table: HouseholdTable | None, homes: Households) -> Sequence[str]:
    """What a table gives and what is drawn, by column; of devices only those that households have."""
    if table is None:
        return ()
    owners = {
        "pv_kwp": homes.has_pv,
        "battery_kwh": homes.has_battery,
        "ev_kw": homes.has_ev,
        "heat_pump_kw": homes.has_heat_pump,
        **{f"{known.name}_{known.parameters[0].name}": known.owned(homes) for known in DECLARED},
    }
    given, drawn = [], []
    for about in (a for a in ATTRIBUTES if a.kind != "text" or a.name == "aggregator"):
        if about.name == "contract":
            continue
        needed = owners.get(about.device, np.ones(len(table), dtype=bool))
        known = table.given(about.name) & needed
        if known.any():
            given.append(f"{about.name} {int(known.sum())}")
        if missing := int((needed & ~known).sum()):
            drawn.append(f"{about.name} {missing}")
    return (
        f"Table {table.path.name}: {len(table)} households; number of values by column:",
        f"  given: {', '.join(given) or 'none'}",
        f"  drawn: {', '.join(drawn) or 'none'}",
    )
