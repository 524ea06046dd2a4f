"""What must hold for any grid and book: envelopes are safe, the common market is the cheapest safe one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.power_flow.constraints import GridConstraints, Violations
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import Outcome, clear_case
from tandem_sim.markets.choices import Method
from tandem_sim.markets.grid_checks.prequalification import envelope_mw, qualified_mw
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.penalties import (
    OVERLOAD_EUR_PER_MWH,
    UNSERVED_EUR_PER_MWH,
    VOLTAGE_EUR_PER_H_PU2,
)
from tandem_sim.markets.schemes import SCHEMES
from tests.markets.small import random_bids, random_case, random_tree, rows_of

SEEDS = st.integers(0, 2**32 - 1)
METHODS = st.sampled_from(["envelope", "uniform", "disqualify"])
SOLVER_TOLERANCE = 1e-6  # HiGHS keeps rows to 1e-7


def _assert_inside(rows: GridConstraints, limits: GridConstraints) -> None:
    assert (rows.flow_mw <= limits.flow_max_mw + SOLVER_TOLERANCE).all()
    assert (rows.flow_mw >= limits.flow_min_mw - SOLVER_TOLERANCE).all()
    assert (rows.w_pu2 <= limits.w_max_pu2 + SOLVER_TOLERANCE).all()
    assert (rows.w_pu2 >= limits.w_min_pu2 - SOLVER_TOLERANCE).all()


def _points(rng: np.random.Generator, envelope: FloatArray, direction: FloatArray) -> list[FloatArray]:
    """Corners and inner points of the box [0, envelope], both directions activated at once or one alone."""
    inner = [envelope * rng.random(len(envelope)) for _ in range(5)]
    corners = [envelope * rng.integers(0, 2, len(envelope)) for _ in range(5)]
    return [envelope, envelope * (direction == UP), envelope * (direction == DOWN), *inner, *corners]


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_flows_and_voltages_are_monotone_in_injections(seed: int) -> None:
    """Why envelopes are safe: more injection anywhere lowers flows to the leaves and raises voltages."""
    rng = np.random.default_rng(seed)
    grid = random_tree(rng)
    rows = rows_of(grid)
    assert (rows.flow_matrix <= 0).all()
    assert (rows.voltage_matrix >= 0).all()
    more = rows.after(rng.uniform(0.0, 1.0, grid.n_nodes))
    assert (more.flow_mw <= rows.flow_mw).all()
    assert (more.w_pu2 >= rows.w_pu2).all()
    assert (more.flow_mw < rows.flow_mw).any()
    assert (more.w_pu2 > rows.w_pu2).any()


@settings(deadline=None, max_examples=60)
@given(SEEDS, METHODS, st.floats(1.01, 2.0))
def test_points_inside_an_envelope_aggravate_nothing(seed: int, method: Method, slack: float) -> None:
    rng = np.random.default_rng(seed)
    grid = random_tree(rng, slack)
    rows, bids = rows_of(grid), random_bids(rng, grid.n_nodes, 12)
    envelope = qualified_mw(rows, bids, bids.quantity_mw, method)
    assert (envelope >= 0).all()
    assert (envelope <= bids.quantity_mw).all()
    for x in _points(rng, envelope, bids.direction.astype(np.float64)):
        after = rows.after(bids.injection_mw(x, grid.n_nodes))
        _assert_inside(after, rows.relaxed())
        if rows.violations() == Violations():
            _assert_inside(after, rows)


def test_the_envelope_property_is_not_empty() -> None:
    """Over some grids envelopes do cut, and full activation would have broken something."""
    cut = broken = safe = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        grid = random_tree(rng, 1.4)
        rows, bids = rows_of(grid), random_bids(rng, grid.n_nodes, 12)
        safe += rows.violations() == Violations()
        cut += envelope_mw(rows, bids, bids.quantity_mw).sum() < bids.quantity_mw.sum() - 1e-3
        up = np.where(bids.direction == UP, bids.quantity_mw, 0.0)
        broken += rows.relaxed().after(bids.injection_mw(up, grid.n_nodes)).violations() != Violations()
    assert cut >= 10
    assert broken >= 5
    assert safe >= 5


@settings(deadline=None, max_examples=40)
@given(SEEDS)
def test_uniform_envelopes_hold_the_largest_volume(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = random_tree(rng, 1.1)
    rows, bids = rows_of(grid), random_bids(rng, grid.n_nodes, 12)
    uniform = envelope_mw(rows, bids, bids.quantity_mw, "uniform")
    priced = envelope_mw(rows, bids, bids.quantity_mw, "envelope")
    for side in (bids.direction == UP, bids.direction == DOWN):
        assert uniform[side].sum() >= priced[side].sum() - SOLVER_TOLERANCE


def test_price_based_envelope_favours_the_cheap_bid() -> None:
    """Two up bids of 1 MW behind a branch with 1.2 MW left: all of the cheap one, 0.2 MW of the other."""
    rows = GridConstraints(
        flow_matrix=np.array([[0.0, -1.0]]),
        flow_mw=np.array([-0.8]),
        limit_mw=np.array([2.0]),
        voltage_matrix=np.zeros((0, 2)),
        w_pu2=np.empty(0),
        w_min_pu2=np.empty(0),
        w_max_pu2=np.empty(0),
        buses=np.empty(0, dtype=np.int64),
    )
    bids = random_bids(np.random.default_rng(0), 2, 2)
    for name, values in (
        ("node", np.array([1, 1])),
        ("direction", np.array([UP, UP])),
        ("quantity_mw", np.ones(2)),
        ("price", np.array([60.0, 50.0])),
    ):
        object.__setattr__(bids, name, values)
    assert envelope_mw(rows, bids, bids.quantity_mw) == pytest.approx([0.2, 1.0])
    object.__setattr__(bids, "direction", np.array([DOWN, DOWN]))  # 2.8 MW of room: both fit
    assert envelope_mw(rows, bids, bids.quantity_mw) == pytest.approx([1.0, 1.0])


def _penalty(case: Case, outcome: Outcome | None) -> float:
    """What the limits broken on the areas' grids weigh in an auction (EUR/h), before or after an outcome."""
    total = 0.0
    for area in case.areas.values():
        sold = np.zeros(len(area.bids))
        for bid, _, mw in outcome.cleared if outcome else ():
            sold[area.bids.bid_id == bid] += mw
        rows = area.rows.after(area.bids.injection_mw(sold, area.network.n_nodes))
        over = np.maximum(rows.flow_mw - rows.flow_max_mw, rows.flow_min_mw - rows.flow_mw)
        outside = np.maximum(rows.w_pu2 - rows.w_max_pu2, rows.w_min_pu2 - rows.w_pu2)
        total += OVERLOAD_EUR_PER_MWH * float(np.maximum(over, 0.0).sum())
        total += VOLTAGE_EUR_PER_H_PU2 * float(np.maximum(outside, 0.0).sum())
    return total


