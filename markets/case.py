"""A case: one market instance as a folder of files, read without running code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grids.arrays import FloatArray
from grids.dc import DcModel
from grids.errors import InputError
from grids.lindistflow import LinDistFlow
from grids.load import load_network
from grids.network import Network
from grids.powerflow import PowerFlow
from grids.rows import GridRows, distribution_rows, distribution_rows_ac
from markets.bids import DOWN, UP, Bids
from markets.blocks import TSO
from markets.houses import TransmissionGrid

COLUMNS = ("bid_id", "system", "bus", "direction", "quantity_mw", "price_eur_per_mwh")


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
    t_network = load_network(_text(spec, ("transmission", "grid"), path), folder)
    nets: dict[str, tuple[Network, int]] = {}
    entries = spec.get("distribution")
    if not isinstance(entries, list):
        raise InputError(
            str(path),
            "distribution",
            "is missing or not a list",
            'Give a list of {"id", "grid", "interface_bus"}',
        )
    for k, entry in enumerate(entries):
        place = ("distribution", str(k))
        area = _text(entry, ("id",), path, place)
        if area in nets or area == TSO:
            raise InputError(
                str(path),
                f"distribution.{k}.id",
                f"{area} is used twice",
                "Give every system an id of its own",
            )
        network = load_network(_text(entry, ("grid",), path, place), folder)
        bus = entry.get("interface_bus")
        if not isinstance(bus, int) or isinstance(bus, bool):
            raise InputError(
                str(path),
                f"distribution.{k}.interface_bus",
                f"is {bus!r}",
                "Give the index of a transmission bus",
            )
        node = int(t_network.nodes_of(np.array([bus]), f"distribution.{k}.interface_bus of {path}")[0])
        nets[area] = (network, node)
    table = _read_bids(folder / _text(spec, ("bids",), path))
    books = _books(table, folder / spec["bids"], {TSO: t_network, **{k: n for k, (n, _) in nets.items()}})
    areas = {area: _area(network, books[area], offset) for area, (network, _) in nets.items()}
    transmission = TransmissionGrid(
        DcModel.build(t_network),
        t_network.p_mw,
        {area: node for area, (_, node) in nets.items()},
        {area: network.interface_mw for area, (network, _) in nets.items()},
    )
    return Case(str(spec.get("name", path.stem)), transmission, books[TSO], areas)


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
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(
            str(path), f"line {error.lineno}", f"is not JSON ({error.msg})", "Correct the file"
        ) from error
    if not isinstance(spec, dict):
        raise InputError(
            str(path),
            "case",
            "is not a JSON object",
            'Start from {"name", "transmission", "distribution", "bids"}',
        )
    unknown = set(spec) - {"name", "transmission", "distribution", "bids"}
    if unknown:
        raise InputError(
            str(path), min(unknown), "is an unknown key", "Use name, transmission, distribution and bids"
        )
    return spec


def _text(spec: Any, keys: tuple[str, ...], path: Path, place: tuple[str, ...] = ()) -> str:
    value = spec
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise InputError(str(path), ".".join((*place, *keys)), "is missing or not text", "Add it")
    return value


def _read_bids(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(str(path), "bids", "the file does not exist", "Give a CSV relative to the case file")
    table = pd.read_csv(path, dtype={"bid_id": str, "system": str, "direction": str})
    missing = [c for c in COLUMNS if c not in table]
    if missing:
        raise InputError(
            str(path), missing[0], "the column is missing", f"Give the columns {','.join(COLUMNS)}"
        )
    numbers = ("bus", "quantity_mw", "price_eur_per_mwh")
    for column in numbers:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        bad = ~np.isfinite(values)
        if column == "quantity_mw":
            bad |= values < 0
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                str(path),
                f"{column} in line {row + 2}",
                f"is {table[column].iloc[row]}",
                "Give a number" + (", zero or more" if column == "quantity_mw" else ""),
            )
        table[column] = values
    twice = table.bid_id.duplicated()
    if twice.any():
        raise InputError(
            str(path),
            f"bid_id in line {int(np.argmax(twice)) + 2}",
            f"{table.bid_id[twice].iloc[0]} is used twice",
            "Give every bid an id of its own",
        )
    wrong = ~table.direction.isin(["up", "down"])
    if wrong.any():
        raise InputError(
            str(path),
            f"direction in line {int(np.argmax(wrong)) + 2}",
            f"is {table.direction[wrong].iloc[0]}",
            "Use up or down",
        )
    return table.sort_values("bid_id", kind="stable")


def _books(table: pd.DataFrame, path: Path, networks: Mapping[str, Network]) -> dict[str, Bids]:
    strangers = ~table.system.isin(list(networks))
    if strangers.any():
        line = int(table.index[strangers].min()) + 2
        raise InputError(
            str(path),
            f"system in line {line}",
            f"{table.system[strangers].iloc[0]} is no system of the case",
            f"Use {', '.join(networks)}",
        )
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
