"""From a scenario to a model ready to run, in one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from tandem_sim.agents.devices.population import Households, Population
from tandem_sim.agents.households.fleet import HouseholdFleet, Residents
from tandem_sim.agents.services.afrr import AfrrSettings
from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.profiles import PER_UNIT, PRICE, Profiles
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.markets.settlement.baselines import BaselineRules
from tandem_sim.sim.assembly.agents import MARKET_NAME, AgentBuilder, CreationOrder, GivenSeries
from tandem_sim.sim.assembly.flexibility_study import study_terms
from tandem_sim.sim.assembly.grids import Grids, build_grids
from tandem_sim.sim.assembly.low_voltage import (
    LowVoltage,
    build_low_voltage,
    pools_of_lv_feeders,
    with_lv_feeder_sites,
)
from tandem_sim.sim.assembly.memory_need import check_memory
from tandem_sim.sim.assembly.non_firm import add_non_firm
from tandem_sim.sim.assembly.residents import aggregators_of, household_rows, households_of, summaries
from tandem_sim.sim.assembly.services import add_services
from tandem_sim.sim.clock.bus import Link, build_bus
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.clock.public_holidays import public_holidays
from tandem_sim.sim.clock.randomness import AUDITED, stream
from tandem_sim.sim.delivery.meters import Meters, day_index
from tandem_sim.sim.delivery.reserve import ImbalancePricing, Reserve
from tandem_sim.sim.households.summary import table_lines
from tandem_sim.sim.inputs.forecasts import given_forecasts
from tandem_sim.sim.inputs.prices import GivenPrices, given_prices
from tandem_sim.sim.inputs.profiles import build_profiles, profile_named
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.states import StateRecords, grid_tables
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.settler import SettlementRules, Settler
from tandem_sim.sim.timetable import local_auctions, tenders, tso_auctions

PROMPT_S = 50
"""Latency (s) up to which every message arrives before its gate, with the default gates."""
REGISTER_S = 3600
"""Seconds before the first auction, for the qualification of groups."""


def build_model(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    on_isp: Callable[[int], None],
    creation_order: CreationOrder,
    spool: Path | None = None,
    allowed: AllowedCode = NO_CODE,
) -> tuple[FlexibilityModel, Clock]:
    """A model ready to run that writes its tables into `out`, and its clock.

    Arguments as in `tandem_sim.sim.run.run`; `spool` is the file of recorded rows, if it is to be kept (see
    `Recorder`). Raises `InputError` for a scenario that cannot be built.
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
    fleet = _fleet(
        scenario=scenario, calendar=calendar, residents=who, homes=homes, low=low, profiles=profiles
    )
    recorder = Recorder(out, calendar, spool, scenario.output.leave_out)
    clock = Clock(first_second(scenario, calendar))
    bus = build_bus(Link(**scenario.messages.model_dump()), scenario.seed, clock, recorder)
    model = FlexibilityModel()
    model.calendar, model.areas, model.recorder, model.on_isp = calendar, grids.areas, recorder, on_isp
    model.transmission, model.ledgers = grids.transmission, {}
    model.households, model.household_table = people, table_lines(grids.people, homes)
    model.states = _states(scenario, recorder, grids, fleet)
    model.passive = grids.passive
    model.load_mw = grids.passive.with_loads(grids.load_mw) + grids.incident_mw
    model.carry = bus.carry
    if scenario.flexibility_register.enabled:
        model.flexibility = FlexibilityRegister()
    agents = AgentBuilder(
        scenario=scenario,
        model=model,
        bus=bus,
        grids=grids,
        fleet=fleet,
        aggregator_of=aggregator_of,
        given=GivenSeries(prices.day_ahead, given_forecasts(scenario, calendar, folder, grids.sizes_mw())),
        allowed=allowed,
    )
    agents.create(creation_order)
    model.reserve = _reserve(scenario)
    book = add_services(scenario, model, agents.context, agents.operators, agents.product, MARKET_NAME)
    if low is not None:
        model.non_firm = add_non_firm(scenario, model, low, aggregator_of, agents.forecasts)
    model.settler = _settler(scenario, model, book, prices)
    latency = scenario.messages.latency_s
    prompt = scenario.messages.spread_s == 0.0 and latency <= PROMPT_S
    prompt = prompt and 2 * latency < 60 * scenario.gates.correct  # an award, then an order
    model.reliable = scenario.messages.loss == 0.0 and prompt
    chance = stream(scenario.seed, AUDITED).random(calendar.n_isp)
    model.audited = frozenset(np.flatnonzero(chance < scenario.power_flow_check.audit_share).tolist())
    return model, clock


