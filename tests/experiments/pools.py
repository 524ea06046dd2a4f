"""A pool for tests of what comes behind the runs of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tandem_sim.experiments.sweeps.runs import Found, RunJob
from tandem_sim.experiments.sweeps.workers import Ended


def in_this_process(
    work: Callable[[RunJob], Found | None], jobs: Sequence[RunJob]
) -> Iterator[Ended[RunJob, Found | None]]:
    """Makes runs one after the other, here, and draws no figures of theirs."""
    for job in jobs:
        yield Ended(job, work(replace(job, point=replace(job.point, plots=False))))
