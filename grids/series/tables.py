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

from tandem_sim.grids.documents.csv_reader import LARGEST, MOST_CELLS, read_csv_table
from tandem_sim.grids.documents.decimals import decimal, odd_number
from tandem_sim.grids.documents.parquet_reader import read_parquet, texts
from tandem_sim.grids.documents.text import check_known, one_line, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.labels import in_utc
from tandem_sim.grids.series.series import (
    FARTHEST,
    FIRST_YEAR,
    LAST_YEAR,
    LabelledRows,
    check_years,
    refuse_years,
    usual_step,
)
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
    _check_time_format(form, str(path))
    cells = _read(path, form.separator, [form.time_column, *wanted] if wanted else (), separator_key=True)
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


def _read(path: Path, separator: str, wanted: Sequence[str], *, separator_key: bool = False) -> _Cells:
    """The cells of a CSV or Parquet file; of Parquet only the columns `wanted`, if any are named.

    `separator_key`: whether the user can give the separator.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(
            str(path), "file", f"ends in {path.suffix or 'nothing'}", f"Give a file {' or '.join(ENDINGS)}"
        )
    if path.suffix.lower() == ".csv":
        return _read_csv(path, separator, separator_key)
    return _read_parquet(path, wanted)


def _read_csv(path: Path, separator: str, separator_key: bool) -> _Cells:
    """A CSV with a header as text cells."""
    table = read_csv_table(path, separator, separator_key=separator_key)
    columns = {name: table.column(name) for name in table.head}
    return _Cells(str(path), np.array(table.lines, dtype=np.int64), columns)


def _read_parquet(path: Path, wanted: Sequence[str]) -> _Cells:
    """Columns of a Parquet file, the first for an empty name; its rows count from 1."""
    found: list[str] = []

    def choose(names: list[str]) -> list[str]:
        found.extend(names)
        if not wanted or not names:
            return names
        return list(dict.fromkeys(given for name in wanted if (given := name or names[0]) in names))

    table = read_parquet(path, choose, most_cells=MOST_CELLS, most_rows=MOST_ROWS, times=True)
    check_known(f"{path}: columns", [name for name in wanted if name], found)
    columns = {name: table.column(name) for name in table.column_names}
    return _Cells(str(path), np.arange(1, table.num_rows + 1), columns)


def _times(cells: _Cells, label: str, form: TableFormat) -> pd.DatetimeIndex:
    """UTC times of the labels (T,)."""
    times = _utc_times(cells, label, form)
    check_years(times, cells.lines, cells.source, label)
    return times


def _utc_times(cells: _Cells, label: str, form: TableFormat) -> pd.DatetimeIndex:
    column = cells.columns[label]
    if isinstance(column, pa.ChunkedArray) and pa.types.is_timestamp(column.type):
        index = _timestamps(cells, label, column)
        return (
            _with_zone(index, cells, label, form)
            if index.tz is None
            else _agreeing(index, cells, label, form)
        )
    labels = _texts(column) if isinstance(column, pa.ChunkedArray) else column
    wrong = np.array([not isinstance(text, str) for text in labels], dtype=bool)
    _refuse_first(cells, label, wrong, "is no time", "Give times as text or as timestamps")
    if form.time_format:
        return _with_zone(_parsed(labels, form.time_format, cells, label), cells, label, form)
    offset = np.array(
        [bool(_OFFSET.search(text) and not _DATED.fullmatch(text)) for text in labels], dtype=bool
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
    plain = [_OFFSET.sub("", text) for text in labels] if offset.any() else labels
    naive = _parsed([text if _ISO.fullmatch(text) else "" for text in plain], "", cells, label)
    if not offset.any():
        return _with_zone(naive, cells, label, form)
    offsets = [_offset_of(text) for text in labels]
    far = np.array([each is None for each in offsets], dtype=bool)
    _refuse_first(cells, label, far, "has an offset beyond 14:00", "Write offsets as +01:00 or Z")
    aware = pd.DatetimeIndex(naive - pd.TimedeltaIndex(offsets)).tz_localize("UTC")
    return _agreeing(aware, cells, label, form, naive)


def _texts(column: pa.ChunkedArray) -> list[Any]:
    """Cells of a column of Parquet."""
    return list(texts(column) if pa.types.is_dictionary(column.type) else column.to_pylist())


def _timestamps(cells: _Cells, label: str, column: pa.ChunkedArray) -> pd.DatetimeIndex:
    """Times of a column of timestamps, in its own zone if it has one."""
    counts = column.cast(pa.int64())
    second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    first, end = (pd.Timestamp(year, 1, 1).timestamp() for year in (FIRST_YEAR, LAST_YEAR + 1))
    values = counts.fill_null(0).to_numpy()
    _refuse_first(cells, label, counts.is_null().to_numpy(), "is empty", "Give every row its time")
    refuse_years((values < first * second) | (values >= end * second), cells.lines, cells.source, label)
    try:
        return pd.DatetimeIndex(column.to_pandas())
    except (KeyError, ValueError) as error:
        raise InputError(
            cells.source,
            label,
            f"has the time zone {shown(column.type.tz)}, which is not known",
            "Write times with a zone of the IANA list, such as Europe/Brussels, or in UTC",
        ) from error


def _check_time_format(form: TableFormat, source: str) -> None:
    """Raise `InputError` for a form of times that leaves the year, or the order of day and month, open."""
    directives = form.time_format.replace("%%", "")
    if form.time_format and not re.search("%[YyG]", directives):
        raise InputError(
            source,
            "time_format",
            f"is {shown(form.time_format)}, without a directive of the year such as %Y",
            "Write it as %d.%m.%Y %H:%M; leave it out for ISO 8601",
        )
    if re.search("%[zZ]", directives):
        raise InputError(
            source,
            "time_format",
            f"is {shown(form.time_format)}; offsets are read in ISO 8601 only",
            "Write times as 2019-01-31T14:00+01:00, and leave time_format out",
        )


def _parsed(labels: Sequence[str], written: str, cells: _Cells, label: str) -> pd.DatetimeIndex:
    """Wall-clock times of labels without offset, in the form `written`, or ISO 8601 if it is empty."""
    if not len(labels):
        return pd.DatetimeIndex([])
    try:
        index = pd.DatetimeIndex(pd.to_datetime(list(labels), format=written or "ISO8601", errors="coerce"))
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            cells.source, label, f"cannot be read as {written} ({one_line(error)})", "Correct time_format"
        ) from error
    bad = np.asarray(index.isna())
    years = f"of the years {FIRST_YEAR} to {LAST_YEAR}"
    how = f"time_format {written!r}" if written else "ISO 8601, such as 2019-01-31 14:00"
    advice = f"Write times {years} as {how}, or give another time_format"
    _refuse_first(cells, label, bad, "is no time", advice)
    return index


def _offset_of(text: str) -> pd.Timedelta | None:
    """The offset from UTC that a label ends with; None for one that no zone has."""
    found = _OFFSET.search(text)
    assert found is not None
    written = found.group().replace(":", "")
    if written == "Z":
        return pd.Timedelta(0)
    sign = -1 if written[0] == "-" else 1
    offset = pd.Timedelta(hours=int(written[1:3]), minutes=int(written[3:5]))
    return sign * offset if offset <= FARTHEST and int(written[3:5]) < 60 else None


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
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise InputError(
                cells.source, name, f"holds {kind}, and no numbers", "Give numbers, or other columns"
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
