"""High X of Y: a baseline from whole days of the same kind.

Of the last Y days of the same kind (working or not) without activation, the X of highest mean consumption
over the hours of the event are chosen, and their readings averaged ISP by ISP. As an option this mean is
shifted by its mean error from 5 to 2 hours before the event. It is the standard baseline "High 4 of 5
(with same-day adjustment)" of Japan's guideline for aggregators (METI, Energy Resource Aggregation Business
guideline of 1 June 2020, chapter 2): days lie within 30 days, and of those with the lowest mean the most
distant drops out. NYISO's customer baseline load (highest 5 of 10) and Elia's High X of Y choose whole days
too. METI's choice of days was checked in pages that quote it; its hours of adjustment, and the statements on
NYISO and Elia, were not checked against their texts.

Deviations, where a simulation cannot follow these rules or they do not fit its meters:

* An event is a run of ISPs of one local day in which a meter is activated. What is settled is not revised, so
  in each of its ISPs the hours of the event are those up to and with this ISP: one ISP in its first.
* Days are left out for activation in the hours of the event, not at any hour: units here are called
  on most days.
* Nothing is left out for low consumption (METI and NYISO: below 25 % of the mean), because meters here
  may inject, and a mean around zero has no meaningful share. For the same reason the adjustment is METI's, a
  difference, and not NYISO's, a factor from 0.8 to 1.2.
* X and Y are the same for both kinds of day. Yesterday counts; NYISO begins two days before the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.grids.types import BoolArray, FloatArray

LOOK_BACK_DAYS = 30
"""Days searched: this many, or as many as contain Y days of weekends, if that is more."""
WINDOW_MINUTES = (300, 120)
"""The adjustment uses the ISPs between these two times before the event."""


@dataclass(frozen=True)
class DayIndex:
    """Number of the local day and clock time (minutes) of every ISP, and which days are working days.

    ISPs of different days at the same time of day have the same clock time.
    """

    day: Mapping[int, int]
    clock: Mapping[int, int]
    working: Mapping[int, bool]
    isp_minutes: int = 15


@dataclass(kw_only=True)
class DayMatching:
    """Readings (MW, injection positive) of n meters by day and clock time, and their present events."""

    n: int
    days: DayIndex
    x: int
    y: int
    adjusted: bool
    _by_day: dict[int, dict[int, FloatArray]] = field(default_factory=dict)
    """day -> clock -> (n,), nan: no reading without activation."""
    _today: int = -1
    _past: list[int] = field(default_factory=list)  # days of today's kind, the latest first
    _event: FloatArray = field(init=False)  # (days, n) sum of readings over the event so far, 0: none
    _gap: FloatArray = field(init=False)  # (days, n) mean of today minus that day, in the window

    def estimate(self, isp: int) -> FloatArray:
        """Baselines (n,) of meters that are activated in an ISP, nan where no day is known.

        With fewer than Y eligible days the X highest of those count, with fewer than X all of them. A meter
        without a reading in the window of adjustment, today or on the chosen days, is not adjusted.
        """
        self._open(self.days.day[isp])
        now = self._past_at(self.days.clock[isp])
        if not self._past:
            return np.full(self.n, np.nan)
        event = self._event + now
        eligible = np.isfinite(event)
        latest = eligible & (np.cumsum(eligible, axis=0) <= self.y)
        event = np.where(latest, event, np.inf)  # most consumption is least injection
        chosen = np.argsort(event, axis=0, kind="stable")[: self.x]  # of equals, the later day
        counted = np.take_along_axis(latest, chosen, axis=0)
        found = _mean(np.take_along_axis(now, chosen, axis=0), counted)
        if not self.adjusted:
            return found
        gap = np.take_along_axis(self._gap, chosen, axis=0)
        shift = _mean(gap, counted & np.isfinite(gap))
        return found + np.where(np.isfinite(shift), shift, 0.0)

    def read(self, isp: int, metered_mw: FloatArray, active: BoolArray) -> None:
        """Enter the readings (n,) of an ISP; `active` (n,) marks activated meters."""
        day, clock = self.days.day[isp], self.days.clock[isp]
        self._open(day)
        self._event = np.where(active, self._event + self._past_at(clock), 0.0)
        self._by_day.setdefault(day, {})[clock] = np.where(active, np.nan, metered_mw)
        if self.adjusted:
            self._gap = np.where(active, self._gap, self._gap_before(isp + 1))

    def _open(self, day: int) -> None:
        """Begin a new day: drop days that are too old, and end all events."""
        if day == self._today:
            return
        self._today = day
        kept = max(LOOK_BACK_DAYS, 7 * ((self.y + 1) // 2) + 1)
        for old in [d for d in self._by_day if d < day - kept]:
            del self._by_day[old]
        kind = self.days.working[day]
        self._past = [d for d in sorted(self._by_day, reverse=True) if self.days.working[d] == kind]
        self._event = np.zeros((len(self._past), self.n))
        self._gap = np.full((len(self._past), self.n), np.nan)

    def _past_at(self, clock: int) -> FloatArray:
        """Free readings at a clock time on days of today's kind, (days, n), the latest day first."""
        missing = np.full(self.n, np.nan)
        rows = [self._by_day[d].get(clock, missing) for d in self._past]
        return np.array(rows).reshape(len(rows), self.n)

    def _gap_before(self, isp: int) -> FloatArray:
        """Mean of today minus each past day (days, n), in the window before an event that begins with `isp`.

        Only ISPs count in which the meter was free of activation, both today and on the past day.
        """
        first, last = WINDOW_MINUTES
        minutes, today = self.days.isp_minutes, self._by_day[self._today]
        total = np.zeros((len(self._past), self.n))
        count = np.zeros_like(total)
        for before in range(isp - first // minutes, isp - -(-last // minutes)):
            clock = self.days.clock.get(before, -1)
            if self.days.day.get(before) != self._today or clock not in today:
                continue
            gap = today[clock] - self._past_at(clock)
            known = np.isfinite(gap)
            total += np.where(known, gap, 0.0)
            count += known
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _mean(values: FloatArray, counted: BoolArray) -> FloatArray:
    """Mean over the first axis of the values that count, nan where none does."""
    total = np.where(counted, values, 0.0).sum(axis=0)
    count = counted.sum(axis=0)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(mean, dtype=np.float64)
