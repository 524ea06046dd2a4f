"""Figure of the power of households by class of device."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tandem_sim.agents.devices.classes.registry import CLASSES
from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    band_note,
    draw_line,
    hour_by_day,
    legend_right,
    new_figure,
    shade_nights,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.results.run_data import FloatArray, RunData

CLASS_LOOK = {
    "load": (GREY, "Inflexible load"),
    "ev": (PURPLE, "Electric vehicles"),
    "heat_pump": (RED, "Heat pumps"),
    "battery": (GREEN, "Batteries"),
    "pv": (ORANGE, "PV"),
}
"""Colour and label of the classes of device of every population."""
_REST = [known for known in CLASSES if known.name not in CLASS_LOOK]
OTHERS = {
    of.name: (colour, of.title[0].upper() + of.title[1:])
    for of, colour in zip(_REST, cycle((SKY, BLUE)), strict=False)
}
"""Those of other classes, which are shown where a household owns one."""
LEAST_SHOWN = 1e-3
"""Share of the largest change below which a class has no line."""


def by_class(data: RunData, column: str = "p_mw") -> pd.DataFrame:
    """Injection of all areas by ISP (rows) and class of device (MW); `column` base_mw: without activation."""
    rows = data.table("devices", ["isp", "device", column])
    sums = rows.groupby(["isp", "device"], observed=True)[column].sum().unstack("device")
    found: pd.DataFrame = sums.reindex(index=data.system.isp, columns=[*CLASS_LOOK, *OTHERS])
    return found.fillna(0.0).astype(np.float64)


def household_figure(data: RunData) -> Figure:
    """Injection by class as delivered (stacked areas), and what activation changes of it (MW)."""
    delivered, base = by_class(data), by_class(data, "base_mw")
    figure = new_figure(
        "Households by class of device", data.title, 11, 9.0 if data.is_long else 6.6, band_note(data)
    )
    axes = figure.subplots(3 if data.is_long else 2, 1, sharex=True)
    for ax in axes[:2]:
        shade_nights(ax, data)
    _stack(axes[0], data, delivered)
    _changes(axes[1], data, delivered - base)
    if data.is_long:
        total = delivered.sum(axis=1).to_numpy(dtype=np.float64)
        hour_by_day(axes[2], data, total, "Injection (MW)", centred=True)
        axes[2].set_title("All households by hour and day (blue: injection)")
    time_axis(axes[-1], data)
    return figure


def _looks(mw: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Colour and label of the classes that are shown."""
    return CLASS_LOOK | {name: look for name, look in OTHERS.items() if mw[name].any()}


def _shown(data: RunData, values: pd.Series) -> FloatArray:
    """Values by ISP, or their daily means."""
    mw = values.to_numpy(dtype=np.float64)
    return data.daily(mw)["mean"].to_numpy(dtype=np.float64) if data.is_long else mw


def _stack(ax: Axes, data: RunData, mw: pd.DataFrame) -> None:
    """Areas of injection above zero and of consumption below, and the sum as a line."""
    edges = data.day_edges if data.is_long else data.edges
    floors = {1.0: np.zeros(len(edges) - 1), -1.0: np.zeros(len(edges) - 1)}
    for name, (colour, label) in _looks(mw).items():
        values = _shown(data, mw[name])
        for sign, floor in floors.items():
            top = floor + np.where(np.sign(values) == sign, values, 0.0)
            look: Any = {
                "fill": True,
                "color": colour,
                "linewidth": 0,
                "label": label if sign > 0.0 else None,
            }
            ax.stairs(top, edges, baseline=floor, **look)
            floors[sign] = top
    ax.stairs(_shown(data, mw.sum(axis=1)), edges, baseline=None, color=DARK, linewidth=1.2, label="All")
    zero_line(ax)
    ax.use_sticky_edges = False
    daily = ", daily means" if data.is_long else ""
    ax.set_title(f"As delivered{daily} (injection: positive, consumption: negative)")
    ax.set_ylabel("Power (MW)")
    legend_right(ax)


def _changes(ax: Axes, data: RunData, mw: pd.DataFrame) -> None:
    largest = float(mw.abs().max().max())
    for name, (colour, label) in _looks(mw).items():
        values = mw[name].to_numpy(dtype=np.float64)
        if np.abs(values).max() > LEAST_SHOWN * largest:
            draw_line(ax, data, values, color=colour, label=label, linewidth=1.2)
    zero_line(ax)
    ax.set_title("Change by activation in the ISP (more injection or less consumption: positive)")
    ax.set_ylabel("Power (MW)")
    if ax.get_legend_handles_labels()[0]:
        legend_right(ax)
    else:
        ax.text(0.5, 0.6, "No device was activated", transform=ax.transAxes, ha="center", color=BLUE)
