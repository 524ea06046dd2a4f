"""Tables of time series, CSV or Parquet, with columns that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tandem_sim.grids.documents.csv_reader import LARGEST, read_csv_table
from tandem_sim.grids.documents.decimals import decimal, odd_number
from tandem_sim.grids.documents.text import check_known, one_line, read_bytes, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.labels import in_utc
from tandem_sim.grids.series.series import LabelledRows, usual_step
from tandem_sim.grids.types import FloatArray, IntArray

ENDINGS = (".csv", ".parquet")
MOST_ROWS = 6_000_000
"""Most rows of a file: ten years of minutes are 5.3 million."""
_OFFSET = re.compile(r"(Z|[+-][0-9]{2}:?[0-9]{2})$")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?)?)?")
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, kw_only=True)
class TableFormat:
    """How a table is written.

    `time_column`: its labels, the first column if empty. `time_format`: of labels that are not ISO 8601, as
    ``strptime`` takes it (``%d.%m.%Y %H:%M``). `zone`: time zone of labels without an offset. `end_labels`:
    whether a label is the end of its row and not the start. `separator` and `decimal_mark` are those of CSV.
    `ordered`: whether rows are in the order of time, which tells the two hours of an autumn night apart.
    """

    time_column: str = ""
    time_format: str = ""
    zone: str = ""
    end_labels: bool = False
    separator: str = ","
    decimal_mark: str = "."
    ordered: bool = True


@dataclass(frozen=True)
class _Cells:
    """Columns of a table as they stand in the file, and the line of every row."""

    source: str
    lines: IntArray
    columns: dict[str, Any]


def read_table(path: Path, form: TableFormat, wanted: Sequence[str] = ()) -> LabelledRows:
    """The columns `wanted` of a table, or all besides the labels, at UTC times.

    Raises `InputError` that names file, line and column: for labels that are no times, have an offset only in
    part, have none where no zone is given, or one that the zone does not have; for a column that is missing;
    for a value that is no number. Empty cells become NaN, which `regular` refuses.
    """
    cells = _read(path, form.separator, [form.time_column, *wanted] if wanted else ())
    names = list(cells.columns)
    if not names:
        raise InputError(
            str(path), "columns", "there are none", "Give a first line with the names of columns"
        )
    label = form.time_column or names[0]
    check_known(f"{path}: time_column", [label], names)
    check_known(f"{path}: columns", wanted, names)
    chosen = list(wanted) or [name for name in names if name != label]
    if not chosen:
        raise InputError(str(path), "columns", "there is none beside the labels", "Give a column of numbers")
    times = _times(cells, label, form)
    values = {name: _numbers(cells, name, form.decimal_mark) for name in chosen}
    if form.end_labels and len(times):
        times = times - usual_step(times, str(path))
    return LabelledRows(source=str(path), times=times, lines=cells.lines, values=values, units={})


def read_columns(
    path: Path, times: Sequence[str], value: str, zone: str
) -> tuple[IntArray, list[pd.DatetimeIndex], FloatArray]:
    """Line of every row (R,), its UTC times in several columns, and its numbers; see `read_table`.

    Labels without offset are in `zone`; those of a repeated hour are refused, because rows of forecasts are
    in no order that would tell which is which.
    """
    cells = _read(path, ",", [*times, value])
    check_known(f"{path}: columns", [*times, value], list(cells.columns))
    form = TableFormat(zone=zone, ordered=False)
    found = [_times(cells, name, form) for name in times]
    return cells.lines, found, _numbers(cells, value, form.decimal_mark)


def _read(path: Path, separator: str, wanted: Sequence[str]) -> _Cells:
    """The cells of a CSV or Parquet file; of Parquet only the columns `wanted`, if any are named."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(
            str(path), "file", f"ends in {path.suffix or 'nothing'}", f"Give a file {' or '.join(ENDINGS)}"
        )
    return _read_csv(path, separator) if path.suffix.lower() == ".csv" else _read_parquet(path, wanted)


def _read_csv(path: Path, separator: str) -> _Cells:
    """A CSV with a header as text cells."""
    table = read_csv_table(path, separator)
    columns = {name: table.column(name) for name in table.head}
    return _Cells(str(path), np.array(table.lines, dtype=np.int64), columns)


def _read_parquet(path: Path, wanted: Sequence[str]) -> _Cells:
    """Columns of a Parquet file, the first for an empty name; its rows count from 1."""
    data = read_bytes(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = file.schema_arrow.names
        if file.metadata.num_rows > MOST_ROWS:
            raise InputError(str(path), "rows", f"are more than {MOST_ROWS}", "Split the file by years")
        if len(set(names)) < len(names):
            raise InputError(str(path), "columns", "have a name twice", "Keep one of them")
        chosen = [given for name in wanted if (given := name or names[0]) in names] if wanted else names
        table = file.read(columns=list(dict.fromkeys(chosen))) if names else file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            str(path), "file", f"is no Parquet that can be read ({one_line(error)})", "Write it anew"
        ) from error
    check_known(f"{path}: columns", [name for name in wanted if name], names)
    columns = {name: table.column(name) for name in table.column_names}
    return _Cells(str(path), np.arange(1, table.num_rows + 1), columns)


