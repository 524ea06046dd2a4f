"""The command ``tandem report``: read the runs, write the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tandem_sim.experiments.explain.tables import isp_of
from tandem_sim.experiments.report.bids.market import chosen_isp
from tandem_sim.experiments.report.page import GENERATOR, page_of
from tandem_sim.experiments.report.parts.read import read_runs
from tandem_sim.experiments.run_folder.outputs import check_file, whole
from tandem_sim.experiments.runs.run import is_run
from tandem_sim.grids.errors import InputError

LOOKED_AT = 4_096
"""First bytes of a file in which the mark of a report stands."""


def write_report(folders: Sequence[str], out: Path, moment: str | None) -> int:
    """Write a report of the runs; returns its size in bytes. Raises `InputError`.

    `moment` is the ISP that is shown bid by bid: a local time or a number; None chooses the one with the
    worst overload.
    """
    _check_out(out)
    runs = read_runs(folders)
    isp = chosen_isp(runs) if moment is None else isp_of(runs[0].run, moment)
    text = page_of(runs, isp)
    with whole(out) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return len(text.encode())


def show(folders: Sequence[str], out: Path, moment: str | None) -> None:
    """Write the report, and say where it is."""
    size = write_report(folders, out, moment)
    print(f"{out}: {size / 1e6:.2f} MB, opens in a browser without a network")


def _check_out(out: Path) -> None:
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(str(out), "--out", "is no HTML file by its name", "End its name in .html")
    here = out.absolute().parent.resolve()
    if any(is_run(folder) for folder in (here, *here.parents)):
        problem = "lies in a run folder, to which nothing is added"
        raise InputError(str(out), "--out", problem, "Choose a file elsewhere")
    check_file(out, "--out", _is_report)


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(LOOKED_AT)
