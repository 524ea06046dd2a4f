"""The JSON schema by another library: what Tandem reads is valid, and what is out of range is not."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tandem_sim.experiments.runs.bundled import SCENARIOS, SWEEPS, scenario_text, sweep_text
from tandem_sim.experiments.runs.fields import REQUIRED, rows
from tandem_sim.experiments.runs.scenario import read_keys, read_scenario
from tandem_sim.experiments.scenario_tools.schema import scenario_schema, sweep_schema, write_schema
from tandem_sim.grids.documents.yaml_reader import read_yaml
from tandem_sim.grids.errors import InputError
from tests.sim.everything import EVERYTHING, NUMBERS, holding, with_field

SCENARIO, SWEEP = scenario_schema(), sweep_schema()
OF_SCENARIO, OF_SWEEP = Draft202012Validator(SCENARIO), Draft202012Validator(SWEEP)


def problems(judge: Any, keys: Any) -> list[str]:
    """Places and messages, for keys as YAML gives them, with dates as text."""
    plain = json.loads(json.dumps(keys, default=lambda day: day.isoformat()))
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in judge.iter_errors(plain)]


def test_they_are_schemas_of_the_draft() -> None:
    for schema in (SCENARIO, SWEEP):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", SCENARIOS)
def test_bundled_scenarios_are_valid_as_written_and_with_all_fields(name: str) -> None:
    scenario, _ = read_scenario(name)
    for keys in (
        read_yaml(scenario_text(name), name),
        read_keys(name)[0],
        scenario.model_dump(mode="json", by_alias=True),
        EVERYTHING,
    ):
        assert problems(OF_SCENARIO, keys) == []


@pytest.mark.parametrize("name", SWEEPS)
def test_bundled_sweeps_are_valid(name: str) -> None:
    assert problems(OF_SWEEP, read_yaml(sweep_text(name), name)) == []


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.path)
def test_ends_of_every_range_are_valid_and_what_lies_beyond_is_not(row: Any) -> None:
    assert row.low is not None
    assert row.high is not None

    def here(value: Any) -> list[str]:
        found = problems(OF_SCENARIO, with_field(row, holding(row, value)))
        return [message for message in found if "is a required property" not in message]

    for end, beyond in ((row.low, row.low - 1), (row.high, row.high + 1)):
        assert here(end) == []
        assert here(beyond)
    assert here("5")
    assert here(True)


def test_every_field_says_what_it_means() -> None:
    """Meaning, unit, usual range and default of every row of the documentation."""
    for row in rows():
        about: Any = SCENARIO
        for key in row.path.split("."):
            about = about["properties"][key.removesuffix("[]")]
            refs = [about, about.get("items"), *about.get("anyOf", ())]
            ref = next((kind["$ref"] for kind in refs if kind and "$ref" in kind), None)
            inner = SCENARIO["$defs"][ref.rpartition("/")[2]] if ref else None
            about, said = (inner or about), about
        assert said["description"].startswith(row.meaning)
        assert said.get("unit", "") == row.unit
        assert row.unit in ("", "count", "share") or f"Unit: {row.unit}" in said["description"]
        assert said.get("usual") == (None if row.usual is None else list(row.usual))
        assert said.get("default", REQUIRED) == row.default


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a key": ({"housholds": 3}, "'housholds' was unexpected"),
    "a key of a section": ({"population": {"pv_sahre": 0.5}}, "'pv_sahre' was unexpected"),
    "a key in a list": ({"incidents": [{"buss": 1}]}, "'buss' was unexpected"),
    "a name": ({"scheme": "multilevel-99"}, "'multilevel-99' is not one of"),
    "a day": ({"start": "18.04.2016"}, "does not match"),
    "a time with an offset": ({"start": "2016-04-18T06:00+02:00"}, "does not match"),
    "a range": ({"population": {"pv_kwp": [3]}}, "too short"),
    "a range of three": ({"population": {"pv_kwp": [3, 4, 5]}}, "at most 2|too long|Expected at most"),
    "a base": ({"based_on": "nowhere"}, "not valid under any"),
    "an entry that lacks a key": ({"distribution": [{"id": "D1"}]}, "'grid' is a required property"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused(what: str) -> None:
    keys, expected = WRONG[what]
    found = problems(OF_SCENARIO, {"based_on": "reference", **keys})
    assert any(re.search(expected, message) for message in found), found


def test_keys_are_needed_only_where_no_base_has_them() -> None:
    keys = read_keys("reference")[0]
    for place in (("aggregators",), ("transmission", "units")):
        less = deepcopy(keys)
        section = less if len(place) == 1 else less[place[0]]
        del section[place[-1]]
        assert [m.partition(": ")[2] for m in problems(OF_SCENARIO, less)] == [
            f"'{place[-1]}' is a required property"
        ]
        assert problems(OF_SCENARIO, {"based_on": "bases/mine.yaml", **less}) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"set": {"dayz": 1}}, "'dayz' do"),
        ({"set": {"population.pv_share": 2}}, "2 is greater than the maximum of 1"),
        ({"set": {"population": {"pv_share": 2}}}, "2 is greater than the maximum of 1"),
        ({"set": {"distribution.D1.load_scale": 1.1, "transmission.ratings_mva.line 0": 9}}, ""),
        ({"vary": {"non_firm.participation": 0.5}}, "0.5 is not of type 'array'"),
        ({"vary": {"non_firm.participation": [0.5, "1"]}}, "'1' is not of type 'number'"),
        ({"vary": {"low_voltage.0.copies": [1, 2]}}, ""),
        ({"also": [{"scheme": "comon"}]}, "'comon' is not one of"),
        ({"schemes": ["common", "comon"]}, "'comon' is not one of"),
        ({"seeds": [-1]}, "-1 is less than the minimum of 0"),
        ({"plots": "no"}, "'no' is not of type 'boolean'"),
        ({"scenaro": "reference"}, "'scenaro' was unexpected"),
    ],
)
def test_a_sweep_is_held_to_the_fields_of_scenarios(keys: dict[str, Any], expected: str) -> None:
    found = problems(OF_SWEEP, {"scenario": "reference", **keys})
    assert [message for message in found if expected not in message] == []
    assert bool(found) == bool(expected)


def test_a_schema_is_written_and_replaces_only_a_schema(tmp_path: Path) -> None:
    out = tmp_path / "tandem.schema.json"
    for _ in range(2):
        write_schema(out, SCENARIO)
    assert json.loads(out.read_text(encoding="utf-8")) == SCENARIO
    out.write_text('{"mine": 1}', encoding="utf-8")
    with pytest.raises(InputError, match="--out: exists, and is no earlier result"):
        write_schema(out, SCENARIO)
