"""The results of `tandem clear` as a figure: cost, broken limits, unserved need, data shared, by scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    GREY,
    ORANGE,
    RED,
    house_style,
    new_figure,
    pale,
    save,
)
from tandem_sim.experiments.results.terminal_tables import shared_label

NOTE = (
    "Overload and voltage: worst violation on the distribution grids after all markets, in % of the limit, "
    "with the number of broken limits. Bars: linear model, dots: AC power flow.\n"
    "Percentages: inefficiency against common, red where a limit is broken or need is unserved. "
    "Numbers shared: values that one operator receives from another."
)
Entry = Mapping[str, Any]


def plot_clearing(case: str, entries: Sequence[Entry], path: Path) -> None:
    """Draw one line of bars per scheme into a PNG."""
    with house_style():
        size = 13.0, 1.9 + 0.3 * len(entries)
        figure = new_figure("One market instance cleared by scheme", f"case {case}", *size, footnote=NOTE)
        axes = figure.subplots(1, 5, sharey=True, width_ratios=[3, 2, 2, 1.6, 2.4])
        _cost(axes[0], entries)
        _violation(axes[1], entries, "Overload (%)", "max_overload_pct", "congested_lines")
        _violation(
            axes[2], entries, "Voltage violation (%)", "max_voltage_violation_pct", "voltage_violations"
        )
        _bars(axes[3], entries, "Unserved need (MW)", lambda e: e["unserved_imbalance_mw"], ORANGE)
        _shared(axes[4], entries)
        for ax in axes:
            ax.grid(axis="y", visible=False)
            ax.grid(axis="x", visible=True)
        axes[0].set_yticks(range(len(entries)), [e["scheme"] for e in entries])
        axes[0].set_ylim(len(entries) - 0.4, -0.6)
        save(figure, path)


def _bars(
    ax: Axes, entries: Sequence[Entry], title: str, value: Callable[[Entry], float], colour: str
) -> None:
    ax.barh(
        range(len(entries)), [value(e) for e in entries], height=0.62, color=pale(colour), edgecolor=colour
    )
    ax.set_title(title)
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.0), max(high, 1e-3))


def _cost(ax: Axes, entries: Sequence[Entry]) -> None:
    _bars(ax, entries, "Cost (EUR/h), inefficiency (%)", lambda e: e["cost_eur_per_h"], BLUE)
    costs = [e["cost_eur_per_h"] for e in entries]
    span = max([*costs, 0.0]) - min([*costs, 0.0]) or 1.0
    ax.set_xlim(min([*costs, 0.0]) - 0.02 * span, max([*costs, 0.0]) + 0.3 * span)
    for k, e in enumerate(entries):
        if e["inefficiency_pct"] is not None:
            safe = not (e["congested_lines"] or e["voltage_violations"] or e["unserved_imbalance_mw"] > 1e-6)
            ax.text(
                max(costs[k], 0.0) + 0.02 * span,
                k,
                f"{e['inefficiency_pct']:+.2f} %",
                va="center",
                fontsize=7.5,
                color=DARK if safe else RED,
            )
    ax.axvline(0.0, color=GREY, linewidth=0.8)


def _violation(ax: Axes, entries: Sequence[Entry], title: str, depth: str, count: str) -> None:
    _bars(ax, entries, title, lambda e: e[depth] or 0.0, RED)
    ax.plot(
        [e["ac"][depth] or 0.0 for e in entries],
        range(len(entries)),
        "o",
        color=DARK,
        markersize=3.5,
        clip_on=False,
    )
    worst = max([e[depth] or 0.0 for e in entries] + [e["ac"][depth] or 0.0 for e in entries])
    ax.set_xlim(0.0, 1.25 * worst if worst > 0 else 1.0)
    for k, e in enumerate(entries):
        if e[count]:
            at = max(e[depth] or 0.0, e["ac"][depth] or 0.0) + 0.03 * ax.get_xlim()[1]
            ax.text(at, k, str(e[count]), va="center", fontsize=7.5)


def _shared(ax: Axes, entries: Sequence[Entry]) -> None:
    numbers = [max(e["information"]["numbers"], 0.5) for e in entries]
    ax.barh(range(len(entries)), numbers, height=0.62, color=pale(GREY), edgecolor=GREY)
    ax.set_xscale("log")
    ax.set_xlim(0.8, 10 ** (np.ceil(np.log10(max(numbers))) + 3.2))
    ax.set_title("Numbers shared")
    for k, e in enumerate(entries):
        ax.text(1.3 * max(numbers[k], 1.0), k, shared_label(e["information"]), va="center", fontsize=7.5)
