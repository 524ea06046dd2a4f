from __future__ import annotations

import pandas as pd
import pytest

from tandem_sim.sim.calendar import Calendar


@pytest.mark.parametrize(
    ("day", "isps"), [("2016-03-26", 96), ("2016-03-27", 92), ("2016-10-30", 100), ("2016-07-01", 96)]
)
def test_a_local_day_has_92_96_or_100_quarters(day: str, isps: int) -> None:
    assert Calendar.of_days(day, 1, 15, "Europe/Brussels").n_isp == isps


def test_isps_are_labelled_by_their_start_and_found_again() -> None:
    calendar = Calendar.of_days("2016-10-29", 3, 15, "Europe/Brussels")
    assert calendar.start == pd.Timestamp("2016-10-28 22:00", tz="UTC")
    assert calendar.n_isp == 96 + 100 + 96
    times = calendar.times()
    assert len(times) == calendar.n_isp
    assert times.is_unique
    for isp in (0, 1, 150, calendar.n_isp - 1):
        assert calendar.isp_of(times[isp]) == isp
        assert calendar.isp_of(times[isp] + pd.Timedelta(minutes=14)) == isp
        assert calendar.time(calendar.seconds(isp)) == times[isp]


def test_a_moment_outside_the_horizon_is_an_error() -> None:
    calendar = Calendar.of_days("2016-07-01", 1, 15, "Europe/Brussels")
    with pytest.raises(ValueError, match="outside the horizon"):
        calendar.isp_of(calendar.end)


def test_days_cover_every_isp_once_and_gates_stand_at_noon_local_time() -> None:
    calendar = Calendar.of_days("2016-03-26", 3, 15, "Europe/Brussels")
    days = calendar.days()
    assert [len(day) for _, day in days] == [96, 92, 96]
    assert [isp for _, day in days for isp in day] == list(range(calendar.n_isp))
    # Noon of the day before: 12 h before the first midnight; 11 h of lead are missing when an hour is.
    for (second, day), local in zip(days, ("2016-03-25", "2016-03-26", "2016-03-27"), strict=True):
        assert calendar.time(second) == pd.Timestamp(f"{local} 12:00", tz="Europe/Brussels").tz_convert("UTC")
        assert second < calendar.seconds(day.start)


@pytest.mark.parametrize(
    ("day", "zone", "first", "isps"),
    [
        ("2016-10-16", "America/Sao_Paulo", "2016-10-16 03:00", 92),  # 00:00 to 01:00 is skipped
        ("2016-03-27", "Asia/Beirut", "2016-03-26 22:00", 92),
        ("2016-11-06", "America/Havana", "2016-11-06 04:00", 100),  # 00:00 comes twice
    ],
)
def test_a_midnight_that_does_not_exist_or_comes_twice(day: str, zone: str, first: str, isps: int) -> None:
    calendar = Calendar.of_days(day, 1, 15, zone)
    assert calendar.start == pd.Timestamp(first, tz="UTC")
    assert [len(isp) for _, isp in calendar.days()] == [isps]
