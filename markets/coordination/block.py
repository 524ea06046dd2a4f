"""Coordination schemes as values: blocks, what they read and write, and the checks.

A scheme is a tuple of blocks. A block declares its party, its gate, what it reads and what it writes;
otherwise it is a pure function from a view to new values. The name of an entry gives the operator state it
belongs to: ``area.offers`` is an entry of each DSO's state, ``tso.need`` of the TSO's. What a block reads
from another operator's state must be declared as `shared` by the scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from tandem_sim.grids.errors import SchemeError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.gates import GATES

Party = Literal["dso", "tso", "operator"]
TSO = "T"
"""Name of the transmission system and of its operator."""

GIVEN = frozenset(
    {
        "area.bids",
        "area.grid",
        "area.offers",
        "area.reactive_bids",
        "area.sold",
        "area.exchange",
        "area.scheduled",
        "area.power_flow",
        "area.ac_limits",
        "area.zones",
        "tso.bids",
        "tso.grid",
        "tso.sold",
    }
)
"""Entries of operator states before the first block runs (see `tandem_sim.markets.coordination.state`)."""

Values = Mapping[str, Any]


def foreign(party: Party, reads: tuple[str, ...]) -> tuple[str, ...]:
    """Entries that are not of the operator state of a party."""
    own = {"dso": "area.", "tso": "tso.", "operator": "operator."}[party]
    return tuple(name for name in reads if not name.startswith(own))


@dataclass(frozen=True)
class View:
    """Input of one block: entries of its own operator state, and what the scheme shares of the others."""

    own: Values
    areas: Mapping[str, Values] = field(default_factory=dict)  # states of other operators, by DSO
    tso: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """Output of a block: entries by system, and by system what it buys and pays.

    `refused` cancels awards of an earlier market: (market, system) -> MW per bid. `clearings` give by system
    the need of an auction and the unserved part.
    """

    entries: Mapping[str, Values] = field(default_factory=dict)
    sales: Mapping[str, Sale] = field(default_factory=dict)
    refused: Mapping[tuple[str, str], FloatArray] = field(default_factory=dict)
    clearings: Mapping[str, AuctionNeed] = field(default_factory=dict)

    @property
    def awards(self) -> dict[str, FloatArray]:
        """MW bought of each bid, by system."""
        return {system: sale.award_mw for system, sale in self.sales.items()}


@dataclass(frozen=True, kw_only=True)
class Block:
    """One step of a scheme. `reads` and `writes` are entry names with their owner (``area.`` or ``tso.``)."""

    name: str
    party: Party
    gate: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[str, View], Written]  # (system, view) -> output
    pays: Party | None = None  # buyer of its awards, if not its own party

    @property
    def buyer(self) -> Party:
        """The party that pays for the awards of this block."""
        return self.pays or self.party

    def foreign_reads(self) -> tuple[str, ...]:
        """Entries read outside the state of the block's own party."""
        return foreign(self.party, self.reads)


@dataclass(frozen=True)
class Repeat:
    """Blocks run repeatedly until `until` is true; the only control structure.

    After `max_rounds` without agreement it raises an error. With `goes_on` the scheme continues instead, and
    later blocks handle this case.
    """

    blocks: tuple[Block, ...]
    until: Callable[[Mapping[str, Values]], bool]
    max_rounds: int
    goes_on: bool = False


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A coordination scheme: a name, its steps, and what operators share. Checked when it is built."""

    name: str
    steps: tuple[Block | Repeat, ...]
    shared: frozenset[str]
    source: str
    summary: str

    def __post_init__(self) -> None:
        self._check()

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks in order, those inside a `Repeat` once."""
        return tuple(b for step in self.steps for b in (step.blocks if isinstance(step, Repeat) else (step,)))

    def reads(self, entry: str) -> bool:
        """Whether any block reads an entry."""
        return any(entry in block.reads for block in self.blocks)

    def information_shared(self) -> tuple[str, ...]:
        """Entries that one operator shares with another, in order of first reading."""
        return tuple(dict.fromkeys(name for block in self.blocks for name in block.foreign_reads()))

    def _check(self) -> None:
        known, latest = set(GIVEN), -1
        for block in self.blocks:
            where = f"scheme {self.name}: block {block.name}"
            if block.gate not in GATES:
                raise SchemeError(
                    f"{where} stands at gate {block.gate}, which does not exist; gates are {', '.join(GATES)}"
                )
            if GATES.index(block.gate) < latest:
                raise SchemeError(
                    f"{where} stands at gate {block.gate}, before gate {GATES[latest]} of the block ahead: "
                    "gates cannot run backwards"
                )
            latest = GATES.index(block.gate)
            for name in block.reads:
                if name not in known:
                    raise SchemeError(
                        f"{where} reads {name}, which is neither given nor written by a block before it"
                    )
            for name in block.foreign_reads():
                if name not in self.shared:
                    raise SchemeError(
                        f"{where} reads {name} outside the state of the {block.party}, "
                        "but the scheme does not share it"
                    )
            known.update(block.writes)
        if not any(name.endswith(".sold") for block in self.blocks for name in block.writes):
            raise SchemeError(f"scheme {self.name}: no block writes the dispatch (area.sold or tso.sold)")
