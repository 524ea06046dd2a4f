"""The aggregator: pools resources, bids, and turns awards into orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext, Participant
from tandem_sim.agents.base.forecast import MEAN_ABS_NORMAL
from tandem_sim.agents.base.messages import (
    AmendMessage,
    AwardMessage,
    BaselineMessage,
    BidsMessage,
    DayAheadMessage,
    OrderMessage,
    RejectionMessage,
    SupplyMessage,
)
from tandem_sim.agents.base.subscriptions import at, on
from tandem_sim.agents.parties.bidder import Bidder
from tandem_sim.agents.parties.sales_book import ClosedBook, SalesBook
from tandem_sim.agents.portfolios.portfolio import Portfolio, Resources
from tandem_sim.agents.portfolios.transmission import UnitPortfolio
from tandem_sim.agents.services.capacity import CapacitySeller
from tandem_sim.agents.strategies.strategy import OfferView, Stage, Strategy
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.products import Product

DECLARED = "declared baseline"
"""Label of the random error of a declared baseline. It stays: results depend on it."""


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How a BSP treats forwarded bids and declares baselines, and whether it keeps the rules."""

    consents: bool = True  # to the forwarding of bids left by a local market
    amends: bool = False  # whether it amends bids left by a local market
    reprices: bool = False  # whether it changes prices when it amends bids
    declares_to: str | None = None  # who receives its baseline; None: it declares none
    mape: float = 0.0  # mean absolute error of the declared baseline, as a share of it
    sells_twice: bool = False  # sends every bid a second time under another id, against the rules
    replaces_faults: bool = False  # a strategy with an invalid offer is replaced by truthful bidding


HONEST = Conduct()


@dataclass(frozen=True, kw_only=True)
class MarketAccess:
    """How a BSP reaches its markets: the product, and who takes its bids by system, orders, and markups."""

    product: Product
    receivers: Mapping[str, str]  # system -> operator that takes its bids
    fleet_name: str | None = None  # who takes orders to resources; None: resources follow awards themselves
    day_ahead_market: str | None = None  # who takes markups on marginal cost; None: it sells nothing there


