"""ALEXANDER D3.3, chapter 4, rebuilt on many synthetic cases.

``python -m tandem_sim.experiments.studies.alexander.study [--seeds N] [--out DIR]`` writes ``alexander.csv``
(a row per case and scheme), ``alexander_causes.csv`` (the same under other recipes), ``alexander_times.csv``,
``alexander_tables.md`` and ``alexander.png``, and of the voltage-bound cases ``alexander_voltage.csv``,
``alexander_voltage_tables.md`` and ``alexander_voltage.png``; with ``--voltage-only`` the last three alone.
All but the times depend only on the seeds. Results, and why they differ from the publication, are in
``docs/studies/alexander.md``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.progress import Progress

from tandem_sim.experiments.figures.style import house_style, save
from tandem_sim.experiments.studies.alexander.causes import CAUSES
from tandem_sim.experiments.studies.alexander.figure import study_figure
from tandem_sim.experiments.studies.alexander.tables import (
    agreement_table,
    beyond_table,
    cause_table,
    inefficiency_table,
    safety_table,
    time_table,
    unqualified_table,
    usable,
)
from tandem_sim.experiments.studies.alexander.trials import MAIN, STRESSED, Setting, run_setting, warm_up
from tandem_sim.experiments.studies.alexander.voltage import STEPS, VOLTAGE, voltage_tables, with_base_states
from tandem_sim.experiments.studies.alexander.voltage_figure import voltage_figure
from tandem_sim.grids.errors import InputError

SEEDS, CAUSE_SEEDS = 50, 15
RESULTS, CAUSES_FILE, TIMES = "alexander.csv", "alexander_causes.csv", "alexander_times.csv"
TABLES, FIGURE = "alexander_tables.md", "alexander.png"
VOLTAGE_RESULTS, VOLTAGE_TABLES = "alexander_voltage.csv", "alexander_voltage_tables.md"
VOLTAGE_FIGURE = "alexander_voltage.png"
"""Files that a run writes; other files in the folder are kept."""

MAIN_TITLE = (
    "Recipe of the bundled cases: 3 lines per feeder overloaded by 11 %, local markets hold the "
    "interface flow"
)
STRESSED_TITLE = (
    "Tight grids: 6 lines per feeder overloaded by 173 %, the first local market leaves the flow free"
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(stderr=True)


@app.command()
def study(
    seeds: Annotated[int, typer.Option(min=1, help="Cases of every kind; seeds count from 0.")] = SEEDS,
    out: Annotated[Path, typer.Option(help="Folder for the results, replaced file by file.")] = Path(
        "runs/studies/alexander"
    ),
    voltage_only: Annotated[
        bool, typer.Option("--voltage-only", help="Only the kind of case in which voltage binds.")
    ] = False,
) -> None:
    """Rebuild chapter 4 of ALEXANDER D3.3: four kinds of case, many seeds, every scheme."""
    _check_folder(out)
    if not voltage_only:
        _study_lines(seeds, out)
    _study_voltage(seeds, out)
    console.print(f"Results: {out}", soft_wrap=True)


def _study_lines(seeds: int, out: Path) -> None:
    """The two recipes whose lines bind, and the experiments on them."""
    results, times = _run([MAIN, STRESSED, *CAUSES], seeds)
    results[0].drop(columns=["study", "label"]).to_csv(out / RESULTS, index=False)
    pd.concat(results[1:]).to_csv(out / CAUSES_FILE, index=False)
    times[0].drop(columns=["study", "label"]).to_csv(out / TIMES, index=False)
    tables = tables_of(results)
    (out / TABLES).write_text(tables, encoding="utf-8")
    with house_style():
        figure = study_figure({MAIN_TITLE: usable(results[0]), STRESSED_TITLE: usable(results[1])})
        save(figure, out / FIGURE)
    print(tables)
    print(time_table(times[0]))


def _study_voltage(seeds: int, out: Path) -> None:
    """The kind of case in which voltage binds, and the steps that lead there."""
    settings = [VOLTAGE, *STEPS]
    found, _ = _run(settings, seeds)
    results = pd.concat([with_base_states(r, s) for r, s in zip(found, settings, strict=True)])
    results.to_csv(out / VOLTAGE_RESULTS, index=False)
    tables = voltage_tables(usable(results))
    (out / VOLTAGE_TABLES).write_text(tables, encoding="utf-8")
    with house_style():
        bound = usable(results)
        save(voltage_figure(bound[bound.study == VOLTAGE.study]), out / VOLTAGE_FIGURE)
    print(tables)


def tables_of(results: Sequence[pd.DataFrame]) -> str:
    """All tables as one markdown text: the main setting, the tight one, then the experiments by study."""
    main, tight, causes = usable(results[0]), usable(results[1]), usable(pd.concat(results[2:]))
    recipes = {"recipe of the bundled cases": main, "tight grids, first layer free": tight}
    parts = ["## Agreement with the publication", agreement_table(recipes)]
    for name, table in recipes.items():
        cases = table.drop_duplicates(["kind", "seed"]).groupby("kind").size().to_dict()
        counted = ", ".join(f"{kind} {count}" for kind, count in cases.items())
        parts += [f"## Inefficiency (%), {name} (cases: {counted})", inefficiency_table(table)]
        parts += [f"## Limits broken, {name}", safety_table(table)]
        parts += [f"## Volume not qualified (%), {name}", unqualified_table(table)]
    parts += ["## Schemes beyond chapter 4, recipe of the bundled cases", beyond_table(main)]
    for study_name in dict.fromkeys(causes.study):
        parts += [f"## Experiment: {study_name}", cause_table(causes[causes.study == study_name])]
    return "\n".join(parts)


def _run(settings: Sequence[Setting], seeds: int) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    counts = [
        seeds if setting in (MAIN, STRESSED, VOLTAGE) else min(seeds, CAUSE_SEEDS) for setting in settings
    ]
    results, times = [], []
    with Progress(console=console) as progress:
        total = sum(n * len(s.kinds) * len(s.schemes) for s, n in zip(settings, counts, strict=True))
        task = progress.add_task("clearing", total=total)
        warm_up(MAIN.schemes)
        for setting, n in zip(settings, counts, strict=True):
            advance = partial(progress.advance, task, len(setting.schemes))
            found, took = run_setting(setting, range(n), advance)
            results.append(found)
            times.append(took)
    return results, times


def _check_folder(out: Path) -> None:
    """Make the folder. Raises an `InputError` at the start if it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            str(out), "--out", f"cannot be written ({error.strerror})", "Choose a folder you may write to"
        ) from error


def main() -> None:
    """Entry point: bad input ends in one message and exit code 2."""
    try:
        app()
    except InputError as error:
        print(f"alexander: {' '.join(str(error).splitlines())}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
