"""Energies and extremes of net load: sums by hand, and the fleet stepped ISP by ISP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem_sim.grids.io.profiles import PV, full_load_hours
from tandem_sim.sim.calibration import load as calibration
from tandem_sim.sim.calibration.load import GridLoad, load_of
from tandem_sim.sim.model import FlexibilityModel
from tests.sim.conftest import small_scenario
from tests.sim.households.people import model_of as table_model
from tests.sim.households.people import with_table

TWO_AREAS = [
    {"id": "D1", "grid": "case69", "load_scale": 0.2, "interface_bus": 4, "other_profile": ["G0-A"]},
    {"id": "D2", "grid": "case69", "load_scale": 0.1, "interface_bus": 9, "other_profile": ["G1-B"]},
]


def model_of(folder: Path, **overrides: Any) -> FlexibilityModel:
    return FlexibilityModel(small_scenario(**overrides), None, folder)


def energies(grid: GridLoad) -> list[float]:
    return [
        grid.other_mwh,
        grid.inflexible_mwh,
        grid.device_mwh["heat_pump"],
        grid.device_mwh["ev"],
        grid.device_mwh["pv"],
    ]


def test_the_fleet_without_orders_is_what_it_does(tmp_path: Path) -> None:
    """From ISP 0 on exactly; from a later day on too, where no battery remembers what was before."""
    model = model_of(tmp_path, days=4, isp_minutes=60)
    fleet = model.fleet_agent.fleet
    whole = fleet.baseline_ahead(0, 96)
    for first, n, days in ((0, 96, 1), (5, 20, 2)):
        sites = [sites for sites, _ in fleet.without_orders(first, n, days)]
        part = slice(first, first + n)
        np.testing.assert_array_equal([s.site_base_kw for s in sites], whole.site_base_kw[part])
        np.testing.assert_array_equal([s.site_load_kw for s in sites], whole.site_load_kw[part])
    assert fleet.next_isp == 0
    bare = model_of(tmp_path / "bare", days=4, isp_minutes=60, population={"battery_share": 0.0})
    fleet = bare.fleet_agent.fleet
    late = [sites.site_base_kw for sites, _ in fleet.without_orders(72, 24, 2)]
    np.testing.assert_allclose(late, fleet.baseline_ahead(0, 96).site_base_kw[72:], atol=1e-9)


def test_a_day_is_that_of_a_fleet_stepped_isp_by_isp(tmp_path: Path) -> None:
    """With batteries, EVs and heat pumps in two areas: peaks, times, energies."""
    given = {"distribution": TWO_AREAS, "isp_minutes": 30, "incidents": []}
    found = load_of(model_of(tmp_path, **given))
    model = model_of(tmp_path / "stepped", **given)
    assert found.days is None
    net = np.empty((48, 3))
    inflexible = np.zeros(2)
    for isp in range(48):
        step = model.fleet_agent.fleet.step(isp, None, None)
        for k, area in enumerate(model.areas):
            net[isp, k] = -step.site_p_kw[area.sites].sum() / 1000.0 - area.other_mw[isp]
            inflexible[k] -= step.site_load_kw[area.sites].sum() / 1000.0 * 0.5
        net[isp, 2] = net[isp, :2].sum() - model.load_mw[isp].sum()
    for k, grid in enumerate(found.grids):
        assert grid.name == ("D1", "D2", "T")[k]
        assert grid.peak.isp == net[:, k].argmax()
        assert grid.low.isp == net[:, k].argmin()
        assert grid.peak.net_mw == pytest.approx(net[:, k].max())
        assert grid.low.net_mw == pytest.approx(net[:, k].min())
        assert grid.net_mwh == pytest.approx(net[:, k].sum() * 0.5)
        expected = inflexible.sum() if k == 2 else inflexible[k]
        assert grid.inflexible_mwh == pytest.approx(expected)
    assert found.grids[0].nominal_mw == pytest.approx(0.2 * 3.8021)  # case69 of MATPOWER: 3 802.1 kW
    assert found.grids[2].nominal_mw == pytest.approx(0.3 * 3.8021 + 259.0)  # case14: 259 MW


YEAR: dict[str, Any] = {"start": "2016-01-01", "days": 366, "isp_minutes": 60, "households": 40}


@pytest.mark.parametrize("simulated", [True, False])
def test_energies_of_a_year_are_those_by_hand(
    simulated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 households of 3 500 kWh and 5 kWp each: 140 MWh, and 200 kWp at the profiles' full-load hours."""
    if not simulated:
        monkeypatch.setattr(calibration, "MOST_STEPS", 1e6)
    alike = {
        "consumption_sigma": 0.0,
        "consumption_kwh": 3500.0,
        "pv_share": 1.0,
        "pv_kwp": [5.0, 5.0],
        "battery_share": 0.0,
        "shift_weeks": 0,
        "jitter_h": 0.0,
    }
    grid, whole = load_of(model_of(tmp_path, **YEAR, population=alike)).grids
    assert grid.inflexible_mwh == pytest.approx(40 * 3.5)
    hours = full_load_hours(PV)
    assert 0.2 * hours.min() <= grid.device_mwh["pv"] <= 0.2 * hours.max()
    assert np.isnan(grid.device_mwh["battery"]) or (simulated and grid.device_mwh["battery"] == 0.0)
    consumption = 140.0 + grid.device_mwh["heat_pump"] + grid.device_mwh["ev"]
    assert grid.net_mwh == pytest.approx(grid.other_mwh + consumption - grid.device_mwh["pv"])
    assert grid.household_share == pytest.approx(consumption / (consumption + grid.other_mwh))
    assert whole.household_share < grid.household_share


