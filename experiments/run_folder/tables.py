"""Tables of a run folder, read as files of unknown origin.

A file that is no table, a table that lacks a column, or one that no run writes ends in an `InputError` that
names it. Metadata of a file besides its columns (those of pandas) are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from tandem_sim.experiments.run_folder.described import DESCRIBED
from tandem_sim.experiments.run_folder.manifest import REPEAT, check_unchanged
from tandem_sim.grids.documents.text import is_there, one_line, shown
from tandem_sim.grids.errors import InputError

pc: Any = pyarrow.compute  # its functions are made when it is imported
SCHEMAS: dict[str, pa.Schema] = {name: about.schema for name, about in DESCRIBED.items()}
"""Columns of every table of a run folder."""
MOST_VALUES = 500_000_000
"""Most rows times columns of a table, 4 GB of numbers; a year of the largest study has a tenth of it."""
LONGEST_TEXT = 1_000
"""Most bytes of a text; a reason is the longest that a run writes."""
MOST_ISPS = 367 * 24 * 12
"""More ISPs than the longest run has."""
YEARS = (1900, 2200)
LATER = ("purpose",)
"""Columns that tables of earlier versions lack."""
_KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    "whole numbers": pa.types.is_integer,
    "numbers": lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
    "text": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    "true and false": pa.types.is_boolean,
    "times in UTC": lambda kind: pa.types.is_timestamp(kind) and kind.tz == "UTC",
    "nothing": pa.types.is_null,
}


def read_table(
    folder: Path, name: str, needed: Sequence[str] | None = None, isp: int | None = None
) -> pd.DataFrame:
    """A table of a run, by its name without a suffix, or its rows of one ISP.

    Raises `InputError` where it is missing, is no such table, or lacks one of the columns `needed`: without
    them one that every run has written.
    """
    if needed is None:
        needed = [column for column in SCHEMAS.get(name, pa.schema([])).names if column not in LATER]
    path = folder / f"{name}.parquet"
    with _opened(path, name, needed) as file:
        columns = list(file.schema_arrow.names)
        parts = [table for table in _groups(file, columns, path, isp) if len(table)]
        found = pa.concat_tables(parts or [file.schema_arrow.empty_table()])
        return _frame(found, path)


def table_groups(folder: Path, name: str, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Columns of a table group by group, for tables of which a year has millions of rows; at least one group.

    Raises `InputError` as `read_table` does.
    """
    path = folder / f"{name}.parquet"
    with _opened(path, name, columns) as file:
        for table in _groups(file, list(columns), path):
            yield _frame(table, path)
        if not file.num_row_groups:
            yield _frame(file.schema_arrow.empty_table().select(columns), path)


def check_table(folder: Path, name: str) -> None:
    """Raise an `InputError`, as `read_table` does, for a table that is missing or no such table."""
    needed = [column for column in SCHEMAS[name].names if column not in LATER]
    with _opened(folder / f"{name}.parquet", name, needed, limited=False):
        pass


@contextmanager
def _opened(path: Path, name: str, needed: Sequence[str], limited: bool = True) -> Iterator[pq.ParquetFile]:
    """A table whose columns are those of its name; what cannot be read of it meanwhile is an `InputError`."""
    if not is_there(path):
        problem = "is no file" if path.is_symlink() or path.exists() else "is missing in this run"
        raise InputError(str(path.parent), path.name, problem, REPEAT)
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow
            _check_columns(found, path, name, needed)
            rows = sum(file.metadata.row_group(k).num_rows for k in range(file.num_row_groups))
        if limited and rows * len(found) > MOST_VALUES:
            problem = f"has {rows} rows of {len(found)} columns, and at most {MOST_VALUES} values are read"
            raise InputError(str(path), "table", problem, REPEAT)
        check_unchanged(path.parent, path.name)
        texts = [field.name for field in found if _KINDS["text"](field.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), "table", f"cannot be read ({one_line(error)})", REPEAT) from error


