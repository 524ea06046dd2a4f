"""Feeders against the power flows of other libraries, for everything that a net may contain."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.choices import RULES, Rule
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.operating_envelope import guaranteed, random_points
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import PHASES, Feeder
from tandem_sim.grids.network.network import Network
from tests.grids.second_solver import drawn_by, voltages
from tests.nets import empty_net

Change = Callable[[pandapowerNet], Any]
TRAFO: dict[str, Any] = {
    "sn_mva": 0.16,
    "vn_hv_kv": 20.0,
    "vn_lv_kv": 0.4,
    "vkr_percent": 1.5,
    "vk_percent": 4.0,
    "pfe_kw": 0.5,
    "i0_percent": 0.3,
    "shift_degree": 150.0,
    "vector_group": "Dyn",
    "vk0_percent": 4.0,
    "vkr0_percent": 1.5,
    "mag0_percent": 100.0,
    "mag0_rx": 0.0,
    "si0_hv_partial": 0.9,
    "tap_side": "hv",
    "tap_neutral": 0,
    "tap_min": -2,
    "tap_max": 2,
    "tap_step_percent": 2.5,
    "tap_pos": 0,
    "tap_changer_type": "Ratio",
}
LINE: dict[str, Any] = {
    "r_ohm_per_km": 0.3,
    "x_ohm_per_km": 0.08,
    "c_nf_per_km": 300.0,
    "max_i_ka": 0.2,
    "r0_ohm_per_km": 0.9,
    "x0_ohm_per_km": 0.3,
    "c0_nf_per_km": 120.0,
}
KW = np.array([30.0, 20.0, 25.0])


def _village(sn_mva: float = 1.0) -> pandapowerNet:
    """20 kV (bus 0), a transformer, its busbar (1), a feeder of two users (2, 3) and another of one (4)."""
    net = empty_net(sn_mva=sn_mva)
    for kv in (20.0, 0.4, 0.4, 0.4, 0.4):
        pp.create_bus(net, kv)
    pp.create_ext_grid(net, 0, vm_pu=1.02)
    pp.create_transformer_from_parameters(net, 0, 1, **TRAFO)
    for a, b, km in ((1, 2, 0.2), (2, 3, 0.15), (1, 4, 0.3)):
        pp.create_line_from_parameters(net, a, b, km, **LINE)
    for bus, kw in zip((2, 3, 4), KW, strict=True):
        pp.create_load(net, bus, kw / 1000.0)
    return net


def _on_phases(net: pandapowerNet, phases: tuple[str, ...] = ("a", "b", "c")) -> pandapowerNet:
    """The same net with its users on single phases."""
    for bus, kw, on in zip(net.load.bus, net.load.p_mw, phases, strict=True):
        pp.create_asymmetric_load(net, bus, **{f"p_{f}_mw": kw for f in on})
    net.load["in_service"] = False
    return net


def _replaced_by_switch(net: pandapowerNet) -> None:
    net.line.loc[1, "in_service"] = False
    pp.create_switch(net, 2, 3, et="b", z_ohm=0.05)


def _tap(**columns: Any) -> Change:
    return lambda net: net.trafo.__setitem__(list(columns), list(columns.values()))


def _second_tap(net: pandapowerNet) -> None:
    values = {
        "tap2_side": "lv",
        "tap2_neutral": 0.0,
        "tap2_pos": 2.0,
        "tap2_step_percent": 1.5,
        "tap2_step_degree": 0.0,
        "tap2_changer_type": "Ratio",
    }
    for column, value in values.items():
        net.trafo[column] = value


def _from_below(net: pandapowerNet) -> None:
    net.ext_grid["bus"] = 1
    pp.create_load(net, 0, 0.05)


HELD: dict[str, Change] = {
    "as it is": lambda net: None,
    "a switch with an impedance": _replaced_by_switch,
    "a tap": _tap(tap_pos=2),
    "a tap on the low side": _tap(tap_pos=-2, tap_side="lv"),
    "a symmetrical tap": _tap(tap_pos=2, tap_changer_type="Symmetrical", tap_step_degree=60.0),
    "an ideal phase shifter": _tap(
        tap_pos=2, tap_changer_type="Ideal", tap_step_degree=5.0, tap_step_percent=0.0
    ),
    "a tap of no type": _tap(tap_pos=2, tap_changer_type=None),
    "a second tap": _second_tap,
    "a capacitor": lambda net: pp.create_shunt(net, 3, q_mvar=-0.03),
    "a shunt of another voltage": lambda net: pp.create_shunt(net, 3, q_mvar=0.02, p_mw=0.01, vn_kv=0.38),
    "a ward": lambda net: pp.create_ward(net, 3, 0.01, 0.005, 0.008, -0.004),
    "a static generator": lambda net: pp.create_sgen(net, 3, 0.04, q_mvar=-0.01, scaling=0.8),
    "an equal one by phases": lambda net: pp.create_asymmetric_sgen(
        net, 3, **{f"p_{f}_mw": 0.01 for f in PHASES}
    ),
    "a storage": lambda net: pp.create_storage(net, 4, 0.02, 0.1, q_mvar=0.004),
    "a motor": lambda net: pp.create_motor(net, 4, 0.02, 0.85, efficiency_percent=92.0, loading_percent=80.0),
    "parallel lines": lambda net: pp.create_line_from_parameters(net, 1, 2, 0.3, **LINE),
    "a line of two": lambda net: net.line.__setitem__("parallel", [2, 1, 1]),
    "two transformers": lambda net: pp.create_transformer_from_parameters(net, 0, 1, **TRAFO),
    "a transformer of two": lambda net: net.trafo.__setitem__("parallel", 2),
    "a ring": lambda net: pp.create_line_from_parameters(net, 3, 4, 0.2, **LINE),
    "a derated line": lambda net: net.line.__setitem__("df", [1.0, 0.5, 0.7]),
    "a derated transformer": lambda net: net.trafo.__setitem__("df", 0.6),
    "an open line": lambda net: pp.create_switch(
        net, 4, pp.create_line_from_parameters(net, 3, 4, 0.2, **LINE), et="l", closed=False
    ),
    "a transformer fed from below": _from_below,
    "a bus and its load out of service": lambda net: pp.create_load(
        net, pp.create_bus(net, 0.4, in_service=False), 0.1
    ),
}


@pytest.mark.parametrize("sn_mva", [1.0, 100.0])
@pytest.mark.parametrize("what", HELD)
def test_three_phase_users_see_what_the_reference_power_flow_sees(what: str, sn_mva: float) -> None:
    net = _village(sn_mva)
    HELD[what](net)
    pp.runpp(net, numba=False, calculate_voltage_angles=True, tolerance_mva=1e-10)
    feeder = read_feeder(net, what)
    state = feeder.solve(np.array([1000.0 * net.load.p_mw[k] for k in range(len(feeder.users))]))
    assert np.abs(state.voltage[0]) == pytest.approx(
        net.res_bus.vm_pu[[user.bus for user in feeder.users]].to_numpy(), abs=1e-8
    )
    loading = np.abs(feeder.section_current(state.current))[0, :, 0] / feeder.section_limit
    for name in {n for n in feeder.section_name if not n.startswith("switch")}:
        table, index = name.split()
        reference = net[f"res_{table}"].loading_percent[int(index)]
        mine = max(loading[k] for k, n in enumerate(feeder.section_name) if n == name)
        assert 100.0 * mine == pytest.approx(reference, rel=2e-5)


def test_percentages_of_loading_are_ratings() -> None:
    net = _village()
    whole = read_feeder(net, "all")
    net.line["max_loading_percent"], net.trafo["max_loading_percent"] = 60.0, 50.0
    part = read_feeder(net, "part")
    share = [0.6 if name.startswith("line") else 0.5 for name in part.section_name]
    assert part.section_limit == pytest.approx(np.array(share) * whole.section_limit)


def test_a_switch_with_an_impedance_limits_what_can_be_guaranteed() -> None:
    # A switch of 0.2 ohm stands before the user: 57.0 kW pull its voltage to 0.9 p.u. by pandapower's power
    # flow. Without the switch the line's current would be the limit, and 130.1 kW.
    net = empty_net()
    for kv in (20.0, 0.4, 0.4, 0.4):
        pp.create_bus(net, kv)
    pp.create_ext_grid(net, 0)
    pp.create_transformer(net, 0, 1, "0.25 MVA 20/0.4 kV")
    pp.create_line_from_parameters(net, 1, 2, 0.3, 0.2, 0.08, 200.0, 0.2)
    pp.create_switch(net, 2, 3, et="b", z_ohm=0.2)
    pp.create_load(net, 3, 0.05)
    best = guaranteed(read_feeder(net, "switch"), np.array([150.0]), Band(0.9, 1.1))
    assert best.import_kw[0] == pytest.approx(57.0, abs=0.01)
    assert best.binding == ("import: low voltage at load 0; export: high voltage at load 0",)
    net.load["p_mw"] = best.import_kw / 1000.0
    pp.runpp(net, numba=False)
    assert net.res_bus.vm_pu[3] == pytest.approx(0.9, abs=1e-5)
    net.load["p_mw"] = -best.export_kw / 1000.0
    pp.runpp(net, numba=False)
    assert net.res_bus.vm_pu[3] == pytest.approx(1.1, abs=1e-5)


def _without_magnetising(net: pandapowerNet) -> pandapowerNet:
    """The transformer of the second solver: no magnetising current, one leakage in all sequences."""
    net.trafo[["pfe_kw", "i0_percent"]] = 0.0
    net.trafo["mag0_percent"] = 1e12
    net.trafo[["rn_ohm", "xn_ohm"]] = 0.0
    return net


def _solved(feeder: Feeder, kw: Any) -> Any:
    state = feeder.solve(np.asarray(kw))
    assert state.converged.all()
    return state


def _at_ports(feeder: Feeder, by_bus: Any) -> Any:
    """Reference voltages (B, 3) at users' ports; buses are numbered from 0."""
    return np.array(
        [by_bus[feeder.users[u].bus, f] for u, f in zip(feeder.port_user, feeder.port_phase, strict=True)]
    )


