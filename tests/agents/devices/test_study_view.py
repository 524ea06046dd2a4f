"""Devices as a network flexibility study sees them: phases, rated power, groups of one study status."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tandem_sim.agents.devices.connection_limits import LvConnections
from tandem_sim.agents.devices.population import ROW, SINGLE_PHASE_FEED_IN_KVA, Population, draw
from tandem_sim.agents.devices.study_view import EXEMPT, ORDINARY, StudyTerms, suffix
from tandem_sim.agents.households.fleet import DEVICES, HouseholdFleet, Residents
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.choices import Region

HOMES, SITES, POOLS = 200, 3, 2
TIMES = pd.date_range("2016-04-18", periods=4, freq="15min", tz="UTC")
EVERYTHING = Population(pv_share=1.0, battery_share=1.0, ev_share=1.0, heat_pump_share=1.0)
NOBODY: IntArray = np.zeros(HOMES, dtype=np.int64)


def _rows(households: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).random((households, ROW))


def fleet(
    terms: StudyTerms | None = None, phases_of: IntArray | None = None, population: Population = EVERYTHING
) -> HouseholdFleet:
    home = np.arange(HOMES)
    lv_connections = LvConnections(connection_of=np.full(HOMES, -1), phases_of=phases_of)
    residents = Residents(
        site_of=home % SITES, aggregator_of=home % POOLS, n_sites=SITES, rows=_rows(HOMES, 3)
    )
    return HouseholdFleet.build(population, residents, TIMES, lv_connections, terms)


def test_large_generators_stand_on_three_phases_and_the_rest_by_share() -> None:
    # 5 kVA may feed in on one phase. Of PV between 3 and 10 kWp 2/7 are smaller, half of those on three.
    homes = draw(replace(EVERYTHING, three_phase_share=0.5), _rows(4000, 1), 4.0)
    large = homes.pv_kwp > SINGLE_PHASE_FEED_IN_KVA
    assert set(homes.phases[large].tolist()) == {3}
    assert (homes.phases[~large] == 3).mean() == pytest.approx(0.5, abs=0.05)
    assert set(homes.phases[~large].tolist()) == {1, 3}
    assert large.mean() == pytest.approx(5 / 7, abs=0.03)
    none = draw(Population(three_phase_share=0.0, pv_share=0.0, battery_share=0.0), _rows(50, 1), 4.0)
    assert set(none.phases.tolist()) == {1}
    homes = draw(Population(three_phase_share=1.0), _rows(50, 1), 4.0)
    assert set(homes.phases.tolist()) == {3}


def test_phases_leave_all_other_draws_alone() -> None:
    one, two = (draw(Population(three_phase_share=share), _rows(300, 3), 4.0) for share in (0.1, 0.9))
    for name in ("annual_kwh", "pv_kwp", "ev_profile", "comfort_eur_per_mwh"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (two.three_phase >= one.three_phase).all()


def test_groups_are_split_by_what_the_region_exempts() -> None:
    whole, split = fleet(), fleet(StudyTerms("flanders", NOBODY))
    devices = split.layout.studied
    status = split.groups.status[devices.group]
    # Cars charge with 3.7, 11 or 22 kW: the first are exempt on any number of phases, the others on none.
    # Batteries (to 5 kW) and heat pumps (to 5 kW) are smaller; PV beyond 5 kWp is on three phases, below 10.
    kind = split.groups.device[devices.group]
    expected = np.where((kind == DEVICES.index("ev")) & (devices.kva > 10.0), ORDINARY, EXEMPT)
    np.testing.assert_array_equal(status, expected)
    assert set(devices.kva[kind == DEVICES.index("ev")].tolist()) == {3.7, 11.0, 22.0}
    assert {suffix(k) for k in set(status.tolist())} == {"", "-exempt"}
    # Nothing else is changed: the same devices with the same power in all.
    assert len(split.groups) == len(whole.groups) + SITES * POOLS  # one more of cars in every place
    for way in (1, -1):
        assert split.rated_kw()[way].sum() == pytest.approx(whole.rated_kw()[way].sum())
        assert split.swing_kw()[way].sum() == pytest.approx(whole.swing_kw()[way].sum())
    one, two = whole.lookahead(0, 2, 60.0, {}), split.lookahead(0, 2, 60.0, {})
    np.testing.assert_allclose(one.site_base_kw, two.site_base_kw)
    assert two.up_kw.sum() == pytest.approx(one.up_kw.sum())


def test_an_order_moves_no_device_of_another_study_status() -> None:
    split = fleet(StudyTerms("flanders", NOBODY))
    for isp in range(2):
        split.step(isp, None, None)
    offer = split.lookahead(2, 2, 60.0, {})
    bound = split.groups.status == ORDINARY
    step = split.step(2, np.where(bound, 0.0, offer.up_kw), None)
    np.testing.assert_allclose(step.up_kw[~bound], offer.up_kw[~bound])
    assert step.up_kw[bound].sum() == step.down_kw[bound].sum() == 0.0


@pytest.mark.parametrize("region", ["wallonia", "brussels"])
def test_other_regions_exempt_nobody_and_split_nothing(region: Region) -> None:
    whole, same = fleet(), fleet(StudyTerms(region, NOBODY))
    assert not same.groups.status.any()
    np.testing.assert_array_equal(whole.groups.device, same.groups.device)


def test_newcomers_are_groups_of_their_own_unless_exempt() -> None:
    cohort = np.where(np.arange(HOMES) < 60, 2, 0)
    split = fleet(StudyTerms("flanders", cohort))
    assert set(split.groups.status.tolist()) == {ORDINARY, EXEMPT, 3}
    assert suffix(3) == "-new2"
    late = split.groups.status == 3
    assert set(split.groups.device[late].tolist()) == {DEVICES.index("ev")}
    keys = [split.groups.aggregator, split.groups.site, split.groups.device, split.groups.status]
    rows = list(zip(*(k.tolist() for k in keys), strict=True))
    assert all(a < b for a, b in pairwise(rows))
    walloon = fleet(StudyTerms("wallonia", cohort))
    devices = walloon.layout.studied
    assert (walloon.groups.status[devices.group] == 3).sum() == 60 * 4  # PV, battery, EV and heat pump


def test_the_net_of_a_street_says_on_how_many_phases_its_users_are() -> None:
    # All on one phase by their net: PV from 5 kWp on is restricted, which its size would put on three.
    phases = np.where(np.arange(HOMES) < 120, 1, 0)
    split = fleet(StudyTerms("flanders", NOBODY), phases)
    devices = split.layout.studied
    kind, status = split.groups.device[devices.group], split.groups.status[devices.group]
    pv = np.flatnonzero(kind == DEVICES.index("pv"))  # one for every household, in order
    assert len(pv) == HOMES
    on_lv_feeder = np.arange(HOMES) < 120
    expected = np.where(on_lv_feeder & (devices.kva[pv] >= 5.0), ORDINARY, EXEMPT)
    np.testing.assert_array_equal(status[pv], expected)
    assert (devices.phases[pv][on_lv_feeder] == 1).all()
    assert 0 < (expected == ORDINARY).sum() < 120


def test_rated_power_of_groups_adds_up_to_that_of_devices() -> None:
    some = fleet(StudyTerms("flanders", NOBODY))
    devices = some.layout.studied
    kind = some.groups.device[devices.group]
    down, up = some.rated_kw()[-1], some.rated_kw()[1]
    assert down.sum() == pytest.approx(devices.kva.sum())
    assert up.sum() == pytest.approx(devices.kva[kind != DEVICES.index("pv")].sum())
    assert (up[some.groups.device == DEVICES.index("pv")] == 0.0).all()
