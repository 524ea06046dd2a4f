"""Sources of grids; and reading a file from outside runs none of its code."""

from __future__ import annotations

import json
import operator
import sys
from pathlib import Path

import pandapower as pp
import pandas as pd
import pytest

from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io import read as load
from tandem_sim.grids.io.read import load_net, load_network, network_names
from tandem_sim.grids.network.network import Network
from tests.nets import empty_net

CASE_A = case_path("alexander-a")
MARKER = "tandem_was_here"
MATPOWER = """function mpc = tiny
mpc.version = '2';
mpc.baseMVA = 10;
%% bus_i type Pd Qd Gs Bs area Vm Va baseKV zone Vmax Vmin
mpc.bus = [
    1 3 0   0   0 0 1 1 0 20 1 1.05 0.95;
    2 1 1.5 0.5 0 0 1 1 0 20 1 1.05 0.95;
    3 1 0.5 0.2 0 0 1 1 0 20 1 1.05 0.95;
];
%% bus Pg Qg Qmax Qmin Vg mBase status Pmax Pmin
mpc.gen = [
    1 0 0 10 -10 1.02 10 1 10 -10;
];
%% fbus tbus r x b rateA rateB rateC ratio angle status angmin angmax
mpc.branch = [
    1 2 0.01 0.02 0 4 0 0 0 0 1 -360 360;
    2 3 0.03 0.04 0 2 0 0 0 0 1 -360 360;
];
"""


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    """A pandapower JSON of three buses."""
    net = empty_net(name="tiny")
    pp.create_buses(net, 2, vn_kv=20.0)
    pp.create_ext_grid(net, 0)
    pp.create_line_from_parameters(net, 0, 1, 1.0, 0.1, 0.1, 0.0, max_i_ka=0.1)
    pp.create_load(net, 1, p_mw=0.4, q_mvar=0.1)
    pp.to_json(net, str(tmp_path / "grid.json"))
    return tmp_path / "grid.json"


def test_pandapower_json_relative_to_a_folder(grid_file: Path) -> None:
    network = load_network("grid.json", grid_file.parent)
    assert network.p_mw.tolist() == [0.0, -0.4]
    assert network.q_mvar.tolist() == [0.0, -0.1]


