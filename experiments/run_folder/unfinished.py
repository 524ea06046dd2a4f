"""An unfinished run: the working folder beside its results, from which it can be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tandem_sim.experiments.run_folder.own_files import LOCK, SUFFIX, remove_working_files, working_fault
from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import BusyError, InputError
from tandem_sim.sim.checkpoint import Checkpoints


def unfinished_of(out: Path) -> Path:
    """The working folder of the run whose results will be `out`."""
    return out.with_name(out.name + SUFFIX)


def check_unfinished(out: Path, overwrite: bool, resume: bool) -> None:
    """Raise an `InputError` if the working folder is not Tandem's, or no option says what to do."""
    folder = unfinished_of(out)
    if fault := working_fault(folder):
        raise InputError(
            str(folder),
            "--out",
            f"is the working folder of this run, and is not Tandem's: {fault}",
            "Choose another folder, or move what is there",
        )
    if not folder.exists():
        return
    if not (folder / LOCK).is_file() and not _is_empty(folder):
        raise InputError(
            str(folder),
            "--out",
            "is the working folder of this run, and is not Tandem's: it holds no lock",
            "Choose another folder",
        )
    if not (overwrite or resume):
        raise InputError(
            str(folder),
            "--out",
            "holds a run that was not finished",
            "Pass --resume to go on with it, or --overwrite to begin anew",
        )


@contextmanager
def working_folder(out: Path, resume: bool) -> Iterator[Path]:
    """The working folder, locked by this process; with `resume` it keeps the files of an earlier attempt.

    It is removed afterwards, unless the run ended early and left a checkpoint. An error of the system while
    writing (such as a full disk) is an `InputError`, a folder that another process uses a `BusyError`.
    """
    folder = unfinished_of(out)
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, blocking=False, preserve_lock_file=True)
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            str(folder), "--out", "is in use by another process", "Wait for it, or choose another folder"
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    checkpoints = Checkpoints(folder, {})
    try:
        if not (resume and checkpoints.found):
            remove_working_files(folder, keep=(LOCK,))
        yield folder
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        with suppress(OSError):  # a disk that is gone: its lock is gone too, and there is nothing to remove
            if not checkpoints.found:
                _remove(folder)
                for parent in made:
                    if parent.is_dir() and _is_empty(parent):
                        parent.rmdir()
            lock.release()


def _remove(folder: Path) -> None:
    """Remove a working folder; it is locked or empty at every moment. The lock is held."""
    with suppress(OSError):  # the disk is gone, or another process has begun to work in it already
        remove_working_files(folder, keep=(LOCK,))
        (folder / LOCK).unlink()
        folder.rmdir()


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _unwritable(folder: Path, error: OSError) -> InputError:
    what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
    problem = f"cannot be written ({one_line(what)})"
    hint = "Make room or choose a folder you may write to; --resume goes on from what is safe"
    return InputError(str(folder), "--out", problem, hint)
