"""Scenario files: bundled or a person's own, read without running code, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from tandem_sim.experiments.runs.bundled import SCENARIOS, scenario_text
from tandem_sim.grids.documents.text import check_known, hint, is_there, one_line, read_text, shown
from tandem_sim.grids.documents.yaml_reader import LARGEST_YAML, read_yaml, yaml_value
from tandem_sim.grids.errors import LONGEST, InputError, printable
from tandem_sim.grids.renames import new_key, renamed
from tandem_sim.sim.scenario.scenario import Scenario

CONVERT = "tandem convert writes a file of an earlier version anew"
MOST_PROBLEMS = 10
"""Most problems of one scenario that a message lists."""
DEEPEST_PATH = 10
"""Most sections that a key given by its path lies in; fields of scenarios lie in three."""


def read_scenario(name: str, overrides: dict[str, Any] | None = None) -> tuple[Scenario, Path | None]:
    """A scenario by bundled name or by path, and the folder its relative paths start from.

    `overrides` replace keys, those inside sections by their path (``non_firm.who``). Raises `InputError` with
    every problem found.
    """
    text, folder = _found(name)
    return parse_scenario(text, source_of(name), overrides), folder


def read_keys(name: str) -> tuple[dict[str, Any], Path | None]:
    """The keys of a scenario, over those it is based on, and its folder; they are not checked yet."""
    text, folder = _found(name)
    return _resolved(_mapping(text, source_of(name)), source_of(name)), folder


def _found(name: str) -> tuple[str, Path | None]:
    """The text of a scenario and its folder."""
    if name in SCENARIOS:
        return scenario_text(name), None
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        meant = renamed("scenario").get(name)
        raise InputError(
            name,
            "SCENARIO",
            f"is called {meant} now" if meant else "is no bundled scenario and no YAML file",
            f"{hint(name, SCENARIOS)}, or give the path of a .yaml file",
        )
    if not is_there(path):
        raise InputError(name, "SCENARIO", "the file does not exist", "Check the path")
    return read_text(path, LARGEST_YAML), path.parent


def fields_of(given: Sequence[str]) -> dict[str, Any]:
    """Fields given on the command line as ``section.key=value``, the value read as YAML."""
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError("--set", text, "is no key=value", "Give, say, non_firm.who=fewest")
        found[key] = yaml_value(value, "--set", text)
    return found


def source_of(name: str) -> str:
    """What errors call a scenario."""
    return f"bundled scenario {name}" if name in SCENARIOS else str(Path(name))


@contextmanager
def faults_named(source: str) -> Iterator[None]:
    """Faults that the simulator finds in "scenario", which knows no file, name `source` instead."""
    try:
        yield
    except InputError as error:
        if error.source != "scenario":
            raise
        raise InputError(source, error.field, error.problem, error.hint) from error


def parse_scenario(text: str, source: str, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Check a scenario's text; see `scenario_of`."""
    return scenario_of(_mapping(text, source), source, overrides)


def scenario_of(keys: Mapping[str, Any], source: str, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Check a scenario's keys. `source` is named in errors.

    A scenario may be ``based_on`` a bundled one: its keys then replace those of that one, section by section.
    """
    try:
        return Scenario.model_validate(_overridden(_resolved(dict(keys), source), overrides or {}, source))
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [_plain(e) for e in found[:MOST_PROBLEMS]]
        field, problem = problems[0].split(": ", 1)
        more = [f"{len(found) - MOST_PROBLEMS} more"] if len(found) > MOST_PROBLEMS else []
        raise InputError(
            source, field, "; and also ".join([problem, *problems[1:], *more]), "Correct the keys named"
        ) from error


def _overridden(data: dict[str, Any], overrides: Mapping[str, Any], source: str) -> dict[str, Any]:
    """`data` with keys replaced; a key with dots is one inside sections."""
    for path, value in overrides.items():
        *sections, key = path.split(".")
        if len(sections) > DEEPEST_PATH:
            raise InputError(source, path, "is an unknown key", "Name a key by its sections: non_firm.who")
        change: dict[str, Any] = {key: value}
        for section in reversed(sections):
            change = {section: change}
        data = _merged(data, change) if sections else {**data, **change}
    return data


def _resolved(data: dict[str, Any], source: str) -> dict[str, Any]:
    """The keys of a scenario, put over those of the bundled one it is based on, and so on."""
    base = data.pop("based_on", None)
    if base is None:
        return data
    if base in renamed("scenario"):
        raise InputError(source, "based_on", f"{base} is called {renamed('scenario')[base]} now", CONVERT)
    check_known(f"{source}: based_on", [base], SCENARIOS)
    named = source_of(base)
    return _merged(_resolved(_mapping(scenario_text(base), named), named), data)


def _merged(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `data` put over it; sections are merged, lists and values replaced."""
    both = dict(base)
    for key, value in data.items():
        old = base.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _mapping(text: str, source: str) -> dict[str, Any]:
    """The keys of a scenario's text."""
    data = read_yaml(text, source)
    if not isinstance(data, dict):
        raise InputError(
            source, "scenario", "is not a mapping of keys", "Start from a bundled scenario (tandem scenarios)"
        )
    return data


def _plain(error: Any) -> str:
    """One problem as "field: problem"; what concerns the whole scenario names its field itself."""
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
    """The key that was probably meant by an unknown one, as a question; nothing where none is near."""
    kind: Any = Scenario
    for step in place[:-1]:
        if isinstance(step, str):
            kind = _fields(kind)[step].annotation
        kind = next((k for k in get_args(kind) if k is not type(None)), kind)
    near = get_close_matches(printable(place[-1]), _fields(kind), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _fields(kind: Any) -> dict[str, Any]:
    """The fields of a section as a file names them; of anything else none."""
    fields = getattr(kind, "model_fields", {})
    return {field.alias or name: field for name, field in fields.items()}
