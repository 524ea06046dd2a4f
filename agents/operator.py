"""What TSO and DSO have in common: a house, an order book, and their blocks of the scheme."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import mesa
import numpy as np

from agents.messages import AwardMessage, BidsMessage, HouseMessage, Message, RejectionMessage
from agents.participant import Desk, Participant
from grids.arrays import FloatArray
from markets.bids import Bids, Product
from markets.blocks import TSO, Block, Party, Repeat, Scheme, SchemeError, Written, apply, view_of
from markets.houses import book_entries
from markets.ledger import Ledger
from markets.programme import Cleared

Register = dict[int, Ledger]
"""The ledger of every open ISP: what a bid sold is booked once, whoever bought it."""


class Operator(Participant, ABC):
    """Runs the blocks of its party at their gates, in its own house, on what it owns and has been sent."""

    party: Party

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        desk: Desk,
        house: str,
        scheme: Scheme,
        product: Product,
        register: Register,
        operators: Mapping[str, str],
    ) -> None:
        """`operators` names the operator of every house."""
        super().__init__(model, name, desk)
        self._operators = dict(operators)
        if any(isinstance(step, Repeat) for step in scheme.steps):
            raise SchemeError(
                f"scheme {scheme.name} repeats blocks between operators, which a run over time cannot do yet"
            )
        self.house = house
        self.scheme = scheme
        self._product = product
        self._register = register
        self._inbox: dict[tuple[int, str], list[Bids]] = {}
        self._closed: set[tuple[int, str]] = set()
        self.known: dict[int, dict[str, dict[str, Any]]] = {}  # ISP -> house -> entries
        self._settled = -1  # latest ISP that has been settled

    def receive(self, message: Message) -> None:
        """Collect bids until the book closes; keep what other operators share."""
        match message:
            case BidsMessage():
                key = (message.isp, message.system)
                if key in self._closed or message.isp <= self._settled:
                    self._reject(
                        message, dict.fromkeys(message.bids.bid_id.tolist(), "came after gate closure")
                    )
                else:
                    self._inbox.setdefault(key, []).append(message.bids)
            case HouseMessage():
                self._houses(message.isp).setdefault(message.house, {}).update(message.entries)
            case _:
                super().receive(message)

    def close_book(self, isp: int, systems: Sequence[str]) -> None:
        """Gate closure: join the accepted bids of each system by bid id and enter them in the ledger."""
        for system in systems:
            parts = self._inbox.pop((isp, system), [])
            self._closed.add((isp, system))
            book = Bids.join(parts)
            book = book.pick(np.argsort(book.bid_id, kind="stable"))
            reasons = self._product.reasons(book)
            bad = np.array([bool(r) for r in reasons], dtype=bool)
            if bad.any():
                self._reject_rows(isp, system, book, reasons)
                book = book.pick(~bad)
            entries = book_entries(system, book, self._register.setdefault(isp, Ledger()))
            self._houses(isp).setdefault(system, {}).update(entries)
            self._record_orders(isp, system, book)

    def act(self, gate: str, isp: int) -> None:
        """Run the blocks of this party that stand at a gate, on the forecast of this moment."""
        for block in self.scheme.blocks:
            if block.party != self.party or block.gate != gate:
                continue
            houses = self._houses(isp)
            if any(name.endswith(".grid") and name not in block.foreign_reads() for name in block.reads):
                self.refresh(isp)
            self.complete(isp)
            written = block.run(self.house, view_of(block, self.house, houses))
            apply(block, written, houses, self._register[isp])
            self._record_clearing(isp, block)
            for system, award in written.awards.items():
                self._announce(isp, block.name, system, award)
            self._pass_on(isp, written)

    @abstractmethod
    def refresh(self, isp: int) -> None:
        """Put the forecast of this moment into the own house."""

    def complete(self, isp: int) -> None:
        """Fill in what should have come from others and did not (nothing, unless messages are lost)."""

    def forget(self, isp: int) -> None:
        """Drop what is known of an ISP that has been settled."""
        self.known.pop(isp, None)
        self._settled = isp
        self._closed = {key for key in self._closed if key[0] > isp}

    def _houses(self, isp: int) -> dict[str, dict[str, Any]]:
        return self.known.setdefault(isp, {})

    def _pass_on(self, isp: int, written: Written) -> None:
        """Tell the operators of other houses what was written there, and what was sold from their books."""
        for house in sorted({*written.entries, *written.awards} - {self.house}):
            entries = dict(written.entries.get(house, {}))
            if len(written.awards.get(house, ())):
                entries["sold"] = self._houses(isp)[house]["sold"]
            if entries:
                receiver = self._operators[house]
                self.desk.send(HouseMessage(self.name, receiver, isp, house=house, entries=entries))

    def _announce(self, isp: int, layer: str, system: str, award: FloatArray) -> None:
        bids: Bids = self._houses(isp)[system]["bids"]
        won = np.flatnonzero(award > 0)
        for provider in np.unique(bids.provider[won]):
            mine = won[bids.provider[won] == provider]
            self.desk.send(
                AwardMessage(
                    self.name,
                    str(provider),
                    isp,
                    system=system,
                    layer=layer,
                    bid_id=tuple(bids.bid_id[mine].tolist()),
                    quantity_mw=award[mine],
                    price=bids.price[mine],
                )
            )

    def _reject(self, message: BidsMessage, reasons: dict[str, str]) -> None:
        self.desk.send(RejectionMessage(self.name, message.sender, message.isp, reasons=reasons))
        n = len(reasons)
        self.desk.record(
            "rejections",
            {
                "isp": [message.isp] * n,
                "system": [message.system] * n,
                "bid_id": list(reasons),
                "reason": list(reasons.values()),
            },
        )

    def _reject_rows(self, isp: int, system: str, book: Bids, reasons: list[str]) -> None:
        for provider in np.unique(book.provider):
            found = {
                str(b): r
                for b, p, r in zip(book.bid_id, book.provider, reasons, strict=True)
                if r and p == provider
            }
            if found:
                self._reject(BidsMessage(str(provider), self.name, isp, system=system), found)

    def _record_orders(self, isp: int, system: str, book: Bids) -> None:
        n = len(book)
        self.desk.record(
            "orders",
            {
                "isp": np.full(n, isp),
                "system": [system] * n,
                "bid_id": book.bid_id.tolist(),
                "provider": book.provider.tolist(),
                "node": book.node,
                "direction": book.direction,
                "quantity_mw": book.quantity_mw,
                "price_eur_per_mwh": book.price,
            },
        )

    def _record_clearing(self, isp: int, block: Block) -> None:
        entry = {"dso": "local", "tso": "balancing"}[self.party]
        prefix = "tso." if self.party == "tso" else "area."
        if prefix + entry not in block.writes:
            return
        house = self._houses(isp)[self.house]
        answer: Cleared = house[entry]
        self.desk.record(
            "clearings",
            {
                "isp": isp,
                "system": self.house,
                "layer": block.name,
                "status": answer.status.value,
                "need_mw": float(house.get("need", 0.0)) if self.house == TSO else 0.0,
                "cost_eur_per_h": answer.cost_eur_per_h,
                "short_mw": answer.short_mw,
                "long_mw": answer.long_mw,
                "price_eur_per_mwh": answer.price_eur_per_mwh,
                "penalty_eur_per_h": answer.penalty_eur_per_h,
            },
        )
