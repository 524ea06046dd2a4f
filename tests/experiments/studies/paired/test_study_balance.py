"""The studies of the integrated market and of gate closure: their accounts worked by hand, their plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.market_power.measure import PowerRun
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.studies.paired import gate_closure, integrated
from tandem_sim.experiments.studies.paired.accounts import (
    balance,
    closing,
    companies,
    drawn,
    extra_cost,
    payments,
    prices,
    relief,
    true_cost,
)
from tandem_sim.experiments.studies.paired.runs import (
    EXTRA_COST,
    Column,
    Planned,
    Wanted,
    made,
    paired,
    planned,
    rows_of,
    table,
)
from tandem_sim.experiments.sweeps.workers import Ended
from tests.experiments.cli.test_cli import SMALL

QUARTER = 0.25
T3_95 = 4.302653
"""Two-sided 95 % quantile of Student's t with two degrees of freedom, from printed tables."""


def frame(columns: str, *rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


def test_what_is_bought_is_useful_or_unneeded_and_the_rest_is_missing() -> None:
    """Four ISPs: 4 MW missing; 3 too many, 2 of them undone; 2 the wrong way, undone; exactly right."""
    system = frame(
        "isp imbalance_before_mw imbalance_after_mw",
        (5, -10.0, -1.0),
        (6, -10.0, 1.0),
        (7, 4.0, 1.0),
        (8, 8.0, 0.0),
    )
    activations = frame(
        "isp market direction quantity_mw",
        (5, "tso_market", 1, 6.0),
        (5, "afrr", 1, 3.0),
        (6, "tso_market", 1, 15.0),
        (6, "dso_market", -1, 2.0),
        (6, "afrr", -1, 2.0),
        (7, "tso_market", 1, 2.0),
        (7, "afrr", -1, 5.0),
        (8, "tso_market", -1, 9.0),
        (8, "tso_market", 1, 1.0),
    )
    found = balance(system, activations, QUARTER)
    assert found["imbalance_before_mwh"] == pytest.approx(32.0 / 4)
    assert found["bought_mwh"] == pytest.approx((6 + 13 + 2 + 8) / 4)
    assert found["unneeded_mwh"] == pytest.approx((0 + 3 + 2 + 0) / 4)
    assert found["wrong_mwh"] == pytest.approx(2 / 4)
    assert found["countered_mwh"] == pytest.approx((0 + 2 + 2 + 0) / 4)
    assert found["missing_mwh"] == pytest.approx((4 + 0 + 4 + 0) / 4)
    assert found["left_mwh"] == pytest.approx((4 + 3 + 6 + 0) / 4)
    assert found["left_mwh"] == pytest.approx(found["missing_mwh"] + found["unneeded_mwh"])
    assert (found["unneeded_pct"], found["wrong_pct"], found["countered_pct"]) == pytest.approx(
        (100 * 5 / 29, 100 * 2 / 29, 100 * 4 / 29)
    )
    assert (found["reserve_up_mwh"], found["reserve_down_mwh"]) == pytest.approx((3 / 4, 7 / 4))
    assert found["imbalance_after_mwh"] == pytest.approx(3 / 4)
    still = balance(system, activations[activations.market == "afrr"], QUARTER)
    assert np.isnan(still["unneeded_pct"])
    assert still["left_mwh"] == still["missing_mwh"] == pytest.approx(32.0 / 4)


BOOK = frame(
    "isp system bid_id direction demand quantity_mw price_eur_per_mwh",
    *(
        row
        for isp in range(3)
        for row in (
            (isp, "T", "G1.up.0", 1, False, 5.0, 50.0), (isp, "T", "G2.up.0", 1, False, 5.0, 60.0),
            (isp, "T", "G1.down.0", -1, False, 4.0, 10.0), (isp, "T", "G2.down.0", -1, False, 4.0, 5.0),
            (isp, "T", "BRP-T-0", 1, True, 9.0, -20.0), (isp, "D1", "A01.up", 1, False, 9.0, 1.0),
        )
    ),
)  # fmt: skip


def test_what_is_left_open_is_closed_by_the_cheapest_bids_left_on_transmission() -> None:
    """Worked by hand: see the comments; demand of companies and bids of areas close nothing."""
    called = frame(
        "isp system bid_id quantity_mw",
        (0, "T", "G1.up.0", 2.0),
        (0, "T", "G1.up.0", 1.0),
        (0, "D1", "A01.up", 9.0),
    )
    found = closing(pd.Series([-4.0, 6.0, -12.0]), BOOK, called)
    assert found.eur.tolist() == pytest.approx(
        [
            2 * 50 + 2 * 60,  # 3 of the 5 MW at 50 are called
            -4 * 10 - 2 * 5,  # bids down pay
            5 * 50 + 5 * 60 + 2 * 60,  # 2 MW more than there is, at the last price
        ]
    )
    assert found.mwh.tolist() == [4.0, 6.0, 12.0]
    assert found.beyond_mwh.tolist() == pytest.approx([0.0, 0.0, 2.0])
    assert closing(pd.Series([0.0]), BOOK, called).eur.tolist() == [0.0]
    with pytest.raises(ValueError, match="ISP 7"):
        closing(pd.Series([1.0], index=[7]), BOOK, called)


def run_of(**tables: pd.DataFrame) -> PowerRun:
    areas = [{"id": "D1"}]
    manifest = {"scheme": "common", "seed": 1, "scenario": {"isp_minutes": 15, "distribution": areas}}
    return PowerRun(manifest=manifest, kpis={}, **tables)


def test_true_costs_are_those_of_whoever_generates_and_delivers() -> None:
    """Schedules 1000 EUR/h, units called for 80 EUR/h, households cost 7 EUR, closing 3 EUR."""
    run = run_of(
        sellers=frame("system cost_eur_per_h", ("T", 80.0), ("D1", 999.0)),
        activations=frame("system direction quantity_mw", ("T", 1, 6.0), ("T", -1, 2.0), ("D1", 1, 50.0)),
        settlement=frame("kind amount_eur", ("household cost", 7.0), ("activation", 500.0)),
        schedules=frame("p_mw cost_eur_per_h", (30.0, 600.0), (10.0, 400.0)),
    )
    found = true_cost(run, 3.0)
    assert found == {
        "scheduled_eur": 250.0,
        "called_eur": 20.0,
        "households_eur": 7.0,
        "true_cost_eur": 280.0,
    }
    # generated for a quarter: 40 MW scheduled, 4 called net, 2 to close a shortage; 1 MWh of sun is lost
    system = frame("imbalance_after_mw curtailed_mwh day_ahead_price_eur_per_mwh", (-2.0, 1.0, 30.0))
    assert drawn(run, system, QUARTER) == {"drawn_mwh": 46 / 4 - 1.0, "day_ahead_eur_per_mwh": 30.0}


def test_energy_left_in_stores_is_no_waste() -> None:
    """Dearer by 100 EUR, of which 2 MWh at 30 EUR/MWh stand in batteries."""
    columns = "true_cost_eur drawn_mwh day_ahead_eur_per_mwh"
    one, other = frame(columns, (1100.0, 12.0, 99.0)), frame(columns, (1000.0, 10.0, 30.0))
    assert extra_cost(one, other).tolist() == pytest.approx([40.0])


PAID = frame(
    "isp payer payee kind quantity_mwh amount_eur",
    (0, "TSO", "G1", "activation", 2.0, 110.0),
    (0, "DSO-D1", "A01", "activation", 0.5, 20.0),
    (0, "A01", "households", "household cost", 0.0, 15.0),
    (0, "TSO", "BRP-T", "purchase", -2.0, -160.0),  # it was short and buys 2 MWh at 80
    (1, "TSO", "BRP-D1", "purchase", 1.0, -20.0),  # it was long and pays 20 to be rid of 1 MWh
    (0, "TSO", "BRP-T", "imbalance", -0.5, -30.0),  # still short: 60 EUR/MWh
    (1, "TSO", "BRP-D1", "imbalance", 0.25, 2.0),
    (0, "TSO", "A01", "imbalance", -0.1, -5.0),
)


def test_who_pays_in_the_end() -> None:
    assert payments(PAID, ["D1"]) == {
        "tso_eur": 110.0 - 160.0 - 20.0 - 30.0 + 2.0 - 5.0,
        "dsos_eur": 20.0,
        "brps_eur": 160.0 + 20.0 + 30.0 - 2.0,
    }


def test_what_it_costs_companies_to_be_off_their_schedules() -> None:
    """At 28 EUR/MWh in ISP 0 and 30 in ISP 1.

    2.5 MWh short cost 190 EUR instead of 70; 1.25 MWh too much brought -18 EUR instead of 37.50.
    """
    orders = frame(
        "isp demand quantity_mw", (0, True, 10.0), (1, True, 6.0), (0, False, 50.0)
    )  # 4 MWh wanted, 3 bought
    system = frame("isp day_ahead_price_eur_per_mwh", (0, 28.0), (1, 30.0))
    found = companies(PAID, orders, system, QUARTER)
    assert found["wanted_mwh"] == 4.0
    assert found["purchased_mwh"] == 3.0
    assert found["purchased_pct"] == 75.0
    assert found["purchases_eur"] == 180.0
    assert found["settled_mwh"] == 0.75
    assert found["settled_eur"] == 28.0
    assert found["above_day_ahead_eur"] == pytest.approx((190.0 - 70.0) + (18.0 + 37.5))


def test_prices_are_weighted_by_what_sellers_are_called_for() -> None:
    """Net awards need - short + long - exchange: 2 - 0 + 0 + 4 = 6 up at 50, 2 up at 58, 3 down at 4."""
    clearings = frame(
        "system need_mw short_mw long_mw exchange_mw price_eur_per_mwh",
        ("T", 2.0, 0.0, 0.0, -4.0, 50.0),
        ("T", 3.0, 1.0, 0.0, 0.0, 58.0),
        ("T", -4.0, 0.0, 1.0, 0.0, 4.0),
        ("D1", 0.0, 0.0, 0.0, 0.0, 900.0),
    )
    found = prices(clearings)
    assert found["price_up_eur_per_mwh"] == pytest.approx((6 * 50 + 2 * 58) / 8)
    assert found["price_down_eur_per_mwh"] == pytest.approx(4.0)
    assert found["tso_need_mw"] == pytest.approx(3.0)
    assert np.isnan(prices(clearings.iloc[:2])["price_down_eur_per_mwh"])


def test_relief_of_limits_that_would_have_held_is_unneeded() -> None:
    """ISP 0: 4 MW against a limit that breaks, 1: 2 MW against one that holds, 2: none, and it breaks."""
    grid = frame(
        "isp system base_congested_lines base_voltage_violations base_converged congested_lines "
        "voltage_violations converged",
        (0, "D1", 1, 0, True, 0, 0, True),
        (1, "D1", 0, 0, True, 0, 0, True),
        (2, "D1", 0, 1, True, 0, 1, True),
        (2, "D2", 0, 0, True, 0, 0, True),
        (0, "T", None, None, False, 5, 0, True),
    )
    activations = frame(
        "isp system purpose quantity_mw",
        (0, "D1", "congestion", 3.0),
        (0, "D1", "voltage", 1.0),
        (1, "D1", "congestion", 2.0),
        (2, "D1", "balancing", 7.0),
        (2, "T", "congestion", 9.0),
    )
    found = relief(activations, grid, QUARTER)
    assert found["relief_mwh"] == pytest.approx(1.5)
    assert found["relief_unneeded_mwh"] == pytest.approx(0.5)
    assert found["relief_unneeded_pct"] == pytest.approx(100 / 3)
    assert found["relief_missed"] == 1.0


def rows_by_seed(values: Sequence[float], others: Sequence[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"scheme": scheme, "run": f"{scheme}{seed}", "reference": f"a{seed}", "x": value}
            for scheme, drawn in (("b", values), ("a", others))
            for seed, value in enumerate(drawn, start=1)
        ]
    )


