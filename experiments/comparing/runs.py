"""Finished runs as they are compared: what identifies each, and its key figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from tandem_sim.experiments.api import Run
from tandem_sim.experiments.run_folder.manifest import FILES, MANIFEST, REPEAT, read_kpis, read_manifest
from tandem_sim.experiments.run_folder.own_files import SUFFIX
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.experiments.runs.run import parts_of
from tandem_sim.experiments.runs.scenario import scenario_of
from tandem_sim.grids.documents.text import is_there, shown
from tandem_sim.grids.errors import InputError, printable

RunFolder = str | Path | Run
"""A run to compare: its folder, a folder of several runs, or a run that was loaded."""
UNFINISHED = "holds a run that is not finished"
FINISH_IT = "Finish it with --resume, and compare then"


@dataclass(frozen=True)
class ComparedRun:
    """A finished run: `fields` of its scenario, other `parts` of its identity, and its `kpis` by path.

    Fields are those of today: fields that a run of an earlier version lacks have their defaults.
    """

    name: str  # its folder, as given or found
    fields: Mapping[str, Any]
    parts: Mapping[str, str]  # grids, files, profiles, sources of strategies, code, versions
    kpis: Mapping[str, float]  # NaN where a run has null

    @property
    def seed(self) -> int:
        """Seed of its random numbers."""
        return int(self.fields["seed"])

    @property
    def scheme(self) -> str:
        """Its coordination scheme."""
        return str(self.fields["scheme"])


def read_runs(given: Iterable[RunFolder]) -> tuple[list[ComparedRun], list[str]]:
    """The runs of some folders, and notes on what was left out; every run once.

    In a folder of several runs those that are not finished are left out. Raises `InputError` for a folder
    without a finished run, a run that is damaged, and a run that is given twice.
    """
    places: list[Path] = []
    notes: list[str] = []
    for one in given:
        inside, unfinished = _inside(one.folder if isinstance(one, Run) else Path(one))
        places += inside
        notes += [f"left out: {printable(name)} is not finished" for name in unfinished]
    seen: set[Path] = set()
    for place in places:
        if place.resolve() in seen:
            raise InputError("RUN", str(place), "is given twice", "Give every run once")
        seen.add(place.resolve())
    return [_read(place) for place in places], notes


def _inside(folder: Path) -> tuple[list[Path], list[str]]:
    """The finished runs of a folder, itself or inside it by name, and the unfinished ones inside it."""
    if is_there(folder / MANIFEST):
        return [folder], []
    if folder.name.endswith(SUFFIX) or is_there(unfinished_of(folder), Path.is_dir):
        raise InputError(str(folder), "RUN", UNFINISHED, FINISH_IT)
    if not is_there(folder, Path.is_dir):
        problem = "is no folder" if is_there(folder, Path.exists) else "does not exist"
        raise InputError(str(folder), "RUN", problem, "Name the folder of a run")
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    unfinished = [str(path) for path in below if path.name.endswith(SUFFIX)]
    finished = [path for path in below if is_there(path / MANIFEST)]
    if not finished:
        problem = "holds no finished run" + (f", and {len(unfinished)} unfinished" if unfinished else "")
        raise InputError(str(folder), "RUN", problem, "Name the folder of a run, or of several")
    return finished, unfinished


def _read(folder: Path) -> ComparedRun:
    """A run, checked as a folder of unknown origin: manifest, key figures, and that every table is there."""
    manifest, source = read_manifest(folder), str(folder / MANIFEST)
    parts = parts_of(manifest)
    if not parts or not all(type(part) is str for part in parts.values()):
        raise InputError(source, "world", "is missing or damaged: what was run is not known", REPEAT)
    files = manifest.get(FILES)
    for name in files if isinstance(files, dict) else ():
        if not is_there(folder / Path(name).name):
            raise InputError(str(folder), shown(name), "is missing in this run", REPEAT)
    scenario = scenario_of(manifest["scenario"], source, finished=True)
    return ComparedRun(
        name=str(folder),
        fields=scenario.model_dump(mode="json", by_alias=True),
        parts={name: part for name, part in parts.items() if not name.startswith("scenario: ")},
        kpis=_by_path(read_kpis(folder)),
    )


def _by_path(kpis: Mapping[str, Any]) -> dict[str, float]:
    """Key figures by name, entries of those by name by their path; NaN for null."""
    found: dict[str, float] = {}
    for name, value in kpis.items():
        entries = {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
        found |= {path: nan if number is None else float(number) for path, number in entries.items()}
    return found
