"""Commands that read finished runs: explain, query, report, plot, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import complete, one_of
from tandem_sim.experiments.plots.choices import FORMATS, KINDS


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
RowsFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help=f"Output: {one_of(QUERY_FORMATS)}. [default: by the suffix of --out, else table]",
        autocompletion=complete(QUERY_FORMATS),
    ),
]
RowsFile = Annotated[Path | None, typer.Option(help="Write the rows to this new file.")]


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
    format_: RowsFormat = None,
    out: RowsFile = None,
) -> None:
    """Query the tables of runs in SQL.

    Tables are views by their names, such as branch_loading. The query reads the given runs and nothing else.
    """
    from tandem_sim.experiments.queries.query import show

    show(sql, runs, format_, out)


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folders of finished runs of the same days, or a folder that has them.",
            autocompletion=complete((), "/"),
            metavar="RUN...",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The HTML file; an earlier report is replaced.")] = Path(
        "report.html"
    ),
    isp: Annotated[
        str | None,
        typer.Option(
            help="ISP that is shown bid by bid: local time, such as 2016-04-18T18:00, or number from 0. "
            "[default: the one with the worst overload]"
        ),
    ] = None,
) -> None:
    """Write a report of one run, or of several side by side: one HTML file that opens offline.

    Key figures, series, maps with loadings and voltages, bids and messages of one ISP, money, checks.
    """
    from tandem_sim.experiments.report.write import show

    show(runs, out, isp)


def plot(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folders of finished runs. Several share their axes and have a panel of differences; runs "
            "that differ in the seed alone are a band.",
            autocompletion=complete((), "/"),
            metavar="RUN...",
        ),
    ],
    what: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Kind of figure: {one_of(KINDS)}; may be repeated. [default: all that the runs allow]",
            autocompletion=complete(KINDS),
            metavar="KIND",
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Local time of the begin, such as 2016-04-18T18:00; of the merit order its ISP. "
            "[default: begin of the run]",
            metavar="TIME",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Local time of the end, not included. [default: end of the run]", metavar="TIME"),
    ] = None,
    format_: Annotated[
        str,
        typer.Option("--format", help=f"File format: {one_of(FORMATS)}.", autocompletion=complete(FORMATS)),
    ] = "png",
    width: Annotated[
        float | None, typer.Option(help="Width of a figure, cm (10 to 60). [default: by kind]")
    ] = None,
    title: Annotated[bool, typer.Option(help="Whether a heading names scenario, scheme and seed.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path(),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace figures of these names.")] = False,
) -> None:
    """Draw figures of finished runs.

    A day or a week as lines; more than two weeks as daily values and heat maps of hour by day.
    """
    from tandem_sim.experiments.plots.draw import PlotRequest
    from tandem_sim.experiments.plots.draw import plot as draw

    draw(
        PlotRequest(
            runs=runs,
            start=from_,
            end=to,
            kinds=what or [],
            form=format_,
            width_cm=width,
            title=title,
            out=out,
            overwrite=overwrite,
        )
    )


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
    format_: RowsFormat = None,
    out: RowsFile = None,
) -> None:
    """Compare the key figures of finished runs with those of the first.

    Runs of one scheme with several seeds are one group, with paired differences and 95 % intervals. Runs of
    different worlds are refused, with what differs.
    """
    from tandem_sim.experiments.comparing.show import Selection, show

    show(runs, against, Selection(tuple(kpi or ()), every=all_), format_, out)
