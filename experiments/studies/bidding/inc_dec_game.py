"""Increase-decrease gaming under four schemes.

Run by ``python -m tandem_sim.experiments.studies.bidding.inc_dec_game``.

Sellers behind overloaded lines may schedule day-ahead power that loads the line further, at a small loss, and
offer to reverse it. The game is solved with and without such schedules, on feeders that are congested, near
their limits, or far from them, under multilevel-01, multilevel-03, common and integrated, with and without
payments to sellers that cause congestion. Writes ``inc_dec.csv`` and ``inc_dec.png``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import BLUE, GREEN, ORANGE, house_style, new_figure, save, say
from tandem_sim.experiments.market_power.game import figures
from tandem_sim.experiments.studies.alexander.cases import Recipe
from tandem_sim.experiments.studies.bidding.gaming_cases import (
    BALANCED,
    FOOTNOTE,
    UNCONGESTED,
    quartiles,
    world,
)
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.games.case_game import TRUTH, Move, Plan, case_game
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.schemes import SCHEMES

SCHEME_NAMES = ("multilevel-01", "multilevel-03", "common", "integrated")
STATES: dict[str, Recipe] = {
    "congested": BALANCED,
    "near limits": UNCONGESTED,
    "far from limits": Recipe(need_mw=0.0, overloaded_lines=0, headroom=(20.0, 30.0)),
}
DAY_AHEAD_EUR_PER_MWH, LOSS_EUR_PER_MWH = 28.0, 1.0
"""Between the prices of down (10 to 25) and up bids (42 to 55); what a MWh of a plan loses if not called."""
PLANNED_SHARE = 0.5
"""A plan's size at a node, as a share of the flexibility offered there."""
SELLERS = 4
MARKUPS = (5.0, 10.0, 20.0)
WITHOUT_PLANS = (TRUTH, *(Move(m) for m in MARKUPS))
GAMING = (*WITHOUT_PLANS, Move(planned=1.0), *(Move(m, planned=1.0) for m in MARKUPS))
MAY = (
    ("mark-ups only", len(WITHOUT_PLANS), True),
    ("inc-dec", len(GAMING), True),
    ("inc-dec, causers unpaid", len(GAMING), False),
)
"""What sellers may do: how many of the moves, and whether causers are paid."""


LEAST_SHOWN = 0.05
"""A gain below it is none (EUR/h)."""


def plans_behind(congested: Case) -> dict[str, list[Plan]]:
    """By seller: at its nodes behind overloaded lines, what would load them further.

    Where relief is injection the plan is consumption, worth a little less than it costs day-ahead; where it
    is withdrawal the plan is production that costs a little more than it earns.
    """
    plans: dict[str, list[Plan]] = {}
    for name, area in congested.areas.items():
        rows = area.rows
        over = np.flatnonzero((rows.flow_mw > rows.flow_max_mw) | (rows.flow_mw < rows.flow_min_mw))
        for node in np.unique(area.bids.node).tolist():
            effect = rows.flow_matrix[over, node] * np.sign(rows.flow_mw[over])  # of a MW injected on loading
            if not (np.abs(effect) > 0.5).any():
                continue
            direction = UP if effect[np.argmax(np.abs(effect))] < 0.0 else DOWN
            here = area.bids.node == node
            mw = PLANNED_SHARE * float(area.bids.quantity_mw[here].sum())
            worth = DAY_AHEAD_EUR_PER_MWH - direction * LOSS_EUR_PER_MWH
            seller = str(area.bids.provider[here][0])
            plans.setdefault(seller, []).append(
                Plan(system=name, node=node, direction=direction, mw=mw, worth_eur_per_mwh=worth)
            )
    return plans


