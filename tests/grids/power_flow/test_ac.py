"""The fast power flow against pandapower: unchanged nets, changed injections, and no solution."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import AcState, PowerFlow
from tandem_sim.grids.types import FloatArray
from tests.markets.small import network
from tests.nets import FROM_SIMBENCH

GRIDS = ("case14", "case69", "case141", "create_cigre_network_mv", *FROM_SIMBENCH)
TOLERANCE_PU, TOLERANCE_MW, TOLERANCE_PERCENT = 1e-6, 1e-5, 1e-3

Nets = Callable[[str], pandapowerNet]
Flows = Callable[[str], PowerFlow]


def _solved(net: pandapowerNet) -> pandapowerNet:
    net = copy.deepcopy(net)
    pp.runpp(net, calculate_voltage_angles=True, init="dc", numba=False)
    return net


def _assert_same(net: pandapowerNet, network: Network, state: AcState) -> None:
    """Compare voltages, branch loadings, losses and the exchange with the external grid."""
    vm = net.res_bus.vm_pu.loc[network.bus_index].to_numpy()
    assert np.abs(state.vm_pu[network.bus_node] - vm).max() < TOLERANCE_PU
    place = {label: k for k, label in enumerate(network.branches.label)}
    losses = 0.0
    for table, start in (("line", "from"), ("trafo", "hv")):
        result = net[f"res_{table}"]
        losses += float(result.pl_mw.sum())
        for index in result.index[result.loading_percent > 0]:
            k = place[f"{table} {index}"]
            assert state.p_from_mw[k] == pytest.approx(result[f"p_{start}_mw"][index], abs=TOLERANCE_MW)
            if np.isfinite(network.branches.s_max_mva[k]):
                assert state.loading_percent[k] == pytest.approx(
                    result.loading_percent[index], abs=TOLERANCE_PERCENT
                )
            else:
                assert state.loading_percent[k] == 0.0
    assert state.losses_mw == pytest.approx(losses, abs=TOLERANCE_MW)
    at_root = net.gen.bus.isin(net.ext_grid.bus) & net.gen.in_service
    assert not at_root.any()
    assert state.root_mw == pytest.approx(float(net.res_ext_grid.p_mw.iloc[0]), abs=TOLERANCE_MW)
    assert state.root_mvar == pytest.approx(float(net.res_ext_grid.q_mvar.iloc[0]), abs=TOLERANCE_MW)


@pytest.mark.parametrize("grid", GRIDS)
def test_base_state_equals_runpp_of_the_untouched_net(grid: str, net_of: Nets, power_flow_of: Flows) -> None:
    flow = power_flow_of(grid)
    state = flow.solve(flow.network.p_mw, flow.network.q_mvar)
    assert state.converged
    _assert_same(_solved(net_of(grid)), flow.network, state)


@pytest.mark.parametrize("grid", GRIDS)
def test_reference_equals_the_fast_path_after_a_change(grid: str, power_flow_of: Flows) -> None:
    flow = power_flow_of(grid)
    p, q = _changed(flow.network)
    fast, slow = flow.solve(p, q), flow.reference(p, q)
    assert fast.converged
    assert slow.converged
    assert np.abs(fast.vm_pu - slow.vm_pu).max() < TOLERANCE_PU
    assert np.abs(fast.loading_percent - slow.loading_percent).max() < TOLERANCE_PERCENT
    assert np.abs(fast.p_from_mw - slow.p_from_mw).max() < TOLERANCE_MW
    assert fast.root_mw == pytest.approx(slow.root_mw, abs=TOLERANCE_MW)
    assert np.abs(fast.vm_pu - flow.solve(flow.network.p_mw, flow.network.q_mvar).vm_pu).max() > 1e-5


@pytest.mark.parametrize("grid", GRIDS)
def test_changed_loads_equal_runpp_of_the_changed_net(grid: str, net_of: Nets, power_flow_of: Flows) -> None:
    """Every load grows by 30 %: done to the pandapower tables here, to the injections there."""
    flow = power_flow_of(grid)
    net = copy.deepcopy(net_of(grid))
    served = net.load.in_service.to_numpy(dtype=bool)
    nodes = flow.network.nodes_of(net.load.bus.to_numpy(dtype=np.int64)[served], "load.bus")
    p, q = flow.network.p_mw.copy(), flow.network.q_mvar.copy()
    scaling = net.load.scaling.to_numpy()[served]
    np.subtract.at(p, nodes, 0.3 * net.load.p_mw.to_numpy()[served] * scaling)
    np.subtract.at(q, nodes, 0.3 * net.load.q_mvar.to_numpy()[served] * scaling)
    net.load["p_mw"] *= 1.3
    net.load["q_mvar"] *= 1.3
    state = flow.solve(p, q)
    pp.runpp(net, calculate_voltage_angles=True, init="dc", numba=False)
    vm = net.res_bus.vm_pu.loc[flow.network.bus_index].to_numpy()
    assert np.abs(state.vm_pu[flow.network.bus_node] - vm).max() < TOLERANCE_PU


@pytest.mark.parametrize(
    ("grid", "vm_min_pu", "losses_kw"),
    [
        ("case69", 0.90919, 225.0),  # Baran and Wu (1989): 0.90919 p.u. at bus 65, 225 kW
        ("case141", 0.9279, 632.7),  # Khodr et al. (2008) data as distributed with MATPOWER
    ],
)
def test_bundled_feeders_reproduce_published_results(
    grid: str, vm_min_pu: float, losses_kw: float, power_flow_of: Flows
) -> None:
    flow = power_flow_of(grid)
    state = flow.solve(flow.network.p_mw, flow.network.q_mvar)
    assert state.vm_pu.min() == pytest.approx(vm_min_pu, abs=1e-4)
    assert 1e3 * state.losses_mw == pytest.approx(losses_kw, abs=0.2)


def test_lowest_voltage_of_case69_is_at_bus_65(power_flow_of: Flows) -> None:
    flow = power_flow_of("case69")
    state = flow.solve(flow.network.p_mw, flow.network.q_mvar)
    lowest = flow.network.bus_index[np.argmin(state.vm_pu[flow.network.bus_node])]
    assert lowest == 65


@pytest.mark.parametrize("path", ["solve", "reference"])
def test_divergence_is_a_state_and_is_survived(path: str, power_flow_of: Flows) -> None:
    flow = power_flow_of("case69")
    p, q = flow.network.p_mw, flow.network.q_mvar
    collapsed: AcState = getattr(flow, path)(50.0 * p, 50.0 * q)
    assert not collapsed.converged
    assert np.isnan(collapsed.vm_pu).all()
    assert np.isnan(collapsed.losses_mw)
    again: AcState = getattr(flow, path)(p, q)
    assert again.converged
    assert again.vm_pu.min() == pytest.approx(0.90919, abs=1e-4)


def test_a_solution_is_found_whatever_was_solved_before() -> None:
    # A line of 0.05 + 0.1j p.u. at 2 p.u. of load, so w^2 - 0.8 w + 0.05 = 0, after a collapse and no load.
    ends, x = (np.array([0]), np.array([1])), np.array([0.1])
    flow = PowerFlow(network(*ends, x, np.array([1e3]), np.zeros(2), tan_phi=0.0))
    found = [flow.solve(np.array([0.0, -mw]), np.zeros(2)) for mw in (0.0, 60.0, 0.0, 20.0)]
    assert [state.converged for state in found] == [True, False, True, True]
    assert found[-1].vm_pu[1] ** 2 == pytest.approx(0.4 + np.sqrt(0.11), abs=1e-8)


def test_losses_are_the_difference_between_what_enters_and_what_is_used(power_flow_of: Flows) -> None:
    flow = power_flow_of("case141")
    state = flow.solve(flow.network.p_mw, flow.network.q_mvar)
    assert state.root_mw == pytest.approx(-flow.network.p_mw.sum() + state.losses_mw, abs=1e-6)


def _changed(network: Network) -> tuple[FloatArray, FloatArray]:
    """Injections away from the base: a seeded part of each node's load, and some generation."""
    rng = np.random.default_rng(7)
    p = network.p_mw * rng.uniform(0.5, 1.2, network.n_nodes)
    q = network.q_mvar * rng.uniform(0.5, 1.2, network.n_nodes)
    p[rng.integers(0, network.n_nodes, 3)] += 0.1 * np.abs(network.p_mw).max()
    return p, q