class Aggregator(Participant):
    """A BSP. One class for pools of households, conventional units and large loads."""

    def __init__(
        self,
        model: mesa.Model,
        *,
        name: str,
        context: AgentContext,
        portfolio: Portfolio,
        strategy: Strategy,
        access: MarketAccess,
        conduct: Conduct = HONEST,
    ) -> None:
        """Build a BSP that sells what its portfolio offers, as its strategy bids."""
        super().__init__(model, name, context)
        self.portfolio = portfolio
        self.bidder = Bidder(name, strategy, context.record, conduct.replaces_faults)
        self._product = access.product
        self._receivers = dict(access.receivers)
        self._fleet_name = access.fleet_name
        self._day_ahead_market = access.day_ahead_market
        self._conduct = conduct
        self._day_ahead: dict[int, float] = {}
        self.sales = SalesBook(name, conduct.consents)

    def stands_at(self, gate: str) -> bool:
        """Whether it sends markups, amends bids and declares baselines, by its access and its conduct."""
        stands = {
            "schedules": self._day_ahead_market is not None,
            "amend": self._conduct.amends,
            "declare": self._conduct.declares_to is not None,
        }
        return stands.get(gate, True)

    @on(DayAheadMessage)
    def on_day_ahead(self, message: DayAheadMessage) -> None:
        """Store day-ahead prices, and the schedule of a unit."""
        self._day_ahead.update(enumerate(message.price.tolist(), start=message.isp))
        if isinstance(self.portfolio, UnitPortfolio):
            self.portfolio.scheduled(message.isp, message.p_mw)

    @on(RejectionMessage)
    def on_rejection(self, message: RejectionMessage) -> None:
        """A rejection needs no action: strategies get the result of an ISP when it is settled."""

    @at("offer")
    def offer(self, isp: int) -> None:
        """Send the bids for an ISP to the operator of each system's market."""
        price = self._day_ahead[isp]
        found = self.portfolio.resources(isp, price)
        self.sales.open(isp, found)
        books = self._held(isp, {part.system: self._bids(isp, price, part) for part in found})
        self.sales.sent(isp, books)
        for system, bids in books.items():
            if len(bids):
                self._send(isp, system, bids)

    @at("amend")
    def amend(self, isp: int) -> None:
        """After the local market: lower or withdraw infeasible bids, reprice bids that sold nothing."""
        price, sold = self._day_ahead[isp], self.sales.sold_mw(isp)
        reprices = self._conduct.reprices
        for part in self.portfolio.resources(isp, price):
            old = self.sales.offered(isp, part.system)
            new = self._bids(isp, price, part, "left")
            now = dict(zip(new.bid_id.tolist(), range(len(new)), strict=True))
            change: list[tuple[str, float, float]] = []
            rows = zip(old.bid_id.tolist(), old.quantity_mw.tolist(), old.price.tolist(), strict=True)
            for bid, mw, old_price in rows:
                k, done = now.get(bid), sold.get(bid, 0.0)
                available = max(float(new.quantity_mw[k]) if k is not None else 0.0, done)
                wanted = float(new.price[k]) if k is not None and reprices and not done else old_price
                if available < mw - NEGLIGIBLE_MW or wanted != old_price:
                    change.append((bid, min(available, mw), wanted))
            if change:
                ids, mws, prices = zip(*change, strict=True)
                self.context.send(
                    AmendMessage(
                        self.name,
                        self._receivers[part.system],
                        isp,
                        system=part.system,
                        bid_id=ids,
                        quantity_mw=np.array(mws),
                        price=np.array(prices),
                    )
                )

    def _send(self, isp: int, system: str, bids: Bids) -> None:
        receiver = self._receivers[system]
        self.context.send(BidsMessage(self.name, receiver, isp, system=system, bids=bids))
        if self._conduct.sells_twice:
            again = np.array([f"{b}.2" for b in bids.bid_id.tolist()], dtype=np.str_)
            for bid in bids.bid_id.tolist():
                self.sales.alias(f"{bid}.2", bid)
            self.context.send(
                BidsMessage(self.name, receiver, isp, system=system, bids=replace(bids, bid_id=again))
            )

    def _bids(self, isp: int, day_ahead_price: float, found: Resources, stage: Stage = "first") -> Bids:
        tick = self._product.tick_mw
        quantity = np.floor(found.quantity_mw / tick + 1e-9) * tick if tick else found.quantity_mw
        (keep,) = (quantity >= max(self._product.min_quantity_mw, NEGLIGIBLE_MW)).nonzero()
        floor, cap = self._product.price_floor_eur_per_mwh, self._product.price_cap_eur_per_mwh
        view = OfferView(
            isp=isp,
            day_ahead_price=day_ahead_price,
            direction=found.direction[keep],
            quantity_mw=quantity[keep],
            cost=found.cost[keep],
            price_floor=floor,
            price_cap=cap,
            system=found.system,
            stage=stage,
            sees=self.bidder.sees,
            published=self.bidder.book(found.system),
        )
        offers = self.bidder.offers(view)
        bids = self.sales.price(keep, view, offers)
        return self._strike_limited(isp, day_ahead_price, found.system, bids)

    def take_results(self, isp: int, books: Mapping[str, ClosedBook]) -> None:
        """Pass the result of an ISP, from the closed books by system, to the strategy if it needs it."""
        if self.bidder.needs_results:
            self.bidder.take_results(self.sales.outcome(isp, books), books)

    @at("schedules")
    def supply(self, day: range) -> None:
        """Send the day-ahead market the markup on marginal cost, if the strategy sets one."""
        markup = self.bidder.supply_markup(day)
        if markup is not None and self._day_ahead_market is not None:
            self.context.send(SupplyMessage(self.name, self._day_ahead_market, day.start, markup=markup))

    def _held(self, isp: int, books: dict[str, Bids]) -> dict[str, Bids]:
        """Hold for aFRR the MW sold as capacity, the best prices first."""
        capacity = self.role(CapacitySeller)
        if capacity is None:
            return books
        ends = np.cumsum([len(b) for b in books.values()])[:-1]
        whole = Bids.join(list(books.values()))
        held = np.zeros(len(whole))
        for direction in (UP, DOWN):
            side = np.flatnonzero(whole.direction == direction)
            rank = direction * whole.price[side]
            held[side] = capacity.hold_mw(isp, direction, whole.quantity_mw[side], rank)
        parts = np.split(held, ends)
        return {s: replace(b, held_mw=part) for (s, b), part in zip(books.items(), parts, strict=True)}

    def _strike_limited(self, isp: int, day_ahead_price: float, system: str, bids: Bids) -> Bids:
        """Bids of a system under the strike price of capacity contracts."""
        capacity = self.role(CapacitySeller)
        if capacity is None or capacity.strike_eur_per_mwh is None:
            return bids
        price = np.array(bids.price)
        for direction in (UP, DOWN):
            side = np.flatnonzero(bids.direction == direction)
            price[side] = capacity.strike_limited(
                isp, system, direction, bids.quantity_mw[side], price[side], day_ahead_price
            )
        return replace(bids, price=price)

    @at("declare")
    def declare(self, isp: int) -> None:
        """Send the baselines expected right before delivery, or those that the strategy declares instead."""
        if self._conduct.declares_to is None:
            return
        group, declared = [], []
        wrong = 1.0 + self._conduct.mape / MEAN_ABS_NORMAL * self._error(isp)
        for part in self.portfolio.resources(isp, self._day_ahead[isp]):
            up = part.direction == UP
            group.append(part.resource[up])
            expected, offered = wrong * part.baseline_mw[up], part.quantity_mw[up]
            declared.append(self.bidder.declared_mw(isp, expected, offered))
        self.context.send(
            BaselineMessage(
                self.name,
                self._conduct.declares_to,
                isp,
                group=np.concatenate(group),
                declared_mw=np.concatenate(declared),
            )
        )

    def _error(self, isp: int) -> float:
        return float(self.context.draws(DECLARED, isp).standard_normal())

    @on(AwardMessage)
    def on_award(self, award: AwardMessage) -> None:
        """Order an award from the resources behind the bids. Units follow their awards without an order."""
        if self._fleet_name is None:
            return
        if not self.sales.is_open(award.isp):
            late = {"system": award.system, "bid_id": self.name, "reason": "award came after settlement"}
            self.context.record("rejections", {"isp": award.isp, **late})
            return
        self.sales.sell(award.isp, award.bid_id, award.quantity_mw)
        self.context.send(self.order(award.isp, award.bid_id, award.quantity_mw))

    def order(self, isp: int, bid_id: Sequence[str], quantity_mw: FloatArray) -> OrderMessage:
        """The order to the resources behind bids (n,), MW (n,) of each."""
        resource, direction = self.sales.groups_of(bid_id)
        kw = quantity_mw * 1000.0
        return OrderMessage(
            self.name,
            self._fleet_name or "",
            isp,
            group=resource,
            up_kw=np.where(direction == UP, kw, 0.0),
            down_kw=np.where(direction == UP, 0.0, kw),
        )

    def settle(self, isp: int, delivered_kw: FloatArray) -> float:
        """Close the books of an ISP: cost of the deliveries to the resources, EUR/h, signed like prices.

        `delivered_kw` is the net delivery of every resource by number, up positive, those of other sellers
        included; it is empty for sellers whose resources are not metered one by one.
        """
        return self.sales.cost_eur_per_h(isp, delivered_kw)

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        super().forget(isp)
        self._day_ahead.pop(isp, None)
        if isinstance(self.portfolio, UnitPortfolio):
            self.portfolio.forget(isp)
