"""One run from a scenario to a folder of results: tables, KPIs, figures, manifest."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.kpis import kpis_of
from experiments.plots import plot_run
from experiments.unfinished import (
    check_unfinished,
    code_digest,
    identity,
    run_id,
    unfinished_of,
    versions,
    working_folder,
)
from grids.errors import InputError
from grids.picture import Margins
from markets.blocks import TSO as T
from markets.case_options import CaseOptions
from sim.checkpoint import Checkpoints
from sim.export import IspExport
from sim.run import run
from sim.settings import Scenario

DAY_S = 86_400


def run_scenario(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    on_isp: Callable[[int], None] = lambda isp: None,
    overwrite: bool = False,
    export_isp: int | None = None,
    resume: bool = False,
    checkpoint_s: int = DAY_S,
    plots: bool = True,
) -> dict[str, Any]:
    """Simulate and write everything; returns the KPIs.

    With `export_isp` the market of that ISP is written as a case into the sub-folder ``case``. Results are
    built in a folder beside `out` and moved when complete. There a checkpoint is kept every `checkpoint_s`
    seconds of simulated time (0: never); `resume` goes on from the newest, and takes a run that is complete
    as it is. A run that fails before its first checkpoint leaves nothing. Figures are drawn if `plots`.
    """
    out = out.resolve()
    check_run(out, scenario, overwrite, resume)
    if resume and _is_complete(out, scenario):
        shutil.rmtree(unfinished_of(out), ignore_errors=True)  # killed while tidying up
        return _read_json(out / "kpis.json")
    with working_folder(out, resume) as working:
        partial = working / "run"
        export = None if export_isp is None else _export(scenario, export_isp, partial / "case")
        checkpoints = None
        if checkpoint_s:
            checkpoints = Checkpoints(working, identity(scenario, folder, export_isp), checkpoint_s)
        run(scenario, folder, partial, on_isp, export=export, checkpoints=checkpoints)
        kpis = kpis_of(partial)
        _write_json(partial / "kpis.json", kpis)
        if plots:
            plot_run(partial, scenario.zone, f"{scenario.name}, {scenario.scheme}")
        _write_json(partial / "manifest.json", manifest(scenario))
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
        if checkpoints is not None:
            checkpoints.remove()
    return kpis


def check_run(out: Path, scenario: Scenario, overwrite: bool, resume: bool) -> None:
    """An `InputError` if a run cannot go to `out`, or if what lies there would be lost."""
    if not (resume and _is_complete(out, scenario)):
        check_outputs([out], overwrite)
        check_unfinished(out.resolve(), overwrite, resume)


def _is_complete(out: Path, scenario: Scenario) -> bool:
    """Whether `out` holds the finished run of this very scenario."""
    return _is_replaceable_run(out) and _read_json(out / "manifest.json")["run_id"] == run_id(scenario)


def _export(scenario: Scenario, isp: int, folder: Path) -> IspExport:
    margins = Margins(scenario.dso.flow_margin, scenario.dso.voltage_margin_pu)
    return IspExport(
        isp,
        folder,
        f"{scenario.name}, seed {scenario.seed}, ISP {isp}",
        CaseOptions(scenario.scheme, scenario.dso.offset, margins, scenario.scheme_options),
        {T: scenario.transmission.ratings_mva, **{d.id: d.ratings_mva for d in scenario.distribution}},
        {d.id: d.interface_bus for d in scenario.distribution},
    )


def check_outputs(outs: Sequence[Path], overwrite: bool, figures: Sequence[Path] = ()) -> None:
    """An `InputError` if a folder of `outs`, or a file of `figures`, is taken or cannot be written."""
    for out in outs:
        _check_output(out, _is_replaceable_run, overwrite)
    for figure in figures:
        _check_output(figure, Path.is_file, overwrite)


def _check_output(out: Path, replaceable: Callable[[Path], bool], overwrite: bool) -> None:
    problem, mend = "", "Choose a folder you may write to"
    try:
        if out.exists() and not _is_empty(out) and not (overwrite and replaceable(out)):
            problem = "exists already"
            mend = "Choose another folder, or pass --overwrite to replace the results of an earlier run"
        else:
            with tempfile.TemporaryDirectory(prefix=".tandem-", dir=_nearest(out)):
                pass  # it can be written
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise InputError(str(out), "--out", problem, mend)


def _is_empty(out: Path) -> bool:
    return out.is_dir() and not any(out.iterdir())


def _is_replaceable_run(out: Path) -> bool:
    return out.is_dir() and (out / "manifest.json").is_file()


def _nearest(out: Path) -> Path:
    """The nearest path above `out` that exists."""
    return next(parent for parent in out.resolve().parents if parent.exists())


def manifest(scenario: Scenario) -> dict[str, Any]:
    """What is needed to make the run again."""
    return {
        "run_id": run_id(scenario),
        "seed": scenario.seed,
        "scheme": scenario.scheme,
        "scenario": scenario.model_dump(mode="json", by_alias=True),
        "code": code_digest(),
        "versions": versions(),
    }


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, sort_keys=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
