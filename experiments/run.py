"""One run from a scenario to a folder of results: tables, KPIs, figures, manifest."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.kpis import kpis_of
from experiments.plots import plot_run
from grids.errors import InputError
from grids.picture import Margins
from markets.blocks import TSO as T
from markets.case_options import CaseOptions
from sim.export import IspExport
from sim.run import run
from sim.settings import Scenario

LIBRARIES = (
    "mesa",
    "simpy",
    "numpy",
    "pandas",
    "scipy",
    "pandapower",
    "simbench",
    "lightsim2grid",
    "pyarrow",
)


def run_scenario(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    on_isp: Callable[[int], None] = lambda isp: None,
    overwrite: bool = False,
    export_isp: int | None = None,
) -> dict[str, Any]:
    """Simulate and write everything; returns the KPIs.

    With `export_isp` the market of that ISP is written as a case into the sub-folder ``case``. Results are
    built in a hidden folder and moved to `out` when complete: a run that fails leaves nothing.
    """
    check_outputs([out], overwrite)
    out = out.resolve()
    with tempfile.TemporaryDirectory(prefix=".tandem-", dir=_nearest(out)) as hidden:
        partial = Path(hidden) / "run"
        export = None if export_isp is None else _export(scenario, export_isp, partial / "case")
        run(scenario, folder, partial, on_isp, export=export)
        kpis = kpis_of(partial)
        _write_json(partial / "kpis.json", kpis)
        plot_run(partial, scenario.zone, f"{scenario.name}, {scenario.scheme}")
        _write_json(partial / "manifest.json", manifest(scenario))
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    return kpis


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


def run_id(scenario: Scenario) -> str:
    """Identity of a run: a hash of the whole scenario, seed included."""
    text = json.dumps(scenario.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def manifest(scenario: Scenario) -> dict[str, Any]:
    """What is needed to make the run again."""
    return {
        "run_id": run_id(scenario),
        "seed": scenario.seed,
        "scheme": scenario.scheme,
        "scenario": scenario.model_dump(mode="json", by_alias=True),
        "versions": {
            "tandem-sim": version("tandem-sim"),
            "python": platform.python_version(),
            **{n: version(n) for n in LIBRARIES},
        },
    }


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, sort_keys=False) + "\n", encoding="utf-8")
