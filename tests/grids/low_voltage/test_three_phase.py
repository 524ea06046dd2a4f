"""The three-phase feeder: the reference power flow, a case by hand, gradients, and refused input."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tests.nets import FROM_SIMBENCH, empty_net


@pytest.fixture(scope="module")
def european(net_of: Callable[[str], pandapowerNet]) -> pandapowerNet:
    """The IEEE European LV test feeder: 55 users on single phases."""
    return net_of("ieee_european_lv_asymmetric")


def test_voltages_and_currents_are_those_of_the_reference_power_flow(european: pandapowerNet) -> None:
    feeder = read_feeder(european, "european")
    assert len(feeder.users) == 55
    assert {len(user.phases) for user in feeder.users} == {1}
    net = copy.deepcopy(european)
    kw = np.random.default_rng(1).uniform(-3.0, 6.0, 55)
    columns = [f"{q}_{f}_{unit}" for q, unit in (("p", "mw"), ("q", "mvar")) for f in "abc"]
    net.asymmetric_load[columns] = 0.0
    for k, user in enumerate(feeder.users):
        net.asymmetric_load.loc[net.asymmetric_load.index[k], f"p_{user.phases}_mw"] = kw[k] / 1000.0
    pp.runpp_3ph(net, numba=False)
    state = feeder.solve(kw)
    assert state.converged.all()
    reference = [net.res_bus_3ph.at[user.bus, f"vm_{user.phases}_pu"] for user in feeder.users]
    assert np.abs(state.voltage[0]) == pytest.approx(reference, abs=1e-5)
    lines = [k for k, name in enumerate(feeder.section_name) if name.startswith("line")]
    current = np.abs(feeder.section_current(state.current))[0]
    for k in lines[::10]:
        row = net.res_line_3ph.loc[int(feeder.section_name[k].split()[1])]
        ka = current[k] / (np.sqrt(3.0) * 0.416)
        assert ka == pytest.approx([row.i_a_ka, row.i_b_ka, row.i_c_ka], abs=1e-5)


@pytest.mark.parametrize("grid", ["create_kerber_landnetz_kabel_1", FROM_SIMBENCH[0]])
def test_a_balanced_grid_needs_one_phase_and_agrees_with_the_reference(
    grid: str, net_of: Callable[[str], pandapowerNet]
) -> None:
    net = copy.deepcopy(net_of(grid))
    net.sgen["in_service"] = False
    net.load["q_mvar"] = 0.0
    pp.runpp(net, numba=False)
    feeder = read_feeder(net, grid)
    state = feeder.solve(1000.0 * net.load.p_mw.to_numpy())
    reference = net.res_bus.vm_pu[[user.bus for user in feeder.users]].to_numpy()
    assert np.abs(state.voltage[0]) == pytest.approx(reference, abs=1e-8)


def _two_users(**line: float) -> pandapowerNet:
    """A source of 1.0 p.u. at 0.4 kV, 100 m of line, a user, 100 m more, another user."""
    net = empty_net(sn_mva=1.0)
    buses = [pp.create_bus(net, 0.4) for _ in range(3)]
    pp.create_ext_grid(net, buses[0])
    for a, b in ((0, 1), (1, 2)):
        pp.create_line_from_parameters(net, buses[a], buses[b], 0.1, 0.4, 0.1, 0.0, 0.2, **line)
    for bus in buses[1:]:
        pp.create_load(net, bus, 0.01)
    return net


def test_a_balanced_case_by_hand() -> None:
    # 0.04 and 0.01 ohm a piece are 0.25 and 0.0625 p.u. of 0.16 ohm. Users of 16 kW draw 0.016 p.u.: about
    # 0.25 (0.032 + 0.016) = 0.012 p.u. are lost to the far one, the reactance turning the voltage but little.
    feeder = read_feeder(_two_users(), "two")
    assert feeder.z_pu == pytest.approx(np.array([[1, 1], [1, 2]]) * (0.25 + 0.0625j))
    state = feeder.solve(np.array([16.0, 16.0]))
    near, far = np.abs(state.voltage[0])
    assert near == pytest.approx(1.0 - 0.25 * 0.032, abs=2e-4)
    assert far == pytest.approx(1.0 - 0.25 * 0.048, abs=3e-4)
    # The exact far voltage obeys v = 1 - z_near i - z_far i.
    i = state.current[0]
    assert state.voltage[0] == pytest.approx(1.0 - feeder.z_pu @ i)
    assert state.voltage[0] * np.conj(i) == pytest.approx([0.016, 0.016])


def test_gradients_are_the_slopes_of_the_power_flow(european: pandapowerNet) -> None:
    feeder = read_feeder(european, "european")
    rng = np.random.default_rng(2)
    points = rng.uniform(-3.0, 6.0, (4, 55))
    state = feeder.solve(points)
    pick = np.eye(55)[[0, 20, 40, 54]]
    by_voltage = np.asarray(np.conj(state.voltage) / np.abs(state.voltage) * pick, dtype=np.complex128)
    no_current = np.zeros((4, 55), dtype=np.complex128)
    slope = feeder.gradients(state, by_voltage, no_current)
    way = rng.normal(size=(4, 55)) * 1e-3
    ends = [(np.abs(feeder.solve(points + side * way).voltage) * pick).sum(axis=1) for side in (1, -1)]
    assert (slope * way).sum(axis=1) == pytest.approx((ends[0] - ends[1]) / 2.0, rel=1e-5)


def test_gradients_hold_where_voltage_all_but_collapses() -> None:
    # A user behind z draws at most 1 / (2 (|z| + r)) p.u. from 1.0 p.u., where |z p / v^2| is 1. Close to it
    # the adjoint's fixed point is far from settled after its last step, and the dense system answers.
    feeder = read_feeder(_two_users(), "two")
    z = feeder.z_pu[1, 1]
    at = np.array([[0.0, 0.998 * 1000.0 / (2.0 * (abs(z) + z.real))]])
    state = feeder.solve(at)
    assert state.converged.all()
    by_voltage = np.asarray(
        np.conj(state.voltage) / np.abs(state.voltage) * np.eye(2)[1:], dtype=np.complex128
    )
    slope = feeder.gradients(state, by_voltage, np.zeros((1, 2), dtype=np.complex128))
    assert abs(z) * abs(feeder.port_power(at)[0, 1]) / abs(state.voltage[0, 1]) ** 2 > 0.9
    for user, way in enumerate(np.eye(2) * 1e-4):
        ends = [np.abs(feeder.solve(at + side * way).voltage)[0, 1] for side in (1, -1)]
        assert slope[0, user] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-3)


def test_a_collapsed_feeder_is_no_solution() -> None:
    assert not read_feeder(_two_users(), "two").solve(np.array([1e4, 1e4])).converged.any()


def test_what_cannot_be_a_feeder_is_refused(european: pandapowerNet) -> None:
    net = _two_users()
    net.load["in_service"] = False
    with pytest.raises(InputError, match="no load in service"):
        read_feeder(net, "empty")
    net = _two_users()
    net.line["in_service"] = False
    with pytest.raises(InputError, match=r"2 bus.* have no connection to the external grid .bus 1"):
        read_feeder(net, "dark")
    net = _two_users()
    pp.create_asymmetric_load(net, 1, p_a_mw=0.002)
    with pytest.raises(InputError, match=r"line 0\.r0_ohm_per_km: is missing"):
        read_feeder(net, "no zero sequence")
    net = copy.deepcopy(european)
    net.trafo["vector_group"] = "Yyn"
    with pytest.raises(InputError, match="is Yyn"):
        read_feeder(net, "star")
    net = _two_users()
    pp.create_ext_grid(net, 2)
    with pytest.raises(InputError, match="2 external grids"):
        read_feeder(net, "two sources")
