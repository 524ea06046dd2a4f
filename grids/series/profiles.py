"""Profiles by name: measured ones of SimBench, and series of one's own, at any times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import ProfileError
from tandem_sim.grids.io.profiles import (
    LABEL_ZONE,
    check_names,
    full_load_hours,
    measured,
    span,
    step_of,
)
from tandem_sim.grids.series.calendar import Holidays, no_holidays, rows_in_other_year
from tandem_sim.grids.series.series import means
from tandem_sim.grids.types import FloatArray, IntArray

MW, PER_UNIT, PRICE = "MW", "p.u.", "EUR/MWh"
WEEK, DAY = pd.Timedelta(days=7), pd.Timedelta(days=1)
HOURS_A_YEAR = 8760.0
EARLY = 4 * WEEK
"""Time before the measured year in which its first week is read: shifted households start there."""


@dataclass(frozen=True, kw_only=True)
class OwnProfile:
    """A series of one's own: values (R,) in `unit`, from `start` (UTC) on, a `step` each.

    `aligned`: it is read in other years than its own. `full_load_hours`: its energy
    of a year divided by 1 p.u. or 1 MW; None where the file does not tell, being shorter than a year.
    `energy_checked`: the user stated its energy, and it agrees.
    """

    source: str
    unit: str  # MW, p.u. or EUR/MWh
    values: FloatArray
    start: pd.Timestamp
    step: pd.Timedelta
    aligned: bool
    full_load_hours: float | None
    energy_checked: bool

    @property
    def end(self) -> pd.Timestamp:
        """First instant after the last row."""
        return self.start + len(self.values) * self.step

    def times(self) -> pd.DatetimeIndex:
        """Start of every row."""
        return pd.date_range(self.start, periods=len(self.values), freq=self.step)


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """All profiles of a scenario whose days are those of `zone`.

    The measured year is read as it is; at times outside of it, and for aligned profiles of one's own, each
    day takes a day of that year (`tandem_sim.grids.series.calendar`).
    """

    zone: str = LABEL_ZONE
    own: Mapping[str, OwnProfile] = field(default_factory=dict)
    holidays: Holidays = no_holidays

    def check(self, names: Sequence[str]) -> None:
        """Raise `ProfileError` for a name that is no profile."""
        check_names(names, self.own)

    def at(self, names: Sequence[str], times: pd.DatetimeIndex) -> FloatArray:
        """Profiles at left-labelled, evenly spaced UTC `times`, means over each step; (T, n).

        Measured profiles and those in p.u. are to be multiplied by a rating; others are MW or EUR/MWh. Raises
        `ProfileError` for an unknown name, and for times that a profile does not cover.
        """
        self.check(names)
        found = np.empty((len(times), len(names)))
        given = [k for k, name in enumerate(names) if name not in self.own]
        if given:
            found[:, given] = self._measured([names[k] for k in given], times)
        for k, name in enumerate(names):
            if name in self.own:
                found[:, k] = self._own(name, times)
        return found

    def around(self, names: Sequence[str], times: pd.DatetimeIndex, before: int, after: int) -> FloatArray:
        """The same from `before` steps before the `times` to `after` after them; (before + T + after, n).

        Beyond the ends of a series that is not aligned, its nearest week is read at the same weekday and
        hour; of a series too short for that, the nearest day at the same hour. Raises `ProfileError` as `at`.
        """
        self.check(names)
        step = step_of(times)
        found = np.empty((before + len(times) + after, len(names)))
        groups: dict[tuple[int, int] | None, list[int]] = {}
        for k, name in enumerate(names):
            groups.setdefault(self._extent(name, times), []).append(k)
        for extent, which in groups.items():
            rows = np.arange(-before, len(times) + after)
            if extent is not None:
                rows = _folded(rows, *extent, step)
            first, last = int(rows.min()), int(rows.max()) + 1
            index = pd.date_range(times[0] + first * step, periods=last - first, freq=step)
            found[:, which] = self.at([names[k] for k in which], index)[rows - first]
        return found

    def unit(self, names: Sequence[str], field_name: str = "names") -> str:
        """The common unit of some profiles. Raises `ProfileError` for different ones."""
        self.check(names)
        units = {name: self.own[name].unit if name in self.own else PER_UNIT for name in names}
        if len(set(units.values())) > 1:
            listed = ", ".join(f"{name} in {unit}" for name, unit in units.items())
            raise ProfileError(f"{field_name}: profiles in different units cannot be added ({listed})")
        return next(iter(units.values()), PER_UNIT)

    def full_load_hours(self, names: Sequence[str]) -> FloatArray:
        """Energy of a year divided by 1 p.u. (or MW) of each profile (n,), h.

        Raises `ProfileError` for a series of one's own that is shorter than a year and does not state it.
        """
        self.check(names)
        hours = np.empty(len(names))
        given = [k for k, name in enumerate(names) if name not in self.own]
        hours[given] = full_load_hours([names[k] for k in given])
        for k, name in enumerate(names):
            if name in self.own:
                own = self.own[name]
                if own.full_load_hours is None:
                    raise ProfileError(
                        f"{name}: {own.source} is shorter than a year, so its energy of a year is not known; "
                        "give full_load_hours"
                    )
                if own.full_load_hours <= 0.0:
                    raise ProfileError(f"{name}: {own.source} has no energy; give a profile above zero")
                hours[k] = own.full_load_hours
        return hours

    def range_of(self, name: str) -> FloatArray:
        """Lowest and highest value of a whole profile (2,)."""
        values = self.own[name].values if name in self.own else self.year([name])
        return np.array([values.min(), values.max()])

    def year(self, names: Sequence[str]) -> FloatArray:
        """The measured year of SimBench profiles, all rows of 15 minutes; (35136, n)."""
        return measured(names, pd.date_range(*span(), freq="15min", inclusive="left"))

    def _measured(self, names: Sequence[str], times: pd.DatetimeIndex) -> FloatArray:
        begin, end = span()
        if not len(times) or (times[0] >= begin and times[-1] + step_of(times) <= end):
            return measured(names, times)
        year = pd.date_range(begin, end, freq="15min", inclusive="left")
        grid = _grid(times, begin, pd.Timedelta(minutes=15))
        inside = (grid >= begin) & (grid < end)
        rows = np.empty(len(grid), dtype=np.int64)
        rows[inside] = year.get_indexer(grid[inside])
        early = (grid < begin) & (grid >= begin - EARLY)
        rows[early] = year.get_indexer(grid[early] + EARLY) % (WEEK // pd.Timedelta(minutes=15))
        other = ~inside & ~early
        if other.any():
            rows[other] = rows_in_other_year(grid[other], self.zone, year, LABEL_ZONE, self.holidays)
        return means(measured(names, year)[rows], grid[0], pd.Timedelta(minutes=15), times)

    def _own(self, name: str, times: pd.DatetimeIndex) -> FloatArray:
        own = self.own[name]
        if own.aligned:
            grid = _grid(times, own.start, own.step)
            inside = (grid >= own.start) & (grid < own.end)
            rows = np.asarray((grid - own.start) // own.step, dtype=np.int64)
            rows[~inside] = rows_in_other_year(
                grid[~inside], self.zone, own.times(), self.zone, self.holidays
            )
            return means(own.values[rows], grid[0], own.step, times)
        end = times[-1] + step_of(times)
        if times[0] < own.start or end > own.end:
            raise ProfileError(
                f"{name}: {own.source} covers {_text(own.start)} to {_text(own.end)}, needed are "
                f"{_text(times[0])} to {_text(end)}; move start and days, or give year: aligned for a series "
                "that is to be read in other years"
            )
        return means(own.values, own.start, own.step, times)

    def _extent(self, name: str, times: pd.DatetimeIndex) -> tuple[int, int] | None:
        """First row of a series of one's own, counted in steps from `times`, and the row after its last.

        None for a profile that can be read at any time. It depends on the series alone: the same time is read
        in the same way whatever the horizon, so that a short run is the beginning of a long one.
        """
        own = self.own.get(name)
        if own is None or own.aligned:
            return None
        step = step_of(times)
        return -int((times[0] - own.start) // step), int((own.end - times[0]) // step)


def _grid(times: pd.DatetimeIndex, start: pd.Timestamp, step: pd.Timedelta) -> pd.DatetimeIndex:
    """Rows of a step, in phase with `start`, that cover the `times`."""
    first = start + (times[0] - start) // step * step
    last = times[-1] + step_of(times)
    return pd.date_range(first, first + -((first - last) // step) * step, freq=step, inclusive="left")


def _folded(rows: IntArray, low: int, high: int, step: pd.Timedelta) -> IntArray:
    """Rows moved into low..high - 1 by whole weeks, where none fits by whole days, else to the nearest."""
    found = rows
    for period in (DAY, WEEK):
        width = round(period / step)
        moved = np.where(rows < low, rows + -((rows - low) // width) * width, rows)
        moved = np.where(rows >= high, rows - -(-(rows + 1 - high) // width) * width, moved)
        found = np.where((moved >= low) & (moved < high), moved, found)
    return np.clip(found, low, high - 1)


def _text(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
