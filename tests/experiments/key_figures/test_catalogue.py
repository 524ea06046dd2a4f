"""The catalogue has the key figures that runs have, and says how they are computed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

from tandem_sim.experiments.cli import app
from tandem_sim.experiments.key_figures.catalogue import catalogue, groups
from tandem_sim.experiments.key_figures.page import PAGE, page
from tandem_sim.experiments.results.terminal_tables import KPI_ROWS
from tandem_sim.experiments.run_folder.described import DESCRIBED
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import InputError
from tests.sim.conftest import HALF_HOURLY, small_scenario


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder and the key figures of a day in which much is sold."""
    out = tmp_path_factory.mktemp("kpis") / "run"
    return out, run_scenario(small_scenario(**HALF_HOURLY), None, out, plots=False, checkpoint_s=0)


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "key figures have changed: python -m tandem_sim.experiments.key_figures.page"
    )


def test_every_key_figure_of_a_run_is_in_the_catalogue_and_no_other(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    assert set(finished[1]) == set(catalogue())
    assert sum(map(len, groups().values())) == len(catalogue())
    assert {key for key, _ in KPI_ROWS} <= set(catalogue())


def test_every_entry_is_whole_and_its_formula_names_tables_and_columns() -> None:
    names = {f"{table}.{column.name}" for table, about in DESCRIBED.items() for column in about.columns}
    names |= {f"{table}.isp" for table in DESCRIBED}
    for figure in catalogue().values():
        assert all(figure)
        assert min(len(figure.meaning), len(figure.formula)) > 7, figure.name  # no cell that lost its text
        assert len(figure.sign) > 3, figure.name
        found = re.findall(r"\b[a-z_]+\.[a-z_]+\b", figure.formula)
        assert set(found) <= names, figure.name


H = 0.5
SQL = {
    "procurement_cost_eur": "SELECT sum(amount_eur) FROM settlement "
    "WHERE kind IN ('activation', 'afrr', 'make-whole')",
    "activated_mwh": f"SELECT sum(quantity_mw) * {H} FROM activations",
    "activated_from_distribution_mwh": f"SELECT sum(quantity_mw) * {H} FROM activations WHERE system <> 'T'",
    "violated_isps": "SELECT count(DISTINCT isp) FROM grid WHERE system <> 'T' "
    "AND (congested_lines > 0 OR voltage_violations > 0 OR NOT converged)",
    "line_violations": "SELECT sum(congested_lines) FROM grid WHERE system <> 'T'",
    "max_overload_pct": "SELECT max(max_overload_pct) FROM grid WHERE system <> 'T'",
    "losses_mwh": f"SELECT sum(losses_mw) * {H} FROM grid WHERE system <> 'T'",
    "dc_flow_error_max_mw": "SELECT max(flow_error_mw) FROM grid WHERE system = 'T'",
    "imbalance_before_mwh": f"SELECT sum(abs(imbalance_before_mw)) * {H} FROM system",
    "imbalance_price_mean_eur_per_mwh": "SELECT avg(imbalance_price_short_eur_per_mwh) FROM system",
    "net_brps_eur": "SELECT sum(CASE WHEN payee LIKE 'BRP-%' THEN amount_eur ELSE 0 END "
    "- CASE WHEN payer LIKE 'BRP-%' THEN amount_eur ELSE 0 END) FROM settlement",
    "delivered_pct": "SELECT 100 * sum(delivered_mwh) / sum(ordered_mwh) FROM system",
    "left_to_tso_mwh": f"SELECT sum(mw) * {H} FROM (SELECT last(allowed_up_mw + allowed_down_mw) AS mw "
    "FROM bid_checks GROUP BY isp, system)",
    "numbers_shared": "SELECT sum(numbers) FROM messages",
    "rejected_bids": "SELECT count(*) FROM rejections WHERE bid_id <> ''",
    "bought_by_dsos_mwh": "SELECT sum(bought_mwh) FROM conflicts",
    "conflict_isps": "SELECT count(DISTINCT isp) FROM conflicts WHERE undone_at_node_mwh > 0",
    "units_sold": "SELECT count(*) FROM units",
    "stacking_units": "SELECT count(*) FROM units WHERE (local_revenue_eur > 0)::int "
    "+ (mfrr_revenue_eur > 0)::int + (afrr_revenue_eur > 0)::int > 1",
}
"""Formulas of the catalogue written in SQL; none of Tandem's code."""


@pytest.mark.parametrize("name", SQL)
def test_a_formula_gives_the_key_figure(name: str, finished: tuple[Path, dict[str, Any]]) -> None:
    folder, kpis = finished
    database = duckdb.connect()
    for path in folder.glob("*.parquet"):
        database.register(path.stem, pd.read_parquet(path))
    (value,) = database.execute(SQL[name]).fetchone() or (None,)
    assert kpis[name] == pytest.approx(0.0 if value is None else value, rel=1e-9)


def test_the_command_lists_explains_and_reads(finished: tuple[Path, dict[str, Any]]) -> None:
    listed = CliRunner().invoke(app, ["kpis"]).output
    assert all(f"  {name} (" in listed for name in catalogue())
    one = CliRunner().invoke(app, ["kpis", "losses_mwh"]).output
    assert one.splitlines()[1:] == [
        "name:    losses_mwh",
        "unit:    MWh",
        "sign:    0 or more",
        "meaning: losses of distribution grids",
        "formula: sum of grid.losses_mw x h of areas",
    ]
    folder, kpis = finished
    shown = CliRunner().invoke(app, ["kpis", str(folder)], env={"COLUMNS": "200"}).output
    row = next(line for line in shown.splitlines() if "activated_mwh" in line)
    assert f"{kpis['activated_mwh']:,.6g}" in row
    assert "MWh" in row
    assert "procurement_cost_by_operator_eur.TSO" in shown
    wrong = CliRunner().invoke(app, ["kpis", "loses_mwh"])
    assert isinstance(wrong.exception, InputError)
    assert "Did you mean losses_mwh" in str(wrong.exception)
