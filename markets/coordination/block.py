"""Coordination schemes as values: blocks, what they read and write, and the checks.

A scheme is a tuple of blocks. A block declares its party, its gate, what it reads and what it writes;
otherwise it is a pure function from a view to new values. Entries are fields of `AreaState` and
`SystemState`; the name of an entry says whose operator state it belongs to: ``area.offers`` is an entry of
each DSO's state, ``tso.need`` of the TSO's. What a block reads from another operator's state must be declared
as `shared` by the scheme.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from tandem_sim.grids.errors import SchemeError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.coordination.operator_state import TSO as TSO
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState, SystemState

Party = Literal["dso", "tso", "operator"]
OWN = {"dso": AreaState.prefix, "tso": SystemState.prefix, "operator": "operator."}
"""Beginning of the names of a party's own entries. An independent operator has none."""

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

_NO_AREA, _NO_TSO = AreaState(), SystemState()


def foreign(party: Party, reads: tuple[str, ...]) -> tuple[str, ...]:
    """Entries that are not of the operator state of a party."""
    return tuple(name for name in reads if not name.startswith(OWN[party]))


@dataclass(frozen=True)
class View:
    """Input of one block: declared entries, nothing else. Reading another one raises `UnknownEntryError`."""

    area: AreaState = _NO_AREA  # the area in which a DSO's block runs
    areas: Mapping[str, AreaState] = field(default_factory=dict)  # all areas, for blocks of other parties
    tso: SystemState = _NO_TSO


@dataclass(frozen=True)
class Written:
    """Output of a block: new entries by area and of the TSO, and by system what it buys and pays.

    `refused` cancels awards of an earlier market: (market, system) -> MW per bid. `clearings` give by system
    the need of an auction and the unserved part.
    """

    areas: Mapping[str, AreaState] = field(default_factory=dict)
    tso: SystemState = _NO_TSO
    sales: Mapping[str, Sale] = field(default_factory=dict)
    refused: Mapping[tuple[str, str], FloatArray] = field(default_factory=dict)
    clearings: Mapping[str, AuctionNeed] = field(default_factory=dict)

    @property
    def awards(self) -> dict[str, FloatArray]:
        """MW bought of each bid, by system."""
        return {system: sale.award_mw for system, sale in self.sales.items()}

    @property
    def states(self) -> dict[str, AreaState | SystemState]:
        """The new entries by system."""
        return {**self.areas, TSO: self.tso} if self.tso.entries() else dict(self.areas)


@dataclass(frozen=True, kw_only=True)
class Block(ABC):
    """One step of a scheme: a frozen dataclass of its options that is called with a system and a view.

    A block says who it belongs to (`party`), which entries it `reads` and `writes` (names with their owner,
    ``area.`` or ``tso.``), and who `pays` for its awards if that is not its own party.
    """

    name: str
    gate: str

    @property
    @abstractmethod
    def party(self) -> Party:
        """The party that runs it."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Entries that its view holds."""

    @property
    @abstractmethod
    def writes(self) -> tuple[str, ...]:
        """Entries that it may write; awards write ``sold``."""

    @property
    def pays(self) -> Party | None:
        """Buyer of its awards, if not its own party."""
        return None

    @abstractmethod
    def __call__(self, system: str, view: View) -> Written:
        """What it does in a system: for a DSO's block the area, else transmission."""

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
    until: Callable[[OperatorState], bool]
    max_rounds: int
    goes_on: bool = False


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A coordination scheme: a name, its steps, and what operators share. Checked when it is built.

    Blocks that write further entries need a subclass of `AreaState` with these fields: `area_state`.

    `steps` are blocks in the order of their gates; `shared` names entries of operator states that other
    operators may read. Raises `SchemeError` for a block at a gate before that of an earlier block, one that
    reads an entry that is not there or not shared, and a scheme that sells nothing.

    >>> from tandem_sim import schemes
    >>> scheme = schemes()["multilevel-01"]
    >>> [block.name for block in scheme.blocks]
    ['dso_market', 'forward_bids', 'tso_market']
    >>> scheme.information_shared()
    ('area.exchange', 'area.bids', 'area.offers')
    """

    name: str
    steps: tuple[Block | Repeat, ...]
    shared: frozenset[str]
    source: str
    summary: str
    area_state: type[AreaState] = AreaState

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
        kinds = (self.area_state, SystemState)
        entries = {kind.prefix + name for kind in kinds for name in kind.entry_names()}
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
            for name in block.writes:
                if name not in entries:
                    classes = " or ".join(kind.__name__ for kind in kinds)
                    raise SchemeError(f"{where} writes {name}, which is no entry of {classes}")
            known.update(block.writes)
        if not any(name.endswith(".sold") for block in self.blocks for name in block.writes):
            raise SchemeError(f"scheme {self.name}: no block writes the dispatch (area.sold or tso.sold)")
