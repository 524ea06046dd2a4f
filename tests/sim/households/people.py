"""Scenarios with a table of households, and the table of those that a scenario draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.agents.devices.population import Households
from tandem_sim.grids.io.profiles import EV_HOME, HEAT_PUMP, HOUSEHOLD, PV
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.sim.assembly.grids import Grids, build_grids
from tandem_sim.sim.assembly.residents import aggregators_of, household_rows, households_of
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.scenario.population_section import DECLARED
from tandem_sim.sim.scenario.scenario import Scenario
from tests.sim.conftest import small_scenario

SIX = """household,bus,aggregator,annual_kwh,pv_kwp,battery_kwh,battery_kw,ev_kw,heat_pump_kw,phases
a,11,A01,3000,5,0,,0,0,1
b,11,2,4000.5,0,10,4,7.4,3,
c,61,A03,2500,0,0,,3.7,0,3
d,2,1,1000,0,0,,0,0,
e,3,1,1e3,0,0,,11,0,
f,69,1,0,10,12,5,0,0,1
"""
"""On case69. Nominal load is at buses 11, 61 and 69, none at 2 and 3."""


def with_table(folder: Path, table: str | pd.DataFrame, name: str = "people.csv", **fields: Any) -> Scenario:
    """The small scenario with a table of households in a folder."""
    if isinstance(table, str):
        (folder / name).write_text(table, encoding="utf-8")
    elif name.endswith(".csv"):
        table.to_csv(folder / name, index=False)
    else:
        table.to_parquet(folder / name)
    fields = {"households": None, **fields}
    return small_scenario(**{"population.table": name, **fields})


def model_of(scenario: Scenario, folder: Path) -> FlexibilityModel:
    """The model of a scenario, built."""
    return FlexibilityModel(scenario, folder, folder / "out")


def drawn(scenario: Scenario, folder: Path | None = None) -> tuple[Grids, Households]:
    """Grids and households of a scenario."""
    grids = build_grids(scenario, scenario.calendar, folder, Profiles())
    return grids, households_of(scenario, grids, household_rows(scenario, grids))


def as_table(scenario: Scenario, folder: Path | None = None) -> pd.DataFrame:
    """Every attribute of the households of a scenario, a row each, by the columns of a table."""
    grids, homes = drawn(scenario, folder)
    aggregator = aggregators_of(scenario, grids, household_rows(scenario, grids))
    place = {}
    for area in grids.areas:
        for k, node in enumerate(area.site_node.tolist()):
            buses = area.network.bus_index[area.network.bus_node == node]
            place[area.sites.start + k] = area.name, int(buses.min())
    area_of, bus_of = zip(*(place[site] for site in grids.site_of.tolist()), strict=True)

    def owned(has: Any, values: Any) -> Any:
        return np.where(has, values, 0.0)

    return pd.DataFrame(
        {
            "household": [f"h{k:05d}" for k in range(len(grids.site_of))],
            "area": area_of,
            "bus": bus_of,
            "aggregator": [scenario.pools[k] for k in aggregator.tolist()],
            "phases": homes.phases,
            "annual_kwh": homes.annual_kwh,
            "load_profile": np.array(HOUSEHOLD)[homes.load_profile],
            "pv_kwp": owned(homes.has_pv, homes.pv_kwp),
            "pv_profile": np.array(PV)[homes.pv_profile],
            "feed_in_eur_per_mwh": homes.feed_in_eur_per_mwh,
            "battery_kwh": owned(homes.has_battery, homes.battery_kwh),
            "battery_kw": owned(homes.has_battery, homes.battery_kw),
            "charge_efficiency": homes.charge_efficiency,
            "discharge_efficiency": homes.discharge_efficiency,
            "wear_eur_per_mwh": homes.wear_eur_per_mwh,
            "ev_kw": owned(homes.has_ev, homes.ev_kw),
            "ev_profile": np.array(EV_HOME)[homes.ev_profile],
            "ev_smart": homes.ev_smart,
            "parking_h": homes.ev_parking_h,
            "inconvenience_eur_per_mwh": homes.inconvenience_eur_per_mwh,
            "heat_pump_kw": owned(homes.has_heat_pump, homes.heat_pump_kw),
            "heat_pump_profile": np.array(HEAT_PUMP)[homes.heat_pump_profile],
            "cop": homes.cop,
            "heat_capacity_kwh_per_k": homes.heat_capacity_kwh_per_k,
            "heat_loss_h": homes.heat_loss_h,
            "comfort_eur_per_mwh": homes.comfort_eur_per_mwh,
            **{
                f"{device}_{p.name}": owned(homes.owns(device), homes.devices[device].values[p.name])
                for device, p in ((known.name, p) for known in DECLARED for p in known.parameters)
            },
        }
    )
