"""Tables of people's own: CSV and Parquet files as columns of text, so that both obey the same rules.

Numbers keep their digits: those of a Parquet file become the shortest text that reads back as the same
number. Missing values become empty cells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa

from tandem_sim.grids.documents.csv_reader import read_csv_table
from tandem_sim.grids.documents.parquet_reader import read_parquet, texts, too_large
from tandem_sim.grids.documents.text import is_there
from tandem_sim.grids.errors import InputError

MOST_CELLS = 10_000_000
SUFFIXES = (".csv", ".parquet")
INDEX = re.compile(r"__index_level_\d+__")
"""Names that pandas gives to an index without a name in a Parquet file."""


@dataclass(frozen=True)
class Cells:
    """A table as text. Its index is the line of the file (CSV), or the row from 1 (Parquet)."""

    frame: pd.DataFrame
    place: Literal["line", "row"]


def read_cells(path: Path) -> Cells:
    """A CSV or Parquet file, by its suffix. Raises `InputError` naming file, place and hint."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(str(path), "file", "is neither CSV nor Parquet", f"Use {' or '.join(SUFFIXES)}")
    if not is_there(path):
        raise InputError(str(path), "file", "does not exist", "Check the path, relative to the scenario file")
    if suffix == ".csv":
        return Cells(_read_csv(path), "line")
    return Cells(_read_parquet(path), "row")


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV with commas as text cells, indexed by line of the file."""
    table = read_csv_table(path, ",")
    if len(table.rows) * len(table.head) > MOST_CELLS:
        raise too_large(path, MOST_CELLS)
    return pd.DataFrame(table.rows, columns=list(table.head), index=list(table.lines), dtype=object)


def _read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file as text cells, without the unnamed index that pandas may add to it."""
    table = read_parquet(
        path, lambda names: [name for name in names if not INDEX.fullmatch(name)], most_cells=MOST_CELLS
    )
    columns = {name: _cells(table.column(name)) for name in table.column_names}
    return pd.DataFrame(columns, index=range(1, table.num_rows + 1), columns=table.column_names, dtype=object)


def _cells(column: pa.ChunkedArray) -> list[str]:
    values = texts(column) if pa.types.is_dictionary(column.type) else column.to_pylist()
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value.strip() if isinstance(value, str) else repr(value)
