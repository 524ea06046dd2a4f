"""One run from a scenario to a folder of results: tables, KPIs, figures, manifest."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.experiments.figures.figures import plot_run
from tandem_sim.experiments.results.kpis import kpis_of
from tandem_sim.experiments.run_folder.conflicts import write_conflicts
from tandem_sim.experiments.run_folder.identity import Identity, asked_id, identity_of, provenance, versions
from tandem_sim.experiments.run_folder.manifest import (
    COORDINATION,
    FILES,
    MANIFEST,
    check_unchanged,
    digests_of,
    read_kpis,
)
from tandem_sim.experiments.run_folder.outputs import FOREIGN, Known, part_fault, write_json
from tandem_sim.experiments.run_folder.own_files import LOG, REPLACED, RUN, remove_figures, run_fault
from tandem_sim.experiments.run_folder.unfinished import check_unfinished, unfinished_of, working_folder
from tandem_sim.experiments.runs.logs import log_to_file
from tandem_sim.grids.documents.json_reader import read_json_object
from tandem_sim.grids.documents.text import is_code_name, one_line
from tandem_sim.grids.errors import InputError, StaleError, printable
from tandem_sim.grids.power_flow.operator_model import Margins
from tandem_sim.markets.cases.options import CaseOptions
from tandem_sim.markets.choices import ABOUT
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.sim.assembly.grids import grid_contents
from tandem_sim.sim.checkpoint import Checkpoints
from tandem_sim.sim.export_isp import IspExport
from tandem_sim.sim.inputs.notes import notes_of
from tandem_sim.sim.observers import after_delivery
from tandem_sim.sim.run import OnStep, run
from tandem_sim.sim.scenario.named_code import check_code
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.reconcile import reconcile_figures
from tandem_sim.sim.user_key import user_key

DAY_S = 86_400
OUTPUT = "scenario: output"
"""Which tables are written: no part of the identity, but a run is resumed only with the same ones."""
NO_FILES: Mapping[Path, Known] = MappingProxyType({})
log = logging.getLogger(__name__)


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
    allowed: AllowedCode = NO_CODE,
    on_step: OnStep = lambda step, done, total: None,
) -> dict[str, Any]:
    """Simulate a scenario and write all results; returns the KPIs.

    With `export_isp` the market of that ISP is written as a case into the sub-folder ``case``. Results are
    written to a working folder beside `out` and moved when complete. A checkpoint is kept there every
    `checkpoint_s` seconds of simulated time (0: never). `resume` continues from the newest checkpoint and
    keeps a complete run. A run that fails before its first checkpoint leaves nothing. Figures are drawn if
    `plots`. Code named ``module:Class`` (strategies, schemes, ...) is imported only if it is `allowed`.
    `on_step` is called while tables are written and checked and figures are drawn: step, parts done, parts.
    """
    out = out.resolve()
    check_run(out, scenario, folder, overwrite, resume, allowed)
    with working_folder(out, resume) as working:
        partial, checkpoints = working / RUN, Checkpoints(working, {})
        if not (resume and _is_complete(out, scenario, folder, export_isp)):
            identity = identity_of(scenario, folder)
            checkpoints = _checkpoints(working, identity, _output_of(scenario), export_isp, checkpoint_s)
            exports = [] if export_isp is None else [_export(scenario, export_isp, partial / "case")]
            with log_to_file(working / LOG), _told(scenario, identity, on_isp) as watched:
                scheme = run(
                    scenario,
                    folder,
                    partial,
                    observers=[after_delivery(watched), *exports],
                    checkpoints=checkpoints,
                    allowed=allowed,
                    on_step=on_step,
                )
                described = SchemeDescription.of(scheme)
                _write_up(scenario, folder, identity, described, partial, plots, on_step)
            (working / LOG).rename(partial / LOG)
            if out.exists():
                _check_output(out, True, run_fault(out))  # somebody may have put a file there meanwhile
                out.rename(working / REPLACED)
            partial.rename(out)
        checkpoints.remove()
        return read_kpis(out)


def _checkpoints(
    working: Path, identity: Identity, output: Mapping[str, Any], export_isp: int | None, every_s: int
) -> Checkpoints:
    """Checkpoints of a run that writes its tables by `output`.

    Without a key of the user none are taken, and a warning is logged.
    Raises `StaleError` if there are checkpoints that cannot be verified without the key.
    """
    parts = {**identity.parts, "exported ISP": str(export_isp), OUTPUT: json.dumps(output)}
    try:
        key = user_key()
    except InputError as error:
        if Checkpoints(working, {}).found:
            raise StaleError(error.source, error.field, error.problem, error.hint) from error
        if every_s:
            log.warning("no checkpoints are taken, so this run cannot be resumed: %s", error)
        key = None
    return Checkpoints(working, parts, every_s, key)


@contextmanager
def _told(
    scenario: Scenario, identity: Identity, on_isp: Callable[[int], None]
) -> Iterator[Callable[[int], None]]:
    """`on_isp` with log messages: at the begin and the end of the run, and after every simulated day."""
    calendar = scenario.calendar
    begun, spent = time.monotonic(), time.process_time()
    log.info(
        "run %s: %s, scheme %s, seed %d, %d ISPs from %s",
        identity.run_id,
        printable(scenario.name),
        scenario.scheme,
        scenario.seed,
        calendar.n_isp,
        scenario.start,
    )
    log.info(
        "world %s, code %s; %s",
        identity.world_id,
        identity.run["code"][:16],
        ", ".join(f"{k} {v}" for k, v in versions().items()),
    )
    last = {isps[-1] for _, isps in calendar.days()}

    def watched(isp: int) -> None:
        on_isp(isp)
        if isp in last:
            day = calendar.time(calendar.seconds(isp)).tz_convert(scenario.zone)
            log.info("simulated %s: %d of %d ISPs", f"{day:%Y-%m-%d}", isp + 1, calendar.n_isp)

    yield watched
    elapsed, cpu = time.monotonic() - begun, time.process_time() - spent
    log.info("finished: %.1f s, %.1f s of processor time in this process", elapsed, cpu)


def _write_up(
    scenario: Scenario,
    inputs: Path | None,
    identity: Identity,
    scheme: SchemeDescription,
    folder: Path,
    plots: bool,
    on_step: OnStep,
) -> None:
    """Write KPIs, derived tables, figures and manifest of a run whose tables are complete.

    Raises `InputError` if a file of grids or series has changed since the run began with this `identity`.
    """
    now = identity_of(scenario, inputs).differing(identity.parts)
    changed = [part for part in now if part.startswith(("grid of", "file of"))]
    if changed:
        raise InputError(
            "scenario",
            ", ".join(changed),
            "has changed during the run",
            "Restore the file and pass --resume, or start again with --overwrite",
        )
    on_step("computing key figures", 0, 1)
    write_conflicts(folder, scheme, scenario.isp_minutes / 60.0)
    figures = kpis_of(folder, scenario.prices.given)
    reconcile_figures(folder, scenario.isp_minutes / 60.0, figures)
    write_json(folder / "kpis.json", figures)
    remove_figures(folder)
    if plots:
        plot_run(
            folder,
            scenario.zone,
            f"{scenario.name}, {scenario.scheme}, seed {scenario.seed}",
            lambda drawn, of: on_step("drawing figures", drawn, of),
            scenario.prices.given,
        )
    made = {**manifest(scenario, inputs, identity), COORDINATION: scheme.as_dict()}
    write_json(folder / MANIFEST, {**made, FILES: digests_of(folder)})


def check_run(
    out: Path,
    scenario: Scenario,
    folder: Path | None,
    overwrite: bool,
    resume: bool,
    allowed: AllowedCode = NO_CODE,
) -> None:
    """Raise an `InputError` if `out` cannot be written or must not be replaced, or code is not `allowed`."""
    out = out.resolve()
    check_unfinished(out, overwrite, resume)
    if resume and not overwrite and (other := differing(out, scenario, folder)):
        raise InputError(
            str(out),
            "--resume",
            f"holds a finished run that differs in {one_line(', '.join(other))}",
            "Choose another folder, or pass --overwrite to replace it",
        )
    if not (resume and _is_complete(out, scenario, folder, None)):
        check_outputs([out], overwrite)
        check_code(scenario, allowed)


def _is_complete(out: Path, scenario: Scenario, folder: Path | None, export_isp: int | None) -> bool:
    """Whether `out` holds the finished run of this scenario and code, and it is not being replaced.

    Raises `InputError` if one of its files is not what the run wrote.
    """
    if not is_run(out) or differing(out, scenario, folder) or (unfinished_of(out) / RUN).exists():
        return False
    check_unchanged(out)
    return export_isp is None or (out / "case").is_dir()


def differing(out: Path, scenario: Scenario, folder: Path | None) -> list[str]:
    """Parts of a run that differ from the finished run in `out`; empty if there is none.

    They are the parts of its identity, and which tables it writes.
    """
    if not is_run(out):
        return []
    found = manifest_of(out)
    other = identity_of(scenario, folder).differing(parts_of(found))
    given = found.get("scenario")
    written = given.get("output") if isinstance(given, dict) else None
    return other + ([OUTPUT] if written != _output_of(scenario) else [])


def _output_of(scenario: Scenario) -> dict[str, Any]:
    """Which tables a run writes, as its manifest has it."""
    return scenario.output.model_dump(mode="json", by_alias=True)


def parts_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Parts of the identity of a finished run by name, from its manifest; empty if it has none."""
    found: dict[str, str] = {}
    for identity in ("world", "run"):
        given = manifest.get(identity)
        parts = given.get("parts") if isinstance(given, dict) else None
        found |= parts if isinstance(parts, dict) else {}
    return found


