"""Binary files of MATLAB (version 5, as MATPOWER's savecase writes them): numbers, texts, structs and cells.

Every part is read within the bytes of the part that contains it, to a bounded depth and size, so that reading
always ends. Format: MathWorks, MAT-File Format, version 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandem_sim.grids.documents.text import MOST_BYTES
from tandem_sim.grids.matpower.values import MAX_NUMBERS, Cell, Numbers

MAX_DEPTH = 20
"""Largest depth of nested structs and cells."""
HEAD_BYTES = 128
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR = 1, 2, 4
NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Classes of arrays of numbers, and their types."""
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored, whatever their class."""
ENCODED = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
IS_COMPLEX, IS_LOGICAL = 0x0800, 0x0200


@dataclass(frozen=True)
class Unread:
    """A value of a class that is not supported: objects, functions and sparse tables."""

    number: int


def read_binary(content: bytes) -> dict[str, Any]:
    """The variables of a file: arrays of numbers, `str`, `dict` (structs), `Cell`, and `Unread`.

    Raises `ValueError` for content that is not such a file.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[HEAD_BYTES - 2 : HEAD_BYTES])
    if order is None:
        raise ValueError("no binary file of MATLAB, version 5 to 7.2")
    reader = _Reader(order)
    found: dict[str, Any] = {}
    left = MOST_BYTES
    for kind, data in reader.parts(content[HEAD_BYTES:]):
        if kind == COMPRESSED:
            try:
                unpack = zlib.decompressobj()
                data = unpack.decompress(data, left + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            left -= len(data)
            if left < 0:
                raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
            kind, data = next(iter(reader.parts(data)), (0, b""))
        if kind != MATRIX:
            raise ValueError(f"it has a part of kind {kind} instead of a variable")
        name, value = reader.variable(data, 0)
        found[name] = value
    return found


class _Reader:
    def __init__(self, order: str) -> None:
        self.order = order

    def parts(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Kind and content of every part of `data`."""
        at = 0
        while at < len(data):
            if at + 8 > len(data):
                raise ValueError("it ends inside a part")
            kind, size = struct.unpack_from(f"{self.order}II", data, at)
            start = at + 8
            if kind >> 16:  # a small part: kind, size and content in eight bytes
                kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
                if size > 4:
                    raise ValueError("it has a small part of more than four bytes")
                at += 8
            else:
                at = start + size
                at += 0 if kind == COMPRESSED else -size % 8
            if start + size > len(data):
                raise ValueError("it ends inside a part")
            yield kind, data[start : start + size]

    def variable(self, data: bytes, depth: int) -> tuple[str, Any]:
        """Name and value of an array of any class."""
        if depth > MAX_DEPTH:
            raise ValueError(f"it has more than {MAX_DEPTH} structs and cells in one another")
        if not data:
            return "", np.zeros((0, 0))
        parts = self.parts(data)
        flags = self._numbers(*self._next(parts))
        shape = tuple(int(n) for n in self._numbers(*self._next(parts)))
        name = self._next(parts)[1].decode("latin-1")
        if not flags.size or len(shape) < 2 or min(shape) < 0:
            raise ValueError("it has an array without class or shape")
        count = 1
        for n in shape:
            count *= n
        if count > MAX_NUMBERS:
            raise ValueError(f"it has an array of more than {MAX_NUMBERS} elements")
        kind = int(flags[0]) & 0xFF
        if kind in NUMERIC:
            values = self._numbers(*self._next(parts)).astype(NUMERIC[kind])
            if int(flags[0]) & IS_COMPLEX:
                values = values + 1j * self._numbers(*self._next(parts))
            if int(flags[0]) & IS_LOGICAL:
                values = values != 0
            return name, values.reshape(shape, order="F")
        if kind == CHAR:
            return name, self._text(*self._next(parts), shape)
        if kind == CELL:
            return name, Cell(self._elements(parts, shape, count, depth))
        if kind == STRUCT:
            return name, self._struct(parts, shape, count, depth)
        return name, Unread(kind)

    def _next(self, parts: Iterator[tuple[int, bytes]]) -> tuple[int, bytes]:
        part = next(parts, None)
        if part is None:
            raise ValueError("it has an incomplete array")
        return part

    def _numbers(self, kind: int, data: bytes) -> Numbers:
        if kind not in STORED:
            raise ValueError(f"it has numbers stored in an unknown way ({kind})")
        return np.frombuffer(data, dtype=np.dtype(self.order + STORED[kind]))

    def _text(self, kind: int, data: bytes, shape: tuple[int, ...]) -> Any:
        """A row of characters as text; several rows as a cell of texts."""
        if kind not in ENCODED:
            raise ValueError(f"it has a text stored in an unknown way ({kind})")
        wide = ENCODED[kind] in ("utf-16", "utf-32")
        encoding = ENCODED[kind] + ({"<": "-le", ">": "-be"}[self.order] if wide else "")
        letters = data.decode(encoding, "replace")
        if shape[0] <= 1:
            return letters
        rows = np.empty((shape[0], 1), dtype=object)
        for k in range(shape[0]):
            rows[k, 0] = letters[k :: shape[0]].rstrip()
        return Cell(rows)

    def _elements(
        self, parts: Iterator[tuple[int, bytes]], shape: tuple[int, ...], count: int, depth: int
    ) -> NDArray[np.object_]:
        found = np.empty(count, dtype=object)
        for k in range(count):
            found[k] = self._inner(parts, depth)
        return found.reshape(shape, order="F")

    def _inner(self, parts: Iterator[tuple[int, bytes]], depth: int) -> Any:
        kind, data = self._next(parts)
        if kind != MATRIX:
            raise ValueError(f"it has a part of kind {kind} instead of an array")
        return self.variable(data, depth + 1)[1]

    def _struct(
        self, parts: Iterator[tuple[int, bytes]], shape: tuple[int, ...], count: int, depth: int
    ) -> Any:
        """A struct as a `dict`; a table of structs as a cell of them."""
        width = self._numbers(*self._next(parts))
        names = self._next(parts)[1]
        if width.size != 1 or not 0 < int(width[0]) <= 64:
            raise ValueError("it has a struct whose fields have no names")
        step = int(width[0])
        fields = [names[k : k + step].split(b"\0")[0].decode("latin-1") for k in range(0, len(names), step)]
        if len(set(fields)) != len(fields):
            raise ValueError("it has a struct with two fields of one name")
        found = np.empty(count, dtype=object)
        for k in range(count):
            found[k] = {field: self._inner(parts, depth) for field in fields}
        return found[0] if count == 1 else Cell(found.reshape(shape, order="F"))
