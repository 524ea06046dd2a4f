"""``tandem explain``, ``query`` and ``compare``: commands that read finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import complete, one_of


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


QUERY_FORMATS = ("table", "csv", "json")


def query(
    sql: Annotated[str, typer.Argument(help="A query in SQL (DuckDB) over the tables of the runs.")],
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folders of runs; several have a further column run.",
            autocompletion=complete((), "/"),
            metavar="RUN...",
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Output: {one_of(QUERY_FORMATS)}. [default: by the suffix of --out, else table]",
            autocompletion=complete(QUERY_FORMATS),
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the rows to this new file.")] = None,
) -> None:
    """Query the tables of runs in SQL.

    Tables are views by their names, such as branch_loading. The query reads the given runs and nothing else.
    """
    from tandem_sim.experiments.queries.query import show

    show(sql, runs, format_, out)


def _complete_kpi(incomplete: str) -> list[str]:
    from tandem_sim.experiments.key_figures.catalogue import catalogue

    return complete(catalogue())(incomplete)


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folders of finished runs, or folders of several runs.",
            autocompletion=complete((), "/"),
            metavar="RUN...",
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(help="Run that the others are compared with. [default: the first]", metavar="RUN"),
    ] = None,
    kpi: Annotated[
        list[str] | None,
        typer.Option(
            help="Show this key figure; may be repeated.", autocompletion=_complete_kpi, metavar="NAME"
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show all key figures.")] = False,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Output: {one_of(QUERY_FORMATS)}. [default: by the suffix of --out, else table]",
            autocompletion=complete(QUERY_FORMATS),
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the rows to this new file.")] = None,
) -> None:
    """Compare the key figures of finished runs with those of the first.

    Runs of one scheme with several seeds are one group, with paired differences and 95 % intervals. Runs of
    different worlds are refused, with what differs.
    """
    from tandem_sim.experiments.comparing.show import Selection, show

    show(runs, against, Selection(tuple(kpi or ()), every=all_), format_, out)