def _check_columns(found: pa.Schema, path: Path, name: str, needed: Sequence[str]) -> None:
    known = SCHEMAS.get(name, pa.schema([]))
    for column in dict.fromkeys([*found.names, *needed]):
        if found.names.count(column) != 1:
            problem = "is there twice" if column in found.names else "is missing in this table"
            raise InputError(str(path), column, problem, REPEAT)
        given = found.field(column).type
        wanted = _kind(known.field(column).type) if column in known.names else ""
        if not _fits(_kind(given), wanted):
            problem = f"holds {shown(str(given))[1:-1]}, and not {wanted or 'numbers or text'}"
            raise InputError(str(path), column, problem, REPEAT)


def _kind(given: pa.DataType) -> str:
    return next((says for says, fits in _KINDS.items() if fits(given)), "")


def _fits(given: str, wanted: str) -> bool:
    """Whether columns of a kind can be read as those of another; without one, whether they can be read."""
    if given == "nothing":  # a table without rows may not know what they would be
        return True
    return given != "" and wanted in ("", given, "numbers" if given == "whole numbers" else given)


def _groups(
    file: pq.ParquetFile, columns: list[str], path: Path, isp: int | None = None
) -> Iterator[pa.Table]:
    """Row groups of a file, or the rows of one ISP in those that may have some."""
    place = file.schema_arrow.names.index("isp") if isp is not None else 0
    for group in range(file.num_row_groups):
        if isp is None:
            yield file.read_row_group(group, columns)
            continue
        range_of = file.metadata.row_group(group).column(place).statistics
        if range_of is None or not range_of.has_min_max or range_of.min <= isp <= range_of.max:
            table = file.read_row_group(group, columns)
            if fault := _fault("isp", table["isp"]):
                raise InputError(str(path), "isp", fault, REPEAT)
            yield table.filter(pc.equal(table["isp"], isp))


def _frame(table: pa.Table, path: Path) -> pd.DataFrame:
    """Rows as a frame, after the checks that the table of every run passes."""
    for k, field in enumerate(table.schema):
        column = table.column(k)
        if pa.types.is_dictionary(field.type):
            if any(_is_foreign(chunk.dictionary) for chunk in column.chunks):
                problem = f"holds text that cannot be printed, or is longer than {LONGEST_TEXT} bytes"
                raise InputError(str(path), field.name, problem, REPEAT)
            table = table.set_column(k, field.name, column.cast(field.type.value_type))
        elif fault := _fault(field.name, column):
            raise InputError(str(path), field.name, fault, REPEAT)
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    return frame


def _is_foreign(texts: pa.Array) -> bool:
    """Whether texts are longer than a run writes, or not printable; each is checked once."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    return longest > LONGEST_TEXT or not "".join(t for t in texts.to_pylist() if t is not None).isprintable()


def _fault(name: str, column: pa.ChunkedArray) -> str:
    """What is wrong with an ISP, a time, a node or a direction; empty if nothing is."""
    if name not in ("isp", "time", "node", "direction") or not len(column):
        return ""
    if column.null_count:
        return "is not there in every row"
    if name == "time":
        seconds = pc.cast(pc.cast(column, pa.timestamp("s", tz="UTC"), safe=False), pa.int64())
        first, end = (int(pd.Timestamp(year, 1, 1, tz="UTC").timestamp()) for year in YEARS)
        return "" if _within(seconds, first, end) else f"lies beyond the years {YEARS[0]} to {YEARS[1]}"
    if name == "isp":
        return "" if _within(column, 0, MOST_ISPS) else "is no number of an ISP"
    if name == "node":
        return ""
    return "" if set(pc.unique(column).to_pylist()) <= {1, -1} else "is neither 1 (up) nor -1 (down)"


def _within(column: pa.ChunkedArray, first: int, end: int) -> bool:
    ends = pc.min_max(column).as_py()
    return bool(first <= ends["min"] and ends["max"] < end)
