"""Sweeps of a small scenario: what is run, kept, tried again and told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml

from tandem_sim.experiments.commands import sweep as sweep_command
from tandem_sim.experiments.run_folder.identity import code_digest, identity_of
from tandem_sim.experiments.runs.progress import time_left
from tandem_sim.experiments.runs.run import manifest
from tandem_sim.experiments.sweeps.local import on_this_machine
from tandem_sim.experiments.sweeps.runs import Found, RunJob, _column, journal, note, outcome, run_sweep
from tandem_sim.experiments.sweeps.summary import STATISTICS
from tandem_sim.experiments.sweeps.sweep import SUMMARY, Point, read_sweep
from tandem_sim.experiments.sweeps.workers import Ended
from tests.experiments.cli.test_cli import SMALL, refused, tandem

SWEEP: dict[str, Any] = {
    "scenario": "small.yaml",
    "set": {"households": 150, "isp_minutes": 60, "power_flow_check.audit_share": 0.0},
    "schemes": ["central-01"],
    "plots": False,
    "vary": {"population.pv_share": [0.4, 0.9]},
    "also": [{"distribution.D1.interface_bus": 99}],  # no such bus: found when it runs
}


def written(folder: Path, **changes: Any) -> Path:
    """A sweep file beside a copy of the small scenario."""
    shutil.copy(SMALL, folder / "small.yaml")
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({**SWEEP, **changes}), encoding="utf-8")
    return path


@dataclass(kw_only=True)
class Swept:
    file: Path
    out: Path
    points: list[Point]
    table: pd.DataFrame
    told: list[tuple[str, str]]


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Two days that differ in PV and a run that fails, each in a process of its own."""
    folder = tmp_path_factory.mktemp("sweep")
    file, told = written(folder), []
    points = read_sweep(file)
    pool = partial(on_this_machine, workers=2)
    table = run_sweep(points, folder / "out", pool, lambda point, error: told.append((point.name, error)))
    return Swept(file=file, out=folder / "out", points=points, table=table, told=told)


def test_every_point_is_a_row_with_its_fields_and_key_figures(swept: Swept) -> None:
    table = swept.table
    assert table.run_id.tolist() == [point.name for point in swept.points]
    assert table["population.pv_share"].tolist()[:2] == [0.4, 0.9]
    good = table[table.error == ""]
    assert len(good) == 2
    assert good.scheme.tolist() == ["central-01"] * 2
    assert good.seed.tolist() == [7, 7]
    assert good.isps.tolist() == [24, 24]
    assert (good.seconds > 0.0).all()
    assert table.attempts.tolist() == [1, 1, 1]
    assert good.net_households_eur.nunique() == 2  # more sun, another result
    for name in good.run_id:
        assert {"kpis.json", "manifest.json", "bids.parquet"} <= {
            f.name for f in (swept.out / name).iterdir()
        }
        assert not (swept.out / name / "figures").exists()
    kept = pd.read_parquet(swept.out / SUMMARY)
    assert kept.columns.tolist() == table.columns.tolist()
    for column in ("run_id", "error", "net_households_eur", "population.pv_share"):
        pd.testing.assert_series_equal(kept[column], table[column])


def test_a_table_of_all_runs_is_one_query(swept: Swept) -> None:
    tables = f"read_parquet('{swept.out}/*/settlement.parquet', filename=true)"
    query = f"SELECT filename, kind, sum(amount_eur) FROM {tables} GROUP BY ALL"
    found = duckdb.connect().execute(query).fetchall()
    assert {Path(row[0]).parent.name for row in found} == set(swept.table.run_id[:2])


def test_a_run_that_fails_is_kept_as_a_row_and_the_others_finish(swept: Swept) -> None:
    (failed,) = swept.table[swept.table.error != ""].to_dict("records")
    assert failed["error"].startswith("InputError: ")
    assert "bus 99" in failed["error"]
    assert swept.table["distribution.D1.interface_bus"].tolist() == [
        4,
        4,
        99,
    ]  # as the scenario says, or varied
    assert not (swept.out / failed["run_id"]).exists()
    assert sorted(name for name, _ in swept.told) == sorted(point.name for point in swept.points)
    assert [error for _, error in swept.told if error] == [failed["error"]]


