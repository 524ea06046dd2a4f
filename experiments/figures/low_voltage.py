"""Figure of low-voltage feeders: voltages with and without contracts, limited contracts, offers left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    GREEN,
    ORANGE,
    RED,
    band_note,
    draw_line,
    few_ticks,
    legend_above,
    new_figure,
    pale,
    shade_nights,
    time_axis,
)
from tandem_sim.experiments.results.run_data import FloatArray, RunData


def low_voltage_figure(data: RunData) -> Figure:
    """All feeders of a run: voltages (p.u.), contracts that are limited, offers of their devices (kW)."""
    title = "Low-voltage feeders and their non-firm contracts"
    figure = new_figure(title, data.title, 11, 8.2, band_note(data))
    voltage, contracts, up, down = figure.subplots(4, 1, sharex=True, height_ratios=[2.2, 1.2, 1.4, 1.4])
    rows = data.low_voltage.groupby("isp")
    for ax in (voltage, contracts, up, down):
        shade_nights(ax, data)
        few_ticks(ax)
    lowest, highest = (
        _of(rows.unconstrained_vm_min_pu.min(), data),
        _of(rows.unconstrained_vm_max_pu.max(), data),
    )
    draw_line(voltage, data, lowest, color=ORANGE, linewidth=1.0, label="Baseline, without contracts")
    draw_line(voltage, data, highest, color=ORANGE, linewidth=1.0)
    draw_line(voltage, data, _of(rows.vm_min_pu.min(), data), color=BLUE, linewidth=1.0, label="As delivered")
    draw_line(voltage, data, _of(rows.vm_max_pu.max(), data), color=BLUE, linewidth=1.0)
    voltage.set_ylabel("Voltage (p.u.)")
    voltage.set_title(f"Lowest and highest voltage on {data.low_voltage.lv_feeder.nunique()} feeders")
    active = _of(rows.active_contracts.sum(), data)
    draw_line(contracts, data, active, color=RED, linewidth=1.0, label="Contracts limited")
    contracts.set_ylabel("Contracts (number)")
    contracts.set_title("Activated contracts: connections limited in the ISP")
    contracts.set_ylim(bottom=0.0)
    _offers(up, data, rows, "up", GREEN)
    _offers(down, data, rows, "down", BLUE)
    legend_above(voltage)
    time_axis(down, data)
    return figure


def _offers(ax: Axes, data: RunData, rows: Any, side: str, colour: str) -> None:
    """Sustained offers of the devices on all feeders (kW): without activated limits, and left under them."""
    free = _of(rows[f"free_offer_{side}_kw"].sum(), data)
    left = _of(rows[f"offer_{side}_kw"].sum(), data)
    draw_line(ax, data, free, color=DARK, linewidth=0.8, label="Without activated limits")
    if not data.is_long:
        ax.stairs(left, data.edges, fill=True, color=pale(colour), linewidth=0)
    draw_line(ax, data, left, color=colour, linewidth=1.0, label="Left under the limits")
    ax.set_ylabel("Power (kW)")
    ax.set_title(f"Offers {side} of the devices on the feeders")
    ax.set_ylim(bottom=0.0)
    legend_above(ax)


def _of(by_isp: pd.Series, data: RunData) -> FloatArray:
    return np.asarray(by_isp.reindex(data.system.isp).to_numpy(), dtype=np.float64)
