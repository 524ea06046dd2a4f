"""Adds roles to agents: flexibility register, asset tests, capacity, amendments, reactive power."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.operators.amendment import Amendments, AmendRules
from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.portfolios.households import HouseholdPortfolio
from tandem_sim.agents.services.capacity import AuctionRules, CapacityAuctioneer, CapacitySeller, Needs
from tandem_sim.agents.services.flexibility_study import FlexibilityStudyProcess
from tandem_sim.agents.services.nominations import NominationBook
from tandem_sim.agents.services.qualification import (
    Applicant,
    AssetTest,
    AssetTester,
    PrequalificationProcess,
    QualificationRules,
)
from tandem_sim.agents.services.reactive_power import ReactivePowerBuyer, ReactivePowerSeller
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Product
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.sim.assembly.agents import MARKET_NAME, AgentBuilder, Agents
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.timetable import CapacityNeeds, local_hours

ContextOf = Callable[[str], AgentContext]
PRICE = "capacity price"
"""Label of the random capacity price of a seller. It stays: results depend on it."""


def add_services(
    builder: AgentBuilder, agents: Agents, register: FlexibilityRegister | None
) -> CapacityBook | None:
    """Add the roles of a scenario besides energy markets; the capacity book, if capacity is sold."""
    scenario, operators = builder.scenario, builder.operators
    if scenario.forwarding.amend:
        for dso in agents.dsos:
            dso.add_role(Amendments(dso=dso, rules=AmendRules(scenario.forwarding.reprice, builder.product)))
    if scenario.local_reactive.enabled:
        _reactive(scenario, agents, operators, register)
    if register is None:
        return None
    _register(scenario, agents, builder.context, operators, register)
    if not scenario.capacity.enabled:
        return None
    book = CapacityBook(register)
    _buyers(scenario, agents, book, builder.world.calendar)
    _sellers(scenario, agents, builder.context)
    return book


def _reactive(
    scenario: Scenario,
    agents: Agents,
    operators: Mapping[str, str],
    register: FlexibilityRegister | None,
) -> None:
    settings, limits = scenario.local_reactive, scenario.product
    floor = max(limits.price_floor_eur_per_mwh, 0.0)  # below 0 a DSO would buy without need
    product = Product(
        name="reactive power",
        price_floor_eur_per_mwh=floor,
        price_cap_eur_per_mwh=limits.price_cap_eur_per_mwh,
        unit="Mvar",
    )
    for dso in agents.dsos:
        dso.add_role(
            ReactivePowerBuyer(
                name=dso.name,
                context=dso.context,
                system=dso.system,
                product=product,
                operator_state=dso,
                register=register,
            )
        )
    for pool in agents.aggregators:
        if isinstance(pool.portfolio, HouseholdPortfolio):
            pool.add_role(
                ReactivePowerSeller(
                    name=pool.name,
                    context=pool.context,
                    inverters=pool.portfolio.inverters(),
                    power_factor=settings.power_factor,
                    price_eur_per_mvarh=settings.price_eur_per_mvarh,
                    buyers=operators,
                    fleet_name=agents.fleet_agent.name,
                )
            )


def _register(
    scenario: Scenario,
    agents: Agents,
    context: ContextOf,
    operators: Mapping[str, str],
    register: FlexibilityRegister,
) -> None:
    r = scenario.flexibility_register
    valid_s, suspended_s = round(86_400 * r.valid_days), round(3600 * r.suspension_hours)
    rules = QualificationRules(valid_s, r.strikes, suspended_s, min(2 * 86_400, valid_s // 2))
    connected: dict[str, dict[str, RegisteredUnit]] = {}
    for seller in agents.sellers:
        assets = seller.portfolio.assets()
        for unit in assets.units:
            connected.setdefault(unit.system, {})[unit.name] = unit
        seller.add_role(
            Applicant(
                name=seller.name,
                context=context(seller.name),
                operator=agents.tso.name,
                service=assets.service,
                units=assets.units,
                fast_mw=assets.fast_mw,
                renew_s=rules.renew_s,
            )
        )
    test = AssetTest(connected.get(T, {}))
    agents.tso.add_role(
        PrequalificationProcess(
            name=agents.tso.name,
            context=agents.tso.context,
            register=register,
            rules=rules,
            test=test,
            operators=operators,
        )
    )
    for dso in agents.dsos:
        study = dso.role(FlexibilityStudyProcess) if r.grid_test else None
        own = AssetTest(connected.get(dso.system, {}), None if study is None else study.test)
        dso.add_role(AssetTester(name=dso.name, context=dso.context, test=own))


def _buyers(scenario: Scenario, agents: Agents, book: CapacityBook, calendar: Calendar) -> None:
    settings, tso = scenario.capacity, agents.tso
    needs = CapacityNeeds(settings, local_hours(calendar))
    rules = AuctionRules(settings.pricing == "pay-as-cleared", settings.pool_minimum_mw)
    pools = [a.name for a in agents.aggregators]

    def of_tso(block: range) -> Needs:
        return needs.of_tso

    tso.add_role(
        CapacityAuctioneer(
            name=tso.name,
            context=tso.context,
            book=book,
            rules=rules,
            systems=[T, *(d.system for d in agents.dsos)],
            sellers=[*pools, *(p.name for p in agents.transmission_sellers)],
            needs=of_tso,
        )
    )
    if settings.nomination:
        tso.add_role(NominationBook(name=tso.name, context=tso.context))
    local = AuctionRules(rules.marginal, 0.0, local=True)
    onward = tso.name if settings.local.forwarding else None
    for dso in agents.dsos:
        if any(need.area == dso.system for need in settings.local.needs):
            dso.add_role(
                CapacityAuctioneer(
                    name=dso.name,
                    context=dso.context,
                    book=book,
                    rules=local,
                    systems=[dso.system],
                    sellers=pools,
                    needs=partial(needs.of_dso, dso.system),
                    forward_to=onward,
                )
            )


def _sellers(scenario: Scenario, agents: Agents, context: ContextOf) -> None:
    c = scenario.capacity
    units = {u.name for u in scenario.transmission.units}
    nominates_to = agents.tso.name if c.nomination else None

    def seller(agent: Aggregator, price: float, double: bool) -> CapacitySeller:
        own = context(f"capacity {agent.name}")
        spread = 1.0 + c.price_spread * (float(own.draws(PRICE).random()) - 0.5)
        return CapacitySeller(
            name=agent.name,
            context=own,
            availability=agent.portfolio.availability,
            price_eur_per_mw_h=price * spread,
            share=c.offered_share,
            tick_mw=c.tick_mw,
            double=double,
            market=MARKET_NAME if agent.name in units else None,
            strike_eur_per_mwh=c.strike_eur_per_mwh,
            nominates_to=nominates_to,
        )

    for pool in agents.aggregators:
        double = pool.name in scenario.conduct.double_selling
        pool.add_role(seller(pool, c.pool_price_eur_per_mw_h, double))
    for unit_or_load in agents.transmission_sellers:
        unit_or_load.add_role(seller(unit_or_load, c.unit_price_eur_per_mw_h, False))
