"""The runs of a report, read as folders of unknown origin and checked to fit side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tandem_sim.experiments.api import Run, load
from tandem_sim.experiments.results.run_data import RunData, read_run
from tandem_sim.experiments.run_folder.described import DESCRIBED
from tandem_sim.experiments.run_folder.tables import read_table
from tandem_sim.experiments.runs.run import is_run
from tandem_sim.grids.documents.text import is_there
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import FloatArray
from tandem_sim.sim.scenario.scenario import Scenario

MOST_RUNS = 6
"""Most runs side by side: as many as there are colours that can be told apart."""


@dataclass(frozen=True)
class ReportRun:
    """A finished run. `label` names it among the others: its scheme, with seed or folder where needed."""

    run: Run
    label: str
    data: RunData

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that was run."""
        return self.run.scenario

    @cached_property
    def isps(self) -> NDArray[np.int64]:
        """Numbers of the ISPs (n,)."""
        return self.data.system.isp.to_numpy(dtype=np.int64)

    @cached_property
    def start_s(self) -> float:
        """Start of the first ISP, seconds since 1970 (UTC)."""
        return float(pd.Timestamp(self.data.system.time.iloc[0]).timestamp())

    def table(self, name: str) -> pd.DataFrame:
        """A table; without rows where the run has left it out or is older than it. Raises `InputError`."""
        if name in self.run.tables:
            return read_table(self.run.folder, name)
        return pd.DataFrame(columns=DESCRIBED[name].schema.names)

    def by_isp(self, rows: pd.DataFrame, column: str) -> FloatArray:
        """Values of a column, one for each ISP; NaN where there is no row."""
        found = rows.groupby("isp")[column].sum(min_count=1).reindex(pd.Index(self.isps))
        return found.to_numpy(dtype=np.float64)


def read_runs(folders: Sequence[str]) -> list[ReportRun]:
    """Read runs, or the runs directly below a folder. Raises `InputError` where they do not fit together."""
    paths: list[Path] = []
    for folder in folders:
        paths += _runs_in(Path(folder))
    given = [path.resolve() for path in paths]
    if twice := next((path for path, n in Counter(given).items() if n > 1), None):
        raise InputError("RUN", str(twice), "is given twice", "Give every run once")
    if len(paths) > MOST_RUNS:
        problem = f"are {len(paths)} runs, and at most {MOST_RUNS} are shown side by side"
        raise InputError("RUN", "runs", problem, "Give fewer")
    runs = [load(path) for path in paths]
    labels = _labels(runs)
    found = [
        ReportRun(run, label, read_run(run.folder, run.scenario.zone, label))
        for run, label in zip(runs, labels, strict=True)
    ]
    for other in found[1:]:
        _check_fits(found[0], other)
    return found


def _runs_in(folder: Path) -> list[Path]:
    """The folder itself if it is a run, else the runs directly below it."""
    if not is_run(folder) and is_there(folder, Path.is_dir):
        inside = sorted(path for path in folder.iterdir() if is_there(path, Path.is_dir) and is_run(path))
        if inside:
            return inside
    return [folder]


def _labels(runs: Sequence[Run]) -> list[str]:
    """Names by which runs are told apart: scheme, then seed, then folder."""
    makers: tuple[Callable[[Run], str], ...] = (
        lambda run: str(run.scenario.scheme),
        lambda run: f"{run.scenario.scheme}, seed {run.scenario.seed}",
        lambda run: f"{run.scenario.scheme} ({run.folder.name})",
        lambda run: f"{run.scenario.scheme} ({run.folder})",
    )
    found: list[str] = []
    for maker in makers:
        found = [maker(run) for run in runs]
        if len({*found}) == len(found):
            break
    return found


def _check_fits(first: ReportRun, other: ReportRun) -> None:
    """Raise an `InputError` for runs whose ISPs are not the same moments."""
    same = (
        first.data.hours == other.data.hours
        and first.data.zone == other.data.zone
        and len(first.isps) == len(other.isps)
        and first.start_s == other.start_s
        and first.isps[0] == other.isps[0]
    )
    if not same:
        problem = f"has other ISPs or another time zone than {first.run.folder}"
        raise InputError(
            str(other.run.folder), "horizon", problem, "Give runs of the same days and ISP length"
        )


def other_world(first: ReportRun, other: ReportRun) -> list[str]:
    """Parts of the world (inputs that no rule changes) in which two runs differ; none if they compare."""
    one, two = (_parts(run.run.manifest) for run in (first, other))
    return [name for name in {**one, **two} if one.get(name) != two.get(name)]


def _parts(manifest: dict[str, Any]) -> dict[str, Any]:
    world = manifest.get("world")
    parts = world.get("parts") if isinstance(world, dict) else None
    return {str(name): digest for name, digest in parts.items()} if isinstance(parts, dict) else {}
