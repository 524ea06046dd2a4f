"""Measured profiles: their time, their scale, and refused input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.errors import ProfileError
from tandem_sim.grids.io import profiles
from tandem_sim.grids.io.profiles import full_load_hours, measured, span


def _times(start: str, periods: int, minutes: int = 15) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=periods, freq=f"{minutes}min", tz="UTC")


def test_span_is_the_german_year_2016_in_utc() -> None:
    first, last = span()
    assert first == pd.Timestamp("2015-12-31 23:00", tz="UTC")
    assert last == pd.Timestamp("2016-12-31 23:00", tz="UTC")


@pytest.mark.parametrize(
    ("group", "low", "high"),
    [
        (profiles.HOUSEHOLD, 1.0, 1.0),
        (profiles.COMMERCIAL, 1.0, 1.0),
        (profiles.HEAT_PUMP, 1.0, 1.0),
        (profiles.EV_HOME, 0.99, 1.0),
        (profiles.PV, 0.58, 0.64),
    ],
)
def test_peaks_are_as_documented(group: tuple[str, ...], low: float, high: float) -> None:
    values = measured(group, _times("2015-12-31 23:00", 366 * 96))
    assert values.shape == (366 * 96, len(group))
    assert (values >= 0).all()
    assert (values.max(axis=0) >= low).all()
    assert (values.max(axis=0) <= high).all()
    np.testing.assert_allclose(values.sum(axis=0) / 4, full_load_hours(group), rtol=1e-12)


def test_solar_noon_does_not_jump_with_summer_time() -> None:
    """The centroid of all PV in UTC differs by minutes, not by an hour, across both clock changes."""

    def centroid(start: str) -> float:
        times = _times(start, 14 * 96)
        power = measured(profiles.PV, times).sum(axis=1)
        hours = times.hour.to_numpy() + times.minute.to_numpy() / 60 + 0.125
        return float((power * hours).sum() / power.sum())

    assert abs(centroid("2016-03-13") - centroid("2016-03-27 12:00")) < 0.4
    assert abs(centroid("2016-10-16") - centroid("2016-10-30 12:00")) < 0.5
    # Solar noon in Germany is near 11:20 UTC; the published columns lead it by about an hour.
    assert 10.0 < centroid("2016-06-13") < 11.0


def test_offices_open_by_the_wall_clock() -> None:
    """G1-B opens at 07:00 label time: 06:00 UTC before the clock change, 05:00 UTC after."""
    winter = measured(["G1-B"], _times("2016-03-21", 5 * 96)).reshape(5, 96).mean(axis=0)
    summer = measured(["G1-B"], _times("2016-04-04", 5 * 96)).reshape(5, 96).mean(axis=0)
    np.testing.assert_array_less(winter[20:24], 0.2)
    np.testing.assert_array_less(0.2, summer[20:24])


@pytest.mark.parametrize("minutes", [5, 30, 60])
def test_other_steps_conserve_energy(minutes: int) -> None:
    names = ["H0-A", "PV3"]
    native = measured(names, _times("2016-05-01", 96))
    other = measured(names, _times("2016-05-01", 1440 // minutes, minutes))
    np.testing.assert_allclose(other.sum(axis=0) * minutes, native.sum(axis=0) * 15, rtol=1e-10)


def test_five_minutes_hold_and_half_hours_average() -> None:
    native = measured(["H0-B"], _times("2016-05-01", 4))[:, 0]
    thirds = measured(["H0-B"], _times("2016-05-01", 12, 5))[:, 0]
    np.testing.assert_allclose(thirds, np.repeat(native, 3), atol=1e-9)
    halves = native.reshape(2, 2).mean(axis=1)
    np.testing.assert_allclose(measured(["H0-B"], _times("2016-05-01", 2, 30))[:, 0], halves, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(start=st.integers(0, 360 * 1440), minutes=st.integers(1, 180), count=st.integers(1, 40))
def test_any_window_carries_the_energy_of_its_parts(start: int, minutes: int, count: int) -> None:
    begin = span()[0] + pd.Timedelta(minutes=start)
    coarse = measured(["H0-C"], pd.date_range(begin, periods=2, freq=f"{minutes * count}min"))[0, 0]
    fine = measured(["H0-C"], pd.date_range(begin, periods=count + 1, freq=f"{minutes}min"))[:count, 0]
    assert coarse == pytest.approx(fine.mean(), abs=1e-9)


def test_last_step_of_the_year_is_served_and_the_next_refused() -> None:
    assert measured(["PV1"], _times("2016-12-31 22:45", 1)).shape == (1, 1)
    assert measured(["PV1"], _times("2016-12-31 22:00", 1, 60)).shape == (1, 1)
    with pytest.raises(ProfileError, match="2016-12-31 23:00"):
        measured(["PV1"], _times("2016-12-31 22:45", 2))
    with pytest.raises(ProfileError, match="2015-12-31 23:00"):
        measured(["PV1"], _times("2015-12-31 22:45", 2))


def test_unknown_names_are_listed_with_the_known() -> None:
    with pytest.raises(
        ProfileError, match=r"names: unknown profile 'H0-X' \(did you mean H0-L\?\); known are H0-A"
    ):
        measured(["H0-A", "H0-X"], _times("2016-05-01", 4))


def test_naive_and_irregular_times_are_refused() -> None:
    with pytest.raises(ProfileError, match="no time zone"):
        measured(["H0-A"], pd.date_range("2016-05-01", periods=4, freq="15min"))
    with pytest.raises(ProfileError, match="evenly spaced"):
        measured(["H0-A"], _times("2016-05-01", 4)[[0, 1, 3]])
