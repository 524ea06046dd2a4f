"""Local market power by the perimeter of the market.

Run it by ``python -m tandem_sim.experiments.studies.bidding.perimeter``. Sellers own all distributed
flexibility of two feeders and best-respond with mark-ups, until none gains or the moves repeat. The perimeter
is each DSO's own local market, one market of both DSOs, or the common market with transmission; for two
sellers, each mitigation is also tried alone. Writes ``perimeter.csv``, ``mitigations.csv`` and
``perimeter.png``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import BLUE, GREEN, ORANGE, house_style, new_figure, save
from tandem_sim.experiments.market_power.game import figures
from tandem_sim.experiments.studies.bidding.gaming_cases import BALANCED, FOOTNOTE, quartiles, world
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.games.case_game import NO_RULES, TRUTH, Move, Rules, case_game, with_contracts
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes

SELLERS = (1, 2, 3, 4, 6, 8)
MARKUPS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""EUR/MWh; the last stands for a price cap far above every cost."""
MOVES = (TRUTH, *(Move(m) for m in MARKUPS))
LOCAL = "multilevel-03"
FEW = 2
"""Sellers among whom mitigations are tried."""


def _local(options: Options) -> Scheme:
    return build_schemes(options)[LOCAL]


PERIMETERS: dict[str, Scheme] = {
    "each DSO": SCHEMES[LOCAL],
    "DSOs pooled": _local(Options(perimeter="pooled")),
    "whole system": SCHEMES["common"],
}


@dataclass(frozen=True)
class MitigationMeasure:
    """One mitigation: a scheme, rules of the game, and a change of the case."""

    scheme: Scheme
    rules: Rules = NO_RULES
    change: Callable[[Case], Case] = lambda case: case


MEASURES: dict[str, MitigationMeasure] = {
    "none": MitigationMeasure(SCHEMES[LOCAL]),
    "caps 70 and 0": MitigationMeasure(SCHEMES[LOCAL], Rules(70.0, 0.0)),
    "pivotal: 55 and 10": MitigationMeasure(
        _local(Options(mitigation=True, reference_up_eur_per_mwh=55.0, reference_down_eur_per_mwh=10.0))
    ),
    "half under contract": MitigationMeasure(
        SCHEMES[LOCAL], Rules(strike_markup=5.0), lambda c: with_contracts(c, 0.5)
    ),
    "pay as cleared": MitigationMeasure(_local(Options(pricing="pay-as-cleared"))),
    "DSOs pooled": MitigationMeasure(PERIMETERS["DSOs pooled"]),
}
"""Prices in EUR/MWh: true costs lie at 42 to 55 upwards and 10 to 25 downwards."""


def played(seeds: Sequence[int], kind: str = "A") -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per seed, perimeter and number of sellers; and a row per seed and mitigation."""
    by_perimeter, by_mitigation = [], []
    for seed in seeds:
        for n in SELLERS:
            case, players = world(kind, seed, n, BALANCED), [f"S{k + 1}" for k in range(n)]
            for name, scheme in PERIMETERS.items():
                row = figures(case_game(case, scheme, players, MOVES))
                by_perimeter.append({"seed": seed, "perimeter": name, "sellers": n, **row})
        case, players = world(kind, seed, FEW, BALANCED), [f"S{k + 1}" for k in range(FEW)]
        for name, measure in MEASURES.items():
            row = figures(
                case_game(measure.change(case), measure.scheme, players, MOVES, rules=measure.rules)
            )
            by_mitigation.append({"seed": seed, "mitigation": name, **row})
    return pd.DataFrame(by_perimeter), pd.DataFrame(by_mitigation)


def ended_only(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose game ended in an equilibrium or a cycle."""
    return rows[rows.end != "none"]


