"""A year of learning under each scheme: ``python -m tandem_sim.experiments.studies.bidding.learning``.

The ten household aggregators of `reference` learn mark-ups (Q-learning) for a year with ISPs of an hour,
under six schemes, compared with truthful bids in the same year. Runs that are in `--runs` already are not
repeated. Writes ``learning.csv``, ``learning_weeks.csv`` and ``learning.png``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from rich.console import Console

from tandem_sim.experiments.commands.sweep import check_workers, run_shown
from tandem_sim.experiments.figures.style import (
    CYCLE,
    DASHES,
    FOOTNOTE,
    RED,
    house_style,
    minus,
    new_figure,
    save,
    thousands,
)
from tandem_sim.experiments.market_power.measure import power_by_isp
from tandem_sim.experiments.market_power.trials import PowerTrial, plan, summary

SCENARIO = "reference"
SCHEME_NAMES = ("common", "multilevel-01", "multilevel-03", "central-01", "hybrid", "fragmented")
POOLS = [f"A{k + 1:02d}" for k in range(10)]
FIELDS: dict[str, Any] = {
    "start": "2016-01-01",
    "days": 366,
    "isp_minutes": 60,  # a quarter of the ISPs of a year
    "population.sustain_isps": 2,  # as many hours as in the reference
    "forecast.persistence": 0.885,  # 0.97 to the fourth nearly: errors last as long
    "power_flow_check.audit_share": 0.0005,
    "solver": "highspy",
    "strategies": [{"aggregators": POOLS, "name": "q-learning", "options": {"rate": 0.03}}],
}
WEEK_H = 168


def weeks(trials: Sequence[PowerTrial], runs: Path) -> pd.DataFrame:
    """A row per scheme and week: profit of the pools, what they sold, and the mean mark-up they asked."""
    parts = []
    for trial in trials:
        rows = power_by_isp(runs / trial.bid.name, runs / trial.truth.name)
        rows = rows[rows.provider.isin(POOLS)]
        rows = rows.assign(week=rows.isp // WEEK_H)
        asked = rows.markup_offered_eur_per_mwh.groupby([rows.scheme, rows.week]).mean()
        sums = rows.groupby(["scheme", "week"])[["profit_eur", "sold_mwh"]].sum()
        parts.append(sums.assign(markup_offered_eur_per_mwh=asked).reset_index())
    return pd.concat(parts, ignore_index=True)


def by_scheme(found: Mapping[str, Any]) -> pd.DataFrame:
    """A row per scheme: profits of the aggregators, who pays, inefficiency, broken limits."""
    rows = []
    for name, entry in found["schemes"].items():
        (one,) = entry["seeds"].values()
        bid, truth, more = one["as_bid"], one["truthful"], one["difference"]
        pools = [bid["sellers"][pool] for pool in POOLS]
        rows.append(
            {
                "scheme": name,
                "profit_pools_eur": sum(p["profit_eur"] for p in pools),
                "sold_pools_mwh": sum(p["sold_mwh"] for p in pools),
                "sold_pools_truthful_mwh": sum(truth["sellers"][pool]["sold_mwh"] for pool in POOLS),
                "profit_others_eur": sum(
                    s["profit_eur"] for seller, s in bid["sellers"].items() if seller not in POOLS
                ),
                **{f"extra_{k.lower()}_eur": v for k, v in more["procurement_eur"].items()},
                "procurement_truthful_eur": sum(truth["procurement_eur"].values()),
                "extra_consumers_eur": more["consumer_cost"]["total_eur"],
                "wasted_by_strategy_eur": one["inefficiency"]["by_strategy_eur"],
                "wasted_by_scheme_eur": one["inefficiency"]["by_scheme_eur"],
                "markup_change_eur_per_mwh": float(
                    np.mean([one["convergence"][p]["markup_change_last_quarters_eur_per_mwh"] for p in POOLS])
                ),
                **{f"{k}_truthful": v for k, v in truth["safety"].items()},
                **bid["safety"],
            }
        )
    return pd.DataFrame(rows)


def _lines(ax: Axes, rows: pd.DataFrame, column: str, title: str, unit: str) -> None:
    for k, name in enumerate(SCHEME_NAMES):
        part = rows[(rows.scheme == name)].iloc[:-1]  # the last week is not whole
        ax.plot(part.week + 1, part[column], DASHES[k % len(DASHES)], color=CYCLE[k], label=name)
    ax.set_xlabel("Week of 2016 (1 to 52)")
    ax.set_ylabel(unit)
    ax.set_title(title)
    ax.set_ylim(bottom=0.0)
    thousands(ax)


def _payers(ax: Axes, table: pd.DataFrame) -> None:
    """Extra cost by payer as bars, and the profit of the aggregators as a mark, for every scheme."""
    at = np.arange(len(table))
    payers = [name for name in map(str, table) if name.startswith(("extra_tso", "extra_dso"))]
    for k, column in enumerate(payers):
        extra = table[column].to_numpy(dtype=np.float64) / 1000.0
        label = column.removeprefix("extra_").removesuffix("_eur").upper()
        ax.barh(at + 0.25 * (k - (len(payers) - 1) / 2.0), extra, 0.23, color=CYCLE[-1 - k], label=label)
    profit = table.profit_pools_eur / 1000.0
    ax.plot(profit, at, "D", color=RED, markersize=6, label="Profit of aggregators", zorder=4)
    ax.set_yticks(at, table.scheme.tolist())
    ax.invert_yaxis()
    ax.margins(x=0.06)
    ax.axvline(0.0, color="black", linewidth=0.8)
    ax.set_xlabel("Above truthful bids, in the year (1 000 EUR)")
    ax.set_title("Extra cost by payer, and profit")
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:,.0f}")))


def figure(table: pd.DataFrame, rows: pd.DataFrame, folder: Path) -> Path:
    """Mark-ups and profits by week (logarithmic above 100 EUR), and who pays, by scheme."""
    with house_style():
        title = "A year of learning by ten aggregators"
        drawn = new_figure(title, "reference, ISPs of an hour, seed 1", 13.5, 4.8, "", FOOTNOTE)
        left, middle, right = drawn.subplots(1, 3, width_ratios=[1.0, 1.0, 1.1])
        _lines(left, rows, "markup_offered_eur_per_mwh", "Mean mark-up asked", "Mark-up (EUR/MWh)")
        _lines(
            middle, rows, "profit_eur", "Profit of the aggregators", "Profit (EUR per week), log above 100"
        )
        middle.set_yscale("symlog", linthresh=100.0, linscale=0.4)
        thousands(middle)
        _payers(right, table)
        for ax, columns in ((left, 3), (right, 2)):
            handles, labels = ax.get_legend_handles_labels()
            below = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.16), "ncols": columns}
            ax.legend(handles, labels, **below)
        return save(drawn, folder / "learning.png")


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path("runs/studies/learning"),
    runs: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/studies/learning/runs"),
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one a core]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the year.")] = 1,
) -> None:
    """Run what is missing and write tables and figure."""
    check_workers(workers)
    out.mkdir(parents=True, exist_ok=True)
    trials = plan(SCENARIO, SCHEME_NAMES, [seed], FIELDS, "common")
    points = list({point.name: point for trial in trials for point in trial.runs}.values())
    _, failed = run_shown(points, runs, workers, Console())
    if failed:
        raise SystemExit("; ".join(f"{point.fields}: {error}" for point, error in failed))
    found = summary(trials, runs, SCENARIO, "common")
    table, rows = by_scheme(found), weeks(trials, runs)
    table.to_csv(out / "learning.csv", index=False, float_format="%.4f", lineterminator="\n")
    rows.to_csv(out / "learning_weeks.csv", index=False, float_format="%.4f", lineterminator="\n")
    figure(table, rows, out)
    print(table.set_index("scheme").T.round(1).to_string())


if __name__ == "__main__":
    typer.run(main)
