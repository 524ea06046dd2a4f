"""The figure of the study: inefficiency and safety of every scheme and kind, with published values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from tandem_sim.experiments.figures.style import BLUE, DARK, GREEN, GREY, PALE, RED, minus, pale
from tandem_sim.experiments.studies.alexander.cases import KINDS
from tandem_sim.experiments.studies.alexander.published import INEFFICIENCY_PCT, is_safe
from tandem_sim.experiments.studies.alexander.trials import CHAPTER_4

TITLES = {
    "A": "A: up need, transmission cheap",
    "B": "B: up need, transmission dear",
    "C": "C: as B, more bids at critical nodes",
    "D": "D: down need",
}
LINEAR_UP_TO = 1.0  # %, beyond it the axis is logarithmic
TICKS = (-100.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0)
NOTE = (
    "Grids, injections and bids are synthetic; {cases} seeds, without those whose limits no market can keep. "
    "Safe: no limit of a feeder broken after all markets (linear model). Axis linear between -1 and 1 %."
)


def study_figure(results: Mapping[str, pd.DataFrame]) -> Figure:
    """One row of panels per recipe (title -> usable rows), one panel per kind.

    Dot and bar: median and quartiles of the inefficiency in percent; diamond: published; strip on the right:
    share of cases that end safe.
    """
    figure = Figure(figsize=(13.0, 1.6 + 3.35 * len(results)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        "ALEXANDER D3.3, chapter 4, rebuilt: inefficiency and safety of schemes", x=0.01, ha="left"
    )
    bands: Any = figure.subfigures(len(results) + 1, 1, height_ratios=[0.09, *[1.0] * len(results)])
    _legend(bands[0])
    for band, (title, table) in zip(bands[1:], results.items(), strict=True):
        band.suptitle(title, x=0.01, ha="left", fontsize=10, color=DARK)
        axes = band.subplots(1, 2 * len(KINDS), width_ratios=[1.0, 0.14] * len(KINDS))
        for k, kind in enumerate(KINDS):
            part = table[table.kind == kind]
            inefficiency_panel(axes[2 * k], part, k, first=k == 0)
            _safe_strip(axes[2 * k + 1], part)
    cases = max(table.seed.nunique() for table in results.values())
    figure.supxlabel(minus(NOTE.format(cases=cases)), x=0.01, ha="left", fontsize=7, color=GREY)
    return figure


def _legend(band: Any) -> None:
    dot: Any = {"marker": "o", "color": BLUE, "linestyle": "-", "linewidth": 2.0, "markersize": 6}
    diamond: Any = {"marker": "D", "linestyle": "", "markersize": 6, "markeredgewidth": 1.2}
    handles = [
        Line2D([], [], **dot),
        Line2D([], [], color=GREEN, markerfacecolor="white", **diamond),
        Line2D([], [], color=RED, markerfacecolor=RED, **diamond),
        Patch(color=pale(GREEN)),
        Patch(color=RED),
    ]
    labels = [
        "here: median and quartiles",
        "published, safe",
        "published, breaks limits",
        "share of cases here that end safe",
        "share that breaks limits",
    ]
    band.legend(
        handles, labels, loc="center left", ncols=len(handles), fontsize=9, bbox_to_anchor=(0.005, 0.5)
    )


def inefficiency_panel(ax: Axes, part: pd.DataFrame, kind: int, first: bool) -> None:
    """Median and quartiles of the inefficiency by scheme, published values beside; labels where `first`."""
    for row, scheme in enumerate(CHAPTER_4):
        values = part[part.scheme == scheme].inefficiency_pct
        low, middle, high = (float(values.quantile(q)) for q in (0.25, 0.5, 0.75))
        ax.plot(
            [low, high], [row, row], color=BLUE, linewidth=3.0, alpha=0.45, solid_capstyle="butt", zorder=3
        )
        ax.plot(middle, row, marker="o", color=BLUE, markersize=5.5, zorder=5)
        published = INEFFICIENCY_PCT.get(scheme)
        if published is not None:
            colour, fill = (GREEN, "white") if is_safe(scheme, kind) else (RED, RED)
            ax.plot(
                published[kind], row, marker="D", color=colour, markerfacecolor=fill, markersize=6, zorder=4
            )
    ax.axvline(0.0, color=DARK, linewidth=0.8, zorder=2)
    ax.axhline(7.5, color=PALE, linewidth=0.8, zorder=1)
    ax.set_xscale("symlog", linthresh=LINEAR_UP_TO, linscale=0.6)
    ax.set_xlim(-300.0, 300.0)
    ax.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    ax.xaxis.set_minor_locator(FixedLocator([]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:g}")))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    scheme_rows(ax, labels=first)
    ax.set_title(TITLES[KINDS[kind]])
    ax.set_xlabel("Inefficiency (%)")


def _safe_strip(ax: Axes, part: pd.DataFrame) -> None:
    for row, scheme in enumerate(CHAPTER_4):
        share = 100.0 * float(part[part.scheme == scheme].safe.mean())
        ax.barh(row, share, height=0.62, color=pale(GREEN))
        ax.barh(row, 100.0 - share, left=share, height=0.62, color=RED)
    ax.set_xlim(0.0, 100.0)
    ax.set_xticks([0, 100])
    ax.set_xlabel("Safe (%)")
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    scheme_rows(ax, labels=False)
    ax.tick_params(length=0)


def scheme_rows(ax: Axes, labels: bool) -> None:
    """A row for each scheme, from the top."""
    ax.set_yticks(range(len(CHAPTER_4)), CHAPTER_4)
    ax.set_ylim(len(CHAPTER_4) - 0.4, -0.6)
    ax.tick_params(axis="y", labelleft=labels, length=0)
