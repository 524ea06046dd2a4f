"""The command ``tandem plot``: figures of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tandem_sim.experiments.figures.style import house_style, save
from tandem_sim.experiments.plots.choices import FORMATS, KINDS
from tandem_sim.experiments.plots.fit import WIDTHS_CM, fit
from tandem_sim.experiments.plots.kinds import figures_of, lacking
from tandem_sim.experiments.plots.runs import Shown, grouped, read_shown
from tandem_sim.experiments.run_folder.outputs import check_file
from tandem_sim.experiments.runs.moments import isp_at
from tandem_sim.experiments.runs.run import check_outside
from tandem_sim.grids.documents.text import check_known
from tandem_sim.grids.errors import InputError

STARTS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
"""First bytes of a figure of each format."""


@dataclass(frozen=True, kw_only=True)
class PlotRequest:
    """The options of ``tandem plot``; see its help."""

    runs: Sequence[str]
    start: str | None
    end: str | None
    kinds: Sequence[str]
    form: str
    width_cm: float | None
    title: bool
    out: Path
    overwrite: bool


def plot(asked: PlotRequest) -> None:
    """Draw figures of finished runs, and print the path of each."""
    check_known("--what", asked.kinds, list(KINDS))
    check_known("--format", [asked.form], FORMATS)
    if asked.width_cm is not None and not WIDTHS_CM[0] <= asked.width_cm <= WIDTHS_CM[1]:
        low, high = WIDTHS_CM
        raise InputError("--width", f"{asked.width_cm:g}", "is no width", f"Give {low:g} to {high:g} cm")
    check_outside(asked.out / "figure", asked.runs, "--out")
    shown = read_shown(asked.runs, asked.start, asked.end)
    groups = grouped(shown)
    kinds = _possible(asked, groups)
    isp = None if asked.start is None else isp_at(asked.start, shown[0].run.scenario.calendar, "--from")
    drawn = {
        asked.out / f"{name}.{asked.form}": draw
        for kind in kinds
        for name, draw in figures_of(kind, groups, isp).items()
    }
    _make_folder(asked.out)
    for path in drawn:
        check_file(path, "--out", lambda file: asked.overwrite and _is_figure(file, asked.form))
    with house_style():
        for path, draw in drawn.items():
            figure = draw()
            fit(figure, asked.width_cm, asked.title)
            print(save(figure, path, asked.form))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be made ({error.strerror})"
        raise InputError(str(out), "--out", problem, "Name a folder you may write to") from error


def _is_figure(path: Path, form: str) -> bool:
    """Whether a file begins as a figure of a format does."""
    with path.open("rb") as file:
        return file.read(5).startswith(STARTS[form])


def _possible(asked: PlotRequest, groups: dict[str, list[Shown]]) -> list[str]:
    """The kinds to draw: those asked for, or all that the runs have tables for."""
    shown = [each for group in groups.values() for each in group]
    kinds = []
    for kind in dict.fromkeys(asked.kinds or KINDS):
        problem = lacking(kind, shown)
        if problem is None:
            kinds.append(kind)
        elif asked.kinds:
            raise problem
    return kinds
