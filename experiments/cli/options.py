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

SCHEMES_HELP = f"Coordination scheme: {one_of(ABOUT)}; repeat the option to compare several."

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
Schemes = Annotated[
    list[str] | None, typer.Option(help=SCHEMES_HELP, autocompletion=complete_scheme, metavar="SCHEME")
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Replace a field of the scenario, such as dso.offset=linear or distribution.0.load_scale=1.1 "
        "(entries of lists by number, from 0, or by name); may be repeated.",
        metavar="KEY=VALUE",
        autocompletion=complete_field,
    ),
]
AllowCode = Annotated[
    list[str] | None,
    typer.Option(
        help="Module, or package, that code named module:Class (strategies, schemes, ...) may be imported "
        "from. Its code runs. May be repeated.",
        metavar="MODULE",
    ),
]
Workers = Annotated[int | None, typer.Option(help="Number of processes. [default: one per core]")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, help="Report progress; -vv reports every detail.", show_default=False
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Report problems only.")]
