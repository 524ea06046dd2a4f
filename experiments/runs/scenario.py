"""Scenario files: bundled or a person's own, read without running code, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from tandem_sim.experiments.runs.based_on import (
    SUFFIXES,
    Layers,
    keys_of,
    layers_of,
    mapping,
    merged,
    read_layers,
)
from tandem_sim.experiments.runs.bundled import SCENARIOS, SWEEPS, scenario_text, source_of
from tandem_sim.grids.documents.text import hint, is_there, one_line, shown
from tandem_sim.grids.documents.yaml_reader import yaml_value
from tandem_sim.grids.errors import LONGEST, InputError, printable
from tandem_sim.grids.renames import new_key, renamed
from tandem_sim.sim.scenario.quantities import FINISHED
from tandem_sim.sim.scenario.scenario import Scenario

MOST_PROBLEMS = 10
"""Most problems of one scenario that a message lists."""
DEEPEST_PATH = 10
"""Most keys of a field path; those of a scenario have at most four."""


def read_scenario(name: str, overrides: dict[str, Any] | None = None) -> tuple[Scenario, Path | None]:
    """A scenario by bundled name or by path, and the folder its relative paths start from.

    `overrides` replace values by field path, see `scenario_of`. Raises `InputError` with every problem found.
    """
    layers, folder = _found(name)
    return _checked(layers, overrides or {}), folder


def read_keys(name: str) -> tuple[dict[str, Any], Path | None]:
    """The keys of a scenario with those of the scenario it is based on, unchecked, and its folder."""
    layers, folder = _found(name)
    return layers.keys, folder


def _found(name: str) -> tuple[Layers, Path | None]:
    """A scenario and what it is based on, and its folder."""
    if name in SCENARIOS:
        return layers_of(mapping(scenario_text(name), source_of(name)), source_of(name), None), None
    path = Path(name)
    if path.suffix not in SUFFIXES:
        raise InputError(
            name,
            "SCENARIO",
            _no_scenario(name),
            f"Its command is: tandem sweep {name}"
            if name in SWEEPS
            else f"{hint(name, SCENARIOS)}, or give the path of a .yaml file",
        )
    if not is_there(path):
        raise InputError(name, "SCENARIO", "the file does not exist", "Check the path")
    return read_layers(path), path.parent


def _no_scenario(name: str) -> str:
    """What is wrong with a name that is no scenario."""
    if name in renamed("scenario"):
        return f"is called {renamed('scenario')[name]} now"
    return (
        "is a bundled sweep, and no scenario" if name in SWEEPS else "is no bundled scenario and no YAML file"
    )


def fields_of(given: Sequence[str]) -> dict[str, Any]:
    """Fields given on the command line as ``section.key=value``, the value read as YAML."""
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError("--set", text, "is no key=value", "Give, for example, non_firm.who=fewest")
        found[key] = yaml_value(value, "--set", text)
    return found


@contextmanager
def faults_named(source: str) -> Iterator[None]:
    """Errors of the simulator, which name "scenario" as their source, name the file `source` instead."""
    try:
        yield
    except InputError as error:
        if error.source != "scenario":
            raise
        raise InputError(source, error.field, error.problem, error.hint) from error


def parse_scenario(text: str, source: str, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Check a scenario's text; see `scenario_of`."""
    return scenario_of(mapping(text, source), source, overrides)


def scenario_of(
    keys: Mapping[str, Any],
    source: str,
    overrides: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    *,
    finished: bool = False,
) -> Scenario:
    """Check a scenario's keys. `source` is named in errors.

    A scenario may be ``based_on`` a bundled one, or on a file if `folder`, where relative paths start, is
    given: its keys then replace those of that one, section by section. `overrides` replace values by field
    path: the keys of the sections, and of an entry of a list its number, from 0, or its name
    (``non_firm.who``, ``distribution.0.load_scale``, ``distribution.D1.load_scale``). Of a `finished` run the
    code that it names need not be there any more.
    """
    return _checked(layers_of(keys, source, folder), overrides or {}, FINISHED if finished else None)


def _checked(
    layers: Layers, overrides: Mapping[str, Any], context: Mapping[str, Any] | None = None
) -> Scenario:
    """The scenario of some layers. An error names the file that holds the wrong key."""
    source = layers.layers[0].source
    try:
        return Scenario.model_validate(_overridden(layers.keys, overrides, source), context=context)
    except ValidationError as error:
        found = error.errors(include_url=False)
        changed = {path.partition(".")[0] for path in overrides}
        holders = [_holder(layers, e, changed) for e in found[:MOST_PROBLEMS]]
        problems = [
            _plain(e) + (f" (in {holder})" if holder != holders[0] else "")
            for e, holder in zip(found, holders, strict=False)
        ]
        field, problem = problems[0].split(": ", 1)
        more = [f"{len(found) - MOST_PROBLEMS} more"] if len(found) > MOST_PROBLEMS else []
        text = "; and also ".join([problem, *problems[1:], *more])
        raise InputError(holders[0], field, text, _advice(found[0])) from error


