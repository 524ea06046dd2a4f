"""The flexibility register: who may sell what until when, and nothing in two books of one ISP."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.flexibility_register import (
    SOLD_TWICE,
    FlexibilityRegister,
    RegisteredUnit,
    unit_of,
)
from tandem_sim.markets.orders.products import REQUIREMENTS, Service, implied_by, implying

DAY = 86_400
U1 = RegisteredUnit(name="A.D1.u1", system="D1", node=3, up_mw=2.0, down_mw=1.0)
U2 = RegisteredUnit(name="A.D2.u2", system="D2", node=5, up_mw=0.5, down_mw=4.0)
FAST = ((1.5, 1.0), (0.25, 3.0))


def _register(service: Service = "aFRR", until_s: int = DAY) -> FlexibilityRegister:
    """A pool A of two units, in two areas."""
    register = FlexibilityRegister()
    register.enter("A", [U1, U2], FAST, until_s, [service])
    return register


def _book(*rows: tuple[str, float], provider: str = "A", demand: bool = False) -> Bids:
    """Bids by (id, MW); the direction is in the id."""
    ids = [bid for bid, _ in rows]
    side = [UP if ".up" in bid else DOWN for bid in ids]
    mw = [mw for _, mw in rows]
    return Bids.of(
        ids, [provider] * len(ids), [0] * len(ids), side, mw, [50.0] * len(ids), [demand] * len(ids)
    )


@pytest.mark.parametrize(
    ("service", "implied", "rests_on_it"),
    [
        ("aFRR", ("aFRR", "mFRR", "LFM"), ("aFRR",)),
        ("mFRR", ("mFRR", "LFM"), ("mFRR", "aFRR")),
        ("LFM", ("LFM",), ("LFM", "aFRR", "mFRR")),
    ],
)
def test_a_stricter_service_implies_the_looser_ones(
    service: Service, implied: tuple[Service, ...], rests_on_it: tuple[Service, ...]
) -> None:
    # 300 s and telemetry of 4 s <= 750 s and 900 s <= 900 s and 900 s.
    assert implied_by(service) == implied
    assert implying(service) == rests_on_it


def test_implied_and_implying_are_two_sides_of_one_relation() -> None:
    for a in REQUIREMENTS:
        for b in REQUIREMENTS:
            assert (b in implied_by(a)) == (a in implying(b))
            assert (b in implied_by(a)) == REQUIREMENTS[a].implies(REQUIREMENTS[b])


def test_who_is_faster_but_reports_less_often_implies_nothing() -> None:
    slow = REQUIREMENTS["mFRR"]
    assert not type(slow)("mFRR", slow.full_activation_s - 1.0, slow.telemetry_s + 1.0).implies(slow)
    assert type(slow)("mFRR", slow.full_activation_s, slow.telemetry_s).implies(slow)


@pytest.mark.parametrize(
    ("bid", "unit"),
    [
        ("G1.up.0", "G1"),
        ("G1.down.11", "G1"),
        ("A01.D1.0003.battery.up", "A01.D1.0003.battery"),
        ("A01.D1.0003.battery.down.2", "A01.D1.0003.battery"),
        ("L3", "L3"),
    ],
)
def test_a_bid_names_its_unit(bid: str, unit: str) -> None:
    assert unit_of(bid) == unit


@pytest.mark.parametrize("area", ["D1", "upland", "downtown", "up", "down"])
@pytest.mark.parametrize("tail", ["up", "down", "up.1", "down.2"])
def test_a_bid_names_its_unit_whatever_its_area_is_called(area: str, tail: str) -> None:
    unit = f"A01.{area}.0003.battery"
    assert unit_of(f"{unit}.{tail}") == unit


def test_a_qualification_grants_the_looser_services_and_ends() -> None:
    register = _register("mFRR", until_s=1000)
    assert not register.qualified("A", "aFRR", 0)
    for service in ("mFRR", "LFM"):
        assert register.qualified("A", service, 999)
        assert not register.qualified("A", service, 1000)
        assert register.expires_s("A", service) == 1000
    assert register.expires_s("A", "aFRR") is None
    assert register.expires_s("B", "LFM") is None
    assert not register.qualified("B", "LFM", 0)


def test_of_two_qualifications_the_longer_one_counts() -> None:
    register = _register("aFRR", until_s=100)
    register.enter("A", [], [], 200, ["mFRR"])
    register.enter("A", [], [], 50, ["aFRR"])
    assert [register.expires_s("A", s) for s in ("aFRR", "mFRR", "LFM")] == [100, 200, 200]
    assert set(register.units("A")) == {"A.D1.u1", "A.D2.u2"}


@pytest.mark.parametrize(
    ("service", "lost", "left"),
    [
        ("aFRR", {"aFRR"}, {"mFRR", "LFM"}),
        ("mFRR", {"mFRR", "aFRR"}, {"LFM"}),
        ("LFM", {"LFM", "mFRR", "aFRR"}, set()),
    ],
)
def test_a_withdrawal_takes_what_rests_on_it(
    service: Service, lost: set[Service], left: set[Service]
) -> None:
    register = _register("aFRR")
    assert set(register.withdraw("A", service)) == lost
    assert {s for s in REQUIREMENTS if register.qualified("A", s, 0)} == left
    assert register.withdraw("A", service) == ()  # there is nothing left to take
    assert register.withdraw("stranger", service) == ()


def test_a_pool_is_the_sum_of_its_units_in_a_system_or_in_all() -> None:
    register = _register()
    assert register.pool_mw("A", UP, "mFRR") == pytest.approx(2.5)
    assert register.pool_mw("A", DOWN, "LFM", "D2") == pytest.approx(4.0)
    assert register.pool_mw("A", UP, "aFRR") == pytest.approx(1.75)
    assert register.pool_mw("A", DOWN, "aFRR", "D2") == pytest.approx(3.0)
    assert register.pool_mw("A", UP, "mFRR", "T") == 0.0
    assert register.pool_mw("B", UP, "mFRR") == 0.0


def test_a_unit_entered_again_is_replaced() -> None:
    register = _register()
    register.enter(
        "A",
        [RegisteredUnit(name=U1.name, system="D1", node=3, up_mw=0.25, down_mw=0.0)],
        [(0.125, 0.0)],
        DAY,
        ["mFRR"],
    )
    assert register.pool_mw("A", UP, "mFRR") == pytest.approx(0.75)
    assert register.pool_mw("A", UP, "aFRR", "D1") == pytest.approx(0.125)


def test_what_a_bid_is_refused_for() -> None:
    register = _register("mFRR")
    book = _book(("A.D1.u1.up", 2.0), ("A.D1.u1.down", 1.1), ("A.D9.u9.up", 0.1), ("A.D2.u2.down", 4.0))
    assert register.reasons(0, book, "mFRR", 0) == [
        "",
        "1.1 MW is more than the 1 MW the unit is qualified for",
        "the unit is not in the flexibility register for A",
        "",
    ]
    assert register.reasons(1, book, "aFRR", 0) == ["A is not qualified for aFRR"] * 4
    assert register.reasons(1, _book(("A.D1.u1.up", 1.0), provider="B"), "mFRR", 0) == [
        "B is not qualified for mFRR"
    ]
    register.enter(
        "B",
        [RegisteredUnit(name="B.u", system="D1", node=1, up_mw=1.0, down_mw=1.0)],
        [(0.0, 0.0)],
        DAY,
        ["mFRR"],
    )
    assert register.reasons(1, _book(("A.D1.u1.up", 1.0), provider="B"), "mFRR", 0) == [
        "the unit is not in the flexibility register for B"
    ]


def test_nothing_is_offered_in_two_books_of_one_isp() -> None:
    register = _register()
    # 2 MW up are qualified: 1.25 MW in the DSO's book leave 0.75 MW for the TSO's.
    assert register.reasons(7, _book(("A.D1.u1.up.0", 1.25)), "LFM", 0) == [""]
    tso = _book(("A.D1.u1.up.1", 1.0), ("A.D1.u1.up.2", 0.75), ("A.D1.u1.up.3", 0.01), ("A.D1.u1.down", 1.0))
    assert register.reasons(7, tso, "mFRR", 0) == [SOLD_TWICE, "", SOLD_TWICE, ""]
    assert register.reasons(8, tso.pick(np.array([0])), "mFRR", 0) == [""]  # another ISP, another megawatt


def test_a_bid_that_was_refused_claims_nothing() -> None:
    register = _register("mFRR")
    assert register.reasons(0, _book(("A.D1.u1.up", 2.5)), "LFM", 0) != [""]
    assert register.reasons(0, _book(("A.D1.u1.up", 2.0)), "aFRR", 0) != [""]
    assert register.reasons(0, _book(("A.D1.u1.up", 2.0)), "mFRR", 0) == [""]


def test_claims_are_forgotten_with_their_isp() -> None:
    register, whole = _register(), _book(("A.D1.u1.up", 2.0))
    for isp in (3, 4):
        assert register.reasons(isp, whole, "mFRR", 0) == [""]
    register.forget(3)
    register.forget(99)
    assert register.reasons(3, whole, "mFRR", 0) == [""]
    assert register.reasons(4, whole, "mFRR", 0) == [SOLD_TWICE]


def test_companies_that_buy_need_no_qualification_and_claim_nothing() -> None:
    register = _register()
    demand = _book(("A.D1.u1.up", 99.0), provider="BRP", demand=True)
    assert register.reasons(0, demand, "mFRR", 0) == [""]
    assert register.reasons(0, _book(("A.D1.u1.up", 2.0)), "mFRR", 0) == [""]


def test_a_register_works_before_the_scenario_starts() -> None:
    register = _register("mFRR", until_s=-3600)
    bid = _book(("A.D1.u1.up", 1.0))
    assert register.qualified("A", "LFM", -3601)
    assert not register.qualified("A", "LFM", -3600)
    assert register.reasons(0, bid, "mFRR", -2 * DAY) == [""]
    assert register.reasons(1, bid, "mFRR", -3600) == ["A is not qualified for mFRR"]
    register.enter("A", [], [], -60, ["mFRR"])
    assert register.reasons(1, bid, "mFRR", -3600) == [""]


def test_the_steps_of_a_unit_share_what_it_can_move_fast() -> None:
    register = _register("aFRR", until_s=100)
    # Unit 1 moves 1.5 MW up fast: 1 MW of the first step, 0.5 MW of the second, nothing of the third.
    # Down it moves 1 MW; unit 2 moves 0.25 MW up; nobody knows unit 9.
    rows = ("A.D1.u1.up.0", "A.D1.u1.up.1", "A.D1.u1.down", "A.D1.u1.up.2", "A.D2.u2.up", "A.D2.u9.up")
    bids = _book(*((bid, 2.0) for bid in rows))
    left = np.array([1.0, 1.0, 0.75, 1.0, 2.0, 2.0])
    assert register.within_fast_mw(bids, left, 0) == pytest.approx([1.0, 0.5, 0.75, 0.0, 0.25, 0.0])
    assert left.tolist() == [1.0, 1.0, 0.75, 1.0, 2.0, 2.0]
    none_left = np.where(np.arange(6) == 0, 0.0, left)
    assert register.within_fast_mw(bids, none_left, 0) == pytest.approx([0.0, 1.0, 0.75, 0.5, 0.25, 0.0])
    assert not register.within_fast_mw(bids, left, 100).any()  # expired
    register.withdraw("A", "aFRR")
    assert not register.within_fast_mw(bids, left, 0).any()
    assert len(register.within_fast_mw(Bids.empty(), np.empty(0), 0)) == 0


MW = st.floats(0.01, 3.0)
SIDES = st.sampled_from(["up", "down"])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.tuples(st.sampled_from([U1, U2]), SIDES, MW), max_size=6), max_size=3))
def test_whatever_is_tried_no_unit_is_offered_for_more_than_it_is_qualified_for(
    books: list[list[tuple[RegisteredUnit, str, float]]],
) -> None:
    """Over all books of an ISP; and a bid that would still fit is never turned away."""
    register = _register()
    offered: dict[tuple[str, str], float] = {}
    for rows in books:
        book = _book(*((f"{u.name}.{side}.{k}", mw) for k, (u, side, mw) in enumerate(rows)))
        found = register.reasons(0, book, "mFRR", 0)
        for (unit, side, mw), reason in zip(rows, found, strict=True):
            most = unit.up_mw if side == "up" else unit.down_mw
            so_far = offered.get((unit.name, side), 0.0)
            assert (reason == "") == (so_far + mw <= most * (1 + 1e-9) + 1e-9)
            if not reason:
                offered[unit.name, side] = so_far + mw
                assert offered[unit.name, side] <= most + 1e-8
