"""The commands put together, and what becomes of an error."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tandem_sim.agents.errors import StrategyError
from tandem_sim.experiments.cli import cases, listings, results, simulations
from tandem_sim.grids.errors import InputError, printable

COMMANDS = (
    simulations.run,
    simulations.sweep,
    simulations.power,
    results.explain,
    cases.clear,
    cases.game,
    cases.envelope,
    listings.validate,
    listings.schemes,
    listings.scenarios,
    listings.cases,
    listings.sweeps,
    listings.strategies,
    listings.profiles,
    listings.grids,
)
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
    """Entry point: bad input ends in one message and exit code 2."""
    try:
        app()
    except KeyboardInterrupt:
        print("tandem: interrupted; what a run had safe is kept for --resume", file=sys.stderr)
        raise SystemExit(130) from None
    except (InputError, StrategyError) as error:
        message = printable(error, 6_000)  # one line, though a file or a key may be named over two
        print(f"tandem: {message}", file=sys.stderr)  # plain, so that scripts can read it
        raise SystemExit(2) from None
