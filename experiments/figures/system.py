"""Figures of the whole system: balance, prices, household devices, payments."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    SKY,
    band_note,
    draw_cumulative,
    draw_line,
    few_ticks,
    legend_above,
    legend_right,
    minus,
    new_figure,
    say,
    shade_nights,
    thousands,
    time_axis,
    zero_line,
)
from tandem_sim.experiments.results.run_data import FloatArray, RunData
from tandem_sim.markets.settlement.payments import FOR_ENERGY

SOURCE_LOOK = {
    "transmission": (BLUE, "Transmission units"),
    "balancing": (ORANGE, "Distribution, balancing market"),
    "local": (GREEN, "Distribution, local market"),
}
GROUP_LOOK = {
    "TSO": BLUE,
    "BRPs": RED,
    "Aggregators": PURPLE,
    "Sellers on\ntransmission": SKY,
    "Households": DARK,
}
GROUPS = tuple(GROUP_LOOK)


def imbalance_figure(data: RunData) -> Figure:
    """System imbalance before and after activation (MW), and activated energy by source (MWh)."""
    figure = new_figure("System imbalance and activated flexibility", data.title, 11, 6.4, band_note(data))
    axes = figure.subplots(2, 1, sharex=True)
    system = data.system
    top, bottom = axes
    shade_nights(top, data)
    if data.is_long:
        draw_line(top, data, _values(system, "imbalance_before_mw"), color=GREY, label="Before activation")
    else:
        before = _values(system, "imbalance_before_mw")
        top.stairs(before, data.edges, fill=True, color=PALE, linewidth=0, label="Before activation")
    draw_line(top, data, _values(system, "imbalance_after_mw"), color=BLUE, label="After activation")
    zero_line(top)
    top.set_title("System imbalance (positive: surplus)")
    top.set_ylabel("Imbalance (MW)")
    legend_above(top)
    _stack_energy(bottom, data)
    time_axis(bottom, data)
    return figure


def _stack_energy(ax: Axes, data: RunData) -> None:
    shade_nights(ax, data)
    edges = data.day_edges if data.is_long else data.edges
    for direction in (1, -1):
        floor = np.zeros(len(edges) - 1)
        for source, (colour, label) in SOURCE_LOOK.items():
            mwh = data.energy_mwh[source, direction].to_numpy()
            if data.is_long:
                mwh = data.daily(mwh)["sum"].to_numpy()
            top = floor + direction * mwh
            name = label if direction > 0 else None
            ax.stairs(top, edges, baseline=floor, fill=True, color=colour, linewidth=0, label=name)
            floor = top
    zero_line(ax)
    if not data.energy_mwh.to_numpy().any():
        say(ax, "Nothing was activated")
    ax.set_title("Activated flexibility (up: positive, down: negative)")
    ax.set_ylabel("Energy (MWh per day)" if data.is_long else "Energy (MWh per ISP)")
    legend_above(ax)


def price_figure(data: RunData) -> Figure:
    """Imbalance and day-ahead price over time, sorted, and against the imbalance (EUR/MWh)."""
    figure = new_figure("Imbalance price", data.title, 11, 6.8, band_note(data))
    axes = figure.subplot_mosaic([["time", "time"], ["sorted", "scatter"]])
    prices = (
        ("imbalance_price_short_eur_per_mwh", BLUE, "Imbalance price"),
        ("day_ahead_price_eur_per_mwh", ORANGE, "Day-ahead price"),
    )
    shade_nights(axes["time"], data)
    for column, colour, label in prices:
        values = _values(data.system, column)
        draw_line(axes["time"], data, values, color=colour, label=label)
        share = np.linspace(0.0, 100.0, len(values) + 1)
        axes["sorted"].stairs(np.sort(values)[::-1], share, baseline=None, color=colour)
    axes["time"].set_title("Prices over time")
    legend_above(axes["time"])
    time_axis(axes["time"], data)
    axes["sorted"].set_title("Price duration curves")
    axes["sorted"].set_xlabel("Share of ISPs (%)")
    size = 9.0 if len(data.system) <= 3000 else 3.0
    axes["scatter"].scatter(
        data.system.imbalance_before_mw,
        data.system.imbalance_price_short_eur_per_mwh,
        s=size,
        color=BLUE,
        alpha=0.45,
        linewidths=0,
    )
    axes["scatter"].axvline(0.0, color=DARK, linewidth=0.7)
    axes["scatter"].margins(x=0.03)
    axes["scatter"].set_title("Imbalance price against the system imbalance")
    axes["scatter"].set_xlabel("System imbalance before activation, positive: surplus (MW)")
    for ax in axes.values():
        ax.set_ylabel("Price (EUR/MWh)")
        zero_line(ax)
    return figure


def state_figure(data: RunData) -> Figure:
    """Households: battery state of charge, EV charging (MW), indoor temperature (K), curtailed PV (MW)."""
    figure = new_figure("State of household devices", data.title, 11, 8.2, band_note(data))
    system, hours = data.system, data.hours
    panels = (
        ("Batteries, mean state of charge", "State of charge (0 to 1)", _values(system, "battery_soc"), BLUE),
        ("EV charging", "Power (MW)", _values(system, "ev_charged_mwh") / hours, PURPLE),
        (
            "Indoor temperature, mean deviation from the set point",
            "Deviation (K)",
            _values(system, "indoor_deviation_k"),
            RED,
        ),
        ("Curtailed PV", "Power (MW)", _values(system, "curtailed_mwh") / hours, ORANGE),
    )
    axes = figure.subplots(len(panels), 1, sharex=True)
    for ax, (title, label, values, colour) in zip(axes, panels, strict=True):
        shade_nights(ax, data)
        draw_line(ax, data, values, color=colour)
        ax.set_title(title)
        ax.set_ylabel(label)
        few_ticks(ax)
    axes[0].set_ylim(0.0, 1.0)
    zero_line(axes[2])
    for ax in (axes[1], axes[3]):
        ax.set_ylim(bottom=0.0)
    if not np.nansum(panels[3][2]):
        axes[3].set_ylim(0.0, 1.0)
        say(axes[3], "No PV was curtailed")
    time_axis(axes[-1], data)
    return figure


def cost_figure(data: RunData) -> Figure:
    """Cumulative procurement cost per operator and cumulative net receipts per group of parties (EUR)."""
    figure = new_figure("Procurement cost and net receipts", data.title, 11, 7.4)
    axes = figure.subplot_mosaic([["tso", "dso"], ["net", "net"]], height_ratios=[1.0, 1.25])
    settlement = data.settlement
    bought = settlement.kind.isin(FOR_ENERGY)
    payers = sorted(settlement.payer[bought].unique())
    for ax, wanted, title in (
        (axes["tso"], [p for p in payers if p == "TSO"], "Procurement cost of energy, TSO"),
        (axes["dso"], [p for p in payers if p != "TSO"], "Procurement cost of energy, DSOs"),
    ):
        for k, payer in enumerate(wanted):
            amount = data.amount_eur(bought & (settlement.payer == payer))
            colour, dash = _look(payer, k)
            draw_cumulative(ax, data, amount, color=colour, linestyle=dash, label=_with_sum(payer, amount))
        zero_line(ax)
        ax.set_title(title)
        ax.set_ylabel("Cumulative cost (EUR)")
        thousands(ax)
        if not wanted:
            ax.set_ylim(0.0, 1.0)
            ax.set_yticks([0.0])
            say(ax, "No purchases")
        time_axis(ax, data, narrow=True)
    if axes["dso"].lines[:-1]:
        legend_right(axes["dso"])
    _net_receipts(axes["net"], data)
    return figure


def _net_receipts(ax: Axes, data: RunData) -> None:
    net = net_eur(data)
    for k, name in enumerate(net):
        colour, dash = _look(str(name), k - 1)
        eur = net[name].to_numpy()
        draw_cumulative(ax, data, eur, color=colour, linestyle=dash, label=_with_sum(str(name), eur))
    zero_line(ax)
    ax.set_title("Net receipts (positive: received more than paid)")
    ax.set_ylabel("Cumulative net receipts (EUR)")
    thousands(ax)
    if net.empty:
        say(ax, "No payments")
    else:
        legend_right(ax)
    time_axis(ax, data)


def _look(party: str, index: int) -> tuple[str, str]:
    """Colour and dash pattern of a party: one colour a group; DSOs share two colours and differ by dashes."""
    if party in GROUP_LOOK:
        return GROUP_LOOK[party], "-"
    return (GREEN, ORANGE)[index % 2], DASHES[index // 2 % len(DASHES)]


def _with_sum(name: str, amount_eur: FloatArray) -> str:
    # Adding zero turns a rounded -0 into 0.
    total = round(float(amount_eur.sum())) + 0.0
    return f"{name}\n" + minus(f"{total:,.0f} EUR")


def net_eur(data: RunData) -> pd.DataFrame:
    """Net receipts per ISP (rows) and group of parties (columns) in EUR; every row sums to zero."""
    rows = data.settlement
    flows = [
        pd.DataFrame({"isp": rows.isp, "group": _group(rows[side]), "eur": sign * rows.amount_eur})
        for side, sign in (("payee", 1.0), ("payer", -1.0))
    ]
    net = pd.concat(flows).groupby(["isp", "group"]).eur.sum().unstack("group")
    dsos = sorted(name for name in net.columns if name not in GROUPS)
    order = [name for name in (GROUPS[0], *dsos, *GROUPS[1:]) if name in net.columns]
    return net.reindex(index=pd.Index(data.system.isp), columns=order).fillna(0.0)


def _group(party: pd.Series) -> pd.Series:
    own = party.where((party == "TSO") | party.str.startswith("DSO-"), GROUPS[3])
    own = own.mask(party.str.startswith("BRP-"), GROUPS[1])
    own = own.mask(party.str.fullmatch(r"A\d+"), GROUPS[2])
    return own.mask(party == "households", GROUPS[4])


def _values(table: pd.DataFrame, column: str) -> FloatArray:
    return table[column].to_numpy(dtype=np.float64)