@pytest.mark.parametrize("days", [366, 12])
def test_some_simulated_days_have_the_extremes_of_all(
    days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly so where all follows profiles; energies do as well."""
    given = {**YEAR, "days": days, "distribution": TWO_AREAS}
    model = model_of(tmp_path, **given, population={"battery_share": 0.0, "ev_share": 0.0})
    whole = load_of(model)
    steps = 8 * 24 * (calibration.ISP_STEPS + len(model.fleet_agent.fleet.layout.member_site))
    monkeypatch.setattr(calibration, "MOST_STEPS", steps)
    some = load_of(model)
    assert (whole.days, some.days) == (None, 2)  # eight days, of which three each are burn-in
    transmission = [loads.grids[-1] for loads in (whole, some)]
    for name in ("peak", "low"):
        one, two = (getattr(grid, name) for grid in transmission)
        assert one.isp == two.isp
        assert one.net_mw == pytest.approx(two.net_mw)
        np.testing.assert_allclose(one.sites.site_base_kw, two.sites.site_base_kw)
    for one, two in zip(whole.grids, some.grids, strict=True):
        assert energies(one) == pytest.approx(energies(two))
    monkeypatch.setattr(calibration, "MOST_STEPS", 4 * steps)
    for one, two in zip(whole.grids, load_of(model).grids, strict=True):
        assert (one.peak.isp, one.low.isp) == (two.peak.isp, two.low.isp)


def test_evs_take_the_energy_of_their_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a long time they charge what they need when they plug in; here within one part in 50."""
    model = model_of(tmp_path, **{**YEAR, "days": 120}, population={"ev_share": 1.0})
    whole = load_of(model).grids[0]
    monkeypatch.setattr(calibration, "MOST_STEPS", 1e6)
    assert load_of(model).grids[0].device_mwh["ev"] == pytest.approx(whole.device_mwh["ev"], rel=0.02)
    assert whole.device_mwh["ev"] > 10.0


def test_evs_at_other_chargers_take_the_measured_energy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chargers of 7.4 kW, sessions measured at 11 kW: the same energy as simulated, within one part in 50."""
    scenario = with_table(
        tmp_path, "bus,ev_kw\n" + "61,7.4\n" * 60, **{**YEAR, "days": 120, "households": None}
    )
    model = table_model(scenario, tmp_path)
    assert set(model.fleet_agent.fleet.layout.device("ev").sessions.profile_kw.tolist()) == {11.0}
    whole = load_of(model).grids[0]
    monkeypatch.setattr(calibration, "MOST_STEPS", 1e6)
    assert load_of(model).grids[0].device_mwh["ev"] == pytest.approx(whole.device_mwh["ev"], rel=0.02)
