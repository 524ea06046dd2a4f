"""What a finished run says of its coordination scheme, so that nothing that reads it needs the scheme itself.

A scheme from outside Tandem is code; its description is data: names, parties, gates and entries. It stands in
``manifest.json`` and is read as a file of unknown origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.coordination.block import Party, Scheme, foreign
from tandem_sim.markets.coordination.gates import GATES

MOST_BLOCKS, MOST_ENTRIES, LONGEST_TEXT = 100, 200, 2000
"""Most blocks, most entries that one reads or writes, and most characters of a text that are read."""
_HINT = "Delete the folder, and run it again"


@dataclass(frozen=True, kw_only=True)
class BlockDescription:
    """A block: its party, its gate, who pays for its awards, and the entries that it reads and writes."""

    name: str
    party: Party
    gate: str
    buyer: Party
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    def foreign_reads(self) -> tuple[str, ...]:
        """Entries read outside the state of the block's own party."""
        return foreign(self.party, self.reads)


@dataclass(frozen=True, kw_only=True)
class SchemeDescription:
    """A coordination scheme: its blocks in order, those inside a `Repeat` once, and what operators share."""

    name: str
    summary: str
    source: str
    blocks: tuple[BlockDescription, ...]
    shared: tuple[str, ...]

    @classmethod
    def of(cls, scheme: Scheme) -> SchemeDescription:
        """The description of a scheme."""
        blocks = [
            BlockDescription(
                name=b.name, party=b.party, gate=b.gate, buyer=b.buyer, reads=b.reads, writes=b.writes
            )
            for b in scheme.blocks
        ]
        return cls(
            name=scheme.name,
            summary=scheme.summary,
            source=scheme.source,
            blocks=tuple(blocks),
            shared=scheme.information_shared(),
        )

    @classmethod
    def read(cls, given: Any, source: str, field: str) -> SchemeDescription:
        """A description as `as_dict` writes it. Raises `InputError` naming file and field."""
        whole = _keys(given, ("name", "summary", "source", "blocks", "shared"), source, field)
        blocks = _list(whole["blocks"], MOST_BLOCKS, source, f"{field}.blocks")
        return cls(
            **{key: _text(whole[key], source, f"{field}.{key}") for key in ("name", "summary", "source")},
            blocks=tuple(_block(one, source, f"{field}.blocks.{k}") for k, one in enumerate(blocks)),
            shared=_texts(whole["shared"], source, f"{field}.shared"),
        )

    def as_dict(self) -> dict[str, Any]:
        """The description as JSON takes it."""
        return asdict(self)

    def reads(self, entry: str) -> bool:
        """Whether any block reads an entry."""
        return any(entry in block.reads for block in self.blocks)


def _block(given: Any, source: str, field: str) -> BlockDescription:
    keys = _keys(given, ("name", "party", "gate", "buyer", "reads", "writes"), source, field)
    parties = get_args(Party)
    return BlockDescription(
        name=_text(keys["name"], source, f"{field}.name"),
        party=_one_of(keys["party"], parties, source, f"{field}.party"),
        gate=_one_of(keys["gate"], GATES, source, f"{field}.gate"),
        buyer=_one_of(keys["buyer"], parties, source, f"{field}.buyer"),
        reads=_texts(keys["reads"], source, f"{field}.reads"),
        writes=_texts(keys["writes"], source, f"{field}.writes"),
    )


def _keys(given: Any, names: tuple[str, ...], source: str, field: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise InputError(source, field, f"is {shown(given)} and no object", _HINT)
    for name in names:
        if name not in given:
            raise InputError(source, f"{field}.{name}", "is missing", _HINT)
    return given


def _list(given: Any, most: int, source: str, field: str) -> list[Any]:
    if not isinstance(given, list) or not given or len(given) > most:
        raise InputError(source, field, f"is {shown(given)} and no list of 1 to {most}", _HINT)
    return given


def _texts(given: Any, source: str, field: str) -> tuple[str, ...]:
    entries = [] if given == [] else _list(given, MOST_ENTRIES, source, field)
    return tuple(_text(one, source, f"{field}.{k}") for k, one in enumerate(entries))


def _text(given: Any, source: str, field: str) -> str:
    if not isinstance(given, str) or not given.isprintable() or len(given) > LONGEST_TEXT:
        raise InputError(source, field, f"is {shown(given)} and no line of text", _HINT)
    return given


def _one_of(given: Any, names: tuple[str, ...], source: str, field: str) -> Any:
    if not isinstance(given, str) or given not in names:
        raise InputError(source, field, f"is {shown(given)} and none of {', '.join(names)}", _HINT)
    return given
