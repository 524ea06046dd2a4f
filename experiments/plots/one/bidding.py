"""Figure of strategic bidding over time: mark-up, offers, share sold and profit of sellers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tandem_sim.experiments.figures.style import (
    band_note,
    colour_of,
    draw_cumulative,
    few_ticks,
    legend_right,
    new_figure,
    say,
    shade_nights,
    thousands,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.results.run_data import FloatArray, RunData

MOST_SELLERS = 7
"""Most sellers with a line of their own; of more, those with the largest profit or loss."""
SMALLEST_EUR = 0.005
"""Profits below this are rounding errors."""
COLUMNS = (
    "isp provider direction available_mw offered_mw sold_mw price_eur_per_mwh offered_cost_eur_per_mwh "
    "received_eur_per_h cost_eur_per_h"
)
PANELS = (
    ("markup_eur_per_mwh", "Mark-up: price asked less true cost, mean by MW offered", "Mark-up (EUR/MWh)"),
    ("offered_mw", "Offers, up and down together", "Offered (MW)"),
    ("sold_pct", "Share of the offers that is sold", "Sold (%)"),
    ("profit_eur", "Profit of awards, cumulative: pay less true cost", "Profit (EUR)"),
)


def by_seller(data: RunData) -> pd.DataFrame:
    """By seller and ISP: the columns of `PANELS`; mark-ups are signed by direction, empty without an offer.

    Both directions and all systems together. Profits are those of energy sold, without capacity, imbalance
    and day-ahead schedules.
    """
    rows = data.table("sellers", COLUMNS.split())
    markup = rows.direction * (rows.price_eur_per_mwh - rows.offered_cost_eur_per_mwh) * rows.offered_mw
    sums = pd.DataFrame(
        {
            "provider": rows.provider.astype(str),
            "isp": rows.isp,
            "asked": markup.where(rows.offered_mw > 0.0, 0.0),
            "offered_mw": rows.offered_mw,
            "sold_mw": rows.sold_mw,
            "profit_eur": (rows.received_eur_per_h - rows.cost_eur_per_h) * data.hours,
        }
    )
    found = sums.groupby(["provider", "isp"]).sum()
    offered = found.offered_mw.where(found.offered_mw > 0.0)
    return pd.DataFrame(
        {
            "markup_eur_per_mwh": found.asked / offered,
            "offered_mw": found.offered_mw,
            "sold_pct": 100.0 * found.sold_mw / offered,
            "profit_eur": found.profit_eur,
        }
    )


def all_sellers(data: RunData, column: str) -> FloatArray:
    """A column of `PANELS` by ISP: sums of all sellers, mean mark-up, share of all offers that is sold."""
    found = by_seller(data)
    offered = found.offered_mw.groupby("isp").sum()
    if column in ("markup_eur_per_mwh", "sold_pct"):
        weighted = (found[column].fillna(0.0) * found.offered_mw).groupby("isp").sum()
        values = weighted / offered.where(offered > 0.0)
    else:
        values = found[column].groupby("isp").sum()
    return np.asarray(values.reindex(data.system.isp).to_numpy(), dtype=np.float64)


def bidding_figure(data: RunData) -> Figure:
    """A line per seller: mark-up (EUR/MWh), offers (MW), share sold (%), cumulative profit (EUR)."""
    found = by_seller(data)
    profit = found.profit_eur.groupby("provider").sum()
    markup = found.markup_eur_per_mwh.abs().groupby("provider").max().fillna(0.0)
    order = profit.abs().sort_values(ascending=False, kind="stable")
    strategic = [str(name) for name in order.index if markup[name] > 1e-6]
    wanted = (strategic or [str(name) for name in order.index])[:MOST_SELLERS]
    count = len(profit)
    kind = "with a mark-up" if strategic else "(all bids at cost)"
    title = f"Bidding: {len(wanted)} of {count} sellers {kind}, largest profits"
    figure = new_figure(title, data.title, 11, 9.2, band_note(data).replace(", bands: daily range", ""))
    axes = figure.subplots(len(PANELS), 1, sharex=True)
    for ax, (column, text, label) in zip(axes, PANELS, strict=True):
        shade_nights(ax, data)
        for k, name in enumerate(wanted):
            values = found.loc[name][column].reindex(data.system.isp).to_numpy(dtype=np.float64)
            colour, dash = colour_of(k)
            look: Any = {"color": colour, "linestyle": dash, "label": name, "linewidth": 1.2}
            if column == "profit_eur":
                draw_cumulative(ax, data, np.nan_to_num(values), **look)
                continue
            shown = data.daily(values)["mean"].to_numpy(dtype=np.float64) if data.is_long else values
            ax.stairs(shown, data.day_edges if data.is_long else data.edges, baseline=None, **look)
        zero_line(ax)
        few_ticks(ax)
        thousands(ax)
        ax.set_title(text)
        ax.set_ylabel(label)
    if not strategic:
        say(axes[0], "All bids are at true cost")
    if not (profit.abs() > SMALLEST_EUR).any():
        say(axes[-1], "All awards are paid their true cost")
    legend_right(axes[0])
    time_axis(axes[-1], data)
    return figure
