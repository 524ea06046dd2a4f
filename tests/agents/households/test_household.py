"""Households as agents of Mesa: views that agree with the fleet, and are made only when somebody asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pytest

from tandem_sim.agents.households.household import Household
from tandem_sim.experiments.runs.scenario import scenario_of
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.observers import collecting
from tandem_sim.sim.run import start
from tests.sim.conftest import HOURLY, small_scenario
from tests.sim.everything import EVERYTHING


def test_power_of_households_adds_up_to_that_of_their_sites(tmp_path: Path) -> None:
    """On an evening with limits, curtailment and every class of device; connections one by one."""
    population = {"devices": {"water_heater": {"share": 0.3}, "v2g": {"share": 0.2}}}
    given = {**EVERYTHING, "households": 400, "isp_minutes": 60, "population": population}
    checked: list[int] = []

    def compare(model: FlexibilityModel, gate: str, isp: Any) -> None:
        if gate != "deliver":
            return
        step, people = model.fleet_agent.steps[isp], model.people
        by_site = np.bincount(people.residents.site_of, people.power_kw(), len(step.site_p_kw))
        np.testing.assert_allclose(by_site, step.site_p_kw, atol=1e-9)
        apart = people.connection_of >= 0
        np.testing.assert_allclose(
            people.power_kw()[apart], step.connection_kw[people.connection_of[apart]], atol=1e-9
        )
        limits = model.fleet_agent.connection_limits(isp)
        assert people.limited().any() == (
            limits is not None and bool(np.isfinite([limits.import_kw, limits.export_kw]).any())
        )
        checked.append(isp)

    model = start(scenario_of(given, "everything"), None, tmp_path, observers=[compare])
    model.run_model()
    model.recorder.close()
    assert len(checked) > 5


def test_views_are_made_on_demand_and_read_the_arrays(tmp_path: Path) -> None:
    model = start(small_scenario(**HOURLY), None, tmp_path)
    households = model.agents_by_type[Household]
    assert len(households) == 400
    assert "_views" not in vars(households)
    assert Household in model.agent_types
    assert np.isnan(households[0].power_kw)
    model.step()
    model.recorder.close()
    soc = model.people.battery_soc()
    owners = np.flatnonzero(~np.isnan(soc))
    assert 0 < len(owners) < 400
    assert households[int(owners[0])].battery_soc == soc[owners[0]]
    low = households.select(lambda home: home.battery_soc < 0.5)
    assert sorted(home.row for home in low) == np.flatnonzero(soc < 0.5).tolist()
    assert households.agg("power_kw", sum) == pytest.approx(model.people.power_kw().sum())
    assert {home.aggregator for home in households} == {"A01", "A02", "A03"}
    assert ((model.people.ev_energy_owed_kwh() >= 0) | np.isnan(model.people.ev_energy_owed_kwh())).all()
    assert np.nanmax(np.abs(model.people.indoor_deviation_k())) <= 2.0
    assert not any(home.limited for home in households)


def test_the_collector_of_mesa_reads_households(tmp_path: Path) -> None:
    collector = mesa.DataCollector(agenttype_reporters={Household: {"kw": "power_kw"}})
    model = start(small_scenario(**HOURLY), None, tmp_path, observers=[collecting(collector)])
    model.step()
    model.step()
    model.recorder.close()
    rows = collector.get_agenttype_vars_dataframe(Household)
    assert rows.index.get_level_values("Step").unique().tolist() == [0, 1]
    assert rows.loc[1].kw.tolist() == model.people.power_kw().tolist()
