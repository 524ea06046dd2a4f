"""One process a task: what dies takes nothing else with it, and nothing is lost or done twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tandem_sim.experiments.sweeps import workers as sweep_workers
from tandem_sim.experiments.sweeps.workers import ATTEMPTS, THREADS, Ended, in_processes

TASKS = 80
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server knows this file and not the simulator, so that a process costs next to nothing."""
    monkeypatch.setattr(sweep_workers, "PRELOADED", [__name__])


def _square(task: int) -> int:
    return task * task


def _threads(task: int) -> list[str | None]:
    return [os.environ.get(name) for name in THREADS]


def _ends_badly(task: int) -> int:
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if task == 2:
        os._exit(7)
    if task == 3:
        raise RuntimeError("no answer")
    return task


def _work(folder: Path, task: int) -> int:
    """Tells its process, takes a while, and is done in one step, once, like a run that is moved in place."""
    done, own = folder / f"{task}.done", folder / f"{os.getpid()}.pid"
    if not done.exists():
        own.touch()
        time.sleep(0.05)
        os.link(own, done)  # an error if another process has done it too
    return task


def test_all_tasks_are_answered() -> None:
    ended = list(in_processes(_square, range(5), 2))
    assert sorted((e.task, e.answer, e.death) for e in ended) == [(k, k * k, "") for k in range(5)]
    assert list(in_processes(_square, [], 2)) == []


def test_processes_compute_with_one_thread_each_and_the_one_that_asked_as_before() -> None:
    """In a fresh interpreter: another test may have started the server that processes are forked from."""
    code = (
        "import os\n"
        "from tandem_sim.experiments.sweeps import workers as sweep_workers\n"
        "from tests.experiments.sweeps.test_workers import _threads\n"
        "sweep_workers.PRELOADED = []\n"
        "(found,) = sweep_workers.in_processes(_threads, [0], 1)\n"
        "print(found.answer, _threads(0))"
    )
    threads = dict(zip(THREADS, "234", strict=True))
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | threads,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "['1', '1', '1'] ['2', '3', '4']\n"


def test_a_task_whose_process_dies_is_tried_again_and_then_says_how() -> None:
    ended: dict[int, Ended[int, int]] = {e.task: e for e in in_processes(_ends_badly, range(5), 2)}
    assert [ended[k].answer for k in range(5)] == [0, None, None, None, 4]
    assert ended[1].death == f"killed by signal 9, {ATTEMPTS} times"
    assert ended[2].death == f"ended with exit code 7, {ATTEMPTS} times"
    assert ended[3].death == f"ended with exit code 1, {ATTEMPTS} times"


def test_many_tasks_survive_processes_killed_at_random(tmp_path: Path) -> None:
    over, rng, kills = threading.Event(), random.Random(1), []

    def kill() -> None:
        while not over.wait(rng.expovariate(1 / 0.12)):
            alive = list(tmp_path.glob("*.pid"))
            if alive:
                newest = max(alive, key=lambda path: path.stat().st_mtime_ns)
                try:
                    os.kill(int(newest.stem), signal.SIGKILL)
                    kills.append(newest.stem)
                except ProcessLookupError:
                    pass

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        ended = list(in_processes(partial(_work, tmp_path), range(TASKS), 4))
    finally:
        over.set()
        killer.join()
    assert sorted(e.task for e in ended) == list(range(TASKS))  # every task ends once
    finished = [e.task for e in ended if not e.death]
    assert len(finished) > 0.9 * TASKS  # killed three times in a row is rare
    assert {e.death for e in ended if e.death} <= {f"killed by signal 9, {ATTEMPTS} times"}
    assert len(kills) > 5
    assert {int(path.stem) for path in tmp_path.glob("*.done")} >= set(finished)


def test_giving_up_ends_the_processes(tmp_path: Path) -> None:
    found = in_processes(partial(_slow, tmp_path), [0, 30, 30], 3)
    assert next(found).answer == 0
    pids = _pids(tmp_path, 3)
    found.close()  # type: ignore[attr-defined]
    _gone(pids)


def _slow(folder: Path, seconds: float) -> float:
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(seconds)
    return seconds


def test_processes_end_with_the_one_that_asked_for_them(tmp_path: Path) -> None:
    code = (
        "from functools import partial; from pathlib import Path; import sys\n"
        "from tandem_sim.experiments.sweeps import workers as sweep_workers\n"
        "from tests.experiments.sweeps.test_workers import _slow\n"
        "sweep_workers.PRELOADED = []\n"
        "list(sweep_workers.in_processes(partial(_slow, Path(sys.argv[1])), [60, 60], 2))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT) as parent:
        pids = _pids(tmp_path, 2)
        parent.kill()
    _gone(pids)


def _pids(folder: Path, count: int) -> list[int]:
    """Processes that have told who they are, when there are so many."""
    for _ in range(600):
        found = [int(path.stem) for path in folder.glob("*.pid")]
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{count} processes did not start")


def _gone(pids: list[int]) -> None:
    for _ in range(100):
        if not any(_alive(pid) for pid in pids):
            return
        time.sleep(0.1)
    raise AssertionError("processes are left")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
