"""Which days are working days, by laws and time zone tables; clock times where clocks change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest

from tandem_sim.experiments.runs.scenario import parse_scenario
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.clock.public_holidays import check_code, country_of, public_holidays
from tandem_sim.sim.delivery.meters import day_index
from tests.sim.conftest import HOURLY, SMALL, small_scenario, table

NEW_YEAR, NEW_YEARS_EVE = date(2016, 1, 1), date(2016, 12, 31)


def _of_2016(code: str, zone: str = "UTC") -> frozenset[date]:
    return public_holidays(code, zone, NEW_YEAR, NEW_YEARS_EVE)


def test_belgian_holidays_are_those_of_the_law() -> None:
    """The ten days of the royal decree of 18 April 1974, as they fell in 2016; two were Sundays."""
    fixed = [(1, 1), (5, 1), (7, 21), (8, 15), (11, 1), (11, 11), (12, 25)]
    law = {date(2016, month, day) for month, day in fixed}
    law |= {date(2016, 3, 28), date(2016, 5, 5), date(2016, 5, 16)}  # Easter Monday, Ascension, Whit Monday
    found = _of_2016("BE")
    assert law <= found
    assert {day for day in found if day.weekday() < 5} == {day for day in law if day.weekday() < 5}
    assert len({day for day in law if day.weekday() < 5}) == 8


def test_parts_of_a_country_have_holidays_of_their_own() -> None:
    """Corpus Christi (26 May 2016) is one in North Rhine-Westphalia and not in Berlin."""
    assert _of_2016("DE-NW") - _of_2016("DE") == {date(2016, 5, 26), date(2016, 11, 1)}
    assert date(2016, 5, 26) not in _of_2016("DE-BE")
    assert date(2016, 10, 3) in _of_2016("DE")


def test_every_year_of_a_horizon_has_its_holidays() -> None:
    found = public_holidays("BE", "UTC", date(2015, 12, 24), date(2016, 1, 3))
    assert {date(2015, 12, 25), date(2016, 1, 1)} <= found


@pytest.mark.parametrize(
    ("zone", "country"),
    [("Europe/Brussels", "BE"), ("Europe/Amsterdam", "NL"), ("Europe/Busingen", "DE"), ("UTC", None)],
)
def test_a_time_zone_lies_in_a_country(zone: str, country: str | None) -> None:
    assert country_of(zone) == country
    assert _of_2016("zone", zone) == (_of_2016(country) if country else frozenset())
    assert _of_2016("none", zone) == frozenset()


def test_every_country_with_a_time_zone_has_holidays() -> None:
    text = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    countries = {line[:2] for line in text.splitlines() if line[0] != "#"}
    assert len(countries) > 240
    for country in countries:
        assert check_code(country) == country
        public_holidays(country, "UTC", NEW_YEAR, NEW_YEAR)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("XX", "XX is not zone, none or a country by its two letters"),
        ("Belgium", "Belgium is not zone"),
        ("be", "be is not zone"),
        ("", " is not zone"),
        ("DE-ZZ", "DE-ZZ: ZZ is no part of DE with holidays of its own.*NW"),
        ("DE-", "is no part of DE"),
        ("LU-X", "X is no part of LU with holidays of its own. Use LU"),
        (False, "valid string"),
        (None, "valid string"),
    ],
)
def test_a_code_that_stands_for_nothing_is_refused(code: object, complaint: str) -> None:
    with pytest.raises(InputError, match=f"settlement.holidays.*{complaint}"):
        small_scenario(settlement={"holidays": code})


def test_norway_is_written_in_quotes() -> None:
    text = SMALL.read_text(encoding="utf-8")
    assert "settlement:" not in text
    assert parse_scenario(f'{text}\nsettlement: {{holidays: "NO"}}\n', "a.yaml").settlement.holidays == "NO"
    with pytest.raises(InputError, match=r'is NO, which YAML 1\.1 reads as true or false.*"NO" in quotes'):
        parse_scenario(f"{text}\nsettlement: {{holidays: NO}}\n", "a.yaml")


def test_saturdays_sundays_and_holidays_are_no_working_days() -> None:
    """From Friday 13 May 2016 on; the 16th is Whit Monday."""
    calendar = Calendar.of_days("2016-05-13", 5, 15, "Europe/Brussels")
    assert list(day_index(calendar).working.values()) == [True, False, False, True, True]
    found = day_index(calendar, _of_2016("BE"))
    assert list(found.working.values()) == [True, False, False, False, True]
    assert (found.day[0], found.day[95], found.day[96], found.clock[96 + 49]) == (0, 0, 1, 735)


@pytest.mark.parametrize(("first", "isps"), [("2016-03-26", 92), ("2016-10-29", 100)])
def test_noon_is_noon_before_and_after_clocks_change(first: str, isps: int) -> None:
    """On the second of three days clocks change by an hour in Belgium."""
    index = day_index(Calendar.of_days(first, 3, 15, "Europe/Brussels"))
    clocks = [[index.clock[i] for i, d in index.day.items() if d == day] for day in range(3)]
    assert [len(c) for c in clocks] == [96, isps, 96]
    assert clocks[0] == clocks[2] == list(range(0, 1440, 15))
    assert sorted(set(clocks[1])) == [c for c in clocks[0] if isps == 100 or not 120 <= c < 180]
    assert sum(120 <= c < 180 for c in clocks[1]) == (8 if isps == 100 else 0)


@pytest.mark.parametrize(("first", "isps"), [("2016-04-02", 49), ("2016-10-01", 47)])
def test_half_hours_keep_their_clock_where_clocks_change_by_half_an_hour(first: str, isps: int) -> None:
    """Lord Howe Island: in autumn 1:30 comes twice, in spring 2:00 is skipped."""
    index = day_index(Calendar.of_days(first, 3, 30, "Australia/Lord_Howe"))
    clocks = [[index.clock[i] for i, d in index.day.items() if d == day] for day in range(3)]
    assert [len(c) for c in clocks] == [48, isps, 48]
    assert clocks[0] == clocks[2] == list(range(0, 1440, 30))
    assert clocks[1] == sorted(clocks[0] + [90]) if isps == 49 else [c for c in clocks[0] if c != 120]


def test_a_run_goes_by_the_holidays_of_its_country(small_run: Callable[..., Path]) -> None:
    """Whit Monday is like the Sunday before it; without holidays nothing is known of a Monday."""
    given = {**HOURLY, "start": "2016-05-15", "days": 2}

    def covered(**settlement: object) -> int:
        folder = small_run(**given, settlement={"baseline": "high_x_of_y", **settlement})
        rows = table(folder, "baselines")
        return int(rows[(rows.method == "high_x_of_y") & (rows.isp >= 24)].covered.sum())

    assert covered() > 0
    assert covered(holidays="none") == 0
