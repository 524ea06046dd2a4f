"""Classes of device of `population.devices` in a table of households."""

from pathlib import Path

import numpy as np

from tests.sim.households.people import model_of, with_table

FOUR = """bus,annual_kwh,pv_kwp,battery_kwh,ev_kw,heat_pump_kw,water_heater_kw,water_heater_litres,\
v2g_battery_kwh
11,3000,0,0,7.4,0,2.5,180,50
11,3000,0,0,7.4,0,0,,0
61,3000,0,0,0,0,1.5,,60
69,3000,0,0,0,0,0,,0
"""


def test_a_table_gives_water_heaters_and_v2g_cars_though_their_shares_are_zero(tmp_path: Path) -> None:
    """Two water heaters, one with its volume drawn; one V2G car, for 60 kWh without an EV are none."""
    layout = model_of(with_table(tmp_path, FOUR), tmp_path).fleet_agent.fleet.layout
    assert [known.name for known in layout.classes] == ["ev", "water_heater", "v2g"]
    heaters = layout.device("water_heater")
    litres = heaters.tanks.kwh_per_k * 3600.0 / 4.186
    np.testing.assert_array_equal(np.sort(heaters.tanks.power_kw), [1.5, 2.5])
    np.testing.assert_allclose(litres[heaters.tanks.power_kw == 2.5], [180.0])
    assert 100.0 <= litres[heaters.tanks.power_kw == 1.5][0] <= 300.0
    np.testing.assert_array_equal(layout.device("v2g").capacity_kwh, [50.0])
    np.testing.assert_array_equal(layout.device("ev").sessions.kw, [7.4])
