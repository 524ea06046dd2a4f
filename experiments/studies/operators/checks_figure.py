"""The figure of the study of checks: blocked against prevented, false alarms, hours, cost, data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    FOOTNOTE,
    GREEN,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    SKY,
    house_style,
    new_figure,
    save,
)
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP

COLOURS = {
    "none": DARK,
    "static zones": RED,
    "static zones, small exempt": "#F4A6A0",
    "whole bids": ORANGE,
    "uniform limits": PURPLE,
    "envelope": BLUE,
    "envelope, AC": SKY,
    "merit order list": GREEN,
    "rows in the market": "#F0E442",
    "rows, none worse": "#B8A800",
    "corrective market": "#8C564B",
    "refusal afterwards": "#7F3C8D",
    "termination": "#8C8C8C",
}
MARKERS = {"central": ("o", 9.0), "multilevel": ("s", 6.0), "with aFRR": ("^", 6.0)}
"""Shape and size (points): where points coincide, the larger one shows behind the smaller."""
PARTS = {"not_asked": (PALE, "not asked for"), "harmless": (ORANGE, "harmless"), "harmful": (RED, "harmful")}
SHOWN_BY_HOUR = ("static zones", "envelope", "envelope, AC")
FIRST_FAMILY = "central"


def figure(statistics: pd.DataFrame, hours: pd.DataFrame, folder: Path) -> Path:
    """Six panels over all checks, and a legend of both colours and marks."""
    keys = ["family", "check"]
    checks = [(str(f), str(c)) for f, c in statistics[keys].drop_duplicates().to_numpy()]
    rows = statistics.set_index([*keys, "kpi"])
    seeds = int(statistics.n.max())
    note = f"Means over seeds (n = {seeds}), lines: 95 % intervals (Student's t), cut at axes. {FOOTNOTE}"
    with house_style():
        drawn = new_figure(
            "Bid checks by DSOs: offers blocked, broken limits prevented",
            "reference, two days",
            14.5,
            8.2,
            "",
            note,
        )
        (block, drop, parts), (hour, told, cost) = drawn.subplots(2, 3, width_ratios=(1.0, 1.0, 1.15))
        _scatter(block, rows, checks, "blocked_pct", "prevented_pct")
        block.set_title("Blocked, and prevented")
        block.set_xlabel("Offers to the TSO that are blocked (%)")
        _scatter(drop, rows, checks, "called_less_pct", "prevented_pct")
        drop.set_title("No longer called, and prevented")
        drop.set_xlabel("Calls without a check that are not made (%)")
        for ax in (block, drop):
            ax.set_ylabel("Limits broken or made worse, prevented (%)")
        _parts(parts, rows, checks)
        _hours(hour, hours[hours.family == FIRST_FAMILY])
        _cost(cost, rows, checks)
        _scatter(told, rows, checks, "numbers_told_per_isp", "slipped_h")
        told.set_xscale("symlog", linthresh=100.0)
        told.set_xlim(left=-30.0, right=1e5)
        told.set_title("Data sent by DSOs, and broken limits not prevented")
        told.set_xlabel("Numbers sent by DSOs per ISP")
        told.set_ylabel("Limits broken or made worse (area-hours a day)")
        _legend(drawn, checks)
        return save(drawn, folder / "checks.png")


def _legend(drawn: Figure, checks: Sequence[tuple[str, str]]) -> None:
    names = list(dict.fromkeys(check for _, check in checks))
    families = list(dict.fromkeys(family for family, _ in checks))
    handles = [Line2D([], [], color=COLOURS[name], marker="D", linestyle="") for name in names]
    handles += [Line2D([], [], color=DARK, marker=MARKERS[name][0], linestyle="") for name in families]
    drawn.legend(handles, [*names, *families], loc="outside right center", fontsize=8)


def _values(rows: pd.DataFrame, check: tuple[str, str], kpi: str) -> FloatArray:
    """Mean and ends of the interval (3,)."""
    return rows.loc[(*check, kpi), ["mean", "low", "high"]].to_numpy(dtype=np.float64)


def _scatter(ax: Axes, rows: pd.DataFrame, checks: Sequence[tuple[str, str]], across: str, up: str) -> None:
    for family, check in checks:
        x, y = (_values(rows, (family, check), kpi) for kpi in (across, up))
        colour = COLOURS[check]
        ax.hlines(y[0], x[1], x[2], color=colour, alpha=0.5, linewidth=1.0)
        ax.vlines(x[0], y[1], y[2], color=colour, alpha=0.5, linewidth=1.0)
        _mark(ax, x[0], y[0], family, check)
    for scale, kpi in ((ax.set_xlim, across), (ax.set_ylim, up)):
        means = [mean for check in checks if np.isfinite(mean := float(_values(rows, check, kpi)[0]))]
        scale(*_ends(min(means, default=0.0), max(means, default=0.0)))
    ax.grid(True, axis="both")


def _ends(least: float, most: float) -> tuple[float, float]:
    """Ends of an axis around all means: of intervals that reach further, what is beyond is not drawn."""
    room = 0.08 * (most - min(least, 0.0)) or 1.0
    return min(least, 0.0) - room, most + room


def _mark(ax: Axes, x: float, y: float, family: str, check: str) -> None:
    shape, size = MARKERS[family]
    look: Any = {"color": COLOURS[check], "markeredgecolor": DARK, "markeredgewidth": 0.5}
    ax.plot(x, y, shape, markersize=size, clip_on=False, **look)


def _named(checks: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{check} ({family})" for family, check in checks]


def _parts(ax: Axes, rows: pd.DataFrame, checks: Sequence[tuple[str, str]]) -> None:
    shown = [check for check in checks if _values(rows, check, "blocked_pct")[0] > 0.0]
    at, left = np.arange(len(shown)), np.zeros(len(shown))
    for part, (colour, label) in PARTS.items():
        mwh = np.array([_values(rows, check, f"blocked_{part}_mwh")[0] for check in shown])
        ax.barh(at, mwh, 0.7, left=left, color=colour, label=label)
        left = left + mwh
    ax.set_yticks(at, _named(shown))
    ax.invert_yaxis()
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    ax.set_title("What is blocked")
    ax.set_xlabel("MWh a day")
    ax.legend(loc="lower right")


def _hours(ax: Axes, hours: pd.DataFrame) -> None:
    middle = np.arange(24) + 0.5
    for check in SHOWN_BY_HOUR:
        for way, dash in ((UP, "-"), (DOWN, ":")):
            part = (
                hours[(hours.check == check) & (hours.direction == way)].set_index("hour").reindex(range(24))
            )
            pct = (100.0 * part.blocked_mw / part.offered_mw).to_numpy(dtype=np.float64)
            ax.plot(middle, pct, dash, color=COLOURS[check])
    for dash, label in (("-", "up"), (":", "down")):
        ax.plot([], [], dash, color=DARK, label=label)
    ax.set_xlim(0, 24)
    ax.set_ylim(0.0, 104.0)
    ax.set_xticks(range(0, 25, 6), [f"{hour:02d}:00" for hour in range(0, 25, 6)])
    ax.set_xlabel("Local time of the day")
    ax.set_ylabel("% of what is offered that way")
    ax.set_title(f"Blocked by hour ({FIRST_FAMILY})")
    ax.legend(loc="best")


def _cost(ax: Axes, rows: pd.DataFrame, checks: Sequence[tuple[str, str]]) -> None:
    shown = [check for check in checks if check[1] != "none"]
    for k, check in enumerate(shown):
        apart = rows.loc[(*check, "cost_eur"), ["difference", "difference_low", "difference_high"]]
        mean, low, high = apart.to_numpy(dtype=np.float64)
        ax.hlines(k, low, high, color=DARK, linewidth=1.0)
        _mark(ax, float(mean), k, *check)
    ax.axvline(0.0, color=DARK, linewidth=0.7)
    ax.set_yticks(range(len(shown)), _named(shown))
    ax.invert_yaxis()
    ax.margins(x=0.05)
    ax.grid(True, axis="both")
    ax.set_title("Cost of energy less that without")
    ax.set_xlabel("EUR a day, seed by seed")
