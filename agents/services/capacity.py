"""Capacity auctions: the operator that tenders and clears, and the BSP that offers and keeps contracts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import (
    CapacityAwardMessage,
    CapacityBidsMessage,
    NominationMessage,
    ReservedMessage,
    TenderMessage,
)
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.flexibility_register import SOLD_TWICE
from tandem_sim.markets.orders.products import Service
from tandem_sim.markets.services.capacity import CapacityBids, CapacityBook, Contract, clear_capacity

BEYOND = "more capacity than the pool is qualified for"
Needs = Mapping[Service, Mapping[int, float]]
"""MW needed of each service and direction, the strictest service first."""
Availability = Mapping[tuple[str, int], float]
"""MW a portfolio expects to have available throughout a block: (system, direction) -> MW."""


@dataclass(frozen=True)
class AuctionRules:
    """How capacity is bought: pay-as-cleared (`marginal`) or pay-as-bid, and the least MW per provider.

    A `local` auction is held by a DSO, at the gates of local auctions.
    """

    marginal: bool = False
    pool_minimum_mw: float = 1.0
    local: bool = False


class CapacityAuctioneer(Role):
    """Capacity auctions of one operator. Bids it does not need are forwarded to `forward_to`, if given."""

    def __init__(
        self,
        *,
        name: str,
        context: AgentContext,
        book: CapacityBook,
        rules: AuctionRules,
        systems: Sequence[str],
        sellers: Sequence[str],
        needs: Callable[[range], Needs],
        forward_to: str | None = None,
    ) -> None:
        """Tenders go to `sellers`, for pools in `systems`; `needs` are those of a block of ISPs."""
        self._name, self._context, self._book, self._rules = name, context, book, rules
        self._needs = needs
        self._systems, self._sellers, self._forward_to = tuple(systems), tuple(sellers), forward_to
        self._inbox: dict[int, list[CapacityBids]] = {}

    def stands_at(self, gate: str) -> bool:
        """A DSO's auctions have gates of their own."""
        return gate.endswith("_local") == self._rules.local

    @at("tender", "tender_local")
    def tender(self, blocks: Sequence[range]) -> None:
        """Call for bids."""
        for seller in self._sellers:
            message = TenderMessage(
                self._name, seller, blocks[0].start, blocks=tuple(blocks), systems=self._systems
            )
            self._context.send(message)

    @on(CapacityBidsMessage)
    def on_capacity_bids(self, message: CapacityBidsMessage) -> None:
        """Store bids until the auction."""
        self._inbox.setdefault(message.block.start, []).append(message.bids)

    @at("clear_capacity", "clear_local")
    def clear_blocks(self, blocks: Sequence[range]) -> None:
        """Clear the auctions of all blocks."""
        for block in blocks:
            self.clear(block, self._needs(block))

    def clear(self, block: range, needs: Needs) -> None:
        """Clear one block, the strictest service first; unsold MW take part in the next service."""
        bids = CapacityBids.join(self._inbox.pop(block.start, []))
        bids = self._limited_to_unsold(block, bids)
        left = np.array(bids.quantity_mw)
        contracts: dict[str, list[Contract]] = {}
        for service, need in needs.items():
            available = bids.limited(self._available_mw(block, bids, left, service), np.arange(len(bids)))
            result = clear_capacity(available, need, self._rules.marginal, self._rules.pool_minimum_mw)
            for k in np.flatnonzero(result.award_mw):
                contract = Contract(
                    operator=self._name,
                    service=service,
                    provider=str(bids.provider[k]),
                    system=str(bids.system[k]),
                    direction=int(bids.direction[k]),
                    isps=block,
                    mw=float(result.award_mw[k]),
                    price=float(result.price[k]),
                )
                self._book.enter(contract)
                contracts.setdefault(contract.provider, []).append(contract)
            left -= result.award_mw
            self._record(
                block, service, bids, available.quantity_mw, result.award_mw, result.price, result.short_mw
            )
        self._announce(block, bids, left, contracts)

    def _available_mw(
        self, block: range, bids: CapacityBids, left: FloatArray, service: Service
    ) -> FloatArray:
        """MW of each bid (n,) that may be bought: group qualified, units fast enough, not yet contracted."""
        register, now = self._book.register, self._context.now()
        room = self._book.room_mw(block, bids.limited(left, np.arange(len(bids))), service)
        qualified = [register.qualified(provider, service, now) for provider in bids.provider.tolist()]
        return np.where(np.array(qualified, dtype=bool), room, 0.0)

    def _limited_to_unsold(self, block: range, bids: CapacityBids) -> CapacityBids:
        """Bids limited to the MW that their pools have not sold elsewhere; reductions are recorded."""
        room = self._book.room_mw(block, bids, "LFM")
        for k in np.flatnonzero(room < bids.quantity_mw - NEGLIGIBLE_MW):
            provider, system, direction = str(bids.provider[k]), str(bids.system[k]), int(bids.direction[k])
            most = self._book.register.pool_mw(provider, direction, "LFM", system)
            self._context.record(
                "rejections",
                {
                    "isp": block.start,
                    "system": system,
                    "bid_id": f"{provider}.capacity.{'up' if direction == UP else 'down'}",
                    "reason": BEYOND if bids.quantity_mw[k] > most + NEGLIGIBLE_MW else SOLD_TWICE,
                },
            )
        return bids.limited(room, np.flatnonzero(room > NEGLIGIBLE_MW))

    def _announce(
        self, block: range, bids: CapacityBids, left: FloatArray, contracts: Mapping[str, Sequence[Contract]]
    ) -> None:
        on = self._forward_to is not None
        for provider in np.unique(bids.provider).tolist():
            mine = np.flatnonzero(bids.provider == provider)
            forwarded: dict[tuple[str, int], float] = {}
            for k in mine:
                if on and left[k] > NEGLIGIBLE_MW:
                    key = str(bids.system[k]), int(bids.direction[k])
                    forwarded[key] = forwarded.get(key, 0.0) + float(left[k])
            self._context.send(
                CapacityAwardMessage(
                    self._name,
                    provider,
                    block.start,
                    block=block,
                    contracts=tuple(contracts.get(provider, ())),
                    forwarded_mw=forwarded,
                )
            )
        if self._forward_to is not None and (left > NEGLIGIBLE_MW).any():
            rest = bids.limited(left, np.flatnonzero(left > NEGLIGIBLE_MW))
            rows = list(
                zip(
                    rest.provider.tolist(),
                    rest.system.tolist(),
                    rest.direction.tolist(),
                    rest.quantity_mw.tolist(),
                    rest.price.tolist(),
                    strict=True,
                )
            )
            self._context.send(
                CapacityBidsMessage(
                    self._name, self._forward_to, block.start, block=block, bids=CapacityBids.of(rows, True)
                )
            )

    def _record(
        self,
        block: range,
        service: Service,
        bids: CapacityBids,
        offered_mw: FloatArray,
        award_mw: FloatArray,
        price: FloatArray,
        short_mw: Mapping[int, float],
    ) -> None:
        n = len(bids)
        self._context.record(
            "capacity_bids",
            {
                "isp": np.full(n, block.start),
                "isps": np.full(n, len(block)),
                "operator": [self._name] * n,
                "service": [service] * n,
                "provider": bids.provider.tolist(),
                "system": bids.system.tolist(),
                "direction": bids.direction,
                "forwarded": bids.forwarded,
                "offered_mw": offered_mw,
                "awarded_mw": award_mw,
                "price_eur_per_mw_h": np.where(award_mw > 0, price, bids.price),
            },
        )
        for direction, mw in short_mw.items():
            if mw > NEGLIGIBLE_MW:
                self._context.record(
                    "rejections",
                    {
                        "isp": block.start,
                        "system": "",
                        "bid_id": "",
                        "reason": f"{self._name} lacks {mw:.3f} MW of {service} capacity "
                        f"{'up' if direction == UP else 'down'}",
                    },
                )


