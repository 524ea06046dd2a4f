"""The figure of ``tandem power``: profits of strategic bidding, who pays, inefficiency, broken limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    GREY,
    ORANGE,
    RED,
    colour_of,
    draw_cumulative,
    house_style,
    legend_above,
    minus,
    new_figure,
    pale,
    save,
    say,
    thousands,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.results.run_data import RunData
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE

Entry = Mapping[str, Any]
Bar = tuple[str, str, Any]
"""Part and path of a figure, and its colour."""

PAYERS = "consumer_cost.by_party_eur."
LEGEND_IN = 0.3
"""Distance of a legend below its axis, inches."""


def draw_power(found: Mapping[str, Any], rows: pd.DataFrame, data: RunData, path: Path) -> Path:
    """Draw the results of `tandem power` (see `power.json`, `power.parquet`) into a PNG.

    `rows` are those of `power_by_isp` of all schemes and seeds, `data` is one of the runs: its time.
    """
    with house_style():
        return save(power_figure(found, rows, data), path)


def power_figure(found: Mapping[str, Any], rows: pd.DataFrame, data: RunData) -> Figure:
    """Profits, who pays, inefficiency (EUR) and limits broken (ISPs) by scheme; mark-up and profit over time.

    Parameters are those of `draw_power`.
    """
    entries: Mapping[str, Entry] = found["schemes"]
    payers = _payers(entries)
    seeds = ", ".join(dict.fromkeys(seed for entry in entries.values() for seed in entry["seeds"]))
    bars_in = 1.5 + len(entries) * (0.35 + 0.15 * max(len(payers), 3))
    figure = new_figure(
        "Strategic and truthful bids",
        f"{found['scenario']}, seed{'s' if ',' in seeds else ''} {seeds}",
        13.5,
        3.6 + bars_in,
        footnote=_footnote(found),
    )
    parts: Any = figure.subfigures(2, 1, height_ratios=[bars_in, 2.4])
    upper, lower = parts
    _over_time(lower, rows[rows.provider.isin(found["strategic"])], list(entries), data)
    axes = upper.subplots(1, 4, sharey=True, width_ratios=[3, 3.4, 2.4, 1.8])
    total = "total.earned_eur"
    _bars(axes[0], entries, [("truthful", total, pale(BLUE)), ("as_bid", total, BLUE)])
    _legend(axes[0], "Earnings with day-ahead (EUR)", [("truthful", pale(BLUE)), ("as bid", BLUE)])
    looks = [(name, colour_of(k)[0]) for k, name in enumerate(payers)]
    _bars(axes[1], entries, [("difference", PAYERS + name, colour) for name, colour in looks])
    _marks(axes[1], entries, "consumer_cost.total_eur")
    _legend(axes[1], "Extra cost of consumers, by payer (EUR)", looks, "total")
    if not payers:
        say(axes[1], "No payer's cost changes")
    _bars(
        axes[2],
        entries,
        [("inefficiency", "by_strategy_eur", RED), ("inefficiency", "by_scheme_eur", ORANGE)],
    )
    _legend(axes[2], "Inefficiency (EUR)", [("by strategy", RED), ("by scheme", ORANGE)])
    limit = "safety.violated_isps"
    _bars(axes[3], entries, [("truthful", limit, pale(GREY)), ("as_bid", limit, GREY)])
    _legend(axes[3], "Broken limits (ISPs)", [("truthful", pale(GREY)), ("as bid", GREY)])
    axes[3].set_xlim(0.0, max(axes[3].get_xlim()[1], 1.0))  # a range also if no limit is broken
    for ax, parts, keys, text in (
        (axes[0], ("truthful", "as_bid"), (total,), "Nothing was earned"),
        (axes[2], ("inefficiency",), ("by_strategy_eur", "by_scheme_eur"), "No extra cost"),
        (axes[3], ("truthful", "as_bid"), (limit,), "No limit is broken"),
    ):
        if not any(_mean(entry, part, key) for entry in entries.values() for part in parts for key in keys):
            say(ax, text)
    axes[3].xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes[0].set_yticks(range(len(entries)), list(entries))
    axes[0].set_ylim(len(entries) - 0.45, -0.55)
    return figure


def _mean(entry: Entry, part: str, path: str) -> float:
    """Mean of a figure, zero where there is none or only a rounding error."""
    value = entry[part].get(path)
    mean = 0.0 if value is None else float(value["mean"])
    return mean if abs(mean) > NEGLIGIBLE_FIGURE else 0.0


def over_time(rows: pd.DataFrame) -> pd.DataFrame:
    """By scheme and ISP, means over seeds: mark-up offered of the mean seller, extra profit of all (EUR)."""
    by_seed = rows.groupby(["scheme", "seed", "isp"])
    sums = {
        "markup_eur_per_mwh": by_seed.markup_offered_eur_per_mwh.mean(),
        "extra_profit_eur": by_seed.profit_above_truthful_eur.sum(),
    }
    return pd.DataFrame(sums).groupby(level=["scheme", "isp"]).mean()


def _over_time(part: Any, rows: pd.DataFrame, schemes: Sequence[str], data: RunData) -> None:
    """Lines over the time of the run, one for each scheme."""
    left, right = part.subplots(1, 2)
    found = over_time(rows)
    for k, scheme in enumerate(schemes):
        colour, dash = colour_of(k)
        own = found.loc[scheme].reindex(data.system.isp)
        look: Any = {"color": colour, "linestyle": dash, "linewidth": 1.2 if k else 3.0}
        markup = own.markup_eur_per_mwh.to_numpy(dtype=np.float64)
        shown = data.daily(markup)["mean"].to_numpy() if data.is_long else markup
        edges = data.day_edges if data.is_long else data.edges
        left.stairs(shown, edges, baseline=None, label=scheme, **look)
        draw_cumulative(right, data, own.extra_profit_eur.fillna(0.0).to_numpy(dtype=np.float64), **look)
    daily = ", daily mean" if data.is_long else ""
    for ax, title, unit in (
        (left, f"Mark-up asked, mean of strategic sellers{daily}", "Mark-up (EUR/MWh)"),
        (right, "Extra profit of strategic sellers, cumulative", "As bid less truthful (EUR)"),
    ):
        ax.set_title(title)
        ax.set_ylabel(unit)
        zero_line(ax)
        thousands(ax)
        time_axis(ax, data, narrow=True)
    if len(schemes) > 1:
        legend_above(left)


def _footnote(found: Mapping[str, Any]) -> str:
    interval = found["interval"]
    lines = (
        interval["note"] or f"Lines: {100 * interval['level']:g} % (Student t) over seeds, differences paired"
    )
    return (
        f"{lines}. Strategic sellers: {', '.join(found['strategic'])}. Extra: as bid less truthful. Cost of "
        "consumers: payments of operators and BRPs to others, less their receipts.\nInefficiency: extra true "
        "cost of MW sold and of schedules; by strategy: as bid less truthful; by scheme: truthful less that "
        f"under {found['reference']}. A negative value is no gain if more limits are broken or more need is "
        "unserved."
    )


def _payers(entries: Mapping[str, Entry]) -> list[str]:
    """Operators and BRPs whose cost changes in any scheme."""
    found: dict[str, float] = {}
    for entry in entries.values():
        for path, value in entry["difference"].items():
            if path.startswith(PAYERS):
                name = path.removeprefix(PAYERS)
                found[name] = max(found.get(name, 0.0), abs(value["mean"]))
    return [name for name, most in found.items() if most > 0.005]


def _bars(ax: Axes, entries: Mapping[str, Entry], bars: Sequence[Bar]) -> None:
    height = 0.8 / max(len(bars), 1)
    for k, entry in enumerate(entries.values()):
        for j, (part, path, colour) in enumerate(bars):
            value = entry[part].get(path)
            if value is None:
                continue
            at = k - 0.4 + (j + 0.5) * height
            ax.barh(at, value["mean"], height=0.85 * height, color=colour)
            _interval(ax, at, value)
    ax.axvline(0.0, color=DARK, linewidth=0.7)


def _marks(ax: Axes, entries: Mapping[str, Entry], path: str) -> None:
    """A diamond above the bars of each scheme for their sum."""
    for k, entry in enumerate(entries.values()):
        value = entry["difference"][path]
        ax.plot(value["mean"], k - 0.46, "D", color=DARK, markersize=4.5, clip_on=False, zorder=4)
        _interval(ax, k - 0.46, value)


def _interval(ax: Axes, at: float, value: Mapping[str, Any]) -> None:
    if value["low"] is not None:
        ax.plot([value["low"], value["high"]], [at, at], color=DARK, linewidth=1.0, zorder=3)


def _legend(ax: Axes, title: str, looks: Sequence[tuple[str, Any]], mark: str = "") -> None:
    handles: list[Any] = [Patch(color=colour, label=name) for name, colour in looks]
    if mark:
        handles.append(Line2D([], [], marker="D", linestyle="", color=DARK, markersize=4.5, label=mark))
    below = ax.transAxes + ScaledTranslation(0.0, -LEGEND_IN, ax.figure.dpi_scale_trans)
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        bbox_transform=below,
        ncols=2,
        fontsize=7.5,
    )
    ax.set_title(title)
    ax.margins(x=0.05)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:,.10g}")))
