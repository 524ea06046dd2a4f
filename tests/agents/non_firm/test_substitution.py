"""Pools with limited customers: blocked energy by hand, and its substitution, step by step and all together.

Six device groups: 0 to 2 belong to A01, 3 and 4 to A02, 5 to A03. Powers in kW, prices in EUR/MWh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.base.messages import (
    LimitMessage,
    ShortfallMessage,
    SubstitutionAcceptanceMessage,
    SubstitutionOfferMessage,
    SubstitutionRequestMessage,
)
from tandem_sim.agents.non_firm.substitution import (
    Sold,
    Substitute,
    Substitution,
    SubstitutionProcess,
    SubstitutionResult,
)
from tandem_sim.agents.portfolios.households import HouseholdPortfolio
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP
from tests.agents.recording_context import RecordingContext

NAN = float("nan")
ISP = 7
ALL: tuple[Substitute, Substitute, Substitute] = ("portfolio", "aggregators", "tso")
PORTFOLIO, OTHERS, TSO = ALL
Amounts = Sequence[float] | FloatArray


class Groups:
    """Replaces a portfolio: orders of six groups in one direction, and their available power."""

    def __init__(self, order: Amounts, available: Amounts, direction: int = UP) -> None:
        self.order, self.available, self.direction = (
            np.array(order, float),
            np.array(available, float),
            direction,
        )
        self.unlimited = np.full(6, 1e6)  # devices could do anything, were it not for limits

    def is_over(self, isp: int) -> bool:
        return isp < ISP

    def ordered_and_available_kw(self, isp: int, direction: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        if direction != self.direction:
            return np.zeros(6), np.zeros(6), np.zeros(6)
        return self.order, self.available, np.maximum(self.available, self.unlimited)


class Pool(RecordingContext):
    """A pool with sales set by hand, all in one direction."""

    def __init__(
        self,
        *,
        name: str,
        groups: Groups,
        price: Amounts,
        substitution: Sequence[Substitute] = ALL,
        standby: Amounts = (0.0,) * 6,
        limited: bool = True,
    ) -> None:
        super().__init__()
        self.groups, nothing, unsold = groups, np.zeros(6), np.full(6, NAN)
        side, other = groups.direction, -groups.direction
        ready, prices = np.array(standby, float), np.array(price, float)
        sold = Sold({side: ready, other: nothing}, {side: prices, other: unsold})
        peers = [peer for peer in ("A01", "A02", "A03") if peer != name]
        self.substitution = SubstitutionProcess(
            name=name,
            context=self.context,
            portfolio=cast(HouseholdPortfolio, groups),
            substitution=substitution,
            peers=peers,
            tso="TSO",
            sold=lambda isp: sold,
        )
        if limited:
            self.substitution.on_limit(LimitMessage("DSO-D1", name, ISP))

    def result(self) -> SubstitutionResult:
        """The result of the only direction with orders."""
        (done,) = self.substitution.deliver_substitutes(ISP)
        return done


def _first(
    substitution: Sequence[Substitute] = ALL, direction: int = UP, standby: Amounts = (0.0,) * 6
) -> Pool:
    """10 kW are ordered of group 0, 4 kW are available: 6 kW are blocked. Groups 1 and 2 have 5 and 3 kW."""
    groups = Groups([10, 0, 0, 0, 0, 0], [4, 5, 3, 0, 0, 0], direction)
    return Pool(
        name="A01",
        groups=groups,
        price=[50.0, 80.0, 60.0, NAN, NAN, NAN],
        substitution=substitution,
        standby=standby,
    )


def _second(order: float = 0.0, able: float = 2.0, limited: bool = False, more: float = 2.5) -> Pool:
    """A peer: group 3 at 70 and group 4 at 90 EUR/MWh."""
    groups = Groups([0, 0, 0, order, 0, 0], [0, 0, 0, able, more, 0])
    return Pool(name="A02", groups=groups, price=[NAN, NAN, NAN, 70.0, 90.0, NAN], limited=limited)


def _third(able: float = 4.0) -> Pool:
    groups = Groups([0] * 6, [0, 0, 0, 0, 0, able])
    return Pool(name="A03", groups=groups, price=[NAN, NAN, NAN, NAN, NAN, 75.0], limited=False)


def _exchange(pool: Pool, *peers: Pool) -> None:
    """The whole exchange: the pool requests, peers offer, it accepts."""
    pool.substitution.assess(ISP)
    requests = {m.receiver: m for m in pool.take(SubstitutionRequestMessage)}
    for name, peer in zip(("A02", "A03"), peers, strict=False):
        if name in requests:
            peer.substitution.on_substitution_request(requests[name])
        for offer in peer.take(SubstitutionOfferMessage):
            pool.substitution.on_substitution_offer(offer)
    pool.substitution.report(ISP)
    for message in pool.sent:
        if isinstance(message, SubstitutionAcceptanceMessage):
            {"A02": peers[0], "A03": peers[-1]}[message.receiver].substitution.on_substitution_acceptance(
                message
            )


def test_a_pool_without_limits_does_nothing() -> None:
    groups = Groups([10, 0, 0, 0, 0, 0], [4, 5, 3, 0, 0, 0])
    pool = Pool(name="A01", groups=groups, price=[50.0, 80.0, 60.0, NAN, NAN, NAN], limited=False)
    _exchange(pool, _second(), _third())
    assert (pool.sent, pool.substitution.deliver_substitutes(ISP)) == ([], [])
    able, blocked = pool.substitution.deliverable_mw(ISP, UP, np.array([0]), np.array([0.01]))
    assert [*able, blocked] == [0.01, 0.0]


def test_without_substitution_the_blocked_amount_is_known_and_missing() -> None:
    pool = _first(())
    done = pool.result()
    assert (done.direction, done.blocked_kw) == (UP, 6.0)
    assert (done.portfolio_kw, done.aggregators_kw, done.changes, done.substitutions) == (0.0, 0.0, [], [])
    _exchange(pool)
    assert pool.sent == []


@pytest.mark.parametrize(
    ("direction", "taken"),
    [(UP, [-6.0, 3.0, 3.0]), (DOWN, [-6.0, 5.0, 1.0])],  # up the lowest price first, down the highest
)
def test_own_groups_substitute_best_price_first(direction: int, taken: list[float]) -> None:
    done = _first((PORTFOLIO,), direction).result()
    assert (done.blocked_kw, done.portfolio_kw, done.aggregators_kw) == (6.0, 6.0, 0.0)
    (change,) = done.changes
    assert (change.owner, change.direction) == ("A01", direction)
    assert change.group.tolist() == [0, 1, 2]
    assert change.kw == pytest.approx(taken)


def test_a_group_without_a_bid_has_no_price_and_does_not_substitute() -> None:
    groups = Groups([10, 0, 0, 0, 0, 0], [4, 5, 3, 0, 0, 0])
    done = Pool(
        name="A01", groups=groups, price=[50.0, NAN, 60.0, NAN, NAN, NAN], substitution=(PORTFOLIO,)
    ).result()
    assert done.portfolio_kw == 3.0
    assert done.changes[0].kw == pytest.approx([-3.0, 3.0])  # half of what is blocked stays with group 0


def test_what_the_portfolio_leaves_is_requested_from_others() -> None:
    pool = _first((PORTFOLIO, OTHERS))
    pool.groups.available[1] = 1.0  # 4 kW in the portfolio
    pool.substitution.assess(ISP)
    requests = pool.take(SubstitutionRequestMessage)
    assert [(m.receiver, m.direction, m.kw) for m in requests] == [("A02", UP, 2.0), ("A03", UP, 2.0)]
    alone = _first((OTHERS,))
    alone.substitution.assess(ISP)
    assert [m.kw for m in alone.take(SubstitutionRequestMessage)] == [6.0, 6.0]
    enough = _first((PORTFOLIO, OTHERS))
    enough.substitution.assess(ISP)
    assert enough.sent == []


def test_offers_of_others_are_accepted_cheapest_first_and_paid_at_their_price() -> None:
    """6 kW missing: 2 at 70 of A02, 4 at 75 of A03; the 2.5 kW at 90 are left."""
    pool = _first((OTHERS,))
    _exchange(pool, _second(), _third())
    accepted = pool.take(SubstitutionAcceptanceMessage)
    assert [(m.receiver, m.group, m.kw) for m in accepted] == [("A02", 3, 2.0), ("A03", 5, 4.0)]
    done = pool.result()
    assert done.substitutions == [
        Substitution(payer="A01", payee="A02", direction=UP, mw=0.002, price=70.0),
        Substitution(payer="A01", payee="A03", direction=UP, mw=0.004, price=75.0),
    ]
    assert (done.portfolio_kw, done.aggregators_kw) == (0.0, 6.0)
    assert done.substitution_eur_per_h == pytest.approx(0.002 * 70.0 + 0.004 * 75.0)
    by_owner = {change.owner: (change.group.tolist(), change.kw.tolist()) for change in done.changes}
    assert by_owner == {"A01": ([0], [-6.0]), "A02": ([3], [2.0]), "A03": ([5], [4.0])}


def test_downward_offers_with_the_highest_price_are_accepted_first() -> None:
    pool = _first((OTHERS,), DOWN)
    pool.substitution.assess(ISP)
    for peer, group, price in (("A02", 3, 10.0), ("A03", 5, 40.0)):
        pool.substitution.on_substitution_offer(
            SubstitutionOfferMessage(
                peer,
                "A01",
                ISP,
                direction=DOWN,
                group=np.array([group]),
                kw=np.array([5.0]),
                price=np.array([price]),
            )
        )
    pool.substitution.report(ISP)
    assert [(m.receiver, m.kw) for m in pool.take(SubstitutionAcceptanceMessage)] == [
        ("A03", 5.0),
        ("A02", 1.0),
    ]
    assert pool.result().substitution_eur_per_h == pytest.approx(-(0.005 * 40.0 + 0.001 * 10.0))


def _offer(peer: Pool, requester: str, kw: float = 100.0, isp: int = ISP) -> dict[int, float]:
    """kW that A02 offers on a request, by group."""
    peer.substitution.on_substitution_request(
        SubstitutionRequestMessage(requester, "A02", isp, direction=UP, kw=kw)
    )
    offers = peer.take(SubstitutionOfferMessage)
    assert {m.receiver for m in offers} <= {requester}
    return {int(g): float(kw) for m in offers for g, kw in zip(m.group, m.kw, strict=True)}


def test_a_peer_offers_what_is_requested_the_cheapest_first() -> None:
    assert _offer(_second(), "A01", 1.5) == {3: 1.5}
    assert _offer(_second(), "A01", 3.0) == {3: 2.0, 4: 1.0}
    assert _offer(_second(), "A01") == {3: 2.0, 4: 2.5}
    assert _offer(_second(), "A01", isp=ISP - 1) == {}  # delivered already


def test_what_is_offered_once_is_not_offered_again() -> None:
    peer = _second()
    assert _offer(peer, "A01", 3.0) == {3: 2.0, 4: 1.0}
    assert _offer(peer, "A03") == {4: 1.5}
    assert _offer(peer, "A03") == {}
    peer.substitution.forget(ISP)
    assert _offer(peer, "A03") == {3: 2.0, 4: 2.5}


def test_what_others_accepted_does_not_substitute_own_sales() -> None:
    """Of the 2 and 2.5 kW of A02 others take 2 and 1 kW; then its own 4 kW of group 3 are blocked."""
    peer = _second(limited=True)
    assert _offer(peer, "A01", 3.0) == {3: 2.0, 4: 1.0}
    for group, kw in ((3, 2.0), (4, 1.0)):
        peer.substitution.on_substitution_acceptance(
            SubstitutionAcceptanceMessage("A01", "A02", ISP, direction=UP, group=group, kw=kw)
        )
    left = np.array([0.002, 0.001])
    able, blocked = peer.substitution.deliverable_mw(ISP, UP, np.array([3, 4]), left)
    assert [*able, blocked] == pytest.approx([0.0005, 0.001, 0.002])
    peer.groups.order[3] = 6.0
    assert peer.result().portfolio_kw == pytest.approx(1.5)


def test_a_peer_offers_nothing_that_its_own_sales_and_blocked_energy_need() -> None:
    """3 kW ordered of group 3, which can do 2 kW: 1 kW of group 4 substitutes it."""
    assert _offer(_second(order=3.0, limited=True), "A01") == {4: 1.5}
    assert _offer(_second(order=0.5), "A01") == {3: 1.5, 4: 2.5}
    ready = Pool(
        name="A02",
        groups=Groups([0] * 6, [0, 0, 0, 2.0, 2.5, 0]),
        price=[NAN, NAN, NAN, 70.0, 90.0, NAN],
        standby=[0, 0, 0, 2.0, 1.0, 0],
        limited=False,
    )
    assert _offer(ready, "A01") == {4: 1.5}


def test_the_report_to_the_tso_separates_energy_and_reserve() -> None:
    """10 kW sold and 2 kW on offer of group 0, which can do 4 kW."""
    alone = _first((TSO,), standby=[2, 0, 0, 0, 0, 0])
    alone.substitution.report(ISP)
    (report,) = alone.take(ShortfallMessage)
    assert (report.receiver, report.direction) == ("TSO", UP)
    assert (report.energy_mw, report.reserve_mw) == pytest.approx((0.006, 0.002))
    # Own groups could do the 6 kW sold; of what is on offer (2 and 4 kW) 1 and 3 kW remain against 8 blocked.
    own = _first((PORTFOLIO, TSO), standby=[2, 4, 0, 0, 0, 0])
    own.substitution.report(ISP)
    (report,) = own.take(ShortfallMessage)
    assert (report.energy_mw, report.reserve_mw) == pytest.approx((0.0, 0.004))


def test_all_steps_of_substitution_in_order() -> None:
    """12 kW blocked: 4 kW in the portfolio, 2 + 2.5 of A02, 1 of A03, the rest is the TSO's."""
    groups = Groups([12, 0, 0, 0, 0, 0], [0, 3, 1, 0, 0, 0])
    pool = Pool(name="A01", groups=groups, price=[50.0, 80.0, 60.0, NAN, NAN, NAN])
    _exchange(pool, _second(), _third(able=1.0))
    (report,) = pool.take(ShortfallMessage)
    assert (report.energy_mw, report.reserve_mw) == pytest.approx((0.0025, 0.0))
    done = pool.result()
    assert (done.blocked_kw, done.portfolio_kw, done.aggregators_kw) == pytest.approx((12.0, 4.0, 5.5))
    ours = {int(g): float(kw) for g, kw in zip(done.changes[0].group, done.changes[0].kw, strict=True)}
    assert ours == pytest.approx({0: -9.5, 1: 3.0, 2: 1.0})


