"""Figures of the whole system: balance, prices, household devices, payments."""

from __future__ import annotations

from typing import Any

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
    close_limits,
    draw_cumulative,
    draw_line,
    few_ticks,
    hour_by_day,
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
SMALL = 0.04
"""Share of the largest receipts below which a line would lie on zero."""


def imbalance_figure(data: RunData) -> Figure:
    """System imbalance before and after activation (MW), and activated power by source (MW).

    A long horizon: daily means, energy in MWh per day, and the imbalance by hour and day.
    """
    height = 9.0 if data.is_long else 6.4
    figure = new_figure("System imbalance and activated flexibility", data.title, 11, height, band_note(data))
    axes = figure.subplots(3 if data.is_long else 2, 1, sharex=True)
    system = data.system
    top, bottom = axes[:2]
    shade_nights(top, data)
    if data.is_long:
        draw_line(top, data, _values(system, "imbalance_before_mw"), color=GREY, label="Before activation")
        hour_by_day(axes[2], data, _values(system, "imbalance_before_mw"), "Imbalance (MW)", centred=True)
        axes[2].set_title("System imbalance before activation, by hour and day (blue: surplus)")
    else:
        before = _values(system, "imbalance_before_mw")
        top.stairs(before, data.edges, fill=True, color=PALE, linewidth=0, label="Before activation")
    draw_line(top, data, _values(system, "imbalance_after_mw"), color=BLUE, label="After activation")
    zero_line(top)
    top.set_title("System imbalance (positive: surplus)")
    top.set_ylabel("Imbalance (MW)")
    legend_above(top)
    _stack_sources(bottom, data)
    time_axis(axes[-1], data)
    return figure


def _stack_sources(ax: Axes, data: RunData) -> None:
    shade_nights(ax, data)
    edges = data.day_edges if data.is_long else data.edges
    for direction in (1, -1):
        floor = np.zeros(len(edges) - 1)
        for source, (colour, label) in SOURCE_LOOK.items():
            mwh = data.energy_mwh[source, direction].to_numpy()
            shown = data.daily(mwh)["sum"].to_numpy() if data.is_long else mwh / data.hours
            top = floor + direction * shown
            name = label if direction > 0 else None
            ax.stairs(top, edges, baseline=floor, fill=True, color=colour, linewidth=0, label=name)
            floor = top
    zero_line(ax)
    ax.use_sticky_edges = False
    if not data.energy_mwh.to_numpy().any():
        say(ax, "Nothing was activated")
    ax.set_title("Activated flexibility (up: positive, down: negative)")
    ax.set_ylabel("Energy (MWh per day)" if data.is_long else "Power (MW)")
    legend_above(ax)


SHORT, LONG = "imbalance_price_short_eur_per_mwh", "imbalance_price_long_eur_per_mwh"


def price_lines(data: RunData) -> dict[str, tuple[str, str, str]]:
    """Label, colour and dash pattern of each price, by its column of table `system`.

    The imbalance price is one line if short and long parties always have the same.
    """
    imbalance = ", given" if "imbalance" in data.given else ""
    day_ahead = ", given" if "day_ahead" in data.given else ""
    lines = {SHORT: (f"Imbalance price{imbalance}", BLUE, "-")}
    if data.two_prices:
        lines = {
            SHORT: (f"Imbalance price, short pays{imbalance}", BLUE, "-"),
            LONG: (f"Imbalance price, long receives{imbalance}", PURPLE, "--"),
        }
    return lines | {"day_ahead_price_eur_per_mwh": (f"Day-ahead price{day_ahead}", ORANGE, "-")}


