"""The distribution system operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.forecast import ForecastErrors
from tandem_sim.agents.base.messages import (
    AmendMessage,
    AssetResultMessage,
    AssetsMessage,
    CapacityBidsMessage,
    Message,
    ReactiveBidsMessage,
    RevisionMessage,
    ScheduleMessage,
    StateMessage,
)
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.non_firm.activation import ConnectionLimiter
from tandem_sim.agents.non_firm.curtailment_trading import CurtailmentMarket
from tandem_sim.agents.operators.admission import Admission
from tandem_sim.agents.operators.amendment import AmendRules, amended
from tandem_sim.agents.operators.operator import Ledgers, Operator
from tandem_sim.agents.services.capacity import CapacityAuctioneer
from tandem_sim.agents.services.flexibility_study import FlexibilityStudyProcess
from tandem_sim.agents.services.qualification import AssetTest
from tandem_sim.agents.services.reactive_power import ReactivePowerBuyer
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.operator_model import NO_MARGINS, OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.aggregation import NO_TARGET
from tandem_sim.markets.cases.case import grid_entries
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit


class DSO(Operator):
    """Forecasts its grid by power flow, runs the local market, prequalifies, forwards."""

    party = "dso"

    def __init__(
        self,
        model: mesa.Model,
        *,
        name: str,
        context: AgentContext,
        area: Area,
        scheme: Scheme,
        admission: Admission,
        ledgers: Ledgers,
        fleet_agent: FleetAgent,
        errors: ForecastErrors,
        lead_h: Callable[[int], float],
        operator_model: OperatorModel,
        study: FlexibilityStudyProcess | None,
        operators: Mapping[str, str],
        clearer: str,
    ) -> None:
        """Wire the DSO.

        `lead_h` tells how far ahead an ISP is (hours); `study` is its network flexibility study, if anybody
        goes by one; `operators` names the operator of every system, `clearer` who clears behind it.
        """
        super().__init__(
            model,
            name=name,
            context=context,
            system=area.name,
            scheme=scheme,
            admission=admission,
            ledgers=ledgers,
            operators=operators,
        )
        self.area = area
        self._fleet_agent = fleet_agent
        self._errors = errors
        self._lead_h = lead_h
        self._operator_model = operator_model
        self.study = study
        self._clearer = clearer
        self.capacity: CapacityAuctioneer | None = None
        self.test: AssetTest | None = None  # of units that ask for qualification
        self._tested: dict[
            str, tuple[AssetsMessage, tuple[RegisteredUnit, ...]]
        ] = {}  # by provider: asked, allowed
        self.amend_rules: AmendRules | None = None
        self.reactive: ReactivePowerBuyer | None = None
        self.non_firm: ConnectionLimiter | None = None
        self.trading: CurtailmentMarket | None = None
        self._scheduled_mw: dict[int, float] = {}
        self._validated: dict[int, FloatArray] = {}  # the list validated last
        self._forwarded: set[int] = set()
        others = [b for b in scheme.blocks if b.party != "dso"]
        self._told = {
            n.removeprefix("area.") for b in others for n in b.foreign_reads() if n.startswith("area.")
        }

    def receive(self, message: Message) -> None:
        """Keep the schedule of the area, test assets, take offers and amendments, besides what all get."""
        match message:
            case ScheduleMessage():
                flow = (-message.p_mw).tolist()
                self._scheduled_mw.update(enumerate(flow, start=message.isp))
            case AssetsMessage() if self.test is not None:
                units, reasons = self.test(message.units)
                self._tested[message.provider] = message, units
                answer = AssetResultMessage(
                    self.name,
                    message.sender,
                    message.isp,
                    provider=message.provider,
                    units=units,
                    reasons=reasons,
                )
                self.context.send(answer)
            case CapacityBidsMessage() if self.capacity is not None:
                self.capacity.on_capacity_bids(message)
            case AmendMessage() if self.amend_rules is not None:
                self._on_amend(message, self.amend_rules)
            case ReactiveBidsMessage() if self.reactive is not None:
                self.reactive.on_reactive_bids(message)
            case _:
                super().receive(message)

    def retest(self, isp: int) -> None:
        """Tell the TSO of units that may sell more or less than when they were tested last."""
        if self.test is None or self.study is None:
            return
        for provider, (asked, before) in self._tested.items():
            units, reasons = self.test(asked.units)
            self._tested[provider] = asked, units
            changed = tuple(unit for unit in units if unit not in before)
            if changed:
                found = {u.name: reasons.get(u.name, "") for u in changed}
                self.context.send(
                    RevisionMessage(
                        self.name, asked.sender, isp, provider=provider, units=changed, reasons=found
                    )
                )

    def _on_amend(self, message: AmendMessage, rules: AmendRules) -> None:
        """Change bids of the closed book before they are forwarded; afterwards it is too late."""
        state = self.states.get(message.isp, {}).get(self.system, {})
        if message.isp in self._forwarded or "bids" not in state:
            reason = "amendment came after bids were forwarded"
            self.context.record(
                "rejections",
                {"isp": message.isp, "system": self.system, "bid_id": message.sender, "reason": reason},
            )
            return
        ledger = self._ledgers[message.isp]
        state["bids"], rows = amended(state["bids"], ledger.sold(self.system), message, rules)
        ledger.lower(self.system, state["bids"].quantity_mw)
        state["offers"] = np.minimum(state["offers"], state["bids"].quantity_mw)
        for row in rows:
            self.context.record(
                "amendments",
                {"isp": message.isp, "system": self.system, "provider": message.sender, **row},
            )

    def close_book(self, isp: int, systems: Sequence[str]) -> None:
        """Gate closure, for reactive power too."""
        super().close_book(isp, systems)
        if self.reactive is not None:
            self._states(isp)[self.system]["reactive_bids"] = self.reactive.close(isp)

    def act(self, gate: str, isp: int) -> None:
        """As every operator; a merit order list is validated once, when it has come."""
        if gate == "mol_validate":
            state = self._states(isp).get(self.system, {})
            called = state.get("called")
            if called is None or called is self._validated.get(isp) or len(called) != len(state["bids"]):
                return  # nothing new, or a list made without this area's book
            self._validated[isp] = called
        if gate == "forward":
            self._forwarded.add(isp)
        super().act(gate, isp)
        if gate == "dso_clear" and self.reactive is not None:
            state = self._states(isp)[self.system]
            self.reactive.announce(isp, state["reactive_bids"], state["reactive_mvar"])

    def refresh(self, isp: int) -> None:
        """The grid as forecast now, its limits narrowed by the margins, and the flow at the boundary."""
        p, q = self.forecast(isp)
        state = self._states(isp).setdefault(self.system, {})
        state.update(
            grid_entries(self._operator_model, p, q, self._scheduled_mw.get(isp), self._bought_mvar(isp))
        )

    def complete(self, isp: int) -> None:
        """A TSO that sent no order has bought nothing."""
        state = self._states(isp).setdefault(self.system, {})
        state.setdefault("target", NO_TARGET)
        if self.study is not None:
            state["zones"] = self.study.zones(isp)

    def forget(self, isp: int) -> None:
        """Drop schedule and list too."""
        super().forget(isp)
        self._scheduled_mw.pop(isp, None)
        self._validated.pop(isp, None)
        self._forwarded.discard(isp)

    def _bought_mvar(self, isp: int) -> FloatArray:
        """Reactive power bought for an ISP so far, by node (N,) Mvar, whether its providers know or not."""
        state = self._states(isp).get(self.system, {})
        offers: Bids = state.get("reactive_bids", Bids.empty())
        bought: FloatArray = state.get("reactive_mvar", np.zeros(len(offers)))
        return offers.injection_mw(bought, self.area.network.n_nodes)

    def forecast(self, isp: int) -> tuple[FloatArray, FloatArray]:
        """Injections of all nodes as expected now had nothing been bought: (N,) MW and (N,) Mvar."""
        ahead = self._fleet_agent.sites_ahead(isp)
        p, q = self.area.injections(isp, ahead.site_base_kw, ahead.site_load_kw)
        return p + self.area.share * self._errors.error_mw(self.area.name, isp, self._lead_h(isp)), q

    def limit(self, isp: int, after_markets: bool) -> None:
        """Activate non-firm connections where feeders, or after the markets the area, break limits."""
        if self.non_firm is not None:
            self.non_firm.act(isp, self._excess(isp) if after_markets else None)

    def _excess(self, isp: int) -> Callable[[Mapping[int, float]], float]:
        """By how much the area exceeds its limits (%, summed) as forecast now, sales it knows of included.

        The answer is a function of what nodes inject in addition (MW).
        """
        p, q = self.forecast(isp)
        ledger = self._ledgers.get(isp)
        bids = self.states.get(isp, {}).get(self.system, {}).get("bids")
        if ledger is not None and bids is not None and self.system in ledger.offered:
            p = p + bids.injection_mw(ledger.sold(self.system), len(p))
        q = q + self._bought_mvar(isp)
        rows = self._operator_model.rows(p, q) or self._operator_model.linear_rows(p, q)

        def excess(more: Mapping[int, float]) -> float:
            change = np.zeros(len(p))
            for node, mw in more.items():
                change[node] += mw
            return rows.after(change).excess_pct()

        return excess

    def constraints_now(self, p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints:
        """Rows around injections (N,) as metered, without margins: nothing is forecast."""
        operator_model = replace(self._operator_model, margins=NO_MARGINS)
        rows = operator_model.rows(p_mw, q_mvar)
        return operator_model.linear_rows(p_mw, q_mvar) if rows is None else rows

    def tell(self, isp: int, gate: str) -> None:
        """Send whoever clears behind the area those entries of its state that its blocks read.

        At validation everything; when a merit order list is validated, what that has changed.
        """
        names = self._told
        if gate != "prequalify":
            written = {n for b in self.scheme.blocks if b.gate == gate for n in b.writes}
            names = {n for n in names if f"area.{n}" in written}
        if not names:
            return
        if "grid" in names:
            self.refresh(isp)
        state = self._states(isp).get(self.system, {})
        entries = {name: state[name] for name in sorted(names) if name in state}
        if entries:
            self.context.send(
                StateMessage(self.name, self._clearer, isp, system=self.system, entries=entries)
            )
