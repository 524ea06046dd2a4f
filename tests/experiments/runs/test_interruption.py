"""Signals that ask a run to end: it is left so that one command goes on, and ends with the same bytes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.cli.app import how_to_go_on
from tandem_sim.experiments.commands import run as run_command
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.sim.clock.interruption import Interrupted, handled_signals, requested_end, signals_deferred
from tests.experiments.cli.test_cli import SMALL, tandem
from tests.experiments.runs.test_resume import contents

HOURLY = ("--set", "isp_minutes=60", "--set", "power_flow_check.audit_share=0.0", "--no-figures")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        assert tandem(patch, "run", SMALL, *HOURLY, "--out", out) == 0
    return contents(out)


def _signalled(patch: pytest.MonkeyPatch, number: int, isp: int, seen: list[int]) -> None:
    """Runs of the command line get a signal when an ISP is delivered, in the midst of its second."""

    def run(*given: Any, **how: Any) -> dict[str, Any]:
        scenario, folder, out, _ = given

        def on_isp(now: int) -> None:
            seen.append(now)
            if now == isp:
                os.kill(os.getpid(), number)

        return run_scenario(scenario, folder, out, on_isp, **how)

    patch.setattr(run_command, "run_scenario", run)


@pytest.mark.parametrize(("number", "isp"), list(zip(SIGNALS, (0, 13, 23), strict=True)))
def test_a_signal_ends_a_run_between_two_isps_and_the_command_it_prints_goes_on(
    number: signal.Signals,
    isp: int,
    tmp_path: Path,
    whole: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, seen = tmp_path / "run", list[int]()
    before = [signal.getsignal(n) for n in SIGNALS]
    with monkeypatch.context() as patch:
        _signalled(patch, number, isp, seen)
        code = tandem(patch, "run", SMALL, *HOURLY, "--out", out, "--quiet")
    assert code == 128 + number
    assert [signal.getsignal(n) for n in SIGNALS] == before
    told = capsys.readouterr().err
    assert told.startswith(f"tandem: ended by {number.name}. What is safe is kept; go on with: tandem run ")
    assert seen[-1] == isp
    assert not out.exists()
    again: list[int] = []
    _signalled(monkeypatch, number, -1, again)
    command = shlex.split(told.partition("go on with: ")[2])
    assert tandem(monkeypatch, *command[1:]) == 0
    assert again[:1] == ([isp + 1] if isp < 23 else [])  # nothing of what was delivered is simulated again
    assert contents(out) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def _end_oneself(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


def test_the_second_signal_ends_a_run_at_once() -> None:
    with handled_signals(), signals_deferred():
        _end_oneself(signal.SIGINT)
        assert str(requested_end()) == "SIGINT"
        with pytest.raises(Interrupted, match="SIGTERM"):
            _end_oneself(signal.SIGTERM)
    assert requested_end() is None


def test_outside_of_a_simulation_a_signal_ends_at_once() -> None:
    with handled_signals(), pytest.raises(Interrupted, match="SIGHUP"):
        _end_oneself(signal.SIGHUP)


def test_a_signal_that_is_ignored_stays_so() -> None:
    """``nohup`` (POSIX) starts a command with SIGHUP ignored, and it must go on when the terminal is gone."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["/usr/bin/tandem", "run", "my file.yaml"], "go on with: tandem run 'my file.yaml' --resume"),
        (["x/tandem_sim/__main__.py", "run", "a"], "go on with: python -m tandem_sim run a --resume"),
        (["tandem", "run", "a", "--overwrite", "--resume"], "go on with: tandem run a --overwrite --resume"),
        (["tandem", "power", "a"], "go on with: tandem power a --resume"),
        (["tandem", "clear", "a"], "Nothing was left half-written."),
        (["tandem"], "Nothing was left half-written."),
    ],
)
def test_the_command_that_goes_on(arguments: list[str], told: str) -> None:
    assert how_to_go_on(arguments).endswith(told)


def _when(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not there():
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(
            pytest.param(n, marks=pytest.mark.long("the same path by the other signals"))
            for n in (signal.SIGINT, signal.SIGHUP)
        ),
    ],
)
def test_a_process_of_its_own_that_gets_a_signal_goes_on(
    number: signal.Signals, tmp_path: Path, whole: dict[str, str]
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tandem_sim", "run", str(SMALL), *HOURLY, "--out", str(out)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # whoever runs the tests may ignore it
    )
    spool = unfinished_of(out) / "tables.spool"
    _when(lambda: spool.is_file() and spool.stat().st_size == 0, process)  # the world is being built
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number, told
    assert "go on with: python -m tandem_sim run" in told
    assert "Traceback" not in told
    again = shlex.split(told.partition("go on with: ")[2])
    subprocess.run([sys.executable, *again[1:]], check=True, capture_output=True, timeout=120)
    assert contents(out) == whole
