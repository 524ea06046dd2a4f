"""Gives agents what non-firm connections take: desks for DSOs, remedies for pools."""

from __future__ import annotations

from functools import partial

import numpy as np

from tandem_sim.agents.non_firm.activation import Activation, NonFirmDesk
from tandem_sim.agents.non_firm.contracts import ContractBook
from tandem_sim.agents.non_firm.curtailment_trading import TradingDesk
from tandem_sim.agents.non_firm.substitution import Redispatcher
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.portfolios.portfolio import HouseholdPortfolio
from tandem_sim.grids.types import IntArray
from tandem_sim.sim.assembly.low_voltage import LowVoltage
from tandem_sim.sim.delivery.forecasts import Foresight
from tandem_sim.sim.model import World
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.audit_non_firm import NonFirmAudit
from tandem_sim.sim.settlement.non_firm import NonFirm


def equip_non_firm(
    scenario: Scenario,
    world: World,
    low: LowVoltage,
    aggregator_of: IntArray,
    foresight: Foresight,
) -> NonFirm:
    """Feeders and contracts of a run. `aggregator_of` (H,) is the pool of every household."""
    calendar = world.calendar
    year_of = calendar.times().tz_convert(calendar.zone).year.to_numpy().astype(np.int64)
    book = ContractBook(low.contracts, year_of)
    if scenario.non_firm.enabled:
        rows = np.argsort(low.hookups.connection_of, kind="stable")[-len(low.contracts) :]
        for dso in world.dsos:
            _desks(scenario, world, dso, low, book, aggregator_of[rows], foresight)
        _remedies(scenario, world)
    return NonFirm(
        low.streets,
        book,
        world.dsos,
        world.aggregators,
        world.tso,
        world.fleet_desk,
        world.flexibility,
        world.register,
        scenario.reserve.enabled,
        NonFirmAudit(low.contracts, year_of),
        world.recorder,
        calendar.isp_hours,
        scenario.settlement.shortfall_eur_per_mwh,
        year_of,
        low.standing,
    )


def _desks(
    scenario: Scenario,
    world: World,
    dso: DSO,
    low: LowVoltage,
    book: ContractBook,
    pool_of: IntArray,
    foresight: Foresight,
) -> None:
    settings = scenario.non_firm
    streets = [street for street in low.streets if street.area == dso.house]
    if not streets:
        return
    rule = Activation(settings.who, settings.flow_margin, settings.voltage_margin_pu)

    informed = any(block.party == "dso" for block in dso.scheme.blocks)
    dso.non_firm = NonFirmDesk(
        dso.name,
        dso.desk,
        streets,
        book,
        rule,
        world.fleet_desk,
        pool_of,
        informed,
        partial(foresight.share_error, dso.area),
        foresight.lead_s,
    )
    if settings.trading:
        value = settings.trade_value_eur_per_mwh
        dso.trading = TradingDesk(dso.desk, dso.non_firm, streets, rule, world.fleet_desk, value)


def _remedies(scenario: Scenario, world: World) -> None:
    names = [pool.name for pool in world.aggregators]
    groups, reserve = len(world.fleet_desk.fleet.groups), scenario.reserve.enabled
    for pool in world.aggregators:
        assert isinstance(pool.portfolio, HouseholdPortfolio)  # what `World.aggregators` are
        peers = [name for name in names if name != pool.name]
        pool.remedies = Redispatcher(
            pool.name, pool.desk, pool.portfolio, scenario.non_firm.remedies, peers, world.tso.name,
            partial(pool.sales.promises, n_groups=groups, reserve=reserve),
        )  # fmt: skip