def test_what_a_reserve_gets_of_bids_that_are_blocked() -> None:
    """2 kW left of group 0, which can do nothing; two bids of 3 kW of group 1, which can do 5 kW."""
    groups, group = Groups([0] * 6, [0, 5, 1.5, 0, 0, 0]), np.array([0, 1, 1])
    left, price = np.array([0.002, 0.003, 0.003]), [50.0, 80.0, 60.0, NAN, NAN, NAN]
    able, blocked = Pool(name="A01", groups=groups, price=price, substitution=()).substitution.deliverable_mw(
        ISP, UP, group, left
    )
    assert [*able, blocked] == pytest.approx([0.0, 0.0025, 0.0025, 0.003])
    # The 1.5 kW of group 2 substitute half of what is blocked.
    able, blocked = Pool(
        name="A01", groups=groups, price=price, substitution=(PORTFOLIO,)
    ).substitution.deliverable_mw(ISP, UP, group, left)
    assert [*able, blocked] == pytest.approx([0.001, 0.00275, 0.00275, 0.003])


def test_energy_sold_comes_before_reserve_on_offer() -> None:
    """Group 0 lacks 6 kW of energy: the 8 kW of substitutes leave 2 kW for the reserve, which lacks 4 kW."""
    able, blocked = _first((PORTFOLIO,)).substitution.deliverable_mw(
        ISP, UP, np.array([0]), np.array([0.004])
    )
    assert [*able, blocked] == pytest.approx([0.002, 0.004])


