"""Figures of the grids: interface flows, branch loadings, bus voltages."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    band_note,
    draw_line,
    few_ticks,
    legend_above,
    new_figure,
    say,
    shade_nights,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.results.run_data import FloatArray, RunData
from tandem_sim.experiments.run_folder.tables import read_table

LIMIT_PCT = 100.0
NEAR_PU = 0.02
"""A voltage limit is drawn if a bus voltage comes this close to it (p.u.); otherwise it is off the scale."""


def interface_figure(data: RunData) -> Figure:
    """Flow from transmission into every distribution grid (MW, negative: export to transmission)."""
    names = data.distribution
    height = 1.7 + 2.1 * len(names)
    figure = new_figure("Flow from transmission into distribution", data.title, 11, height, band_note(data))
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for ax, name in zip(axes, names, strict=True):
        flow = _column(data.grid_of(name), "interface_mw")
        shade_nights(ax, data)
        if not data.is_long:
            for part, colour, label in (
                (np.fmax(flow, 0.0), BLUE, "Import from transmission"),
                (np.fmin(flow, 0.0), ORANGE, "Export to transmission"),
            ):
                ax.stairs(part, data.edges, fill=True, color=colour, alpha=0.3, linewidth=0, label=label)
        draw_line(ax, data, flow, color=BLUE if data.is_long else DARK, linewidth=1.0)
        zero_line(ax)
        ax.set_title(name)
        ax.set_ylabel("Interface flow (MW)")
        few_ticks(ax)
    if not data.is_long:
        legend_above(axes[0])
    time_axis(axes[-1], data)
    return figure


def grid_figure(data: RunData, name: str) -> Figure:
    """One grid: highest branch loading (%), ISPs with violations, range of bus voltages (p.u.)."""
    figure = new_figure(f"Grid {name}: loading and voltage", data.title, 11, 7.4, band_note(data))
    loading, marks, voltage = figure.subplots(3, 1, sharex=True, height_ratios=[3.0, 0.8, 2.0])
    rows = data.grid_of(name)
    for ax in (loading, marks, voltage):
        shade_nights(ax, data)
    _loading(loading, data, name, rows)
    _violations(marks, data, rows)
    _voltage(voltage, data, name, rows)
    time_axis(voltage, data)
    return figure


def branch_names(data: RunData, name: str) -> dict[int, str]:
    """Branches of a grid by number: element and ends, such as "line 4 (bus 4 to 5)"."""
    columns = ["system", "branch", "name", "element", "from_bus", "to_bus"]
    rows = read_table(data.folder, "branches", columns)
    rows = rows[rows.system == name]
    ends = zip(rows.branch, rows.element, rows.from_bus, rows.to_bus, strict=True)
    return {int(n): f"{element} (bus {_bus(start)} to {_bus(end)})" for n, element, start, end in ends}


def voltage_limits(data: RunData, name: str) -> tuple[float, float]:
    """Lower and upper voltage limit of a grid (p.u.): of buses with different ones the tightest."""
    columns = ["system", "vm_limit_min_pu", "vm_limit_max_pu"]
    rows = read_table(data.folder, "buses", columns)
    rows = rows[rows.system == name]
    return float(rows.vm_limit_min_pu.max()), float(rows.vm_limit_max_pu.min())


def _bus(number: float) -> str:
    """A bus, or the star point or open end that an empty number stands for."""
    return "-" if np.isnan(number) else f"{number:.0f}"


def worst_branches(data: RunData, name: str) -> pd.DataFrame:
    """Per ISP that has loadings the worst branch of a grid: columns `branch` and `loading_pct`."""
    parts = []
    for rows in data.groups("branch_loading", ["isp", "system", "branch", "loading_pct"]):
        own = rows[(rows.system == name) & rows.loading_pct.notna()]
        parts.append(own.loc[own.groupby("isp").loading_pct.idxmax()])
    worst = pd.concat(parts).sort_values("loading_pct")  # an ISP may stand in two parts of the table
    return worst.groupby("isp")[["branch", "loading_pct"]].last()


def _name_worst(ax: Axes, data: RunData, name: str) -> str:
    """Mark the highest loading with the branch that has it; returns the branch that has it most often.

    Empty without the tables, or if no power flow has a solution.
    """
    if not (data.has("branch_loading") and data.has("branches")):
        return ""
    worst = worst_branches(data, name)
    if worst.empty:
        return ""
    names, peak = branch_names(data, name), int(worst.loading_pct.idxmax())
    at = float(data.edges[peak - int(data.system.isp.iloc[0])]) + data.hours / 48.0
    pct, late = float(worst.loading_pct[peak]), at > float(data.edges.mean())
    ax.plot([at], [pct], "v", color=DARK, markersize=5, zorder=5)
    ax.annotate(
        f"{names[int(worst.branch[peak])]}, {pct:.0f} %",
        (at, pct),
        (-6 if late else 6, 5),
        textcoords="offset points",
        ha="right" if late else "left",
        fontsize=8,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.0},
    )
    share = worst.branch.value_counts(normalize=True)
    return f"; mostly {names[int(share.index[0])]}, {100.0 * share.iloc[0]:.0f} % of ISPs"


def _loading(ax: Axes, data: RunData, name: str, rows: pd.DataFrame) -> None:
    after, base = _column(rows, "max_loading_pct"), _column(rows, "base_max_overload_pct")
    before = np.where(base > 0.0, LIMIT_PCT + base, np.nan)
    if data.is_long:
        middle = (data.day_edges[:-1] + data.day_edges[1:]) / 2.0
        ax.plot(
            middle, data.daily(before)["max"], ".", color=ORANGE, label="Without activation, daily maximum"
        )
    else:
        ax.stairs(
            before,
            data.edges,
            baseline=LIMIT_PCT,
            fill=True,
            color=ORANGE,
            alpha=0.55,
            linewidth=0,
            label="Overload without activation",
        )
    draw_line(ax, data, after, color=BLUE, linewidth=1.2, label="After activation")
    ax.axhline(LIMIT_PCT, color=RED, linewidth=1.0, linestyle="--", label="Limit 100 %")
    ax.set_title(f"Highest branch loading{_name_worst(ax, data, name)}")
    ax.set_ylim(0.0, max(1.04 * ax.get_ylim()[1], 1.06 * LIMIT_PCT))
    ax.set_ylabel("Loading (%)")
    legend_above(ax)


def _violations(ax: Axes, data: RunData, rows: pd.DataFrame) -> None:
    kinds = [
        ("without activation", violated(rows, "base_"), ORANGE),
        ("after activation", violated(rows, ""), RED),
    ]
    diverged = (rows.converged == False).to_numpy()  # noqa: E712 - a missing row has not diverged
    if diverged.any():
        kinds.append(("diverged", diverged, DARK))
    for k, (label, mask, colour) in enumerate(kinds):
        if data.is_long:
            share = 100.0 * data.daily(mask.astype(np.float64))["mean"]
            ax.stairs(share, data.day_edges, baseline=None, color=colour, label=label.capitalize())
        else:
            top = np.where(mask, 0.4 - k, np.nan)
            ax.stairs(top, data.edges, baseline=-0.4 - k, fill=True, color=colour, linewidth=0.6)
    counts = ", ".join(f"{label}: {int(mask.sum())}" for label, mask, _ in kinds)
    if not any(mask.any() for _, mask, _ in kinds):
        ax.text(0.5, 0.5, "No limit is broken", transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set_title(f"ISPs with a branch or voltage violation ({counts} of {len(rows)})")
    if data.is_long:
        ax.set_ylabel("ISPs (%)")
        ax.set_ylim(bottom=0.0)
        legend_above(ax)
        return
    ax.set_ylim(0.4 - len(kinds), 0.6)
    ax.set_yticks([-float(k) for k in range(len(kinds))], [label for label, _, _ in kinds])
    ax.grid(False)


def violated(rows: pd.DataFrame, prefix: str) -> NDArray[np.bool_]:
    """Whether each row has a violation of a branch or voltage limit; `prefix` "base_": without activation."""
    counts = rows[[f"{prefix}congested_lines", f"{prefix}voltage_violations"]]
    return np.asarray((counts > 0).any(axis=1), dtype=np.bool_)


def _voltage(ax: Axes, data: RunData, name: str, rows: pd.DataFrame) -> None:
    low, high = _column(rows, "vm_min_pu"), _column(rows, "vm_max_pu")
    edges = data.edges
    if data.is_long:
        low, high = data.daily(low)["min"].to_numpy(), data.daily(high)["max"].to_numpy()
        edges = data.day_edges
    if np.isnan(low).all():
        say(ax, "No voltages: the power flow did not converge")
    floor = np.where(np.isnan(high), np.nan, low)
    ax.stairs(high, edges, baseline=floor, fill=True, color=SKY, alpha=0.45, linewidth=0)
    ax.stairs(high, edges, baseline=None, color=BLUE, linewidth=1.0, label="Highest bus")
    ax.stairs(low, edges, baseline=None, color=GREEN, linewidth=1.0, label="Lowest bus")
    limits = voltage_limits(data, name)
    near = [limit for limit in limits if _comes_near(limit, low, high)]
    for limit in near:
        ax.axhline(limit, color=RED, linewidth=1.0, linestyle="--", label=f"Limit {limit:g} p.u.")
    ax.set_ylabel("Voltage (p.u.)")
    far = [f"{limit:g}" for limit in limits if limit not in near]
    title = "Bus voltages, daily range" if data.is_long else "Bus voltages"
    if far:
        title += f" (off the scale: limit{'s' if len(far) > 1 else ''} {' and '.join(far)} p.u.)"
    ax.set_title(title)
    ax.use_sticky_edges = False
    legend_above(ax)


def _comes_near(limit: float, low: FloatArray, high: FloatArray) -> bool:
    worst = high if limit > 1.0 else -low
    return bool((worst > (limit - NEAR_PU if limit > 1.0 else -limit - NEAR_PU)).any())


def _column(table: pd.DataFrame, name: str) -> FloatArray:
    return table[name].to_numpy(dtype=np.float64)
