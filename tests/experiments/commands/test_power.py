"""``tandem power`` on the small scenario: one hourly day per scheme, strategic and truthful."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tandem_sim.experiments.commands import sweep as sweep_command
from tandem_sim.experiments.market_power.trials import plan, strategic_sellers
from tandem_sim.experiments.results.statistics import flat
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.runs import Pool
from tandem_sim.grids.errors import InputError
from tests.experiments.cli.test_cli import SMALL, refused, tandem
from tests.experiments.pools import in_this_process

FIELDS = (
    "isp_minutes=60",
    "power_flow_check.audit_share=0.0",
    "seed=1",
    "strategies=[{aggregators: [A01, G1], name: fixed-markup, options: {eur_per_mwh: 7}}]",
)


MARKUP = 7.0


@dataclass(kw_only=True)
class Powered:
    arguments: list[object]
    out: Path
    code: int
    found: dict[str, Any]
    rows: pd.DataFrame


@pytest.fixture(scope="module")
def powered(tmp_path_factory: pytest.TempPathFactory) -> Powered:
    """Two schemes, one of them the reference, so that four runs are enough."""
    out = tmp_path_factory.mktemp("power")
    given = [part for field in FIELDS for part in ("--set", field)]
    schemes = "--scheme", "multilevel-03", "--scheme", "common"
    arguments: list[object] = ["power", SMALL, *schemes, *given, "--workers", 2, "--out", out]
    asked: list[int | None] = []

    def pool(workers: int | None, *given: object) -> Pool:
        asked.append(workers)
        return in_this_process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_command, "_pool", pool)
        code = tandem(patch, *arguments)
    assert asked == [2]
    found = json.loads((out / "power.json").read_text(encoding="utf-8"))
    return Powered(
        arguments=arguments, out=out, code=code, found=found, rows=pd.read_parquet(out / "power.parquet")
    )


def _numbers(powered: Powered, scheme: str, part: str) -> dict[str, float]:
    return flat(powered.found["schemes"][scheme]["seeds"]["1"][part])


def test_every_kind_of_run_is_made_once(powered: Powered) -> None:
    assert powered.code == 0
    made = [path for path in (powered.out / "runs").iterdir() if path.is_dir()]
    assert len(made) == 4  # as bid and truthful, of two schemes
    assert (powered.out / "power.png").read_bytes().startswith(b"\x89PNG")
    assert powered.found["strategic"] == ["A01", "G1"]
    assert powered.found["interval"]["note"] == "fewer than 2 seeds: no intervals"


def test_the_truth_earns_nothing_and_asks_nothing_above_cost(powered: Powered) -> None:
    for scheme in ("multilevel-03", "common"):
        found = _numbers(powered, scheme, "truthful")
        zeros = [v for k, v in found.items() if "markup" in k or "withheld" in k or k.endswith("profit_eur")]
        assert zeros == pytest.approx([0.0] * len(zeros), abs=1e-9)


def test_a_markup_shows_as_markup_and_profit(powered: Powered) -> None:
    for scheme in ("multilevel-03", "common"):
        bid, more = _numbers(powered, scheme, "as_bid"), _numbers(powered, scheme, "difference")
        for name in powered.found["strategic"]:
            assert bid[f"sellers.{name}.markup_offered_eur_per_mwh"] == pytest.approx(MARKUP)
            assert bid[f"sellers.{name}.markup_sold_eur_per_mwh"] == pytest.approx(MARKUP)
            sold = bid[f"sellers.{name}.sold_mwh"]
            assert more[f"sellers.{name}.profit_eur"] == pytest.approx(MARKUP * sold)
        assert bid["sellers.A02.profit_eur"] == pytest.approx(0.0, abs=1e-9)


def test_what_consumers_pay_more_is_profit_and_waste(powered: Powered) -> None:
    """Payments are conserved: consumers bear what sellers earn and what dispatch costs in truth."""
    for scheme, entry in powered.found["schemes"].items():
        more = _numbers(powered, scheme, "difference")
        waste = entry["inefficiency"]["by_strategy_eur"]["mean"]
        assert waste == pytest.approx(more["resource_cost_eur"])
        everything = more["total.profit_eur"] + more["total.other_receipts_eur"] + waste
        assert more["consumer_cost.total_eur"] == pytest.approx(everything)
    assert powered.found["schemes"]["common"]["inefficiency"]["by_scheme_eur"]["mean"] == 0.0
    assert powered.found["schemes"]["multilevel-03"]["inefficiency"]["by_scheme_eur"]["mean"] != 0.0


def test_rows_by_isp_add_up(powered: Powered) -> None:
    sums = powered.rows.groupby(["scheme", "provider"]).profit_eur.sum()
    for scheme in ("multilevel-03", "common"):
        bid = _numbers(powered, scheme, "as_bid")
        for name in ("A01", "A02", "G1"):
            assert sums[scheme, name] == pytest.approx(bid[f"sellers.{name}.profit_eur"], abs=1e-9)


def test_finished_runs_are_not_repeated(
    powered: Powered, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in powered.out.rglob("kpis.json")}
    text = (powered.out / "power.json").read_bytes()
    refused(capsys, tandem(monkeypatch, *powered.arguments), "holds runs already", "--resume")
    assert tandem(monkeypatch, *powered.arguments, "--resume") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "profit of sellers" in shown
    assert "market D1, up: residual supply index" in shown
    assert {p: p.stat().st_mtime_ns for p in powered.out.rglob("kpis.json")} == before
    assert (powered.out / "power.json").read_bytes() == text


def test_bad_requests_name_what_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def refuse(*arguments: object, expected: str) -> None:
        code = tandem(monkeypatch, "power", SMALL, "--out", out, *arguments)
        refused(capsys, code, expected)

    markup = "--set", "strategy=fixed-markup"
    refuse(expected="no seller is strategic")
    refuse("--set", "strategies=[{aggregators: [A01], name: truthful}]", expected="no seller is strategic")
    refuse(*markup, "--scheme", "nope", expected="nope: is not known")
    refuse(*markup, "--reference", "nope", expected="nope: is not known")
    refuse(*markup, "--seed", -1, expected="seed")
    refuse(*markup, "--workers", 0, expected="--workers")
    assert not out.exists()
    out.write_text("a file", encoding="utf-8")
    refuse(*markup, expected="cannot be written")


def test_a_run_that_fails_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no bus 99, which is found when a run starts."""
    monkeypatch.setattr(sweep_command, "_pool", lambda *given: in_this_process)
    wrong = (
        "--set",
        "distribution.D1.interface_bus=99",
        "--set",
        "strategy=fixed-markup",
        "--scheme",
        "common",
    )
    assert tandem(monkeypatch, "power", SMALL, *wrong, "--workers", 1, "--out", tmp_path / "out") == 1
    assert "as the scenario says" in capsys.readouterr().err
    assert not (tmp_path / "out" / "power.json").exists()


def test_runs_differ_in_what_is_bid_and_in_nothing_else() -> None:
    fields = {"strategy": "exp3", "strategies": [{"aggregators": ["A01"], "name": "truthful"}]}
    assert strategic_sellers(read_scenario(str(SMALL), fields)[0]) == ["A02", "A03", "G1", "G2", "L3"]
    trials = plan(str(SMALL), ["hybrid", "common", "hybrid"], [3, 4], fields, "common")
    assert [(t.bid.scenario.scheme, t.bid.scenario.seed) for t in trials] == [
        ("hybrid", 3),
        ("hybrid", 4),
        ("common", 3),
        ("common", 4),
    ]
    for trial in trials:
        honest = trial.truth.scenario
        assert strategic_sellers(honest) == []
        bids = {"strategy": "exp3", "strategies": trial.bid.scenario.strategies}
        assert honest.model_copy(update=bids) == trial.bid.scenario
        assert honest.model_copy(update={"scheme": "common"}) == trial.reference.scenario
    assert trials[2].truth.name == trials[2].reference.name
    with pytest.raises(InputError, match="no seller is strategic"):
        plan("reference", [], [], {}, "common")
