"""SQL over run folders: right rows, nothing else read or written, and one message for what is wrong."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tandem_sim.experiments.api import load
from tandem_sim.experiments.cli import app
from tandem_sim.experiments.queries import query
from tandem_sim.experiments.queries.query import as_csv, as_json, show
from tandem_sim.experiments.queries.views import answer, quoted
from tandem_sim.experiments.run_folder.described import DESCRIBED
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.errors import InputError
from tests.sim.conftest import HOURLY, small_scenario

PAGE = Path(__file__).resolve().parents[3] / "docs" / "query.md"
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two days of the small world; the second run has no table of devices."""
    folder = tmp_path_factory.mktemp("runs")
    one, other = folder / "it's one", folder / 'the "other"'
    run_scenario(small_scenario(**HOURLY), None, one, plots=False, checkpoint_s=0)
    less: dict[str, Any] = {**HOURLY, "scheme": "central-01", "output.leave_out": ["devices"]}
    run_scenario(small_scenario(**less), None, other, plots=False, checkpoint_s=0)
    return one, other


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day of the page, under the first of its schemes."""
    out = tmp_path_factory.mktemp("day") / "multilevel-03"
    scenario, folder = read_scenario("reference", {"days": 1, "scheme": "multilevel-03"})
    run_scenario(scenario, folder, out, plots=False, checkpoint_s=0)
    return out


def test_which_branch_was_overloaded_and_when(day: Path) -> None:
    """The first query of the page, against pandas, and against the rows that the page shows."""
    found = answer(BLOCKS[0], [str(day)]).to_pandas()
    run = load(day)
    over = run["branch_loading"].query("loading_pct > 100").merge(run["branches"], on=["system", "branch"])
    by_hand = over.groupby(["system", "element"]).agg(
        isps=("isp", "size"), first=("time", "min"), last=("time", "max"), worst=("loading_pct", "max")
    )
    assert len(found) == len(by_hand) > 0
    for row in found.itertuples():
        hand = by_hand.loc[(row.system, row.element)]
        assert (row.isps, row.first, row.last) == (hand["isps"], hand["first"], hand["last"])
        assert row.worst_pct == hand["worst"]
    grid = run["grid"].query("system != 'T'")
    assert found.worst_pct.max() == pytest.approx(100 + grid.max_overload_pct.max(), rel=1e-6)
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if "| line " in line]
    assert [row[:4] for row in rows] == [
        [r.system, r.element, str(r.from_bus), str(r.to_bus)] for r in found.itertuples()
    ]
    np.testing.assert_allclose([float(row[7]) for row in rows], found.worst_pct, rtol=1e-3)


@pytest.mark.parametrize("sql", [sql for sql in BLOCKS if "run" not in sql])
def test_queries_of_the_page_run(sql: str, day: Path) -> None:
    assert answer(sql, [str(day)]).num_rows


def test_several_runs_have_a_column_that_names_them(runs: tuple[Path, Path]) -> None:
    one, other = map(str, runs)
    found = answer(
        "SELECT run, count(*) AS n, sum(amount_eur) AS eur FROM settlement GROUP BY run", [one, other]
    )
    by_run = found.to_pandas().set_index("run")
    for folder in (one, other):
        settlement = load(folder)["settlement"]
        assert by_run.n[folder] == len(settlement)
        assert by_run.eur[folder] == pytest.approx(settlement.amount_eur.sum())
    assert answer("FROM grid LIMIT 1", [one, other]).column_names[0] == "run"
    assert "run" not in answer("FROM grid LIMIT 1", [one]).column_names
    assert answer(BLOCKS[1], [one, other]).column_names[0] == "run"
    only = answer("SELECT DISTINCT run FROM devices", [one, other]).to_pylist()
    assert only == [{"run": one}]
    with pytest.raises(InputError, match="Table with name devices does not exist"):
        answer("FROM devices", [other])


def test_every_table_can_be_queried(runs: tuple[Path, Path]) -> None:
    one = runs[0]
    listed = answer("SHOW TABLES", [str(one)]).column("name").to_pylist()
    assert sorted(listed) == sorted(DESCRIBED)
    for table in DESCRIBED:
        (count,) = answer(f'SELECT count(*) AS n FROM "{table}"', [str(one)]).column("n").to_pylist()
        assert count == pq.read_metadata(one / f"{table}.parquet").num_rows


def test_nan_is_null(runs: tuple[Path, Path]) -> None:
    """SQL takes NaN for larger than any number: the largest voltage error would be none."""
    one = runs[0]
    grid = load(one)["grid"]
    assert grid.voltage_error_pu.isna().any()
    (found,) = answer("SELECT max(voltage_error_pu) AS m FROM grid", [str(one)]).to_pylist()
    assert found["m"] == grid.voltage_error_pu.max()
    (none,) = answer(
        "SELECT count(base_vm_pu) AS n FROM bus_voltage WHERE system = 'T'", [str(one)]
    ).to_pylist()
    assert none["n"] == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_parquet('{folder}/grid.parquet')",
        "SELECT * FROM '{folder}/grid.parquet'",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM sniff_csv('{file}')",
        "SELECT * FROM 'https://example.org/x.parquet'",
        "COPY (SELECT 1) TO '{folder}/new.csv'",
        "COPY grid TO '{folder}/grid.parquet'",
        "ATTACH '{folder}/new.db'",
        "EXPORT DATABASE '{folder}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW grid",
        "SELECT 1; SELECT 2",
        "SELECT getenv('HOME')",
        "SELECT * FROM runs",
        "SELECT * FROM gird",
        "SELECT nothing FROM grid",
        "SELECT 1 +",
        "SELECT 'a'::INTEGER",
        "",
        "\x1b[2J\n\x00",
        "SELECT " + "(" * 5000,
    ],
)
def test_a_query_reaches_nothing_else_and_is_refused_in_one_message(
    sql: str, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    folder = runs[0]
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(InputError) as told:
        answer(
            sql.replace("{file}", str(file)).replace("{folder}", str(folder).replace("'", "''")),
            [str(folder)],
        )
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 2_000
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_variables_of_python_are_no_tables(runs: tuple[Path, Path]) -> None:
    frame = pd.DataFrame({"secret": [1]})
    assert len(frame) == 1
    for name in ("frame", "database", "runs", "folders"):
        with pytest.raises(InputError, match="does not exist"):
            answer(f"FROM {name}", [str(runs[0])])


def test_a_query_leaves_no_file(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    sql = "SELECT a.isp FROM bids a, bids b ORDER BY random() LIMIT 3"
    assert answer(sql, [str(runs[0])]).num_rows == 3
    assert list(tmp_path.iterdir()) == []


def _stranger(run: Path, folder: Path) -> Path:
    """A copy of a run without what its manifest says of its files."""
    shutil.copytree(run, folder)
    told = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del told["files"]
    (folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


def test_a_run_of_a_stranger_is_checked(runs: tuple[Path, Path], tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(runs[0], changed)
    grid = changed / "grid.parquet"
    pq.write_table(pq.read_table(grid).slice(1), grid)
    with pytest.raises(InputError, match=r"grid.parquet: content: is not what this run wrote"):
        answer("FROM grid", [str(changed)])
    foreign = _stranger(runs[0], tmp_path / "foreign")
    (foreign / 'a"b.parquet').write_bytes((foreign / "grid.parquet").read_bytes())
    assert 'a"b' not in answer("SHOW TABLES", [str(foreign)]).column("name").to_pylist()
    grid = foreign / "grid.parquet"
    whole = pq.read_table(grid)
    odd = 'x" THEN NULL END AS y, (SELECT 1)) --'
    pq.write_table(whole.append_column(odd, pa.array([1.0] * len(whole))), grid)
    found = answer("FROM grid LIMIT 1", [str(foreign)])
    assert found.column_names[-1] == odd
    pq.write_table(whole.append_column("run", pa.array([1.0] * len(whole))), grid)
    with pytest.raises(InputError, match="run: is a column that no run writes"):
        answer("FROM grid", [str(foreign), str(runs[1])])
    for content in (b"", b"PAR1" + bytes(100) + b"PAR1", (runs[0] / "grid.parquet").read_bytes()[:-50]):
        grid.write_bytes(content)
        with pytest.raises(InputError, match=r"grid\.parquet"):
            answer("FROM grid", [str(foreign)])
    grid.unlink()
    grid.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"grid\.parquet"):
        answer("FROM grid", [str(foreign)])
    bent = (runs[0] / "bids.parquet").read_bytes()
    for place in range(4, len(bent) // 2, 97):
        bent = bent[:place] + bytes([bent[place] ^ 255]) + bent[place + 1 :]
    (foreign / "bids.parquet").write_bytes(bent)
    with pytest.raises(InputError):
        answer("FROM bids", [str(foreign)])


def test_folders_that_are_no_runs(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        answer("SELECT 1", [str(tmp_path / "none")])
    with pytest.raises(InputError, match="Load one of its runs"):
        answer("SELECT 1", [str(runs[0].parent)])
    with pytest.raises(InputError, match="is given twice"):
        answer("SELECT 1", [str(runs[0])] * 2)


def test_csv_and_json_hold_the_same_rows(runs: tuple[Path, Path]) -> None:
    sql = "SELECT time, isp, system, loading_pct, loading_pct > 90 AS high FROM branch_loading"
    found = answer(sql, [str(runs[0])])
    frame = load(runs[0])["branch_loading"]
    rows = json.loads(as_json(found))
    assert len(rows) == len(frame) > 0
    texts = list(csv.DictReader(io.StringIO(as_csv(found))))
    recorded: list[Any] = list(frame.itertuples())
    for row, text, own in zip(rows, texts, recorded, strict=True):
        assert datetime.fromisoformat(row["time"]) == own.time
        assert datetime.fromisoformat(text["time"]) == own.time
        assert np.float32(row["loading_pct"]) == np.float32(text["loading_pct"]) == own.loading_pct
        assert row["high"] == (own.loading_pct > 90)
        assert text["high"] == str(own.loading_pct > 90)


def test_values_that_a_format_does_not_have() -> None:
    table = pa.table(
        {
            "n": pa.array([float("nan"), float("inf"), None]),
            "t": pa.array(["a\x1b[2Jb", 'say "x", y', None]),
            "d": pa.array([datetime(2016, 4, 18, tzinfo=UTC), None, None]),
            "l": pa.array([[1, 2], None, []]),
        }
    )
    assert json.loads(as_json(table))[0] == {
        "n": None,
        "t": "a\x1b[2Jb",
        "d": "2016-04-18T00:00:00+00:00",
        "l": [1, 2],
    }
    assert as_csv(table).isascii()
    assert as_csv(table).splitlines() == [
        "n,t,d,l",
        'nan,a\\x1b[2Jb,2016-04-18T00:00:00+00:00,"[1, 2]"',
        'inf,"say ""x"", y",,',
        ",,,[]",
    ]
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(InputError, match="names two columns"):
        as_json(twice)


def test_the_command_prints_a_table_or_writes_a_file(runs: tuple[Path, Path], tmp_path: Path) -> None:
    def called(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["query", *arguments], env={"COLUMNS": "120"})

    sql, run = "SELECT isp, loading_pct FROM branch_loading ORDER BY isp", str(runs[0])
    shown = called(sql, run)
    assert shown.exit_code == 0
    assert "loading_pct" in shown.output
    out = tmp_path / "new.csv"
    assert called(sql, run, "--out", str(out)).exit_code == 0
    assert out.read_text(encoding="utf-8") == called(sql, run, "--format", "csv").output
    for name, form, message in (
        ("new.csv", None, "exists"),
        ("new.txt", None, "--format csv or json"),
        ("new2.csv", "table", "--format csv or json"),
        ("new2.csv", "xml", "--format csv or json"),
    ):
        more = [] if form is None else ["--format", form]
        refused = called(sql, run, "--out", str(tmp_path / name), *more)
        assert isinstance(refused.exception, InputError)
        assert message in str(refused.exception)
    for folder in (runs[0], runs[0] / "sub"):
        refused = called(sql, str(runs[1]), "--out", str(folder / "new.csv"))
        assert isinstance(refused.exception, InputError)
        assert "lies in a run folder" in str(refused.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv"]


def test_a_long_table_says_how_many_rows_there_are(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(query, "MOST_SHOWN", 5)
    show("SELECT isp FROM system", [str(runs[0])], None, None)
    told = capsys.readouterr()
    assert "5 of 24 rows" in told.err
    assert len(told.out.strip().splitlines()) == 7


def test_a_name_is_quoted() -> None:
    assert quoted('a "b"') == '"a ""b"""'
