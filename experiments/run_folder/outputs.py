"""Files that a command writes: completely or not at all, and never over a file that Tandem did not write."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem_sim.experiments.run_folder.own_files import PART
from tandem_sim.grids.documents.json_reader import LARGEST_JSON, read_json
from tandem_sim.grids.documents.text import read_text
from tandem_sim.grids.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"
"""First bytes of every PNG file (ISO/IEC 15948, 5.2)."""
PNG_FILE = "PNG file"
FOREIGN = "is no earlier result of this command"
Known = Callable[[Path], bool]
"""Whether an existing file is one that the command would write."""


def part_of(path: Path) -> Path:
    """Where a file is while it is written."""
    return path.with_name(f".{path.name}.{PART}")


def part_fault(path: Path) -> str:
    """Why a file cannot be on its way to `path`; empty if it can."""
    part = part_of(path)
    return f"needs {part.name} while it is written, which is a folder" if part.is_dir() else ""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path for the content of `path`: it is moved there in one step, or removed after an error.

    A reader finds the old file or the new one. Remains of a process that was killed are removed by the next
    attempt. A symbolic link at `path` is replaced; the file that it points to is not changed.
    """
    part = part_of(path)
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
    """Write JSON with exact numbers. NaN and infinity, which JSON does not have, raise ValueError."""
    with whole(path) as part:
        part.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def check_file(path: Path, flag: str, is_known: Known, kind: str = "file") -> None:
    """Raise an `InputError` if `path`, given as `flag`, cannot be written or must not be replaced."""
    problem, hint = "", f"Name a {kind} in a folder you may write to"
    try:
        if kind == PNG_FILE and path.suffix.lower() != ".png":
            problem = "cannot be written (is no PNG file)"
        elif path.is_dir():
            problem = "cannot be written (is a folder)"
        elif path.exists() and not path.is_file():
            problem = "cannot be written (is a device)"
        elif path.exists() and path.stat().st_size and not is_known(path):
            problem, hint = f"exists, and {FOREIGN}", "Choose another file"
        elif fault := part_fault(path):
            problem = fault
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass  # the folder takes files
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise InputError(str(path), flag, problem, hint)


def is_png(path: Path) -> bool:
    """Whether a file is a PNG."""
    with path.open("rb") as file:
        return file.read(len(PNG)) == PNG


def is_list_of(path: Path, keys: set[str]) -> bool:
    """Whether a file is a JSON list of objects that all have these keys."""
    found = _read(path)
    return (
        isinstance(found, list)
        and found != []
        and all(isinstance(entry, dict) and keys <= entry.keys() for entry in found)
    )


def is_object_of(path: Path, keys: set[str]) -> bool:
    """Whether a file is a JSON object that has these keys."""
    found = _read(path)
    return isinstance(found, dict) and keys <= found.keys()


def is_table_of(path: Path, columns: set[str]) -> bool:
    """Whether a file is a table (Parquet) that has these columns, or one without any: of nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return False
    return columns <= names or not names


def _read(path: Path) -> Any:
    """What a JSON file holds; None where it is none that a command writes."""
    try:
        return read_json(read_text(path, LARGEST_JSON), str(path))
    except InputError:
        return None