def test_the_european_feeder_is_the_same_to_a_second_solver(
    net_of: Callable[[str], pandapowerNet],
) -> None:
    net = copy.deepcopy(net_of("ieee_european_lv_asymmetric"))
    net.ext_grid["s_sc_max_mva"] = np.nan  # stiff in all sequences
    feeder = read_feeder(_without_magnetising(net), "european", 1.03)
    rng = np.random.default_rng(7)
    for kw in rng.uniform(-4.0, 7.0, (3, 55)):
        reference = _at_ports(feeder, voltages(net, drawn_by(feeder.users, kw), 1.03))
        assert np.abs(_solved(feeder, kw).voltage[0]) == pytest.approx(reference, abs=1e-8)


ON_PHASES: dict[str, Change] = {
    "as it is": lambda net: None,
    "a tap": _tap(tap_pos=2),
    "another shift": _tap(shift_degree=330.0),
    "an earthed star point": _tap(rn_ohm=0.2, xn_ohm=0.1),
    "a capacitor": lambda net: pp.create_shunt(net, 3, q_mvar=-0.03),
    "an idle branch": lambda net: pp.create_line_from_parameters(
        net, 3, pp.create_bus(net, 0.4), 1.0, **LINE
    ),
    "parallel lines": lambda net: pp.create_line_from_parameters(net, 1, 2, 0.3, **LINE),
    "a ring": lambda net: pp.create_line_from_parameters(net, 3, 4, 0.2, **LINE),
    "a line above": lambda net: (
        pp.create_bus(net, 20.0),
        pp.create_line_from_parameters(net, 5, 0, 5.0, **LINE),
        net.ext_grid.__setitem__("bus", 5),
    ),
}


