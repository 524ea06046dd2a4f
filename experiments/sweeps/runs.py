"""The runs of a sweep: how a worker makes one, the state of each, and the table of all.

The folder is the state. A run is finished when its sub-folder has ``kpis.json``, because `run_scenario` moves
a run there only when it is complete; it is not repeated. The journal ``<run id>.jsonl`` beside it has an
event per line: ``started``, ``anew`` (the checkpoint could not be used, with the reason), ``finished`` and
``failed`` (with ``seconds``), ``died``.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.experiments.results.statistics import flat
from tandem_sim.experiments.run_folder.manifest import read_journal, read_kpis
from tandem_sim.experiments.run_folder.outputs import is_table_of, whole
from tandem_sim.experiments.run_folder.own_files import file_fault
from tandem_sim.experiments.runs.run import (
    check_inside,
    differing,
    is_run,
    manifest_of,
    parts_of,
    run_scenario,
)
from tandem_sim.experiments.runs.scenario import faults_named, field_value
from tandem_sim.experiments.sweeps.sweep import SUMMARY, Point
from tandem_sim.experiments.sweeps.workers import Ended
from tandem_sim.grids.documents.text import one_line, shown
from tandem_sim.grids.errors import BusyError, InputError, StaleError

WRITE_EVERY_S = 5.0
"""Least time between two updates of the table while runs are made, s."""


@dataclass(frozen=True)
class RunJob:
    """A run to make, its folder, and the code that its strategies may come from."""

    point: Point
    folder: Path
    allowed: AllowedCode = NO_CODE


Found = dict[str, Any]
"""Result of a run that has ended: ``error`` (empty if finished), ``seconds``, ``attempts``; and of a finished
run ``code`` (the digest of Tandem's code) and its KPIs."""
Pool = Callable[[Callable[[RunJob], Found | None], Sequence[RunJob]], Iterator[Ended[RunJob, Found | None]]]
"""Makes runs somewhere: on this machine or on a cluster, all but the first two arguments given."""


def run_sweep(
    points: Sequence[Point],
    out: Path,
    pool: Pool,
    on_run: Callable[[Point, str], None] = lambda p, e: None,
    allowed: AllowedCode = NO_CODE,
) -> pd.DataFrame:
    """Make the runs that `out` does not hold, and the table: a row per point with its fields, KPIs and error.

    `on_run` is called after every run with its error, empty without one. The table has all runs that have
    ended, also after an interrupt.
    """
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    known = {point.name: outcome(out / point.name) for point in points}
    jobs = [_job(point, out, allowed) for point in points if not is_finished(out / point.name)]
    written = time.monotonic()
    try:
        for ended in pool(make_run, jobs):
            point, folder = ended.task.point, ended.task.folder
            if ended.death:
                note(folder, "died", error=ended.death)
            known[point.name] = found = outcome(folder) if ended.death else ended.answer
            on_run(point, found["error"] if found else "")
            if time.monotonic() - written > WRITE_EVERY_S:
                table_of(points, known, out)
                written = time.monotonic()
    finally:
        table = table_of(points, known, out)
    return table


def check_folder(points: Sequence[Point], out: Path) -> None:
    """Raise an `InputError` if finished runs in `out` are not those of `points`, or files cannot be written.

    A finished run must be the run that would be made now: same grids, code, libraries.
    """
    check_inside(out / point.name for point in points)
    for point in points:
        folder = out / point.name
        for file in (journal(folder), _whole_error(folder)):
            if (file.exists() or file.is_symlink()) and (fault := file_fault(file.lstat())):
                raise InputError(str(file), "--out", fault, "Remove it, or choose another folder")
    finished = [point for point in points if is_finished(out / point.name)]
    compared = [(point, _other_parts(point, out / point.name)) for point in finished]
    others = [(point, parts) for point, parts in compared if parts]
    if others:
        point, parts = others[0]
        raise InputError(
            str(out),
            "--resume",
            f"{len(others)} finished runs are not those that would be made now; {point.name} "
            f"({shown(point.fields, 200)}) differs in {one_line(', '.join(parts))}",
            "Choose another folder, or remove those runs to have them made again",
        )


def _other_parts(point: Point, folder: Path) -> list[str]:
    return differing(folder, point.scenario, point.folder) if is_run(folder) else ["its manifest"]


def is_finished(folder: Path) -> bool:
    """Whether a run is complete."""
    return (folder / "kpis.json").is_file()


def make_run(job: RunJob) -> Found | None:
    """Make one run of the sweep, from its newest checkpoint if there is one; a finished run is not repeated.

    An error does not end the sweep: it is recorded in the journal, and in full in ``<run id>.error.txt``.
    """
    folder = job.folder
    if is_finished(folder):
        return outcome(folder)
    note(folder, "started", pid=os.getpid())
    begun = time.perf_counter()
    try:
        with faults_named(job.point.source):
            _simulate(job)
    except BusyError:  # another worker still makes this run, although the cluster has lost it
        return None
    except Exception as error:  # noqa: BLE001 - every error of a run is recorded
        with whole(_whole_error(folder)) as part:
            part.write_text(traceback.format_exc(), encoding="utf-8")
        note(folder, "failed", seconds=_since(begun), error=f"{type(error).__name__}: {one_line(error)}")
    else:
        note(folder, "finished", seconds=_since(begun))
        _whole_error(folder).unlink(missing_ok=True)  # of an earlier attempt
    return outcome(folder)


def _simulate(job: RunJob) -> None:
    """Continue from the newest checkpoint that can be used, or else start again."""
    point = job.point
    given = (point.scenario, point.folder, job.folder)
    try:
        run_scenario(*given, overwrite=True, resume=True, plots=point.plots, allowed=job.allowed)
    except StaleError as error:
        note(job.folder, "anew", error=one_line(error))
        run_scenario(*given, overwrite=True, plots=point.plots, allowed=job.allowed)


def note(folder: Path, event: str, **facts: Any) -> None:
    """Add an event to the journal of a run."""
    with open(journal(folder), "ab+", opener=_through_no_link) as file:
        if file.tell() and file.seek(-1, os.SEEK_END) and file.read() != b"\n":
            file.write(b"\n")  # the line before was not written completely
        file.write(json.dumps({"event": event, **facts}).encode() + b"\n")


def _through_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def journal(folder: Path) -> Path:
    """Path of the journal of a run."""
    return folder.with_suffix(".jsonl")


def _whole_error(folder: Path) -> Path:
    """Path of the full error of a run."""
    return folder.with_suffix(".error.txt")


def events(folder: Path) -> list[dict[str, Any]]:
    """Events of a run, in order, without lines that were not written completely."""
    return read_journal(journal(folder)) if journal(folder).is_file() else []


def outcome(folder: Path) -> Found | None:
    """Result of a run that has ended; None if it has not. Runs made by other commands have no journal."""
    journalled = events(folder)
    last = journalled[-1] if journalled else {}
    tries = sum(event["event"] == "started" for event in journalled) or None
    if is_finished(folder):
        seconds = last.get("seconds") if last.get("event") == "finished" else None
        kpis = flat(read_kpis(folder))
        code = parts_of(manifest_of(folder)).get("code")
        return {"error": "", "seconds": seconds, "attempts": tries, "code": code, **kpis}
    if last.get("event") in ("failed", "died"):
        return {"error": last["error"], "seconds": last.get("seconds"), "attempts": tries}
    return None


def table_of(points: Sequence[Point], known: dict[str, Found | None], out: Path) -> pd.DataFrame:
    """Write and return the table of all runs that have ended, in the order of `points`."""
    names = list(dict.fromkeys(name for point in points for name in varied(point)))
    over = [(point, found) for point in points if (found := known[point.name]) is not None]
    columns = {name: _column([_value(point, name) for point, _ in over]) for name in names}
    table = pd.DataFrame(
        {
            "run_id": [point.name for point, _ in over],
            "scheme": [point.scenario.scheme for point, _ in over],
            "seed": [point.scenario.seed for point, _ in over],
            **columns,
        }
    ).join(pd.DataFrame([found for _, found in over]), rsuffix="_kpi")  # should a field be named like a KPI
    write_table(table, out / SUMMARY)
    return table


def is_summary(path: Path) -> bool:
    """Whether a file is the table of a sweep."""
    return is_table_of(path, {"run_id", "scheme", "seed"})


def varied(point: Point) -> list[str]:
    """Fields that a point varies, besides scheme and seed."""
    return [name for name in point.fields if name not in ("scheme", "seed")]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table in one step: a reader finds the old one or the new one, whole."""
    with whole(path) as part:
        table.to_parquet(part, index=False)


def _job(point: Point, out: Path, allowed: AllowedCode) -> RunJob:
    """A job with absolute paths."""
    home = None if point.folder is None else point.folder.absolute()
    return RunJob(replace(point, folder=home), out / point.name, allowed)


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 3)


def _value(point: Point, name: str) -> Any:
    """Value of a field: as the point varies it, or else as in its scenario."""
    if name in point.fields:
        return point.fields[name]
    return field_value(point.scenario.model_dump(mode="json", by_alias=True), name)


def _column(values: list[Any]) -> list[Any]:
    """Values of one column: numbers if all are numbers, or else text; None is kept."""
    if all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values):
        return values
    return [
        None if v is None else v if isinstance(v, str) else json.dumps(v, default=str).strip('"')
        for v in values
    ]
