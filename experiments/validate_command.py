"""What ``tandem validate`` does: build all that a run would, without running it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tandem_sim.agents.allowed_code import FLAG, module_of
from tandem_sim.experiments.bundled import case_path
from tandem_sim.experiments.scenario import faults_named, read_scenario, source_of
from tandem_sim.markets.blocks import TSO as T
from tandem_sim.markets.case import read_case
from tandem_sim.sim.build import build_world
from tandem_sim.sim.named_code import without_code
from tandem_sim.sim.surroundings import grid_contents


def check_file(file: str) -> str:
    """What a scenario or a case is, and what was made of every table of its grids.

    Raises `InputError` for what is wrong with it.
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
    trusted, code = without_code(settings)
    with faults_named(source_of(file)), tempfile.TemporaryDirectory() as unused:
        world, _ = build_world(trusted, folder, Path(unused), lambda isp: None, list)
        contents = grid_contents(settings, folder)
    buses = sum(len(area.network.bus_index) for area in world.areas)
    says = (
        f"{file}: a scenario of {world.calendar.n_isp} ISPs, {settings.households} households "
        f"on {buses} distribution buses. No problem found."
    )
    return "\n".join([says, *_unchecked(code), *_listed(contents)])


def _unchecked(code: Mapping[str, str]) -> list[str]:
    """What is not checked because it is code of others, a line each."""
    lines = []
    for field, name in code.items():
        says = f"{field} names {name}: code that is not imported here, so its options are not checked"
        module = module_of(name)
        lines.append(f"{says}. Running it takes {FLAG} {module}." if module else f"{says}.")
    return lines


def _listed(contents: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """Tables of every grid, a line each: rows, MW with the sign of the table, and what was made of them."""
    lines = []
    for name, rows in contents.items():
        lines.append(f"Grid {name}:")
        for row in rows:
            power = "" if row["p_mw"] is None else f"{row['p_mw']:.6g} MW"
            lines.append(f"  {row['table']:<16}{row['count']:>6}  {power:>12}  {row['use']}: {row['how']}")
    return lines
