"""YAML documents from outside, read strictly.

The events of PyYAML are composed here. PyYAML's own loaders silently drop the first of two equal keys, expand
aliases without limit, and read plain words by the rules of YAML 1.1, under which ``010`` is 8, ``1:30`` is
90, ``NO`` is false and ``1e3`` is text. Here words follow the core schema of YAML 1.2 (section 10.3 of its
specification), dates YAML 1.1; words that YAML 1.1 reads differently are errors, except numbers such as
``1e3``. Nothing in a document runs code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import yaml

from tandem_sim.grids.documents.decimals import decimal, odd_number
from tandem_sim.grids.documents.text import one_line, shown, unwritable
from tandem_sim.grids.errors import InputError, printable

LARGEST_YAML = 2**18
"""Most characters of a document: ninety times the longest scenario that comes with Tandem."""
MOST_NODES = 50_000
"""Most values and keys of a document, those of an alias counted at each use; they fit that size."""
DEEPEST = 40
"""Most nested lists and mappings; scenarios have five levels."""
_TAG = "tag:yaml.org,2002:"
_KINDS: dict[str, type] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "null": type(None),
    "timestamp": date,
}
_NULLS = ("", "~", "null", "Null", "NULL")
_SWITCHES = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)(Z|[-+][0-9]{2}:[0-9]{2})?"
)


def read_yaml(text: str, source: str) -> Any:
    """The one document of a text: mappings, lists, text, numbers, booleans, None, dates, dates with times.

    Raises `InputError` with `source` and the line for text that is not YAML, that can be read in two ways
    (docs/formats.md), or that is beyond the size limits of this module.
    """
    if len(text) > LARGEST_YAML:
        problem = f"has {len(text)} characters, and at most {LARGEST_YAML} are read"
        raise InputError(source, "YAML", problem, "Make it smaller")
    return _Composer(text, source).document()


def yaml_value(text: str, source: str, field: str) -> Any:
    """A value given outside a file, read by the rules of `read_yaml`; errors name `field` and no line."""
    try:
        return read_yaml(text, source)
    except InputError as error:
        raise InputError(source, field, error.problem, error.hint) from error


@dataclass(frozen=True)
class _Anchored:
    """What an anchor names: its value, its number of nodes, and its number of levels."""

    value: Any
    nodes: int
    levels: int


class _Composer:
    """Composes a document from its events."""

    def __init__(self, text: str, source: str) -> None:
        self._text, self._source = text, source
        self._anchors: dict[str, _Anchored | None] = {}  # None while its node is being read
        self._nodes = 0
        self._path: list[str] = []  # keys and indices of what is being read
        self._loader: Any  # of PyYAML, which makes events

    def document(self) -> Any:
        for break_ in "\x85\u2028\u2029":  # line ends of YAML 1.1, not of 1.2
            if break_ in self._text:
                line = self._text.count("\n", 0, self._text.index(break_)) + 1
                raise self._broken(line, f"holds a line separator ({printable(break_)})", "Remove it")
        try:
            self._loader = yaml.SafeLoader(self._text)
            self._next(yaml.StreamStartEvent)
            event: Any = self._next()
            if isinstance(event, yaml.StreamEndEvent):
                return None
            value, _ = self._node(self._next(), 1)
            self._next(yaml.DocumentEndEvent)
            event = self._next()
        except yaml.reader.ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 1
            problem = (
                f"is not valid YAML (special characters are not allowed: {printable(chr(error.character))})"
            )
            raise self._broken(line, problem, "Remove it") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            said = one_line(getattr(error, "problem", None) or error)
            line = mark.line + 1 if mark is not None else 1
            raise self._broken(line, f"is not valid YAML ({said})", "Correct the file") from error
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._broken(event.start_mark.line + 1, "begins a second document", "Keep one in the file")
        return value

    def _next(self, kind: type = yaml.Event) -> Any:
        """The next event, which by the grammar is of the given kind."""
        try:
            event = self._loader.get_event()
        except (ValueError, OverflowError) as error:  # an escape or a version that PyYAML takes for a number
            raise self._broken(
                self._loader.line + 1, f"is not valid YAML ({one_line(error)})", "Correct it"
            ) from error
        assert isinstance(event, kind)
        return event

    def _node(self, event: Any, level: int) -> tuple[Any, int]:
        """The value that begins with an event, and its number of levels."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event.anchor, line, level)
        if event.anchor in self._anchors:
            raise self._fault(line, f"names anchor {printable(event.anchor)} again", "Rename one")
        before = self._nodes
        self._count(1, line)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value, levels = self._scalar(event, line), 0
        else:
            self._check_level(level, line)
            if isinstance(event, yaml.MappingStartEvent):
                self._check_tag(event, "map", line)
                value, levels = self._mapping(level)
            else:
                self._check_tag(event, "seq", line)
                value, levels = self._sequence(level)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, self._nodes - before, levels)
        return value, levels

    def _aliased(self, name: Any, line: int, level: int) -> tuple[Any, int]:
        if name not in self._anchors:
            raise self._fault(line, f"names anchor {printable(name)}, which is not there", "Correct it")
        found = self._anchors[name]
        if found is None:
            raise self._fault(line, f"anchor {printable(name)} holds itself", "Write out what it should hold")
        self._count(found.nodes, line)
        self._check_level(level + found.levels - 1, line)
        return found.value, found.levels

    def _sequence(self, level: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        levels = 0
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            self._path.append(str(len(items)))
            item, below = self._node(event, level + 1)
            self._path.pop()
            items.append(item)
            levels = max(levels, below)
        return items, levels + 1

    def _mapping(self, level: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        levels = 0
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            key = self._key(event, line)
            self._path.append(key)
            if key in found:
                problem = f"stands in line {lines[key]} and again in line {line}"
                raise InputError(self._source, ".".join(self._path), problem, "Keep one of them")
            lines[key] = line
            found[key], below = self._node(self._next(), level + 1)
            self._path.pop()
            levels = max(levels, below)
        return found, levels + 1

    def _key(self, event: Any, line: int) -> str:
        """A key, which is text: in quotes, or a plain word that is no number, date or ``true``."""
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fault(line, "has a key that is no string", "Give keys as plain text")
        plain = event.style is None and event.tag is None
        if plain and event.value == "<<":
            raise self._fault(line, "merges with <<, which is not supported", "Write the keys out")
        key = event.value if plain and event.value.lower() in _SWITCHES else self._scalar(event, line)
        if not isinstance(key, str) or (plain and key in ("true", "false")):
            problem = f"has key {printable(event.value)}, which is no string"
            raise self._fault(line, problem, "Put it into quotes")
        self._count(1, line)
        return key

    def _scalar(self, event: Any, line: int) -> Any:
        text, tag = event.value, event.tag
        wrong = unwritable(text)
        if wrong is not None:
            raise self._fault(line, f"holds text with {wrong}, which no file can hold", "Remove it")
        if tag == "!" or (tag is None and event.style is not None):
            return text
        kind = None if tag is None else _KINDS.get(tag.removeprefix(_TAG))
        if tag is not None and (kind is None or not tag.startswith(_TAG)):
            raise self._fault(line, f"is not valid YAML (tag {printable(tag)} is not read)", "Remove the tag")
        if kind is str:
            return text
        value = self._plain(text, line)
        if kind is float and type(value) is int:
            return float(value)
        if kind is not None and type(value) is not kind and not (kind is date and isinstance(value, date)):
            raise self._fault(line, f"is {shown(text)}, and its tag says {printable(tag)}", "Remove the tag")
        return value

    def _plain(self, text: str, line: int) -> Any:
        """A word without quotes: empty, true or false, a number, a date, or else text."""
        if text in _NULLS:
            return None
        if text in ("true", "false"):
            return text == "true"
        quoted = f'"{printable(text, 40)}" in quotes for text'
        if text.lower() in _SWITCHES:
            problem = f"is {text}, which YAML 1.1 reads as true or false and YAML 1.2 as text"
            raise self._fault(line, problem, f"Write true or false, or {quoted}")
        try:
            number = decimal(text)
        except ValueError as error:
            raise self._fault(line, one_line(error), "Correct it") from error
        if number is not None:
            return number
        try:
            moment = _moment(text)
        except ValueError as error:  # the 30th of February
            raise self._fault(line, f"is not valid YAML ({one_line(error)})", "Correct the date") from error
        if moment is not None:
            return moment
        odd = odd_number(text)
        if odd is not None:
            problem = f"is {shown(text)}, which looks like a number and {odd}"
            raise self._fault(line, problem, f"Write a decimal number such as -12.5 or 1e3, or {quoted}")
        return text

    def _check_tag(self, event: Any, kind: str, line: int) -> None:
        if event.tag not in (None, "!", f"{_TAG}{kind}"):
            raise self._fault(
                line, f"is not valid YAML (tag {printable(event.tag)} is not read)", "Remove the tag"
            )

    def _check_level(self, level: int, line: int) -> None:
        if level > DEEPEST:
            raise self._fault(line, f"nests more than {DEEPEST} levels of YAML", "Nest less")

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            problem = f"makes more than {MOST_NODES} values, those of aliases counted wherever they stand"
            raise self._fault(line, problem, "Make it smaller")

    def _fault(self, line: int, problem: str, hint: str) -> InputError:
        """A fault of the value being read."""
        if not self._path:
            return self._broken(line, problem, hint)
        return InputError(self._source, ".".join(self._path), f"{problem} (line {line})", hint)

    def _broken(self, line: int, problem: str, hint: str) -> InputError:
        """A fault of a line, without the key that contains it."""
        return InputError(self._source, f"line {line}", problem, hint)


def _moment(text: str) -> date | None:
    """A date, or a date and time with seconds; None for other text. `ValueError` for an impossible date."""
    if _DATE.fullmatch(text):
        return date.fromisoformat(text)
    parts = _MOMENT.fullmatch(text)
    return datetime.fromisoformat(f"{parts[1]}T{parts[2]}{parts[4] or ''}") if parts else None
