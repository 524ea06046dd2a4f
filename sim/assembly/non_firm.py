"""Adds non-firm connections: limiters and curtailment markets of DSOs, substitution of pools."""

from __future__ import annotations

from functools import partial

import numpy as np

from tandem_sim.agents.non_firm.activation import Activation, ConnectionLimiter
from tandem_sim.agents.non_firm.contracts import ContractBook
from tandem_sim.agents.non_firm.curtailment_trading import CurtailmentMarket
from tandem_sim.agents.non_firm.substitution import SubstitutionProcess
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.portfolios.households import HouseholdPortfolio
from tandem_sim.grids.types import IntArray
from tandem_sim.sim.assembly.low_voltage import LowVoltage
from tandem_sim.sim.delivery.forecasts import ForecastService
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.audit_non_firm import NonFirmAudit
from tandem_sim.sim.settlement.non_firm import NonFirm


def add_non_firm(
    scenario: Scenario,
    model: FlexibilityModel,
    low: LowVoltage,
    aggregator_of: IntArray,
    forecasts: ForecastService,
) -> NonFirm:
    """LV feeders and contracts of a run. `aggregator_of` (H,) is the pool of every household by number."""
    calendar = model.calendar
    year_of = calendar.times().tz_convert(calendar.zone).year.to_numpy().astype(np.int64)
    book = ContractBook(low.contracts, year_of)
    if scenario.non_firm.enabled:
        rows = np.argsort(low.lv_connections.connection_of, kind="stable")[-len(low.contracts) :]
        for dso in model.dsos:
            _add_limiter(scenario, model, dso, low, book, aggregator_of[rows], forecasts)
        _add_substitution(scenario, model)
    return NonFirm(
        lv_feeders=low.lv_feeders,
        book=book,
        dsos=model.dsos,
        pools=model.aggregators,
        tso=model.tso,
        fleet_agent=model.fleet_agent,
        register=model.flexibility,
        ledgers=model.ledgers,
        reserve=scenario.reserve.enabled,
        audit=NonFirmAudit(low.contracts, year_of),
        record=model.recorder,
        hours=calendar.isp_hours,
        shortfall_eur_per_mwh=scenario.settlement.shortfall_eur_per_mwh,
        year_of=year_of,
        permanent=low.permanent,
    )


def _add_limiter(
    scenario: Scenario,
    model: FlexibilityModel,
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

    informed = any(block.party == "dso" for block in dso.scheme.blocks)
    dso.non_firm = ConnectionLimiter(
        name=dso.name,
        context=dso.context,
        lv_feeders=lv_feeders,
        book=book,
        rule=rule,
        fleet_agent=model.fleet_agent,
        pool_of=pool_of,
        informed=informed,
        error=partial(forecasts.share_error, dso.area),
        lead_s=forecasts.lead_s,
    )
    if settings.trading:
        value = settings.trade_value_eur_per_mwh
        dso.trading = CurtailmentMarket(
            context=dso.context,
            limits=dso.non_firm,
            lv_feeders=lv_feeders,
            rule=rule,
            fleet_agent=model.fleet_agent,
            value_eur_per_mwh=value,
        )


def _add_substitution(scenario: Scenario, model: FlexibilityModel) -> None:
    names = [pool.name for pool in model.aggregators]
    groups, reserve = len(model.fleet_agent.fleet.groups), scenario.reserve.enabled
    for pool in model.aggregators:
        assert isinstance(pool.portfolio, HouseholdPortfolio)  # what `FlexibilityModel.aggregators` are
        peers = [name for name in names if name != pool.name]
        pool.substitution = SubstitutionProcess(
            name=pool.name,
            context=pool.context,
            portfolio=pool.portfolio,
            substitution=scenario.non_firm.substitution,
            peers=peers,
            tso=model.tso.name,
            sold=partial(pool.sales.commitments, n_groups=groups, reserve=reserve),
        )
