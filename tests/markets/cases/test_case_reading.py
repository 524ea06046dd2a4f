"""Reading a case: every fault is refused with file, field and hint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.markets.cases.case import read_case

SOURCE = case_path("alexander-a")
NO_NUMBERS = ["1_000", "\u0663", "\uff11", "010", "0x1F", "nan", "inf", "Infinity", "true", "1:30", "1e999"]
"""Most of which Python takes for a number."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of case A that a test may spoil."""
    shutil.copytree(SOURCE, tmp_path / "A")
    return tmp_path / "A"


@pytest.fixture(autouse=True)
def _grids_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test changes a grid, and reading one takes most of the time."""
    monkeypatch.setattr("tandem_sim.markets.cases.case.load_network", lambda grid, folder: _grid(grid))


@cache
def _grid(grid: str) -> Network:
    return load_network(grid, SOURCE)


def _refused(folder: Path, field: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        read_case(folder)
    assert error.value.field == field
    assert error.value.hint


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda spec: spec.update({key: value})


def _entry(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda spec: spec["distribution"][1].update({key: value})


@pytest.mark.parametrize(
    ("spoil", "field", "problem"),
    [
        (_set("budget", 3), "budget", "unknown key"),
        (_set("distribution", None), "distribution", "not a list"),
        (_set("transmission", {}), "transmission.grid", "missing or not text"),
        (_set("bids", 3), "bids", "missing or not text"),
        (_set("bids", "none.csv"), "bids", "does not exist"),
        (_entry("id", "D1"), "distribution.1.id", "used twice"),
        (_entry("id", "T"), "distribution.1.id", "used twice"),
        (_entry("interface_bus", "9"), "distribution.1.interface_bus", "is '9'"),
        (_entry("interface_bus", True), "distribution.1.interface_bus", "is True"),
        (_entry("grid", "none.json"), "grid", "does not exist"),
        (_entry("interface", 9), "distribution.1.interface", "unknown key"),
        (_entry("interface_bus", 10**30), "distribution.1.interface_bus", "does not exist"),
        (_set("transmission", {"grid": "T.json", "scale": 2}), "transmission.scale", "unknown key"),
    ],
)
def test_faults_of_the_case_file(
    spoil: Callable[[dict[str, Any]], None], field: str, problem: str, folder: Path
) -> None:
    spec = json.loads((folder / "case.json").read_text())
    spoil(spec)
    (folder / "case.json").write_text(json.dumps(spec))
    _refused(folder, field, problem)


def test_interface_at_an_unknown_bus(folder: Path) -> None:
    spec = json.loads((folder / "case.json").read_text())
    spec["distribution"][0]["interface_bus"] = 99
    (folder / "case.json").write_text(json.dumps(spec))
    with pytest.raises(InputError, match="bus 99 does not exist") as error:
        read_case(folder)
    assert error.value.field == "distribution.0.interface_bus"
    assert error.value.source.endswith("case.json")


@pytest.mark.parametrize(
    ("column", "value", "field", "problem"),
    [
        ("system", "D9", "system in line 3", "D9 is no system"),
        ("direction", "sideways", "direction in line 3", "is sideways"),
        ("quantity_mw", "-1", "quantity_mw in line 3", "is -1"),
        ("quantity_mw", "much", "quantity_mw in line 3", "is much"),
        *(("quantity_mw", cell, "quantity_mw in line 3", f"is {cell}") for cell in NO_NUMBERS),
        *(("price_eur_per_mwh", cell, "price_eur_per_mwh in line 3", f"is {cell}") for cell in NO_NUMBERS),
        *(("bus", cell, "bus in line 3", f"is {cell}") for cell in NO_NUMBERS),
        ("price_eur_per_mwh", "9" * 5000, "price_eur_per_mwh in line 3", "is 9999"),
        ("price_eur_per_mwh", "1e300", "price_eur_per_mwh in line 3", "is 1e300"),
        ("bid_id", "", "bid_id in line 3", "is empty"),
        ("direction", "u\x1b[2Jp", "direction in line 3", r"is u\\x1b\[2Jp"),
        ("price_eur_per_mwh", "inf", "price_eur_per_mwh in line 3", "is inf"),
        ("bus", "", "bus in line 3", "is empty"),
        ("bus", "3.7", "bus in line 3", "is 3.7"),
        ("bus", "1e30", "bus in line 3", "is 1e30"),
        ("bus", "600", "bus in line 3", "bus 600 does not exist .* in grid D1.json"),
    ],
)
def test_faults_of_the_bids(column: str, value: str, field: str, problem: str, folder: Path) -> None:
    head, first, second, *rest = (folder / "bids.csv").read_text().splitlines()
    cells = second.split(",")
    cells[head.split(",").index(column)] = value
    (folder / "bids.csv").write_text("\n".join([head, first, ",".join(cells), *rest]))
    _refused(folder, field, problem)


def test_bid_id_used_twice(folder: Path) -> None:
    head, first, *rest = (folder / "bids.csv").read_text().splitlines()
    (folder / "bids.csv").write_text("\n".join([head, first, first, *rest]))
    _refused(folder, "bid_id in line 3", "used twice")


def test_missing_column(folder: Path) -> None:
    text = (folder / "bids.csv").read_text()
    (folder / "bids.csv").write_text(text.replace("price_eur_per_mwh", "price"))
    _refused(folder, "price_eur_per_mwh", "column is missing")


def test_line_and_value_are_those_of_the_first_bad_line_and_blank_lines_count(folder: Path) -> None:
    head, first, second, third, *rest = (folder / "bids.csv").read_text().splitlines()
    bad = [second.replace("b0001,D1", "zzz,D7"), third.replace("b0002,D1", "aaa,D8")]
    (folder / "bids.csv").write_text("\n".join([head, "", first, "", *bad, *rest]))
    _refused(folder, "system in line 5", "D7 is no system")


def _with_side(folder: Path, *sides: str) -> None:
    """Add a column `side`: the values given, and sell for all other bids."""
    head, *rest = (folder / "bids.csv").read_text().splitlines()
    column = [*sides, *["sell"] * (len(rest) - len(sides))]
    lines = [f"{line},{side}" for line, side in zip(rest, column, strict=True)]
    (folder / "bids.csv").write_text("\n".join([f"{head},side", *lines]))


def test_bids_sell_unless_they_buy(folder: Path) -> None:
    offered = read_case(folder).areas["D1"].bids
    assert not offered.demand.any()
    _with_side(folder, "buy", " buy ")  # b0000 up, b0001 down
    bids = read_case(folder).areas["D1"].bids
    assert bids.demand.tolist() == [True, True] + [False] * (len(offered) - 2)
    assert bids.direction.tolist() == [-1, 1, *offered.direction[2:]]  # whoever buys up takes from the system
    assert bids.price.tolist() == offered.price.tolist()


@pytest.mark.parametrize(
    ("side", "problem"), [("hold", "is hold"), ("", "is empty"), ("Buy", "is Buy"), ("1", "is 1")]
)
def test_faults_of_the_side(side: str, problem: str, folder: Path) -> None:
    _with_side(folder, "buy", side)
    with pytest.raises(InputError, match=r"bids\.csv: side in line 3: .*Use sell or buy") as error:
        read_case(folder)
    assert error.value.problem == problem


HEAD = "bid_id,system,bus,direction,quantity_mw,price_eur_per_mwh"


@pytest.mark.parametrize(
    ("data", "field", "problem"),
    [
        (b"", "file", "is empty"),
        (b"\n\n", "file", "is empty"),
        (f"{HEAD},bus\n".encode(), "bus", "given twice"),
        (f"{HEAD}\nb1,T,1,up,1,1,5\n".encode(), "line 2", "7 cells under 6 columns"),
        (f"{HEAD}\n\nb1,T,1,up\n".encode(), "line 3", "4 cells under 6 columns"),
        (f'{HEAD}\nb1,T,1,up,1,1\n"b2,T,1,up,1,1\nb3,T\n'.encode(), "line 3", "is not CSV"),
        (f"{HEAD}\nb1,T,1,up,1,1\nbié,T,1,up,1,1\n".encode("latin-1"), "line 3", "not UTF-8"),
        (f"{HEAD}\nb1,T,1,up,1\0,1\n".encode(), "line 2", "NUL"),
    ],
)
def test_bids_that_are_no_csv(data: bytes, field: str, problem: str, folder: Path) -> None:
    (folder / "bids.csv").write_bytes(data)
    _refused(folder, field, problem)


def test_a_byte_order_mark_and_other_line_ends_change_nothing(folder: Path) -> None:
    text = (folder / "bids.csv").read_text()
    (folder / "bids.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_case(folder).tso_bids.bid_id.tolist() == read_case(SOURCE).tso_bids.bid_id.tolist()


def test_case_that_is_no_json(folder: Path) -> None:
    (folder / "case.json").write_bytes(b'{"name": "\xe9"}')
    _refused(folder, "line 1", "is not UTF-8")
    (folder / "case.json").write_text("[" * 100_000)
    _refused(folder, "line 1", "nests more than 40")
    (folder / "case.json").write_text('{"name": ')
    _refused(folder, "line 1", "is not JSON")
    (folder / "case.json").write_text("[]")
    _refused(folder, "case", "not a JSON object")
    _refused(folder / "nowhere.json", "case", "does not exist")