def _export(scenario: Scenario, isp: int, folder: Path) -> IspExport:
    margins = Margins(scenario.dso.flow_margin, scenario.dso.voltage_margin_pu)
    return IspExport(
        isp=isp,
        folder=folder,
        name=f"{scenario.name}, seed {scenario.seed}, ISP {isp}",
        options=CaseOptions(
            scheme=scenario.scheme if scenario.scheme in ABOUT or is_code_name(scenario.scheme) else None,
            offset=scenario.dso.offset,
            margins=margins,
            options=scenario.scheme_options,
            price_limit_eur_per_mwh=scenario.product.admitted_eur_per_mwh,
        ),
        ratings_mva={
            T: scenario.transmission.ratings_mva,
            **{d.id: d.ratings_mva for d in scenario.distribution},
        },
        interface_bus={d.id: d.interface_bus for d in scenario.distribution},
    )


def check_outputs(outs: Sequence[Path], overwrite: bool, files: Mapping[Path, Known] = NO_FILES) -> None:
    """Raise an `InputError` if a folder of `outs`, or one of `files`, exists or cannot be written.

    A file is replaced only if it is recognised as an earlier result.
    """
    for out in outs:
        replaces = overwrite and is_run(out)
        _check_output(out, replaces, run_fault(out) if replaces else "", overwrite)
    for file, is_known in files.items():
        replaces = overwrite and file.is_file()
        fault = FOREIGN if replaces and not is_known(file) else part_fault(file)
        _check_output(file, replaces, fault)


