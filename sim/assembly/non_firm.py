"""Adds the roles of non-firm connections: limiters and curtailment markets of DSOs, substitution."""

from __future__ import annotations

from functools import partial

import numpy as np

from tandem_sim.agents.non_firm.activation import Activation, ConnectionLimiter
from tandem_sim.agents.non_firm.contracts import ContractBook
from tandem_sim.agents.non_firm.curtailment_trading import CurtailmentMarket
from tandem_sim.agents.non_firm.substitution import SubstitutionProcess
from tandem_sim.agents.non_firm.tso_substitution import TsoSubstitution
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.tso import TSO
from tandem_sim.agents.portfolios.households import HouseholdPortfolio
from tandem_sim.grids.types import IntArray
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.sim.assembly.agents import AgentBuilder, Agents
from tandem_sim.sim.assembly.low_voltage import LowVoltage
from tandem_sim.sim.delivery.forecasts import ForecastService
from tandem_sim.sim.delivery.reserve import reserve_books
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.audit_non_firm import NonFirmAudit
from tandem_sim.sim.settlement.non_firm import NonFirm


def add_non_firm(
    builder: AgentBuilder, agents: Agents, register: FlexibilityRegister | None
) -> NonFirm | None:
    """LV feeders and contracts of a run, None without LV feeders."""
    world, low = builder.world, builder.world.low_voltage
    if low is None:
        return None
    scenario, calendar = world.scenario, world.calendar
    year_of = calendar.times().tz_convert(calendar.zone).year.to_numpy().astype(np.int64)
    book = ContractBook(low.contracts, year_of)
    if scenario.non_firm.enabled:
        rows = np.argsort(low.lv_connections.connection_of, kind="stable")[-len(low.contracts) :]
        pool_of = world.aggregator_of[rows]
        for dso in agents.dsos:
            _add_limiter(scenario, agents, dso, low, book, pool_of, builder.forecasts)
        _add_substitution(scenario, agents, register)
    return NonFirm(
        lv_feeders=low.lv_feeders,
        book=book,
        dsos=agents.dsos,
        pools=agents.aggregators,
        tso=agents.tso,
        fleet_agent=agents.fleet_agent,
        audit=NonFirmAudit(low.contracts, year_of),
        record=builder.recorder,
        hours=calendar.isp_hours,
        shortfall_eur_per_mwh=scenario.settlement.shortfall_eur_per_mwh,
        year_of=year_of,
        permanent=low.permanent,
    )


def _add_limiter(
    scenario: Scenario,
    agents: Agents,
    dso: DSO,
    low: LowVoltage,
    book: ContractBook,
    pool_of: IntArray,
    forecasts: ForecastService,
) -> None:
    settings = scenario.non_firm
    lv_feeders = [lv_feeder for lv_feeder in low.lv_feeders if lv_feeder.area == dso.system]
    if not lv_feeders:
        return
    rule = Activation(settings.who, settings.flow_margin, settings.voltage_margin_pu)
    limiter = ConnectionLimiter(
        name=dso.name,
        context=dso.context,
        lv_feeders=lv_feeders,
        book=book,
        rule=rule,
        fleet_agent=agents.fleet_agent,
        pool_of=pool_of,
        informed=any(block.party == "dso" for block in dso.scheme.blocks),
        error=partial(forecasts.share_error, dso.area),
        lead_s=forecasts.lead_s,
        area_excess=dso.area_excess,
        before_bids=settings.role == "prequalification",
    )
    dso.add_role(limiter)
    if settings.trading:
        dso.add_role(
            CurtailmentMarket(
                context=dso.context,
                limits=limiter,
                lv_feeders=lv_feeders,
                rule=rule,
                fleet_agent=agents.fleet_agent,
                value_eur_per_mwh=settings.trade_value_eur_per_mwh,
            )
        )


def _add_substitution(scenario: Scenario, agents: Agents, register: FlexibilityRegister | None) -> None:
    settings, tso = scenario.non_firm, agents.tso
    names = [pool.name for pool in agents.aggregators]
    groups, reserve = len(agents.fleet_agent.fleet.groups), scenario.reserve.enabled
    for pool in agents.aggregators:
        if isinstance(pool.portfolio, HouseholdPortfolio):
            pool.add_role(
                SubstitutionProcess(
                    name=pool.name,
                    context=pool.context,
                    portfolio=pool.portfolio,
                    substitution=settings.substitution,
                    peers=[name for name in names if name != pool.name],
                    tso=tso.name,
                    sold=partial(pool.sales.commitments, n_groups=groups, reserve=reserve),
                )
            )
    if "tso" in settings.substitution:
        held = partial(_held_for_reserve_mw, tso, register) if reserve else _nothing_held
        tso.add_role(TsoSubstitution(tso=tso, register=register, held_mw=held))


def _held_for_reserve_mw(
    tso: TSO, register: FlexibilityRegister | None, isp: int
) -> dict[tuple[str, int], float]:
    """MW that the TSO can call of every seller as aFRR in an ISP, by seller and direction."""
    books = reserve_books(tso.known(isp), tso.ledger(isp), tso.scheme, register, tso.context.now())
    held: dict[tuple[str, int], float] = {}
    for bids, left in books.values():
        for k in np.flatnonzero(left):
            key = str(bids.provider[k]), int(bids.direction[k])
            held[key] = held.get(key, 0.0) + float(left[k])
    return held


def _nothing_held(isp: int) -> dict[tuple[str, int], float]:
    return {}
