"""What things were called before: the rename map of the project, from ``renames.csv``.

Kinds are ``module`` and ``name`` (of code), ``key`` (a scenario's, by its sections), ``scenario`` (a bundled
one), ``option`` (a case's), ``flag`` (of the command line), ``gate``, ``table``, ``column``
(``table.column``, the table by its old name), ``value`` (``table.column`` and the value) and ``kpi``. Old
keys are refused with the new name; ``tandem convert`` writes them anew. A further rename is a line in the
file.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


@cache
def renames() -> tuple[tuple[str, str, str], ...]:
    """Every rename: kind, old and new."""
    text = (resources.files("tandem_sim.grids") / "renames.csv").read_text(encoding="utf-8")
    return tuple((row["kind"], row["old"], row["new"]) for row in csv.DictReader(text.splitlines()))


@cache
def renamed(kind: str) -> dict[str, str]:
    """New names of one kind by old name.

    >>> renamed("key")["gates.validate"]
    'gates.prequalify'
    """
    return {old: new for of, old, new in renames() if of == kind}


def new_key(path: str) -> str | None:
    """The new path of a scenario's key, given with or without places in lists; None if it has not changed.

    >>> new_key("low_voltage.0.rush.at"), new_key("seed")
    ('low_voltage.0.plug_in.at', None)
    """
    steps = path.split(".")
    names = [k for k, step in enumerate(steps) if not step.isdecimal()]
    for end in range(len(names), 0, -1):
        old = ".".join(steps[k] for k in names[:end])
        if old in renamed("key"):
            steps[names[end - 1]] = renamed("key")[old].rpartition(".")[2]
            return ".".join(steps)
    return None


TITLES = {
    "key": "Keys of scenarios",
    "scenario": "Bundled scenarios",
    "option": "Options of cases (`case.json`)",
    "flag": "Options of the command line",
    "gate": "Gates",
    "table": "Tables of a run",
    "column": "Columns",
    "value": "Values",
    "kpi": "Key figures (`kpis.json`)",
    "name": "Classes and functions",
    "module": "Modules",
}
"""Sections of the page, by kind, in their order."""


def page() -> str:
    """All renames as a Markdown page."""
    parts = [
        "# Renames\n",
        "What was called differently before, by kind. Made from `grids/renames.csv` by\n"
        "`python -m tandem_sim.grids.renames > docs/renames.md`. `tandem convert` rewrites scenarios,\n"
        "sweeps and cases of earlier versions.\n",
    ]
    for kind, title in TITLES.items():
        rows = [f"| `{old}` | `{new}` |" for old, new in renamed(kind).items()]
        parts.append("\n".join([f"## {title}\n", "| before | now |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
