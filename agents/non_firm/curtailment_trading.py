"""Curtailment market near real time: limited customers buy import from others; the DSO checks each trade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.subscriptions import Role, at
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.non_firm.activation import Activation, ConnectionLimiter
from tandem_sim.agents.non_firm.lv_feeders import LvFeeder
from tandem_sim.grids.tolerances import NEGLIGIBLE_TRADE_KW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.services.curtailment import (
    trade_curtailment,
)


@dataclass(frozen=True)
class Deal:
    """Reduction of one seller's import for one buyer in an ISP, kW, at EUR/MWh."""

    buyer: str
    seller: str
    kw: float
    price: float


class CurtailmentMarket(Role):
    """Curtailment market of one DSO. Sellers are customers without active limit; they are paid as bid.

    Buyers bid one synthetic value, the same for all; sellers bid the wear and inconvenience of their devices.
    """

    def __init__(
        self,
        *,
        context: AgentContext,
        limits: ConnectionLimiter,
        lv_feeders: Sequence[LvFeeder],
        rule: Activation,
        fleet_agent: FleetAgent,
        value_eur_per_mwh: float,
    ) -> None:
        """`limits` holds the forecast of the DSO and the contracts it has activated."""
        self._context, self._limits, self._lv_feeders = context, limits, list(lv_feeders)
        self._rule, self._fleet_agent, self._value = rule, fleet_agent, value_eur_per_mwh
        self.deals: dict[int, list[Deal]] = {}

    @at("trade")
    def trade(self, isp: int) -> None:
        """Clear the market of every feeder with limited customers, and send the changed limits."""
        connection_limits, active = self._fleet_agent.connection_limits(isp), self._limits.book.active(isp)
        if connection_limits is None:
            return
        expected, contracts = self._fleet_agent.feasible_range(isp), self._limits.book.contracts
        imports = -self._limits.expected_kw(isp)
        for lv_feeder in self._lv_feeders:
            mine = lv_feeder.connections
            if not active[mine].any():
                continue
            cap, own = connection_limits.import_kw[mine], imports[mine]
            limited = active[mine] & np.isfinite(cap)
            free = np.minimum(-expected.connection_unconstrained_kw[mine], contracts.connection_kw[mine])
            wanted = np.where(limited, np.maximum(free - cap, 0.0), 0.0)
            available = np.where(
                active[mine], 0.0, np.clip(expected.relief_kw[mine], 0.0, np.maximum(own, 0.0))
            )
            found = trade_curtailment(
                lv_feeder.feeder,
                self._rule.narrow(lv_feeder.band),
                own,
                wanted,
                np.full(len(cap), self._value),
                available,
                expected.relief_price[mine],
            )
            if found.bought_kw.max(initial=0.0) <= NEGLIGIBLE_TRADE_KW:
                continue
            moved = np.where(found.bought_kw > 0, cap + found.bought_kw, own - found.sold_kw)
            some = np.flatnonzero(
                (found.bought_kw > NEGLIGIBLE_TRADE_KW) | (found.sold_kw > NEGLIGIBLE_TRADE_KW)
            )
            self._limits.send_limits(
                isp, mine.start + some, np.maximum(moved[some], 0.0), connection_limits.export_kw[mine][some]
            )
            self._settle(isp, lv_feeder, found.bought_kw, found.sold_kw, expected.relief_price[mine])

    def _settle(
        self, isp: int, lv_feeder: LvFeeder, bought: FloatArray, sold: FloatArray, price: FloatArray
    ) -> None:
        """Split every seller's reduction over the buyers, in proportion to their purchases, and record it."""
        names = self._limits.book.contracts.names[lv_feeder.connections]
        share = bought / bought.sum()
        for seller in np.flatnonzero(sold > NEGLIGIBLE_TRADE_KW):
            for buyer in np.flatnonzero(bought > NEGLIGIBLE_TRADE_KW):
                deal = Deal(
                    names[buyer], names[seller], float(sold[seller] * share[buyer]), float(price[seller])
                )
                self.deals.setdefault(isp, []).append(deal)
                self._context.record(
                    "curtailment_trades",
                    {
                        "isp": isp,
                        "lv_feeder": lv_feeder.name,
                        "buyer": deal.buyer,
                        "seller": deal.seller,
                        "kw": deal.kw,
                        "gained_kw": float(bought[buyer]),
                        "price_eur_per_mwh": deal.price,
                    },
                )
