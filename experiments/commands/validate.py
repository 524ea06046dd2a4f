"""What ``tandem validate`` does: build all that a run would, without running it, and show what was read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import wrap
from types import NoneType
from typing import Any

from tandem_sim.agents.strategies.allowed_code import FLAG, module_of
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.experiments.runs.logs import tell_unusual
from tandem_sim.experiments.runs.scenario import faults_named, read_scenario, source_of
from tandem_sim.grids.documents.text import shown
from tandem_sim.markets.cases.case import read_case
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.assembly.build import build_model
from tandem_sim.sim.assembly.grids import grid_contents
from tandem_sim.sim.scenario.described import entries, written
from tandem_sim.sim.scenario.named_code import without_code
from tandem_sim.sim.scenario.scenario import Scenario

WIDTH = 110
BLANK = "\0"
"""Stands for a blank at which no line may end."""


def check_file(file: str) -> str:
    """What a scenario or a case is, what was made of every table of its grids, and each field of a scenario.

    Raises `InputError` for what is wrong with it. Unusual values are told to the log.
    """
    path = case_path(file)
    if path.suffix == ".json" or path.is_dir():
        case = read_case(path)
        bids = len(case.tso_bids) + sum(len(area.bids) for area in case.areas.values())
        networks = {T: case.transmission.dc.network, **{name: a.network for name, a in case.areas.items()}}
        contents = {name: [c.as_row() for c in n.contents] for name, n in networks.items()}
        says = f"{file}: a case with {len(case.areas)} distribution grids and {bids} bids. No problem found."
        return "\n".join([says, *_listed(contents)])
    settings, folder = read_scenario(file)
    tell_unusual(settings)
    trusted, code = without_code(settings)
    with faults_named(source_of(file)), tempfile.TemporaryDirectory() as unused:
        world, _ = build_model(trusted, folder, Path(unused), lambda isp: None, list)
        contents = grid_contents(settings, folder)
    buses = sum(len(area.network.bus_index) for area in world.areas)
    says = (
        f"{file}: a scenario of {world.calendar.n_isp} ISPs, {settings.households} households "
        f"on {buses} distribution buses. No problem found."
    )
    return "\n".join([says, *_unchecked(code), *_listed(contents), *field_list(settings)])


def _unchecked(code: Mapping[str, str]) -> list[str]:
    """What is not checked because it is code of others, a line each."""
    lines = []
    for field, name in code.items():
        says = f"{field} names {name}: code that is not imported here, so its options are not checked"
        module = module_of(name)
        lines.append(f"{says}. Running it takes {FLAG} {module}." if module else f"{says}.")
    return lines


def field_list(scenario: Scenario) -> list[str]:
    """Every field with its value after defaults and its unit, section by section."""
    sections: dict[str, list[str]] = {}
    for entry in entries(scenario):
        section, _, key = entry.path.rpartition(".")
        mark = "*" if entry.given else ""
        unit = f" {entry.unit}".rstrip() if entry.value is not None else ""
        sections.setdefault(section, []).append(
            f"{key}{mark} {_value(entry.value)}{unit}".replace(" ", BLANK)
        )
    lines = ["Fields (* as given, all others by default):"]
    for section, values in sections.items():
        filled = wrap(
            "; ".join(values),
            WIDTH,
            break_long_words=False,
            break_on_hyphens=False,
            initial_indent=f"  {section}: " if section else "  ",
            subsequent_indent="      ",
        )
        lines += [line.replace(BLANK, " ") for line in filled]
    return lines


def _value(value: Any) -> str:
    """A value of a field in at most half a line."""
    if isinstance(value, str) and value.isprintable() and len(value) <= WIDTH // 2:
        return value
    if isinstance(value, float | tuple):
        return written(value)
    if isinstance(value, bool | NoneType):
        return json.dumps(value).replace("null", "none")
    return shown(value, WIDTH // 2)


def _listed(contents: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """Tables of every grid, a line each: rows, MW with the sign of the table, and what was made of them."""
    lines = []
    for name, rows in contents.items():
        lines.append(f"Grid {name}:")
        for row in rows:
            power = "" if row["p_mw"] is None else f"{row['p_mw']:.6g} MW"
            lines.append(f"  {row['table']:<16}{row['count']:>6}  {power:>12}  {row['use']}: {row['how']}")
    return lines
