"""CGMES models (``.zip`` or ``.xml``, versions 2.4.15 and 3.0) as pandapower nets, by pandapower's converter.

Archives from outside are checked first: no document type or entity, which could read files or grow without
limit, no archive within an archive, sizes that fit into memory. pandapower gets copies with plain names.
"""

from __future__ import annotations

import io
import logging
import re
import tempfile
import warnings
import zipfile
from pathlib import Path

from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.documents.xml_reader import UNPACKING
from tandem_sim.grids.errors import InputError

log = logging.getLogger(__name__)

MAX_FILES = 200
MAX_BYTES = 1_000_000_000
"""Of all profiles together, unpacked: the transmission grid of a large country has about 500 MB."""
CHUNK = 1_000_000
ENCODINGS = {"utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252"}
"""Encodings of XML in which ``<!`` has only one spelling."""
PROFILES = ("Equipment", "SteadyStateHypothesis", "Topology")
"""The least that a model needs: elements (EQ), their state and injections (SSH), nodes (TP)."""

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_DECLARES = re.compile(rb"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION|\[(?!CDATA\[))")


def read_cgmes(content: bytes, path: Path) -> pandapowerNet:
    """The net of a CGMES model: an archive of profiles, or one XML file.

    Raises `InputError` for archives and XML that cannot be read, for models without the profiles they need,
    and where lxml, with which pandapower parses XML, is not installed.
    """
    documents = _unpacked(content, path) if path.suffix == ".zip" else {path.name: content}
    for name, document in documents.items():
        _check_xml(name, document, path)
    every = b"".join(document[:CHUNK] for document in documents.values())
    missing = [profile for profile in PROFILES if profile.encode() not in every]
    if missing:
        raise InputError(
            str(path),
            "CGMES",
            f"has no profile {', '.join(missing)}",
            "Give an archive of one model: EQ, SSH and TP (SV, EQ_BD and TP_BD if there are any)",
        )
    version = "3.0" if b"CIM100" in every else "2.4.15"
    return _converted(documents, version, path)


def _unpacked(content: bytes, path: Path) -> dict[str, bytes]:
    """The XML files of an archive, by their names in it."""
    found: dict[str, bytes] = {}
    left = MAX_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = [info for info in archive.infolist() if not info.is_dir()]
            if len(inside) > MAX_FILES:
                raise InputError(
                    str(path),
                    "zip",
                    f"holds {len(inside)} files",
                    f"Give one model: at most {MAX_FILES} files",
                )
            for info in inside:
                suffix = Path(info.filename).suffix.lower()
                if suffix not in (".xml", ".rdf"):
                    raise InputError(
                        str(path),
                        one_line(info.filename)[:60],
                        "is no XML file",
                        "Put the XML files of the profiles themselves into one archive, and nothing else",
                    )
                if info.filename in found:
                    raise InputError(
                        str(path), one_line(info.filename)[:60], "occurs twice", "Keep one of the two"
                    )
                with archive.open(info) as member:
                    document = member.read(left + 1)  # never more, whatever size the archive states
                left -= len(document)
                if left < 0:
                    raise InputError(
                        str(path), "zip", f"holds more than {MAX_BYTES // 10**6} MB", "Give a smaller model"
                    )
                found[info.filename] = document
    except InputError:
        raise
    except UNPACKING as error:
        raise InputError(
            str(path),
            "zip",
            f"cannot be unpacked ({one_line(error)})",
            "Give a zip archive without a password",
        ) from error
    if not found:
        raise InputError(str(path), "zip", "is empty", "Give an archive of the profiles EQ, SSH and TP")
    return found


def _check_xml(name: str, document: bytes, path: Path) -> None:
    """Refuse declarations with which XML does more than hold data."""
    shown = one_line(name)[:60]
    declared = _ENCODING.match(document[:200].removeprefix(b"\xef\xbb\xbf"))
    encoding = declared.group(1).decode("latin-1").lower() if declared else "utf-8"
    if encoding not in ENCODINGS or b"\0" in document[:CHUNK]:
        raise InputError(
            str(path),
            shown,
            f"has the encoding {one_line(encoding)[:20]!a} or is no text",
            "Write it in UTF-8",
        )
    bad = _DECLARES.search(document)
    if bad is not None:
        line = document.count(b"\n", 0, bad.start()) + 1
        raise InputError(
            str(path),
            f"{shown} line {line}",
            f"declares <!{bad.group(1).decode('latin-1')}, which CGMES has no use for",
            "Remove the declaration",
        )


def _converted(documents: dict[str, bytes], version: str, path: Path) -> pandapowerNet:
    try:
        from pandapower.converter.cim.cim2pp.from_cim import from_cim  # it needs lxml
    except ImportError as error:
        raise InputError(
            str(path), "CGMES", f"needs a library that is not there ({one_line(error)})", "pip install lxml"
        ) from error
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of pandas about the code of the converter
        files = []
        for k, document in enumerate(documents.values()):
            plain = Path(folder) / f"{k}.xml"
            plain.write_bytes(document)
            files.append(str(plain))
        try:
            net = from_cim(files, cgmes_version=version, create_tap_controller=False, ignore_errors=False)
        except Exception as error:  # the converter raises many kinds: one message for all
            shown = one_line(error).replace(f"{folder}/", "")
            raise InputError(
                str(path),
                "CGMES",
                f"pandapower cannot convert it ({shown})",
                f"Give a whole model of CGMES {version}",
            ) from error
    if not len(net.bus):
        raise InputError(str(path), "CGMES", "has no nodes", "Give the profiles EQ, SSH and TP of one model")
    for key in ("report_container", "CGMES"):  # reports and identifiers without electrical meaning
        net.pop(key, None)
    return net
