"""Checkpoints of strangers: nothing of them is unpickled, whoever made, changed or moved them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.commands import sweep as sweep_command
from tandem_sim.experiments.run_folder.identity import asked_id, identity_of
from tandem_sim.experiments.run_folder.own_files import LOCK
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.experiments.runs.run import OUTPUT, run_scenario
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.runs import events
from tandem_sim.grids.errors import InputError, StaleError
from tandem_sim.sim.checkpoint import MAGIC, NEWEST, SPOOL
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.user_key import VARIABLE, key_file
from tests.experiments.cli.test_cli import SMALL, refused, tandem
from tests.experiments.pools import in_this_process
from tests.experiments.runs.test_resume import KilledError, dying
from tests.sim.conftest import HOURLY, small_scenario

HOW: dict[str, Any] = {"resume": True, "checkpoint_s": 175 * 60, "plots": False}
FIELDS = ("--set", "isp_minutes=60", "--set", "power_flow_check.audit_share=0.0")


class Canary:
    """What a stranger's pickle could do: here it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


def forged(working: Path, canary: Path, parts: dict[str, str], key: bytes) -> None:
    """A working folder with a checkpoint that fits in everything, signed with another's key."""
    working.mkdir(parents=True)
    (working / LOCK).touch()
    (working / SPOOL).touch()
    about = {"identity": parts, "spool": {"length": 0, "digest": hashlib.sha256().hexdigest()}}
    body = json.dumps(about).encode() + b"\n" + pickle.dumps(Canary(canary))
    signature = hmac.new(key, MAGIC + body, hashlib.sha256).hexdigest()
    digest = hashlib.sha256(body).hexdigest()
    (working / NEWEST).write_bytes(MAGIC + f"{signature} {digest}\n".encode() + body)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def _parts() -> dict[str, str]:
    return _parts_of(small_scenario(**HOURLY), None)


def _parts_of(scenario: Scenario, folder: Path | None) -> dict[str, str]:
    output = json.dumps(scenario.output.model_dump(mode="json"))
    return {**identity_of(scenario, folder).parts, "exported ISP": "None", OUTPUT: output}


def test_the_forgery_would_run_code_if_it_bore_the_key_of_the_user(tmp_path: Path, canary: Path) -> None:
    """So that the tests below cannot pass for another reason."""
    with pytest.raises(KilledError):  # any run makes the key
        run_scenario(small_scenario(**HOURLY), None, tmp_path / "any", dying(0), **HOW)
    forged(unfinished_of(tmp_path / "run"), canary, _parts(), key_file().read_bytes())
    with pytest.raises((InputError, TypeError)):
        run_scenario(small_scenario(**HOURLY), None, tmp_path / "run", **HOW)
    assert canary.is_dir()


def test_a_checkpoint_of_another_key_is_refused_unread(tmp_path: Path, canary: Path) -> None:
    working = unfinished_of(tmp_path / "run")
    forged(working, canary, _parts(), b"k" * 32)
    with pytest.raises(StaleError, match="is not of this user's key") as error:
        run_scenario(small_scenario(**HOURLY), None, tmp_path / "run", **HOW)
    assert VARIABLE in error.value.hint
    assert not canary.exists()
    assert (working / NEWEST).is_file()


