"""Figure of the merit order of one ISP: bids by price, what was sold of them, what DSOs held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tandem_sim.experiments.api import Run
from tandem_sim.experiments.explain.tables import IspTables, rows_of
from tandem_sim.experiments.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    new_figure,
    pale,
    say,
)
from tandem_sim.experiments.results.kpis import NARROWING
from tandem_sim.experiments.results.run_data import RunData
from tandem_sim.grids.tolerances import EQUAL_MW
from tandem_sim.markets.coordination.block import TSO

AREA_COLOURS = (GREEN, ORANGE, PURPLE, SKY)
NOTE = (
    "Width of a step: MW offered at gate closure. Full colour: sold, in any market; hatched: held back from "
    "the TSO by a check of the DSO; pale: neither.\nDown bids: the price is what the seller pays for "
    "energy.{}\n"
)
UNRECORDED = " Bids held back are not marked: {} has no table bid_limits."


def default_isp(data: RunData) -> int:
    """The ISP with the largest imbalance before activation."""
    system = data.system
    return int(system.isp[system.imbalance_before_mw.abs().idxmax()])


def side_of(offers: pd.DataFrame, direction: int, local: bool) -> pd.DataFrame:
    """Bids of one direction in merit order, on transmission or in areas; `left_mw`: where a step begins."""
    rows = offers[
        (offers.refused == "") & (offers.direction == direction) & ((offers.system != TSO) == local)
    ]
    rows = rows.assign(rank=direction * rows.price).sort_values(["rank", "system", "bid_id"], kind="stable")
    return rows.assign(left_mw=rows.mw.cumsum() - rows.mw).reset_index(drop=True)


def held_back(checks: pd.DataFrame) -> pd.DataFrame:
    """MW by area that DSOs' checks held back and allowed: `held_up`, `held_down`, `allowed_up`, ..."""
    rows = checks[checks.market.isin(NARROWING)].groupby("system")
    first, last = rows.first(), rows.last()
    parts = {}
    for way in ("up", "down"):
        parts[f"held_{way}"] = first[f"offered_{way}_mw"] - last[f"allowed_{way}_mw"]
        parts[f"allowed_{way}"] = last[f"allowed_{way}_mw"]
    return pd.DataFrame(parts)


def merit_order_figure(runs: Sequence[Run], labels: Sequence[str], isp: int, title: str) -> Figure:
    """One column per run: up and down bids on transmission, in areas, and offers held back (MW, EUR/MWh)."""
    tables = [IspTables(run, isp) for run in runs]
    height, width = 3.4 + 1.0, 13.0
    without = [
        label
        for at, label in zip(tables, labels, strict=True)
        if not (at.records_limits or held_back(at["bid_checks"]).empty)
    ]
    figure = new_figure(
        f"Merit order, {tables[0].start:%a %d %b %Y %H:%M} ({tables[0].scenario.zone})",
        title,
        width,
        2.0 + height * len(tables),
        NOTE.format(UNRECORDED.format(", ".join(without)) if without else ""),
    )
    parts: Any = figure.subfigures(len(tables), 1, squeeze=False)
    drawn = []
    for part, at, label in zip(parts[:, 0], tables, labels, strict=True):
        if len(tables) > 1:
            part.suptitle(label, x=0.01, ha="left", fontsize=10)
        drawn.append(_one(part, at))
    for same in zip(*(axes.flat for axes in drawn), strict=True):
        for side in ("x", "y"):
            limits = np.array([getattr(ax, f"get_{side}lim")() for ax in same])
            for ax in same:  # the same scale in all runs
                if side == "x" or ax not in [axes[k, 2] for axes in drawn for k in (0, 1)]:
                    getattr(ax, f"set_{side}lim")(limits[:, 0].min(), limits[:, 1].max())
    return figure


def _one(part: Any, at: IspTables) -> Any:
    axes = part.subplots(2, 3, width_ratios=[1.5, 1.5, 1.0])
    offers, held = with_held(at.offers(), at.held_back()), held_back(at["bid_checks"])
    areas = [area.id for area in at.scenario.distribution]
    colours = {TSO: BLUE} | {name: AREA_COLOURS[k % len(AREA_COLOURS)] for k, name in enumerate(areas)}
    for row, (direction, way) in zip(axes, ((1, "up"), (-1, "down")), strict=True):
        for ax, local in zip(row, (False, True), strict=False):
            _steps(ax, side_of(offers, direction, local), colours)
            ax.set_title(f"Bids {way}, {'in areas' if local else 'on transmission'}")
        _checked(row[2], areas, held, way)
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    handles.append(Patch(facecolor="white", edgecolor=RED, hatch="////", linewidth=0, label="held back"))
    axes[0, 1].legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.02), ncols=len(handles))
    return axes


def with_held(offers: pd.DataFrame, held: pd.Series) -> pd.DataFrame:
    """Offers with `held_mw`: MW that the DSO held back and no market bought; `held` by system and bid."""
    found = [
        min(float(held.get((row.system, row.bid_id), 0.0)), max(row.mw - row.sold_mw, 0.0))
        for row in rows_of(offers)
    ]
    return offers.assign(held_mw=found)


def _steps(ax: Axes, rows: pd.DataFrame, colours: dict[str, str]) -> None:
    """Each bid from the left: what is sold, what is neither sold nor held back, what is held back."""
    for system, own in rows.groupby("system", sort=False):
        colour = colours[str(system)]
        sold, end = np.clip(own.sold_mw, 0.0, own.mw), own.left_mw + own.mw
        look: Any = {"align": "edge", "linewidth": 0}
        ax.bar(own.left_mw, own.price, sold, color=colour, **look)
        ax.bar(own.left_mw + sold, own.price, own.mw - sold - own.held_mw, color=pale(colour), **look)
        own, end = own[own.held_mw > 0.0], end[own.held_mw > 0.0]
        if len(own):
            look |= {"hatch": "////", "edgecolor": RED}
            ax.bar(end - own.held_mw, own.price, own.held_mw, color=pale(colour), **look)
    if rows.empty:
        say(ax, "No bids")
    else:
        ax.step([*rows.left_mw, rows.left_mw.iloc[-1] + rows.mw.iloc[-1]], [*rows.price, rows.price.iloc[-1]],
                where="post", color=GREY, linewidth=0.8)  # fmt: skip
    ax.set_xlabel("Cumulative offer (MW)")
    ax.set_ylabel("Price (EUR/MWh)")
    ax.axhline(0.0, color=GREY, linewidth=0.6)


def _checked(ax: Axes, areas: Sequence[str], held: pd.DataFrame, way: str) -> None:
    """Offers of each area to the TSO: what its DSO allowed, and what it held back."""
    mw = held.reindex(list(areas), fill_value=0.0)
    allowed, kept = mw[f"allowed_{way}"].to_numpy(float), mw[f"held_{way}"].to_numpy(float)
    most = float((allowed + kept).max())
    ax.barh(range(len(areas)), allowed, height=0.6, color=pale(BLUE))
    bars = ax.barh(range(len(areas)), kept, left=allowed, height=0.6, color=RED)
    if held.empty:
        say(ax, "No bid checks")
    else:
        ax.bar_label(
            bars,
            [f"{value:.2f} MW held back" if value > EQUAL_MW else "none held back" for value in kept],
            padding=3,
            fontsize=7,
        )
    ax.set_yticks(range(len(areas)), areas)
    ax.invert_yaxis()
    ax.set_xlim(0.0, 1.9 * most if most > 0.0 else 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_title(f"Offers {way} to the TSO, by area")
    ax.set_xlabel("Power (MW)")
    ax.grid(False, axis="y")
