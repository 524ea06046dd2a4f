"""A world of one's own data: series, injections, prices, forecasts. Right values by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
import yaml

from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.inputs.prices import given_prices
from tandem_sim.sim.inputs.profiles import build_profiles
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.run import run
from tests.sim.conftest import SMALL

HOURS = pd.date_range("2019-05-06", periods=48, freq="h", tz="Europe/Brussels")
"""Monday and Tuesday; local midnight is 22:00 UTC."""
LOAD_KW = 40.0 + 20.0 * np.sin(np.arange(48) / 24 * 2 * np.pi)
WIND_MW = np.where(np.arange(48) % 2, 0.3, 0.1)
PRICE = 30.0 + np.arange(48.0)


def _net(path: Path) -> None:
    """Four buses of 20 kV in a row; a load at each of the last three, a wind farm of 0.5 MW at the last."""
    net = pp.create_empty_network()
    bus = [pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1) for _ in range(4)]
    pp.create_ext_grid(net, bus[0], vm_pu=1.0)
    for a, b in pairwise(bus):
        pp.create_line_from_parameters(net, a, b, 2.0, 0.3, 0.3, 10.0, 0.2)
    for b, p in zip(bus[1:], (0.2, 0.1, 0.1), strict=True):
        pp.create_load(net, b, p_mw=p, q_mvar=0.2 * p)
    pp.create_sgen(net, bus[3], p_mw=0.5, q_mvar=-0.05, name="Wind farm")
    pp.to_json(net, str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _net(tmp_path / "grid.json")
    table = pd.DataFrame({"time": HOURS.strftime("%Y-%m-%d %H:%M"), "load_kw": LOAD_KW, "wind_mw": WIND_MW})
    table.assign(price=PRICE).round(6).to_csv(tmp_path / "own.csv", index=False)
    return tmp_path


def _keys(**changes: Any) -> dict[str, Any]:
    keys = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    area = {
        "id": "D1",
        "grid": "grid.json",
        "interface_bus": 4,
        "other_profile": ["town"],
        "injections": [{"element": "sgen Wind farm", "profile": "wind"}],
    }
    series = {"file": "own.csv", "zone": "Europe/Brussels"}
    return {
        **keys,
        "start": "2019-05-06",
        "days": 2,
        "isp_minutes": 60,
        "households": 40,
        "distribution": [area],
        "profiles": [
            {**series, "unit": "kW", "columns": {"load_kw": "town"}},
            {**series, "unit": "MW", "columns": {"wind_mw": "wind"}},
            {**series, "unit": "EUR/MWh", "columns": {"price": "price"}},
            {**series, "unit": "EUR/MWh", "columns": {"price": "low"}, "scale": 0.5},
        ],
        "power_flow_check": {"audit_share": 0.2},
        **changes,
    }


def _scenario(folder: Path, **changes: Any) -> Any:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(_keys(**changes)), encoding="utf-8")
    return read_scenario(str(path))[0]


def _refused(folder: Path, says: str, **changes: Any) -> None:
    with pytest.raises(InputError, match=says) as found:
        FlexibilityModel(_scenario(folder, **changes), folder, folder / "out")
    assert "\n" not in str(found.value)


def test_injections_of_the_first_hours_by_hand(folder: Path) -> None:
    """Wind 0.1 and 0.3 MW; other load 40 kW and 45.176 kW, shared 2:1:1; reactive power by hand.

    The load of a bus draws 0.2 Mvar per MW; the wind farm takes -0.1 Mvar per MW. Households are set to zero.
    """
    scenario = _scenario(folder)
    model = FlexibilityModel(scenario, folder, folder / "out")
    area, none = model.areas[0], np.zeros(model.fleet_agent.fleet.n_sites)
    for isp, (wind, load) in enumerate(((0.1, 0.040), (0.3, 0.045176381))):
        p, q = area.injections(isp, none, none)
        np.testing.assert_allclose(p, [0.0, -load / 2, -load / 4, wind - load / 4], atol=1e-9)
        np.testing.assert_allclose(q, [0.0, -0.1 * load, -0.05 * load, -0.1 * wind - 0.05 * load], atol=1e-9)


def test_the_wind_farm_flows_through_the_grid(folder: Path) -> None:
    """A run of two days: at every ISP the interface is what ``runpp`` finds for wind, load and households."""
    scenario = _scenario(folder)
    run(scenario, folder, folder / "out")
    grid = pd.read_parquet(folder / "out" / "grid.parquet").query("system == 'D1'").set_index("isp")
    assert len(grid) == 48
    assert grid.converged.all()
    windy = (-grid.interface_mw).groupby(grid.index % 2).mean()
    assert windy[1] - windy[0] == pytest.approx(0.2, abs=0.02)  # 0.2 MW more wind in odd hours


def test_per_unit_profiles_multiply_p_mw(folder: Path) -> None:
    injections = [{"element": "sgen 0", "profile": "share", "scale": 0.5}]
    profiles = [
        *_keys()["profiles"],
        {"file": "own.csv", "zone": "Europe/Brussels", "unit": "p.u.", "columns": {"wind_mw": "share"}},
    ]
    area = {**_keys()["distribution"][0], "injections": injections}
    scenario = _scenario(folder, distribution=[area], profiles=profiles)
    model = FlexibilityModel(scenario, folder, folder / "out")
    np.testing.assert_allclose(model.areas[0].passive.p_mw[:2, 0], [0.1 * 0.5 * 0.5, 0.3 * 0.5 * 0.5])


def test_a_given_day_ahead_price_is_the_one_of_every_isp(folder: Path) -> None:
    scenario = _scenario(folder, prices={"day_ahead": "price", "imbalance": "price"})
    run(scenario, folder, folder / "out")
    system = pd.read_parquet(folder / "out" / "system.parquet")
    for column in (
        "day_ahead_price_eur_per_mwh",
        "imbalance_price_long_eur_per_mwh",
        "imbalance_price_short_eur_per_mwh",
    ):
        assert system[column].tolist() == PRICE.tolist()


def test_two_given_imbalance_prices(folder: Path) -> None:
    series = {"file": "own.csv", "zone": "Europe/Brussels", "unit": "EUR/MWh"}
    profiles = [*_keys()["profiles"], {**series, "columns": {"load_kw": "dear"}}]
    prices = {"imbalance_long": "price", "imbalance_short": "dear"}
    run(_scenario(folder, profiles=profiles, prices=prices), folder, folder / "out")
    system = pd.read_parquet(folder / "out" / "system.parquet")
    assert system.imbalance_price_long_eur_per_mwh.tolist() == PRICE.tolist()
    np.testing.assert_allclose(system.imbalance_price_short_eur_per_mwh, LOAD_KW, atol=1e-6)


def test_a_day_ahead_price_lies_within_the_prices_of_bids(folder: Path) -> None:
    """The series goes from 30 to 77 EUR/MWh."""
    scenario = _scenario(folder, prices={"day_ahead": "price"})
    profiles, times = build_profiles(scenario, folder), scenario.calendar.times()
    assert given_prices(scenario.prices, profiles, times, (30.0, 77.0)).day_ahead is not None
    with pytest.raises(InputError, match="reaches from 30 to 77 EUR/MWh, and bids may be 0 to 50"):
        given_prices(scenario.prices, profiles, times, (0.0, 50.0))


def _forecast(folder: Path, mw: Callable[[pd.Timestamp, pd.Timestamp], float]) -> None:
    issues = pd.date_range("2019-05-05T06:00Z", "2019-05-07T18:00Z", freq="12h")
    rows = [
        (f"{issued:%Y-%m-%dT%H:%MZ}", f"{valid:%Y-%m-%dT%H:%MZ}", mw(issued, valid))
        for issued in issues
        for valid in pd.date_range(issued + pd.Timedelta(hours=1), periods=48, freq="h")
    ]
    table = pd.DataFrame(rows, columns=["issued", "valid", "net_load_mw"])
    table.to_csv(folder / "forecast.csv", index=False)


def test_schedules_are_the_forecasts_given_for_the_day_ahead_gate(folder: Path) -> None:
    """At 12:00 local time, 10:00 UTC, the last issue is that of 06:00 UTC: its values are the schedule."""
    _forecast(folder, lambda issued, valid: 0.25 + issued.day / 1000 + issued.hour / 10_000)
    given = [{"area": "D1", "file": "forecast.csv"}]
    scenario = _scenario(folder, forecast={"given": given})
    model = FlexibilityModel(scenario, folder, folder / "out")
    found = model.forecasts.distribution(model.areas[0], range(24))
    np.testing.assert_allclose(found, -(0.25 + 0.005 + 0.0006))


def test_forecasts_finer_than_the_isp_are_averaged(folder: Path) -> None:
    """Quarters of 0.1, 0.2, 0.3 and 0.4 MW are 0.25 MW in an hour."""
    quarters = pd.date_range("2019-05-05T22:00Z", periods=4 * 48, freq="15min")
    mw = np.tile([0.1, 0.2, 0.3, 0.4], 48)
    rows = pd.DataFrame({"issued": "2019-05-05T06:00Z", "valid": quarters.strftime("%Y-%m-%dT%H:%MZ")})
    rows.assign(net_load_mw=mw).to_csv(folder / "forecast.csv", index=False)
    scenario = _scenario(folder, forecast={"given": [{"area": "D1", "file": "forecast.csv"}]})
    model = FlexibilityModel(scenario, folder, folder / "out")
    np.testing.assert_allclose(model.forecasts.distribution(model.areas[0], range(48)), -0.25)


def test_forecasts_have_to_be_there_at_the_gate(folder: Path) -> None:
    _forecast(folder, lambda issued, valid: 0.25)
    table = pd.read_csv(folder / "forecast.csv")
    table[table.valid != "2019-05-07T10:00Z"].to_csv(folder / "forecast.csv", index=False)
    given = [{"area": "D1", "file": "forecast.csv"}]
    _refused(
        folder,
        r"no forecast of 2019-05-07 12:00 that is issued by 2019-05-06 12:00",
        forecast={"given": given},
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"days": 3}, "own.csv covers 2019-05-05 22:00 UTC to 2019-05-07 22:00 UTC, needed are"),
        ({"start": "2016-05-06"}, "covers .* needed are"),
        ({"prices": {"day_ahead": "wind"}}, "prices.day_ahead: wind is in MW"),
        ({"prices": {"imbalance_long": "price", "imbalance_short": "low"}}, "Exchange the two"),
        ({"prices": {"day_ahead": "none"}}, "prices.day_ahead: unknown profile 'none'"),
    ],
)
def test_series_that_do_not_fit_the_scenario(changes: dict[str, Any], says: str, folder: Path) -> None:
    _refused(folder, says, **changes)


@pytest.mark.parametrize(
    ("injection", "says"),
    [
        ({"element": "sgen Windfarm", "profile": "wind"}, "no such element.* sgen 0 .Wind farm."),
        ({"element": "sgen 3", "profile": "wind"}, "no such element"),
        ({"element": "line 0", "profile": "wind"}, "names no table"),
        ({"element": "sgen", "profile": "price"}, "is a price"),
        ({"element": "sgen", "profile": "net"}, "no profile in the net"),
        ({"element": "sgen", "profile": "wnd"}, "unknown profile 'wnd'.*did you mean"),
        ({"element": "storage", "profile": "wind"}, "has no storage in service"),
        ({"bus": 2, "profile": "WP1"}, "a bus has no rating"),
        ({"bus": 99, "profile": "wind"}, "bus 99 does not exist"),
    ],
)
def test_injections_that_do_not_fit_the_grid(injection: dict[str, Any], says: str, folder: Path) -> None:
    area = {**_keys()["distribution"][0], "injections": [injection]}
    _refused(folder, says, distribution=[area])


def test_wrong_by_a_factor_of_a_thousand(folder: Path) -> None:
    """kW read as MW, MW read as kW, EUR/kWh read as EUR/MWh, a stated energy that disagrees."""
    town, wind, price, _ = _keys()["profiles"]
    cases = {
        "reaches 60 MW, 150 times the nominal": [{**town, "unit": "MW"}, wind, price],
        "reaches 0.0003 MW": [town, {**wind, "unit": "kW"}, price],
        "EUR/kWh": [town, wind, {**price, "scale": 0.001}],
        "0.001 times as much": [{**town, "scale": 0.001, "energy_mwh": {"town": 1.92}}, wind, price],
    }
    for says, profiles in cases.items():
        _refused(folder, says, profiles=profiles, prices={"day_ahead": "price"})


def test_a_stated_energy_that_agrees_is_sure(folder: Path) -> None:
    """Sum of 40 + 20 sin over two whole days: 48 h x 40 kW = 1.92 MWh."""
    town, wind, price, _ = _keys()["profiles"]
    profiles = [{**town, "energy_mwh": {"town": 1.92}}, wind, price]
    FlexibilityModel(_scenario(folder, profiles=profiles), folder, folder / "out")


def test_other_share_has_no_effect_beside_a_series_in_kw(folder: Path) -> None:
    area = {**_keys()["distribution"][0], "other_share": 0.3}
    _refused(folder, "other_share: has no effect", distribution=[area])


def test_households_follow_series_of_ones_own(folder: Path) -> None:
    """Load in proportion to the series; of a file shorter than a year the energy of a year is stated."""
    town, wind, price, _ = _keys()["profiles"]
    pv = {"file": "own.csv", "zone": "Europe/Brussels", "unit": "p.u.", "columns": {"wind_mw": "roofs"}}
    population = {"load_profiles": ["town"], "pv_profiles": ["roofs"], "shift_weeks": 0, "jitter_h": 0.0}
    population |= {
        "ev_share": 0.0,
        "heat_pump_share": 0.0,
        "battery_share": 0.0,
        "pv_share": 1.0,
        "pv_kwp": [5, 5],
    }
    population |= {"consumption_range_kwh": [3500, 3500]}
    _refused(folder, "shorter than a year", profiles=[town, wind, price, pv], population=population)
    hours = {"town": 8760.0}
    profiles = [{**town, "full_load_hours": hours}, wind, price, pv]
    scenario = _scenario(folder, profiles=profiles, population=population)
    model = FlexibilityModel(scenario, folder, folder / "out")
    base = model.fleet_agent.fleet.baseline_ahead(0, 2)
    # 3 500 kWh / (8 760 h x 1 MW) per MW of the series; the series is 0.040 and 0.045176 MW.
    load = 40 * 3500.0 / 8760.0 * np.array([0.040, 0.045176381])
    np.testing.assert_allclose(-base.site_load_kw.sum(axis=1), load, rtol=1e-6)
    np.testing.assert_allclose(base.site_base_kw.sum(axis=1), 40 * 5 * np.array([0.1, 0.3]) - load, rtol=1e-6)
    wrong = {**pv, "unit": "MW", "columns": {"wind_mw": "roofs"}}
    profiles = [{**town, "full_load_hours": hours}, wind, price, wrong]
    _refused(folder, "roofs is in MW", profiles=profiles, population=population)
