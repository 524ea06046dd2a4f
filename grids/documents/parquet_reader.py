"""Parquet files from outside: plain columns, whose size is bounded before they are unpacked.

A few bytes of Parquet may stand for any number of equal values. So numbers of rows, columns and unpacked
bytes are checked first, and text is read as a dictionary: each different text once, and its number in every
row. Metadata besides the columns are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tandem_sim.grids.documents.text import MOST_BYTES, one_line, read_bytes, shown
from tandem_sim.grids.errors import InputError

LONGEST_CELL = 1000
"""Most characters of a text."""
PREFIXED = "DELTA_BYTE_ARRAY"
"""Encoding in which a text repeats the beginning of the one before, so that its length is not known ahead."""


def read_parquet(
    path: Path,
    choose: Callable[[list[str]], Sequence[str]],
    *,
    most_cells: int,
    most_rows: int | None = None,
    times: bool = False,
) -> pa.Table:
    """Columns of a Parquet file, those that `choose` takes of all names, in its order.

    Columns hold numbers, text, true and false or nothing, and timestamps if `times`. Text is a dictionary:
    see `texts`. Raises `InputError` that names file, column and hint: for a file that is damaged, a column
    given twice or of another kind, more rows or cells than allowed, more than `MOST_BYTES` unpacked, and a
    text longer than `LONGEST_CELL`.
    """
    data = read_bytes(path)
    try:
        with pq.ParquetFile(pa.BufferReader(data), memory_map=False) as file:
            about, schema = file.metadata, file.schema_arrow
        all_names = list(schema.names)
        names = list(choose(all_names))
        twice = next((name for name in names if all_names.count(name) > 1), None)
        if twice is not None:
            raise InputError(str(path), one_line(twice), "the column is given twice", "Keep one of them")
        for name in names:
            _check_kind(path, name, schema.field(name).type, times)
        if most_rows is not None and about.num_rows > most_rows:
            raise InputError(str(path), "rows", f"are more than {most_rows}", "Split the file by years")
        if about.num_rows * len(names) > most_cells or _unpacked(path, about, names) > MOST_BYTES:
            raise too_large(path, most_cells)
        text = [name for name in names if _is_text(schema.field(name).type)]
        with pq.ParquetFile(pa.BufferReader(data), memory_map=False, read_dictionary=text) as file:
            table = file.read(names, use_pandas_metadata=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = f"is not Parquet, or is damaged ({one_line(error)})"
        raise InputError(str(path), "file", problem, "Write it anew") from error
    for name in text:
        if _longest(path, name, table.column(name)) * table.num_rows > MOST_BYTES:
            raise too_large(path, most_cells)
    return table


def texts(column: pa.ChunkedArray) -> list[str | None]:
    """The cells (R,) of a column of text; equal ones are one object."""
    found: list[str | None] = []
    for chunk in column.chunks:
        entries = chunk.dictionary.to_pylist()
        found += [None if k is None else entries[k] for k in chunk.indices.to_pylist()]
    return found


def too_large(path: Path, most_cells: int) -> InputError:
    """The error for a table that is larger than allowed."""
    problem = f"has more than {most_cells} cells, or {MOST_BYTES} bytes unpacked"
    return InputError(str(path), "file", problem, "Make it smaller")


def _check_kind(path: Path, name: str, kind: pa.DataType, times: bool) -> None:
    """Raise `InputError` for a column of another kind, such as lists, whose lengths are not bounded."""
    types: Any = pa.types
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null, _is_text)
    if not any(test(kind) for test in tests) and not (times and types.is_timestamp(kind)):
        known = "numbers, text, timestamps" if times else "numbers, text"
        problem = f"holds {shown(str(kind))[1:-1]}, and not {known} or true and false"
        raise InputError(str(path), name, problem, "Convert the column")


def _is_text(kind: pa.DataType) -> bool:
    types: Any = pa.types
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _unpacked(path: Path, about: Any, names: Sequence[str]) -> int:
    """Bytes of the columns without compression, as the file states them."""
    total = 0
    for group in (about.row_group(k) for k in range(about.num_row_groups)):
        for column in (group.column(k) for k in range(group.num_columns)):
            if column.path_in_schema in names:
                total += column.total_uncompressed_size
                if PREFIXED in column.encodings:
                    raise InputError(
                        str(path),
                        one_line(column.path_in_schema),
                        f"has the encoding {PREFIXED}, which is not read",
                        "Write the file with a dictionary of texts, as pandas does",
                    )
    return total


def _longest(path: Path, name: str, column: pa.ChunkedArray) -> int:
    """Most bytes of a text of a column. `InputError` for one of more than `LONGEST_CELL` characters."""
    before = longest = 0
    for chunk in column.chunks:
        long = pc.utf8_length(chunk.dictionary)
        if (pc.max(long).as_py() or 0) > LONGEST_CELL:
            wrong = pc.fill_null(pc.greater(long.take(chunk.indices), LONGEST_CELL), False)
            row = pc.index(wrong, True).as_py()
            if row >= 0:
                problem = f"has more than {LONGEST_CELL} characters"
                raise InputError(str(path), f"{name} in row {before + row + 1}", problem, "Shorten it")
        longest = max(longest, pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0)
        before += len(chunk)
    return longest
