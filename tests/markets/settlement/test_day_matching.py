"""High X of Y worked by hand after the published rules (METI, NYISO), and against leafing through a diary.

Loads are written as consumption, in MW; meters count injection positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.settlement.day_matching import DayIndex, DayMatching

Loads = Mapping[int, Sequence[float]]
NAN = float("nan")


def _matching(
    x: int, y: int, adjusted: bool = False, minutes: int = 60, n: int = 1, free: Sequence[int] = ()
) -> DayMatching:
    """Days of 24 hours from a Monday on; days 5, 6, 12, 13 .. and those of `free` are no working days."""
    per_day = 1440 // minutes
    isps = range(60 * per_day)
    index = DayIndex(
        {isp: isp // per_day for isp in isps},
        {isp: isp % per_day * minutes for isp in isps},
        {day: day % 7 < 5 and day not in free for day in range(60)},
        minutes,
    )
    return DayMatching(n=n, days=index, x=x, y=y, adjusted=adjusted)


def _isp(matching: DayMatching, day: int, time: str) -> int:
    hour, minute = map(int, time.split(":"))
    minutes = matching.days.isp_minutes
    return day * (1440 // minutes) + (60 * hour + minute) // minutes


def _read(matching: DayMatching, day: int, loads: Mapping[str, float], active: Sequence[str] = ()) -> None:
    """A day of one meter: consumption by clock time, 1 MW where none is given; times of activation."""
    minutes = matching.days.isp_minutes
    for isp in range(_isp(matching, day, "0:00"), _isp(matching, day + 1, "0:00")):
        clock = matching.days.clock[isp]
        time = f"{clock // 60}:{clock % 60:02d}"
        assert clock % minutes == 0
        matching.read(isp, np.array([-loads.get(time, 1.0)]), np.array([time in active]))


def _settled(
    matching: DayMatching, day: int, begin: str, end: str, loads: Mapping[str, float] | None = None
) -> list[float]:
    """Consumption estimated in each ISP of an event from `begin` to `end`; `loads` are those of that day."""
    found = []
    for isp in range(_isp(matching, day, "0:00"), _isp(matching, day, end)):
        clock = matching.days.clock[isp]
        on = isp >= _isp(matching, day, begin)
        if on:
            found.append(-float(matching.estimate(isp)[0]))
        mw = (loads or {}).get(f"{clock // 60}:{clock % 60:02d}", 1.0)
        matching.read(isp, np.array([-mw]), np.array([on]))
    return found


def _hours(*mw: float) -> dict[str, float]:
    return dict(zip(("13:00", "14:00", "15:00"), mw, strict=True))


def test_four_whole_days_of_five_are_chosen_by_their_mean_over_the_event() -> None:
    """METI's High 4 of 5; the event is from 13:00 to 16:00 on the second Monday.

    ========= ====== ====== ====== ======
    day       13:00  14:00  15:00  mean
    Monday      200    100    600    300
    Tuesday     310    320    330    320
    Wednesday   340    350    330    340
    Thursday    330    330    360    340
    Friday      320    340    360    340
    ========= ====== ====== ====== ======

    Monday has the least mean and drops out, although nothing exceeds its 600 MW at 15:00. The others average
    1300 / 4, 1340 / 4 and 1380 / 4. (The highest four readings at 15:00 by themselves would average 412.5.)
    """
    matching = _matching(4, 5)
    for day, row in enumerate(
        [(200, 100, 600), (310, 320, 330), (340, 350, 330), (330, 330, 360), (320, 340, 360)]
    ):
        _read(matching, day, _hours(*row))
    for day in (5, 6):
        _read(matching, day, _hours(900, 900, 900))  # a weekend, whatever it consumes
    assert _settled(matching, 7, "13:00", "16:00") == pytest.approx([325.0, 335.0, 345.0])


def test_five_of_ten_as_in_new_york() -> None:
    """NYISO: of the last ten days the five highest in the event. The ten working days of two weeks show 10,
    20 .. 100 MW; the event on the Monday after takes those with 60 to 100 MW, mean 80."""
    matching = _matching(5, 10)
    for day in range(14):
        mw = 10.0 * (day - 2 * (day // 7) + 1)
        _read(matching, day, _hours(mw, mw, mw))
    assert _settled(matching, 14, "13:00", "16:00") == pytest.approx([80.0, 80.0, 80.0])


def test_the_event_is_known_as_far_as_it_has_come() -> None:
    """High 1 of 2. At 13:00 Tuesday leads with 6 to 5, at 14:00 Monday with 5 + 9 to 6 + 1, at 15:00 Tuesday
    with 6 + 1 + 9 to 5 + 9 + 1: every estimate is by the hours of the event up to its own."""
    matching = _matching(1, 2)
    _read(matching, 0, _hours(5, 9, 1))
    _read(matching, 1, _hours(6, 1, 9))
    assert _settled(matching, 2, "13:00", "16:00") == pytest.approx([6.0, 9.0, 9.0])
    # A new event has nothing to do with the one before: at 15:00 alone Tuesday leads with 9 to 1.
    matching = _matching(1, 2)
    _read(matching, 0, _hours(5, 9, 1))
    _read(matching, 1, _hours(6, 1, 2))
    assert _settled(matching, 2, "13:00", "16:00") == pytest.approx([6.0, 9.0, 1.0])
    _read(matching, 3, {}, active=["13:00"])  # 14:00 is free, so another event begins at 15:00
    assert -matching.estimate(_isp(matching, 3, "15:00"))[0] == pytest.approx(2.0)


def test_of_days_with_the_same_mean_the_most_distant_drops_out() -> None:
    """As in METI's rule. High 1 of 3 of days with 3 + 5, 5 + 3 and 4 + 4 MW: the last one settles."""
    matching = _matching(1, 3)
    for day, row in enumerate([(3, 5), (5, 3), (4, 4)]):
        _read(matching, day, _hours(*row, 0))
    found = _settled(matching, 3, "13:00", "15:00")
    assert found == pytest.approx([5.0, 4.0])  # at 13:00 only the 5 MW of Tuesday are the highest


