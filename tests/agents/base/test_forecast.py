from __future__ import annotations

import numpy as np
import pytest

from tandem_sim.agents.base.forecast import ForecastErrors

N = 100_000


def _errors(mape: float = 0.03, persistence: float = 0.9) -> ForecastErrors:
    rng = {"D1": np.random.default_rng(3)}
    return ForecastErrors.draw(mape, persistence, {"D1": 10.0}, N, rng)


def _series(errors: ForecastErrors, lead_h: float) -> np.ndarray:
    return np.array([errors.error_mw("D1", isp, lead_h) for isp in range(N)])


def test_the_day_ahead_error_has_the_mape_that_was_asked_for() -> None:
    day_ahead = _series(_errors(), 24.0)
    assert np.abs(day_ahead).mean() == pytest.approx(0.03 * 10.0, rel=0.02)
    assert day_ahead.mean() == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("lead_h", [0.208, 1.0, 6.0, 36.0])
def test_the_error_grows_with_the_root_of_the_lead(lead_h: float) -> None:
    errors = _errors()
    ratio = _series(errors, lead_h).std() / _series(errors, 24.0).std()
    assert ratio == pytest.approx(np.sqrt(lead_h / 24.0), rel=0.03)


def test_what_is_left_at_a_late_gate_does_not_follow_from_the_day_ahead_error() -> None:
    # A random walk: the slope of the error at lead a on that at lead b > a is a / b, here 0.25 h / 24 h.
    errors = _errors()
    late, early = _series(errors, 0.25), _series(errors, 24.0)
    assert (late @ early) / (early @ early) == pytest.approx(0.25 / 24.0, abs=0.005)


def test_errors_of_neighbouring_isps_are_correlated_as_asked() -> None:
    series = _series(_errors(), 24.0)
    assert np.corrcoef(series[:-1], series[1:])[0, 1] == pytest.approx(0.9, abs=0.01)


def test_no_error_is_left_at_delivery_or_with_a_perfect_forecast() -> None:
    assert _errors().error_mw("D1", 17, 0.0) == 0.0
    assert _errors(0.0).error_mw("D1", 5, 24.0) == 0.0
