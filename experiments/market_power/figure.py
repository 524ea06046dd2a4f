"""The figure of ``tandem power``: profits of strategic bidding, who pays, inefficiency, broken limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    house_style,
    minus,
    new_figure,
    pale,
    save,
)

Entry = Mapping[str, Any]
Bar = tuple[str, str, Any]
"""Part and path of a figure, and its colour."""

PAYERS = "consumer_cost.by_party_eur."
LEGEND_IN = 0.3
"""Distance of a legend below its axis, inches."""


def draw_power(found: Mapping[str, Any], path: Path) -> Path:
    """Draw the results of `tandem power` (see `power.json`) into a PNG."""
    with house_style():
        return save(power_figure(found), path)


def power_figure(found: Mapping[str, Any]) -> Figure:
    """Profits, who pays, inefficiency (EUR) and limits broken (ISPs): a group of bars for every scheme."""
    entries: Mapping[str, Entry] = found["schemes"]
    payers = _payers(entries)
    rows = max(len(payers), 3)
    figure = new_figure(
        "Strategic and truthful bids",
        str(found["scenario"]),
        13.5,
        2.3 + len(entries) * (0.35 + 0.15 * rows),
        footnote=_footnote(found),
    )
    axes = figure.subplots(1, 4, sharey=True, width_ratios=[3, 3.4, 2.4, 1.8])
    total = "total.earned_eur"
    _bars(axes[0], entries, [("truthful", total, pale(BLUE)), ("as_bid", total, BLUE)])
    _legend(axes[0], "Earnings of sellers with day-ahead (EUR)", [("truthful", pale(BLUE)), ("as bid", BLUE)])
    looks = [(name, colour_of(k)[0]) for k, name in enumerate(payers)]
    _bars(axes[1], entries, [("difference", PAYERS + name, colour) for name, colour in looks])
    _marks(axes[1], entries, "consumer_cost.total_eur")
    _legend(axes[1], "Extra cost of consumers, by payer (EUR)", looks, "total")
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
    axes[3].xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes[0].set_yticks(range(len(entries)), list(entries))
    axes[0].set_ylim(len(entries) - 0.45, -0.55)
    return figure


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
