"""The bundled scenarios, cases and sweeps, by name.

A bundled name wins over a file of the same name in the current folder; write ``./name`` for the file.
"""

from __future__ import annotations

from pathlib import Path

SCENARIOS = ("reference", "dutch", "belgian", "lv-feeder", "nfca-clash", "germany")
CASES: dict[str, str] = {
    "alexander-a": "8 MW short; transmission asks less than distribution",
    "alexander-b": "8 MW short; transmission asks more than distribution",
    "alexander-c": "as b; distribution holds the dearest bids too",
    "alexander-d": "8 MW long",
    "alexander-v": "as b; a market that is blind to the feeders breaks voltages too",
}
"""Synthetic market instances after the four kinds of ALEXANDER D3.3, chapter 4, each with a description."""
SWEEPS: dict[str, str] = {
    "schemes-by-seed": "a day of reference, two schemes, three seeds",
    "non-firm-year": "eight years of lv-feeder under non-firm connections: hours of computing",
}

_HOME = Path(__file__).parents[1]


def scenario_text(name: str) -> str:
    """The YAML of a bundled scenario."""
    return (_HOME / "scenarios" / f"{name}.yaml").read_text(encoding="utf-8")


def sweep_text(name: str) -> str:
    """The YAML of a bundled sweep."""
    return (_HOME / "sweeps" / f"{name}.yaml").read_text(encoding="utf-8")


def field_text() -> str:
    """A line for each field of a scenario; see `tandem_sim.experiments.runs.fields`."""
    return (_HOME / "field_paths.txt").read_text(encoding="utf-8")


def source_of(name: str) -> str:
    """Name of a scenario in error messages."""
    return f"bundled scenario {name}" if name in SCENARIOS else str(Path(name))


def case_path(case: str | Path) -> Path:
    """Path of a case that is given by a bundled name or by a path.

    >>> case_path("alexander-b").name
    'alexander-b'
    >>> case_path("mine/case.json").as_posix()
    'mine/case.json'
    """
    return _HOME / "cases" / str(case) if str(case) in CASES else Path(case)


def sweep_path(sweep: str | Path) -> Path:
    """Path of a sweep file that is given by a bundled name or by a path."""
    return _HOME / "sweeps" / f"{sweep}.yaml" if str(sweep) in SWEEPS else Path(sweep)