def test_most_consumption_is_least_injection() -> None:
    """High 2 of 3 of a meter that injects 5, -1 and 3 MW: the days with -1 and 3 MW, 1 MW of injection."""
    matching = _matching(2, 3)
    for day, mw in enumerate((-5.0, 1.0, -3.0)):
        _read(matching, day, _hours(mw, mw, mw))
    assert _settled(matching, 3, "13:00", "16:00") == pytest.approx([-1.0, -1.0, -1.0])


def test_days_with_activation_in_the_hours_of_the_event_are_passed_over_for_older_ones() -> None:
    """High 2 of 3 on Friday, after 9, 1, 4 and 2 MW. Wednesday was called at 14:00 only."""
    matching = _matching(2, 3)
    for day, mw in enumerate((9.0, 1.0, 4.0, 2.0)):
        _read(matching, day, _hours(mw, mw, mw), active=["14:00"] if day == 2 else [])
    # At 13:00 the last three are 2, 4 and 1; from 14:00 on they are 2, 1 and 9.
    assert _settled(matching, 4, "13:00", "16:00") == pytest.approx([3.0, 5.5, 5.5])


def test_activation_at_other_hours_makes_a_day_no_worse() -> None:
    matching = _matching(1, 1)
    _read(matching, 0, _hours(7, 7, 7), active=["12:00", "16:00"])
    assert _settled(matching, 1, "13:00", "16:00") == pytest.approx([7.0, 7.0, 7.0])


def test_with_fewer_days_those_there_are_count() -> None:
    """High 4 of 5 with one, two .. days known, of 4, 1, 3, 5 and 2 MW: only of five does one drop out."""
    matching = _matching(4, 5)
    expected = [NAN, 4.0, 5 / 2, 8 / 3, 13 / 4]
    for day, mw in enumerate((4.0, 1.0, 3.0, 5.0, 2.0)):
        found = -float(matching.estimate(_isp(matching, day, "13:00"))[0])
        assert found == pytest.approx(expected[day], nan_ok=True)
        _read(matching, day, _hours(mw, mw, mw))
    assert _settled(matching, 7, "13:00", "14:00") == pytest.approx([14 / 4])


def test_today_is_no_evidence_for_today() -> None:
    matching = _matching(1, 1)
    _read(matching, 0, _hours(3, 3, 3))
    assert np.isnan(matching.estimate(_isp(matching, 0, "14:00"))).all()


def test_working_days_and_others_do_not_mix_and_holidays_are_others() -> None:
    """High 2 of 3 in a week whose Thursday (day 3) is a holiday."""
    matching = _matching(2, 3, free=[3])
    for day, mw in enumerate((1.0, 2.0, 3.0)):
        _read(matching, day, _hours(mw, mw, mw))
    assert np.isnan(_settled(matching, 3, "13:00", "14:00")).all()  # no day off is known yet
    _read(matching, 3, _hours(8, 8, 8))
    assert _settled(matching, 4, "13:00", "14:00") == pytest.approx([2.5])  # Friday: of Monday to Wednesday
    _read(matching, 4, _hours(4, 4, 4))
    assert _settled(matching, 5, "13:00", "14:00") == pytest.approx([8.0])  # Saturday: the holiday
    _read(matching, 5, _hours(6, 6, 6))
    assert _settled(matching, 6, "13:00", "14:00") == pytest.approx([7.0])
    _read(matching, 6, _hours(9, 9, 9))
    assert _settled(matching, 7, "13:00", "14:00") == pytest.approx([3.5])  # Monday: 4, 3 and 2


