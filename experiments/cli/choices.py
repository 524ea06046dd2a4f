"""Names for the help and the completion of options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tandem_sim.experiments.runs.bundled import CASES, SCENARIOS, SWEEPS, field_text
from tandem_sim.grids.choices import OFFSETS, POINTS, RULES
from tandem_sim.markets.choices import ABOUT, KINDS, METHODS, PRICINGS

Completer = Callable[[str], list[str]]


def field_values() -> dict[str, list[str]]:
    """Every field of a scenario by its path, such as ``non_firm.who``, with the names its value may have."""
    return {path: names for path, *names in map(str.split, field_text().splitlines())}


def one_of(names: Iterable[str]) -> str:
    """Names for the help of an option: "a, b or c"."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def complete(names: Iterable[str], *suffixes: str) -> Completer:
    """A completer of names, of files of the current folder with one of these suffixes, and of folders."""
    known = list(names)

    def found(incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete)] + _files(incomplete, suffixes)

    return found


def complete_field(incomplete: str) -> list[str]:
    """Completion of ``section.key=value`` by the fields of a scenario and the names their values may have."""
    key, equals, value = incomplete.partition("=")
    known = field_values()
    if equals:
        return [f"{key}={name}" for name in known.get(key, ()) if name.startswith(value)]
    return [f"{path}=" for path in known if path.startswith(key)]


def _files(incomplete: str, suffixes: Sequence[str]) -> list[str]:
    if not suffixes:
        return []
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    try:
        paths = sorted(folder.glob("*"))
        beside = [
            f"{path}/" if path.is_dir() else str(path) for path in paths if not path.name.startswith(".")
        ]
    except OSError:
        return []
    return [name for name in beside if name.startswith(incomplete) and name.endswith(("/", *suffixes))]


complete_scenario = complete(SCENARIOS, ".yaml", ".yml")
complete_case = complete(CASES, ".json")
complete_sweep = complete(SWEEPS, ".yaml", ".yml")
complete_scheme = complete(ABOUT)
complete_method = complete(METHODS)
complete_kind = complete(KINDS)
complete_pricing = complete(PRICINGS)
complete_offset = complete(OFFSETS)
complete_rule = complete(RULES)
complete_points = complete(POINTS)
