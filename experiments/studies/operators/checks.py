"""Bid checks by DSOs, from static zones to MOL validation.

Run by ``python -m tandem_sim.experiments.studies.operators.checks --out docs/studies``.

Two autumn days of `reference` with five seeds, without a check by DSOs and with each kind of check: static
zones, limits on bids, MOL validation, grid constraints in the TSO's market, a corrective market, refusal
after the market, and termination within the ISP. Results for each: offers blocked, the part of them that
would have broken a limit, limits broken nevertheless, cost, and the amount of data that DSOs send. Runs that
are in `--runs` already are not repeated. Writes ``checks.csv`` (a row per run), ``checks_statistics.csv``
(means and intervals over seeds, differences to no check seed by seed), ``checks_hours.csv``,
``checks_tables.md`` and ``checks.png``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from tandem_sim.experiments.api import load
from tandem_sim.experiments.studies.alexander.tables import markdown
from tandem_sim.experiments.studies.operators.checks_figure import figure
from tandem_sim.experiments.studies.operators.checks_sums import by_hour, figures_of
from tandem_sim.experiments.studies.paired.points import SEEDS, cell, compared, make, point, write_csv
from tandem_sim.experiments.sweeps.sweep import Point

NO_CHECK = "none"


@dataclass(frozen=True)
class Check:
    """A kind of check: what family it belongs to, its scheme and what it changes of the scenario."""

    family: str
    name: str
    scheme: str
    changes: dict[str, Any] = field(default_factory=dict)


RESERVE: dict[str, Any] = {"reserve.enabled": True}
WALLOON: dict[str, Any] = {"grid_prequalification": "static", "flexibility_register.study.region": "wallonia"}
"""Zones of a network flexibility study hold for everybody; by Flemish rules small devices are exempt."""
CHECKS = (
    Check("central", NO_CHECK, "central-01"),
    Check("central", "static zones", "central-02", WALLOON),
    Check("central", "static zones, small exempt", "central-02", {"grid_prequalification": "static"}),
    Check("central", "whole bids", "central-02", {"grid_prequalification": "disqualify"}),
    Check("central", "uniform limits", "central-02", {"grid_prequalification": "uniform"}),
    Check("central", "envelope", "central-02"),
    Check("central", "envelope, AC", "central-02", {"dso.envelope_check": "ac"}),
    Check("central", "merit order list", "hybrid"),
    Check("central", "rows in the market", "central-03"),
    Check("central", "rows, none worse", "central-03-relaxed"),
    Check("multilevel", NO_CHECK, "multilevel-01"),
    Check("multilevel", "static zones", "multilevel-03", WALLOON),
    Check("multilevel", "envelope", "multilevel-03"),
    Check("multilevel", "rows in the market", "multilevel-04"),
    Check("multilevel", "corrective market", "multilevel-02"),
    Check("multilevel", "refusal afterwards", "multilevel-02-post"),
    Check("with aFRR", NO_CHECK, "central-01", {**RESERVE, "reserve.termination": False}),
    Check("with aFRR", "termination", "central-01", RESERVE),
    Check("with aFRR", "merit order list", "hybrid", {**RESERVE, "reserve.termination": False}),
)
"""By family, the run without a check first: the others are compared with it."""
RUN = ["family", "scheme", "check", "seed"]


def points(checks: Sequence[Check], seeds: Sequence[int]) -> list[Point]:
    """Every run of the study."""
    return [
        point(
            {"family": check.family, "check": check.name, "scheme": check.scheme, "seed": seed},
            {**check.changes, "scheme": check.scheme, "seed": seed},
        )
        for check in checks
        for seed in seeds
    ]


def tables(made: Sequence[Point], runs: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per run beside that without a check; and mean MW offered and blocked by run, hour, direction."""
    without = {
        (one.fields["family"], one.fields["seed"]): runs / one.name
        for one in made
        if one.fields["check"] == NO_CHECK
    }
    rows, hours = [], []
    for one in made:
        labels = {name: one.fields[name] for name in RUN}
        run, base = load(runs / one.name), load(without[labels["family"], labels["seed"]])
        rows.append({**labels, **figures_of(run, base)})
        hours.append(by_hour(run).assign(**labels))
    return pd.DataFrame(rows), pd.concat(hours, ignore_index=True)


