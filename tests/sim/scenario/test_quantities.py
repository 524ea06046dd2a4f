"""What a scenario accepts is what its schema prints: ends of ranges and types of every field."""

from __future__ import annotations

import pickle
from dataclasses import fields
from math import inf, nan, nextafter
from typing import Any

import pytest
from pydantic import ValidationError

from tandem_sim.agents.devices.population import Population
from tandem_sim.experiments.runs.bundled import SCENARIOS
from tandem_sim.experiments.runs.fields import PAGE, Row, page, rows
from tandem_sim.experiments.runs.scenario import read_scenario, scenario_of
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.orders.penalties import factor_of
from tandem_sim.sim.scenario.described import entries
from tandem_sim.sim.scenario.population_section import (
    DECLARED,
    AreaPopulationSettings,
    PopulationSettings,
)
from tandem_sim.sim.scenario.quantities import MOST_EUR_PER_MWH
from tandem_sim.sim.scenario.scenario import Scenario
from tests.sim.conftest import small_scenario
from tests.sim.everything import EVERYTHING, NUMBERS, holding, location, with_field

ROWS = list(rows())


def _refused(row: Row, value: Any) -> list[str]:
    """What the schema finds wrong with a value of this field, and not with what it does to others."""
    place = location(row)
    try:
        Scenario.model_validate(with_field(row, value))
    except ValidationError as error:
        return [e["msg"] for e in error.errors() if e["loc"][: len(place)] == place]
    return []


def test_the_scenario_with_everything_has_every_section() -> None:
    scenario = scenario_of(EVERYTHING, "everything")
    assert {e.path.replace(".0.", "[].") for e in entries(scenario)} >= {
        row.path for row in NUMBERS if "emergencies[]" not in row.path and "windows[]" not in row.path
    }


@pytest.mark.parametrize("row", NUMBERS, ids=[row.path for row in NUMBERS])
def test_numbers_are_accepted_and_refused_as_printed(row: Row) -> None:
    assert row.low is not None
    assert row.high is not None
    whole = row.kind == "integer" or row.path.endswith((".buses", "hour"))
    low, high = (int(row.low), int(row.high)) if whole else (float(row.low), float(row.high))
    for end in (low, high):
        assert _refused(row, holding(row, end)) == [], end
    below, above = (low - 1, high + 1) if whole else (nextafter(low, -inf), nextafter(high, inf))
    for outside in (
        below,
        above,
        nan,
        inf,
        -inf,
        True,
        "5",
        [],
        {},
        10**400,
        *([float(low)] if whole else ()),
    ):
        assert _refused(row, holding(row, outside)), outside
    assert bool(_refused(row, None)) is not row.nullable
    if not whole and low <= 1 <= high:
        assert _refused(row, holding(row, 1)) == []  # a whole number is a number


@pytest.mark.parametrize("row", NUMBERS, ids=[row.path for row in NUMBERS])
def test_a_scenario_with_an_extreme_value_is_read_or_refused_with_its_inconsistency(row: Row) -> None:
    for end in (row.low, row.high):
        try:
            scenario = scenario_of(with_field(row, holding(row, end)), "extreme")
        except InputError as error:
            text = str(error)
        else:
            text = " ".join(scenario.unusual)
        assert "should be" not in text  # a refusal is of what does not go together, and not of the value


def test_flags_and_texts_are_of_their_type() -> None:
    for row in ROWS:
        if row.kind == "boolean":
            assert all(_refused(row, wrong) for wrong in (1, 0, "yes", "true", None, 1.0)), row.path
            assert not _refused(row, True)
        if row.kind == "string" and row.length is not None:
            assert all(_refused(row, wrong) for wrong in (1, True, ["x"], b"x")), row.path
            assert bool(_refused(row, None)) is not row.nullable, row.path
            assert _refused(row, "x" * (row.length[1] + 1)), row.path
        if row.kind in ("date", "date-time", "date or date-time"):
            assert all(_refused(row, wrong) for wrong in (0, 1e9, True, "x", "1899-12-31", None)), row.path


def test_lists_and_mappings_are_bounded() -> None:
    for row in ROWS:
        if row.kind not in ("array", "object") or row.length == (2, 2):
            continue
        assert row.length is not None, row.path
        most = row.length[1] + 1
        entry = "2016-01-18" if row.path.endswith(("contracts", "columns")) else 1.0
        many: Any = [None] * most if row.kind == "array" else dict.fromkeys(map(str, range(most)), entry)
        assert any("at most" in problem for problem in _refused(row, many)), row.path


