"""A case as a function of bids: truthful bids, money by hand, and effects of shifted schedules."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case, GateForecasts, read_case
from tandem_sim.markets.cases.clear import clear_case, open_case
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.coordination.operator_state import SystemState
from tandem_sim.markets.coordination.state import expected_mw
from tandem_sim.markets.games.repeated_market import CaseMarket, shifted_case
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import book, feeder, system
from tests.markets.small import random_case

SOME = (
    "central-01",
    "central-02",
    "multilevel-02",
    "multilevel-03",
    "aggregation",
    "shared-balancing",
    "hybrid",
    "common",
)


@cache
def case_of(name: str, offset: Any = None) -> Case:
    return read_case(case_path(f"alexander-{name.lower()}"), offset)


def hand() -> Case:
    """3 MW are missing: 2 MW at 40 in the area, 5 MW at 60 on transmission."""
    area = feeder(book(("d", 1, 1, 2.0, 40.0), ("e", 2, -1, 1.0, 10.0)), 10.0)
    return system(3.0, book(("t", 0, 1, 5.0, 60.0)), D=area)


@pytest.mark.parametrize("scheme", SOME)
@pytest.mark.parametrize("name", ["A", "V"])
def test_the_truth_clears_as_ever(name: str, scheme: str) -> None:
    case, chosen = case_of(name), SCHEMES[scheme]
    outcome, played = clear_case(case, chosen), CaseMarket(case, chosen).play()
    assert played.cost_eur_per_h == pytest.approx(outcome.net_cost_eur_per_h, abs=1e-9)
    assert played.paid_eur_per_h == outcome.paid_eur_per_h
    assert played.unserved_mw == outcome.unserved_imbalance_mw
    sold: dict[str, float] = {}
    for bid, _, mw in outcome.cleared:
        sold[bid] = sold.get(bid, 0.0) + mw
    for name_, bids in CaseMarket(case, chosen).books.items():
        found = dict(zip(bids.bid_id.tolist(), played.sold_mw[name_].tolist(), strict=True))
        assert found == pytest.approx({bid: sold.get(bid, 0.0) for bid in found}, abs=1e-9)
    assert (played.penalty_eur_per_h > 1.0) == bool(outcome.linear.lines + outcome.linear.buses)
    assert all(abs(profit) < 1e-9 for profit in played.profit_eur_per_h.values())  # pay-as-bid at cost


def test_playing_again_gives_the_same_and_leaves_no_trace() -> None:
    market = CaseMarket(case_of("V"), SCHEMES["multilevel-03"])
    first = market.play()
    own = market.books["D1"]
    other = market.play({"D1": replace(own, quantity_mw=0.5 * own.quantity_mw)})
    again = market.play()
    assert other.cost_eur_per_h != first.cost_eur_per_h
    assert again.cost_eur_per_h == first.cost_eur_per_h
    assert all(np.array_equal(again.sold_mw[s], first.sold_mw[s]) for s in market.books)


@pytest.mark.parametrize(
    ("pricing", "profit_d", "profit_t"),
    [("pay-as-bid", 2 * 15.0, 0.0), ("pay-as-cleared", 2 * 20.0, 0.0), ("locational", 2 * 20.0, 0.0)],
)
def test_profit_by_hand(pricing: Any, profit_d: float, profit_t: float) -> None:
    """A seller with cost 40 asks 55: it sells its 2 MW before the 60 of transmission, which sells 1 MW."""
    market = CaseMarket(hand(), build_schemes(Options(pricing=pricing))["common"])
    assert market.sellers == ("d", "e", "t")
    own = market.books["D"]
    played = market.play({"D": replace(own, price=np.array([55.0, 10.0]))})
    assert played.sold_mw["D"] == pytest.approx([2.0, 0.0])
    assert played.sold_mw[TSO] == pytest.approx([1.0])
    assert played.profit_eur_per_h == pytest.approx({"d": profit_d, "e": 0.0, "t": profit_t})
    assert played.cost_eur_per_h == pytest.approx(2 * 40.0 + 60.0)
    assert sum(played.paid_eur_per_h.values()) == pytest.approx(2 * 40.0 + profit_d + 60.0)
    assert played.unserved_mw == pytest.approx(0.0)
    assert played.penalty_eur_per_h == pytest.approx(0.0)


def test_a_down_bid_that_pays_receives_less_than_nothing() -> None:
    case = system(-1.0, Bids.empty(), D=feeder(book(("d", 1, -1, 2.0, 10.0)), 10.0))
    market = CaseMarket(case, SCHEMES["common"])
    played = market.play({"D": replace(market.books["D"], price=np.array([4.0]))})
    assert played.received_eur_per_h["D"] == pytest.approx([-4.0])
    assert played.profit_eur_per_h["d"] == pytest.approx(6.0)  # it saves 10 and pays 4


def test_withholding_is_a_smaller_quantity() -> None:
    market = CaseMarket(hand(), SCHEMES["common"], {"d": "one", "e": "one", "t": "two"})
    assert market.sellers == ("one", "two")
    assert {s: rows.tolist() for s, rows in market.rows_of("one").items()} == {"D": [0, 1]}
    own = market.books["D"]
    played = market.play({"D": replace(own, quantity_mw=np.array([0.5, 0.0]))})
    assert played.sold_mw["D"] == pytest.approx([0.5, 0.0])
    assert played.sold_mw[TSO] == pytest.approx([2.5])


def test_broken_limits_cost_the_same_whoever_saw_them() -> None:
    """2 MW are cheap behind a branch of 1.5 MW: half a MW of excess without its limit, none with it."""
    area = feeder(book(("d", 1, 1, 2.0, 40.0)), 1.5)
    case = system(3.0, book(("t", 0, 1, 5.0, 60.0)), D=area)
    unlimited = CaseMarket(case, SCHEMES["central-01"]).play()
    assert unlimited.penalty_eur_per_h == pytest.approx(0.5 * 10_000.0)
    assert CaseMarket(case, SCHEMES["common"]).play().penalty_eur_per_h == pytest.approx(0.0, abs=1e-4)


def test_company_demand_counts_as_worth() -> None:
    area = feeder(book(("d", 1, 1, 2.0, 40.0), ("w", 2, -1, 1.0, 90.0), demand=("w",)), 10.0)
    played = CaseMarket(system(0.0, Bids.empty(), D=area), SCHEMES["integrated"]).play()
    assert played.sold_mw["D"] == pytest.approx([1.0, 1.0])
    assert played.cost_eur_per_h == pytest.approx(40.0 - 90.0)


@pytest.mark.parametrize("offset", ["linear", "ac"])
def test_a_shift_leaves_the_need_and_moves_flows(offset: Any) -> None:
    case = case_of("A", offset)
    network, node = case.areas["D1"].network, int(case.transmission.p_mw.argmax())
    shift = np.zeros(network.n_nodes)
    shift[20] = 0.2
    moved = shifted_case(case, {"D1": shift}, node)
    states, _ = open_case(case, SCHEMES["common"])
    after, _ = open_case(moved, SCHEMES["common"])
    before_mw, after_mw = (expected_mw(known.tso, known.areas) for known in (states, after))
    assert float(after_mw.sum()) == pytest.approx(float(before_mw.sum()), abs=1e-12)
    change = after_mw - before_mw
    assert change[case.transmission.interface_node["D1"]] == pytest.approx(0.2)
    assert change[node] == pytest.approx(-0.2)
    assert moved.areas["D1"].network.interface_mw == pytest.approx(network.interface_mw - 0.2)
    flow = moved.areas["D1"].rows.flow_mw - case.areas["D1"].rows.flow_mw
    exact = case.areas["D1"].rows.flow_matrix @ shift
    assert np.abs(exact).max() > 0.1
    np.testing.assert_allclose(flow, exact, atol=1e-12 if offset == "linear" else 0.05)
    assert (np.abs(flow - exact).max() < 1e-12) == (offset == "linear")
    assert moved.areas["D2"] is case.areas["D2"]


def test_a_shift_fills_a_branch_that_a_local_market_then_empties() -> None:
    """Increase, then decrease: selling 2 MW more through a branch of 1 MW makes the DSO buy 1 MW back."""
    area = feeder(book(("d", 1, -1, 2.0, 10.0)), 1.0)
    case = system(0.0, book(("t", 0, 1, 5.0, 60.0)), D=area)
    market = CaseMarket(case, SCHEMES["multilevel-01"])
    assert market.play().sold_mw["D"].tolist() == [0.0]
    shift = {"D": np.array([0.0, 2.0, 0.0])}
    gamed = market.play(shift_mw=shift)
    assert gamed.sold_mw["D"] == pytest.approx([0.0])  # it must stay balanced by itself: no other bid
    assert gamed.penalty_eur_per_h == pytest.approx(10_000.0)
    full = CaseMarket(case, SCHEMES["common"]).play(shift_mw=shift)
    assert full.sold_mw["D"] == pytest.approx([1.0])
    assert full.sold_mw[TSO] == pytest.approx([1.0])
    assert full.unserved_mw == pytest.approx(0.0, abs=1e-9)
    assert market.play(shift_mw=shift).sold_mw["D"] == pytest.approx(gamed.sold_mw["D"])
    assert market.play(shift_mw={"D": np.zeros(3)}).penalty_eur_per_h == 0.0


def test_the_flow_scheduled_at_a_boundary_follows_the_trade() -> None:
    case = random_case(np.random.default_rng(1))
    areas = {k: replace(a, scheduled_mw=0.5) for k, a in case.areas.items()}
    case = replace(case, areas=areas)
    area = case.areas["D1"]
    expected = {"D1": area.entries(area.network.p_mw, area.network.q_mvar)}
    given = GateForecasts(expected, SystemState(grid=case.transmission))
    case = replace(case, forecasts={"dso_clear": given})
    shift = np.zeros(area.network.n_nodes)
    shift[1] = 0.25
    moved = shifted_case(case, {"D1": shift, TSO: np.array([0.0, 0.1, 0.0])}, 2)
    assert moved.areas["D1"].scheduled_mw == pytest.approx(0.25)
    shifted = moved.forecasts["dso_clear"]
    np.testing.assert_allclose(shifted.areas["D1"].forecast.p_mw, area.network.p_mw + shift)
    assert shifted.tso is not None
    np.testing.assert_allclose(shifted.tso.grid.p_mw, moved.transmission.p_mw)
    assert float(moved.transmission.p_mw.sum()) == pytest.approx(float(case.transmission.p_mw.sum()) - 0.25)
    for scheme in ("shared-balancing", "multilevel-03"):
        played = CaseMarket(case, SCHEMES[scheme]).play(shift_mw={"D1": shift})
        assert np.isfinite(played.cost_eur_per_h)


def changed(**columns: FloatArray) -> Any:
    return lambda market: market.play({"D": replace(market.books["D"], **columns)})


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (changed(price=np.array([np.nan, 1.0])), "books of D: price must be finite"),
        (changed(quantity_mw=np.array([1.0, np.inf])), "books of D: quantity_mw must be finite"),
        (changed(quantity_mw=np.array([2.5, 1.0])), "d offers 2.5 MW of 2 MW that it owns"),
        (changed(quantity_mw=np.array([-1.0, 1.0])), "must not be negative"),
        (changed(node=np.array([2, 2])), "node differs from that of the case"),
        (lambda m: m.play({"D": m.books["D"].pick(np.array([1, 0]))}), "bid_id differs"),
        (lambda m: m.play({"X": m.books["D"]}), "books: X is no system of the case; it has T, D"),
        (lambda m: m.play(shift_mw={"X": np.zeros(3)}), "shift_mw: X is no system"),
        (lambda m: m.play(shift_mw={"D": np.zeros(2)}), r"shift_mw of D has shape \(2,\), expected \(3,\)"),
        (lambda m: m.play(shift_mw={"D": np.full(3, np.nan)}), "shift_mw of D: must be finite"),
        (lambda m: m.rows_of("nobody"), "nobody has no bids in this case; sellers are d, e, t"),
        (lambda m: CaseMarket(m.case, m.scheme, {"d": "a"}), "names no seller of bid t"),
        (lambda m: CaseMarket(m.case, m.scheme, balance_node=7), "balance_node 7 is no node"),
    ],
)
def test_what_may_not_be_bid_or_shifted(action: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        action(CaseMarket(hand(), SCHEMES["common"]))


def test_a_shift_without_ac_solution_is_refused() -> None:
    case = case_of("A", "ac")
    with pytest.raises(ValueError, match="shift_mw of D1: the AC power flow has no solution"):
        shifted_case(case, {"D1": np.full(case.areas["D1"].network.n_nodes, -1e4)}, 0)


def test_a_bid_beyond_the_price_limit_is_refused_by_name() -> None:
    """A case that admits 9 999 EUR/MWh has penalties of 10 000: 12 000 is refused, and raises none."""
    case = hand()
    limited = replace(case, options=replace(case.options, price_limit_eur_per_mwh=9999.0))
    dear = replace(case.tso_bids, price=np.array([12_000.0]))
    said = "by hand: bid t: has a price of 12000 EUR/MWh, beyond the limit of 9999 EUR/MWh"
    with pytest.raises(InputError, match=said):
        CaseMarket(limited, SCHEMES["common"]).play({TSO: dear})
    at_limit = replace(case.tso_bids, price=np.array([9999.0]))
    assert CaseMarket(limited, SCHEMES["common"]).play({TSO: at_limit}).sold_mw[TSO] == pytest.approx([1.0])
    # Without a limit a market admits what is bid, and its penalties follow.
    assert CaseMarket(case, SCHEMES["common"]).play({TSO: dear}).sold_mw[TSO] == pytest.approx([1.0])
