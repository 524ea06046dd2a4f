"""Schemes of users: by name, from a function, what is refused, and how a run describes them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tandem_sim.agents.strategies.allowed_code import NO_CODE
from tandem_sim.experiments.run_folder.identity import identity_of
from tandem_sim.experiments.run_folder.manifest import COORDINATION, scheme_in
from tandem_sim.experiments.runs.scenario import scenario_of
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.markets.schemes import DEFAULTS, SCHEMES, Options, build_schemes
from tandem_sim.sim.named_schemes import scheme_named, scheme_of
from tandem_sim.sim.scenario.named_code import without_code
from tests.sim.conftest import OWN_CODE, small_scenario

HERE = "tests.sim.test_named_schemes"
MINE = replace(SCHEMES["multilevel-01"], name="mine", summary="as multilevel-01")


def by_options(options: Options) -> Scheme:
    return build_schemes(options)["central-01"]


def broken(options: Options) -> Scheme:
    raise KeyError("mine")


def test_a_scheme_has_the_name_by_which_it_was_named() -> None:
    found = scheme_named(f"{HERE}:MINE", DEFAULTS, OWN_CODE)
    assert (found.name, found.steps, found.shared) == (f"{HERE}:MINE", MINE.steps, MINE.shared)
    assert scheme_named("common", DEFAULTS, NO_CODE).name == "common"
    cleared = scheme_named(f"{HERE}:by_options", Options(pricing="pay-as-cleared"), OWN_CODE)
    assert [b.name for b in cleared.blocks] == [b.name for b in SCHEMES["central-01"].blocks]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", "absent cannot be imported"),
        ("broken", "broken fails: KeyError: 'mine'"),
        ("HERE", "is a str and no Scheme"),
    ],
)
def test_what_is_no_scheme_is_refused(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        scheme_named(f"{HERE}:{name}", DEFAULTS, OWN_CODE)


def test_its_code_needs_permission() -> None:
    scenario = small_scenario(scheme=f"{HERE}:MINE")
    with pytest.raises(InputError, match=r"scheme: names .*MINE, code that is not imported"):
        scheme_of(scenario, NO_CODE)
    trusted, code = without_code(scenario)
    assert (trusted.scheme, code) == ("multilevel-03", {"scheme": f"{HERE}:MINE"})
    with pytest.raises(InputError, match="scheme: mine is no scheme"):
        small_scenario(scheme="mine")


def test_what_the_scenario_demands_is_checked_when_the_model_is_built() -> None:
    wanted: dict[str, Any] = {"mitigation": {"enabled": True}, "local_reactive": {"enabled": True}}
    for key, given in wanted.items():
        with pytest.raises(InputError) as built_in:
            small_scenario(scheme="central-01", **{key: given})
        with pytest.raises(InputError) as own:
            scheme_of(small_scenario(scheme=f"{HERE}:by_options", **{key: given}), OWN_CODE)
        assert own.value.field == built_in.value.field == f"{key}.enabled"
        assert own.value.problem == built_in.value.problem.replace("central-01 has", f"{HERE}:by_options has")


def test_its_source_is_part_of_the_identity_of_a_run() -> None:
    parts = identity_of(small_scenario(scheme=f"{HERE}:MINE"), None).run
    assert len(parts[f"source of {HERE}:MINE"]) == 64
    assert not any(name.startswith("source of") for name in identity_of(small_scenario(), None).run)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_a_description_is_read_as_it_was_written(scheme: Scheme) -> None:
    described = SchemeDescription.of(scheme)
    written = {COORDINATION: json.loads(json.dumps(described.as_dict()))}
    assert scheme_in(written, "m", "gone:SCHEME") == described
    assert [b.foreign_reads() for b in described.blocks] == [b.foreign_reads() for b in scheme.blocks]
    assert scheme_in({}, "m", scheme.name) == described  # a run of an earlier version


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("blocks", [], "coordination.blocks: is"),
        ("blocks", [3], "coordination.blocks.0: is 3 and no object"),
        ("blocks.0.party", "crowd", "coordination.blocks.0.party: is 'crowd' and none of dso, tso, operator"),
        ("blocks.0.gate", ["x"], "coordination.blocks.0.gate"),
        ("blocks.0.reads", {"a": 1}, "coordination.blocks.0.reads"),
        ("summary", "a\nb", "coordination.summary: is"),
        ("name", "x" * 3000, "coordination.name: is"),
        ("shared", [None], "coordination.shared.0: is None and no line of text"),
    ],
)
def test_a_damaged_description_is_refused(path: str, value: object, says: str) -> None:
    given = json.loads(json.dumps(SchemeDescription.of(MINE).as_dict()))
    inner, *keys = given, *path.split(".")
    for key in keys[:-1]:
        inner = inner[int(key) if key.isdecimal() else key]
    inner[keys[-1]] = value
    with pytest.raises(InputError, match=says):
        scheme_in({COORDINATION: given}, "m", "mine")


def test_the_scenario_of_a_finished_run_is_read_without_the_code_that_it_names() -> None:
    keys = small_scenario().model_dump(mode="json", by_alias=True)
    settlement = {**keys["settlement"], "baseline": "uninstalled"}
    gone = {**keys, "scheme": "uninstalled", "strategy": "uninstalled", "settlement": settlement}
    gone["extensions"] = [{"name": "uninstalled", "options": {}}]
    with pytest.raises(InputError, match="uninstalled is no "):
        scenario_of(gone, "m")
    found = scenario_of(gone, "m", finished=True)
    assert (found.scheme, found.settlement.baseline) == ("uninstalled", "uninstalled")
    with pytest.raises(InputError, match=r"scheme uninstalled: |uninstalled: is not known"):
        scheme_in({}, "m", found.scheme)
