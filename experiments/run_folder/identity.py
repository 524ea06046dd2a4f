"""Identity of a run: its world, all inputs of its tables, and its provenance.

Three records. The first two are SHA-256 digests over named parts, so that differences can be named:

* the **world**: all inputs that do not depend on the choice of rules. Calendar, seed, grids, units, loads,
  population, measured profiles, forecast errors, links. Runs of one world may be compared.
* the **run**: the world, and all else that changes a byte of the tables: scheme and rules, code of users
  by its source, Tandem's code, versions of libraries. Only a run with the same identity is resumed.
* **provenance**: versions and machine. They are recorded and have no effect.

Name, description and paths are part of none of them: a file is identified by its content.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tandem_sim import agents, grids, markets, sim
from tandem_sim.agents.strategies.allowed_code import source_files
from tandem_sim.grids.documents.text import read_bytes
from tandem_sim.grids.io.read import is_file
from tandem_sim.grids.published.read import series_path
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.sim.scenario.named_code import code_names
from tandem_sim.sim.scenario.quantities import Section, extras
from tandem_sim.sim.scenario.scenario import Scenario

WORLD = (
    "start",
    "days",
    "zone",
    "isp_minutes",
    "seed",
    "transmission",
    "distribution",
    "households",
    "aggregators",
    "aggregators_per_bus",
    "population",
    "profiles",
    "prices",
    "forecast",
    "messages",
    "low_voltage",
    "incidents",
)
"""Fields of a scenario that belong to the world; all others but those `ASIDE` are rules."""
ASIDE = ("name", "description", "strategy_limit_s", "output")
"""Fields that change no row of a table; `output` decides which rows are written."""
FILES = ("grid", "file", "table")
"""Fields with the path of a file; the file counts by its content."""
LIBRARIES = (
    "mesa",
    "simpy",
    "numpy",
    "pandas",
    "scipy",
    "highspy",
    "pandapower",
    "simbench",
    "lightsim2grid",
    "networkx",
    "pyarrow",
    "holidays",
    "tzdata",
)
"""Libraries that affect the numbers of a run, or write its tables."""


@dataclass(frozen=True)
class Identity:
    """World and run by their parts: from the name of a part to its digest, or to a version."""

    world: Mapping[str, str]
    run: Mapping[str, str]  # the parts beyond those of the world

    @property
    def world_id(self) -> str:
        """The world in sixteen hexadecimal digits."""
        return _digest_of(dict(self.world))[:16]

    @property
    def run_id(self) -> str:
        """The run in sixteen hexadecimal digits."""
        return _digest_of({**self.world, **self.run})[:16]

    @property
    def parts(self) -> dict[str, str]:
        """All parts."""
        return {**self.world, **self.run}

    def differing(self, others: Mapping[str, str]) -> list[str]:
        """Names of the parts that are not the same in `others`, or not there."""
        mine = self.parts
        return [name for name in {**mine, **others} if mine.get(name) != others.get(name)]


def identity_of(scenario: Scenario, folder: Path | None) -> Identity:
    """The identity of a run of a scenario whose relative paths start in `folder`."""
    fields = scenario.model_dump(mode="json", by_alias=True)
    world = {
        **{f"scenario: {key}": _digest_of(_without_paths(getattr(scenario, key))) for key in WORLD},
        "scenario: settlement.holidays": scenario.settlement.holidays,
        **{f"grid of {name}": _grid(grid, folder) for name, grid in _grids_of(scenario).items()},
        **{f"file of {field}": _file(file, folder) for field, file in _files_of(scenario).items()},
        "profiles": f"SimBench {version('simbench')}",
    }
    rules = {f"scenario: {key}": _digest_of(fields[key]) for key in fields if key not in (*WORLD, *ASIDE)}
    run = {
        **rules,
        **_code_sources(scenario),
        "code": code_digest(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }
    return Identity(world, run)


def asked_id(scenario: Scenario) -> str:
    """Short name of a requested run, sixteen hexadecimal digits: a hash of the scenario with its seed.

    It names the folders of sweeps. Grid files, code and libraries are not part of it.
    """
    fields = scenario.model_dump(mode="json", by_alias=True)
    return _digest_of({key: value for key, value in fields.items() if key not in ASIDE})[:16]


def provenance() -> dict[str, Any]:
    """Versions of Tandem, Python and the libraries on which numbers depend, and the kind of machine."""
    libc = "-".join(platform.libc_ver())
    return {
        "versions": versions(),
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            **({"libc": libc} if libc.strip("-") else {}),
            "cores": os.cpu_count(),
        },
    }


def versions() -> dict[str, str]:
    """Versions of Tandem, Python, and the libraries on which numbers depend."""
    own = {"tandem-sim": version("tandem-sim"), "python": platform.python_version()}
    return {**own, **{name: version(name) for name in LIBRARIES}}


def code_digest() -> str:
    """SHA-256 of the code on which tables depend."""
    return _digest_of_files(_sources())


def _sources() -> list[Path]:
    """Code on which the tables of a run depend; that of KPIs and figures only reads them."""
    packages: tuple[Any, ...] = (grids, markets, agents, sim)
    return [path for package in packages for path in sorted(Path(package.__path__[0]).rglob("*.py"))]


def _grids_of(scenario: Scenario) -> dict[str, str]:
    """Every grid by who uses it."""
    return {
        TSO: scenario.transmission.grid,
        **{area.id: area.grid for area in scenario.distribution},
        **{lv_feeder.name: lv_feeder.grid for lv_feeder in scenario.low_voltage},
    }


def _grid(grid: str, folder: Path | None) -> str:
    """Identity of a grid: the digest of the content of a file, or else its name."""
    path = (folder or Path()) / grid
    return _digest_of_files([path]) if is_file(grid) and path.is_file() else grid


def _files_of(scenario: Scenario) -> dict[str, str]:
    """Every file of time series or households by the field that names it."""
    table = scenario.population.table
    return {
        **({} if table is None else {"population.table": table}),
        **{f"profiles.{k}": given.file for k, given in enumerate(scenario.profiles)},
        **{f"forecast.given.{k}": given.file for k, given in enumerate(scenario.forecast.given)},
    }


def _file(file: str, folder: Path | None) -> str:
    """Digest of the content of a file; of none if it is not there, which building the model refuses."""
    path = series_path(file, folder)
    return _digest_of_files([path] if path.is_file() else [])


def _without_paths(value: Any) -> Any:
    """A field for its digest, without what names files: their contents are parts of their own."""
    if isinstance(value, Section):
        named = type(value).model_fields
        return {
            (field.alias or name): _without_paths(getattr(value, name))
            for name, field in named.items()
            if not extras(field).get("path")
        }
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    return [_without_paths(inner) for inner in value] if isinstance(value, list | tuple) else _plain(value)


def _plain(value: Any) -> Any:
    """A value of a field as JSON takes it."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _code_sources(scenario: Scenario) -> dict[str, str]:
    """Digest of the source of all code of users that the scenario names; nothing is imported for it."""
    names = sorted(set(code_names(scenario).values()))
    return {f"source of {name}": _digest_of_files(source_files([name])) for name in names}


def _digest_of(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _digest_of_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, in order, without their names."""
    digest = hashlib.sha256()
    for path in paths:
        content = read_bytes(path)
        digest.update(len(content).to_bytes(8) + content)
    return digest.hexdigest()
