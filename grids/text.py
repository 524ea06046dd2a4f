"""Text that others wrote: files, messages and names, and a hint where a name is mistyped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
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


def hint(given: object, known: Iterable[str]) -> str:
    """What to do about a name that is not known: the one that was probably meant, and all there are.

    >>> hint("multilevel-3", ["common", "multilevel-03"])
    'Did you mean multilevel-03? Known: common, multilevel-03'
    >>> hint("x", ["common"])
    'Use common'
    """
    names = list(known)
    near = get_close_matches(str(given), names, n=1)
    listed = ", ".join(names)
    return f"Did you mean {near[0]}? Known: {listed}" if near else f"Use {listed}"


def check_known(source: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise an `InputError` for a name that is none of the known ones, with the one that was meant."""
    for name in names:
        if name not in known:
            raise InputError(source, name, "is not known", hint(name, known))
