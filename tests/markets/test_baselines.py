"""Baselines from a meter's own readings: every method by hand, consumption counting negative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.arrays import FloatArray
from tandem_sim.markets.baselines import BaselineRules, DayIndex, MeterHistory

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


def _noon(day: int) -> int:
    return day * PER_DAY + 1


def _high(history: MeterHistory, isp: int) -> list[float]:
    found: FloatArray = history.estimates(isp, np.full(history.n, NAN))["high_x_of_y"]
    return [float(x) for x in found]


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


def test_high_2_of_3_takes_the_highest_consumption_at_the_same_hour() -> None:
    history = _history(BaselineRules(x=2, y=3))
    # Monday to Thursday at noon: 9, 1, 4, 2 MW of consumption; at midnight always 7 MW.
    for day, mw in enumerate((-9.0, -1.0, -4.0, -2.0)):
        _read(history, day * PER_DAY, -7.0)
        assert _high(history, _noon(day)) == pytest.approx([[NAN], [-9.0], [-5.0], [-6.5]][day], nan_ok=True)
        _read(history, _noon(day), mw)
    # On Friday the last three are 1, 4 and 2: the highest two are 4 and 2. Monday's 9 is too old.
    assert _high(history, _noon(4)) == pytest.approx([-3.0])
    assert _high(history, 4 * PER_DAY) == pytest.approx([-7.0])


def test_injection_is_the_opposite_of_consumption_there_too() -> None:
    history = _history(BaselineRules(x=2, y=3))
    for day, mw in enumerate((5.0, -1.0, 3.0)):
        _read(history, _noon(day), mw)
    assert _high(history, _noon(3)) == pytest.approx([1.0])  # of 5, -1 and 3 those are -1 and 3


def test_days_of_activation_are_passed_over_for_older_ones() -> None:
    history = _history(BaselineRules(x=2, y=3), n=2)
    for day, mw in enumerate((-9.0, -1.0, -4.0, -2.0)):
        _read(history, _noon(day), mw, mw, active=(False, day == 2))
    # The second meter was called on Wednesday: its last three free days are 2, 1 and 9.
    assert _high(history, _noon(4)) == pytest.approx([-3.0, -5.5])


def test_today_is_no_evidence_for_today() -> None:
    history = _history(BaselineRules(x=1, y=1))
    _read(history, _noon(0), -3.0)
    assert np.isnan(_high(history, _noon(0))).all()


def test_working_days_and_weekends_do_not_mix() -> None:
    history = _history(BaselineRules(x=2, y=3))
    for day in range(5):
        _read(history, _noon(day), -1.0)
    assert np.isnan(_high(history, _noon(5))).all()  # no Saturday is known yet
    _read(history, _noon(5), -8.0)
    assert _high(history, _noon(6)) == pytest.approx([-8.0])
    _read(history, _noon(6), -6.0)
    assert _high(history, _noon(7)) == pytest.approx([-1.0])  # Monday looks back on the week before
    assert _high(history, _noon(12)) == pytest.approx([-7.0])


def test_the_adjustment_adds_how_far_the_last_free_reading_was_off() -> None:
    plain, shifted = (_history(BaselineRules(x=2, y=3, adjusted=on)) for on in (False, True))
    for history in (plain, shifted):
        for day, mw in enumerate((-4.0, -6.0)):
            _read(history, day * PER_DAY, -2.0)
            _read(history, _noon(day), mw)
        # On Wednesday midnight shows 3 MW where 2 MW were estimated: 1 MW more consumption than usual.
        _read(history, 2 * PER_DAY, -3.0)
    assert _high(plain, _noon(2)) == pytest.approx([-5.0])
    assert _high(shifted, _noon(2)) == pytest.approx([-6.0])
    # The activation at noon teaches nothing: at the next midnight the same shift holds. Of 2, 2 and 3 MW the
    # highest two are 3 and 2 MW.
    for history in (plain, shifted):
        _read(history, _noon(2), -99.0, active=True)
    assert _high(plain, 3 * PER_DAY) == pytest.approx([-2.5])
    assert _high(shifted, 3 * PER_DAY) == pytest.approx([-3.5])


def test_without_an_estimate_to_compare_with_there_is_no_adjustment() -> None:
    history = _history(BaselineRules(x=1, y=1, adjusted=True))
    _read(history, 0, -2.0)
    _read(history, _noon(0), -5.0)
    assert _high(history, _noon(1)) == pytest.approx([-5.0])


def test_readings_of_long_ago_are_dropped() -> None:
    history = _history(BaselineRules(x=9, y=9))
    _read(history, _noon(0), -50.0)
    for day in range(1, 40):
        _read(history, day * PER_DAY, -1.0)
        assert len(history._by_day) <= 38  # nine days of weekends lie within five weeks
    assert np.isnan(_high(history, _noon(40))).all()  # six weeks ago counts no more


def test_on_a_saturday_five_days_of_a_weekend_are_remembered_as_on_any_other_day() -> None:
    """High 4 of 5 looks back on Sunday, Saturday, Sunday, Saturday, Sunday: the last of them 20 days ago."""
    history = _history(BaselineRules(x=5, y=5))
    for day in range(26):
        weekend = {26 - 20: -6.0, 26 - 14: -5.0, 26 - 13: -4.0, 26 - 7: -3.0, 26 - 6: -2.0}
        _read(history, _noon(day), weekend.get(day, -100.0))
    assert 26 % 7 == 5
    assert _high(history, _noon(26)) == pytest.approx([-4.0])


READINGS = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(-8, 8), st.booleans(), st.booleans()), min_size=1, max_size=24
)


@settings(deadline=None, max_examples=60)
@given(READINGS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
def test_against_a_diary(
    readings: list[tuple[int, int, bool, bool]], x: int, more: int, before_isps: int
) -> None:
    """Every estimate of every meter is what one finds by leafing through its readings."""
    history = _history(BaselineRules(x, x + more, before_isps=before_isps), n=2)
    none = np.full(2, NAN)
    for isp, (a, b, on_a, on_b) in enumerate(readings):
        _read(history, isp, float(a), float(b), active=(on_a, on_b))
    now = len(readings)
    found = history.estimates(now, none)
    for meter in (0, 1):
        free = {isp: float(r[meter]) for isp, r in enumerate(readings) if not r[2 + meter]}
        last = max(free, default=None)
        run = [] if last is None else [last]
        while run and run[-1] - 1 in free and len(run) < before_isps:
            run.append(run[-1] - 1)
        kind = now // PER_DAY % 7 < 5
        alike = [
            mw
            for isp, mw in sorted(free.items(), reverse=True)
            if (now - isp) % PER_DAY == 0 and isp // PER_DAY < now // PER_DAY
            and (isp // PER_DAY % 7 < 5) == kind
        ]  # fmt: skip
        best = sorted(alike[: x + more])[:x]
        expected = {
            "last_isp": free[last] if last is not None else NAN,
            "mbma": float(np.mean([free[isp] for isp in run])) if run else NAN,
            "high_x_of_y": float(np.mean(best)) if best else NAN,
        }
        for method, mw in expected.items():
            assert found[method][meter] == pytest.approx(mw, nan_ok=True)  # type: ignore[index]
