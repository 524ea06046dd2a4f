from __future__ import annotations

import gc
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from tandem_sim.grids.documents import xml_reader
from tandem_sim.grids.documents.xml_reader import read_xml
from tandem_sim.grids.errors import InputError


def _path(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    return path


def test_elements_have_their_names_texts_and_lines(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?>\n<a xmlns="urn:x" xmlns:y="urn:y">\n <b.c> one\n </b.c>\n'
    text += "<y:b.c><d/>two</y:b.c></a>"
    ((source, root),) = read_xml(_path(tmp_path, text.encode()))
    assert source == str(tmp_path / "a.xml")
    assert (root.tag, root.line) == ("a", 2)
    assert [(inner.tag, inner.text, inner.line) for inner in root.inside] == [
        ("b.c", "one", 3),
        ("b.c", "", 5),
    ]
    assert root.said("b.c") == "one"
    assert root.said("e") == ""
    assert len(root.every("b.c")) == 2


LAUGHS = (
    '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]>\n<a>&c;</a>',
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>\n<a>&b;</a>',
    '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">\n<a/>',
    "<!DOCTYPE a>\n<a/>",
)


@pytest.mark.parametrize("text", LAUGHS)
def test_document_types_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.xml: line 1: declares a document type"):
        list(read_xml(_path(tmp_path, text.encode())))


def test_other_encodings_are_refused_or_no_way_around(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no XML in UTF-8"):
        list(read_xml(_path(tmp_path, "<a>é</a>".encode("latin-1"))))
    with pytest.raises(InputError, match=r"declares a document type"):
        list(read_xml(_path(tmp_path, LAUGHS[0].encode("utf-16"))))


def test_unknown_entities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1: is no XML in UTF-8 \(undefined entity\)"):
        list(read_xml(_path(tmp_path, b"<a>&b;</a>")))


def test_depth_and_number_of_elements_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"has deeply nested elements"):
        list(read_xml(_path(tmp_path, b"<a>" * 10_000)))
    monkeypatch.setattr(xml_reader, "MOST_ELEMENTS", 10)
    with pytest.raises(InputError, match=r"has more than 10 elements"):
        list(read_xml(_path(tmp_path, b"<a>" + b"<b/>" * 10 + b"</a>")))


def _archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def test_archives_give_each_document(tmp_path: Path) -> None:
    data = _archive({"1.xml": b"<a/>", "2.xml": b"<b/>"})
    assert [(source[-5:], root.tag) for source, root in read_xml(_path(tmp_path, data))] == [
        ("1.xml", "a"),
        ("2.xml", "b"),
    ]


def test_bad_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = _archive({"1.xml": b"<a>" + b" " * 1000 + b"</a>"})
    cases = {
        r"is no XML file": _archive({"1.txt": b"<a/>"}),
        r"zip: is empty": _archive({}),
        r"zip: cannot be unpacked": good[: len(good) // 2],
    }
    for message, data in cases.items():
        with pytest.raises(InputError, match=message):
            list(read_xml(_path(tmp_path, data)))
    monkeypatch.setattr(xml_reader, "MOST_BYTES", 500)
    with pytest.raises(InputError, match=r"zip: holds more than"):
        list(read_xml(_path(tmp_path, good)))


def test_elements_are_counted_over_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two documents of 6 elements are 12."""
    data = _archive({f"{k}.xml": b"<a>" + b"<b/>" * 5 + b"</a>" for k in range(2)})
    monkeypatch.setattr(xml_reader, "MOST_ELEMENTS", 12)
    assert len(list(read_xml(_path(tmp_path, data)))) == 2
    monkeypatch.setattr(xml_reader, "MOST_ELEMENTS", 11)
    with pytest.raises(InputError, match=r"2?1\.xml: line 1: has more than 11 elements"):
        list(read_xml(_path(tmp_path, data)))


def _peak(path: Path) -> int:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    for _, root in read_xml(path):
        del root
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gc.enable()
    return peak


def test_one_tree_at_a_time_is_in_memory(tmp_path: Path) -> None:
    """Ten documents take hardly more than one, even before cycles are collected."""
    document = b"<a>" + b"<b>1</b>" * 5000 + b"</a>"
    one = _peak(_path(tmp_path, _archive({"0.xml": document})))
    assert _peak(_path(tmp_path, _archive({f"{k}.xml": document for k in range(10)}))) < 1.5 * one