def price_figure(data: RunData) -> Figure:
    """Imbalance and day-ahead price over time, sorted, and against the imbalance (EUR/MWh)."""
    which = " (short parties)" if data.two_prices else ""
    figure = new_figure("Imbalance price", data.title, 11, 9.0 if data.is_long else 6.8, _price_note(data))
    mosaic: list[Any] = [["time", "time"], ["sorted", "scatter"]]
    if data.is_long:
        mosaic.insert(1, ["hours", "hours"])
    axes = figure.subplot_mosaic(mosaic)
    if data.is_long:
        hour_by_day(axes["hours"], data, _values(data.system, SHORT), "Price (EUR/MWh)")
        axes["hours"].set_title(f"Imbalance price by hour and day{which}")
        time_axis(axes["hours"], data)
    shade_nights(axes["time"], data)
    size = 9.0 if len(data.system) <= 3000 else 3.0
    for column, (label, colour, dash) in price_lines(data).items():
        values = _values(data.system, column)
        draw_line(axes["time"], data, values, color=colour, linestyle=dash, label=label)
        share = np.linspace(0.0, 100.0, len(values) + 1)
        axes["sorted"].stairs(np.sort(values)[::-1], share, baseline=None, color=colour, linestyle=dash)
        if column in (SHORT, LONG):
            before, look = data.system.imbalance_before_mw, {"color": colour, "alpha": 0.45, "linewidths": 0}
            axes["scatter"].scatter(before, values, s=size, marker="o" if column == SHORT else "^", **look)
    axes["time"].set_title("Prices over time")
    legend_above(axes["time"])
    time_axis(axes["time"], data)
    axes["sorted"].set_title("Price duration curves")
    axes["sorted"].set_xlabel("Share of ISPs (%)")
    axes["scatter"].axvline(0.0, color=DARK, linewidth=0.7)
    axes["scatter"].margins(x=0.03)
    axes["scatter"].set_title("Imbalance price against the system imbalance")
    axes["scatter"].set_xlabel("System imbalance before activation, positive: surplus (MW)")
    _price_scales(axes, data)
    return figure


def _price_note(data: RunData) -> str:
    given = {"imbalance": "imbalance prices", "day_ahead": "day-ahead prices"}
    named = [text for name, text in given.items() if name in data.given]
    says = f"Given by the scenario, not a result: {' and '.join(named)}. " if named else ""
    return f"{band_note(data)}{says}" + ("\n" if says else "")


def _price_scales(axes: Any, data: RunData) -> None:
    """One scale for all axes of prices; a few extreme values are left off it and counted in a title."""
    columns = [column for column in price_lines(data) if column in (SHORT, LONG)]
    imbalance = np.concatenate([_values(data.system, column) for column in columns])
    limits = close_limits(imbalance)
    for name in ("time", "sorted", "scatter"):
        axes[name].set_ylabel("Price (EUR/MWh)")
        thousands(axes[name])
        zero_line(axes[name])
        if limits:
            axes[name].set_ylim(min(limits[0], 0.0), limits[1])
    if limits:
        off = (imbalance < min(limits[0], 0.0)) | (imbalance > limits[1])
        beyond = int(off.reshape(len(columns), -1).any(axis=0).sum())
        extremes = minus(f"{imbalance.min():,.0f} to {imbalance.max():,.0f} EUR/MWh")
        axes["time"].set_title(f"Prices over time (off the scale: {beyond} ISPs, {extremes})")


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
    for ax, (_, _, values, _), nothing in (
        (axes[1], panels[1], "No EV was charged"),
        (axes[3], panels[3], "No PV was curtailed"),
    ):
        if np.nansum(values):
            ax.set_ylim(bottom=0.0)
        else:
            say(ax, nothing)
    time_axis(axes[-1], data)
    return figure