def test_days_lie_within_thirty_days() -> None:
    """A meter that is free on day 0 alone (a Monday) is known by it until day 30 (a Wednesday)."""
    matching = _matching(4, 5)
    _read(matching, 0, _hours(7, 7, 7))
    for day in range(1, 31):
        _read(matching, day, {}, active=["13:00"])
    assert -matching.estimate(_isp(matching, 30, "13:00"))[0] == pytest.approx(7.0)
    assert np.isnan(matching.estimate(_isp(matching, 31, "13:00"))).all()


def test_as_many_days_are_kept_as_hold_y_days_of_weekends() -> None:
    """The 11th Saturday or Sunday before a Saturday is a Sunday 41 days ago."""
    matching = _matching(11, 11)
    for day in range(54):
        _read(matching, day, _hours(float(day), 0, 0))
        assert len(matching._by_day) <= 44
    assert 54 % 7 == 5
    days = [d for d in range(54) if d % 7 > 4][-11:]
    assert days[0] == 54 - 41
    assert -matching.estimate(_isp(matching, 54, "13:00"))[0] == pytest.approx(np.mean(days))


def test_at_midnight_another_event_begins() -> None:
    """High 1 of 2 on Thursday, called from Wednesday 23:00 on. At 0:00 Tuesday leads with 5 to 4 MW, whatever
    the evenings before were; at 1:00 Wednesday does, with 4 + 3 to 5 + 0."""
    matching = _matching(1, 2)
    _read(matching, 0, {"23:00": 1.0})
    _read(matching, 1, {"0:00": 5.0, "1:00": 0.0, "23:00": 9.0})
    _read(matching, 2, {"0:00": 4.0, "1:00": 3.0}, active=["23:00"])
    assert _settled(matching, 3, "0:00", "2:00") == pytest.approx([5.0, 3.0])


WINDOW = ("9:00", "9:30", "10:00", "10:30", "11:00", "11:30")
"""Half hours from five to two hours before an event at 14:00."""


def _around(window: Sequence[float], event: float) -> dict[str, float]:
    """Loads in the window, around it (never to be seen) and in the event."""
    outside = {"8:30": 1000.0, "12:00": 1000.0, "12:30": 1000.0, "13:30": 1000.0}
    return {**outside, **dict(zip(WINDOW, window, strict=True)), "14:00": event, "14:30": event + 10.0}


def test_the_adjustment_is_the_mean_from_five_to_two_hours_before_the_event() -> None:
    """METI's same-day adjustment. The two days show 60, 70 .. 110 and 80, 90 .. 130 MW in the window, mean
    95; today 100, 120, 90, 130, 110, 140, mean 115. So 20 are added to 200 and to 210."""
    readings = [_around(range(60, 120, 10), 190.0), _around(range(80, 140, 10), 210.0)]
    today = _around((100, 120, 90, 130, 110, 140), 0.0) | {"8:30": 3.0, "12:00": 5.0, "13:30": 7.0}
    for adjusted, expected in ((False, [200.0, 210.0]), (True, [220.0, 230.0])):
        matching = _matching(2, 2, adjusted, minutes=30)
        for day, loads in enumerate(readings):
            _read(matching, day, loads)
        assert _settled(matching, 2, "14:00", "15:00", today) == pytest.approx(expected)


def test_the_adjustment_goes_by_the_days_chosen() -> None:
    """High 1 of 2 takes Monday (300 MW in the event, 100 in the window) and not Tuesday (200 and 500); today
    shows 90 in the window."""
    matching = _matching(1, 2, True, minutes=30)
    _read(matching, 0, _around([100.0] * 6, 300.0))
    _read(matching, 1, _around([500.0] * 6, 200.0))
    assert _settled(matching, 2, "14:00", "14:30", _around([90.0] * 6, 0.0)) == pytest.approx([290.0])


