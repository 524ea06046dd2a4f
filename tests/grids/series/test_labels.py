"""Local labels in UTC. EU clocks change at 01:00 UTC on the last Sundays of March and October."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.labels import in_utc

BRUSSELS = "Europe/Brussels"


def _utc(labels: list[str], zone: str = BRUSSELS, ordered: bool = True) -> list[str]:
    index = pd.DatetimeIndex(pd.to_datetime(labels))
    found = in_utc(index, zone, np.arange(2, 2 + len(labels)), "town.csv", "time", ordered)
    return [f"{time:%m-%dT%H:%M}" for time in found]


def test_summer_and_winter_time() -> None:
    assert _utc(["2019-01-15 12:00", "2019-07-15 12:00"]) == ["01-15T11:00", "07-15T10:00"]
    assert _utc(["2019-07-15 12:00"], "Etc/GMT-1") == ["07-15T11:00"]


def test_the_hour_that_occurs_twice_in_autumn() -> None:
    """27 October 2019, 02:00 to 03:00: 00:00 to 01:00 UTC in summer time, then 01:00 to 02:00 UTC."""
    hours = ["2019-10-27 01:00", "2019-10-27 02:00", "2019-10-27 02:00", "2019-10-27 03:00"]
    assert _utc(hours) == ["10-26T23:00", "10-27T00:00", "10-27T01:00", "10-27T02:00"]
    halves = [f"2019-10-27 02:{m}" for m in ("00", "30", "00", "30")]
    assert _utc(halves) == ["10-27T00:00", "10-27T00:30", "10-27T01:00", "10-27T01:30"]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["2019-03-31 01:00", "2019-03-31 02:00"], "line 3, time: 2019-03-31 02:00:00 does not exist"),
        (["2019-10-27 02:00", "2019-10-27 03:00"], "line 2, time: 2019-10-27 02:00:00 occurs once"),
        (["2019-10-27 02:00"] * 3, "occurs 3 times"),
    ],
)
def test_wrong_clock_changes_are_refused(labels: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        _utc(labels)


def test_unordered_labels_of_that_hour_are_refused() -> None:
    with pytest.raises(InputError, match="offset from UTC"):
        _utc(["2019-10-27 02:00", "2019-10-27 02:00"], ordered=False)


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(InputError, match="Did you mean Europe/Brussels"):
        _utc(["2019-01-01"], "Europe/Brusels")


@pytest.mark.parametrize("zone", ["Factory", "Nowhere", "x" * 10**5])
def test_zones_that_clocks_do_not_have_end_in_a_short_message(zone: str) -> None:
    """``Factory`` of the IANA list stands for a computer without a zone."""
    with pytest.raises(InputError, match="is no time zone") as found:
        _utc(["2019-01-01"], zone)
    assert len(str(found.value)) < 250


def test_a_name_like_none_gets_an_example() -> None:
    with pytest.raises(InputError, match=r"IANA list, such as Europe/Brussels"):
        _utc(["2019-01-01"], "qqqq")


def test_the_two_hours_of_two_years_are_told_apart() -> None:
    """27 October 2019 and 25 October 2020, one after the other."""
    days = [f"{day} 02:00" for day in ("2019-10-27", "2020-10-25") for _ in range(2)]
    assert _utc(days) == ["10-27T00:00", "10-27T01:00", "10-25T00:00", "10-25T01:00"]
