"""Tasks on a Dask cluster of two processes: killed workers, and clusters that cannot serve."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster

from tandem_sim.experiments.sweeps import dask as sweep_dask
from tandem_sim.experiments.sweeps.dask import on_dask
from tandem_sim.grids.errors import InputError


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Whoever calls a worker that has just been killed gives up after two seconds, not thirty."""
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as started,
    ):
        yield started


def _work(folder: Path, task: int) -> int:
    """Task 3 kills its worker once, task 5 always, 6 fails; each that is done says so once."""
    started = folder / f"{task}.started"
    if task == 5 or (task == 3 and not started.exists()):
        started.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if task == 6:
        raise RuntimeError("no answer")
    done = folder / f"{task}.done"
    if not done.exists():
        time.sleep(0.05)
        with done.open("a", encoding="utf-8") as file:
            file.write("done\n")
    return task * task


def test_tasks_survive_a_killed_worker(cluster: LocalCluster, tmp_path: Path) -> None:
    address = cluster.scheduler_address
    ended = list(on_dask(partial(_work, tmp_path), range(12), address, tmp_path))
    assert sorted(e.task for e in ended) == list(range(12))
    died = {e.task: e.death for e in ended if e.death}
    assert died[5] == "its Dask workers ended, 4 times"
    assert died[6] == "RuntimeError on its Dask worker: no answer"
    assert 3 not in died
    for e in ended:
        if not e.death:
            assert e.answer == e.task**2
            assert (tmp_path / f"{e.task}.done").read_text(encoding="utf-8") == "done\n"
    assert not list(tmp_path.glob(".seen-*"))


def test_workers_must_see_the_folder_and_have_the_same_version(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cluster.scheduler_address
    monkeypatch.setattr(sweep_dask, "_seen", _blind)
    with pytest.raises(InputError, match="cannot write to this folder"):
        next(on_dask(abs, [1], address, tmp_path))
    monkeypatch.setattr(sweep_dask, "version", lambda name: "99")
    with pytest.raises(InputError, match="not 99"):
        next(on_dask(abs, [1], address, tmp_path))


def _blind(file: str) -> tuple[str, bool]:
    return version("tandem-sim"), False


def test_a_cluster_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_dask, "TIMEOUT_S", 0.2)
    for address in ("tcp://127.0.0.1:1", "nonsense:x:y", "127.0.0.1"):
        with pytest.raises(InputError, match="no Dask scheduler answers") as found:
            next(on_dask(abs, [1], address, tmp_path))
        assert (found.value.source, found.value.field) == (address, "--dask")
