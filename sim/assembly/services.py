"""Adds services to agents: flexibility register, asset tests, capacity, amendments, reactive power."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.operators.amendment import AmendRules
from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.portfolios.households import HouseholdPortfolio
from tandem_sim.agents.services.capacity import AuctionRules, CapacityAuctioneer, CapacitySeller
from tandem_sim.agents.services.qualification import (
    Applicant,
    AssetTest,
    PrequalificationProcess,
    QualificationRules,
)
from tandem_sim.agents.services.reactive_power import ReactivePowerBuyer, ReactivePowerSeller
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Product
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.scenario.market_sections import CapacitySettings
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.timetable import CapacityNeeds, local_hours

ContextOf = Callable[[str], AgentContext]
PRICE = "capacity price"
"""Label of the random capacity price of a seller. It stays: results depend on it."""


def add_services(
    scenario: Scenario,
    model: FlexibilityModel,
    context: ContextOf,
    operators: Mapping[str, str],
    product: Product,
    market: str,
) -> CapacityBook | None:
    """Add register, capacity, amendments and reactive power, if the scenario has them; the capacity book.

    `operators` names the operator of every system, `market` the day-ahead market.
    """
    if scenario.forwarding.amend:
        for dso in model.dsos:
            dso.amend_rules = AmendRules(scenario.forwarding.reprice, product)
    if scenario.local_reactive.enabled:
        _reactive(scenario, model, operators)
    if model.flexibility is None:
        return None
    _register(scenario, model, context, operators, model.flexibility)
    if not scenario.capacity.enabled:
        return None
    book = CapacityBook(model.flexibility)
    model.needs = CapacityNeeds(scenario.capacity, local_hours(model.calendar))
    _buyers(scenario.capacity, model, book)
    _sellers(scenario, model, context, market)
    return book


def _reactive(scenario: Scenario, model: FlexibilityModel, operators: Mapping[str, str]) -> None:
    settings, limits = scenario.local_reactive, scenario.product
    floor = max(limits.price_floor_eur_per_mwh, 0.0)  # below 0 a DSO would buy without need
    product = Product(
        name="reactive power",
        price_floor_eur_per_mwh=floor,
        price_cap_eur_per_mwh=limits.price_cap_eur_per_mwh,
        unit="Mvar",
    )
    for dso in model.dsos:
        dso.reactive = ReactivePowerBuyer(
            name=dso.name, context=dso.context, system=dso.system, product=product, register=model.flexibility
        )
    for pool in model.aggregators:
        assert isinstance(pool.portfolio, HouseholdPortfolio)  # what `FlexibilityModel.aggregators` are
        pool.reactive = ReactivePowerSeller(
            name=pool.name,
            context=pool.context,
            inverters=pool.portfolio.inverters(),
            power_factor=settings.power_factor,
            price_eur_per_mvarh=settings.price_eur_per_mvarh,
            buyers=operators,
            fleet_name=model.fleet_agent.name,
        )


def _register(
    scenario: Scenario,
    model: FlexibilityModel,
    context: ContextOf,
    operators: Mapping[str, str],
    register: FlexibilityRegister,
) -> None:
    r = scenario.flexibility_register
    valid_s, suspended_s = round(86_400 * r.valid_days), round(3600 * r.suspension_hours)
    rules = QualificationRules(valid_s, r.strikes, suspended_s, min(2 * 86_400, valid_s // 2))
    connected: dict[str, dict[str, RegisteredUnit]] = {}
    for seller in (*model.aggregators, *model.transmission_sellers):
        assets = seller.portfolio.assets()
        for unit in assets.units:
            connected.setdefault(unit.system, {})[unit.name] = unit
        seller.applicant = Applicant(
            name=seller.name,
            context=context(seller.name),
            operator=model.tso.name,
            service=assets.service,
            units=assets.units,
            fast_mw=assets.fast_mw,
            renew_s=rules.renew_s,
        )
    test = AssetTest(connected.get(T, {}))
    model.tso.qualification = PrequalificationProcess(
        name=model.tso.name,
        context=model.tso.context,
        register=register,
        rules=rules,
        test=test,
        operators=operators,
    )
    for dso in model.dsos:
        study = dso.study.test if r.grid_test and dso.study is not None else None
        dso.test = AssetTest(connected.get(dso.system, {}), study)


def _buyers(settings: CapacitySettings, model: FlexibilityModel, book: CapacityBook) -> None:
    rules = AuctionRules(settings.pricing == "pay-as-cleared", settings.pool_minimum_mw)
    pools = [a.name for a in model.aggregators]
    everybody = [*pools, *(p.name for p in model.transmission_sellers)]
    systems = [T, *(d.system for d in model.dsos)]
    model.tso.capacity = CapacityAuctioneer(
        name=model.tso.name,
        context=model.tso.context,
        book=book,
        rules=rules,
        systems=systems,
        sellers=everybody,
    )
    local = AuctionRules(rules.marginal, 0.0)
    onward = model.tso.name if settings.local.forwarding else None
    for dso in model.dsos:
        if any(need.area == dso.system for need in settings.local.needs):
            dso.capacity = CapacityAuctioneer(
                name=dso.name,
                context=dso.context,
                book=book,
                rules=local,
                systems=[dso.system],
                sellers=pools,
                forward_to=onward,
            )


def _sellers(scenario: Scenario, model: FlexibilityModel, context: ContextOf, market: str) -> None:
    c = scenario.capacity

    def seller(agent: Aggregator, price: float, double: bool, informs: str | None) -> CapacitySeller:
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
            market=informs,
            strike_eur_per_mwh=c.strike_eur_per_mwh,
        )

    for pool in model.aggregators:
        pool.capacity = seller(
            pool, c.pool_price_eur_per_mw_h, pool.name in scenario.conduct.double_selling, None
        )
    units = {u.name for u in scenario.transmission.units}
    for unit_or_load in model.transmission_sellers:
        informs = market if unit_or_load.name in units else None
        unit_or_load.capacity = seller(unit_or_load, c.unit_price_eur_per_mw_h, False, informs)
