"""The distribution system operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import mesa
import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.forecast import ForecastErrorNow
from tandem_sim.agents.base.messages import ScheduleMessage, StateMessage
from tandem_sim.agents.base.subscriptions import at, on
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.operators.operator import Operator, OperatorSetup
from tandem_sim.agents.services.flexibility_study import FlexibilityStudyProcess
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.operator_model import NO_MARGINS, OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import grid_entries
from tandem_sim.markets.coordination.entries import NO_TARGET
from tandem_sim.markets.coordination.operator_state import AreaState


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
        clearer: str,
    ) -> None:
        """Build the DSO of an area.

        `operator_model` is its linearised model of the grid; `clearer` names the operator that clears the
        next market.
        """
        super().__init__(model, setup, area.name)
        self.area = area
        self._fleet_agent = fleet_agent
        self._forecast_error_mw = forecast_error_mw
        self._operator_model = operator_model
        self._clearer = clearer
        self._scheduled_mw: dict[int, float] = {}
        self._validated: dict[int, FloatArray] = {}  # merit order list validated last, by ISP
        others = [b for b in self.scheme.blocks if b.party != "dso"]
        self._shared_entries = {
            n.removeprefix("area.") for b in others for n in b.foreign_reads() if n.startswith("area.")
        }

    def stands_at(self, gate: str) -> bool:
        """It keeps a book where the scheme has a local market, and shares what others read before theirs."""
        if gate == "dso_close":
            return any(block.party == "dso" for block in self.scheme.blocks)
        return super().stands_at(gate) or (gate == "prequalify" and bool(self._shared_entries))

    @on(ScheduleMessage)
    def on_schedule(self, message: ScheduleMessage) -> None:
        """Store the flow at the boundary that the BRP of the area has scheduled."""
        self._scheduled_mw.update(enumerate((-message.p_mw).tolist(), start=message.isp))

    @at("dso_close")
    def close_local_book(self, isp: int) -> None:
        """Gate closure of the local market."""
        self.close_book(isp, [self.system])

    @at("dso_clear")
    def clear_local_market(self, isp: int) -> None:
        """Its own auction."""
        self.act("dso_clear", isp)

    @at("forward")
    def forward_bids(self, isp: int) -> None:
        """Forward bids that the local market has left."""
        self.act("forward", isp)

    @at("prequalify")
    def prequalify_bids(self, isp: int) -> None:
        """Limit bids to what the grid allows, and share what the next market reads."""
        self.act("prequalify", isp)
        self.share_state(isp, "prequalify")

    @at("mol_validate")
    def validate_merit_order(self, isp: int) -> None:
        """Validate a merit order list, once after its arrival, and share the result."""
        state = self.known(isp).area(self.system)
        new = state.knows("called") and state.called is not self._validated.get(isp)
        if new and len(state.called) == len(state.bids):  # the list has this area's book
            self._validated[isp] = state.called
            self.act("mol_validate", isp)
        self.share_state(isp, "mol_validate")

    @at("correct")
    def correct(self, isp: int) -> None:
        """After the TSO's market: correct what its activation breaks."""
        self.act("correct", isp)

    def refresh(self, isp: int) -> None:
        """Update the forecast of the grid, its limits less margins, and the flow at the boundary."""
        p, q = self.forecast(isp)
        scheduled, bought = self._scheduled_mw.get(isp), self._bought_mvar(isp)
        self._state(isp).update(self.system, grid_entries(self._operator_model, p, q, scheduled, bought))

    def complete(self, isp: int) -> None:
        """Without a message from the TSO it has bought nothing here."""
        state = self._state(isp)
        state.complete(self.system, AreaState(target=NO_TARGET))
        study = self.role(FlexibilityStudyProcess)
        if study is not None:
            state.update(self.system, AreaState(zones=study.zones(isp)))

    def forget(self, isp: int) -> None:
        """Drop the data of a settled ISP, schedule and list included."""
        super().forget(isp)
        self._scheduled_mw.pop(isp, None)
        self._validated.pop(isp, None)

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

    def area_excess(self, isp: int) -> Callable[[Mapping[int, float]], float]:
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
