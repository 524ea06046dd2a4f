"""Fields of a scenario as text, from its schema.

``python -m tandem_sim.experiments.runs.fields`` writes two files anew. ``field_paths.txt`` has a line per
field with the names its value may have: completion reads it, because the schema
(`tandem_sim.sim.scenario.scenario`) takes seconds to import. ``docs/scenario.md`` has between two marks a
heading, a description and a table for every section. Tests compare both with the schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tandem_sim.agents.choices import ABOUT_STRATEGIES
from tandem_sim.markets.choices import ABOUT
from tandem_sim.markets.settlement.baselines import METHODS
from tandem_sim.sim.scenario.described import written
from tandem_sim.sim.scenario.scenario import Scenario

FILE = Path(__file__).parents[1] / "field_paths.txt"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "scenario.md"
BEGIN = "<!-- Fields of a scenario, written by python -m tandem_sim.experiments.runs.fields -->"
END = "<!-- end of fields -->"
HEAD = "| key | meaning | unit | default | may be | usual |\n|---|---|---|---|---|---|"
NAMED = {"scheme": tuple(ABOUT), "strategy": tuple(ABOUT_STRATEGIES), "settlement.baseline": METHODS}
"""Fields of type text that take names of a list too."""
REQUIRED = object()


class Row(NamedTuple):
    """A field of the schema. Ends of the accepted and the usual range are None if there is no such range."""

    path: str  # keys of sections in a list follow []
    meaning: str
    unit: str
    kind: str  # JSON's: number, integer, string, boolean, array, object
    default: Any  # REQUIRED if there is none
    nullable: bool
    low: float | None
    high: float | None
    usual: tuple[float, float] | None
    names: tuple[Any, ...]  # the only values there are, if they are few
    length: tuple[int, int] | None  # entries of a list or mapping, characters of a text


def rows() -> Iterator[Row]:
    """Every field of a scenario. Sections have no row; a list of sections has one, before its keys."""
    schema = Scenario.model_json_schema(by_alias=True)
    yield from _rows(schema, schema["$defs"], "")


def _rows(section: Mapping[str, Any], known: Mapping[str, Any], above: str) -> Iterator[Row]:
    needed = set(section.get("required", ()))
    for name, about in section["properties"].items():
        path, inner, nullable = f"{above}{name}", about, False
        if any(kind == {"type": "null"} for kind in about.get("anyOf", ())):
            inner, nullable = {**{k: v for k, v in about.items() if k != "anyOf"}, **about["anyOf"][0]}, True
        below = _section(inner, known)
        if below is not None and not nullable:
            yield from _rows(below, known, f"{path}.")
            continue
        yield _row(path, inner, nullable, REQUIRED if name in needed else about.get("default"))
        item = below or _section(inner.get("items", {}), known)
        if item is not None:
            yield from _rows(item, known, f"{path}." if below else f"{path}[].")


def _section(about: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that a schema refers to; None if it refers to none."""
    return known[about["$ref"].rpartition("/")[2]] if "$ref" in about else None


LENGTHS = {"array": "Items", "object": "Properties", "string": "Length"}


def _row(path: str, about: Mapping[str, Any], nullable: bool, default: Any) -> Row:
    kinds = about.get("anyOf", ())
    names = [name for one in kinds for name in one.get("enum", [one["const"]] if "const" in one else ())]
    kind = about.get("format") or about.get("type") or _union(kinds)
    inside = {**_inside(about), **({"enum": names} if names else {}), **about}
    usual, counted = about.get("usual"), LENGTHS.get(kind)
    most = about.get(f"max{counted}")
    return Row(
        path,
        about["description"],
        about["unit"],
        kind,
        default,
        nullable,
        inside.get("minimum"),
        inside.get("maximum"),
        None if usual is None else tuple(usual),
        tuple(inside.get("enum", ())),
        None if most is None else (about.get(f"min{counted}", 0), most),
    )


def _union(kinds: Sequence[Mapping[str, Any]]) -> str:
    """What a value of one of several kinds is; a section if there are none."""
    return " or ".join(sorted({one.get("format", one["type"]) for one in kinds})) or "section"


def _inside(about: Mapping[str, Any]) -> dict[str, Any]:
    """Range and names that the schema gives for the entries of a list or a mapping."""
    found = about.get("items") or about.get("additionalProperties")
    kept = ("minimum", "maximum", "enum")
    return {k: v for k, v in found.items() if k in kept} if isinstance(found, dict) else {}


