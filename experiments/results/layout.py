"""Layout of tables for the terminal: titles that stay on one line, columns that fit the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

COLUMN_GAP = 3
"""Characters between two columns; also at both edges together."""


def titled_table(title: str, width: int, caption: str = "") -> Table:
    """An empty table that is as wide as its title, up to `width` characters."""
    least = min(cell_len(title), width)
    return Table(title=escape(title), caption=escape(caption) or None, box=SIMPLE_HEAD, min_width=least)


def side_by_side(
    title: str,
    labels: Sequence[tuple[str, str]],
    columns: Mapping[str, Sequence[str]],
    width: int,
    caption: str = "",
) -> list[Table]:
    """Tables with a row per label and unit and a column per run: as many columns in each as fit in `width`.

    `labels` are pairs of label and unit, `columns` the cells of each column in their order.
    """
    own = sum(max((cell_len(label[k]) for label in labels), default=0) for k in (0, 1)) + 3 * COLUMN_GAP
    needed = {name: max(map(cell_len, [name, *cells])) + COLUMN_GAP for name, cells in columns.items()}
    groups: list[list[str]] = []
    for name in columns:
        if not groups or own + sum(needed[n] for n in [*groups[-1], name]) > width:
            groups.append([])
        groups[-1].append(name)
    tables = []
    for group in groups:
        table = titled_table(title, width, caption if group is groups[-1] else "")
        table.add_column("")
        table.add_column("unit", min_width=4)
        for name in group:
            table.add_column(escape(name), justify="right", no_wrap=True)
        for k, (label, unit) in enumerate(labels):
            table.add_row(escape(label), escape(unit), *(escape(columns[name][k]) for name in group))
        tables.append(table)
    return tables
