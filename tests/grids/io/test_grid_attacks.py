"""Grid files that would run code, open connections, block or fill memory: refused, nothing imported."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pandapower as pp
import pytest
from scipy.io import savemat

from tandem_sim.grids.documents import text
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net, load_network
from tests.grids.cgmes import MODEL
from tests.grids.io.test_read import MATPOWER
from tests.grids.network.test_checks import _net

CANARY = "foreign_canary"
PAYLOAD = {"_module": CANARY, "_class": "Net", "_object": "{}"}


class _Watch:
    """Notes every import that is looked for, and finds none of the foreign module."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self.asked.append(name)
        return None


@pytest.fixture
def watch(good: str) -> Iterator[_Watch]:
    """Sees imports from now on: what good files make pandas and pandapower import has been imported."""
    watch = _Watch()
    sys.meta_path.insert(0, watch)
    yield watch
    sys.meta_path.remove(watch)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pandapower JSON."""
    path = tmp_path_factory.mktemp("good") / "net.json"
    pp.to_json(_net(), str(path))
    load_network(str(path))
    return path.read_text(encoding="utf-8")


def _escaped(word: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in word)


def _cell(value: Any) -> Any:
    """A net whose first load has `value` as its name."""

    def change(net: dict[str, Any]) -> None:
        table = json.loads(net["load"]["_object"])
        table["data"][0][table["columns"].index("name")] = value
        net["load"]["_object"] = json.dumps(table)

    return change


def _entry(key: str, value: Any) -> Any:
    def change(net: dict[str, Any]) -> None:
        net[key] = value

    return change


def _of_table(**more: Any) -> Any:
    """A net whose table of loads says something else of how it is read."""

    def change(net: dict[str, Any]) -> None:
        net["load"].update(more)

    return change


def _series(content: str, **more: Any) -> dict[str, Any]:
    named = {"_module": "pandas.core.series", "_class": "Series", "orient": "split", "typ": "series"}
    return {**named, "dtype": "object", "_object": content, **more}


def _table(content: str, **more: Any) -> dict[str, Any]:
    return {"_module": "pandas", "_class": "DataFrame", "orient": "split", "_object": content, **more}


SPLIT = json.dumps({"columns": ["a"], "index": [0], "data": [[PAYLOAD]]})
SERIES = json.dumps({"name": "a", "index": [0], "data": [PAYLOAD]})
ATTACKS: dict[str, Any] = {
    "an object": _entry("user", PAYLOAD),
    "an object in a list": _entry("user", [[{"deep": [PAYLOAD]}]]),
    "a text": _entry("user", json.dumps(PAYLOAD)),
    "a text in a text": _entry("user", json.dumps([json.dumps(PAYLOAD)])),
    "a text behind a mark of order": _entry("user", "\ufeff  " + json.dumps(PAYLOAD)),
    "a text with more behind it": _entry("user", json.dumps(PAYLOAD) + " more"),
    "a cell": _cell(PAYLOAD),
    "a text in a cell": _cell(json.dumps(PAYLOAD)),
    "a list in a cell": _cell([PAYLOAD]),
    "an object without _object": _cell({"_module": CANARY, "_class": "Net"}),
    "a state": _cell({"_module": CANARY, "_class": "Net", "_state": {"a": 1}}),
    "a series": _entry("user", _series(SERIES)),
    "a series in a cell": _cell(_series(SERIES)),
    "a table in a table": _cell(_table(SPLIT)),
    "an array": _cell({"_module": "numpy", "_class": "array", "_object": [PAYLOAD]}),
    "a tuple": _entry("user", {"_module": "builtins", "_class": "tuple", "_object": [PAYLOAD]}),
    "a net as a text": _entry(
        "user",
        {
            "_module": "pandapower.auxiliary",
            "_class": "pandapowerNet",
            "_object": json.dumps({"bus": PAYLOAD}),
        },
    ),
    "a function": _entry("user", {"_module": CANARY, "_class": "function", "_object": "system"}),
    "a method": _entry("user", {"_module": CANARY, "_class": "method", "_object": "run"}),
    "a function of a library": _entry("user", {"_module": "os", "_class": "system", "_object": "true"}),
    "eval": _entry("user", {"_module": "builtins", "_class": "eval", "_object": "1"}),
    "a class of a good module": _entry(
        "user", {"_module": "pandas", "_class": "read_pickle", "_object": "x"}
    ),
    "a controller": _entry(
        "user", {"_module": "pandapower.control.basic_controller", "_class": "Controller", "_object": "{}"}
    ),
    "a graph": _entry("user", {"_module": "networkx", "_class": "MultiGraph", "_object": {}}),
    "a shape": _entry("user", {"_module": "shapely", "_class": "Point", "_object": {"type": "Point"}}),
    "places": _entry(
        "user", {"_module": "geopandas.geodataframe", "_class": "GeoDataFrame", "_object": "{}", "crs": "x"}
    ),
    "modules in a list": _entry("user", {"_module": [CANARY], "_class": ["Net"], "_object": "{}"}),
    "a table that is a path": _of_table(_object="/etc/passwd.json"),
    "a table that is an address": _of_table(_object="http://localhost:1/x.json"),
    "a table with a converter": _of_table(converters={"name": "eval"}),
    "a table with lines": _of_table(lines=True),
    "a dtype that is an object": _of_table(dtype={"name": PAYLOAD}),
    "a dtype of a library": _of_table(dtype={"name": "arrow"}),
    "a dtype of a large text": _of_table(dtype={"name": "U1000000000"}),
    "rows named by code": _of_table(
        is_multiindex=True, orient="columns", _object=json.dumps({"p_mw": {"__import__('os').getpid()": 1}})
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("spelt", [False, True])
def test_a_json_that_names_code_is_refused_and_nothing_is_imported(
    attack: str, spelt: bool, good: str, watch: _Watch, tmp_path: Path
) -> None:
    tree = json.loads(good)
    ATTACKS[attack](tree["_object"])
    content = json.dumps(tree)
    if spelt:  # the same file, keys and module in escapes
        for word in ("_module", "_class", CANARY):
            content = content.replace(f'"{word}"', f'"{_escaped(word)}"')
    (tmp_path / "net.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_network("net.json", tmp_path)
    assert watch.asked == []
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("]]}", "]],}"),  # pandas is content with it
        ('"data":', '"columns":["name"],"data":'),
        ('{"columns"', '\ufeff{"columns"'),
        ("]]}", "]]}]}"),
        ("]]}", "]]} trailing"),
        ("true", "True"),
        ("0.05", "5e-2x"),
        ("0.05", "01"),
    ],
)
def test_what_parsers_read_in_different_ways_is_refused(
    old: str, new: str, good: str, watch: _Watch, tmp_path: Path
) -> None:
    tree = json.loads(good)
    table = json.loads(tree["_object"]["load"]["_object"])
    table["data"][0][table["columns"].index("name")] = PAYLOAD
    content = json.dumps(table, separators=(",", ":"))
    assert old in content
    tree["_object"]["load"]["_object"] = content.replace(old, new)
    (tmp_path / "net.json").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(InputError):
        load_network("net.json", tmp_path)
    assert watch.asked == []


def test_the_watch_sees_an_import(watch: _Watch) -> None:
    with pytest.raises(ModuleNotFoundError):
        __import__(CANARY)
    assert watch.asked == [CANARY]


@pytest.mark.parametrize("depth", [500, 5_000, 100_000])
@pytest.mark.parametrize("sign", ["[", '{"a":'])
def test_depth_without_end_is_refused(depth: int, sign: str, good: str, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(
        good.replace('"_object": {', f'"_object": {{"user": {sign * depth}', 1)
    )
    with pytest.raises(InputError):
        load_net("net.json", tmp_path)
    tree = json.loads(good)
    tree["_object"]["load"]["_object"] = sign * depth
    (tmp_path / "net.json").write_text(json.dumps(tree))
    with pytest.raises(InputError):
        load_net("net.json", tmp_path)


# Files that are none


@pytest.mark.parametrize("suffix", [".json", ".m", ".mat", ".uct", ".zip", ".xml"])
def test_pipes_devices_and_folders_are_refused_at_once(suffix: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "zero"):
        with pytest.raises(InputError) as error:
            load_net(f"{name}{suffix}", tmp_path)
        assert error.value.field == "file"


def test_a_symbolic_link_to_a_file_is_read(good: str, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(good, encoding="utf-8")
    (tmp_path / "link.json").symlink_to("net.json")
    assert len(load_net("link.json", tmp_path).load) == 1
    (tmp_path / "round.json").symlink_to("round.json")
    with pytest.raises(InputError, match="does not exist"):
        load_net("round.json", tmp_path)


@pytest.mark.parametrize("name", ["x" * 5000 + ".json", "a\0b.json"])
def test_a_name_that_no_file_can_have_is_a_file_that_does_not_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_net(name, tmp_path)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(text.MOST_BYTES + 1)  # no byte of it is on the disk
    with pytest.raises(InputError, match="has more than"):
        load_net("large.json", tmp_path)


# MATLAB


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("x = zeros(1e9);", "whole number|more than"),
        ("x = zeros(100000, 100000);", "more than"),
        ("x = ones(1e5, 1); y = x * x';", "too large"),
        ("x = 1:1e12;", "more than"),
        ("for k = 1:1e7\n for l = 1:1e7\n x = 1;\n end\nend", "more work"),
        ("while 1\nend", "while"),
        ("mpc.bus(1e9, 1e9) = 1;", "cannot be"),
        ("x = 'a'; for k = 1:60\n x = [x x];\nend", "more work|more than"),
        ("s.a = 1; for k = 1:60\n t.a = s; t.b = s; s = t;\nend", "more work|more than|nested"),
        ("x = 2; for k = 1:60\n x = [x; x];\nend", "more work|more than"),
        ("x = repmat(1, 1e5, 1e5);", "more than"),
        ("x = " + "(" * 5000 + "1" + ")" * 5000 + ";", "nested more than 40 times"),
        ("x = " + "-" * 100_000 + "1;", "nested|deep|more"),
        ("x = 1" + "'" * 100_000 + ";", "nested|deep|more"),
        ("x = 1" + "+1" * 100_000 + ";", "nested|deep|more"),
        ("system('true');", "not known"),
        ("!ls -l", "not known"),
        ("eval('1');", "not known"),
        ("load('x.mat');", "not known"),
    ],
)
def test_statements_without_end_or_measure_are_refused(statement: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "case.m").write_text(f"{MATPOWER}\n{statement}\n")
    with pytest.raises(InputError, match=problem) as error:
        load_network("case.m", tmp_path)
    assert len(str(error.value)) < 1000


def test_a_binary_case_that_unpacks_without_measure_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    savemat(cast(Any, file), {"x": np.zeros((2, 2))})
    head = file.getvalue()[:128]
    pack = zlib.compressobj(9)
    zeros = b"".join(pack.compress(bytes(10**6)) for _ in range(text.MOST_BYTES // 10**6 + 1)) + pack.flush()
    (tmp_path / "bomb.mat").write_bytes(head + struct.pack("<II", 15, len(zeros)) + zeros)
    with pytest.raises(InputError, match="unpacks to more than"):
        load_net("bomb.mat", tmp_path)


# CGMES


def test_an_archive_with_two_files_of_one_name_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        for name, data in MODEL.items():
            packed.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr("EQ.xml", MODEL["EQ.xml"])
    with pytest.raises(InputError, match="occurs twice"):
        load_net("model.zip", tmp_path)


def test_links_and_paths_of_an_archive_lead_nowhere(tmp_path: Path) -> None:
    """A link is a file whose content is a path; that is no XML of a profile."""
    link = zipfile.ZipInfo("EQ.xml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
        packed.writestr("../../SSH.xml", MODEL["SSH.xml"])
        packed.writestr("/TP.xml", MODEL["TP.xml"])
    with pytest.raises(InputError):
        load_net("model.zip", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.zip"]


def test_elements_in_elements_without_end_are_refused(tmp_path: Path) -> None:
    deep = b"<cim:x>" * 100_000 + b"</cim:x>" * 100_000
    document = MODEL["EQ.xml"].replace(b"</rdf:RDF>", deep + b"</rdf:RDF>")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        for name, data in {**MODEL, "EQ.xml": document}.items():
            packed.writestr(name, data)
    with pytest.raises(InputError):
        load_net("model.zip", tmp_path)
