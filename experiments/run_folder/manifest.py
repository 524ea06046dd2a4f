"""The manifest and the KPIs of a run folder, read as files of unknown origin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tandem_sim.grids.documents.json_reader import LARGEST_JSON, read_json, read_json_object
from tandem_sim.grids.documents.text import check_known, is_there, one_line, read_text, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.markets.schemes import DEFAULTS, SCHEMES, Options, build_schemes

MANIFEST, KPIS, FILES, COORDINATION = "manifest.json", "kpis.json", "files", "coordination"
REPEAT = "Delete the folder, and run it again"
MOST_KPIS = 20_000
"""Most KPIs of a run, entries of KPIs by name counted each: there are a thousand areas at most."""
LONGEST_NAME = 200
MOST_TABLE_BYTES = 2**34
"""Largest table that is read, in bytes; one of 500 million numbers is smaller."""
NO_KPIS = ("run_id", "scheme", "seed", "error", "seconds", "attempts", "code")
"""Columns of the table of a sweep that are no KPIs."""


class _ManifestPart(BaseModel):
    model_config = ConfigDict(strict=True)  # beside these keys there may be others


class _Area(_ManifestPart):
    id: str


class _World(_ManifestPart):
    isp_minutes: Literal[5, 15, 30, 60]
    zone: str
    distribution: list[_Area] = Field(min_length=1)


class _Market(_ManifestPart):
    scheme: str
    seed: int
    scenario: _World


class _Kpis(_ManifestPart):
    kpis: dict[str, int | float | dict[str, int | float | None] | None]


class _Event(_ManifestPart):
    event: Literal["started", "anew", "finished", "failed", "died"]
    seconds: float | None = None
    error: str = ""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run, with the scenario that was run. Raises `InputError`."""
    found = read_json_object(folder / MANIFEST)
    if not isinstance(found.get("scenario"), dict):
        raise InputError(str(folder / MANIFEST), "scenario", "is missing or no object", REPEAT)
    return found


def read_market_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run for market analysis: scheme, seed, ISPs, zone and areas are checked."""
    found, source = read_manifest(folder), str(folder / MANIFEST)
    _check(_Market, found, source)
    scheme_in(found, source, found["scheme"])
    zone = found["scenario"]["zone"]
    if zone not in available_timezones():
        raise InputError(source, "scenario.zone", f"{shown(zone)} is no time zone of the IANA list", REPEAT)
    return found


def scheme_in(
    manifest: Mapping[str, Any], source: str, name: str, options: Options = DEFAULTS
) -> SchemeDescription:
    """The coordination scheme `name` of a run, from its manifest, which is the file `source`.

    Runs of earlier versions have no description: a built-in scheme is then described with these `options`.
    Raises `InputError` for a damaged description, or a scheme that is neither described nor built in.
    """
    if COORDINATION in manifest:
        return SchemeDescription.read(manifest[COORDINATION], source, COORDINATION)
    check_known(f"{source}: scheme", [name], list(SCHEMES))
    return SchemeDescription.of(build_schemes(options)[name])


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of the tables and key figures of a run, by file: the part `files` of its manifest."""
    return {path.name: _digest(path) for path in sorted([*folder.glob("*.parquet"), folder / KPIS])}


def check_unchanged(folder: Path, name: str = "") -> None:
    """Raise an `InputError` if a file of a run folder, or any file of it, was changed since the run wrote it.

    Folders without a manifest, and manifests of earlier versions, are not checked. Manifests are not signed:
    the check finds accidents and mixed folders, not forgery.
    """
    if not is_there(folder / MANIFEST):
        return
    files = read_json_object(folder / MANIFEST).get(FILES)
    for told, digest in files.items() if isinstance(files, dict) else ():
        path = folder / Path(told).name
        if name not in ("", told):
            continue
        if not is_there(path):
            raise InputError(str(folder), told, "is missing in this run, or is no file", REPEAT)
        if path.stat().st_size > MOST_TABLE_BYTES or _digest(path) != digest:
            problem = "is not what this run wrote: the manifest has another digest for it"
            raise InputError(str(path), "content", problem, REPEAT)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_kpis(folder: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """The KPIs of a run: numbers or null, or numbers by name; those `needed` are numbers.

    Raises `InputError`, also if there are more than any run has.
    """
    source = folder / KPIS
    found = read_json_object(source)
    names = [*found, *(name for value in found.values() if type(value) is dict for name in value)]
    if len(names) > MOST_KPIS:
        problem = f"are {len(names)}, and at most {MOST_KPIS} are read"
        raise InputError(str(source), "key figures", problem, REPEAT)
    for name in names:
        if not name.isprintable() or len(name) > LONGEST_NAME or name in NO_KPIS:
            raise InputError(str(source), name, "is no name of a key figure", REPEAT)
    for key in needed:
        if type(found.get(key)) not in (int, float):
            raise InputError(str(source), key, "is missing or no number", REPEAT)
    _check(_Kpis, {"kpis": found}, str(source))
    check_unchanged(folder, KPIS)
    return found


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Events of a run, in order, without lines that were not written completely. Raises `InputError`."""
    found = []
    for number, line in enumerate(read_text(path, LARGEST_JSON).splitlines(), 1):
        try:
            event = read_json(line, str(path))
        except InputError:
            continue  # half a line is no JSON
        _check(_Event, event, f"{path}: line {number}")
        found.append(event)
    return found


def _check(kind: type[_ManifestPart], found: Any, source: str) -> None:
    try:
        kind.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "content"
        raise InputError(source, field, one_line(first["msg"]), REPEAT) from error
