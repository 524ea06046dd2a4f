"""`tandem clear`: what it prints and writes, and bad input that ends in one line with nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandapower as pp
import pytest

from tandem_sim.grids.errors import ClearingError
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import Outcome, clear_case
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.schemes import SCHEMES
from tests.experiments.cli.test_cli import CASE, refused, tandem
from tests.markets.cases.test_edge_markets import HEAD, little_case

ANSWERS = Path(__file__).parents[2] / "markets" / "expected"
PNG = b"\x89PNG\r\n\x1a\n"
Shown = pytest.CaptureFixture[str]


def case_with(tmp_path: Path, bids: Callable[[str], str] = lambda text: text, **spec: Any) -> Path:
    folder = tmp_path / "case"
    shutil.copytree(CASE, folder)
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    (folder / "case.json").write_text(json.dumps({**case, **spec}), encoding="utf-8")
    (folder / "bids.csv").write_text(bids((CASE / "bids.csv").read_text(encoding="utf-8")), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("bids", "expected"),
    [
        (
            lambda t: t.replace("0.00156,50.8839", "-0.00156,50.8839"),
            ("bids.csv", "quantity_mw in line 2", "zero or more"),
        ),
        (lambda t: t.replace("0.00156,50.8839", "0.00156,nan"), ("price_eur_per_mwh in line 2", "nan")),
        (lambda t: t.replace("b0000,D1,6", "b0000,D1,600"), ("bids.csv", "bus 600", "does not exist")),
        (lambda t: t.replace("b0000,D1,6,up", "b0000,D1,6,sideways"), ("direction in line 2", "sideways")),
        (lambda t: t.replace("b0000,D1", "b0000,D9"), ("system in line 2", "D9")),
        (lambda t: t.replace("b0001,", "b0000,"), ("bid_id in line 3", "used twice")),
        (lambda t: t.replace("quantity_mw", "quantity"), ("quantity_mw", "column is missing")),
    ],
)
def test_bad_bids(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bids: Callable[[str], str],
    expected: tuple[str, ...],
) -> None:
    out = tmp_path / "result.json"
    code = tandem(monkeypatch, "clear", case_with(tmp_path, bids), "--scheme", "common", "--out", out)
    refused(capsys, code, *expected)
    assert not out.exists()


def test_bad_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = case_with(tmp_path, distribution=[{"id": "D1", "grid": "D1.json", "interface_bus": 44}])
    refused(capsys, tandem(monkeypatch, "clear", folder), "distribution.0.interface_bus", "bus 44")
    folder = case_with(tmp_path / "b", transmission={"grid": "nowhere.json"})
    refused(capsys, tandem(monkeypatch, "clear", folder), "nowhere.json", "does not exist")
    folder = case_with(tmp_path / "c", bid="bids.csv")
    refused(capsys, tandem(monkeypatch, "clear", folder), "bid", "unknown key")


def test_a_case_whose_grid_names_a_foreign_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = case_with(tmp_path)
    text = (folder / "D1.json").read_text(encoding="utf-8")
    evil = text.replace("pandas.core.frame", "subprocess", 1)
    assert evil != text
    (folder / "D1.json").write_text(evil, encoding="utf-8")
    refused(capsys, tandem(monkeypatch, "clear", folder), "D1.json", "subprocess", "import")


def test_a_case_with_a_disconnected_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = case_with(tmp_path)
    net = pp.from_json(str(folder / "D1.json"))
    net.line.loc[net.line.index[-1], "in_service"] = False
    pp.to_json(net, str(folder / "D1.json"))
    refused(capsys, tandem(monkeypatch, "clear", folder), "D1.json", "no connection to the external grid")


def test_clear_writes_what_the_format_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "result.json"
    assert tandem(monkeypatch, "clear", CASE, "--out", out) == 0
    assert "multilevel-03" in capsys.readouterr().out
    entries = json.loads(out.read_text(encoding="utf-8"))
    assert [e["scheme"] for e in entries] == list(SCHEMES)
    expected = json.loads((ANSWERS / "alexander-a.json").read_text(encoding="utf-8"))
    for entry in (e for e in entries if e["scheme"] in expected):
        assert entry["cost_eur_per_h"] == pytest.approx(expected[entry["scheme"]]["cost_eur_per_h"], rel=1e-4)
        assert set(entry["interface_mw"]) == {"D1", "D2"}
        assert set(entry["ac"]) >= {"congested_lines", "voltage_violations"}
        assert all(c["quantity_mw"] > 0 for c in entry["cleared"])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.5 MW wanted, and least dear are 1 MW at 60 and 1 MW at 70 in D1."""
    return little_case(tmp_path_factory.mktemp("little") / "source", need_mw=1.5)


