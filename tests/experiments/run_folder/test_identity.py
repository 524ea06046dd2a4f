"""The three identities: what belongs to the world, what to the run, and what to neither."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.run_folder import identity
from tandem_sim.experiments.run_folder.identity import ASIDE, WORLD, asked_id, identity_of
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.experiments.runs.run import manifest, manifest_of, parts_of, run_scenario
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.scenario.scenario import Scenario
from tests.sim.conftest import HOURLY, small_scenario


def differing(**changes: Any) -> list[str]:
    base, changed = small_scenario(**HOURLY), small_scenario(**HOURLY | changes)
    return identity_of(changed, None).differing(identity_of(base, None).parts)


def test_every_field_of_a_scenario_is_of_the_world_or_a_rule_or_aside() -> None:
    names = {about.alias or name for name, about in Scenario.model_fields.items()}
    assert set(WORLD) <= names
    assert set(ASIDE) <= names
    assert not set(WORLD) & set(ASIDE)


@pytest.mark.parametrize("changes", [{"name": "other"}, {"description": "other"}])
def test_what_a_scenario_is_called_is_no_part_of_what_it_is(changes: dict[str, Any]) -> None:
    assert differing(**changes) == []
    assert asked_id(small_scenario(**HOURLY | changes)) == asked_id(small_scenario(**HOURLY))


@pytest.mark.parametrize(
    ("changes", "same_world"),
    [
        ({"seed": 8}, False),
        ({"days": 2}, False),
        ({"households": 90}, False),
        ({"forecast.mape": 0.01}, False),
        ({"scheme": "common"}, True),
        ({"strategy": "fixed-markup"}, True),
        ({"pricing": "pay-as-cleared"}, True),
        ({"dso.flow_margin": 0.2}, True),
    ],
)
def test_runs_of_one_world_differ_in_rules_alone(changes: dict[str, Any], same_world: bool) -> None:
    base, changed = small_scenario(**HOURLY), small_scenario(**HOURLY | changes)
    one, two = identity_of(base, None), identity_of(changed, None)
    assert (one.world_id == two.world_id) is same_world
    assert one.run_id != two.run_id
    assert two.differing(one.parts) == [f"scenario: {next(iter(changes)).split('.')[0]}"]


def test_code_libraries_and_python_are_parts_of_the_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity_of(small_scenario(**HOURLY), None)
    real = metadata.version
    monkeypatch.setattr(identity, "version", lambda name: "0" if name == "scipy" else real(name))
    monkeypatch.setattr(identity, "code_digest", lambda: "older")
    after = identity_of(small_scenario(**HOURLY), None)
    assert after.differing(before.parts) == ["code", "scipy"]
    assert after.world_id == before.world_id


@pytest.fixture
def own_grid(tmp_path: Path) -> Path:
    """A folder with a distribution grid of one's own."""
    folder = tmp_path / "grids"
    folder.mkdir()
    shutil.copy(case_path("alexander-a") / "D1.json", folder / "mine.json")
    return folder


def _on(grid: str) -> Scenario:
    areas = [{"id": "D1", "grid": grid, "interface_bus": 4, "other_profile": ["G0-A"]}]
    return small_scenario(**HOURLY, distribution=areas, low_voltage=[])


def test_a_grid_counts_by_what_it_holds_and_not_by_where_it_lies(own_grid: Path) -> None:
    first = identity_of(_on("mine.json"), own_grid)
    (own_grid / "sub").mkdir()
    (own_grid / "mine.json").rename(own_grid / "sub" / "other.json")
    moved = identity_of(_on("sub/other.json"), own_grid)
    assert moved == first
    text = (own_grid / "sub" / "other.json").read_text(encoding="utf-8")
    (own_grid / "sub" / "other.json").write_text(text + "\n", encoding="utf-8")
    assert identity_of(_on("sub/other.json"), own_grid).differing(first.parts) == ["grid of D1"]


def test_a_finished_run_whose_grid_has_changed_is_named_with_what_differs(
    own_grid: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    how: dict[str, Any] = {"plots": False, "checkpoint_s": 0}
    run_scenario(_on("mine.json"), own_grid, out, **how)
    before = (out / "kpis.json").stat().st_mtime_ns
    run_scenario(_on("mine.json"), own_grid, out, resume=True, **how)
    assert (out / "kpis.json").stat().st_mtime_ns == before
    text = (own_grid / "mine.json").read_text(encoding="utf-8")
    (own_grid / "mine.json").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds a finished run that differs in grid of D1"):
        run_scenario(_on("mine.json"), own_grid, out, resume=True, **how)
    run_scenario(_on("mine.json"), own_grid, out, resume=True, overwrite=True, **how)
    assert (out / "kpis.json").stat().st_mtime_ns > before


def test_a_grid_that_changes_while_the_run_is_on_its_way_is_named_and_nothing_is_lost(
    own_grid: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "run", own_grid / "mine.json"
    text = file.read_text(encoding="utf-8")
    how: dict[str, Any] = {"plots": False, "checkpoint_s": 42 * 60, "resume": True}

    def changed(isp: int) -> None:
        file.write_text(text + "\n", encoding="utf-8")

    with pytest.raises(InputError, match="grid of D1: has changed during the run"):
        run_scenario(_on("mine.json"), own_grid, out, changed, **how)
    file.write_text(text, encoding="utf-8")
    again: list[int] = []
    run_scenario(_on("mine.json"), own_grid, out, again.append, **how)
    assert len(again) < 24
    assert parts_of(manifest_of(out)) == identity_of(_on("mine.json"), own_grid).parts


def test_the_manifest_tells_all_three_and_they_read_back() -> None:
    scenario = small_scenario(**HOURLY)
    one = identity_of(scenario, None)
    found = json.loads(json.dumps(manifest(scenario, None, one)))
    assert parts_of(found) == one.parts
    assert (found["world"]["id"], found["run"]["id"]) == (one.world_id, one.run_id)
    assert found["provenance"]["versions"]["numpy"] == one.run["numpy"]
    assert {"system", "architecture", "cores"} <= found["provenance"]["machine"].keys()
