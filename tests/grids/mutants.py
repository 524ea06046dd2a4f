"""Grid files that are nearly right: seeded mutants of good ones, by their text and by their structure."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
import pandapower as pp
import pandas as pd
from numpy.random import Generator
from scipy.io import savemat

from tests.grids.cgmes import MODEL
from tests.grids.io.test_read import MATPOWER
from tests.grids.io.test_ucte import UCTE
from tests.grids.network.test_checks import _net

ODD = [
    *("nan", "NaN", "Infinity", "-1", "0", "1", "1.5", "1e308", "-1e308", "1e400", "1e-300", "4294967296"),
    *("99999999999999999999", "true", "null", '"x"', '"1"', "[]", "{}", "", "0x10", "1_000", "--1"),
]
"""What may stand where a number stood."""
VALUES: list[Any] = [
    *(float("nan"), float("inf"), -1, 0, 1.5, 1e308, -1e308, 1e-300, 2**32, 10**20, True, False, None, "x"),
    *(
        "",
        "1",
        "nan",
        [],
        [1],
        {},
        {"a": 1},
        {"_module": "this", "_class": "x", "_object": "{}"},
        "bus",
        -0.4,
    ),
]
"""What may stand in a cell."""
TYPES = [
    "int64",
    "uint32",
    "float64",
    "float16",
    "bool",
    "object",
    "str",
    "category",
    "O",
    "U9",
    "x",
    3,
    None,
]
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

Mutate = Callable[[Generator, bytes], bytes]


def _some(rng: Generator, choices: list[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _flipped(rng: Generator, data: bytes) -> bytes:
    found = bytearray(data)
    for at in rng.integers(len(found), size=int(rng.integers(1, 4))):
        found[at] ^= 1 << int(rng.integers(8))
    return bytes(found)


def _lines(rng: Generator, data: bytes) -> bytes:
    """A line, or what stands between two commas of a file of one line, twice, away, or elsewhere."""
    sign = b"\n" if data.count(b"\n") > 3 else b","
    parts = data.split(sign)
    at, other = rng.integers(len(parts), size=2)
    way = rng.integers(3)
    if way == 0:
        parts.insert(other, parts[at])
    elif way == 1:
        del parts[at]
    else:
        parts[at], parts[other] = parts[other], parts[at]
    return sign.join(parts)


def _cut(rng: Generator, data: bytes) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _number(rng: Generator, data: bytes) -> bytes:
    found = list(NUMBER.finditer(data))
    if not found:
        return data
    at: re.Match[bytes] = _some(rng, found)
    odd: str = _some(rng, ODD)
    return data[: at.start()] + odd.encode() + data[at.end() :]


def _fixed_number(rng: Generator, data: bytes) -> bytes:
    """A number replaced so that the columns stay, as a file of fixed columns has them."""
    at: re.Match[bytes] = _some(rng, list(NUMBER.finditer(data)))
    width = at.end() - at.start()
    odd: str = _some(rng, ODD)
    return data[: at.start()] + odd.encode()[:width].rjust(width) + data[at.end() :]


TEXT: list[Mutate] = [_flipped, _lines, _cut, _number, _number]


# pandapower JSON


@cache
def _json() -> bytes:
    net = _net()
    pp.create_impedance(net, 2, 4, rft_pu=0.01, xft_pu=0.02, sn_mva=1.0)
    pp.create_xward(net, 2, 0.01, 0.0, 0.0, 0.0, 0.1, 0.2, 1.0, in_service=False)
    net.trafo["tap_changer_type"] = "Ratio"
    for name in [name for name, table in net.items() if isinstance(table, pd.DataFrame) and table.empty]:
        del net[name]  # which every net has when it is read
    return bytes(pp.to_json(net).encode())


@cache
def _json_tables() -> list[str]:
    net = json.loads(_json())["_object"]
    return [
        name
        for name, table in net.items()
        if isinstance(table, dict) and '"index":[0' in str(table.get("_object"))
    ]


def _structure(rng: Generator, data: bytes) -> bytes:
    tree = json.loads(data)
    net = tree["_object"]
    name = _some(rng, _json_tables())
    item = net[name]
    table = json.loads(item["_object"])
    columns, index, rows = table["columns"], table["index"], table["data"]
    row, column = int(rng.integers(len(rows))), int(rng.integers(len(columns)))
    way = int(rng.integers(12))
    if way <= 4:
        rows[row][column] = _some(rng, VALUES)
    elif way == 5:
        del columns[column]
        for cells in rows:
            del cells[column]
    elif way == 6:
        columns[column] = _some(rng, ["", "x", columns[0], 3, None, "p_mw", "geo"])
    elif way == 7:
        item["dtype"][columns[column]] = _some(rng, TYPES)
    elif way == 8:
        del index[row], rows[row]
    elif way == 9:
        index[row] = _some(rng, [index[0], -1, 10**6, 10**12, 2**63, "x", "0", 0.5, None, True, []])
    elif way == 10:
        rows.insert(row, rows[row])
        index.append(max(index) + 1)
    else:
        key = _some(
            rng, ["sn_mva", "f_hz", "version", "format_version", "name", "std_types", name, "bus_geodata"]
        )
        net[key] = _some(rng, [*VALUES, 50, "3.0.0", "2.14.0", "1.2", {"bus": 1}])
        return json.dumps(tree).encode()
    item["_object"] = json.dumps(table)
    return json.dumps(tree).encode()


# MATPOWER in binary


TABLES = {
    "baseMVA": 10.0,
    "bus": np.array([[k, 3 if k == 1 else 1, 0.5, 0.1, 0, 0, 1, 1, 0, 20, 1, 1.05, 0.95] for k in (1, 2, 3)]),
    "gen": np.array([[1, 0, 0, 10, -10, 1.02, 10, 1, 10, -10]], dtype=float),
    "branch": np.array([[k, k + 1, 0.01, 0.02, 0, 4, 0, 0, 0, 0, 1, -360, 360] for k in (1, 2)]),
}


@cache
def _mat(packed: bool) -> bytes:
    return _saved(TABLES, packed)


def _saved(tables: dict[str, Any], packed: bool) -> bytes:
    file = io.BytesIO()
    savemat(cast(Any, file), {"mpc": tables}, do_compression=packed)
    return file.getvalue()


def _binary(rng: Generator, data: bytes) -> bytes:
    way: Mutate = _some(rng, [_flipped, _flipped, _cut])
    return way(rng, _mat(bool(rng.integers(2))))


def _binary_structure(rng: Generator, data: bytes) -> bytes:
    name = _some(rng, list(TABLES))
    table = np.array(TABLES[name], ndmin=2)
    way = int(rng.integers(5))
    odd: Any
    if way <= 1:
        table[rng.integers(len(table)), rng.integers(table.shape[1])] = _some(
            rng, [np.nan, np.inf, -1, 0, 1.5, 1e308, 1e12, 1e-300]
        )
        odd = table
    elif way == 2:
        odd = table[:, : int(rng.integers(table.shape[1] + 1))]
    elif way == 3:
        odd = _some(
            rng,
            [table > 0, table * 1j, table.astype(object), table.astype(np.uint8), np.vstack([table, table])],
        )
    else:
        odd = _some(rng, ["text", {}, np.zeros((0, 0)), np.zeros((2, 2, 2)), {"a": table}, [1, "x"]])
    return _saved({**TABLES, name: odd}, bool(rng.integers(2)))


# CGMES


@cache
def _zip() -> bytes:
    return _archive(MODEL)


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer.getvalue()


def _profile(rng: Generator, data: bytes) -> bytes:
    name = _some(rng, list(MODEL))
    return _archive({**MODEL, name: _some(rng, TEXT)(rng, MODEL[name])})


KINDS: dict[str, tuple[Callable[[], bytes], list[Mutate]]] = {
    ".json": (_json, [*TEXT, _structure, _structure, _structure, _structure, _structure]),
    ".m": (MATPOWER.encode, TEXT),
    ".mat": (lambda: _mat(True), [_binary, _binary_structure]),
    ".uct": (UCTE.encode, [*TEXT, _fixed_number, _fixed_number, _fixed_number]),
    ".zip": (_zip, [_profile, _profile, _profile, _flipped]),
}
"""Good files by what their names end in, and what is done to them."""


def mutant(kind: str, number: int) -> bytes:
    """The mutant of that number: always the same one."""
    rng = np.random.default_rng([number, sorted(KINDS).index(kind)])
    good, ways = KINDS[kind]
    way: Mutate = _some(rng, ways)
    return way(rng, good())
