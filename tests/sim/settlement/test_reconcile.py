"""Tables of one run that contradict each other are found, by ISP and by what they say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tandem_sim.experiments.results.kpis import kpis_of
from tandem_sim.experiments.run_folder.conflicts import write_conflicts
from tandem_sim.grids.errors import AuditError
from tandem_sim.markets.schemes import build_schemes
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.tables import schema
from tandem_sim.sim.run import run
from tandem_sim.sim.settlement.reconcile import reconcile, reconcile_figures
from tests.sim.conftest import HOURLY, small_scenario

Runs = Callable[..., Path]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def _tampered(run: Path, folder: Path, table: str, change: Change) -> Path:
    """A copy of the tables of a run with one of them changed."""
    for name in ("clearings", "activations", "sellers", "settlement", "system", "reserve_volumes"):
        shutil.copy(run / f"{name}.parquet", folder)
    rows = change(pd.read_parquet(run / f"{table}.parquet"))
    made = pa.Table.from_pandas(rows, schema=schema(table), preserve_index=False)
    pq.write_table(made, folder / f"{table}.parquet")
    return folder


def _more(column: str, by: float, **where: Any) -> Change:
    """Adds to a column in the first row of ISP 5 in which other columns are as given."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        mine = rows.isp == 5
        for name, value in where.items():
            mine &= rows[name] == value
        rows.loc[rows.index[mine][0], column] += by
        return rows

    return change


def _without(**where: Any) -> Change:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        mine = rows.isp == 5
        for name, value in where.items():
            mine &= rows[name] == value
        assert mine.any()
        left: pd.DataFrame = rows[rows.index != rows.index[mine][0]]
        return left

    return change


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("clearings", _more("need_mw", 0.01, system="T"), "tso_market, T: need - short"),
        ("clearings", _more("short_mw", 0.01, system="T"), "tso_market, T: need - short"),
        ("clearings", _more("exchange_mw", 0.01, system="D1"), "dso_market, D1: need - short"),
        ("clearings", _without(system="T"), "tso_market, .*: need - short"),
        ("activations", _more("quantity_mw", 0.01), "net award"),
        ("activations", _more("direction", -2, direction=1), "net award"),
        ("activations", _without(market="tso_market"), "net award"),
        ("sellers", _more("sold_mw", 0.01), "sold_mw of sellers is .*, award"),
        ("sellers", _more("received_eur_per_h", 0.01), "received .* of sellers is .*, pay for awards"),
        ("settlement", _more("amount_eur", 1e-4, kind="activation"), "pay for awards"),
        ("settlement", _more("quantity_mwh", 1e-4, kind="activation"), "activated .MWh. of settlement"),
        ("settlement", _without(kind="activation"), "pay for awards"),
        ("system", _more("activated_up_mw", 0.01), "activated_up_mw of system is"),
        ("system", _more("activated_down_mw", 0.01), "activated_down_mw of system is"),
        ("system", _more("unserved_mw", 0.01), r"unserved_mw of system is 0\.01, unserved of clearings is 0"),
    ],
)
def test_every_contradiction_is_found(
    small_run: Runs, tmp_path: Path, table: str, change: Change, message: str
) -> None:
    made = small_run(scheme="multilevel-01", **HOURLY)
    reconcile(_tampered(made, tmp_path, table, lambda rows: rows), 1.0)  # as they are they agree
    with pytest.raises(AuditError, match=f"ISP 5.*{message}"):
        reconcile(_tampered(made, tmp_path, table, change), 1.0)


def _other_seller(rows: pd.DataFrame) -> pd.DataFrame:
    mine = rows.index[rows.provider == "A01"]
    rows.loc[mine[0], "provider"] = "A02"
    return rows


def test_an_award_of_another_seller_is_found(small_run: Runs, tmp_path: Path) -> None:
    # Every sum over sellers is right, and two of them have each other's megawatts.
    made = small_run(scheme="multilevel-01", **HOURLY)
    rows = pd.read_parquet(made / "activations.parquet")
    isp = int(rows.isp[rows.provider == "A01"].iloc[0])
    with pytest.raises(AuditError, match=rf"ISP {isp}, A0[12], D1.*: sold_mw of sellers"):
        reconcile(_tampered(made, tmp_path, "activations", _other_seller), 1.0)


@pytest.mark.parametrize(
    ("scheme", "table", "change", "message"),
    [
        ("integrated", "settlement", _more("quantity_mwh", 0.01, kind="purchase"), "companies' exchange"),
        ("multilevel-02-post", "clearings", _more("short_mw", 0.01, market="post_qualify"), "tso_market, T"),
        (
            "shared-balancing",
            "clearings",
            _more("long_mw", 0.01, market="dso_balancing"),
            "dso_balancing, D1",
        ),
        ("aggregation", "clearings", _more("need_mw", 0.01, market="translate_bids"), "translate_bids, D1"),
        ("aggregation", "clearings", _more("exchange_mw", 0.01, system="T"), "tso_market, T"),
    ],
)
def test_every_market_has_its_own_account(
    small_run: Runs, tmp_path: Path, scheme: str, table: str, change: Change, message: str
) -> None:
    made = small_run(scheme=scheme, **HOURLY)
    with pytest.raises(AuditError, match=f"ISP 5.*{message}"):
        reconcile(_tampered(made, tmp_path, table, change), 1.0)


@pytest.mark.parametrize(
    "figure",
    ["procurement_cost_eur", "procurement_cost_by_operator_eur", "activated_mwh", "unserved_mwh"],
)
def test_key_figures_are_sums_of_tables(small_run: Runs, figure: str) -> None:
    made = small_run(scheme="multilevel-01", **HOURLY)
    write_conflicts(made, build_schemes()["multilevel-01"], 1.0)
    figures = kpis_of(made)
    reconcile_figures(made, 1.0, figures)
    wrong = {"TSO": 1.0} if figure == "procurement_cost_by_operator_eur" else figures[figure] + 0.1
    with pytest.raises(AuditError, match=f"key figure {figure} is"):
        reconcile_figures(made, 1.0, {**figures, figure: wrong})


@pytest.mark.parametrize(
    ("table", "column", "message"),
    [
        ("clearings", "need_mw", "need - short"),
        ("activations", "quantity_mw", "net award"),
        ("sellers", "sold_mw", "sold_mw of sellers"),
        ("settlement", "amount_eur", "pay for awards"),
        ("system", "unserved_mw", "unserved_mw of system"),
    ],
)
def test_a_run_stops_where_a_table_was_written_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, column: str, message: str
) -> None:
    honest = Recorder.__call__

    def careless(self: Recorder, name: str, row: dict[str, Any]) -> None:
        if name == table:
            value = row[column]
            row = {**row, column: value + 0.1 if isinstance(value, float) else [v + 0.1 for v in value]}
        honest(self, name, row)

    monkeypatch.setattr(Recorder, "__call__", careless)
    with pytest.raises(AuditError, match=f"ISP 0.*{message}"):
        run(small_scenario(households=40, **HOURLY), None, tmp_path)
