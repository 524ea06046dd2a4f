"""Progress where there is no terminal: what the lines say, how often, and that they can be silenced."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tandem_sim.experiments.runs import progress
from tandem_sim.experiments.runs.progress import ProgressLines, waiting
from tests.experiments.cli.test_cli import SMALL, tandem
from tests.sim.conftest import HOURLY, small_scenario


def test_a_line_comes_every_half_minute_with_the_time_left() -> None:
    """An ISP takes 10 s: when 3 of 24 are done, 21 are left, 210 s."""
    seconds, lines = [0.0], list[str]()
    scenario = small_scenario(**HOURLY, days=1)
    told = ProgressLines(scenario, lines.append, lambda: seconds[0])
    for isp in range(24):
        seconds[0] = 10.0 * (isp + 1)
        told.on_isp(isp)
    start = scenario.start
    assert len(lines) == 8
    assert lines[0].startswith(f"{scenario.scheme}: simulated {start:%a %d %b %Y} 02:00, 3 of 24 ISPs, ")
    assert lines[0].endswith("0:03:30 left")
    assert [line.rpartition(", ")[2] for line in lines[1:3]] == ["0:03:00 left", "0:02:30 left"]
    for done in range(1, 5):
        seconds[0] += 20.0
        told.on_step("writing tables", done, 4)
    told.on_step("drawing figures", 0, 8)
    seconds[0] += 30.0
    told.on_step("drawing figures", 2, 8)
    assert [line.partition(": ")[2] for line in lines[8:]] == [
        "writing tables, 50 %",
        "writing tables, 100 %",
        "drawing figures, 25 %",
    ]


def test_a_resumed_run_counts_from_where_it_goes_on() -> None:
    seconds, lines = [0.0], list[str]()
    told = ProgressLines(small_scenario(**HOURLY, days=1), lines.append, lambda: seconds[0])
    for isp in (20, 21):
        seconds[0] += 40.0
        told.on_isp(isp)
    assert lines[0].endswith("21 of 24 ISPs")
    assert lines[1].endswith("22 of 24 ISPs, 0:01:20 left")


def test_a_piped_run_tells_on_standard_error_and_quiet_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "TELL_EVERY_S", 0.0)
    given = ["run", SMALL, "--days", "1", "--set", "isp_minutes=60", "--set", "population.sustain_isps=1"]
    assert tandem(monkeypatch, *given, "--out", tmp_path / "one") == 0
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert sum("simulated" in line for line in lines) == 24
    steps = ("writing tables", "checking tables", "computing key figures", "drawing figures")
    at = [next(k for k, line in enumerate(lines) if step in line) for step in steps]
    assert at == sorted(at)
    assert at[0] == 24
    assert "simulated" not in shown.out
    assert tandem(monkeypatch, *given, "--no-figures", "-q", "--out", tmp_path / "other") == 0
    assert capsys.readouterr() == ("", "")
    one, other = ((tmp_path / name / "grid.parquet").read_bytes() for name in ("one", "other"))
    assert one == other


def test_a_step_that_says_nothing_is_told_until_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("m: building the model", every_s=0.01) as built:
        time.sleep(0.3)
        built()
        time.sleep(0.1)
        told = capsys.readouterr().err.splitlines()
        assert told
        assert all(line.startswith("m: building the model, since 0:00:0") for line in told)
        time.sleep(0.1)
        assert capsys.readouterr().err == ""  # over
    with waiting("m: building the model", told=False, every_s=0.01):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