def test_differences_are_taken_seed_by_seed() -> None:
    """Differences 10, 20, 60: mean 30, standard error sqrt(700 / 3), as in the test of intervals."""
    spread = paired(rows_by_seed([110.0, 320.0, 260.0], [100.0, 300.0, 200.0]), ["scheme"], ["x"])
    found = spread.set_index("scheme").loc["b"]
    assert found["mean"] == pytest.approx(230.0)
    assert found.difference == pytest.approx(30.0)
    assert found.difference_high - 30.0 == pytest.approx(T3_95 * (700.0 / 3.0) ** 0.5, rel=1e-6)
    assert (found.n, found.pairs) == (3, 3)
    own = spread.set_index("scheme").loc["a"]
    assert (own.difference, own.difference_low, own.difference_high) == (0.0, 0.0, 0.0)


def test_a_seed_without_a_value_is_left_out_and_counted() -> None:
    spread = paired(rows_by_seed([1.0, np.nan, 3.0], [np.nan, 1.0, 1.0]), ["scheme"], ["x"])
    found = spread.set_index("scheme").loc["b"]
    assert (found.n, found["mean"]) == (2, 2.0)
    assert (found.pairs, found.difference) == (1, 2.0)
    assert np.isnan(found.difference_low)


def test_a_table_holds_means_and_intervals() -> None:
    spread = paired(rows_by_seed([110.0, 320.0, 260.0], [100.0, 300.0, 200.0]), ["scheme"], ["x"])
    columns = [Column("level", "x", decimals=1), Column("more", "x", True)]
    text = table(spread, ["scheme"], {("b",): spread.scheme == "b"}, columns)
    assert text.splitlines() == [
        "| scheme | seeds | level | more |",
        "| --- | ---: | ---: | ---: |",
        "| b | 3 | 230.0 [-38.7; 498.7] | 30 [-36; 96] |",  # 230 +- 4.3027 * sqrt(11700 / 3) = 268.7
    ]


