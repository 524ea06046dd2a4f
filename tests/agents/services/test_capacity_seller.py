"""What sold capacity obliges to: hold it for the reserve, nominate it, keep room for it day-ahead."""

from __future__ import annotations

from collections.abc import Mapping

import mesa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.base.messages import (
    CapacityAwardMessage,
    DayAheadMessage,
    NominationMessage,
    ReservedMessage,
    ScheduleMessage,
    TenderMessage,
)
from tandem_sim.agents.parties.day_ahead_market import DayAheadMarket
from tandem_sim.agents.portfolios.transmission import TransmissionUnit
from tandem_sim.agents.services.capacity import CapacitySeller
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.products import Service
from tandem_sim.markets.services.capacity import Contract
from tests.agents.recording_context import RecordingContext

BLOCK = range(16, 32)


def _seller(top: RecordingContext, market: str | None = None) -> CapacitySeller:
    return CapacitySeller(
        name="A",
        context=top.context,
        availability=lambda isps: {("T", UP): 20.0},
        price_eur_per_mw_h=6.0,
        share=1.0,
        tick_mw=1.0,
        market=market,
        nominates_to="TSO",
    )


def _award(
    seller: CapacitySeller, *sold: tuple[Service, str, int, float], block: range = BLOCK
) -> CapacitySeller:
    contracts = tuple(
        Contract(
            operator="TSO", service=s, provider="A", system=system, direction=d, isps=block, mw=mw, price=6.0
        )
        for s, system, d, mw in sold
    )
    seller.on_capacity_award(CapacityAwardMessage("TSO", "A", block.start, block=block, contracts=contracts))
    return seller


def test_the_obligation_is_the_sum_of_contracts_of_a_service_and_direction() -> None:
    seller = _award(
        _seller(RecordingContext()),
        ("aFRR", "D1", UP, 2.0),
        ("aFRR", "D2", UP, 1.5),
        ("mFRR", "D1", UP, 4.0),
        ("aFRR", "D1", DOWN, 0.5),
    )
    _award(seller, ("aFRR", "D1", UP, 1.0), block=range(30, 40))
    assert [seller.obligation_mw(isp, "aFRR", UP) for isp in (15, 16, 29, 30, 32, 40)] == pytest.approx(
        [0.0, 3.5, 3.5, 4.5, 1.0, 0.0]
    )
    assert seller.obligation_mw(16, "mFRR", UP) == pytest.approx(4.0)
    assert seller.obligation_mw(16, "aFRR", DOWN) == pytest.approx(0.5)
    seller.forget(30)
    assert [seller.obligation_mw(isp, "aFRR", UP) for isp in (29, 30, 31)] == pytest.approx([3.5, 0.0, 4.5])


def test_the_best_prices_are_held_up_to_the_obligation() -> None:
    seller = _award(_seller(RecordingContext()), ("aFRR", "D1", UP, 5.0), ("mFRR", "D1", UP, 9.0))
    quantity = np.array([2.0, 4.0, 3.0])
    # Ranked 3, 1, 2: all of the second bid, 1 MW of the third.
    assert seller.hold_mw(16, UP, quantity, np.array([3.0, 1.0, 2.0])) == pytest.approx([0.0, 4.0, 1.0])
    # Of equal ones the first; of too little everything; and nothing without obligation.
    assert seller.hold_mw(16, UP, quantity, np.full(3, 7.0)) == pytest.approx([2.0, 3.0, 0.0])
    assert seller.hold_mw(16, UP, 0.5 * quantity, np.zeros(3)) == pytest.approx([1.0, 2.0, 1.5])
    assert not seller.hold_mw(16, DOWN, quantity, np.zeros(3)).any()
    assert not seller.hold_mw(15, UP, quantity, np.zeros(3)).any()
    assert len(seller.hold_mw(16, UP, np.empty(0), np.empty(0))) == 0
    assert quantity.tolist() == [2.0, 4.0, 3.0]


@settings(deadline=None, max_examples=50)
@given(
    st.floats(0.0, 12.0),
    st.lists(st.tuples(st.floats(0.0, 4.0), st.integers(-5, 5)), min_size=1, max_size=6),
)
def test_the_obligation_is_held_and_no_better_bid_is_left(
    obligation: float, bids: list[tuple[float, int]]
) -> None:
    seller = _award(_seller(RecordingContext()), ("aFRR", "D1", UP, obligation))
    quantity, rank = (np.array(column, dtype=float) for column in zip(*bids, strict=True))
    held = seller.hold_mw(16, UP, quantity, rank)
    assert ((held >= 0) & (held <= quantity)).all()
    assert held.sum() == pytest.approx(min(obligation, quantity.sum()))
    for k in np.flatnonzero(held > 1e-9):
        assert (held[rank < rank[k]] >= quantity[rank < rank[k]] - 1e-9).all()


