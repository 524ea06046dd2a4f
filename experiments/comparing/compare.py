"""Key figures of runs side by side, and their differences to the first, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tandem_sim.experiments.comparing.groups import Group, common_seeds, grouped, version_notes
from tandem_sim.experiments.comparing.runs import RunFolder, read_runs
from tandem_sim.experiments.key_figures.catalogue import catalogue
from tandem_sim.experiments.results.intervals import spread
from tandem_sim.experiments.results.terminal_tables import BY_OPERATOR
from tandem_sim.grids.documents.text import check_known
from tandem_sim.grids.errors import InputError

SHARES = ("%", "% of rating", "% of limit")
"""Units of key figures whose differences are percentage points: these are given in no percent of anything."""


@dataclass(frozen=True)
class Comparison:
    """Key figures of groups of runs, with differences to the first group, `reference`.

    ``comparison["losses_mwh"]`` are the rows of one key figure by group. `seeds` are those that all groups
    have; others are not used. `notes` say what was left out, and versions in which the runs differ. `table`
    has a row for each key figure and group, with these columns:

    * ``kpi``, ``unit``, ``meaning``: the key figure (of one by name its path), as the catalogue has it.
    * ``group``, ``scheme``: the group of runs, and its scheme.
    * ``n``: `seeds` at which the key figure has a value.
    * ``mean``, ``low``, ``high``: mean over them, and its 95 % Student-t interval.
    * ``pairs``: seeds at which the first group has a value too.
    * ``difference``, ``difference_low``, ``difference_high``: the same of the differences to it, by seed.
    * ``difference_pct``: 100 x difference / absolute mean of the first group at these seeds.

    NaN stands for what there is not: differences of the first group, intervals of one seed, and
    ``difference_pct`` where the unit is percent or the first group has zero.

    >>> from tandem_sim import run
    >>> small = {"households": 200, "isp_minutes": 60}
    >>> runs = [run("reference", f"vary/{k}", days=1, seed=k, changes=small) for k in (1, 2)]
    >>> found = compare(runs)
    >>> found.reference, found.seeds
    ('multilevel-03', (1, 2))
    >>> found.chosen(["isps"]).table[["group", "n", "mean"]]
               group  n  mean
    0  multilevel-03  2  24.0
    """

    table: pd.DataFrame
    groups: tuple[Group, ...]
    seeds: tuple[int, ...]  # those that all groups have; others are not used
    notes: tuple[str, ...]  # what was left out, and versions in which the runs differ

    @property
    def reference(self) -> str:
        """Label of the group that differences are taken to."""
        return self.groups[0].label

    @property
    def kpis(self) -> list[str]:
        """Names of the key figures."""
        return list(dict.fromkeys(self.table.kpi))

    def __getitem__(self, kpi: str) -> pd.DataFrame:
        """The rows of a key figure, by group. Raises KeyError for one that no run has."""
        if kpi not in set(self.table.kpi):
            raise KeyError(f"{kpi}: no run has such a key figure")
        return self.table[self.table.kpi == kpi].set_index("group")

    def chosen(self, kpis: Iterable[str]) -> Comparison:
        """Only these key figures, in this order; of one by name all its entries. Raises `InputError`."""
        known = self.kpis
        entries: dict[str, list[str]] = {}
        for path in known:
            entries.setdefault(path.partition(".")[0], []).append(path)
        names = list(kpis)
        check_known("--kpi", names, [*dict.fromkeys([*entries, *known])])
        paths = list(dict.fromkeys(path for n in names for path in ([n] if n in known else entries[n])))
        order = {path: k for k, path in enumerate(paths)}
        rows = self.table[self.table.kpi.isin(paths)]
        rows = rows.sort_values("kpi", key=lambda column: column.map(order), kind="stable")
        return Comparison(rows.reset_index(drop=True), self.groups, self.seeds, self.notes)


def compare(runs: Iterable[RunFolder], *, against: RunFolder | None = None) -> Comparison:
    """Compare the key figures of finished runs with those of the first, or of `against`.

    Parameters
    ----------
    runs: folders of runs, folders of several runs (as `tandem run` and `tandem sweep` write them), or runs.
    against: the run, or a folder with the runs of one group, that differences are taken to.

    Runs of the same scheme and rules with several seeds are one group. Differences are taken seed by seed,
    over the seeds that all groups have. Raises `InputError` for runs that cannot be compared: of another
    world, unfinished or damaged. Runs of other versions of Tandem are compared; `Comparison.notes` says so.

    >>> from tandem_sim import run
    >>> small = {"households": 200, "isp_minutes": 60}
    >>> names = ("multilevel-03", "central-01")
    >>> runs = [run("reference", f"runs/{s}", scheme=s, days=1, changes=small) for s in names]
    >>> found = compare(runs)
    >>> list(found["isps"].index), found.notes
    (['multilevel-03', 'central-01'], ())
    """
    if isinstance(runs, str):
        raise InputError("compare", runs, "is one folder", "Give a list of folders")
    found, notes = read_runs(runs)
    first, more = ([], []) if against is None else read_runs([against])
    own = {Path(run.name).resolve() for run in first}
    places = [*first, *(run for run in found if Path(run.name).resolve() not in own)]
    if len(places) < 2:
        given = places[0].name if places else "none"
        raise InputError("RUN", given, "is not enough to compare", "Give two runs or more")
    groups = grouped(places)
    if any(run in first for group in groups[1:] for run in group.runs.values()):
        problem = "holds runs of several groups"
        raise InputError(str(against), "--against", problem, "Name the folder of one run")
    seeds, left = common_seeds(groups)
    return Comparison(
        table=_table(groups, seeds),
        groups=tuple(groups),
        seeds=tuple(seeds),
        notes=(*notes, *more, *left, *version_notes(places)),
    )


def _table(groups: list[Group], seeds: list[int]) -> pd.DataFrame:
    """The rows of `Comparison`."""
    known = catalogue()
    runs = [group.runs[seed] for group in groups for seed in seeds]
    rows: list[dict[str, Any]] = []
    for path in dict.fromkeys(path for run in runs for path in run.kpis):
        about = known.get(path.partition(".")[0])
        unit, meaning = (about.unit, about.meaning) if about else ("", "")
        reference = _values(groups[0], seeds, path)
        for k, group in enumerate(groups):
            values = _values(group, seeds, path)
            apart = values - reference if k else np.full(len(seeds), np.nan)
            rows.append(
                {
                    "kpi": path,
                    "unit": unit,
                    "meaning": meaning,
                    "group": group.label,
                    "scheme": group.scheme,
                    **spread(values, apart),
                    "difference_pct": np.nan if unit in SHARES else _percent(apart, reference),
                }
            )
    return pd.DataFrame(rows)


def _values(group: Group, seeds: list[int], path: str) -> NDArray[np.float64]:
    """A key figure of a group by seed (n,); NaN for none. An operator without an entry pays nothing."""
    absent = 0.0 if path.startswith(f"{BY_OPERATOR}.") else np.nan
    kpis: list[Mapping[str, float]] = [group.runs[seed].kpis for seed in seeds]
    return np.array([one.get(path, absent) for one in kpis], dtype=np.float64)


def _percent(apart: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Mean difference in percent of the absolute mean of the reference at the same seeds; NaN for none."""
    some = ~np.isnan(apart)
    base = abs(float(reference[some].mean())) if some.any() else 0.0
    return 100.0 * float(apart[some].mean()) / base if base else float("nan")