def test_accepted_offers_count_for_the_reserve() -> None:
    price, standby = [50.0, NAN, NAN, NAN, NAN, NAN], [3.0, 0, 0, 0, 0, 0]
    pool = Pool(
        name="A01", groups=Groups([0] * 6, [0] * 6), price=price, substitution=(OTHERS,), standby=standby
    )
    _exchange(pool, _second(able=0.0, more=1.5))
    able, blocked = pool.substitution.deliverable_mw(ISP, UP, np.array([0]), np.array([0.003]))
    assert [*able, blocked] == pytest.approx([0.0015, 0.003])


def test_an_isp_that_is_settled_is_forgotten() -> None:
    pool = _first((OTHERS,))
    _exchange(pool, _second(), _third())
    pool.substitution.forget(ISP)
    assert pool.substitution.limited == set()
    pool.substitution.on_limit(LimitMessage("DSO-D1", "A01", ISP))
    assert pool.result().substitutions == []  # nothing is accepted any more


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    substitution=st.sets(st.sampled_from(ALL)),
    direction=st.sampled_from([UP, DOWN]),
)
def test_orders_move_and_never_grow(seed: int, substitution: set[Substitute], direction: int) -> None:
    rng = np.random.default_rng(seed)
    mine = np.arange(6) < 3
    order, able = (np.where(mine, rng.uniform(0, 10, 6), 0.0) for _ in range(2))
    order[rng.random(6) < 0.3] = 0.0
    price = np.where(mine & (rng.random(6) < 0.8), rng.uniform(-20, 100, 6), NAN)
    standby = np.where(np.isfinite(price), rng.uniform(0, 3, 6), 0.0)
    pool = Pool(
        name="A01",
        groups=Groups(order, able, direction),
        price=price,
        substitution=sorted(substitution),
        standby=standby,
    )
    peer = Pool(
        name="A02",
        groups=Groups([0] * 6, np.where(mine, 0.0, rng.uniform(0, 3, 6)), direction),
        price=np.where(mine, NAN, rng.uniform(0, 100, 6)),
        limited=False,
    )
    _exchange(pool, peer)
    accepted_kw = sum(m.kw for m in pool.take(SubstitutionAcceptanceMessage))
    blocked = np.maximum(order - able, 0.0)
    spare = np.maximum(able - order, 0.0)[np.isfinite(price)].sum() * (PORTFOLIO in substitution)
    found = pool.substitution.deliver_substitutes(ISP)
    assert len(found) == int(blocked.sum() > 1e-6)
    for done in found:
        assert done.blocked_kw == pytest.approx(blocked.sum())
        assert done.portfolio_kw == pytest.approx(min(blocked.sum(), spare))
        assert done.aggregators_kw == pytest.approx(min(blocked.sum() - done.portfolio_kw, accepted_kw))
        after = order.copy()
        for change in done.changes:
            np.add.at(after, change.group, change.kw)
        assert after.sum() == pytest.approx(order.sum())  # what one does less, another does more
        assert (after >= -1e-9).all()
        assert (after[:3] <= np.maximum(order, able)[:3] + 1e-9).all()
        assert (after[3:] <= peer.groups.available[3:] + 1e-9).all()
        assert sum(t.mw for t in done.substitutions) == pytest.approx(done.aggregators_kw / 1000.0)
    assert OTHERS in substitution or accepted_kw == 0.0


def test_what_devices_cannot_deliver_anyway_is_not_blocked() -> None:
    """Of 10 kW ordered devices could do 7 kW at most, and 4 kW within limits: 3 kW are blocked."""
    pool = _first([])
    pool.groups.unlimited = np.array([7.0, 0, 0, 0, 0, 0])
    assert pool.result().blocked_kw == pytest.approx(3.0)