def test_afrr_capacity_of_a_day_is_nominated_isp_by_isp() -> None:
    top = RecordingContext()
    seller = _award(_seller(top), ("aFRR", "D1", UP, 2.0), ("aFRR", "D2", DOWN, 0.5), ("mFRR", "T", UP, 9.0))
    seller.nominate(range(14, 18))
    (message,) = top.take(NominationMessage)
    assert (message.sender, message.receiver, message.isp) == ("A", "TSO", 14)
    assert message.up_mw.tolist() == [0.0, 0.0, 2.0, 2.0]
    assert message.down_mw.tolist() == [0.0, 0.0, 0.5, 0.5]
    seller.nominate(range(16))
    assert not top.sent  # without obligation no message


def test_a_producer_tells_the_day_ahead_market_what_it_keeps_free() -> None:
    top = RecordingContext()
    _award(_seller(top, "market"), ("aFRR", "T", UP, 2.0), ("mFRR", "T", UP, 3.0), ("aFRR", "T", DOWN, 0.5))
    (kept,) = top.take(ReservedMessage)
    assert (kept.sender, kept.receiver, kept.block) == ("A", "market", BLOCK)
    assert (kept.up_mw, kept.down_mw) == (5.0, 0.5)
    _award(_seller(top, "market"))  # sold nothing
    _award(_seller(top), ("aFRR", "T", UP, 2.0))  # a pool has no schedule
    assert not top.sent


def test_what_was_sold_long_ago_is_no_longer_committed_for() -> None:
    top = RecordingContext()
    seller = _award(_seller(top), ("aFRR", "T", UP, 5.0), block=range(4))
    for isp in range(200):
        seller.forget(isp)
    assert not seller._committed
    assert not seller._contracts
    seller.on_tender(TenderMessage("TSO", "A", 200, blocks=(range(200, 204),), systems=("T",)))
    assert len(top.sent) == 1


def _market(*units: TransmissionUnit) -> tuple[RecordingContext, DayAheadMarket]:
    top, names = RecordingContext(), [u.name for u in units]
    return top, DayAheadMarket(
        mesa.Model(rng=0),
        name="market",
        context=top.context,
        units=units,
        sellers=names,
        price_receivers=["TSO"],
        operator="TSO",
    )


def _schedules(
    units: tuple[TransmissionUnit, ...], demand_mw: list[float], *kept: ReservedMessage
) -> tuple[Mapping[str, FloatArray], FloatArray]:
    """Schedules by unit, and prices, of a day from ISP 16 on."""
    top, market = _market(*units)
    for message in kept:
        market.receive(message)
    market.receive(ScheduleMessage("BRP", "market", 16, p_mw=-np.array(demand_mw)))
    market.clear_day(range(16, 16 + len(demand_mw)))
    sent = {m.receiver: m for m in top.take(DayAheadMessage)}
    return {u.name: sent[u.name].p_mw for u in units}, sent["TSO"].price


def _kept(unit: str, up: float, down: float, block: range = range(16, 17)) -> ReservedMessage:
    return ReservedMessage(unit, "market", block.start, block=block, up_mw=up, down_mw=down)


CHEAP, DEAR = (
    TransmissionUnit(name="G1", node=0, p_min_mw=0.0, p_max_mw=100.0, ramp_mw=50.0, c1=20.0),
    TransmissionUnit(name="G2", node=0, p_min_mw=0.0, p_max_mw=100.0, ramp_mw=50.0, c1=50.0),
)
PAIR = (CHEAP, DEAR)


