"""The rebuilt study: cases are as stated, results repeat, theorems hold, committed tables are current."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.studies.alexander.cases import (
    D_UP_EUR_PER_MWH,
    DOWN_EUR_PER_MWH,
    KINDS,
    NEW_UP_EUR_PER_MWH,
    SHARED,
    T_UP_EUR_PER_MWH,
    TIGHT,
    Recipe,
    generate,
)
from tandem_sim.experiments.studies.alexander.study import CAUSES_FILE, RESULTS, TABLES, main
from tandem_sim.experiments.studies.alexander.tables import inefficiency_table, usable
from tandem_sim.experiments.studies.alexander.trials import MAIN, STRESSED, run_setting, scheme_of
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

DOCS = Path(__file__).resolve().parents[4] / "docs" / "studies"
SEEDS = (0, 1)
SCHEMES = (
    "multilevel-01",
    "multilevel-03",
    "multilevel-04",
    "multilevel-05",
    "aggregation",
    "aggregation/exact",
    "common",
)
SAFE_BY_DESIGN = ("multilevel-03", "multilevel-04", "aggregation", "aggregation/exact", "common")
"""As published; multilevel-03 and 04 where the local markets can clear the base state (the shared recipe)."""


@cache
def _results() -> pd.DataFrame:
    return run_setting(replace(MAIN, schemes=SCHEMES), SEEDS)[0]


@cache
def _case(kind: str, seed: int = 0) -> Case:
    return generate(kind, seed)


def _costs(scheme: str) -> FloatArray:
    table = _results()
    costs: FloatArray = table[table.scheme == scheme].cost_eur_per_h.to_numpy(dtype=np.float64)
    return costs


def _prices(book: Bids, direction: int) -> FloatArray:
    return np.asarray(book.price[book.direction == direction])


def _within(prices: FloatArray, ends: tuple[float, float]) -> bool:
    return bool((prices >= ends[0]).all() and (prices <= ends[1]).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_prices_of_a_kind_stand_in_the_order_of_the_publication(kind: str, seed: int) -> None:
    case = _case(kind, seed)
    t_up = _prices(case.tso_bids, UP)
    assert _within(t_up, T_UP_EUR_PER_MWH[kind])
    books = [case.tso_bids, *(area.bids for area in case.areas.values())]
    assert all(_within(_prices(book, DOWN), DOWN_EUR_PER_MWH) for book in books)
    for area in case.areas.values():
        up = _prices(area.bids, UP)
        new = up > D_UP_EUR_PER_MWH[1]
        assert new.any() == (kind == "C")
        assert _within(up[~new], D_UP_EUR_PER_MWH)
        assert _within(up[new], NEW_UP_EUR_PER_MWH)
        if kind in ("A", "D"):
            assert t_up.max() <= up.min()
        else:
            assert up[~new].max() < t_up.min()
            assert not new.any() or up[new].min() >= t_up.max()


def test_kinds_of_one_seed_share_grids_and_bids() -> None:
    cases = {kind: _case(kind) for kind in KINDS}
    for name, area in cases["A"].areas.items():
        for kind, other in cases.items():
            assert np.array_equal(other.areas[name].network.p_mw, area.network.p_mw)
            assert np.array_equal(other.areas[name].rows.limit_mw, area.rows.limit_mw)
            known = set(area.bids.bid_id) <= set(other.areas[name].bids.bid_id)
            assert known
            assert (len(other.areas[name].bids) > len(area.bids)) == (kind == "C")
    need = {
        kind: sum(c.transmission.interface_mw.values()) - c.transmission.p_mw.sum()
        for kind, c in cases.items()
    }
    assert need == pytest.approx({"A": 8.0, "B": 8.0, "C": 8.0, "D": -8.0})


@pytest.mark.parametrize("recipe", [SHARED, TIGHT], ids=["shared", "tight"])
@pytest.mark.parametrize("seed", SEEDS)
def test_base_state_is_overloaded_as_the_recipe_says(recipe: Recipe, seed: int) -> None:
    for area in generate("A", seed, recipe).areas.values():
        found = area.rows.violations()
        assert found.lines == recipe.overloaded_lines
        assert found.max_overload_pct == pytest.approx(100.0 / recipe.rating_share - 100.0)
        assert found.buses == 0


def test_same_seed_gives_the_same_bytes() -> None:
    setting = replace(MAIN, kinds=("C",), schemes=("multilevel-03", "multilevel-05", "common"))
    first, again = (run_setting(setting, [1])[0].to_csv(index=False) for _ in range(2))
    assert first == again
    known = _results()
    alone = known[(known.kind == "C") & (known.seed == 1) & known.scheme.isin(setting.schemes)]
    assert sorted(alone.to_csv(index=False).splitlines()) == sorted(first.splitlines())


def test_safe_schemes_keep_every_limit() -> None:
    table = usable(_results())
    assert len(table) == len(SEEDS) * len(KINDS) * len(SCHEMES), "no case that nobody can solve"
    assert table[table.scheme.isin(SAFE_BY_DESIGN)].safe.all()
    blind = table[(table.scheme == "multilevel-01") & table.kind.isin(["B", "C"])]
    assert not blind.safe.all()


def test_exact_aggregation_costs_what_the_common_market_costs() -> None:
    assert _costs("aggregation/exact") == pytest.approx(_costs("common"), rel=1e-6)


def test_no_safe_scheme_is_cheaper_than_the_common_market() -> None:
    for scheme in SAFE_BY_DESIGN:
        assert (_costs(scheme) >= _costs("common") - 1e-5).all(), scheme


def test_the_tso_first_changes_nothing_where_it_buys_no_feeder_bid() -> None:
    table = _results()
    of_a = table[table.kind == "A"]
    one, five = (of_a[of_a.scheme == f"multilevel-0{k}"].cost_eur_per_h.to_numpy() for k in (1, 5))
    assert one == pytest.approx(five, abs=1e-5)


def test_a_free_first_layer_clears_grids_that_a_fixed_one_cannot() -> None:
    free = replace(STRESSED, kinds=("A",), schemes=("multilevel-01", "multilevel-05", "common"))
    fixed = replace(MAIN, recipe=TIGHT, kinds=("A",), schemes=("multilevel-01",))
    unsafe = usable(run_setting(fixed, SEEDS)[0])
    table = usable(run_setting(free, SEEDS)[0])
    assert len(table)
    assert table[table.scheme == "multilevel-01"].safe.all()
    assert not unsafe.safe.any()
    assert not table[table.scheme == "multilevel-05"].safe.any()


def test_unknown_kinds_and_schemes_are_refused() -> None:
    with pytest.raises(ValueError, match="known are A, B, C, D"):
        generate("E", 0)
    with pytest.raises(KeyError):
        scheme_of("multilevel-99")


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "file"
    taken.write_text("", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["alexander", "--out", str(taken)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith(f"alexander: {taken}: --out")
    assert message.count("\n") == 1


def test_committed_results_are_current() -> None:
    columns = ["kind", "seed", "scheme", "cost_eur_per_h", "congested_lines"]
    committed = pd.read_csv(DOCS / RESULTS)[columns]
    found = _results()[columns].merge(committed, on=["kind", "seed", "scheme"], suffixes=("", "_committed"))
    assert len(found) == len(_results())
    assert found.cost_eur_per_h.to_numpy() == pytest.approx(
        found.cost_eur_per_h_committed.to_numpy(), rel=1e-4
    )
    assert (found.congested_lines == found.congested_lines_committed).all()


def test_committed_tables_are_those_of_the_results() -> None:
    tables = (DOCS / TABLES).read_text(encoding="utf-8")
    assert inefficiency_table(usable(pd.read_csv(DOCS / RESULTS))) in tables
    causes = pd.read_csv(DOCS / CAUSES_FILE)
    assert inefficiency_table(usable(causes[causes.study == STRESSED.study])) in tables
    page = (DOCS / "alexander.md").read_text(encoding="utf-8")
    quoted = [line for line in page.splitlines() if line.startswith("|") and ", safe " in line]
    assert quoted
    assert set(quoted) <= set(tables.splitlines())


def test_a_voltage_band_of_a_recipe_is_the_one_that_markets_keep() -> None:
    recipe = replace(SHARED, root_vm_pu=1.04, vm_max_pu=1.042)
    for area in generate("B", 1, recipe).areas.values():
        assert area.rows.w_max_pu2 == pytest.approx(1.042**2)
