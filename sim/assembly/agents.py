"""Builds the agents of one scenario into the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext, Participant
from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.forecast import ForecastErrors
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.operators.admission import Admission
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.market_operator import MarketOperator
from tandem_sim.agents.operators.operator import Ledgers, Operator, OperatorSetup
from tandem_sim.agents.operators.tso import TSO, TransmissionData
from tandem_sim.agents.parties.aggregator import Aggregator, Conduct, MarketAccess
from tandem_sim.agents.parties.brp import BRP, Purchasing
from tandem_sim.agents.parties.day_ahead_market import DayAheadMarket
from tandem_sim.agents.portfolios.households import HouseholdPortfolio
from tandem_sim.agents.portfolios.portfolio import Portfolio
from tandem_sim.agents.portfolios.transmission import (
    LargeLoad,
    LoadPortfolio,
    TransmissionUnit,
    UnitPortfolio,
)
from tandem_sim.agents.services.flexibility_study import FlexibilityStudyProcess
from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.agents.strategies.registry import Permission, StrategyInputs, build_strategy
from tandem_sim.grids.power_flow.operator_model import Margins, OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.orders.products import REQUIREMENTS, Product
from tandem_sim.sim.assembly.flexibility_study import build_study
from tandem_sim.sim.assembly.world import World
from tandem_sim.sim.clock.bus import Bus
from tandem_sim.sim.clock.randomness import FORECAST, STRATEGY, stream
from tandem_sim.sim.delivery.forecasts import ForecastService
from tandem_sim.sim.named_schemes import scheme_of
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.scenario.sections import StrategySettings

TSO_NAME, MARKET_NAME, FLEET_NAME, PLATFORM_NAME = "TSO", "day-ahead market", "households", "market operator"
AFRR_S = REQUIREMENTS["aFRR"].full_activation_s
CreationOrder = Callable[[Sequence[Any]], Sequence[Any]]
"""Sorts agents or processes before they are created; `list` keeps their order."""


@dataclass(frozen=True, kw_only=True)
class Agents:
    """The agents of a model, each kind in the order of their names, household pools by number."""

    fleet_agent: FleetAgent
    dsos: Sequence[DSO]
    market_operator: MarketOperator | None  # of an integrated market
    tso: TSO
    aggregators: Sequence[Aggregator]  # household pools
    transmission_sellers: Sequence[Aggregator]
    market: DayAheadMarket
    brps: Sequence[BRP]
    brp_t: BRP
    brp_of_area: Mapping[str, BRP]

    @property
    def clearer(self) -> TSO | MarketOperator:
        """The operator that clears the last market: the TSO, or the independent market operator."""
        return self.market_operator or self.tso

    @property
    def operators(self) -> list[Operator]:
        """All operators that run blocks of the scheme."""
        return [*self.dsos, *([self.market_operator] if self.market_operator else []), self.tso]

    @property
    def sellers(self) -> list[Aggregator]:
        """All BSPs."""
        return [*self.aggregators, *self.transmission_sellers]

    def in_order(self) -> list[Participant]:
        """All agents in the order in which they act at a gate."""
        return [self.fleet_agent, *self.operators, *self.sellers, self.market, *self.brps]


class AgentBuilder:
    """Creates the agents of one world in a model, each with its context by name.

    `allowed` is the code that strategies and the scheme may come from.
    """

    def __init__(
        self,
        *,
        model: mesa.Model,
        world: World,
        bus: Bus,
        recorder: Recorder,
        context: Callable[[str], AgentContext],
        ledgers: Ledgers,
        register: FlexibilityRegister | None,
        allowed: AllowedCode = NO_CODE,
    ) -> None:
        self.model, self.world, self.bus, self.ledgers = model, world, bus, ledgers
        self.recorder, self.context = recorder, context
        self.scenario, self.grids, self.fleet = world.scenario, world.grids, world.fleet
        self.clock, scenario = bus.clock, world.scenario
        self.permission = Permission(allowed, scenario.strategy_limit_s)
        self.operators = {T: TSO_NAME, **{a.name: f"DSO-{a.name}" for a in self.grids.areas}}
        self.pools = scenario.pools
        self.units = [
            TransmissionUnit(
                name=u.name,
                node=self._bus(u.bus, f"units.{u.name}"),
                p_min_mw=u.p_min_mw,
                p_max_mw=u.p_max_mw,
                ramp_mw=u.ramp_mw_per_isp,
                c1=u.c1,
                c2=u.c2,
                adder=u.adder,
            )
            for u in scenario.units
        ]
        self.large_loads = [
            LargeLoad(
                name=x.name,
                node=self._bus(x.bus, f"large_loads.{x.name}"),
                up_mw=x.up_mw,
                up_price=x.up_price,
                down_mw=x.down_mw,
                down_price=x.down_price,
            )
            for x in scenario.large_loads
        ]
        self.scheme = scheme_of(scenario, allowed)
        self.integrated = any(b.party == "operator" for b in self.scheme.blocks)
        self.clearer = PLATFORM_NAME if self.integrated else TSO_NAME
        self.product = Product(name="mFRR energy", **scenario.product.model_dump())
        self.admission = Admission(self.product, "mFRR", register, scenario.forwarding.pooled_by)
        self.local_admission = Admission(replace(self.product, pool_minimum_mw=0.0), "LFM", register)
        self.forecasts = self._forecast_service()

    def _forecast_service(self) -> ForecastService:
        scenario, grids = self.scenario, self.grids
        sizes = {T: -float(grids.transmission.p_mw.sum()) * scenario.transmission.load_scale}
        sizes |= {
            d.id: -float(a.network.p_mw.sum()) * d.load_scale
            for d, a in zip((given for _, given in scenario.areas), grids.areas, strict=True)
        }
        errors = ForecastErrors.draw(
            scenario.forecast.mape,
            scenario.forecast.persistence,
            sizes,
            len(grids.load_mw),
            {area: stream(scenario.seed, FORECAST, area) for area in sizes},
        )
        return ForecastService(
            calendar=self.world.calendar,
            clock=self.clock,
            fleet=self.fleet,
            areas=grids.areas,
            load_mw=grids.passive.with_loads(grids.load_mw),
            errors=errors,
            given=self.world.forecasts,
        )

    def _bus(self, bus: int, field: str) -> int:
        return int(
            self.grids.transmission.nodes_of(np.array([bus]), f"transmission.{field}.bus", "scenario")[0]
        )

    def create(self, creation_order: CreationOrder) -> Agents:
        """Create all agents, sorted by `creation_order`, and connect them to the bus."""
        fleet_agent = FleetAgent(
            self.model,
            name=FLEET_NAME,
            context=self.context(FLEET_NAME),
            fleet=self.fleet,
            owners=self.pools,
            isps_per_day=86_400 // self.world.calendar.isp_seconds,
        )
        made: dict[str, Any] = {"fleet_agent": fleet_agent}
        for kind in creation_order([self._operators, self._sellers, self._market, self._brps]):
            made |= kind(fleet_agent, creation_order)
        agents = Agents(**made)
        self.bus.connect({agent.name: agent.receive for agent in agents.in_order()})
        return agents

    def _operators(self, fleet_agent: FleetAgent, creation_order: CreationOrder) -> dict[str, Any]:
        dsos = [self._dso(area, fleet_agent) for area in creation_order(self.grids.areas)]
        operator = None
        if self.integrated:
            operator = MarketOperator(
                self.model,
                setup=self._setup(PLATFORM_NAME, self.admission),
                dc=self.grids.dc,
                areas=self.grids.areas,
                interface_node=self.grids.interface_node,
            )
        return {
            "dsos": sorted(dsos, key=lambda dso: dso.name),
            "tso": self._tso(fleet_agent),
            "market_operator": operator,
        }

    def _setup(self, name: str, admission: Admission) -> OperatorSetup:
        return OperatorSetup(
            name=name,
            context=self.context(name),
            scheme=self.scheme,
            admission=admission,
            ledgers=self.ledgers,
            operators=self.operators,
        )

    def _sellers(self, fleet_agent: FleetAgent, creation_order: CreationOrder) -> dict[str, Any]:
        names, isp_seconds = self.pools, self.world.calendar.isp_seconds
        to_dso = any(b.party == "dso" for b in self.scheme.blocks)
        receivers = {a.name: self.operators[a.name] if to_dso else self.clearer for a in self.grids.areas}
        to_markets = MarketAccess(product=self.product, receivers=receivers, fleet_name=FLEET_NAME)
        pools = [
            self._aggregator(name, HouseholdPortfolio(name, k, fleet_agent, self.grids.areas), to_markets)
            for k, name in creation_order(list(enumerate(names)))
        ]
        portfolios: list[tuple[str, Portfolio]] = [
            (u.name, UnitPortfolio(u, AFRR_S / isp_seconds)) for u in self.units
        ]
        portfolios += [(x.name, LoadPortfolio(x)) for x in self.large_loads]
        on_transmission = MarketAccess(
            product=self.product, receivers={T: self.clearer}, day_ahead_market=MARKET_NAME
        )
        sellers = [self._aggregator(n, p, on_transmission) for n, p in creation_order(portfolios)]
        return {
            "aggregators": sorted(pools, key=lambda a: names.index(a.name)),
            "transmission_sellers": sorted(sellers, key=lambda a: a.name),
        }

    def _market(self, fleet_agent: FleetAgent, creation_order: CreationOrder) -> dict[str, Any]:
        price_receivers = [*self.pools, *(x.name for x in self.large_loads), TSO_NAME]
        if self.integrated:
            price_receivers += sorted(f"BRP-{name}" for name in self.operators)
        market = DayAheadMarket(
            self.model,
            name=MARKET_NAME,
            context=self.context(MARKET_NAME),
            units=self.units,
            sellers=[u.name for u in self.units],
            price_receivers=price_receivers,
            operator=TSO_NAME,
            given_price=self.world.prices.day_ahead,
        )
        return {"market": market}

    def _dso(self, area: Area, fleet_agent: FleetAgent) -> DSO:
        name = self.operators[area.name]
        margins = Margins(self.scenario.dso.flow_margin, self.scenario.dso.voltage_margin_pu)
        dso = DSO(
            self.model,
            setup=self._setup(name, self.local_admission),
            area=area,
            fleet_agent=fleet_agent,
            forecast_error_mw=self.forecasts.error_mw,
            operator_model=OperatorModel(area.lin, area.power_flow, self.scenario.dso.offset, margins),
            clearer=self.clearer,
        )
        study = self._study(area, name)
        if study is not None:
            dso.add_role(study)
        return dso

    def _study(self, area: Area, dso: str) -> FlexibilityStudyProcess | None:
        """The network flexibility study of a DSO, None where scheme and register use none."""
        tested = self.scenario.flexibility_register.enabled and self.scenario.flexibility_register.grid_test
        if not (self.scheme.reads("area.zones") or tested):
            return None
        register, timeline = build_study(
            self.scenario, self.world.calendar, area, self.fleet, int(self.clock.now())
        )
        return FlexibilityStudyProcess(
            system=area.name,
            context=self.context(f"study {dso}"),
            register=register,
            timeline=timeline,
            isp_seconds=self.world.calendar.isp_seconds,
        )

    def _tso(self, fleet_agent: FleetAgent) -> TSO:
        return TSO(
            self.model,
            setup=self._setup(TSO_NAME, self.admission),
            transmission=TransmissionData(
                dc=self.grids.dc,
                load_mw=self.grids.load_mw,
                passive=self.grids.passive,
                unit_node={u.name: u.node for u in self.units},
                interface_node=self.grids.interface_node,
            ),
            areas=self.grids.areas,
            fleet_agent=fleet_agent,
            forecast_error_mw=self.forecasts.error_mw,
            platform=PLATFORM_NAME if self.integrated else None,
        )

    def _aggregator(self, name: str, portfolio: Portfolio, access: MarketAccess) -> Aggregator:
        s, pool = self.scenario, access.fleet_name is not None
        given = {who: (k, mine) for k, mine in enumerate(s.strategies) for who in mine.aggregators}
        number, mine = given.get(name, (None, StrategySettings(aggregators=[name], name=s.strategy)))
        field = "strategy" if number is None else f"strategies.{number}"
        own = stream(s.seed, STRATEGY, name)
        inputs = StrategyInputs(own, 86_400 // self.world.calendar.isp_seconds, s.publishes_books)
        strategy = build_strategy(mine.name, mine.options, inputs, field, name, self.permission)
        declares = pool and s.settlement.measures
        conduct = Conduct(
            consents=s.forwarding.consent,
            amends=pool and s.forwarding.amend and any(b.party == "dso" for b in self.scheme.blocks),
            reprices=s.forwarding.reprice,
            declares_to=TSO_NAME if declares else None,
            mape=s.settlement.schedule_mape,
            sells_twice=name in s.conduct.double_selling,
            replaces_faults=s.strategy_fault == "truthful",
        )
        return Aggregator(
            self.model,
            name=name,
            context=self.context(name),
            portfolio=portfolio,
            strategy=strategy,
            access=access,
            conduct=conduct,
        )

    def _brps(self, fleet_agent: FleetAgent, creation_order: CreationOrder) -> dict[str, Any]:
        to_dso = self.scheme.reads("area.scheduled")

        def brp(system: str, forecast: Callable[[range], FloatArray], node: int) -> BRP:
            name, how = f"BRP-{system}", None
            if self.integrated:
                how = Purchasing(PLATFORM_NAME, node, self.product, self.scenario.willingness_spread)
            own = (self.operators[system],) if to_dso and system != T else ()
            return BRP(
                self.model,
                name=name,
                context=self.context(name),
                forecast=forecast,
                receivers=(MARKET_NAME, TSO_NAME, *own),
                purchasing=how,
            )

        brp_t = brp(T, self.forecasts.transmission, int(np.argmin(self.grids.load_mw.sum(axis=0))))
        of_area = {
            a.name: brp(a.name, partial(self.forecasts.distribution, a), self.grids.interface_node[a.name])
            for a in creation_order(self.grids.areas)
        }
        brps = sorted([brp_t, *of_area.values()], key=lambda brp: brp.name)
        return {"brp_t": brp_t, "brp_of_area": of_area, "brps": brps}
