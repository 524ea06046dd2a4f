"""Limits on bids that hold in the AC power flow: by closed forms, by runpp, and in whatever grid."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.experiments.studies.low_voltage.envelopes_ac import (
    BOOKS,
    BROKEN,
    GRIDS,
    LEAST,
    POINTS,
    book,
    limited,
    measured,
    summed,
)
from tandem_sim.grids.choices import OFFSETS, Offset
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.power_flow.constraints import GridConstraints, Violations
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.power_flow.operator_model import OperatorModel
from tandem_sim.grids.tolerances import AC_WORSENING_SHARE
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.reactive_power import VoltageMarket
from tandem_sim.markets.cases.clear import clear_case, open_case
from tandem_sim.markets.choices import Method
from tandem_sim.markets.coordination.block import View
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.grid_checks.prequalification import (
    Prequalify,
    ac_qualified_mw,
    disqualified_mw,
    envelope_mw,
    qualified_mw,
)
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets import hand
from tests.markets.small import area, network, random_bids, random_case, random_tree
from tests.nets import empty_net

METHODS: tuple[Method, ...] = ("envelope", "uniform", "disqualify")
CHECKED = build_schemes(Options(envelope_check="ac"))


def pictured(grid: Network, offset: Offset) -> tuple[AcLimits, GridConstraints]:
    operator_model = OperatorModel(LinDistFlow.build(grid), PowerFlow(grid), offset)
    rows = operator_model.rows(grid.p_mw, grid.q_mvar)
    assert rows is not None
    return AcLimits(operator_model, grid.p_mw, grid.q_mvar), rows


def checked_mw(grid: Network, bids: Bids, offset: Offset, method: Method = "envelope") -> FloatArray:
    limits, rows = pictured(grid, offset)
    return ac_qualified_mw(limits, rows, bids, bids.quantity_mw, method)


def line(rating_mva: float, band: tuple[float, float]) -> Network:
    """One line without load: r 0.05 and x 0.1 on 10 MVA."""
    ends = np.array([0]), np.array([1])
    return network(*ends, np.array([0.1]), np.array([rating_mva]), np.zeros(2), band, tan_phi=0.0)


def test_a_low_voltage_is_met_where_the_closed_form_says() -> None:
    # |z|^2 P^2 + 2 r w P + w^2 - w = 0 for a load P at unity power factor and w = v^2 behind 1 p.u.
    bids, grid = hand.book(("a", 1, DOWN, 20.0, 10.0)), line(1e3, (0.95, 1.1))

    def load_mw(v: float) -> float:
        z2, r, w = 0.05**2 + 0.1**2, 0.05, v**2
        return float(10.0 * (np.sqrt((r * w) ** 2 - z2 * (w * w - w)) - r * w) / z2)

    linear, checked = (
        envelope_mw(pictured(grid, "linear")[1], bids, bids.quantity_mw)[0],
        checked_mw(grid, bids, "linear")[0],
    )
    assert linear == pytest.approx(10.0 * (1.0 - 0.95**2) / (2.0 * 0.05))  # 9.75 MW by LinDistFlow
    assert load_mw(0.95) < linear - 0.5
    assert load_mw(0.95 * 1.0003) <= checked <= load_mw(0.95 * 1.0001)


def test_a_current_is_met_where_the_closed_form_says() -> None:
    # (v + r I)^2 + (x I)^2 = 1 behind 1 p.u., P = v I: the rating is a current, so 8 MVA carry less at v < 1.
    bids, grid = hand.book(("a", 1, DOWN, 20.0, 10.0)), line(8.0, (0.8, 1.1))

    def load_mw(amps: float) -> float:
        return float(10.0 * amps * (np.sqrt(1.0 - (0.1 * amps) ** 2) - 0.05 * amps))

    assert envelope_mw(pictured(grid, "linear")[1], bids, bids.quantity_mw) == pytest.approx([8.0])
    for offset in OFFSETS:
        checked = checked_mw(grid, bids, offset)[0]
        assert load_mw(0.8 * 0.9997) <= checked <= load_mw(0.8 * 0.9999), offset


def test_what_is_safe_already_is_left_alone() -> None:
    rng = np.random.default_rng(3)
    grid = random_tree(rng)
    roomy = replace(
        grid,
        branches=replace(
            grid.branches,
            s_max_mva=np.full(len(grid.branches), 1e3),
            i_max_from_ka=np.full(len(grid.branches), 1e3),
            i_max_to_ka=np.full(len(grid.branches), 1e3),
        ),
        vm_min_pu=np.full(grid.n_nodes, 0.5),
        vm_max_pu=np.full(grid.n_nodes, 1.5),
    )
    bids = random_bids(rng, grid.n_nodes, 12)
    for method in METHODS:
        np.testing.assert_array_equal(checked_mw(roomy, bids, "linear", method), bids.quantity_mw)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(METHODS), st.sampled_from(OFFSETS), st.floats(1.01, 2.0))
def test_no_call_within_checked_limits_breaks_an_ac_limit(
    seed: int, method: Method, offset: Offset, slack: float
) -> None:
    """Also where the base breaks limits: then by no more than the grace beyond the base."""
    rng = np.random.default_rng(seed)
    grid = random_tree(rng, slack)
    bids = random_bids(rng, grid.n_nodes, 10)
    limits, rows = pictured(grid, offset)
    limit = ac_qualified_mw(limits, rows, bids, bids.quantity_mw, method)
    assert (limit >= 0.0).all()
    assert (limit <= bids.quantity_mw).all()
    if method == "disqualify":
        assert set(limit[limit > 0.0]) <= set(bids.quantity_mw)
    base = limits.excess(limits.state())
    up = bids.direction == UP
    shares = [np.ones(10), up, ~up, *rng.integers(0, 2, (40, 10)), *rng.random((20, 10))]
    for share in shares:
        state = limits.state(bids.injection_mw(share * limit, grid.n_nodes))
        assert (limits.excess(state) <= np.maximum(base + AC_WORSENING_SHARE, 0.0) + 1e-6).all()


def test_the_property_is_not_empty() -> None:
    """Without the check, calls within linear limits do break AC limits; the check costs a little volume."""
    broken, kept = 0, [0.0, 0.0]
    for seed in range(25):
        rng = np.random.default_rng(seed)
        grid = random_tree(rng, 1.4)
        bids = random_bids(rng, grid.n_nodes, 12)
        limits, rows = pictured(grid, "linear")
        plain = qualified_mw(rows, bids, bids.quantity_mw, "envelope")
        allowed = np.maximum(limits.excess(limits.state()), 0.0)
        for side in (UP, DOWN):
            state = limits.state(bids.injection_mw(plain * (bids.direction == side), grid.n_nodes))
            broken += bool((limits.excess(state) > allowed + BROKEN).any())
        kept[0] += float(plain.sum())
        kept[1] += float(ac_qualified_mw(limits, rows, bids, bids.quantity_mw, "envelope").sum())
    assert broken >= 10
    assert 0.8 * kept[0] < kept[1] < kept[0]


def test_runpp_agrees_at_every_corner() -> None:
    """All 64 corners of six limits in a low-voltage feeder, by pandapower's own Newton-Raphson."""
    rng = np.random.default_rng(4)
    grid = limited(load_network("four_loads_with_branches_out"), rng)
    whole = book(grid, rng)
    bids = whole.pick(np.concatenate([np.flatnonzero(whole.direction == d)[:3] for d in (UP, DOWN)]))
    bids = bids.offering(np.arange(6), 8.0 * bids.quantity_mw, bids.price, bids.forwardable)
    limits, rows = pictured(grid, "linear")
    limit = ac_qualified_mw(limits, rows, bids, bids.quantity_mw, "envelope")
    assert 0.0 < limit.sum() < qualified_mw(rows, bids, bids.quantity_mw, "envelope").sum()
    flow = limits.operator_model.power_flow
    allowed = np.maximum(limits.excess(flow.reference(grid.p_mw, grid.q_mvar)) + AC_WORSENING_SHARE, 0.0)
    for corner in itertools.product((0.0, 1.0), repeat=6):
        change = bids.injection_mw(limit * np.array(corner), grid.n_nodes)
        assert (limits.excess(flow.reference(grid.p_mw + change, grid.q_mvar)) <= allowed).all()


