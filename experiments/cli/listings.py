"""Commands that list the available names, and ``tandem validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_sim.agents.choices import ABOUT_STRATEGIES
from tandem_sim.experiments.cli.choices import complete, complete_scenario, complete_sweep
from tandem_sim.experiments.results.terminal_text import hanging, terminal_width
from tandem_sim.experiments.runs.bundled import CASES, SCENARIOS, SWEEPS, scenario_text, sweep_text
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.grids.documents.text import check_known, hint, is_there
from tandem_sim.grids.errors import InputError


def validate(
    file: Annotated[
        str,
        typer.Argument(
            help="A scenario (bundled name or YAML) or a case (bundled name, JSON or folder).",
            autocompletion=complete([*SCENARIOS, *CASES], ".yaml", ".yml", ".json"),
        ),
    ],
) -> None:
    """Check a scenario or a case without running it.

    Builds the whole model of a run, grids included. Prints how the tables of the grids are used. Of a
    scenario it also prints load, energy, worst branches and voltages without activation, and every field
    with its value and unit. Unusual values are reported on standard error.
    """
    from tandem_sim.experiments.commands.validate import check_file
    from tandem_sim.experiments.runs.logs import log_to_terminal

    log_to_terminal(0)
    typer.echo(check_file(file))


def convert(
    file: Annotated[
        Path,
        typer.Argument(help="A scenario, a sweep (YAML) or a case.json of an earlier version."),
    ],
    out: Annotated[Path | None, typer.Option(help="Write it here. [default: in its place]")] = None,
) -> None:
    """Rename what is called differently since a file was written.

    Comments, order and numbers stay. Prints what was renamed.
    """
    from tandem_sim.experiments.commands.convert import convert as converted

    lines = converted(file, out)
    typer.echo("\n".join([f"{out or file}: {len(lines)} names changed.", *lines]))


def schemes() -> None:
    """List coordination schemes: built in, installed, your own.

    Steps, and the data shared, of those that are built in.
    """
    from tandem_sim.agents.strategies.allowed_code import FLAG, installed, origin
    from tandem_sim.agents.strategies.allowed_code import SCHEMES as GROUP
    from tandem_sim.experiments.results.terminal_tables import scheme_list
    from tandem_sim.markets.schemes import SCHEMES

    typer.echo(scheme_list(SCHEMES, terminal_width()))
    for name, entries in sorted(installed(GROUP).items()):
        use = " (not used: the name is built in)" if name in SCHEMES else ""
        for entry in entries:
            _echo(f"{name}: {entry.value}, installed by {origin(entry)}{use}")
    _echo(f"module:SCHEME: a scheme of your own, with {FLAG} module; see tandem_sim.Scheme")


def scenarios(
    name: Annotated[
        str | None,
        typer.Argument(help="Print the YAML of this one.", autocompletion=complete_scenario),
    ] = None,
) -> None:
    """List the bundled scenarios, or print one.

    Start your own scenario from one: tandem new my_scenario.yaml --from reference
    """
    if name is None:
        from tandem_sim.grids.documents.yaml_reader import read_yaml

        for known in SCENARIOS:
            _echo(f"{known}: {read_yaml(scenario_text(known), known)['description']}")
        return
    check_known("NAME", [name], SCENARIOS)
    typer.echo(scenario_text(name), nl=False)


def cases() -> None:
    """List the bundled cases, for clear and game."""
    for name, about in CASES.items():
        _echo(f"{name}: {about}")


def sweeps(
    name: Annotated[
        str | None, typer.Argument(help="Print the YAML of this one.", autocompletion=complete_sweep)
    ] = None,
) -> None:
    """List the bundled sweeps, or print one."""
    if name is None:
        for known, about in SWEEPS.items():
            _echo(f"{known}: {about}")
        return
    check_known("NAME", [name], list(SWEEPS))
    typer.echo(sweep_text(name), nl=False)


def strategies() -> None:
    """List the bidding strategies: built in, installed, your own."""
    from tandem_sim.agents.strategies.allowed_code import FLAG, installed, origin

    for name, about in ABOUT_STRATEGIES.items():
        _echo(f"{name}: {about}")
    for name, entries in sorted(installed().items()):
        use = " (not used: the name is built in)" if name in ABOUT_STRATEGIES else ""
        for entry in entries:
            _echo(f"{name}: {entry.value}, installed by {origin(entry)}{use}")
    _echo(f"module:Class: a class of your own, with {FLAG} module; see tandem_sim.Strategy")


def profiles() -> None:
    """List the measured profiles and the energy of each."""
    from tandem_sim.experiments.results.terminal_tables import profile_table

    terminal().print(profile_table())


def grids() -> None:
    """List the grids that are available by name.

    They are bundled, or part of pandapower and SimBench.
    """
    from tandem_sim.grids.io.read import grid_names

    for source, names in grid_names().items():
        _echo(f"{source}: {', '.join(names)}")


def _complete_kpi(incomplete: str) -> list[str]:
    from tandem_sim.experiments.key_figures.catalogue import catalogue

    return complete(catalogue(), "/")(incomplete)


def kpis(
    what: Annotated[
        str | None,
        typer.Argument(
            help="Explain this key figure, or print those of this run.", autocompletion=_complete_kpi
        ),
    ] = None,
) -> None:
    """List all key figures (KPIs), explain one, or print those of a run.

    Units, signs, meanings; of one also the formula over the tables of a run.
    """
    from tandem_sim.experiments.key_figures.catalogue import catalogue, groups

    if what is None:
        for group, figures in groups().items():
            typer.echo(group)
            for figure in figures:
                _echo(f"  {figure.name} ({figure.unit}): {figure.meaning}")
        return
    if what in catalogue():
        figure = catalogue()[what]
        for label, text in zip(figure._fields, figure, strict=True):
            _echo(f"{label + ':':<9}{text}")
        return
    if not is_there(Path(what), Path.is_dir):
        raise InputError("kpis", what, "is no key figure and no folder", hint(what, catalogue()))
    from tandem_sim.experiments.queries.kpis import kpi_table
    from tandem_sim.experiments.runs.logs import terminal

    terminal().print(kpi_table(what))


def _echo(text: str) -> None:
    """Print a paragraph that fits the terminal; on one line if output goes to a file or a pipe."""
    typer.echo("\n".join(hanging(text, terminal_width(len(text)))))
