"""Runs of a study that share their world, and statistics over seeds: means, and differences seed by seed.

Studies that compare schemes on the same two days use this module, so that their results are comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from tandem_sim.experiments.commands.sweep import check_workers, run_shown
from tandem_sim.experiments.runs.bundled import source_of
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.studies.alexander.tables import number
from tandem_sim.experiments.sweeps.summary import summarised
from tandem_sim.experiments.sweeps.sweep import Point
from tandem_sim.grids.errors import InputError

SCENARIO = "reference"
WORLD: dict[str, Any] = {
    "start": "2016-10-17",  # two working days with sun at noon and heat pumps in the evening
    "days": 2,
    "solver": "highspy",  # the same answers, sooner
}
SEEDS = 5
NONE = "\N{EN DASH}"
"""Sign in tables for a missing value."""


def point(labels: Mapping[str, Any], changes: Mapping[str, Any]) -> Point:
    """A run of the shared world with `changes` put over it (values by field path); `labels` tell it apart."""
    scenario, folder = read_scenario(SCENARIO, {**WORLD, **changes})
    return Point(
        fields=dict(labels), scenario=scenario, folder=folder, source=source_of(SCENARIO), plots=False
    )


def make(points: Sequence[Point], runs: Path, workers: int | None) -> None:
    """Make the runs that the folder `runs` does not hold. If one fails, the study ends.

    Those that are there must be the runs that would be made now, of this code. Runs are processes, `workers`
    at a time (one a core if None); killed and started again, it goes on.
    """
    check_workers(workers)
    try:
        _, failed = run_shown(list(points), runs, workers, Console())
    except InputError as error:
        raise SystemExit(str(error)) from error
    if failed:
        raise SystemExit("; ".join(f"{point.fields}: {error}" for point, error in failed))


def compared(rows: pd.DataFrame, groups: Sequence[str], fields: Sequence[str]) -> pd.DataFrame:
    """Statistics over seeds as `summarised` has them, for every group of rows with the same `groups`.

    `rows` has a row per seed and combination of `groups`, ``scheme`` and `fields`; all its other numbers are
    summarised. Differences are those to the first scheme (and fields) of a group, seed by seed.
    """
    parts = []
    for _, part in rows.groupby(list(groups), sort=False):
        found = summarised(part.drop(columns=list(groups)).assign(error=""), fields)
        for name in groups:
            found[name] = part[name].iloc[0]
        parts.append(found)
    table = pd.concat(parts, ignore_index=True)
    return table[[*groups, *(name for name in table if name not in groups)]]


def cell(statistics: Mapping[Any, Any], decimals: int, difference: bool = False) -> str:
    """Mean and interval of a row of `compared`, or the difference and its interval: "1.2 [0.9; 1.5]".

    Without an interval, or where it has no width in these decimals, the mean alone.
    """
    names = ("difference", "difference_low", "difference_high") if difference else ("mean", "low", "high")
    mean, low, high = (float(statistics[name]) for name in names)
    if np.isnan(mean):
        return NONE
    text, *ends = (number(value, decimals) for value in (mean, low, high))
    return text if np.isnan(low) or ends == [text, text] else f"{text} [{'; '.join(ends)}]"


def share(part: float, whole: float) -> float:
    """`part` in percent of `whole`; NaN of nothing."""
    return 100.0 * part / whole if whole > 0.0 else float("nan")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table whose bytes are those of its rounded numbers."""
    table.to_csv(path, index=False, float_format="%.5f", lineterminator="\n")