@pytest.fixture
def little(source: Path, tmp_path: Path) -> Path:
    return shutil.copytree(source, tmp_path / "little")


def say(folder: Path, **spec: Any) -> None:
    """Put keys into ``case.json``; those of an area go into the first."""
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    for key, value in spec.items():
        place = case["distribution"][0] if key in ("scheduled_mw", "ratings_mva", "green") else case
        place[key] = value
    (folder / "case.json").write_text(json.dumps(case), encoding="utf-8")


def cleared(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: object) -> dict[str, dict[str, Any]]:
    """Entries by scheme of the JSON that `tandem clear` writes; numbers that are none are no JSON."""
    out = folder.parent / "result.json"
    assert tandem(monkeypatch, "clear", folder, *arguments, "--out", out) == 0

    def no_number(name: str) -> None:
        raise AssertionError(f"{name} in {out}")

    entries = json.loads(out.read_text(encoding="utf-8"), parse_constant=no_number)
    return {entry["scheme"]: entry for entry in entries}


@pytest.mark.parametrize(
    ("pricing", "paid"), [(None, 95.0), ("pay-as-cleared", 105.0), ("locational", 105.0)]
)
def test_pricing_changes_what_is_paid_and_nothing_else(
    pricing: str | None, paid: float, little: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = () if pricing is None else ("--pricing", pricing)
    for scheme, entry in cleared(monkeypatch, little, *options).items():
        if scheme in ("fragmented", "shared-balancing"):
            continue  # 1.5 MW of one bid at 80
        assert entry["cost_eur_per_h"] == pytest.approx(95.0), scheme
        assert sum(entry["paid_eur_per_h"].values()) == pytest.approx(paid), scheme


def test_tolerance_is_the_band_around_the_scheduled_flow(
    little: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(little, scheduled_mw=1.5, options={"scheme": "shared-balancing", "boundary_tolerance_mw": 0.1})
    for options, mw in (
        ((), 0.4),
        (("--boundary-tolerance-mw", 0.2), 0.3),
        (("--boundary-tolerance-mw", 0), 0.5),
    ):
        (entry,) = cleared(monkeypatch, little, *options).values()
        bought = {c["bid_id"]: c["quantity_mw"] for c in entry["cleared"] if c["market"] == "dso_balancing"}
        assert bought == pytest.approx({"d1": mw})
        assert entry["interface_mw"] == {"D1": pytest.approx(2.0 - mw)}


def test_method_static_goes_by_the_zones_of_the_case(little: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(little, green={"up": [12], "down": [11, 12]})
    entry = cleared(monkeypatch, little, "--grid-prequalification", "static", "--scheme", "central-02")[
        "central-02"
    ]
    assert {c["bid_id"]: c["quantity_mw"] for c in entry["cleared"]} == pytest.approx({"d2": 1.0, "t1": 0.5})
    assert (entry["unqualified_up_pct"], entry["unqualified_down_pct"]) == (50.0, 0.0)


def test_all_schemes_are_printed_whatever_the_case_says(
    little: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    monkeypatch.setenv("COLUMNS", "130")  # wide enough for one table
    say(little, options={"scheme": "hybrid"})
    assert list(cleared(monkeypatch, little)) == ["hybrid"]
    capsys.readouterr()
    assert list(cleared(monkeypatch, little, "--scheme", "all")) == list(SCHEMES)
    shown = capsys.readouterr()
    first = [line.split()[0] for line in shown.out.splitlines() if line.split()]
    assert [word for word in first if word in SCHEMES] == list(SCHEMES)
    assert shown.err == ""
    assert list(cleared(monkeypatch, little, "--scheme", "common")) == ["common"]
    assert "shapley" in capsys.readouterr().out


@pytest.mark.parametrize("scheme", ["all", "multilevel-03"])
def test_figure(scheme: str, little: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = little.parent / "figure.png"
    assert tandem(monkeypatch, "clear", little, "--scheme", scheme, "--figure", path) == 0
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 20_000


@pytest.mark.parametrize(
    "name",
    ["nowhere/f.png", "f.txt", "f.jpg", "f.json", "f.svg", "f.pdf", "f.eps", "f"],
)
def test_figures_that_cannot_be_written(
    name: str, little: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    path = little.parent / name
    code = tandem(monkeypatch, "clear", little, "--scheme", "common", "--figure", path)
    refused(capsys, code, f"{path}: --figure: cannot be written", "Name a PNG file")
    assert [p.name for p in little.parent.iterdir()] == ["little"]


def test_nothing_is_written_if_one_output_cannot_be(
    little: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    good, bad = little.parent / "result.json", little.parent / "nowhere" / "figure.png"
    refused(capsys, tandem(monkeypatch, "clear", little, "--out", good, "--figure", bad), "--figure")
    assert not good.exists()


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("--scheme", "multilevel-99", "Did you mean multilevel-0"),
        ("--scheme", "", "Use all, central-01"),
        ("--grid-prequalification", "exact", "Use envelope, uniform, disqualify, static"),
        ("--aggregation", "fine", "Use discrete, exact"),
        ("--pricing", "Locational", "Did you mean locational? Known: pay-as-bid, pay-as-cleared, locational"),
        ("--offset", "dc", "Use ac, linear"),
        *(
            ("--aggregation-step-mw", value, "Give a positive number of MW")
            for value in ("0", "-1", "nan", "inf")
        ),
        *(
            ("--boundary-tolerance-mw", value, "Give a number of MW, zero or more")
            for value in ("-0.1", "nan", "inf")
        ),
    ],
)
def test_bad_options(
    option: str, value: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    outputs = "--out", tmp_path / "result.json", "--figure", tmp_path / "figure.png"
    refused(capsys, tandem(monkeypatch, "clear", CASE, f"{option}={value}", *outputs), f"{option}: ", hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"options": []}, "options: is not a JSON object"),
        ({"options": {"scheme": "none"}}, "options.scheme: is 'none'"),
        ({"ratings_mva": {"line 9": 1}}, "distribution.0.ratings_mva.line 9: no such branch"),
        ({"forecasts": "gone.json"}, "gone.json"),
    ],
)
def test_bad_values_of_new_keys(
    spec: dict[str, Any], expected: str, little: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    say(little, **spec)
    out = little.parent / "result.json"
    refused(capsys, tandem(monkeypatch, "clear", little, "--out", out), expected)
    assert not out.exists()


@pytest.mark.parametrize(
    "name",
    ["case of 18:00", "[/closed]", "a [b] c", "$\\frac$"],
)
def test_names_are_printed_and_drawn_as_they_are(
    name: str, little: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    say(little, name=name)
    assert (
        tandem(monkeypatch, "clear", little, "--scheme", "common", "--figure", little.parent / "f.png") == 0
    )
    assert name in capsys.readouterr().out


def test_an_overload_without_a_percentage(little: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reactive power alone fills a branch, in rows around an AC state."""
    say(little, ratings_mva={"line 1": 0.05}, options={"offset": "ac"})
    figure = "--figure", little.parent / "figure.png"
    for entry in cleared(monkeypatch, little, *figure).values():
        assert (entry["congested_lines"], entry["ac"]["congested_lines"]) == (1, 1)
    assert (little.parent / "figure.png").read_bytes().startswith(PNG)


def test_a_scheme_without_a_solution_is_named_and_the_others_are_written(
    little: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    def fail(case: Case, scheme: Scheme) -> Outcome:
        if scheme.name == "aggregation":
            raise ClearingError("tso_market: the market has no solution")
        return clear_case(case, scheme)

    monkeypatch.setattr("tandem_sim.experiments.api.clear_case", fail)
    out, figure = little.parent / "result.json", little.parent / "figure.png"
    assert tandem(monkeypatch, "clear", little, "--out", out, "--figure", figure) == 1
    shown = capsys.readouterr()
    assert shown.err == f"tandem: {little}: aggregation: tso_market: the market has no solution\n"
    entries = {e["scheme"]: e for e in json.loads(out.read_text(encoding="utf-8"))}
    assert set(entries) == set(SCHEMES)
    assert set(entries["aggregation"]) == {"scheme", "error"}
    assert figure.exists()
    assert tandem(monkeypatch, "clear", little, "--scheme", "aggregation") == 1


def test_figure_of_a_market_that_costs_nothing(little: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (little / "bids.csv").write_text(HEAD, encoding="utf-8")
    assert tandem(monkeypatch, "clear", little, "--figure", little.parent / "figure.png") == 0
