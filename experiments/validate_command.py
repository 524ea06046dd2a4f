"""What ``tandem validate`` does: build all that a run would, without running it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tandem_sim.experiments.bundled import case_path
from tandem_sim.experiments.scenario import faults_named, read_scenario, source_of
from tandem_sim.markets.case import read_case
from tandem_sim.sim.build import build_world


def check_file(file: str) -> str:
    """What a scenario or a case is, in one line. Raises `InputError` for what is wrong with it."""
    path = case_path(file)
    if path.suffix == ".json" or path.is_dir():
        case = read_case(path)
        bids = len(case.tso_bids) + sum(len(area.bids) for area in case.areas.values())
        return f"{file}: a case with {len(case.areas)} distribution grids and {bids} bids. No problem found."
    settings, folder = read_scenario(file)
    with faults_named(source_of(file)), tempfile.TemporaryDirectory() as unused:
        world, _ = build_world(settings, folder, Path(unused), lambda isp: None, list)
    buses = sum(len(area.network.bus_index) for area in world.areas)
    return (
        f"{file}: a scenario of {world.calendar.n_isp} ISPs, {settings.households} households "
        f"on {buses} distribution buses. No problem found."
    )
