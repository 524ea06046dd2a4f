"""Sweep files: which runs they name and what is wrong with them; and fields replaced one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.runs.scenario import fields_of, read_scenario
from tandem_sim.experiments.sweeps.sweep import read_sweep
from tandem_sim.grids.errors import InputError
from tests.experiments.cli.test_cli import SMALL
from tests.experiments.sweeps.test_sweep import written


def test_a_sweep_is_every_combination_once(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        set={"days": 2},
        schemes=["common", "central-01"],
        seeds=[1, 2],
        vary={"non_firm.participation": [0.5, 1.0]},
        also=[{"scheme": "hybrid"}, {"scheme": "common", "seed": 3}],
    )
    points = read_sweep(file)
    found = [(p.scenario.scheme, p.scenario.seed, p.scenario.non_firm.participation) for p in points]
    assert len(found) == 2 * 2 * 2 + 2 + 1
    assert found[0] == ("common", 1, 0.5)
    assert found[-3:] == [("hybrid", 1, 1.0), ("hybrid", 2, 1.0), ("common", 3, 1.0)]
    assert {p.scenario.days for p in points} == {2}
    assert len({p.name for p in points}) == len(points)
    assert {p.folder for p in points} == {tmp_path}


def test_a_bundled_scenario_is_found_by_its_name(tmp_path: Path) -> None:
    (point,) = read_sweep(written(tmp_path, scenario="lv-feeder", vary={}, also=[], set={}))
    assert (point.scenario.name, point.folder, point.fields) == ("lv-feeder", None, {"scheme": "central-01"})


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"scenario": "nowhere"}, "SCENARIO", "no bundled scenario"),
        ({"scenario": "gone.yaml"}, "SCENARIO", "does not exist"),
        ({"scenario": ["a"]}, "scenario", "string"),
        ({"schemes": ["nope"]}, "scheme", "nope is no scheme"),
        ({"schemes": "common"}, "schemes", "list"),
        ({"seeds": [-1]}, "seeds.0", "greater than or equal to 0"),
        ({"seeds": [True]}, "seeds.0", "integer"),
        ({"vary": {"households": 3}}, "vary.households", "list"),
        ({"vary": {"households": []}}, "vary.households", "at least 1"),
        ({"schemes": []}, "schemes", "at least 1"),
        ({"seeds": []}, "seeds", "at least 1"),
        ({"seeds": None}, "seeds", "list"),
        ({"vary": {"scheme": ["common"]}}, "vary.scheme", "listed under schemes too"),
        ({"seeds": [1], "vary": {"seed": [2]}}, "vary.seed", "listed under seeds too"),
        ({"set": {"scheme": "common"}}, "set.scheme", "varies"),
        ({"schemes": ["common", "common"]}, "runs", "is there twice"),
        (
            {"also": [{"scheme": "central-01", "population.pv_share": 0.4, "days": 1}]},
            "runs",
            "is the same run",
        ),
        ({"vary": {"housholds": [3]}}, "housholds", "unknown key"),
        ({"vary": {"non_firm.whom": ["all"]}}, "non_firm.whom", "unknown key"),
        ({"set": {"days": 0}}, "days", "greater than or equal to 1"),
        ({"also": [{"dso.flow_margin": 2}]}, "dso.flow_margin", "0.9"),
        ({"also": {"seed": 3}}, "also", "list"),
        ({"speeds": [1]}, "speeds", "not permitted"),
        ({"scenario": ""}, "scenario", "at least 1"),
        ({"scenario": "x" * 300 + ".yaml"}, "SCENARIO", "does not exist"),
        ({"scenario": "/dev/zero"}, "SCENARIO", "no YAML file"),
        ({"seeds": ["1"]}, "seeds.0", "integer"),
        ({"seeds": [1.0]}, "seeds.0", "integer"),
        ({"schemes": [3]}, "schemes.0", "string"),
        ({"plots": "yes"}, "plots", "boolean"),
        ({"plots": 1}, "plots", "boolean"),
        ({"vary": {".".join("a" * 1000): [1]}}, ".".join("a" * 1000), "unknown key"),
    ],
)
def test_bad_sweeps_name_file_and_field(
    changes: dict[str, Any], field: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as found:
        read_sweep(written(tmp_path, **changes))
    assert found.value.field == field
    assert problem in found.value.problem
    assert found.value.hint
    if field != "SCENARIO":
        assert found.value.source == str(tmp_path / "sweep.yaml")


def test_the_runs_of_a_sweep_are_counted_before_they_are_listed(tmp_path: Path) -> None:
    fields = [f"{'x' * k}" for k in range(1, 10)]
    vary = {field: list(range(10)) for field in fields}  # thousand million, of fields that do not exist
    for changes, count in (
        ({"vary": vary}, "1000000001"),
        ({"vary": vary, "seeds": list(range(1000)), "also": []}, r"10\^12"),
        ({"vary": {f"x{k}": [1, 2, 3] for k in range(6_000)}, "also": []}, r"10\^2862"),  # lg 3 = 0.477121
    ):
        with pytest.raises(InputError, match=f"runs: are (about )?{count}.*, and a sweep has at most 10000"):
            read_sweep(written(tmp_path, **changes))


def test_seeds_count_for_further_points_that_name_none(tmp_path: Path) -> None:
    more = [{"scheme": "common", "days": 1, "households": k} for k in range(1, 12)]
    given = {"vary": {}, "seeds": list(range(1000)), "also": [*more, {"seed": 3}]}
    with pytest.raises(InputError, match="runs: are 12001, and"):  # 1000 + 11 of 1000 + 1
        read_sweep(written(tmp_path, **given))


def test_a_scenario_lies_beside_its_sweep_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    written(tmp_path / "here")
    file = written(tmp_path / "there", scenario="../here/small.yaml", also=[])
    assert {point.folder for point in read_sweep(file)} == {tmp_path / "there" / ".." / "here"}
    (tmp_path / "there" / "small.yaml").unlink()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InputError, match="does not exist"):
        read_sweep(written_alone(tmp_path / "there"))


def written_alone(folder: Path) -> Path:
    """A sweep file without the scenario it names."""
    file = written(folder)
    (folder / "small.yaml").unlink()
    return file


def test_a_fault_of_the_scenario_itself_names_the_scenario(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "small.yaml").write_text("days: 0", encoding="utf-8")
    with pytest.raises(InputError) as found:
        read_sweep(file)
    assert found.value.source == str(tmp_path / "small.yaml")


def test_strategies_vary_like_any_field(tmp_path: Path) -> None:
    learners = [{"aggregators": ["A01"], "name": "q-learning", "options": {"rate": 0.1}}]
    vary = {"strategy": ["truthful", "fixed-markup"], "strategies": [[], learners]}
    points = read_sweep(written(tmp_path, vary=vary, also=[]))
    found = {(p.scenario.strategy, *(s.name for s in p.scenario.strategies)) for p in points}
    assert len(points) == 4
    assert found == {
        ("truthful",),
        ("fixed-markup",),
        ("truthful", "q-learning"),
        ("fixed-markup", "q-learning"),
    }


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[1, 2]", "sweep"),
        ("", "sweep"),
        ("scenario: [a", "line 1"),
        ("a: !!python/none x", "a"),
        ("a: 2016-02-30", "a"),
    ],
)
def test_files_that_are_no_sweep(text: str, field: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as found:
        read_sweep(path)
    assert (found.value.source, found.value.field) == (str(path), field)


def test_fields_are_read_as_yaml() -> None:
    given = [
        "days=2",
        "non_firm.substitution=[portfolio, tso]",
        "name=a=b",
        "dso.offset=linear",
        "x=",
        "y=1.5",
    ]
    assert fields_of(given) == {
        "days": 2,
        "non_firm.substitution": ["portfolio", "tso"],
        "name": "a=b",
        "dso.offset": "linear",
        "x": None,
        "y": 1.5,
    }
    assert fields_of([]) == {}
    assert fields_of(["days=1", "days=3"]) == {"days": 3}  # the last one counts


@pytest.mark.parametrize("text", ["days", "=3", "days=[1", "days={a: 1"])
def test_fields_that_are_none(text: str) -> None:
    with pytest.raises(InputError) as found:
        fields_of([text])
    assert (found.value.source, found.value.field) == ("--set", text)


def test_a_field_is_replaced_and_its_neighbours_stay() -> None:
    plain, _ = read_scenario("lv-feeder")
    given = {
        "non_firm.participation": 0.25,
        "population.ev_share": 0.1,
        "non_firm.substitution": ["tso"],
        "days": 3,
    }
    changed, _ = read_scenario("lv-feeder", given)
    assert (changed.days, changed.non_firm.participation, changed.non_firm.substitution) == (3, 0.25, ["tso"])
    assert changed.population == plain.population.model_copy(update={"ev_share": 0.1})
    same = changed.model_copy(update={"days": plain.days, "population": plain.population})
    assert same.non_firm.model_copy(update={"participation": 1.0, "substitution": []}) == plain.non_firm
    assert same.model_copy(update={"non_firm": plain.non_firm}) == plain


def test_a_section_that_is_not_there_is_made_and_an_entry_of_a_list_is_reached() -> None:
    small, _ = read_scenario(str(SMALL), {"gates.limit_ahead": 80, "incidents": []})
    assert small.gates.limit_ahead == 80.0
    (plain,), (fewer,) = (
        read_scenario("lv-feeder", given)[0].low_voltage for given in ({}, {"low_voltage.0.copies": 2})
    )
    assert fewer == plain.model_copy(update={"copies": 2})
    with pytest.raises(InputError) as found:
        read_scenario("lv-feeder", {"low_voltage.9.copies": 2})
    assert found.value.field == "low_voltage.9.copies"
