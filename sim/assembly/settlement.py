"""Settlement, reserve and records of states of a scenario."""

from __future__ import annotations

from datetime import timedelta

from tandem_sim.agents.services.afrr import AfrrSettings
from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.grids.network.network import Network
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.markets.settlement.baselines import BaselineRules
from tandem_sim.sim.assembly.agents import Agents
from tandem_sim.sim.assembly.world import World
from tandem_sim.sim.clock.public_holidays import public_holidays
from tandem_sim.sim.delivery.meters import Meters, day_index
from tandem_sim.sim.delivery.own_baseline import build_baseline
from tandem_sim.sim.delivery.reserve import ImbalancePricing, Reserve
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.states import StateRecords, grid_tables
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.non_firm import NonFirm
from tandem_sim.sim.settlement.settler import SettlementRules, Settler


def build_states(world: World, recorder: Recorder) -> StateRecords:
    """Records of states of all grids, areas first, and of devices; fixes the tables that name the grids."""
    grids, every = world.grids, world.scenario.output.every_isps
    networks: dict[str, Network] = {area.name: area.network for area in grids.areas}
    networks[TSO] = grids.transmission
    recorder.fix(grid_tables(networks))
    return StateRecords(recorder, networks, grids.areas, world.fleet.groups, every)


def build_reserve(scenario: Scenario) -> Reserve | None:
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


def build_settler(
    world: World,
    agents: Agents,
    recorder: Recorder,
    *,
    reserve: Reserve | None,
    register: FlexibilityRegister | None,
    capacity: CapacityBook | None,
    non_firm: NonFirm | None,
    allowed: AllowedCode = NO_CODE,
) -> Settler:
    """The settlement of a scenario. A baseline of a user comes from `allowed` code."""
    scenario, calendar = world.scenario, world.calendar
    s = scenario.settlement
    last = scenario.start + timedelta(days=scenario.days)
    free = public_holidays(s.holidays, scenario.zone, scenario.start, last)
    groups, days = world.fleet.groups, day_index(calendar, free)
    meters = Meters(
        method=s.baseline,
        rules=BaselineRules(s.x, s.y, s.adjusted, s.before_isps),
        pools=[pool.name for pool in agents.aggregators],
        areas=world.grids.areas,
        groups=groups,
        days=days,
        record=recorder,
        own=build_baseline(s.baseline, s.baseline_options, len(groups), days, allowed),
    )
    rules = SettlementRules(scenario.capacity.penalty_factor, s.shortfall_eur_per_mwh, s.correct_brp)
    return Settler(
        tso=agents.tso,
        clearer=agents.clearer,
        dsos=agents.dsos,
        pools=agents.aggregators,
        transmission_sellers=agents.transmission_sellers,
        brps=agents.brps,
        brp_of_area=agents.brp_of_area,
        fleet_agent=agents.fleet_agent,
        meters=meters,
        pricing=ImbalancePricing(scenario.imbalance.rule, scenario.imbalance.alpha),
        given=world.prices,
        reserve=reserve,
        rules=rules,
        recorder=recorder,
        hours=calendar.isp_hours,
        register=register,
        capacity=capacity,
        non_firm=non_firm,
    )
