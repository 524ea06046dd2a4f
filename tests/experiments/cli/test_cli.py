"""Bad input ends in one message that names file, field and hint, exit code 2, and nothing written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem_sim.experiments.cli import main
from tandem_sim.experiments.figures.figures import plot_run
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.errors import ClearingError
from tandem_sim.markets.cases.case import read_case
from tandem_sim.sim.scenario.described import entries
from tests.sim.conftest import HOURLY

SMALL = Path(__file__).parents[2] / "sim" / "small.yaml"
CASE = case_path("alexander-a")
Edit = Callable[[dict[str, Any]], None]


def tandem(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit code of the command line."""
    monkeypatch.setattr(sys, "argv", ["tandem", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], code: int, *expected: str) -> None:
    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("tandem: ")
    assert error.count("\n") == 1, error
    for part in expected:
        assert part in error, error


def test_a_market_without_a_solution_ends_a_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ClearingError("tso_market: the market has no solution")

    monkeypatch.setattr("tandem_sim.experiments.runs.run.run", fail)
    code = tandem(monkeypatch, "run", SMALL, "--out", tmp_path / "run")
    refused(capsys, code, "tandem: tso_market: the market has no solution")
    assert not (tmp_path / "run").exists()


def scenario_with(tmp_path: Path, edit: Edit) -> Path:
    data = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    edit(data)
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def _set(*keys: Any, value: Any) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        place: Any = data
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (_set("housholds", value=3), ("housholds", "unknown key")),
        (_set("distribution", 0, "grid", value="gone.json"), ("gone.json", "does not exist")),
        (_set("distribution", 0, "grid", value="case70"), ("case70", "no such grid", "case69")),
        (_set("distribution", 0, "grid", value="case14"), ("case14", "loop", "radial")),
        (_set("distribution", 0, "interface_bus", value=99), ("interface_bus", "bus 99", "does not exist")),
        (_set("distribution", 0, "ratings_mva", value={"line 400": 1}), ("line 400", "no such branch")),
        (
            _set("distribution", 0, "ratings_mva", value={"line 4": -1}),
            ("ratings_mva.line 4", "greater than or equal to 0.001"),
        ),
        (_set("transmission", "units", 0, "c1", value=float("nan")), ("units.0.c1", "finite")),
        (_set("transmission", "units", 0, "bus", value=77), ("units.G1", "bus 77")),
        (_set("start", value="2017-02-29"), ("start", "2017-02-29 is no date")),
        (_set("households", value=-5), ("households", "greater than or equal to 1")),
        (_set("scheme", value="multilevel-99"), ("scheme", "multilevel-99", "multilevel-03")),
        (_set("population", value={"pv_sahre": 0.5}), ("population.pv_sahre: is an unknown key",)),
        (_set("population", value={"pv_share": 1.5}), ("population.pv_share: ", "less than or equal to 1")),
        (_set("population", value={"pv_share": "many"}), ("population.pv_share: ", "valid number", "'many'")),
        (_set("population", value={"pv_share": True}), ("population.pv_share: ", "valid number", "True")),
        (
            _set("population", value={"consumption_kwh": float("inf")}),
            ("population.consumption_kwh: is '.inf'", "not finite"),
        ),
        (_set("population", value={"pv_kwp": [9.0, 3.0]}), ("population.pv_kwp: must be", "low <= high")),
        (_set("population", value={"pv_kwp": [3.0]}), ("population.pv_kwp: must be a range [low, high]",)),
        (_set("population", value={"pv_kwp": 3}), ("population.pv_kwp: must be a range [low, high]", "3")),
        (_set("population", value={"cop": [2, float("nan")]}), ("population.cop.1: is '.nan'", "not finite")),
        (_set("population", value={"shift_weeks": 1.5}), ("population.shift_weeks: ", "integer", "1.5")),
        (_set("population", value={"sustain_isps": 2.0}), ("population.sustain_isps: ", "integer", "2.0")),
        (_set("population", value=[1]), ("population: ", "dictionary")),
        (
            _set("population", value={"pv_kwp": [4000, 10000]}),
            ("population.pv_kwp: ", "within 0.1 to 100 kW"),
        ),
        (_set("population", value={"battery_share": 0.6}), ("population: battery_share", "pv_share")),
        (_set("distribution", 0, "load_scale", value=True), ("distribution.0.load_scale", "valid number")),
        (_set("distribution", 0, "load_scale", value=1e308), ("distribution.0.load_scale", "equal to 100")),
        (_set("product", value={"min_quantity_mw": 1e6}), ("product.min_quantity_mw", "equal to 1000")),
        (_set("product", value={"tick_mw": 1e-300}), ("product.tick_mw", "0 or at least 1e-06")),
        (_set("product", value={"price_cap_eur_per_mwh": 1e9}), ("product.price_cap_eur", "equal to 99999")),
        (_set("messages", value={"loss": 1}), ("messages.loss", "equal to 0.9")),
        (_set("aggregators", value=10_000_000), ("aggregators", "equal to 1000")),
        (_set("aggregation_step_mw", value=1e-9), ("aggregation_step_mw", "equal to 0.01")),
        (
            _set("mitigation", value={"reference_up_eur_per_mwh": float("nan")}),
            ("mitigation.reference_up_eur_per_mwh: is '.nan'", "not finite"),
        ),
        (_set("transmission", "large_loads", 0, "up_price", value=12_000), ("up_price: is 12000", "9999")),
        (_set("transmission", "units", 0, "name", value=""), ("units.0.name", "pattern")),
        (_set("transmission", "units", 0, "name", value="A2"), ("units.0.name", "A2", "is reserved")),
        (
            _set("transmission", "large_loads", 0, "name", value="DSO-D1"),
            ("large_loads.0.name", "is reserved"),
        ),
        (_set("transmission", "large_loads", 0, "name", value="G1"), ("large_loads.0.name", "G1 is used")),
        (_set("distribution", 0, "id", value="T"), ("distribution.0.id", "is reserved")),
        (_set("distribution", 0, "id", value="L3"), ("distribution.0.id", "L3 is used twice")),
        (_set("transmission", "units", 0, "p_min_mw", value=400), ("transmission.units.0: p_min_mw 400",)),
        (_set("transmission", "units", 0, "bus", value=True), ("transmission.units.0.bus", "integer")),
        (_set("product", value={"price_floor_eur_per_mwh": 9999}), ("product: price_floor", "below")),
        (_set("gates", value={"offer": 601}), ("gates.offer", "less than or equal to 600")),
        (_set("messages", value={"latency_s": 901}), ("messages.latency_s", "less than or equal to 900")),
        (_set("messages", value={"latency_s": 900}), ("messages.latency_s", "less than the 900 s of an ISP")),
        (_set("zone", value="localtime"), ("zone", "localtime")),
        (_set("dso", value={"voltage_margin_pu": 0.06}), ("dso.voltage_margin_pu", "0.05")),
        (_set("dso", value={"flow_margin": 1}), ("dso.flow_margin", "0.9")),
        (_set("dso", value={"envelope_check": "dc"}), ("dso.envelope_check", "'none' or 'ac'")),
        (
            lambda s: s.update(grid_prequalification="static", dso={"envelope_check": "ac"}),
            ("dso.envelope_check", "static"),
        ),
        (_set("households", value=True), ("households", "integer")),
        (_set("start", value="9999-12-31"), ("start", "2199")),
        (_set("aggregators_per_bus", value=4), ("aggregators_per_bus: must not exceed aggregators",)),
        (_set("zone", value="Europe/Atlantis"), ("zone", "Europe/Atlantis")),
        (_set("transmission", "load_profile", value=["hv_mars"]), ("load_profile", "hv_mars")),
    ],
)
def test_bad_scenarios(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    edit: Edit,
    expected: tuple[str, ...],
) -> None:
    path, out = scenario_with(tmp_path, edit), tmp_path / "out"
    refused(capsys, tandem(monkeypatch, "run", path, "--out", out), *expected)
    assert not out.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scenario.yaml"]