@settings(deadline=None, max_examples=15)
@given(SEEDS)
def test_the_common_market_is_the_cheapest_that_is_safe_and_serves_the_need(seed: int) -> None:
    case = random_case(np.random.default_rng(seed))
    outcomes = {name: clear_case(case, scheme) for name, scheme in SCHEMES.items()}
    common = outcomes["common"]
    need = case.transmission.p_mw.sum() - sum(case.transmission.interface_mw.values())
    for name, outcome in outcomes.items():
        fair = outcome.linear == Violations() and outcome.unserved_imbalance_mw < 1e-7
        if fair:
            assert common.linear == Violations()
            assert common.cost_eur_per_h <= outcome.cost_eur_per_h + 1e-5, name
        if name in ("multilevel-04", "common", "multilevel-03"):
            # Each of their markets may do nothing. (More lines than before may end over their limit.)
            unserved = UNSERVED_EUR_PER_MWH * outcome.unserved_imbalance_mw
            idle = _penalty(case, None) + UNSERVED_EUR_PER_MWH * abs(float(need))
            assert outcome.cost_eur_per_h + _penalty(case, outcome) + unserved <= idle + 1e-3, name
        if name == "multilevel-03":
            assert _penalty(case, outcome) <= _penalty(case, None) + 1e-3
        offered = {
            **dict(zip(case.tso_bids.bid_id.tolist(), case.tso_bids.quantity_mw.tolist(), strict=True)),
            **{
                bid: mw
                for a in case.areas.values()
                for bid, mw in zip(a.bids.bid_id.tolist(), a.bids.quantity_mw.tolist(), strict=True)
            },
        }
        for bid, _, mw in outcome.cleared:
            offered[bid] -= mw
        assert min(offered.values()) >= -1e-9, name


def test_some_random_cases_are_served_safely_by_other_schemes() -> None:
    """Otherwise the property above would say nothing."""
    fair: set[str] = set()
    dearer = 0
    for seed in range(6):
        case = random_case(np.random.default_rng(seed))
        common = clear_case(case, SCHEMES["common"])
        for name in sorted(set(SCHEMES) - {"common"}):
            outcome = clear_case(case, SCHEMES[name])
            if outcome.linear == Violations() and outcome.unserved_imbalance_mw < 1e-7:
                fair.add(name)
                dearer += outcome.cost_eur_per_h > common.cost_eur_per_h + 1e-3
    assert fair >= {"multilevel-03", "multilevel-04"}
    assert dearer > 0