@dataclass(kw_only=True)
class CapacitySeller(Role):
    """A BSP that sells capacity: it offers a share of its expected availability at its capacity cost."""

    name: str
    context: AgentContext
    availability: Callable[[range], Availability]
    price_eur_per_mw_h: float
    share: float
    tick_mw: float
    double: bool = False  # offers again what it has sold or what was forwarded
    market: str | None = None  # day-ahead market that is informed of reserved MW
    strike_eur_per_mwh: float | None = None  # price limit of contracted MW beyond the day-ahead price
    nominates_to: str | None = None  # who takes nominations of contracted aFRR; None: there are none
    _committed: dict[int, dict[tuple[str, int], float]] = field(
        default_factory=dict
    )  # ISP -> MW sold or forwarded
    _contracts: dict[int, list[Contract]] = field(default_factory=dict)  # ISP -> contracts

    def stands_at(self, gate: str) -> bool:
        """Whether it nominates."""
        return gate != "nominate" or self.nominates_to is not None

    @on(TenderMessage)
    def on_tender(self, message: TenderMessage) -> None:
        """Answer a tender with capacity bids."""
        for block in message.blocks:
            rows = []
            for (system, direction), mw in self.availability(block).items():
                committed = max(self._committed.get(isp, {}).get((system, direction), 0.0) for isp in block)
                free = self.share * mw - (0.0 if self.double else committed)
                mw_offered = np.floor(free / self.tick_mw + 1e-9) * self.tick_mw
                if system in message.systems and mw_offered > 0:
                    rows.append((self.name, system, direction, float(mw_offered), self.price_eur_per_mw_h))
            if rows:
                self.context.send(
                    CapacityBidsMessage(
                        self.name, message.sender, block.start, block=block, bids=CapacityBids.of(rows)
                    )
                )

    @on(CapacityAwardMessage)
    def on_capacity_award(self, message: CapacityAwardMessage) -> None:
        """Store contracts and forwarded MW; a unit informs the day-ahead market."""
        sold = [((c.system, c.direction), c.mw) for c in message.contracts]
        for isp in message.block:
            committed = self._committed.setdefault(isp, {})
            for key, mw in [*sold, *message.forwarded_mw.items()]:
                committed[key] = committed.get(key, 0.0) + mw
        for contract in message.contracts:
            for isp in contract.isps:
                self._contracts.setdefault(isp, []).append(contract)
        if self.market is not None and message.contracts:
            reserved = {d: sum(c.mw for c in message.contracts if c.direction == d) for d in (UP, DOWN)}
            self.context.send(
                ReservedMessage(
                    self.name,
                    self.market,
                    message.isp,
                    block=message.block,
                    up_mw=reserved[UP],
                    down_mw=reserved[DOWN],
                )
            )

    def obligation_mw(self, isp: int, service: Service, direction: int) -> float:
        """MW that contracts oblige to offer in an ISP."""
        return sum(
            c.mw for c in self._contracts.get(isp, ()) if (c.service, c.direction) == (service, direction)
        )

    @at("nominate")
    def nominate(self, day: range) -> None:
        """Nominate to the TSO the contracted aFRR capacity that will be bid on a day."""
        up, down = (np.array([self.obligation_mw(isp, "aFRR", d) for isp in day]) for d in (UP, DOWN))
        if self.nominates_to is not None and (up.any() or down.any()):
            self.context.send(
                NominationMessage(self.name, self.nominates_to, day.start, up_mw=up, down_mw=down)
            )

    def hold_mw(self, isp: int, direction: int, quantity_mw: FloatArray, rank: FloatArray) -> FloatArray:
        """MW of bids (n,) of one direction to hold for aFRR, lowest rank first, up to the obligation."""
        obligation = self.obligation_mw(isp, "aFRR", direction)
        held = np.zeros(len(quantity_mw))
        order = np.argsort(rank, kind="stable")
        before = np.cumsum(quantity_mw[order]) - quantity_mw[order]
        held[order] = np.clip(obligation - before, 0.0, quantity_mw[order])
        return held

    def strike_limited(
        self,
        isp: int,
        system: str,
        direction: int,
        quantity_mw: FloatArray,
        price: FloatArray,
        day_ahead_price: float,
    ) -> FloatArray:
        """Prices (n,) EUR/MWh of bids of one system and direction under the strike price of contracts.

        The best bids, up to the contracted MW in that system, may ask at most the day-ahead price plus the
        strike (downwards: pay at least that price less the strike). If a part of a bid covers the
        obligation, the whole bid is limited.
        """
        contracts = [
            c for c in self._contracts.get(isp, ()) if (c.system, c.direction) == (system, direction)
        ]
        if self.strike_eur_per_mwh is None or not contracts:
            return price
        obligation = sum(c.mw for c in contracts)
        order = np.argsort(direction * price, kind="stable")
        before = np.cumsum(quantity_mw[order]) - quantity_mw[order]
        strike = direction * day_ahead_price + self.strike_eur_per_mwh
        signed_price = direction * price
        signed_price[order] = np.where(
            before < obligation - NEGLIGIBLE_MW, np.minimum(signed_price[order], strike), signed_price[order]
        )
        return np.asarray(direction * signed_price)

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        self._contracts.pop(isp, None)
        self._committed.pop(isp, None)
