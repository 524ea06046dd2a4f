"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from tandem_sim.experiments.cli.choices import (
    complete_case,
    complete_field,
    complete_scenario,
    complete_scheme,
    one_of,
)
from tandem_sim.experiments.runs.bundled import CASES, SCENARIOS
from tandem_sim.markets.choices import ABOUT

SCHEMES_HELP = f"Coordination scheme: {one_of(ABOUT)}; give it several times to compare."

ScenarioName = Annotated[
    str,
    typer.Argument(
        help=f"A bundled scenario ({one_of(SCENARIOS)}) or the path of a YAML file.",
        autocompletion=complete_scenario,
    ),
]
CaseName = Annotated[
    str,
    typer.Argument(
        help=f"A bundled case ({one_of(CASES)}), a case.json or the folder that holds one.",
        autocompletion=complete_case,
    ),
]
Schemes = Annotated[list[str] | None, typer.Option(help=SCHEMES_HELP, autocompletion=complete_scheme)]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Replace a field of the scenario: section.key=value, several times.",
        autocompletion=complete_field,
    ),
]
AllowCode = Annotated[
    list[str] | None,
    typer.Option(
        help="A module that strategies named module:Class may be imported from (its code runs), or a package "
        "they are in; several times."
    ),
]
Workers = Annotated[int | None, typer.Option(help="Processes. [default: one a core]")]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Tell more; twice tells most.", show_default=False)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Tell of problems only.")]
