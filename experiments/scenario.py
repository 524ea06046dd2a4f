"""Scenario files: bundled or a person's own, read without running code, checked before anything starts."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from grids.errors import InputError
from sim.settings import Scenario

SCENARIOS = ("reference",)
"""Scenarios that travel inside the package."""


def read_scenario(name: str, overrides: dict[str, Any] | None = None) -> tuple[Scenario, Path | None]:
    """A scenario by bundled name or by path, and the folder its relative paths start from.

    `overrides` replace top-level keys (command line). Raises `InputError` with every problem found.
    """
    if name in SCENARIOS:
        text = (resources.files("experiments") / "scenarios" / f"{name}.yaml").read_text(encoding="utf-8")
        return parse_scenario(text, f"bundled scenario {name}", overrides), None
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
    return parse_scenario(path.read_text(encoding="utf-8"), str(path), overrides), path.parent


def parse_scenario(text: str, source: str, overrides: dict[str, Any] | None = None) -> Scenario:
    """Check a scenario's text. `source` is named in errors."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark is not None else "YAML"
        raise InputError(
            source, place, f"is not valid YAML ({getattr(error, 'problem', error)})", "Correct the file"
        ) from error
    if not isinstance(data, dict):
        raise InputError(
            source, "scenario", "is not a mapping of keys", "Start from a bundled scenario (tandem scenarios)"
        )
    try:
        return Scenario(**{**data, **(overrides or {})})
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(x) for x in e['loc']) or 'scenario'}: {_plain(e)}" for e in error.errors()
        ]
        raise InputError(
            source, problems[0].split(": ", 1)[0], _joined(problems), "Correct the keys named"
        ) from error


def _plain(error: Any) -> str:
    message = str(error["msg"])
    if error["type"] == "extra_forbidden":
        return "is an unknown key"
    if error["type"] == "missing":
        return "is missing"
    given = error.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return message.removeprefix("Value error, ") + shown


def _joined(problems: list[str]) -> str:
    first = problems[0].split(": ", 1)[1]
    return first if len(problems) == 1 else f"{first}; and also " + "; ".join(problems[1:])
