"""Forecast errors that shrink with the lead time, and forecasts that are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import lfilter

from tandem_sim.grids.types import FloatArray, IntArray

MEAN_ABS_NORMAL = float(np.sqrt(2.0 / np.pi))
DAY_AHEAD_HOURS = 24.0
ForecastErrorNow = Callable[[str, int], float]
"""Error (MW, positive: too high) of the forecast that is made now for an area's injection in an ISP."""
KNOTS_H = np.array([0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 18.0, 24.0, 36.0, 48.0])
"""Lead times (hours) that bound the intervals of independent forecast updates."""


@dataclass(frozen=True)
class ForecastErrors:
    """Forecast errors of each area: the sum of the updates that have not arrived yet.

    Between two lead times of `KNOTS_H` an area gets an independent update about an ISP; the updates still to
    come are the error. It grows with the root of the lead time, like a random walk, so the error at a late
    gate says almost nothing about the error day-ahead: no forecast could be improved by scaling it. Updates
    are AR(1) from one ISP to the next. The mean absolute error at 24 h is `mape` of the nominal load.
    Positive: forecast too high.
    """

    mape: float
    size_mw: Mapping[str, float]
    updates: Mapping[str, FloatArray]  # per area (n_isp, len(KNOTS_H) - 1), unit variance

    @classmethod
    def draw(
        cls,
        mape: float,
        persistence: float,
        size_mw: Mapping[str, float],
        n_isp: int,
        rngs: Mapping[str, np.random.Generator],
    ) -> ForecastErrors:
        """Draw the updates; `persistence` is the AR(1) coefficient from one ISP to the next.

        They are drawn ISP by ISP, so that a longer horizon begins with the updates of a shorter one.
        """
        updates = {}
        for area in size_mw:
            noise = rngs[area].standard_normal((n_isp, len(KNOTS_H) - 1))  # ISP by ISP: see the docstring
            noise[1:] *= np.sqrt(1.0 - persistence**2)
            updates[area] = np.asarray(lfilter([1.0], [1.0, -persistence], noise, axis=0), dtype=np.float64)
        return cls(mape, dict(size_mw), updates)

    def error_mw(self, area: str, isp: int, lead_h: float) -> float:
        """Error (MW) of the forecast of an area's injection `lead_h` hours ahead; from 48 h on constant."""
        scale = self.mape / MEAN_ABS_NORMAL * self.size_mw[area]
        return float(scale * (_shares(lead_h) @ self.updates[area][isp]))


@dataclass(frozen=True)
class GivenForecast:
    """Forecasts of the net injection of one area, sorted by ISP and second of issue; arrays (R,).

    `first` (T + 1,) is the place of the first row of every ISP.
    """

    issued_s: IntArray
    net_mw: FloatArray
    first: IntArray

    def at(self, isp: int, now_s: int) -> float:
        """Net injection (MW) by the last forecast of an ISP that is issued by now."""
        begin, end = int(self.first[isp]), int(self.first[isp + 1])
        place = begin + int(np.searchsorted(self.issued_s[begin:end], now_s, side="right")) - 1
        return float(self.net_mw[max(place, begin)])


@lru_cache(maxsize=1024)  # few lead times: gates have fixed times before delivery
def _shares(lead_h: float) -> FloatArray:
    """Weight of each update still to come `lead_h` hours ahead, relative to the error at 24 h."""
    to_come = np.clip(lead_h - KNOTS_H[:-1], 0.0, np.diff(KNOTS_H)) / DAY_AHEAD_HOURS
    return np.sqrt(to_come)
