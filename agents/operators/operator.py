"""Base of TSO, DSO and market operator: operator state, books of bids, and blocks of the scheme."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext, Participant
from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.messages import AwardMessage, BidsMessage, RejectionMessage, StateMessage
from tandem_sim.agents.base.subscriptions import on
from tandem_sim.agents.operators.admission import Admission
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.block import Block, Party, Scheme, Written
from tandem_sim.markets.coordination.driver import run_block
from tandem_sim.markets.coordination.entries import NO_SUPPLY
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState, SystemState
from tandem_sim.markets.coordination.state import book_entries
from tandem_sim.markets.orders.bids import Bids

BLOCK_GATES = ("dso_clear", "forward", "prequalify", "mol", "mol_validate", "tso_clear", "correct")
"""Gates at which operators run blocks of the scheme."""
ROUNDS = ("mol", "mol_validate")
"""Gates of a negotiation in rounds. Operators keep the forecast of the first round, so that it converges."""
Ledgers = dict[int, Ledger]
"""The ledger of every open ISP: sales of a bid are booked once, whoever bought."""


@dataclass(frozen=True, kw_only=True)
class OperatorSetup:
    """What every operator is built from: its name and context, and the rules and ledgers of its markets."""

    name: str
    context: AgentContext
    scheme: Scheme
    admission: Admission
    ledgers: Ledgers
    operators: Mapping[str, str]  # name of the operator of every system


class Operator(Participant, ABC):
    """Runs the blocks of its party at their gates, on its operator state: own data and received entries."""

    party: Party

    def __init__(self, model: mesa.Model, setup: OperatorSetup, system: str) -> None:
        """`system` is the operator's own: an area by name, or transmission."""
        super().__init__(model, setup.name, setup.context)
        self._operators = dict(setup.operators)
        self.system = system
        self.scheme = setup.scheme
        self._admission = setup.admission
        self._ledgers = setup.ledgers
        self._inbox: dict[tuple[int, str], list[Bids]] = {}
        self._closed: set[tuple[int, str]] = set()
        self._states: dict[int, OperatorState] = {}  # by ISP
        self._negotiating: set[int] = set()
        self._last_grid: dict[str, GridConstraints] = {}
        self._settled = -1  # latest ISP that has been settled

    def stands_at(self, gate: str) -> bool:
        """At gates of the scheme it acts where its party has a block."""
        return gate not in BLOCK_GATES or any(
            block.party == self.party and block.gate == gate for block in self.scheme.blocks
        )

    @on(BidsMessage)
    def on_bids(self, message: BidsMessage) -> None:
        """Collect bids until the book closes."""
        key = (message.isp, message.system)
        if key in self._closed or message.isp <= self._settled:
            self._reject(message, dict.fromkeys(message.bids.bid_id.tolist(), "came after gate closure"))
        else:
            self._inbox.setdefault(key, []).append(message.bids)

    @on(StateMessage)
    def on_state(self, message: StateMessage) -> None:
        """Store entries that another operator shares; those that came after settlement are recorded."""
        if message.isp <= self._settled:
            about = f"{message.system} from {message.sender}"
            self._record_fallback(message.isp, about, "came after settlement")
        else:
            self._state(message.isp).update(message.system, message.entries)

    def note(self, isp: int, state: AreaState | SystemState) -> None:
        """Store entries in what it knows of its own system in an ISP."""
        self._state(isp).update(self.system, state)

    def ledger(self, isp: int) -> Ledger:
        """The ledger of an open ISP."""
        return self._ledgers[isp]

    def buy(self, isp: int, market: str, clearing: AuctionNeed, sale: Sale | None) -> None:
        """Book and announce a purchase in its own system outside the blocks of the scheme; None: nothing."""
        ledger = self._ledgers[isp]
        ledger.note(self.system, market, clearing)
        self._record_clearing(isp, self.system, market, clearing)
        if sale is not None:
            ledger.book(self.system, market, sale)
            self._announce(isp, market, self.system, sale.award_mw)

    def close_book(self, isp: int, systems: Sequence[str]) -> None:
        """Gate closure: join the accepted bids of each system by bid id and enter them in the ledger."""
        for system in systems:
            parts = self._inbox.pop((isp, system), [])
            self._closed.add((isp, system))
            book = Bids.join(parts)
            book = book.pick(np.argsort(book.bid_id, kind="stable"))
            admitted, reasons = self._admission.admit(isp, book, self.context.now)
            if any(reasons):
                self._reject_rows(isp, system, book, reasons)
            book = admitted
            entries = book_entries(system, book, self._ledgers.setdefault(isp, Ledger()))
            self._state(isp).update(system, entries)
            self._record_bids(isp, system, book)

    def act(self, gate: str, isp: int) -> None:
        """Run this party's blocks of a gate, all on the forecast of this moment."""
        refreshed = gate in ROUNDS and isp in self._negotiating
        for block in self.scheme.blocks:
            if block.party != self.party or block.gate != gate:
                continue
            state = self._state(isp)
            uses_own_grid = any(n.endswith(".grid") and n not in block.foreign_reads() for n in block.reads)
            if uses_own_grid and not refreshed:
                self.refresh(isp)
                refreshed = True
            if gate in ROUNDS:
                self._negotiating.add(isp)
            if gate == "tso_clear":
                self._record_missing(isp, block)
            self.complete(isp)
            if self.system in self._ledgers[isp].offered:  # one ledger for all, even if messages were lost
                state.book_sold(self.system, self._ledgers[isp].sold(self.system))
            own = state.area(self.system)
            written = run_block(block, self.system, state, self._ledgers[isp])
            for system, clearing in written.clearings.items():
                self._record_clearing(isp, system, block.name, clearing)
            if "area.offers" in block.writes and own.knows("offers"):
                self._record_bid_checks(isp, block, own.offers)
            for system, award in written.awards.items():
                self._announce(isp, block.name, system, award)
            for (market, system), refused in written.refused.items():
                self._announce(isp, market, system, -refused)
            self._share_results(isp, written)

    @abstractmethod
    def refresh(self, isp: int) -> None:
        """Write the forecast of this moment into the operator state."""

    def complete(self, isp: int) -> None:
        """Replace entries that others should have sent (only if messages were lost)."""

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        super().forget(isp)
        self._states.pop(isp, None)
        self._settled = isp
        self._negotiating.discard(isp)
        self._closed = {key for key in self._closed if key[0] > isp}

    def _complete_areas(self, isp: int, areas: Sequence[Area]) -> None:
        """Replace missing entries of areas: an area without a message offers nothing.

        Where the scheme shares grids, the last one received is used; an area without one is excluded.
        """
        state = self._state(isp)
        needs_grids = any("area.grid" in b.foreign_reads() for b in self.scheme.blocks)
        none = np.empty(0)
        no_book = AreaState(bids=Bids.empty(), offers=none, sold=none)
        missing = no_book.updated(AreaState(exchange=0.0, rsf=NO_SUPPLY, accepted=False))
        for area in areas:
            known = state.area(area.name)
            n_bids = len(known.bids) if known.knows("bids") else 0
            if known.knows("offers") and len(known.offers) != n_bids:
                known = known.updated(no_book)  # the book was lost
            known = known.completed(missing)
            if needs_grids and known.knows("grid"):
                self._last_grid[area.name] = known.grid
            elif needs_grids and area.name in self._last_grid:
                known = known.updated(AreaState(grid=self._last_grid[area.name]))
            elif needs_grids:
                excluded = np.zeros(len(known.offers))
                unlimited = GridConstraints.without_limits(area.network.n_nodes)
                known = known.updated(AreaState(grid=unlimited, offers=excluded))
            state.update(area.name, known)

    def _record_missing(self, isp: int, block: Block) -> None:
        """Record entries of areas that are missing at a gate; `complete` replaces them."""
        names = [n.removeprefix("area.") for n in block.foreign_reads() if n.startswith("area.")]
        for area, state in self._state(isp).areas.items():
            missing = [n for n in names if not state.knows(n)]
            if missing:
                self._record_fallback(
                    isp, f"{', '.join(missing)} of {area}", "did not arrive in time: a default is used"
                )

    def _record_fallback(self, isp: int, about: str, consequence: str) -> None:
        self.context.record(
            "fallbacks", {"isp": isp, "party": self.name, "about": about, "consequence": consequence}
        )

    def known(self, isp: int) -> OperatorState:
        """What the operator knows of an ISP; empty before it knows anything, and after the ISP is settled."""
        return self._states.get(isp) or OperatorState(isp)

    def _state(self, isp: int) -> OperatorState:
        """The same to be updated."""
        if isp not in self._states:
            self._states[isp] = OperatorState(isp)
        return self._states[isp]

    def _share_results(self, isp: int, written: Written) -> None:
        """Send other operators the entries written for their systems, and the sales from their books."""
        state = self._state(isp)
        for system in sorted({*written.states, *written.awards}):
            receiver = self._operators[system]
            names = list(written.states[system].entries()) if system in written.states else []
            if len(written.awards.get(system, ())):
                names.append("sold")
            if names and receiver != self.name:
                entries = state.of(system).part(names)
                self.context.send(StateMessage(self.name, receiver, isp, system=system, entries=entries))

    def _announce(self, isp: int, market: str, system: str, award: FloatArray) -> None:
        bids = self._state(isp).of(system).bids
        for provider, won in bids.by_provider(award.nonzero()[0]).items():
            self.context.send(
                AwardMessage(
                    self.name,
                    provider,
                    isp,
                    system=system,
                    market=market,
                    bid_id=tuple(bids.bid_id[won].tolist()),
                    quantity_mw=award[won],
                    price=bids.price[won],
                )
            )

    def _reject(self, message: BidsMessage, reasons: dict[str, str]) -> None:
        self.context.send(RejectionMessage(self.name, message.sender, message.isp, reasons=reasons))
        n = len(reasons)
        self.context.record(
            "rejections",
            {
                "isp": [message.isp] * n,
                "system": [message.system] * n,
                "bid_id": list(reasons),
                "reason": list(reasons.values()),
            },
        )

    def _reject_rows(self, isp: int, system: str, book: Bids, reasons: list[str]) -> None:
        for provider, places in book.places.items():
            found = {str(book.bid_id[k]): reasons[k] for k in places.tolist() if reasons[k]}
            if found:
                self._reject(BidsMessage(provider, self.name, isp, system=system), found)

    def _record_bids(self, isp: int, system: str, book: Bids) -> None:
        n = len(book)
        self.context.record(
            "bids",
            {
                "isp": np.full(n, isp),
                "system": [system] * n,
                "bid_id": book.bid_id,
                "provider": book.provider,
                "node": book.node,
                "direction": book.direction,
                "demand": book.demand,
                "quantity_mw": book.quantity_mw,
                "price_eur_per_mwh": book.price,
            },
        )

    def _record_bid_checks(self, isp: int, block: Block, before: FloatArray) -> None:
        """Record the MW offered to the TSO before and after a block of this operator limited them."""
        state = self._state(isp).area(self.system)
        up, after = state.bids.direction > 0, state.offers
        self._record_bid_limits(isp, block, before, after)
        self.context.record(
            "bid_checks",
            {
                "isp": isp,
                "system": self.system,
                "market": block.name,
                "accepted": state.accepted if state.knows("accepted") else True,
                "offered_up_mw": float(before[up].sum()),
                "offered_down_mw": float(before[~up].sum()),
                "allowed_up_mw": float(after[up].sum()),
                "allowed_down_mw": float(after[~up].sum()),
            },
        )

    def _record_bid_limits(self, isp: int, block: Block, before: FloatArray, after: FloatArray) -> None:
        """Record the bids of which the block allowed less than before, with the reason."""
        less = np.flatnonzero(before - after > NEGLIGIBLE_MW)
        if not len(less):
            return
        known = self._state(isp).area(self.system)
        bids = known.bids
        n = len(less)
        reasons = limit_reasons(block, before[less], after[less], known.sold[less])
        self.context.record(
            "bid_limits",
            {
                "isp": np.full(n, isp),
                "system": [self.system] * n,
                "market": [block.name] * n,
                "bid_id": bids.bid_id[less],
                "provider": bids.provider[less],
                "direction": bids.direction[less],
                "reason": reasons,
                "offered_mw": before[less],
                "allowed_mw": after[less],
            },
        )

    def _record_clearing(self, isp: int, system: str, market: str, clearing: AuctionNeed) -> None:
        answer = clearing.answer
        self.context.record(
            "clearings",
            {
                "isp": isp,
                "system": system,
                "market": market,
                "status": answer.status.value,
                "need_mw": clearing.need_mw,
                "exchange_mw": clearing.exchange_mw,
                "cost_eur_per_h": answer.cost_eur_per_h,
                "short_mw": answer.short_mw,
                "long_mw": answer.long_mw,
                "price_eur_per_mwh": answer.price_eur_per_mwh,
                "penalty_eur_per_h": answer.penalty_eur_per_h,
            },
        )


def limit_reasons(block: Block, before: FloatArray, after: FloatArray, sold: FloatArray) -> list[str]:
    """Why a block reduced the MW of bids (n,) on offer to the TSO, as in column `reason` of `bid_limits`.

    Before and after the block; `sold` (n,) MW in earlier markets. Forwarding leaves out what is sold, and
    whole bids whose pool is too small.
    """
    if "area.zones" in block.reads:
        return ["study"] * len(before)
    if "area.grid" in block.reads:
        return ["grid"] * len(before)
    in_pool = (after > 0.0) | (before - sold <= NEGLIGIBLE_MW)
    return ["sold" if found else "pool" for found in in_pool.tolist()]
