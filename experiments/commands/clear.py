"""The command ``tandem clear``: clear one market instance under one or all schemes, and compare them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem_sim.experiments.api import check_options, clear
from tandem_sim.experiments.figures.clearing import plot_clearing
from tandem_sim.experiments.results.terminal_tables import allocation_table, clearing_tables
from tandem_sim.experiments.run_folder.outputs import PNG_FILE, check_file, is_list_of, is_png, write_json
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.markets.choices import ABOUT
from tandem_sim.sim.named_schemes import check_scheme_names


def clear_and_show(
    case: str,
    scheme: str | None,
    options: Mapping[str, Any],
    out: Path | None,
    figure: Path | None,
    *,
    allow_code: Sequence[str] = (),
    quiet: bool,
) -> None:
    """Clear a case, print the results, and write the files that are requested."""
    given = {name: value for name, value in options.items() if value is not None}
    check_options(given, lambda name: "--" + name.replace("_", "-"))
    if scheme is not None:
        check_scheme_names("--scheme", [scheme], ["all"])
    if out is not None:
        check_file(out, "--out", lambda path: is_list_of(path, {"scheme"}))
    if figure is not None:
        check_file(figure, "--figure", is_png, PNG_FILE)
    wanted = None if scheme is None else list(ABOUT) if scheme == "all" else [scheme]
    cleared = clear(case, wanted, **given, allow_code=allow_code)
    entries = cleared.entries()
    if out is not None:
        failed = [{"scheme": name, "error": problem} for name, problem in cleared.failed.items()]
        write_json(out, entries + failed)
    if figure is not None and entries:
        plot_clearing(cleared.case, entries, figure)
    console = terminal(quiet)
    for table in clearing_tables(cleared.case, entries, console.width):
        console.print(table)
    for entry in entries:
        if "allocation_eur_per_h" in entry:
            console.print(allocation_table(entry, console.width))
    for name, problem in cleared.failed.items():
        print(f"tandem: {case}: {name}: {problem}", file=sys.stderr)
    if cleared.failed:
        raise SystemExit(1)