def cost_figure(data: RunData) -> Figure:
    """Cumulative procurement cost per operator and cumulative net receipts per group of parties (EUR).

    Parties whose receipts stay small beside those of others have axes of their own.
    """
    figure = new_figure("Procurement cost and net receipts", data.title, 11, 7.4)
    settlement = data.settlement
    bought = settlement.kind.isin(FOR_ENERGY)
    payers = sorted(settlement.payer[bought].unique())
    dsos = [p for p in payers if p != "TSO"]
    net = net_eur(data)
    large, small = by_size(net)
    mosaic: list[Any] = [["tso", "dso" if dsos else "tso"], ["net", "small" if small else "net"]]
    axes = figure.subplot_mosaic(mosaic, height_ratios=[1.0, 1.25])
    panels = [("tso", [p for p in payers if p == "TSO"], "Procurement cost of energy, TSO")]
    if dsos:
        panels.append(("dso", dsos, "Procurement cost of energy, DSOs"))
    else:
        panels[0] = (*panels[0][:2], "Procurement cost of energy, TSO (DSOs bought nothing)")
    for name, wanted, title in panels:
        ax = axes[name]
        for k, payer in enumerate(wanted):
            amount = data.amount_eur(bought & (settlement.payer == payer))
            colour, dash = _look(payer, k)
            draw_cumulative(ax, data, amount, color=colour, linestyle=dash, label=_with_sum(payer, amount))
        _money_axes(ax, data, title, "Cumulative cost (EUR)", narrow=bool(dsos))
        if wanted:
            legend_right(ax)
        else:
            say(ax, "No purchases")
    _net_receipts(axes["net"], data, net[large], "Net receipts (positive: received more than paid)")
    if small:
        _net_receipts(axes["small"], data, net[small], "Net receipts of the others (larger scale)")
    return figure


def by_size(net: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Columns of `net_eur` by size: those that need one scale, and those too small to be seen on it."""
    most = {str(name): float(net[name].cumsum().abs().max()) for name in net}
    small = [name for name in most if most[name] < SMALL * max(most.values())]
    return [name for name in most if name not in small], small


def _net_receipts(ax: Axes, data: RunData, net: pd.DataFrame, title: str) -> None:
    dsos = [name for name in net if name not in GROUPS]
    for name in net:
        colour, dash = _look(str(name), dsos.index(name) if name in dsos else 0)
        eur = net[name].to_numpy()
        draw_cumulative(ax, data, eur, color=colour, linestyle=dash, label=_with_sum(str(name), eur))
    _money_axes(ax, data, title, "Cumulative net receipts (EUR)", narrow=True)
    if net.empty:
        say(ax, "No payments")
    else:
        legend_right(ax)


def _money_axes(ax: Axes, data: RunData, title: str, label: str, narrow: bool) -> None:
    zero_line(ax)
    ax.set_title(title)
    ax.set_ylabel(label)
    thousands(ax)
    time_axis(ax, data, narrow=narrow)


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
        pd.DataFrame({"isp": rows.isp, "group": group_of(rows[side]), "eur": sign * rows.amount_eur})
        for side, sign in (("payee", 1.0), ("payer", -1.0))
    ]
    net = pd.concat(flows).groupby(["isp", "group"]).eur.sum().unstack("group")
    order = group_order(set(net.columns))
    return net.reindex(index=pd.Index(data.system.isp), columns=order).fillna(0.0)


def group_order(names: set[str]) -> list[str]:
    """Groups of parties in the order of figures: the TSO, DSOs by name, the others."""
    dsos = sorted(name for name in names if name not in GROUPS)
    return [name for name in (GROUPS[0], *dsos, *GROUPS[1:]) if name in names]


def group_of(party: pd.Series) -> pd.Series:
    """The group of each party: TSO, DSOs by name, BRPs, aggregators, sellers on transmission, households."""
    party = party.astype(str)
    own = party.where((party == "TSO") | party.str.startswith("DSO-"), GROUPS[3])
    own = own.mask(party.str.startswith("BRP-"), GROUPS[1])
    own = own.mask(party.str.fullmatch(r"A\d+"), GROUPS[2])
    return own.mask(party == "households", GROUPS[4])


def _values(table: pd.DataFrame, column: str) -> FloatArray:
    return table[column].to_numpy(dtype=np.float64)
