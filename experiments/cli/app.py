"""The command line application: its commands, and its handling of errors."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tandem_sim.experiments.cli import authoring, cases, listings, results, simulations
from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import FaultError, InputError, TandemError, printable
from tandem_sim.grids.renames import renamed
from tandem_sim.sim.clock.interruption import handled_signals

COMMANDS = (
    simulations.run,
    simulations.sweep,
    simulations.power,
    results.explain,
    results.query,
    results.report,
    results.plot,
    results.compare,
    cases.clear,
    cases.game,
    cases.envelope,
    authoring.new,
    authoring.schema,
    listings.validate,
    listings.convert,
    listings.schemes,
    listings.scenarios,
    listings.cases,
    listings.sweeps,
    listings.strategies,
    listings.kpis,
    listings.profiles,
    listings.grids,
)
RESUMABLE = ("run", "sweep", "power")
"""Commands with the option ``--resume``."""
app = typer.Typer(
    name="tandem",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in COMMANDS:
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tandem-sim {version('tandem-sim')}")
        raise typer.Exit


@app.callback()
def tandem(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Simulate how TSO, DSOs and aggregators buy and activate flexibility on one grid."""


def main() -> None:
    """Entry point. Bad input ends in one message and exit code 2, a signal in a message on how to resume."""
    try:
        with handled_signals() as signals:
            try:
                _refuse_old_flags(sys.argv[1:])
                app()
            except SystemExit:  # the command-line library turns an interrupt into it
                if signals.interrupted is None:
                    raise
                message = f"ended by {signals.interrupted}. {how_to_go_on(sys.argv)}"
                print(f"tandem: {message}", file=sys.stderr)
                raise SystemExit(128 + signals.interrupted.number) from None
    except FaultError:
        print("tandem: this is a fault of Tandem, please report it with the scenario", file=sys.stderr)
        raise
    except TandemError as error:
        message = printable(error, 6_000)  # on one line, whatever the names of files and keys hold
        print(f"tandem: {message}", file=sys.stderr)  # plain text, for scripts
        raise SystemExit(2) from None
    except MemoryError as error:
        print(f"tandem: there is not enough memory for this ({one_line(error)}).", file=sys.stderr)
        raise SystemExit(2) from None


def _refuse_old_flags(arguments: Sequence[str]) -> None:
    """Raise `InputError` for an option that has another name now."""
    for argument in arguments:
        flag = argument.partition("=")[0]
        if new := renamed("flag").get(flag):
            raise InputError("command line", flag, f"is called {new} now", f"Give {new}")


def how_to_go_on(arguments: Sequence[str]) -> str:
    """Advice after an interrupt: the command that resumes the run, if there is one."""
    program, *given = arguments
    if not given or given[0] not in RESUMABLE:
        return "Nothing was left half-written."
    name = Path(program).name
    begin = ["python", "-m", "tandem_sim"] if name == "__main__.py" else [name]
    again = shlex.join([*begin, *given, *([] if "--resume" in given else ["--resume"])])
    return f"What is safe is kept; go on with: {again}"
