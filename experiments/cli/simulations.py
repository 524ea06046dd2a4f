"""``tandem run``, ``sweep`` and ``power``: commands that simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import complete_scheme, complete_sweep, one_of
from tandem_sim.experiments.cli.options import (
    AllowCode,
    Fields,
    Quiet,
    ScenarioName,
    Schemes,
    Verbose,
    Workers,
)
from tandem_sim.experiments.runs.bundled import SWEEPS
from tandem_sim.experiments.runs.logs import log_to_terminal


def run(
    scenario: ScenarioName,
    scheme: Schemes = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    days: Annotated[int | None, typer.Option(help="Number of days to simulate, local time.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the results; one sub-folder per scheme when there are several.")
    ] = Path("runs/latest"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results of an earlier run.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume an unfinished run; keep a finished one.")
    ] = False,
    checkpoint_days: Annotated[
        int, typer.Option(min=0, help="Simulated days between checkpoints; 0 for none.")
    ] = 1,
    set_: Fields = None,
    export_isp: Annotated[
        str | None,
        typer.Option(
            help="Also write the market of the ISP at this local time, such as 2016-04-18T18:00, as a "
            "case for tandem clear.",
            metavar="TIME",
        ),
    ] = None,
    figures: Annotated[bool, typer.Option(help="Whether to draw figures.")] = True,
    allow_code: AllowCode = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario and write tables, KPIs and figures.

    Where output is no terminal, progress is a line on standard error every half minute.
    """
    from tandem_sim.agents.strategies.allowed_code import AllowedCode
    from tandem_sim.experiments.commands.run import RunRequest, simulate

    log_to_terminal(verbose)
    simulate(
        RunRequest(
            scenario=scenario,
            schemes=scheme or [],
            seed=seed,
            days=days,
            out=out,
            overwrite=overwrite,
            resume=resume,
            checkpoint_days=checkpoint_days,
            fields=set_ or [],
            export_isp=export_isp,
            figures=figures,
            allowed=AllowedCode.of(allow_code or ()),
            quiet=quiet,
            bar=not (quiet or verbose),
        )
    )


def sweep(
    file: Annotated[
        str,
        typer.Argument(
            help=f"A sweep file (YAML), or a bundled sweep ({one_of(SWEEPS)}).",
            autocompletion=complete_sweep,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the runs and their tables.")] = Path("runs/sweep"),
    workers: Workers = None,
    dask: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, whose workers make the runs.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume in a folder with runs; finished runs are kept.")
    ] = False,
    allow_code: AllowCode = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run a scenario for all combinations of schemes, seeds, fields.

    A sweep file, or a bundled sweep, names the scenario and the values. Results are summarised over seeds.
    """
    from tandem_sim.agents.strategies.allowed_code import AllowedCode
    from tandem_sim.experiments.commands.sweep import make_sweep

    log_to_terminal(verbose)
    make_sweep(file, out, workers, dask, AllowedCode.of(allow_code or ()), resume=resume, quiet=quiet)


def power(
    scenario: ScenarioName,
    scheme: Schemes = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Seed; repeat the option for intervals over seeds.", metavar="SEED"),
    ] = None,
    set_: Fields = None,
    reference: Annotated[
        str,
        typer.Option(
            help="Scheme that the others are compared with for the inefficiency by scheme.",
            autocompletion=complete_scheme,
        ),
    ] = "common",
    workers: Workers = None,
    out: Annotated[Path, typer.Option(help="Folder for runs, tables and the figure.")] = Path("runs/power"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume in a folder with runs; finished runs are kept.")
    ] = False,
    allow_code: AllowCode = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Measure market power: strategic bids against truthful bids.

    Profits, mark-ups, pivotal sellers, and who pays. With --resume finished runs in the folder are not
    repeated; results are written anew.
    """
    from tandem_sim.agents.strategies.allowed_code import AllowedCode
    from tandem_sim.experiments.commands.power import measure_power

    log_to_terminal(verbose)
    allowed = AllowedCode.of(allow_code or ())
    measure_power(
        scenario,
        scheme or [],
        seed or [],
        set_ or [],
        reference,
        workers,
        out,
        allowed,
        resume=resume,
        quiet=quiet,
    )
