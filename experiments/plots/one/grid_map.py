"""Figure of a grid as a whole: loading of every branch (%) and voltage of every bus (p.u.) over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure

from tandem_sim.experiments.figures.grids import branch_names
from tandem_sim.experiments.figures.style import BLUE, SKY, new_figure, say, time_axis
from tandem_sim.experiments.results.run_data import FloatArray, RunData

LOADINGS = LinearSegmentedColormap.from_list(
    "loadings", [(0.0, "#FFFFFF"), (0.4999, "#1F5F99"), (0.5, "#FFD9A8"), (1.0, "#8A2C00")]
)
"""White to blue up to the rating, pale orange to brown beyond it; in greys it jumps at the rating."""
MOST_NAMES = 24
"""Most branches whose names are printed; of more, those with the highest loadings."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def by_column(data: RunData, table: str, system: str, of: str, value: str) -> pd.DataFrame:
    """Values of a grid: a row per branch or bus (column `of`), a column per ISP, or per day its maximum."""
    parts = []
    for rows in data.groups(table, ["isp", "system", of, value]):
        own = rows[rows.system == system]
        parts.append(own.pivot_table(index=of, columns="isp", values=value, aggfunc="last", observed=True))
    found = pd.concat(parts, axis=1).T.groupby(level=0).last().T
    return found.reindex(columns=data.system.isp)


def shown_loading(data: RunData, system: str) -> pd.DataFrame:
    """Loading by branch (rows) and ISP or, on a long horizon, its maximum by day; highest branches first."""
    found = by_column(data, "branch_loading", system, "branch", "loading_pct")
    if data.is_long:
        found = found.T.groupby(_day(data)).max().T
    return found.loc[found.max(axis=1).sort_values(ascending=False).index]


def _day(data: RunData) -> Any:
    """Number of the local day of every ISP."""
    return np.searchsorted(data.first_of_day, np.arange(len(data.system)), side="right") - 1


def grid_map_figure(data: RunData, system: str) -> Figure:
    """Heat map of the loadings of all branches with a rating, and quantiles of the voltages of all buses."""
    loading = shown_loading(data, system)
    rows = min(max(len(loading), 4), MOST_NAMES)
    note = "Highest loading of each day. " if data.is_long else ""
    height = 2.9 + 0.2 * rows
    title = f"Grid {system}: all branches and buses"
    figure = new_figure(title, data.title, 11, 2.0 + height, note)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[0.2 * rows + 0.6, 2.3])
    _branches(top, data, system, loading)
    _buses(bottom, data, system)
    time_axis(bottom, data)
    return figure


def _branches(ax: Axes, data: RunData, system: str, loading: pd.DataFrame) -> None:
    ax.grid(False)
    if loading.empty or not np.isfinite(loading.to_numpy(dtype=np.float64)).any():
        say(ax, "No loadings: no branch has a rating, or no power flow has a solution")
        ax.set_yticks([])
        return
    shown = loading.iloc[:MOST_NAMES].to_numpy(dtype=np.float64)
    edges = data.day_edges if data.is_long else data.edges
    most = max(float(np.nanmax(shown)), 120.0)
    scale = TwoSlopeNorm(100.0, 0.0, most)
    mesh = ax.pcolormesh(edges, np.arange(len(shown) + 1), shown, cmap=LOADINGS, norm=scale, rasterized=True)
    names = branch_names(data, system)
    order, highest = loading.index[:MOST_NAMES].to_numpy(), loading.iloc[:MOST_NAMES].max(axis=1).to_numpy()
    labels = [f"{names[int(n)]}, max. {most:.0f} %" for n, most in zip(order, highest, strict=True)]
    ax.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize=7)
    ax.invert_yaxis()
    left_out = f" (highest {MOST_NAMES} of {len(loading)} with a rating)" if len(loading) > MOST_NAMES else ""
    ax.set_title(f"Branch loading after activation{left_out}; orange: above the rating")
    figure: Any = ax.figure
    figure.colorbar(mesh, ax=ax, label="Loading (%)", pad=0.01, ticks=[0, 25, 50, 75, 100, round(most)])


def voltage_quantiles(data: RunData, system: str) -> FloatArray:
    """Quantiles (rows, as `QUANTILES`) over the buses of a grid by ISP, or over a day's ISPs too (p.u.)."""
    found = by_column(data, "bus_voltage", system, "bus", "vm_pu")
    if not data.is_long:
        return found.quantile(list(QUANTILES)).to_numpy(dtype=np.float64)
    days = found.T.groupby(_day(data))
    parts = [pd.Series(rows.to_numpy().ravel()).quantile(list(QUANTILES)) for _, rows in days]
    return np.column_stack([part.to_numpy(dtype=np.float64) for part in parts])


def _buses(ax: Axes, data: RunData, system: str) -> None:
    levels = voltage_quantiles(data, system)
    edges = data.day_edges if data.is_long else data.edges
    if np.isnan(levels).all():
        say(ax, "No voltages: no power flow has a solution")
    for (low, high), alpha, label in (
        ((0, 6), 0.25, "All buses"),
        ((1, 5), 0.4, "5 to 95 % of buses"),
        ((2, 4), 0.6, "25 to 75 %"),
    ):
        look: Any = {"fill": True, "color": SKY, "alpha": alpha, "linewidth": 0, "label": label}
        ax.stairs(levels[high], edges, baseline=levels[low], **look)
    ax.stairs(levels[3], edges, baseline=None, color=BLUE, label="Median bus")
    ax.use_sticky_edges = False
    ax.set_title("Bus voltages after activation")
    ax.set_ylabel("Voltage (p.u.)")
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.02), ncols=4)
