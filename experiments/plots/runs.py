"""Finished runs for ``tandem plot``: their part of the horizon, and groups that differ in the seed alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from tandem_sim.experiments.api import Run, load
from tandem_sim.experiments.results.run_data import RunData, read_run
from tandem_sim.experiments.run_folder.own_files import SUFFIX
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.experiments.runs.moments import isp_at
from tandem_sim.grids.documents.text import is_there
from tandem_sim.grids.errors import InputError


@dataclass(frozen=True)
class Shown:
    """A run and its data between the times asked for."""

    run: Run
    data: RunData

    @property
    def seed(self) -> int:
        """Seed of its random numbers."""
        return self.run.scenario.seed


def read_shown(folders: Sequence[str], start: str | None, end: str | None) -> list[Shown]:
    """Finished runs between two times, `end` not included. Raises `InputError`.

    Several runs must have the same ISPs in the same time zone.
    """
    twice = [folder for k, folder in enumerate(folders) if folder in folders[:k]]
    if twice:
        raise InputError("RUN", twice[0], "is given twice", "Give every run once")
    found = [_read(folder, start, end) for folder in folders]
    first = found[0].data
    for each in found[1:]:
        if each.data.zone != first.zone or not np.array_equal(each.data.edges, first.edges):
            problem = f"has other ISPs or another time zone than {folders[0]}"
            hint = "Give runs of the same days and ISPs, or choose --from and --to within all of them"
            raise InputError(str(each.run.folder), "RUN", problem, hint)
    return found


def _read(folder: str, start: str | None, end: str | None) -> Shown:
    path = Path(folder)
    waiting = path if path.name.endswith(SUFFIX) else unfinished_of(path)
    if not is_there(path / "manifest.json") and is_there(waiting, Path.is_dir):
        problem, hint = "is not finished", "Finish it: the command of the run with --resume"
        raise InputError(folder, "RUN", problem, hint)
    run = load(folder)
    scenario = run.scenario
    title = f"{scenario.name}, {scenario.scheme}, seed {scenario.seed}"
    data = read_run(run.folder, scenario.zone, title, scenario.prices.given)
    first = 0 if start is None else isp_at(start, scenario.calendar, "--from")
    after = scenario.calendar.n_isp if end is None else _end(run, end)
    if first >= after:
        raise InputError("--to", str(end), "is not after --from", "Give a later time")
    return Shown(run, data.between(first, after))


def _end(run: Run, moment: str) -> int:
    """The first ISP that starts at a time or later, the number of ISPs for the end of the run."""
    calendar = run.scenario.calendar
    try:
        time = pd.Timestamp(moment)
        utc = calendar.utc(time) if time.tzinfo is None else time.tz_convert("UTC")
    except ValueError:
        utc = calendar.start  # the message on what is wrong comes below
    if utc == calendar.end:
        return calendar.n_isp
    isp = isp_at(moment, calendar, "--to")
    return isp if calendar.time(calendar.seconds(isp)) == utc else isp + 1


class OfRun(Protocol):
    """Something that has a run."""

    @property
    def run(self) -> Run:
        """The run."""


R = TypeVar("R", bound=OfRun)


def grouped(shown: Sequence[R]) -> dict[str, list[R]]:
    """Runs by a label, those of a group differ in the seed alone.

    The label is the scheme, with the scenario where that differs, or else the folder.
    """
    groups: dict[str, list[R]] = {}
    for each in shown:
        fields = each.run.scenario.model_dump(mode="json", by_alias=True)
        key = json.dumps({name: value for name, value in fields.items() if name != "seed"}, sort_keys=True)
        seed = each.run.scenario.seed
        if any(other.run.scenario.seed == seed for other in groups.get(key, ())):
            key += str(each.run.folder)  # a repeated run is a group of its own
        groups.setdefault(key, []).append(each)
    return dict(zip(_labels(groups), groups.values(), strict=True))


def _labels(groups: Mapping[str, Sequence[OfRun]]) -> list[str]:
    runs = [group[0].run for group in groups.values()]
    for names in (
        [run.scenario.scheme for run in runs],
        [f"{run.scenario.name}, {run.scenario.scheme}" for run in runs],
    ):
        if len(set(names)) == len(names):
            return names
    return [str(run.folder) for run in runs]


def title_of(groups: Mapping[str, Sequence[Shown]]) -> str:
    """Scenario and seeds of all runs, and the scheme if it is the same in all."""
    runs = [each.run.scenario for group in groups.values() for each in group]
    names, schemes = ({getattr(run, key): None for run in runs} for key in ("name", "scheme"))
    seeds = sorted({run.seed for run in runs})
    parts = [" and ".join(names), *(schemes if len(schemes) == 1 else [])]
    return ", ".join([*parts, f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"])