@pytest.mark.parametrize("phases", [("a", "b", "c"), ("a", "abc", "ab")])
@pytest.mark.parametrize("what", ON_PHASES)
def test_users_on_single_phases_see_what_a_second_solver_sees(what: str, phases: tuple[str, ...]) -> None:
    net = _without_magnetising(_on_phases(_village(), phases))
    ON_PHASES[what](net)
    feeder = read_feeder(net, what)
    for kw in np.random.default_rng(3).uniform(-12.0, 12.0, (3, 3)):
        reference = _at_ports(feeder, voltages(net, drawn_by(feeder.users, kw), 1.02))
        assert np.abs(_solved(feeder, kw).voltage[0]) == pytest.approx(reference, abs=1e-8)


def test_what_generators_and_storages_do_on_phases_is_held() -> None:
    net = _without_magnetising(_on_phases(_village()))
    pp.create_asymmetric_sgen(net, 4, p_a_mw=0.006, q_b_mvar=0.002, scaling=0.5)
    pp.create_sgen(net, 3, 0.009, q_mvar=0.003)
    pp.create_storage(net, 2, 0.006, 0.1)
    feeder = read_feeder(net, "held")
    kw = np.array([8.0, -5.0, 3.0])
    drawn = drawn_by(feeder.users, kw)
    drawn[4] = drawn[4] - np.array([0.003, 0.001j, 0.0])
    drawn[3] = drawn[3] - (0.003 + 0.001j)
    drawn[2] = drawn[2] + 0.002
    reference = _at_ports(feeder, voltages(net, drawn, 1.02))
    assert np.abs(_solved(feeder, kw).voltage[0]) == pytest.approx(reference, abs=1e-8)
    assert feeder.held_kva == pytest.approx(-3.0 - 9.0 + 6.0 - 4.0j)
    assert feeder.left_out == ()
    users_own = read_feeder(net, "left out", units=False)
    assert users_own.held_kva == 0.0
    assert [words.split(":")[0] for words in users_own.left_out] == [
        "1 of table sgen, 9.0 kW",
        "1 of table storage, 6.0 kW",
        "1 of table asymmetric_sgen, 3.0 kW",
    ]
    reference = _at_ports(feeder, voltages(net, drawn_by(feeder.users, kw), 1.02))
    assert np.abs(_solved(users_own, kw).voltage[0]) == pytest.approx(reference, abs=1e-8)


