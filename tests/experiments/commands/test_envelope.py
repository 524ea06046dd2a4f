"""``tandem envelope``: the table, the CSV, the check, and bad input."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem_sim.experiments.cli import app
from tandem_sim.experiments.commands.envelope import COLUMNS
from tandem_sim.grids.errors import InputError


def test_a_net_gets_a_table_a_csv_and_a_check(tmp_path: Path) -> None:
    out = tmp_path / "limits.csv"
    result = CliRunner().invoke(
        app, ["envelope", "1-LV-rural1--0-sw", "--rule", "fair", "--connection-kw", "30", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "13 of 13 users under contract" in result.output
    words = " ".join(result.output.split())
    assert "besides its users: -160.4 kW, 0.0 kvar" in words  # the sum of SimBench's table of generators
    assert "Left out: reactive power of loads, 31.6 kvar: users are at unity power factor" in words
    assert "no limit broken" in result.output
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 13
    assert {row["phases"] for row in rows} == {"abc"}
    assert all(0.0 < float(row["guaranteed_import_kw"]) <= 30.0 for row in rows)


def test_participation_keeps_the_others_firm() -> None:
    result = CliRunner().invoke(app, ["envelope", "1-LV-rural1--0-sw", "--participation", "0.5"])
    assert result.exit_code == 0, result.output
    assert "6 of 13 users under contract" in result.output


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--rule", "just"], "--rule: just: is not known. Use one of optimal, fair, weighted"),
        (["--points", "some"], "--points: some: is not known"),
        (["--participation", "1.2"], "is no share"),
        (["--participation", "nan"], "is no share"),
        (["--connection-kw", "0"], "is no power"),
        (["--connection-kw", "inf"], "is no power"),
        (["--vmin", "1.1", "--vmax", "0.9"], "leaves no band"),
        (["--loading", "0"], "is no loading"),
        (["--source-vm", "0"], "is no voltage"),
        (["--seed", "-1"], "is negative"),
    ],
)
def test_bad_options_end_in_one_message(given: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, ["envelope", "1-LV-rural1--0-sw", *given])
    assert isinstance(result.exception, InputError)
    assert complaint in str(result.exception)


def test_a_net_that_does_not_exist_and_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["envelope", "1-LV-nowhere"])
    assert isinstance(result.exception, InputError)
    out = tmp_path / "no folder" / "limits.csv"
    result = CliRunner().invoke(app, ["envelope", "1-LV-rural1--0-sw", "--out", str(out)])
    assert isinstance(result.exception, InputError)
    assert "cannot be written" in str(result.exception)
