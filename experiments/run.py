"""One run from a scenario to a folder of results: tables, KPIs, figures, manifest."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.kpis import kpis_of
from experiments.plots import plot_run
from grids.errors import InputError
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
) -> dict[str, Any]:
    """Simulate and write everything; returns the KPIs.

    Results are built beside `out` and moved there when complete: a run that fails leaves nothing behind.
    """
    partial = prepare_output(out, overwrite)
    try:
        run(scenario, folder, partial, on_isp)
        kpis = kpis_of(partial)
        _write_json(partial / "kpis.json", kpis)
        plot_run(partial, scenario.zone, f"{scenario.name}, {scenario.scheme}")
        _write_json(partial / "manifest.json", manifest(scenario))
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return kpis


def prepare_output(out: Path, overwrite: bool) -> Path:
    """A fresh folder beside `out`; an `InputError` if `out` is taken or cannot be written."""
    if out.exists() and not (
        out.is_dir() and (not any(out.iterdir()) or (overwrite and (out / "manifest.json").is_file()))
    ):
        raise InputError(
            str(out),
            "--out",
            "exists already",
            "Choose another folder, or pass --overwrite to replace the results of an earlier run",
        )
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            str(out), "--out", f"cannot be written ({error.strerror})", "Choose a folder you may write to"
        ) from error
    if not os.access(partial.parent, os.W_OK):
        shutil.rmtree(partial, ignore_errors=True)
        raise InputError(str(out), "--out", "cannot be written", "Choose a folder you may write to")
    return partial


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
