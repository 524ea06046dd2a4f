from __future__ import annotations

import pandas as pd
import pytest

from tandem_sim.sim.clock.calendar import Calendar


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


def test_a_horizon_may_begin_at_any_hour_and_day() -> None:
    calendar = Calendar.of_days("2016-03-26 18:30", 1, 15, "Europe/Brussels")  # clocks change in the night
    assert calendar.start == pd.Timestamp("2016-03-26 17:30", tz="UTC")
    assert calendar.n_isp == 92  # from 18:30 to 18:30
    (first, evening), (second, rest) = calendar.days()
    assert (len(evening), len(rest)) == (22, 70)
    # Both days clear at noon of the day before them, which for the first lies before the horizon.
    assert calendar.time(first) == pd.Timestamp("2016-03-25 12:00", tz="Europe/Brussels").tz_convert("UTC")
    assert calendar.time(second) == pd.Timestamp("2016-03-26 12:00", tz="Europe/Brussels").tz_convert("UTC")


@pytest.mark.parametrize(
    ("start", "minutes", "zone", "message"),
    [
        ("2016-04-18 06:07", 15, "Europe/Brussels", "between two ISPs"),
        ("2016-03-27 02:30", 15, "Europe/Brussels", "clocks skip it"),
        ("2016-04-02", 60, "Australia/Lord_Howe", "change by less than an ISP"),  # 0:00 would be at half past
        ("2016-10-01", 60, "Australia/Lord_Howe", "change by less than an ISP"),
    ],
)
def test_a_horizon_that_does_not_consist_of_isps_is_refused(
    start: str, minutes: int, zone: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Calendar.of_days(start, 3, minutes, zone)


def test_clock_changes_of_half_an_hour_are_right_in_half_hours() -> None:
    calendar = Calendar.of_days("2016-04-02", 3, 30, "Australia/Lord_Howe")  # the second day has 24.5 hours
    assert [len(day) for _, day in calendar.days()] == [48, 49, 48]
