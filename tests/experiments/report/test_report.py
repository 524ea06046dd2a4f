"""A report has the numbers of the tables, escapes every text, loads nothing, and has the same bytes again."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tandem_sim.experiments.cli import app
from tandem_sim.experiments.report.parts.arrays import packed, thinned, unpacked
from tandem_sim.experiments.report.parts.layout import tree_layout
from tandem_sim.experiments.report.parts.markup import json_text, number, tag
from tandem_sim.experiments.report.parts.read import read_runs
from tandem_sim.experiments.report.write import write_report
from tandem_sim.experiments.run_folder.manifest import digests_of
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import InputError
from tests.experiments.report.hostile import ATTACK, make_hostile
from tests.sim.conftest import HALF_HOURLY, HOURLY, small_scenario


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of the small world under two schemes, in one folder."""
    folder = tmp_path_factory.mktemp("runs")
    for scheme in ("multilevel-03", "central-01"):
        run_scenario(
            small_scenario(**HOURLY, scheme=scheme), None, folder / scheme, plots=False, checkpoint_s=0
        )
    return folder


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("out") / "report.html"
    write_report([str(runs)], out, None)
    return out.read_text(encoding="utf-8")


class _Parts(HTMLParser):
    """Elements of a page with their attributes, and the text of tables by row."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell and self.rows:
            self.rows[-1][-1] += data


def parts(page: str) -> _Parts:
    found = _Parts()
    found.feed(page)
    return found


def data_of(page: str) -> dict[str, Any]:
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert text
    return dict(json.loads(text[1]))


def series(page: str, plot: str) -> dict[str, Any]:
    found = next(p for p in data_of(page)["plots"] if p["name"] == plot)
    return {line["label"]: unpacked(line["values"]) for line in found["lines"]}


def test_series_are_those_of_the_tables(runs: Path, page: str) -> None:
    for scheme in ("multilevel-03", "central-01"):
        system = pd.read_parquet(runs / scheme / "system.parquet")
        imbalance = series(page, "imbalance")
        np.testing.assert_allclose(imbalance[f"after, {scheme}"], system.imbalance_after_mw, rtol=1e-6)
        np.testing.assert_allclose(imbalance[f"before, {scheme}"], system.imbalance_before_mw, rtol=1e-6)
        activation = series(page, "activation")
        np.testing.assert_allclose(activation[f"down, {scheme}"], -system.activated_down_mw, rtol=1e-6)
        grid = pd.read_parquet(runs / scheme / "grid.parquet")
        for area in ("D1", "D2"):
            mine = grid[grid.system == area]
            if mine.empty:
                continue
            np.testing.assert_allclose(
                series(page, f"interface {area}")[scheme], mine.interface_mw, rtol=1e-6
            )
            np.testing.assert_allclose(
                series(page, f"loading {area}")[scheme], mine.max_loading_pct, rtol=1e-6
            )


def test_households_are_summed_over_areas(runs: Path, page: str) -> None:
    rows = pd.read_parquet(runs / "central-01" / "devices.parquet")
    labels = data_of(page)["runs"]
    found = series(page, f"households {labels.index('central-01')}")
    load = rows[rows.device == "load"].groupby("isp").p_mw.sum()
    np.testing.assert_allclose(found["inflexible load"], load, rtol=1e-5)


def test_held_back_is_offered_less_allowed(runs: Path, page: str) -> None:
    rows = pd.read_parquet(runs / "multilevel-03" / "bid_checks.parquet").query("market == 'prequalify'")
    held = (rows.offered_up_mw - rows.allowed_up_mw).groupby(rows.isp).sum()
    found = series(page, "held_back")
    assert "up, central-01" not in found  # no DSO checks bids there
    np.testing.assert_allclose(found["up, multilevel-03"], held, rtol=1e-5, atol=1e-9)


def test_held_back_is_split_by_dso_direction_and_need(runs: Path, page: str) -> None:
    """Summed here row by row from the tables, as the columns are defined."""
    folder, sums = runs / "multilevel-03", dict[str, list[float]]()
    need = pd.read_parquet(folder / "clearings.parquet").query("system == 'T'").set_index("isp").need_mw
    hours = read_runs([str(folder)])[0].data.hours
    checks = pd.read_parquet(folder / "bid_checks.parquet").query("market == 'prequalify'")
    for row in checks.to_dict("records"):
        up, down = (row[f"offered_{way}_mw"] - row[f"allowed_{way}_mw"] for way in ("up", "down"))
        mw = float(need[row["isp"]])
        wanted = up if mw > 0.0 else down if mw < 0.0 else 0.0
        for name in (str(row["system"]), "all"):
            old = sums.get(name, [0.0] * 4)
            more = (up, down, up + down, wanted)
            sums[name] = [a + hours * b for a, b in zip(old, more, strict=True)]
    at = parts(page).rows.index(
        ["MWh held back in", "up", "down", "up and down", "of these in the direction the TSO needed"]
    )
    found = {row[0]: row[1:] for row in parts(page).rows[at + 1 : at + 1 + len(sums)]}
    assert found == {name: [number(mwh) for mwh in values] for name, values in sums.items()}


def test_limits_broken_stand_side_by_side(runs: Path, page: str) -> None:
    for scheme in ("central-01", "multilevel-03"):
        kpis = json.loads((runs / scheme / "kpis.json").read_text(encoding="utf-8"))
        row = next(row for row in parts(page).rows if row[:1] == [scheme])
        names = ("violated_isps_before_activation", "violated_isps", "violated_isps_created")
        assert row[2:] == [number(kpis[name]) for name in names]
    assert "earlier ISPs of the run remain, so it differs between the runs" in page


def test_bids_held_back_are_listed_with_the_rest_summed(runs: Path, tmp_path: Path) -> None:
    """45 bids held back by hand: 40 lines of the largest, and one of the other five."""
    folder = tmp_path / "run"
    shutil.copytree(runs / "multilevel-03", folder)
    bids = pd.read_parquet(folder / "bids.parquet").query("isp == 3 and system == 'D1'")
    rows = pd.read_parquet(folder / "bid_limits.parquet")
    time, name = bids.time.iloc[0], "A01.D1.{:04d}.battery.down"
    made = pd.DataFrame(
        [
            (time, 3, "D1", "prequalify", name.format(k), "A01", -1, "grid", 0.01 * (k + 1), 0.001)
            for k in range(45)
        ],
        columns=rows.columns,
    ).astype(rows.dtypes.to_dict())
    pd.concat([rows[rows.isp != 3], made]).to_parquet(folder / "bid_limits.parquet", index=False)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = digests_of(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    out = tmp_path / "report.html"
    write_report([str(folder)], out, "3")
    found = [row for row in parts(out.read_text(encoding="utf-8")).rows if len(row) == 10]
    head, first, rest = found[0], found[1], found[-1]
    assert head[5:8] == ["MW offered", "MW allowed", "MW held back"]
    assert len(found) == 42
    limit = "limit of a branch or voltage"
    told = ["A01.D1.0044.battery.down", "A01", "D1", "down", "batteries", "0.45", "0.001", "0.449"]
    assert first == [*told, "grid prequalification", limit]
    # 0.01 + 0.02 + 0.03 + 0.04 + 0.05 offered, 5 x 0.001 allowed
    assert (rest[0], rest[5:8]) == ("the other 5 bids together", ["0.15", "0.005", "0.145"])


def test_runs_stand_in_the_order_given(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report([str(runs / "multilevel-03"), str(runs / "central-01")], out, None)
    text = out.read_text(encoding="utf-8")
    assert data_of(text)["runs"] == ["multilevel-03", "central-01"]
    assert "Differences are to the first run, multilevel-03." in text


def test_maps_have_loadings_and_voltages_of_every_isp(runs: Path, page: str) -> None:
    data = data_of(page)
    for grid in data["maps"]["grids"]:
        for of in grid["runs"]:
            folder = runs / data["runs"][of["run"]]
            branches = pd.read_parquet(folder / "branches.parquet").query("system == @grid['system']")
            told = pd.read_parquet(folder / "branch_loading.parquet").query("system == @grid['system']")
            rated = branches.branch.iloc[of["rated"]].tolist()
            found = unpacked(of["loading"]).reshape(len(data["maps"]["isps"]), len(rated))
            for row in told.itertuples():
                at = found[data["maps"]["isps"].index(row.isp), rated.index(row.branch)]
                assert at == pytest.approx(row.loading_pct, abs=0.051)
            volts = pd.read_parquet(folder / "bus_voltage.parquet").query("system == @grid['system']")
            nodes = [node["buses"] for node in grid["nodes"] if node["buses"]]
            voltage = unpacked(of["voltage"]).reshape(-1, len(nodes))
            lowest = volts.groupby("isp").vm_pu.min()
            np.testing.assert_allclose(np.nanmin(voltage, axis=1), lowest, atol=5.1e-5)
            assert sorted(bus for buses in nodes for bus in buses) == sorted(volts.bus.unique())


def test_key_figures_stand_side_by_side_with_differences(runs: Path, page: str) -> None:
    told = [json.loads((runs / name / "kpis.json").read_text()) for name in ("central-01", "multilevel-03")]
    rows = {row[0].split(" ")[0]: row for row in parts(page).rows if len(row) == 5}
    row = next(row for name, row in rows.items() if name.startswith("procurement_cost_eurnet"))
    costs = [k["procurement_cost_eur"] for k in told]
    assert row[1:] == ["EUR", *map(number, costs), number(costs[1] - costs[0], signed=True)]


def test_payments_in_the_matrix_are_those_of_the_table(runs: Path, page: str) -> None:
    rows = pd.read_parquet(runs / "central-01" / "settlement.parquet")
    paid = rows[(rows.payer == "TSO") & (rows.amount_eur > 0)].amount_eur.sum()
    back = rows[(rows.payee == "TSO") & (rows.amount_eur < 0)].amount_eur.sum()
    matrix = next(row for row in parts(page).rows if row and row[0] == "TSO" and len(row) > 2)
    assert matrix[-1] == number(paid - back)


def test_nothing_comes_from_outside(page: str) -> None:
    """A policy forbids it, and no element has an address but those of sections of the page."""
    found = parts(page)
    policy = next(a["content"] for e, a in found.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    addresses = [v for _, a in found.elements for k, v in a.items() if k in ("src", "href", "action", "data")]
    assert [v for v in addresses if not str(v).startswith("#")] == []
    assert [k for _, a in found.elements for k in a if k.startswith("on") or k == "style"] == []


def test_texts_of_a_stranger_are_only_text(runs: Path, tmp_path: Path, page: str) -> None:
    folder = tmp_path / "stranger"
    make_hostile(runs / "central-01", folder)
    out = tmp_path / "report.html"
    write_report([str(folder)], out, None)
    text = out.read_text(encoding="utf-8")
    assert ATTACK not in text
    assert "&lt;img src=x" in text  # it is shown
    found = parts(text)
    assert [e for e, _ in found.elements if e == "img"] == []
    assert [k for _, a in found.elements for k in a if k.startswith("on")] == []
    assert sum(e == "script" for e, _ in found.elements) == sum(
        e == "script" for e, _ in parts(page).elements
    )
    assert data_of(text)["maps"]["grids"][0]["branches"][0]["element"] == ATTACK


def test_seeds_are_a_mean_with_a_band(runs: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        shutil.copytree(runs / "central-01", folder)
    manifest = json.loads((two / "manifest.json").read_text(encoding="utf-8"))
    seed = manifest["scenario"]["seed"]
    manifest["scenario"]["seed"] = seed + 1
    system = pd.read_parquet(two / "system.parquet")
    before = system.imbalance_before_mw.to_numpy()
    system.assign(imbalance_before_mw=before + 2.0).to_parquet(two / "system.parquet", index=False)
    manifest["files"] = digests_of(two)
    (two / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    out = tmp_path / "report.html"
    write_report([str(one), str(two), str(runs / "multilevel-03")], out, None)
    plot = next(p for p in data_of(out.read_text(encoding="utf-8"))["plots"] if p["name"] == "imbalance")
    lines = {line["label"]: line for line in plot["lines"]}
    mean = lines[f"before, central-01, mean of seeds {seed}, {seed + 1}"]
    for name, more in (("values", 1.0), ("low", 0.0), ("high", 2.0)):
        np.testing.assert_allclose(unpacked(mean[name]), before + more, rtol=1e-5, atol=1e-5)
    assert "low" not in lines[f"before, multilevel-03, seed {seed}"]  # a seed alone has no band
    assert {line["run"] for line in plot["lines"]} == {0, 1}


def test_the_same_runs_give_the_same_file(runs: Path, page: str, tmp_path: Path) -> None:
    out = tmp_path / "again.html"
    assert write_report([str(runs / "central-01"), str(runs / "multilevel-03")], out, None) < 600_000
    assert out.read_text(encoding="utf-8") == page


def test_an_isp_is_chosen_and_refused_by_one_message(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report([str(runs)], out, "3")
    assert data_of(out.read_text(encoding="utf-8"))["chosen"] == 3
    with pytest.raises(InputError, match="names no ISP"):
        write_report([str(runs)], out, "99999")


def test_a_foreign_file_is_not_replaced(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("<p>mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists, and is no earlier result"):
        write_report([str(runs)], out, None)
    with pytest.raises(InputError, match="lies in a run folder"):
        write_report([str(runs)], runs / "central-01" / "report.html", None)
    with pytest.raises(InputError, match="no HTML file"):
        write_report([str(runs)], tmp_path / "report.pdf", None)


def test_what_does_not_fit_together_is_refused(runs: Path, tmp_path: Path) -> None:
    one = str(runs / "central-01")
    with pytest.raises(InputError, match="given twice"):
        read_runs([one, one])
    other = tmp_path / "other"
    run_scenario(small_scenario(**HALF_HOURLY), None, other, plots=False, checkpoint_s=0)
    with pytest.raises(InputError, match="other ISPs"):
        read_runs([one, str(other)])
    with pytest.raises(InputError, match="does not exist"):
        read_runs([str(tmp_path / "nothing")])


def test_the_command_says_where_the_file_is(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = CliRunner().invoke(app, ["report", str(runs / "central-01"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert re.search(r"report\.html: 0\.\d\d MB", done.output.replace("\n", ""))


def test_numbers_survive_packing() -> None:
    values = np.array([0.0, -1.25, np.nan, 3276.7, 99.96])
    np.testing.assert_allclose(unpacked(packed(values)), values, rtol=1e-6)
    small = packed(values, 0.1)
    assert small["kind"] == "i2"
    np.testing.assert_allclose(unpacked(small), [0.0, -1.2, np.nan, 3276.7, 100.0], atol=1e-9)
    assert packed(np.array([4000.0]), 0.1)["kind"] == "f4"  # 40 000 steps are too many for 16 bits


def test_thinning_keeps_peaks_and_means() -> None:
    values = np.array([1.0, 2.0, np.nan, 4.0, 9.0])
    np.testing.assert_array_equal(thinned(values, 2, "mean"), [1.5, 4.0, 9.0])
    np.testing.assert_array_equal(thinned(values, 2, "max"), [2.0, 4.0, 9.0])
    np.testing.assert_array_equal(thinned(values, 3, "min"), [1.0, 4.0])
    assert np.isnan(thinned(np.array([np.nan, np.nan]), 2, "mean")).all()


def test_a_tree_is_drawn_without_two_nodes_in_one_place() -> None:
    """A feeder 0-1-2-3-4 with laterals 1-5-6 and 2-7: the longest path is straight, as worked out by hand."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (2, 7), (4, 0)]
    x, y, parent = tree_layout(9, edges[:7], 0)
    assert x[:5] == [0, 1, 2, 3, 4]
    assert len({y[k] for k in range(5)}) == 1
    assert (x[5], x[6], x[7]) == (2, 3, 3)
    assert y[5] == y[6] != y[0]
    assert parent[:8] == [-1, 0, 1, 2, 3, 1, 5, 2]
    assert len({*zip(x, y, strict=True)}) == 9  # node 8, without a branch, too
    assert tree_layout(9, edges[:7], 0) == (x, y, parent)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (-4.4e-16, "0"),
        (9032.41, "9\u202f032"),
        (12345678, "12\u202f345\u202f678"),
        (0.00001089, "0.00001089"),
        (-2.5, "\u22122.5"),
        (None, "\u2013"),
        (float("nan"), "\u2013"),
    ],
)
def test_numbers_are_text_for_readers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_markup_escapes_text_and_attributes() -> None:
    assert tag("p", ATTACK, title='"><b>') == (
        '<p title="&quot;&gt;&lt;b&gt;">&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;</p>'
    )
    assert "<" not in json_text({"a": ATTACK})
    assert json.loads(json_text({"a": ATTACK}))["a"] == ATTACK
