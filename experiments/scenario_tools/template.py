"""A scenario file with comments, ready to run: what ``tandem new`` writes.

Values come from a bundled scenario, comments from the fields themselves (`quantities`), so that they hold for
this version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from textwrap import wrap
from typing import Any

from tandem_sim.experiments.run_folder.outputs import part_fault, whole
from tandem_sim.experiments.runs.based_on import SUFFIXES, keys_of, merged, section_of
from tandem_sim.experiments.runs.bundled import SCENARIOS
from tandem_sim.experiments.runs.fields import Row, rows, values_of
from tandem_sim.experiments.runs.scenario import read_keys
from tandem_sim.grids.documents.text import check_known
from tandem_sim.grids.documents.yaml_reader import yaml_value
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.scenario.described import written
from tandem_sim.sim.scenario.scenario import Scenario

SCHEMA_FILE = "tandem.schema.json"
"""A schema of this name beside a new scenario is named in it, for editors."""
ORIGIN = "reference"
FIRST: Mapping[str, Any] = {
    "description": "IEEE 14-bus transmission, case69 distribution, 1 000 households, two spring days of 2016",
    "days": 2,
    "households": 1000,
    "aggregators": 4,
}
"""What the first scenario has otherwise than `ORIGIN`; its only area is the first one of that."""
AREA = {"load_scale": 0.4, "ratings_mva": {"line 4": 0.65}}
"""Households of the first area: as much load as its grid then has."""
SHOWN = (
    "pricing",
    "gates.offer",
    "gates.tso_close",
    "reserve.enabled",
    "imbalance.rule",
    "flexibility_register.enabled",
    "settlement.baseline",
)
"""Fields that stand in the first scenario with their defaults, because most studies change them."""
COLUMN, WIDTH = 36, 120
"""Column at which comments start, and most characters of a line."""


def new_scenario(file: Path, origin: str | None, *, everything: bool, force: bool) -> list[str]:
    """Write a scenario to `file`; what to do next, a line each.

    Its keys are those of the bundled scenario `origin`; None: of a small world that runs two days in about a
    minute. `everything`: all other fields too, as comments. An existing file is replaced only with `force`.
    Raises `InputError`.
    """
    if origin is not None:
        check_known("--from", [origin], SCENARIOS)
    if file.suffix not in SUFFIXES:
        problem = f"does not end in {' or '.join(SUFFIXES)}"
        raise InputError(str(file), "FILE", problem, f"Name it {file.name}{SUFFIXES[0]}")
    _check_free(file, force)
    text = template(file, origin, everything=everything)
    with whole(file) as part:
        part.write_text(text, encoding="utf-8")
    return [
        f"Scenario: {file}",
        f"Next: tandem validate {file}    (checks it, and prints load, peaks and voltages)",
        f"      tandem run {file} --out runs/{file.stem}",
        "Every field is explained in docs/scenario.md; tandem new --full lists all of them in a file.",
    ]


def _check_free(file: Path, force: bool) -> None:
    problem, advice = "", "Choose another name, or pass --force to replace it"
    if file.is_symlink() or file.exists():
        if not file.is_file() or file.is_symlink():
            problem, advice = "exists, and is no regular file", "Choose another name"
        elif not force:
            problem = "exists already"
    elif not file.parent.is_dir():
        problem, advice = "is in a folder that does not exist", f"Make the folder {file.parent}"
    if not problem and (fault := part_fault(file)):
        problem, advice = fault, "Choose another name"
    if problem:
        raise InputError(str(file), "FILE", problem, advice)


def template(file: Path, origin: str | None, *, everything: bool = False) -> str:
    """The text of a new scenario called as its file; arguments as of `new_scenario`."""
    keys = {**(_first() if origin is None else read_keys(origin)[0]), "name": file.stem[:200]}
    source = f"a small world made from {ORIGIN}" if origin is None else f"the bundled scenario {origin}"
    head = [
        *([f"yaml-language-server: $schema={SCHEMA_FILE}"] if _has_schema(file) else []),
        f"A scenario of Tandem, written by tandem new: {source}.",
        f"tandem scenarios {origin or ORIGIN} prints that one with the sources of its values.",
        "Comments: meaning, what the value may be (unit), usual range, default. See docs/scenario.md.",
    ]
    if everything:
        head.append(
            "A line that begins with # and no blank is a field with its default: remove the # to set it."
        )
    known = {row.path: row for row in rows()}
    body = _section(keys, Scenario, "", "", known, everything)
    return "\n".join([*(f"# {line}" for line in head), *body]) + "\n"


def _has_schema(file: Path) -> bool:
    return (file.parent / SCHEMA_FILE).is_file()


def _first() -> dict[str, Any]:
    """Keys of the first scenario."""
    keys = merged(read_keys(ORIGIN)[0], FIRST)
    keys["distribution"] = [keys["distribution"][0] | AREA]
    defaults = {row.path: row.default for row in rows()}
    for path in SHOWN:
        *above, key = path.split(".")
        section = keys
        for name in above:
            section = section.setdefault(name, {})
        section.setdefault(key, defaults[path])
    return keys


def _section(
    keys: Mapping[str, Any],
    kind: Any,
    above: str,
    indent: str,
    known: Mapping[str, Row],
    everything: bool,
) -> Iterator[str]:
    """Lines of a section: given fields, and with `everything` the others as comments."""
    spaced = False
    for key, field in keys_of(kind).items():
        path, section, given = f"{above}{key}", section_of(field.annotation), key in keys
        row, value = known.get(path), keys.get(key)
        if not (given or everything):
            continue
        begin = f"{indent}{'' if given else '#'}{key}:"
        parted = not above and (row is None or (section is not None and bool(value)))
        yield from [""] if parted or spaced else []
        spaced = parted
        if row is None and section is not None:
            yield from [] if above else _prose(str(field.description), indent)
            yield begin
            yield from _section(value or {}, section, f"{path}.", f"{indent}  ", known, everything)
        elif row is not None and section is not None and isinstance(value, list) and value:
            yield from _commented(begin, _comment(row))
            yield from _entries(value, section, f"{path}[].", f"{indent}  ", known, everything)
        elif row is not None:
            yield from _commented(f"{begin} {as_yaml(value if given else row.default)}", _comment(row))
            if everything and section is not None and not value:
                yield from _example(
                    section, f"{path}[]." if row.kind == "array" else f"{path}.", indent, known
                )


def _entries(
    values: Sequence[Any],
    kind: Any,
    above: str,
    indent: str,
    known: Mapping[str, Row],
    everything: bool,
) -> Iterator[str]:
    """Entries of a list: the first one with comments, others on a line each."""
    first, *others = values
    lines = list(_section(first, kind, above, f"{indent}  ", known, everything))
    start = next(k for k, line in enumerate(lines) if not line.lstrip().startswith("#"))
    lines[start] = f"{indent}- {lines[start].lstrip()}"
    yield from [lines[start], *lines[:start], *lines[start + 1 :]]
    yield from (f"{indent}- {as_yaml(value)}" for value in others)


def _example(kind: Any, above: str, indent: str, known: Mapping[str, Row]) -> Iterator[str]:
    """The keys of a section that is not there, or of entries of an empty list, as comments."""
    for key in keys_of(kind):
        row = known.get(f"{above}{key}")
        if row is not None:
            yield from _prose(f"  {key}: {_comment(row)}", indent)


def _prose(text: str, indent: str) -> list[str]:
    begin = f"{indent}# "
    return wrap(text, WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False)


def _comment(row: Row) -> str:
    """Meaning of a field, what it may be, usual range, default."""
    may_be, usual, default = values_of(row)
    unit = "" if row.unit in ("", "count", "share") else f" {row.unit}"
    says = [
        "" if may_be.endswith(("characters", "section")) else f"{may_be}{unit}",
        f"usually {usual}" if usual else "",
        "" if default == "required" else f"default {default}",
    ]
    text = "; ".join(part for part in says if part)
    return f"{row.meaning} [{text}]" if text else row.meaning


def _commented(text: str, comment: str) -> Iterator[str]:
    """A line with its comment behind it, continued on lines of its own."""
    if len(text) + 2 > COLUMN:
        yield from _prose(comment, text[: len(text) - len(text.lstrip())])
        yield text
        return
    first, *more = wrap(comment, WIDTH - COLUMN - 2, break_on_hyphens=False)
    yield f"{text:<{COLUMN}}# {first}"
    yield from (f"{'':<{COLUMN}}# {line}" for line in more)


def as_yaml(value: Any) -> str:
    """A value on one line of YAML, as Tandem reads it.

    >>> as_yaml({"line 4": 0.65}), as_yaml([3.0, "a b", None, True]), as_yaml("NO"), as_yaml("")
    ('{line 4: 0.65}', '[3, a b, null, true]', '"NO"', '""')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return written(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{as_yaml(k)}: {as_yaml(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_yaml, value))}]"
    return str(value) if _is_plain(str(value)) else _quoted(str(value))


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes."""
    if not re.fullmatch(r"[A-Za-z][\w./-]*( [\w./-]+)*", text, re.ASCII):
        return False
    try:
        return bool(yaml_value(text, "text", text) == text)
    except InputError:
        return False


def _quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
