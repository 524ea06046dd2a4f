"""The aggregator: pools resources, bids, and turns awards into orders."""

from __future__ import annotations

from collections.abc import Mapping

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
        self._cost: dict[int, dict[str, float]] = {}  # ISP -> bid id -> EUR/MWh
        self._incurred: dict[int, float] = {}  # ISP -> EUR/h for what has been awarded
        self.rejected = 0

    def receive(self, message: Message) -> None:
        """Take prices and schedules, awards, meter readings and rejections."""
        match message:
            case DayAheadMessage():
                self._day_ahead.update(enumerate(message.price.tolist(), start=message.isp))
                if isinstance(self._portfolio, UnitPortfolio):
                    self._portfolio.schedule_mw.update(enumerate(message.p_mw.tolist(), start=message.isp))
            case AwardMessage():
                self._order(message)
            case RejectionMessage():
                self.rejected += len(message.reasons)
            case MeterMessage():
                pass  # a truthful aggregator learns nothing from its meters
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
        self._cost.setdefault(isp, {}).update(zip(ids.tolist(), view.cost.tolist(), strict=True))
        for bid_id, resource, direction in zip(
            ids.tolist(), found.resource[keep].tolist(), view.direction.tolist(), strict=True
        ):
            self._of_bid[bid_id] = (resource, direction)
        provider = np.full(len(keep), self.name)
        return Bids(
            ids, provider, found.node[keep], view.direction, view.quantity_mw, self._strategy.prices(view)
        )

    def _order(self, award: AwardMessage) -> None:
        """Pass an award on to the resources behind the bids. Units follow their awards without being told."""
        resource, direction = np.array([self._of_bid[b] for b in award.bid_id]).T
        cost = np.array([self._cost[award.isp][b] for b in award.bid_id])
        self._incurred[award.isp] = self._incurred.get(award.isp, 0.0) + float(
            (direction * cost) @ award.quantity_mw
        )
        if self._resources_desk is None:
            return
        kw = award.quantity_mw * 1000.0
        order = OrderMessage(
            self.name,
            self._resources_desk,
            award.isp,
            group=resource,
            up_kw=np.where(direction == UP, kw, 0.0),
            down_kw=np.where(direction == UP, 0.0, kw),
        )
        self.desk.send(order)

    def settle(self, isp: int) -> float:
        """Close the books of an ISP: what the awards cost its resources (EUR/h, signed like prices)."""
        self._cost.pop(isp, None)
        return self._incurred.pop(isp, 0.0)