@pytest.mark.parametrize(
    ("kept", "cheap", "dear", "price"),
    [
        ((), 100.0, 0.0, 20.0),
        ((_kept("G1", 13.0, 0.0),), 87.0, 13.0, 50.0),  # head room: the dear unit steps in
        ((_kept("G1", 7.0, 0.0), _kept("G1", 6.0, 3.0)), 87.0, 13.0, 50.0),  # two contracts add up
        ((_kept("G2", 0.0, 4.0),), 96.0, 4.0, 20.0),  # foot room: the dear unit must run
        ((_kept("G1", 13.0, 30.0), _kept("G2", 20.0, 4.0)), 87.0, 13.0, 50.0),
        ((_kept("G2", 0.0, 4.0, range(17, 18)),), 100.0, 0.0, 20.0),  # another ISP
    ],
)
def test_units_keep_head_and_foot_room_for_what_they_sold(
    kept: tuple[ReservedMessage, ...], cheap: float, dear: float, price: float
) -> None:
    schedule, prices = _schedules(PAIR, [100.0], *kept)
    assert schedule["G1"] == pytest.approx([cheap])
    assert schedule["G2"] == pytest.approx([dear])
    assert prices == pytest.approx([price], abs=1e-3)


def test_room_is_kept_above_the_least_and_in_the_isps_of_the_block_alone() -> None:
    unit, peak = (
        TransmissionUnit(name="G1", node=0, p_min_mw=20.0, p_max_mw=100.0, ramp_mw=500.0, c1=10.0),
        TransmissionUnit(name="G2", node=0, p_min_mw=0.0, p_max_mw=200.0, ramp_mw=500.0, c1=90.0),
    )
    kept = _kept("G1", 15.0, 10.0, range(17, 19))
    schedule, _ = _schedules((unit, peak), [95.0, 95.0, 30.0, 20.0], kept)
    assert schedule["G1"] == pytest.approx([95.0, 85.0, 30.0, 20.0])  # between 30 and 85 MW in 17 and 18
    assert schedule["G2"] == pytest.approx([0.0, 10.0, 0.0, 0.0])


def test_ramp_is_kept_for_what_was_sold_into_its_isps_and_out_of_them() -> None:
    # Of 50 MW of ramp twice 15 are kept into 17, 18, 19. G1 must be at 30 in 18: at most 50 in 17, 70 in 16.
    unit, peak = (
        TransmissionUnit(name="G1", node=0, p_min_mw=20.0, p_max_mw=100.0, ramp_mw=50.0, c1=10.0),
        TransmissionUnit(name="G2", node=0, p_min_mw=0.0, p_max_mw=200.0, ramp_mw=50.0, c1=90.0),
    )
    kept = _kept("G1", 15.0, 10.0, range(17, 19))
    schedule, _ = _schedules((unit, peak), [95.0, 95.0, 30.0, 20.0], kept)
    assert schedule["G1"] == pytest.approx([70.0, 50.0, 30.0, 20.0])
    assert schedule["G2"] == pytest.approx([25.0, 45.0, 0.0, 0.0])


def test_a_demand_that_the_room_kept_leaves_unserved_is_an_error() -> None:
    for demand, kept, gap in ((200.0, _kept("G1", 5.0, 0.0), "little"), (3.0, _kept("G2", 0.0, 4.0), "much")):
        with pytest.raises(InputError, match=f"MW too {gap} supply"):
            _schedules(PAIR, [demand], kept)


UNITS = st.lists(
    st.tuples(
        st.floats(0.0, 50.0),
        st.floats(1.0, 100.0),
        st.floats(0.0, 80.0),
        st.floats(0.0, 0.2),
        st.floats(0.0, 0.5),
        st.floats(0.0, 0.5),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=40)
@given(UNITS, st.floats(0.0, 1.0))
def test_schedules_stay_where_capacity_can_be_delivered(
    rows: list[tuple[float, float, float, float, float, float]], level: float
) -> None:
    """Between least output plus capacity down and most output less capacity up; and demand is served."""
    units = tuple(
        TransmissionUnit(name=f"G{k}", node=0, p_min_mw=low, p_max_mw=low + width, ramp_mw=50.0, c1=c1, c2=c2)
        for k, (low, width, c1, c2, _, _) in enumerate(rows)
    )
    kept = [_kept(u.name, row[4] * row[1], row[5] * row[1]) for u, row in zip(units, rows, strict=True)]
    low = np.array([u.p_min_mw + k.down_mw for u, k in zip(units, kept, strict=True)])
    high = np.array([u.p_max_mw - k.up_mw for u, k in zip(units, kept, strict=True)])
    demand = float(low.sum() + level * (high.sum() - low.sum()))
    schedule, _ = _schedules(units, [demand], *kept)
    p = np.array([schedule[u.name][0] for u in units])
    assert (p >= low - 1e-6).all()
    assert (p <= high + 1e-6).all()
    assert p.sum() == pytest.approx(demand, abs=1e-5)
