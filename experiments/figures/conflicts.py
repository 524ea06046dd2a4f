"""Figure of counter-activation by hour of the day: purchases of DSOs that purchases of the TSO undo."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tandem_sim.experiments.figures.style import (
    ORANGE,
    PALE,
    RED,
    few_ticks,
    legend_above,
    new_figure,
    say,
    zero_line,
)
from tandem_sim.experiments.results.run_data import FloatArray, RunData

LOOK = {
    "bought_mwh": (PALE, "Bought by DSOs"),
    "undone_at_node_mwh": (ORANGE, "Undone at the same node"),
    "undone_on_unit_mwh": (RED, "Undone on the same unit"),
}
HOURS = range(24)


def by_hour(data: RunData, conflicts: pd.DataFrame) -> pd.DataFrame:
    """Columns of `LOOK` (MWh per day) for every direction (1, -1) and local hour (0 to 23) of the day.

    A sum over the run divided by its local days; an hour that comes twice as clocks change counts twice.
    """
    hour = pd.Series(data.local.hour, index=data.system.isp)
    sums = conflicts.groupby([conflicts.direction, conflicts.isp.map(hour).rename("hour")])[list(LOOK)].sum()
    wanted = pd.MultiIndex.from_product([(1, -1), HOURS], names=["direction", "hour"])
    found: pd.DataFrame = sums.reindex(wanted, fill_value=0.0) / len(data.first_of_day)
    return found


def conflict_figure(data: RunData, conflicts: pd.DataFrame) -> Figure:
    """Energy that DSOs buy by hour of the day, the part that the TSO undoes (MWh per day), its share (%)."""
    note = (
        "Undone: the TSO buys in the opposite direction in the same ISP. "
        "Red is part of orange, orange is part of grey.\n"
    )
    figure = new_figure("Purchases of DSOs that the TSO undoes", data.title, 11, 6.4, note)
    energy, share = figure.subplots(2, 1, sharex=True)
    hourly = by_hour(data, conflicts)
    _bars(energy, hourly)
    _shares(share, hourly.groupby("hour").sum())
    share.set_xlim(0, 24)
    share.set_xticks(range(0, 25, 3), [f"{hour:02d}:00" for hour in range(0, 25, 3)])
    share.set_xlabel(f"Local time of day, {data.zone} (hours)")
    return figure


def _bars(ax: Axes, hourly: pd.DataFrame) -> None:
    for column, (colour, label) in LOOK.items():
        for direction in (1, -1):
            mwh = direction * hourly.loc[[direction], column].to_numpy(dtype=np.float64)
            middle = np.arange(24) + 0.5
            ax.bar(middle, mwh, width=0.8, color=colour, label=label if direction > 0 else None)
    zero_line(ax)
    ax.set_title("Energy by hour (up: positive, down: negative)")
    ax.set_ylabel("Energy (MWh per day)")
    few_ticks(ax)
    legend_above(ax)


def _shares(ax: Axes, hourly: pd.DataFrame) -> None:
    bought: FloatArray = hourly.bought_mwh.to_numpy(dtype=np.float64)
    for column, (colour, label) in list(LOOK.items())[1:]:
        pct = np.full(24, np.nan)
        np.divide(100.0 * hourly[column].to_numpy(), bought, out=pct, where=bought > 0.0)
        ax.stairs(pct, np.arange(25), baseline=None, color=colour, linewidth=2.0, label=label)
    if not bought.any():
        say(ax, "DSOs bought nothing")
    ax.set_ylim(0.0, 100.0)
    ax.set_title("Share of the purchases of that hour that is undone, both directions")
    ax.set_ylabel("Share (%)")
    legend_above(ax)