def _by_perimeter(ax: Axes, rows: pd.DataFrame, value: Callable[[pd.DataFrame], pd.Series]) -> None:
    for (name, colour), shift in zip(
        {"each DSO": BLUE, "DSOs pooled": GREEN, "whole system": ORANGE}.items(),
        (-0.08, 0.0, 0.08),
        strict=True,
    ):
        part = ended_only(rows[rows.perimeter == name])
        spread = quartiles(value(part), part.sellers)
        at = np.arange(len(spread)) + shift
        ax.plot(at, spread[0.5], "o-", color=colour, label=name, markersize=4)
        ax.vlines(at, spread[0.25], spread[0.75], color=colour, alpha=0.5)
        ax.set_xticks(np.arange(len(spread)), [str(n) for n in spread.index])
    ax.set_xlim(-0.3, len(SELLERS) - 0.7)
    ax.set_xlabel("Sellers (number)")


def _bars(ax: Axes, rows: pd.DataFrame) -> None:
    rows = ended_only(rows)
    extra: pd.Series = rows.paid - rows.paid_truthful
    spread = quartiles(extra, rows.mitigation).loc[list(MEASURES)]
    at = np.arange(len(spread))
    ax.barh(at, spread[0.5], 0.6, color=BLUE)
    ax.hlines(at, spread[0.25], spread[0.75], color="black", linewidth=1.0)
    ax.set_yticks(at, list(spread.index))
    ax.invert_yaxis()
    ax.set_xlabel("Extra payments over truthful bids (EUR/h)")


def figure(rows: pd.DataFrame, mitigations: pd.DataFrame, folder: Path) -> Path:
    """Extra cost and mark-up by perimeter and sellers; extra cost by mitigation."""
    with house_style():
        drawn = new_figure(
            "Local market power by the perimeter of the market",
            "",
            12.5,
            4.0,
            "",
            (f"median and quartiles of {rows.seed.nunique()} cases. {FOOTNOTE}"),
        )
        left, middle, right = drawn.subplots(1, 3, width_ratios=[1.0, 1.0, 1.1])
        _by_perimeter(left, rows, lambda part: part.paid - part.paid_truthful)
        left.set_title("Extra payments over truthful bids")
        left.set_ylabel("EUR/h")
        left.set_ylim(bottom=0.0)
        _by_perimeter(middle, rows, lambda part: part.markup)
        middle.set_title("Mark-up asked")
        middle.set_ylabel("EUR/MWh")
        middle.set_ylim(bottom=0.0)
        middle.legend(loc="upper right")
        _bars(right, mitigations)
        right.set_title(f"{FEW} sellers, each DSO, one mitigation")
        return save(drawn, folder / "perimeter.png")


def summary(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Medians by `keys`, and how many games ended in an equilibrium, a cycle, or not in time."""
    ends = rows.groupby(list(keys), sort=False).end.value_counts().unstack(fill_value=0)
    some = ended_only(rows)
    values: Mapping[str, pd.Series] = {
        "markup": some.markup,
        "extra_paid": some.paid - some.paid_truthful,
        "extra_cost": some.cost - some.cost_truthful,
        "profit": some.profit,
        "extra_penalty": some.penalty - some.penalty_truthful,
    }
    medians = pd.DataFrame({**values, **{k: some[k] for k in keys}}).groupby(list(keys), sort=False).median()
    return medians.join(ends)


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path("runs/studies/perimeter"),
    seeds: Annotated[int, typer.Option(help="Cases.")] = 10,
) -> None:
    """Play all games and write tables and figure."""
    out.mkdir(parents=True, exist_ok=True)
    rows, mitigations = played(range(seeds))
    rows.to_csv(out / "perimeter.csv", index=False, float_format="%.6f", lineterminator="\n")
    mitigations.to_csv(out / "mitigations.csv", index=False, float_format="%.6f", lineterminator="\n")
    figure(rows, mitigations, out)
    print(summary(rows, ["perimeter", "sellers"]).round(2).to_string())
    print(summary(mitigations, ["mitigation"]).round(2).to_string())


if __name__ == "__main__":
    typer.run(main)
