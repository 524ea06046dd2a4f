"""Learning curves: mark-up, share sold and profit of sellers with a strategy, period by period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tandem_sim.experiments.figures.style import (
    colour_of,
    few_ticks,
    new_figure,
    say,
    thousands,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.plots.one.bidding import by_seller
from tandem_sim.experiments.plots.runs import Shown
from tandem_sim.experiments.results.intervals import interval
from tandem_sim.experiments.results.run_data import FloatArray, RunData

PANELS = (
    ("markup_eur_per_mwh", "Mark-up: price asked less true cost, mean by MW offered", "Mark-up (EUR/MWh)"),
    ("sold_pct", "Share of the offers that is sold", "Sold (%)"),
    ("profit_eur", "Profit of awards: pay less true cost", "Profit (EUR per {})"),
)
TRUTHFUL = "truthful"
MOST_NAMED = 12
"""Most sellers that the footnote names."""
DAYS, WEEKS = 3, 90
"""With fewer than `DAYS` days a point of a curve is an hour, up to `WEEKS` a day, beyond a week."""


def learners(shown: Sequence[Shown]) -> list[str]:
    """Sellers that any of the runs gives a strategy other than truthful bids, in alphabetical order."""
    found: set[str] = set()
    for each in shown:
        scenario = each.run.scenario
        own = {name: rule.name for rule in scenario.strategies for name in rule.aggregators}
        sellers = each.data.table("sellers", ["isp", "provider"]).provider.astype(str).unique()
        found |= {name for name in sellers if own.get(name, scenario.strategy) != TRUTHFUL}
    return sorted(found)


def periods(data: RunData) -> tuple[pd.Series, FloatArray, str]:
    """The period of each ISP (by number of the ISP), the edges of the periods, and their name.

    Periods are local hours, days, or weeks of seven days from the first. A last week that is not whole is
    left out (-1): its sums would not compare.
    """
    n_days, isps = len(data.first_of_day), pd.Index(data.system.isp)
    if n_days < DAYS:
        period = ((data.edges[:-1] - data.edges[0]) * 24.0 + 1e-6).astype(np.int64)
        name = "hour"
    else:
        period = np.searchsorted(data.first_of_day, np.arange(len(isps)), side="right") - 1
        name = "day"
        if n_days > WEEKS:
            period, name = period // 7, "week"
            if n_days % 7:
                period = np.where(period == period[-1], -1, period)
    whole = period[period >= 0]
    first = np.flatnonzero(np.append(True, whole[1:] != whole[:-1]))
    edges = np.append(data.edges[first], data.edges[len(whole)])
    return pd.Series(period, index=isps), edges, name


def curves(data: RunData, sellers: Sequence[str]) -> pd.DataFrame:
    """The columns of `PANELS` for sellers together, by period: means by MW offered, and sums of profits."""
    found = by_seller(data).reset_index()
    found = found[found.provider.isin(sellers)]
    period, edges, _ = periods(data)
    offered = found.offered_mw.where(found.offered_mw > 0.0)
    parts = {
        "asked": found.markup_eur_per_mwh * offered,
        "sold": found.sold_pct * offered,
        "offered": offered,
        "profit_eur": found.profit_eur,
    }
    sums = pd.DataFrame(parts).groupby(period.reindex(found.isp).to_numpy()).sum()
    sums = sums.reindex(range(len(edges) - 1))
    offered = sums.offered.where(sums.offered > 0.0)
    return pd.DataFrame(
        {
            "markup_eur_per_mwh": sums.asked / offered,
            "sold_pct": sums.sold / offered,
            "profit_eur": sums.profit_eur,
        }
    )


def mean_and_interval(rows: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean and 95 % interval over seeds (Student's t), place by place; NaN where there is none.

    A place counts the seeds with a value; with one of them there is a mean and no interval.
    """
    table = np.vstack(rows)
    found = np.full((3, table.shape[1]), np.nan)
    for k, values in enumerate(table.T):
        known = values[np.isfinite(values)]
        if len(known):
            found[:, k] = interval(known)
    return found[0], found[1], found[2]


def learning_figure(groups: Mapping[str, Sequence[Shown]], title: str) -> Figure:
    """A curve per group, mean over seeds with interval: mark-up (EUR/MWh), share sold (%), profit (EUR).

    All groups show the same sellers: those to which any run gives a strategy other than truthful bids.
    """
    shown = [each for group in groups.values() for each in group]
    sellers, data = learners(shown), shown[0].data
    _, edges, period = periods(data)
    count = f"{len(sellers)} sellers with a strategy" if len(sellers) != 1 else sellers[0]
    figure = new_figure(f"Learning: {count}, by {period}", title, 11, 8.0, _note(groups, sellers, period))
    axes = figure.subplots(len(PANELS), 1, sharex=True)
    found = {
        label: [curves(each.data, sellers) for each in group] for label, group in groups.items() if sellers
    }
    for ax, (column, text, unit) in zip(axes, PANELS, strict=True):
        for k, rows in enumerate(found.values()):
            _curve(ax, edges, [np.asarray(part[column], dtype=np.float64) for part in rows], k)
        if not found:
            say(ax, "All sellers bid at true cost")
        zero_line(ax)
        few_ticks(ax)
        thousands(ax)
        ax.set_title(text)
        ax.set_ylabel(unit.format(period))
    time_axis(axes[-1], data)
    _legend(axes[0], groups)
    return figure


def _curve(ax: Axes, edges: FloatArray, rows: Sequence[FloatArray], k: int) -> None:
    colour, dash = colour_of(k)
    mean, low, high = mean_and_interval(rows)
    look: Any = {"color": colour, "linestyle": dash, "linewidth": 1.4 if k else 2.2}
    if np.isfinite(low).any():
        ax.stairs(high, edges, baseline=low, fill=True, color=colour, alpha=0.2, linewidth=0)
    ax.stairs(mean, edges, baseline=None, **look)


def _legend(ax: Axes, groups: Mapping[str, Sequence[Shown]]) -> None:
    handles = []
    for k, (label, group) in enumerate(groups.items()):
        colour, dash = colour_of(k)
        look: Any = {"color": colour, "linestyle": dash, "linewidth": 2.0}
        seeds = f"{len(group)} seeds" if len(group) > 1 else f"seed {group[0].seed}"
        handles.append(Line2D([], [], label=f"{label} ({seeds})", **look))
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.16), ncols=3)


def _note(groups: Mapping[str, Sequence[Shown]], sellers: Sequence[str], period: str) -> str:
    several = any(len(group) > 1 for group in groups.values())
    lines = (
        "Lines: mean over seeds; bands: its 95 % interval (Student's t over seeds)."
        if several
        else "One seed: no interval."
    )
    more = f" and {len(sellers) - MOST_NAMED} more" if len(sellers) > MOST_NAMED else ""
    named = f" Sellers: {', '.join(sellers[:MOST_NAMED])}{more}." if sellers else ""
    last = " A last week that is not whole is left out." if period == "week" else ""
    return f"{lines} Profits without capacity, imbalance and day-ahead schedules.{last}{named}\n"