def played(seeds: Sequence[int], kind: str = "A") -> pd.DataFrame:
    """A row per seed, state of the feeders, scheme and what sellers may do."""
    rows = []
    for seed in seeds:
        plans = plans_behind(world(kind, seed, SELLERS, BALANCED))
        for state, recipe in STATES.items():
            case = world(kind, seed, SELLERS, recipe)
            for scheme in SCHEME_NAMES:
                game = case_game(case, SCHEMES[scheme], sorted(plans), GAMING, plans, DAY_AHEAD_EUR_PER_MWH)
                for may, moves, pays in MAY:
                    found = figures(game.variant(moves, pays))
                    rows.append({"seed": seed, "state": state, "scheme": scheme, "may": may, **found})
    return pd.DataFrame(rows)


def figure(rows: pd.DataFrame, folder: Path) -> Path:
    """Extra profit of sellers over truthful bids, by scheme and state of the feeders."""
    rows = rows[rows.end != "none"]
    with house_style():
        drawn = new_figure(
            "Increase-decrease gaming",
            f"{SELLERS} sellers, {rows.seed.nunique()} seeds",
            13.0,
            4.4,
            "",
            f"Bars and numbers: median of the cases, lines: quartiles. {FOOTNOTE}",
        )
        axes = drawn.subplots(1, len(STATES), sharey=True)
        for ax, state in zip(axes, STATES, strict=True):
            _bars(ax, rows[rows.state == state])
            ax.set_title(f"Feeders {state}")
        axes[0].set_ylabel("Extra profit of sellers (EUR/h)")
        axes[0].legend(loc="upper left", bbox_to_anchor=(0.0, -0.1), ncols=3)
        return save(drawn, folder / "inc_dec.png")


def _bars(ax: Axes, rows: pd.DataFrame) -> None:
    """Medians with quartiles of one state of the feeders, for each scheme and what sellers may do."""
    colours = {"mark-ups only": BLUE, "inc-dec": ORANGE, "inc-dec, causers unpaid": GREEN}
    most = 0.0
    for k, (may, colour) in enumerate(colours.items()):
        part = rows[rows.may == may]
        gain: pd.Series = part.profit - part.profit_truthful
        spread = quartiles(gain, part.scheme).reindex(SCHEME_NAMES)
        at = np.arange(len(SCHEME_NAMES)) + 0.28 * (k - 1)
        ax.bar(at, spread[0.5], 0.26, color=colour, label=may)
        ax.vlines(at, spread[0.25], spread[0.75], color="black", linewidth=1.0)
        for x, middle, high in zip(at, spread[0.5], spread[0.75], strict=True):
            if np.isfinite(high):
                text = f"{middle + 0.0:.0f}" if abs(middle) >= 0.5 or not middle else f"{middle:.1f}"
                above: Any = {"textcoords": "offset points", "ha": "center", "fontsize": 7}
                ax.annotate(text, (x, max(high, 0.0)), (0, 2), **above)
        most = max(most, float(spread[0.75].abs().max()))
    if most < LEAST_SHOWN:
        say(ax, "No seller gains")
    ax.set_xticks(np.arange(len(SCHEME_NAMES)), SCHEME_NAMES, fontsize=7)
    ax.margins(x=0.04)


def main(
    out: Annotated[Path, typer.Option(help="Folder for table and figure.")] = Path("runs/studies/inc_dec"),
    seeds: Annotated[int, typer.Option(help="Cases.")] = 10,
) -> None:
    """Play all games and write table and figure."""
    out.mkdir(parents=True, exist_ok=True)
    rows = played(range(seeds))
    rows.to_csv(out / "inc_dec.csv", index=False, float_format="%.6f", lineterminator="\n")
    figure(rows, out)
    some = rows[rows.end != "none"]
    keys = ["state", "may", "scheme"]
    columns = ["planned_mw", "profit", "paid", "paid_truthful", "cost", "cost_truthful", "penalty"]
    print(some.groupby(keys, sort=False)[columns].median().round(2).to_string())
    print(rows.groupby(keys, sort=False).end.value_counts().unstack(fill_value=0).to_string())


if __name__ == "__main__":
    typer.run(main)
