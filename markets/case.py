"""A case: one market instance as a folder of files, read without running code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grids.arrays import BoolArray, FloatArray
from grids.dc import DcModel
from grids.errors import InputError
from grids.lindistflow import LinDistFlow
from grids.load import load_network
from grids.network import Network
from grids.powerflow import PowerFlow
from grids.rows import GridRows, distribution_rows, distribution_rows_ac
from grids.text import one_line, read_text
from markets.bids import DOWN, UP, Bids
from markets.blocks import TSO
from markets.houses import TransmissionGrid

COLUMNS = ("bid_id", "system", "bus", "direction", "quantity_mw", "price_eur_per_mwh")
LARGEST_BUS = 2**31 - 1


@dataclass(frozen=True)
class Area:
    """One distribution grid of a case, ready for clearing and for validation."""

    network: Network
    lin: LinDistFlow
    rows: GridRows
    bids: Bids
    power_flow: PowerFlow


@dataclass(frozen=True)
class Case:
    """One market instance. Base injections are the nets' own."""

    name: str
    transmission: TransmissionGrid
    tso_bids: Bids
    areas: Mapping[str, Area]


def read_case(path: Path, offset: str = "linear") -> Case:
    """Read ``CASE.json`` (or a folder holding ``case.json``) with its grids and bids.

    `offset` is ``linear`` (flows and voltages of the base state by LinDistFlow) or ``ac`` (by AC power flow).
    Raises `InputError` naming file, field and mend.
    """
    path = path / "case.json" if path.is_dir() else path
    spec = _read_json(path)
    folder = path.parent
    _known_keys(spec, ("name", "transmission", "distribution", "bids"), "", path)
    t_network = load_network(_text(spec, ("transmission", "grid"), path), folder)
    _known_keys(spec["transmission"], ("grid",), "transmission.", path)
    nets = _distribution(spec, t_network, path)
    bids = folder / _text(spec, ("bids",), path)
    networks = {TSO: t_network, **{area: network for area, (network, _) in nets.items()}}
    books = _books(_read_bids(bids), bids, networks)
    areas = {area: _area(network, books[area], offset) for area, (network, _) in nets.items()}
    transmission = TransmissionGrid(
        DcModel.build(t_network),
        t_network.p_mw,
        {area: node for area, (_, node) in nets.items()},
        {area: network.interface_mw for area, (network, _) in nets.items()},
    )
    return Case(str(spec.get("name", path.stem)), transmission, books[TSO], areas)


def _distribution(spec: dict[str, Any], transmission: Network, path: Path) -> dict[str, tuple[Network, int]]:
    """Every distribution grid by id, and the transmission node it hangs on."""
    entries = spec.get("distribution")
    if not isinstance(entries, list):
        raise InputError(
            str(path),
            "distribution",
            "is missing or not a list",
            'Give a list of {"id", "grid", "interface_bus"}',
        )
    nets: dict[str, tuple[Network, int]] = {}
    for k, entry in enumerate(entries):
        place = ("distribution", str(k))
        area = _text(entry, ("id",), path, place)
        _known_keys(entry, ("id", "grid", "interface_bus"), f"distribution.{k}.", path)
        if area in nets or area == TSO:
            raise InputError(
                str(path),
                f"distribution.{k}.id",
                f"{area} is used twice",
                "Give every system an id of its own",
            )
        network = load_network(_text(entry, ("grid",), path, place), path.parent)
        bus, field = entry.get("interface_bus"), f"distribution.{k}.interface_bus"
        if not isinstance(bus, int) or isinstance(bus, bool):
            raise InputError(str(path), field, f"is {bus!r}", "Give the index of a transmission bus")
        if bus not in set(transmission.bus_index.tolist()):
            raise _no_such_bus(path, field, bus, transmission)
        nets[area] = (network, int(transmission.nodes_of(np.array([bus]), field)[0]))
    return nets


def _no_such_bus(path: Path, field: str, bus: int, network: Network) -> InputError:
    return InputError(
        str(path),
        field,
        f"bus {bus} does not exist (or is out of service) in grid {network.name}",
        "Use the bus indices of the pandapower net",
    )


def _area(network: Network, bids: Bids, offset: str) -> Area:
    lin, flow = LinDistFlow.build(network), PowerFlow(network)
    if offset == "ac":
        rows = distribution_rows_ac(lin, flow.solve(network.p_mw, network.q_mvar))
    else:
        rows = distribution_rows(lin, network.p_mw, network.q_mvar)
    return Area(network, lin, rows, bids, flow)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            str(path), "case", "the file does not exist", "Give the path of a case.json or of its folder"
        )
    text = read_text(path)
    try:
        spec = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            str(path), f"line {error.lineno}", f"is not JSON ({error.msg})", "Correct the file"
        ) from error
    except (RecursionError, ValueError) as error:  # too deep, or a number of thousands of digits
        raise InputError(
            str(path), "case", f"cannot be read ({one_line(error)})", "Correct the file"
        ) from error
    if not isinstance(spec, dict):
        raise InputError(
            str(path),
            "case",
            "is not a JSON object",
            'Start from {"name", "transmission", "distribution", "bids"}',
        )
    return spec