def test_readings_with_activation_are_left_out_of_the_window() -> None:
    """Of 9:00 to 12:00 today was called until 10:00 and yesterday from 11:30: 10:00 to 11:30 are compared,
    where today shows 12, 13, 14 against 11, 10, 9: 3 MW more."""
    matching = _matching(1, 1, True, minutes=30)
    _read(matching, 0, _around((1, 2, 11, 10, 9, 77), 50.0), active=["11:30"])
    loads = _around((5, 6, 12, 13, 14, 15), 0.0)
    for isp in range(_isp(matching, 1, "0:00"), _isp(matching, 1, "14:00")):
        clock = matching.days.clock[isp]
        mw = loads.get(f"{clock // 60}:{clock % 60:02d}", 1.0)
        matching.read(isp, np.array([-mw]), np.array([540 <= clock < 600]))
    assert -matching.estimate(_isp(matching, 1, "14:00"))[0] == pytest.approx(53.0)


@pytest.mark.parametrize(("begin", "shift"), [("1:00", 0.0), ("2:00", 0.0), ("3:00", 2.0), ("4:00", 2.0)])
def test_the_window_ends_at_midnight(begin: str, shift: float) -> None:
    """An event at 3:00 has the hour from 0:00 to 1:00 to go by, one at 2:00 nothing: it is not adjusted. Days
    consume 1 MW until midnight and today 3 MW from there, whatever it did the evening before."""
    matching = _matching(1, 1, True)
    _read(matching, 0, {"22:00": 40.0, "23:00": 40.0})
    today = {f"{hour}:00": 3.0 for hour in range(24)}
    assert _settled(matching, 1, begin, "5:00", today)[0] == pytest.approx(1.0 + shift)


def test_meters_have_events_of_their_own() -> None:
    """High 1 of 2 of two meters with the same readings, of which one is called an hour earlier: at 14:00 it
    goes by 13:00 too, where Monday led."""
    matching = _matching(1, 2, n=2)
    for isp in range(48):
        mw = {13: (9.0, 1.0), 14: (2.0, 3.0)}.get(isp % 24, (0.0, 0.0))[isp // 24]
        matching.read(isp, np.array([-mw, -mw]), np.zeros(2, dtype=bool))
    for isp in range(48, 62):
        matching.read(isp, np.zeros(2), np.array([isp == 61, False]))
    assert (-matching.estimate(62)).tolist() == pytest.approx([2.0, 3.0])


READINGS = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=72)


@settings(deadline=None, max_examples=100)
@given(READINGS, READINGS, st.integers(1, 3), st.integers(0, 2), st.booleans())
def test_against_a_diary(
    first: list[tuple[int, bool]], second: list[tuple[int, bool]], x: int, more: int, adjusted: bool
) -> None:
    """Every estimate of two meters is what one finds by leafing through their readings, six a day.

    ISPs count as hours, so that the window is the third to the fifth before the event.
    """
    per_day = 6
    isps = range(100)
    index = DayIndex(
        {i: i // per_day for i in isps}, {i: i % per_day for i in isps}, {d: d % 4 < 2 for d in range(20)}, 60
    )
    matching = DayMatching(n=2, days=index, x=x, y=x + more, adjusted=adjusted)
    diaries = [first, second]
    length = min(map(len, diaries))
    for now in range(length + 1):
        found = matching.estimate(now)
        for meter, diary in enumerate(diaries):
            expected = _leafed(diary[:now], now, per_day, x, x + more, adjusted)
            assert found[meter] == pytest.approx(expected, nan_ok=True)
        if now < length:
            mw, active = zip(*(diary[now] for diary in diaries), strict=True)
            matching.read(now, np.array(mw, dtype=float), np.array(active))


def _leafed(diary: list[tuple[int, bool]], now: int, per_day: int, x: int, y: int, adjusted: bool) -> float:
    """The rule in words: go back through the event, then through the days, then through the window."""
    today, start = now // per_day, now
    while start - 1 >= today * per_day and diary[start - 1][1]:
        start -= 1
    eligible = []
    for day in range(today - 1, -1, -1):
        moved = [isp - (today - day) * per_day for isp in range(start, now + 1)]
        if (day % 4 < 2) == (today % 4 < 2) and not any(diary[isp][1] for isp in moved):
            eligible.append((sum(diary[isp][0] for isp in moved), today - day))
    chosen = sorted(eligible[:y])[:x]
    if not chosen:
        return NAN
    base = float(np.mean([diary[now - back * per_day][0] for _, back in chosen]))
    gaps = []
    for _, back in chosen:
        window = [isp for isp in (start - 5, start - 4, start - 3) if isp >= today * per_day]
        pairs = [(diary[isp], diary[isp - back * per_day]) for isp in window]
        known = [a[0] - b[0] for a, b in pairs if not a[1] and not b[1]]
        if known:
            gaps.append(np.mean(known))
    return base + (float(np.mean(gaps)) if adjusted and gaps else 0.0)
