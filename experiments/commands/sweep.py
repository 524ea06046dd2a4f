"""The command ``tandem sweep``: many runs of one scenario, and a table with a row for each."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.experiments.run_folder.own_files import SUFFIX
from tandem_sim.experiments.runs.bundled import SWEEPS, sweep_path
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.experiments.runs.progress import TELL_EVERY_S, time_left, to_stderr
from tandem_sim.experiments.runs.run import check_outputs
from tandem_sim.experiments.sweeps.local import on_this_machine
from tandem_sim.experiments.sweeps.runs import (
    Pool,
    check_folder,
    is_finished,
    is_summary,
    run_sweep,
    varied,
    write_table,
)
from tandem_sim.experiments.sweeps.summary import STATISTICS, is_statistics, summarised, summary_table
from tandem_sim.experiments.sweeps.sweep import SUMMARY, Point, read_sweep
from tandem_sim.grids.documents.text import hint
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.scenario.named_code import check_code


def make_sweep(
    name: str,
    out: Path,
    workers: int | None,
    dask: str | None,
    allowed: AllowedCode,
    *,
    resume: bool,
    quiet: bool,
) -> None:
    """Make the runs of a sweep, bundled or a file, and print the summary over seeds."""
    file = sweep_path(name)
    if not file.is_file():
        problem = "the file does not exist, and no bundled sweep has this name"
        raise InputError(name, "FILE", problem, f"Check the path. {hint(name, SWEEPS)}")
    check_workers(workers)
    points = read_sweep(file)
    check_outputs((), True, {out / SUMMARY: is_summary, out / STATISTICS: is_statistics})
    check_resumed(out, resume=resume)
    console = terminal(quiet)
    table, failed = run_shown(points, out, workers, console, dask, allowed)
    fields = list(dict.fromkeys(name for point in points for name in varied(point)))
    summary = summarised(table, fields)
    write_table(summary, out / STATISTICS)
    if len(summary):
        console.print(summary_table(summary, fields))
    console.print(
        f"{len(table)} runs, {len(failed)} of them failed. "
        f"Table: {out / SUMMARY}, summary: {out / STATISTICS}",
        soft_wrap=True,
    )
    for point, error in failed:
        print(f"tandem: {file}: {point.fields}: {error}", file=sys.stderr)
    if failed:
        raise SystemExit(1)


def check_resumed(out: Path, *, resume: bool) -> None:
    """Raise an `InputError` for a folder that holds runs, unless `resume` is set."""
    if not resume and _holds_runs(out):
        raise InputError(
            str(out),
            "--out",
            "holds runs already",
            "Pass --resume to keep what is finished, or choose another",
        )


def check_workers(workers: int | None) -> None:
    """Raise an `InputError` for a number of processes below one."""
    if workers is not None and workers < 1:
        raise InputError("--workers", str(workers), "is no number of processes", "Give one or more")


def run_shown(
    points: list[Point],
    out: Path,
    workers: int | None,
    console: Console,
    dask: str | None = None,
    allowed: AllowedCode = NO_CODE,
) -> tuple[pd.DataFrame, list[tuple[Point, str]]]:
    """Make the runs that `out` does not hold, with progress; returns the table, and failed runs with errors.

    Runs are made by `workers` processes (one a core if None), or by the cluster at the address `dask`. Raises
    `InputError` if finished runs in `out` are not those that would be made now, or if one needs code that is
    not `allowed`.
    """
    check_folder(points, out)
    to_make = [point for point in points if not is_finished(out / point.name)]
    for point in to_make:
        check_code(point.scenario, allowed, point.source)
    pool = _pool(workers, dask, out)
    failed: list[tuple[Point, str]] = []
    missing = len(to_make)
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("runs{task.fields[left]}")
    with Progress(*columns, console=console, disable=console.quiet or not console.is_terminal) as progress:
        bar = progress.add_task("sweep", total=len(points), completed=len(points) - missing, left="")
        begun = told = time.monotonic()
        done = 0

        def on_run(point: Point, error: str) -> None:
            nonlocal done, told
            done += 1
            if error:
                failed.append((point, error))
            now = time.monotonic()
            left = f", {time_left(now - begun, done, missing - done)} left" if done < missing else ""
            progress.update(bar, advance=1, left=left)
            shown = not (console.is_terminal or console.quiet)
            if shown and left and now - told >= TELL_EVERY_S:
                to_stderr(f"{len(points) - missing + done} of {len(points)} runs{left}")
                told = now

        return run_sweep(points, out, pool, on_run, allowed), failed


def _holds_runs(out: Path) -> bool:
    return (
        (out / SUMMARY).exists()
        or any(out.glob("*.jsonl"))
        or any(out.glob("*/kpis.json"))
        or any(out.glob(f"*{SUFFIX}"))
    )


def _pool(workers: int | None, dask: str | None, out: Path) -> Pool:
    """Processes of this machine, or the workers of a Dask cluster."""
    if dask is None:
        return partial(on_this_machine, workers=workers or os.cpu_count() or 1)
    if workers is not None:
        raise InputError(
            "--dask", dask, "cannot be used with --workers", "Leave one out: a cluster has its own workers"
        )
    try:
        from tandem_sim.experiments.sweeps.dask import on_dask
    except ImportError as error:
        raise InputError(
            "--dask",
            dask,
            f"needs a package that is missing ({error})",
            "Install the extra: pip install 'tandem-sim[dask]'",
        ) from error
    return partial(on_dask, address=dask, shared=out)
