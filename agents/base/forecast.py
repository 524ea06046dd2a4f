"""Forecast errors that shrink with the lead time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import lfilter

from tandem_sim.grids.types import FloatArray

MEAN_ABS_NORMAL = float(np.sqrt(2.0 / np.pi))
DAY_AHEAD_HOURS = 24.0
KNOTS_H = np.array([0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 18.0, 24.0, 36.0, 48.0])
"""Lead times between which news arrives independently (hours)."""


@dataclass(frozen=True)
class ForecastErrors:
    """Errors of the forecasts of each area: news that has not arrived yet.

    Between two lead times of `KNOTS_H` an area gets independent news about an ISP; what is still to come is
    the error. It grows with the root of the lead, like a random walk, so the error left at a late gate says
    almost nothing about the error day-ahead: no forecast could be mended by scaling it. News is AR(1) from
    one ISP to the next. The mean absolute error at 24 h is `mape` of the nominal load. Positive: too high.
    """

    mape: float
    size_mw: Mapping[str, float]
    news: Mapping[str, FloatArray]  # per area (n_isp, len(KNOTS_H) - 1), unit variance

    @classmethod
    def draw(
        cls,
        mape: float,
        persistence: float,
        size_mw: Mapping[str, float],
        n_isp: int,
        rngs: Mapping[str, np.random.Generator],
    ) -> ForecastErrors:
        """Draw the news; `persistence` is the AR(1) coefficient from one ISP to the next.

        It is drawn ISP by ISP, so that a longer horizon begins with the news of a shorter one.
        """
        news = {}
        for area in size_mw:
            noise = rngs[area].standard_normal((n_isp, len(KNOTS_H) - 1))  # ISP by ISP: see the docstring
            noise[1:] *= np.sqrt(1.0 - persistence**2)
            news[area] = np.asarray(lfilter([1.0], [1.0, -persistence], noise, axis=0), dtype=np.float64)
        return cls(mape, dict(size_mw), news)

    def error_mw(self, area: str, isp: int, lead_h: float) -> float:
        """Error of a forecast of an area's injection `lead_h` hours ahead (MW); at most 48 h count."""
        scale = self.mape / MEAN_ABS_NORMAL * self.size_mw[area]
        return float(scale * (_shares(lead_h) @ self.news[area][isp]))


@lru_cache(maxsize=1024)  # leads are few: gates stand at fixed times before delivery
def _shares(lead_h: float) -> FloatArray:
    """What news between knots still to come weighs `lead_h` hours ahead, of the error at 24 h."""
    to_come = np.clip(lead_h - KNOTS_H[:-1], 0.0, np.diff(KNOTS_H)) / DAY_AHEAD_HOURS
    return np.sqrt(to_come)
