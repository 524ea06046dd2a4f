"""Text of MATLAB split into tokens, as far as MATPOWER cases need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem_sim.grids.errors import MatlabError
from tandem_sim.grids.types import FloatArray

MAX_DEPTH = 40
"""Largest depth of nested brackets and blocks."""

_TABLE = re.compile(r"\[((?:[\d.eE+\-,;\s]+|Inf|inf|NaN|nan|%[^\n]*)*+)\]")
_SPACE = re.compile(r"(?:[ \t\r\f\v]|\.\.\.[^\n]*\n)+")
_NUMBER = re.compile(r"(?:\d+(?:\.(?![*/\\^'])\d*)?|\.\d+)(?:[eEdD][+-]?\d+)?[ij]?(?!\w)")
_NAME = re.compile(r"[A-Za-z]\w*")
_OPERATOR = re.compile(r"\.\*|\./|\.\\|\.\^|\.'|==|~=|!=|<=|>=|&&|\|\||[-+*/\\^'=<>&|~!:,;()\[\]{}.]")
CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Token:
    """One word or sign. `kind` is num, table, text, name, op or end (of a statement)."""

    kind: str
    value: Any
    line: int


def numbers_of(body: str, line: int) -> FloatArray | None:
    """The rows of a table of numbers only, or None if it holds anything else. `line` is its first line."""
    if "%{" in body or ",," in body.replace(" ", ""):
        return None
    lines = re.sub(r"%[^\n]*", "", body).replace(",", " ").split("\n")
    rows = [(line + k, row.split()) for k, text in enumerate(lines) for row in text.split(";")]
    rows = [(k, row) for k, row in rows if row]
    try:
        values = np.array([word for _, row in rows for word in row], dtype=float)
    except ValueError:
        return None
    width = len(rows[0][1]) if rows else 0
    for k, row in rows:
        if len(row) != width:
            raise MatlabError(f"has a row of {len(row)} numbers, the first has {width}", k)
    return values.reshape(len(rows), width)


class Scanner:
    """Splits a text into tokens.

    In brackets and braces blanks separate elements, and line ends separate rows.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.open: list[tuple[str, int]] = []
        self.last: Token | None = None

    def __iter__(self) -> Iterator[Token]:
        while self.at < len(self.text):
            blank = self._skip_blanks()
            if self.at >= len(self.text):
                break
            if blank and self._parts_elements():
                yield self._token("op", ",")
            token = self._next()
            if token is not None:
                self.last = token
                yield token
        if self.open:
            sign, line = self.open[-1]
            raise MatlabError(f"opens a {sign} that is never closed", line)
        yield Token("end", "\n", self.line)

    def _token(self, kind: str, value: Any) -> Token:
        self.last = Token(kind, value, self.line)
        return self.last

    def _skip_blanks(self) -> bool:
        found = _SPACE.match(self.text, self.at)
        if found is None:
            return False
        self.line += found.group().count("\n")
        self.at = found.end()
        return True

    def _in_list(self) -> bool:
        return bool(self.open) and self.open[-1][0] in "[{"

    def _after_operand(self) -> bool:
        if self.last is None:
            return False
        return self.last.kind in ("num", "table", "text", "name") or (
            self.last.kind == "op" and self.last.value in (")", "]", "}", "'", ".'")
        )

    def _parts_elements(self) -> bool:
        """Whether a blank at this position separates two elements of a list."""
        if not self._in_list() or not self._after_operand():
            return False
        sign = self.text[self.at]
        if sign.isalnum() or sign in "'\"([{@_":
            return True
        after = self.text[self.at + 1 : self.at + 2]
        if sign in "+-":  # [1 -2] are two, [1 - 2] is one
            return not after.isspace()
        if sign in "~!":  # [a ~b] are two, [a ~= b] is one
            return after != "="
        return sign == "." and after.isdigit()

    def _next(self) -> Token | None:
        text, at = self.text, self.at
        sign = text[at]
        if sign == "\n":
            return self._line_end()
        if sign in "%#":
            self._comment()
            return None
        if sign == '"' or (sign == "'" and not self._after_operand()):
            return self._string(sign)
        if sign == "[" and not self.open:
            token = self._table()
            if token is not None:
                return token
        for kind, pattern in (("num", _NUMBER), ("name", _NAME), ("op", _OPERATOR)):
            found = pattern.match(text, at)
            if found is not None:
                self.at = found.end()
                return self._word(kind, found.group())
        raise MatlabError(f"holds the sign {sign!a}, which is not read", self.line)

    def _line_end(self) -> Token | None:
        line = self.line
        self.at += 1
        self.line += 1
        if not self.open:
            return Token("end", "\n", line)
        if self._in_list():
            return Token("op", "\n", line)
        raise MatlabError("ends inside brackets", line)

    def _comment(self) -> None:
        """Skip to the end of the line, or to the line ``%}`` of a block that starts with a line ``%{``."""
        start = self.text.rfind("\n", 0, self.at) + 1
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        if self.text[start:end].strip() not in ("%{", "#{"):
            self.at = end
            return
        first, depth = self.line, 0
        for row in self.text[start:].split("\n"):
            depth += {"%{": 1, "#{": 1, "%}": -1, "#}": -1}.get(row.strip(), 0)
            if depth == 0:
                self.at = start + len(row)
                return
            start += len(row) + 1
            self.line += 1
        raise MatlabError("starts a comment %{ that is never closed", first)

    def _string(self, quote: str) -> Token:
        at, found = self.at + 1, ""
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        while True:
            close = self.text.find(quote, at, end)
            if close < 0:
                raise MatlabError("holds a text that is not closed", self.line)
            found += self.text[at:close]
            at = close + 1
            if self.text[at : at + 1] != quote:
                self.at = at
                return Token("text", found, self.line)
            found += quote
            at += 1

    def _table(self) -> Token | None:
        """A table of numbers as one token: a case has a million numbers."""
        found = _TABLE.match(self.text, self.at)
        if found is None:
            return None
        values = numbers_of(found.group(1), self.line)
        if values is None:
            return None
        token = Token("table", values, self.line)
        self.line += found.group().count("\n")
        self.at = found.end()
        return token

    def _word(self, kind: str, word: str) -> Token:
        if kind == "num":
            value = complex(0, _real(word[:-1])) if word[-1] in "ij" else _real(word)
            return Token("num", value, self.line)
        if kind == "op":
            if word in CLOSING:
                self.open.append((word, self.line))
                if len(self.open) > MAX_DEPTH:
                    raise MatlabError(f"has more than {MAX_DEPTH} brackets in brackets", self.line)
            elif word in ")]}":
                if not self.open or CLOSING[self.open[-1][0]] != word:
                    raise MatlabError(f"closes a {word} that is not open", self.line)
                self.open.pop()
            elif word in ",;" and not self.open:
                return Token("end", word, self.line)
        return Token(kind, word, self.line)


def _real(word: str) -> float:
    return float(word.lower().replace("d", "e"))
