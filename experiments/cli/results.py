"""``tandem explain``: commands that read a finished run."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import complete


def explain(
    run: Annotated[str, typer.Argument(help="Folder of a finished run.", autocompletion=complete((), "/"))],
    isp: Annotated[
        str,
        typer.Option(help="Local time, such as 2016-04-18T18:00, or number of an ISP of the run, from 0."),
    ],
    bid: Annotated[
        str | None, typer.Option(help="A bid of that ISP; without it all bids are listed.")
    ] = None,
) -> None:
    """Explain why a bid was called, limited, not called or not paid.

    A sentence for each step from gate closure to settlement, and the result, from the tables of the run.
    """
    from tandem_sim.experiments.commands.explain import show

    show(run, isp, bid)
