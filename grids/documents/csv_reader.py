"""CSV files: cells with their line numbers, and numbers as publishers write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tandem_sim.grids.documents.decimals import decimal, odd_number
from tandem_sim.grids.documents.text import MOST_BYTES, one_line, read_text, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import FloatArray

MOST_CELLS = 20_000_000
"""Most cells of a file: a year of minutes in 30 columns has 16 million."""
LARGEST = 1e12
"""Values must be smaller in size."""
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""Separators of cells, and their names."""
GAPS = frozenset({"", "-", "n/e", "N/A", "n/a"})
"""Cells without a value. ``n/e`` stands for "not expected" in exports of ENTSO-E."""
_GERMAN = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)(?:,(?P<part>[0-9]+))?")
_ENGLISH = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """Cells of a file as text, without spaces around them. Blank lines count as lines."""

    source: str
    head: tuple[str, ...]
    lines: tuple[int, ...]  # (T,) line on which each row starts
    rows: tuple[tuple[str, ...], ...]  # (T,) as many cells as `head`

    def column(self, name: str) -> list[str]:
        """The cells (T,) of a column that is there."""
        k = self.head.index(name)
        return [row[k] for row in self.rows]

    def refuse(self, row: int, name: str, problem: str, hint: str) -> InputError:
        """The error for a cell."""
        return InputError(self.source, f"line {self.lines[row]}, {shown(name)}", problem, hint)


def read_csv_table(
    path: Path, separators: str, most_bytes: int = MOST_BYTES, *, separator_key: bool = False
) -> CsvTable:
    """The cells of a CSV with a header. Of `separators` the first that occurs in the header is taken.

    `separator_key`: whether the user can give the separator, which hints then name.
    Raises `InputError` that names file and line for a file that cannot be read, has no header, a column
    twice, rows of another length than the header, or more than `MOST_CELLS` cells.
    """
    source = str(path)
    text = read_text(path, most_bytes)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise InputError(source, "file", "is empty", "Give a file with a header and rows")
    separator = next((sign for sign in separators if sign in first), separators[0])
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    head: tuple[str, ...] = ()
    lines: list[int] = []
    rows: list[tuple[str, ...]] = []
    line = 1
    try:
        for cells in reader:
            if cells and not head:
                head = tuple(cell.strip() for cell in cells)
                _check_separator(source, head, separator, separator_key)
            elif cells:
                if len(cells) != len(head):
                    raise csv.Error(f"{len(cells)} cells under {len(head)} columns")
                if (len(rows) + 1) * len(head) > MOST_CELLS:
                    raise csv.Error(f"more than {MOST_CELLS} cells")
                rows.append(tuple(cell.strip() for cell in cells))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            source,
            f"line {line}",
            f"is not CSV with separator {separator!r} ({one_line(error)})",
            "Correct the line, or give separator" if separator_key else "Correct the line",
        ) from error
    twice = next((name for name in head if name and head.count(name) > 1), None)
    if twice is not None:
        raise InputError(source, one_line(twice), "the column is given twice", "Keep one of them")
    return CsvTable(source=source, head=head, lines=tuple(lines), rows=tuple(rows))


def _check_separator(source: str, head: Sequence[str], separator: str, separator_key: bool) -> None:
    """Raise `InputError` for a header of one cell that another separator would split."""
    other = next((sign for sign in SEPARATORS if sign != separator and sign in head[0]), None)
    if len(head) == 1 and other is not None:
        raise InputError(
            source,
            one_line(head[0], 60),
            f"looks separated by {other!r}, and not by {separator!r}",
            f"Give separator: {other!r}".replace("'", '"')
            if separator_key
            else f"Separate them by {SEPARATORS[separator]}",
        )


def plain_number(text: str) -> float | None:
    """A number with a decimal point: ``-12.5``. None for a text that is no number."""
    number = decimal(text)
    return None if number is None else float(number)


def german_number(text: str) -> float | None:
    """A number with a decimal comma, and points between thousands: ``1.401,50``.

    >>> german_number("1.401,50"), german_number("-0,03"), german_number("1.5")
    (1401.5, -0.03, None)
    """
    found = _GERMAN.fullmatch(text)
    if found is None:
        return None
    return plain_number(
        f"{found['sign']}{found['whole'].replace('.', '')}" + (f".{found['part']}" if found["part"] else "")
    )


def english_number(text: str) -> float | None:
    """A number with a decimal point, and commas between thousands: ``1,401.50``."""
    return plain_number(text.replace(",", "") if _ENGLISH.fullmatch(text) else text)


def numbers(table: CsvTable, name: str, read: Callable[[str], float | None] = plain_number) -> FloatArray:
    """A column (T,) as numbers; cells without a value (`GAPS`) become NaN.

    Raises `InputError` that names file, line and column for another text than a number as `read` reads it.
    """
    found = np.full(len(table.rows), np.nan)
    for k, cell in enumerate(table.column(name)):
        if cell in GAPS:
            continue
        try:
            number = read(cell)
        except ValueError as error:
            raise table.refuse(k, name, str(error), "Correct it") from error
        if number is None:
            why = odd_number(cell)
            raise table.refuse(
                k,
                name,
                f"is {shown(cell)}, which {why}" if why else f"is {shown(cell)}, no number",
                "Give the file as it was published",
            )
        if abs(number) >= LARGEST:
            raise table.refuse(k, name, f"is {LARGEST:g} or more in size", "Check the value and its unit")
        found[k] = number
    return found


def only_value(table: CsvTable, name: str, hint: str) -> str:
    """The value that a column has in every row. Raises `InputError` if it has several; empty without rows."""
    cells = table.column(name)
    for k, cell in enumerate(cells):
        if cell != cells[0]:
            raise table.refuse(k, name, f"is {shown(cell)}, and {shown(cells[0])} in other rows", hint)
    return cells[0] if cells else ""


def check_head(table: CsvTable, needed: Iterable[str], kind: str, known: Sequence[str]) -> None:
    """Raise `InputError` unless the header has the columns `needed`; `known` names the ones of this kind."""
    missing = [name for name in needed if name not in table.head]
    if missing:
        raise InputError(
            table.source,
            "header",
            f"is not the one of {kind}: it has no column {shown(missing[0])}, but {shown(list(table.head))}",
            f"Give {kind} with the columns {', '.join(known)}; for other tables use format: table",
        )


def column_name(text: str) -> str:
    """A name in small letters, with underscores for other signs than letters and digits.

    >>> column_name("Hydro Run-of-river and poundage")
    'hydro_run_of_river_and_poundage'
    """
    return re.sub(r"\W+", "_", text.casefold()).strip("_")
