"""Runs that differ in nothing but their seed as one group, and whether groups can be compared.

Runs are compared if they are of one world (`run_folder.identity`): the same calendar, grids, units, loads,
population, profiles and forecast errors. Seeds aside, everything in it must agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem_sim.experiments.comparing.runs import ComparedRun
from tandem_sim.experiments.run_folder.identity import ASIDE, FILES, LIBRARIES, WORLD
from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import InputError, printable

VERSIONS = ("code", "python", *LIBRARIES)
"""Parts of the identity that say what made a run: they are reported, and do not prevent a comparison."""
OF_WORLD = ("grid of ", "file of ", "profiles")
MOST_NAMED = 8
"""Most differences that a message or a name lists."""
ABSENT = "none"
LONGEST_NOTE = 1_000


@dataclass(frozen=True)
class Group:
    """Runs of one scheme with the same rules, by seed in order; `label` says what it differs in."""

    label: str
    runs: Mapping[int, ComparedRun]

    @property
    def scheme(self) -> str:
        """The coordination scheme of its runs."""
        return next(iter(self.runs.values())).scheme


def grouped(runs: Sequence[ComparedRun]) -> list[Group]:
    """Groups in the order of their first runs; of runs with one seed, other versions are other groups.

    Raises `InputError` for runs of another world than the first, and for equal runs.
    """
    for run in runs[1:]:
        _check_world(run, runs[0])
    found: list[dict[int, ComparedRun]] = []
    for alike in _split(runs, _rules):
        twice = len({run.seed for run in alike}) < len(alike)
        for same in _split(alike, _versions) if twice else [alike]:
            by_seed: dict[int, ComparedRun] = {}
            for run in same:
                if other := by_seed.get(run.seed):
                    problem = f"is the same run as {other.name}: scheme, rules, seed and versions are equal"
                    raise InputError("RUN", run.name, problem, "Give one of them")
                by_seed[run.seed] = run
            found.append(dict(sorted(by_seed.items())))
    labels = _labels([next(iter(by_seed.values())) for by_seed in found])
    return [Group(label, by_seed) for label, by_seed in zip(labels, found, strict=True)]


def common_seeds(groups: Sequence[Group]) -> tuple[list[int], list[str]]:
    """The seeds that all groups have, in order, and notes that name the others. Raises `InputError`."""
    first, *others = groups
    common = [seed for seed in first.runs if all(seed in group.runs for group in others)]
    if not common:
        has = "; ".join(f"{group.label} has {_listed(group.runs)}" for group in groups[:MOST_NAMED])
        problem = f"no seed is there in all groups: {has}"
        raise InputError("RUN", "seed", problem, "Compare runs with the same seeds: they share their numbers")
    left = {group.label: [seed for seed in group.runs if seed not in common] for group in groups}
    return common, [
        f"left out: {'seed' if len(seeds) == 1 else 'seeds'} {_listed(seeds)} of {label}, "
        "which another group lacks"
        for label, seeds in left.items()
        if seeds
    ]


def version_notes(runs: Sequence[ComparedRun]) -> list[str]:
    """A note for every version in which runs differ, with the first run that differs."""
    notes = []
    for part in VERSIONS:
        first = runs[0].parts.get(part, ABSENT)
        other = next((run for run in runs if run.parts.get(part, ABSENT) != first), None)
        if other is not None:
            what = "Tandem's code" if part == "code" else part
            theirs = _short(other.parts.get(part, ABSENT))
            told = f"{_short(first)} in {runs[0].name}, {theirs} in {other.name}"
            notes.append(f"runs were made with different versions of {what}: {printable(told, LONGEST_NOTE)}")
    return notes


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def _short(version: str) -> str:
    """A version; of a digest the first digits."""
    return version[:16]


def _check_world(run: ComparedRun, first: ComparedRun) -> None:
    """Raise an `InputError` that names in what the world of a run is another one than that of the first."""
    other = []
    for name in (name for name in WORLD if name != "seed"):
        mine, theirs = (_leaves(one.fields[name], name) for one in (run, first))
        apart = [p for p in {**theirs, **mine} if mine.get(p, ABSENT) != theirs.get(p, ABSENT)]
        if apart:
            there, here = (shown(leaves.get(apart[0], ABSENT), 40) for leaves in (theirs, mine))
            more = f" and {len(apart) - 1} more in it" if len(apart) > 1 else ""
            other.append(f"{apart[0]} ({there} there, {here} here){more}")
    names = [name for name in {**first.parts, **run.parts} if name.startswith(OF_WORLD)]
    other += [name for name in names if run.parts.get(name) != first.parts.get(name)]
    if other:
        more = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
        problem = f"is another than that of {first.name}: {', '.join(other[:MOST_NAMED])}{more}"
        raise InputError(run.name, "world", problem, "Compare runs that differ in scheme, rules or seed only")


def _split(runs: Iterable[ComparedRun], key: Any) -> Iterable[list[ComparedRun]]:
    """Runs with an equal key together, in the order of their first."""
    found: dict[str, list[ComparedRun]] = {}
    for run in runs:
        found.setdefault(json.dumps(key(run), sort_keys=True), []).append(run)
    return found.values()


def _rules(run: ComparedRun) -> dict[str, Any]:
    """All that identifies a run beside its world and versions: fields, and sources of strategies."""
    fields = {name: value for name, value in run.fields.items() if name not in (*WORLD, *ASIDE)}
    parts = {name: part for name, part in run.parts.items() if name.startswith("source of ")}
    return {**fields, **parts}


def _versions(run: ComparedRun) -> dict[str, str]:
    return {name: run.parts.get(name, ABSENT) for name in VERSIONS}


def _labels(runs: Sequence[ComparedRun]) -> list[str]:
    """A name for the group of each run: its scheme, and the rules and versions in which the groups differ."""
    leaves = [{**_leaves(_rules(run)), **_leaves(_versions(run))} for run in runs]
    paths = [path for path in dict.fromkeys(path for one in leaves for path in one) if path != "scheme"]
    apart: list[str] = []
    for path in paths:
        if len({json.dumps(one.get(path, ABSENT)) for one in leaves}) > 1:
            apart.append(path)
    rules = [path for path in apart if path not in VERSIONS]
    labels = [_label(run, one, rules) for run, one in zip(runs, leaves, strict=True)]
    if len(set(labels)) < len(labels):
        labels = [_label(run, one, apart) for run, one in zip(runs, leaves, strict=True)]
    seen: dict[str, int] = {}
    for k, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        labels[k] = f"{label} ({seen[label]})" if seen[label] > 1 else label
    return labels


def _label(run: ComparedRun, leaves: Mapping[str, Any], apart: Sequence[str]) -> str:
    told = [f"{path}={_value(leaves.get(path, ABSENT))}" for path in apart[:MOST_NAMED]]
    return printable(", ".join([run.scheme, *told]))


def _value(value: Any) -> str:
    """A value as a name of a group has it; of digests the first digits."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:16]


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Single values of nested mappings and lists by their path, without paths of files."""
    return dict(_walked(value, path))


def _walked(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        inner = ((key, below) for key, below in value.items() if key not in FILES)
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        yield path, value
        return
    for key, below in inner:
        yield from _walked(below, f"{path}.{key}" if path else str(key))
