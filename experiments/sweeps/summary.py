"""Summary of a sweep: means over seeds, and differences at the same seeds, with Student's t intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.results.intervals import FEWEST, LEVEL, spread
from tandem_sim.experiments.run_folder.manifest import NO_KPIS
from tandem_sim.experiments.run_folder.outputs import is_table_of
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE

STATISTICS = "summary.parquet"
HEADLINES = ("procurement_cost_eur", "violated_isps", "unserved_mwh", "net_households_eur")
"""KPIs shown on the terminal; the table of the summary has all."""


def summarised(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """A row per KPI and combination of scheme and `fields`, over the seeds of the runs that did not fail.

    | column | meaning |
    |---|---|
    | ``kpi``, ``scheme``, the fields | what is summarised |
    | ``n`` | seeds with a value |
    | ``mean``, ``low``, ``high`` | mean over them, in the unit of the KPI, and its 95 % Student-t interval |
    | ``pairs`` | seeds at which the first combination has a value too |
    | ``difference``, ``difference_low``, ``difference_high`` | the same of the differences to that one |

    Differences are taken seed by seed, because runs with the same seed share their random numbers. NaN stands
    for intervals of fewer than two seeds, and for differences of the first combination to itself.
    """
    keys = ["scheme", *fields]
    numbers = table.drop(columns=[*fields, *(name for name in NO_KPIS if name in table)]).select_dtypes(
        "number"
    )
    combinations = [runs for _, runs in table.groupby(keys, sort=False, dropna=False)]
    rows: list[dict[str, Any]] = []
    for kpi in map(str, numbers):
        first = None
        for runs in combinations:
            values = runs[runs.error == ""].set_index("seed")[kpi].dropna()
            apart = values.iloc[:0] if first is None else (values - first).dropna()
            first = values if first is None else first
            named = {"kpi": kpi, **{key: runs[key].iloc[0] for key in keys}}
            rows.append({**named, **spread(values.to_numpy(np.float64), apart.to_numpy(np.float64))})
    return pd.DataFrame(rows)


def is_statistics(path: Path) -> bool:
    """Whether a file is the summary of a sweep."""
    return is_table_of(path, {"kpi", "scheme", "n", "mean"})


def summary_table(summary: pd.DataFrame, fields: Sequence[str]) -> Table:
    """Headline KPIs for the terminal."""
    keys = ["scheme", *fields]
    alone = summary[summary.kpi.isin(HEADLINES)].n < FEWEST
    note = " One seed gives no interval." if bool(alone.any()) else ""
    caption = (
        f"[ ] {100 * LEVEL:g} % (Student t) over seeds; difference to the first row of a KPI, seed by seed."
        f"{note}"
    )
    table = Table(caption=escape(caption), box=SIMPLE_HEAD)
    table.add_column("kpi", no_wrap=True)
    for name in keys:
        table.add_column(escape(name), overflow="fold")
    for name in ("seeds", "mean", "difference"):
        table.add_column(name, justify="right")
    for kpi in HEADLINES:
        for row in summary[summary.kpi == kpi].to_dict("records"):
            what = [escape(str(row[key])) for key in keys]
            mean = _cell(row["mean"], row["low"], row["high"])
            difference = _cell(row["difference"], row["difference_low"], row["difference_high"])
            table.add_row(kpi, *what, str(row["n"]), escape(mean), escape(difference))
        table.add_section()
    return table


def _cell(mean: float, low: float, high: float) -> str:
    if np.isnan(mean):
        return "-"
    return _number(mean) if np.isnan(low) else f"{_number(mean)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    if abs(value) < NEGLIGIBLE_FIGURE:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
