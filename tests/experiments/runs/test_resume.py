"""Runs that are killed and go on: the same bytes as if nothing had happened, and nothing lost on the way."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from simpy.exceptions import SimPyException

from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.agents.strategies.strategy import Offers, OfferView, Truthful
from tandem_sim.experiments.run_folder.own_files import LOCK, LOG
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.experiments.runs import run as run_module
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.experiments.sweeps import runs as sweep_runs
from tandem_sim.experiments.sweeps.runs import RunJob, make_run
from tandem_sim.experiments.sweeps.sweep import Point
from tandem_sim.grids.errors import BusyError, InputError, StrategyError
from tandem_sim.sim.checkpoint import BEFORE, NEWEST, SPOOL
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.scenario.scenario import Scenario
from tests.sim.conftest import HOURLY, OWN_CODE, small_scenario

OFTEN_S, SELDOM_S = 42 * 60, 175 * 60
"""Between checkpoints: at all distances from an hour, so that markets are open and lists half negotiated."""


class KilledError(Exception):
    """Stands for the end of a process."""


def contents(out: Path) -> dict[str, str]:
    """Every file of a run, by content, but for the log, which tells when things happened."""
    files = [f for f in sorted(out.rglob("*")) if f.is_file() and f.name != LOG]
    return {str(f.relative_to(out)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def simulate(out: Path, **how: Any) -> None:
    """The small day, hourly, with a checkpoint every 175 minutes, resumed if there is one."""
    given = {"resume": True, "checkpoint_s": SELDOM_S, "plots": False, **how}
    run_scenario(small_scenario(**HOURLY | given.pop("fields", {})), None, out, **given)


def dying(isp: int) -> Callable[[int], None]:
    def on_isp(now: int) -> None:
        if now == isp:
            raise KilledError

    return on_isp


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run gives that nobody disturbs, and that keeps no checkpoint."""
    out = tmp_path_factory.mktemp("whole") / "run"
    simulate(out, resume=False, checkpoint_s=0)
    assert [path.name for path in out.parent.iterdir()] == ["run"]
    return contents(out)


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is left of a run that died in the afternoon."""
    out = tmp_path_factory.mktemp("died") / "run"
    with pytest.raises(KilledError):
        simulate(out, on_isp=dying(15))
    return unfinished_of(out)


@pytest.fixture
def halved(tmp_path: Path, died: Path) -> Path:
    """Where the run that died goes on."""
    shutil.copytree(died, tmp_path / died.name)
    return tmp_path / "run"


def _dies_at_call(out: Path, calls: int, begin: str, how: dict[str, Any]) -> None:
    """A run whose process is killed at the n-th call of any function.

    Calls are counted from the start ("world"), once an ISP is delivered ("isps"), or when tables, key figures
    and figures are written ("end").
    """
    left = calls

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def closing(recorder: Recorder, *given: Any) -> None:
        sys.setprofile(count)
        close(recorder, *given)

    def on_isp(_: int) -> None:
        if begin == "isps":
            sys.setprofile(count)

    close = Recorder.close
    setattr(Recorder, "close", closing)  # noqa: B010 - mypy knows methods as constants; this process ends soon
    if begin == "world":
        sys.setprofile(count)
    simulate(out, checkpoint_s=OFTEN_S, on_isp=on_isp, **how)


def _dies_often(out: Path, kills: Sequence[tuple[str, int]], how: dict[str, Any]) -> None:
    """One attempt after the other, each in a process of its own that finds grids and profiles in memory."""
    simulate(out.with_name("warm"), checkpoint_s=0, **how)
    shutil.rmtree(out.with_name("warm"))
    for begin, n in kills:
        pid = os.fork()
        if pid == 0:
            _dies_at_call(out, n, begin, how)
            os._exit(1)  # it was to be killed
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def _killed_often(out: Path, kills: Sequence[tuple[str, int]], how: dict[str, Any]) -> list[int]:
    """Kill a run as often, and let it end; the ISPs that were still to be delivered then."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tandem_sim.experiments.runs.run", "tests.sim.conftest"])
    process = context.Process(target=_dies_often, args=(out, kills, how))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not out.exists()
    seen: list[int] = []
    simulate(out, checkpoint_s=OFTEN_S, on_isp=seen.append, **how)
    assert [path.name for path in out.parent.iterdir()] == ["run"]
    return seen


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    rng = random.Random(7)
    kills = [(begin, rng.randrange(50_000, 200_000)) for begin in ("world", "isps", "isps", "isps")]
    seen = _killed_often(tmp_path / "run", kills, {})
    assert 0 < seen[0] < 24  # it had come somewhere meanwhile
    assert contents(tmp_path / "run") == whole


