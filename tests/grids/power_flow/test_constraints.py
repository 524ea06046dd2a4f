"""Grid constraints: counts of violations, relaxation of violated limits, and base states by AC power flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.constraints import (
    GridConstraints,
    Violations,
    ac_violations,
    distribution_constraints,
    distribution_constraints_ac,
    transmission_constraints,
    voltage_violations,
)
from tandem_sim.grids.power_flow.dc import DcModel
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tests.nets import FROM_SIMBENCH

GRIDS = ("case69", "create_cigre_network_mv", *FROM_SIMBENCH)
Flows = Callable[[str], PowerFlow]


def _rows() -> GridConstraints:
    """Two branches in a row, three nodes: the last feeds 2 MW too much through branch 0."""
    return GridConstraints(
        flow_matrix=np.array([[0.0, -1.0, -1.0], [0.0, 0.0, -1.0]]),
        flow_mw=np.array([-12.0, 3.0]),
        limit_mw=np.array([10.0, 5.0]),
        voltage_matrix=np.array([[0.0, 0.0, 0.0], [0.0, 0.01, 0.01], [0.0, 0.01, 0.03]]),
        w_pu2=np.array([1.0, 1.1025, 1.21]),
        w_min_pu2=np.full(3, 0.81),
        w_max_pu2=np.array([1.21, 1.0, 1.21]),
        buses=np.array([1, 2, 1]),
    )


def test_violations_by_hand() -> None:
    # branch 0: 12 of 10 MW, 20 % over; node 1: 1.05 of 1.00 p.u., 5 % over, and it joins two buses
    found = _rows().violations()
    assert (found.lines, found.buses) == (1, 2)
    assert found.max_overload_pct == pytest.approx(20.0)
    assert found.max_voltage_pct == pytest.approx(5.0)


def test_a_limit_reached_is_not_broken() -> None:
    rows = _rows().after(np.array([0.0, -2.0, 0.0]))  # flow 0: -12 + 2 = -10, w1: 1.1025 - 0.02
    assert rows.flow_mw.tolist() == [-10.0, 3.0]
    assert rows.violations().lines == 0
    assert rows.after(np.array([0.0, 0.001, 0.0])).violations().lines == 1


def test_overload_of_a_branch_without_room_is_counted() -> None:
    full = replace(_rows(), limit_mw=np.array([0.0, 5.0])).violations()
    assert full.lines == 1
    assert full.max_overload_pct == np.inf


def test_two_grids_add_counts_and_keep_the_worst_depth() -> None:
    both = _rows().violations().worst_with(Violations(lines=2, max_overload_pct=3.0, buses=1, diverged=1))
    assert (both.lines, both.buses, both.diverged) == (3, 3, 1)
    assert both.max_overload_pct == pytest.approx(20.0)
    assert both.max_voltage_pct == pytest.approx(5.0)


def test_relaxed_limits_move_to_the_present_state_only_where_it_breaks_them() -> None:
    rows = _rows().relaxed()
    assert rows.flow_min_mw.tolist() == [-12.0, -5.0]
    assert rows.flow_max_mw.tolist() == [10.0, 5.0]  # the other direction keeps its limit
    assert rows.w_max_pu2.tolist() == [1.21, 1.1025, 1.21]
    assert rows.w_min_pu2.tolist() == [0.81, 0.81, 0.81]
    assert rows.violations() == Violations()


def test_tightened_limits() -> None:
    rows = _rows().tightened(flow_margin=0.1, w_margin_pu2=0.02)
    assert rows.limit_mw == pytest.approx([9.0, 4.5])
    assert rows.w_min_pu2 == pytest.approx(np.full(3, 0.83))
    assert rows.w_max_pu2 == pytest.approx([1.19, 0.98, 1.19])


def test_voltage_depth_is_a_share_of_the_broken_limit() -> None:
    buses, depth = voltage_violations(
        np.array([0.855, 1.0, 1.155]), np.full(3, 0.9), np.full(3, 1.1), np.array([1, 5, 3])
    )
    assert buses == 4
    assert depth == pytest.approx(5.0)  # 0.045 of 0.9, and 0.055 of 1.1


def test_transmission_rows_have_no_voltages(network_of: Callable[[str], Network]) -> None:
    network = network_of("case9")
    rows = transmission_constraints(DcModel.build(network), network.p_mw)
    assert len(rows.w_pu2) == 0
    assert rows.flow_mw.shape == (9,)
    assert rows.violations().buses == 0


def test_linear_rows_count_the_low_voltages_of_case69(network_of: Callable[[str], Network]) -> None:
    network = network_of("case69")
    rows = distribution_constraints(LinDistFlow.build(network), network.p_mw, network.q_mvar)
    assert rows.violations() == Violations()  # lossless: the lowest voltage stays above 0.9
    heavy = distribution_constraints(LinDistFlow.build(network), 1.5 * network.p_mw, 1.5 * network.q_mvar)
    assert heavy.violations().buses > 0
    assert heavy.violations().max_voltage_pct == pytest.approx(
        100.0 * (1.0 - np.sqrt(heavy.w_pu2.min()) / 0.9), rel=1e-9
    )


@pytest.mark.parametrize("grid", ["case69", "create_kerber_dorfnetz", *FROM_SIMBENCH])
def test_ac_offsets_are_the_ac_state_and_predict_a_small_change(grid: str, power_flow_of: Flows) -> None:
    flow = power_flow_of(grid)
    network, lin = flow.network, LinDistFlow.build(flow.network)
    state = flow.solve(network.p_mw, network.q_mvar)
    rows = distribution_constraints_ac(lin, state)
    assert rows.w_pu2 == pytest.approx(state.vm_pu**2)
    heavier = np.maximum(np.abs(state.p_from_mw), np.abs(state.p_to_mw))
    assert np.abs(rows.flow_mw) == pytest.approx(heavier)
    dp = 0.02 * network.p_mw
    after = flow.solve(network.p_mw + dp, network.q_mvar)
    predicted = rows.after(dp)
    moved = np.abs(after.vm_pu**2 - state.vm_pu**2).max()
    assert moved > 1e-6
    assert np.abs(predicted.w_pu2 - after.vm_pu**2).max() < 0.25 * moved
    exact = distribution_constraints_ac(lin, after)
    assert np.abs(predicted.flow_mw - exact.flow_mw).max() < 0.25 * np.abs(exact.flow_mw - rows.flow_mw).max()


@pytest.mark.parametrize("grid", GRIDS)
def test_reactive_power_moves_voltages_as_the_model_worked_out_anew(
    grid: str, network_of: Callable[[str], Network]
) -> None:
    network = network_of(grid)  # all but case69 hang on a transformer
    lin, rng = LinDistFlow.build(network), np.random.default_rng(2)
    none = 0.0 * network.branches.b_pu  # sensitivities hold line charging still, so it is left out here
    lin = replace(lin, network=replace(network, branches=replace(network.branches, b_pu=none, g_pu=none)))
    dq = rng.uniform(-0.5, 0.5, network.n_nodes) * np.abs(network.q_mvar).max()
    rows = distribution_constraints(lin, network.p_mw, network.q_mvar)
    moved, anew = rows.after_reactive(dq), distribution_constraints(lin, network.p_mw, network.q_mvar + dq)
    np.testing.assert_allclose(moved.w_pu2, anew.w_pu2, rtol=0.0, atol=1e-12)
    assert np.abs(moved.w_pu2 - rows.w_pu2).max() > 1e-5
    assert moved.flow_mw is rows.flow_mw
    np.testing.assert_allclose(moved.q_mvar, anew.q_mvar, rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(moved.limit_mw, anew.limit_mw, rtol=1e-9)


@pytest.mark.parametrize("grid", GRIDS)
def test_reactive_power_moves_ac_voltages_as_predicted(grid: str, power_flow_of: Flows) -> None:
    flow = power_flow_of(grid)
    network, lin = flow.network, LinDistFlow.build(flow.network)
    state = flow.solve(network.p_mw, network.q_mvar)
    dq = -0.05 * network.q_mvar
    after = flow.solve(network.p_mw, network.q_mvar + dq)
    predicted = distribution_constraints_ac(lin, state).after_reactive(dq)
    moved = np.abs(after.vm_pu**2 - state.vm_pu**2).max()
    assert moved > 1e-6
    assert np.abs(predicted.w_pu2 - after.vm_pu**2).max() < 0.25 * moved


def test_reactive_sensitivities_that_nobody_gave_are_not_taken_for_zero() -> None:
    with pytest.raises(ValueError, match="mismatch"):
        _rows().after_reactive(np.ones(3))


def test_ac_violations_by_current(power_flow_of: Flows) -> None:
    flow = power_flow_of("create_cigre_network_mv")
    network = flow.network
    p, q = 0.5 * network.p_mw, 0.5 * network.q_mvar
    rows = distribution_constraints(LinDistFlow.build(network), p, q).tightened(0.0, 0.05)  # about 1.075 p.u.
    calm = ac_violations(flow.solve(p, q), rows)
    assert (calm.lines, calm.diverged) == (0, 0)
    leaf = int(np.argmax(LinDistFlow.build(network).voltage_matrix.diagonal()))
    p[leaf] += 10.0  # loads of 143 to 182 %, and 42 % beside them
    state = flow.solve(p, q)
    found = ac_violations(state, rows)
    assert found.lines == int((state.loading_percent > 100.0).sum()) > 0
    assert found.max_overload_pct == pytest.approx(state.loading_percent.max() - 100.0)
    assert found.buses > 0


def test_a_diverged_state_is_neither_safe_nor_an_offset(power_flow_of: Flows) -> None:
    flow = power_flow_of("case69")
    network, lin = flow.network, LinDistFlow.build(flow.network)
    state = flow.solve(50.0 * network.p_mw, 50.0 * network.q_mvar)
    found = ac_violations(state, distribution_constraints(lin, network.p_mw, network.q_mvar))
    assert found.diverged == 1
    with pytest.raises(InputError, match="has no solution"):
        distribution_constraints_ac(lin, state)


def test_a_branch_that_reactive_flow_alone_fills_is_overloaded_by_its_apparent_flow() -> None:
    # 2 Mvar on 1.6 MVA leave nothing for active power; with 1.5 MW beside it the apparent flow is 2.5 MVA.
    rows = replace(
        GridConstraints.without_limits(2),
        flow_matrix=np.array([[0.0, -1.0]]),
        flow_mw=np.array([1.5]),
        limit_mw=np.array([0.0]),
        q_mvar=np.array([2.0]),
        rating_mva=np.array([1.6]),
    )
    assert rows.violations().lines == 1
    assert rows.violations().max_overload_pct == pytest.approx(100.0 * (2.5 / 1.6 - 1.0))
    idle = replace(rows, flow_mw=np.array([0.0])).violations()  # no active power, and still overloaded
    assert idle.lines == 1
    assert idle.max_overload_pct == pytest.approx(25.0)
    unrated = replace(rows, rating_mva=np.array([0.0])).violations()
    assert (unrated.lines, unrated.max_overload_pct) == (1, np.inf)
    assert replace(rows, flow_mw=np.zeros(1), q_mvar=np.zeros(1)).violations() == Violations()