def _known_keys(spec: dict[str, Any], keys: tuple[str, ...], prefix: str, path: Path) -> None:
    unknown = set(spec) - set(keys)
    if unknown:
        raise InputError(
            str(path), f"{prefix}{min(unknown)}", "is an unknown key", f"Use {', '.join(keys)} only"
        )


def _text(spec: Any, keys: tuple[str, ...], path: Path, place: tuple[str, ...] = ()) -> str:
    value = spec
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise InputError(str(path), ".".join((*place, *keys)), "is missing or not text", "Add it")
    return value


def _read_bids(path: Path) -> pd.DataFrame:
    """The bids as the file orders them, indexed by line of the file."""
    if not path.is_file():
        raise InputError(str(path), "bids", "the file does not exist", "Give a CSV relative to the case file")
    table = _read_csv(path)
    missing = [c for c in COLUMNS if c not in table]
    if missing:
        raise InputError(
            str(path), missing[0], "the column is missing", f"Give the columns {','.join(COLUMNS)}"
        )
    for column in ("bus", "quantity_mw", "price_eur_per_mwh"):
        values = np.array([_number(cell) for cell in table[column]], dtype=np.float64)
        bad, mend = ~np.isfinite(values), "Give a number"
        if column == "quantity_mw":
            bad, mend = bad | (values < 0), "Give a number, zero or more"
        if column == "bus":
            with np.errstate(invalid="ignore"):
                bad = bad | (np.abs(values) > LARGEST_BUS) | (values != np.rint(values))
            mend = "Give the whole number of a bus"
        _refuse(table, bad, column, path, "is {}", mend)
        table[column] = values.astype(np.int64) if column == "bus" else values
    _refuse(table, table.bid_id == "", "bid_id", path, "is {}", "Give every bid an id")
    _refuse(
        table,
        table.bid_id.duplicated(),
        "bid_id",
        path,
        "{} is used twice",
        "Give every bid an id of its own",
    )
    _refuse(table, ~table.direction.isin(["up", "down"]), "direction", path, "is {}", "Use up or down")
    if "side" in table:
        problem = "is {}: only offers to sell flexibility are supported yet"
        _refuse(table, table.side != "sell", "side", path, problem, "Use sell, or leave the column out")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV with a header as text cells, indexed by line of the file; blank lines count as lines."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    head: list[str] = []
    lines: list[int] = []
    rows: list[list[str]] = []
    line = 1
    try:
        for cells in reader:
            if cells and not head:
                head = [cell.strip() for cell in cells]
            elif cells:
                if len(cells) != len(head):
                    raise csv.Error(f"{len(cells)} cells under {len(head)} columns")
                rows.append([cell.strip() for cell in cells])
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            str(path), f"line {line}", f"is not CSV ({one_line(error)})", "Correct the line"
        ) from error
    twice = next((name for name in head if head.count(name) > 1), None)
    if twice is not None:
        raise InputError(str(path), twice, "the column is given twice", "Keep one of them")
    return pd.DataFrame(rows, columns=head, index=lines, dtype=object)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _refuse(
    table: pd.DataFrame, bad: BoolArray | pd.Series, column: str, path: Path, problem: str, mend: str
) -> None:
    """An `InputError` for the first bad line, if any; `problem` holds a place for the cell."""
    rows = np.flatnonzero(bad)
    if len(rows):
        cell = table[column].iloc[rows[0]]
        field = f"{column} in line {table.index[rows[0]]}"
        raise InputError(str(path), field, problem.format("empty" if cell == "" else cell), mend)


def _books(table: pd.DataFrame, path: Path, networks: Mapping[str, Network]) -> dict[str, Bids]:
    """The bids of every system, by id."""
    _refuse(
        table,
        ~table.system.isin(list(networks)),
        "system",
        path,
        "{} is no system of the case",
        f"Use {', '.join(networks)}",
    )
    for line, system, bus in zip(table.index, table.system, table.bus, strict=True):
        if bus not in networks[system].bus_index:
            raise _no_such_bus(path, f"bus in line {line}", bus, networks[system])
    table = table.sort_values("bid_id", kind="stable")
    books = {}
    for system, network in networks.items():
        part = table[table.system == system]
        direction = np.where(part.direction == "up", UP, DOWN)
        node = network.nodes_of(part.bus.to_numpy(dtype=np.int64), f"bus of {path} (system {system})")
        ids = part.bid_id.to_numpy(dtype=np.str_)
        books[system] = Bids.of(
            ids, ids, node, direction, _floats(part.quantity_mw), _floats(part.price_eur_per_mwh)
        )
    return books


def _floats(column: pd.Series) -> FloatArray:
    return column.to_numpy(dtype=np.float64)