@pytest.mark.long(
    "thirty kills in a day of quarter-hours, with messages on their way, figures and a case; the short one "
    "has four in a day of hours"
)
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(tmp_path: Path) -> None:
    fields = {"isp_minutes": 15, "messages": {"latency_s": 2, "spread_s": 400.0, "loss": 0.02}}
    how = {"fields": fields, "plots": True, "export_isp": 90}
    simulate(tmp_path / "whole", checkpoint_s=0, **how)
    rng, run = random.Random(8), tmp_path / "killed" / "run"
    run.parent.mkdir()
    kills = [("world" if k == 0 else "isps", rng.randrange(50_000, 400_000)) for k in range(15)]
    kills += [("end", round(10 ** rng.uniform(3.0, 7.0))) for _ in range(15)]  # of 12 million calls
    seen = _killed_often(run, kills, how)
    assert len(seen) < 96
    assert contents(run) == contents(tmp_path / "whole")


def test_it_goes_on_from_the_newest_checkpoint_and_not_from_the_beginning(
    halved: Path, whole: dict[str, str]
) -> None:
    assert not halved.exists()
    seen: list[int] = []
    simulate(halved, on_isp=seen.append)
    assert seen == list(range(15, 24))  # at 14:35 that of two o'clock has been delivered
    assert contents(halved) == whole


@pytest.mark.parametrize(
    "fields",
    [
        {"scheme": "hybrid"},
        {"scheme": "integrated", "strategy": "q-learning"},
        {
            "scheme": "central-02",
            "grid_prequalification": "static",
            # newcomers are answered at one o'clock, and the register hears of it at noon
            "flexibility_register": {
                "enabled": True,
                "grid_test": True,
                "study": {"newcomers": [{"share": 0.5, "applied": "2016-03-19"}]},
            },
        },
        {"messages": {"latency_s": 2, "spread_s": 400.0, "distribution": "exponential", "loss": 0.02}},
        {
            "scheme": "central-01",
            "messages": {"loss": 0.02},
            "reserve": {"enabled": True, "cycle_s": 20, "delay_s": 60, "step_mw": 1.0, "noise_mw": 8.0},
        },
    ],
)
def test_lists_learners_and_messages_on_their_way_are_kept(tmp_path: Path, fields: dict[str, Any]) -> None:
    simulate(tmp_path / "whole", fields=fields, checkpoint_s=0)
    for isp in (8, 15):  # with checkpoints of 7:42 and 14:42, between two looks at a merit order list
        with pytest.raises(KilledError):
            simulate(tmp_path / "run", fields=fields, checkpoint_s=OFTEN_S, on_isp=dying(isp))
    simulate(tmp_path / "run", fields=fields)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


