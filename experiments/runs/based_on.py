"""Keys of a scenario put over those of the scenario it is based on: a bundled one, or a file.

A file that is named by ``based_on`` is found from the file that names it. Paths inside it (fields made by
`quantities.file_path`, `grid_name` and `series_name`) start there too: they are rewritten to start where the
paths of the scenario itself start. Only files that are named are read, and none of them is code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from tandem_sim.experiments.runs.bundled import SCENARIOS, scenario_text, source_of
from tandem_sim.grids.documents.text import hint, is_there, read_text, shown
from tandem_sim.grids.documents.yaml_reader import LARGEST_YAML, read_yaml
from tandem_sim.grids.errors import InputError, printable
from tandem_sim.grids.io.read import is_file
from tandem_sim.grids.published.read import BUNDLED
from tandem_sim.grids.renames import renamed
from tandem_sim.sim.scenario.quantities import Section, extras
from tandem_sim.sim.scenario.scenario import Scenario

BASED_ON = "based_on"
CONVERT = "tandem convert writes a file of an earlier version anew"
SUFFIXES = (".yaml", ".yml")
MOST_FILES = 8
"""Most files of a chain, the scenario itself included."""
Place = Sequence[Any]
"""Keys that lead to a value, positions in lists included."""


@dataclass(frozen=True)
class Layer:
    """Keys of one file or bundled scenario, and its name in messages."""

    source: str
    keys: Mapping[str, Any]


@dataclass(frozen=True)
class Layers:
    """A scenario and what it is based on, the scenario itself first."""

    layers: tuple[Layer, ...]

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of all, those of earlier layers over those of later ones."""
        found: dict[str, Any] = {}
        for layer in reversed(self.layers):
            found = merged(found, layer.keys)
        return found

    def source_of(self, place: Place) -> str:
        """The layer that gives the value at a place; the scenario itself if none does."""
        holds = (layer.source for layer in self.layers if place and _holds(layer.keys, place))
        return next(holds, self.layers[0].source)


def _holds(value: Any, place: Place) -> bool:
    for step in place:
        if not isinstance(value, Mapping | list):
            return True  # pydantic may name a type within a value
        if step not in (value if isinstance(value, Mapping) else range(len(value))):
            return False
        value = value[step]
    return True


