"""Reading a case: every fault is refused with file, field and mend."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grids.errors import InputError
from markets.case import read_case

SOURCE = Path(__file__).resolve().parents[1] / "cases" / "A"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of case A that a test may spoil."""
    shutil.copytree(SOURCE, tmp_path / "A")
    return tmp_path / "A"


def _refused(folder: Path, field: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        read_case(folder)
    assert error.value.field == field
    assert error.value.mend


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
    assert error.value.field.startswith("distribution.0.interface_bus")


@pytest.mark.parametrize(
    ("column", "value", "field", "problem"),
    [
        ("system", "D9", "system in line 3", "D9 is no system"),
        ("direction", "sideways", "direction in line 3", "is sideways"),
        ("quantity_mw", "-1", "quantity_mw in line 3", "is -1"),
        ("quantity_mw", "much", "quantity_mw in line 3", "is much"),
        ("price_eur_per_mwh", "inf", "price_eur_per_mwh in line 3", "is inf"),
        ("bus", "", "bus in line 3", "is nan"),
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


def test_case_that_is_no_json(folder: Path) -> None:
    (folder / "case.json").write_text('{"name": ')
    _refused(folder, "line 1", "is not JSON")
    (folder / "case.json").write_text("[]")
    _refused(folder, "case", "not a JSON object")
    _refused(folder / "nowhere.json", "case", "does not exist")
