"""What a run takes of a net, and what it leaves out, is listed; reactive power alone stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandapower as pp
import pytest

from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.sim.assembly.grids import build_grids, grid_contents
from tandem_sim.sim.clock.calendar import Calendar


def test_a_wind_farm_of_a_users_grid_is_listed_and_its_capacitor_kept(tmp_path: Path) -> None:
    scenario, _ = read_scenario("reference", {"days": 1})
    net = load_net("case69")
    pp.create_sgen(net, 5, p_mw=1.0)
    idle = next(bus for bus in net.bus.index[1:] if bus not in set(net.load.bus))
    pp.create_load(net, int(idle), p_mw=0.0, q_mvar=-0.4)
    pp.to_json(net, str(tmp_path / "own.json"))
    own = scenario.distribution[0].model_copy(update={"grid": "own.json"})
    scenario = scenario.model_copy(update={"distribution": [own, *scenario.distribution[1:]]})
    (wind,) = [row for row in grid_contents(scenario, tmp_path)[own.id] if row["table"] == "sgen"]
    assert (wind["count"], wind["p_mw"], wind["use"]) == (1, 1.0, "left out")
    calendar = Calendar.of_days(str(scenario.start), 1, scenario.isp_minutes, scenario.zone)
    area = build_grids(scenario, calendar, tmp_path, Profiles()).areas[0]
    node = int(area.network.nodes_of(np.array([idle]), "bus")[0])
    none = np.zeros(area.sites.stop)
    p, q = area.injections(0, none, none)
    assert (p[node], q[node]) == (0.0, pytest.approx(0.4))


def test_low_voltage_feeders_are_listed_too() -> None:
    found = grid_contents(*read_scenario("lv-feeder"))
    assert list(found) == ["T", "D1", "S"]
    (users,) = [row for row in found["S"] if row["table"] == "asymmetric_load"]
    assert (users["count"], users["use"]) == (55, "modelled")
    assert "users of the feeder" in str(users["how"])
