"""A series of one year read in another: by season, weekday and public holiday."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

from tandem_sim.grids.types import IntArray

Holidays = Callable[[str, date, date], frozenset[date]]
"""Public holidays where a time zone lies, from the year of one date to that of another."""
FULL_YEAR = 364
"""Least number of whole days of a series that is read in other years: a year in another zone lacks one."""
_SUNDAY = 6
_LEAP_YEAR = 366


def no_holidays(zone: str, first: date, last: date) -> frozenset[date]:
    """No public holidays at all: only weekdays count."""
    return frozenset()


def days_in_other_year(
    dates: pd.DatetimeIndex,
    zone: str,
    source_dates: pd.DatetimeIndex,
    source_zone: str,
    holidays: Holidays = no_holidays,
) -> pd.DatetimeIndex:
    """The day of the source that each date (D,) takes.

    It is the day of the same kind that is nearest in the season, of two the earlier. Kinds are the weekdays
    from Monday to Saturday, and Sundays together with public holidays. The season is the month and the day of
    the month, and the year is a circle: 1 January is next to 31 December. 29 February has a place in every
    year, so a year without one skips it.
    """
    kinds = _kinds(dates, zone, holidays)
    source_kinds = _kinds(source_dates, source_zone, holidays)
    season, source_season = _season(dates), _season(source_dates)
    taken = np.empty(len(dates), dtype=np.int64)
    for kind in np.unique(kinds):
        which, known = kinds == kind, np.flatnonzero(source_kinds == kind)
        apart = np.abs(season[which][:, None] - source_season[known][None, :])
        apart = np.minimum(apart, _LEAP_YEAR - apart)
        taken[which] = known[np.argmin(apart, axis=1)]
    return source_dates[taken]


def rows_in_other_year(
    times: pd.DatetimeIndex,
    zone: str,
    source: pd.DatetimeIndex,
    source_zone: str,
    holidays: Holidays = no_holidays,
) -> IntArray:
    """The row of the source that each of the `times` (T,), UTC, takes; `source` (R,): its times, UTC.

    The day is that of `days_in_other_year`, the hour the same on the clocks of both zones. In the hour that
    occurs twice in autumn both read the same rows; an hour that clocks of the source skipped reads the hour
    after it.
    """
    local = times.tz_convert(zone).tz_localize(None)
    dates = local.normalize()
    unique = pd.DatetimeIndex(dates.unique())
    days = days_in_other_year(unique, zone, whole_days(source, source_zone), source_zone, holidays)
    there = days[unique.get_indexer(dates)] + (local - dates)
    utc = there.tz_localize(
        source_zone, ambiguous=np.ones(len(there), dtype=bool), nonexistent="shift_forward"
    ).tz_convert("UTC")
    return np.asarray(source.searchsorted(utc, side="right") - 1, dtype=np.int64)


def whole_days(source: pd.DatetimeIndex, zone: str) -> pd.DatetimeIndex:
    """Local dates that the source covers from midnight to midnight; `source` (R,) is UTC, evenly spaced."""
    step = source[1] - source[0]
    first, end = source[0].tz_convert(zone), (source[-1] + step).tz_convert(zone)
    start = first.normalize() if first == first.normalize() else first.normalize() + pd.DateOffset(days=1)
    return pd.date_range(start.tz_localize(None), end.normalize().tz_localize(None), inclusive="left")


def _kinds(dates: pd.DatetimeIndex, zone: str, holidays: Holidays) -> IntArray:
    """Weekday (D,), 0 Monday to 6 Sunday; public holidays are Sundays."""
    free = holidays(zone, dates[0].date(), dates[-1].date())
    closed = np.array([day.date() in free for day in dates])
    return np.where(closed, _SUNDAY, dates.weekday).astype(np.int64)


def _season(dates: pd.DatetimeIndex) -> IntArray:
    """Day of the year (D,) as it is in a leap year, 0 to 365."""
    place = dates.dayofyear.to_numpy(dtype=np.int64) - 1
    return place + np.where(~dates.is_leap_year & (dates.month > 2), 1, 0)
