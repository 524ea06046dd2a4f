"""Baselines: what a meter would have shown unasked, estimated from its readings.

Sources: "last quarter-hour" and "High X of Y" after Elia's study on baseline methodologies of 2021 (not
checked against its text; X and Y are options here); "meter before / meter after" in the sense of NAESB:
readings of a period before the activation against those during it; schedule: what the provider declared
ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tandem_sim.grids.arrays import BoolArray, FloatArray

Method = Literal["counterfactual", "schedule", "last_isp", "high_x_of_y", "mbma"]
ESTIMATES: tuple[Method, ...] = ("schedule", "last_isp", "high_x_of_y", "mbma")


@dataclass(frozen=True)
class BaselineRules:
    """Parameters of the estimates: days X of Y, their correction to the day, and the window of `mbma`."""

    x: int = 4
    y: int = 5
    adjusted: bool = False  # shift by how far the last reading before activation was off
    before_isps: int = 4


@dataclass(frozen=True)
class DayIndex:
    """Number of the local day and clock time (minutes) of every ISP, and which days are working days."""

    day: Mapping[int, int]
    clock: Mapping[int, int]
    working: Mapping[int, bool]


@dataclass
class MeterHistory:
    """Readings (MW, injection positive) of n meters and which of them were free of activation.

    Only free readings are evidence of what a meter shows unasked.
    """

    n: int
    days: DayIndex
    rules: BaselineRules
    _recent: FloatArray = field(init=False)  # (before_isps, n) free readings in a row, the latest first
    _was_free: BoolArray = field(init=False)
    _by_day: dict[int, dict[int, FloatArray]] = field(
        default_factory=dict
    )  # day -> clock -> (n,), nan: not free
    _gap: FloatArray = field(init=False)  # last free reading minus the estimate for its own ISP

    def __post_init__(self) -> None:
        self._recent = np.full((max(self.rules.before_isps, 1), self.n), np.nan)
        self._was_free = np.zeros(self.n, dtype=bool)
        self._gap = np.full(self.n, np.nan)

    def read(self, isp: int, metered_mw: FloatArray, active: BoolArray) -> None:
        """Enter the readings (n,) of an ISP; `active` (n,) says which meters were activated."""
        free = ~active
        if self.rules.adjusted:
            gap = metered_mw - self._high_x_of_y(isp)
            self._gap = np.where(free, gap, self._gap)
        shifted = np.vstack([metered_mw, self._recent[:-1]])
        alone = np.full_like(self._recent, np.nan)
        alone[0] = metered_mw
        self._recent = np.where(free, np.where(self._was_free, shifted, alone), self._recent)
        self._was_free = free
        day = self.days.day[isp]
        self._by_day.setdefault(day, {})[self.days.clock[isp]] = np.where(free, metered_mw, np.nan)
        kept = 7 * ((self.rules.y + 1) // 2) + 1  # days within which Y days of a weekend lie
        for old in [d for d in self._by_day if d < day - kept]:
            del self._by_day[old]

    def estimates(self, isp: int, declared_mw: FloatArray) -> dict[Method, FloatArray]:
        """Every estimate of the baselines in an ISP, (n,) each, nan where there is nothing to go by.

        ``last_isp``: the last free reading. ``mbma``: the mean of up to `before_isps` free readings in a row
        that end with it. ``high_x_of_y``: the mean of the X highest in consumption of the last Y free
        readings at the same time on days of the same kind. ``schedule``: `declared_mw` (n,).
        """
        known = np.isfinite(self._recent)
        total = np.where(known, self._recent, 0.0).sum(axis=0)
        mean = np.divide(total, known.sum(axis=0), out=np.full(self.n, np.nan), where=known.any(axis=0))
        highest = self._high_x_of_y(isp)
        if self.rules.adjusted:
            highest = highest + np.where(np.isfinite(self._gap), self._gap, 0.0)
        return {
            "schedule": declared_mw,
            "last_isp": self._recent[0].copy(),
            "high_x_of_y": highest,
            "mbma": mean,
        }

    def _high_x_of_y(self, isp: int) -> FloatArray:
        today, clock = self.days.day[isp], self.days.clock[isp]
        kind = self.days.working[today]
        past = [
            self._by_day[d][clock]
            for d in sorted(self._by_day, reverse=True)
            if d < today and self.days.working[d] == kind and clock in self._by_day[d]
        ]
        if not past:
            return np.full(self.n, np.nan)
        readings = np.array(past)
        free = np.isfinite(readings)
        readings = np.where(free & (np.cumsum(free, axis=0) <= self.rules.y), readings, np.nan)
        best = np.sort(readings, axis=0)[
            : self.rules.x
        ]  # injection is positive: most consumption comes first
        count = np.isfinite(best).sum(axis=0)
        total = np.where(np.isfinite(best), best, 0.0).sum(axis=0)
        mean = np.divide(total, count, out=np.full(self.n, np.nan), where=count > 0)
        return np.asarray(mean, dtype=np.float64)
