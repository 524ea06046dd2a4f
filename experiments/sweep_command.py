"""The command ``tandem sweep``: many runs of one scenario, and a row for each."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.sweep import SUMMARY, Point, read_sweep, run_sweep
from grids.errors import InputError


def sweep(
    file: Annotated[Path, typer.Argument(help="A sweep file (YAML): a scenario and what varies.")],
    out: Annotated[Path, typer.Option(help="Folder for the runs and their summary.")] = Path("runs/sweep"),
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one a core]")] = None,
) -> None:
    """Run a scenario under every combination that a file names; finished runs are not repeated."""
    if not file.is_file():
        raise InputError(str(file), "FILE", "the file does not exist", "Check the path")
    check_workers(workers)
    console = Console(width=None if sys.stdout.isatty() else 120)
    table, failed = run_shown(read_sweep(file), out, workers, console)
    console.print(
        f"{len(table)} runs, {len(failed)} of them failed. Summary: {out / SUMMARY}", soft_wrap=True
    )
    for point, error in failed:
        print(f"tandem: {file}: {point.fields}: {error}", file=sys.stderr)
    if failed:
        raise SystemExit(1)


def check_workers(workers: int | None) -> None:
    """An `InputError` for a number of processes that is none."""
    if workers is not None and workers < 1:
        raise InputError("--workers", str(workers), "is no number of processes", "Give one or more")


def run_shown(
    points: list[Point], out: Path, workers: int | None, console: Console
) -> tuple[pd.DataFrame, list[tuple[Point, str]]]:
    """Run what is not there yet, and show how far it is: the summary, and what failed with its error."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    failed: list[tuple[Point, str]] = []
    with Progress(*columns, console=console) as progress:
        missing = sum(not (out / point.name / "kpis.json").is_file() for point in points)
        task = progress.add_task("sweep", total=len(points), completed=len(points) - missing)

        def on_run(point: Point, error: str) -> None:
            progress.advance(task)
            if error:
                failed.append((point, error))

        return run_sweep(points, out, workers or os.cpu_count() or 1, on_run), failed
