"""Figure of the effect of the DSOs' bid checks: offers held back, limits broken, cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from tandem_sim.experiments.figures.grids import violated
from tandem_sim.experiments.figures.style import (
    DARK,
    NO_SIZE,
    PALE,
    colour_of,
    draw_cumulative,
    few_ticks,
    legend_above,
    minus,
    new_figure,
    pale,
    say,
    shade_nights,
    thousands,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.results.kpis import NARROWING
from tandem_sim.experiments.results.run_data import FloatArray, RunData
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.settlement.payments import FOR_ENERGY

SCHEMES_PER_ROW = 4
"""Legend entries side by side."""

WIDTHS = (2.1, 1.0)
"""Shares of the width of panels over time and of bars."""

DOT = 4.5
"""Size of a dot (points)."""


def has_bid_checks(data: RunData) -> bool:
    """Whether DSOs checked the bids of this run before the TSO bought them."""
    return bool(data.bid_checks.market.isin(NARROWING).any())


def reference_of(runs: Mapping[str, RunData]) -> str:
    """The run that the others are compared with: the first without bid checks, or else the first."""
    return next((name for name, data in runs.items() if not has_bid_checks(data)), next(iter(runs)))


def held_back_mw(data: RunData) -> pd.DataFrame:
    """Per ISP, all grids together: `offered_up`, `offered_down`, `held_up`, `held_down` (MW, never negative).

    Offered before the first round of the checks, held back after the last round.
    """
    rows = data.bid_checks[data.bid_checks.market.isin(NARROWING)].groupby(["isp", "system"])
    first, last = rows.first(), rows.last()
    parts = {f"offered_{way}": first[f"offered_{way}_mw"] for way in ("up", "down")}
    parts |= {f"held_{way}": parts[f"offered_{way}"] - last[f"allowed_{way}_mw"] for way in ("up", "down")}
    by_isp = pd.DataFrame(parts).groupby("isp").sum()
    return by_isp.reindex(data.system.isp, fill_value=0.0).astype(np.float64)


def stopped_bids(data: RunData) -> FloatArray:
    """Reserve bids that DSOs stopped within each ISP (number); zero without a reserve."""
    stopped = data.reserve.groupby("isp").terminated_bids.sum()
    return stopped.reindex(data.system.isp, fill_value=0).to_numpy(dtype=np.float64)


def overload_pct(data: RunData, prefix: str = "") -> FloatArray:
    """Worst overload of all distribution grids per ISP (% of the rating, above 100 %), zero without overload.

    `prefix` is "base_" for the state without activation in that ISP. NaN where no power flow converged.
    """
    rows = data.grid[(data.grid.system != TSO) & data.grid[f"{prefix}converged"].astype(bool)]
    worst = rows.groupby("isp")[f"{prefix}max_overload_pct"].max()
    return worst.reindex(data.system.isp).to_numpy(dtype=np.float64)


def broken_limits(data: RunData) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """By ISP: whether a limit in distribution is broken, and whether activation in that ISP broke it.

    As the KPIs `violated_isps` and `violated_isps_created` count them: a power flow that does not converge
    counts as a broken limit.
    """
    rows = data.grid[data.grid.system != TSO]
    after = violated(rows, "") | ~rows.converged.to_numpy(dtype=np.bool_)
    before = violated(rows, "base_") | ~rows.base_converged.to_numpy(dtype=np.bool_)
    isp = data.system.isp
    broken, created = (isp.isin(rows.isp[mask]).to_numpy() for mask in (after, after & ~before))
    return broken, created


def cost_eur(data: RunData) -> pd.DataFrame:
    """Cost of TSO and DSOs per ISP (EUR).

    `activation` includes make-whole payments, `capacity` is net of penalties for unavailability.
    """
    kind = data.settlement.kind
    capacity = data.amount_eur(kind == "capacity") - data.amount_eur(kind == "unavailability")
    return pd.DataFrame(
        {"activation": data.amount_eur(kind.isin(FOR_ENERGY)), "capacity": capacity}, index=data.system.isp
    )


def bid_check_figure(runs: Mapping[str, RunData], title: str = "") -> Figure:
    """Offers held back (MW), reserve bids stopped, overload (%) and cost (EUR) over time and in total.

    `title` names scenario and seed.
    """
    high = 0.9 + 0.2 * len(runs)
    panels = {"held": (_held, max(2.1, high)), "stopped": (_stopped, max(1.5, high))}
    panels |= {"limits": (_limits, max(2.1, high)), "cost": (_cost, max(2.1, 0.9 + 0.28 * len(runs)))}
    if not any(stopped_bids(data).any() for data in runs.values()):
        del panels["stopped"]
    heights = [0.24 * math.ceil(len(runs) / SCHEMES_PER_ROW), *(height for _, height in panels.values())]
    note = _note(runs, "stopped" in panels)
    figure = new_figure("Effect of bid checks by DSOs", title, 12.5, sum(heights) + 1.4, note)
    mosaic: list[Any] = [["legend"] * 2, *[[name, f"{name} bars"] for name in panels]]
    axes = figure.subplot_mosaic(mosaic, height_ratios=heights, width_ratios=WIDTHS)
    _legend(axes["legend"], runs)
    first = next(iter(runs.values()))
    for name, (draw, _) in panels.items():
        shade_nights(axes[name], first)
        draw(axes[name], axes[f"{name} bars"], runs)
        time_axis(axes[name], first)
    for name in list(panels)[:-1]:
        axes[name].set_xlabel("")
    return figure


def _note(runs: Mapping[str, RunData], with_stopped: bool) -> str:
    """First lines of the footnote: definitions."""
    note = "Cost: activated energy, and capacity net of penalties; without imbalance and shortfall charges. "
    note += "Imbalances also differ between runs, because activations shift load to later ISPs."
    if not with_stopped and any(len(data.reserve) for data in runs.values()):
        note += " No reserve bid was stopped within an ISP."
    if next(iter(runs.values())).is_long:
        note += "\nOffers held back: daily mean. Bids stopped: daily sum. Overload: daily maximum."
    return f"{note}\n"


def _legend(ax: Axes, runs: Mapping[str, RunData]) -> None:
    looks: list[Any] = [colour_of(k) for k in range(len(runs))]
    handles = [Line2D([], [], color=colour, linestyle=dash, linewidth=2.5) for colour, dash in looks]
    names = [name + (" (with bid checks)" if has_bid_checks(data) else "") for name, data in runs.items()]
    ax.axis("off")
    ax.legend(handles, names, loc="center left", ncols=SCHEMES_PER_ROW, fontsize=9)


def _shown(data: RunData, values: FloatArray, daily: str) -> tuple[FloatArray, FloatArray]:
    """Values to draw and their edges: per ISP, or the statistic `daily` per day of a long horizon."""
    if data.is_long:
        return data.daily(values)[daily].to_numpy(dtype=np.float64), data.day_edges
    return values, data.edges


def _steps(ax: Axes, data: RunData, values: FloatArray, daily: str, k: int) -> None:
    colour, dash = colour_of(k)
    look: Any = {"color": colour, "linestyle": dash, "linewidth": 1.2, "alpha": 0.9}
    ax.stairs(*_shown(data, values, daily), baseline=None, **look)


def _area(ax: Axes, data: RunData, values: FloatArray, daily: str, **look: Any) -> None:
    ax.stairs(*_shown(data, values, daily), fill=True, linewidth=0, **look)


def _held(time: Axes, bars: Axes, runs: Mapping[str, RunData]) -> None:
    """Offers that DSOs held back (MW); areas of allowed and held-back offers if one run has bid checks."""
    checking = [(k, data) for k, data in enumerate(runs.values()) if has_bid_checks(data)]
    for k, data in checking:
        mw, colour = held_back_mw(data), colour_of(k)[0]
        for way, sign in (("up", 1.0), ("down", -1.0)):
            offered, held = (sign * mw[f"{part}_{way}"].to_numpy() for part in ("offered", "held"))
            if len(checking) > 1:
                _steps(time, data, held, "mean", k)
                continue
            for values, shade, label in ((offered, pale(colour), "Allowed"), (held, colour, "Held back")):
                _area(time, data, values, "mean", color=shade, label=label if way == "up" else None)
    zero_line(time)
    if len(checking) == 1:
        legend_above(time)
    time.set_title("Held back: offers to the TSO that DSOs did not allow")
    time.set_ylabel("Up +, down \N{MINUS SIGN} (MW)")
    few_ticks(time)
    totals, labels = [], []
    for data in runs.values():
        sums = held_back_mw(data).sum() * data.hours
        mwh, offers = (float(sums[f"{part}_up"] + sums[f"{part}_down"]) for part in ("held", "offered"))
        share = f" ({100.0 * mwh / offers:.0f} % of offers)" if offers > 0.0 else ""
        totals.append(mwh)
        labels.append(f"{mwh:,.0f}{share}" if has_bid_checks(data) else "no bid checks")
    _bars(bars, list(runs), totals, labels)
    bars.set_title("Held back")
    bars.set_xlabel("Offers held back, up + down (MWh)")


def _stopped(time: Axes, bars: Axes, runs: Mapping[str, RunData]) -> None:
    totals, labels = [], []
    for k, data in enumerate(runs.values()):
        stopped = stopped_bids(data)
        _steps(time, data, stopped, "sum", k)
        totals.append(float(stopped.sum()))
        labels.append(f"{stopped.sum():,.0f}" if len(data.reserve) else "no reserve")
    time.set_title("Stopped: reserve bids that DSOs stopped within the ISP")
    time.set_ylabel("Bids (per day)" if next(iter(runs.values())).is_long else "Bids (per ISP)")
    time.set_ylim(bottom=0.0)
    few_ticks(time, 4)
    thousands(time)
    _bars(bars, list(runs), totals, labels)
    bars.set_title("Stopped")
    bars.set_xlabel("Reserve bids stopped (bid-ISPs)")


def _limits(time: Axes, bars: Axes, runs: Mapping[str, RunData]) -> None:
    """Overload over time, with dots where activation broke a limit; bars of ISPs with a broken limit."""
    reference, totals, parts, labels = reference_of(runs), [], [], []
    for k, (name, data) in enumerate(runs.items()):
        over, (broken, created) = overload_pct(data), broken_limits(data)
        if name == reference:
            look: Any = {"color": PALE, "alpha": 0.5, "label": f"{name} without activation", "zorder": 0.5}
            _area(time, data, overload_pct(data, "base_"), "max", **look)
        _steps(time, data, over, "max", k)
        _dots(time, data, np.where(created, np.nan_to_num(over), np.nan), k)
        totals.append(float(broken.sum()))
        parts.append(float(created.sum()))
        labels.append(f"{broken.sum():,}" + (f" ({created.sum():,} by activation)" if broken.any() else ""))
    if any(parts):
        time.plot([], [], "o", color=DARK, markersize=DOT, label="Limit broken by activation")
    legend_above(time)
    time.set_title("Congestion: worst overload, DSO grids")
    time.set_ylabel("Overload (% of rating)")
    top = max(time.get_ylim()[1], 5.0)
    time.set_ylim(-0.03 * top, top)  # so that lines at zero are visible
    few_ticks(time)
    if not any(np.nan_to_num(overload_pct(d, way)).any() for d in runs.values() for way in ("", "base_")):
        say(time, "No branch is overloaded")
        time.set_yticks([0.0])
    _bars(bars, list(runs), totals, labels, parts)
    bars.set_title("Limits broken (dark: by activation)")
    bars.set_xlabel("ISPs with a broken limit in any DSO grid (number)")


def _dots(ax: Axes, data: RunData, values: FloatArray, k: int) -> None:
    """A dot per ISP, or at the highest value of a day, where the value is known."""
    shown, edges = _shown(data, values, "max")
    middle = (edges[:-1] + edges[1:]) / 2.0
    size = DOT / 2.0 if data.is_long else DOT
    ax.plot(middle, shown, "o", color=colour_of(k)[0], markersize=size, clip_on=False, zorder=4)


def _cost(time: Axes, bars: Axes, runs: Mapping[str, RunData]) -> None:
    """Cumulative cost less that of the reference run; bars of total cost."""
    reference = reference_of(runs)
    against = cost_eur(runs[reference]).sum(axis=1)
    totals, parts, labels = [], [], []
    for k, (name, data) in enumerate(runs.items()):
        colour, dash = colour_of(k)
        cost = cost_eur(data)
        more = cost.sum(axis=1) - against.reindex(cost.index, fill_value=0.0)
        draw_cumulative(time, data, more.to_numpy(dtype=np.float64), color=colour, linestyle=dash)
        mwh = float(data.energy_mwh.to_numpy().sum())
        totals.append(float(cost.to_numpy().sum()))
        parts.append(float(cost.activation.sum()))
        change = "" if name == reference else "\n" + difference(totals[-1], float(against.sum()))
        labels.append(minus(f"{totals[-1]:,.0f} EUR for {mwh:,.0f} MWh") + change)
    time.set_title(f"Cost: cumulative, less that of {reference}")
    if len(runs) > 1 and all(abs(total - totals[0]) < NO_SIZE for total in totals):
        say(time, "All runs cost the same")
    time.set_ylabel("Difference (EUR)")
    few_ticks(time)
    thousands(time)
    _bars(bars, list(runs), totals, labels, parts)
    pale_too = " (pale: capacity)" if any(cost_eur(data).capacity.any() for data in runs.values()) else ""
    bars.set_title(f"Cost{pale_too}")
    bars.set_xlabel("Cost of TSO and DSOs (EUR)")


def difference(value_eur: float, against_eur: float) -> str:
    """An amount less another, in EUR and in percent of the other."""
    more = value_eur - against_eur
    share = f" ({100.0 * more / abs(against_eur):+.1f} %)" if against_eur else ""
    return minus(f"{more:+,.0f} EUR{share}")


def _bars(
    ax: Axes, names: list[str], totals: list[float], labels: list[str], parts: list[float] | None = None
) -> None:
    """A bar per run with its label; with `parts` that part of it in full colour and the rest pale."""
    for k, (total, label) in enumerate(zip(totals, labels, strict=True)):
        colour, _ = colour_of(k)
        full = total if parts is None else parts[k]
        ax.barh(k, full, height=0.6, color=colour)
        ax.barh(k, total - full, left=full, height=0.6, color=pale(colour))
        at = (max(total, full, 0.0), k)
        ax.annotate(label, at, (3, 0), textcoords="offset points", fontsize=7, va="center")
    largest, least = max(*totals, 0.0), min(*totals, *(parts or []), 0.0)
    span = largest - least or 1.0
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    # Room for the labels to the right of the bars, whatever their unit.
    ax.set_xlim(1.05 * least, largest + 0.7 * span)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:,.0f}")))
    ax.grid(False)
    ax.grid(True, axis="x")
