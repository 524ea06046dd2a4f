"""``tandem explain``: commands that read a finished run."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import complete


def explain(
    run: Annotated[str, typer.Argument(help="Folder of a finished run.", autocompletion=complete((), "/"))],
    isp: Annotated[str, typer.Option(help="A moment (local time), or the number of an ISP of the run.")],
    bid: Annotated[str | None, typer.Option(help="A bid of that ISP; without it they are listed.")] = None,
) -> None:
    """Say why a bid was called, bounded, passed over or unpaid.

    A sentence a station from gate closure to settlement, and a verdict, all from the tables of the run.
    """
    from tandem_sim.experiments.commands.explain import show

    show(run, isp, bid)
