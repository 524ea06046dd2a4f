"""Sweep files: one scenario under every combination of schemes, seeds and fields.

A sweep file names a scenario and what varies:

    scenario: lv-feeder
    schemes: [multilevel-03, central-01]
    seeds: [1, 2]
    set: {days: 2}                       # fields that all runs share
    vary: {non_firm.participation: [0.5, 1.0]}
    also: [{scheme: common, non_firm.participation: 1.0}]
    plots: false                         # draw no figures of single runs

Runs share their random numbers: streams come from the seed and an agent's name.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StrictBool, ValidationError

from tandem_sim.experiments.run_folder.identity import asked_id
from tandem_sim.experiments.runs.bundled import SCENARIOS, source_of
from tandem_sim.experiments.runs.scenario import read_keys, read_scenario, scenario_of
from tandem_sim.grids.documents.text import one_line, read_text, shown
from tandem_sim.grids.documents.yaml_reader import LARGEST_YAML, read_yaml
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.scenario.quantities import Section
from tandem_sim.sim.scenario.scenario import Scenario

SUMMARY = "sweep.parquet"
"""Table with a row for each run."""
MOST_RUNS = 10_000
"""Most runs of one sweep. All are checked before the first is made."""
Seed = Annotated[int, Field(ge=0, strict=True)]
Values = Annotated[list[Any], Field(min_length=1)]


class Sweep(Section):
    """The content of a sweep file."""

    scenario: str = Field(min_length=1, description="A bundled scenario, or a file relative to this one.")
    schemes: list[str] = Field(default=[], min_length=1, description="Coordination schemes.")
    seeds: list[Seed] = Field(default=[], min_length=1, description="Seeds of all random numbers.")
    set_: dict[str, Any] = Field(default={}, alias="set", description="Fields of all runs, by their paths.")
    vary: dict[str, Values] = Field(default={}, description="Fields with a list of values each.")
    also: list[dict[str, Any]] = Field(default=[], description="Further points, each with its fields.")
    plots: StrictBool = Field(default=True, description="Whether figures of single runs are drawn.")

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Every field that varies and its values."""
        lists: dict[str, list[Any]] = {"scheme": list(self.schemes), "seed": list(self.seeds)}
        return {key: values for key, values in lists.items() if values} | self.vary

    @property
    def n_runs(self) -> int:
        """Number of runs, with duplicates."""
        with_seeds = sum("seed" not in extra for extra in self.also) if self.seeds else 0
        more = len(self.also) + with_seeds * (len(self.seeds) - 1)
        return math.prod(map(len, self.axes.values())) + more


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a sweep: what it varies, its scenario, and the folder its relative paths start from."""

    fields: dict[str, Any]
    scenario: Scenario
    folder: Path | None
    source: str
    plots: bool = True  # whether figures of the run are drawn

    @cached_property
    def name(self) -> str:
        """Name of its sub-folder, a hash of the scenario."""
        return asked_id(self.scenario)


def read_sweep(path: Path) -> list[Point]:
    """All points of a sweep file, every scenario checked and without duplicates. Raises `InputError`."""
    sweep = _parsed(path)
    name = sweep.scenario if sweep.scenario in SCENARIOS else str(path.parent / sweep.scenario)
    keys, folder = read_keys(name)
    points: dict[str, Point] = {}
    for fields in _combinations(sweep):
        scenario = _scenario(path, name, keys, {**sweep.set_, **fields})
        point = Point(
            fields=fields, scenario=scenario, folder=folder, source=source_of(name), plots=sweep.plots
        )
        if point.name in points:
            first = points[point.name].fields
            problem = (
                f"{shown(fields, 200)} is there twice"
                if fields == first
                else f"{shown(fields, 200)} is the same run as {shown(first, 200)}"
            )
            raise InputError(str(path), "runs", problem, "Leave one of them out")
        points[point.name] = point
    return list(points.values())


def _parsed(path: Path) -> Sweep:
    given = read_yaml(read_text(path, LARGEST_YAML), str(path))
    if isinstance(given, dict) and "scenario" not in given and {"transmission", "based_on"} & given.keys():
        problem = "is a scenario file, and no sweep file"
        raise InputError(str(path), "FILE", problem, f"Its command is: tandem run {path}")
    try:
        sweep = Sweep.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "sweep"
        keys = ", ".join(info.alias or name for name, info in Sweep.model_fields.items())
        advice = f"A sweep file has the keys {keys}; tandem sweeps prints examples"
        raise InputError(str(path), field, one_line(first["msg"]), advice) from error
    for key, listed in (("scheme", sweep.schemes), ("seed", sweep.seeds)):
        if listed and key in sweep.vary:
            problem = f"is listed under {key}s too"
            raise InputError(str(path), f"vary.{key}", problem, "Keep one of the two lists")
    for key in sweep.axes:
        if key in sweep.set_:
            raise InputError(str(path), f"set.{key}", "varies, so it cannot be set for all runs", "Keep one")
    if sweep.n_runs > MOST_RUNS:
        problem = f"are {_count(sweep.n_runs)}, and a sweep has at most {MOST_RUNS}"
        raise InputError(str(path), "runs", problem, "Shorten the lists, or split the file")
    return sweep


def _count(n: int) -> str:
    return str(n) if n < 10**12 else f"about 10^{math.floor(math.log10(n))}"


def _scenario(path: Path, name: str, keys: dict[str, Any], fields: dict[str, Any]) -> Scenario:
    """A scenario with fields replaced. An error names the sweep file if the scenario alone is valid."""
    try:
        return scenario_of(keys, source_of(name), fields)
    except InputError as error:
        read_scenario(name)
        raise InputError(str(path), error.field, error.problem, error.hint) from error


def _combinations(sweep: Sweep) -> Iterator[dict[str, Any]]:
    axes = sweep.axes
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))
    seeds = axes.get("seed", [])
    for extra in sweep.also:
        yield from ({"seed": seed, **extra} for seed in seeds) if seeds and "seed" not in extra else [extra]