def check_inside(folders: Iterable[Path]) -> None:
    """Raise an `InputError` if ``--out`` is a finished run, or a sub-folder is a symbolic link."""
    for folder in folders:
        if is_run(folder.parent):
            problem = "is a finished run, and no folder for several"
            raise InputError(str(folder.parent), "--out", problem, "Choose another folder")
        if folder.is_symlink():
            problem = "is a symbolic link"
            raise InputError(str(folder), "--out", problem, "Remove it, or choose another folder")


def check_outside(file: Path, folders: Iterable[str], flag: str) -> None:
    """Raise an `InputError` for a file, given as `flag`, in a run folder or in one of these `folders`."""
    here = file.absolute().parent.resolve()
    given = {Path(folder).resolve() for folder in folders}
    for folder in (here, *here.parents):
        if folder in given or is_run(folder):
            problem = "lies in a run folder, to which nothing is added"
            raise InputError(str(file), flag, problem, "Choose a file elsewhere")


def _check_output(out: Path, replaces: bool, fault: str, overwrites: bool = False) -> None:
    """Raise an `InputError` for an existing output, unless it `replaces` an earlier result without a `fault`.

    `overwrites`: the user passed ``--overwrite``, which selects the hint.
    """
    problem, hint = "", "Choose a folder you may write to"
    try:
        if out.exists() and not _is_empty(out) and not replaces:
            problem = "exists already"
            hint = (
                "It is no finished run, so it is not replaced: choose another folder"
                if overwrites
                else "Choose another folder, or pass --overwrite to replace the results of an earlier run"
            )
        elif fault:
            problem, hint = f"cannot be replaced: {fault}", "Move it elsewhere, or choose another folder"
        else:
            with tempfile.TemporaryDirectory(prefix=".tandem-", dir=_nearest(out)):
                pass  # it can be written
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise InputError(str(out), "--out", problem, hint)


def _is_empty(out: Path) -> bool:
    return out.is_dir() and not any(out.iterdir())


def is_run(out: Path) -> bool:
    """Whether the manifest of a folder is that of a finished run."""
    return {"world", "run", "provenance"} <= manifest_of(out).keys()


def manifest_of(out: Path) -> dict[str, Any]:
    """The manifest of a folder; empty if there is none that can be read."""
    try:
        return read_json_object(out / "manifest.json")
    except InputError:
        return {}


def _nearest(out: Path) -> Path:
    """The nearest path above `out` that exists."""
    return next(parent for parent in out.resolve().parents if parent.exists())


def manifest(scenario: Scenario, inputs: Path | None, identity: Identity) -> dict[str, Any]:
    """The manifest: what is needed to repeat the run, and how its grids, with files in `inputs`, are used."""
    return {
        "asked": asked_id(scenario),
        "seed": scenario.seed,
        "scheme": scenario.scheme,
        "scenario": scenario.model_dump(mode="json", by_alias=True),
        "world": {"id": identity.world_id, "parts": identity.world},
        "run": {"id": identity.run_id, "parts": identity.run},
        "provenance": provenance(),
        "grids": grid_contents(scenario, inputs),
        "notes": notes_of(scenario),
    }