def _holder(layers: Layers, error: Any, changed: set[str]) -> str:
    """Name of the file with the fault; the scenario itself for what `changed` or concerns the whole."""
    place = error["loc"][: -1 if error["type"] == "missing" else None]
    return layers.layers[0].source if place and place[0] in changed else layers.source_of(place)


def field_value(fields: Any, path: str) -> Any:
    """The value at a field path in the keys of a scenario; None if there is none."""
    for key in path.split("."):
        if isinstance(fields, list):
            place = _place(fields, key)
            fields = None if place is None else fields[place]
        else:
            fields = fields.get(key) if isinstance(fields, dict) else None
    return fields


def _overridden(data: dict[str, Any], overrides: Mapping[str, Any], source: str) -> dict[str, Any]:
    """`data` with values replaced by field path."""
    for path, value in overrides.items():
        keys = path.split(".")
        if len(keys) > DEEPEST_PATH:
            raise InputError(source, path, "is an unknown key", "Name a key by its sections: non_firm.who")
        data = _replaced(data, keys, value, source, path) if len(keys) > 1 else {**data, path: value}
    return data


def _replaced(old: Any, keys: Sequence[str], value: Any, source: str, path: str) -> Any:
    """`old` with the value at `keys` below it replaced; sections are merged."""
    if not keys:
        return merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    key, *rest = keys
    if isinstance(old, list):
        place = _place(old, key)
        if place is None:
            known = [_name_of(entry) or str(k) for k, entry in enumerate(old)]
            problem = f"{shown(key)} is no entry of this list, which has {len(old)}"
            advice = (
                f"Use its number, from 0, or its name: {', '.join(known)}" if old else "Give the whole list"
            )
            raise InputError(source, path, problem, advice)
        return [*old[:place], _replaced(old[place], rest, value, source, path), *old[place + 1 :]]
    section = old if isinstance(old, dict) else {}
    return {**section, key: _replaced(section.get(key), rest, value, source, path)}


def _place(entries: Sequence[Any], key: str) -> int | None:
    """Position of the entry of a list with this name, or else with this number; None if there is none."""
    names = [_name_of(entry) for entry in entries]
    if key in names:
        return names.index(key)
    return int(key) if key.isdecimal() and len(key) < 6 and int(key) < len(entries) else None


def _name_of(entry: Any) -> str | None:
    """Name of a section in a list; None if it has none."""
    name = entry.get("name", entry.get("id")) if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


def _plain(error: Any) -> str:
    """One problem as "field: problem"; the text of one that concerns the whole scenario names its field."""
    field = printable(".".join(map(str, error["loc"])))
    message = one_line(error["msg"], LONGEST["problem"]).removeprefix("Value error, ")
    if not field and error["type"] == "value_error":
        return message
    if error["type"] == "extra_forbidden":
        new = new_key(".".join(map(str, error["loc"])))
        meant = f" (it is called {new} now: tandem convert)" if new else _meant(error["loc"])
        message = f"is an unknown key{meant}"
    elif error["type"] == "missing":
        message = "is missing"
    else:
        given = error.get("input")
        message += f" (given: {shown(given)})" if isinstance(given, str | int | float | bool) else ""
    return f"{field or 'scenario'}: {message}"


def _meant(place: tuple[str | int, ...]) -> str:
    """The key that was probably meant by an unknown one, as a question; empty if none is similar."""
    near = get_close_matches(printable(place[-1]), keys_of(_section_of(place)), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _section_of(place: tuple[str | int, ...]) -> Any:
    """The section that a field lies in."""
    kind: Any = Scenario
    for step in place[:-1]:
        if isinstance(step, str):
            found = keys_of(kind).get(step)
            kind = None if found is None else found.annotation
        kind = next((k for k in get_args(kind) if k is not type(None)), kind)
    return kind


def _advice(error: Any) -> str:
    """What to do about a problem: what the key may be, the known keys, or values that do not fit together."""
    from tandem_sim.experiments.runs.fields import accepted  # slow, and only errors need it

    place: tuple[str | int, ...] = error["loc"]
    path = "".join("[]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    if (found := accepted(path)) is not None:
        return f"{printable(path)} may be: {found}"
    known = keys_of(_section_of(place))
    if error["type"] == "extra_forbidden" and known:
        return f"Known keys here: {', '.join(known)}"
    return "Change one of the values named; tandem scenarios reference prints a scenario with comments"
