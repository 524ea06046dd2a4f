"""Reactive power on the local market: the DSO that buys it, and the aggregator that sells it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import (
    ReactiveAwardMessage,
    ReactiveBidsMessage,
    ReactiveOrderMessage,
    RejectionMessage,
)
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.agents.portfolios.households import Inverters
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.orders.products import Product


class AreaKnowledge(Protocol):
    """What a DSO knows, to read and to add to."""

    def known(self, isp: int) -> OperatorState:
        """What it knows of an ISP."""

    def note(self, isp: int, state: AreaState) -> None:
        """Store entries in what it knows of its own area in an ISP."""


@dataclass(kw_only=True)
class ReactivePowerBuyer(Role):
    """A DSO's book of reactive power bids. With a register it admits qualified groups only."""

    name: str
    context: AgentContext
    system: str
    product: Product
    operator_state: AreaKnowledge  # the DSO
    register: FlexibilityRegister | None = None
    _inbox: dict[int, dict[str, Bids]] = field(default_factory=dict)  # ISP -> sender -> offers
    _closed: int = -1  # latest ISP whose book has closed

    @on(ReactiveBidsMessage)
    def on_reactive_bids(self, message: ReactiveBidsMessage) -> None:
        """Store the latest bids of a sender until the book closes; later ones are rejected."""
        if message.isp > self._closed:
            self._inbox.setdefault(message.isp, {})[message.sender] = message.bids
            return
        late = dict.fromkeys(message.bids.bid_id.tolist(), "came after gate closure")
        self._reject(message.isp, message.sender, late)

    @at("dso_close")
    def close_book(self, isp: int) -> None:
        """Gate closure: enter the admitted bids in the DSO's state."""
        self.operator_state.note(isp, AreaState(reactive_bids=self.close(isp)))

    @at("dso_clear")
    def send_awards(self, isp: int) -> None:
        """After the local market has cleared, inform the sellers."""
        state = self.operator_state.known(isp).area(self.system)
        self.announce(isp, state.reactive_bids, state.reactive_mvar)

    def close(self, isp: int) -> Bids:
        """Close the book of an ISP: the admitted bids, sorted by id."""
        self._closed = isp
        admitted = [Bids.empty()]
        for sender, offers in self._inbox.pop(isp, {}).items():
            reasons = self.product.reasons(offers)
            if self.register is not None and not self.register.qualified(sender, "LFM", self.context.now()):
                reasons = [f"{sender} is not qualified for LFM"] * len(offers)
            refused = {b: r for b, r in zip(offers.bid_id.tolist(), reasons, strict=True) if r}
            if refused:
                self._reject(isp, sender, refused)
            admitted.append(offers.pick(np.array([not r for r in reasons], dtype=bool)))
        book = Bids.join(admitted)
        return book.pick(np.argsort(book.bid_id, kind="stable"))

    def announce(self, isp: int, offers: Bids, bought_mvar: FloatArray) -> None:
        """Send every provider the Mvar bought of its bids (n,)."""
        for provider, places in offers.places.items():
            won = places[bought_mvar[places] != 0.0]
            if len(won):
                ids, mvar = tuple(offers.bid_id[won].tolist()), bought_mvar[won]
                self.context.send(
                    ReactiveAwardMessage(
                        self.name, provider, isp, system=self.system, bid_id=ids, quantity_mvar=mvar
                    )
                )

    def _reject(self, isp: int, sender: str, reasons: Mapping[str, str]) -> None:
        self.context.send(RejectionMessage(self.name, sender, isp, reasons=reasons))
        for bid, reason in reasons.items():
            self.context.record(
                "rejections", {"isp": isp, "system": self.system, "bid_id": bid, "reason": reason}
            )


class ReactivePowerSeller(Role):
    """An aggregator's bids of reactive power from its inverters, both directions at one price.

    Inverters are assumed to carry their rated active power at the given power factor. So the bids are the
    same in every ISP, and reactive power reduces no active power.
    """

    def __init__(
        self,
        *,
        name: str,
        context: AgentContext,
        inverters: Sequence[Inverters],
        power_factor: float,
        price_eur_per_mvarh: float,
        buyers: Mapping[str, str],
        fleet_name: str,
    ) -> None:
        """`buyers` names the DSO of each system, `fleet_name` the receiver of orders."""
        self._name, self._context, self._buyers, self._fleet_name = name, context, dict(buyers), fleet_name
        self._books: dict[str, Bids] = {}
        self._of_bid: dict[str, tuple[int, int]] = {}  # bid id -> group, direction
        for part in inverters:
            n, mvar = len(part.group), part.rated_mw * math.tan(math.acos(power_factor))
            ids = [f"{unit}.{side}.q" for side in ("up", "down") for unit in part.unit]
            direction = np.repeat([UP, DOWN], n)
            self._books[part.system] = Bids.of(
                ids,
                [name] * (2 * n),
                np.tile(part.node, 2),
                direction,
                np.tile(mvar, 2),
                np.full(2 * n, price_eur_per_mvarh),
            )
            keys = zip(np.tile(part.group, 2).tolist(), direction.tolist(), strict=True)
            self._of_bid.update(zip(ids, keys, strict=True))

    @at("offer")
    def offer(self, isp: int) -> None:
        """Send the bids for an ISP to the DSOs."""
        for system, bids in self._books.items():
            if len(bids):
                buyer = self._buyers[system]
                self._context.send(ReactiveBidsMessage(self._name, buyer, isp, system=system, bids=bids))

    @on(ReactiveAwardMessage)
    def on_reactive_award(self, message: ReactiveAwardMessage) -> None:
        """Order an award from the inverters behind the bids."""
        group, direction = np.array([self._of_bid[b] for b in message.bid_id]).T
        mvar = direction * message.quantity_mvar
        order = ReactiveOrderMessage(self._name, self._fleet_name, message.isp, group=group, mvar=mvar)
        self._context.send(order)

    def delivered_mvar(self, offers: Bids, awarded_mvar: FloatArray, group_mvar: FloatArray) -> FloatArray:
        """Mvar delivered of awards (n,), given injections of groups (G,) Mvar; 0 for bids of others.

        A group with orders in both directions has delivered the difference.
        """
        found = np.zeros(len(offers))
        for k in np.flatnonzero((offers.provider == self._name) & (awarded_mvar > 0)):
            group, direction = self._of_bid[str(offers.bid_id[k])]
            found[k] = np.clip(direction * group_mvar[group], 0.0, awarded_mvar[k])
        return found
