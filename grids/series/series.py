"""Evenly spaced series in UTC, and the check that makes rows of a file into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.text import check_known
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

UNITS = ("kW", "MW", "kWh", "MWh", "p.u.", "EUR/MWh")
"""Units of series. Energies are those of a step of the file: kWh in a quarter of an hour times 4 is kW."""
DAY = pd.Timedelta(days=1)
SHORTEST = pd.Timedelta(minutes=1)
FARTHEST = pd.Timedelta(hours=14)
"""Largest offset of a time zone from UTC: that of Kiribati."""
FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Years of times that are read (UTC); all lie in the range of nanoseconds, 1678 to 2261."""


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """What a reader finds in a file, in the order of its rows; nothing is checked for gaps yet.

    `units` has the unit of a column where the format states it. `step` is the length of a row where the
    format states it, else it follows from the labels.
    """

    source: str
    times: pd.DatetimeIndex  # (T,) UTC, start of each row
    lines: IntArray  # (T,) line, or number of the row, in the file
    values: Mapping[str, FloatArray]  # by column, (T,)
    units: Mapping[str, str]
    step: pd.Timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """Columns (T,) of finite numbers at evenly spaced times from `start` (UTC) on, a `step` each."""

    source: str
    start: pd.Timestamp
    step: pd.Timedelta
    values: Mapping[str, FloatArray]
    units: Mapping[str, str]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(next(iter(self.values.values()))) if self.values else 0

    @property
    def end(self) -> pd.Timestamp:
        """First instant after the last row, UTC."""
        return self.start + self.n * self.step

    def column(self, name: str) -> FloatArray:
        """A column (T,). Raises `InputError` if there is none of this name."""
        check_known(f"{self.source}: column", [name], list(self.values))
        return self.values[name]


def regular(rows: LabelledRows) -> Series:
    """The rows as evenly spaced series.

    Raises `InputError`, which names file and line, for a file without rows, rows that are not in the order of
    time, two rows of one time, a gap, years beyond `FIRST_YEAR` to `LAST_YEAR`, a step that does not divide a
    day, and a value that is empty, no number or infinite.
    """
    source, times, lines = rows.source, rows.times, rows.lines
    if not len(times):
        raise InputError(source, "rows", "there are none", "Give a file with a row for each step of time")
    check_years(times, lines, source)
    step = _step(rows)
    ns = times.as_unit("ns").astype("int64").to_numpy()
    wrong = np.diff(ns) != step.value
    if wrong.any():
        _refuse(rows, int(np.argmax(wrong)), step)
    for name, values in rows.values.items():
        bad = ~np.isfinite(values)
        if bad.any():
            k = int(np.argmax(bad))
            what = "is empty or no number" if np.isnan(values[k]) else "is infinite"
            raise InputError(
                source, f"line {lines[k]}, {name}", what, "Fill it in; Tandem does not guess missing values"
            )
    return Series(source=source, start=times[0], step=step, values=rows.values, units=rows.units)


def check_years(times: pd.DatetimeIndex, lines: IntArray, source: str, column: str = "") -> None:
    """Raise `InputError` for the first of the times (T,), UTC, that is not of `FIRST_YEAR` to `LAST_YEAR`."""
    years = times.year.to_numpy()
    refuse_years((years < FIRST_YEAR) | (years > LAST_YEAR), lines, source, column)


def refuse_years(wrong: BoolArray, lines: IntArray, source: str, column: str = "") -> None:
    """Raise `InputError` for the first row (T,) whose year is `wrong`, if there is one."""
    if wrong.any():
        raise InputError(
            source,
            f"line {lines[int(np.argmax(wrong))]}" + (f", {column}" if column else ""),
            f"has a time outside of the years {FIRST_YEAR} to {LAST_YEAR}",
            "Correct the time, or its unit",
        )