def test_no_command_unpickles_a_stranger_s_checkpoint(
    tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep_command, "_pool", lambda *given: in_this_process)
    out = tmp_path / "run"
    forged(unfinished_of(out), canary, _parts(), b"k" * 32)
    run = "run", SMALL, *FIELDS, "--out", out, "--no-figures"
    refused(capsys, tandem(monkeypatch, *run), "holds a run that was not finished")
    refused(capsys, tandem(monkeypatch, *run, "--resume"), "signature: is not of this user's key")

    fields = {"isp_minutes": 60, "power_flow_check.audit_share": 0.0}
    scenario, folder = read_scenario(str(SMALL), {**fields, "scheme": "central-01"})
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        json.dumps({"scenario": str(SMALL), "schemes": ["central-01"], "set": fields, "plots": False})
    )
    runs = tmp_path / "sweep"
    working = runs / f"{asked_id(scenario)}.unfinished"
    parts = _parts_of(scenario, folder)
    forged(working, canary, parts, b"k" * 32)
    arguments = "sweep", sweep, "--out", runs, "--workers", 1
    refused(capsys, tandem(monkeypatch, *arguments), "holds runs already", "--resume")
    assert tandem(monkeypatch, *arguments, "--resume") == 0
    told = events(runs / asked_id(scenario))
    assert [event["event"] for event in told] == ["started", "anew", "finished"]
    assert "is not of this user's key" in told[1]["error"]

    power = "power", SMALL, *FIELDS, "--set", "strategy=fixed-markup", "--out", tmp_path / "power"
    shutil.copytree(runs, tmp_path / "power" / "runs")
    capsys.readouterr()
    refused(capsys, tandem(monkeypatch, *power), "holds runs already", "--resume")
    assert not canary.exists()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(KilledError):
        run_scenario(small_scenario(**HOURLY), None, out, dying(8), **HOW)
    return unfinished_of(out)


def test_a_pickle_in_the_place_of_one_s_own_is_refused(begun: Path, tmp_path: Path, canary: Path) -> None:
    """With a new digest, but the old signature: whoever changes a byte cannot sign it."""
    shutil.copytree(begun, tmp_path / begun.name)
    path = tmp_path / begun.name / NEWEST
    magic, seal, header, _ = path.read_bytes().split(b"\n", 3)
    body = header + b"\n" + pickle.dumps(Canary(canary))
    seal = seal.split()[0] + b" " + hashlib.sha256(body).hexdigest().encode()
    path.write_bytes(b"\n".join((magic, seal, body)))
    with pytest.raises(StaleError, match="is not of this user's key"):
        run_scenario(small_scenario(**HOURLY), None, tmp_path / "run", **HOW)
    assert not canary.exists()


def test_a_checkpoint_without_end_is_refused_unread(begun: Path, tmp_path: Path) -> None:
    shutil.copytree(begun, tmp_path / begun.name)
    os.truncate(tmp_path / begun.name / NEWEST, 2**40)  # sparse: it takes no room
    with pytest.raises(StaleError, match="is larger than any"):
        run_scenario(small_scenario(**HOURLY), None, tmp_path / "run", **HOW)


def test_a_run_goes_on_with_its_key_wherever_that_is_and_without_it_begins_anew_if_asked(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    shutil.copytree(begun, tmp_path / begun.name)
    shutil.copy2(key_file(), tmp_path / "carried")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "new"))
    with pytest.raises(StaleError, match="is not of this user's key"):
        run_scenario(small_scenario(**HOURLY), None, out, **HOW)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "carried"))
    seen: list[int] = []
    run_scenario(small_scenario(**HOURLY), None, out, seen.append, **HOW)
    assert seen[0] > 0
    shutil.copytree(begun, unfinished_of(tmp_path / "anew"))
    shutil.move(unfinished_of(tmp_path / "anew"), unfinished_of(tmp_path / "again"))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "new"))
    seen.clear()
    again = {**HOW, "resume": False, "overwrite": True}
    run_scenario(small_scenario(**HOURLY), None, tmp_path / "again", seen.append, **again)
    assert seen[0] == 0


def test_where_no_key_can_be_kept_runs_are_made_without_checkpoints(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "key"))
    with pytest.raises(KilledError):
        run_scenario(small_scenario(**HOURLY), None, tmp_path / "run", dying(8), **HOW)
    assert "no checkpoints are taken, so this run cannot be resumed" in caplog.text
    assert not unfinished_of(tmp_path / "run").exists()
    shutil.copytree(begun, unfinished_of(tmp_path / "run"))
    with pytest.raises(StaleError, match="key of checkpoints: cannot be kept or read"):
        run_scenario(small_scenario(**HOURLY), None, tmp_path / "run", **HOW)
