"""Sweeps of a small scenario: what is run, kept and not repeated; and fields replaced one by one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from experiments.scenario import fields_of, read_scenario
from experiments.sweep import SUMMARY, Point, _plain, read_sweep, run_sweep
from grids.errors import InputError
from tests.experiments.test_cli import SMALL, refused, tandem

SWEEP: dict[str, Any] = {
    "scenario": "small.yaml",
    "set": {"households": 150, "validation.audit_share": 0.0},
    "schemes": ["central-01"],
    "vary": {"population.pv_share": [0.4, 0.9]},
    "also": [{"start": "2017-02-01"}],  # beyond the profiles: found when it runs
}


def _written(folder: Path, **changes: Any) -> Path:
    """A sweep file beside a copy of the small scenario."""
    shutil.copy(SMALL, folder / "small.yaml")
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({**SWEEP, **changes}), encoding="utf-8")
    return path


@dataclass
class Swept:
    file: Path
    out: Path
    points: list[Point]
    table: pd.DataFrame
    told: list[tuple[str, str]]


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Two days that differ in PV and a run that fails, in one process of their own."""
    folder = tmp_path_factory.mktemp("sweep")
    file, told = _written(folder), []
    points = read_sweep(file)
    table = run_sweep(points, folder / "out", 1, lambda point, error: told.append((point.name, error)))
    return Swept(file, folder / "out", points, table, told)


def test_every_point_is_a_row_with_its_fields_and_key_figures(swept: Swept) -> None:
    table = swept.table
    assert table.run_id.tolist() == [point.name for point in swept.points]
    assert table["population.pv_share"].tolist()[:2] == [0.4, 0.9]
    good = table[table.error == ""]
    assert len(good) == 2
    assert good.scheme.tolist() == ["central-01"] * 2
    assert good.seed.tolist() == [7, 7]
    assert good.isps.tolist() == [96, 96]
    assert good.net_households_eur.nunique() == 2  # more sun, another result
    for name in good.run_id:
        assert {"kpis.json", "manifest.json", "orders.parquet"} <= {
            f.name for f in (swept.out / name).iterdir()
        }
    kept = pd.read_parquet(swept.out / SUMMARY)
    assert kept.columns.tolist() == table.columns.tolist()
    for column in ("run_id", "error", "net_households_eur", "population.pv_share"):
        pd.testing.assert_series_equal(kept[column], table[column])


def test_a_run_that_fails_is_kept_as_a_row_and_the_others_finish(swept: Swept) -> None:
    (failed,) = swept.table[swept.table.error != ""].to_dict("records")
    assert failed["error"].startswith("InputError: ")
    assert "2016" in failed["error"]
    assert failed["start"] == "2017-02-01"
    assert not (swept.out / failed["run_id"]).exists()
    assert sorted(name for name, _ in swept.told) == sorted(point.name for point in swept.points)
    assert [error for _, error in swept.told if error] == [failed["error"]]