def test_a_switch_with_an_impedance_has_it_between_neutral_and_phase_too() -> None:
    # Of 0.05 ohm with r / x = 2, as pandapower takes it: a line of r = 0.0447 and x = 0.0224 ohm.
    net, reference = (_without_magnetising(_on_phases(_village())) for _ in range(2))
    _replaced_by_switch(net)
    columns = [
        "r_ohm_per_km",
        "x_ohm_per_km",
        "r0_ohm_per_km",
        "x0_ohm_per_km",
        "c_nf_per_km",
        "c0_nf_per_km",
    ]
    r, x = 0.05 * np.array([2.0, 1.0]) / np.sqrt(5.0) / 0.15
    reference.line.loc[1, columns] = [r, x, r, x, 0.0, 0.0]
    feeder = read_feeder(net, "switch")
    kw = np.array([8.0, -5.0, 3.0])
    right = _at_ports(feeder, voltages(reference, drawn_by(feeder.users, kw), 1.02))
    assert np.abs(_solved(feeder, kw).voltage[0]) == pytest.approx(right, abs=1e-8)


def test_currents_of_every_phase_are_those_of_the_reference_power_flow() -> None:
    net = _on_phases(_village())
    for column, value in (("s_sc_max_mva", 200.0), ("rx_max", 0.3), ("r0x0_max", 0.2), ("x0x_max", 1.5)):
        net.ext_grid[column] = value
    net.trafo["tap_pos"] = 1
    net.trafo[["mag0_percent", "mag0_rx"]] = [150.0, 0.4]
    feeder = read_feeder(net, "currents")
    pp.runpp_3ph(net, numba=False)
    state = _solved(feeder, KW)
    reference = _at_ports(feeder, net.res_bus_3ph[[f"vm_{f}_pu" for f in PHASES]].to_numpy())
    assert np.abs(state.voltage[0]) == pytest.approx(reference, abs=1e-6)
    loading = 100.0 * np.abs(feeder.section_current(state.current))[0] / feeder.section_limit[:, None]
    (high, low) = (loading[k] for k, name in enumerate(feeder.section_name) if name == "trafo 0")
    row = net.res_trafo_3ph.loc[0]
    for phase, f in enumerate(PHASES):
        rated_ka = [TRAFO["sn_mva"] / np.sqrt(3.0) / kv for kv in (20.0, 0.4)]
        sides = [row[f"i_{f}_{side}_ka"] for side in ("hv", "lv")]
        assert [high[phase], low[phase]] == pytest.approx(100.0 * np.divide(sides, rated_ka), rel=1e-3)
    for k, name in enumerate(feeder.section_name):
        if name.startswith("line"):
            ka = loading[k] / 100.0 * LINE["max_i_ka"]
            row = net.res_line_3ph.loc[int(name.split()[1])]
            ends = np.array([[row[f"i_{f}_{end}_ka"] for f in PHASES] for end in ("from", "to")])
            assert np.abs(ends - ka).max(axis=1).min() < 2e-6


