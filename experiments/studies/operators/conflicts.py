"""Counter-activation: purchases of one operator that another undoes.

Run by ``python -m tandem_sim.experiments.studies.operators.conflicts``.

Schemes with a market of DSOs on two autumn days of `reference`, with tighter and wider distribution grids
and five seeds, beside one market for all. For every run: what DSOs buy, what the TSO undoes of it on the same
unit, at the same node, in the same area, what both pay for that, in whose shortage or surplus, at what hour,
and how much would be undone by chance. Runs that are in `--runs` already are not repeated. Writes
``conflicts.csv`` (a row per run), ``conflicts_statistics.csv`` (means and intervals over seeds, differences
to `multilevel-01` seed by seed), ``conflicts_causes.csv``, ``conflicts_hours.csv``, ``conflicts_tables.md``
and ``conflicts.png``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from tandem_sim.experiments.api import load, read_scenario
from tandem_sim.experiments.studies.alexander.tables import markdown
from tandem_sim.experiments.studies.operators.conflicts_figure import figure
from tandem_sim.experiments.studies.operators.conflicts_sums import (
    ALL_HOURS,
    EXCHANGE,
    GIVEN,
    LEVELS,
    RELIEF,
    SHORTAGE,
    SUMS,
    SURPLUS,
    behind_ratings,
    sums_of,
)
from tandem_sim.experiments.studies.paired.points import (
    NONE,
    SCENARIO,
    SEEDS,
    cell,
    compared,
    make,
    point,
    share,
    write_csv,
)
from tandem_sim.experiments.sweeps.sweep import Point

SCHEME_NAMES = (
    "multilevel-01",
    "multilevel-02",
    "multilevel-03",
    "multilevel-04",
    "multilevel-05",
    "multilevel-06",
    "shared-balancing",
    "fragmented",
    "common",
)
"""The first is what others are compared with: markets behind one another, neither looks at the other."""
RATINGS = (0.8, 1.0, 1.25)
"""Factors on the ratings of distribution branches: load and need of the system stay as they are."""
ONLY_GIVEN = ("multilevel-02", "multilevel-04", "multilevel-06", "shared-balancing", "common")
"""Not run at other ratings, to save time."""
NEEDS = (ALL_HOURS, SHORTAGE, SURPLUS)
RUN = ["ratings", "scheme", "seed"]

LEVEL_COLUMNS = {
    "bought by DSOs, MWh a day": ("bought_mwh", 1),
    "undone on the unit, %": ("undone_unit_pct", 1),
    "at the node, %": ("undone_node_pct", 1),
    "at the node by chance, %": ("chance_node_pct", 1),
    "in the area, %": ("undone_area_pct", 1),
    "in the area by chance, %": ("chance_area_pct", 1),
    "paid by both at the node, EUR a day": ("undone_node_eur", 0),
    "bought against each other on balance, MWh a day": ("against_each_other_mwh", 1),
}
"""Head of a column to the figure in it and its decimals."""
PAIRED_COLUMNS = {
    "bought by DSOs, MWh a day": ("bought_mwh", 1),
    "undone at the node, points": ("undone_node_pct", 1),
    "undone in the area, points": ("undone_area_pct", 1),
    "cost of energy, EUR a day": ("procurement_cost_eur", 0),
    "ISPs a day broken by activation": ("violated_isps_created", 1),
}
SHORT_COLUMNS = {
    "bought, MWh a day": ("bought_mwh", 1),
    "undone at the node, %": ("undone_node_pct", 1),
    "undone in the area, %": ("undone_area_pct", 1),
}


def points(schemes: Sequence[str], ratings: Sequence[float], seeds: Sequence[int]) -> list[Point]:
    """Every run of the study."""
    areas = [area.model_dump(mode="json", by_alias=True) for area in read_scenario(SCENARIO).distribution]
    found = []
    for factor in ratings:
        scaled: list[dict[str, Any]] = [
            {**area, "ratings_mva": {name: factor * mva for name, mva in area["ratings_mva"].items()}}
            for area in areas
        ]
        for scheme in schemes:
            for seed in seeds if factor == GIVEN or scheme not in ONLY_GIVEN else ():
                run = {"scheme": scheme, "seed": seed}
                found.append(point({**run, "ratings": factor}, {**run, "distribution": scaled}))
    return found


def tables(made: Sequence[Point], runs: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sums by run, hour, need, purpose and direction; and further figures by run."""
    behind = behind_ratings(read_scenario(SCENARIO))
    parts, figures = [], []
    for one in made:
        labels = {name: one.fields[name] for name in RUN}
        sums, further = sums_of(load(runs / one.name), behind)
        parts.append(sums.assign(**labels))
        figures.append({**labels, **further})
    return pd.concat(parts, ignore_index=True)[[*RUN, *parts[0].columns.drop(RUN)]], pd.DataFrame(figures)


def shares(sums: pd.DataFrame) -> dict[str, float]:
    """Figures of some sums: MWh and EUR a day, and shares of what DSOs buy (%)."""
    total, by_purpose = sums[SUMS].sum(), sums.groupby("purpose")[SUMS].sum()
    by_purpose = by_purpose.reindex([RELIEF, EXCHANGE], fill_value=0.0)
    found = {"bought_mwh": float(total.bought_mwh), "bought_eur": float(total.bought_eur)}
    for level in LEVELS:
        mwh = float(total[f"undone_{level}_mwh"])
        found |= {
            f"undone_{level}_mwh": mwh,
            f"undone_{level}_pct": share(mwh, found["bought_mwh"]),
            f"undone_{level}_eur": float(total[f"undone_{level}_eur"]),
        }
    for purpose, row in by_purpose.iterrows():
        found[f"{purpose}_bought_mwh"] = float(row.bought_mwh)
        found[f"{purpose}_undone_node_pct"] = share(float(row.undone_node_mwh), float(row.bought_mwh))
        found[f"{purpose}_of_undone_area_pct"] = share(float(row.undone_area_mwh), found["undone_area_mwh"])
    return found


