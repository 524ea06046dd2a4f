"""Runs of a sweep on a Dask cluster. Needs the extra ``dask`` (``pip install 'tandem-sim[dask]'``)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from distributed import Client, Future, KilledWorker, as_completed

from tandem_sim.experiments.sweeps.workers import Ended
from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

TIMEOUT_S = 10.0
"""Seconds that a scheduler may take to answer, and again until it has a worker."""


def on_dask(work: Callable[[T], R], tasks: Sequence[T], address: str, shared: Path) -> Iterator[Ended[T, R]]:
    """Do `work` on every task, on the workers of the scheduler at `address`; yields results as they end.

    `work` is called again if a worker ends without its result, so it must check what is done already. If
    several workers end with the same task, Dask stops trying, and the task ends with a message. Raises
    `InputError` if the cluster cannot be reached, if a worker does not see the folder `shared` or has another
    version of Tandem, and if the cluster is lost during the work.
    """
    with _client(address) as client:
        _check_workers(client, address, shared)
        futures = [client.submit(work, task, pure=False) for task in tasks]
        task_of = dict(zip((future.key for future in futures), tasks, strict=True))
        for future in as_completed(futures):
            yield _ended(future, task_of[future.key], address)
            future.release()


def _ended(future: Future[R], task: T, address: str) -> Ended[T, R]:
    if future.cancelled():
        raise InputError(
            address, "--dask", "the scheduler is lost", "Start the cluster again and pass --resume"
        )
    error = future.exception()
    if error is None:
        return Ended(task, future.result())
    if isinstance(error, KilledWorker):
        return Ended(task, None, f"its Dask workers ended, {error.allowed_failures + 1} times")
    return Ended(task, None, f"{type(error).__name__} on its Dask worker: {one_line(error)}")


def _client(address: str) -> Client:
    try:
        return Client(address, timeout=TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise InputError(
            address,
            "--dask",
            f"no Dask scheduler answers ({one_line(error)})",
            "Start one with: dask scheduler. Its address looks like tcp://host:8786",
        ) from error


def _check_workers(client: Client, address: str, shared: Path) -> None:
    """Raise an `InputError` if there are no workers, no shared folder, or another version of Tandem."""
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_S)
    except TimeoutError as error:
        raise InputError(
            address, "--dask", "the scheduler has no workers", f"Start one with: dask worker {address}"
        ) from error
    shared.mkdir(parents=True, exist_ok=True)
    hint = "Install the same version there and here"
    with tempfile.NamedTemporaryFile(prefix=".seen-", dir=shared.absolute()) as file:
        try:
            found = client.run(_seen, file.name)
        except ImportError as error:
            raise InputError(
                address, "--dask", f"a worker has no Tandem ({one_line(error)})", hint
            ) from error
    here = version("tandem-sim")
    for worker, (there, seen) in found.items():
        if there != here:
            raise InputError(address, "--dask", f"worker {worker} has Tandem {there}, not {here}", hint)
        if not seen:
            raise InputError(
                str(shared),
                "--out",
                f"worker {worker} cannot write to this folder",
                "Choose one on a file system that all workers share, under the same path",
            )


def _seen(file: str) -> tuple[str, bool]:
    """Version of Tandem at a worker, and whether it sees a file and may write beside it."""
    return version("tandem-sim"), os.path.isfile(file) and os.access(os.path.dirname(file), os.W_OK)