def test_gradients_count_what_is_held_and_shunts() -> None:
    net = _on_phases(_village())
    pp.create_sgen(net, 3, 0.06, q_mvar=0.02)
    pp.create_shunt(net, 4, q_mvar=-0.05)
    feeder = read_feeder(net, "gradients")
    points = np.random.default_rng(2).uniform(-12.0, 12.0, (4, 3))
    state = _solved(feeder, points)
    section = np.arange(4) % len(feeder.section_name)
    share = feeder.section_share[section, 1]
    rng = np.random.default_rng(5)
    by_voltage = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
    slope = feeder.gradients(state, by_voltage, share)
    for user, way in enumerate(np.eye(3) * 1e-3):
        figures = []
        for side in (1, -1):
            at = feeder.solve(points + side * way)
            figures.append((by_voltage * at.voltage).sum(axis=1).real + (share * at.current).sum(axis=1).real)
        assert slope[:, user] == pytest.approx((figures[0] - figures[1]) / 2e-3, rel=1e-5, abs=1e-9)


def test_what_is_held_must_fit_before_anything_is_guaranteed() -> None:
    net = _village()
    pp.create_sgen(net, 3, 0.2)
    with pytest.raises(InputError, match=r"line \d: is loaded by 1\d\d\.\d % without any load of users"):
        guaranteed(read_feeder(net, "full"), np.full(3, 10.0), Band(0.5, 1.5))
    net.sgen["p_mw"] = -5.0
    with pytest.raises(InputError, match="more than the feeder can carry at any voltage"):
        guaranteed(read_feeder(net, "gone"), np.full(3, 10.0), Band(0.5, 1.5))


@pytest.mark.parametrize("rule", RULES)
def test_no_point_of_an_envelope_breaks_a_limit_beside_what_is_held(rule: Rule) -> None:
    net = _without_magnetising(_on_phases(_village()))
    pp.create_asymmetric_sgen(net, 4, p_a_mw=0.006)
    pp.create_shunt(net, 3, q_mvar=-0.03)
    pp.create_line_from_parameters(net, 3, 4, 0.2, **LINE)
    feeder, band = read_feeder(net, "held"), Band(0.93, 1.07)
    best = guaranteed(feeder, np.full(3, 60.0), band, rule)
    inside = random_points(best, 1000, np.random.default_rng(1))
    corners = np.array([best.import_kw, -best.export_kw])
    assert -1e-3 < np.max(worst_excess_pu(feeder, band, np.vstack([inside, corners]))) <= 1e-6
    for kw in np.vstack([inside[:20], corners]):
        drawn = drawn_by(feeder.users, kw)
        drawn[4] = drawn[4] - np.array([0.006, 0.0, 0.0])
        reference = _at_ports(feeder, voltages(net, drawn, 1.02))
        assert band.low_pu - 1e-6 <= reference.min() <= reference.max() <= band.high_pu + 1e-6


