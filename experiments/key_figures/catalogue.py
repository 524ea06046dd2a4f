"""Every key figure of a run: what it is called, and what its value means.

Formulas name tables and columns of a run (``grid.losses_mw``); ``h`` is the length of an ISP in hours.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import NamedTuple


class KeyFigure(NamedTuple):
    """A key figure. `sign` says what a positive value means where it is not obvious."""

    group: str
    name: str
    unit: str
    sign: str
    meaning: str
    formula: str


@cache
def catalogue() -> dict[str, KeyFigure]:
    """All key figures by name, in groups.

    >>> catalogue()["losses_mwh"].unit
    'MWh'
    """
    text = (resources.files("tandem_sim.experiments") / "key_figures.csv").read_text(encoding="utf-8")
    found = [KeyFigure(**row) for row in csv.DictReader(text.splitlines())]
    return {figure.name: figure for figure in found}


def groups() -> dict[str, list[KeyFigure]]:
    """Key figures by group, in order."""
    found: dict[str, list[KeyFigure]] = {}
    for figure in catalogue().values():
        found.setdefault(figure.group, []).append(figure)
    return found