def test_a_base_without_a_solution_lets_nothing_through() -> None:
    grid = line(8.0, (0.8, 1.1))
    dead = replace(grid, p_mw=np.array([0.0, -100.0]), q_mvar=np.zeros(2))
    operator_model = OperatorModel(LinDistFlow.build(dead), PowerFlow(dead), "linear")
    rows, bids = operator_model.linear_rows(dead.p_mw, dead.q_mvar), hand.book(("a", 1, UP, 1.0, 50.0))
    limits = AcLimits(operator_model, dead.p_mw, dead.q_mvar)
    assert ac_qualified_mw(limits, rows, bids, bids.quantity_mw, "envelope") == pytest.approx([0.0])


@pytest.mark.parametrize("method", METHODS)
def test_calls_without_a_solution_are_not_let_through(method: Method) -> None:
    # Without ratings LinDistFlow lets 60 MW through a line that can carry some 30 MW.
    grid = line(1e6, (0.01, 2.0))
    bids = hand.book(("a", 1, DOWN, 20.0, 20.0), ("b", 1, DOWN, 40.0, 10.0))
    limit = checked_mw(grid, bids, "linear", method)
    assert 0.0 < limit.sum() < 35.0
    assert PowerFlow(grid).solve(np.array([0.0, -limit.sum()]), np.zeros(2)).converged


