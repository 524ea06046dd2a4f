"""Figures of several runs: the same axes for all, bands over seeds, and a panel of differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tandem_sim.experiments.figures.style import (
    colour_of,
    few_ticks,
    new_figure,
    shade_nights,
    thousands,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.plots.runs import Shown
from tandem_sim.experiments.plots.series import RunSeries
from tandem_sim.experiments.results.intervals import mean_and_range
from tandem_sim.experiments.results.run_data import FloatArray, RunData


def shown_values(data: RunData, series: RunSeries) -> FloatArray:
    """What is drawn of one run: by ISP or, on a long horizon, by day; running sums begin with zero."""
    values = np.asarray(series.values(data), dtype=np.float64)
    if series.cumulative:
        return np.append(0.0, np.cumsum(np.nan_to_num(values)))
    if data.is_long:
        return np.asarray(data.daily(values)[series.daily].to_numpy(dtype=np.float64))
    return values


def differences(
    group: Mapping[int, FloatArray], first: Mapping[int, FloatArray]
) -> tuple[list[FloatArray], bool]:
    """Values of a group less those of the first, by seed; `paired`: seed by seed over seeds of both.

    Without a common seed the means of the groups are subtracted.
    """
    common = sorted(group.keys() & first.keys())
    if common:
        return [group[seed] - first[seed] for seed in common], True
    return [mean_and_range(list(group.values()))[0] - mean_and_range(list(first.values()))[0]], False


def several_figure(
    heading: str, groups: Mapping[str, Sequence[Shown]], series: Sequence[RunSeries], title: str
) -> Figure:
    """A row per value: lines with bands over seeds and, of several groups, the difference to the first."""
    data = next(iter(groups.values()))[0].data
    compared = len(groups) > 1
    note = _note(groups, data.is_long)
    figure = new_figure(heading, title, 13 if compared else 11, 1.9 + 1.9 * len(series), note)
    columns = 2 if compared else 1
    axes = figure.subplots(
        len(series), columns, sharex=True, squeeze=False, width_ratios=[1.5, 1.0][:columns]
    )
    for row, each in zip(axes, series, strict=True):
        values = {
            label: {shown.seed: shown_values(shown.data, each) for shown in group}
            for label, group in groups.items()
        }
        _lines(row[0], data, each, {label: list(by_seed.values()) for label, by_seed in values.items()})
        if compared:
            first = next(iter(values))
            parts = {label: differences(v, values[first])[0] for label, v in values.items() if label != first}
            _lines(row[1], data, each, parts, after=1)
            zero_line(row[1])
            row[1].set_title(f"Less {first}")
            row[1].set_ylabel(f"Difference ({each.unit})")
    for ax in axes[-1]:
        time_axis(ax, data, narrow=compared)
    _legend(axes[0, 0], groups)
    return figure


def _note(groups: Mapping[str, Sequence[Shown]], is_long: bool) -> str:
    parts = []
    if any(len(group) > 1 for group in groups.values()):
        seeds = [{shown.seed for shown in group} for group in groups.values()]
        parts.append("Lines: mean over seeds; bands: their range.")
        if len(groups) > 1:
            paired = all(own & seeds[0] for own in seeds)
            parts.append("Differences: seed by seed." if paired else "Differences: of means, no common seed.")
    if is_long:
        parts.append("Daily values; running sums by ISP.")
    return " ".join(parts) + ("\n" if parts else "")


def _lines(
    ax: Axes, data: RunData, series: RunSeries, parts: Mapping[str, Sequence[FloatArray]], after: int = 0
) -> None:
    """A line per group; colours begin `after` so many groups."""
    shade_nights(ax, data)
    edges = data.day_edges if data.is_long else data.edges
    for k, rows in enumerate(parts.values(), start=after):
        colour, dash = colour_of(k)
        mean, low, high = mean_and_range(rows)
        look: Any = {"color": colour, "linestyle": dash, "linewidth": 1.2 if k else 2.6}
        band: Any = {"color": colour, "alpha": 0.22, "linewidth": 0}
        if series.cumulative:
            ax.plot(data.edges, mean, **look)
            ax.fill_between(data.edges, low, high, **band)
            continue
        ax.stairs(mean, edges, baseline=None, **look)
        if len(rows) > 1:
            ax.stairs(high, edges, baseline=low, fill=True, **band)
    ax.use_sticky_edges = False
    few_ticks(ax, 4)
    thousands(ax)
    how = {"mean": "daily mean", "sum": "daily sum", "max": "daily maximum", "min": "daily minimum"}
    daily = f", {how[series.daily]}" if data.is_long and not series.cumulative else ""
    ax.set_title(f"{series.title}{daily}")
    ax.set_ylabel(f"Value ({series.unit})")


def _legend(ax: Axes, groups: Mapping[str, Sequence[Shown]]) -> None:
    """All groups in a row above the title of the first axes."""
    handles = []
    for k, (label, group) in enumerate(groups.items()):
        colour, dash = colour_of(k)
        look: Any = {"color": colour, "linestyle": dash, "linewidth": 2.5}
        name = f"{label} ({len(group)} seeds)" if len(group) > 1 else label
        handles.append(Line2D([], [], label=name, **look))
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.16), ncols=4, fontsize=9)