def test_finished_runs_that_would_be_others_now_are_named_with_what_differs(
    swept: Swept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept.table.code.tolist()[:2] == [code_digest()] * 2
    name = swept.table.run_id[0]
    file = swept.out / name / "manifest.json"
    before = file.read_text(encoding="utf-8")
    arguments = "sweep", swept.file, "--out", swept.out, "--workers", 1, "--resume"
    for after, part in ((before.replace(code_digest(), "older"), "code"), ("{}", "its manifest")):
        file.write_text(after, encoding="utf-8")
        code = tandem(monkeypatch, *arguments)
        refused(capsys, code, "--resume: 1 finished runs are not those", f"{name} (", f"differs in {part}.")
    file.write_text(before, encoding="utf-8")


def test_what_is_there_is_kept_on_resume_and_what_failed_is_tried_again(
    swept: Swept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = "sweep", swept.file, "--out", swept.out, "--workers", 1
    refused(capsys, tandem(monkeypatch, *arguments), str(swept.out), "holds runs already", "--resume")
    files = {p: p.stat().st_mtime_ns for p in swept.out.rglob("kpis.json")}
    assert len(files) == 2
    code = tandem(monkeypatch, *arguments, "--resume")
    shown = capsys.readouterr()
    assert code == 1
    assert "3 runs, 1 of them failed" in " ".join(shown.out.split())
    assert "procurement_cost_eur" in shown.out
    assert shown.err.startswith(
        f"tandem: {swept.file}: {{'distribution.D1.interface_bus': 99}}: InputError: "
    )
    assert {p: p.stat().st_mtime_ns for p in swept.out.rglob("kpis.json")} == files
    again = pd.read_parquet(swept.out / SUMMARY)
    assert again.net_households_eur.tolist()[:2] == swept.table.net_households_eur.tolist()[:2]
    assert again.error.tolist() == swept.table.error.tolist()
    assert again.seconds.tolist()[:2] == swept.table.seconds.tolist()[:2]  # of the run, whenever it was
    assert again.attempts.tolist()[:2] == [1, 1]
    assert again.attempts[2] > swept.table.attempts[2]  # the one that failed, tried again
    summary = pd.read_parquet(swept.out / STATISTICS)
    costs = summary[summary.kpi == "procurement_cost_eur"]
    assert costs["population.pv_share"].tolist() == [0.4, 0.9, 0.5]
    assert costs.n.tolist() == [1, 1, 0]
    assert costs.pairs.tolist() == [0, 1, 0]
    assert costs.low.isna().all()


def test_the_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = "--out", tmp_path / "out"
    refused(capsys, tandem(monkeypatch, "sweep", tmp_path / "gone.yaml", *out), "gone.yaml", "does not exist")
    file = written(tmp_path)
    refused(capsys, tandem(monkeypatch, "sweep", file, *out, "--workers", 0), "--workers", "one or more")
    refused(
        capsys,
        tandem(monkeypatch, "sweep", file, *out, "--workers", 2, "--dask", "x"),
        "cannot be used with --workers",
    )
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "tandem_sim.experiments.sweeps.dask", raising=False)
    refused(capsys, tandem(monkeypatch, "sweep", file, *out, "--dask", "x"), "--dask", "tandem-sim[dask]")
    refused(capsys, tandem(monkeypatch, "sweep", file, "--out", SMALL), "--out", "cannot be written")
    bad = written(tmp_path, schemes=["nope"])
    refused(capsys, tandem(monkeypatch, "sweep", bad, *out), "scheme", "nope")
    refused(capsys, tandem(monkeypatch, "run", SMALL, *out, "--set", "days"), "--set", "key=value")
    refused(capsys, tandem(monkeypatch, "run", SMALL, *out, "--set", "non_firm.whom=x"), "non_firm.whom")
    assert not (tmp_path / "out").exists()


def test_a_column_holds_numbers_or_text() -> None:
    assert _column([1, None, 2.5]) == [1, None, 2.5]
    assert _column([date(2016, 4, 18), True, [1, 2], "a", 3]) == ["2016-04-18", "true", "[1, 2]", "a", "3"]


def test_a_run_tells_what_happened_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "abc"
    assert outcome(folder) is None
    note(folder, "started", pid=1)
    assert outcome(folder) is None  # it runs, or was killed
    note(folder, "started", pid=2)
    with journal(folder).open("a", encoding="utf-8") as file:
        file.write('{"event": "fini')
    assert outcome(folder) is None
    journal(folder).write_text(journal(folder).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    note(folder, "died", error="killed by signal 9, 3 times")
    assert outcome(folder) == {"error": "killed by signal 9, 3 times", "seconds": None, "attempts": 2}
    folder.mkdir()
    (folder / "kpis.json").write_text('{"a": 1, "b": {"x": 2.5, "y": null}}', encoding="utf-8")
    (folder / "manifest.json").write_text('{"run": {"parts": {"code": "5f"}}}', encoding="utf-8")
    told = {"error": "", "seconds": None, "attempts": 2, "code": "5f"}
    assert outcome(folder) == {**told, "a": 1.0, "b.x": 2.5}
    note(folder, "finished", seconds=3.5)
    assert (outcome(folder) or {})["seconds"] == 3.5


def _one_then(stop: int | None) -> Callable[..., Iterator[Ended[RunJob, Found | None]]]:
    """A pool that finishes a run and then is interrupted, or gives the next one up."""

    def pool(
        work: Callable[[RunJob], Found | None], jobs: Sequence[RunJob]
    ) -> Iterator[Ended[RunJob, Found | None]]:
        jobs[0].folder.mkdir()
        (jobs[0].folder / "kpis.json").write_text('{"procurement_cost_eur": 5}', encoding="utf-8")
        given = jobs[0].point.scenario, jobs[0].point.folder
        made = manifest(*given, identity_of(*given))
        (jobs[0].folder / "manifest.json").write_text(json.dumps(made), encoding="utf-8")
        yield Ended(jobs[0], outcome(jobs[0].folder))
        if stop is not None:
            os.kill(os.getpid(), stop)
        yield from (Ended(job, None, "killed by signal 9, 3 times") for job in jobs[1:])

    return pool


def test_a_sweep_that_is_interrupted_keeps_what_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = written(tmp_path), tmp_path / "out"
    monkeypatch.setattr(sweep_command, "_pool", lambda *_: _one_then(signal.SIGINT))
    assert tandem(monkeypatch, "sweep", file, "--out", out) == 130
    again = f"go on with: tandem sweep {file} --out {out} --resume"
    assert capsys.readouterr().err == f"tandem: ended by SIGINT. What is safe is kept; {again}\n"
    assert pd.read_parquet(out / SUMMARY).procurement_cost_eur.tolist() == [5.0]
    monkeypatch.setattr(sweep_command, "_pool", lambda *_: _one_then(None))
    monkeypatch.setattr(sweep_command, "TELL_EVERY_S", 0.0)
    assert tandem(monkeypatch, "sweep", file, "--out", out, "--resume") == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("2 of 3 runs, 0:00:00 left\n")
    assert shown.err.endswith("killed by signal 9, 3 times\n")
    table = pd.read_parquet(out / SUMMARY)
    assert table.error.tolist() == ["", "", "killed by signal 9, 3 times"]
    last = json.loads(journal(out / table.run_id[2]).read_text(encoding="utf-8"))
    assert last == {"event": "died", "error": "killed by signal 9, 3 times"}


def test_time_left_is_at_the_pace_of_what_was_done() -> None:
    assert time_left(60.0, 4, 10) == timedelta(seconds=150)


def test_a_line_of_the_journal_that_was_torn_costs_that_line_alone(tmp_path: Path) -> None:
    note(tmp_path / "r", "started", pid=1)
    with journal(tmp_path / "r").open("a") as file:
        file.write('{"event": "star')
    note(tmp_path / "r", "died", error="killed by signal 9, 3 times")
    assert outcome(tmp_path / "r") == {
        "error": "killed by signal 9, 3 times",
        "seconds": None,
        "attempts": 1,
    }
