"""Figure of payments between groups of parties."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tandem_sim.experiments.figures.style import GREEN, RED, minus, new_figure, say
from tandem_sim.experiments.figures.system import group_of, group_order
from tandem_sim.experiments.results.run_data import RunData
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE

LEAST_EUR = 0.005
"""Payments below half a cent are shown as none."""


def payments(data: RunData) -> pd.DataFrame:
    """Net payments (EUR) from groups of parties (rows) to groups (columns), zero or more.

    A negative amount of the table flows the other way; what two groups pay each other is balanced, so that
    one of each pair is zero. Payments within a group are left out.
    """
    rows = data.settlement
    flows = pd.DataFrame(
        {"payer": group_of(rows.payer), "payee": group_of(rows.payee), "eur": rows.amount_eur.to_numpy()}
    )
    groups = group_order({*flows.payer, *flows.payee})
    sums = flows.groupby(["payer", "payee"]).eur.sum().unstack("payee")
    gross = sums.reindex(index=groups, columns=groups).fillna(0.0)
    net = np.clip(gross.to_numpy() - gross.to_numpy().T, 0.0, None)
    return pd.DataFrame(net, index=groups, columns=groups)


def money_figure(data: RunData) -> Figure:
    """Matrix of net payments between groups of parties, and net receipts of each group (EUR)."""
    paid = payments(data)
    figure = new_figure("Payments between parties", data.title, 13, 2.4 + 0.55 * max(len(paid), 3))
    matrix, bars = figure.subplots(1, 2, width_ratios=[2.0, 1.0])
    _matrix(matrix, paid)
    _bars(bars, paid.sum(axis=0) - paid.sum(axis=1))
    return figure


def _matrix(ax: Axes, paid: pd.DataFrame) -> None:
    names, eur = [str(name).replace("\n", " ") for name in paid], paid.to_numpy()
    if len(names):
        scale = LogNorm(1.0, max(float(eur.max()), 10.0))
        shown = np.where(eur > LEAST_EUR, np.clip(eur, 1.0, None), np.nan)
        ax.imshow(shown, cmap="Blues", norm=scale, alpha=0.7, aspect="auto")
    for row, column in np.argwhere(eur > LEAST_EUR):
        value = eur[row, column]
        text = f"{value:,.0f}" if value >= 10.0 else f"{value:.2f}"
        ax.text(column, row, text, ha="center", va="center", fontsize=9)
    ax.set_xticks(range(len(names)), [name.replace(" on ", " on\n") for name in names])
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("Receives (EUR)")
    ax.set_ylabel("Pays (EUR)")
    ax.set_title("Net payments over the time shown; what two groups pay each other is balanced")
    ax.grid(False)
    if not eur.size or eur.max() <= LEAST_EUR:
        say(ax, "No payments")


def _bars(ax: Axes, net: pd.Series) -> None:
    """Net receipts of each group: their sum is zero."""
    values = net.to_numpy(dtype=np.float64)
    values = np.where(np.abs(values) < NEGLIGIBLE_FIGURE, 0.0, values)
    drawn = ax.barh(range(len(values)), values, height=0.6, color=np.where(values < 0.0, RED, GREEN))
    ax.bar_label(drawn, [minus(f"{value + 0.0:,.0f}") for value in np.round(values)], padding=3, fontsize=8)
    ax.set_yticks(range(len(values)), [""] * len(values))
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.axvline(0.0, color="black", linewidth=0.7)
    ax.margins(x=0.25)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:,.0f}")))
    ax.set_title("Net receipts of each group")
    ax.set_xlabel("Received less paid (EUR)")
    ax.grid(False, axis="y")
