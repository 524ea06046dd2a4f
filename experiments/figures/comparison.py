"""One figure that compares several runs of the same world."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tandem_sim.experiments.figures.grids import LIMIT_PCT, violated
from tandem_sim.experiments.figures.style import (
    GREY,
    NO_SIZE,
    colour_of,
    draw_cumulative,
    minus,
    new_figure,
    pale,
    say,
    shade_nights,
    thousands,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.results.kpis import held_back_mwh
from tandem_sim.experiments.results.run_data import FloatArray, RunData
from tandem_sim.markets.settlement.payments import FOR_ENERGY

SCHEMES_PER_ROW = 6
"""Legend entries side by side."""


def comparison_figure(runs: Mapping[str, RunData], title: str = "") -> Figure:
    """Loading (%) per grid, ISPs with violations, energy (MWh) and procurement cost (EUR) per scheme.

    `title` names scenario and seed.
    """
    grids = list(dict.fromkeys(name for run in runs.values() for name in run.distribution))
    legend_in = 0.22 * math.ceil(len(runs) / SCHEMES_PER_ROW)
    heights = [legend_in, *[2.3] * len(grids), 2.0, max(1.0 + 0.3 * len(runs), 1.8)]
    figure = new_figure("Coordination schemes compared", title, 12.5, sum(heights) + 1.6)
    checked = any(len(data.bid_checks) or data.reserve.terminated_bids.any() for data in runs.values())
    bars = ["violations", "energy", *(["held"] if checked else [])]
    mosaic: list[Any] = [["legend"] * 12]
    mosaic += [[f"time {g}"] * 9 + [f"sorted {g}"] * 3 for g in grids]
    mosaic += [["cost"] * 9 + ["total"] * 3]
    mosaic += [[name for name in bars for _ in range(12 // len(bars))]]
    axes = figure.subplot_mosaic(mosaic, height_ratios=heights)
    for grid in grids:
        _loading_rows(axes[f"time {grid}"], axes[f"sorted {grid}"], grid, runs)
    for grid in grids:
        axes[f"time {grid}"].set_xlabel("")
    for grid in grids[:-1]:
        axes[f"sorted {grid}"].set_xlabel("")
    _violation_bars(axes["violations"], runs)
    _energy_bars(axes["energy"], runs)
    _cost_bars(axes["total"], runs)
    if checked:
        _held_back_bars(axes["held"], runs)
    _cost_lines(axes["cost"], runs)
    _scheme_legend(axes["legend"], runs)
    return figure


def _scheme_legend(ax: Axes, runs: Mapping[str, RunData]) -> None:
    looks: list[Any] = [colour_of(k) for k in range(len(runs))]
    handles = [Line2D([], [], color=colour, linestyle=dash, linewidth=2.5) for colour, dash in looks]
    ax.axis("off")
    ax.legend(handles, list(runs), loc="center left", ncols=SCHEMES_PER_ROW, fontsize=9)


def _loading_rows(time: Axes, ordered: Axes, grid: str, runs: Mapping[str, RunData]) -> None:
    first = next(iter(runs.values()))
    shade_nights(time, first)
    for k, data in enumerate(runs.values()):
        colour, dash = colour_of(k)
        values = data.grid_of(grid).max_loading_pct.to_numpy(dtype=np.float64)
        look: Any = {"color": colour, "linestyle": dash, "linewidth": _width(k)}
        if data.is_long:
            # Bands of several schemes would hide each other.
            time.stairs(data.daily(values)["max"], data.day_edges, baseline=None, **look)
        else:
            time.stairs(values, data.edges, baseline=None, **look)
        known = np.sort(values[~np.isnan(values)])[::-1]
        if len(known):
            share = np.linspace(0.0, 100.0, len(known) + 1)
            ordered.stairs(known, share, baseline=None, **look)
    for ax in (time, ordered):
        ax.axhline(LIMIT_PCT, color=GREY, linewidth=1.0, zorder=1)
        ax.set_ylim(0.0, max(ax.get_ylim()[1], 1.06 * LIMIT_PCT))
        ax.set_ylabel("Loading (%)")
    daily = "daily maximum, " if first.is_long else ""
    time.set_title(f"{grid}: worst branch, {daily}after activation (grey line: limit)")
    ordered.set_title(f"{grid}: all ISPs, sorted")
    ordered.set_xlabel("Share of ISPs (%)")
    time_axis(time, first)


def _width(k: int) -> float:
    """Width of the k-th line: the first is wide, so that it shows below others with the same values."""
    return 1.2 if k else 3.0


def _violation_bars(ax: Axes, runs: Mapping[str, RunData]) -> None:
    largest = 0
    for k, data in enumerate(runs.values()):
        colour, _ = colour_of(k)
        for prefix, shift, shade in (("base_", -0.2, pale(colour)), ("", 0.2, colour)):
            any_grid = np.zeros(len(data.system), dtype=np.bool_)
            for grid in data.distribution:
                any_grid |= violated(data.grid_of(grid), prefix)
            bar = ax.barh(k + shift, int(any_grid.sum()), height=0.36, color=shade)
            ax.bar_label(bar, padding=2, fontsize=7)
            largest = max(largest, int(any_grid.sum()))
    ax.set_title("Violations (pale: no activation)")
    ax.set_xlabel("ISPs, any DSO grid (number)")
    _scheme_rows(ax, list(runs), largest)
    if not largest:
        say(ax, "No limit is broken")


def _energy_bars(ax: Axes, runs: Mapping[str, RunData]) -> None:
    largest = 0.0
    for k, data in enumerate(runs.values()):
        colour, _ = colour_of(k)
        balancing, local = (float(data.energy_mwh[s].to_numpy().sum()) for s in ("balancing", "local"))
        ax.barh(k, balancing, height=0.6, color=colour)
        bar = ax.barh(k, local, left=balancing, height=0.6, color=pale(colour))
        ax.bar_label(bar, labels=[f"{balancing + local:,.0f}"], padding=2, fontsize=7)
        largest = max(largest, balancing + local)
    ax.set_title("From distribution (pale: local)")
    ax.set_xlabel("Activated, up + down (MWh)")
    _scheme_rows(ax, list(runs), largest)
    ax.tick_params(axis="y", labelleft=False)
    if not largest:
        say(ax, "Nothing was activated")


def _cost_bars(ax: Axes, runs: Mapping[str, RunData]) -> None:
    """Procurement cost of energy of TSO and DSOs in total (EUR)."""
    totals = [float(np.sum(_cost_eur(data))) for data in runs.values()]
    for k, total in enumerate(totals):
        bar = ax.barh(k, total, height=0.6, color=colour_of(k)[0])
        ax.bar_label(bar, labels=[minus(f"{total + 0.0:,.0f}")], padding=2, fontsize=7)
    ax.set_title("Procurement cost of energy")
    ax.set_xlabel("TSO and DSOs (EUR)")
    _scheme_rows(ax, list(runs), max(totals))
    low = min(0.0, *totals)
    ax.set_xlim(1.25 * low, max(1.2 * max(totals), 0.25 * abs(low)) or 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:,.0f}")))
    ax.tick_params(axis="y", labelleft=False)
    if not any(totals):
        say(ax, "Nothing was bought")


def _cost_eur(data: RunData) -> FloatArray:
    return data.amount_eur(data.settlement.kind.isin(FOR_ENERGY))


def _held_back_bars(ax: Axes, runs: Mapping[str, RunData]) -> None:
    """Effect of bid checks: offers held back from the TSO (MWh), and reserve bids stopped within the ISP."""
    largest, room = 0.0, 1.4
    for k, data in enumerate(runs.values()):
        colour, _ = colour_of(k)
        held = held_back_mwh(data.bid_checks, data.hours)  # None without bid checks
        mwh = round(held or 0.0, 9)  # without rounding errors
        stopped = int(data.reserve.terminated_bids.sum())
        bar = ax.barh(k, mwh, height=0.6, color=colour)
        label = "no bid checks" if held is None else f"{mwh:,.0f}"
        label += f"\n{stopped:,} stopped" if stopped else ""
        room = 2.2 if stopped else room  # for the longer label
        ax.bar_label(bar, labels=[label], padding=2, fontsize=7)
        largest = max(largest, mwh)
    ax.set_title("Held back by DSOs")
    ax.set_xlabel("Offers held back (MWh)")
    _scheme_rows(ax, list(runs), room * largest)
    ax.tick_params(axis="y", labelleft=False)


def _scheme_rows(ax: Axes, names: list[str], largest: float) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0.0, 1.14 * largest if largest > 0.0 else 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.grid(False)
    ax.grid(True, axis="x")


def _cost_lines(ax: Axes, runs: Mapping[str, RunData]) -> None:
    """Cumulative cost less that of the first scheme, so that no curve hides another; of one its cost."""
    (first, reference), *others = runs.items()
    against, same = _cost_eur(reference), True
    for k, data in enumerate(runs.values()):
        colour, dash = colour_of(k)
        amount = _cost_eur(data)
        if others and len(amount) == len(against):
            amount = amount - against
        draw_cumulative(ax, data, amount, color=colour, linestyle=dash, linewidth=_width(k))
        same = same and abs(float(amount.sum())) < NO_SIZE
    zero_line(ax)
    if others and same:
        say(ax, "All schemes cost the same")
    less = f", less that of {first}" if others else ""
    ax.set_title(f"Procurement cost of energy, TSO and DSOs, cumulative{less}")
    ax.set_ylabel("Difference (EUR)" if others else "Cumulative cost (EUR)")
    thousands(ax)
    time_axis(ax, reference)