def test_a_run_is_set_against_one_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem_sim.experiments.studies.paired.runs.SCENARIO", str(SMALL))
    fields = {"days": 1, "seed": 3}
    plan = planned(
        [
            Wanted({"scheme": "hybrid"}, fields | {"scheme": "hybrid"}, fields | {"scheme": "common"}),
            Wanted({"scheme": "common"}, fields | {"scheme": "common"}, fields | {"scheme": "common"}),
        ]
    )
    assert plan[0].reference == plan[1].reference == plan[1].point.name
    assert plan[0].point.scenario.seed == 3
    with pytest.raises(KeyError):
        planned([Wanted({}, fields, fields | {"scheme": "common"})])


def test_gates_are_scaled_together() -> None:
    """T-65 becomes T-16.25 and T-260; no gate lies further ahead than bids may go out."""
    assert gate_closure.gates(0.25)["gates.offer"] == pytest.approx(16.25)
    for factor in gate_closure.FACTORS:
        scenario, _ = read_scenario("reference", gate_closure.LeadSetting("hybrid", factor, 0.03).fields)
        minutes = scenario.gates.minutes()
        assert minutes["tso_clear"] == pytest.approx(12.5 * factor)
        assert max(minutes.values()) == pytest.approx(70.0 * factor)
        assert max(minutes.values()) <= 600.0


