"""Sweeps: one scenario under every combination of schemes, seeds and fields, in processes of their own.

A sweep file names a scenario and what varies:

    scenario: street
    schemes: [multilevel-03, central-01]
    seeds: [1, 2]
    set: {days: 2}                       # fields that all runs share
    vary: {non_firm.participation: [0.5, 1.0]}
    also: [{scheme: common, non_firm.participation: 1.0}]

Runs share their random numbers: streams come from the seed and an agent's name. A finished run is not
repeated; one that fails is kept as a row with its error, and tried again the next time.
"""

from __future__ import annotations

import itertools
import json
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml
from pydantic import Field, ValidationError

from experiments.run import run_scenario
from experiments.scenario import faults_named, read_scenario, source_of
from experiments.unfinished import run_id
from grids.errors import InputError
from grids.text import one_line, read_text
from sim.sections import Section
from sim.settings import Scenario

SUMMARY = "sweep.parquet"


class Sweep(Section):
    """What a sweep file says."""

    scenario: str
    schemes: list[str] = Field(default=[])
    seeds: list[Annotated[int, Field(ge=0, strict=True)]] = Field(default=[])
    set_: dict[str, Any] = Field(default={}, alias="set")
    vary: dict[str, list[Any]] = Field(default={})
    also: list[dict[str, Any]] = Field(default=[])


@dataclass(frozen=True)
class Point:
    """One run of a sweep: what it varies, its scenario, and the folder its relative paths start from."""

    fields: dict[str, Any]
    scenario: Scenario
    folder: Path | None
    source: str

    @property
    def name(self) -> str:
        """Name of its sub-folder: the identity of the run."""
        return run_id(self.scenario)


def read_sweep(path: Path) -> list[Point]:
    """All points of a sweep file, each scenario checked. Raises `InputError`."""
    try:
        sweep = Sweep.model_validate(yaml.safe_load(read_text(path)))
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(
            str(path), "YAML", f"is not valid ({one_line(error)})", "Correct the file"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "sweep"
        raise InputError(str(path), field, one_line(first["msg"]), "Correct the key named") from error
    for key, values in sweep.vary.items():
        if not values:
            raise InputError(str(path), f"vary.{key}", "has no values", "List one or more, or leave it out")
    beside = path.parent / sweep.scenario
    name = str(beside) if beside.is_file() else sweep.scenario
    points = []
    for fields in _combinations(sweep):
        scenario, folder = read_scenario(name, {**sweep.set_, **fields})
        points.append(Point(fields, scenario, folder, source_of(name)))
    return list({point.name: point for point in points}.values())


def _combinations(sweep: Sweep) -> Iterator[dict[str, Any]]:
    axes: dict[str, list[Any]] = {}
    if sweep.schemes:
        axes["scheme"] = sweep.schemes
    if sweep.seeds:
        axes["seed"] = list(sweep.seeds)
    axes.update(sweep.vary)
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))
    for extra in sweep.also:
        yield from ({"seed": seed, **extra} for seed in sweep.seeds) if sweep.seeds else [extra]


def run_sweep(
    points: list[Point], out: Path, workers: int, on_run: Callable[[Point, str], None] = lambda p, e: None
) -> pd.DataFrame:
    """Run what is not there yet, and write the summary: a row per point with its fields, KPIs and error.

    `on_run` is called after every run with its error, empty if it went well.
    """
    out.mkdir(parents=True, exist_ok=True)
    errors: dict[str, str] = {}
    missing = [point for point in points if not (out / point.name / "kpis.json").is_file()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_run, point, out / point.name): point for point in missing}
        for done in as_completed(running):
            point = running[done]
            failure = done.exception()  # a worker that died takes its run with it, and others of the pool
            errors[point.name] = done.result() if failure is None else f"{type(failure).__name__}: {failure}"
            on_run(point, errors[point.name])
    rows = [_row(point, out / point.name, errors.get(point.name, "")) for point in points]
    table = pd.DataFrame(rows)
    table.to_parquet(out / SUMMARY, index=False)
    return table


def _run(point: Point, folder: Path) -> str:
    """One run in a process of its own; its error as text, because a sweep outlives it."""
    try:
        with faults_named(point.source):
            run_scenario(point.scenario, point.folder, folder, overwrite=True)
        folder.with_suffix(".error.txt").unlink(missing_ok=True)  # of an earlier attempt
    except Exception as error:  # noqa: BLE001 - whatever ends a run is kept: in its row, and whole beside it
        folder.with_suffix(".error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        return f"{type(error).__name__}: {one_line(error)}"
    return ""


def _plain(value: Any) -> Any:
    """A value that a column of a table can hold beside others: numbers stay, all else becomes text."""
    return (
        value
        if isinstance(value, int | float) and not isinstance(value, bool)
        else json.dumps(value, default=str).strip('"')
    )


def _row(point: Point, folder: Path, error: str) -> dict[str, Any]:
    kpis: dict[str, Any] = {}
    if not error and (folder / "kpis.json").is_file():
        kpis = json.loads((folder / "kpis.json").read_text(encoding="utf-8"))
    plain = {key: value for key, value in kpis.items() if not isinstance(value, dict)}
    fields = {key: _plain(value) for key, value in point.fields.items() if key not in ("scheme", "seed")}
    return {
        "run_id": point.name, "scheme": point.scenario.scheme, "seed": point.scenario.seed, **fields,
        "error": error, **plain,
    }  # fmt: skip
