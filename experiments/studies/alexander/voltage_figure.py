"""The figure of the voltage-bound cases: buses outside their band, inefficiency, published values."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from tandem_sim.experiments.figures.style import BLUE, GREEN, GREY, PALE, RED, minus
from tandem_sim.experiments.studies.alexander.cases import KINDS
from tandem_sim.experiments.studies.alexander.figure import TITLES, inefficiency_panel, scheme_rows
from tandem_sim.experiments.studies.alexander.published import (
    INEFFICIENCY_PCT,
    SAFE,
    VOLTAGE_VIOLATIONS,
)
from tandem_sim.experiments.studies.alexander.trials import CHAPTER_4

TITLE = "ALEXANDER D3.3, chapter 4, where voltage binds: buses outside their band after all markets, and cost"
NOTE = (
    "Grids, injections and bids are synthetic; {cases} seeds. 210 buses, linear model. Published values are "
    "red where voltages (above) or any limits (below) were broken. Axes linear between -1 and 1."
)


def voltage_figure(results: pd.DataFrame) -> Figure:
    """Two rows of panels, one column a kind: buses outside their band, and inefficiency in percent.

    Dot and bar: median and quartiles of usable cases; open circle: the most of any; diamond: published.
    """
    figure = Figure(figsize=(13.0, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(TITLE, x=0.01, ha="left")
    bands: Any = figure.subfigures(2, 1, height_ratios=[0.05, 1.0])
    _legend(bands[0])
    axes: Any = bands[1].subplots(2, len(KINDS))
    for k, kind in enumerate(KINDS):
        part = results[results.kind == kind]
        _buses_panel(axes[0, k], part, k, first=k == 0)
        inefficiency_panel(axes[1, k], part, k, first=k == 0)
        axes[1, k].set_title("")
    note = NOTE.format(cases=results.seed.nunique())
    figure.supxlabel(minus(note), x=0.01, ha="left", fontsize=7, color=GREY)
    return figure


def _buses_panel(ax: Axes, part: pd.DataFrame, kind: int, first: bool) -> None:
    for row, scheme in enumerate(CHAPTER_4):
        values = part[part.scheme == scheme].voltage_violations
        low, middle, high, most = (float(values.quantile(q)) for q in (0.25, 0.5, 0.75, 1.0))
        ax.plot(
            [low, high], [row, row], color=BLUE, linewidth=3.0, alpha=0.45, solid_capstyle="butt", zorder=3
        )
        ax.plot(middle, row, marker="o", color=BLUE, markersize=5.5, zorder=5)
        ax.plot(most, row, marker="o", color=BLUE, markerfacecolor="white", markersize=4.5, zorder=4)
        if scheme not in INEFFICIENCY_PCT:  # nothing is published of it
            continue
        stated = VOLTAGE_VIOLATIONS.get(scheme, SAFE)[kind]
        colour, fill = (RED, RED) if stated else (GREEN, "none")
        ax.plot(stated, row, marker="D", color=colour, markerfacecolor=fill, markersize=7, zorder=6)
    ax.axhline(7.5, color=PALE, linewidth=0.8, zorder=1)
    ax.set_xscale("symlog", linthresh=1.0, linscale=0.4)
    ax.set_xlim(-0.4, 300.0)
    ax.xaxis.set_major_locator(FixedLocator([0.0, 1.0, 10.0, 100.0]))
    ax.xaxis.set_minor_locator(FixedLocator([]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    scheme_rows(ax, labels=first)
    ax.set_title(TITLES[KINDS[kind]])
    ax.set_xlabel("Buses outside their band")


def _legend(band: Any) -> None:
    dot: Any = {"marker": "o", "color": BLUE, "linestyle": "-", "linewidth": 2.0, "markersize": 6}
    diamond: Any = {"marker": "D", "linestyle": "", "markersize": 6, "markeredgewidth": 1.2}
    handles = [
        Line2D([], [], **dot),
        Line2D([], [], color=BLUE, marker="o", markerfacecolor="white", markersize=5, linestyle=""),
        Line2D([], [], color=GREEN, markerfacecolor="white", **diamond),
        Line2D([], [], color=RED, markerfacecolor=RED, **diamond),
    ]
    labels = [
        "here: median and quartiles",
        "here: the most of any case",
        "published, kept",
        "published, broken",
    ]
    band.legend(
        handles, labels, loc="center left", ncols=len(handles), fontsize=9, bbox_to_anchor=(0.005, 0.5)
    )