def test_what_gates_add_to_the_regret() -> None:
    """Of 100 EUR with the shortest lead times and 130 with others 30 are due to the gates, seed by seed."""
    rows = frame(
        f"scheme mape seed factor {EXTRA_COST}",
        ("common", 0.03, 1, 4.0, 130.0),
        ("common", 0.03, 1, 0.25, 100.0),
        ("common", 0.03, 2, 0.25, 500.0),
        ("common", 0.03, 2, 4.0, 490.0),
        ("hybrid", 0.03, 1, 0.25, 7.0),
    )
    assert gate_closure.by_gates(rows).tolist() == [30.0, 0.0, 0.0, -10.0, 0.0]


def synthetic(plan: Sequence[Planned]) -> pd.DataFrame:
    """Rows of a plan with figures that are noise: what tables and figures are drawn from."""
    rng = np.random.default_rng(1)
    names = sorted({*integrated.MEASURES, *gate_closure.MEASURES, "drawn_mwh", "day_ahead_eur_per_mwh"})
    names = [name for name in names if name not in (EXTRA_COST, gate_closure.BY_GATES)]
    return rows_of(
        plan, {one.point.name: dict(zip(names, rng.random(len(names)), strict=True)) for one in plan}
    )


@pytest.mark.parametrize(
    ("study", "counts", "lines"),
    [(integrated, {"seeds": 1, "more": 2}, 40), (gate_closure, {"seeds": 1}, 80)],
)
def test_a_study_writes_its_tables_and_its_figure(
    study: Any, counts: dict[str, int], lines: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plans: list[Sequence[Planned]] = []

    def made(plan: Sequence[Planned], runs: Path, workers: int | None) -> pd.DataFrame:
        plans.append(plan)
        return synthetic(plan)

    monkeypatch.setattr(study, "made", made)
    study.main(tmp_path, tmp_path / "runs", 1, **counts)
    (plan,) = plans
    names = [one.point.name for one in plan]
    assert len(set(names)) == len(names)
    name = study.__name__.rsplit(".", 1)[1]
    rows, summary = (pd.read_csv(tmp_path / f"{name}{part}.csv") for part in ("", "_summary"))
    assert len(rows) == len(plan)
    assert set(summary.measure) == set(study.MEASURES)
    assert len(summary) == len(list(study.settings())) * len(study.MEASURES)
    text = (tmp_path / f"{name}_tables.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) > lines
    assert "nan" not in text
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def _here(
    work: Callable[[Any], Any], tasks: Sequence[Any], workers: int, environment: Mapping[str, str]
) -> Iterator[Ended[Any, Any]]:
    """All tasks in this process: it has imported everything and holds the grids."""
    for task in tasks:
        yield Ended(task, work(task))


def test_figures_of_a_run_agree_with_its_other_tables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What sellers keep and what is left to the reserve, found a second way; and nothing is run twice."""
    monkeypatch.setattr("tandem_sim.experiments.sweeps.local.in_processes", _here)
    monkeypatch.setattr("tandem_sim.experiments.studies.paired.runs.SCENARIO", str(SMALL))
    fields = {"isp_minutes": 60, "pricing": "pay-as-cleared"}
    one, other = (fields | {"scheme": scheme} for scheme in ("integrated", "common"))
    plan = planned([Wanted({"scheme": "integrated"}, one, other), Wanted({"scheme": "common"}, other, other)])
    rows = made(plan, tmp_path, 1)
    assert rows.scheme.tolist() == ["integrated", "common"]
    assert rows[EXTRA_COST].tolist()[1] == 0.0
    found, run = rows.iloc[0], tmp_path / rows.run[0]
    sellers, settlement = (pd.read_parquet(run / f"{name}.parquet") for name in ("sellers", "settlement"))
    pools = sellers.provider.unique()
    net = settlement[settlement.payee.isin(pools)].amount_eur.sum()
    net -= settlement[settlement.payer.isin(pools)].amount_eur.sum()
    called = sellers[sellers.system == "T"].cost_eur_per_h.sum()
    assert found.sellers_eur == pytest.approx(net - called, abs=1e-6)
    assert found.sellers_eur > 0.0
    assert found.purchased_pct > 50.0
    assert rows.wanted_mwh[1] == 0.0
    parts = ("scheduled_eur", "called_eur", "households_eur", "closing_eur")
    assert found.true_cost_eur == pytest.approx(sum(found[part] for part in parts))
    assert found.closing_mwh == pytest.approx(found.imbalance_after_mwh)
    assert found.left_mwh == pytest.approx(found.missing_mwh + found.unneeded_mwh)
    surplus = pd.read_parquet(run / "reserve.parquet").surplus_mw  # as its controller sees it
    assert found.left_mwh == pytest.approx(float(surplus.abs().sum()), rel=0.01)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.parquet")}
    assert made(plan, tmp_path, 1).equals(rows)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.parquet")}
