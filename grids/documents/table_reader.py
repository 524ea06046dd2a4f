"""Tables of people's own: CSV and Parquet files as columns of text, so that both obey the same rules.

Numbers keep their digits: those of a Parquet file become the shortest text that reads back as the same
number. Missing values become empty cells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tandem_sim.grids.documents.csv_reader import read_csv_table
from tandem_sim.grids.documents.text import MOST_BYTES, is_there, one_line, read_bytes, shown
from tandem_sim.grids.errors import InputError

MOST_CELLS = 10_000_000
LONGEST_CELL = 1000
"""Most characters of a cell of a Parquet file."""
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
        raise _too_large(path)
    return pd.DataFrame(table.rows, columns=list(table.head), index=list(table.lines), dtype=object)


def _too_large(path: Path) -> InputError:
    problem = f"has more than {MOST_CELLS} cells, or {MOST_BYTES} bytes unpacked"
    return InputError(str(path), "file", problem, "Make it smaller")


def _read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file as text cells, without the unnamed index that pandas may add to it.

    Its metadata besides the columns are not read.
    """
    data = pa.BufferReader(read_bytes(path))
    try:
        with pq.ParquetFile(data, memory_map=False) as file:
            about = file.metadata
            found = [field for field in file.schema_arrow if not INDEX.fullmatch(field.name)]
            names = [field.name for field in found]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise InputError(str(path), one_line(twice), "the column is given twice", "Keep one of them")
            for field in found:
                if not _is_plain(field.type):
                    problem = f"holds {shown(str(field.type))[1:-1]}, and not numbers, text or true and false"
                    raise InputError(str(path), field.name, problem, "Convert the column")
            unpacked = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
            if unpacked > MOST_BYTES or about.num_rows * len(found) > MOST_CELLS:
                raise _too_large(path)
            table = file.read(names, use_pandas_metadata=False)
            columns = {name: [_text(value) for value in table[name].to_pylist()] for name in names}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = f"is not Parquet, or is damaged ({one_line(error)})"
        raise InputError(str(path), "file", problem, "Write it anew") from error
    for name, cells in columns.items():
        row = next((k for k, cell in enumerate(cells) if len(cell) > LONGEST_CELL), None)
        if row is not None:
            problem = f"has more than {LONGEST_CELL} characters"
            raise InputError(str(path), f"{name} in row {row + 1}", problem, "Shorten it")
    return pd.DataFrame(columns, index=range(1, table.num_rows + 1), columns=names, dtype=object)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a column holds numbers, text, true and false, or nothing."""
    types: Any = pa.types
    if types.is_dictionary(kind):
        return bool(types.is_string(kind.value_type) or types.is_large_string(kind.value_type))
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    return any(test(kind) for test in (*tests, types.is_string, types.is_large_string))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value.strip() if isinstance(value, str) else repr(value)
