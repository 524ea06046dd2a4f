"""JSON is read strictly: RFC 8259, no key twice, only numbers that can be represented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.grids.documents.json_reader import (
    DEEPEST,
    LARGEST_JSON,
    MOST_PARTS,
    read_json,
    read_json_object,
)
from tandem_sim.grids.errors import InputError


def refused(text: str, field: str, problem: str) -> None:
    with pytest.raises(InputError) as found:
        read_json(text, "file.json")
    assert (found.value.source, found.value.field) == ("file.json", field)
    assert problem in found.value.problem
    assert found.value.hint
    assert str(found.value).isprintable()


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**128, 0.1, -1e-300, 5e-324, "", "\u00e9\U0001f600", [], {"a": [{"b": None}, 1.5]}],
)
def test_what_is_written_is_read(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert repr(read_json(text, "file.json")) == repr(value)


def test_the_example_of_the_standard() -> None:
    text = """{"Image": {"Width": 800, "Height": 600, "Title": "View from 15th Floor",
      "Thumbnail": {"Url": "http://www.example.com/image/481989943", "Height": 125, "Width": 100},
      "Animated": false, "IDs": [116, 943, 234, 38793]}}"""  # RFC 8259, section 13
    assert read_json(text, "file.json")["Image"]["IDs"] == [116, 943, 234, 38793]


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ('{"a": 1,\n"a": 2}', "a", "stands in line 1 and again in line 2"),
        ('{"a": [1, {"b": {}}, {"b": 1,\n\n"c": "}{,:",\n"b": 2}]}', "a.2.b", "line 1 and again in line 4"),
        ('{"a": {"a": 1}, "\\u0061": 2}', "a", "line 1 and again in line 1"),
        ("[NaN]", "0", "is NaN, which is no number of JSON (line 1)"),
        ('{"a": "NaN",\n"b": [1, -Infinity]}', "b.1", "is -Infinity, which is no number of JSON (line 2)"),
        ("Infinity", "JSON", "Infinity"),
        ("[1,\n1e999]", "1", "is 1e999, which is too large a number (line 2)"),
        ("[1e-999]", "0", "read as zero"),
        ("[" + "9" * 5000 + "]", "0", "5000 characters (line 1)"),
        ("[" + "9" * 50 + "]", "0", "50 digits (line 1)"),
        ("[0." + "3" * 300 + "-2]", "0", "302 characters"),
        ('{"a":\n"\\ud800"}', "a", "surrogate) (line 2)"),
        ('{"a\\u0000": 1}', "JSON", "NUL character (line 1)"),
        ("", "line 1", "is not JSON"),
        ("[1,\n2,]", "line 2", "is not JSON"),
        ("{'a': 1}", "line 1", "is not JSON"),
        ("[010]", "line 1", "is not JSON"),
        ("[1_000]", "line 1", "is not JSON"),
        ("[0x1F]", "line 1", "is not JSON"),
        ("[\u0663]", "line 1", "is not JSON"),
        ("[1] [2]", "line 1", "is not JSON"),
        ('["a\nb"]', "line 1", "is not JSON"),
        ("[" * 10**5, "line 1", f"more than {DEEPEST} lists"),
        ('{"a":\n' * 10**5, f"line {DEEPEST + 1}", "lists and objects"),
        ("[" + "[]," * MOST_PARTS + "[]]", "JSON", "commas and brackets"),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_what_is_refused(text: str, field: str, problem: str) -> None:
    refused(text, field, problem)


def test_brackets_in_text_are_no_levels() -> None:
    many = ["[" * 100, '\\"[{' * 100]
    assert read_json(json.dumps({"a": many}), "file.json") == {"a": many}


def test_an_object_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for data, problem in (
        (b"[]", "not a JSON object"),
        (b"\xff", "not UTF-8"),
        (b"{}" + b" " * LARGEST_JSON, "more than"),
        (None, "does not exist"),
    ):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(InputError, match=problem) as found:
            read_json_object(path)
        assert found.value.source == str(path)
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json_object(path) == {"a": 1}
    with pytest.raises(InputError, match="does not exist"):
        read_json_object(tmp_path / ("x" * 300))
