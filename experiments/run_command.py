"""The command ``tandem run``: simulate a scenario under one scheme or several, and show what came out."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tandem_sim.experiments.plots import comparison_paths, plot_comparison
from tandem_sim.experiments.run import DAY_S, check_outputs, check_run, run_scenario
from tandem_sim.experiments.scenario import faults_named, fields_of, read_scenario, source_of
from tandem_sim.experiments.tables import kpi_table
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.text import one_line
from tandem_sim.sim.calendar import Calendar
from tandem_sim.sim.settings import Scenario

SCENARIO_HELP = "A bundled scenario (see `tandem scenarios`) or the path of a YAML file."
WIDE = 120


def run(
    scenario: Annotated[str, typer.Argument(help=SCENARIO_HELP)],
    scheme: Annotated[
        list[str] | None, typer.Option(help="Coordination scheme; give it several times to compare.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random stream.")] = None,
    days: Annotated[int | None, typer.Option(help="Number of local days.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the results; one sub-folder per scheme when there are several.")
    ] = Path("runs/latest"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results of an earlier run.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was not finished; keep one that is.")
    ] = False,
    checkpoint_days: Annotated[
        int, typer.Option(min=0, help="Simulated days from one checkpoint to the next; 0 for none.")
    ] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Replace a field of the scenario: section.key=value, several times."),
    ] = None,
    export_isp: Annotated[
        str | None,
        typer.Option(help="Also write the market of this moment as a case, for `tandem clear` (local time)."),
    ] = None,
) -> None:
    """Simulate a scenario and write tables, KPIs and figures."""
    fixed = {k: v for k, v in {"seed": seed, "days": days}.items() if v is not None}
    fixed |= fields_of(set_ or [])
    names = list(dict.fromkeys(scheme or [read_scenario(scenario, fixed)[0].scheme]))
    plans = [(name, *read_scenario(scenario, {**fixed, "scheme": name})) for name in names]
    folders = {name: out if len(plans) == 1 else out / name for name in names}
    for name, settings, _ in plans:
        check_run(folders[name], settings, overwrite, resume)
    check_outputs((), overwrite or resume, comparison_paths(out) if len(plans) > 1 else ())
    how = {"overwrite": overwrite, "resume": resume, "checkpoint_s": checkpoint_days * DAY_S}
    console = Console(width=None if sys.stdout.isatty() else WIDE)  # a file or pipe has no width of its own
    with faults_named(source_of(scenario)):
        kpis = {
            name: _run_one(console, settings, folder, folders[name], export_isp, how)
            for name, settings, folder in plans
        }
    console.print(kpi_table(plans[0][1], kpis))
    compared = plot_comparison(folders, plans[0][1].zone, out) if len(plans) > 1 else []
    for folder_of_run in folders.values():
        console.print(f"Figures: {folder_of_run / 'figures'}", soft_wrap=True)
        if (folder_of_run / "case").is_dir():
            console.print(f"Case: {folder_of_run / 'case'}", soft_wrap=True)
    for figure in compared:
        console.print(f"Comparison: {figure}", soft_wrap=True)


def _run_one(
    console: Console,
    settings: Scenario,
    folder: Path | None,
    out: Path,
    export_isp: str | None,
    how: dict[str, Any],
) -> dict[str, Any]:
    calendar = Calendar.of_days(str(settings.start), settings.days, settings.isp_minutes, settings.zone)
    exported = None if export_isp is None else _isp_of(export_isp, calendar)
    columns = (
        TextColumn(f"{settings.scheme:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[date]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("run", total=calendar.n_isp, date="building the world")

        def on_isp(isp: int) -> None:
            local = calendar.time(calendar.seconds(isp)).tz_convert(settings.zone)
            progress.update(task, completed=isp + 1, date=f"{local:%a %d %b %Y %H:%M}")

        return run_scenario(settings, folder, out, on_isp, export_isp=exported, **how)


def _isp_of(moment: str, calendar: Calendar) -> int:
    """The ISP that holds a moment given in local time, or with an offset of its own."""
    try:
        time = pd.Timestamp(datetime.fromisoformat(moment))
        if time.tzinfo is None:
            local = pd.DatetimeIndex([time]).tz_localize(calendar.zone, ambiguous="NaT", nonexistent="NaT")
            if local.hasnans:
                raise ValueError("that local time is skipped, or comes twice, as clocks change")
            time = local[0]
        return calendar.isp_of(time)
    except ValueError as error:
        mend = "Give a moment of the horizon, such as 2016-04-18T18:00 or 2016-04-18T18:00+02:00"
        raise InputError("--export-isp", moment, f"names no ISP ({one_line(error)})", mend) from error
