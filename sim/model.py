"""The simulation model: a Mesa model that holds the agents, and their actions at each gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mesa
import numpy as np

from tandem_sim.agents.base.agent import Carry
from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.passive import PassiveInjections
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.market_operator import MarketOperator
from tandem_sim.agents.operators.operator import Ledgers, Operator
from tandem_sim.agents.operators.tso import TSO
from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.parties.brp import BRP
from tandem_sim.agents.parties.day_ahead_market import DayAheadMarket
from tandem_sim.agents.services.afrr import AfrrResult
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.settlement.payments import RESERVE
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.delivery.forecasts import ForecastService
from tandem_sim.sim.delivery.physics import Physics
from tandem_sim.sim.delivery.reserve import Reserve, reserve_books
from tandem_sim.sim.delivery.termination import TerminationSignals, grid_monitor
from tandem_sim.sim.households.summary import AreaHouseholds
from tandem_sim.sim.output.export_isp import IspExport
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.records import record_grids, record_volumes
from tandem_sim.sim.output.states import StateRecords
from tandem_sim.sim.settlement.audit import (
    audit_energy,
    audit_interface,
    audit_orders,
    audit_slack,
)
from tandem_sim.sim.settlement.non_firm import NonFirm
from tandem_sim.sim.settlement.settler import Delivery, Settler
from tandem_sim.sim.timetable import CapacityNeeds

NOT_ACCEPTED = "the DSO has not accepted the merit order list; the area is left out"


class FlexibilityModel(mesa.Model):
    """Agents, physics and books of one run. The clock calls one method per gate; the model keeps no time."""

    calendar: Calendar
    areas: Sequence[Area]
    households: Sequence[AreaHouseholds]  # what households every area has
    household_table: Sequence[str]  # what their table gives, in lines; empty without one
    transmission: Network
    tso: TSO
    dsos: Sequence[DSO]
    aggregators: Sequence[Aggregator]  # household pools, by number
    transmission_sellers: Sequence[Aggregator]
    brps: Sequence[BRP]
    brp_of_area: dict[str, BRP]
    brp_t: BRP
    market: DayAheadMarket
    fleet_agent: FleetAgent
    physics: Physics
    forecasts: ForecastService
    ledgers: Ledgers
    recorder: Recorder
    states: StateRecords
    carry: Carry  # messages inside an ISP
    load_mw: FloatArray  # (T, N) on transmission
    passive: PassiveInjections  # the part of it that follows profiles
    audited: frozenset[int]
    reliable: bool  # no message is lost or late, so orders must equal awards
    on_isp: Callable[[int], None]
    market_operator: MarketOperator | None = None  # of an integrated market
    export: IspExport | None = None
    reserve: Reserve | None = None
    settler: Settler
    flexibility: FlexibilityRegister | None = None
    needs: CapacityNeeds | None = None
    non_firm: NonFirm | None = None

    def __init__(self) -> None:
        super().__init__(rng=0)  # streams come from tandem_sim.sim.clock.randomness; that of Mesa is not used
        self._delivery: dict[int, Delivery] = {}
        self._reserve: dict[int, AfrrResult] = {}

    @property
    def operators(self) -> list[Operator]:
        """All operators that run blocks of the scheme."""
        return [self.tso, *self.dsos, *([self.market_operator] if self.market_operator else [])]

    @property
    def clearer(self) -> TSO | MarketOperator:
        """The operator that clears the last market: the TSO, or the independent market operator."""
        return self.market_operator or self.tso

    def schedules(self, day: range) -> None:
        """Day-ahead gate: BRPs send schedules, units send markups."""
        for unit in self.transmission_sellers:
            unit.supply(day, self.market.name)
        for brp in self.brps:
            brp.schedule(day)

    def day_ahead(self, day: range) -> None:
        """The day-ahead market clears."""
        self.market.clear_day(day)

    def study(self, isp: int) -> None:
        """DSOs process due events of their network flexibility studies."""
        for dso in self.dsos:
            if dso.study is not None:
                dso.study.proceed(isp)

    def connection(self, day: range) -> None:
        """Once a day DSOs send changes by their studies, and BSPs request qualification where they need it.

        They need it if their group is not qualified, or if the qualification expires soon.
        """
        for dso in self.dsos:
            dso.retest(day.start)
        for seller in (*self.aggregators, *self.transmission_sellers):
            if seller.applicant is not None:
                seller.applicant.apply(day.start)

    def tender_local(self, blocks: Sequence[range]) -> None:
        """DSOs call for capacity bids."""
        for dso in self.dsos:
            if dso.capacity is not None:
                dso.capacity.tender(blocks)

    def clear_local(self, blocks: Sequence[range]) -> None:
        """DSOs clear their capacity auctions, and forward the bids they do not need."""
        assert self.needs is not None  # the gate exists only with it
        for dso in self.dsos:
            if dso.capacity is None:
                continue
            for block in blocks:
                dso.capacity.clear(block, self.needs.of_dso(dso.system, block))

    def tender(self, blocks: Sequence[range]) -> None:
        """The TSO calls for capacity bids."""
        assert self.tso.capacity is not None
        self.tso.capacity.tender(blocks)

    def clear_capacity(self, blocks: Sequence[range]) -> None:
        """The TSO clears its capacity auctions."""
        assert self.needs is not None
        assert self.tso.capacity is not None
        for block in blocks:
            self.tso.capacity.clear(block, self.needs.of_tso)

    def nominate(self, day: range) -> None:
        """BSPs nominate the contracted aFRR capacity that they will bid."""
        for seller in (*self.aggregators, *self.transmission_sellers):
            if seller.capacity is not None:
                seller.capacity.nominate(day, self.tso.name)

    def close_nominations(self, day: range) -> None:
        """Gate closure for nominations: capacity not nominated by now counts as not offered."""
        self.tso.close_nominations(day)

    def amend(self, isp: int) -> None:
        """Aggregators amend bids left by the local markets."""
        if not any(block.party == "dso" for block in self.tso.scheme.blocks):
            return
        for seller in self.aggregators:
            seller.amend(isp)

    def declare(self, isp: int) -> None:
        """Aggregators declare the baselines of their pools."""
        for seller in self.aggregators:
            seller.declare(isp)

    def offer(self, isp: int) -> None:
        """All sellers of flexibility send bids; BRPs bid where the scheme lets them buy."""
        for seller in (*self.aggregators, *self.transmission_sellers):
            seller.offer(isp)
        for brp in self.brps:
            brp.buy(isp)

    def dso_close(self, isp: int) -> None:
        """The books of local markets close, where the scheme has any."""
        if any(block.party == "dso" for block in self.tso.scheme.blocks):
            for dso in self.dsos:
                dso.close_book(isp, [dso.system])

    def dso_gate(self, gate: str) -> Callable[[int], None]:
        """Action of a gate: DSOs run their blocks and, after validation, send what the scheme shares."""

        def act(isp: int) -> None:
            for dso in self.dsos:
                dso.act(gate, isp)
                if gate in ("prequalify", "mol_validate"):
                    dso.share_state(isp, gate)
            self._observe(isp, gate, self.dsos)

        return act

    def tso_close(self, isp: int) -> None:
        """The books of the last market close; with an independent operator the TSO sends its grid."""
        self.clearer.close_books(isp)
        if self.market_operator is not None:
            self.tso.share(isp, self.market_operator.name)

    def mol(self, isp: int) -> None:
        """The TSO builds a new merit order list, unless every DSO has accepted the last one."""
        if self.tso.left_out(isp):
            self.tso.act("mol", isp)
            self._observe(isp, "mol", [self.tso])

    def tso_clear(self, isp: int) -> None:
        """The TSO, or the independent operator, clears its market and sends awards."""
        out = self.tso.left_out(isp)
        unaccepted = {"system": out, "bid_id": [""] * len(out), "reason": [NOT_ACCEPTED] * len(out)}
        self.recorder("rejections", {"isp": [isp] * len(out), **unaccepted})
        self.clearer.act("tso_clear", isp)
        self._observe(isp, "tso_clear", [self.clearer])

    def deliver(self, isp: int) -> None:
        """Delivery of an ISP: aFRR, the fleet, units by their awards, and the power flow of all grids."""
        if self.reserve is not None:
            self._dispatch_reserve(isp)
        if self.non_firm is not None:
            self.non_firm.deliver_substitutes(isp)
        step = self.fleet_agent.deliver(isp)
        audit_energy(isp, step, self.fleet_agent.fleet)
        units = self.tso.units_mw(isp)
        called = self._transmission_activation(isp)
        if self.reliable:
            audit_orders(isp, step, self.fleet_agent.wanted_kw[isp], self._ordered_kw(isp))
        mvar = self.fleet_agent.site_mvar(isp)
        grids = self.physics.deliver(isp, step, mvar, units + called, self.load_mw[isp], isp in self.audited)
        before = float(units.sum() + self.load_mw[isp].sum())
        after = before + float(called.sum())
        brp_mw = {self.brp_t.name: float(self.load_mw[isp].sum()) - self.brp_t.schedule_mw[isp]}
        for area in self.areas:
            base, _ = area.injections(isp, step.site_base_kw, step.site_load_kw)
            actual, _ = area.injections(isp, step.site_p_kw, step.site_load_kw)
            before += float(base.sum())
            after += float(actual.sum())
            audit_interface(isp, area.name, grids[area.name], float(actual.sum()))
            brp = self.brp_of_area[area.name]
            brp_mw[brp.name] = float(base.sum()) - brp.schedule_mw[isp]
        audit_slack(isp, grids, after)
        self._delivery[isp] = Delivery(before, after, brp_mw, grids)
        record_grids(self.recorder, isp, grids)
        self.states.record(isp, step, grids)
        if self.non_firm is not None:
            self.non_firm.deliver(isp, step)
        self.on_isp(isp)

    def meter(self, isp: int) -> None:
        """Send meter readings to the aggregators."""
        self.fleet_agent.meter(isp)

    def settle(self, isp: int) -> None:
        """Settle payments of an ISP; audit and close its books."""
        books, ledger = self._books(isp), self.ledgers[isp]
        delivery = self._delivery.pop(isp)
        self.settler.settle(isp, books, ledger, delivery, self._reserve.pop(isp, None))
        if self.export is not None and isp == self.export.isp:
            flows = {a.name: -self.brp_of_area[a.name].schedule_mw[isp] for a in self.areas}
            delivered = {system: grid.injections for system, grid in delivery.grids.items()}
            self.export.close(books, ledger, flows, delivered)
        self._close(isp)

    def _transmission_activation(self, isp: int) -> FloatArray:
        n = self.load_mw.shape[1]
        ledger, tso = self.ledgers.get(isp), self.clearer.known(isp).tso
        if ledger is None or not tso.knows("bids"):
            return np.zeros(n)
        bids = tso.bids
        return bids.injection_mw(np.where(bids.demand, 0.0, ledger.sold(T)), n)

    def _dispatch_reserve(self, isp: int) -> None:
        """Dispatch aFRR through an ISP on the bids left by the market; book and order the means."""
        assert self.reserve is not None
        ledger, books = self.ledgers[isp], self._books(isp)
        ahead = self.fleet_agent.sites_ahead(isp)
        surplus = float(self.tso.units_mw(isp).sum() + self._transmission_activation(isp).sum())
        surplus += float(self.load_mw[isp].sum())
        ordered = {}
        for area in self.areas:
            base, _ = area.injections(isp, ahead.site_base_kw, ahead.site_load_kw)
            ordered[area.name] = books[area.name].injection_mw(ledger.sold(area.name), area.network.n_nodes)
            surplus += float(base.sum() + ordered[area.name].sum())
        left = reserve_books(
            self.clearer.known(isp), ledger, self.tso.scheme, self.flexibility, self.tso.context.now()
        )
        mvar = self.fleet_agent.site_mvar(isp)
        start, length = self.calendar.seconds(isp), self.calendar.isp_seconds
        signals = TerminationSignals(
            carry=self.carry,
            record=self.recorder,
            tso=self.tso.name,
            isp=isp,
            start_s=start,
            end_s=start + length,
        )
        monitor = grid_monitor(self.dsos, signals, ahead, ordered, mvar, left)
        available = slow = None
        if self.non_firm is not None:
            left, slow = self.non_firm.with_substitutes(isp, left)
            available = self.non_firm.reserve_available_mw(isp, left)
        done = self.reserve.dispatch(left, isp, surplus, length, monitor, available, slow)
        self._reserve[isp] = done.control
        record_volumes(self.recorder, isp, done.volumes, done.providers)
        if available is not None and self.non_firm is not None:
            self.non_firm.reserve_called(isp, left, done.control)
        sales = self.reserve.sales(left, done.mean_mw)
        for system, mw in done.mean_mw.items():
            bids = left[system][0]
            ledger.book(system, RESERVE, sales[system])
            for aggregator in self.aggregators if system != T else ():
                mine = (own := bids.places_of(aggregator.name))[mw[own] > 0]
                if len(mine):
                    self.fleet_agent.receive(aggregator.order(isp, bids.bid_id[mine].tolist(), mw[mine]))

    def _observe(self, isp: int, gate: str, operators: Sequence[Operator]) -> None:
        if self.export is not None and isp == self.export.isp:
            for operator in operators:
                self.export.observe(gate, operator.known(isp).of(operator.system))

    def _books(self, isp: int) -> dict[str, Bids]:
        known = self.clearer.known(isp)
        books = {T: known.tso.bids}
        for dso in self.dsos:
            own, received = dso.known(isp).area(dso.system), known.area(dso.system)
            holder = own if own.knows("bids") else received
            books[dso.system] = holder.bids if holder.knows("bids") else Bids.empty()
        return books

    def _ordered_kw(self, isp: int) -> float:
        """Net power awarded to households in all areas (kW, up positive)."""
        books, ledger = self._books(isp), self.ledgers[isp]
        return 1000.0 * sum(float(b.direction @ ledger.sold(s)) for s, b in books.items() if s != T)

    def _close(self, isp: int) -> None:
        del self.ledgers[isp]
        if self.flexibility is not None:
            self.flexibility.forget(isp)
        self.fleet_agent.forget(isp)
        for brp in self.brps:
            brp.forget(isp)
        for operator in self.operators:
            operator.forget(isp)
