"""Text from outside: files, messages and names; a suggestion where a name is mistyped."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from tandem_sim.grids.errors import InputError, cut, printable

_HALF = re.compile("[\ud800-\udfff]")
MOST_BYTES = 2**28
"""Most bytes of a file of any format; the largest case of MATPOWER has 23 million."""
SHOWN_ITEMS = 6
"""Most items that a message prints of a list or a mapping, on each of `SHOWN_DEPTH` levels."""
SHOWN_DEPTH = 3
LARGEST_SHOWN = 10**40
"""Of whole numbers beyond it, messages give only the length."""


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """A file as bytes. `InputError` if it cannot be read, is too large or is no regular file."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(str(path), "file", "is no regular file", "Give the path of a file")
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise InputError(
            str(path), "file", f"cannot be read ({error.strerror})", "Check the path and its permissions"
        ) from error
    if len(data) > most_bytes:
        raise InputError(str(path), "file", f"has more than {most_bytes} bytes", "Make it smaller")
    return data


def _without_waiting(path: str, flags: int) -> int:
    """Open without blocking: opening a pipe would wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """A file as text, line ends unchanged. `InputError` as of `read_bytes`, or if it is no UTF-8."""
    data = read_bytes(path, most_bytes)
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


def shown(value: object, longest: int = 80) -> str:
    """A value as a message prints it: at most `longest` characters on one line, in bounded time.

    For values from outside, which may be huge, deeply nested or contain themselves. Text is quoted; of an
    object of any other class only the type is given.

    >>> shown([1.5, "two", None]), shown("x" * 10**6, 20), shown(10**5000)
    ("[1.5, 'two', None]", "'xxxxxxxxxx... xxxx'", 'a whole number of about 5000 digits')
    """
    return printable(_shown(value, longest, SHOWN_DEPTH), longest)


def _shown(value: Any, longest: int, depth: int) -> str:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a number of NumPy
        value = value.item()
    if isinstance(value, str):
        return repr(cut(value, longest - 2))  # without its quotes
    if isinstance(value, bytes):
        return repr(value[:longest])
    if isinstance(value, int) and not -LARGEST_SHOWN < value < LARGEST_SHOWN:
        return f"a whole number of about {round(value.bit_length() * 0.30103)} digits"
    if value is None or isinstance(value, int | float | complex):
        return repr(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        pairs = ((key, _inner(key, longest, depth), value[key]) for key in islice(value, SHOWN_ITEMS))
        items = [f"{name}: {_inner(item, longest, depth)}" for _, name, item in pairs]
        return f"{{{_listed(items, len(value))}}}"
    if isinstance(value, list | tuple | set | frozenset):
        items = [_inner(item, longest, depth) for item in islice(value, SHOWN_ITEMS)]
        first, last = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
        return f"{first}{_listed(items, len(value))}{last}"
    return f"a {type(value).__name__}"


def _inner(value: Any, longest: int, depth: int) -> str:
    """An item of a list or a mapping; beyond the last level only ``...``."""
    nested = isinstance(value, Mapping | list | tuple | set | frozenset)
    return "..." if nested and depth <= 1 else _shown(value, longest, depth - 1)


def _listed(items: list[str], n: int) -> str:
    return ", ".join(items if n <= len(items) else [*items, f"... ({n} in all)"])


def unwritable(text: str) -> str | None:
    """What a text contains that neither a file nor a file name can: a NUL or a lone surrogate."""
    if "\0" in text:
        return "a NUL character"
    return None if text.isascii() or not _HALF.search(text) else "half a character (a surrogate)"


def is_there(path: Path, kind: Callable[[Path], bool] = Path.is_file) -> bool:
    """Whether a path is a file, or fulfils `kind`; False for a name that no file can have."""
    try:
        return kind(path)
    except (OSError, ValueError):
        return False


def one_line(message: object, longest: int = 400) -> str:
    """A message of another library on one line, without a final full stop, shortened if it is long."""
    return printable(" ".join(str(message).split()), longest).removesuffix(".")


def hint(given: object, known: Iterable[str]) -> str:
    """How to correct an unknown name: the most similar known name, and all known names.

    >>> hint("multilevel-3", ["common", "multilevel-03"])
    'Did you mean multilevel-03? Known: common, multilevel-03'
    >>> hint("x", ["common"])
    'Use common'
    """
    names = list(known)
    near = get_close_matches(printable(given), names, n=1)
    listed = ", ".join(names)
    return f"Did you mean {near[0]}? Known: {listed}" if near else f"Use {listed}"


def is_code_name(name: str) -> bool:
    """Whether a name reads ``module:name``, both sides as Python writes them; nothing is imported.

    >>> is_code_name("my.module:Class"), is_code_name("common"), is_code_name("my file.py:Class")
    (True, False, False)
    """
    module, colon, attribute = name.partition(":")
    return bool(colon) and is_module_name(module) and attribute.isidentifier()


def is_module_name(name: str) -> bool:
    """Whether a name is that of a module, as Python imports it."""
    return all(part.isidentifier() for part in name.split("."))


def check_known(source: str, names: Iterable[object], known: Sequence[str]) -> None:
    """Raise an `InputError` for a name that is not known, with the most similar known name."""
    for name in names:
        if name not in known:
            field = name if isinstance(name, str) else shown(name)
            raise InputError(source, field, "is not known", hint(field, known))
