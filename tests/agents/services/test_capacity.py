"""Capacity auctions: the operator's side and the seller's, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.base.messages import (
    CapacityAwardMessage,
    CapacityBidsMessage,
    TenderMessage,
)
from tandem_sim.agents.services.capacity import (
    BEYOND,
    AuctionRules,
    Availability,
    CapacityAuctioneer,
    CapacitySeller,
    Needs,
)
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.flexibility_register import SOLD_TWICE, FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Service
from tandem_sim.markets.services.capacity import CapacityBids, CapacityBook, Contract
from tests.agents.recording_context import RecordingContext, obligation_mw

BLOCK = range(16, 32)
FREE = AuctionRules(pool_minimum_mw=0.0)
Row = tuple[str, str, int, float, float]


def _book(*pools: tuple[str, str, float, float], service: Service = "aFRR") -> CapacityBook:
    """Groups by (provider, system, MW, MW within 5 minutes), both ways alike, one unit each."""
    register = FlexibilityRegister()
    for provider, system, mw, fast in pools:
        unit = RegisteredUnit(name=f"{provider}.{system}", system=system, node=0, up_mw=mw, down_mw=mw)
        register.enter(provider, [unit], [(fast, fast)], 86_400, [service])
    return CapacityBook(register)


def _auction(
    book: CapacityBook,
    needs: Needs,
    *rows: Row,
    name: str = "TSO",
    rules: AuctionRules = FREE,
    forward_to: str | None = None,
    forwarded: CapacityBids | None = None,
) -> RecordingContext:
    """One auction for one block, every row an offer of its own."""
    top = RecordingContext()
    auctioneer = CapacityAuctioneer(
        name=name,
        context=top.context,
        book=book,
        rules=rules,
        systems=["T", "D1"],
        sellers=[],
        needs=lambda block: needs,
        forward_to=forward_to,
    )
    for row in rows:
        auctioneer.on_capacity_bids(
            CapacityBidsMessage(row[0], name, BLOCK.start, block=BLOCK, bids=CapacityBids.of([row]))
        )
    if forwarded is not None:
        auctioneer.on_capacity_bids(
            CapacityBidsMessage("DSO-D1", name, BLOCK.start, block=BLOCK, bids=forwarded)
        )
    auctioneer.clear_blocks([BLOCK])
    return top


def _sold(top: RecordingContext) -> dict[tuple[str, Service], tuple[float, float]]:
    """(provider, service) -> MW and price, as announced."""
    found = [c for m in top.take(CapacityAwardMessage) for c in m.contracts]
    assert all(c.isps == BLOCK for c in found)
    assert len({(c.provider, c.service) for c in found}) == len(found)
    return {(c.provider, c.service): (round(c.mw, 9), c.price) for c in found}


def test_afrr_is_bought_first_and_what_it_leaves_is_offered_as_mfrr() -> None:
    # aFRR: A is cheaper but only 4 of its 10 MW are fast; B fills up. mFRR: A's other 6 MW, then B.
    book = _book(("A", "T", 10.0, 4.0), ("B", "T", 10.0, 10.0))
    needs: Needs = {"aFRR": {UP: 6.0}, "mFRR": {UP: 8.0}}
    top = _auction(book, needs, ("A", "T", UP, 10.0, 5.0), ("B", "T", UP, 10.0, 6.0))
    expected: dict[tuple[str, Service], float] = {
        ("A", "aFRR"): 4.0,
        ("B", "aFRR"): 2.0,
        ("A", "mFRR"): 6.0,
        ("B", "mFRR"): 2.0,
    }
    found = _sold(top)
    assert {key: mw for key, (mw, _) in found.items()} == expected
    assert {key[0]: price for key, (_, price) in found.items()} == {"A": 5.0, "B": 6.0}
    for (provider, service), mw in expected.items():
        for isp, owed in ((15, 0.0), (16, mw), (31, mw), (32, 0.0)):
            assert obligation_mw(book, isp, provider, service, UP) == pytest.approx(owed)
    first, second = top.table("capacity_bids")
    assert (first["service"], second["service"]) == (["aFRR"] * 2, ["mFRR"] * 2)
    assert first["offered_mw"] == pytest.approx([4.0, 10.0])
    assert second["offered_mw"] == pytest.approx([6.0, 8.0])
    assert first["awarded_mw"] == pytest.approx([4.0, 2.0])
    assert not top.table("rejections")


def test_two_offers_of_a_pool_share_what_is_fast_enough() -> None:
    # 4 MW are fast: all 3 MW of the first offer and 1 MW of the second. As mFRR the other 2 MW.
    book = _book(("A", "T", 10.0, 4.0))
    offers = (("A", "T", UP, 3.0, 5.0), ("A", "T", UP, 3.0, 6.0))
    top = _auction(book, {"aFRR": {UP: 6.0}, "mFRR": {UP: 6.0}}, *offers)
    first, second = top.table("capacity_bids")
    assert first["awarded_mw"] == pytest.approx([3.0, 1.0])
    assert second["awarded_mw"] == pytest.approx([0.0, 2.0])


def test_directions_are_apart() -> None:
    book = _book(("A", "T", 10.0, 4.0))
    needs: Needs = {"aFRR": {UP: 3.0, DOWN: 4.0}, "mFRR": {UP: 9.0}}
    _auction(book, needs, ("A", "T", UP, 10.0, 5.0), ("A", "T", DOWN, 10.0, 2.0))
    assert obligation_mw(book, 16, "A", "aFRR", UP) == pytest.approx(3.0)
    assert obligation_mw(book, 16, "A", "aFRR", DOWN) == pytest.approx(4.0)
    assert obligation_mw(book, 16, "A", "mFRR", UP) == pytest.approx(7.0)
    assert obligation_mw(book, 16, "A", "mFRR", DOWN) == 0.0


def test_who_is_not_qualified_sells_nothing_and_what_is_lacking_is_recorded() -> None:
    book = _book(("A", "T", 10.0, 4.0), service="mFRR")
    needs: Needs = {"aFRR": {UP: 1.0}, "mFRR": {UP: 12.0}}
    top = _auction(book, needs, ("A", "T", UP, 10.0, 5.0), ("stranger", "T", UP, 10.0, 1.0))
    assert _sold(top) == {("A", "mFRR"): (10.0, 5.0)}
    assert {str(r["reason"]) for r in top.table("rejections") if not r["bid_id"]} == {
        "TSO lacks 1.000 MW of aFRR capacity up",
        "TSO lacks 2.000 MW of mFRR capacity up",
    }
    # An expired qualification is none.
    late = _book(("A", "T", 10.0, 4.0))
    late.register.withdraw("A", "LFM")
    assert _sold(_auction(late, needs, ("A", "T", UP, 10.0, 5.0))) == {}


def test_under_marginal_pricing_all_contracts_bear_the_dearest_accepted_price() -> None:
    book = _book(("A", "T", 5.0, 0.0), ("B", "T", 5.0, 0.0), ("C", "T", 5.0, 0.0))
    rows = [(name, "T", UP, 5.0, price) for name, price in (("A", 3.0), ("B", 7.0), ("C", 9.0))]
    top = _auction(book, {"mFRR": {UP: 6.0}}, *rows, rules=AuctionRules(True, 0.0))
    assert _sold(top) == {("A", "mFRR"): (5.0, 7.0), ("B", "mFRR"): (1.0, 7.0)}


def test_small_pools_stay_out_of_an_auction_with_a_minimum() -> None:
    book = _book(("A", "T", 0.9, 0.9), ("B", "T", 1.0, 1.0))
    top = _auction(
        book,
        {"mFRR": {UP: 1.5}},
        ("A", "T", UP, 0.9, 1.0),
        ("B", "T", UP, 1.0, 9.0),
        rules=AuctionRules(pool_minimum_mw=1.0),
    )
    assert _sold(top) == {("B", "mFRR"): (1.0, 9.0)}


def test_what_a_dso_does_not_buy_goes_on_to_the_tso_at_its_price() -> None:
    book = _book(("A", "D1", 5.0, 5.0), ("B", "D1", 3.0, 3.0))
    offers = (("A", "D1", UP, 5.0, 4.0), ("B", "D1", UP, 3.0, 6.0), ("B", "D1", DOWN, 1.0, 2.0))
    top = _auction(book, {"LFM": {UP: 6.0}}, *offers, name="DSO-D1", forward_to="TSO")
    (onward,) = top.take(CapacityBidsMessage)
    assert (onward.sender, onward.receiver, onward.block) == ("DSO-D1", "TSO", BLOCK)
    bids = onward.bids
    rows = zip(
        bids.system.tolist(), bids.direction.tolist(), bids.quantity_mw, bids.price.tolist(), strict=True
    )
    assert sorted(rows) == [("D1", DOWN, pytest.approx(1.0), 2.0), ("D1", UP, pytest.approx(2.0), 6.0)]
    assert set(bids.provider.tolist()) == {"B"}
    assert bids.forwarded.all()
    awards = {m.receiver: m for m in top.take(CapacityAwardMessage)}
    assert awards["A"].forwarded_mw == {}
    assert awards["B"].forwarded_mw == pytest.approx({("D1", UP): 2.0, ("D1", DOWN): 1.0})
    assert [c.mw for c in awards["B"].contracts] == pytest.approx([1.0])
    # Without anybody to forward to, nothing is, and nobody believes it was.
    alone = _auction(_book(("A", "D1", 5.0, 5.0)), {"LFM": {UP: 1.0}}, offers[0], name="DSO-D1")
    assert not alone.take(CapacityBidsMessage)
    assert [m.forwarded_mw for m in alone.take(CapacityAwardMessage)] == [{}]


def test_of_two_offers_of_a_pool_the_sum_of_what_is_forwarded_is_announced() -> None:
    """Or the seller offers the rest of the first one again, and is refused for selling twice."""
    book = _book(("A", "D1", 5.0, 5.0))
    offers = (("A", "D1", UP, 3.0, 4.0), ("A", "D1", UP, 2.0, 6.0))
    top = _auction(book, {"LFM": {UP: 1.0}}, *offers, name="DSO-D1", forward_to="TSO")
    (onward,) = top.take(CapacityBidsMessage)
    assert onward.bids.quantity_mw.sum() == pytest.approx(4.0)
    (awards,) = top.take(CapacityAwardMessage)
    assert awards.forwarded_mw == pytest.approx({("D1", UP): 4.0})


def test_what_is_sold_or_forwarded_already_is_cut_from_a_second_offer() -> None:
    # A has 5 MW: 3 MW are sold to the DSO, 2 MW forwarded. It offers 5 MW again at a better price.
    book = _book(("A", "D1", 5.0, 5.0))
    dso = _auction(book, {"LFM": {UP: 3.0}}, ("A", "D1", UP, 5.0, 4.0), name="DSO-D1", forward_to="TSO")
    (onward,) = dso.take(CapacityBidsMessage)
    top = _auction(book, {"mFRR": {UP: 9.0}}, ("A", "D1", UP, 5.0, 1.0), forwarded=onward.bids)
    assert _sold(top) == {("A", "mFRR"): (2.0, 4.0)}
    refused = [r for r in top.table("rejections") if r["bid_id"]]
    assert refused == [{"isp": BLOCK.start, "system": "D1", "bid_id": "A.capacity.up", "reason": SOLD_TWICE}]
    assert book.sold_mw(BLOCK, "A", "D1", UP) == pytest.approx(5.0)


def test_an_offer_beyond_the_pool_is_cut_for_that() -> None:
    top = _auction(_book(("A", "T", 5.0, 5.0)), {"mFRR": {DOWN: 9.0}}, ("A", "T", DOWN, 7.0, 1.0))
    assert _sold(top) == {("A", "mFRR"): (5.0, 1.0)}
    (row,) = (r for r in top.table("rejections") if r["bid_id"])
    assert (row["bid_id"], row["reason"]) == ("A.capacity.down", BEYOND)


def test_blocks_are_tendered_together_and_cleared_one_by_one() -> None:
    top, book, later = RecordingContext(), _book(("A", "T", 5.0, 5.0)), range(32, 48)
    auctioneer = CapacityAuctioneer(
        name="TSO",
        context=top.context,
        book=book,
        rules=FREE,
        systems=["T", "D1"],
        sellers=["A", "B"],
        needs=lambda block: {"mFRR": {UP: 2.0}},
    )
    auctioneer.tender([BLOCK, later])
    assert top.take(TenderMessage) == [
        TenderMessage("TSO", name, 16, blocks=(BLOCK, later), systems=("T", "D1")) for name in "AB"
    ]
    offer = CapacityBids.of([("A", "T", UP, 5.0, 1.0)])
    auctioneer.on_capacity_bids(CapacityBidsMessage("A", "TSO", 32, block=later, bids=offer))
    auctioneer.clear_blocks([BLOCK])
    assert not top.take(CapacityAwardMessage)
    for mw in (2.0, 0.0):  # an offer is cleared once
        auctioneer.clear_blocks([later])
        assert sum(c.mw for m in top.take(CapacityAwardMessage) for c in m.contracts) == pytest.approx(mw)
    assert book.sold_mw(range(96), "A", "T", UP) == pytest.approx(2.0)


OFFERS = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.sampled_from(["T", "D1"]),
        st.sampled_from([UP, DOWN]),
        st.floats(0.1, 9.0),
        st.floats(0.0, 20.0),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(OFFERS, st.floats(0.0, 9.0), st.floats(0.0, 9.0))
def test_however_often_it_is_offered_no_pool_sells_more_than_it_has(
    rows: list[Row], fast: float, need: float
) -> None:
    book = _book(("A", "T", 4.0, 2.0), ("A", "D1", 3.0, 1.0), ("B", "T", 5.0, 0.0))
    for _ in range(2):
        _auction(book, {"aFRR": {UP: fast, DOWN: need}, "mFRR": {UP: need, DOWN: fast}}, *rows)
    for (provider, system), most, quick in ((("A", "T"), 4, 2), (("A", "D1"), 3, 1), (("B", "T"), 5, 0)):
        for direction in (UP, DOWN):
            mine = [
                c
                for c in book.by_isp.get(16, ())
                if (c.provider, c.system, c.direction) == (provider, system, direction)
            ]
            assert sum(c.mw for c in mine) <= most + 1e-6
            assert sum(c.mw for c in mine if c.service == "aFRR") <= quick + 1e-6


OUTLOOK: Availability = {("D1", UP): 10.0, ("D1", DOWN): 3.1, ("D2", UP): 0.4, ("D2", DOWN): 8.0}


def _seller(top: RecordingContext, double: bool = False, market: str | None = None) -> CapacitySeller:
    return CapacitySeller(
        name="A",
        context=top.context,
        availability=lambda isps: OUTLOOK,
        price_eur_per_mw_h=6.0,
        share=0.5,
        tick_mw=0.25,
        double=double,
        market=market,
    )


def _offered(
    seller: CapacitySeller, top: RecordingContext, *blocks: range
) -> list[dict[tuple[str, int], float]]:
    seller.on_tender(TenderMessage("TSO", "A", 0, blocks=blocks, systems=("D1", "T")))
    found = top.take(CapacityBidsMessage)
    assert all(m.receiver == "TSO" and set(m.bids.price.tolist()) == {6.0} for m in found)
    keys = [zip(m.bids.system.tolist(), m.bids.direction.tolist(), strict=True) for m in found]
    return [dict(zip(k, m.bids.quantity_mw.tolist(), strict=True)) for k, m in zip(keys, found, strict=True)]


def _award(
    *sold: tuple[Service, str, int, float], block: range = BLOCK, forwarded: Availability | None = None
) -> CapacityAwardMessage:
    contracts = tuple(
        Contract(
            operator="TSO", service=s, provider="A", system=system, direction=d, isps=block, mw=mw, price=6.0
        )
        for s, system, d, mw in sold
    )
    return CapacityAwardMessage(
        "TSO", "A", block.start, block=block, contracts=contracts, forwarded_mw=forwarded or {}
    )


def test_a_seller_offers_a_share_of_what_it_expects_in_whole_ticks() -> None:
    # Half of 10 and 3.1 MW in steps of 0.25 MW: 5 and 1.5 MW. D2 is not asked for.
    top = RecordingContext()
    assert _offered(_seller(top), top, BLOCK, range(32, 48)) == [{("D1", UP): 5.0, ("D1", DOWN): 1.5}] * 2


def test_a_seller_takes_off_what_is_sold_or_forwarded_unless_it_cheats() -> None:
    for double, left in ((False, 1.75), (True, 5.0)):
        top = RecordingContext()
        seller = _seller(top, double)
        seller.on_capacity_award(
            _award(("LFM", "D1", UP, 2.0), forwarded={("D1", UP): 1.25, ("D1", DOWN): 1.5})
        )
        down = {("D1", DOWN): 1.5} if double else {}
        free = {("D1", UP): 5.0, ("D1", DOWN): 1.5}
        assert _offered(seller, top, BLOCK, range(32, 48)) == [{("D1", UP): left} | down, free]


def test_mw_sold_for_a_part_of_a_block_are_not_offered_in_all_of_it() -> None:
    """A local market day from 16:00 is cut at other hours than the TSO's blocks of 3, 6, 12 or 24 h."""
    top = RecordingContext()
    seller = _seller(top)
    seller.on_capacity_award(_award(("LFM", "D1", UP, 2.0), block=range(64, 96)))
    (offered,) = _offered(seller, top, range(48, 96))
    assert offered[("D1", UP)] == pytest.approx(3.0)


