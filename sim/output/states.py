"""Rows of the states of grids and households: every branch, every bus, every class of devices.

Hundreds of rows in every ISP: their columns are recorded as Arrow arrays, and those that are the same in
every ISP are made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.devices.classes.registry import CLASSES, DEVICES
from tandem_sim.agents.households.fleet import FleetGroups, FleetStep
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.network.places import branch_places, bus_coordinates, bus_names, bus_vn_kv
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.sim.delivery.physics import GridResult
from tandem_sim.sim.output.columns import INT, REAL, SINGLE, TEXT
from tandem_sim.sim.output.recorder import Recorder


class _Quantity(NamedTuple):
    """A quantity of all grids: its table, its field of `AcState`, and by system the places in it (n,)."""

    table: str
    field: str
    places: Mapping[str, IntArray]
    fixed: tuple[pa.Array, pa.Array]  # system, and number of the branch or bus, of all rows


class StateRecords:
    """Records tables `branch_loading`, `bus_voltage` and `devices` of every ISP."""

    def __init__(
        self,
        recorder: Recorder,
        grids: Mapping[str, Network],
        areas: Sequence[Area],
        groups: FleetGroups,
        every_isps: int,
    ) -> None:
        """`grids` are all grids by system, in the order of rows.

        States of grids are recorded in one ISP of every `every_isps`, from ISP 0 on.
        """
        self._recorder, self._every = recorder, every_isps
        rated = {s: np.flatnonzero(np.isfinite(g.branches.s_max_mva)) for s, g in grids.items()}
        nodes = {s: g.bus_node for s, g in grids.items()}
        buses = {s: g.bus_index for s, g in grids.items()}
        self._quantities = [
            _Quantity("branch_loading", "loading_percent", rated, _fixed(rated)),
            _Quantity("bus_voltage", "vm_pu", nodes, _fixed(buses)),
        ]
        self._areas = list(areas)
        listed = listed_classes(groups)
        self._rows = 1 + len(listed)  # of an area: inflexible load, then classes of device
        self._cell = _cells(areas, groups, listed)
        names = [area.name for area in areas for _ in range(self._rows)]
        classes = ["load", *(DEVICES[k] for k in listed)]
        self._classes = pa.array(names, TEXT), pa.array(classes * len(areas), TEXT)

    def record(self, isp: int, step: FleetStep, grids: Mapping[str, GridResult]) -> None:
        """Record an ISP as delivered. Transmission has no state without activation: empty there."""
        for quantity in self._quantities if isp % self._every == 0 else ():
            if self._recorder.writes(quantity.table):
                self._record(isp, quantity, grids)
        if self._recorder.writes("devices"):
            self._add("devices", isp, (*self._classes, *map(pa.array, self._by_class(step))))

    def _record(self, isp: int, quantity: _Quantity, grids: Mapping[str, GridResult]) -> None:
        value, after, base = attrgetter(quantity.field), [], []
        for system, at in quantity.places.items():
            found = grids[system]
            after.append(value(found.state)[at])
            base.append(np.full(len(at), np.nan) if found.base_state is None else value(found.base_state)[at])
        numbers = [_singles(np.concatenate(parts)) for parts in (after, base)]
        self._add(quantity.table, isp, (*quantity.fixed, *numbers))

    def _add(self, table: str, isp: int, columns: Sequence[pa.Array]) -> None:
        self._recorder.add_arrays(table, [pa.repeat(pa.scalar(isp, INT), len(columns[0])), *columns])

    def _by_class(self, step: FleetStep) -> tuple[FloatArray, FloatArray]:
        """Injection without activation and as delivered (areas x classes,), MW."""
        n = len(self._areas) * self._rows
        base = np.bincount(self._cell, weights=step.group_base_kw, minlength=n).astype(np.float64)
        base[:: self._rows] = [step.site_load_kw[area.sites].sum() for area in self._areas]
        moved = np.bincount(self._cell, weights=step.up_kw - step.down_kw, minlength=n)
        return base / 1000.0, (base + moved) / 1000.0


def _singles(values: FloatArray) -> pa.Array:
    """Numbers of 32 bits; nothing for nan."""
    return pa.array(values.astype(np.float32), SINGLE, from_pandas=True)


def _fixed(numbers: Mapping[str, IntArray]) -> tuple[pa.Array, pa.Array]:
    systems = [system for system, found in numbers.items() for _ in range(len(found))]
    return pa.array(systems, TEXT), pa.array(np.concatenate(list(numbers.values())), INT)


def listed_classes(groups: FleetGroups) -> list[int]:
    """Classes of device with rows, by their place in the registry.

    These are all classes whose share stands in `population`, and those of `population.devices` that a
    household owns.
    """
    present = set(groups.device.tolist())
    return [k for k, known in enumerate(CLASSES) if not known.share or k in present]


def _cells(areas: Sequence[Area], groups: FleetGroups, listed: Sequence[int]) -> IntArray:
    """Place (G,) of every group among areas x rows."""
    area_of = np.zeros(len(groups), dtype=np.int64)
    for k, area in enumerate(areas):
        area_of[(groups.site >= area.sites.start) & (groups.site < area.sites.stop)] = k
    return np.asarray(area_of * (1 + len(listed)) + 1 + np.searchsorted(listed, groups.device))


def grid_tables(grids: Mapping[str, Network]) -> dict[str, pa.Table]:
    """Tables `branches` and `buses` of all grids by system, without the metadata of their schemas."""
    branches, buses = [], []
    for system, network in grids.items():
        b, places = network.branches, branch_places(network)
        rating = np.where(np.isfinite(b.s_max_mva), b.s_max_mva, np.nan)
        branches.append(
            {
                "system": pa.array([system] * len(b), TEXT),
                "branch": pa.array(np.arange(len(b)), INT),
                "name": pa.array(places.name, TEXT),
                "element": pa.array(b.label, TEXT),
                "from_bus": pa.array(places.from_bus, INT),
                "to_bus": pa.array(places.to_bus, INT),
                "rating_mva": pa.array(rating, REAL, from_pandas=True),
            }
        )
        x, y = bus_coordinates(network).T
        buses.append(
            {
                "system": pa.array([system] * len(network.bus_index), TEXT),
                "bus": pa.array(network.bus_index, INT),
                "name": pa.array(bus_names(network), TEXT),
                "node": pa.array(network.bus_node, INT),
                "vn_kv": pa.array(bus_vn_kv(network), REAL),
                "vm_limit_min_pu": pa.array(network.vm_min_pu, REAL),
                "vm_limit_max_pu": pa.array(network.vm_max_pu, REAL),
                "x": pa.array(x, REAL, from_pandas=True),
                "y": pa.array(y, REAL, from_pandas=True),
            }
        )
    found = {"branches": branches, "buses": buses}
    return {name: pa.concat_tables(map(pa.table, parts)) for name, parts in found.items()}
