"""``tandem game``: equilibria of a case by scheme, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.experiments.cli.test_cli import refused, tandem

CASE = "alexander-a"


def test_it_compares_schemes_by_what_they_end_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "game.json"
    assert not tandem(
        monkeypatch,
        "game",
        CASE,
        "--scheme",
        "multilevel-01",
        "--scheme",
        "common",
        "--sellers",
        2,
        "--markup",
        10,
        "--markup",
        40,
        "--json",
        file,
    )
    printed = capsys.readouterr().out
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [row["scheme"] for row in found] == ["multilevel-01", "common"]
    for row in found:
        assert row["end"] in printed
        assert row["end"] in ("equilibrium", "cycle")
        assert row["profit"] >= row["profit_truthful"] - 1e-6
        assert row["paid"] >= row["paid_truthful"] - 1e-6


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--scheme", "barter"], "--scheme: barter: is not known"),
        (["--player", "nobody"], "sells nothing in this case"),
        (["--sellers", 2, "--player", "S1", "--player", "S1"], "is named twice"),
        (["--json", "tests/markets"], "is a folder"),
        (["--markup", -5], "is no mark-up"),
        (["--offered", 2], "is no share"),
        (["--sellers", 0], "Give 1 or more sellers"),
    ],
)
def test_what_cannot_be_played_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: list[object], problem: str
) -> None:
    refused(capsys, tandem(monkeypatch, "game", CASE, *given), problem)
