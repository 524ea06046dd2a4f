"""Runs of a sweep in processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tandem_sim.experiments.sweeps.preload import GRIDS
from tandem_sim.experiments.sweeps.runs import Found, RunJob
from tandem_sim.experiments.sweeps.workers import Ended, in_processes
from tandem_sim.grids.io.read import is_file
from tandem_sim.sim.scenario.scenario import Scenario


def on_this_machine(
    work: Callable[[RunJob], Found | None], jobs: Sequence[RunJob], workers: int
) -> Iterator[Ended[RunJob, Found | None]]:
    """Make runs in `workers` processes at a time (see `in_processes`); published grids are preloaded."""
    grids = sorted({grid for job in jobs for grid in _published(job.point.scenario)})
    return in_processes(work, jobs, workers, {GRIDS: " ".join(grids)})


def _published(scenario: Scenario) -> list[str]:
    """Grids of a scenario that are no files of its user."""
    named = [scenario.transmission.grid, *(area.grid for area in scenario.distribution)]
    return [grid for grid in named if not is_file(grid)]