def mean_hours(hours: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of MW offered and blocked, by check, local hour and direction."""
    keys = [*RUN[:-1], "hour", "direction"]
    return hours.groupby(keys, sort=False)[["offered_mw", "blocked_mw"]].mean().reset_index()


def markdown_tables(statistics: pd.DataFrame) -> str:
    """The tables of the page."""
    checks = statistics[RUN[:-1]].drop_duplicates().to_dict("records")
    found = {tuple(row[name] for name in (*RUN[:-1], "kpi")): row for row in statistics.to_dict("records")}

    def table(columns: dict[str, tuple[str, int, bool]]) -> str:
        rows = []
        for keys in checks:
            texts = [cell(found[(*keys.values(), kpi)], n, apart) for kpi, n, apart in columns.values()]
            rows.append([keys["family"], keys["check"], f"`{keys['scheme']}`", *texts])
        return markdown(["family", "check", "scheme", *columns], rows)

    blocked = {
        "offered, MWh a day": ("offered_mwh", 0, False),
        "blocked, %": ("blocked_pct", 1, False),
        "up, %": ("blocked_up_pct", 1, False),
        "down, %": ("blocked_down_pct", 1, False),
        "of it: not asked for, %": ("blocked_not_asked_pct", 1, False),
        "harmless, %": ("blocked_harmless_pct", 1, False),
        "harmful, %": ("blocked_harmful_pct", 1, False),
        "harmless of what was asked for, %": ("false_alarm_pct", 1, False),
        "where no limit was broken, %": ("blocked_where_safe_pct", 1, False),
    }
    called = {
        "called in areas, MWh a day": ("called_mwh", 1, False),
        "no longer called, % of what is called without": ("called_less_pct", 1, False),
        "of it harmless, %": ("called_less_harmless_pct", 1, False),
        "reserve bids stopped, bid-ISPs a day": ("reserve_bids_stopped", 0, False),
    }
    slipped = {
        "broken by activation, area-hours a day": ("created_h", 2, False),
        "made worse, area-hours a day": ("worse_h", 2, False),
        "prevented, %": ("prevented_pct", 1, False),
        "largest rise, points": ("worst_rise_pp", 1, False),
        "rise of overloads, % h a day": ("overload_pct_h", 1, False),
        "broken before activation, area-hours a day": ("before_h", 2, False),
    }
    cost = {
        "cost of energy, EUR a day": ("cost_eur", 0, False),
        "more than without, EUR a day": ("cost_eur", 0, True),
        "activated, MWh a day more": ("activated_mwh", 1, True),
        "imbalance before, MWh a day more": ("imbalance_before_mwh", 1, True),
        "unserved, MWh a day": ("unserved_mwh", 2, False),
        "numbers told by DSOs, per ISP": ("numbers_told_per_isp", 0, False),
    }
    titles = {
        "Blocked": blocked,
        "Called": called,
        "Prevented and slipped through": slipped,
        "Cost and data": cost,
    }
    return "\n".join(f"### {title}\n\n{table(columns)}" for title, columns in titles.items())


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path("runs/studies/checks"),
    runs: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/studies/checks/runs"),
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one a core]")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds, from 1 on.")] = SEEDS,
) -> None:
    """Run what is missing and write tables and figure."""
    out.mkdir(parents=True, exist_ok=True)
    made = points(CHECKS, range(1, seeds + 1))
    make(made, runs, workers)
    rows, by_seed = tables(made, runs)
    statistics, hours = compared(rows, ["family"], ["check"]), mean_hours(by_seed)
    write_csv(rows, out / "checks.csv")
    write_csv(statistics, out / "checks_statistics.csv")
    write_csv(hours, out / "checks_hours.csv")
    text = markdown_tables(statistics)
    (out / "checks_tables.md").write_text(text, encoding="utf-8")
    figure(statistics, hours, out)
    print(text)


if __name__ == "__main__":
    typer.run(main)