def test_every_field_says_what_it_is_and_usual_ranges_lie_in_accepted_ones() -> None:
    for row in ROWS:
        assert row.meaning.endswith("."), row.path
        assert row.meaning.removeprefix("a").removeprefix("m")[0].isupper(), row.path  # aFRR, mFRR
        if row.low is not None and row.kind == "number" and not row.path.endswith("consumption_sigma"):
            assert row.unit, row.path
        if row.usual is not None:
            assert row.low is not None
            assert row.high is not None
            assert row.low <= row.usual[0] < row.usual[1] <= row.high, row.path


def test_bundled_scenarios_are_usual() -> None:
    assert {name: read_scenario(name)[0].unusual for name in SCENARIOS} == {name: [] for name in SCENARIOS}


def test_unusual_values_are_named() -> None:
    """40 kW of PV is no detached house's; 20 kW still is one's (its usual range is 1 to 20 kW)."""
    changes: dict[str, Any] = {"population": {"pv_kwp": [3, 40]}, "aggregators": 900, "days": 2}
    assert small_scenario(**changes).unusual == [
        "aggregators 900: usually 1 to 200",
        "population.pv_kwp [3, 40]: usually 1 to 20 kW",
    ]
    assert small_scenario(population={"pv_kwp": [1, 20]}).unusual == []


def test_penalties_lie_above_every_price_that_may_be_bid() -> None:
    """10 000 EUR/MWh times the factor is more than a bid up and a bid down together, at the highest price."""
    assert 10_000.0 * factor_of(MOST_EUR_PER_MWH) > 2.0 * MOST_EUR_PER_MWH
    for row in ROWS:
        if row.unit == "EUR/MWh":
            assert row.high is not None
            assert row.high <= MOST_EUR_PER_MWH, row.path


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ({"c1": 9000.0, "c2": 5.0}, "9000 to 10000 EUR/MWh"),  # 9000 + 2 x 5 x 100 at full power
        ({"c1": -9999.5, "c2": 0.0}, "-9999.5 to -9999.5 EUR/MWh"),
    ],
)
def test_what_units_cost_is_a_price_that_may_be_bid(unit: dict[str, float], expected: str) -> None:
    data = {**EVERYTHING, "product": {"price_cap_eur_per_mwh": 9999.5, "price_floor_eur_per_mwh": -9999.0}}
    first, *others = data["transmission"]["units"]
    units = [{**first, "p_max_mw": 100.0, **unit}, *others]
    with pytest.raises(InputError, match=r"units\.0: marginal cost") as found:
        scenario_of({**data, "transmission": {**data["transmission"], "units": units}}, "dear")
    assert expected in str(found.value)


def test_the_section_of_the_population_is_the_population_of_agents() -> None:
    """The same names and defaults beside files, and what a scenario says is what agents take.

    Classes of device that declare their parameters have no field of their own: nobody owns one by default.
    """
    apart = ("table", "devices")
    given = {name: f.default for name, f in PopulationSettings.model_fields.items() if name not in apart}
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()} == {
        f.name: f.default for f in fields(Population) if f.name != "devices"
    }
    nobody = tuple(known.settings(0.0) for known in DECLARED)
    assert [settings.name for settings in nobody] == ["water_heater", "v2g"]
    assert PopulationSettings().drawn_from == Population(devices=nobody)
    drawn = small_scenario(population={"pv_share": 0.5, "cop": [3, 4]}).population
    assert drawn.drawn_from == Population(pv_share=0.5, cop=(3.0, 4.0), devices=nobody)
    areas = {"devices": {"water_heater": {"share": 0.4}, "v2g": {"kept_soc": [0.5, 0.5]}}}
    first = AreaPopulationSettings.model_validate(areas)
    heater, v2g = drawn.drawn_in(first).devices
    assert (heater.share, v2g.share) == (0.4, 0.0)
    assert ("kept_soc", (0.5, 0.5), 42) in v2g.ranges
    assert pickle.loads(pickle.dumps(drawn)) == drawn


def test_the_documentation_lists_the_fields_of_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "the schema has changed: python -m tandem_sim.experiments.runs.fields"
    )