def _times(cells: _Cells, label: str, form: TableFormat) -> pd.DatetimeIndex:
    """UTC times of the labels (T,)."""
    column = cells.columns[label]
    if isinstance(column, pa.ChunkedArray) and pa.types.is_timestamp(column.type):
        index = pd.DatetimeIndex(column.to_pandas())
        _refuse_first(cells, label, np.asarray(index.isna()), "is empty", "Give every row its time")
        return (
            _with_zone(index, cells, label, form)
            if index.tz is None
            else _agreeing(index, cells, label, form)
        )
    texts = column.to_pylist() if isinstance(column, pa.ChunkedArray) else column
    wrong = np.array([not isinstance(text, str) for text in texts], dtype=bool)
    _refuse_first(cells, label, wrong, "is no time", "Give times as text or as timestamps")
    offset = np.array(
        [bool(_OFFSET.search(text) and not _DATED.fullmatch(text)) for text in texts], dtype=bool
    )
    if offset.any() and not offset.all():
        odd = offset != offset[0]
        which = "has an offset" if not offset[0] else "has no offset"
        _refuse_first(
            cells,
            label,
            odd,
            f"{which}, unlike the first label",
            "Write all labels in one way: two zones meet here",
        )
    plain = [_OFFSET.sub("", text) for text in texts] if offset.any() else texts
    naive = _parsed(plain, cells, label, form)
    if not offset.any():
        return _with_zone(naive, cells, label, form)
    aware = pd.DatetimeIndex(naive - pd.TimedeltaIndex([_offset_of(text) for text in texts])).tz_localize(
        "UTC"
    )
    return _agreeing(aware, cells, label, form, naive)


def _parsed(texts: Sequence[str], cells: _Cells, label: str, form: TableFormat) -> pd.DatetimeIndex:
    """Wall-clock times of labels without their offsets."""
    if not len(texts):
        return pd.DatetimeIndex([])
    if not form.time_format:
        texts = [text if _ISO.fullmatch(text) else "" for text in texts]
    written = form.time_format or "ISO8601"
    try:
        index = pd.DatetimeIndex(pd.to_datetime(list(texts), format=written, errors="coerce"))
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            cells.source, label, f"cannot be read as {written} ({one_line(error)})", "Correct time_format"
        ) from error
    if index.tz is not None:
        raise InputError(
            cells.source, label, "holds offsets in a form that is not read", "Write offsets as +01:00 or Z"
        )
    bad = np.asarray(index.isna())
    how = f"time_format {form.time_format!r}" if form.time_format else "ISO 8601, such as 2019-01-31 14:00"
    _refuse_first(cells, label, bad, "is no time", f"Write times as {how}, or give another time_format")
    return index


def _offset_of(text: str) -> pd.Timedelta:
    """The offset from UTC that a label ends with."""
    found = _OFFSET.search(text)
    assert found is not None
    written = found.group().replace(":", "")
    if written == "Z":
        return pd.Timedelta(0)
    sign = -1 if written[0] == "-" else 1
    return sign * pd.Timedelta(hours=int(written[1:3]), minutes=int(written[3:5]))


def _with_zone(index: pd.DatetimeIndex, cells: _Cells, label: str, form: TableFormat) -> pd.DatetimeIndex:
    """UTC times of labels without offset."""
    if not form.zone:
        raise InputError(
            cells.source,
            label,
            "has labels without offset, and no zone is given",
            "Give zone: Europe/Brussels, or UTC, or Etc/GMT-1 for UTC+1 all year",
        )
    return in_utc(index, form.zone, cells.lines, cells.source, label, form.ordered)


def _agreeing(
    times: pd.DatetimeIndex,
    cells: _Cells,
    label: str,
    form: TableFormat,
    written: pd.DatetimeIndex | None = None,
) -> pd.DatetimeIndex:
    """UTC times of labels with offset. Where a zone is given too, offsets have to be those of the zone."""
    if form.zone:
        local = times.tz_convert(form.zone).tz_localize(None)
        wall = times.tz_localize(None) if written is None else written
        _refuse_first(
            cells,
            label,
            np.asarray(local != wall),
            f"has an offset that is not the one of {form.zone} at that time",
            "Leave zone out: labels with offset need none; or correct the offset",
        )
    return times.tz_convert("UTC")


def _numbers(cells: _Cells, name: str, mark: str) -> FloatArray:
    """A column as numbers (T,); empty cells are NaN."""
    column = cells.columns[name]
    if isinstance(column, pa.ChunkedArray):
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise InputError(
                cells.source, name, f"holds {column.type}, and no numbers", "Give numbers, or other columns"
            )
        values: FloatArray = column.to_pandas().to_numpy(dtype=np.float64)
    else:
        values = np.array([_number(cell, cells, name, k, mark) for k, cell in enumerate(column)])
    with np.errstate(invalid="ignore"):
        large = np.abs(values) >= LARGEST
    _refuse_first(cells, name, large, f"is {LARGEST:g} or more in size", "Check the value and its unit")
    return values.astype(np.float64)


def _number(cell: str, cells: _Cells, name: str, k: int, mark: str) -> float:
    if not cell:
        return float("nan")
    text = cell.replace(mark, ".", 1) if mark != "." and "." not in cell else cell
    try:
        number = decimal(text)
    except ValueError as error:
        raise InputError(cells.source, f"line {cells.lines[k]}, {name}", str(error), "Correct it") from error
    if number is None or (mark != "." and "." in cell):
        why = odd_number(cell)
        raise InputError(
            cells.source,
            f"line {cells.lines[k]}, {name}",
            f"is {shown(cell)}, which {why}" if why else f"is {shown(cell)}, no number",
            f"Write numbers as -12{mark}5 or 1e3, or give decimal_mark and separator",
        )
    return float(number)


def _refuse_first(cells: _Cells, name: str, wrong: npt.NDArray[np.bool_], problem: str, hint: str) -> None:
    """Raise an `InputError` for the first row at fault, if there is one."""
    if wrong.any():
        k = int(np.argmax(wrong))
        column = cells.columns[name]
        value = column[k].as_py() if isinstance(column, pa.ChunkedArray) else column[k]
        given = f"{shown(value)} " if value not in (None, "") else ""
        raise InputError(cells.source, f"line {cells.lines[k]}, {name}", f"{given}{problem}", hint)
