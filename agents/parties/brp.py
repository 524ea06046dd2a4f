"""Balance responsible parties: day-ahead schedules, imbalance, purchases in an integrated market."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext, Participant
from tandem_sim.agents.base.messages import (
    AwardMessage,
    BidsMessage,
    DayAheadMessage,
    ImbalanceMessage,
    Message,
    RejectionMessage,
    ScheduleMessage,
)
from tandem_sim.agents.base.subscriptions import at, on
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.products import Product


@dataclass(frozen=True)
class Purchasing:
    """How a BRP covers its own imbalance: receiver and node of its bids, product, price spread."""

    receiver: str
    node: int
    product: Product
    spread_eur_per_mwh: float


class BRP(Participant):
    """Schedules a portfolio of consumption, including PV behind the meter, and bears its imbalance."""

    def __init__(
        self,
        model: mesa.Model,
        *,
        name: str,
        context: AgentContext,
        forecast: Callable[[range], FloatArray],
        receivers: tuple[str, ...],
        purchasing: Purchasing | None = None,
    ) -> None:
        """`forecast` gives the net injection (MW) expected now for each ISP of a range.

        `receivers` take the schedule; without `purchasing` the BRP buys no flexibility.
        """
        super().__init__(model, name, context)
        self._forecast = forecast
        self._receivers = receivers
        self._purchasing = purchasing
        self._day_ahead: dict[int, float] = {}
        self.schedule_mw: dict[int, float] = {}
        self.imbalance_eur = 0.0  # received for imbalances so far, by the TSO's bills; negative: paid

    def stands_at(self, gate: str) -> bool:
        """Whether it buys flexibility."""
        return gate != "offer" or self._purchasing is not None

    @on(DayAheadMessage)
    def on_day_ahead(self, message: DayAheadMessage) -> None:
        """Store day-ahead prices."""
        self._day_ahead.update(enumerate(message.price.tolist(), start=message.isp))

    @on(ImbalanceMessage)
    def on_imbalance(self, message: ImbalanceMessage) -> None:
        """Add up the bills for imbalances."""
        self.imbalance_eur += message.imbalance_mwh * message.price

    @on(AwardMessage, RejectionMessage)
    def on_purchase(self, message: Message) -> None:
        """Awards and rejections of its bids need no action: the TSO settles what it bought."""

    @at("schedules")
    def schedule(self, day: range) -> None:
        """Send the schedule of a day to its receivers."""
        p = self._forecast(day)
        self.schedule_mw.update(zip(day, p.tolist(), strict=True))
        for receiver in self._receivers:
            self.context.send(ScheduleMessage(self.name, receiver, day.start, p_mw=p))

    @at("offer")
    def buy(self, isp: int) -> None:
        """Bid for the expected difference between portfolio and schedule in an ISP.

        A short BRP buys energy up to the day-ahead price plus the spread; a long BRP sells it down to that
        price minus the spread.
        """
        if self._purchasing is None:
            return
        gap = float(self._forecast(range(isp, isp + 1))[0]) - self.schedule_mw[isp]
        how, tick = self._purchasing, self._purchasing.product.tick_mw
        quantity = np.floor(abs(gap) / tick + 1e-9) * tick if tick else abs(gap)
        if quantity < max(how.product.min_quantity_mw, NEGLIGIBLE_MW):
            return
        direction = DOWN if gap < 0 else UP  # of its effect on the system, see `Bids.of`
        price = self._day_ahead[isp] - direction * how.spread_eur_per_mwh
        bid_id = [f"{self.name}-{isp}"]
        bids = Bids.of(bid_id, [self.name], [how.node], [direction], [quantity], [price], [True])
        self.context.send(BidsMessage(self.name, how.receiver, isp, system=TSO, bids=bids))

    def forget(self, isp: int) -> None:
        """Drop schedule and price of an ISP that has been settled."""
        super().forget(isp)
        del self.schedule_mw[isp]
        self._day_ahead.pop(isp, None)