def merged(base: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `data` put over it; sections are merged, lists and values replaced."""
    both = dict(base)
    for key, value in data.items():
        old = base.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def mapping(text: str, source: str) -> dict[str, Any]:
    """The keys of a scenario's text."""
    data = read_yaml(text, source)
    if isinstance(data, dict) and isinstance(data.get("scenario"), str):
        raise InputError(
            source, "scenario", "is a key of sweep files", f"Its command is: tandem sweep {source}"
        )
    if not isinstance(data, dict):
        raise InputError(
            source, "scenario", "is not a mapping of keys", "Start from a bundled scenario (tandem scenarios)"
        )
    return data


def layers_of(keys: Mapping[str, Any], source: str, folder: Path | None) -> Layers:
    """A scenario's keys and those of all scenarios it is based on.

    `folder` is where its relative paths start. None: it may be based on bundled scenarios only. Raises
    `InputError` for a scenario that cannot be read, for a circle, and for more than `MOST_FILES` files.
    """
    return Layers(tuple(_chain(dict(keys), source, folder, [])))


def read_layers(path: Path) -> Layers:
    """The layers of a scenario file."""
    text = read_text(path, LARGEST_YAML)
    return Layers(tuple(_chain(mapping(text, str(path)), str(path), path.parent, [path])))


def _chain(keys: dict[str, Any], source: str, folder: Path | None, above: list[Path]) -> Iterator[Layer]:
    """The layers from `keys` on; `above`: the files that lead here, this one included."""
    base = keys.pop(BASED_ON, None)
    yield Layer(source, keys)
    if base is None:
        return
    if isinstance(base, str) and base in SCENARIOS:
        yield from _chain(mapping(scenario_text(base), source_of(base)), source_of(base), None, above)
        return
    path = _path_of(base, source, folder, above)
    inside = _chain(mapping(read_text(path, LARGEST_YAML), str(path)), str(path), path.parent, [*above, path])
    for layer in inside:
        yield Layer(layer.source, moved(layer.keys, Path(base).parent))


def _path_of(base: Any, source: str, folder: Path | None, above: Sequence[Path]) -> Path:
    """The file that a scenario is based on. Raises `InputError`."""
    if isinstance(base, str) and base in renamed("scenario"):
        raise InputError(source, BASED_ON, f"{base} is called {renamed('scenario')[base]} now", CONVERT)
    if not isinstance(base, str) or Path(base).suffix not in SUFFIXES:
        advice = f"{hint(base, SCENARIOS)}, or give the path of a .yaml file"
        raise InputError(source, BASED_ON, f"{shown(base)} is no bundled scenario and no YAML file", advice)
    if folder is None:
        problem = f"{shown(base)} is a file, and only bundled scenarios can be named here"
        raise InputError(source, BASED_ON, problem, f"Use {', '.join(SCENARIOS)}")
    path = folder / base
    if not is_there(path):
        advice = "Give a path relative to the file that names it"
        raise InputError(source, BASED_ON, f"{printable(path, 200)} does not exist, or is no file", advice)
    files = [*above, path]
    seen = [file.resolve() for file in files]
    if seen[-1] in seen[:-1]:
        circle = " -> ".join(printable(file) for file in files[seen.index(seen[-1]) :])
        problem = f"leads back to where it began: {circle}"
        raise InputError(source, BASED_ON, problem, "Remove based_on from one of these files")
    if len(files) > MOST_FILES:
        problem = f"is a chain of more than {MOST_FILES} files, from {printable(files[0])}"
        raise InputError(source, BASED_ON, problem, "Merge some of them")
    return path


def moved(keys: Mapping[str, Any], folder: Path, kind: Any = Scenario) -> dict[str, Any]:
    """The keys of a section with relative paths, which start in `folder`, starting where `folder` does.

    >>> moved({"transmission": {"grid": "net.json", "load_scale": 2}}, Path("base"))
    {'transmission': {'grid': 'base/net.json', 'load_scale': 2}}
    >>> moved({"transmission": {"grid": "case14"}}, Path("base"))
    {'transmission': {'grid': 'case14'}}
    """
    fields = keys_of(kind)
    return {key: _moved(value, folder, fields.get(key)) for key, value in keys.items()}


def _moved(value: Any, folder: Path, field: FieldInfo | None) -> Any:
    if field is None:
        return value
    is_path, section = extras(field).get("path"), section_of(field.annotation)
    if not is_path and section is None:
        return value
    if isinstance(value, list):
        return [_moved(item, folder, field) for item in value]
    if isinstance(value, dict):
        if section is None or _is_mapping(field.annotation):
            return {key: _moved(item, folder, field) for key, item in value.items()}
        return moved(value, folder, section)
    if not isinstance(value, str) or not is_path:
        return value
    by_name = (is_path == "grid" and not is_file(value)) or (is_path == "series" and value in BUNDLED)
    return value if by_name else (folder / value).as_posix()


def _is_mapping(annotation: Any) -> bool:
    """Whether a field is a mapping by names, not a section."""
    return getattr(annotation, "__origin__", None) is dict


def section_of(annotation: Any) -> type[Section] | None:
    """The section in the type of a field, alone, in a list or by names; None for a field of values."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for kind in get_args(annotation) if (found := section_of(kind)) is not None), None)


def keys_of(kind: Any) -> dict[str, FieldInfo]:
    """The fields of a section, by their keys in a file; empty for anything else."""
    fields = getattr(kind, "model_fields", {})
    return {field.alias or name: field for name, field in fields.items()}
