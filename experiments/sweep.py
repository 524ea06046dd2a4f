"""Sweep files: one scenario under every combination of schemes, seeds and fields.

A sweep file names a scenario and what varies:

    scenario: street
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
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from tandem_sim.experiments.identity import asked_id
from tandem_sim.experiments.scenario import read_scenario, source_of
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.text import one_line, read_text
from tandem_sim.sim.sections import Section
from tandem_sim.sim.settings import Scenario

SUMMARY = "sweep.parquet"
"""Table with a row for each run."""
Seed = Annotated[int, Field(ge=0, strict=True)]
Values = Annotated[list[Any], Field(min_length=1)]


class Sweep(Section):
    """What a sweep file says."""

    scenario: str
    schemes: list[str] = Field(default=[], min_length=1)
    seeds: list[Seed] = Field(default=[], min_length=1)
    set_: dict[str, Any] = Field(default={}, alias="set")
    vary: dict[str, Values] = Field(default={})
    also: list[dict[str, Any]] = Field(default=[])
    plots: bool = True

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Every field that varies and its values."""
        lists: dict[str, list[Any]] = {"scheme": list(self.schemes), "seed": list(self.seeds)}
        return {key: values for key, values in lists.items() if values} | self.vary


@dataclass(frozen=True)
class Point:
    """One run of a sweep: what it varies, its scenario, and the folder its relative paths start from."""

    fields: dict[str, Any]
    scenario: Scenario
    folder: Path | None
    source: str
    plots: bool = True  # whether figures of the run are drawn

    @cached_property
    def name(self) -> str:
        """Name of its sub-folder: what is asked for, in short."""
        return asked_id(self.scenario)


def read_sweep(path: Path) -> list[Point]:
    """All points of a sweep file, every scenario checked and none there twice. Raises `InputError`."""
    sweep = _parsed(path)
    beside = path.parent / sweep.scenario
    name = str(beside) if beside.is_file() else sweep.scenario
    points: dict[str, Point] = {}
    for fields in _combinations(sweep):
        point = _point(path, name, sweep, fields)
        if point.name in points:
            first = points[point.name].fields
            problem = (
                f"{fields} is there twice" if fields == first else f"{fields} is the same run as {first}"
            )
            raise InputError(str(path), "runs", problem, "Leave one of them out")
        points[point.name] = point
    return list(points.values())


def _parsed(path: Path) -> Sweep:
    text = read_text(path)
    try:
        sweep = Sweep.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "sweep"
        raise InputError(str(path), field, one_line(first["msg"]), "Correct the key named") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that does not exist
        raise InputError(
            str(path), "YAML", f"is not valid ({one_line(error)})", "Correct the file"
        ) from error
    for key, listed in (("scheme", sweep.schemes), ("seed", sweep.seeds)):
        if listed and key in sweep.vary:
            problem = f"is listed under {key}s too"
            raise InputError(str(path), f"vary.{key}", problem, "Keep one of the two lists")
    for key in sweep.axes:
        if key in sweep.set_:
            raise InputError(str(path), f"set.{key}", "varies, so it cannot be set for all runs", "Keep one")
    return sweep


def _point(path: Path, name: str, sweep: Sweep, fields: dict[str, Any]) -> Point:
    """A point, checked. Where the scenario alone is right, it is the sweep file that is wrong."""
    try:
        scenario, folder = read_scenario(name, {**sweep.set_, **fields})
    except InputError as error:
        read_scenario(name)
        raise InputError(str(path), error.field, error.problem, error.mend) from error
    return Point(fields, scenario, folder, source_of(name), sweep.plots)


def _combinations(sweep: Sweep) -> Iterator[dict[str, Any]]:
    axes = sweep.axes
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))
    seeds = axes.get("seed", [])
    for extra in sweep.also:
        yield from ({"seed": seed, **extra} for seed in seeds) if seeds and "seed" not in extra else [extra]
