"""The command ``tandem query``: the rows that a query finds, as a table, as CSV or as JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.queries.views import answer
from tandem_sim.experiments.run_folder.outputs import check_file, whole
from tandem_sim.experiments.run_folder.so_far import UnfinishedRun
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.experiments.runs.run import check_outside
from tandem_sim.grids.documents.text import check_known, shown
from tandem_sim.grids.errors import InputError, escaped, printable
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE

FILES = ("csv", "json")
FORMATS = ("table", *FILES)
MOST_SHOWN = 1000
"""Rows that a table for the terminal has, at most."""


def show(sql: str, folders: Sequence[str], form: str | None, out: Path | None) -> None:
    """Print what a query finds, or write it into a file.

    Without `form` the format is that of the file's suffix, or a table. Raises `InputError`.
    """
    form = chosen_format(form, out, folders)
    found = answer(sql, folders, _tell)
    if form == "table":
        terminal().print(as_table(found))
        if found.num_rows > MOST_SHOWN:
            print(f"{MOST_SHOWN} of {found.num_rows} rows; --format csv or json has all", file=sys.stderr)
        return
    written(as_csv(found) if form == "csv" else as_json(found), out)


def _tell(run: UnfinishedRun) -> None:
    """Say how far an unfinished run is, on standard error."""
    far = f"{run.isps} of {run.of_isps} ISPs at its newest checkpoint"
    print(f"tandem: {printable(run.folder)} is not finished: {far}", file=sys.stderr)


def chosen_format(form: str | None, out: Path | None, folders: Sequence[str]) -> str:
    """The format of a command that reads `folders`: as given, or that of the file's suffix, or a table.

    Raises `InputError` for an unknown format, and for a file that must not be written.
    """
    if form is None:
        form = "table" if out is None else out.suffix[1:].lower()
    if out is not None:
        if form not in FILES:
            hint = "End its name in .csv or .json, or pass --format csv or json"
            raise InputError(str(out), "--out", "is no file of a known format", hint)
        _check_out(out, folders)
    check_known("--format", [form], FORMATS)
    return form


def written(text: str, out: Path | None) -> None:
    """Print a text, or write it into a new file."""
    if out is None:
        print(text, end="")
        return
    with whole(out) as part:
        part.write_text(text, encoding="utf-8")


def _check_out(out: Path, folders: Sequence[str]) -> None:
    """Raise an `InputError` for a file that exists, cannot be written, or lies in a run folder."""
    check_outside(out, folders, "--out")
    check_file(out, "--out", lambda _: False)


def as_table(found: pa.Table) -> Table:
    """The first rows for the terminal."""
    table = Table(box=SIMPLE_HEAD)
    for column in found.schema:
        numbers = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        table.add_column(escape(column.name), justify="right" if numbers else "left", overflow="fold")
    for row in _rows(found.slice(0, MOST_SHOWN)):
        table.add_row(*(escape(_cell(value)) for value in row))
    return table


def as_csv(found: pa.Table) -> str:
    """All rows as CSV (RFC 4180, lines end in a line feed); nothing is an empty cell.

    Characters that cannot be printed are written as escapes, for the text may come from somebody else.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_safe(name) for name in found.column_names)
    writer.writerows([_safe(_plain(value)) for value in row] for row in _rows(found))
    return text.getvalue()


def _safe(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (bool, int, float)):
        return value
    given = str(value)
    return given if given.isprintable() else "".join(c if c.isprintable() else escaped(c) for c in given)


def as_json(found: pa.Table) -> str:
    """All rows as a JSON list of objects; NaN and infinity, which JSON does not have, are null.

    Raises `InputError` for columns of one name.
    """
    names = found.column_names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("query", shown(twice), "names two columns", "Rename one of them with AS")
    rows = [{name: _jsonable(value) for name, value in zip(names, row, strict=True)} for row in _rows(found)]
    return json.dumps(rows, indent=1, allow_nan=False) + "\n"


def _rows(found: pa.Table) -> list[tuple[Any, ...]]:
    """Rows as Python values; numbers of 32 bits with the digits they have."""
    columns = [
        [_short(v) for v in column.to_pylist()] if pa.types.is_float32(column.type) else column.to_pylist()
        for column in found.columns
    ]
    return list(zip(*columns, strict=True))


def _short(value: float | None) -> float | None:
    return None if value is None else float(str(np.float32(value)))


def _plain(value: Any) -> Any:
    """A value as text in a file: times in ISO 8601, numbers with all digits."""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(inner) for inner in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return str(_plain(value))


def _cell(value: Any) -> str:
    """A value in a table: numbers with six digits, rounding errors as 0, times to the second."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "0" if abs(value) < NEGLIGIBLE_FIGURE else f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S%z}".replace("+0000", "Z")
    if isinstance(value, timedelta):
        return str(value)
    return str(value)
