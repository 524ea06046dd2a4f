"""Forecast errors that shrink with the lead time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from grids.arrays import FloatArray

MEAN_ABS_NORMAL = float(np.sqrt(2.0 / np.pi))
DAY_AHEAD_HOURS = 24.0


@dataclass(frozen=True)
class ForecastErrors:
    """One error path per area: AR(1) over ISPs, unit variance, scaled by lead time and by the area's size.

    A forecast made `lead_h` hours ahead errs by ``mape / E|N(0,1)| * sqrt(lead_h / 24) * size * path``: the
    day-ahead mean absolute error is `mape` of the area's nominal load, and one path for all leads makes
    forecasts of the same ISP converge instead of jumping about. Positive means the forecast is too high.
    """

    mape: float
    size_mw: Mapping[str, float]
    path: Mapping[str, FloatArray]  # (n_isp,) each

    @classmethod
    def draw(
        cls,
        mape: float,
        persistence: float,
        size_mw: Mapping[str, float],
        n_isp: int,
        rngs: Mapping[str, np.random.Generator],
    ) -> ForecastErrors:
        """Draw the paths; `persistence` is the AR(1) coefficient from one ISP to the next."""
        paths = {}
        for area in size_mw:
            noise = rngs[area].standard_normal(n_isp)
            noise[1:] *= np.sqrt(1.0 - persistence**2)
            paths[area] = np.asarray(lfilter([1.0], [1.0, -persistence], noise), dtype=np.float64)
        return cls(mape, dict(size_mw), paths)

    def error_mw(self, area: str, isp: int, lead_h: float) -> float:
        """Error of the forecast of an area's net injection (MW)."""
        scale = self.mape / MEAN_ABS_NORMAL * np.sqrt(max(lead_h, 0.0) / DAY_AHEAD_HOURS)
        return float(scale * self.size_mw[area] * self.path[area][isp])
