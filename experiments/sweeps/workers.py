"""Tasks in processes of their own: one process per task, so that one that is killed affects no other.

Processes are forked from a server that has imported everything once ("forkserver"; where that is not
available each process imports for itself, "spawn"), and release all their memory when they end. Each computes
with one thread, because there is one process per core, and ends when the parent process ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from types import MappingProxyType
from typing import Generic, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

NOTHING: Mapping[str, str] = MappingProxyType({})
ATTEMPTS = 3
"""Most attempts for a task whose process ends without a result."""
PRELOADED = ["tandem_sim.experiments.runs.run", "tandem_sim.experiments.sweeps.preload"]
"""Imported once, by the server that processes are forked from."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by numerical libraries when they are first imported."""
SAFE_PATH = "PYTHONSAFEPATH"
"""With it, new Python processes import no module from the current folder, which may hold files of others.
They get the module search path of the parent process."""


@dataclass(frozen=True)
class Ended(Generic[T, R]):
    """A task that has ended: its result `answer`, or the reason in `death` if there is none."""

    task: T
    answer: R | None
    death: str = ""


@dataclass(frozen=True)
class _Attempt(Generic[T]):
    """A process with its task, and how earlier processes of the task ended."""

    task: T
    deaths: list[str]
    process: BaseProcess


def in_processes(
    work: Callable[[T], R], tasks: Sequence[T], workers: int, environment: Mapping[str, str] = NOTHING
) -> Iterator[Ended[T, R]]:
    """Do `work` on every task, each in a process of its own, at most `workers` at a time; yields as they end.

    `work`, tasks and results must be picklable. `environment` is added to the environment of the processes
    and of their server. If a process ends without a result, killed or by an error outside of `work`, the task
    is repeated, up to `ATTEMPTS`; then it ends with a message. If the iteration stops, running processes are
    killed.
    """
    context = _context()
    waiting: deque[tuple[T, list[str]]] = deque((task, []) for task in tasks)
    running: dict[Connection, _Attempt[T]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task, deaths = waiting.popleft()
                ear, process = _started(context, work, task, environment)
                running[ear] = _Attempt(task, deaths, process)
            for ear in cast("list[Connection]", wait(list(running))):
                attempt = running.pop(ear)
                try:
                    answer: R = ear.recv()
                except (EOFError, OSError):  # the process ended, possibly while sending its result
                    attempt.deaths.append(_death(attempt.process))
                    if len(attempt.deaths) < ATTEMPTS:
                        waiting.appendleft((attempt.task, attempt.deaths))
                    else:
                        yield Ended(attempt.task, None, _told(attempt.deaths))
                else:
                    _end(attempt.process)
                    yield Ended(attempt.task, answer)
                finally:
                    ear.close()
    finally:
        for attempt in running.values():
            _end(attempt.process)


def _context() -> ForkServerContext | SpawnContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _started(
    context: ForkServerContext | SpawnContext,
    work: Callable[[T], R],
    task: T,
    environment: Mapping[str, str],
) -> tuple[Connection, BaseProcess]:
    """A process that has started with a task, and the end of the pipe for its result."""
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(work, task, mouth))
    with _environment({**dict.fromkeys(THREADS, "1"), SAFE_PATH: "1", **environment}):
        try:
            process.start()
        except (EOFError, OSError):
            pass  # killed before it received its task: its pipe ends without a result
        finally:
            mouth.close()
    return ear, process


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started in this context, and for their server.

    A server that was started earlier in this interpreter keeps its environment.
    """
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _answer(work: Callable[[T], R], task: T, mouth: Connection) -> None:
    """Main function of a process."""
    for name in ("SIGINT", "SIGHUP"):  # Ctrl-C and a closed terminal reach all; the parent process reacts
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    mouth.send(work(task))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _end(process: BaseProcess) -> None:
    """End a process that is no longer needed."""
    if process.pid is not None:
        process.kill()
        process.join()


def _death(process: BaseProcess) -> str:
    """How a process ended."""
    if process.pid is None:
        return "did not start"
    process.join()
    code = process.exitcode
    assert code is not None
    return f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _told(deaths: Sequence[str]) -> str:
    """How the processes ended, in one line: "killed by signal 9, 3 times"."""
    return "; ".join(f"{how}, {times} times" if times > 1 else how for how, times in Counter(deaths).items())
