from __future__ import annotations

import numpy as np
import pytest

from agents.forecast import ForecastErrors


def _errors(mape: float = 0.03) -> ForecastErrors:
    rng = {"D1": np.random.default_rng(3)}
    return ForecastErrors.draw(mape, 0.9, {"D1": 10.0}, 200_000, rng)


def test_the_day_ahead_error_has_the_mape_that_was_asked_for() -> None:
    errors = _errors()
    day_ahead = np.array([errors.error_mw("D1", isp, 24.0) for isp in range(200_000)])
    assert np.abs(day_ahead).mean() == pytest.approx(0.03 * 10.0, rel=0.02)
    assert day_ahead.mean() == pytest.approx(0.0, abs=0.02)


def test_the_error_shrinks_with_the_root_of_the_lead_and_keeps_its_sign() -> None:
    errors = _errors()
    far, near = errors.error_mw("D1", 17, 24.0), errors.error_mw("D1", 17, 6.0)
    assert near == pytest.approx(far / 2.0)
    assert errors.error_mw("D1", 17, 0.0) == 0.0


def test_errors_of_neighbouring_isps_are_correlated_as_asked() -> None:
    path = _errors().path["D1"]
    assert np.corrcoef(path[:-1], path[1:])[0, 1] == pytest.approx(0.9, abs=0.01)
    assert path.std() == pytest.approx(1.0, abs=0.02)


def test_a_perfect_forecast_is_possible() -> None:
    assert _errors(0.0).error_mw("D1", 5, 24.0) == 0.0
