"""Summaries of a sweep against numbers worked by hand."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from tandem_sim.experiments.sweeps.runs import write_table
from tandem_sim.experiments.sweeps.summary import summarised, summary_table

T1 = 12.706205
"""95 % quantile of Student's t, two-sided, with one degree of freedom."""


def _runs() -> pd.DataFrame:
    """Two schemes at seeds 1 to 3; one run of the second failed, a third scheme failed altogether."""
    return pd.DataFrame(
        {
            "run_id": list("abcdefg"),
            "scheme": ["x", "x", "x", "y", "y", "y", "z"],
            "seed": [1, 2, 3, 3, 1, 2, 1],
            "who": [None, None, None, "all", "all", "all", "all"],
            "error": ["", "", "", "", "", "killed", "killed"],
            "seconds": [1.0] * 7,
            "attempts": [1] * 7,
            "procurement_cost_eur": [10.0, 20.0, 60.0, 61.0, 15.0, np.nan, np.nan],
        }
    )


def test_differences_are_taken_at_the_same_seeds() -> None:
    found = summarised(_runs(), ["who"])
    assert found.kpi.tolist() == ["procurement_cost_eur"] * 3
    assert found.scheme.tolist() == ["x", "y", "z"]
    assert found.who.tolist() == [None, "all", "all"]
    assert found.n.tolist() == [3, 2, 0]
    assert found.pairs.tolist() == [0, 2, 0]
    x, y, z = found.to_dict("records")
    assert (x["mean"], y["mean"]) == (30.0, 38.0)
    assert isnan(x["difference"])
    assert isnan(z["mean"])
    # 61 - 60 = 1 and 15 - 10 = 5: mean 3, standard deviation sqrt(8), standard error 2
    assert y["difference"] == 3.0
    assert y["difference_high"] == pytest.approx(3.0 + 2.0 * T1, rel=1e-6)
    assert y["difference_low"] == pytest.approx(3.0 - 2.0 * T1, rel=1e-6)


def test_where_the_first_combination_failed_there_is_no_difference() -> None:
    runs = _runs().iloc[::-1].reset_index(drop=True)
    found = summarised(runs, ["who"])
    assert found.scheme.tolist() == ["z", "y", "x"]
    assert found.difference.isna().all()


def test_the_table_says_what_it_lacks() -> None:
    console = Console(width=120, record=True)
    console.print(summary_table(summarised(_runs(), ["who"]), ["who"]))
    shown = console.export_text()
    assert "30 [-35.7, 95.7]" in " ".join(shown.split())
    assert "3 [-22.4, 28.4]" in " ".join(shown.split())
    assert "One seed gives no interval" in " ".join(shown.split())


def test_tables_open_with_duckdb(tmp_path: Path) -> None:
    write_table(_runs(), tmp_path / "sweep.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.parquet"]
    query = (
        f"SELECT scheme, avg(procurement_cost_eur) FROM '{tmp_path}/sweep.parquet' GROUP BY ALL ORDER BY ALL"
    )
    assert duckdb.connect().execute(query).fetchall() == [("x", 30.0), ("y", 38.0), ("z", None)]
