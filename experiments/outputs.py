"""Files that a command writes: whole or not at all, and never in the place of a file that is not Tandem's."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem_sim.experiments.own_files import PART
from tandem_sim.grids.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"
"""First bytes of every PNG file (ISO/IEC 15948, 5.2)."""
PNG_FILE = "PNG file"
Known = Callable[[Path], bool]
"""Whether an existing file is one that the command would write."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what is to stand at `path`: it is moved there in one step, or is gone if that fails.

    A reader finds the old file or the new one. What a process that was killed has left goes with the next
    attempt. A symbolic link at `path` is replaced, and what it points at stays.
    """
    part = path.with_name(f".{path.name}.{PART}")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json(path: Path, data: Any) -> None:
    """Write JSON, numbers exactly; NaN and infinity, which JSON does not know, raise ValueError."""
    with whole(path) as part:
        part.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def check_file(path: Path, flag: str, is_known: Known, kind: str = "file") -> None:
    """An `InputError` if `path`, given as `flag`, cannot be written or holds what is not to be replaced."""
    problem, mend = "", f"Name a {kind} in a folder you may write to"
    try:
        if kind == PNG_FILE and path.suffix.lower() != ".png":
            problem = "cannot be written (is no PNG file)"
        elif path.is_dir():
            problem = "cannot be written (is a folder)"
        elif path.exists() and not path.is_file():
            problem = "cannot be written (is a device)"
        elif path.exists() and path.stat().st_size and not is_known(path):
            problem, mend = "exists, and is no earlier result of this command", "Choose another file"
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass  # the folder takes files
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise InputError(str(path), flag, problem, mend)


def is_png(path: Path) -> bool:
    """Whether a file is a PNG."""
    with path.open("rb") as file:
        return file.read(len(PNG)) == PNG


def is_list_of(path: Path, keys: set[str]) -> bool:
    """Whether a file is a JSON list of objects that all have these keys."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(
        isinstance(entry, dict) and keys <= entry.keys() for entry in found
    )
