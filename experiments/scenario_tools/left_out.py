"""Names of generators and storages of a grid that a scenario leaves out."""

from __future__ import annotations

from pathlib import Path

from tandem_sim.grids.errors import printable
from tandem_sim.grids.io.read import load_elements
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.inputs.injections import followers_of, taken_out
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.scenario.sections import GridSettings

TABLES = "sgen", "storage", "gen"
"""Tables whose rows are left out unless they follow a profile."""
MOST_NAMED = 3
"""Most elements of a table that are named."""


def left_out_names(scenario: Scenario, folder: Path | None) -> dict[tuple[str, str], str]:
    """The first elements left out of each grid (``T`` or area) and table, with name and bus, as text."""
    grids: list[tuple[str, GridSettings, str]] = [(T, scenario.transmission, "transmission")]
    grids += [(d.id, d, f"distribution.{k}") for k, d in scenario.areas]
    found = {}
    for name, settings, field in grids:
        elements = load_elements(settings.grid, folder)
        followers = followers_of(settings.injections, elements, settings.grid, f"{field}.injections")
        follow = taken_out(followers)
        for table in TABLES:
            rest = [e for e in elements[table] if e.live and e.index not in follow.get(table, ())]
            if rest:
                more = ", ..." if len(rest) > MOST_NAMED else ""
                texts = [
                    f"{table} {e.index}{f' {printable(e.name, 40)}' if e.name else ''} at bus {e.bus}"
                    for e in rest[:MOST_NAMED]
                ]
                found[name, table] = f"{', '.join(texts)}{more}"
    return found
