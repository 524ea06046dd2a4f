"""XML from outside as plain elements with their lines: no document types, no entities, bounded size.

Only data are read. A document type could name entities that read other files or grow without limit, so a file
that declares one is refused before anything of it is used.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from tandem_sim.grids.documents.text import one_line, read_bytes, shown
from tandem_sim.grids.errors import InputError

MOST_BYTES = 200_000_000
"""Of all documents of an archive together, unpacked."""
MOST_ELEMENTS = 4_000_000
"""Of all documents of an archive together.

A year of quarter-hours in 20 series, as ENTSO-E publishes it, has 2.1 million.
"""
MOST_DEPTH = 30
MOST_FILES = 200
UNPACKING = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Python's reader of archives raises for damaged ones."""


@dataclass(slots=True)
class XmlElement:
    """An element: its name without namespace, its line, its text without spaces around it, what is in it."""

    tag: str
    line: int
    text: str = ""
    inside: list[XmlElement] = field(default_factory=list)

    def first(self, tag: str) -> XmlElement | None:
        """The first element of this name directly inside."""
        return next((inner for inner in self.inside if inner.tag == tag), None)

    def every(self, tag: str) -> list[XmlElement]:
        """All elements of this name directly inside."""
        return [inner for inner in self.inside if inner.tag == tag]

    def said(self, tag: str) -> str:
        """The text of the first element of this name directly inside, or an empty text."""
        found = self.first(tag)
        return found.text if found is not None else ""


def read_xml(path: Path) -> Iterator[tuple[str, XmlElement]]:
    """The documents of an XML file, or of a zip archive of them, by what messages call them.

    Each document is unpacked and parsed when it is asked for, and not kept.

    Raises `InputError` for a file that cannot be read or is too large, is no XML in UTF-8, is cut off, or
    declares a document type.
    """
    data = read_bytes(path, MOST_BYTES)
    if not data.strip():
        raise InputError(str(path), "file", "is empty", "Download the file anew")
    if data.startswith(b"PK"):
        count = _Count()
        for name, inner in _unpacked(data, path):
            yield f"{path}: {name}", _parsed(inner, f"{path}: {name}", count)
    else:
        yield str(path), _parsed(data, str(path), _Count())


@dataclass
class _Count:
    """Elements of all documents of a file so far."""

    n: int = 0


def _unpacked(data: bytes, path: Path) -> Iterator[tuple[str, bytes]]:
    """The XML files of an archive and their names in it, one at a time."""
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) > MOST_FILES:
                raise InputError(
                    str(path), "zip", f"holds {len(members)} files", f"Give at most {MOST_FILES}"
                )
            if not members:
                raise InputError(str(path), "zip", "is empty", "Download the archive anew")
            for info in members:
                name = one_line(info.filename, 60)
                if not info.filename.lower().endswith(".xml"):
                    raise InputError(
                        str(path), name, "is no XML file", "Give the archive as it was published"
                    )
            for info in members:
                with archive.open(info) as member:
                    document = member.read(left + 1)  # never more, whatever size the archive states
                left -= len(document)
                if left < 0:
                    raise InputError(
                        str(path),
                        "zip",
                        f"holds more than {MOST_BYTES // 10**6} MB",
                        "Give a shorter period",
                    )
                yield one_line(info.filename, 60), document
    except InputError:
        raise
    except UNPACKING as error:
        raise InputError(
            str(path), "zip", f"cannot be unpacked ({one_line(error)})", "Download the archive anew"
        ) from error


class _Builder:
    """Elements from the events of expat."""

    def __init__(self, source: str, parser: expat.XMLParserType, count: _Count) -> None:
        self.source, self.parser, self.count = source, parser, count
        self.root: XmlElement | None = None
        self.open: list[XmlElement] = []
        self.text: list[str] = []

    def start(self, name: str, _: dict[str, str]) -> None:
        self.count.n += 1
        line = self.parser.CurrentLineNumber
        many = self.count.n > MOST_ELEMENTS
        if many or len(self.open) >= MOST_DEPTH:
            what = f"more than {MOST_ELEMENTS} elements" if many else "deeply nested elements"
            raise InputError(self.source, f"line {line}", f"has {what}", "Give a shorter period")
        element = XmlElement(name.rpartition(" ")[2], line)
        if self.open:
            self.open[-1].inside.append(element)
        else:
            self.root = element
        self.open.append(element)
        self.text.clear()

    def end(self, _: str) -> None:
        element = self.open.pop()
        if not element.inside:
            element.text = "".join(self.text).strip()
        self.text.clear()

    def data(self, text: str) -> None:
        self.text.append(text)

    def declared(self, *_: object) -> None:
        raise InputError(
            self.source,
            f"line {self.parser.CurrentLineNumber}",
            "declares a document type, which data have no use for",
            "Remove the declaration",
        )


def _parsed(document: bytes, source: str, count: _Count) -> XmlElement:
    """The root element of a document; `count` counts its elements."""
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    builder = _Builder(source, parser, count)
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.declared
    parser.EntityDeclHandler = builder.declared
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise InputError(
            source,
            f"line {error.lineno}",
            f"is no XML in UTF-8 ({expat.errors.messages.get(error.code, one_line(error))})",
            "Download the file anew: it may be cut off",
        ) from error
    root, builder.root = builder.root, None  # parser and builder refer to each other, and not to the tree
    if root is None:
        raise InputError(source, "file", f"has no element: {shown(document[:20])}", "Download it anew")
    return root
