"""The simulation model: a Mesa model that builds its world and agents, and what happens in delivery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mesa
import numpy as np
from mesa.agent import AgentSet

from tandem_sim.agents.base.agent import AgentContext, Participant
from tandem_sim.agents.base.subscriptions import Action, Subscriber, at
from tandem_sim.agents.households.household import Household, HouseholdSet
from tandem_sim.agents.operators.operator import Ledgers
from tandem_sim.agents.services.afrr import AfrrResult
from tandem_sim.agents.services.flexibility_study import FlexibilityStudyProcess
from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.solvers import solving_by
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.orders.penalties import admitting
from tandem_sim.markets.settlement.payments import RESERVE
from tandem_sim.sim.assembly.agents import AgentBuilder, CreationOrder
from tandem_sim.sim.assembly.non_firm import add_non_firm
from tandem_sim.sim.assembly.services import add_services
from tandem_sim.sim.assembly.settlement import build_reserve, build_settler, build_states
from tandem_sim.sim.assembly.world import World, build_world
from tandem_sim.sim.clock.bus import Link, build_bus
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.clock.randomness import AUDITED, SELLER, stream
from tandem_sim.sim.delivery.physics import Physics
from tandem_sim.sim.delivery.reserve import Reserve, reserve_books
from tandem_sim.sim.delivery.termination import TerminationSignals, grid_monitor
from tandem_sim.sim.extensions import extend
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.records import record_grids, record_volumes
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.audit import (
    audit_energy,
    audit_interface,
    audit_orders,
    audit_slack,
)
from tandem_sim.sim.settlement.settler import Delivery
from tandem_sim.sim.timetable import Closures, Timetable

Observer = Callable[["FlexibilityModel", str, Any], None]
"""Called with the model, a gate and what its closure was about: an ISP, the ISPs of a day, or blocks."""
PROMPT_S = 50
"""Latency (s) up to which every message arrives before its gate, with the default gates."""


@contextmanager
def auctions_of(scenario: Scenario) -> Iterator[None]:
    """Within this context, auctions use the solver of a scenario, and penalties above its price limits."""
    with solving_by(scenario.solver), admitting(scenario.product.admitted_eur_per_mwh):
        yield


class FlexibilityModel(Subscriber, mesa.Model):
    """Agents, physics and books of one run. The model keeps no time: its clock calls what stands at a gate.

    `steps` is the number of the ISP delivered last, -1 before the first.
    """

    def __init__(
        self,
        scenario: Scenario,
        folder: Path | None,
        out: Path,
        *,
        observers: Sequence[Observer] = (),
        creation_order: CreationOrder = list,
        spool: Path | None = None,
        allowed: AllowedCode = NO_CODE,
    ) -> None:
        """Build world and agents; tables will be written into `out`. Arguments as in `sim.run.run`.

        `spool` is the file of recorded rows, if it is to be kept (see `Recorder`). Raises `InputError` for a
        scenario that cannot be built.
        """
        super().__init__(rng=0)  # streams come from tandem_sim.sim.clock.randomness; that of Mesa is not used
        self.steps = -1
        world = build_world(scenario, folder)
        self._set_world(world)
        self.recorder = Recorder(out, world.calendar, spool, scenario.output.leave_out)
        self.states = build_states(world, self.recorder)
        self.clock = Clock(self.timetable.begin)
        link = Link(**scenario.messages.model_dump())
        self.bus = build_bus(link, scenario.seed, self.clock, self.recorder)
        self.ledgers: Ledgers = {}
        self.flexibility = FlexibilityRegister() if scenario.flexibility_register.enabled else None
        builder = AgentBuilder(
            model=self,
            world=world,
            bus=self.bus,
            recorder=self.recorder,
            context=self.context,
            ledgers=self.ledgers,
            register=self.flexibility,
            allowed=allowed,
        )
        self._set_agents(builder, creation_order, allowed)
        self.people = HouseholdSet(self, self.fleet_agent, world.homes, world.residents)
        self.observers = list(observers)
        self._delivery: dict[int, Delivery] = {}
        self._reserve: dict[int, AfrrResult] = {}
        extend(self, scenario.extensions, allowed)

    def _set_world(self, world: World) -> None:
        scenario, grids = world.scenario, world.grids
        self.scenario, self.calendar = scenario, world.calendar
        self.timetable = Timetable(scenario, world.calendar)
        self.areas, self.transmission, self.passive = grids.areas, grids.transmission, grids.passive
        self.load_mw = world.load_mw  # (T, N) on transmission
        self.households, self.household_table = world.people, world.household_table
        self.low_voltage = world.low_voltage
        self.physics = Physics(
            areas=grids.areas,
            dc=grids.dc,
            transmission_flow=PowerFlow(grids.transmission),
            interface_node=grids.interface_node,
            reactive=grids.reactive,
            offset=scenario.dso.offset,
            solver=scenario.power_flow_check.solver,
        )
        chance = stream(scenario.seed, AUDITED).random(world.calendar.n_isp)
        self.audited = frozenset(np.flatnonzero(chance < scenario.power_flow_check.audit_share).tolist())
        latency = scenario.messages.latency_s
        prompt = scenario.messages.spread_s == 0.0 and latency <= PROMPT_S
        prompt = prompt and 2 * latency < 60 * scenario.gates.correct  # an award, then an order
        self.reliable = scenario.messages.loss == 0.0 and prompt  # orders must equal awards

    def _set_agents(self, builder: AgentBuilder, creation_order: CreationOrder, allowed: AllowedCode) -> None:
        agents = builder.create(creation_order)
        self.participants = agents.in_order()
        self.operators, self.clearer = agents.operators, agents.clearer
        self.tso, self.dsos, self.market_operator = agents.tso, agents.dsos, agents.market_operator
        self.aggregators, self.transmission_sellers = agents.aggregators, agents.transmission_sellers
        self.market, self.fleet_agent = agents.market, agents.fleet_agent
        self.brps, self.brp_t, self.brp_of_area = agents.brps, agents.brp_t, agents.brp_of_area
        self.forecasts = builder.forecasts
        self.reserve = build_reserve(self.scenario)
        capacity = add_services(builder, agents, self.flexibility)
        self.non_firm = add_non_firm(builder, agents, self.flexibility)
        self.settler = build_settler(
            builder.world,
            agents,
            self.recorder,
            reserve=self.reserve,
            register=self.flexibility,
            capacity=capacity,
            non_firm=self.non_firm,
            allowed=allowed,
        )

    @property
    def agents_by_type(self) -> dict[type[mesa.Agent], AgentSet]:
        """Agents by their class; those of `Household` are views that are made on demand."""
        return {**super().agents_by_type, Household: self.people}

    @property
    def agent_types(self) -> list[type[mesa.Agent]]:
        """Classes of agents, households included."""
        return [*super().agent_types, Household]

    def context(self, name: str) -> AgentContext:
        """Time, bus, recorder and random streams of its own for an agent of this name."""
        draws = partial(stream, self.scenario.seed, SELLER, name)
        return AgentContext(self.clock.now, self.bus.send, self.recorder, draws)

    def add_agent(self, agent: Participant) -> None:
        """Add an agent: it acts after the others at its gates, and receives the messages sent to its name."""
        if any(agent.name == other.name for other in self.participants):
            raise ValueError(f"there is an agent {agent.name} already")
        self.participants.append(agent)
        self.bus.connect({agent.name: agent.receive})

    def step(self) -> None:
        """Run all gates up to the delivery of the next ISP; the last step settles the last ISP as well."""
        isp = max(-(-self.clock.now() // self.calendar.isp_seconds), 0)  # the first that starts from now on
        if isp < self.calendar.n_isp:
            self.run_through(self.calendar.seconds(isp))
        if isp >= self.calendar.n_isp - 1:
            self.run_through(None)

    def run_through(self, second: int | None) -> None:
        """Run all gates through a second; None: to the end."""
        with auctions_of(self.scenario):
            if second is not None:
                self.clock.run_through(second)
            else:
                self.clock.run()
                self.running = False

    def run_to(self, second: int, gate: str) -> None:
        """Run until right before a gate at a second."""
        with auctions_of(self.scenario):
            self.clock.run_to(second, gate)

    def starts_ahead(self) -> list[int]:
        """Seconds from now on at which ISPs start."""
        starts = (self.calendar.seconds(isp) for isp in range(self.calendar.n_isp))
        return [second for second in starts if second >= self.clock.now()]

    def actions(self, gate: str) -> list[Action]:
        """What is done at a gate: by agents and their roles in order, by the model itself, by observers."""
        found = [action for agent in self.participants for action in agent.actions(gate)]
        own = self.action(gate)
        if own is not None:
            found.append(own)
        if found:
            found += [partial(observer, self, gate) for observer in self.observers]
        return [*found, self._forget] if gate == GATES[-1] else found

    def closures_ahead(self, gate: str) -> Closures:
        """The closures of a gate from now on."""
        studies = [s for dso in self.dsos if (s := dso.role(FlexibilityStudyProcess)) is not None]
        events = [second for study in studies for second in study.timeline.moments()]
        closures = self.timetable.closures(gate, events)
        return [(second, what) for second, what in closures if second >= self.clock.now()]

    @at("deliver")
    def deliver(self, isp: int) -> None:
        """Delivery of an ISP: aFRR, the fleet, units by their awards, and the power flow of all grids."""
        if self.reserve is not None:
            self._dispatch_reserve(isp, self.reserve)
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
        self.steps = isp

    @at("settle")
    def settle(self, isp: int) -> None:
        """Settle payments of an ISP, and audit them."""
        reserve = self._reserve.pop(isp, None)
        self.settler.settle(isp, self.books(isp), self.ledgers[isp], self._delivery[isp], reserve)

    def scheduled_mw(self, isp: int) -> dict[str, float]:
        """Flow into each area that its BRP has scheduled for an ISP, MW."""
        return {area.name: -self.brp_of_area[area.name].schedule_mw[isp] for area in self.areas}

    def delivered(self, isp: int) -> Delivery:
        """The delivery of an ISP that has not been settled."""
        return self._delivery[isp]

    def _transmission_activation(self, isp: int) -> FloatArray:
        n = self.load_mw.shape[1]
        ledger, tso = self.ledgers.get(isp), self.clearer.known(isp).tso
        if ledger is None or not tso.knows("bids"):
            return np.zeros(n)
        bids = tso.bids
        return bids.injection_mw(np.where(bids.demand, 0.0, ledger.sold(T)), n)

    def _dispatch_reserve(self, isp: int, reserve: Reserve) -> None:
        """Dispatch aFRR through an ISP on the bids left by the market; book and order the means."""
        ledger, books = self.ledgers[isp], self.books(isp)
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
            carry=self.bus.carry,
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
        done = reserve.dispatch(left, isp, surplus, length, monitor, available, slow)
        self._reserve[isp] = done.control
        record_volumes(self.recorder, isp, done.volumes, done.providers)
        if available is not None and self.non_firm is not None:
            self.non_firm.reserve_called(isp, left, done.control)
        sales = reserve.sales(left, done.mean_mw)
        for system, mw in done.mean_mw.items():
            bids = left[system][0]
            ledger.book(system, RESERVE, sales[system])
            for aggregator in self.aggregators if system != T else ():
                mine = (own := bids.places_of(aggregator.name))[mw[own] > 0]
                if len(mine):
                    self.fleet_agent.receive(aggregator.order(isp, bids.bid_id[mine].tolist(), mw[mine]))

    def books(self, isp: int) -> dict[str, Bids]:
        """The closed books of an open ISP, by system."""
        known = self.clearer.known(isp)
        books = {T: known.tso.bids}
        for dso in self.dsos:
            own, received = dso.known(isp).area(dso.system), known.area(dso.system)
            holder = own if own.knows("bids") else received
            books[dso.system] = holder.bids if holder.knows("bids") else Bids.empty()
        return books

    def _ordered_kw(self, isp: int) -> float:
        """Net power awarded to households in all areas (kW, up positive)."""
        books, ledger = self.books(isp), self.ledgers[isp]
        return 1000.0 * sum(float(b.direction @ ledger.sold(s)) for s, b in books.items() if s != T)

    def _forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        del self.ledgers[isp], self._delivery[isp]
        if self.flexibility is not None:
            self.flexibility.forget(isp)
        for agent in self.participants:
            agent.forget(isp)
