"""Fields of a scenario by their path: ``python -m tandem_sim.experiments.fields`` writes them for completion.

The schema (`tandem_sim.sim.settings`) takes seconds to import, completion must answer at once. So the paths
stand in ``field_paths.txt``, a line each with the names its value may have; a test holds it to the schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from tandem_sim.agents.choices import ABOUT_STRATEGIES
from tandem_sim.agents.population import Population
from tandem_sim.markets.choices import ABOUT
from tandem_sim.sim.sections import Section
from tandem_sim.sim.settings import Scenario

FILE = Path(__file__).with_name("field_paths.txt")
NAMED = {"scheme": tuple(ABOUT), "strategy": tuple(ABOUT_STRATEGIES)}
"""Fields of type text whose values have names all the same."""


def field_lines(section: type[Section] = Scenario, above: str = "") -> Iterator[str]:
    """Every field that `--set` can reach: its path, and the names its value may have, separated by blanks."""
    for name, about in section.model_fields.items():
        path, kind = f"{above}{about.alias or name}", about.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from field_lines(kind, f"{path}.")
        elif path == "population":
            yield from (f"{path}.{field.name}" for field in fields(Population))
        else:
            yield " ".join([path, *NAMED.get(path, _names(kind))])


def _names(kind: Any) -> list[str]:
    """The names that a value of this type may have; none where it is no choice of names."""
    values = get_args(kind) if get_origin(kind) is Literal else ()
    return [value for value in values if isinstance(value, str)]


if __name__ == "__main__":
    FILE.write_text("\n".join(field_lines()) + "\n", encoding="utf-8")
