"""A table of what a scenario draws gives the same run, in any order of rows and columns, CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.run_folder.identity import identity_of
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.scenario import Scenario
from tests.sim.conftest import HOURLY, hashes, small_scenario
from tests.sim.households.people import SIX, as_table, drawn, model_of, with_table
from tests.sim.worlds import outcome

SHORT: dict[str, Any] = {**HOURLY, "start": "2016-04-18T18:00"}
LV_FEEDER: dict[str, Any] = {
    "low_voltage": [{"name": "S", "area": "D1", "bus": 61, "grid": "ieee_european_lv_asymmetric"}],
    "non_firm": {"enabled": True, "guaranteed_import_kw": 4.2, "participation": 0.6},
    "flexibility_register": {"enabled": True, "grid_test": True},
}


def _run(scenario: Scenario, folder: Path, label: str) -> dict[str, str]:
    run(scenario, folder, folder / label)
    return hashes(folder / label)


@pytest.mark.parametrize("settings", [{}, LV_FEEDER], ids=["plain", "with an LV feeder and a study"])
def test_a_table_of_what_is_drawn_gives_the_same_tables(settings: dict[str, Any], tmp_path: Path) -> None:
    scenario = small_scenario(**SHORT, **settings)
    expected = _run(scenario, tmp_path, "drawn")
    found = as_table(scenario)
    if settings:  # the net of the feeder says on how many phases its users are
        found = found.drop(columns="phases")
    shuffled = found.sample(frac=1.0, random_state=1)[list(reversed(found.columns))]
    for name, table in (("a.csv", found), ("b.csv", shuffled), ("c.parquet", shuffled)):
        assert _run(with_table(tmp_path, table, name, **SHORT, **settings), tmp_path, name[0]) == expected, (
            name
        )


def test_rows_without_names_may_stand_in_any_order(tmp_path: Path) -> None:
    found = as_table(small_scenario(households=60))[["bus", "annual_kwh", "ev_kw"]]
    twins = pd.concat([found, found.iloc[:20]])
    one = _run(with_table(tmp_path, twins, **SHORT), tmp_path, "one")
    two = _run(with_table(tmp_path, twins.sample(frac=1.0, random_state=2), **SHORT), tmp_path, "two")
    assert one == two


def test_two_areas_with_populations_of_their_own(tmp_path: Path) -> None:
    """The table of an area beside that of another keeps every household where it is."""
    scenario, _ = read_scenario(
        "reference", {"households": 300, "distribution.D2.population": {"ev_share": 1}}
    )
    homes = drawn(scenario)[1]
    given = as_table(scenario).sample(frac=1.0, random_state=3)
    given.to_csv(tmp_path / "people.csv", index=False)
    again = scenario.model_copy(
        update={
            "households": None,
            "population": scenario.population.model_copy(update={"table": "people.csv"}),
        }
    )
    table_homes = drawn(again, tmp_path)[1]
    for name in ("has_pv", "has_battery", "has_ev", "has_heat_pump", "annual_kwh", "load_shift", "ev_shift"):
        np.testing.assert_array_equal(getattr(table_homes, name), getattr(homes, name))
    np.testing.assert_array_equal(table_homes.ev_kw[homes.has_ev], homes.ev_kw[homes.has_ev])


def test_a_table_counts_by_what_it_holds_and_not_by_where_it_lies(tmp_path: Path) -> None:
    scenario = with_table(tmp_path, SIX)
    first = identity_of(scenario, tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.csv").write_text(SIX, encoding="utf-8")
    moved = small_scenario(**{"population.table": "sub/other.csv", "households": None})
    assert identity_of(moved, tmp_path) == first
    (tmp_path / "people.csv").write_text(SIX.replace("3000", "3001"), encoding="utf-8")
    assert identity_of(scenario, tmp_path).differing(first.parts) == ["file of population.table"]


def test_a_population_of_an_area_draws_the_same_numbers(tmp_path: Path) -> None:
    """Of D1 nothing changes; in D2 who had an EV still has one, and sizes move with their range."""
    changes = {
        "distribution.D2.population": {"ev_share": 0.6, "pv_kwp": [8.0, 20.0], "consumption_kwh": 7000.0}
    }
    common, _ = read_scenario("reference", {"households": 1000})
    other, _ = read_scenario("reference", {"households": 1000, **changes})
    (grids, one), (_, two) = drawn(common), drawn(other)
    d1 = grids.site_of < grids.areas[0].sites.stop
    for name in ("annual_kwh", "has_ev", "pv_kwp", "cop", "load_profile", "has_battery"):
        np.testing.assert_array_equal(getattr(one, name)[d1], getattr(two, name)[d1])
    for name in ("cop", "load_profile", "has_pv", "has_battery", "battery_kwh", "ev_shift"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (two.has_ev[~d1] >= one.has_ev[~d1]).all()
    assert 0.5 < two.has_ev[~d1].mean() < 0.7
    # of 4 to 10 kWp and 8 to 20 kWp the same place in the range
    np.testing.assert_allclose((two.pv_kwp[~d1] - 8.0) / 12.0, (one.pv_kwp[~d1] - 4.0) / 6.0, atol=1e-12)


def test_a_run_with_six_households_ends_in_key_figures(tmp_path: Path) -> None:
    keys = with_table(tmp_path, SIX, **SHORT).model_dump(mode="json", by_alias=True)
    assert outcome_in(keys, tmp_path) == "ran"


def outcome_in(keys: dict[str, Any], folder: Path) -> str:
    """`outcome` of a scenario whose table lies in a folder."""
    keys["population"]["table"] = str(folder / keys["population"]["table"])
    return outcome(keys, folder / "run")


def test_households_of_the_model_are_those_of_the_table(tmp_path: Path) -> None:
    model = model_of(with_table(tmp_path, SIX), tmp_path)
    (d1,) = model.households
    assert (d1.households, d1.buses, d1.pv, d1.batteries, d1.evs, d1.heat_pumps) == (6, 5, 2, 2, 3, 1)
