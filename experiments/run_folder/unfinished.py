"""A run on its way: the folder beside its results in which it works, and from which it can be resumed."""

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
    """The folder in which the run that will become `out` works."""
    return out.with_name(out.name + SUFFIX)


def check_unfinished(out: Path, overwrite: bool, resume: bool) -> None:
    """An `InputError` if what lies where the run would work is not ours, or nobody said what to do."""
    folder = unfinished_of(out)
    if fault := working_fault(folder):
        raise InputError(
            str(folder),
            "--out",
            f"is needed to work in, and is not Tandem's: {fault}",
            "Choose another folder, or move what is there",
        )
    if not folder.exists():
        return
    if not (folder / LOCK).is_file() and not _is_empty(folder):
        raise InputError(
            str(folder),
            "--out",
            "is needed to work in, and is not Tandem's: it holds no lock",
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
    """Remove a working folder so that at every moment it is ours or empty. The lock is held."""
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
