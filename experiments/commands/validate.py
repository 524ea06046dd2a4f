"""The command ``tandem validate``: build the model of a run without running it, and print what was read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from types import MappingProxyType
from typing import Any

from tandem_sim.agents.strategies.allowed_code import FLAG, module_of
from tandem_sim.experiments.runs.bundled import case_path, source_of
from tandem_sim.experiments.runs.logs import tell_unusual
from tandem_sim.experiments.runs.scenario import faults_named, read_scenario
from tandem_sim.experiments.scenario_tools.calibration_text import calibration_lines
from tandem_sim.experiments.scenario_tools.left_out import left_out_names
from tandem_sim.experiments.scenario_tools.series_text import series_lines
from tandem_sim.grids.errors import printable
from tandem_sim.markets.cases.case import read_case
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.assembly.grids import grid_contents
from tandem_sim.sim.inputs.notes import notes_of
from tandem_sim.sim.inputs.profiles import build_profiles
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.scenario.described import entries, written
from tandem_sim.sim.scenario.named_code import without_code
from tandem_sim.sim.scenario.scenario import Scenario

WIDTH = 110
"""Most characters of a line."""
BLANK = "\0"
"""Stands for a blank at which no line may end."""
SHORT = 40
"""Most characters of a field that stands on one line."""
LONGEST_VALUE = 100_000
"""Most characters of a value that are printed; schemas allow less."""


def check_file(file: str) -> str:
    """Check a scenario or a case. Returns its size and how its grids are used.

    Of a scenario also its load, the power flows at the extremes of its net load, and its fields. Raises
    `InputError` for the first problem found. Unusual values are written to the log.
    """
    path = case_path(file)
    if path.suffix == ".json" or path.is_dir():
        case = read_case(path)
        bids = len(case.tso_bids) + sum(len(area.bids) for area in case.areas.values())
        networks = {T: case.transmission.dc.network, **{name: a.network for name, a in case.areas.items()}}
        contents = {name: [c.as_row() for c in n.contents] for name, n in networks.items()}
        says = f"{file}: a case with {len(case.areas)} distribution grids and {bids} bids. It can be cleared."
        return "\n".join([says, *_listed(contents)])
    settings, folder = read_scenario(file)
    tell_unusual(settings)
    trusted, code = without_code(settings)
    with faults_named(source_of(file)), tempfile.TemporaryDirectory() as unused:
        model = FlexibilityModel(trusted, folder, Path(unused))
        contents = grid_contents(settings, folder)
        read = [*notes_of(settings), *series_lines(build_profiles(settings, folder))]
        loads = [*read, *calibration_lines(model, settings)]
        names = left_out_names(settings, folder)
    buses = sum(len(area.network.bus_index) for area in model.areas)
    households = [line for area in model.households for line in area.lines()]
    number = sum(area.households for area in model.households)
    says = (
        f"{file}: a scenario of {model.calendar.n_isp} ISPs, {number} households "
        f"on {buses} distribution buses. {_verdict(loads)}"
    )
    facts = [_wrapped(line) for line in (*households, *model.household_table, *loads)]
    grids = _listed(contents, names)
    return "\n".join([says, *_unchecked(code), *facts, *grids, *field_list(settings)])


def _verdict(lines: Iterable[str]) -> str:
    marked = sum(line.startswith("!") for line in lines)
    return f"It can run; {marked} line{'s' * (marked > 1)} marked ! below." if marked else "It can run."


def _unchecked(code: Mapping[str, str]) -> list[str]:
    """A line for each strategy, extension, scheme or baseline not checked because it is code of others."""
    lines = []
    for field, name in code.items():
        part = "it is" if field == "scheme" else "its options are"
        says = f"{field} names {name}: code that is not imported here, so {part} not checked"
        module = module_of(name)
        lines.append(f"{says}. A run needs {FLAG} {module}." if module else f"{says}.")
    return lines


def field_list(scenario: Scenario) -> list[str]:
    """Every field with its value after defaults and its unit, section by section."""
    sections: dict[str, list[str]] = {}
    for entry in entries(scenario):
        section, _, key = entry.path.rpartition(".")
        mark = "*" if entry.given else ""
        unit = f" {entry.unit}".rstrip() if entry.value is not None else ""
        text = f"{key}{mark} {_value(entry.value)}{unit}"
        sections.setdefault(section, []).append(text.replace(" ", BLANK) if len(text) <= SHORT else text)
    lines = ["Fields (* as given, others by default), for --set or a sweep file:"]
    for section, values in sections.items():
        filled = wrap(
            "; ".join(values),
            _width(),
            break_long_words=False,
            break_on_hyphens=False,
            initial_indent=f"  {section}: " if section else "  ",
            subsequent_indent="      ",
        )
        lines += [line.replace(BLANK, " ") for line in filled]
    return lines


def _width() -> int:
    """Characters of a line: those of the terminal, or `WIDTH` if it is wider or output goes to a file."""
    return max(40, min(WIDTH, get_terminal_size((WIDTH, 0)).columns))


def _wrapped(line: str) -> str:
    return "\n".join(wrap(line, _width(), subsequent_indent=" " * 8, break_on_hyphens=False))


def _value(value: Any) -> str:
    """A value of a field, whole."""
    if isinstance(value, float | tuple):
        return written(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value).replace("null", "none")
    return printable(value, LONGEST_VALUE)


def _listed(
    contents: Mapping[str, Iterable[Mapping[str, Any]]],
    names: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> list[str]:
    """Tables of every grid: number of rows, MW with the sign of the table, and how they are used.

    `names` are those of rows left out, by grid and table.
    """
    lines = []
    for name, rows in contents.items():
        lines.append(f"Grid {name}:")
        for row in rows:
            power = "" if row["p_mw"] is None else f"{row['p_mw']:.6g} MW"
            begin = f"  {row['table']:<16}{row['count']:>6}  {power:>12}  "
            left_out = names.get((name, row["table"]), "") if row["use"] == "left out" else ""
            text = f"{row['use']}: {row['how']}{f' ({left_out})' if left_out else ''}"
            lines += wrap(text, _width(), initial_indent=begin, subsequent_indent=" " * len(begin))
    return lines
