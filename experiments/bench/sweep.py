"""Speed and robustness of sweeps: ``python -m tandem_sim.experiments.bench.sweep [--survive 200]``.

Without an option: throughput of short runs with several worker processes, over that with one. With it: that
many short runs while workers are killed at random times, and the number of runs that finish.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.local import on_this_machine
from tandem_sim.experiments.sweeps.runs import events, is_finished, run_sweep
from tandem_sim.experiments.sweeps.sweep import Point
from tandem_sim.experiments.sweeps.workers import ATTEMPTS

FIELDS: dict[str, Any] = {
    "days": 1,
    "isp_minutes": 60,
    "households": 20,
    "aggregators": 2,
    "power_flow_check.audit_share": 0.0,
    "distribution": [{"id": "D1", "grid": "case69", "interface_bus": 4, "other_profile": ["G0-A"]}],
}
"""Of `reference`: runs that take seconds."""
MOST_WORKERS = 4
KILL_EVERY_S = 3.0


@dataclass(frozen=True)
class Survived:
    """Results of `runs` runs; `finishes` counts how often each was completed."""

    runs: int
    finishes: Sequence[int]
    kills: int
    seconds: float

    def __str__(self) -> str:
        """All in one line."""
        lost = sum(not times for times in self.finishes)
        repeated = sum(times > 1 for times in self.finishes)
        return (
            f"{self.runs} runs, {self.runs - lost} finished, {lost} lost, {repeated} repeated, "
            f"{self.kills} workers killed, {self.seconds:.0f} s"
        )


def throughput() -> tuple[float, int]:
    """Throughput of k worker processes over that of one, and k: the cores, at most `MOST_WORKERS`."""
    k = min(os.cpu_count() or 1, MOST_WORKERS)
    _seconds(_points(1), 1)  # the server that processes are forked from is there, with all it reads
    one, many = (_seconds(_points(2 * k), workers) for workers in (1, k))
    return one / many, k


def survive(runs: int, workers: int, seed: int = 1) -> Survived:
    """Make short runs while a worker is killed every `KILL_EVERY_S` seconds on average, at random times.

    A run is not killed in its last attempt, because it would then fail by design.
    """
    points = _points(runs, plots=False)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        killer = _Killer([out / point.name for point in points], random.Random(seed))
        killer.thread.start()
        run_sweep(points, out, partial(on_this_machine, workers=workers))
        killer.over.set()
        killer.thread.join()
        finishes = [_finishes(out / point.name) for point in points]
    return Survived(runs, finishes, killer.kills, time.monotonic() - begun)


@dataclass
class _Killer:
    folders: Sequence[Path]
    rng: random.Random
    kills: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self.over.wait(self.rng.expovariate(1.0 / KILL_EVERY_S)):
            told = [found for folder in self.folders if (found := events(folder))]
            running = [e[-1]["pid"] for e in told if e[-1]["event"] == "started" and len(e) < ATTEMPTS]
            if running:
                try:
                    os.kill(self.rng.choice(running), signal.SIGKILL)
                    self.kills += 1
                except ProcessLookupError:
                    pass  # it has just ended


def _finishes(folder: Path) -> int:
    """How often a run was completed: what it says itself, or once if it was killed before it could."""
    times = [event["event"] for event in events(folder)].count("finished")
    return max(times, int(is_finished(folder)))


def _points(runs: int, plots: bool = True) -> list[Point]:
    """Short runs that differ in their seed."""
    points = []
    for seed in range(runs):
        scenario, folder = read_scenario("reference", {**FIELDS, "seed": seed})
        points.append(
            Point(fields={"seed": seed}, scenario=scenario, folder=folder, source="bench", plots=plots)
        )
    return points


def _seconds(points: Sequence[Point], workers: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        table = run_sweep(points, Path(folder), partial(on_this_machine, workers=workers))
        seconds = time.monotonic() - begun
    assert (table.error == "").all(), table.error.tolist()
    return seconds


def main(
    survive_: Annotated[
        int, typer.Option("--survive", help="Make so many runs while workers are killed.")
    ] = 0,
) -> None:
    """Measure and print."""
    if survive_:
        print(survive(survive_, os.cpu_count() or 1))
    else:
        ratio, k = throughput()
        print(f"{k} workers: {ratio:.2f} times the throughput of one, {ratio / k:.2f} of k")


if __name__ == "__main__":
    typer.run(main)