def by_run(sums: pd.DataFrame, further: pd.DataFrame) -> pd.DataFrame:
    """A row per run and need (all hours, those of shortage, of surplus) with `shares`.

    Figures of `further` stand with all hours.
    """
    rows = []
    for values in further[RUN].itertuples(index=False):
        labels = dict(zip(RUN, values, strict=True))
        own = sums[(sums[RUN] == pd.Series(labels)).all(axis=1)]
        for need in NEEDS:
            part = own if need == ALL_HOURS else own[own.need == need]
            rows.append({**labels, "need": need, **shares(part)})
    table = pd.DataFrame(rows).merge(further.assign(need=ALL_HOURS), on=[*RUN, "need"], how="left")
    return table[["need", *table.columns.drop("need")]]


def mean_over_seeds(sums: pd.DataFrame, by: Sequence[str], seeds: int) -> pd.DataFrame:
    """Sums by ratings, scheme and columns `by`, a mean over seeds: one without a row counts as nothing."""
    return sums.groupby(["ratings", "scheme", *by], sort=False)[SUMS].sum().div(seeds).reset_index()


def markdown_tables(statistics: pd.DataFrame, causes: pd.DataFrame) -> str:
    """The tables of the page."""
    keys = ("ratings", "need", "scheme", "kpi")
    found = {tuple(row[name] for name in keys): row for row in statistics.to_dict("records")}

    def text(
        scheme: str,
        kpi: str,
        decimals: int,
        ratings: float = GIVEN,
        need: str = ALL_HOURS,
        apart: bool = False,
    ) -> str:
        row = found.get((ratings, need, scheme, kpi))
        return NONE if row is None else cell(row, decimals, apart)

    ratings = list(dict.fromkeys(statistics.ratings))
    schemes = list(dict.fromkeys(statistics.scheme[statistics.ratings == GIVEN]))
    levels = [[f"`{s}`", *(text(s, kpi, n) for kpi, n in LEVEL_COLUMNS.values())] for s in schemes]
    paired = [
        [f"`{s}`", *(text(s, kpi, n, apart=True) for kpi, n in PAIRED_COLUMNS.values())] for s in schemes[1:]
    ]
    congestion = [
        [f"`{s}`", *(text(s, kpi, n, factor) for factor in ratings for kpi, n in SHORT_COLUMNS.values())]
        for s in schemes
    ]
    needs = [
        [f"`{s}`", *(text(s, kpi, n, GIVEN, need) for need in NEEDS[1:] for kpi, n in SHORT_COLUMNS.values())]
        for s in schemes
    ]
    at = [f"{100 * factor:g} %: {head}" for factor in ratings for head in SHORT_COLUMNS]
    tables = {
        "Levels": markdown(["scheme", *LEVEL_COLUMNS], levels),
        "Against the first scheme": markdown([f"less `{schemes[0]}`, seed by seed", *PAIRED_COLUMNS], paired),
        "Congestion": markdown(["ratings", *at], congestion),
        "Need of the system": markdown(
            ["need", *(f"{need}: {head}" for need in NEEDS[1:] for head in SHORT_COLUMNS)], needs
        ),
        "Causes": cause_table(causes),
    }
    return "\n".join(f"### {title}\n\n{table}" for title, table in tables.items())


def cause_table(causes: pd.DataFrame) -> str:
    """What DSOs buy by purpose, direction and need (MWh a day), and how much is undone, at given ratings."""
    part = causes[causes.ratings == GIVEN]
    rows = [
        [
            f"`{row['scheme']}`",
            row["need"],
            row["purpose"],
            "up" if row["direction"] > 0 else "down",
            f"{row['bought_mwh']:.2f}",
            f"{row['undone_node_mwh']:.2f}",
            f"{row['undone_area_mwh']:.2f}",
            f"{row['undone_area_eur']:.0f}",
        ]
        for row in part.to_dict("records")
    ]
    heads = [
        "scheme",
        "need",
        "bought for",
        "direction",
        "bought, MWh a day",
        "undone at the node, MWh a day",
    ]
    return markdown([*heads, "undone in the area, MWh a day", "paid by both in the area, EUR a day"], rows)


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path("runs/studies/conflicts"),
    runs: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/studies/conflicts/runs"),
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one a core]")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds, from 1 on.")] = SEEDS,
) -> None:
    """Run what is missing and write tables and figure."""
    out.mkdir(parents=True, exist_ok=True)
    made = points(SCHEME_NAMES, RATINGS, range(1, seeds + 1))
    make(made, runs, workers)
    sums, further = tables(made, runs)
    rows = by_run(sums, further)
    statistics = compared(rows, ["ratings", "need"], [])
    causes = mean_over_seeds(sums, ["need", "purpose", "direction"], seeds)
    hours = mean_over_seeds(sums, ["hour", "need", "purpose", "direction"], seeds)
    write_csv(rows, out / "conflicts.csv")
    write_csv(statistics, out / "conflicts_statistics.csv")
    write_csv(causes, out / "conflicts_causes.csv")
    write_csv(hours[hours.ratings == GIVEN], out / "conflicts_hours.csv")
    text = markdown_tables(statistics, causes)
    (out / "conflicts_tables.md").write_text(text, encoding="utf-8")
    figure(statistics, hours[hours.ratings == GIVEN], causes[causes.ratings == GIVEN], out)
    print(text)


if __name__ == "__main__":
    typer.run(main)
