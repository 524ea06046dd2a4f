"""From a scenario to its world: grids, households, prices and forecasts, before there are agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tandem_sim.agents.base.forecast import GivenForecast
from tandem_sim.agents.devices.population import Households, Population
from tandem_sim.agents.households.fleet import HouseholdFleet, Residents
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.profiles import PER_UNIT, PRICE, Profiles
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.sim.assembly.flexibility_study import study_terms
from tandem_sim.sim.assembly.grids import Grids, build_grids
from tandem_sim.sim.assembly.low_voltage import (
    LowVoltage,
    build_low_voltage,
    pools_of_lv_feeders,
    with_lv_feeder_sites,
)
from tandem_sim.sim.assembly.residents import aggregators_of, household_rows, households_of, summaries
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.households.summary import AreaHouseholds, table_lines
from tandem_sim.sim.inputs.forecasts import given_forecasts
from tandem_sim.sim.inputs.memory_need import check_memory
from tandem_sim.sim.inputs.prices import GivenPrices, given_prices
from tandem_sim.sim.inputs.profiles import build_profiles, profile_named
from tandem_sim.sim.scenario.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class World:
    """What a scenario describes. Agents act in it; nothing but the state of the fleet changes."""

    scenario: Scenario  # its number of households as placed
    calendar: Calendar
    grids: Grids
    fleet: HouseholdFleet
    homes: Households
    residents: Residents
    low_voltage: LowVoltage | None
    prices: GivenPrices
    forecasts: Mapping[str, GivenForecast]  # given ones, by area
    people: Sequence[AreaHouseholds]  # what households every area has
    household_table: Sequence[str]  # what their table gives, in lines; empty without one

    @property
    def aggregator_of(self) -> IntArray:
        """Aggregator of every household (H,) by number."""
        return self.residents.aggregator_of

    @property
    def load_mw(self) -> FloatArray:
        """Injections (T, N) of loads on transmission, unforeseen incidents included."""
        grids = self.grids
        return grids.passive.with_loads(grids.load_mw) + grids.incident_mw


def build_world(scenario: Scenario, folder: Path | None) -> World:
    """The world of a scenario whose relative paths start at `folder`.

    Raises `InputError` for a scenario that cannot be built.
    """
    calendar = scenario.calendar
    profiles = build_profiles(scenario, folder)
    _check_household_profiles(scenario.population.drawn_from, profiles)
    limits = scenario.product.price_floor_eur_per_mwh, scenario.product.price_cap_eur_per_mwh
    prices = given_prices(scenario.prices, profiles, calendar.times(), limits)
    grids = build_grids(scenario, calendar, folder, profiles)
    scenario = scenario.model_copy(update={"households": len(grids.site_of)})
    check_memory(scenario, grids.n_sites, len(grids.transmission.p_mw), calendar.n_isp)
    low = build_low_voltage(scenario, folder, calendar, grids)
    rows = household_rows(scenario, grids)
    aggregator_of = aggregators_of(scenario, grids, rows)
    homes = households_of(scenario, grids, rows)
    people = summaries(scenario, grids, homes, profiles)
    if low is not None:
        grids = with_lv_feeder_sites(grids, low)
        aggregator_of = pools_of_lv_feeders(scenario, low, aggregator_of)
    who = Residents(site_of=grids.site_of, aggregator_of=aggregator_of, n_sites=grids.n_sites, rows=rows)
    return World(
        scenario=scenario,
        calendar=calendar,
        grids=grids,
        fleet=_fleet(
            scenario=scenario, calendar=calendar, residents=who, homes=homes, low=low, profiles=profiles
        ),
        homes=homes,
        residents=who,
        low_voltage=low,
        prices=prices,
        forecasts=given_forecasts(scenario, calendar, folder, grids.sizes_mw()),
        people=people,
        household_table=table_lines(grids.people, homes),
    )


def _fleet(
    scenario: Scenario,
    calendar: Calendar,
    residents: Residents,
    homes: Households,
    low: LowVoltage | None,
    profiles: Profiles,
) -> HouseholdFleet:
    population, times = scenario.population.drawn_from, calendar.times()
    with profile_named("population"):
        return HouseholdFleet.build(
            population=population,
            residents=residents,
            times=times,
            lv_connections=None if low is None else low.lv_connections,
            terms=study_terms(scenario, residents.rows),
            profiles=profiles,
            homes=homes,
        )


def _check_household_profiles(population: Population, profiles: Profiles) -> None:
    """Raise `InputError` for a profile of households that is unknown, or a PV profile that is not in p.u."""
    for key, names in (("load_profiles", population.loads), ("pv_profiles", population.pvs)):
        with profile_named(f"population.{key}"):
            for name in names:
                unit = profiles.unit([name])
                if unit == PRICE or (key == "pv_profiles" and unit != PER_UNIT):
                    raise InputError(
                        "scenario",
                        f"population.{key}",
                        f"{name} is in {unit}",
                        "Give a profile in p.u.; a scale of 1 / kWp turns the power of a system into it",
                    )
                values = profiles.own[name].values if name in profiles.own else np.zeros(1)
                if values.min() < 0.0:
                    raise InputError(
                        "scenario",
                        f"population.{key}",
                        f"{name} of {profiles.own[name].source} is negative, down to {values.min():g}",
                        "Give load or generation alone, both positive",
                    )
