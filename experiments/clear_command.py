"""What ``tandem clear`` does: one market instance under one or all schemes, in one table."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem_sim.experiments.api import check_options, clear
from tandem_sim.experiments.logs import terminal
from tandem_sim.experiments.plot_clearing import plot_clearing
from tandem_sim.experiments.tables import allocation_table, clearing_table
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.text import check_known
from tandem_sim.markets.choices import ABOUT

FLAGS = {"step_mw": "--step", "tolerance_mw": "--tolerance"}
"""Options whose name on the command line is not their own."""


def clear_and_show(
    case: str,
    scheme: str | None,
    options: Mapping[str, Any],
    out: Path | None,
    figure: Path | None,
    *,
    quiet: bool,
) -> None:
    """Clear a case, show the table, and write what is asked for."""
    given = {name: value for name, value in options.items() if value is not None}
    check_options(given, lambda name: FLAGS.get(name, f"--{name}"))
    if scheme is not None:
        check_known("--scheme", [scheme], ["all", *ABOUT])
    for path, flag in ((out, "--out"), (figure, "--figure")):
        if path is not None:
            _check_writable(path, flag)
    wanted = None if scheme is None else list(ABOUT) if scheme == "all" else [scheme]
    cleared = clear(case, wanted, **given)
    entries = cleared.entries()
    if out is not None:
        failed = [{"scheme": name, "error": problem} for name, problem in cleared.failed.items()]
        _write(out, entries + failed)
    if figure is not None and entries:
        plot_clearing(cleared.case, entries, figure)
    console = terminal(quiet)
    console.print(clearing_table(cleared.case, entries))
    for entry in entries:
        if "allocation_eur_per_h" in entry:
            console.print(allocation_table(entry))
    for name, problem in cleared.failed.items():
        print(f"tandem: {case}: {name}: {problem}", file=sys.stderr)
    if cleared.failed:
        raise SystemExit(1)


def _check_writable(path: Path, flag: str) -> None:
    """Refuse an output file that could not be written, before anything is worked out."""
    mend = (
        "Name a PNG file in a folder you may write to"
        if flag == "--figure"
        else "Choose a file you may write to"
    )
    problem = "is no PNG file" if flag == "--figure" and path.suffix.lower() != ".png" else ""
    try:
        if path.is_dir():
            problem = "is a folder"
        with tempfile.TemporaryFile(dir=path.parent):
            pass  # the folder takes files
        if path.exists():
            with path.open("a"):
                pass
    except OSError as error:
        problem = str(error.strerror)
    if problem:
        raise InputError(str(path), flag, f"cannot be written ({problem})", mend)


def _write(out: Path, entries: list[dict[str, Any]]) -> None:
    try:
        out.write_text(json.dumps(entries, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            str(out), "--out", f"cannot be written ({error.strerror})", "Choose a file you may write to"
        ) from error
