"""The command ``tandem run``: simulate a scenario under one or several schemes, and print the KPIs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.experiments.figures.figures import comparison_paths, plot_comparison
from tandem_sim.experiments.results.terminal_tables import kpi_tables
from tandem_sim.experiments.run_folder.outputs import is_png
from tandem_sim.experiments.runs.bundled import source_of
from tandem_sim.experiments.runs.logs import tell_unusual, terminal
from tandem_sim.experiments.runs.moments import isp_at
from tandem_sim.experiments.runs.progress import ProgressLines, isp_shown, waiting
from tandem_sim.experiments.runs.run import DAY_S, check_inside, check_outputs, check_run, run_scenario
from tandem_sim.experiments.runs.scenario import faults_named, fields_of, read_scenario
from tandem_sim.sim.named_schemes import check_scheme_names
from tandem_sim.sim.scenario.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """The options of ``tandem run``; see its help."""

    scenario: str
    schemes: Sequence[str]
    seed: int | None
    days: int | None
    out: Path
    overwrite: bool
    resume: bool
    checkpoint_days: int
    fields: Sequence[str]
    export_isp: str | None
    figures: bool
    quiet: bool
    allowed: AllowedCode
    bar: bool  # whether progress is shown


def simulate(asked: RunRequest) -> None:
    """Simulate a scenario under each scheme, and print the KPIs side by side."""
    check_scheme_names("--scheme", asked.schemes)
    fixed = {k: v for k, v in {"seed": asked.seed, "days": asked.days}.items() if v is not None}
    fixed |= fields_of(asked.fields)
    names = list(dict.fromkeys(asked.schemes or [read_scenario(asked.scenario, fixed)[0].scheme]))
    plans = [(name, *read_scenario(asked.scenario, {**fixed, "scheme": name})) for name in names]
    tell_unusual(plans[0][1])
    out, several = asked.out, len(plans) > 1
    folders = {name: out / name.replace(":", ".") if several else out for name in names}
    if several:
        check_inside(folders.values())
    with faults_named(source_of(asked.scenario)):
        for name, settings, folder in plans:
            check_run(folders[name], settings, folder, asked.overwrite, asked.resume, asked.allowed)
    compares = several and asked.figures
    known = dict.fromkeys(comparison_paths(out), is_png) if compares else {}
    check_outputs((), asked.overwrite or asked.resume, known)
    console = terminal(asked.quiet)
    with faults_named(source_of(asked.scenario)):
        kpis = {
            name: _run_one(console, settings, folder, folders[name], asked)
            for name, settings, folder in plans
        }
    for table in kpi_tables(plans[0][1], kpis, console.width):
        console.print(table)
    for folder_of_run in folders.values():
        place = folder_of_run / "figures" if asked.figures else folder_of_run
        console.print(f"{'Figures' if asked.figures else 'Tables'}: {place}", soft_wrap=True)
        if (folder_of_run / "case").is_dir():
            console.print(f"Case: {folder_of_run / 'case'}", soft_wrap=True)
    title = f"{plans[0][1].name}, seed {plans[0][1].seed}"
    if compares:
        with waiting("drawing the comparison", told=not (asked.quiet or console.is_terminal)):
            figures = plot_comparison(folders, plans[0][1].zone, out, title)
        for figure in figures:
            console.print(f"Comparison: {figure}", soft_wrap=True)


def _run_one(
    console: Console,
    settings: Scenario,
    folder: Path | None,
    out: Path,
    asked: RunRequest,
) -> dict[str, Any]:
    calendar = settings.calendar
    exported = None if asked.export_isp is None else isp_at(asked.export_isp, calendar, "--export-isp")
    lines = ProgressLines(settings)
    told = not (asked.quiet or console.is_terminal)
    columns = (
        TextColumn(settings.scheme),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[date]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    shown = asked.bar and console.is_terminal
    building = waiting(f"{settings.scheme}: building the model", told)
    with building as built, Progress(*columns, console=console, disable=not shown) as progress:
        task = progress.add_task("run", total=calendar.n_isp, date="building the model")
        steps: list[str] = []

        def on_isp(isp: int) -> None:
            built()
            progress.update(task, completed=isp + 1, date=isp_shown(settings, isp))
            if told:
                lines.on_isp(isp)

        def on_step(step: str, done: int, total: int) -> None:
            built()
            if step not in steps:  # a bar of its own
                steps.append(step)
                progress.reset(task)
            progress.update(task, completed=done, total=total, date=step)
            if told:
                lines.on_step(step, done, total)

        return run_scenario(
            settings,
            folder,
            out,
            on_isp,
            overwrite=asked.overwrite,
            export_isp=exported,
            resume=asked.resume,
            checkpoint_s=asked.checkpoint_days * DAY_S,
            plots=asked.figures,
            allowed=asked.allowed,
            on_step=on_step,
        )
