"""Which tables a run writes is no part of its identity, but a run goes on with what it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.api import load
from tandem_sim.experiments.commands.explain import show
from tandem_sim.experiments.figures.figures import plot_comparison
from tandem_sim.experiments.run_folder.identity import asked_id, identity_of
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import InputError, StaleError
from tandem_sim.sim.output.tables import UNNEEDED
from tests.experiments.runs.test_resume import SELDOM_S, KilledError, dying
from tests.sim.conftest import HOURLY, small_scenario

HOW: dict[str, Any] = {"plots": False, "checkpoint_s": SELDOM_S}
THIN: dict[str, Any] = {**HOURLY, "output.every_isps": 3}


def test_output_is_no_part_of_an_identity() -> None:
    one, other = small_scenario(**HOURLY), small_scenario(**THIN)
    assert identity_of(one, None) == identity_of(other, None)
    assert asked_id(one) == asked_id(other)


def test_a_run_goes_on_with_the_tables_it_began_with(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    run_scenario(small_scenario(**THIN), None, whole, **HOW)
    with pytest.raises(KilledError):
        run_scenario(small_scenario(**THIN), None, out, dying(15), **HOW)
    with pytest.raises(StaleError, match="scenario: output: are not those that the run was started with"):
        run_scenario(small_scenario(**HOURLY), None, out, resume=True, **HOW)
    run_scenario(small_scenario(**THIN), None, out, resume=True, **HOW)
    for path in whole.glob("*.parquet"):
        assert path.read_bytes() == (out / path.name).read_bytes(), path.name
    with pytest.raises(InputError, match="holds a finished run that differs in scenario: output"):
        run_scenario(small_scenario(**HOURLY), None, out, resume=True, **HOW)
    before = (out / "manifest.json").stat().st_mtime_ns
    run_scenario(small_scenario(**THIN), None, out, resume=True, **HOW)
    assert (out / "manifest.json").stat().st_mtime_ns == before
    run_scenario(small_scenario(**HOURLY), None, out, resume=True, overwrite=True, **HOW)
    assert len(load(out)["bus_voltage"]) == 3 * len(load(whole)["bus_voltage"])


def test_all_that_reads_tables_does_without_those_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = small_scenario(**HOURLY, **{"output.leave_out": list(reversed(UNNEEDED))})
    assert scenario.output.leave_out == sorted(UNNEEDED)
    folders = {}
    for scheme in ("multilevel-03", "central-01"):
        folders[scheme] = tmp_path / scheme
        given = scenario.model_copy(update={"scheme": scheme})
        run_scenario(given, None, folders[scheme], checkpoint_s=0)
    plot_comparison(folders, scenario.zone, tmp_path)
    assert (tmp_path / "comparison.png").is_file()
    run = load(folders["multilevel-03"])
    assert not set(run.tables) & set(UNNEEDED)
    assert run.kpis["isps"] == 24
    show(str(run.folder), "19", None)
    assert "G1.up.0" in capsys.readouterr().out
    with pytest.raises(KeyError, match=r"The run left it out \(output.leave_out\)"):
        run["devices"]
