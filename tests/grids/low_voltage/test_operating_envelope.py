"""Guaranteed capacities: cases by hand, safety by power flow, and relations between rules and shares."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.choices import POINTS, RULES, Points, Rule
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.operating_envelope import guaranteed, random_points
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tests.grids.feeders import line_of

WIDE = Band(0.5, 1.5)


@pytest.fixture(scope="module")
def european(net_of: Callable[[str], pandapowerNet]) -> pandapowerNet:
    return net_of("ieee_european_lv_asymmetric")


def _with_every(net: pandapowerNet, step: int) -> pandapowerNet:
    """A copy in which only every so many users are served."""
    net = copy.deepcopy(net)
    net.asymmetric_load["in_service"] = np.arange(len(net.asymmetric_load)) % step == 0
    return net


def test_a_current_limit_by_hand() -> None:
    # 0.05 kA at 0.4 kV carry sqrt(3) 0.4 0.05 = 34.64 kVA at nominal voltage; the line is all but a point.
    feeder = line_of([1e-6, 1e-6], [0.05, 0.05])
    best = guaranteed(feeder, np.full(2, 30.0), WIDE, "optimal")
    assert best.import_kw.sum() == pytest.approx(34.64, abs=0.01)
    assert best.export_kw.sum() == pytest.approx(34.64, abs=0.01)
    assert best.import_kw == pytest.approx([30.0, 4.64], abs=0.01)  # alike, so in their order
    assert best.binding == ("connection", "import: current of line 0; export: current of line 0")
    fair = guaranteed(feeder, np.full(2, 30.0), WIDE, "fair")
    assert fair.import_kw == pytest.approx([17.32, 17.32], abs=0.01)
    weighted = guaranteed(feeder, np.array([30.0, 60.0]), WIDE, "weighted")
    assert weighted.import_kw == pytest.approx([34.64 / 3, 34.64 * 2 / 3], abs=0.15)


def test_a_voltage_limit_by_hand() -> None:
    # One user behind 100 m: 0.03 ohm and 0.008 ohm of 0.16 ohm. At 0.9 p.u. and unity power factor
    # v0^2 = (v + r p/v)^2 + (x p/v)^2 gives p = 0.4767 p.u., 476.7 kW, with r = 0.1875 and x = 0.05.
    feeder = line_of([0.1], [1e3])
    best = guaranteed(feeder, np.array([2000.0]), Band(0.9, 1.1), "optimal")
    v, r, x = 0.9, 0.1875, 0.05
    a, b, c = (r**2 + x**2) / v**2, 2.0 * r, v**2 - 1.0
    by_hand = 1000.0 * (-b + np.sqrt(b**2 - 4.0 * a * c)) / (2.0 * a)
    assert best.import_kw[0] == pytest.approx(by_hand, rel=1e-4)
    assert best.binding[0].startswith("import: low voltage at load 0; export: high voltage")


def test_a_strong_feeder_gives_everybody_the_connection() -> None:
    feeder = line_of([0.01] * 4, [1.0] * 4)
    for rule in RULES:
        best = guaranteed(feeder, np.full(4, 9.2), Band(), rule)
        assert best.import_kw == pytest.approx(np.full(4, 9.2), abs=1e-3)
        assert set(best.binding) == {"connection"}


ALL_USERS = pytest.mark.long("5 s: every rule at the size the studies have, 55 users")


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("every", "kw"), [(3, 20.0), pytest.param(1, 9.2, marks=ALL_USERS)])
def test_no_point_of_the_european_feeder_breaks_a_limit(
    european: pandapowerNet, rule: Rule, points: Points, every: int, kw: float
) -> None:
    feeder, band = read_feeder(_with_every(european, every), "european", 1.0), Band(0.9, 1.1)
    connection = np.full(len(feeder.users), kw)
    best = guaranteed(feeder, connection, band, rule, points=points)
    assert best.import_kw.sum() < 0.7 * connection.sum()  # limits bind
    inside = random_points(best, 2000, np.random.default_rng(1), points)
    inside = np.vstack([inside, best.import_kw, -best.export_kw])
    assert np.max(worst_excess_pu(feeder, band, inside)) <= 1e-6
    if points == "one-way" and rule == "fair":  # it could not be larger: one phase alone breaks a limit then
        on = np.array([[user.phases == f for user in feeder.users] for f in "abc"])
        for more in (1.03 * best.import_kw, -1.03 * best.export_kw):
            assert np.max(worst_excess_pu(feeder, band, on * more)) > 0.0


def test_the_reference_power_flow_agrees_that_all_users_at_their_limits_are_safe(
    european: pandapowerNet,
) -> None:
    net, band = _with_every(european, 3), Band(0.9, 1.1)
    feeder = read_feeder(net, "european", 1.0)
    best = guaranteed(feeder, np.full(len(feeder.users), 20.0), band, "optimal", points="one-way")
    net.ext_grid["vm_pu"] = 1.0
    columns = [f"{q}_{f}_{unit}" for q, unit in (("p", "mw"), ("q", "mvar")) for f in "abc"]
    served = net.asymmetric_load.index[net.asymmetric_load.in_service]
    for kw in (best.import_kw, -best.export_kw):
        net.asymmetric_load[columns] = 0.0
        for k, user in enumerate(feeder.users):
            net.asymmetric_load.loc[served[k], f"p_{user.phases}_mw"] = kw[k] / 1000.0
        pp.runpp_3ph(net, numba=False)
        vm = np.array([net.res_bus_3ph.at[u.bus, f"vm_{u.phases}_pu"] for u in feeder.users])
        assert vm.min() >= band.low_pu - 1e-4
        assert vm.max() <= band.high_pu + 1e-4
        assert (
            net.res_line_3ph[["loading_a_percent", "loading_b_percent", "loading_c_percent"]].max().max()
            <= 100.1
        )


@settings(max_examples=15, deadline=None)
@given(
    km=st.lists(st.floats(0.02, 0.4), min_size=2, max_size=6),
    ka=st.floats(0.02, 0.3),
    low=st.floats(0.9, 0.97),
    seed=st.integers(0, 99),
)
def test_fair_is_at_most_optimal_and_optimal_at_most_the_connection(
    km: list[float], ka: float, low: float, seed: int
) -> None:
    feeder, band = line_of(km, [ka] * len(km)), Band(low, 1.1)
    connection = np.random.default_rng(seed).uniform(3.0, 20.0, len(km))
    sums = {}
    for rule in RULES:
        best = guaranteed(feeder, connection, band, rule)
        assert (best.import_kw <= connection + 1e-6).all()
        assert (best.export_kw <= connection + 1e-6).all()
        inside = random_points(best, 200, np.random.default_rng(seed))
        assert np.max(worst_excess_pu(feeder, band, inside)) <= 1e-6
        sums[rule] = best.import_kw.sum() + best.export_kw.sum()
    tolerance = 1e-3 * connection.sum()
    assert sums["fair"] <= sums["optimal"] + tolerance
    assert sums["weighted"] <= sums["optimal"] + tolerance


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), ka=st.floats(0.03, 0.12))
def test_the_more_take_part_the_more_everybody_keeps(seed: int, ka: float) -> None:
    # Who has a contract takes at most what a firm user takes: a safe share stays safe when one more joins.
    feeder, connection = line_of([0.05] * 6, [ka] * 6), np.full(6, 9.2)
    order = np.random.default_rng(seed).permutation(6)
    shares, totals = [], []
    for joined in range(1, 7):
        firm = np.ones(6, dtype=bool)
        firm[order[:joined]] = False
        fair = guaranteed(feeder, connection, Band(), "fair", firm)
        shares.append(fair.import_kw[order[0]])
        best = guaranteed(feeder, connection, Band(), "optimal", firm)
        totals.append(best.import_kw.sum() if not best.relaxed else np.nan)
        assert (fair.import_kw[firm] == 9.2).all()
    assert (np.diff(shares) >= -1e-2).all()
    known = np.array([t for t in totals if not np.isnan(t)])
    assert (np.diff(known) >= -1e-2).all()


def test_firm_users_that_break_a_limit_are_named_and_leave_the_others_nothing() -> None:
    feeder = line_of([0.01] * 4, [0.04] * 4)  # carries 27.7 kVA
    firm = np.array([True, True, True, False])
    found = guaranteed(feeder, np.full(4, 12.0), WIDE, "optimal", firm)
    assert found.relaxed == ("current of line 0", "current of line 0")
    assert found.import_kw == pytest.approx([12.0, 12.0, 12.0, 0.0], abs=1e-3)
    assert found.binding[:3] == ("firm", "firm", "firm")


def test_a_smaller_loading_is_kept() -> None:
    # At 30 % the line carries 0.3 x 69.28 = 20.8 kVA.
    feeder, band = line_of([1e-6] * 4, [0.1] * 4), Band(0.5, 1.5, 0.3)
    best = guaranteed(feeder, np.full(4, 9.2), band, "optimal")
    assert best.import_kw.sum() == pytest.approx(20.78, abs=0.01)
    assert np.max(worst_excess_pu(feeder, band, np.array([best.import_kw, -best.export_kw]))) <= 1e-6


@pytest.mark.parametrize("rule", RULES)
def test_where_nobody_takes_part_everybody_is_firm(rule: Rule) -> None:
    best = guaranteed(line_of([0.01] * 3, [1.0] * 3), np.full(3, 9.2), Band(), rule, np.ones(3, dtype=bool))
    assert best.import_kw.tolist() == best.export_kw.tolist() == [9.2, 9.2, 9.2]


def test_firm_users_beyond_any_voltage_are_an_error() -> None:
    feeder = line_of([0.4, 0.4, 0.4], [1.0] * 3)
    with pytest.raises(InputError, match="more than the feeder can carry"):
        guaranteed(feeder, np.full(3, 2000.0), Band(), "optimal", np.array([True, True, False]))


@pytest.mark.parametrize(("source", "low", "high"), [(1.12, 0.9, 1.1), (0.85, 0.9, 1.1), (1.0, 1.01, 1.1)])
@pytest.mark.parametrize("firm", [0, 1])
def test_a_feeder_that_is_unsafe_without_load_has_no_envelope(
    european: pandapowerNet, source: float, low: float, high: float, firm: int
) -> None:
    feeder = read_feeder(european, "european", source)
    with pytest.raises(InputError, match=rf"european: voltage: is {source:.3f} .* no envelope is safe"):
        guaranteed(feeder, np.full(55, 9.2), Band(low, high), "optimal", np.arange(55) < firm)


def test_a_source_at_the_edge_of_the_band_leaves_no_export(european: pandapowerNet) -> None:
    feeder = read_feeder(european, "european", 1.1)
    best = guaranteed(feeder, np.full(55, 9.2), Band(), "fair", points="one-way")
    assert best.relaxed == ()
    assert best.export_kw == pytest.approx(np.zeros(55), abs=1e-3)


@pytest.mark.parametrize(
    "grid",
    [
        "create_kerber_dorfnetz",
        pytest.param(
            "1-LV-rural2--0-sw", marks=pytest.mark.long("SimBench takes 3 s to read: one more village")
        ),
    ],
)
def test_a_village_is_safe_too(grid: str, net_of: Callable[[str], pandapowerNet]) -> None:
    feeder = read_feeder(net_of(grid), grid)
    best = guaranteed(feeder, np.full(len(feeder.users), 9.2), Band(), "fair")
    inside = random_points(best, 500, np.random.default_rng(3))
    assert np.max(worst_excess_pu(feeder, Band(), inside)) <= 1e-6
    assert best.import_kw.sum() == pytest.approx(best.import_kw[0] * len(feeder.users))