# Both directions at once, where injections at two buses move a voltage opposite ways.


def three_windings() -> Network:
    """110/20/10 kV with much more copper loss between the lower sides than the star's high side can have."""
    net = empty_net("three windings")
    high, middle, low, end = (pp.create_bus(net, kv) for kv in (110.0, 20.0, 10.0, 10.0))
    pp.create_ext_grid(net, high)
    pp.create_transformer3w_from_parameters(
        net,
        high,
        middle,
        low,
        110.0,
        20.0,
        10.0,
        40.0,
        20.0,
        20.0,
        vk_hv_percent=10.0,
        vk_mv_percent=10.0,
        vk_lv_percent=10.0,
        vkr_hv_percent=0.3,
        vkr_mv_percent=1.5,
        vkr_lv_percent=0.3,
        pfe_kw=0.0,
        i0_percent=0.0,
    )
    pp.create_line_from_parameters(net, low, end, 1.0, 0.01, 0.01, 0.0, 10.0)
    pp.create_load(net, middle, 1.0, 0.0)
    pp.create_load(net, end, 1.0, 0.0)
    return Network.from_pandapower(net, "three windings")


@pytest.mark.parametrize("method", METHODS)
def test_bids_that_harm_from_opposite_directions_are_limited_together(method: Method) -> None:
    grid = three_windings()
    middle, low = (int(grid.nodes_of(np.array([bus]), "bus")[0]) for bus in (1, 3))
    base = LinDistFlow.build(grid).state(grid.p_mw, grid.q_mvar).w_pu2
    tight = replace(grid, vm_max_pu=np.full(len(grid.bus_index), np.sqrt(base.max()) + 0.002))
    _, rows = pictured(tight, "linear")
    assert (rows.voltage_matrix[low, [middle, low]] * [-1.0, 1.0] > 0.0).all()
    # At the 10 kV bus a MW up is 0.0005 p.u.^2, a MW down at 20 kV 0.00045, and the room is some 0.005.
    bids = hand.book(("a", low, UP, 5.0, 50.0), ("b", middle, DOWN, 6.0, 10.0), ("c", low, UP, 1.0, 60.0))
    for side in (UP, DOWN):
        alone = rows.after(bids.injection_mw(bids.quantity_mw * (bids.direction == side), tight.n_nodes))
        assert alone.violations() == Violations()
    limit = qualified_mw(rows, bids, bids.quantity_mw, method)
    assert 0.0 < limit.sum() < 12.0
    for corner in itertools.product((0.0, 1.0), repeat=3):
        after = rows.after(bids.injection_mw(limit * np.array(corner), tight.n_nodes))
        assert after.violations() == Violations()
    if method != "disqualify":
        after = rows.after(bids.injection_mw(limit, tight.n_nodes))
        assert (after.w_pu2 - rows.w_max_pu2).max() == pytest.approx(0.0, abs=1e-6)  # no more would fit


# In the market


@pytest.mark.parametrize("seed", [10, 34, 46])
def test_a_case_clears_within_limits_that_hold_in_ac(seed: int) -> None:
    """Cases whose base keeps all limits, and whose linear envelopes let the TSO break one."""
    case = random_case(np.random.default_rng(seed))
    assert clear_case(case, SCHEMES["central-02"]).ac != Violations()
    assert clear_case(case, CHECKED["central-02"]).ac == Violations()


def test_only_the_check_reads_the_power_flow() -> None:
    for name in ("central-02", "multilevel-03", "multilevel-06"):
        assert not SCHEMES[name].reads("area.ac_limits")
        assert CHECKED[name].reads("area.ac_limits")
        assert CHECKED[name].information_shared() == SCHEMES[name].information_shared()
    assert not CHECKED["multilevel-01"].reads("area.ac_limits")