def usual_step(times: pd.DatetimeIndex, source: str) -> pd.Timedelta:
    """The most frequent distance of one row to a later one. A file of one row is an `InputError`."""
    if len(times) < 2:
        raise InputError(source, "rows", "one row does not tell how long it lasts", "Give two rows or more")
    apart = np.diff(times.as_unit("ns").astype("int64").to_numpy())
    if not (apart > 0).any():
        raise InputError(source, "rows", "none is later than the one before", "Sort the rows by time")
    distances, counts = np.unique(apart[apart > 0], return_counts=True)
    return pd.Timedelta(int(distances[np.argmax(counts)]), unit="ns")


def _step(rows: LabelledRows) -> pd.Timedelta:
    """The length of a row: as stated by the format, or the most frequent distance of two labels."""
    source, times = rows.source, rows.times
    step = rows.step if rows.step is not None else usual_step(times, source)
    if step < SHORTEST or DAY % step:
        raise InputError(
            source,
            "rows",
            f"are {step.total_seconds():g} s apart, which is shorter than a minute or does not divide a day",
            "Give rows in the order of time, each 1, 5, 10, 15, 30 or 60 minutes after the other",
        )
    return step


def _refuse(rows: LabelledRows, k: int, step: pd.Timedelta) -> None:
    """Raise the `InputError` for row k and the row after it, whose distance is not a step."""
    before, after = rows.times[k], rows.times[k + 1]
    field = f"line {rows.lines[k + 1]}"
    minutes = f"{step.total_seconds() / 60:g} min"
    same = np.flatnonzero(rows.times[:k] == after)
    expected = np.flatnonzero(rows.times == before + step)
    if after == before:
        problem, hint = (
            f"has the same time as line {rows.lines[k]}: {_text(after)}",
            "Keep one of the two; where clocks go back, give the zone, or labels with their offset",
        )
    elif len(same):
        problem, hint = (
            f"has the same time as line {rows.lines[same[0]]}: {_text(after)}; times are in the file twice",
            "Keep the rows of each time once",
        )
    elif after < before:
        problem, hint = (
            f"{_text(after)} is earlier than {_text(before)} of line {rows.lines[k]}: rows are out of order",
            "Sort the rows by time; rows of one hour of a clock change stay together",
        )
    elif len(expected):
        problem, hint = (
            f"{_text(after)} comes before {_text(before + step)} of line {rows.lines[expected[0]]}: "
            "rows are out of order",
            "Sort the rows by time; rows of one hour of a clock change stay together",
        )
    else:
        missing = (after - before) / step - 1
        problem, hint = (
            f"{missing:g} rows of {minutes} are missing between {_text(before)} and {_text(after)}",
            "Fill the gap; Tandem does not guess missing values. At clock changes: check the zone",
        )
    raise InputError(rows.source, field, problem, hint)


def _text(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def means(values: FloatArray, start: pd.Timestamp, step: pd.Timedelta, times: pd.DatetimeIndex) -> FloatArray:
    """Means over evenly spaced `times` (T,) of rows (R,) or (R, n) from `start`, a `step` each.

    Returns (T,) or (T, n). Energy is kept for any step of `times`: equal steps give the rows themselves,
    shorter steps repeat them, longer steps average them. Times have to lie within the rows: callers check it.
    """
    if not len(times):
        return values[:0]
    own = step.value
    first = times.as_unit("ns").astype("int64").to_numpy() - start.as_unit("ns").value
    long = int(first[1] - first[0]) if len(first) > 1 else own
    if long == own and first[0] % own == 0:
        return values[first[0] // own : first[0] // own + len(times)]
    edges = np.append(first, first[-1] + long) / own
    below = np.minimum(edges.astype(np.int64), len(values) - 1)
    rest = (edges - below).reshape(-1, *[1] * (values.ndim - 1))
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    at_edges = sums[below] + rest * values[below]
    return np.asarray(np.diff(at_edges, axis=0) * (own / long))
