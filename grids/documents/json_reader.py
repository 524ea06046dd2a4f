"""JSON documents written by hand, by other programs or by an earlier run, read strictly.

The standard library parses them. It silently drops the first of two equal keys and reads NaN and Infinity,
which are not JSON: both are refused here. The line is determined only where there is a fault.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem_sim.grids.documents.decimals import LONGEST_NUMBER, decimal
from tandem_sim.grids.documents.text import is_there, one_line, read_text, unwritable
from tandem_sim.grids.errors import InputError

LARGEST_JSON = 2**26
"""Most bytes of a file. Forecasts of 5 areas of 500 buses at 18 gates, 135 000 numbers, have below 4 MB."""
MOST_PARTS = 4_000_000
"""Most commas and brackets of a document, which bounds the number of its values."""
DEEPEST = 40
"""Most nested lists and objects; files of Tandem have ten levels."""
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_TOKEN = re.compile(rf"{_STRING}|[\[\]{{}}:,]|{_NUMBER}|-?[A-Za-z]+", re.DOTALL)
_SUSPECT = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


class _FaultError(Exception):
    """A token that the parser accepts but JSON or a computation does not allow, and the problem."""


def read_json(text: str, source: str) -> Any:
    """The value of a text.

    Raises `InputError` with `source` and the line for text that is not JSON (RFC 8259), for a key that an
    object has twice, for a number that cannot be represented, and beyond the size limits of this module.
    """
    _check_size(text, source)
    try:
        value = json.loads(
            text, object_pairs_hook=once, parse_constant=_constant, parse_float=_real, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        problem = f"is not JSON ({one_line(error.msg)})"
        raise InputError(source, f"line {error.lineno}", problem, "Correct the file") from error
    except _FaultError as error:
        token, problem = error.args
        raise _at(token, text, source, problem) from error
    except KeyError as error:
        raise twice(text, source) from error
    if _SUSPECT.search(text):
        _check_text(text, source)
    return value


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a file. Raises `InputError` that names the file."""
    if not is_there(path):
        raise InputError(str(path), "file", "the file does not exist", "Check the path")
    found = read_json(read_text(path, LARGEST_JSON), str(path))
    if not isinstance(found, dict):
        raise InputError(str(path), "file", "is not a JSON object", "Correct the file")
    return found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of an object; `KeyError` for a key that occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise KeyError
    return found


def _constant(name: str) -> None:
    raise _FaultError(name, f"is {name}, which is no number of JSON")


def _real(text: str) -> float:
    if len(text) <= LONGEST_NUMBER:
        number = float(text)
        if math.isfinite(number) and number != 0.0:
            return number
    return float(_checked(text))


def _whole(text: str) -> int:
    return int(text) if len(text) < 40 else int(_checked(text))


def _checked(text: str) -> int | float:
    """A number that may be too long, too large or too small."""
    try:
        number = decimal(text)
    except ValueError as error:
        raise _FaultError(text, str(error)) from error
    assert number is not None, "the parser found a number of JSON, all of which are in plain notation"
    return number


def _check_size(text: str, source: str) -> None:
    """Refuse a text with too many parts or levels, before parsing it."""
    parts = sum(map(text.count, ",[{"))
    if parts > MOST_PARTS:
        problem = f"has {parts} commas and brackets, and at most {MOST_PARTS} are read"
        raise InputError(source, "JSON", problem, "Make it smaller")
    level = 0
    for found in _BRACKET.finditer(text) if text.count("[") + text.count("{") > DEEPEST else ():
        level += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if level > DEEPEST:
            line = text.count("\n", 0, found.start()) + 1
            problem = f"nests more than {DEEPEST} lists and objects"
            raise InputError(source, f"line {line}", problem, "Nest less")


def _tokens(text: str) -> Iterator[tuple[str, int, list[str | int]]]:
    """Strings with their quotes, brackets, colons, commas, numbers and words.

    Each with its line, and with the keys and indices of the value that contains it or, after a colon, that it
    is.
    """
    line, before, last = 1, 0, ""
    path: list[str | int] = []
    for found in _TOKEN.finditer(text):
        token = found[0]
        line += text.count("\n", before, found.start())
        before = found.start()
        if token == ":":
            path[-1] = json.loads(last)
        elif token == "," and isinstance(path[-1], int):
            path[-1] += 1
        elif token in ("]", "}"):
            path.pop()
        yield token, line, path
        if token in ("[", "{"):
            path.append(0 if token == "[" else "")
        last = token


def _named(path: list[str | int]) -> str:
    return ".".join(map(str, path)) or "JSON"


def _at(wrong: str, text: str, source: str, problem: str) -> InputError:
    """The fault of a number or word, at its first occurrence."""
    line, path = next((line, path) for token, line, path in _tokens(text) if token == wrong)
    return InputError(source, _named(path), f"{problem} (line {line})", "Correct the number")


def twice(text: str, source: str) -> InputError:
    """The fault of the first key that an object has twice."""
    around: list[dict[str, int]] = []
    at = 0
    for token, line, path in _tokens(text):
        if token in ("[", "{"):
            around.append({})
        elif token in ("]", "}"):
            around.pop()
        elif token == ":":
            key, lines = str(path[-1]), around[-1]
            if key in lines:
                problem = f"stands in line {lines[key]} and again in line {at}"
                return InputError(source, _named(path), problem, "Keep one of them")
            lines[key] = at
        at = line
    raise AssertionError("the parser found a key twice")


def _check_text(text: str, source: str) -> None:
    """Refuse strings that a file cannot contain."""
    for token, line, path in _tokens(text):
        wrong = unwritable(json.loads(token)) if token.startswith('"') else None
        if wrong is not None:
            raise InputError(source, _named(path), f"holds text with {wrong} (line {line})", "Remove it")
