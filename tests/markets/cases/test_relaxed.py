"""One TSO market that must not aggravate: by hand, what it promises, and what it costs beside others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.power_flow.constraints import Violations
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import Outcome, clear_case, open_case
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import Row, book, feeder, over_line, system
from tests.markets.small import area, network, random_case

SEEDS = st.integers(0, 2**32 - 1)
RELAXED = "central-03-relaxed"
ORDER = ("central-01", RELAXED, "central-03")


def _called(case: Case, scheme: str = RELAXED) -> dict[str, float]:
    return {bid: mw for bid, _, mw in clear_case(case, SCHEMES[scheme]).cleared}


T_BIDS: tuple[Row, ...] = (("t", 0, 1, 9.0, 70.0), ("td", 0, -1, 9.0, 5.0))


def _overloaded(need_mw: float, *bids: Row, tso: tuple[Row, ...] = T_BIDS) -> Case:
    """An area that draws 3 MW over a branch for 2, and a system that lacks `need_mw` beside it."""
    return system(need_mw, book(*tso), D=feeder(book(*bids), 2.0, base_mw=(-3.0, 0.0)))


def test_an_overload_that_is_there_need_not_be_relieved() -> None:
    # 1 MW is wanted; the area asks 90 for injection, transmission 70. Relief takes 1 MW at 90.
    case = _overloaded(1.0, ("u", 1, 1, 2.0, 90.0))
    assert _called(case) == pytest.approx({"t": 1.0})
    assert _called(case, "central-03") == pytest.approx({"u": 1.0})
    left = clear_case(case, SCHEMES[RELAXED]).linear
    assert (left.lines, left.buses) == (1, 0)
    assert left.max_overload_pct == pytest.approx(50.0)


def test_an_overload_that_is_there_must_not_grow() -> None:
    # 1 MW less is wanted; the area would pay 20 for drawing more, transmission 5.
    case = _overloaded(-1.0, ("d", 1, -1, 2.0, 20.0))
    assert _called(case, "central-01") == pytest.approx({"d": 1.0})
    assert _called(case) == pytest.approx({"td": 1.0})


def test_what_one_bid_takes_off_an_overload_another_may_put_on() -> None:
    # 1 MW of injection at 10 lets 1 MW of it be drawn at 20: net as before, 10 EUR/h earned; 1 MW more at 10
    # is the cheapest for the need of 1 MW.
    case = _overloaded(1.0, ("u", 2, 1, 2.0, 10.0), ("d", 1, -1, 1.0, 20.0))
    assert _called(case) == pytest.approx({"u": 2.0, "d": 1.0})
    assert clear_case(case, SCHEMES[RELAXED]).cost_eur_per_h == pytest.approx(2 * 10 - 20)


def test_the_other_side_of_an_overloaded_branch_keeps_its_limit() -> None:
    # 3 MW flow in over 2 MW; 9 MW of injection at 10 turn the flow round: to 2 MW the other way, not to 3.
    case = _overloaded(9.0, ("u", 1, 1, 9.0, 10.0))
    assert _called(case) == pytest.approx({"u": 5.0, "t": 4.0})


def test_it_leaves_a_need_unserved_rather_than_aggravate() -> None:
    # 1 MW less is wanted, nothing but the area's bid is there. central-03 draws 1 MW more over the branch:
    # a MW over a limit counts as much as a MW unserved, and the bid pays 20.
    case = _overloaded(-1.0, ("d", 1, -1, 2.0, 20.0), tso=())
    assert _called(case, "central-03") == pytest.approx({"d": 1.0})
    outcome = clear_case(case, SCHEMES[RELAXED])
    assert outcome.cleared == []
    assert outcome.unserved_imbalance_mw == pytest.approx(1.0)


def test_transmission_is_not_relieved_at_the_expense_of_an_area() -> None:
    # The line to both areas carries 5 - 1 = 4 MW and is there for 2. E sends all its branch is there for, and
    # would send 2 MW more for nothing, which transmission takes for 5: central-03 moves the overload.
    giving = feeder(book(("u", 1, 1, 2.0, 0.0)), 1.0, base_mw=(1.0, 0.0), name="E")
    taking = feeder(book(), 9.0, base_mw=(-5.0, 0.0))
    case = over_line(system(0.0, book(*T_BIDS), D=taking, E=giving), 2.0)
    assert _called(case, "central-03") == pytest.approx({"u": 2.0, "td": 2.0})
    assert _called(case) == {}


def _low_voltage(need_mw: float) -> Case:
    """1 MW at the end of r = 0.05 p.u. (10 MVA): w = 1 - 2 * 0.05 * 0.1 = 0.99, and 0.995 is the least."""
    bids = book(("d", 1, -1, 2.0, 20.0), ("u", 1, 1, 2.0, 90.0))
    p, end = np.array([0.0, -1.0]), np.array([0, 1])
    grid = network(end[:1], end[1:], np.array([0.1]), np.array([9.0]), p, (0.995**0.5, 1.1), tan_phi=0.0)
    return system(need_mw, book(*T_BIDS), D=area(grid, bids))


def test_a_voltage_out_of_its_band_stays_where_it_is_or_gets_better() -> None:
    assert _called(_low_voltage(1.0)) == pytest.approx({"t": 1.0})
    assert _called(_low_voltage(1.0), "central-03") == pytest.approx({"u": 0.5, "t": 0.5})  # half way back
    assert _called(_low_voltage(-1.0)) == pytest.approx({"td": 1.0})
    assert _called(_low_voltage(-1.0), "central-01") == pytest.approx({"d": 1.0})


def test_prices_count_what_must_not_be_aggravated() -> None:
    # As above, 1 MW less is wanted: transmission pays 5, the area's bid of 20 has no room. With locational
    # prices a MW drawn there is worth 5 of balance and 15 of room: 20, what it would pay.
    case = _overloaded(-1.0, ("d", 1, -1, 2.0, 20.0))
    for pricing in ("pay-as-cleared", "locational"):
        scheme = build_schemes(Options(pricing=pricing))[RELAXED]
        assert clear_case(case, scheme).paid_eur_per_h == pytest.approx({TSO: -5.0})
    states, ledger = open_case(case, SCHEMES[RELAXED])
    run_scheme(SCHEMES[RELAXED], states, ledger)
    answer = states.tso.balancing
    assert answer.price_eur_per_mwh == pytest.approx(5.0)
    assert answer.value_eur_per_mwh[-1] == pytest.approx(-20.0)


def _sold(case: Case, outcome: Outcome, name: str) -> FloatArray:
    bids = case.areas[name].bids
    sold = np.zeros(len(bids))
    for bid, _, mw in outcome.cleared:
        sold[bids.bid_id == bid] += mw
    return bids.injection_mw(sold, case.areas[name].network.n_nodes)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.sampled_from([0.0, 5.0, -5.0]))
def test_no_limit_is_broken_or_made_worse(seed: int, more_mw: float) -> None:
    """Whatever is wanted: also needs that nobody can serve."""
    case = _shifted(random_case(np.random.default_rng(seed)), more_mw)
    outcome = clear_case(case, SCHEMES[RELAXED])
    for name, each in case.areas.items():
        allowed, after = each.rows.relaxed(), each.rows.after(_sold(case, outcome, name))
        assert (after.flow_mw <= allowed.flow_max_mw + 1e-6).all()
        assert (after.flow_mw >= allowed.flow_min_mw - 1e-6).all()
        assert (after.w_pu2 <= allowed.w_max_pu2 + 1e-6).all()
        assert (after.w_pu2 >= allowed.w_min_pu2 - 1e-6).all()


def _shifted(case: Case, more_mw: float) -> Case:
    """The case with a need larger by so much."""
    p_mw = case.transmission.p_mw - np.array([more_mw, 0.0, 0.0])
    return replace(case, transmission=replace(case.transmission, p_mw=p_mw))


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_it_costs_no_less_than_a_market_without_limits_and_no_more_than_one_that_relieves(seed: int) -> None:
    """Each market's choice is among those of the one before it, if all of them serve the need.

    Of nested sets of dispatches the least costs are in order. The last must relieve all violations; else
    it has penalties, which are not part of the cost. (No limit of these grids is worth violating for a
    cheaper bid: prices differ by 100 EUR/MWh at most.)
    """
    case = random_case(np.random.default_rng(seed))
    outcomes = [clear_case(case, SCHEMES[name]) for name in ORDER]
    if max(o.unserved_imbalance_mw for o in outcomes) > 1e-7:
        return
    unlimited, relaxed, relieving = outcomes
    assert unlimited.cost_eur_per_h <= relaxed.cost_eur_per_h + 1e-5
    if relieving.linear == Violations():
        assert relaxed.cost_eur_per_h <= relieving.cost_eur_per_h + 1e-5
    if all(each.rows.violations() == Violations() for each in case.areas.values()):
        assert relieving.linear == Violations()
        assert relaxed.cost_eur_per_h == pytest.approx(relieving.cost_eur_per_h, abs=1e-5)


def test_the_order_is_not_empty() -> None:
    """Over some cases each of the three costs what no other does."""
    parts = {"dearer than without limits": 0, "cheaper than relieving": 0, "clean": 0}
    for seed in range(12):
        case = random_case(np.random.default_rng(seed))
        unlimited, relaxed, relieving = (clear_case(case, SCHEMES[name]).cost_eur_per_h for name in ORDER)
        parts["dearer than without limits"] += relaxed > unlimited + 1e-3
        parts["cheaper than relieving"] += relieving > relaxed + 1e-3
        parts["clean"] += all(each.rows.violations() == Violations() for each in case.areas.values())
    assert min(parts.values()) >= 1, parts


def test_who_leaves_a_need_unserved_may_be_cheaper() -> None:
    # An area sends 2 MW over a branch for 1 and offers 2 MW down at 20; transmission has 1 MW up at 50, which
    # is the need. For relief, central-03 takes 1 MW down for 20 EUR/h, and 1 MW stays unserved: a MW over
    # the limit and a MW unserved count alike. It "costs" 50 - 20 = 30, the relaxed market 50.
    bids = book(("d", 1, -1, 2.0, 20.0))
    case = system(1.0, book(("t", 0, 1, 1.0, 50.0)), D=feeder(bids, 1.0, base_mw=(2.0, 0.0)))
    unlimited, relaxed, relieving = (clear_case(case, SCHEMES[name]) for name in ORDER)
    assert [o.cost_eur_per_h for o in (unlimited, relaxed, relieving)] == pytest.approx([50.0, 50.0, 30.0])
    assert [o.unserved_imbalance_mw for o in (unlimited, relaxed, relieving)] == pytest.approx(
        [0.0, 0.0, 1.0]
    )
    # And the relaxed market may be cheaper than the unlimited one: the area sends all its branch carries, and
    # its injection at 40 is all there is. What is not served costs nothing.
    full = feeder(book(("u", 1, 1, 1.0, 40.0)), 2.0, base_mw=(2.0, 0.0))
    case = system(1.0, book(), D=full)
    unlimited, relaxed, _ = (clear_case(case, SCHEMES[name]) for name in ORDER)
    assert (unlimited.cost_eur_per_h, relaxed.cost_eur_per_h) == pytest.approx((40.0, 0.0))
    assert relaxed.unserved_imbalance_mw == pytest.approx(1.0)
