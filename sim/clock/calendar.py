"""Imbalance settlement periods and the time they stand for. UTC inside, the scenario's zone at the edges."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

DAY_AHEAD_HOUR = 12
"""Day-ahead schedules close at D-1 12:00 local time."""


@dataclass(frozen=True)
class Calendar:
    """ISPs of a horizon, labelled by their start and counted from 0. `start` and `end` are UTC."""

    start: pd.Timestamp
    end: pd.Timestamp
    isp_minutes: int
    zone: str

    @classmethod
    def of_days(cls, start: str, days: int, isp_minutes: int, zone: str) -> Calendar:
        """`days` local days from a local time to the same local time; 92 or 100 quarters on clock changes.

        Raises ValueError for a start between two ISPs or in a skipped hour of a clock change, and where
        clocks change by less than an ISP: half an hour on Lord Howe Island.
        """
        first = pd.Timestamp(start)
        if (first - first.normalize()) % pd.Timedelta(minutes=isp_minutes):
            raise ValueError(f"{start} lies between two ISPs of {isp_minutes} minutes")
        begin, end = _utc(first, zone), _utc(first + pd.Timedelta(days=days), zone)
        if begin.tz_convert(zone).tz_localize(None) != first != first.normalize():
            raise ValueError(f"{start} does not exist in {zone}: clocks skip it")
        calendar = cls(begin, end, isp_minutes, zone)
        times = pd.date_range(begin, end, freq=f"{isp_minutes}min")
        ahead = times.tz_convert(zone).tz_localize(None) - times.tz_localize(None)
        if times[-1] != end or len(set(ahead % pd.Timedelta(minutes=isp_minutes))) > 1:
            raise ValueError(
                f"clocks of {zone} change by less than an ISP of {isp_minutes} minutes within the horizon"
            )
        return calendar

    @property
    def isp_seconds(self) -> int:
        """Length of an ISP in seconds."""
        return 60 * self.isp_minutes

    @property
    def n_isp(self) -> int:
        """Number of ISPs in the horizon."""
        return int((self.end - self.start).total_seconds()) // self.isp_seconds

    @property
    def isp_hours(self) -> float:
        """Length of an ISP in hours."""
        return self.isp_minutes / 60.0

    def times(self) -> pd.DatetimeIndex:
        """Start of every ISP in UTC."""
        return pd.date_range(self.start, periods=self.n_isp, freq=f"{self.isp_minutes}min")

    def seconds(self, isp: int) -> int:
        """Seconds from the scenario's start to the start of an ISP."""
        return isp * self.isp_seconds

    def time(self, seconds: int) -> pd.Timestamp:
        """UTC time of a second of the clock."""
        return self.start + pd.Timedelta(seconds=seconds)

    def isp_of(self, time: pd.Timestamp) -> int:
        """The ISP that holds a tz-aware moment; a moment outside the horizon is a ValueError."""
        isp = int((time - self.start) // pd.Timedelta(minutes=self.isp_minutes))
        if not 0 <= isp < self.n_isp:
            raise ValueError(f"{time} lies outside the horizon {self.start} .. {self.end}")
        return isp

    def days(self) -> list[tuple[int, range]]:
        """Local days as (second of the day-ahead gate, ISPs of the day); fewer or more on clock changes."""
        local = self.times().tz_convert(self.zone)
        found: list[tuple[int, range]] = []
        dates = pd.Series(local.date)
        for date, group in dates.groupby(dates):
            before = pd.Timestamp(str(date)) - pd.Timedelta(days=1) + pd.Timedelta(hours=DAY_AHEAD_HOUR)
            gate = self.utc(before)
            second = int((gate - self.start).total_seconds())
            found.append((second, range(int(group.index[0]), int(group.index[-1]) + 1)))
        return found

    def utc(self, local: pd.Timestamp) -> pd.Timestamp:
        """UTC of a local time; the first of two on a clock change, the clock change itself if skipped."""
        return _utc(local, self.zone)


def _utc(local: pd.Timestamp, zone: str) -> pd.Timestamp:
    """UTC of a local time; the first of two on a clock change, the clock change itself if skipped."""
    return local.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")
