"""Scenario files: bundled or a person's own, read without running code, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.text import one_line, read_text
from tandem_sim.sim.settings import Scenario

SCENARIOS = ("reference", "dutch", "belgian", "street", "nfca-clash")
"""Scenarios that travel inside the package."""


def read_scenario(name: str, overrides: dict[str, Any] | None = None) -> tuple[Scenario, Path | None]:
    """A scenario by bundled name or by path, and the folder its relative paths start from.

    `overrides` replace keys, those inside sections by their path (``non_firm.who``). Raises `InputError` with
    every problem found.
    """
    if name in SCENARIOS:
        return parse_scenario(_bundled(name), source_of(name), overrides), None
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        raise InputError(
            name,
            "SCENARIO",
            "is no bundled scenario and no YAML file",
            f"Use {', '.join(SCENARIOS)} or the path of a .yaml file",
        )
    if not path.is_file():
        raise InputError(name, "SCENARIO", "the file does not exist", "Check the path")
    return parse_scenario(read_text(path), source_of(name), overrides), path.parent


def fields_of(given: Sequence[str]) -> dict[str, Any]:
    """Fields given on the command line as ``section.key=value``, the value read as YAML."""
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError("--set", text, "is no key=value", "Give, say, non_firm.who=fewest")
        try:
            found[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError(
                "--set", text, f"has no valid value ({one_line(error)})", "Correct it"
            ) from error
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
        raise InputError(source, error.field, error.problem, error.mend) from error


def _bundled(name: str) -> str:
    return (resources.files("tandem_sim.experiments") / "scenarios" / f"{name}.yaml").read_text(
        encoding="utf-8"
    )


def parse_scenario(text: str, source: str, overrides: dict[str, Any] | None = None) -> Scenario:
    """Check a scenario's text. `source` is named in errors.

    A scenario may be ``based_on`` a bundled one: its keys then replace those of that one, section by section.
    """
    data = _resolved(text, source)
    try:
        return Scenario.model_validate(_overridden(data, overrides or {}))
    except ValidationError as error:
        problems = [_plain(e) for e in error.errors()]
        field, problem = problems[0].split(": ", 1)
        raise InputError(
            source, field, "; and also ".join([problem, *problems[1:]]), "Correct the keys named"
        ) from error


def _overridden(data: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`data` with keys replaced; a key with dots is one inside sections."""
    for path, value in overrides.items():
        *sections, key = path.split(".")
        change: dict[str, Any] = {key: value}
        for section in reversed(sections):
            change = {section: change}
        data = _merged(data, change) if sections else {**data, **change}
    return data


def _resolved(text: str, source: str) -> dict[str, Any]:
    """The keys of a scenario's text, put over those of the bundled one it is based on, and so on."""
    data = _mapping(text, source)
    base = data.pop("based_on", None)
    if base is None:
        return data
    if base not in SCENARIOS:
        raise InputError(
            source, "based_on", f"is {base!r}, no bundled scenario", f"Use {', '.join(SCENARIOS)}"
        )
    return _merged(_resolved(_bundled(base), source_of(base)), data)


def _merged(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `data` put over it; sections are merged, lists and values replaced."""
    both = dict(base)
    for key, value in data.items():
        old = base.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _mapping(text: str, source: str) -> dict[str, Any]:
    """The keys of a scenario's text."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark is not None else "YAML"
        raise InputError(
            source,
            place,
            f"is not valid YAML ({one_line(getattr(error, 'problem', None) or error)})",
            "Correct the file",
        ) from error
    except (ValueError, RecursionError) as error:  # a date that does not exist, nesting without end
        raise InputError(source, "YAML", f"cannot be read ({one_line(error)})", "Correct the file") from error
    if not isinstance(data, dict):
        raise InputError(
            source, "scenario", "is not a mapping of keys", "Start from a bundled scenario (tandem scenarios)"
        )
    return data


def _plain(error: Any) -> str:
    """One problem as "field: problem"; what concerns the whole scenario names its field itself."""
    message = one_line(error["msg"]).removeprefix("Value error, ")
    field = ".".join(map(str, error["loc"]))
    if not field and error["type"] == "value_error":
        return message
    if error["type"] == "extra_forbidden":
        message = "is an unknown key"
    elif error["type"] == "missing":
        message = "is missing"
    else:
        given = error.get("input")
        message += f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{field or 'scenario'}: {message}"
