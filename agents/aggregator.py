"""The aggregator: pools resources, bids, and turns awards into orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mesa
import numpy as np

from agents.messages import (
    AwardMessage,
    BidsMessage,
    DayAheadMessage,
    Message,
    MeterMessage,
    OrderMessage,
    RejectionMessage,
)
from agents.participant import Desk, Participant
from agents.portfolio import Portfolio, Resources, UnitPortfolio
from agents.strategies import OfferView, Strategy
from grids.arrays import FloatArray
from markets.bids import UP, Bids, Product


class Aggregator(Participant):
    """A BSP. One class for pools of households, conventional units and large loads."""

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        desk: Desk,
        portfolio: Portfolio,
        strategy: Strategy,
        product: Product,
        receivers: Mapping[str, str],
        resources_desk: str | None = None,
    ) -> None:
        """`receivers` names who takes the bids of each system, `resources_desk` who takes the orders."""
        super().__init__(model, name, desk)
        self._portfolio = portfolio
        self._strategy = strategy
        self._product = product
        self._receivers = dict(receivers)
        self._resources_desk = resources_desk
        self._day_ahead: dict[int, float] = {}
        self._of_bid: dict[str, tuple[int, int]] = {}  # bid id -> resource, direction
        self._cost: dict[int, dict[tuple[int, int], float]] = {}  # ISP -> resource, direction -> EUR/MWh

    def receive(self, message: Message) -> None:
        """Take prices and schedules, awards, meter readings and rejections."""
        match message:
            case DayAheadMessage():
                self._day_ahead.update(enumerate(message.price.tolist(), start=message.isp))
                if isinstance(self._portfolio, UnitPortfolio):
                    self._portfolio.schedule_mw.update(enumerate(message.p_mw.tolist(), start=message.isp))
            case AwardMessage():
                self._order(message)
            case RejectionMessage() | MeterMessage():
                pass  # a truthful aggregator learns nothing from them
            case _:
                super().receive(message)

    def offer(self, isp: int) -> None:
        """Send the bids for an ISP to whoever runs the market of each system."""
        price = self._day_ahead[isp]
        for found in self._portfolio.resources(isp, price):
            bids = self._bids(isp, price, found)
            if len(bids):
                receiver = self._receivers[found.system]
                self.desk.send(BidsMessage(self.name, receiver, isp, system=found.system, bids=bids))

    def _bids(self, isp: int, day_ahead_price: float, found: Resources) -> Bids:
        tick = self._product.tick_mw
        quantity = np.floor(found.quantity_mw / tick + 1e-9) * tick if tick else found.quantity_mw
        keep = np.flatnonzero(quantity >= max(self._product.min_quantity_mw, 1e-9))
        view = OfferView(isp, day_ahead_price, found.direction[keep], quantity[keep], found.cost[keep])
        ids = found.bid_id[keep]
        keys = list(zip(found.resource[keep].tolist(), view.direction.tolist(), strict=True))
        self._of_bid.update(zip(ids.tolist(), keys, strict=True))
        self._cost.setdefault(isp, {}).update(zip(keys, view.cost.tolist(), strict=True))
        provider = np.full(len(keep), self.name)
        return Bids(
            ids, provider, found.node[keep], view.direction, view.quantity_mw, self._strategy.prices(view)
        )

    def _order(self, award: AwardMessage) -> None:
        """Pass an award on to the resources behind the bids. Units follow their awards without being told."""
        if self._resources_desk is None:
            return
        if award.isp not in self._cost:
            late = {"system": award.system, "bid_id": self.name, "reason": "award came after settlement"}
            self.desk.record("rejections", {"isp": award.isp, **late})
            return
        self.desk.send(self.order(award.isp, award.bid_id, award.quantity_mw))

    def order(self, isp: int, bid_id: Sequence[str], quantity_mw: FloatArray) -> OrderMessage:
        """The order to the resources behind bids (n,) for so many MW (n,) of each."""
        resource, direction = np.array([self._of_bid[b] for b in bid_id]).T
        kw = quantity_mw * 1000.0
        return OrderMessage(
            self.name,
            self._resources_desk or "",
            isp,
            group=resource,
            up_kw=np.where(direction == UP, kw, 0.0),
            down_kw=np.where(direction == UP, 0.0, kw),
        )

    def settle(self, isp: int, delivered_kw: FloatArray) -> float:
        """Close the books of an ISP: what the deliveries cost its resources, EUR/h, signed like prices.

        `delivered_kw` is the net delivery of every resource by number, up positive; it is empty for sellers
        whose resources are not metered one by one.
        """
        cost = self._cost.pop(isp, {})
        self._day_ahead.pop(isp, None)
        if isinstance(self._portfolio, UnitPortfolio):
            self._portfolio.schedule_mw.pop(isp, None)
        moved = np.flatnonzero(delivered_kw)
        sides = np.sign(delivered_kw[moved]).astype(int).tolist()
        prices = [cost.get((k, side), 0.0) for k, side in zip(moved.tolist(), sides, strict=True)]
        return float(np.array(prices) @ delivered_kw[moved]) / 1000.0
