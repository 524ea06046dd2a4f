"""Text that others wrote: files and messages, made fit for one line of plain text."""

from __future__ import annotations

from pathlib import Path

from tandem_sim.grids.errors import InputError


def read_text(path: Path) -> str:
    """A file as text, line ends as they are. `InputError` if it cannot be read or is no UTF-8 text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            str(path), "file", f"cannot be read ({error.strerror})", "Check the path and its permissions"
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place, problem = error.start, "is not UTF-8 text"
    else:
        if "\0" not in text:
            return text
        place, problem = data.index(b"\0"), "holds a NUL byte, so it is not text"
    line = data.count(b"\n", 0, place) + 1
    raise InputError(str(path), f"line {line}", problem, "Save it as UTF-8 text")


def one_line(message: object) -> str:
    """A foreign message on one line, without a full stop at its end."""
    return " ".join(str(message).split()).removesuffix(".")
