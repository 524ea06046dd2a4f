"""The figure of the study of conflicts: levels, congestion, need, hours, causes, money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tandem_sim.experiments.figures.style import (
    BLUE,
    FOOTNOTE,
    GREEN,
    ORANGE,
    PALE,
    RED,
    SKY,
    colour_of,
    house_style,
    new_figure,
    save,
    say,
    zero_line,
)
from tandem_sim.experiments.studies.operators.conflicts_sums import (
    ALL_HOURS,
    EXCHANGE,
    GIVEN,
    RELIEF,
    SHORTAGE,
    SURPLUS,
)
from tandem_sim.grids.types import FloatArray

LEVEL_LOOK = {"unit": (RED, "same unit"), "node": (ORANGE, "same node"), "area": (PALE, "same area")}
NEED_LOOK = {SHORTAGE: (BLUE, "shortage"), SURPLUS: (GREEN, "surplus")}
CAUSE_LOOK = {
    (EXCHANGE, SHORTAGE): (BLUE, "holds exchange, shortage"),
    (EXCHANGE, SURPLUS): (SKY, "holds exchange, surplus"),
    (RELIEF, SHORTAGE): (RED, "relief, shortage"),
    (RELIEF, SURPLUS): (ORANGE, "relief, surplus"),
}


def figure(statistics: pd.DataFrame, hours: pd.DataFrame, causes: pd.DataFrame, folder: Path) -> Path:
    """Six panels; `hours` and `causes` are those of the ratings given, of all schemes."""
    sums = causes.groupby("scheme", sort=False).undone_area_mwh.sum()
    seeds, given = int(statistics.n.max()), statistics[statistics.ratings == GIVEN]
    first, *_ = everyone = [str(name) for name in dict.fromkeys(given.scheme)]
    schemes = [name for name in everyone if sums.get(name, 0.0) > 0.0]
    note = f"Means over seeds (n = {seeds}), lines: 95 % intervals (Student's t), cut at axes. {FOOTNOTE}"
    with house_style():
        drawn = new_figure(
            "Purchases of DSOs that the TSO undoes", "reference, two days", 14.0, 7.6, "", note
        )
        (levels, needs, ratings), (hour, cause, money) = drawn.subplots(2, 3)
        everything = given[given.need == ALL_HOURS]
        _bars(levels, everything, schemes, LEVEL_LOOK, "undone_{}_pct")
        _chance(levels, everything, schemes)
        levels.set_title("Share of DSOs' purchases that is undone")
        levels.set_ylabel("%")
        by_need = {need: given[given.need == need] for need in NEED_LOOK}
        _by_need(needs, by_need, schemes)
        needs.set_title("Undone at the same node, by need of the system")
        _by_ratings(ratings, statistics[statistics.need == ALL_HOURS], schemes)
        _by_hour(hour, hours[hours.scheme == first])
        hour.set_title(f"{first} by hour: bought, and undone in the area")
        _by_cause(cause, causes, schemes)
        _bars(money, everything, schemes, LEVEL_LOOK, "undone_{}_eur")
        money.set_title("Paid by both operators for energy undone")
        money.set_ylabel("EUR a day")
        return save(drawn, folder / "conflicts.png")


def _values(rows: pd.DataFrame, schemes: Sequence[str], kpi: str) -> FloatArray:
    """Mean and ends of the interval (3, schemes)."""
    found = rows[rows.kpi == kpi].set_index("scheme").reindex(list(schemes))
    return found[["mean", "low", "high"]].to_numpy(dtype=np.float64).T


def _bars(
    ax: Axes, rows: pd.DataFrame, schemes: Sequence[str], look: Mapping[str, tuple[str, str]], kpi: str
) -> None:
    width = 0.8 / len(look)
    for k, (name, (colour, label)) in enumerate(look.items()):
        mean, low, high = _values(rows, schemes, kpi.format(name))
        at = np.arange(len(schemes)) + width * (k - (len(look) - 1) / 2.0)
        ax.bar(at, mean, width, color=colour, label=label)
        ax.vlines(at, low, high, color="black", linewidth=0.8)
    _scheme_ticks(ax, schemes)
    _legend(ax)


def _chance(ax: Axes, rows: pd.DataFrame, schemes: Sequence[str]) -> None:
    for level, shift in (("node", 0.0), ("area", 0.8 / 3.0)):
        mean, _, _ = _values(rows, schemes, f"chance_{level}_pct")
        at = np.arange(len(schemes)) + shift
        ax.plot(at, mean, "D", color="black", markersize=3.5, label="by chance" if shift else None)
    _legend(ax)


def _by_need(ax: Axes, by_need: Mapping[str, pd.DataFrame], schemes: Sequence[str]) -> None:
    for k, (need, (colour, label)) in enumerate(NEED_LOOK.items()):
        mean, low, high = _values(by_need[need], schemes, "undone_node_pct")
        at = np.arange(len(schemes)) + 0.4 * (k - 0.5)
        ax.bar(at, mean, 0.4, color=colour, label=label)
        ax.vlines(at, low, high, color="black", linewidth=0.8)
    _scheme_ticks(ax, schemes)
    ax.set_ylabel("% of what DSOs buy in these hours")
    _legend(ax)


def _by_ratings(ax: Axes, rows: pd.DataFrame, schemes: Sequence[str]) -> None:
    factors = list(dict.fromkeys(rows.ratings))
    for k, scheme in enumerate(schemes):
        part = rows[(rows.scheme == scheme) & (rows.kpi == "undone_node_pct")].set_index("ratings")
        mean, low, high = part.reindex(factors)[["mean", "low", "high"]].to_numpy(dtype=np.float64).T
        colour, dash = colour_of(k)
        at = np.arange(len(factors)) + 0.05 * (k - (len(schemes) - 1) / 2.0)
        ax.plot(at, mean, "o", linestyle=dash, color=colour, markersize=4, label=scheme)
        ax.vlines(at, low, high, color=colour, alpha=0.5)
    ax.set_xticks(range(len(factors)), [f"{100 * factor:g} %" for factor in factors])
    ax.set_xlim(-0.3, len(factors) - 0.7)
    ax.set_xlabel("Ratings of distribution branches")
    ax.set_ylabel("% of what DSOs buy")
    ax.set_title("Undone at the same node, by congestion")
    ax.legend(loc="best", fontsize=7)


def _by_hour(ax: Axes, rows: pd.DataFrame) -> None:
    """Bars of what is bought, up above zero and down below, and of what is undone of it."""
    middle = np.arange(24) + 0.5
    for way in (1, -1):
        below = np.zeros(24)
        for purpose, colour in ((RELIEF, SKY), (EXCHANGE, PALE)):
            mwh = way * _hourly(rows[(rows.direction == way) & (rows.purpose == purpose)], "bought_mwh")
            label = {RELIEF: "relief", EXCHANGE: "holds exchange"}[purpose] if way > 0 else None
            ax.bar(middle, mwh, 0.9, bottom=below, color=colour, label=label)
            below = below + mwh
        undone = way * _hourly(rows[rows.direction == way], "undone_area_mwh")
        ax.bar(middle, undone, 0.35, color=ORANGE, label="undone in the area" if way > 0 else None)
    zero_line(ax)
    ax.set_xlim(0, 24)
    ax.set_xticks(range(0, 25, 6), [f"{hour:02d}:00" for hour in range(0, 25, 6)])
    ax.set_xlabel("Local time of the day")
    ax.set_ylabel("MWh a day (up +, down \N{MINUS SIGN})")
    ax.legend(loc="upper left")


def _hourly(rows: pd.DataFrame, column: str) -> FloatArray:
    sums = rows.groupby("hour")[column].sum().reindex(range(24), fill_value=0.0)
    return sums.to_numpy(dtype=np.float64)


def _by_cause(ax: Axes, causes: pd.DataFrame, schemes: Sequence[str]) -> None:
    at, below = np.arange(len(schemes)), np.zeros(len(schemes))
    for (purpose, need), (colour, label) in CAUSE_LOOK.items():
        part = causes[(causes.purpose == purpose) & (causes.need == need)]
        sums = part.groupby("scheme").undone_area_mwh.sum().reindex(list(schemes), fill_value=0.0)
        mwh = sums.to_numpy(dtype=np.float64)
        ax.bar(at, mwh, 0.7, bottom=below, color=colour, label=label)
        below = below + mwh
    if not schemes:
        say(ax, "Nothing was undone")
    _scheme_ticks(ax, schemes)
    ax.set_title("Undone in the area, by purpose and need")
    ax.set_ylabel("MWh a day")
    _legend(ax)


def _legend(ax: Axes) -> None:
    """A legend in two columns above all bars; intervals end at the edge of the axes."""
    bars = [bar for bar in ax.patches if isinstance(bar, Rectangle)]
    highest = max((float(bar.get_y() + bar.get_height()) for bar in bars), default=1.0)
    ax.set_ylim(0.0, 1.6 * highest)
    ax.legend(loc="upper right", ncols=2, fontsize=7)


def _scheme_ticks(ax: Axes, schemes: Sequence[str]) -> None:
    names = [
        name.replace("multilevel-", "multi-\nlevel-").replace("shared-", "shared-\n") for name in schemes
    ]
    ax.set_xticks(range(len(schemes)), names)
    ax.set_xlim(-0.6, len(schemes) - 0.4)
