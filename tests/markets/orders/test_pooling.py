"""Pooling: small bids reach a market's minimum size together, or stay out of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.local_and_tso import ForwardBids
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.choices import POOLED_BY, PooledBy
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.pooling import in_pools
from tandem_sim.markets.schemes import Options, build_schemes
from tandem_sim.testing import check_block
from tests.markets.hand import feeder, system


def _book(*rows: tuple[str, int, float], demand: tuple[int, ...] = ()) -> Bids:
    """Bids by (provider, direction, MW), named b0, b1, ... in that order."""
    provider, direction, mw = zip(*rows, strict=True)
    n = len(rows)
    return Bids.of(
        [f"b{k}" for k in range(n)],
        provider,
        [1] * n,
        direction,
        mw,
        [50.0] * n,
        [k in demand for k in range(n)],
    )


BOOK = _book(("A", UP, 0.4), ("A", UP, 0.6), ("B", UP, 0.9), ("A", DOWN, 0.7), ("B", DOWN, 0.3))


def _inside(bids: Bids, minimum_mw: float, by: PooledBy, offered_mw: FloatArray | None = None) -> list[bool]:
    mw = bids.quantity_mw if offered_mw is None else offered_mw
    return [bool(x) for x in in_pools(bids, mw, minimum_mw, by)]


def test_a_provider_reaches_the_minimum_with_all_it_offers_in_one_direction() -> None:
    # A: 0.4 + 0.6 = 1 MW up and 0.7 MW down; B: 0.9 MW up and 0.3 MW down.
    assert _inside(BOOK, 1.0, "provider") == [True, True, False, False, False]
    assert _inside(BOOK, 0.7, "provider") == [True, True, True, True, False]
    assert _inside(BOOK, 1.01, "provider") == [False] * 5


def test_an_operator_adds_up_what_everybody_offers() -> None:
    # 1.9 MW up, 1 MW down, whosever they are.
    assert _inside(BOOK, 1.0, "operator") == [True] * 5
    assert _inside(BOOK, 1.5, "operator") == [True, True, True, False, False]
    assert _inside(BOOK, 2.0, "operator") == [False] * 5


@pytest.mark.parametrize("by", POOLED_BY)
def test_without_a_minimum_every_bid_is_inside(by: PooledBy) -> None:
    assert _inside(BOOK, 0.0, by, np.zeros(5)) == [True] * 5
    assert _inside(Bids.empty(), 1.0, by) == []


def test_only_what_is_offered_counts() -> None:
    # Of A's 1 MW up a quarter is sold already: 0.75 MW are left, B's 0.9 MW stand.
    left = np.array([0.15, 0.6, 0.9, 0.7, 0.3])
    assert _inside(BOOK, 0.8, "provider", left) == [False, False, True, False, False]


def test_demand_needs_no_pool_and_helps_none() -> None:
    # The company's 0.4 MW (an offer down, as the book sees it) are inside, A's 0.7 MW down stay alone.
    book = _book(("A", DOWN, 0.7), ("A", DOWN, 0.4), ("C", UP, 0.2), demand=(1,))
    for by in POOLED_BY:
        assert _inside(book, 1.0, by) == [False, True, False]


def test_rounding_keeps_nobody_out() -> None:
    tenths = _book(*[("A", UP, 0.1)] * 10)  # the sum is 0.9999999999999999
    assert _inside(tenths, 1.0, "provider") == [True] * 10
    assert _inside(_book(("A", UP, 0.999)), 1.0, "provider") == [False]


ROWS = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from([UP, DOWN]), st.integers(0, 8), st.booleans()),
    min_size=1,
    max_size=10,
)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.integers(1, 20))
def test_pools_are_what_one_would_count(rows: list[tuple[str, int, int, bool]], eighths: int) -> None:
    """Against a count by hand; and the operator's pools hold whatever the providers' do."""
    demand = tuple(k for k, row in enumerate(rows) if row[3])
    book = _book(*((p, d, mw / 8) for p, d, mw, _ in rows), demand=demand)
    minimum = eighths / 8
    by_provider = _inside(book, minimum, "provider")
    for k, (provider, direction, _, buys) in enumerate(rows):
        pool = sum(mw for p, d, mw, b in rows if (p, d, b) == (provider, direction, False)) / 8
        assert by_provider[k] == (buys or pool >= minimum)
    both = zip(by_provider, _inside(book, minimum, "operator"), strict=True)
    assert all(together for alone, together in both if alone)


def _forwarded(bids: Bids, sold_mw: list[float], minimum_mw: float, by: PooledBy = "provider") -> list[float]:
    states = OperatorState()
    states.update("D", AreaState(bids=bids, sold=np.array(sold_mw)))
    written = check_block(ForwardBids(pool_minimum_mw=minimum_mw, pooled_by=by), "D", states)
    return [float(x) for x in written.areas["D"].offers]


def test_what_a_local_market_leaves_must_reach_the_minimum_to_be_forwarded() -> None:
    # Sold: 0.1 MW of A's first bid. Left: A 0.9 up and 0.7 down, B 0.9 up and 0.3 down.
    sold = [0.1, 0.0, 0.0, 0.0, 0.0]
    assert _forwarded(BOOK, sold, 0.0) == pytest.approx([0.3, 0.6, 0.9, 0.7, 0.3])
    assert _forwarded(BOOK, sold, 0.9) == pytest.approx([0.3, 0.6, 0.9, 0.0, 0.0])
    assert _forwarded(BOOK, sold, 1.0) == [0.0] * 5
    assert _forwarded(BOOK, sold, 1.0, "operator") == pytest.approx([0.3, 0.6, 0.9, 0.7, 0.3])
    assert _forwarded(BOOK, sold, 1.5, "operator") == pytest.approx([0.3, 0.6, 0.9, 0.0, 0.0])


def test_bids_without_consent_neither_pass_nor_count() -> None:
    book = replace(BOOK, forwardable=np.array([True, False, True, True, True]))
    assert _forwarded(book, [0.0] * 5, 0.0) == pytest.approx([0.4, 0.0, 0.9, 0.7, 0.3])
    assert _forwarded(book, [0.0] * 5, 0.5) == pytest.approx([0.0, 0.0, 0.9, 0.7, 0.0])


def test_what_is_held_for_the_reserve_is_forwarded_and_counts() -> None:
    # Of A's first bid 0.25 MW are held: the local market may sell 0.15 MW, and has. 0.25 + 0.6 MW go on.
    book = replace(BOOK, held_mw=np.array([0.25, 0.0, 0.0, 0.0, 0.0]))
    sold = [0.15, 0.0, 0.0, 0.0, 0.0]
    assert _forwarded(book, sold, 0.85) == pytest.approx([0.25, 0.6, 0.9, 0.0, 0.0])
    assert _forwarded(book, sold, 0.86) == pytest.approx([0.0, 0.0, 0.9, 0.0, 0.0])


def test_what_companies_want_to_buy_is_not_forwarded() -> None:
    book = _book(("C", DOWN, 2.0), ("A", DOWN, 1.0), demand=(0,))
    assert _forwarded(book, [0.0, 0.0], 1.0) == pytest.approx([0.0, 1.0])


def test_small_bids_reach_the_tso_only_where_their_operator_pools_them() -> None:
    # The system lacks 1 MW. The area offers 0.5 MW at 20 and 0.5 MW at 30 of two providers; transmission
    # asks 90. Pooled by the operator: 10 + 15 = 25 EUR/h, and the members keep their prices; alone: 90 EUR/h.
    ids, n = ["a", "b"], 2
    area = Bids.of(ids, ["A", "B"], [1] * n, [UP] * n, [0.5] * n, [20.0, 30.0])
    tso = Bids.of(["t"], ["G"], [0], [UP], [5.0], [90.0])
    cost: dict[PooledBy, float] = {"operator": 25.0, "provider": 90.0}
    for by, expected in cost.items():
        scheme = build_schemes(Options(pool_minimum_mw=1.0, pooled_by=by))["multilevel-01"]
        found = clear_case(system(1.0, tso, D=feeder(area, 100.0)), scheme)
        assert found.cost_eur_per_h == pytest.approx(expected)
        assert {bid for bid, _, _ in found.cleared} == ({"a", "b"} if by == "operator" else {"t"})
