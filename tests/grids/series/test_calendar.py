"""Days of 2016 read in other years. Right values from the calendar: 18 April 2019 was a Thursday."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.grids.io.profiles import HOUSEHOLD, measured, span
from tandem_sim.grids.published.read import read_series
from tandem_sim.grids.series.calendar import days_in_other_year, rows_in_other_year, whole_days
from tandem_sim.grids.series.profiles import OwnProfile, Profiles
from tandem_sim.grids.series.series import means
from tandem_sim.grids.series.tables import TableFormat
from tandem_sim.sim.clock.public_holidays import ZONE, public_holidays

BERLIN = "Europe/Berlin"
YEAR = pd.date_range("2016-01-01", "2016-12-31")


def _holidays(zone: str, first: date, last: date) -> frozenset[date]:
    return public_holidays(ZONE, zone, first, last)


def _day(text: str, *, holidays: bool = True) -> str:
    given = {"holidays": _holidays} if holidays else {}
    found = days_in_other_year(pd.DatetimeIndex([text]), BERLIN, YEAR, BERLIN, **given)
    return f"{found[0]:%Y-%m-%d}"


def test_the_nearest_day_of_the_same_weekday() -> None:
    assert _day("2019-04-18") == "2016-04-21"  # Thursdays; 14 April is a day further away
    assert _day("2019-07-13") == "2016-07-16"  # Saturdays
    assert _day("2020-02-29") == "2016-02-27"  # Saturdays; 29 February 2016 was a Monday
    assert _day("2018-01-01", holidays=False) == "2016-01-04"  # Mondays
    assert _day("2019-12-31", holidays=False) == "2016-12-27"  # Tuesdays; 5 January is five days away


def test_public_holidays_are_sundays() -> None:
    """Labour Day, 1 May 2019, was a Wednesday; 1 May 2016 was a Sunday, and a holiday too."""
    assert _day("2019-05-01", holidays=False) == "2016-05-04"
    assert _day("2019-05-01") == "2016-05-01"
    assert _day("2018-10-03") == "2016-10-03"  # Unity Day: a Monday in 2016, a holiday in both years
    assert (
        _day("2017-10-02") == "2016-09-26"
    )  # a working Monday; 3 October 2016 was none, 10 October is further


def test_every_day_of_five_years_takes_a_day_of_its_kind_within_days() -> None:
    dates = pd.date_range("2017-01-01", "2021-12-31")
    found = days_in_other_year(dates, BERLIN, YEAR, BERLIN)
    assert (found.weekday == dates.weekday).all()
    same = pd.DatetimeIndex([date.replace(year=2016) for date in dates])
    apart = np.abs((found - same).days.to_numpy())
    assert np.minimum(apart, 366 - apart).max() <= 4  # half a week, and a day where the year closes


def test_hours_are_those_of_the_clock() -> None:
    """At 18:00 in Brussels, summer and winter, the row is that of 18:00 in Germany."""
    times = pd.DatetimeIndex(["2019-01-15 17:00", "2019-07-15 16:00"]).tz_localize("UTC")
    source = pd.date_range(*span(), freq="15min", inclusive="left")
    rows = rows_in_other_year(times, "Europe/Brussels", source, BERLIN)
    there = source[rows].tz_convert(BERLIN)
    assert [f"{time:%H:%M %a}" for time in there] == ["18:00 Tue", "18:00 Mon"]


def test_days_of_clock_changes_are_read_through() -> None:
    """28 March 2021 has 23 hours, 31 October 2021 has 25: no row is missing, the repeated hour repeats."""
    profiles = Profiles(zone="Europe/Brussels")
    for start, end, hours in (
        ("2021-03-27T23:00Z", "2021-03-28T22:00Z", 23),
        ("2021-10-30T22:00Z", "2021-10-31T23:00Z", 25),
    ):
        times = pd.date_range(start, end, freq="h", inclusive="left")
        assert len(times) == hours
        values = profiles.at(["H0-A"], times)[:, 0]
        assert np.isfinite(values).all()
        if hours == 25:
            np.testing.assert_allclose(
                values[2], values[3], rtol=1e-12
            )  # 02:00 in summer time, and again in winter time


def test_inside_the_measured_year_nothing_changes() -> None:
    times = pd.date_range("2016-03-26", periods=192, freq="15min", tz="UTC")
    np.testing.assert_array_equal(Profiles().at(HOUSEHOLD, times), measured(HOUSEHOLD, times))


def test_a_horizon_that_leaves_the_measured_year() -> None:
    """31 December 2016 is read as it is; from 2017-01-01 00:00 on the clocks, days of 2016 follow."""
    times = pd.date_range("2016-12-31T22:00Z", periods=8, freq="15min")
    found = Profiles(zone=BERLIN).at(["H0-A"], times)[:, 0]
    np.testing.assert_array_equal(found[:4], measured(["H0-A"], times[:4])[:, 0])
    sunday = pd.date_range("2016-01-02T23:00Z", periods=4, freq="15min")  # 1 January 2017: the nearest Sunday
    np.testing.assert_array_equal(found[4:], measured(["H0-A"], sunday)[:, 0])


def test_five_minutes_and_hours_keep_energy_in_other_years() -> None:
    day = [
        pd.date_range("2019-05-06T22:00Z", "2019-05-07T22:00Z", freq=f, inclusive="left")
        for f in ("5min", "15min", "h")
    ]
    energies = [float(Profiles().at(["G0-A"], times).mean()) for times in day]
    np.testing.assert_allclose(energies, energies[0], rtol=1e-12)


def test_whole_days_of_a_series() -> None:
    times = pd.date_range("2019-03-30T12:00Z", "2019-04-02T12:00Z", freq="h", inclusive="left")
    assert [f"{day:%m-%d}" for day in whole_days(times, BERLIN)] == ["03-31", "04-01"]


def _own(start: str, values: list[float], step: str, **more: object) -> Profiles:
    given = {"aligned": False, "full_load_hours": None, "energy_checked": False, **more}
    profile = OwnProfile(
        source="own.csv",
        unit="MW",
        values=np.array(values),
        start=pd.Timestamp(start),
        step=pd.Timedelta(step),
        **given,  # type: ignore[arg-type]
    )
    return Profiles(zone="UTC", own={"own": profile})


def test_margins_of_a_short_series_are_read_by_days() -> None:
    """Two days of hours 0..47: the day before takes the first day, the day after the second."""
    profiles = _own("2019-05-01T00:00Z", [float(k) for k in range(48)], "1h")
    times = pd.date_range("2019-05-01T00:00Z", periods=48, freq="h")
    around = profiles.around(["own"], times, 24, 24)[:, 0]
    assert around.tolist() == [*range(24), *range(48), *range(24, 48)]
    assert profiles.around(["own"], times, 0, 168)[48:, 0].tolist() == [*[*range(24, 48)] * 5, *range(48)]


def test_means_repeat_and_average() -> None:
    start, hour = pd.Timestamp("2019-05-01T00:00Z"), pd.Timedelta(hours=1)
    values = np.array([1.0, 3.0, 5.0, 7.0])
    half = pd.date_range("2019-05-01T01:00Z", periods=4, freq="30min")
    assert means(values, start, hour, half).tolist() == [3.0, 3.0, 5.0, 5.0]
    double = pd.date_range("2019-05-01T00:00Z", periods=2, freq="2h")
    assert means(values, start, hour, double).tolist() == [2.0, 6.0]


def test_a_time_is_read_the_same_whatever_the_horizon() -> None:
    """Over the end of the measured year, and beyond the ends of a short series: one day against nine."""
    for start in ("2016-12-29T23:00Z", "2015-12-31T23:00Z"):
        days = [pd.date_range(start, periods=96 * n, freq="15min") for n in (1, 9)]
        short, long = (Profiles(zone=BERLIN).around(["H0-A"], times, 96, 21 * 96) for times in days)
        np.testing.assert_array_equal(short[: 96 * 2], long[: 96 * 2])
    profiles = _own("2019-05-01T00:00Z", [float(k) for k in range(240)], "1h")
    days = [pd.date_range("2019-05-01T00:00Z", periods=24 * n, freq="h") for n in (1, 9)]
    short, long = (profiles.around(["own"], times, 48, 0)[:72] for times in days)
    np.testing.assert_array_equal(short, long)


@pytest.mark.parametrize("written", ["UTC", "Etc/GMT-1", "Europe/Brussels"])
def test_aligned_series_follow_the_clock_of_the_scenario_however_they_are_written(
    written: str, tmp_path: Path
) -> None:
    """A year whose values are the hours of the clock in Brussels: 18:00 is 18:00 in summer and in winter."""
    times = pd.date_range("2019-01-01", "2020-01-01", freq="h", tz="Europe/Brussels", inclusive="left")
    labels = times.tz_convert(written).strftime("%Y-%m-%d %H:%M")
    pd.DataFrame({"time": labels, "hour": times.hour}).to_csv(tmp_path / "year.csv", index=False)
    series = read_series(tmp_path / "year.csv", TableFormat(zone=written))
    profile = OwnProfile(
        source="year.csv",
        unit="MW",
        values=series.column("hour"),
        start=series.start,
        step=series.step,
        aligned=True,
        full_load_hours=None,
        energy_checked=False,
    )
    profiles = Profiles(zone="Europe/Brussels", own={"hour": profile})
    local = pd.DatetimeIndex(["2023-01-17 18:00", "2023-07-18 18:00"], tz="Europe/Brussels")
    found = [profiles.at(["hour"], pd.DatetimeIndex([time]).tz_convert("UTC"))[0, 0] for time in local]
    assert found == [18.0, 18.0]