@pytest.fixture
def foreign_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that leaves a mark in `sys` when it is imported."""
    (tmp_path / "foreign_module.py").write_text(f"import sys\nsys.{MARKER} = True\nclass Net: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "foreign_module", raising=False)
    return "foreign_module"


@pytest.mark.parametrize(
    "hiding", ["plain", "string", "string in string", "escaped key", "class of a good module", "cell"]
)
def test_json_that_names_foreign_code_is_refused_and_nothing_is_imported(
    hiding: str, grid_file: Path, foreign_module: str
) -> None:
    payload = {"_module": foreign_module, "_class": "Net", "_object": "{}"}
    if hiding == "class of a good module":
        payload = {"_module": "pandas", "_class": "read_pickle", "_object": "x"}
    tree = json.loads(grid_file.read_text())
    place = tree["_object"]
    if hiding == "string":
        place["user"] = json.dumps(payload)
    elif hiding == "cell":
        table = json.loads(place["load"]["_object"])
        table["data"][0][table["columns"].index("name")] = payload
        place["load"]["_object"] = json.dumps(table)
    elif hiding == "string in string":
        place["user"] = json.dumps({"deep": json.dumps([payload])})
    else:
        place["user"] = payload
    text = json.dumps(tree)
    if hiding == "escaped key":  # the same keys and names, spelt in \u escapes
        for word in ("_module", foreign_module):
            text = text.replace(f'"{word}"', '"' + "".join(f"\\u{ord(c):04x}" for c in word) + '"')
        assert foreign_module not in text
    grid_file.write_text(text)
    with pytest.raises(InputError, match="which reading the file would import") as error:
        load_net("grid.json", grid_file.parent)
    assert error.value.field == "_module"
    assert foreign_module not in sys.modules
    assert not hasattr(sys, MARKER)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (
            '"data":',
            '"columns":["name"],"data":',
            "columns",
        ),  # two: which one a reader takes is its own affair
        ("]]}", "]],}", "_object"),  # pandas is content with it
        ("]]}", "]]} ", ""),
    ],
)
def test_a_class_does_not_hide_in_what_python_and_pandas_read_differently(
    old: str, new: str, field: str, grid_file: Path, foreign_module: str
) -> None:
    tree = json.loads(grid_file.read_text())
    table = json.loads(tree["_object"]["load"]["_object"])
    payload = {"_module": foreign_module, "_class": "Net", "_object": "{}"}
    table["data"][0][table["columns"].index("name")] = payload
    text = json.dumps(table, separators=(",", ":"))
    assert text.count(old) == 1
    tree["_object"]["load"]["_object"] = text.replace(old, new)
    grid_file.write_text(json.dumps(tree))
    with pytest.raises(InputError) as error:
        load_net("grid.json", grid_file.parent)
    assert error.value.field == field or not field
    assert foreign_module not in sys.modules


def test_a_table_says_no_more_of_how_it_is_read_than_pandapower_writes(grid_file: Path) -> None:
    tree = json.loads(grid_file.read_text())
    tree["_object"]["load"]["lines"] = True
    grid_file.write_text(json.dumps(tree))
    with pytest.raises(InputError, match="how a DataFrame is to be read") as error:
        load_net("grid.json", grid_file.parent)
    assert error.value.field == "lines"


def test_a_key_that_stands_twice_is_named(grid_file: Path) -> None:
    text = grid_file.read_text().replace('"sn_mva": 1.0', '"sn_mva": 1.0,\n"sn_mva": 100.0')
    grid_file.write_text(text)
    line = text[: text.index('"sn_mva": 100.0')].count("\n") + 1
    with pytest.raises(InputError, match=f"sn_mva: stands in line {line - 1} and again in line {line}"):
        load_net("grid.json", grid_file.parent)


def test_the_foreign_module_would_have_left_its_mark(
    foreign_module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, MARKER, False, raising=False)
    __import__(foreign_module)
    assert getattr(sys, MARKER)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[1, 2]", "is not a pandapower network"),
        (
            '{"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": 3}',
            "is not a pandapower network",
        ),
    ],
)
def test_files_that_are_no_networks_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(InputError, match=problem) as error:
        load_net("bad.json", tmp_path)
    assert error.value.source.endswith("bad.json")


@pytest.mark.parametrize("data", [b'{"a": "\xe9"}', b'{"a": "\0"}'])
def test_a_grid_file_that_is_no_text_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(data)
    with pytest.raises(InputError, match="text") as error:
        load_net("bad.json", tmp_path)
    assert error.value.field == "line 1"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["bad.m", "bad.mat"])
@pytest.mark.parametrize("data", [b"", b"\xe9\xff\0\n", b"mpc.bus = [\n1 2\n];\n"])
def test_a_matpower_file_that_is_none_is_refused_on_one_line(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match="is not a MATPOWER case") as error:
        load_net(name, tmp_path)
    assert "\n" not in str(error.value)


def test_matpower_case(tmp_path: Path) -> None:
    (tmp_path / "tiny.m").write_text(MATPOWER)
    network = load_network("tiny.m", tmp_path)
    leaf = network.nodes_of(network.bus_index, "bus")
    assert sorted(network.p_mw[leaf].tolist()) == [-1.5, -0.5, 0.0]
    assert network.root_vm_pu == 1.02
    assert network.interface_mw == pytest.approx(2.0)
    assert sorted(network.branches.s_max_mva.tolist()) == pytest.approx([2.0, 4.0])
    # r in p.u. of 10 MVA in the file, of the net's own base here: compare in ohm (20 kV)
    ohm = network.branches.r_pu * 20.0**2 / network.base_mva
    assert sorted(ohm.tolist()) == pytest.approx([0.4, 1.2])


def test_text_that_is_no_matpower_case_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.m").write_text("function mpc = bad\nmpc.version = '2';\n")
    with pytest.raises(InputError, match="is not a MATPOWER case") as error:
        load_net("bad.m", tmp_path)
    assert error.value.field == "mpc"


def counted(monkeypatch: pytest.MonkeyPatch, parser: str) -> list[object]:
    """What a parser of `tandem_sim.grids.io.read` is given from now on."""
    given: list[object] = []
    parse = operator.attrgetter(parser)(load)

    def count(content: object, *more: object, **how: object) -> object:
        given.append(content)
        return parse(content, *more, **how)

    monkeypatch.setattr(f"tandem_sim.grids.io.read.{parser}", count)
    return given


@pytest.mark.parametrize(
    ("name", "parser"), [("grid.json", "read_pandapower_json"), ("tiny.m", "read_matpower")]
)
def test_a_content_is_parsed_once_and_a_changed_one_anew(
    name: str, parser: str, grid_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = {"grid.json": grid_file.read_text(encoding="utf-8"), "tiny.m": MATPOWER}[name]
    text = text.replace("tiny", "often")  # as no other test has it
    (tmp_path / name).write_text(text, encoding="utf-8")
    given = counted(monkeypatch, parser)
    first, second = load_net(name, tmp_path), load_net(name, tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text(text, encoding="utf-8")
    other = load_network(name, tmp_path / "other")
    assert len(given) == 1
    pd.testing.assert_frame_equal(first.load, second.load)
    for old, new in (("0.4,", "0.3,"), ("1.5 0.5", "1.4 0.5")):
        text = text.replace(old, new)
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert load_network(name, tmp_path).p_mw.sum() == pytest.approx(other.p_mw.sum() + 0.1)
    assert len(given) == 2


def test_a_net_that_is_changed_does_not_change_the_next(grid_file: Path) -> None:
    net = load_net("grid.json", grid_file.parent)
    net.load["p_mw"] = 9.0
    net.std_types["line"].clear()
    pp.create_load(net, 1, p_mw=1.0)
    again = load_net("grid.json", grid_file.parent)
    assert again.load.p_mw.tolist() == [0.4]
    assert again.std_types["line"]
    assert load_network("grid.json", grid_file.parent).p_mw.tolist() == [0.0, -0.4]


def test_one_net_of_a_file_is_not_another(grid_file: Path) -> None:
    text = grid_file.read_text(encoding="utf-8")
    (grid_file.parent / "more.json").write_text(text.replace("0.4,", "0.6,"), encoding="utf-8")
    for name, mw in (("grid", 0.4), ("more", 0.6), ("grid", 0.4)):
        assert load_net(f"{name}.json", grid_file.parent).load.p_mw.tolist() == [mw]


@pytest.mark.parametrize(("name", "text"), [("bad.json", "[1, 2, 3]"), ("bad.m", "function mpc = bad\n")])
def test_an_error_names_the_file_asked_for_and_not_one_of_the_same_content(
    name: str, text: str, tmp_path: Path
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
        with pytest.raises(InputError) as error:
            load_net(name, tmp_path / folder)
        assert error.value.source == str(tmp_path / folder / name)


def test_the_name_of_a_file_says_how_it_is_parsed(tmp_path: Path) -> None:
    for name in ("tiny.m", "tiny.mat"):
        (tmp_path / name).write_text(MATPOWER)
    load_net("tiny.m", tmp_path)
    with pytest.raises(InputError, match="is not a MATPOWER case"):
        load_net("tiny.mat", tmp_path)


@pytest.mark.parametrize("name", ["tiny.M", "tiny.MAT"])
def test_a_matpower_file_whose_name_ends_in_capitals_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(MATPOWER)
    with pytest.raises(InputError, match=r"grid: ends in \.MA?T?, which is not read. Rename it"):
        load_net(name, tmp_path)


@pytest.mark.parametrize("name", ["D1", "net in a net"])
def test_a_net_is_what_pandapower_reads(name: str, grid_file: Path) -> None:
    """Every table, its types and its order, and all that is no table."""
    path = CASE_A / f"{name}.json"
    if name == "net in a net":
        tree = json.loads(grid_file.read_text(encoding="utf-8"))
        tree["_object"]["user"] = json.loads(grid_file.read_text(encoding="utf-8"))
        path = grid_file
        path.write_text(json.dumps(tree), encoding="utf-8")
    found, expected = load_net(str(path)), pp.from_json_string(path.read_text(encoding="utf-8"))
    assert list(found) == list(expected)
    for key, value in expected.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(found[key], value, check_exact=True, check_column_type=True)
        elif key == "user":
            pd.testing.assert_frame_equal(found.user.load, value.load)
            assert found.user is not found
        else:
            assert found[key] == value, key


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as error:
        load_net("nowhere.json", tmp_path)
    assert error.value.source.endswith("nowhere.json")


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(InputError, match="no such grid") as error:
        load_net("case15b")
    assert "case69" in error.value.hint
    assert "case14" in error.value.hint


def test_names_from_pandapower_need_no_arguments() -> None:
    names = network_names()
    assert {"case9", "case14", "create_cigre_network_mv"} <= set(names)
    assert "Path" not in names


@pytest.mark.parametrize(("grid", "buses", "load_mw"), [("case69", 69, 3.80219), ("case141", 141, 11.9446)])
def test_bundled_tables(grid: str, buses: int, load_mw: float) -> None:
    network = Network.from_pandapower(load_net(grid), grid)
    assert network.n_nodes == buses
    assert len(network.branches) == buses - 1
    assert network.interface_mw == pytest.approx(load_mw, abs=2e-3)
    assert network.bus_index[network.bus_node == network.root].tolist() == [1]
