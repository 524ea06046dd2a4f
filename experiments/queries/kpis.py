"""The command ``tandem kpis``: the catalogue of key figures, one of them, or those of a run."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.api import load
from tandem_sim.experiments.key_figures.catalogue import catalogue
from tandem_sim.experiments.results.layout import titled_table
from tandem_sim.experiments.results.terminal_text import terminal_width
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE


def kpi_table(folder: str) -> Table:
    """The key figures of a run with their units and meanings; null where the question does not arise."""
    table = titled_table(f"key figures of {folder}", terminal_width())
    for column in ("key figure", "value", "unit", "meaning"):
        table.add_column(column, justify="right" if column == "value" else "left", overflow="fold")
    known = catalogue()
    for name, value in load(folder).kpis.items():
        unit, meaning = (known[name].unit, known[name].meaning) if name in known else ("", "")
        rows = value if isinstance(value, dict) else {"": value}
        for part, number in rows.items():
            label = f"{name}.{part}" if part else name
            table.add_row(escape(label), _shown(number), escape(unit), escape(meaning))
    return table


def _shown(number: float | int | None) -> str:
    """A number with six digits, a rounding error as 0."""
    if number is None:
        return "null"
    if isinstance(number, int):
        return f"{number:,}"
    return "0" if abs(number) < NEGLIGIBLE_FIGURE else f"{number:,.6g}"
