"""The distribution system operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import mesa
import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.forecast import ForecastErrorNow
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
from tandem_sim.agents.operators.amendment import AmendRules, amended
from tandem_sim.agents.operators.operator import Operator, OperatorSetup
from tandem_sim.agents.services.capacity import CapacityAuctioneer
from tandem_sim.agents.services.flexibility_study import FlexibilityStudyProcess
from tandem_sim.agents.services.qualification import AssetTest
from tandem_sim.agents.services.reactive_power import ReactivePowerBuyer
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.operator_model import NO_MARGINS, OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import grid_entries
from tandem_sim.markets.coordination.entries import NO_TARGET
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit


class DSO(Operator):
    """Forecasts its grid by power flow, runs the local market, prequalifies and forwards bids."""

    party = "dso"

    def __init__(
        self,
        model: mesa.Model,
        *,
        setup: OperatorSetup,
        area: Area,
        fleet_agent: FleetAgent,
        forecast_error_mw: ForecastErrorNow,
        operator_model: OperatorModel,
        study: FlexibilityStudyProcess | None,
        clearer: str,
    ) -> None:
        """Build the DSO of an area.

        `operator_model` is its linearised model of the grid; `study` its network flexibility study, None
        where the scheme and the register use none; `clearer` names the operator that clears the next market.
        """
        super().__init__(model, setup, area.name)
        self.area = area
        self._fleet_agent = fleet_agent
        self._forecast_error_mw = forecast_error_mw
        self._operator_model = operator_model
        self.study = study
        self._clearer = clearer
        self.capacity: CapacityAuctioneer | None = None
        self.test: AssetTest | None = None  # of units for which qualification is requested
        # provider -> last request, units with the MW allowed then
        self._tested: dict[str, tuple[AssetsMessage, tuple[RegisteredUnit, ...]]] = {}
        self.amend_rules: AmendRules | None = None
        self.reactive: ReactivePowerBuyer | None = None
        self.non_firm: ConnectionLimiter | None = None
        self.trading: CurtailmentMarket | None = None
        self._scheduled_mw: dict[int, float] = {}
        self._validated: dict[int, FloatArray] = {}  # merit order list validated last, by ISP
        self._forwarded: set[int] = set()
        others = [b for b in self.scheme.blocks if b.party != "dso"]
        self._shared_entries = {
            n.removeprefix("area.") for b in others for n in b.foreign_reads() if n.startswith("area.")
        }

    def receive(self, message: Message) -> None:
        """Handle schedules, asset tests, capacity and reactive bids, amendments; others as every operator."""
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
        """Send the TSO the units whose allowed MW have changed since their last test."""
        if self.test is None or self.study is None:
            return
        for provider, (request, before) in self._tested.items():
            units, reasons = self.test(request.units)
            self._tested[provider] = request, units
            changed = tuple(unit for unit in units if unit not in before)
            if changed:
                found = {u.name: reasons.get(u.name, "") for u in changed}
                self.context.send(
                    RevisionMessage(
                        self.name, request.sender, isp, provider=provider, units=changed, reasons=found
                    )
                )

    def _on_amend(self, message: AmendMessage, rules: AmendRules) -> None:
        """Amend bids of the closed book; after forwarding the amendment is rejected."""
        state = self.known(message.isp).area(self.system)
        if message.isp in self._forwarded or not state.knows("bids"):
            reason = "amendment came after bids were forwarded"
            self.context.record(
                "rejections",
                {"isp": message.isp, "system": self.system, "bid_id": message.sender, "reason": reason},
            )
            return
        ledger = self._ledgers[message.isp]
        bids, rows = amended(state.bids, ledger.sold(self.system), message, rules)
        ledger.lower(self.system, bids.quantity_mw)
        offers = np.minimum(state.offers, bids.quantity_mw)
        self._state(message.isp).update(self.system, AreaState(bids=bids, offers=offers))
        for row in rows:
            self.context.record(
                "amendments",
                {"isp": message.isp, "system": self.system, "provider": message.sender, **row},
            )

    def close_book(self, isp: int, systems: Sequence[str]) -> None:
        """Gate closure, including the book of reactive power."""
        super().close_book(isp, systems)
        if self.reactive is not None:
            self._state(isp).update(self.system, AreaState(reactive_bids=self.reactive.close(isp)))

    def act(self, gate: str, isp: int) -> None:
        """Run the blocks of a gate; a merit order list is validated once after its arrival."""
        if gate == "mol_validate":
            state = self.known(isp).area(self.system)
            if not state.knows("called") or state.called is self._validated.get(isp):
                return  # no new list
            if len(state.called) != len(state.bids):
                return  # a list without this area's book
            self._validated[isp] = state.called
        if gate == "forward":
            self._forwarded.add(isp)
        super().act(gate, isp)
        if gate == "dso_clear" and self.reactive is not None:
            state = self.known(isp).area(self.system)
            self.reactive.announce(isp, state.reactive_bids, state.reactive_mvar)

    def refresh(self, isp: int) -> None:
        """Update the forecast of the grid, its limits less margins, and the flow at the boundary."""
        p, q = self.forecast(isp)
        scheduled, bought = self._scheduled_mw.get(isp), self._bought_mvar(isp)
        self._state(isp).update(self.system, grid_entries(self._operator_model, p, q, scheduled, bought))

    def complete(self, isp: int) -> None:
        """Without a message from the TSO it has bought nothing here."""
        state = self._state(isp)
        state.complete(self.system, AreaState(target=NO_TARGET))
        if self.study is not None:
            state.update(self.system, AreaState(zones=self.study.zones(isp)))

    def forget(self, isp: int) -> None:
        """Drop the data of a settled ISP, schedule and list included."""
        super().forget(isp)
        self._scheduled_mw.pop(isp, None)
        self._validated.pop(isp, None)
        self._forwarded.discard(isp)

    def _bought_mvar(self, isp: int) -> FloatArray:
        """Reactive power bought for an ISP so far, by node (N,) Mvar, even if awards were lost."""
        state, n_nodes = self.known(isp).area(self.system), self.area.network.n_nodes
        if not state.knows("reactive_mvar"):
            return np.zeros(n_nodes)
        return state.reactive_bids.injection_mw(state.reactive_mvar, n_nodes)

    def forecast(self, isp: int) -> tuple[FloatArray, FloatArray]:
        """Forecast injections of all nodes without activation: (N,) MW and (N,) Mvar."""
        ahead = self._fleet_agent.sites_ahead(isp)
        p, q = self.area.injections(isp, ahead.site_base_kw, ahead.site_load_kw)
        return p + self.area.error_share * self._forecast_error_mw(self.area.name, isp), q

    def limit(self, isp: int, after_markets: bool) -> None:
        """Activate non-firm contracts for LV feeders and, after the markets, for the area."""
        if self.non_firm is not None:
            self.non_firm.act(isp, self._excess(isp) if after_markets else None)

    def _excess(self, isp: int) -> Callable[[Mapping[int, float]], float]:
        """Excess of the area over its limits (%, summed) by the forecast of now with known sales.

        Returned as a function of additional injections by node (MW).
        """
        p, q = self.forecast(isp)
        ledger = self._ledgers.get(isp)
        state = self.known(isp).area(self.system)
        if ledger is not None and state.knows("bids") and self.system in ledger.offered:
            p = p + state.bids.injection_mw(ledger.sold(self.system), len(p))
        q = q + self._bought_mvar(isp)
        rows = self._operator_model.rows(p, q) or self._operator_model.linear_rows(p, q)

        def excess(more: Mapping[int, float]) -> float:
            change = np.zeros(len(p))
            for node, mw in more.items():
                change[node] += mw
            return rows.after(change).excess_pct()

        return excess

    def constraints_now(self, p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints:
        """Linear constraints around metered injections (N,) MW and Mvar, without forecast margins."""
        operator_model = replace(self._operator_model, margins=NO_MARGINS)
        rows = operator_model.rows(p_mw, q_mvar)
        return operator_model.linear_rows(p_mw, q_mvar) if rows is None else rows

    def share_state(self, isp: int, gate: str) -> None:
        """Send the operator of the next market the entries of this operator state that its blocks read.

        At gate ``prequalify`` all of them; after the validation of a merit order list those it has written.
        """
        names = self._shared_entries
        if gate != "prequalify":
            written = {n for b in self.scheme.blocks if b.gate == gate for n in b.writes}
            names = {n for n in names if f"area.{n}" in written}
        if not names:
            return
        if "grid" in names:
            self.refresh(isp)
        entries = self.known(isp).area(self.system).part(names)
        if entries.entries():
            self.context.send(
                StateMessage(self.name, self._clearer, isp, system=self.system, entries=entries)
            )
