"""What a script imports: examples of docstrings run, and a run folder reads back as it was written."""

from __future__ import annotations

import doctest
import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer

import tandem_sim as tandem
from tandem_sim.experiments.cli import app

README = Path(__file__).parents[2] / "README.md"
SMALL = Path(__file__).parents[1] / "sim" / "small.yaml"
HOURLY = {"isp_minutes": 60, "population.sustain_isps": 1}


@pytest.mark.parametrize(
    "module",
    [
        "agents.strategies.strategy",
        "experiments.api",
        "experiments.comparing.compare",
        "experiments.environments.api",
        "experiments.environments.sellers_env",
        "experiments.run_folder.so_far",
        "experiments.runs.bundled",
        "grids.documents.text",
        "grids.errors",
        "markets.cases.clear",
        "markets.coordination.block",
        "sim.scenario.scenario",
        "testing",
    ],
)
def test_examples_of_docstrings_run(module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    tried = doctest.testmod(
        import_module(f"tandem_sim.{module}"), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert tried.attempted
    assert not tried.failed


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    seen: list[int] = []
    run = tandem.run(SMALL, tmp_path / "run", days=1, seed=3, changes=HOURLY, on_isp=seen.append)
    assert seen == list(range(24))
    assert run.scenario == tandem.read_scenario(SMALL, {"days": 1, "seed": 3, **HOURLY})
    assert run.kpis == json.loads((tmp_path / "run" / "kpis.json").read_text(encoding="utf-8"))
    assert set(run.tables) == {path.stem for path in (tmp_path / "run").glob("*.parquet")}
    pd.testing.assert_frame_equal(run["grid"], pd.read_parquet(tmp_path / "run" / "grid.parquet"))
    assert run.manifest["seed"] == 3
    assert not (tmp_path / "run" / "figures").exists()
    log = (tmp_path / "run" / "run.log").read_text(encoding="utf-8")
    assert "24 ISPs" in log
    assert "24 of 24 ISPs" in log
    with pytest.raises(KeyError, match="Did you mean grid"):
        run["grids"]
    with pytest.raises(tandem.InputError, match="exists already"):
        tandem.run(SMALL, tmp_path / "run", days=1)
    assert tandem.run(SMALL, tmp_path / "run", days=1, seed=3, changes=HOURLY, resume=True) == run
    with pytest.raises(tandem.InputError, match="Load one of its runs: run"):
        tandem.load(tmp_path)
    with pytest.raises(tandem.InputError, match="does not exist"):
        tandem.load(tmp_path / "nowhere")


def test_a_scenario_is_changed_by_field_path_and_checked() -> None:
    scenario = tandem.read_scenario(SMALL)
    changed = tandem.read_scenario(scenario, {"dso.offset": "linear", "seed": 9})
    assert (changed.dso.offset, changed.seed, changed.households) == ("linear", 9, scenario.households)
    assert scenario.seed != 9
    with pytest.raises(tandem.InputError, match=r"dso\.ofset: is an unknown key \(did you mean offset\?\)"):
        tandem.read_scenario(scenario, {"dso.ofset": "linear"})
    keys: dict[str, Any] = {"based_on": "reference", "days": 3}
    assert tandem.read_scenario(keys).days == 3
    assert keys == {"based_on": "reference", "days": 3}


def test_a_clearing_holds_what_each_scheme_did_and_measures_against_the_common_market() -> None:
    cleared = tandem.clear("alexander-a", ["central-01", "multilevel-03"])
    answers = json.loads(
        (Path(__file__).parents[1] / "markets" / "expected" / "alexander-a.json").read_text(encoding="utf-8")
    )
    table = cleared.table()
    assert table.index.tolist() == ["central-01", "multilevel-03"]
    for scheme in table.index:
        expected = answers[scheme]
        assert table.cost_eur_per_h[scheme] == pytest.approx(expected["cost_eur_per_h"], rel=1e-4)
        assert table.inefficiency_pct[scheme] == pytest.approx(expected["inefficiency_pct"], abs=0.01)
        assert cleared[scheme].linear.lines == expected["congested_lines"]
    with pytest.raises(tandem.InputError, match="Did you mean common"):
        tandem.clear("alexander-a", "comon")
    with pytest.raises(tandem.InputError, match="is no step"):
        tandem.clear("alexander-a", "aggregation", aggregation_step_mw=0.0)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


def test_every_command_of_the_readme_is_one() -> None:
    """Each line is taken apart as the shell and the command would; what it does is for those who run it."""
    commands: Any = typer.main.get_command(app)
    lines = [
        line for block in _blocks("console") for line in block.splitlines() if line.startswith("tandem ")
    ]
    assert len(lines) > 20
    for line in lines:
        _, *words = shlex.split(line.partition(">")[0], comments=True)
        if words == ["--install-completion"]:
            continue
        name, *arguments = words
        commands.commands[name].make_context(name, arguments)


@pytest.mark.long(
    "simulates two days of reference as the README does; the same calls are tested on a small one"
)
def test_the_script_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (script,) = _blocks("python")[:1]
    assert "import tandem_sim as tandem" in script
    exec(compile(script, "README.md", "exec"), {})
