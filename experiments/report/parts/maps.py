"""Maps of a report: places of nodes and branches of each grid, loadings and voltages in time.

A node is what closed switches join: its buses have one voltage. Where the net has no coordinates, `layout`
draws its tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.experiments.explain.tables import rows_of
from tandem_sim.experiments.report.parts.arrays import packed, thinned
from tandem_sim.experiments.report.parts.layout import tree_layout
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.experiments.run_folder.manifest import REPEAT
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO

LOADING_STEP_PCT, VOLTAGE_STEP_PU = 0.1, 1e-4
"""Rounding of loadings and voltages on maps: a tenth of a percent, a hundredth of a percent."""
BUDGET_BYTES = 1_200_000
"""Most bytes of loadings and voltages in a report. Beyond, one step of a map stands for several ISPs."""
BYTES_PER_VALUE = 2
READ = ("branches", "buses", "branch_loading", "bus_voltage")


def maps_of(runs: Sequence[ReportRun]) -> dict[str, Any]:
    """Grids, drawn once for all runs that have the same, and the values of each run for each step in time.

    Keys: ``isps`` (first position of each step), ``every`` (ISPs of a step), ``grids``. A grid has
    ``system``, ``given`` (whether coordinates are those of the net), ``nodes``, ``branches``, ``runs``.
    """
    tables = [{name: run.table(name) for name in READ} for run in runs]
    seen = [set(found[name].isp) for found in tables for name in ("branch_loading", "bus_voltage")]
    known = np.array(sorted(set().union(*seen) & {int(isp) for isp in runs[0].isps}), dtype=np.int64)
    drawn: dict[str, list[tuple[int, _Grid]]] = {}
    for k, found in enumerate(tables):
        for system in sorted(found["buses"].system.unique(), key=lambda name: (name != TSO, name)):
            drawn.setdefault(str(system), []).append((k, _Grid(runs[k], str(system), found, known)))
    values = sum(grid.values for parts in drawn.values() for _, grid in parts)
    every = max(-(-values * BYTES_PER_VALUE // BUDGET_BYTES), 1)
    grids = []
    for system, parts in drawn.items():
        by_shape: dict[str, list[tuple[int, _Grid]]] = {}
        for k, grid in parts:
            by_shape.setdefault(repr(grid.shape), []).append((k, grid))
        for same in by_shape.values():
            shape = same[0][1].shape
            grids.append(
                {"system": system, **shape, "runs": [{"run": k, **g.packed(every)} for k, g in same]}
            )
    return {"isps": (known[::every] - int(runs[0].isps[0])).tolist(), "every": every, "grids": grids}


class _Grid:
    """One grid of one run: its drawing, and arrays of values by step and branch, or step and node."""

    def __init__(self, run: ReportRun, system: str, tables: dict[str, pd.DataFrame], isps: Any) -> None:
        rows = {name: found[found.system == system] for name, found in tables.items()}
        folder = str(run.run.folder)
        branches, buses = rows["branches"], rows["buses"].sort_values("bus", kind="stable")
        for table, key in ((branches, "branch"), (buses, "bus")):
            if table[key].duplicated().any():
                raise InputError(folder, f"{key} of {system}", "is there twice", REPEAT)
        self.shape = _shape(branches, buses, folder, system)
        rated = branches[branches.rating_mva.notna()].branch
        self.rated = [int(k) for k in np.flatnonzero(branches.rating_mva.notna())]
        first = buses.drop_duplicates("node").bus
        source = (folder, system)
        self.loading = _matrix(rows["branch_loading"], ("branch", "loading_pct"), rated, isps, source)
        wanted = rows["bus_voltage"][rows["bus_voltage"].bus.isin(first)]
        self.voltage = _matrix(wanted, ("bus", "vm_pu"), first, isps, source)

    @property
    def values(self) -> int:
        """How many numbers it has."""
        return int(self.loading.size + self.voltage.size)

    def packed(self, every: int) -> dict[str, Any]:
        """Loadings (step, rated branch) and voltages (step, node): of several ISPs the worst."""
        high, low = thinned(self.voltage, every, "max"), thinned(self.voltage, every, "min")
        worst = np.where(np.abs(high - 1.0) > np.abs(low - 1.0), high, low)
        return {
            "rated": self.rated,
            "loading": packed(thinned(self.loading, every, "max"), LOADING_STEP_PCT),
            "voltage": packed(worst, VOLTAGE_STEP_PU),
        }


def _matrix(
    rows: pd.DataFrame, columns: tuple[str, str], keys: pd.Series, isps: Any, source: tuple[str, str]
) -> FloatArray:
    """Values by ISP and key; NaN where there is no row. Raises `InputError` for unknown or double rows."""
    key, value = columns
    folder, system = source
    if len(keys) == 0 or rows.empty:
        return np.full((len(isps), len(keys)), np.nan)
    if rows.duplicated(["isp", key]).any() or not set(rows[key]) <= set(keys):
        raise InputError(folder, f"{key} of {system}", "is twice in an ISP, or is not in this grid", REPEAT)
    wide = rows.pivot(index="isp", columns=key, values=value).reindex(index=isps, columns=list(keys))
    return wide.to_numpy(dtype=np.float64)


def _shape(branches: pd.DataFrame, buses: pd.DataFrame, folder: str, system: str) -> dict[str, Any]:
    """The drawing: nodes with places, branches as pairs of positions in them, the tree if one was drawn."""
    position = {int(node): k for k, node in enumerate(buses.drop_duplicates("node").node)}
    node_of = {int(bus): position[int(node)] for bus, node in zip(buses.bus, buses.node, strict=True)}
    nodes: list[dict[str, Any]] = [
        {"buses": [int(bus) for bus in part.bus], "kv": float(part.vn_kv.iloc[0]), "name": _names(part)}
        for _, part in buses.groupby("node", sort=False)
    ]
    times, loose = Counter(branches.element), dict[str, int]()
    found: list[dict[str, Any]] = []
    for row in rows_of(branches):
        ends = []
        for end in (row.from_bus, row.to_bus):
            if pd.isna(end):  # a star point is shared by the branches of a transformer, an open end is not
                name = str(row.element) if times[row.element] > 1 else f"{row.element} ({row.branch})"
                ends.append(loose.setdefault(name, len(position) + len(loose)))
            elif int(end) not in node_of:
                problem = f"end at bus {int(end)}, which is not there"
                raise InputError(folder, f"branches of {system}", problem, REPEAT)
            else:
                ends.append(node_of[int(end)])
        buses_of = [None if pd.isna(end) else int(end) for end in (row.from_bus, row.to_bus)]
        found.append({"element": str(row.element), "ends": ends, "buses": buses_of, "name": _text(row.name)})
    nodes += [{"buses": [], "kv": None, "name": name} for name in loose]
    edges = [(part["ends"][0], part["ends"][1]) for part in found]
    given, x, y, parent = _places(buses, len(nodes), edges)
    for node, across, down in zip(nodes, x, y, strict=True):
        node["x"], node["y"] = across, down
    return {"given": given, "nodes": nodes, "branches": found, "parent": parent}


def _places(
    buses: pd.DataFrame, nodes: int, edges: Sequence[tuple[int, int]]
) -> tuple[bool, list[float], list[float], list[int]]:
    """Whether the net has all coordinates, places (y downwards), and the parents in a tree that was drawn."""
    first = buses.drop_duplicates("node")
    xy = first[["x", "y"]].to_numpy(dtype=np.float64)
    if len(xy) and np.isfinite(xy).all() and len(np.unique(xy, axis=0)) > len(xy) / 2:
        x, y = xy[:, 0].tolist(), (-xy[:, 1]).tolist()
        for node in range(len(xy), nodes):
            near = [a if b == node else b for a, b in edges if node in (a, b)]
            near = [other for other in near if other < len(x)] or [0]
            x.append(sum(x[other] for other in near) / len(near))
            y.append(sum(y[other] for other in near) / len(near))
        return True, [round(v, 6) for v in x], [round(v, 6) for v in y], []
    root = int(first.vn_kv.to_numpy().argmax()) if len(first) else 0
    columns, rows, parent = tree_layout(nodes, edges, root)
    return False, columns, rows, parent


def _names(buses: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(_text(name) for name in buses["name"] if _text(name)))


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
