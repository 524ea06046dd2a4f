"""Baselines from a meter's own readings by hand, consumption counting negative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.settlement.baselines import BaselineRules, MeterHistory
from tandem_sim.markets.settlement.day_matching import DayIndex

PER_DAY = 2
"""ISPs a day in these tests: one at 0:00, one at 12:00. Day 0 is a Monday, days 5 and 6 are a weekend."""
NAN = float("nan")


def _history(rules: BaselineRules, n: int = 1, days: int = 60) -> MeterHistory:
    isps = range(days * PER_DAY)
    index = DayIndex(
        {isp: isp // PER_DAY for isp in isps},
        {isp: isp % PER_DAY * 720 for isp in isps},
        {day: day % 7 < 5 for day in range(days)},
    )
    return MeterHistory(n, index, rules)


def _read(history: MeterHistory, isp: int, *mw: float, active: tuple[bool, ...] | bool = False) -> None:
    flags = (active,) * len(mw) if isinstance(active, bool) else active
    history.read(isp, np.array(mw), np.array(flags))


def test_nothing_is_known_of_a_meter_that_was_never_read() -> None:
    history = _history(BaselineRules(), n=2)
    found = history.estimates(0, np.array([-1.0, NAN]))
    assert set(found) == {"schedule", "last_isp", "high_x_of_y", "mbma"}
    assert found["schedule"] == pytest.approx([-1.0, NAN], nan_ok=True)
    for method in ("last_isp", "high_x_of_y", "mbma"):
        assert np.isnan(found[method]).all()


def test_the_schedule_is_what_was_declared() -> None:
    history = _history(BaselineRules(), n=2)
    _read(history, 0, -3.0, -4.0)
    assert history.estimates(1, np.array([-1.0, 2.0]))["schedule"].tolist() == [-1.0, 2.0]


def test_the_last_isp_is_the_last_reading_without_activation_of_each_meter() -> None:
    history = _history(BaselineRules(), n=2)
    none = np.full(2, NAN)
    _read(history, 0, -3.0, -5.0, active=(False, True))
    assert history.estimates(1, none)["last_isp"] == pytest.approx([-3.0, NAN], nan_ok=True)
    _read(history, 1, -4.0, -6.0)
    _read(history, 2, -9.0, -7.0, active=(True, False))
    assert history.estimates(3, none)["last_isp"].tolist() == [-4.0, -7.0]
    _read(history, 3, -9.0, -9.0, active=True)
    assert history.estimates(4, none)["last_isp"].tolist() == [-4.0, -7.0]


def test_an_estimate_once_given_does_not_change_with_later_readings() -> None:
    history = _history(BaselineRules(x=1, y=1))
    _read(history, 0, -3.0)
    before = history.estimates(1, np.full(1, NAN))
    _read(history, 1, -8.0)
    assert before["last_isp"].tolist() == before["mbma"].tolist() == [-3.0]


def test_mbma_is_the_mean_of_the_free_readings_right_before() -> None:
    history, none = _history(BaselineRules(before_isps=3)), np.full(1, NAN)

    def mean() -> float:
        return float(history.estimates(99, none)["mbma"][0])

    expected = [(-2.0, -2.0), (-4.0, -3.0), (-6.0, -4.0), (-8.0, -6.0)]  # the window holds three of them
    for isp, (mw, mbma) in enumerate(expected):
        _read(history, isp, mw)
        assert mean() == pytest.approx(mbma)
    # An activation leaves the window as it was; with the first free reading behind it a new one begins.
    _read(history, 4, -50.0, active=True)
    _read(history, 5, -60.0, active=True)
    assert mean() == pytest.approx(-6.0)
    _read(history, 6, -1.0)
    assert mean() == pytest.approx(-1.0)
    _read(history, 7, -2.0)
    assert mean() == pytest.approx(-1.5)


def test_the_windows_of_meters_are_their_own() -> None:
    history, none = _history(BaselineRules(before_isps=2), n=2), np.full(2, NAN)
    _read(history, 0, -2.0, -2.0)
    _read(history, 1, -4.0, -9.0, active=(False, True))
    _read(history, 2, -6.0, -6.0)
    assert history.estimates(3, none)["mbma"] == pytest.approx([-5.0, -6.0])


def test_high_x_of_y_is_that_of_whole_days() -> None:
    """High 1 of 2 of Monday (5 MW at midnight, 1 MW at noon) and Tuesday (4 MW at both): 5 MW at midnight. At
    noon Tuesday leads, with midnight in the event (8 to 6 MW) as without (4 to 1 MW)."""
    history = _history(BaselineRules(x=1, y=2), n=2)
    for isp, mw in enumerate((-5.0, -1.0, -4.0, -4.0)):
        _read(history, isp, mw, mw)
    none = np.full(2, NAN)
    assert history.estimates(4, none)["high_x_of_y"].tolist() == [-5.0, -5.0]
    _read(history, 4, -9.0, -9.0, active=(True, False))
    assert history.estimates(5, none)["high_x_of_y"].tolist() == [-4.0, -4.0]
    assert history.estimates(5, none)["last_isp"].tolist() == [-4.0, -9.0]


READINGS = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(-8, 8), st.booleans(), st.booleans()), min_size=1, max_size=24
)


@settings(deadline=None, max_examples=60)
@given(READINGS, st.integers(1, 4))
def test_against_a_diary(readings: list[tuple[int, int, bool, bool]], before_isps: int) -> None:
    """What one finds by leafing through the readings of every meter."""
    history = _history(BaselineRules(before_isps=before_isps), n=2)
    for isp, (a, b, on_a, on_b) in enumerate(readings):
        _read(history, isp, float(a), float(b), active=(on_a, on_b))
    found = history.estimates(len(readings), np.full(2, NAN))
    for meter in (0, 1):
        free = {isp: float(r[meter]) for isp, r in enumerate(readings) if not r[2 + meter]}
        last = max(free, default=None)
        run = [] if last is None else [last]
        while run and run[-1] - 1 in free and len(run) < before_isps:
            run.append(run[-1] - 1)
        mean = float(np.mean([free[isp] for isp in run])) if run else NAN
        assert found["last_isp"][meter] == pytest.approx(NAN if last is None else free[last], nan_ok=True)
        assert found["mbma"][meter] == pytest.approx(mean, nan_ok=True)