def first_second(scenario: Scenario, calendar: Calendar) -> int:
    """Second of the first gate of a scenario; negative: before the first ISP."""
    first = calendar.days()[0][0]
    if not scenario.capacity.enabled:
        return first
    auctions = [tenders(tso_auctions(calendar, scenario.capacity))]
    if scenario.capacity.local.needs:
        auctions.append(tenders(local_auctions(calendar, scenario.capacity)))
    return min(first, *(moments[0][0] for moments in auctions)) - REGISTER_S


def _states(scenario: Scenario, recorder: Recorder, grids: Grids, fleet: HouseholdFleet) -> StateRecords:
    """Records of states of all grids, areas first, and of devices; fixes the tables that name the grids."""
    networks = {**{area.name: area.network for area in grids.areas}, TSO: grids.transmission}
    recorder.fix(grid_tables(networks))
    return StateRecords(recorder, networks, grids.areas, fleet.groups, scenario.output.every_isps)


def _reserve(scenario: Scenario) -> Reserve | None:
    """The automatic reserve of a scenario, if it has one."""
    r = scenario.reserve
    if not r.enabled:
        return None
    return Reserve(
        settings=AfrrSettings(
            cycle_s=r.cycle_s,
            full_activation_s=r.full_activation_s,
            gain=r.gain,
            integral_s=r.integral_s,
            delay_s=r.delay_s,
            step_mw=r.step_mw,
            monitor_s=r.monitor_s,
        ),
        sigma_mw=r.noise_mw,
        termination=r.termination,
        seed=scenario.seed,
        setpoint_loss=r.setpoint_loss,
        pricing=r.pricing,
    )


def _settler(
    scenario: Scenario, model: FlexibilityModel, book: CapacityBook | None, prices: GivenPrices
) -> Settler:
    s = scenario.settlement
    names = [pool.name for pool in model.aggregators]
    last = scenario.start + timedelta(days=scenario.days)
    free = public_holidays(s.holidays, scenario.zone, scenario.start, last)
    meters = Meters(
        method=s.baseline,
        rules=BaselineRules(s.x, s.y, s.adjusted, s.before_isps),
        pools=names,
        areas=model.areas,
        groups=model.fleet_agent.fleet.groups,
        days=day_index(model.calendar, free),
        record=model.recorder,
    )
    rules = SettlementRules(
        scenario.capacity.penalty_factor, s.shortfall_eur_per_mwh, s.correct_brp, scenario.capacity.nomination
    )
    pricing = ImbalancePricing(scenario.imbalance.rule, scenario.imbalance.alpha)
    return Settler(
        tso=model.tso,
        clearer=model.clearer,
        dsos=model.dsos,
        pools=model.aggregators,
        transmission_sellers=model.transmission_sellers,
        brps=model.brps,
        brp_of_area=model.brp_of_area,
        fleet_agent=model.fleet_agent,
        meters=meters,
        pricing=pricing,
        given=prices,
        reserve=model.reserve,
        rules=rules,
        recorder=model.recorder,
        hours=model.calendar.isp_hours,
        register=model.flexibility,
        capacity=book,
        non_firm=model.non_firm,
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
