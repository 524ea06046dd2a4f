"""List of all fields of a scenario: path, value, and schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from tandem_sim.sim.scenario.quantities import Section, extras


class Entry(NamedTuple):
    """A field of a scenario; `given`: the scenario's text has it, else the value is the default."""

    path: str
    value: Any
    field: FieldInfo
    given: bool

    @property
    def unit(self) -> str:
        """Its unit, empty for a name, a count or a share."""
        unit = str(extras(self.field).get("unit", ""))
        return "" if unit in ("count", "share") else unit


def entries(section: Section, above: str = "") -> Iterator[Entry]:
    """Fields of a section and of all sections in it, in order; sections of a list are numbered."""
    for name, field in type(section).model_fields.items():
        value, path = getattr(section, name), f"{above}{field.alias or name}"
        if isinstance(value, Section):
            yield from entries(value, f"{path}.")
        elif isinstance(value, list) and any(isinstance(item, Section) for item in value):
            for k, item in enumerate(value):
                yield from entries(item, f"{path}.{k}.")
        else:
            yield Entry(path, value, field, name in section.model_fields_set)


def unusual(section: Section) -> list[str]:
    """Fields with values outside their usual range, each as "path value: usually low to high unit"."""
    found = []
    for entry in entries(section):
        usual = extras(entry.field).get("usual")
        if usual is None or entry.value is None:
            continue
        low, high = usual
        values = entry.value if isinstance(entry.value, tuple) else (entry.value,)
        if not all(low <= value <= high for value in values):
            unit = f" {entry.unit}".rstrip()
            found.append(
                f"{entry.path} {written(entry.value)}: usually {written(low)} to {written(high)}{unit}"
            )
    return found


def written(value: Any) -> str:
    """A number, a name, or several of them, as text.

    >>> written(0.05), written(1e7), written((3.0, 40.0))
    ('0.05', '10000000', '[3, 40]')
    """
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    return str(value) if isinstance(value, int | str) else f"{value:.10g}"
