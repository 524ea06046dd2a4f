"""Names of the files that Tandem writes into run folders: it removes these files and no others.

A folder that is used or replaced may come from somebody else. So every entry is checked before anything is
written or removed. A file that Tandem does not write, a symbolic link, a hard link, a device, or a file of
another user ends in a message that names it, and nothing is changed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from tandem_sim.experiments.run_folder.conflicts import CONFLICTS, UNITS
from tandem_sim.sim.checkpoint import BEFORE, FRESH, NEWEST, SPOOL
from tandem_sim.sim.output.tables import ABOUT, FIXED

SUFFIX, LOCK, LOG, RUN, REPLACED = ".unfinished", "lock", "run.log", "run", "replaced"
PART = "tandem-part"
"""Last part of the name of a file on its way to its place (`experiments.run_folder.outputs`)."""
FIGURES = "imbalance|balancing_price|interface_flows|state_of_charge|cost|conflicts|low_voltage|grid_{name}"
NAME = r"[A-Za-z][A-Za-z0-9_-]*"
"""Names of areas, as scenarios allow them."""
_FIGURE = FIGURES.format(name=NAME)
_RUN = (
    *(re.escape(f"{table}.parquet") for table in (*ABOUT, *FIXED)),
    *map(re.escape, (CONFLICTS, UNITS, "manifest.json", "kpis.json", LOG)),
    rf"figures/({_FIGURE})\.png",
    rf"figures/\.({_FIGURE})\.png\.{PART}",
    r"case/(case|forecasts|recorded)\.json",
    r"case/bids\.csv",
    rf"case/grid_{NAME}\.json",
    rf"case/delivered/{NAME}\.json",
)
_FOLDERS = ("figures", "case", "case/delivered")
_WORKING = (
    *map(re.escape, (LOCK, LOG, NEWEST, BEFORE, FRESH, SPOOL)),
    *(rf"{RUN}/{file}" for file in _RUN),
    *(rf"{REPLACED}/{file}" for file in _RUN),
)
_RUN_FILE = re.compile("|".join(_RUN))
_WORKING_FILE = re.compile("|".join(_WORKING))
_RUN_FOLDERS = frozenset(_FOLDERS)
_WORKING_FOLDERS = frozenset(
    (RUN, REPLACED, *(f"{above}/{inner}" for above in (RUN, REPLACED) for inner in _FOLDERS))
)


def run_fault(folder: Path) -> str:
    """Why the folder of a finished run may not be removed; empty if all in it is Tandem's."""
    return _fault(folder, _RUN_FILE, _RUN_FOLDERS)


def working_fault(folder: Path) -> str:
    """Why a folder may not be worked in; empty if it is not there, or all in it is Tandem's."""
    return _fault(folder, _WORKING_FILE, _WORKING_FOLDERS)


def remove_working_files(folder: Path, keep: tuple[str, ...] = ()) -> None:
    """Remove what Tandem wrote into a working folder, but for files to `keep`. What is not its own stays."""
    for path in sorted(_below(folder), reverse=True):  # what lies in a folder comes before it
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            if name in _WORKING_FOLDERS and not any(path.iterdir()):
                path.rmdir()
        elif _WORKING_FILE.fullmatch(name) and name not in keep:
            path.unlink()


def remove_figures(run: Path) -> None:
    """Remove the figures of a run that an attempt before this one has drawn."""
    folder = run / "figures"
    if not folder.is_dir():
        return
    for path in _below(folder):
        if _RUN_FILE.fullmatch(path.relative_to(run).as_posix()):
            path.unlink()
    folder.rmdir()


def file_fault(about: os.stat_result) -> str:
    """Why a file is not to be written or trusted; empty if it is a plain file of this user alone."""
    if stat.S_ISLNK(about.st_mode):
        return "is a symbolic link"
    if not stat.S_ISREG(about.st_mode):
        return "is no file"
    if about.st_nlink > 1:
        return "is a second name of another file (hard link)"
    return _owner_fault(about)


def _owner_fault(about: os.stat_result) -> str:
    if os.name != "posix":
        return ""
    if about.st_uid != os.geteuid():
        return "belongs to another user"
    return "can be changed by everybody" if about.st_mode & stat.S_IWOTH else ""


def _fault(folder: Path, files: re.Pattern[str], folders: frozenset[str]) -> str:
    try:
        about = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISLNK(about.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(about.st_mode):
        return "is no folder"
    if fault := _owner_fault(about):
        return fault
    for path in _below(folder):
        name, about = path.relative_to(folder).as_posix(), path.lstat()
        if stat.S_ISDIR(about.st_mode):
            fault = _owner_fault(about) if name in folders else "was not made by Tandem"
        else:
            fault = file_fault(about) if files.fullmatch(name) else "was not written by Tandem"
        if fault:
            return f"holds {name}, which {fault}"
    return ""


def _below(folder: Path) -> Iterator[Path]:
    """Everything in a folder, through no symbolic link; a folder before what it holds."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
