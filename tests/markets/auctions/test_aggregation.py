"""Residual supply functions: convex, exact, and as good as the common market."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.power_flow.constraints import GridConstraints, Violations
from tandem_sim.markets.auctions.aggregation import AreaProblem, discrete_points, exact_points
from tandem_sim.markets.cases.clear import clear_case, open_case
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import book, feeder, system
from tests.markets.small import network, random_bids, random_case, random_tree, rows_of

SEEDS = st.integers(0, 2**32 - 1)


def _feeder(limit_mva: float = 10.0) -> AreaProblem:
    """Two nodes; up 1 MW at 30 and 2 MW at 50, down 1 MW at 20 and 1 MW at 10, all behind one branch."""
    grid = network(
        np.array([0]), np.array([1]), np.array([0.01]), np.array([limit_mva]), np.array([0.0, -3.0])
    )
    bids = Bids.of(
        list("abcd"),
        list("abcd"),
        [1, 1, 1, 1],
        [1, 1, -1, -1],
        [1.0, 2.0, 1.0, 1.0],
        [30.0, 50.0, 20.0, 10.0],
    )
    return AreaProblem(rows_of(grid), bids, bids.quantity_mw)


def test_a_supply_function_by_hand() -> None:
    # Downwards first the bid that pays back most: -1 MW earns 20, -2 MW earns 30; upwards 30 and 30 + 100.
    rsf = exact_points(_feeder())
    assert rsf.change_mw == pytest.approx([-2.0, -1.0, 0.0, 1.0, 3.0])
    assert rsf.cost == pytest.approx([-30.0, -20.0, 0.0, 30.0, 130.0])
    length, slope = rsf.segments()
    assert length == pytest.approx([1.0, 1.0, 1.0, 2.0])
    assert slope == pytest.approx([10.0, 20.0, 30.0, 50.0])


def test_a_rating_cuts_the_range() -> None:
    # 3 MW flow in (1 Mvar beside it); a rating of 3.5 MVA leaves sqrt(3.5^2 - 1^2) = 3.354 MW for the flow.
    low, high = _feeder(3.5).range_mw
    assert high == pytest.approx(3.0)
    assert low == pytest.approx(3.0 - np.sqrt(3.5**2 - 1.0), abs=1e-6)


def test_discrete_points_are_a_step_apart_from_the_least_flow_on() -> None:
    # z from 0 (all up) to 5 MW (all down) by 2: changes 3, 1, -1, then the end -2, and 0 for today's flow.
    rsf = discrete_points(_feeder(), 2.0)
    assert rsf.change_mw == pytest.approx([-2.0, -1.0, 0.0, 1.0, 3.0])


def test_steps_too_small_for_a_choice_are_refused_before_anything_is_laid_out() -> None:
    # 5 MW in steps of 1e-12 MW are 5e12 points: no memory holds them.
    with pytest.raises(ClearingError, match=r"5 MW .* steps of 1e-12 MW are more than 30000 points"):
        discrete_points(_feeder(), 1e-12)


def test_what_cannot_be_kept_is_kept_as_well_as_possible() -> None:
    # 3 MW flow over a branch for 1.2 MVA (0.663 MW beside 1 Mvar): all 3 MW up bring it to 0, so the area can
    # offer changes between 2.337 and 3 MW only. With half of the bids it offers the best it can do, 1.5 MW.
    area = _feeder(1.2)
    assert area.range_mw == pytest.approx((3.0 - np.sqrt(1.2**2 - 1.0), 3.0), abs=1e-6)
    grid = network(np.array([0]), np.array([1]), np.array([0.01]), np.array([1.2]), np.array([0.0, -3.0]))
    bids = Bids.of(["a"], ["a"], [1], [1], [1.5], [30.0])
    short = AreaProblem(rows_of(grid), bids, bids.quantity_mw)
    assert short.range_mw == pytest.approx((1.5, 1.5), abs=1e-6)
    assert short.dispatch(0.0).quantity_mw == pytest.approx([1.5], abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_supply_functions_are_convex_and_true_between_their_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = random_tree(rng)
    bids = random_bids(rng, grid.n_nodes, 12)
    area = AreaProblem(rows_of(grid), bids, bids.quantity_mw)
    rsf = exact_points(area)
    if len(rsf.change_mw) < 2:
        return
    _, slope = rsf.segments()
    assert (np.diff(slope) > 0).all()
    for e in rng.uniform(*area.range_mw, 8):
        x = area.dispatch(e).quantity_mw
        assert bids.direction @ x == pytest.approx(e, abs=1e-6)
        cost = float(bids.signed_price @ x)
        assert np.interp(e, rsf.change_mw, rsf.cost) == pytest.approx(cost, rel=1e-6, abs=1e-5)


@settings(deadline=None, max_examples=15)
@given(SEEDS)
def test_exact_aggregation_equals_the_common_market_and_discrete_falls_towards_it(seed: int) -> None:
    case = random_case(np.random.default_rng(seed))
    common = clear_case(case, SCHEMES["common"])
    if common.linear != Violations() or common.unserved_imbalance_mw > 1e-7:
        return  # no feasible case
    exact = clear_case(case, build_schemes(Options(aggregation="exact"))["aggregation"])
    assert exact.cost_eur_per_h == pytest.approx(common.cost_eur_per_h, rel=1e-6, abs=1e-5)
    assert exact.linear == Violations()
    served = []
    for step in (0.8, 0.4, 0.2, 0.1, 0.05):  # each set of points holds the one before it
        outcome = clear_case(case, build_schemes(Options(aggregation_step_mw=step))["aggregation"])
        if outcome.unserved_imbalance_mw < 1e-7:
            served.append(outcome.cost_eur_per_h)
            assert outcome.cost_eur_per_h >= common.cost_eur_per_h - 1e-5
    assert all(later <= earlier + 1e-5 for earlier, later in pairwise(served))


def test_the_property_above_is_not_empty() -> None:
    feasible = 0
    for seed in range(8):
        common = clear_case(random_case(np.random.default_rng(seed)), SCHEMES["common"])
        feasible += common.linear == Violations() and common.unserved_imbalance_mw < 1e-7
    assert feasible >= 3


@pytest.mark.parametrize(
    ("need", "price"), [(0.0, 45.0), (-2.0, 30.0), (2.0, 60.0), (-1.0, 30.0), (3.0, 70.0)]
)
def test_a_price_over_supply_functions_is_that_of_the_bids_behind_them(need: float, price: float) -> None:
    """An area offers 2 MW up at 60 and 2 MW down at 30, transmission 9 MW at 70 and at 5: by hand."""
    area = feeder(book(("u", 1, 1, 2.0, 60.0), ("d", 1, -1, 2.0, 30.0)), 100.0)
    case = system(need, book(("t", 0, 1, 9.0, 70.0), ("td", 0, -1, 9.0, 5.0)), D=area)
    for scheme in (build_schemes(Options(aggregation="exact"))["aggregation"], SCHEMES["common"]):
        states, ledger = open_case(case, scheme)
        run_scheme(scheme, states, ledger)
        assert states.tso.balancing.price_eur_per_mwh == pytest.approx(price), scheme.name


def _at_limit(seed: int) -> tuple[GridConstraints, Bids]:
    """A random area of which about half of the limits lie exactly where its base state is."""
    rng = np.random.default_rng(seed)
    grid = random_tree(rng, slack=float(rng.choice([0.7, 1.0, 1.3])))
    rows = rows_of(grid)
    scale = 10.0 ** rng.uniform(-1.0, 2.0)
    bids = random_bids(rng, grid.n_nodes, int(rng.integers(1, 14)))
    if seed % 2:
        some = rng.random(len(rows.w_pu2)) < 0.5
        rows = replace(rows, w_min_pu2=np.where(some, rows.w_pu2, rows.w_min_pu2))
    else:
        some = rng.random(len(rows.flow_mw)) < 0.5
        rows = replace(rows, limit_mw=np.where(some, np.abs(rows.flow_mw), rows.limit_mw))
    return rows, replace(bids, quantity_mw=scale * bids.quantity_mw)


@pytest.mark.parametrize("seed", [511, 1195, 1826, 1859, 2273, 2478])  # of 4 000, in which 8 had none
def test_an_area_at_its_limits_has_a_supply_function(seed: int) -> None:
    """Ends of a range are found within the solver's tolerance, and can be asked for all the same."""
    rows, bids = _at_limit(seed)
    area = AreaProblem(rows, bids, bids.quantity_mw)
    rsf = exact_points(area)
    assert len(discrete_points(area, 0.5).change_mw) >= 1
    for change, cost in zip(rsf.change_mw, rsf.cost, strict=True):
        x = area.dispatch(change).quantity_mw
        assert bids.direction @ x == pytest.approx(change, abs=1.1e-6)
        assert bids.signed_price @ x == pytest.approx(cost, abs=1e-3)  # 2e-6 MW at 100 EUR/MWh, times moves