def test_a_user_at_the_source_may_do_what_it_likes() -> None:
    net = _village()
    pp.create_load(net, 0, 0.01)
    best = guaranteed(read_feeder(net, "at the source"), np.full(4, 200.0), Band())
    assert best.import_kw[3] == pytest.approx(200.0, abs=0.01)
    assert best.export_kw[3] == pytest.approx(200.0, abs=0.01)


def test_a_feeder_refuses_what_the_network_refuses() -> None:
    changes: tuple[Change, ...] = (
        lambda net: net.line.__setitem__("length_km", 0.0),
        lambda net: net.line.__setitem__(["r_ohm_per_km", "x_ohm_per_km"], 0.0),
        lambda net: net.load.__setitem__("const_z_p_percent", 50.0),
        lambda net: pp.create_dcline(net, 1, 3, 0.01, 1.0, 0.0, 1.0, 1.0),
        lambda net: net.bus.__setitem__("vn_kv", np.nan),
    )
    for change in changes:
        net = _village()
        change(net)
        with pytest.raises(InputError) as by_network:
            Network.from_pandapower(net, "net")
        with pytest.raises(InputError) as by_feeder:
            read_feeder(net, "net")
        assert str(by_feeder.value) == str(by_network.value)


def test_what_a_feeder_cannot_show_is_refused_by_name() -> None:
    net = _village()
    pp.create_gen(net, 3, 0.01, vm_pu=1.0)
    with pytest.raises(InputError, match="bus 3: a generator or an extended ward holds its voltage"):
        read_feeder(net, "gen")
    net = _on_phases(_village())
    net.asymmetric_load.loc[1, "type"] = "delta"
    with pytest.raises(InputError, match=r"asymmetric_load 1\.type: is delta"):
        read_feeder(net, "delta")
    net = _on_phases(_village())
    net.line.loc[0, ["r0_ohm_per_km", "x0_ohm_per_km"]] = 0.0
    with pytest.raises(InputError, match="line 0: has no zero-sequence impedance"):
        read_feeder(net, "zero")
    net = _on_phases(_village())
    net.line.loc[0, "c0_nf_per_km"] = np.nan
    with pytest.raises(InputError, match=r"line 0\.c0_nf_per_km: is missing"):
        read_feeder(net, "charging")
    for column, value in (("mag0_percent", 0.0), ("si0_hv_partial", 1.2)):
        net = _on_phases(_village())
        net.trafo[column] = value
        with pytest.raises(InputError, match=rf"trafo 0\.{column}: is {value:g}, which no transformer has"):
            read_feeder(net, "transformer")
    net = _on_phases(_village())
    net.trafo["vector_group"] = "YNyn"
    with pytest.raises(InputError, match=r"trafo 0\.vector_group: is YNyn, and users have single phases"):
        read_feeder(net, "star")
    net = _on_phases(_village())
    pp.create_impedance(net, 3, 4, 0.01, 0.01, 1.0)
    with pytest.raises(InputError, match="impedance 0: is not modelled with single-phase users"):
        read_feeder(net, "impedance")
    net = _on_phases(_village())
    net.ext_grid["bus"] = 1
    pp.create_asymmetric_load(net, 0, p_a_mw=0.01)
    with pytest.raises(InputError, match="bus 0: has loads to neutral, and nothing earths its neutral"):
        read_feeder(net, "below a delta")
    for column in ("max_i_ka", "max_loading_percent"):
        net = _village()
        net.line["max_loading_percent"] = 100.0
        net.line.loc[1, column] = 0.0
        with pytest.raises(InputError, match="line 1: has a rating of zero and carries the current of users"):
            read_feeder(net, "no rating")