def test_yaml_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("name: [1, 2\nstart: x", encoding="utf-8")
    refused(capsys, tandem(monkeypatch, "validate", path), str(path), "line 2", "not valid YAML")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"name: caf\xe9\n", ("line 1", "not UTF-8")),
        (b"name: x\nstart: \0\n", ("line 2", "NUL")),
        (b"name: x\nstart: \x01\n", ("not valid YAML", "special characters")),
        (b"start: 2016-13-45\n", ("YAML", "month")),
        (b"[" * 5000, ("YAML",)),
        (b"3: x\n", ("3", "string")),
        (b'"a\\nb": x\n', (r"a\nb",)),
        (b"", ("not a mapping",)),
    ],
)
def test_files_that_are_no_text_or_no_scenario_end_in_one_line(
    data: bytes,
    expected: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(data)
    refused(capsys, tandem(monkeypatch, "validate", path), str(path), *expected)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (_set("transmission", "units", 0, "bus", value=99), ("units.G1.bus", "bus 99")),
        (_set("transmission", "large_loads", 0, "bus", value=98), ("large_loads.L3.bus", "bus 98")),
        (_set("transmission", "load_profile", value=["hv_mars"]), ("scenario.yaml: ", "hv_mars")),
    ],
)
def test_validate_finds_what_a_run_would_and_names_the_file(
    edit: Edit,
    expected: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = scenario_with(tmp_path, edit)
    refused(capsys, tandem(monkeypatch, "validate", path), *expected)
    refused(capsys, tandem(monkeypatch, "run", path, "--out", tmp_path / "out"), *expected)


def test_a_fault_of_a_bundled_scenario_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = "--set", "distribution.D1.interface_bus=99"
    code = tandem(monkeypatch, "run", "reference", *wrong, "--out", tmp_path / "out")
    refused(capsys, code, "tandem: bundled scenario reference: ", "bus 99")


def test_validate_accepts_what_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for good, verdict in ((SMALL, "It can run; 1 line marked ! below."), (CASE, "It can be cleared.")):
        assert tandem(monkeypatch, "validate", good) == 0
        assert verdict in " ".join(capsys.readouterr().out.split())


def test_yaml_that_would_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("name: !!python/object/apply:os.system ['touch pwned']", encoding="utf-8")
    refused(capsys, tandem(monkeypatch, "validate", path), "not valid YAML")


def test_an_output_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    code = tandem(monkeypatch, "run", SMALL, "--out", tmp_path / "file" / "run")
    refused(capsys, code, "--out", "cannot be written", "Choose")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"


def test_a_failing_run_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_with(tmp_path, _set("transmission", "units", 0, "bus", value=99))
    (tmp_path / "c.partial").mkdir()  # a person's own
    for out in (tmp_path / "a" / "b" / "c", tmp_path / "c"):
        refused(capsys, tandem(monkeypatch, "run", path, "--out", out), "bus 99")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.partial", "scenario.yaml"]


@pytest.mark.parametrize("taken", ["central-01/thesis.txt", "comparison.png"])
def test_every_output_is_checked_before_the_first_simulation(
    taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("kept", encoding="utf-8")
    code = tandem(
        monkeypatch, "run", SMALL, "--scheme", "common", "--scheme", "central-01", "--out", tmp_path
    )
    refused(capsys, code, taken.split("/")[0], "exists already")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / taken]


def test_results_are_never_overwritten_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("kept", encoding="utf-8")
    refused(capsys, tandem(monkeypatch, "run", SMALL, "--out", tmp_path), "exists already")
    refused(capsys, tandem(monkeypatch, "run", SMALL, "--out", tmp_path, "--overwrite"), "exists already")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_run_writes_a_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures of every run are asked for, and those of the first are drawn."""
    titles: list[str] = []

    def draw_first(run: Path, zone: str, title: str, *_: Any) -> list[Path]:
        titles.append(title)
        return plot_run(run, zone, title) if len(titles) == 1 else []

    monkeypatch.setattr("tandem_sim.experiments.runs.run.plot_run", draw_first)
    path, out = scenario_with(tmp_path, lambda data: data.update(HOURLY)), tmp_path / "run"
    schemes = "--scheme", "common", "--scheme", "central-01"
    moment = "--export-isp", "2016-04-18T18:00"
    assert tandem(monkeypatch, "run", path, *schemes, *moment, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "procurement cost" in shown
    assert shown.count("Case: ") == 2
    assert titles == ["small, common, seed 7", "small, central-01, seed 7"]
    for scheme in ("common", "central-01"):
        names = {p.name for p in (out / scheme).iterdir()}
        assert names >= {"manifest.json", "kpis.json", "bids.parquet", "settlement.parquet"}
        manifest = json.loads((out / scheme / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["scheme"] == scheme
        assert (out / scheme / "case" / "case.json").is_file()
    case = read_case(out / "central-01" / "case")
    assert (case.name, case.options.scheme) == ("small, seed 7, ISP 18", "central-01")
    assert len(list((out / "common" / "figures").glob("*.png"))) == 6
    assert (out / "comparison.png").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "scenario.yaml"]
    before = (out / "common" / "kpis.json").read_bytes()
    again = tandem(monkeypatch, "run", path, "--scheme", "common", "--out", out / "common", "--overwrite")
    assert again == 0
    assert (out / "common" / "kpis.json").read_bytes() == before


@pytest.mark.parametrize("command", ["schemes", "scenarios"])
def test_lists(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert tandem(monkeypatch, command) == 0
    assert ("multilevel-04" if command == "schemes" else "reference") in capsys.readouterr().out


def test_validate_shows_every_field_and_tells_what_is_unusual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_with(tmp_path, _set("population", "pv_kwp", value=[3, 40]))
    assert tandem(monkeypatch, "validate", path) == 0
    told = capsys.readouterr()
    assert "unusual: population.pv_kwp [3, 40]: usually 1 to 20 kW\n" in told.err
    fields = told.out[told.out.index("Fields (* as given") :]
    assert max(map(len, fields.splitlines())) <= 110
    words = " ".join(fields.split())
    for expected in (
        "days* 1 d;",
        "isp_minutes 15 min;",
        "aggregators* 3;",
        "pv_kwp* [3, 40] kW;",
        "start* 2016-04-18;",
        "transmission.units.1: name* G2; bus* 1; p_min_mw 0 MW; p_max_mw* 140 MW;",
        "preset none;",
        "load_profile* ['hv_urban']",
        "publishes_books false;",
    ):
        assert expected in words, expected
    for entry in entries(read_scenario(str(path))[0]):
        assert f" {entry.path.rpartition('.')[2]}" in words, entry.path


def test_run_tells_what_is_unusual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the world is built; here it cannot be, for there is no such bus."""
    path = scenario_with(tmp_path, _set("transmission", "units", 0, "bus", value=99))
    assert tandem(monkeypatch, "run", path, "--set", "messages.loss=0.5", "--out", tmp_path / "out") == 2
    assert "unusual: messages.loss 0.5: usually 0 to 0.1\n" in capsys.readouterr().err
