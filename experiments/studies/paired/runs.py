"""Many runs of a study, each compared with a reference run at the same seed, with intervals over seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.experiments.results.intervals import spread
from tandem_sim.experiments.runs.bundled import source_of
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.studies.alexander.tables import markdown
from tandem_sim.experiments.studies.paired.accounts import extra_cost, figures
from tandem_sim.experiments.studies.paired.points import SCENARIO, cell, make
from tandem_sim.experiments.sweeps.sweep import Point

DAY: dict[str, Any] = {
    "start": "2016-04-18",
    "days": 1,
    "solver": "highspy",
    "power_flow_check.audit_share": 0.0,
    "reserve.enabled": True,
    "reserve.noise_mw": 0.0,
    "reserve.cycle_s": 20,
}
"""Fields that runs of a study share. The reserve only closes the imbalance that markets leave."""
EXTRA_COST = "extra_cost_eur"
"""Column of the true cost of a run less that of its reference (see `accounts.extra_cost`)."""


@dataclass(frozen=True)
class Wanted:
    """A run of a study: what the study varies by column, its fields, and those of its reference."""

    said: Mapping[str, Any]
    fields: Mapping[str, Any]
    reference: Mapping[str, Any]


@dataclass(frozen=True)
class Planned:
    """A run of a study, checked: what the study varies by column, and the run id of its reference."""

    said: Mapping[str, Any]
    point: Point
    reference: str


def planned(wanted: Sequence[Wanted]) -> list[Planned]:
    """The runs of `SCENARIO`, in their order. Every reference must be one of them (else KeyError)."""
    points: dict[str, Point] = {}
    for one in wanted:
        settings, folder = read_scenario(SCENARIO, {**DAY, **one.fields})
        points[_key(one.fields)] = Point(
            fields=dict(one.said), scenario=settings, folder=folder, source=source_of(SCENARIO), plots=False
        )
    return [Planned(w.said, points[_key(w.fields)], points[_key(w.reference)].name) for w in wanted]


def _key(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True)


def made(plan: Sequence[Planned], runs: Path, workers: int | None) -> pd.DataFrame:
    """Make the runs that `runs` does not hold, and work out a row for each in the order of the plan.

    Columns: what the study varies, ``run`` and ``reference`` (run ids), all figures of `accounts.figures`,
    and `EXTRA_COST`.
    """
    points = list({one.point.name: one.point for one in plan}.values())
    make(points, runs, workers)
    return rows_of(plan, {point.name: figures(runs / point.name) for point in points})


def rows_of(plan: Sequence[Planned], found: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Rows as `made` gives them, from the figures of every run by its run id."""
    rows = pd.DataFrame(
        [
            {**one.said, "run": one.point.name, "reference": one.reference, **found[one.point.name]}
            for one in plan
        ]
    )
    rows[EXTRA_COST] = extra_cost(rows, references_of(rows))
    return rows


def references_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The row of the reference of every row, one for one."""
    return rows.drop_duplicates("run").set_index("run").loc[rows.reference]


def paired(rows: pd.DataFrame, keys: Sequence[str], measures: Sequence[str]) -> pd.DataFrame:
    """A row per combination of `keys` and measure: mean over seeds, mean difference to the references.

    Columns: `keys`, ``measure``, ``n`` (seeds with a value), ``mean``, ``low``, ``high``; ``pairs`` (seeds at
    which the reference has one too), ``difference``, ``difference_low``, ``difference_high``. Intervals are
    those of `tandem_sim.experiments.results.intervals`; differences are taken seed by seed.
    """
    others, found = references_of(rows), []
    for combination, part in rows.groupby(list(keys), sort=False, dropna=False):
        named = dict(zip(keys, combination, strict=True))
        for measure in measures:
            values = part[measure].to_numpy(dtype=np.float64)
            apart = values - others[measure].to_numpy(dtype=np.float64)[rows.index.get_indexer(part.index)]
            found.append({**named, "measure": measure, **spread(values, apart)})
    return pd.DataFrame(found)


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, the measure, and whether it is the mean or the difference."""

    head: str
    measure: str
    difference: bool = False
    decimals: int = 0


def table(
    spread: pd.DataFrame,
    heads: Sequence[str],
    lines: Mapping[tuple[str, ...], pd.Series],
    columns: Sequence[Column],
) -> str:
    """A markdown table of rows of `paired`: a line for each of `lines`, whose rows are those that are True.

    `heads` stand above the labels of lines.
    """
    rows = []
    for labels, mine in lines.items():
        part = spread[mine].set_index("measure")
        found = part.to_dict("index")
        cells = [cell(found[c.measure], c.decimals, c.difference) for c in columns]
        rows.append([*labels, str(part.n.max()), *cells])
    return markdown([*heads, "seeds", *(column.head for column in columns)], rows)
