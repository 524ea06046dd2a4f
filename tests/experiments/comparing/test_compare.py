"""Differences and intervals against numbers worked by hand and by SciPy; what cannot be compared."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import ttest_rel
from typer.testing import CliRunner

import tandem_sim as tandem
from tandem_sim.experiments.cli import app
from tandem_sim.experiments.comparing.show import Selection
from tandem_sim.experiments.key_figures.catalogue import catalogue
from tandem_sim.experiments.run_folder import identity
from tandem_sim.experiments.run_folder.manifest import digests_of
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import InputError
from tests.sim.conftest import HOURLY, small_scenario

T2 = 4.302653
"""95 % quantile of Student's t, two-sided, with two degrees of freedom, from a printed table."""


def _made(folder: Path, kpis: dict[str, Any], **changes: Any) -> Path:
    """The folder of a run as far as it is compared: its manifest and its key figures, without tables."""
    scenario = small_scenario(**{**HOURLY, **changes})
    parts = identity.identity_of(scenario, None)
    folder.mkdir(parents=True)
    (folder / "kpis.json").write_text(json.dumps(kpis), encoding="utf-8")
    manifest = {
        "scenario": scenario.model_dump(mode="json", by_alias=True),
        "world": {"id": parts.world_id, "parts": parts.world},
        "run": {"id": parts.run_id, "parts": parts.run},
        "provenance": {},
        "files": digests_of(folder),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


COSTS = {"central-01": {1: 10.0, 2: 20.0, 3: 60.0, 4: 7.0}, "multilevel-03": {3: 62.0, 1: 15.0, 2: 21.0}}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two schemes at seeds 1 to 3, and the first at seed 4 too, as a sweep leaves them."""
    for scheme, by_seed in COSTS.items():
        for seed, cost in by_seed.items():
            held = None if scheme == "central-01" else 2.0
            kpis = {"procurement_cost_eur": cost, "violated_isps": 4, "held_back_mwh": held}
            by_grid = {"violated_isps_by_grid": {"D1": 4, "D2": 0}}
            _made(tmp_path / "sweep" / f"{scheme}.{seed}", {**kpis, **by_grid}, scheme=scheme, seed=seed)
    return tmp_path / "sweep"


def test_differences_are_paired_by_seed_over_the_seeds_that_all_have(sweep: Path) -> None:
    """15 - 10 = 5, 21 - 20 = 1, 62 - 60 = 2: mean 8/3, variance 13/3, standard error sqrt(13/9)."""
    found = tandem.compare([sweep])
    assert found.seeds == (1, 2, 3)
    assert [group.label for group in found.groups] == ["central-01", "multilevel-03"]
    assert found.notes == ("left out: seed 4 of central-01, which another group lacks",)
    first, other = found["procurement_cost_eur"].to_dict("records")
    assert (first["mean"], first["n"], first["pairs"]) == (30.0, 3, 0)
    assert pd.isna(first["difference"])
    assert (other["n"], other["pairs"]) == (3, 3)
    assert other["difference"] == pytest.approx(8 / 3)
    assert other["difference_high"] - 8 / 3 == pytest.approx(T2 * (13 / 9) ** 0.5, rel=1e-6)
    assert other["difference_pct"] == pytest.approx(100 * (8 / 3) / 30)
    ends = ttest_rel([15.0, 21.0, 62.0], [10.0, 20.0, 60.0]).confidence_interval(0.95)
    assert (other["difference_low"], other["difference_high"]) == pytest.approx((ends.low, ends.high))


def test_what_a_run_does_not_have_is_no_difference(sweep: Path) -> None:
    found = tandem.compare([sweep])
    first, other = found["held_back_mwh"].to_dict("records")
    assert (first["n"], other["n"], other["pairs"]) == (0, 3, 0)
    assert pd.isna(first["mean"])
    assert other["mean"] == 2.0
    assert pd.isna(other["difference"])
    with pytest.raises(KeyError, match="no run has such a key figure"):
        found["losses_mwh"]


def test_units_and_meanings_are_those_of_the_catalogue(sweep: Path) -> None:
    for row in tandem.compare([sweep]).table.to_dict("records"):
        about = catalogue()[row["kpi"].partition(".")[0]]
        assert (row["unit"], row["meaning"]) == (about.unit, about.meaning)


def test_single_runs_have_differences_and_no_interval(sweep: Path) -> None:
    one, other = sweep / "central-01.3", sweep / "multilevel-03.3"
    row = tandem.compare([one, other])["procurement_cost_eur"].loc["multilevel-03"]
    assert (row["mean"], row["difference"], row["n"]) == (62.0, 2.0, 1)
    assert row["difference_pct"] == pytest.approx(100 * 2 / 60)
    assert pd.isna(row["difference_low"])
    turned = tandem.compare([one, other], against=other)
    assert turned.reference == "multilevel-03"
    assert turned["procurement_cost_eur"].loc["central-01"].difference == -2.0


def test_seeds_of_one_scheme_have_a_mean_and_an_interval(sweep: Path) -> None:
    """15, 21, 62: mean 98/3, squares of deviations 2809/9, 1225/9, 7744/9: variance 1963/3."""
    found = tandem.compare(sorted(sweep.glob("multilevel-03.*")))
    (row,) = found["procurement_cost_eur"].to_dict("records")
    assert row["mean"] == pytest.approx(98 / 3)
    assert row["high"] - row["mean"] == pytest.approx(T2 * (1963 / 3 / 3) ** 0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"days": 2}, r"days \(1 there, 2 here\)"),
        ({"isp_minutes": 30}, r"isp_minutes \(60 there, 30 here\)"),
        ({"households": 90}, "households"),
        ({"forecast.mape": 0.01}, "forecast.mape"),
        ({"start": "2016-05-02"}, "start"),
    ],
)
def test_another_world_is_refused_with_what_differs(
    changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    one = _made(tmp_path / "one", {"losses_mwh": 1.0}, days=1)
    other = _made(tmp_path / "other", {"losses_mwh": 1.0}, **{"days": 1, **changes}, scheme="common")
    with pytest.raises(InputError, match=f"other: world: is another than that of .*one: {named}"):
        tandem.compare([one, other])


def test_another_grid_is_refused_by_its_name(tmp_path: Path) -> None:
    one, other = (_made(tmp_path / name, {"losses_mwh": 1.0}) for name in ("one", "other"))
    manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
    manifest["world"]["parts"]["grid of D1"] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match=r"one: grid of D1\. Compare"):
        tandem.compare([one, other])


def test_rules_that_differ_name_the_groups(tmp_path: Path) -> None:
    one = _made(tmp_path / "one", {"losses_mwh": 1.0}, scheme="common")
    other = _made(tmp_path / "two", {"losses_mwh": 3.0}, scheme="common", **{"dso.flow_margin": 0.2})
    found = tandem.compare([one, other])
    before = small_scenario(**HOURLY).dso.flow_margin
    assert [g.label for g in found.groups] == [
        f"common, dso.flow_margin={before}",
        "common, dso.flow_margin=0.2",
    ]
    assert found["losses_mwh"].difference_pct.iloc[1] == 200.0


def test_other_versions_are_compared_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _made(tmp_path / "one", {"losses_mwh": 4.0})
    monkeypatch.setattr(identity, "code_digest", lambda: "older")
    other = _made(tmp_path / "other", {"losses_mwh": 1.0})
    found = tandem.compare([one, other])
    assert [group.label.rpartition("=")[2] for group in found.groups][1] == "older"
    assert found["losses_mwh"].difference.iloc[1] == -3.0
    (note,) = found.notes
    assert note.startswith("runs were made with different versions of Tandem's code: ")
    assert note.endswith(f"older in {other}")


def test_what_is_no_finished_sound_run_is_refused(sweep: Path, tmp_path: Path) -> None:
    one, other = sweep / "central-01.1", sweep / "multilevel-03.1"
    for given, message in (
        ([one], "is not enough to compare"),
        ([one, one], "is given twice"),
        ([sweep, one], "is given twice"),
        ([one, tmp_path / "nowhere"], "nowhere: RUN: does not exist"),
        ([one, tmp_path], "holds no finished run"),
        ([one, sweep / "multilevel-03.2"], "no seed is there in all groups: central-01 has 1; multilevel-03"),
    ):
        with pytest.raises(InputError, match=message):
            tandem.compare(given)
    with pytest.raises(InputError, match="holds runs of several groups"):
        tandem.compare([one, other], against=sweep)
    with pytest.raises(InputError, match="is one folder"):
        tandem.compare(str(sweep))
    (tmp_path / "late.unfinished").mkdir()
    for name in ("late", "late.unfinished"):
        with pytest.raises(InputError, match="holds a run that is not finished"):
            tandem.compare([one, tmp_path / name])
    (sweep / "later.unfinished").mkdir()
    assert any("later.unfinished is not finished" in note for note in tandem.compare([sweep]).notes)
    (other / "kpis.json").write_text('{"procurement_cost_eur": 1.0}', encoding="utf-8")
    with pytest.raises(InputError, match="is not what this run wrote"):
        tandem.compare([one, other])
    (other / "kpis.json").unlink()
    with pytest.raises(InputError, match=r"kpis\.json.*is missing in this run"):
        tandem.compare([one, other])
    (other / "manifest.json").write_text('{"scenario": {}}', encoding="utf-8")
    with pytest.raises(InputError, match="what was run is not known"):
        tandem.compare([one, other])


def test_a_copy_of_a_run_is_refused(tmp_path: Path) -> None:
    one, other = (_made(tmp_path / name, {"losses_mwh": 1.0}) for name in ("one", "other"))
    with pytest.raises(InputError, match=r"other: is the same run as .*one"):
        tandem.compare([one, other])


def _typed(*arguments: object) -> str:
    wide = {"COLUMNS": "110"}  # whatever the terminal of the tests is
    found = CliRunner().invoke(app, ["compare", *map(str, arguments)], catch_exceptions=False, env=wide)
    assert found.exit_code == 0
    return found.stdout


def test_the_command_prints_a_table_csv_and_json(sweep: Path, tmp_path: Path) -> None:
    shown = " ".join(_typed(sweep).split())
    assert "procurement_cost_eur EUR 30 32.7 +2.667 [-2.504, +7.838]" in shown
    assert "violated_isps ISPs 4 4 0" in shown
    assert (
        "Means over seeds. [ ] 95 % interval of Student's t; difference to central-01 seed by seed" in shown
    )
    single = " ".join(_typed(sweep / "central-01.1", sweep / "multilevel-03.1", "--all").split())
    assert "procurement_cost_eur EUR 10 15 +5 (+50 %)" in single
    assert "violated_isps_by_grid.D2 ISPs 0 0 0" in single
    narrow = CliRunner().invoke(
        app, ["compare", str(sweep), "--kpi", "procurement_cost_eur"], env={"COLUMNS": "72"}
    )
    assert "32.7   +2.667 [-2.504, +7.838]" in narrow.stdout, "no number is cut"
    lines = list(csv.DictReader(io.StringIO(_typed(sweep, "--kpi", "held_back_mwh", "--format", "csv"))))
    assert [(line["group"], line["mean"], line["difference"]) for line in lines] == [
        ("central-01", "", ""),
        ("multilevel-03", "2.0", ""),
    ]
    file = tmp_path / "found.json"
    assert _typed(sweep, "--kpi", "violated_isps_by_grid", "--out", file) == ""
    told = json.loads(file.read_text(encoding="utf-8"))
    assert (told["reference"], told["seeds"], told["level"]) == ("central-01", [1, 2, 3], 0.95)
    assert [row["kpi"] for row in told["key_figures"][::2]] == [
        "violated_isps_by_grid.D1",
        "violated_isps_by_grid.D2",
    ]
    with pytest.raises(InputError, match="--out"):
        _typed(sweep, "--out", sweep / "central-01.1" / "new.csv")
    with pytest.raises(InputError, match="Did you mean violated_isps"):
        _typed(sweep, "--kpi", "violated_isp")


def test_an_operator_without_an_entry_has_paid_nothing(tmp_path: Path) -> None:
    paid = {"TSO": 5.0}
    one = _made(tmp_path / "one", {"procurement_cost_by_operator_eur": paid}, scheme="central-01")
    paid = {"TSO": 5.0, "DSO-D1": 2.0}
    other = _made(tmp_path / "other", {"procurement_cost_by_operator_eur": paid}, scheme="common")
    row = tandem.compare([one, other])["procurement_cost_by_operator_eur.DSO-D1"]
    assert row["mean"].tolist() == [0.0, 2.0]
    assert row.difference.iloc[1] == 2.0


def test_the_snippet_of_the_page_runs(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for scheme in COSTS:
        _made(tmp_path / "runs" / "day" / scheme, {"procurement_cost_eur": 1.0}, scheme=scheme)
    sweep.rename(tmp_path / "runs" / "seeds")
    page = Path(__file__).resolve().parents[3] / "docs" / "compare.md"
    (snippet,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(snippet, "compare.md", "exec"), names)
    assert names["wide"].loc["procurement_cost_eur", "central-01"] == 30.0


def test_real_runs_are_compared_as_tandem_prints_them(tmp_path: Path) -> None:
    kpis = {
        scheme: run_scenario(
            small_scenario(**HOURLY, scheme=scheme), None, tmp_path / scheme, plots=False, checkpoint_s=0
        )
        for scheme in ("central-01", "multilevel-03")
    }
    found = tandem.compare([tandem.load(tmp_path / scheme) for scheme in kpis])
    assert found.notes == ()
    numbers = {name: value for name, value in kpis["multilevel-03"].items() if isinstance(value, int | float)}
    for name, value in numbers.items():
        row, before = found[name].loc["multilevel-03"], kpis["central-01"][name]
        assert row["mean"] == value
        assert pd.isna(row.difference) if before is None else row.difference == value - before
    assert "procurement_cost_by_operator_eur.TSO" in Selection().of(found).kpis
