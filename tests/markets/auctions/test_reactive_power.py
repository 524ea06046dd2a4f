"""Reactive power for voltage: markets by hand, properties of the block, and its place in schemes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.power_flow.constraints import GridConstraints, Violations
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.reactive_power import ReactiveTrade, VoltageMarket, least_cost_mvar
from tandem_sim.markets.cases.case import Case, CaseArea
from tandem_sim.markets.cases.clear import clear_case, open_case
from tandem_sim.markets.coordination.block import TSO, Block
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.orders.penalties import VOLTAGE_EUR_PER_H_PU2
from tandem_sim.markets.orders.products import Product
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tandem_sim.markets.settlement.payments import Payment, reactive_payments
from tandem_sim.testing import check_block, check_scheme
from tests.markets.hand import Row, book, system
from tests.markets.small import area, network, random_bids, random_case, random_tree, rows_of

REACTIVE = build_schemes(Options(local_reactive=True))
LOCAL_FIRST = [
    "multilevel-01",
    "multilevel-02",
    "multilevel-02-post",
    "multilevel-03",
    "multilevel-04",
    "fragmented",
]


def two_bus(band: tuple[float, float], p_mw: float = -2.0, q_tan: float = 0.5, *bids: Row) -> CaseArea:
    """Root and node 1 behind 0.05 + j0.1 p.u. on 10 MVA: 0.02 p.u.**2 per Mvar, 0.01 per MW.

    As it stands, 2 MW and 1 Mvar of consumption: w = 1 - 0.02 - 0.02 = 0.96.
    """
    branch = np.array([0]), np.array([1]), np.array([0.1]), np.array([1e3])
    grid = network(*branch, np.array([0.0, p_mw]), band, tan_phi=q_tan)
    return area(grid, book(*bids))


def bought(at: CaseArea, *offers: Row) -> list[float]:
    return list(least_cost_mvar(at.rows, book(*offers), "a test"))


def test_a_low_voltage_by_hand() -> None:
    # The band starts at w = 0.99**2 = 0.9801: 0.0201 are missing, 1.005 Mvar. The cheapest 0.6 come first;
    # to absorb is cheaper still and of no use.
    at = two_bus((0.99, 1.1))
    assert at.rows.w_pu2.tolist() == pytest.approx([1.0, 0.96])
    mvar = bought(at, ("a", 1, 1, 0.6, 4.0), ("b", 1, 1, 2.0, 6.0), ("c", 1, -1, 1.0, 1.0))
    assert mvar == pytest.approx([0.6, 0.405, 0.0])


def test_a_high_voltage_by_hand_costs_money_too() -> None:
    # 2 MW and 1 Mvar of feed-in: w = 1.04; the band ends at 1.01**2 = 1.0201, 0.0199 too low: 0.995 Mvar.
    at = two_bus((0.9, 1.01), p_mw=2.0)
    offers = ("a", 1, -1, 0.6, 4.0), ("b", 1, -1, 2.0, 6.0), ("c", 1, 1, 1.0, 1.0)
    assert bought(at, *offers) == pytest.approx([0.6, 0.395, 0.0])
    outcome = clear_case(_case(at, *offers), REACTIVE["fragmented"])
    assert outcome.reactive_cost_eur_per_h == pytest.approx(0.6 * 4.0 + 0.395 * 6.0)


def test_a_rating_bounds_the_reactive_flow() -> None:
    # 2 MW through a rating of 2.5 MVA leave 1.5 Mvar either way. The flow is 1 Mvar towards the user: what is
    # injected may turn it to 1.5 Mvar back, 2.5 Mvar in all, though the voltage asks for 3.
    at = two_bus((0.99, 1.1))
    rows = replace(at.rows, rating_mva=np.array([2.5]), limit_mw=np.array([np.sqrt(2.5**2 - 1.0)]))
    assert rows.reactive_limit_mvar() == pytest.approx([1.5])
    short = replace(rows, w_min_pu2=np.array([0.0, 0.96 + 3.0 * 0.02]))
    mvar = least_cost_mvar(short, book(("a", 1, 1, 9.0, 4.0)), "a test")
    assert mvar == pytest.approx([2.5])
    left = short.after_reactive(np.array([0.0, 2.5]))
    assert left.q_mvar == pytest.approx([-1.5])
    assert left.limit_mw == pytest.approx([2.0])  # for the active flow that is there


def test_all_that_is_offered_where_it_does_not_suffice() -> None:
    assert bought(two_bus((0.99, 1.1)), ("a", 1, 1, 0.6, 4.0)) == [0.6]
    assert bought(two_bus((0.99, 1.1))) == []


@pytest.mark.parametrize("price", [0.0, 4.0])
def test_nothing_is_bought_where_voltages_hold(price: float) -> None:
    at = two_bus((0.979, 1.1))  # 0.9584 < 0.96
    offers = ("a", 1, 1, 0.6, price), ("b", 1, -1, 0.6, price)
    assert bought(at, *offers) == [0.0, 0.0]
    states, _ = open_case(_case(at, *offers), REACTIVE["multilevel-01"])
    written = check_block(VoltageMarket(), "D", states).areas["D"]
    assert written.grid.w_pu2.tolist() == at.rows.w_pu2.tolist()


def test_nobody_is_pushed_out_of_the_band_for_others() -> None:
    # Nodes 2 and 3 behind node 1, all branches 0.1 p.u.: 1 Mvar at node 2 moves it by 0.04 and node 3 by 0.02
    # p.u.**2. Node 2 lies 0.03 too low, node 3 has room for 0.005. The sum of what is outside would fall all
    # the way to 0.75 Mvar; node 3 bears 0.25.
    at = area(
        network(np.array([0, 1, 1]), np.array([1, 2, 3]), np.full(3, 0.1), np.full(3, 1e3), np.zeros(4)),
        book(),
    )
    rows = replace(
        at.rows,
        w_pu2=np.array([1.0, 1.0, 0.95, 1.015]),
        w_min_pu2=np.full(4, 0.98),
        w_max_pu2=np.full(4, 1.02),
    )
    mvar = least_cost_mvar(rows, book(("a", 2, 1, 5.0, 4.0)), "a test")
    assert mvar == pytest.approx([0.25])


def _case(at: CaseArea, *offers: Row, tso: tuple[Row, ...] = ()) -> Case:
    return system(0.0, book(*tso), D=replace(at, reactive=book(*offers)))


def test_the_active_market_relieves_what_is_left() -> None:
    # 0.6 Mvar lift w by 0.012; 0.0081 are left, 0.81 MW at node 1, sold back at the root.
    at = two_bus((0.99, 1.1), -2.0, 0.5, ("u", 1, 1, 2.0, 50.0), ("d", 0, -1, 2.0, 20.0))
    outcome = clear_case(_case(at, ("a", 1, 1, 0.6, 4.0)), REACTIVE["multilevel-01"])
    assert dict(outcome.reactive or ()) == pytest.approx({"a": 0.6})
    assert outcome.reactive_cost_eur_per_h == pytest.approx(2.4)
    assert {bid: mw for bid, _, mw in outcome.cleared} == pytest.approx({"u": 0.81, "d": 0.81})
    assert outcome.cost_eur_per_h == pytest.approx(0.81 * 30.0)  # of active power alone
    assert outcome.linear == Violations()
    without = clear_case(_case(at, ("a", 1, 1, 0.6, 4.0)), SCHEMES["multilevel-01"])
    assert without.reactive == ()
    assert {bid: mw for bid, _, mw in without.cleared} == pytest.approx({"u": 2.0, "d": 2.0})  # 2.01 needed


def test_rounding_of_the_solver_is_not_left_for_the_active_market() -> None:
    at = two_bus((0.99, 1.1))
    states, _ = open_case(_case(at), REACTIVE["multilevel-01"])
    for miss, left in ((5e-8, 0.0), (5e-7, 5e-7)):
        w = np.array([1.0, 0.9801 - miss])
        grid = replace(at.rows, w_pu2=w, w_min_pu2=np.full(2, 0.9801))
        states.update("D", AreaState(grid=grid))
        grid = check_block(VoltageMarket(), "D", states).areas["D"].grid
        assert grid.w_pu2.tolist() == [1.0, 0.9801 - left]


def test_what_reactive_power_takes_of_ratings_counts_afterwards() -> None:
    # 2 MW and 1 Mvar are 2.236 MVA. The Mvar bought feeds 1.005 back: 0.005 are left, and 2.0 MVA suffice.
    at = two_bus((0.99, 1.1))
    branches = replace(at.network.branches, s_max_mva=np.array([2.1]))
    at = area(replace(at.network, branches=branches), book())
    outcome = clear_case(_case(at, ("a", 1, 1, 3.0, 4.0)), REACTIVE["multilevel-01"])
    assert at.rows.violations().lines == 1
    assert outcome.linear == Violations()


def _out_of_band(rows: GridConstraints) -> FloatArray:
    return np.maximum(np.maximum(rows.w_min_pu2 - rows.w_pu2, rows.w_pu2 - rows.w_max_pu2), 0.0)


def _random(seed: int) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """How far voltages of a random grid lie outside a random band, before and after; what is bought, and for
    how much.
    """
    rng = np.random.default_rng(seed)
    grid = random_tree(rng)
    offers, rows = random_bids(rng, grid.n_nodes, 12), rows_of(grid)
    low, high = np.sort(rng.uniform(rows.w_pu2.min() - 0.01, rows.w_pu2.max() + 0.01, 2))
    rows = replace(rows, w_min_pu2=np.full(grid.n_nodes, low), w_max_pu2=np.full(grid.n_nodes, high))
    mvar = least_cost_mvar(rows, offers, "a test")
    assert (mvar >= 0).all()
    assert (mvar <= offers.quantity_mw).all()
    after = rows.after_reactive(offers.injection_mw(mvar, grid.n_nodes))
    return _out_of_band(rows), _out_of_band(after), mvar, float(offers.price @ mvar)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_no_voltage_gets_worse_and_nothing_is_bought_for_nothing(seed: int) -> None:
    before, after, mvar, cost = _random(seed)
    assert (after <= before + 1e-7).all()
    assert before.any() or not mvar.any()
    assert cost <= VOLTAGE_EUR_PER_H_PU2 * float((before - after).sum()) + 1.0


def test_some_of_these_grids_have_voltages_to_correct() -> None:
    found = {"held": 0, "relieved": 0, "in part": 0}
    for seed in range(60):
        before, after, mvar, _ = _random(seed)
        found["held"] += not before.any()
        found["relieved"] += bool(mvar.any() and after.max() < 1e-7)
        found["in part"] += bool(mvar.any() and after.max() > 1e-7)
    assert min(found.values()) >= 10


def test_the_market_of_reactive_power_stands_ahead_of_every_local_market_that_comes_first() -> None:
    assert [name for name, s in REACTIVE.items() if s.reads("area.reactive_bids")] == LOCAL_FIRST
    for name in LOCAL_FIRST:
        assert [b.name for b in REACTIVE[name].blocks][:2] == ["voltage_market", "dso_market"]
        assert REACTIVE[name].information_shared() == SCHEMES[name].information_shared()
    assert not any(s.reads("area.reactive_bids") for s in SCHEMES.values())


@pytest.mark.parametrize("name", LOCAL_FIRST)
def test_schemes_with_it_keep_the_contract(name: str) -> None:
    scheme = REACTIVE[name]
    assert all(isinstance(step, Block) for step in scheme.steps)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        case = random_case(rng)
        areas = {
            k: replace(a, reactive=random_bids(rng, a.network.n_nodes, 8, f"{k}-q"))
            for k, a in case.areas.items()
        }
        states, ledger = open_case(replace(case, areas=areas), scheme)
        check_scheme(scheme, states, ledger)
        assert isinstance(ledger, Ledger)
        assert not set(ledger.markets) & {"voltage_market"}  # no active power is sold in it
        assert TSO in states


def test_both_directions_are_paid_by_the_buyer() -> None:
    offers = book(("a", 1, 1, 0.6, 4.0), ("b", 1, -1, 2.0, 6.0), ("c", 1, 1, 1.0, 5.0))
    offers = replace(offers, provider=np.array(["A", "A", "B"]))
    delivered = np.array([0.5, 1.0, 0.0])
    trade = ReactiveTrade(
        buyer="DSO-D",
        system="D",
        offers=offers,
        awarded_mvar=np.array([0.5, 1.0, 0.3]),
        delivered_mvar=delivered,
    )
    assert reactive_payments([trade], 0.25) == [
        Payment(payer="DSO-D", payee="A", kind="reactive", quantity_mwh=0.0, amount_eur=2.0)
    ]
    assert reactive_payments([], 0.25) == []


def test_its_product_speaks_of_mvar() -> None:
    product = Product(name="reactive power", price_floor_eur_per_mwh=0.0, unit="Mvar")
    offers = book(("a", 1, 1, -0.1, 4.0), ("b", 1, -1, 0.1, -1.0), ("c", 1, 1, 0.1, 4.0))
    assert product.reasons(offers) == [
        "quantity must be a positive number of Mvar",
        "price is below the floor of 0.0 EUR/Mvarh",
        "",
    ]
