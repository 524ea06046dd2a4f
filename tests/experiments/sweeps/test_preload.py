"""Grids that the runs of a sweep share are read once, by the server that their processes are forked from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps import local as sweep_local
from tandem_sim.experiments.sweeps import preload as preloading
from tandem_sim.experiments.sweeps.local import on_this_machine
from tandem_sim.experiments.sweeps.preload import GRIDS, preload
from tandem_sim.experiments.sweeps.runs import RunJob
from tandem_sim.experiments.sweeps.sweep import Point
from tandem_sim.grids.io import read as load


def test_grids_are_read_and_what_cannot_be_is_left_to_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GRIDS, "case69 nowhere case14")
    load._published.cache_clear()
    preload()
    assert load._published.cache_info().currsize == 2
    load.load_net("case14")
    assert load._published.cache_info().hits == 1


def test_no_grid_ends_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run would tell; the runs on other grids would not even start."""
    read: list[str] = []

    def load_network(grid: str) -> None:
        read.append(grid)
        raise KeyError(grid)

    monkeypatch.setenv(GRIDS, "case69 case14")
    monkeypatch.setattr(preloading, "load_network", load_network)
    preload()
    assert read == ["case69", "case14"]


def test_nothing_is_read_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GRIDS, raising=False)
    load._published.cache_clear()
    preload()
    assert load._published.cache_info().currsize == 0


def test_a_net_that_is_changed_is_read_as_published_again() -> None:
    net = load.load_net("case69")
    net.line["length_km"] *= 2.0
    assert (load.load_net("case69").line.length_km * 2.0).equals(net.line.length_km)


def test_processes_are_told_the_published_grids_of_all_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[Any] = []

    def in_processes(*given: Any) -> Iterator[Any]:
        told.append(given)
        return iter(())

    monkeypatch.setattr(sweep_local, "in_processes", in_processes)
    own = json.loads(read_scenario("reference")[0].model_dump_json())["distribution"]
    own[0]["grid"] = "mine.json"
    points = [
        Point(
            fields={},
            scenario=read_scenario("reference", fields)[0],
            folder=tmp_path,
            source="here",
            plots=True,
        )
        for fields in ({"days": 1}, {"distribution": own, "transmission.grid": "case30"})
    ]
    jobs = [RunJob(point, tmp_path) for point in points]
    assert list(on_this_machine(lambda job: None, jobs, 3)) == []
    ((_, given, workers, environment),) = told
    assert (given, workers, environment) == (jobs, 3, {GRIDS: "case14 case141 case30 case69"})
    assert GRIDS not in os.environ