def test_what_has_been_sold_is_part_of_the_base() -> None:
    # 8 MVA, of which 3 MW down are sold: some 4.4 MW more fit, and 7.4 MW without.
    bids = hand.book(("a", 1, DOWN, 3.0, 20.0), ("b", 1, DOWN, 20.0, 10.0))
    grid = line(8.0, (0.8, 1.1))
    states, _ = open_case(hand.system(0.0, hand.book(), D=area(grid, bids)), CHECKED["central-02"])
    offers = np.array([0.0, 20.0])
    check = Prequalify(method="envelope", check="ac")
    sold, unsold = (
        View(states.area("D").updated(AreaState(sold=mw, offers=offers)))
        for mw in (np.array([3.0, 0.0]), np.zeros(2))
    )
    left, free = (check("D", view).areas["D"].offers for view in (sold, unsold))
    assert left[1] == pytest.approx(free[1] - 3.0, abs=5e-3)


def test_reactive_power_that_was_bought_is_part_of_the_base() -> None:
    bids = hand.book(("a", 1, DOWN, 20.0, 10.0))
    grid = line(8.0, (0.8, 1.1))
    states, _ = open_case(
        hand.system(
            0.0, hand.book(), D=replace(area(grid, bids), reactive=hand.book(("q", 1, UP, 2.0, 1.0)))
        ),
        build_schemes(Options(envelope_check="ac", local_reactive=True))["multilevel-03"],
    )
    own = states.area("D")
    narrow = replace(own.grid, w_min_pu2=np.array([0.0, 1.02]))  # wants 0.1 p.u. of it: 1 Mvar
    view = View(own.updated(AreaState(grid=narrow)))
    written = VoltageMarket(check="ac")("D", view).areas["D"]
    assert written.reactive_mvar == pytest.approx([1.0], rel=1e-3)
    assert written.ac_limits.q_mvar == pytest.approx([0.0, 1.0], rel=1e-3)
    assert not VoltageMarket()("D", view).areas["D"].knows("ac_limits")


def test_static_zones_are_not_checked() -> None:
    with pytest.raises(ValueError, match="envelope_check"):
        Options(grid_prequalification="static", envelope_check="ac")


# The study


def by_way(grids: Sequence[str], books: int, points: int) -> Callable[[str, str, str], dict[Hashable, Any]]:
    """The study put together: figures by offset, by what the base does to its limits, and by way."""
    found = summed(measured(grids, books, points), ["offset", "base", "way"]).to_dict("index")
    return lambda offset, base, way: found[offset, base, way]


def holds(at: Callable[[str, str, str], dict[Hashable, Any]], least_kept_pct: dict[str, float]) -> None:
    """Nothing is broken inside checked envelopes, and so much of the volume is kept, by base."""
    for offset in OFFSETS:
        for base, kept in least_kept_pct.items():
            checked = at(offset, base, "checked")
            assert checked["broken_pct"] == 0.0
            assert checked["searched_pct"] < 100.0 * BROKEN
            assert checked["kept_pct"] > kept, (offset, base)


def test_the_study_finds_no_broken_limit_in_quick_grids() -> None:
    at = by_way(("case33bw", "create_cigre_network_mv", "four_loads_with_branches_out"), 2, 60)
    assert all(at(offset, base, "none")["broken_pct"] > 1.0 for offset in OFFSETS for base in LEAST)
    holds(at, {"keeps": 90.0, "breaks": 75.0})


@pytest.mark.long(
    "the ten grids of the study with 1000 calls in each and a search for worse ones: two minutes"
)
def test_the_study_finds_no_broken_limit_in_ten_grids() -> None:
    at = by_way(GRIDS, BOOKS, POINTS)
    holds(at, {"keeps": 95.0, "breaks": 90.0})


def test_whole_bids_go_where_harm_comes_from_both_directions() -> None:
    """The dearest bid of the direction that weighs more, until what is left is safe."""
    none, no_rows = np.empty(0), np.array([[1.0, -1.0]])
    rows = GridConstraints(
        flow_matrix=np.zeros((0, 2)),
        flow_mw=none,
        limit_mw=none,
        voltage_matrix=no_rows,
        w_pu2=np.ones(1),
        w_min_pu2=np.full(1, 0.5),
        w_max_pu2=np.full(1, 3.5),
        buses=np.ones(1, int),
    )
    bids = hand.book(("a", 0, UP, 1.0, 50.0), ("b", 0, UP, 1.0, 60.0), ("c", 1, DOWN, 1.0, 10.0))
    # 1 + 1 + 1 + 1 = 4 > 3.5: upwards weighs more, and b is dearer.
    assert disqualified_mw(rows, bids, bids.quantity_mw) == pytest.approx([1.0, 0.0, 1.0])
