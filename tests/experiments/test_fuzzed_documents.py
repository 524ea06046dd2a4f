"""Spoiled scenarios, sweeps and cases are accepted or refused in one line, and nothing else happens."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.runs.bundled import SCENARIOS, SWEEPS, case_path, scenario_text, sweep_text
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.sweep import read_sweep
from tandem_sim.grids.errors import LONGEST, InputError
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.markets.cases.case import read_case
from tests.mutants import Kind, mutants

FEW, MANY = 200, 2000
LONG = pytest.mark.long("ten times as many mutants")
NUMBERS = pytest.mark.parametrize("n", [FEW, pytest.param(MANY, marks=LONG)])
SECONDS = 10.0
"""Of processor time: more than any mutant takes, and less than one that is not bounded."""
CASE = case_path("alexander-a")
FORECASTS = """{"tso_clear": {"T": {"bus": [0, 1], "p_mw": [1.5, -2], "interface_mw": {"D1": 1, "D2": 2.5}}},
 "dso_clear": {"D1": {"bus": [1], "p_mw": [-1], "q_mvar": [0]}}}"""
FILES: list[tuple[str, Kind]] = [("case.json", "json"), ("bids.csv", "csv"), ("forecasts.json", "json")]


def outcomes(read: Callable[[Path], Any], path: Path, spoiled: Iterator[bytes]) -> tuple[int, int]:
    """How many documents were accepted and refused. Anything else than an `InputError` goes through."""
    accepted = refused = 0
    for data in spoiled:
        path.write_bytes(data)
        begun = time.process_time()
        try:
            read(path)
        except InputError as error:
            told = str(error)
            assert told.isprintable(), data
            assert len(told) <= sum(LONGEST.values()) + 10, data
            refused += 1
        else:
            accepted += 1
        assert time.process_time() - begun < SECONDS, data
    return accepted, refused


def taking_turns(n: int, kind: Kind, *seeds: str) -> Iterator[bytes]:
    """`n` mutants of several documents, one of each in turn."""
    streams = [mutants(seed, n, kind) for seed in seeds]
    return islice((spoiled for together in zip(*streams, strict=True) for spoiled in together), n)


@NUMBERS
def test_scenarios(n: int, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    spoiled = taking_turns(n, "yaml", *map(scenario_text, SCENARIOS))
    accepted, refused = outcomes(lambda file: read_scenario(str(file)), path, spoiled)
    assert min(accepted, refused) > n // 50


@NUMBERS
def test_sweeps(n: int, tmp_path: Path) -> None:
    texts = [sweep_text(name).replace("days: 366", "days: 1") for name in SWEEPS]  # a year is long to lay out
    spoiled = taking_turns(n, "yaml", *texts)
    accepted, refused = outcomes(read_sweep, tmp_path / "sweep.yaml", spoiled)
    assert min(accepted, refused) > n // 50


@cache
def _grid(grid: str) -> Network:
    return load_network(grid, CASE)


@NUMBERS
@pytest.mark.parametrize(
    ("name", "kind"), [("case.json", "json"), ("bids.csv", "csv"), ("forecasts.json", "json")]
)
def test_cases(n: int, name: str, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem_sim.markets.cases.case.load_network", lambda grid, folder: _grid(grid))
    folder = tmp_path / "case"
    shutil.copytree(CASE, folder)
    (folder / "forecasts.json").write_text(FORECASTS, encoding="utf-8")
    spec = (folder / "case.json").read_text(encoding="utf-8").rstrip().removesuffix("}")
    (folder / "case.json").write_text(f'{spec}, "forecasts": "forecasts.json"}}', encoding="utf-8")
    seed = (folder / name).read_text(encoding="utf-8")
    accepted, refused = outcomes(lambda _: read_case(folder), folder / name, mutants(seed, n, kind))
    assert min(accepted, refused) > n // 50
