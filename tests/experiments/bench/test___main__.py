"""What the bench writes; what it measures is no matter of tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tandem_sim.experiments.bench import __main__ as bench
from tandem_sim.experiments.bench.figure import Figure

SLOW = Figure(
    name="a step",
    value=150.0,
    unit="steps/s",
    target=300,
    better="higher",
    limit=160.0,
    against="clearing alone",
)


def test_every_figure_stands_in_the_table_and_in_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("start", "cases", "validation", "timeseries", "memory", "sweeps"):
        monkeypatch.setattr(bench, name, list)
    monkeypatch.setattr(
        bench,
        "isps",
        lambda: [
            Figure(
                name="an ISP", value=43.0, unit="ms", target=5, better="lower", limit=4.0, against="bare LP"
            )
        ],
    )
    monkeypatch.setattr(bench, "steps", lambda: [SLOW])
    bench.main(tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert found == [
        {
            "name": "a step",
            "value": 150.0,
            "unit": "steps/s",
            "target": 300,
            "better": "higher",
            "limit": 160.0,
        },
        {"name": "an ISP", "value": 43.0, "unit": "ms", "target": 5, "better": "lower", "limit": 4.0},
    ]
    printed = capsys.readouterr().out
    cells = ("150 steps/s", "160 steps/s (clearing alone)", "0.94", ">= 300 steps/s", "<= 5 ms")
    for cell in (*cells, "missed 8.60x"):
        assert cell in printed


def test_a_figure_without_a_target_names_none() -> None:
    assert Figure(
        name="x", value=1.0, unit="ms", target=None, better="lower", limit=2.0, against="y"
    ).row == ("x", "1 ms", "2 ms (y)", "0.50", "", "")
    assert (
        Figure(name="x", value=1.0, unit="ms", target=1.0, better="lower", limit=2.0, against="y").row[-1]
        == "met"
    )
