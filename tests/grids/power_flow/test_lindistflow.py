"""LinDistFlow by hand, against AC as losses vanish, and refused input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.constraints import distribution_constraints
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.types import FloatArray
from tests.nets import empty_net


def _chain(scale: float = 1.0) -> pandapowerNet:
    """10 kV, 1 MVA base: bus 0 - (1, 2) ohm - bus 1 - (3, 1) ohm - bus 2; impedances times `scale`."""
    net = empty_net(sn_mva=1.0)
    pp.create_buses(net, 3, vn_kv=10.0)
    pp.create_ext_grid(net, 0, vm_pu=1.02)
    pp.create_line_from_parameters(net, 0, 1, 1.0, 1.0 * scale, 2.0 * scale, 0.0, max_i_ka=0.1)
    pp.create_line_from_parameters(
        net, 2, 1, 1.0, 3.0 * scale, 1.0 * scale, 0.0, max_i_ka=0.05
    )  # drawn uphill
    pp.create_load(net, 1, p_mw=0.5, q_mvar=0.1)
    pp.create_load(net, 2, p_mw=0.3, q_mvar=0.2)
    pp.create_sgen(net, 2, p_mw=0.1)
    return net


def _with_transformer(root: str, parallel: int = 1, scale: float = 1.0, apart: bool = False) -> pandapowerNet:
    """A 20/10 kV transformer, 2 steps of 2.5 % up on the hv side, and a line away from the root."""
    net = empty_net(sn_mva=1.0)
    pp.create_buses(net, 3, vn_kv=[20.0, 10.0, 10.0] if root == "hv" else [20.0, 20.0, 10.0])
    hv, lv, root_bus = (0, 1, 0) if root == "hv" else (1, 2, 2)
    leaf, inner = (2, 1) if root == "hv" else (0, 1)
    pp.create_ext_grid(net, root_bus, vm_pu=1.0)
    for count in [1] * parallel if apart else [parallel]:
        pp.create_transformer_from_parameters(
            net,
            hv,
            lv,
            sn_mva=2.0,
            vn_hv_kv=20.0,
            vn_lv_kv=10.0,
            vkr_percent=1.0 * scale,
            vk_percent=5.0 * scale,
            pfe_kw=0.0,
            i0_percent=0.0,
            tap_side="hv",
            tap_neutral=0,
            tap_pos=2,
            tap_step_percent=2.5,
            tap_changer_type="Ratio",
            parallel=count,
        )
    pp.create_line_from_parameters(net, inner, leaf, 1.0, 0.5 * scale, 0.5 * scale, 0.0, max_i_ka=0.2)
    pp.create_load(net, leaf, p_mw=0.8, q_mvar=0.3)
    return net


def _model(net: pandapowerNet) -> LinDistFlow:
    return LinDistFlow.build(Network.from_pandapower(net, "small"))


def _by_bus(lin: LinDistFlow, values: FloatArray) -> FloatArray:
    return values[lin.network.bus_node]


def test_chain_by_hand() -> None:
    # Base impedance 10**2 / 1 = 100 ohm: r = 0.01, x = 0.02 and r = 0.03, x = 0.01 p.u.
    # Net consumption: bus 1 0.5 + j0.1, bus 2 0.2 + j0.2. Flows: line 0 0.7 + j0.3, line 1 0.2 + j0.2.
    # w0 = 1.02**2 = 1.0404; w1 = 1.0404 - 2 (0.01*0.7 + 0.02*0.3) = 1.0144;
    # w2 = 1.0144 - 2 (0.03*0.2 + 0.01*0.2) = 0.9984.
    lin = _model(_chain())
    n = lin.network
    assert lin.state(n.p_mw, n.q_mvar).flow_mw == pytest.approx([0.7, 0.2], abs=1e-12)
    assert _by_bus(lin, lin.state(n.p_mw, n.q_mvar).w_pu2) == pytest.approx(
        [1.0404, 1.0144, 0.9984], abs=1e-9
    )
    # S = sqrt(3)*10*0.1 = 1.732051 and 0.866025 MVA; less Q: sqrt(3 - 0.09) and sqrt(0.75 - 0.04).
    assert distribution_constraints(lin, n.p_mw, n.q_mvar).limit_mw == pytest.approx(
        [np.sqrt(2.91), np.sqrt(0.71)], abs=1e-9
    )
    # 1 MW more at bus 2: both flows fall by 1; w1 rises by 2*0.01, w2 by 2*(0.01 + 0.03).
    node = int(n.nodes_of(np.array([2]), "bus")[0])
    assert lin.flow_matrix[:, node] == pytest.approx([-1.0, -1.0])
    assert _by_bus(lin, lin.voltage_matrix[:, node]) == pytest.approx([0.0, 0.02, 0.08], abs=1e-12)
    assert _by_bus(lin, lin.voltage_q_matrix[:, node]) == pytest.approx([0.0, 0.04, 0.06], abs=1e-12)
    assert lin.downhill.tolist() == [True, False]


def test_rating_that_reactive_power_fills_leaves_no_room() -> None:
    lin = _model(_chain())
    q = lin.network.q_mvar * 10.0  # 3 Mvar on 1.73 MVA, 2 Mvar on 0.87 MVA
    assert distribution_constraints(lin, 0.0 * q, q).limit_mw.tolist() == [0.0, 0.0]


def test_transformer_seen_from_its_hv_side_by_hand() -> None:
    # Tap +5 % on hv: ratio 1.05, so g = 1/1.05**2 = 0.907029. Seen from lv: vkr 1 %, vk 5 % on 2 MVA, base 1:
    # r = 0.005, x = sqrt(0.05**2 - 0.01**2)/2 = 0.0244949. Line 0.5 ohm on 100 ohm: 0.005 each.
    # w1 = 0.907029 - 2 (0.005*0.8 + 0.0244949*0.3) = 0.884333; w2 = w1 - 2*0.005*(0.8 + 0.3) = 0.873333.
    lin = _model(_with_transformer("hv"))
    w = _by_bus(lin, lin.state(lin.network.p_mw, lin.network.q_mvar).w_pu2)
    assert w == pytest.approx([1.0, 0.884333, 0.873333], abs=2e-6)
    trafo = lin.network.branches.label.index("trafo 0")
    assert distribution_constraints(lin, np.zeros(3), np.zeros(3)).limit_mw[trafo] == pytest.approx(2.0)


def test_transformer_seen_from_its_lv_side_by_hand() -> None:
    # From lv to hv g = 1.05**2 = 1.1025, impedance behind the ratio: r = 0.005*1.1025 = 0.0055125,
    # x = 0.0244949*1.1025 = 0.0270056. Line 0.5 ohm on 20**2/1 = 400 ohm: 0.00125 each.
    # w1 = 1.1025 - 2 (0.0055125*0.8 + 0.0270056*0.3) = 1.077477; w0 = w1 - 2*0.00125*(0.8 + 0.3) = 1.074727.
    lin = _model(_with_transformer("lv"))
    w = _by_bus(lin, lin.state(lin.network.p_mw, lin.network.q_mvar).w_pu2)
    assert w == pytest.approx([1.074727, 1.077477, 1.0], abs=2e-6)


@pytest.mark.parametrize("root", ["hv", "lv"])
@pytest.mark.parametrize("apart", [False, True])
def test_parallel_transformers_share_flow_and_halve_the_impedance(root: str, apart: bool) -> None:
    single = _model(_with_transformer(root))
    double = _model(_with_transformer(root, parallel=2, apart=apart))
    p, q = double.network.p_mw, double.network.q_mvar
    trafos = [k for k, label in enumerate(double.network.branches.label) if label.startswith("trafo")]
    assert double.state(p, q).flow_mw[trafos] == pytest.approx([0.4, 0.4] if apart else [0.8], abs=1e-9)
    assert distribution_constraints(double, p, 0.0 * q).limit_mw[trafos] == pytest.approx(
        [2.0, 2.0] if apart else [4.0]
    )
    gain = single.w_root_gain
    inner = int(double.network.nodes_of(np.array([1]), "bus")[0])
    drop = gain - single.state(p, q).w_pu2
    half = double.w_root_gain - double.state(p, q).w_pu2
    assert half[inner] == pytest.approx(drop[inner] / 2.0, rel=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_chain, id="lines"),
        pytest.param(lambda scale: _with_transformer("hv", scale=scale), id="hv"),
        pytest.param(lambda scale: _with_transformer("lv", scale=scale), id="lv"),
        pytest.param(lambda scale: _with_transformer("lv", parallel=2, scale=scale), id="lv parallel"),
        pytest.param(
            lambda scale: _with_transformer("hv", parallel=2, scale=scale, apart=True), id="hv apart"
        ),
    ],
)
def test_gap_to_ac_vanishes_with_the_square_of_the_impedance(make: object) -> None:
    assert callable(make)
    gaps = []
    for scale in (1e-1, 1e-2):
        lin = _model(make(scale))
        n = lin.network
        state = PowerFlow(n).solve(n.p_mw, n.q_mvar)
        gaps.append(np.abs(state.vm_pu**2 - lin.state(n.p_mw, n.q_mvar).w_pu2).max())
        flows = np.where(lin.downhill, state.p_from_mw, state.p_to_mw)
        assert np.abs(flows - lin.state(n.p_mw, n.q_mvar).flow_mw).max() <= 2.0 * state.losses_mw + 1e-7
    assert gaps[0] < 1e-4
    assert gaps[1] < gaps[0] / 50.0  # a hundredth, but for rounding


@pytest.mark.parametrize("net", [_chain(), _with_transformer("hv", 2, apart=True), _with_transformer("lv")])
def test_sensitivities_are_finite_differences_of_the_model(net: pandapowerNet) -> None:
    lin = _model(net)
    p, q = lin.network.p_mw, lin.network.q_mvar
    for node in range(lin.network.n_nodes):
        step = np.zeros(lin.network.n_nodes)
        step[node] = 0.25
        df = (lin.state(p + step, q).flow_mw - lin.state(p, q).flow_mw) / 0.25
        dw = (lin.state(p + step, q).w_pu2 - lin.state(p, q).w_pu2) / 0.25
        dwq = (lin.state(p, q + step).w_pu2 - lin.state(p, q).w_pu2) / 0.25
        assert df == pytest.approx(lin.flow_matrix[:, node], abs=1e-9)
        assert dw == pytest.approx(lin.voltage_matrix[:, node], abs=1e-9)
        assert dwq == pytest.approx(lin.voltage_q_matrix[:, node], abs=1e-9)


def _with_everything(scale: float) -> pandapowerNet:
    """The transformer seen from hv, with iron losses and charging, a shunt, a ward and an open line end."""
    net = _with_transformer("hv", scale=scale)
    net.trafo["pfe_kw"], net.trafo["i0_percent"] = 20.0, 2.0
    net.line["c_nf_per_km"], net.line["g_us_per_km"] = 3e4, 30.0
    pp.create_shunt(net, 2, q_mvar=-0.6, p_mw=0.1, step=2)
    pp.create_ward(net, 1, 0.1, 0.05, 0.1, 0.05)
    end = pp.create_bus(net, vn_kv=10.0, in_service=False)
    pp.create_line_from_parameters(net, 2, end, 1.0, 0.5 * scale, 0.5 * scale, 2e4, max_i_ka=0.2)
    pp.create_switch(net, end, 1, et="l", closed=False)
    return net


def _with_generator(scale: float, limit: float = np.inf) -> pandapowerNet:
    """The same, and a generator at bus 2 that holds 1.03 p.u., with at most `limit` Mvar."""
    net = _with_everything(scale)
    pp.create_gen(net, 2, p_mw=0.2, vm_pu=1.03, max_q_mvar=limit)
    return net


@pytest.mark.parametrize("make", [_with_everything, _with_generator])
def test_shunts_charging_iron_losses_and_held_voltages_are_in_the_base_state(
    make: Callable[[float], pandapowerNet],
) -> None:
    gaps = []
    for scale in (0.1, 0.01):
        net = make(scale)
        if make is _with_generator:  # what there is to hold shrinks with the impedance
            net.gen["vm_pu"] = 1.0 / 1.05 + 0.02 * scale
        lin = _model(net)
        n = lin.network
        state, ac = lin.state(n.p_mw, n.q_mvar), PowerFlow(n).solve(n.p_mw, n.q_mvar)
        gaps.append(np.abs(state.w_pu2 - ac.vm_pu**2).max())
        drawn = state.flow_mw + 1j * state.flow_mvar
        entering = np.where(lin.downhill, ac.p_from_mw + 1j * ac.q_from_mvar, ac.p_to_mw + 1j * ac.q_to_mvar)
        leaving = -np.where(lin.downhill, ac.p_to_mw + 1j * ac.q_to_mvar, ac.p_from_mw + 1j * ac.q_from_mvar)
        b = n.branches  # flows through the series impedance: without what its two ends draw
        half = (b.g_pu - 1j * b.b_pu) / 2.0 * n.base_mva
        at_from, at_to = half * ac.vm_pu[b.from_node] ** 2 / b.tap**2, half * ac.vm_pu[b.to_node] ** 2
        up, down = np.where(lin.downhill, at_from, at_to), np.where(lin.downhill, at_to, at_from)
        loss = np.abs(entering - leaving - up - down)
        assert (np.abs(drawn - (leaving + down)) <= 5.0 * loss.sum() + 1e-6).all()
    assert gaps[0] < 2e-4
    assert gaps[1] < gaps[0] / 20.0  # the model is exact but for losses


def test_a_generator_holds_its_voltage_within_its_limits_only() -> None:
    lin = _model(_with_generator(1.0))
    n = lin.network
    node = n.pv_node
    state = lin.state(n.p_mw, n.q_mvar)
    assert state.w_pu2[node] == pytest.approx([1.03**2])
    assert state.held_mvar[0] > 0.1
    short = _model(_with_generator(1.0, 0.1))
    state = short.state(n.p_mw, n.q_mvar)
    assert state.held_mvar == pytest.approx([0.1])
    assert state.w_pu2[node][0] < 1.03**2
    without = _model(_with_everything(1.0))  # 0.2 MW and 0.1 Mvar by hand instead
    by_hand = without.network.p_mw.copy(), without.network.q_mvar.copy()
    by_hand[0][node] += 0.2
    by_hand[1][node] += 0.1
    assert state.w_pu2 == pytest.approx(without.state(*by_hand).w_pu2, abs=1e-12)


def test_two_generators_one_at_its_limit_and_one_holding() -> None:
    net = _with_generator(1.0, 0.1)
    pp.create_gen(net, 1, p_mw=0.0, vm_pu=0.97)
    lin = _model(net)
    n = lin.network
    state = lin.state(n.p_mw, n.q_mvar)
    at = {node: k for k, node in enumerate(n.pv_node.tolist())}
    inner, leaf = (at[int(n.nodes_of(np.array([bus]), "bus")[0])] for bus in (1, 2))
    assert state.held_mvar[leaf] == pytest.approx(0.1)
    assert state.w_pu2[n.pv_node[inner]] == pytest.approx(0.97**2)


def test_voltages_that_no_reactive_power_brings_about_are_refused() -> None:
    net = _chain()
    net.line["x_ohm_per_km"] = 0.0  # reactive power moves no voltage
    pp.create_gen(net, 2, p_mw=0.1, vm_pu=1.0)
    lin = _model(net)
    with pytest.raises(InputError, match="offset: ac"):
        lin.state(lin.network.p_mw, lin.network.q_mvar)


def test_meshed_grid_is_refused_and_the_way_out_named() -> None:
    net = _chain()
    pp.create_line_from_parameters(net, 0, 2, 1.0, 1.0, 1.0, 0.0, max_i_ka=0.1)
    with pytest.raises(InputError, match=r"closes a loop.*linearise_ac") as error:
        _model(net)
    assert error.value.field.startswith("line ")


def test_parallel_transformers_with_unlike_taps_are_refused() -> None:
    net = _with_transformer("hv", parallel=2, apart=True)
    net.trafo.loc[1, "tap_pos"] = 0
    with pytest.raises(InputError, match="circulating flow") as error:
        _model(net)
    assert error.value.field == "trafo 0"


def test_limits_are_those_of_the_network_it_is_given(network_of: Callable[[str], Network]) -> None:
    """Whoever puts another network of the same lines in its place gets that network's voltage band."""
    network = network_of("case69")
    narrow = replace(network, vm_max_pu=np.full(len(network.bus_index), 1.042))
    lin = LinDistFlow.build(network)
    assert lin.w_max_pu2 == pytest.approx(1.1**2)
    rows = distribution_constraints(replace(lin, network=narrow), network.p_mw, network.q_mvar)
    assert rows.w_max_pu2 == pytest.approx(1.042**2)
