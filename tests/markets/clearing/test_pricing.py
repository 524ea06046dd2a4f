"""Pricing rules and cost allocation by hand, and what theory says about them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import allocate, clear_case, open_case
from tandem_sim.markets.cases.cost_allocation import by_duals, coalition_costs, shapley
from tandem_sim.markets.choices import PRICINGS, Pricing
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import book, feeder, system
from tests.markets.small import random_case

SEEDS = st.integers(0, 10_000)


def _export_limited() -> Case:
    """5 MW needed; cheap offers of 4 MW at 20 behind a branch of 3 MW, dear ones on transmission at 50."""
    return system(5.0, book(("t", 0, 1, 9.0, 50.0)), D=feeder(book(("d", 1, 1, 4.0, 20.0)), 3.0))


def test_three_rules_by_hand() -> None:
    case = _export_limited()
    paid = {}
    for pricing in PRICINGS:
        outcome = clear_case(case, build_schemes(Options(pricing=pricing))["common"])
        assert {bid: mw for bid, _, mw in outcome.cleared} == pytest.approx({"d": 3.0, "t": 2.0})
        assert outcome.cost_eur_per_h == pytest.approx(160.0)  # what it costs does not depend on what is paid
        paid[pricing] = outcome.paid_eur_per_h["T"]
    # As bid 3 x 20 + 2 x 50; as cleared 5 x 50; locational 3 x 20 behind the full branch, 2 x 50 elsewhere.
    assert paid == pytest.approx({"pay-as-bid": 160.0, "pay-as-cleared": 250.0, "locational": 160.0})


def _sold(case: Case, pricing: Pricing) -> tuple[Ledger, str]:
    scheme = build_schemes(Options(pricing=pricing))["common"]
    states, ledger = open_case(case, scheme)
    run_scheme(scheme, states, ledger)
    return ledger, scheme.blocks[0].name


def test_what_a_limit_makes_dearer_is_no_balancing() -> None:
    """Without the branch: 4 MW at 20 and 1 MW at 50. It lets 3 MW through: 1 MW more at 50 is congestion."""
    ledger, market = _sold(_export_limited(), "pay-as-cleared")
    area, system_ = (ledger.purposes[market][s].by_name(ledger.markets[market][s]) for s in ("D", TSO))
    assert {k: v.tolist() for k, v in area.items()} == {
        "balancing": pytest.approx([3.0]),
        "congestion": pytest.approx([0.0]),
        "voltage": [0.0],
    }
    assert system_["balancing"] == pytest.approx([1.0])
    assert system_["congestion"] == pytest.approx([1.0])


def test_a_bid_called_against_a_limit_is_made_whole() -> None:
    """The area must shed 1 MW through 3 MW of branch: 60 there, while the balance is worth 20."""
    area = feeder(book(("d", 1, 1, 4.0, 60.0)), 3.0, base_mw=(-4.0, 0.0))
    case = system(5.0, book(("t", 0, 1, 9.0, 20.0)), D=area)
    ledger, market = _sold(case, "pay-as-cleared")
    assert ledger.markets[market]["D"] == pytest.approx([1.0])
    assert ledger.paid[market]["D"] == pytest.approx([60.0])
    assert ledger.make_whole[market]["D"] == pytest.approx([40.0])
    assert ledger.make_whole[market][TSO] == pytest.approx([0.0])
    assert ledger.purposes[market]["D"].by_name(np.ones(1))["congestion"] == pytest.approx([1.0])
    for pricing in ("pay-as-bid", "locational"):
        ledger, market = _sold(case, pricing)
        assert ledger.make_whole[market]["D"] == pytest.approx([0.0])


def test_down_bids_pay_back_no_more_than_they_offered() -> None:
    # 3 MW too much: down bids pay back 30 and 10 EUR/MWh; the marginal one sets 10.
    case = system(-3.0, book(("a", 0, -1, 2.0, 30.0), ("b", 0, -1, 2.0, 10.0)), D=feeder(book(), 1.0))
    paid = {
        p: clear_case(case, build_schemes(Options(pricing=p))["common"]).paid_eur_per_h["T"] for p in PRICINGS
    }
    assert paid == pytest.approx({"pay-as-bid": -70.0, "pay-as-cleared": -30.0, "locational": -30.0})


@settings(deadline=None, max_examples=8)
@given(SEEDS, st.sampled_from(sorted(SCHEMES)))
def test_nobody_is_paid_less_than_it_asked_for_under_any_rule(seed: int, name: str) -> None:
    case = random_case(np.random.default_rng(seed))
    dispatch = []
    for pricing in PRICINGS:
        scheme = build_schemes(Options(pricing=pricing))[name]
        states, ledger = open_case(case, scheme)
        run_scheme(scheme, states, ledger)
        for market, systems in ledger.markets.items():
            for system_name, award in systems.items():
                asked = states.of(system_name).bids.signed_price * award
                assert (ledger.paid[market][system_name] >= asked - 1e-7).all(), (market, system_name)
                if pricing == "pay-as-bid":
                    assert ledger.paid[market][system_name] == pytest.approx(asked, abs=1e-9)
        dispatch.append(clear_case(case, scheme).cleared)
    assert dispatch[0] == dispatch[1] == dispatch[2]


def test_allocation_by_hand() -> None:
    # The area draws 4 MW over 3 MW, up bids behind the branch cost 50; the system lacks 5 MW, at 20.
    area = feeder(book(("d", 1, 1, 4.0, 50.0)), 3.0, base_mw=(-4.0, 0.0))
    case = system(5.0, book(("t", 0, 1, 9.0, 20.0), ("td", 0, -1, 9.0, 5.0)), D=area)
    states, _ = open_case(case, SCHEMES["common"])
    costs = coalition_costs(states)
    # Alone the DSO buys 1 MW at 50 and 1 MW down at 5; alone the TSO 5 MW at 20; together 1 at 50, 4 at 20.
    assert costs[frozenset()] == 0.0
    assert costs[frozenset({"D"})] == pytest.approx(45.0)
    assert costs[frozenset({TSO})] == pytest.approx(100.0)
    assert costs[frozenset({"D", TSO})] == pytest.approx(130.0)
    # Joining last costs the DSO 30 and the TSO 85: the means of first and last.
    assert shapley(costs) == pytest.approx({"D": 37.5, TSO: 92.5})
    # Duals: balance 20 x 5 MW; the branch 30 EUR/MWh x 1 MW of relief.
    assert allocate(case, SCHEMES["common"])["duals"] == pytest.approx({TSO: 100.0, "D": 30.0})
    assert allocate(case, SCHEMES["multilevel-03"]) == {}


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_shares_add_up_to_the_cost_of_the_common_market(seed: int) -> None:
    case = random_case(np.random.default_rng(seed))
    cost = clear_case(case, SCHEMES["common"]).cost_eur_per_h
    for rule, shares in allocate(case, SCHEMES["common"]).items():
        if shares:
            assert sum(shares.values()) == pytest.approx(cost, rel=1e-6, abs=1e-6), rule


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-100.0, 100.0), min_size=8, max_size=8))
def test_the_shapley_value_keeps_its_axioms(values: list[float]) -> None:
    players = ("a", "b", "c")
    subsets = [frozenset(p for k, p in enumerate(players) if bits >> k & 1) for bits in range(8)]
    game = dict(zip(subsets, [0.0, *values[1:]], strict=True))
    value = shapley(game)
    assert sum(value.values()) == pytest.approx(game[frozenset(players)], abs=1e-9)  # efficiency
    dummy = {s: game[s - {"c"}] + 7.0 * ("c" in s) for s in subsets}  # c adds 7 to whatever it joins
    assert shapley(dummy)["c"] == pytest.approx(7.0)
    other = shapley({s: 2.0 * game[s] + dummy[s] for s in subsets})  # additivity
    assert other == pytest.approx({p: 2.0 * value[p] + shapley(dummy)[p] for p in players}, abs=1e-9)


def test_duals_that_cancel_out_allocate_nothing() -> None:
    case = system(0.0, book(("t", 0, 1, 1.0, 20.0)), D=feeder(book(), 1.0))
    states, ledger = open_case(case, SCHEMES["common"])
    run_scheme(SCHEMES["common"], states, ledger)
    assert by_duals(states.tso.balancing, states.tso.need) == {}
