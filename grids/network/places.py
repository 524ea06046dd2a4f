"""What branches and buses of a network are called and where they are, for tables of results."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tandem_sim.grids.errors import printable
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.types import FloatArray, IntArray

ENDS = ("from_bus", "hv_bus", "bus", "mv_bus", "element", "to_bus", "lv_bus")
"""Columns of element tables that may hold a bus, those of first ends before those of other ends."""


class BranchPlaces(NamedTuple):
    """The E branches of a network: names (empty without one), and pandapower indices of the buses they join.

    A bus is None in the star point of a three-winding transformer or extended ward, and at an open line end.
    """

    name: list[str]
    from_bus: list[int | None]
    to_bus: list[int | None]


def branch_places(network: Network) -> BranchPlaces:
    """Names and ends of all branches, from the tables of the net."""
    node_of = dict(zip(network.bus_index.tolist(), network.bus_node.tolist(), strict=True))
    found = BranchPlaces([], [], [])
    b = network.branches
    for label, start, end in zip(b.label, b.from_node.tolist(), b.to_node.tolist(), strict=True):
        table, index = label.rsplit(" ", 1)
        row = network.net[table].loc[int(index)]
        buses = [int(row[column]) for column in ENDS if column in row and _is_bus(row, column)]
        found.name.append(_name(row.get("name")))
        found.from_bus.append(next((bus for bus in buses if node_of.get(bus) == start), None))
        found.to_bus.append(next((bus for bus in reversed(buses) if node_of.get(bus) == end), None))
    return found


def _is_bus(row: pd.Series, column: str) -> bool:
    return column != "element" or row.get("et") == "b"  # a switch between two buses


def bus_names(network: Network) -> list[str]:
    """Names (B,) of the buses, empty without one."""
    names = network.net.bus.get("name")
    if names is None:
        return [""] * len(network.bus_index)
    return [_name(name) for name in names.loc[network.bus_index]]


def bus_vn_kv(network: Network) -> FloatArray:
    """Nominal voltages (B,) of the buses, kV."""
    return np.asarray(network.net.bus.vn_kv.loc[network.bus_index].to_numpy(dtype=float))


def bus_coordinates(network: Network) -> FloatArray:
    """Coordinates (B, 2) of the buses, as in ``bus.geo`` of the net (GeoJSON points); nan without a point."""
    geo = network.net.bus.get("geo")
    index: IntArray = network.bus_index
    points = [(math.nan, math.nan)] * len(index) if geo is None else [_point(g) for g in geo.loc[index]]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _point(given: Any) -> tuple[float, float]:
    """A GeoJSON point (RFC 7946), nan for anything else."""
    try:
        x, y, *_ = json.loads(given)["coordinates"]
        found = float(x), float(y)
    except (TypeError, ValueError, KeyError, RecursionError):
        return math.nan, math.nan
    return found if all(map(math.isfinite, found)) else (math.nan, math.nan)


def _name(given: Any) -> str:
    """A name as text on one line; empty for none."""
    return "" if given is None or (isinstance(given, float) and math.isnan(given)) else printable(given)
