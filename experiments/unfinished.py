"""A run on its way: the folder beside its results in which it works, and from which it can be resumed."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tandem_sim import agents, grids, markets, sim
from tandem_sim.agents.allowed_code import source_files
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.text import one_line
from tandem_sim.sim.checkpoint import Checkpoints
from tandem_sim.sim.named_code import strategy_names
from tandem_sim.sim.settings import Scenario

SUFFIX, LOCK = ".unfinished", "lock"
LIBRARIES = (
    "mesa",
    "simpy",
    "numpy",
    "pandas",
    "scipy",
    "pandapower",
    "simbench",
    "lightsim2grid",
    "pyarrow",
    "holidays",
)


def unfinished_of(out: Path) -> Path:
    """The folder in which the run that will become `out` works."""
    return out.with_name(out.name + SUFFIX)


class BusyError(InputError):
    """Another process is at work on the run."""


def check_unfinished(out: Path, overwrite: bool, resume: bool) -> None:
    """An `InputError` if what lies where the run would work is not ours, or nobody said what to do."""
    folder = unfinished_of(out)
    if not folder.exists():
        return
    if not (folder / LOCK).is_file() and not _is_empty(folder):
        raise InputError(
            str(folder), "--out", "is needed to work in, and is not Tandem's", "Choose another folder"
        )
    if not (overwrite or resume):
        raise InputError(
            str(folder), "--out", "holds a run that was not finished",
            "Pass --resume to go on with it, or --overwrite to begin anew",
        )  # fmt: skip


@contextmanager
def working_folder(out: Path, resume: bool) -> Iterator[Path]:
    """The folder to work in, held by this process alone; what an earlier attempt left is there to `resume`.

    It is gone afterwards, unless the run ended early and left a checkpoint to go on from. What the system
    refuses to write (a full disk, say) is an `InputError`, a run that is being worked on a `BusyError`.
    """
    folder = unfinished_of(out)
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, blocking=False, preserve_lock_file=True)
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            str(folder), "--out", "is being worked on by another process", "Wait for it, or choose another"
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    checkpoints = Checkpoints(folder, {})
    try:
        if not (resume and checkpoints.found):
            _clear(folder)
        yield folder
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        if not checkpoints.found:
            _remove(folder)
            for parent in made:
                if parent.is_dir() and _is_empty(parent):
                    parent.rmdir()
        lock.release()


def _remove(folder: Path) -> None:
    """Remove a working folder so that at every moment it is ours or empty. The lock is held."""
    _clear(folder)
    (folder / LOCK).unlink()
    with suppress(OSError):  # another process has begun to work in it already
        folder.rmdir()


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _unwritable(folder: Path, error: OSError) -> InputError:
    what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
    problem = f"cannot be written ({one_line(what)})"
    mend = "Make room or choose a folder you may write to; --resume goes on from what is safe"
    return InputError(str(folder), "--out", problem, mend)


def _clear(folder: Path) -> None:
    """Remove what an earlier attempt has left."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def versions() -> dict[str, str]:
    """Versions of Tandem, Python, and the libraries on which numbers depend."""
    own = {"tandem-sim": version("tandem-sim"), "python": platform.python_version()}
    return {**own, **{name: version(name) for name in LIBRARIES}}


def run_id(scenario: Scenario) -> str:
    """Identity of a run: a hash of all of the scenario that tables depend on, seed included."""
    text = json.dumps(scenario.model_dump(mode="json", exclude={"strategy_limit_s"}), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def identity(scenario: Scenario, folder: Path | None, export_isp: int | None) -> dict[str, str]:
    """What must be the same for a run to go on from its checkpoint."""
    named = {scenario.transmission.grid, *(d.grid for d in scenario.distribution)}
    named |= {street.grid for street in scenario.low_voltage}
    paths = [(folder or Path()) / grid for grid in sorted(named)]
    return {
        "scenario": run_id(scenario),
        "exported ISP": str(export_isp),
        "grid files": _digest([path for path in paths if path.is_file()]),
        "strategies": _digest(source_files(strategy_names(scenario).values())),
        "code": code_digest(),
        "versions": json.dumps(versions()),
    }


def code_digest() -> str:
    """SHA-256 of the code on which tables depend."""
    return _digest(_sources())


def _sources() -> list[Path]:
    """Code on which the tables of a run depend; that of key figures and plots runs behind them."""
    packages: tuple[Any, ...] = (grids, markets, agents, sim)
    return [path for package in packages for path in sorted(Path(package.__path__[0]).rglob("*.py"))]


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