def field_lines() -> Iterator[str]:
    """Every field outside of lists, for completion: its path and the names it takes, separated by blanks."""
    for row in rows():
        if "[]" not in row.path:
            names = NAMED.get(row.path, [name for name in row.names if isinstance(name, str)])
            yield " ".join([row.path, *names])


def accepted(path: str) -> str | None:
    """What the value of a field may be, with its unit; None for a path that is no field.

    >>> accepted("days"), accepted("distribution[].load_scale"), accepted("day")
    ('1 to 3660 (d)', '0 to 100 (p.u.)', None)
    """
    row = next((row for row in rows() if row.path == path), None)
    if row is None:
        return None
    names = ", ".join(NAMED.get(path, ()))
    unit = "" if row.unit in ("", "count", "share") else f" ({row.unit})"
    return f"{names or _may_be(row)}{unit}{' or none' if row.nullable else ''}"


def sections() -> dict[str, str]:
    """What every section of a scenario is, by its path; that of the top level is empty."""
    schema = Scenario.model_json_schema(by_alias=True)
    return dict(_sections(schema, schema["$defs"], ""))


def _sections(section: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    yield path, " ".join(section["description"].split()).replace("``", "`")
    above = f"{path}." if path else ""
    for name, about in section["properties"].items():
        for kind, mark in (
            (about, ""),
            (about.get("items", {}), "[]"),
            *((k, "") for k in about.get("anyOf", ())),
        ):
            if (below := _section(kind, known)) is not None:
                yield from _sections(below, known, f"{above}{name}{mark}")


TOP = "Keys of the top level"
"""Heading of the fields that are in no section."""


def reference() -> str:
    """All fields in markdown: a list of the sections, and a heading, a description and a table for each."""
    by_section: dict[str, list[Row]] = {path: [] for path in sections()}
    for row in rows():
        by_section[row.path.rpartition(".")[0]].append(row)
    parts = [
        f"{'###' if '.' in path else '##'} {_heading(path)}\n\n{about}\n\n{_table(by_section[path])}"
        for path, about in sections().items()
        if by_section[path]
    ]
    links = ", ".join(f"[{_heading(path)}](#{_anchor(path)})" for path in by_section if by_section[path])
    return "\n\n".join([f"Sections: {links}.", *parts])


def _heading(path: str) -> str:
    return f"`{path}`" if path else TOP


def _anchor(path: str) -> str:
    """The anchor of a heading as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", _heading(path).lower()).replace(" ", "-")


def _table(fields: Iterable[Row]) -> str:
    """Fields as a markdown table."""
    lines = [
        f"| `{row.path}` | {row.meaning} | {row.unit} | {_default(row)} | {_may_be(row)} | {_usual(row)} |"
        for row in fields
    ]
    return "\n".join([HEAD, *lines])


def values_of(row: Row) -> tuple[str, str, str]:
    """What the value of a field may be, its usual range (empty for none), and its default, as text."""
    return _may_be(row), _usual(row), _default(row)


def _default(row: Row) -> str:
    if row.default is REQUIRED:
        return "required"
    value = row.default
    if isinstance(value, list) and value:
        return written(tuple(value))
    if isinstance(value, float):
        return written(value)
    return "none" if value is None else _name(value) if isinstance(value, str) else json.dumps(value)


def _name(value: Any) -> str:
    """A name, in quotes if it has neither letter nor digit.

    >>> _name("p.u."), _name(""), _name(","), _name(3)
    ('p.u.', '""', '","', '3')
    """
    return str(value) if any(map(str.isalnum, str(value))) else json.dumps(value)


def _may_be(row: Row) -> str:
    numbers = "" if row.low is None or row.high is None else f"{written(row.low)} to {written(row.high)}"
    if row.kind == "boolean":
        return "true, false"
    if row.names:
        return ("any of " if row.kind == "array" else "") + ", ".join(map(_name, row.names))
    if row.usual is not None and row.kind == "array":
        return f"[low, high] within {numbers}"
    if row.length is not None:
        what = "characters" if row.kind == "string" else "entries"
        least, most = row.length
        many = f"{least} to {most} {what}" if least else f"up to {most} {what}"
        return f"{many} from {numbers}" if numbers else many
    return numbers or row.kind.replace("date-time", "date and time").replace("string", "text")


def _usual(row: Row) -> str:
    return "" if row.usual is None else f"{written(row.usual[0])} to {written(row.usual[1])}"


def page() -> str:
    """The page docs/scenario.md with the tables of fields made anew from the schema."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    FILE.write_text("\n".join(field_lines()) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
