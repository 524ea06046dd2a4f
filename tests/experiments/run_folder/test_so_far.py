"""What an unfinished run has written so far is what the finished run has, and reading it changes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import tandem_sim as tandem
from tandem_sim.experiments.cli import app
from tandem_sim.experiments.queries.views import answer
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.checkpoint import BEFORE, NEWEST, SPOOL
from tests.sim.conftest import HOURLY, small_scenario


class KilledError(Exception):
    """Stands for the end of a process."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The finished hourly day, and what is left of one that died at 15:00, with checkpoints every 5 hours."""
    folder = tmp_path_factory.mktemp("runs")
    whole, died = folder / "whole", folder / "died"
    run_scenario(small_scenario(**HOURLY), None, whole, plots=False, checkpoint_s=0)

    def dies(isp: int) -> None:
        if isp == 15:
            raise KilledError

    with pytest.raises(KilledError):
        run_scenario(small_scenario(**HOURLY), None, died, dies, plots=False, checkpoint_s=5 * 3600)
    return whole, died


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


def test_rows_so_far_are_the_first_rows_of_the_finished_run(runs: tuple[Path, Path]) -> None:
    whole, died = runs
    before = contents(unfinished_of(died))
    found, finished = tandem.load_unfinished(died), tandem.load(whole)
    assert (found.isps, found.of_isps) == (10, 24)
    assert {"grid", "bids", "settlement", "branch_loading"} <= set(found.tables) <= set(finished.tables)
    for table in found.tables:
        rows = found[table]
        pd.testing.assert_frame_equal(rows, finished[table].iloc[: len(rows)])
    assert set(found["settlement"].isp) == set(range(10))
    assert contents(unfinished_of(died)) == before
    assert tandem.load_unfinished(unfinished_of(died)) == found
    with pytest.raises(KeyError, match=r"no rows so far in .* Did you mean grid"):
        found["grids"]
    with pytest.raises(InputError, match="load_unfinished reads what it has written"):
        tandem.load(died)


def test_a_query_reads_them_beside_finished_runs(runs: tuple[Path, Path]) -> None:
    whole, died = map(str, runs)
    sums = "sum(amount_eur) AS eur FROM settlement WHERE isp < 10"
    (late,) = answer(f"SELECT {sums}", [died]).to_pylist()
    both = answer(f"SELECT run, {sums} GROUP BY run ORDER BY run", [whole, died]).to_pylist()
    assert [row["run"] for row in both] == sorted([whole, died])
    assert both[0]["eur"] == pytest.approx(both[1]["eur"]) == pytest.approx(late["eur"])
    told = CliRunner().invoke(app, ["query", "SELECT count(*) FROM grid", died], catch_exceptions=False)
    assert "died.unfinished is not finished: 10 of 24 ISPs at its newest checkpoint" in told.stderr


def test_what_cannot_be_read_is_one_message(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no unfinished run"):
        tandem.load_unfinished(runs[0])
    place = tmp_path / "run.unfinished"
    place.mkdir()
    for name, content in contents_of(unfinished_of(runs[1])).items():
        (place / name).write_bytes(content)
    assert tandem.load_unfinished(place).isps == 10
    spool = (place / SPOOL).read_bytes()
    (place / SPOOL).write_bytes(b"x" + spool[1:])
    with pytest.raises(InputError, match="does not hold what was written"):
        tandem.load_unfinished(place).tables  # noqa: B018
    (place / NEWEST).write_bytes(b"tandem checkpoint 2\nseal\n[1]\n")
    with pytest.raises(InputError, match="is damaged"):
        tandem.load_unfinished(place)
    (place / NEWEST).unlink()
    (place / BEFORE).unlink()
    with pytest.raises(InputError, match="has no checkpoint yet"):
        tandem.load_unfinished(place)
    (place / "mine.txt").touch()
    with pytest.raises(InputError, match=r"holds mine\.txt, which was not written by Tandem"):
        tandem.load_unfinished(place)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
