"""The network flexibility study in time, by timelines worked by hand (days; ALEXANDER D3.3, 3.2.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.markets.choices import Region
from tandem_sim.markets.grid_checks.flexibility_study import worst_cases
from tandem_sim.markets.grid_checks.study_register import (
    DAY_S,
    EMERGENCY,
    NEWCOMER,
    RED,
    RISKS,
    UNANSWERED,
    Applicant,
    Application,
    StudyRegister,
    exempt,
)
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.zones import Zones
from tests.markets.hand import feeder
from tests.markets.small import random_tree

AREA = feeder(Bids.empty(), 5.0)  # the branch from the root to node 1 carries 5 MW, node 2 hangs behind it


def worst(peak_mw: float = 2.0) -> dict[int, GridConstraints]:
    """With 2 MW of load at node 1 there is room for 5 + 2 / 4 = 5.5 MW up, and for 5 - 2 = 3 MW down."""
    load = np.array([0.0, -peak_mw, 0.0])
    return worst_cases(AREA.lin, load, np.zeros(3), np.zeros(3))


def ask(
    unit: str,
    day: float,
    node: int,
    up: float = 0.0,
    down: float = 0.0,
    kva: float = 20.0,
    phases: int = 3,
    by: Applicant = "grid user",
    contract: float | None = None,
) -> Application:
    """An application on a day, of one device; its contract of several years ends on another."""
    until = None if contract is None else round(contract * DAY_S)
    rating, on = np.array([kva]), np.array([phases])
    return Application(
        unit=unit,
        node=node,
        up_mw=up,
        down_mw=down,
        kva=rating,
        phases=on,
        by=by,
        applied_s=round(day * DAY_S),
        contract_until_s=until,
    )


class Course:
    """A study whose days are gone through one after the other."""

    def __init__(self, region: Region = "flanders", **known: Any) -> None:
        self.study = StudyRegister(region, worst())

    def to(self, day: float, *asking: Application) -> list[tuple[str, str, str]]:
        """Answers due by a day, and who asks then: event, unit and reason of all that is decided."""
        decisions = self.study.answer(round(day * DAY_S)) + [self.study.apply(a) for a in asking]
        return [(d.event, d.application.unit, d.reason) for d in decisions]

    def may(self, unit: str, day: float) -> tuple[bool, bool]:
        """Whether a unit may sell up and down."""
        return self.study.may_sell(unit, round(day * DAY_S))

    def last(self, unit: str, line: int = 0) -> float:
        """The day until which a unit may sell in a direction, found by asking of every quarter of a day."""
        days = [k / 4 for k in range(4 * 3000) if self.may(unit, k / 4)[line]]
        return max(days, default=-0.25) + 0.25


@pytest.mark.parametrize(
    ("kva", "phases", "free"),
    [
        (4.99, 1, True),
        (5.0, 1, False),
        (7.4, 1, False),
        (4.99, 3, True),
        (5.0, 3, True),
        (9.99, 3, True),
        (10.0, 3, False),
        (11.0, 3, False),
        (5.0, 2, False),
        (4.9, 2, True),
    ],
)
def test_flanders_lets_small_devices_be(kva: float, phases: int, free: bool) -> None:
    """ "Below specific thresholds (5 kVA for single-phase, 10 kVA for three-phase)": the text of D3.3."""
    assert exempt("flanders", np.array([kva]), np.array([phases])).tolist() == [free]
    for region in ("wallonia", "brussels"):
        assert not exempt(region, np.array([kva]), np.array([phases])).any()


def test_an_answer_takes_thirty_days() -> None:
    course = Course()
    assert course.to(10, ask("a", 10, 1, up=3.0)) == [("applied", "a", "")]
    assert course.to(39.75) == []
    assert (course.may("a", 39.75), course.study.reason("a", 0)) == ((False, False), UNANSWERED)
    assert course.to(40) == [("answered", "a", "")]
    assert course.may("a", 40)[0]
    assert course.last("a") == 3000  # for good


def test_answers_that_are_read_late_were_given_in_time_and_in_order() -> None:
    # 4 MW ask first and fit; 2 MW asked a day later do not fit behind them, whenever one looks.
    course = Course()
    course.to(0, ask("first", 0, 2, up=4.0))
    course.to(1, ask("second", 1, 1, up=2.0))
    found = course.study.answer(100 * DAY_S)
    assert [(d.application.unit, d.at_s // DAY_S, d.up) for d in found] == [
        ("first", 30, True), ("second", 31, False),
    ]  # fmt: skip


def test_a_newcomer_turns_a_zone_red_and_who_was_there_stays_for_twelve_months() -> None:
    course = Course()
    course.to(0, ask("a", 0, 1, up=3.0))
    # Day 130: 3 + 3 MW at node 1 do not go into 5.5. B is refused at once, A has until 130 + 365 = 495.
    course.to(100, ask("b", 100, 1, up=3.0))
    assert course.to(130) == [("answered", "b", RED), ("notice", "a", NEWCOMER)]
    assert course.last("a") == 495
    assert course.last("b") == 0
    # Node 2 is a zone of its own: behind A's 3 MW, which still count, 2 MW fit (5 of 5.5).
    course.to(200, ask("c", 200, 2, up=2.0))
    assert course.to(230) == [("answered", "c", "")]
    # 1 MW more there does not (6 of 5.5): node 2 is red, C has until 270 + 365 = 635.
    course.to(240, ask("d", 240, 2, up=1.0))
    assert course.to(270) == [("answered", "d", RED), ("notice", "c", NEWCOMER)]
    assert course.last("c") == 635
    assert course.last("a") == 495  # whose zone was red before
    # A is gone on day 495, so D asks again: 2 + 1 MW fit, the zone is green, and C's notice has no object.
    course.to(500, ask("d", 500, 2, up=1.0))
    assert not course.may("d", 529)[0]
    assert course.to(530) == [("answered", "d", "")]
    assert course.last("c") == course.last("d") == 3000


def test_directions_are_zones_of_their_own() -> None:
    # Up 5.5 MW fit, down 3 MW: of a battery of 4 MW either way only the way down is red.
    course = Course()
    course.to(0, ask("battery", 0, 1, up=4.0, down=4.0))
    course.to(1, ask("pv", 1, 2, down=3.0))
    assert course.to(31) == [("answered", "battery", RED), ("answered", "pv", "")]
    assert course.may("battery", 31) == (True, False)
    assert course.may("pv", 31)[1]


def test_who_asks_on_one_day_is_studied_together() -> None:
    # 3 + 3 MW at one node: neither comes before the other, so neither is let in.
    course = Course()
    course.to(0, ask("a", 0, 1, up=3.0), ask("b", 0, 1, up=3.0))
    assert course.to(30) == [("answered", "a", RED), ("answered", "b", RED)]


def test_more_load_at_peak_takes_capacity_back_with_notice_of_twelve_months() -> None:
    course = Course()
    held = ask("held", 0, 1, down=1.0, contract=1000)  # of several years
    brief = ask("brief", 0, 1, down=0.5, contract=200)  # ends before the notice does
    course.to(0, ask("plain", 0, 1, up=2.0, down=0.5), held, brief)
    course.to(30)
    # 4 MW of load leave 1 MW down of 5: the 2 MW qualified at node 1 no longer fit. Up nothing is worse.
    found = course.study.reevaluate(100 * DAY_S, worst(4.0))
    assert {(d.event, d.application.unit, d.up, d.down, d.reason) for d in found} == {
        ("notice", name, False, True, RISKS) for name in ("plain", "held", "brief")
    }
    assert {d.application.unit: (d.until_s or 0) // DAY_S for d in found} == {
        "plain": 465,
        "brief": 465,
        "held": 1000,
    }
    assert [course.last(name, 1) for name in ("plain", "brief", "held")] == [465, 465, 1000]
    assert course.last("plain") == 3000
    # Later answers go by the worse case: behind the 2 MW that still may, there is no room for anybody.
    course.to(110, ask("late", 110, 2, down=0.5))
    assert course.to(140) == [("answered", "late", RED)]
    # On day 470 only `held` is left, 1 MW of 1. A zone counts all that is registered in it.
    course.to(470, ask("late", 470, 2, down=0.5))
    assert course.to(500) == [("answered", "late", RED)]
    course.to(1000, ask("late", 1000, 2, down=0.5))
    assert course.to(1030) == [("answered", "late", "")]
    course.to(1100, ask("brief", 1100, 1, down=0.5))
    assert course.to(1130) == [("answered", "brief", RED)]  # with 0.5 + 1 + 0.5 MW at node 1


def test_a_look_that_finds_nothing_worse_changes_nothing() -> None:
    course = Course()
    course.to(0, ask("a", 0, 1, down=3.0))
    course.to(30)
    assert course.study.reevaluate(60 * DAY_S, worst()) == []
    assert course.last("a", 1) == 3000


def test_exempt_units_sell_whatever_the_study_says_and_every_study_counts_on_them() -> None:
    course = Course()
    small = ask("small", 0, 1, up=4.0, kva=4.0, phases=1)  # a thousand of them, say
    assert course.to(0, small, ask("large", 0, 2, up=2.0)) == [
        ("exempt", "small", ""),
        ("applied", "large", ""),
    ]
    assert course.may("small", 0)[0]
    # 4 MW act whatever is answered: of 5.5 there is no room for 2 more.
    assert course.to(30) == [("answered", "large", RED)]
    # In Wallonia the small ones ask like everybody: 4 and 2 MW, at two nodes, go one before the other.
    walloon = Course("wallonia")
    assert walloon.to(0, small)[0][0] == "applied"
    walloon.to(1, ask("large", 1, 2, up=2.0))
    assert not walloon.may("small", 29)[0]
    assert walloon.to(31) == [("answered", "small", ""), ("answered", "large", RED)]


def test_exempt_units_have_no_notice_and_stay_in_red_zones() -> None:
    course = Course()
    course.to(0, ask("small", 0, 1, up=1.0, kva=4.0, phases=1), ask("a", 0, 1, up=4.0))
    course.to(100, ask("b", 100, 1, up=4.0))
    assert [unit for event, unit, _ in course.to(130) if event == "notice"] == ["a"]
    zones = course.study.zones(600 * DAY_S)
    assert not zones.green[0, 1]
    assert zones.units == {"small": (True, True)}
    assert course.study.zones(300 * DAY_S).units == {"small": (True, True), "a": (True, True)}


@pytest.mark.parametrize(
    ("region", "entitled", "other"),
    [
        ("flanders", "grid user", "FSP"),
        ("wallonia", "grid user", "FSP"),
        ("brussels", "FSP", "grid user"),
    ],
)
def test_who_may_ask(region: Region, entitled: Applicant, other: Applicant) -> None:
    course = Course(region)
    with pytest.raises(ValueError, match=f"in {region} a {entitled} must apply, not a {other}"):
        course.to(0, ask("a", 0, 1, up=1.0, by=other))
    course.to(0, ask("a", 0, 1, up=1.0, by=entitled))
    assert course.to(30) == [("answered", "a", "")]


def test_an_emergency_stops_everybody_for_its_time_and_congestion_is_none() -> None:
    course = Course()
    course.to(
        0, ask("small", 0, 1, up=1.0, kva=4.0, phases=1), ask("a", 0, 1, up=1.0), ask("b", 0, 2, up=1.0)
    )
    course.to(30)
    course.study.emergency([1], 50 * DAY_S, 52 * DAY_S, "a transformer has failed")
    for day, free in ((49.75, True), (50, False), (51.75, False), (52, True)):
        assert [course.may(name, day)[0] for name in ("small", "a", "b")] == [free, free, True]
        assert course.study.zones(round(day * DAY_S)).green[:, 1].tolist() == [free, free]
        assert course.study.reason("a", round(day * DAY_S)) == ("" if free else EMERGENCY)
    with pytest.raises(ValueError, match="congestion is no emergency"):
        course.study.emergency([1], 60 * DAY_S, 61 * DAY_S, "Congestion of line 4")
    assert course.may("a", 60)[0]
    with pytest.raises(ValueError, match="ends at 5"):
        course.study.emergency([1], 10, 5, "flood")


def test_nobody_asks_twice_and_time_does_not_run_backwards() -> None:
    course = Course()
    course.to(0, ask("a", 0, 1, up=1.0), ask("small", 0, 1, up=1.0, kva=1.0))
    for name in ("a", "small"):
        with pytest.raises(ValueError, match=f"{name} has applied already"):
            course.to(1, ask(name, 1, 1, up=1.0))
    course.to(30)
    with pytest.raises(ValueError, match="a has applied already"):
        course.to(31, ask("a", 31, 1, up=1.0))
    with pytest.raises(ValueError, match="is in the past"):
        course.study.apply(ask("b", 2, 1, up=1.0))


def test_bids_are_held_to_their_units_and_else_to_their_zone() -> None:
    green = np.array([[True, True, False], [True, False, True]])
    zones = Zones(green, {"A.small": (True, True), "A.new": (False, True)})
    rows = [
        ("A.small.up", 2, UP, True), ("A.small.up.1", 2, UP, True), ("A.small.down", 1, DOWN, True),
        ("A.new.up", 1, UP, False), ("A.new.down", 2, DOWN, True), ("A.old.up", 1, UP, True),
        ("A.old.up.2", 2, UP, False), ("A.old.down", 1, DOWN, False), ("b", 2, UP, False),
    ]  # fmt: skip
    ids, node, direction, expected = zip(*rows, strict=True)
    n = len(rows)
    bids = Bids.of(ids, ["A"] * n, node, direction, np.full(n, 2.0), np.zeros(n))
    assert zones.open_to(bids).tolist() == list(expected)
    assert zones.open_mw(bids, np.full(n, 1.5)).tolist() == [1.5 * ok for ok in expected]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_all_who_may_sell_are_safe_in_the_worst_case_as_far_as_exempt_ones_leave_it(seed: int) -> None:
    # Over random arrivals: whoever is exempt or qualified, those with notice included, acts in full at once.
    rng = np.random.default_rng(seed)
    grid = random_tree(rng, 1.4)
    load, generation = np.minimum(grid.p_mw, 0.0), np.maximum(grid.p_mw, 0.0)
    study = StudyRegister(
        "flanders", cases := worst_cases(LinDistFlow.build(grid), load, generation, grid.q_mvar)
    )
    size = float(np.abs(grid.p_mw).sum()) or 1.0
    free, units = np.zeros((2, grid.n_nodes)), {}
    for k, day in enumerate(np.sort(rng.integers(0, 400, 8)).tolist()):
        study.answer(day * DAY_S)
        node, mw = int(rng.integers(1, grid.n_nodes)), size * rng.random(2)
        small = k == 0
        up, down = mw.tolist()
        units[f"u{k}"] = ask(f"u{k}", day, node, up, down, 4.0 if small else 20.0)
        free[:, node] += mw * small
        study.apply(units[f"u{k}"])
    study.answer(500 * DAY_S)
    for line, direction in enumerate((UP, DOWN)):
        acting = np.zeros(grid.n_nodes)
        for name, unit in units.items():
            acting[unit.node] += (unit.up_mw, unit.down_mw)[line] * study.may_sell(name, 500 * DAY_S)[line]
        rows = cases[direction].after(direction * free[line]).relaxed()
        after = rows.after(direction * (acting - free[line]))
        assert (after.flow_mw <= rows.flow_max_mw + 1e-6).all()
        assert (after.flow_mw >= rows.flow_min_mw - 1e-6).all()
        assert (after.w_pu2 <= rows.w_max_pu2 + 1e-6).all()
        assert (after.w_pu2 >= rows.w_min_pu2 - 1e-6).all()
