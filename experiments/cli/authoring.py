"""``tandem new`` and ``tandem schema``: commands that help to write scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import complete, one_of
from tandem_sim.experiments.runs.bundled import SCENARIOS


def new(
    file: Annotated[Path, typer.Argument(help="The scenario to write (.yaml).")],
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help=f"Bundled scenario whose keys it gets ({one_of(SCENARIOS)}). [default: a small world]",
            metavar="NAME",
            autocompletion=complete(SCENARIOS),
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="List every other field too, commented out, with its default.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a scenario with comments, ready to run.

    Comments give meaning, unit, accepted and usual range of each key. Without --from it is a small world of
    two days, which runs in about a minute. It never replaces a file without --force.
    """
    from tandem_sim.experiments.scenario_tools.template import new_scenario

    typer.echo("\n".join(new_scenario(file, from_, everything=full, force=force)))


def schema(
    sweep: Annotated[bool, typer.Option("--sweep", help="The schema of sweep files.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write it here. [default: standard output]")] = None,
) -> None:
    """Print the JSON schema of scenarios, for editors.

    Draft 2020-12, with meaning, unit, accepted and usual range, and default of every field.
    """
    from tandem_sim.experiments.scenario_tools.schema import (
        as_text,
        scenario_schema,
        sweep_schema,
        write_schema,
    )

    found = sweep_schema() if sweep else scenario_schema()
    if out is None:
        typer.echo(as_text(found), nl=False)
        return
    write_schema(out, found)
    typer.echo(f"Schema: {out}")
