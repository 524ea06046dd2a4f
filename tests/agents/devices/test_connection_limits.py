"""Limits of connections behind the meter: what gives way first, and that no order breaks them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem_sim.agents.devices.classes.registry import CLASSES
from tandem_sim.agents.devices.connection_limits import (
    ConnectionLimits,
    Connections,
    LvConnections,
    PermanentLimits,
    comply,
)
from tandem_sim.agents.devices.device import DEMAND, GENERATION, STORAGE
from tandem_sim.agents.devices.population import ROW, Population
from tandem_sim.agents.households.fleet import HouseholdFleet, Residents
from tandem_sim.grids.types import FloatArray

EVERYTHING = Population(
    pv_share=0.7, battery_share=0.4, ev_share=0.7, heat_pump_share=0.6, pv_kwp=(6.0, 12.0)
)
EVERY_CLASS = replace(EVERYTHING, devices=tuple(known.settings(0.5) for known in CLASSES if known.share))
INF = np.array([np.inf])


def _one(*members: int) -> Connections:
    """One connection with so many PV groups, batteries, EVs and heat pumps."""
    nothing = np.zeros(1)
    return Connections(
        site=np.zeros(1, dtype=np.int64),
        load_at=np.zeros(1, dtype=np.int64),
        load_kw=nothing,
        member=np.zeros(sum(members), dtype=np.int64),
        part=np.repeat([GENERATION, STORAGE, DEMAND, DEMAND], members),
        generation_kwh=nothing,
    )


def test_import_is_met_by_the_battery_first_then_by_delay_then_by_what_is_forgone() -> None:
    """A battery may give 2 kW; a car takes 7 kW and may delay 1 kW of it, a heat pump 2 kW and 0.5 kW."""
    own = _one(0, 1, 1, 1)
    unconstrained, low, high = (
        np.array([0.0, -7.0, -2.0]),
        np.array([-3.0, -7.0, -3.0]),
        np.array([2.0, -6.0, -1.5]),
    )
    load = np.array([1.0])
    found = comply(
        own, unconstrained, low, high, load, ConnectionLimits(np.array([8.0]), INF)
    )  # 10 kW unconstrained: 2 too many
    np.testing.assert_allclose(found.base, [2.0, -7.0, -2.0])
    found = comply(
        own, unconstrained, low, high, load, ConnectionLimits(np.array([7.0]), INF)
    )  # one more, delayed 2:1
    np.testing.assert_allclose(found.base, [2.0, -7.0 + 2 / 3, -2.0 + 1 / 3])
    assert (found.forgone_kw.sum(), found.shed_kw.sum()) == (0.0, 0.0)
    found = comply(
        own, unconstrained, low, high, load, ConnectionLimits(np.array([4.0]), INF)
    )  # 6: 2 + 1.5, and 2.5 of 7.5 forgone
    np.testing.assert_allclose(found.forgone_kw, [0.0, 6.0 * 2.5 / 7.5, 1.5 * 2.5 / 7.5])
    found = comply(
        _one(0, 0, 0, 0), np.empty(0), np.empty(0), np.empty(0), load, ConnectionLimits(np.array([0.4]), INF)
    )
    np.testing.assert_allclose(found.shed_kw, [0.6])


def test_export_is_stored_and_brought_forward_before_pv_is_held_back() -> None:
    own = _one(1, 1, 0, 0)
    unconstrained, low, high = np.array([8.0, -1.0]), np.array([0.0, -3.0]), np.array([8.0, 3.0])
    found = comply(own, unconstrained, low, high, np.array([1.0]), ConnectionLimits(INF, np.array([2.5])))
    np.testing.assert_allclose(
        found.base, [6.5, -3.0]
    )  # 6 kW unconstrained; 2 kW into the battery, 1.5 kW held back
    assert found.up.max() == pytest.approx(0.0)  # nothing may go up
    np.testing.assert_allclose(found.down, [1.0, 1.0])


def test_headroom_is_shared_by_the_devices_of_a_connection() -> None:
    own = _one(0, 1, 1, 0)
    unconstrained, low, high = np.array([0.0, 0.0]), np.array([-3.0, -9.0]), np.array([3.0, 0.0])
    found = comply(own, unconstrained, low, high, np.array([1.0]), ConnectionLimits(np.array([4.0]), INF))
    np.testing.assert_allclose(found.down, [0.25, 0.25])  # 3 kW of room for 12 kW


def _rows(households: int, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).random((households, ROW))


def _fleet(
    seed: int, permanent: PermanentLimits | None = None, population: Population = EVERYTHING
) -> HouseholdFleet:
    times = pd.date_range("2016-01-11", periods=96, freq="15min", tz="UTC")
    homes = np.arange(60)
    connection = np.where(homes < 40, homes, -1)
    return HouseholdFleet.build(
        population,
        Residents(site_of=homes % 2, aggregator_of=homes % 3, n_sites=2, rows=_rows(60, seed)),
        times,
        LvConnections(connection_of=connection, permanent=permanent),
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), cap=st.floats(0.0, 6.0), scale=st.floats(0.0, 20.0))
def test_no_order_breaks_a_limit_and_energy_is_accounted_for(seed: int, cap: float, scale: float) -> None:
    fleet = _fleet(seed % 7, population=EVERY_CLASS if seed % 2 else EVERYTHING)
    rng = np.random.default_rng(seed)
    groups = len(fleet.groups)
    for isp in range(96):
        connection_limits = None
        if rng.random() < 0.6:
            connection_limits = ConnectionLimits(
                *(np.where(rng.random(40) < 0.5, cap, np.inf) for _ in range(2))
            )
        up, down = scale * rng.random(groups), scale * rng.random(groups) * (rng.random(groups) < 0.5)
        step = fleet.step(isp, up, down, connection_limits)
        if connection_limits is not None:
            for kw in (step.connection_kw, step.connection_base_kw):
                assert (-kw <= connection_limits.import_kw + 1e-9).all()
                assert (kw <= connection_limits.export_kw + 1e-9).all()
        assert fleet.checks() == []
        moved = float(step.site_p_kw.sum() - step.site_base_kw.sum())
        assert moved == pytest.approx(float((step.up_kw - step.down_kw).sum()), abs=1e-9)


def test_connections_add_up_to_their_sites() -> None:
    """A fleet whose households are all known one by one is the same fleet, and its connections sum to it."""
    times = pd.date_range("2016-06-13", periods=48, freq="15min", tz="UTC")
    homes = np.arange(50)
    residents = Residents(site_of=homes % 3, aggregator_of=homes % 2, n_sites=3, rows=_rows(50))
    whole = HouseholdFleet.build(EVERYTHING, residents, times)
    apart = HouseholdFleet.build(EVERYTHING, residents, times, LvConnections(connection_of=homes))
    for isp in range(48):
        one, two = whole.step(isp, None, None), apart.step(isp, None, None)
        np.testing.assert_allclose(one.site_p_kw, two.site_p_kw, atol=1e-9)
        by_site = np.bincount(homes % 3, weights=two.connection_kw)
        np.testing.assert_allclose(by_site, two.site_p_kw, atol=1e-9)


def test_the_lookahead_within_limits_is_delivered() -> None:
    fleet = _fleet(3)
    connection_limits = {k: ConnectionLimits(np.full(40, 1.5), np.full(40, 1.0)) for k in range(96)}
    for isp in range(60):
        offer = fleet.lookahead(isp, isp, 50.0, {}, connection_limits)
        none = np.zeros(len(offer.up_kw))
        order = (offer.up_kw, none) if isp % 2 else (none, offer.down_kw)
        feasible_range = fleet.feasible_range(isp, isp, {isp: order}, connection_limits)
        step = fleet.step(isp, order[0], order[1], connection_limits[isp])
        np.testing.assert_allclose(step.up_kw - step.down_kw, order[0] - order[1], atol=1e-6)
        np.testing.assert_allclose(feasible_range.connection_kw, step.connection_kw, atol=1e-9)
        assert (feasible_range.up_kw >= offer.up_kw - 1e-9).all()
        assert (feasible_range.down_kw >= offer.down_kw - 1e-9).all()


def test_limits_known_from_the_start_hold_and_join_those_activated() -> None:
    always = np.zeros(96, dtype=bool)
    always[40:80] = True
    free = ConnectionLimits(np.full(40, np.inf), np.full(40, np.inf))
    permanent = PermanentLimits(
        (free, ConnectionLimits(np.full(40, 2.0), np.full(40, 2.0))), always.astype(np.int64)
    )
    fleet = _fleet(5, permanent)
    for isp in range(96):
        more = ConnectionLimits(np.full(40, 1.0), np.full(40, np.inf)) if isp == 60 else None
        kw = fleet.step(isp, None, None, more).connection_kw
        if always[isp]:
            assert np.abs(kw).max() <= 2.0 + 1e-9
        if isp == 60:
            assert kw.min() >= -1.0 - 1e-9
    assert fleet.checks() == []


def test_connections_are_numbered_without_gap() -> None:
    times = pd.date_range("2016-01-11", periods=4, freq="15min", tz="UTC")
    homes = np.zeros(4, dtype=np.int64)
    residents = Residents(site_of=homes, aggregator_of=homes, n_sites=1, rows=_rows(4))
    with pytest.raises(ValueError, match="connection_of"):
        HouseholdFleet.build(
            EVERYTHING, residents, times, LvConnections(connection_of=np.array([0, 2, -1, -1]))
        )


def test_simultaneous_plug_in_charges_at_once_and_is_accounted_for() -> None:
    times = pd.date_range("2016-01-11", periods=96, freq="15min", tz="UTC")
    homes = np.arange(40)
    lv_connections = LvConnections(
        connection_of=homes, permanent=None, plug_in_isp=np.full(40, 70), plug_in_kwh=np.full(40, 30.0)
    )
    residents = Residents(site_of=homes % 2, aggregator_of=homes % 3, n_sites=2, rows=_rows(40, 2))
    usual = HouseholdFleet.build(EVERYTHING, residents, times, LvConnections(connection_of=homes))
    plug_in = HouseholdFleet.build(EVERYTHING, residents, times, lv_connections)
    more = np.zeros(40)
    for isp in range(96):
        one, two = usual.step(isp, None, None), plug_in.step(isp, None, None)
        if isp < 70:
            np.testing.assert_array_equal(one.connection_kw, two.connection_kw)
        more -= (two.connection_unconstrained_kw - one.connection_unconstrained_kw) / 4.0
        assert plug_in.checks() == []
    cars = (more > 1.0).sum()
    assert cars > 15  # 70 % of 40 households have one
