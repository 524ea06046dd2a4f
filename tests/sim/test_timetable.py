"""When capacity is bought, and for which ISPs: by hand, also on days on which clocks change."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.scenario.market_sections import CapacitySettings, LocalCapacitySettings, LocalNeed
from tandem_sim.sim.timetable import (
    CapacityNeeds,
    blocks_of,
    local_auctions,
    local_hours,
    nominations,
    tenders,
    tso_auctions,
)
from tests.sim.conftest import small_scenario

ZONE = "Europe/Brussels"
NEED = {"area": "D1", "direction": "up", "mw": 0.1, "from_hour": 17, "to_hour": 21}


def _calendar(day: str, days: int = 1) -> Calendar:
    return Calendar.of_days(day, days, 15, ZONE)


def _local(calendar: Calendar, second: int) -> str:
    return str(calendar.time(second).tz_convert(ZONE).tz_localize(None))


def test_the_published_example_of_a_flemish_delivery_day() -> None:
    # ALEXANDER D3.3, figure 3-6: for D = 15 August, 0:00 to 15:59 is bought on D-8 and 16:00 to 23:59 on D-7.
    calendar = _calendar("2016-08-15")
    first, second = local_auctions(calendar, CapacitySettings())
    assert _local(calendar, first[0]) == "2016-08-07 12:00:00"
    assert [(b.start, b.stop) for b in first[1]] == [(0, 16), (16, 32), (32, 48), (48, 64)]
    assert _local(calendar, second[0]) == "2016-08-08 12:00:00"
    assert [(b.start, b.stop) for b in second[1]] == [(64, 80), (80, 96)]


def test_a_local_market_day_like_everybody_elses() -> None:
    local = LocalCapacitySettings(day_starts=0, days_ahead=2)
    calendar = _calendar("2016-08-15", 2)
    found = local_auctions(calendar, CapacitySettings(local=local))
    assert [_local(calendar, s) for s, _ in found] == ["2016-08-13 12:00:00", "2016-08-14 12:00:00"]
    assert [len(blocks) for _, blocks in found] == [6, 6]


@pytest.mark.parametrize(
    ("day", "isps", "first_block"), [("2016-03-27", 92, 12), ("2016-10-30", 100, 20), ("2016-04-18", 96, 16)]
)
def test_blocks_cover_every_isp_once_when_clocks_change(day: str, isps: int, first_block: int) -> None:
    # The block from 0:00 to 4:00 has three hours when clocks go forward, and five when they go back.
    calendar = _calendar(day)
    settings = CapacitySettings()
    ((moment, blocks),) = tso_auctions(calendar, settings)
    before = pd.Timestamp(day) - pd.Timedelta(days=1) + pd.Timedelta(hours=9)
    assert _local(calendar, moment) == str(before)
    assert [isp for block in blocks for isp in block] == list(range(isps))
    assert [len(b) for b in blocks] == [first_block, 16, 16, 16, 16, 16]
    local = [isp for _, part in local_auctions(calendar, settings) for block in part for isp in block]
    assert local == list(range(isps))


def test_blocks_cut_where_a_range_begins_too() -> None:
    hours = local_hours(_calendar("2016-04-18"))
    assert [(b.start, b.stop) for b in blocks_of(range(10, 40), hours, 4)] == [(10, 16), (16, 32), (32, 40)]


def test_nominations_close_the_day_before_and_offers_are_asked_for_an_hour_ahead() -> None:
    calendar = _calendar("2016-10-30", 2)  # the second day begins 25 hours after the first
    moments = nominations(calendar)
    assert [_local(calendar, s) for s, _ in moments] == ["2016-10-29 14:45:00", "2016-10-30 14:45:00"]
    assert [day for _, day in moments] == [range(100), range(100, 196)]
    assert tenders([(7200, [range(4)])]) == [(3600, [range(4)])]


def test_set_points_move_once_a_cycle() -> None:
    for given, complaint in (
        ({"delay_s": 62, "cycle_s": 4}, "reserve.delay_s: must be a multiple of cycle_s 4"),
        ({"delay_s": 900}, "less than the 900 s of an ISP"),
        ({"delay_s": -4}, "delay_s"),
        ({"delay_s": 904}, "delay_s"),
        ({"step_mw": -1.0}, "step_mw"),
        ({"step_mw": float("inf")}, "step_mw"),
    ):
        with pytest.raises(InputError, match=complaint):
            small_scenario(reserve=given)
    assert small_scenario(reserve={"delay_s": 60, "step_mw": 1.0}).reserve.delay_s == 60


def test_a_dso_needs_the_most_of_any_hour_in_a_block() -> None:
    needs = [
        LocalNeed(area="D1", direction="up", mw=0.4, from_hour=17, to_hour=21),
        LocalNeed(area="D1", direction="up", mw=0.7, from_hour=20, to_hour=24),
        LocalNeed(area="D1", direction="down", mw=0.2, from_hour=10, to_hour=14),
        LocalNeed(area="D2", direction="up", mw=9.0, from_hour=0, to_hour=24),
    ]
    settings = CapacitySettings(afrr_up_mw=5.0, mfrr_down_mw=3.0, local=LocalCapacitySettings(needs=needs))
    wanted = CapacityNeeds(settings, local_hours(_calendar("2016-04-18")))
    assert wanted.of_dso("D1", range(64, 80)) == {"LFM": {UP: 0.4, DOWN: 0.0}}  # 16 to 20 h
    assert wanted.of_dso("D1", range(80, 96)) == {"LFM": {UP: 0.7, DOWN: 0.0}}  # 20 to 24 h
    assert wanted.of_dso("D1", range(32, 48)) == {"LFM": {UP: 0.0, DOWN: 0.2}}  # 8 to 12 h
    assert wanted.of_tso == {"aFRR": {UP: 5.0, DOWN: 0.0}, "mFRR": {UP: 0.0, DOWN: 3.0}}
    assert list(wanted.of_tso) == ["aFRR", "mFRR"]  # the stricter one is bought first


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            {"capacity": {"afrr_up_mw": 1.0}},
            "flexibility_register.enabled: must be true, capacity can only be sold",
        ),
        (
            {"flexibility_register": {"enabled": True}, "capacity": {"afrr_up_mw": 1.0}},
            "reserve.enabled: must be true, aFRR capacity",
        ),
        ({"capacity": {"block_hours": 6, "local": {"needs": [NEED]}}}, "must be a multiple of block_hours 6"),
        ({"capacity": {"local": {"days_ahead": 1, "needs": [NEED]}}}, "days_ahead: must be 2 or more"),
        ({"capacity": {"local": {"needs": [{**NEED, "area": "D9"}]}}}, "D9 is no area; known are D1"),
        (
            {"capacity": {"local": {"needs": [{**NEED, "to_hour": 17}]}}},
            "17 must lie before to_hour",
        ),
        ({"conduct": {"double_selling": ["A77"]}}, "A77 is no aggregator"),
        ({"settlement": {"x": 6}}, "x 6 exceeds y 5"),
        ({"flexibility_register": {"valid_days": 1.0}}, "valid_days"),
    ],
)
def test_sections_that_do_not_fit_together_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        small_scenario(**given)
