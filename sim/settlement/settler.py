"""Closes the books of an ISP: deliveries and payments, audited and recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.messages import ImbalanceMessage
from tandem_sim.agents.households.fleet import FleetStep
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.market_operator import MarketOperator
from tandem_sim.agents.operators.tso import TSO
from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.parties.brp import BRP
from tandem_sim.agents.parties.sales_book import ClosedBook
from tandem_sim.agents.parties.seller_report import seller_rows
from tandem_sim.agents.services.afrr import AfrrResult
from tandem_sim.agents.services.nominations import NominationBook
from tandem_sim.agents.services.qualification import PrequalificationProcess
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.markets.settlement.imbalance import ImbalancePrices, mid_price, regulation_state
from tandem_sim.markets.settlement.payments import (
    Payment,
    Place,
    activation_payments,
    capacity_payments,
    cost_payments,
    imbalance_payments,
    reactive_payments,
    shortfall_payments,
)
from tandem_sim.sim.delivery.meters import Measured, Meters
from tandem_sim.sim.delivery.physics import GridResult
from tandem_sim.sim.delivery.reserve import ImbalancePricing, Reserve
from tandem_sim.sim.inputs.prices import GivenPrices
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.records import (
    record_obligations,
    record_reactive,
    record_reserve,
    record_settlement,
    record_system,
)
from tandem_sim.sim.settlement.accounts import (
    awarded_mw,
    bought_mw,
    buyer_of_market,
    buyers,
    capacity_obligations,
    ordered_mw,
    reactive_trades,
)
from tandem_sim.sim.settlement.audit import (
    audit_balance,
    audit_buyers,
    audit_capacity,
    audit_ledger,
    audit_money,
    audit_price,
    audit_reactive,
    audit_register,
    audit_sequence,
)
from tandem_sim.sim.settlement.non_firm import NonFirm

HOUSEHOLDS = "households"


@dataclass
class Delivery:
    """The delivered ISP: system imbalance (MW, lossless), BRP imbalances and grids."""

    system_before: float  # surplus without activation
    system_after: float
    brp_mw: dict[str, float]  # by BRP: actual minus schedule, without activation by aggregators
    grids: dict[str, GridResult]


@dataclass(frozen=True)
class SettlementRules:
    """Charges for missing capacity and energy; whether BRP perimeters are corrected."""

    penalty_factor: float = 1.0
    shortfall_eur_per_mwh: float = 0.0
    correct_brp: bool = True


@dataclass(kw_only=True)
class Settler:
    """Settles ISPs in order, without gap or repetition."""

    tso: TSO
    clearer: TSO | MarketOperator
    dsos: Sequence[DSO]
    pools: Sequence[Aggregator]
    transmission_sellers: Sequence[Aggregator]
    brps: Sequence[BRP]
    brp_of_area: Mapping[str, BRP]
    fleet_agent: FleetAgent
    meters: Meters
    pricing: ImbalancePricing
    given: GivenPrices
    reserve: Reserve | None
    rules: SettlementRules
    recorder: Recorder
    hours: float
    register: FlexibilityRegister | None
    capacity: CapacityBook | None
    non_firm: NonFirm | None = None
    _last: int = -1

    def settle(
        self,
        isp: int,
        books: Mapping[str, Bids],
        ledger: Ledger,
        delivery: Delivery,
        control: AfrrResult | None,
    ) -> None:
        """Compute prices, imbalances and payments of an ISP; audit and record them; send BRPs their bills."""
        audit_sequence(isp, self._last)
        self._last = isp
        step = self.fleet_agent.steps[isp]
        prices = self._prices(isp, books, ledger, delivery, control)
        by_pool = awarded_mw([p.name for p in self.pools], books, ledger)
        wanted, declared = self.fleet_agent.wanted_kw[isp], self.tso.declared_mw(isp, len(step.up_kw))
        measured = self.meters.measure(isp, step, wanted, declared)
        for t in self.non_firm.substitutions.get(isp, ()) if self.non_firm is not None else ():
            by_pool[t.payer] -= t.direction * t.mw
            by_pool[t.payee] += t.direction * t.mw
        places = self._places(isp, books, ledger, measured)
        imbalance, uncorrected = self._imbalances(delivery, books, ledger, by_pool, measured)
        payments = self._payments(isp, books, ledger, places, imbalance, prices, step)
        net_award = sum(float(b.direction @ ledger.sold(s)) for s, b in books.items())
        audit_ledger(isp, ledger, books)
        audit_money(isp, payments, ledger, books, self.hours)
        audit_buyers(isp, payments, ledger, buyer_of_market(self.tso.scheme), self.hours)
        audit_balance(isp, imbalance, net_award + uncorrected, delivery.system_after)
        if self.register is not None:
            audit_register(isp, self.register, ledger, books)
        qualification = self.tso.role(PrequalificationProcess)
        if qualification is not None:
            qualification.judge(isp, *places)
        self._bill(isp, imbalance, prices)
        record_settlement(self.recorder, isp, payments, ledger, books)
        self._record(isp, books, ledger, delivery, prices, step)

    def _places(
        self, isp: int, books: Mapping[str, Bids], ledger: Ledger, measured: Measured
    ) -> tuple[Mapping[Place, float], Mapping[Place, float]]:
        """MW ordered and delivered by `Place`; empty if neither charges nor qualification depend on them."""
        if self.rules.shortfall_eur_per_mwh <= 0.0 and self.tso.role(PrequalificationProcess) is None:
            return {}, {}
        changes = self.non_firm.changes.get(isp, ()) if self.non_firm is not None else ()
        ordered = ordered_mw(self.pools, books, ledger, changes, len(measured.group_mw))
        return self.meters.by_place(ordered, measured.group_mw)

    def _prices(
        self,
        isp: int,
        books: Mapping[str, Bids],
        ledger: Ledger,
        delivery: Delivery,
        control: AfrrResult | None,
    ) -> ImbalancePrices:
        minutes = self.reserve.minutes_mw(control) if self.reserve and control else None
        bought = self.tso.books_as_bought(isp, books)
        found = self.tso.regulation(isp, bought, minutes)
        if (given := self.given.imbalance(isp)) is not None:
            if control is not None:
                record_reserve(self.recorder, isp, control, regulation_state(found))
            return given
        mid = mid_price(list(books.values()), self.tso.day_ahead_price[isp])
        prices, alpha = self.pricing.prices(found, mid, delivery.system_before)
        if control is not None:
            record_reserve(self.recorder, isp, control, regulation_state(found))
        bound = self.pricing.bound_by(found)
        audit_price(isp, prices, alpha, mid, ledger, bought, found, bound)
        return prices

    def _imbalances(
        self,
        delivery: Delivery,
        books: Mapping[str, Bids],
        ledger: Ledger,
        by_pool: Mapping[str, float],
        measured: Measured,
    ) -> tuple[dict[str, float], float]:
        """Imbalance of every party (MW, positive: long), and activation that no BRP is corrected for."""
        imbalance = dict(delivery.brp_mw)
        for brp, bought in bought_mw(books[T], ledger).items():
            imbalance[brp] += bought
        uncorrected = 0.0
        for area, unseen in measured.unseen_mw.items():
            name = self.brp_of_area[area].name
            imbalance[name] += unseen
            if not self.rules.correct_brp:
                seen = measured.true_mw[area] - unseen
                imbalance[name] += seen
                uncorrected -= seen
        for pool, mw in measured.pool_mw.items():
            imbalance[pool] = mw - by_pool[pool]
        return imbalance, uncorrected

    def _payments(
        self,
        isp: int,
        books: Mapping[str, Bids],
        ledger: Ledger,
        places: tuple[Mapping[Place, float], Mapping[Place, float]],
        imbalance: Mapping[str, float],
        prices: ImbalancePrices,
        step: FleetStep,
    ) -> list[Payment]:
        """All payments of an ISP. `places`: MW ordered and delivered by `Place`."""
        scheme, hours, tso = self.tso.scheme, self.hours, self.tso.name
        payments = activation_payments(ledger, books, buyers(scheme, tso, self.dsos), hours)
        payments += imbalance_payments(imbalance, prices, tso, hours)
        penalty = self.rules.shortfall_eur_per_mwh
        payments += shortfall_payments(*places, tso, penalty, hours)
        self._account(isp, books, ledger)
        delivered_kw = step.up_kw - step.down_kw
        cost = {a.name: a.settle(isp, delivered_kw) for a in self.pools}
        payments += cost_payments({name: eur_per_h * hours for name, eur_per_h in cost.items()}, HOUSEHOLDS)
        for seller in self.transmission_sellers:
            seller.settle(isp, np.empty(0))
        if self.capacity is not None:
            payments += self._capacity(isp, self.capacity, books)
        if self.non_firm is not None:
            payments += self.non_firm.payments(isp, step)
            self.non_firm.forget(isp)
        return payments + self._reactive(isp)

    def _account(self, isp: int, books: Mapping[str, Bids], ledger: Ledger) -> None:
        """Pass every seller its result of the ISP, and record it."""
        closed = {}
        for system, bids in books.items():
            markets = [paid[system] for paid in ledger.paid.values() if system in paid]
            received = np.sum(markets, axis=0) if markets else np.zeros(len(bids))
            closed[system] = ClosedBook(bids, ledger.sold(system), received)
        sellers = (*self.pools, *self.transmission_sellers)
        for seller in sellers:
            seller.take_results(isp, closed)
        rows = seller_rows(isp, [seller.sales for seller in sellers], closed)
        self.recorder("sellers", {"isp": [isp] * len(rows["provider"]), **rows})

    def _reactive(self, isp: int) -> list[Payment]:
        injected = self.fleet_agent.reactive_mvar(isp)
        trades = reactive_trades(isp, self.dsos, self.pools, injected)
        payments = reactive_payments(trades, self.hours)
        audit_reactive(isp, trades, payments, injected, self.hours)
        record_reactive(self.recorder, isp, trades)
        return payments

    def _capacity(self, isp: int, capacity: CapacityBook, books: Mapping[str, Bids]) -> list[Payment]:
        book = self.tso.role(NominationBook)
        nominated = None if book is None else book.nominated_mw
        areas = self.clearer.known(isp).areas
        offers = {name: area.offers for name, area in areas.items() if area.knows("offers")}
        found = capacity_obligations(isp, capacity, books, offers, nominated, self.tso.name)
        payments = capacity_payments(found, self.rules.penalty_factor, self.hours)
        audit_capacity(isp, capacity, payments, self.rules.penalty_factor, self.hours)
        record_obligations(self.recorder, isp, found)
        capacity.forget(isp)
        return payments

    def _bill(self, isp: int, imbalance: Mapping[str, float], prices: ImbalancePrices) -> None:
        for brp in self.brps:
            mwh = imbalance[brp.name] * self.hours
            price = prices.long if mwh > 0 else prices.short
            bill = ImbalanceMessage(self.tso.name, brp.name, isp, imbalance_mwh=mwh, price=price)
            self.tso.context.send(bill)

    def _record(
        self,
        isp: int,
        books: Mapping[str, Bids],
        ledger: Ledger,
        delivery: Delivery,
        prices: ImbalancePrices,
        step: FleetStep,
    ) -> None:
        tso, sold = self.clearer.known(isp).tso, {s: (b, ledger.sold(s)) for s, b in books.items()}
        figures = {
            "day_ahead_price_eur_per_mwh": self.tso.day_ahead_price[isp],
            "imbalance_before_mw": delivery.system_before,
            "need_forecast_mw": float(tso.need),
            "imbalance_after_mw": delivery.system_after,
            "imbalance_price_long_eur_per_mwh": prices.long,
            "imbalance_price_short_eur_per_mwh": prices.short,
            "unserved_mw": ledger.unserved_mw(),
        }
        wanted: FloatArray = self.fleet_agent.wanted_kw[isp]
        record_system(self.recorder, isp, self.hours, step, wanted, sold, figures)
