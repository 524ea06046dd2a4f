"""Folders of strangers that lead elsewhere, and files of one's own where a command would write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tandem_sim.agents.strategies.allowed_code import source_files
from tandem_sim.experiments.run_folder.identity import identity_of
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.experiments.sweeps.sweep import read_sweep
from tandem_sim.grids.documents.text import MOST_BYTES
from tandem_sim.grids.errors import InputError
from tests.experiments.cli.test_cli import refused, tandem
from tests.sim.conftest import small_scenario

Shown = pytest.CaptureFixture[str]
MINE = {
    "sweep.parquet": b"mine",
    "summary.parquet": b"mine",
    "power.json": b'{"mine": 1}',
    "power.parquet": b"mine",
    "power.png": b"mine",
    "comparison.png": b"mine",
    "bid_checks.png": b"mine",
}
"""Files of one's own, which may well be grids or notes, under names that commands use."""


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scenario, a sweep of it, and another folder beside."""
    keys = {"based_on": "reference", "name": "x", "start": "2016-04-18", "strategy": "fixed-markup"}
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    sweep = {"scenario": "scenario.yaml", "seeds": [1, 2], "plots": False}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "sweep": ("sweep", "sweep.yaml", "--out", "out", "--resume"),
    "power": ("power", "scenario.yaml", "--out", "out", "--resume"),
    "run": (
        "run", "scenario.yaml", "--scheme", "common", "--scheme", "central-01", "--out", "out", "--overwrite",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("sweep", "sweep.parquet"),
        ("sweep", "summary.parquet"),
        ("power", "power.json"),
        ("power", "power.parquet"),
        ("power", "power.png"),
        ("run", "comparison.png"),
        ("run", "bid_checks.png"),
    ],
)
def test_a_file_of_ones_own_is_not_replaced(
    command: str, name: str, given: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    mine = given / "out" / name
    mine.write_bytes(MINE[name])
    refused(capsys, tandem(monkeypatch, *COMMANDS[command]), name, "is no earlier result of this command")
    assert [path.name for path in (given / "out").iterdir()] == [name]
    assert mine.read_bytes() == MINE[name]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_inside_that_leads_elsewhere(
    command: str, given: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    names = {"sweep": read_sweep(given / "sweep.yaml")[1].name, "power": "runs", "run": "central-01"}
    (given / "out" / names[command]).symlink_to(given / "elsewhere" / "new")
    code = tandem(monkeypatch, *COMMANDS[command])
    refused(capsys, code, f"{names[command]}: --out: is a symbolic link")
    assert not any((given / "elsewhere").iterdir())


def test_a_folder_where_a_result_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    (tmp_path / ".found.json.tandem-part").mkdir()
    code = tandem(monkeypatch, "clear", "alexander-b", "--scheme", "common", "--out", tmp_path / "found.json")
    refused(capsys, code, ".found.json.tandem-part", "which is a folder")


def test_an_earlier_result_that_is_endless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    for name in ("found.json", "found.csv"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 2**40)  # a hole: takes no room on the disk
    out = tmp_path / "found.json"
    refused(capsys, tandem(monkeypatch, "clear", "alexander-b", "--out", out), "no earlier result")
    refused(capsys, tandem(monkeypatch, "game", "alexander-b", "--json", out), "no earlier result")
    code = tandem(monkeypatch, "envelope", "four_loads_with_branches_out", "--out", tmp_path / "found.csv")
    refused(capsys, code, "no earlier result")


def test_sources_of_code_that_is_not_allowed_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "endless_desk"
    package.mkdir()
    (package / "__init__.py").touch()
    os.mkfifo(package / "pipe.py")
    (package / "zero.py").symlink_to("/dev/zero")
    (package / "folder.py").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert source_files(["endless_desk:Mine"]) == [package / "__init__.py"]


def test_a_grid_of_many_bytes_is_not_read_to_tell_what_a_run_is(tmp_path: Path) -> None:
    (tmp_path / "grid.m").touch()
    os.truncate(tmp_path / "grid.m", 2**40)
    keys = small_scenario().transmission.model_dump() | {"grid": "grid.m"}
    with pytest.raises(InputError, match=f"grid.m: file: has more than {MOST_BYTES} bytes"):
        identity_of(small_scenario(transmission=keys), tmp_path)


def test_names_do_not_change_the_terminal(capsys: Shown) -> None:
    console = terminal()
    console.print("a\x1b[2Jb\u202ec\x07", markup=False)
    assert capsys.readouterr().out == "a\ufffd[2Jb\ufffdc\n"
