"""A scenario that is based on a file is the scenario that results if both are written as one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandapower as pp
import pytest
import yaml

import tandem_sim as tandem
from tandem_sim.experiments.environments.api import parallel_env
from tandem_sim.experiments.run_folder.identity import asked_id, identity_of
from tandem_sim.experiments.runs.based_on import MOST_FILES, moved
from tandem_sim.experiments.runs.run import differing, run_scenario
from tandem_sim.experiments.runs.scenario import parse_scenario, read_keys, read_scenario, scenario_of
from tandem_sim.experiments.sweeps.sweep import read_sweep
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net
from tests.sim.conftest import HOURLY, SMALL

OWN = {"name": "own", "days": 1, "population": {"pv_share": 0.6}, **HOURLY}


def write(path: Path, keys: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """``own.yaml`` is based on ``bases/middle.yaml``, and that on ``first/base.yaml``, beside a grid."""
    keys = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    keys["distribution"][0]["grid"] = "nets/feeder.json"
    write(tmp_path / "first" / "base.yaml", keys)
    (tmp_path / "first" / "nets").mkdir()
    pp.to_json(load_net("case69"), str(tmp_path / "first" / "nets" / "feeder.json"))
    middle = {"based_on": "../first/base.yaml", "households": 300, "forecast": {"mape": 0.05}}
    write(tmp_path / "bases" / "middle.yaml", middle)
    return write(tmp_path / "own.yaml", {"based_on": "bases/middle.yaml", **OWN})


def as_one(tmp_path: Path) -> Path:
    """The same scenario in one file, merged by hand."""
    keys = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    keys["distribution"][0]["grid"] = "first/nets/feeder.json"
    population = {**keys["population"], "pv_share": 0.6}
    return write(
        tmp_path / "one.yaml",
        {**keys, **OWN, "households": 300, "forecast": {"mape": 0.05}, "population": population},
    )


def test_a_chain_of_files_is_the_scenario_written_as_one(scenario: Path, tmp_path: Path) -> None:
    (found, folder), (expected, beside) = read_scenario(str(scenario)), read_scenario(str(as_one(tmp_path)))
    assert folder == beside == tmp_path
    grid = found.distribution[0].grid
    assert grid == "bases/../first/nets/feeder.json"
    assert (tmp_path / grid).samefile(tmp_path / "first" / "nets" / "feeder.json")
    assert identity_of(found, folder) == identity_of(expected, beside)  # by the content of the grid
    area = found.distribution[0].model_copy(update={"grid": "first/nets/feeder.json"})
    assert found.model_copy(update={"distribution": [area]}) == expected


def test_a_path_starts_at_the_file_that_holds_it_wherever_tandem_is_called(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for here, name in ((tmp_path, "own.yaml"), (tmp_path / "first", "../own.yaml")):
        monkeypatch.chdir(here)
        found, folder = read_scenario(name)
        assert folder is not None
        assert (folder / found.distribution[0].grid).is_file()
    absolute = write(tmp_path / "far" / "away.yaml", {"based_on": str(scenario)})
    assert Path(read_scenario(str(absolute))[0].distribution[0].grid).is_file()


def test_only_paths_are_moved() -> None:
    """Names of published grids, and text that looks like a path in a field of another kind, stay."""
    keys = {
        "name": "a/b.json",
        "strategies": [{"aggregators": ["A01"], "name": "x", "options": {"grid": "c.json"}}],
        "transmission": {"grid": "1-HV-mixed--0-sw", "ratings_mva": {"line 0": 1.0}},
        "distribution": [{"grid": "d.m", "id": "e.json"}, {"grid": "case69"}, "no section"],
        "low_voltage": [{"grid": "../f.JSON"}],
        "nowhere": {"grid": "g.json"},
    }
    assert moved(keys, Path("p")) == {
        **keys,
        "distribution": [{"grid": "p/d.m", "id": "e.json"}, {"grid": "case69"}, "no section"],
        "low_voltage": [{"grid": "p/../f.JSON"}],
    }


def test_a_run_can_be_resumed_until_a_file_below_it_changes(scenario: Path, tmp_path: Path) -> None:
    """The run folder alone tells the whole scenario, and is kept as long as all files are what they were."""
    found, folder = read_scenario(str(scenario))
    out = tmp_path / "run"
    run_scenario(found, folder, out, plots=False, checkpoint_s=0)
    kept = tandem.load(out)
    assert kept.scenario == found
    assert kept.manifest["scenario"]["households"] == 300
    assert differing(out, *read_scenario(str(as_one(tmp_path)))) == []
    middle = tmp_path / "bases" / "middle.yaml"
    middle.write_text(middle.read_text(encoding="utf-8").replace("0.05", "0.06"), encoding="utf-8")
    assert differing(out, *read_scenario(str(scenario))) == ["scenario: forecast"]
    net = load_net("case69")
    net.line.loc[3, "r_ohm_per_km"] *= 1.1
    pp.to_json(net, str(tmp_path / "first" / "nets" / "feeder.json"))
    assert differing(out, *read_scenario(str(scenario))) == ["scenario: forecast", "grid of D1"]


def test_a_sweep_of_a_scenario_that_is_based_on_a_file(scenario: Path, tmp_path: Path) -> None:
    sweep = write(tmp_path / "sweeps" / "s.yaml", {"scenario": "../own.yaml", "vary": {"days": [1, 2]}})
    points = read_sweep(sweep)
    expected = [read_scenario(str(scenario), {"days": days})[0] for days in (1, 2)]
    assert [point.name for point in points] == [asked_id(found) for found in expected]
    assert (points[0].folder or Path()).resolve() == tmp_path
    write(tmp_path / "bases" / "middle.yaml", {"based_on": "../first/base.yaml", "housholds": 3})
    with pytest.raises(InputError, match=r"middle\.yaml: housholds: is an unknown key"):
        read_sweep(sweep)
    write(tmp_path / "bases" / "middle.yaml", {"based_on": "../first/base.yaml"})
    write(sweep, {"scenario": "../own.yaml", "vary": {"days": [0]}})
    with pytest.raises(InputError, match=r"s\.yaml: days: .*greater than or equal to 1"):
        read_sweep(sweep)


def test_keys_from_python_may_name_a_file(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"based_on": "own.yaml", "seed": 9}
    with pytest.raises(InputError, match=r"own\.yaml.* does not exist"):
        tandem.read_scenario(keys)
    run = tandem.run(keys, tmp_path / "run", folder=tmp_path, checkpoint_days=0)
    assert (run.scenario.seed, run.scenario.households) == (9, 300)
    monkeypatch.chdir(tmp_path)
    assert tandem.read_scenario(keys) == run.scenario
    assert parallel_env(keys, isps=1).possible_agents
    assert read_keys("own.yaml")[0]["forecast"] == {"mape": 0.05}


def test_what_a_stranger_sends_names_no_file(scenario: Path) -> None:
    """A manifest, or text without a file, may be based on bundled scenarios only: no file is read for it."""
    refused = pytest.raises(InputError, match=r"manifest\.json: based_on: .* only bundled scenarios")
    with refused:
        scenario_of({"based_on": str(scenario)}, "manifest.json")
    with refused:
        parse_scenario(f"based_on: {scenario}\n", "manifest.json")


@pytest.mark.parametrize(
    ("middle", "own", "where", "what"),
    [
        ({"housholds": 3}, {}, "middle.yaml", "housholds: is an unknown key"),
        ({"population": {"ev_share": 2}}, {}, "middle.yaml", "population.ev_share: Input should be less"),
        ({"population": {"pv_share": 2}}, {}, "own.yaml", ""),  # replaced, so it is not wrong
        ({}, {"population": {"pv_share": 2}}, "own.yaml", "population.pv_share: Input should be less"),
        ({"distribution": [{"id": "D1"}]}, {}, "middle.yaml", "distribution.0.grid: is missing"),
        ({"aggregators_per_bus": 9}, {}, "own.yaml", "aggregators_per_bus: must not exceed"),
        (
            {"households": 0},
            {"seed": -1},
            "own.yaml",
            r"seed: .*; and also households: .* \(in .*middle\.yaml\)",
        ),
        ({"non_firm": {"preset": "mars"}}, {"non_firm": {"rule": "fair"}}, "middle.yaml", "non_firm.preset:"),
    ],
)
def test_an_error_names_the_file_that_holds_the_key(
    scenario: Path, tmp_path: Path, middle: dict[str, Any], own: dict[str, Any], where: str, what: str
) -> None:
    write(tmp_path / "bases" / "middle.yaml", {"based_on": "../first/base.yaml", **middle})
    population = {"pv_share": 0.6, **own.get("population", {})}
    write(scenario, {"based_on": "bases/middle.yaml", **OWN, **own, "population": population})
    if not what:
        assert read_scenario(str(scenario))[0].population.pv_share == 0.6
        return
    with pytest.raises(InputError, match=rf"{where}: {what}"):
        read_scenario(str(scenario))


def test_a_changed_field_is_no_fault_of_a_file(scenario: Path) -> None:
    with pytest.raises(InputError, match=r"own\.yaml: households: "):
        read_scenario(str(scenario), {"households": 0})


def test_a_circle_is_one_error_that_names_the_files(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", {"based_on": "sub/b.yaml"})
    write(tmp_path / "sub" / "b.yaml", {"based_on": "c.yaml"})
    write(tmp_path / "sub" / "c.yaml", {"based_on": "../sub/b.yaml"})
    with pytest.raises(
        InputError, match=r"c\.yaml: based_on: leads back.*b\.yaml -> .*c\.yaml -> .*b\.yaml\."
    ):
        read_scenario(str(tmp_path / "a.yaml"))
    write(tmp_path / "a.yaml", {"based_on": "a.yaml"})
    with pytest.raises(InputError, match=r"a\.yaml -> .*a\.yaml\. Remove based_on"):
        read_scenario(str(tmp_path / "a.yaml"))
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    write(tmp_path / "a.yaml", {"based_on": "link.yaml"})
    with pytest.raises(InputError, match=r"leads back to where it began"):
        read_scenario(str(tmp_path / "a.yaml"))


def test_a_chain_is_not_longer_than_it_may_be(tmp_path: Path) -> None:
    write(tmp_path / "0.yaml", {"based_on": "reference"})
    for k in range(1, MOST_FILES + 1):
        write(tmp_path / f"{k}.yaml", {"based_on": f"{k - 1}.yaml", "seed": k})
    assert read_scenario(str(tmp_path / f"{MOST_FILES - 1}.yaml"))[0].seed == MOST_FILES - 1
    with pytest.raises(InputError, match=rf"1\.yaml: based_on: is a chain of more than {MOST_FILES} files"):
        read_scenario(str(tmp_path / f"{MOST_FILES}.yaml"))


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("gone.yaml", r"own\.yaml: based_on: .*gone\.yaml does not exist"),
        (".", "is no bundled scenario and no YAML file"),
        ("folder.yaml", "does not exist, or is no file"),
        ("pipe.yaml", "does not exist, or is no file"),
        ("refrence", "is no bundled scenario and no YAML file. Did you mean reference"),
        ("street", "is called lv-feeder now"),
        (["a.yaml"], "is no bundled scenario"),
        (3, "3 is no bundled scenario"),
        ("list.yaml", r"list\.yaml: scenario: is not a mapping"),
        ("code.yaml", r"code\.yaml: .*not valid YAML"),
        ("sweep.yaml", r"sweep\.yaml: scenario: is a key of sweep files"),
        ("\0.yaml", "NUL"),
        ("x" * 5000 + ".yaml", "does not exist"),
    ],
)
def test_what_cannot_be_a_base_is_one_error(tmp_path: Path, base: Any, expected: str) -> None:
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "list.yaml").write_text("[1]\n", encoding="utf-8")
    (tmp_path / "code.yaml").write_text("name: !!python/name:os.system\n", encoding="utf-8")
    (tmp_path / "sweep.yaml").write_text("scenario: reference\n", encoding="utf-8")
    path = write(tmp_path / "own.yaml", {"based_on": base})
    with pytest.raises(InputError, match=expected) as found:
        read_scenario(str(path))
    assert len(str(found.value)) < 3_000
