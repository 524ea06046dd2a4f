"""The world: a Mesa model that holds the agents, and what they do at each gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mesa
import numpy as np

from agents.aggregator import Aggregator
from agents.area import Area
from agents.brp import BRP
from agents.day_ahead import DayAheadMarket
from agents.dso import DSO
from agents.household import FleetDesk
from agents.messages import ImbalanceMessage
from agents.operator import Register
from agents.tso import TSO
from grids.arrays import FloatArray
from markets.bids import Bids
from markets.blocks import TSO as T
from markets.settlement import Payment, activation_payments, cost_payments, imbalance_payments
from sim.audit import (
    audit_balance,
    audit_buyers,
    audit_energy,
    audit_interface,
    audit_ledger,
    audit_money,
    audit_orders,
    audit_price,
    audit_slack,
)
from sim.calendar import Calendar
from sim.physics import GridResult, Physics
from sim.recorder import Recorder

HOUSEHOLDS = "households"


@dataclass
class Delivery:
    """What an ISP turned out to be (MW, system wide and lossless)."""

    system_before: float  # surplus had nothing been activated
    system_after: float
    brp_mw: dict[str, float]  # actual minus schedule minus what aggregators activated, by BRP
    grids: dict[str, GridResult]


class World(mesa.Model):
    """Agents, physics and books of one run. Gates are fired by the clock; nothing here knows the time."""

    calendar: Calendar
    areas: Sequence[Area]
    tso: TSO
    dsos: Sequence[DSO]
    aggregators: Sequence[Aggregator]  # household pools, by number
    producers: Sequence[Aggregator]
    brps: Sequence[BRP]
    brp_of_area: dict[str, BRP]
    brp_t: BRP
    market: DayAheadMarket
    fleet_desk: FleetDesk
    physics: Physics
    register: Register
    recorder: Recorder
    load_mw: FloatArray  # (T, N) on transmission
    audited: frozenset[int]
    reliable: bool  # no message is lost or late, so orders must equal awards
    on_isp: Callable[[int], None]

    def __init__(self) -> None:
        super().__init__(rng=0)  # streams come from names (sim.randomness); Mesa's own stays unused
        self._delivery: dict[int, Delivery] = {}

    def schedules(self, day: range) -> None:
        """Day-ahead gate: BRPs schedule."""
        for brp in self.brps:
            brp.schedule(day)

    def day_ahead(self, day: range) -> None:
        """The day-ahead market clears."""
        self.market.clear_day(day)

    def offer(self, isp: int) -> None:
        """Everybody who sells flexibility bids."""
        for seller in (*self.aggregators, *self.producers):
            seller.offer(isp)

    def dso_close(self, isp: int) -> None:
        """Local books close, where the scheme has local markets."""
        if any(block.party == "dso" for block in self.tso.scheme.blocks):
            for dso in self.dsos:
                dso.close_book(isp, [dso.house])

    def dso_gate(self, gate: str) -> Callable[[int], None]:
        """DSOs run their blocks of a gate; after validation they tell the TSO what the scheme shares."""

        def act(isp: int) -> None:
            for dso in self.dsos:
                dso.act(gate, isp)
                if gate == "validate":
                    dso.tell(isp)

        return act

    def tso_close(self, isp: int) -> None:
        """The TSO's books close."""
        self.tso.close_books(isp)

    def tso_clear(self, isp: int) -> None:
        """The TSO clears and awards."""
        self.tso.act("tso_clear", isp)

    def deliver(self, isp: int) -> None:
        """The fleet moves, units follow their awards, the wires carry it."""
        step = self.fleet_desk.deliver(isp)
        audit_energy(isp, step, self.fleet_desk.fleet)
        units = self.tso.units_mw(isp)
        called = self._transmission_activation(isp)
        if self.reliable:
            audit_orders(isp, step, self.fleet_desk.wanted_kw[isp], self._ordered_kw(isp))
        grids = self.physics.deliver(isp, step, units + called, self.load_mw[isp], isp in self.audited)
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
        self._record_grids(isp, grids)
        self.on_isp(isp)

    def meter(self, isp: int) -> None:
        """Meters are read."""
        self.fleet_desk.meter(isp)

    def settle(self, isp: int) -> None:
        """Money changes hands, books are audited and closed."""
        hours = self.calendar.isp_hours
        delivery, ledger = self._delivery.pop(isp), self.register[isp]
        books = self._books(isp)
        buyers = self._buyers(books)
        price = self.tso.imbalance_price(isp)
        imbalance = dict(delivery.brp_mw)
        awarded, delivered = self._pools(books, isp)
        for pool in awarded:
            imbalance[pool] = delivered[pool] - awarded[pool]
        payments = activation_payments(ledger, books, buyers, hours)
        payments += imbalance_payments(imbalance, price, self.tso.name, hours)
        step = self.fleet_desk.steps[isp]
        owner, net_kw = self.fleet_desk.fleet.groups.aggregator, step.up_kw - step.down_kw
        cost = {
            a.name: a.settle(isp, np.where(owner == k, net_kw, 0.0)) for k, a in enumerate(self.aggregators)
        }
        payments += cost_payments({name: eur_per_h * hours for name, eur_per_h in cost.items()}, HOUSEHOLDS)
        for producer in self.producers:
            producer.settle(isp, np.empty(0))
        net_award = sum(float(b.direction @ ledger.sold(s)) for s, b in books.items())
        audit_ledger(isp, ledger, books)
        audit_money(isp, payments, ledger, books, hours)
        audit_buyers(isp, payments, ledger, books, self._blocks_by_name(), hours)
        audit_price(isp, price, self.tso.day_ahead_price[isp], ledger, books, self.tso.known[isp][T])
        audit_balance(isp, imbalance, net_award, delivery.system_after)
        for brp in self.brps:
            self.tso.desk.send(
                ImbalanceMessage(
                    self.tso.name, brp.name, isp, imbalance_mwh=imbalance[brp.name] * hours, price=price
                )
            )
        self._record_settlement(isp, payments, books)
        self._record_system(isp, delivery, price, books)
        self._close(isp)

    def _transmission_activation(self, isp: int) -> FloatArray:
        n = self.load_mw.shape[1]
        ledger, house = self.register.get(isp), self.tso.known.get(isp, {}).get(T, {})
        if ledger is None or "bids" not in house:
            return np.zeros(n)
        bids: Bids = house["bids"]
        return bids.injection_mw(ledger.sold(T), n)

    def _books(self, isp: int) -> dict[str, Bids]:
        books = {T: self.tso.known[isp][T]["bids"]}
        for dso in self.dsos:
            own = dso.known.get(isp, {}).get(dso.house, {})
            holder = own if "bids" in own else self.tso.known[isp].get(dso.house, {})
            books[dso.house] = holder.get("bids", Bids.empty())
        return books

    def _buyers(self, books: dict[str, Bids]) -> dict[tuple[str, str], str]:
        dso_of = {dso.house: dso.name for dso in self.dsos}
        return {
            (block.name, system): dso_of[system] if block.buyer == "dso" else self.tso.name
            for block in self.tso.scheme.blocks
            for system in books
            if block.buyer != "dso" or system != T
        }

    def _pools(self, books: dict[str, Bids], isp: int) -> tuple[dict[str, float], dict[str, float]]:
        """Net MW awarded to and delivered by every household pool."""
        step, groups = self.fleet_desk.steps[isp], self.fleet_desk.fleet.groups
        n = len(self.aggregators)
        net = np.bincount(groups.aggregator, weights=step.up_kw - step.down_kw, minlength=n) / 1000.0
        delivered = {a.name: float(net[k]) for k, a in enumerate(self.aggregators)}
        awarded = dict.fromkeys(delivered, 0.0)
        for system, bids in books.items():
            if system == T:
                continue
            sold = bids.direction * self.register[isp].sold(system)
            for name in awarded:
                awarded[name] += float(sold[bids.provider == name].sum())
        return awarded, delivered

    def _ordered_kw(self, isp: int) -> float:
        """Net power awarded to households in all areas (kW, up positive)."""
        books = self._books(isp)
        net = sum(float(b.direction @ self.register[isp].sold(s)) for s, b in books.items() if s != T)
        return 1000.0 * net

    def _blocks_by_name(self) -> dict[str, str]:
        return {block.name: block.buyer for block in self.tso.scheme.blocks}

    def _record_grids(self, isp: int, grids: dict[str, GridResult]) -> None:
        for system, g in grids.items():
            vm = g.state.vm_pu
            self.recorder(
                "grid",
                {
                    "isp": isp,
                    "system": system,
                    "converged": g.state.converged,
                    "interface_mw": g.interface_mw,
                    "losses_mw": g.losses_mw,
                    "max_loading_pct": float(g.state.loading_percent.max()),
                    "vm_min_pu": float(vm.min()),
                    "vm_max_pu": float(vm.max()),
                    "congested_lines": g.after.lines,
                    "max_overload_pct": g.after.max_overload_pct,
                    "voltage_violations": None if system == T else g.after.buses,
                    "max_voltage_violation_pct": None if system == T else g.after.max_voltage_pct,
                    "base_converged": g.base and not g.base.diverged,
                    "base_congested_lines": g.base and g.base.lines,
                    "base_max_overload_pct": g.base and g.base.max_overload_pct,
                    "base_voltage_violations": g.base and g.base.buses,
                    "linear_congested_lines": g.linear and g.linear.lines,
                    "linear_voltage_violations": g.linear and g.linear.buses,
                    "flow_error_mw": g.flow_error_mw,
                    "voltage_error_pu": g.voltage_error_pu,
                },
            )

    def _record_settlement(self, isp: int, payments: list[Payment], books: dict[str, Bids]) -> None:
        self.recorder(
            "settlement",
            {
                "isp": [isp] * len(payments),
                "payer": [p.payer for p in payments],
                "payee": [p.payee for p in payments],
                "kind": [p.kind for p in payments],
                "quantity_mwh": [p.quantity_mwh for p in payments],
                "amount_eur": [p.amount_eur for p in payments],
            },
        )
        for layer, systems in self.register[isp].layers.items():
            for system, award in systems.items():
                won, bids = np.flatnonzero(award > 0), books[system]
                self.recorder(
                    "activations",
                    {
                        "isp": np.full(len(won), isp),
                        "layer": [layer] * len(won),
                        "system": [system] * len(won),
                        "bid_id": bids.bid_id[won].tolist(),
                        "provider": bids.provider[won].tolist(),
                        "node": bids.node[won],
                        "direction": bids.direction[won],
                        "quantity_mw": award[won],
                        "price_eur_per_mwh": bids.price[won],
                    },
                )

    def _record_system(
        self,
        isp: int,
        delivery: Delivery,
        price: float,
        books: dict[str, Bids],
    ) -> None:
        step, hours = self.fleet_desk.steps[isp], self.calendar.isp_hours
        ledger, house = self.register[isp], self.tso.known[isp][T]
        sold = {system: (bids.direction, ledger.sold(system)) for system, bids in books.items()}
        answer = house["balancing"]
        self.recorder(
            "system",
            {
                "isp": isp,
                "day_ahead_price_eur_per_mwh": self.tso.day_ahead_price[isp],
                "imbalance_before_mw": delivery.system_before,
                "need_forecast_mw": float(house["need"]),
                "activated_up_mw": sum(float(s[d > 0].sum()) for d, s in sold.values()),
                "activated_down_mw": sum(float(s[d < 0].sum()) for d, s in sold.values()),
                "imbalance_after_mw": delivery.system_after,
                "imbalance_price_eur_per_mwh": price,
                "unserved_mw": answer.short_mw + answer.long_mw,
                "battery_soc": step.battery_soc_mean,
                "ev_charged_mwh": step.ev_energy_kwh / 1000.0,
                "indoor_deviation_k": step.indoor_theta_mean,
                "curtailed_mwh": step.curtailed_kw / 1000.0 * hours,
                "ordered_mwh": float(np.abs(self.fleet_desk.wanted_kw[isp]).sum()) / 1000.0 * hours,
                "delivered_mwh": float(step.up_kw.sum() + step.down_kw.sum()) / 1000.0 * hours,
            },
        )

    def _close(self, isp: int) -> None:
        del self.register[isp]
        self.fleet_desk.forget(isp)
        for brp in self.brps:
            brp.forget(isp)
        for operator in (self.tso, *self.dsos):
            operator.forget(isp)
