"""What Tandem removes, replaces and trusts: its own files alone, whoever made the folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem_sim.experiments.run_folder.own_files import LOCK, run_fault, working_fault
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.checkpoint import NEWEST, SPOOL
from tests.experiments.cli.test_cli import SMALL, refused, tandem
from tests.sim.conftest import HOURLY, small_scenario

Shown = pytest.CaptureFixture[str]


def simulate(out: Path, *, overwrite: bool = True, resume: bool = False) -> None:
    scenario = small_scenario(**HOURLY)
    run_scenario(scenario, None, out, plots=False, overwrite=overwrite, resume=resume, checkpoint_s=0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that a run may write: figures, and the market of an ISP."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run_scenario(small_scenario(**HOURLY), None, out, export_isp=3)
    return out


def test_every_file_that_a_run_writes_is_on_the_list(finished: Path) -> None:
    assert run_fault(finished) == ""
    assert len(list(finished.rglob("*"))) > 40
    for without_orders in ("notes.txt", "figures/mine.png", "case/thesis.docx", "more/kpis.json"):
        (finished / without_orders).parent.mkdir(exist_ok=True)
        (finished / without_orders).write_text("mine")
        assert run_fault(finished).startswith(
            f"holds {without_orders.removesuffix('/kpis.json')}, which was not"
        )
        (finished / without_orders).unlink()
    (finished / "more").rmdir()


def test_a_run_that_holds_a_file_of_somebody_else_is_not_replaced(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "figures" / "thesis.txt").write_text("three years of work")
    before = sorted(out.rglob("*"))
    with pytest.raises(InputError, match=r"holds figures/thesis.txt, which was not written by Tandem"):
        simulate(out)
    assert sorted(out.rglob("*")) == before
    (out / "figures" / "thesis.txt").unlink()
    simulate(out)
    assert not (out / "figures").exists()


def test_one_run_and_several_do_not_share_a_folder(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = sorted(tmp_path.rglob("*"))
    two = "--scheme", "common", "--scheme", "central-01"
    code = tandem(monkeypatch, "run", SMALL, *two, "--out", out, "--overwrite")
    refused(capsys, code, "is a finished run, and no folder for several")
    code = tandem(monkeypatch, "run", SMALL, "--out", tmp_path, "--overwrite")
    refused(capsys, code, "exists already. It is no finished run, so it is not replaced")
    assert sorted(tmp_path.rglob("*")) == before


def _with_documents(working: Path, _: Path) -> str:
    (working / "documents").mkdir()
    (working / "documents" / "thesis.txt").write_text("mine")
    return "holds documents, which was not made by Tandem"


def _through_a_link(working: Path, target: Path) -> str:
    working.rename(target / "elsewhere")
    working.symlink_to(target / "elsewhere")
    return "is a symbolic link"


def _spool_is_a_link(working: Path, target: Path) -> str:
    (target / "precious").write_text("mine")
    (working / SPOOL).symlink_to(target / "precious")
    return f"holds {SPOOL}, which is a symbolic link"


def _lock_is_a_link(working: Path, target: Path) -> str:
    (target / "precious").write_text("mine")
    (working / LOCK).unlink()
    (working / LOCK).symlink_to(target / "precious")
    return f"holds {LOCK}, which is a symbolic link"


def _second_name(working: Path, target: Path) -> str:
    (target / "precious").write_text("mine")
    os.link(target / "precious", working / NEWEST)
    return f"holds {NEWEST}, which is a second name of another file"


def _pipe(working: Path, _: Path) -> str:
    os.mkfifo(working / NEWEST)
    return f"holds {NEWEST}, which is no file"


def _run_is_a_link(working: Path, target: Path) -> str:
    (working / "run").symlink_to(target)
    return "holds run, which was not written by Tandem"


def _everybody_may_write(working: Path, _: Path) -> str:
    working.chmod(0o777)
    return "can be changed by everybody"


@pytest.mark.parametrize(
    "spoil",
    [
        _with_documents,
        _through_a_link,
        _spool_is_a_link,
        _lock_is_a_link,
        _second_name,
        _pipe,
        _run_is_a_link,
        _everybody_may_write,
    ],
)
@pytest.mark.parametrize("how", ["--resume", "--overwrite"])
def test_a_working_folder_of_somebody_else_is_left_as_it_is(
    spoil: Callable[[Path, Path], str], how: str, tmp_path: Path
) -> None:
    out, target = tmp_path / "run", tmp_path / "target"
    working = unfinished_of(out)
    working.mkdir()
    target.mkdir()
    (working / LOCK).touch()
    expected = spoil(working, target)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="is the working folder of this run, and is not Tandem's") as error:
        simulate(out, overwrite=how == "--overwrite", resume=how == "--resume")
    assert expected in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before
    precious = target / "precious"
    assert not precious.exists() or precious.read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_files_of_another_user_are_not_trusted(tmp_path: Path) -> None:
    working = unfinished_of(tmp_path / "run")
    working.mkdir()
    (working / LOCK).touch()
    os.chown(working / LOCK, 12345, 12345)
    assert working_fault(working) == "holds lock, which belongs to another user"
    os.chown(working, 12345, 12345)
    assert working_fault(working) == "belongs to another user"


@pytest.mark.parametrize("name", ["case.json", "bids.csv", "D1.json"])
@pytest.mark.parametrize("command", [("clear", "--out"), ("game", "--json"), ("clear", "--figure")])
def test_no_command_writes_over_what_it_reads(
    command: tuple[str, str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    case = tmp_path / "case"
    shutil.copytree(case_path("alexander-a"), case)
    before = {path: path.read_bytes() for path in case.iterdir()}
    (tmp_path / "link.json").symlink_to(case / name)
    for target in (case / name, tmp_path / "link.json"):
        code = tandem(monkeypatch, command[0], case, "--scheme", "common", command[1], target)
        refused(capsys, code, str(target), command[1])
    assert {path: path.read_bytes() for path in case.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "link.json"]


def test_an_earlier_result_is_replaced_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    out = tmp_path / "result.json"
    for _ in range(2):
        assert tandem(monkeypatch, "clear", "alexander-a", "--scheme", "common", "--out", out) == 0
    first = out.read_bytes()
    capsys.readouterr()
    refused(capsys, tandem(monkeypatch, "game", "alexander-a", "--json", out), "is no earlier result")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    assert tandem(monkeypatch, "clear", "alexander-a", "--scheme", "common", "--out", tmp_path / "empty") == 0
    capsys.readouterr()
    code = tandem(monkeypatch, "clear", "alexander-a", "--out", tmp_path / "pipe")
    refused(capsys, code, "is a device")
    assert (tmp_path / "empty").read_bytes()[:20] == first[:20]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "pipe", "result.json"]