def test_contracts_hold_the_best_bids_to_the_strike_as_far_as_they_go() -> None:
    """In D1 3 MW up and 1 MW down are owed, in T 1 MW up; the day-ahead price is 50, the strike 10 beyond."""
    seller, isp = _seller(RecordingContext()), BLOCK.start
    seller.on_capacity_award(_award(("LFM", "D1", UP, 3.0), ("mFRR", "T", UP, 1.0), ("LFM", "D1", DOWN, 1.0)))
    mw, asked = np.array([2.0, 2.0, 2.0]), np.array([90.0, 70.0, 80.0])

    def strike_limited(system: str, direction: int, prices: FloatArray, at: int = isp) -> list[float]:
        return [float(p) for p in seller.strike_limited(at, system, direction, mw, prices, 50.0)]

    assert strike_limited("D1", UP, asked) == [90.0, 70.0, 80.0]  # no strike agreed
    seller.strike_eur_per_mwh = 10.0
    assert strike_limited("D1", UP, asked) == [90.0, 60.0, 60.0]  # the whole second bid is limited
    assert strike_limited("T", UP, asked) == [90.0, 60.0, 80.0]
    assert strike_limited("D2", UP, asked) == [90.0, 70.0, 80.0]  # nobody pays for capacity there
    assert strike_limited("D1", DOWN, np.array([45.0, 20.0, 10.0])) == [45.0, 20.0, 10.0]
    assert strike_limited("D1", DOWN, np.array([5.0, 20.0, 10.0])) == [5.0, 40.0, 10.0]
    assert strike_limited("D1", UP, asked, BLOCK.stop) == asked.tolist()  # nothing is owed then
