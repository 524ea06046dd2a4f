"""The command ``tandem compare``: key figures of runs side by side, as a table, as CSV or as JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.comparing.compare import Comparison, compare
from tandem_sim.experiments.queries.query import as_csv, chosen_format, written
from tandem_sim.experiments.results.intervals import FEWEST, LEVEL, METHOD
from tandem_sim.experiments.results.layout import COLUMN_GAP, titled_table
from tandem_sim.experiments.results.terminal_tables import BY_OPERATOR, KPI_ROWS, OPTIONAL
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE

LEAST_MEANING = 44
"""Characters that the column of meanings has at least; in narrower terminals there is none."""
Row = dict[Any, Any]


@dataclass(frozen=True)
class Selection:
    """The key figures to show: those named, `every` one, or else those that `tandem run` prints."""

    kpis: tuple[str, ...] = ()
    every: bool = False

    def of(self, found: Comparison) -> Comparison:
        """The rows of these key figures. Raises `InputError` for a name that no run has."""
        if self.kpis or self.every:
            return found.chosen(self.kpis) if self.kpis else found
        rows = found.table
        some = set(rows[rows["mean"].abs() > 0].kpi)
        names = [name for name, _ in KPI_ROWS if name in some or name not in OPTIONAL]
        names.insert(1, BY_OPERATOR)
        known = {kpi.partition(".")[0] for kpi in found.kpis}
        return found.chosen(name for name in names if name in known)


def show(
    folders: Sequence[str], against: str | None, selection: Selection, form: str | None, out: Path | None
) -> None:
    """Compare runs and print the result, or write it into a file; notes go to standard error.

    Raises `InputError`.
    """
    form = chosen_format(form, out, [*folders, *([] if against is None else [against])])
    found = selection.of(compare(folders, against=against))
    for note in found.notes:
        print(f"tandem: {note}", file=sys.stderr)
    if form == "csv":
        written(as_csv(pa.Table.from_pandas(found.table, preserve_index=False)), out)
    elif form == "json":
        written(as_json(found), out)
    else:
        console = terminal()
        for table in as_tables(found, console.width):
            console.print(table)


def as_json(found: Comparison) -> str:
    """The groups with their runs, the method, and all rows; what there is not is null."""
    rows = [
        {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in row.items()}
        for row in found.table.to_dict("records")
    ]
    groups = [
        {
            "group": group.label,
            "scheme": group.scheme,
            "runs": {str(seed): group.runs[seed].name for seed in found.seeds},
        }
        for group in found.groups
    ]
    about = {"method": METHOD, "level": LEVEL, "reference": found.reference, "seeds": list(found.seeds)}
    whole = {**about, "notes": list(found.notes), "groups": groups, "key_figures": rows}
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def as_tables(found: Comparison, width: int) -> list[Table]:
    """Tables for a terminal of `width` characters, as many groups in each as fit beside the first.

    Where names and the numbers of two groups do not fit side by side, each key figure has a line per group.
    """
    names = found.kpis
    step = len(found.groups)
    # group by group within a key figure
    cells = [_cells(row, alone=step == 1) for row in found.table.to_dict("records")]
    columns = [cells[k::step] for k in range(step)]
    units = [str(unit) for unit in found.table.unit[::step]]
    fixed = sum(max(map(cell_len, [*texts, ""])) + COLUMN_GAP for texts in (names, units)) + COLUMN_GAP
    heads = [group.label.replace(", ", ",\n") for group in found.groups]
    widths = [
        _width(head, [value for value, _ in column])
        + (_width("difference", [apart for _, apart in column]) if k else 0)
        for k, (head, column) in enumerate(zip(heads, columns, strict=True))
    ]
    if fixed + widths[0] + max(widths[1:], default=0) > width:
        return [_stacked(found, columns, width)]
    parts: list[list[int]] = [[]]
    for k in range(1, step):
        if parts[-1] and fixed + widths[0] + sum(widths[n] for n in [*parts[-1], k]) > width:
            parts.append([])
        parts[-1].append(k)
    tables = []
    for part in parts:
        room = width - fixed - widths[0] - sum(widths[k] for k in part)
        table = titled_table(_title(found), width, _caption(found) if part is parts[-1] else "")
        table.add_column("key figure", overflow="fold")
        table.add_column("unit", overflow="fold")
        for head, texts in _numbers(heads, columns, part):
            least = _width(head, texts) - COLUMN_GAP  # names are folded before a number is cut
            table.add_column(escape(head), justify="right", no_wrap=True, min_width=least)
        told = room >= LEAST_MEANING
        if told:
            table.add_column("meaning", overflow="fold")
        for n, name in enumerate(names):
            numbers = [columns[0][n][0], *(text for k in part for text in columns[k][n])]
            meaning = [str(found.table.meaning.iloc[n * step])] if told else []
            table.add_row(*map(escape, [name, units[n], *numbers, *meaning]))
        tables.append(table)
    return tables


def _stacked(found: Comparison, columns: Sequence[Sequence[tuple[str, str]]], width: int) -> Table:
    """One column: name and unit of a key figure, and below it a line per group; no number is cut.

    The difference of a group has a line of its own if it does not fit.
    """
    table = titled_table(_title(found), width, _caption(found))
    table.add_column("key figure, unit; by group: value, difference", overflow="fold")
    step, labels = len(found.groups), [group.label for group in found.groups]
    room = max(map(cell_len, labels))
    most = [max(cell_len(cell[k]) for column in columns for cell in column) for k in (0, 1)]
    beside = room + sum(most) + 2 * COLUMN_GAP <= width - 2 * COLUMN_GAP
    for n, name in enumerate(found.kpis):
        table.add_row(f"[bold]{escape(f'{name}, {found.table.unit.iloc[n * step]}')}[/bold]")
        for k, label in enumerate(labels):
            value, apart = columns[k][n]
            line = f"  {label:<{room}}   {value:>{most[0]}}"
            if k and beside:
                line += f"   {apart:>{most[1]}}"
            table.add_row(escape(line))
            if k and not beside:
                table.add_row(escape(f"    difference  {apart}"))
    return table


def _numbers(
    heads: Sequence[str], columns: Sequence[Sequence[tuple[str, str]]], part: Sequence[int]
) -> Iterator[tuple[str, list[str]]]:
    """Heads and cells of the columns of numbers: of the first group, and two of each group of `part`."""
    yield heads[0], [value for value, _ in columns[0]]
    for k in part:
        yield heads[k], [value for value, _ in columns[k]]
        yield "difference", [apart for _, apart in columns[k]]


def _width(head: str, cells: Sequence[str]) -> int:
    return max(map(cell_len, [*head.split("\n"), *cells])) + COLUMN_GAP


def _title(found: Comparison) -> str:
    first = next(iter(found.groups[0].runs.values())).fields
    days = f"{first['days']} day{'' if first['days'] == 1 else 's'}"
    seeds = ", ".join(map(str, found.seeds))
    return f"{first['name']}: {days} from {first['start']}, seed{'s' * (len(found.seeds) > 1)} {seeds}"


def _caption(found: Comparison) -> str:
    compared = f"Difference to {found.reference}" if len(found.groups) > 1 else ""
    if len(found.seeds) < FEWEST:
        return f"{compared}; one seed gives no interval. tandem kpis NAME explains a key figure."
    means = f"Means over seeds. [ ] {100 * LEVEL:g} % interval of Student's t"
    paired = f"; {compared.lower()} seed by seed" if compared else ""
    return f"{means}{paired}. tandem kpis NAME explains a key figure."


def _cells(row: Row, alone: bool) -> tuple[str, str]:
    """The value of a group, and its difference to the first: with an interval, or else in percent.

    The value has its interval if the group is `alone`.
    """
    value, apart = _number(row["mean"]), _signed(row["difference"])
    low, high = row["difference_low"], row["difference_high"]
    share = row["difference_pct"]
    if alone and not math.isnan(row["low"]):
        value = f"{value} [{_number(row['low'])}, {_number(row['high'])}]"
    if not math.isnan(low) and (low, high) != (0.0, 0.0):
        apart = f"{apart} [{_signed(low)}, {_signed(high)}]"
    elif math.isnan(low) and apart not in ("-", "0") and not math.isnan(share):
        apart = f"{apart} ({_signed(round(share, 1))} %)"
    return value, apart


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    if abs(value) < NEGLIGIBLE_FIGURE:
        return "0"
    if value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"


def _signed(value: float) -> str:
    text = _number(value)
    return f"+{text}" if value >= NEGLIGIBLE_FIGURE else text