@pytest.mark.parametrize("stage", ["kpis_of", "plot_run", "manifest"])
def test_a_run_killed_while_it_is_written_up_goes_on_too(
    halved: Path, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def killed(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(run_module, stage, killed)
        with pytest.raises(KilledError):
            simulate(halved, plots=True)
    simulate(halved)
    assert contents(halved) == whole


def test_a_finished_run_is_taken_as_it_is(halved: Path, whole: dict[str, str]) -> None:
    simulate(halved)
    simulate(halved, on_isp=dying(0))
    assert contents(halved) == whole
    with pytest.raises(InputError, match="exists already"):
        simulate(halved, resume=False)
    with pytest.raises(InputError, match="holds a finished run that differs in scenario: seed"):
        simulate(halved, fields={"seed": 8})


def test_results_that_are_being_replaced_are_not_taken_for_the_new_ones(
    halved: Path, whole: dict[str, str]
) -> None:
    working = unfinished_of(halved).rename(halved.with_name("aside"))
    simulate(halved)
    working.rename(unfinished_of(halved))  # as if the second run had begun with --overwrite, and died
    with pytest.raises(InputError, match="exists already"):
        simulate(halved)
    seen: list[int] = []
    simulate(halved, overwrite=True, on_isp=seen.append)
    assert seen[0] == 15
    assert contents(halved) == whole
    assert not unfinished_of(halved).exists()


def test_a_run_killed_between_its_two_last_steps_is_whole_after_all(
    halved: Path, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    halved.mkdir()
    (halved / "manifest.json").write_text('{"world": {}, "run": {}, "provenance": {}}')
    real = Path.rename

    def killed(path: Path, target: Path) -> Path:
        if path.name == "run" and path.parent == unfinished_of(halved):
            raise KilledError
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KilledError):
            simulate(halved, overwrite=True)
    assert not halved.exists()
    simulate(halved)
    assert contents(halved) == whole


def test_checkpoints_serve_though_no_more_are_wanted(halved: Path, whole: dict[str, str]) -> None:
    seen: list[int] = []
    simulate(halved, on_isp=seen.append, checkpoint_s=0)
    assert seen[0] == 15
    assert contents(halved) == whole
    assert not unfinished_of(halved).exists()


def test_what_an_attempt_without_checkpoint_left_is_no_part_of_the_next(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    stale = unfinished_of(tmp_path / "run")
    (stale / "run" / "case").mkdir(parents=True)
    (stale / "run" / "case" / "case.json").write_text("of another ISP")
    (stale / LOCK).touch()
    simulate(tmp_path / "run")
    assert contents(tmp_path / "run") == whole


def test_what_was_not_finished_is_replaced_only_if_asked(halved: Path, whole: dict[str, str]) -> None:
    with pytest.raises(InputError, match="not finished") as refused:
        simulate(halved, resume=False)
    assert "--resume" in refused.value.hint
    simulate(halved, resume=False, overwrite=True)
    assert contents(halved) == whole


def test_a_damaged_checkpoint_is_refused_and_the_one_before_serves(
    halved: Path, whole: dict[str, str]
) -> None:
    newest = unfinished_of(halved) / NEWEST
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with pytest.raises(InputError, match="is damaged") as refused:
        simulate(halved)
    assert refused.value.source == str(newest)
    newest.unlink()
    seen: list[int] = []
    simulate(halved, on_isp=seen.append)
    assert seen[0] == 12  # at 11:40
    assert contents(halved) == whole


@pytest.mark.parametrize("cut", ["short", "changed"])
def test_damaged_rows_are_refused(halved: Path, cut: str) -> None:
    spool = unfinished_of(halved) / SPOOL
    data = bytearray(spool.read_bytes())
    data[1000] ^= 1
    spool.write_bytes(data[:1000] if cut == "short" else data)
    with pytest.raises(InputError, match="are damaged"):
        simulate(halved)
    assert (unfinished_of(halved) / BEFORE).is_file()  # nothing is thrown away


def test_another_scenario_or_other_code_does_not_go_on(halved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError) as refused:
        simulate(halved, fields={"seed": 8})
    assert refused.value.field == "scenario: seed"
    monkeypatch.setattr("tandem_sim.experiments.run_folder.identity._sources", list)
    with pytest.raises(InputError) as refused:
        simulate(halved)
    assert refused.value.field == "code"


def test_two_processes_do_not_work_on_one_run(halved: Path) -> None:
    with FileLock(unfinished_of(halved) / LOCK, preserve_lock_file=True):
        with pytest.raises(BusyError, match="is in use by another process"):
            simulate(halved)
        job = RunJob(
            Point(fields={}, scenario=small_scenario(**HOURLY), folder=None, source="small.yaml"), halved
        )
        assert make_run(job) is None  # not over, and no failure
    assert (unfinished_of(halved) / NEWEST).is_file()
    assert [event["event"] for event in sweep_runs.events(halved)] == ["started"]


def _with_little_room(out: Path, largest: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))  # no file grows beyond, as on a full disk
    try:
        simulate(out)
    except InputError as error:
        (out.parent / "error.txt").write_text(str(error))


def test_a_full_disk_is_one_message_and_loses_nothing(
    halved: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    safe = (unfinished_of(halved) / NEWEST).read_bytes()
    room = (unfinished_of(halved) / SPOOL).stat().st_size + 1_000
    process = multiprocessing.get_context("forkserver").Process(target=_with_little_room, args=(halved, room))
    process.start()
    process.join()
    message = (tmp_path / "error.txt").read_text()
    assert message.startswith(f"{unfinished_of(halved)}: --out: cannot be written")
    assert "--resume" in message
    assert (unfinished_of(halved) / NEWEST).read_bytes() == safe
    simulate(halved)
    assert contents(halved) == whole


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        simulate(tmp_path / "file" / "run")


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        simulate(tmp_path / "a" / "b" / "run", on_isp=dying(1))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_somebody_else_made_is_not_touched(tmp_path: Path) -> None:
    out = tmp_path / "run"
    (tmp_path / "run.unfinished").mkdir()
    (tmp_path / "run.unfinished" / "thesis.txt").write_text("kept")
    for how in ({"resume": True}, {"resume": False}, {"resume": False, "overwrite": True}):
        with pytest.raises(InputError, match="is not Tandem's"):
            simulate(out, **how)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "manifest.json").write_text('{"name": "a web application"}')
    for how in ({"resume": True}, {"resume": False, "overwrite": True}):
        with pytest.raises(InputError, match="exists already"):
            simulate(tmp_path / "site", **how)
    kept = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*") if p.is_file())
    assert kept == ["run.unfinished/thesis.txt", "site/manifest.json"]


def test_a_strategy_that_has_changed_does_not_go_on(halved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tandem_sim.experiments.run_folder.identity._code_sources",
        lambda scenario: {"source of mine:Mine": "new"},
    )
    with pytest.raises(InputError) as refused:
        simulate(halved)
    assert refused.value.field == "source of mine:Mine"


def test_a_strategy_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    allowed = AllowedCode.of(["nowhere"])
    for name in ("nowhere:Class", "nowhere.at_all:Class", ":Class"):
        with pytest.raises(InputError, match="cannot be imported"):
            simulate(tmp_path / "run", fields={"strategy": name}, allowed=allowed)
    assert list(tmp_path.iterdir()) == []


class Stuck(Truthful):
    """Does not come to an end in the afternoon, until somebody sets it free."""

    free = False

    def offers(self, view: OfferView) -> Offers:
        """The truth, in the end."""
        while view.isp == 16 and not Stuck.free:
            with suppress(Exception):
                time.sleep(0.01)
        return super().offers(view)


def test_a_strategy_that_never_returns_is_stopped_and_the_run_goes_on_with_a_longer_limit(
    tmp_path: Path, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is done about faults: how long code takes depends on the machine, and no result may."""
    fields = {"strategy": f"{__name__}:Stuck", "strategy_fault": "truthful", "strategy_limit_s": 0.3}
    monkeypatch.setattr(Stuck, "free", False)
    with pytest.raises((StrategyError, SimPyException)) as stopped:
        simulate(tmp_path / "run", fields=fields, allowed=OWN_CODE)
    told = str(stopped.value)
    assert told.startswith("strategy Stuck of "), told
    assert "ISP 16: offers takes more than 0.3 s. Raise strategy_limit_s" in told
    monkeypatch.setattr(Stuck, "free", True)
    seen: list[int] = []
    longer = {**fields, "strategy_limit_s": 30.0}
    simulate(tmp_path / "run", fields=longer, allowed=OWN_CODE, on_isp=seen.append)
    assert seen[0] > 0
    tables = {name: digest for name, digest in whole.items() if name.endswith(".parquet")}
    assert tables.items() <= contents(tmp_path / "run").items()


class Secretive(Truthful):
    """A strategy with something that cannot be kept."""

    def __init__(self) -> None:
        self.taste = lambda: time.time()


def test_a_strategy_that_cannot_be_kept_is_named_and_runs_without_checkpoints(tmp_path: Path) -> None:
    fields = {"strategy": f"{__name__}:Secretive"}
    with pytest.raises(InputError, match="no checkpoint can keep") as refused:
        simulate(tmp_path / "run", fields=fields, allowed=OWN_CODE)
    assert "--checkpoint-days 0" in refused.value.hint
    simulate(tmp_path / "run", fields=fields, checkpoint_s=0, allowed=OWN_CODE)
    shutil.rmtree(tmp_path / "run")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_sweep_goes_on_with_a_run_that_was_begun_if_its_checkpoint_serves(
    halved: Path, whole: dict[str, str], damaged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if damaged:
        (unfinished_of(halved) / NEWEST).write_bytes(b"")
    seen: list[int] = []

    def watched(scenario: Scenario, folder: Path | None, out: Path, **how: Any) -> dict[str, Any]:
        return run_scenario(scenario, folder, out, seen.append, **how)

    monkeypatch.setattr(sweep_runs, "run_scenario", watched)
    found = make_run(
        RunJob(
            Point(
                fields={}, scenario=small_scenario(**HOURLY), folder=None, source="small.yaml", plots=False
            ),
            halved,
        )
    )
    assert found is not None
    assert found["error"] == ""
    assert seen[0] == (0 if damaged else 15)
    assert contents(halved) == whole