def test_what_is_there_is_not_run_again(
    swept: Swept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {p: p.stat().st_mtime_ns for p in swept.out.rglob("kpis.json")}
    assert len(files) == 2
    code = tandem(monkeypatch, "sweep", swept.file, "--out", swept.out, "--workers", 1)
    shown = capsys.readouterr()
    assert code == 1
    assert "3 runs, 1 of them failed" in " ".join(shown.out.split())
    assert shown.err.startswith(f"tandem: {swept.file}: {{'start': '2017-02-01'}}: InputError: ")
    assert {p: p.stat().st_mtime_ns for p in swept.out.rglob("kpis.json")} == files
    again = pd.read_parquet(swept.out / SUMMARY)
    assert again.net_households_eur.tolist()[:2] == swept.table.net_households_eur.tolist()[:2]
    assert again.error.tolist() == swept.table.error.tolist()


def test_a_sweep_is_every_combination_once(tmp_path: Path) -> None:
    file = _written(
        tmp_path, set={"days": 2}, schemes=["common", "central-01"], seeds=[1, 2],
        vary={"non_firm.participation": [0.5, 1.0]},
        also=[{"scheme": "hybrid"}, {"scheme": "common", "seed": 1, "non_firm.participation": 0.5}],
    )  # fmt: skip
    points = read_sweep(file)
    found = [(p.scenario.scheme, p.scenario.seed, p.scenario.non_firm.participation) for p in points]
    assert len(found) == 2 * 2 * 2 + 2  # what is named twice is run once
    assert found[0] == ("common", 1, 0.5)
    assert found[-2:] == [("hybrid", 1, 1.0), ("hybrid", 2, 1.0)]
    assert {p.scenario.days for p in points} == {2}
    assert len({p.name for p in points}) == len(points)
    assert {p.folder for p in points} == {tmp_path}


def test_a_bundled_scenario_is_found_by_its_name(tmp_path: Path) -> None:
    (point,) = read_sweep(_written(tmp_path, scenario="street", vary={}, also=[], set={}))
    assert (point.scenario.name, point.folder, point.fields) == ("street", None, {"scheme": "central-01"})


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"scenario": "nowhere"}, "SCENARIO", "no bundled scenario"),
        ({"scenario": "gone.yaml"}, "SCENARIO", "does not exist"),
        ({"scenario": ["a"]}, "scenario", "string"),
        ({"schemes": ["nope"]}, "scheme", "nope is no scheme"),
        ({"schemes": "common"}, "schemes", "list"),
        ({"seeds": [-1]}, "seeds.0", "greater than or equal to 0"),
        ({"seeds": [True]}, "seeds.0", "integer"),
        ({"vary": {"households": 3}}, "vary.households", "list"),
        ({"vary": {"housholds": [3]}}, "housholds", "unknown key"),
        ({"vary": {"non_firm.whom": ["all"]}}, "non_firm.whom", "unknown key"),
        ({"set": {"days": 0}}, "days", "greater than or equal to 1"),
        ({"also": [{"dso.flow_margin": 2}]}, "dso.flow_margin", "0.9"),
        ({"also": {"seed": 3}}, "also", "list"),
        ({"speeds": [1]}, "speeds", "not permitted"),
    ],
)
def test_bad_sweeps_name_file_and_field(
    changes: dict[str, Any], field: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as found:
        read_sweep(_written(tmp_path, **changes))
    assert found.value.field == field
    assert problem in found.value.problem
    assert found.value.mend


@pytest.mark.parametrize(
    ("text", "field"),
    [("[1, 2]", "sweep"), ("", "sweep"), ("scenario: [a", "YAML"), ("a: !!python/none x", "YAML")],
)
def test_files_that_are_no_sweep(text: str, field: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as found:
        read_sweep(path)
    assert (found.value.source, found.value.field) == (str(path), field)


def test_the_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = "--out", tmp_path / "out"
    refused(capsys, tandem(monkeypatch, "sweep", tmp_path / "gone.yaml", *out), "gone.yaml", "does not exist")
    file = _written(tmp_path)
    refused(capsys, tandem(monkeypatch, "sweep", file, *out, "--workers", 0), "--workers", "one or more")
    bad = _written(tmp_path, schemes=["nope"])
    refused(capsys, tandem(monkeypatch, "sweep", bad, *out), "scheme", "nope")
    refused(capsys, tandem(monkeypatch, "run", SMALL, *out, "--set", "days"), "--set", "key=value")
    refused(capsys, tandem(monkeypatch, "run", SMALL, *out, "--set", "non_firm.whom=x"), "non_firm.whom")
    assert not (tmp_path / "out").exists()


def test_fields_are_read_as_yaml() -> None:
    given = ["days=2", "non_firm.remedies=[portfolio, tso]", "name=a=b", "dso.offset=linear", "x=", "y=1.5"]
    assert fields_of(given) == {
        "days": 2, "non_firm.remedies": ["portfolio", "tso"], "name": "a=b", "dso.offset": "linear",
        "x": None, "y": 1.5,
    }  # fmt: skip
    assert fields_of([]) == {}
    assert fields_of(["days=1", "days=3"]) == {"days": 3}  # the last one counts


@pytest.mark.parametrize("text", ["days", "=3", "days=[1", "days={a: 1"])
def test_fields_that_are_none(text: str) -> None:
    with pytest.raises(InputError) as found:
        fields_of([text])
    assert (found.value.source, found.value.field) == ("--set", text)


def test_a_field_is_replaced_and_its_neighbours_stay() -> None:
    plain, _ = read_scenario("street")
    given = {
        "non_firm.participation": 0.25,
        "population.ev_share": 0.1,
        "non_firm.remedies": ["tso"],
        "days": 3,
    }
    changed, _ = read_scenario("street", given)
    assert (changed.days, changed.non_firm.participation, changed.non_firm.remedies) == (3, 0.25, ["tso"])
    assert changed.population == {**plain.population, "ev_share": 0.1}
    same = changed.model_copy(update={"days": plain.days, "population": plain.population})
    assert same.non_firm.model_copy(update={"participation": 1.0, "remedies": []}) == plain.non_firm
    assert same.model_copy(update={"non_firm": plain.non_firm}) == plain


def test_a_list_and_a_section_that_is_not_there_are_replaced_whole() -> None:
    small, _ = read_scenario(str(SMALL), {"gates.limit_ahead": 80, "incidents": []})
    assert small.gates.limit_ahead == 80.0
    with pytest.raises(InputError) as found:
        read_scenario("street", {"low_voltage.0.copies": 2})
    assert found.value.field == "low_voltage"


def test_a_date_that_varies_is_a_text_of_its_row() -> None:
    assert _plain(date(2016, 4, 18)) == "2016-04-18"
    assert (_plain(3), _plain(True), _plain([1, 2])) == (3, "true", "[1, 2]")
