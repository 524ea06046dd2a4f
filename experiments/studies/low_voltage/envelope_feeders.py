"""Types of low-voltage feeders: whether fairness costs capacity in them, and what binds, current or voltage.

``python -m tandem_sim.experiments.studies.low_voltage.envelope_feeders FOLDER`` writes ``envelope_grids.csv``
(SimBench's six low-voltage grids, each whole with its transformer), ``envelope_feeders.csv`` (each of their
outgoing feeders on its own, from a stiff busbar), ``envelope_feeder_types.csv`` (the feeders counted by kind
of grid) and ``envelope_feeders.png``. Types are those of ALEXANDER D3.3, 5.2; results are in
``docs/studies/envelopes.md``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import BLUE, DARK, GREY, RED, house_style, new_figure, save
from tandem_sim.grids.choices import Rule
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.operating_envelope import guaranteed, random_points
from tandem_sim.grids.low_voltage.outgoing_feeders import Outgoing, split
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import FloatArray

GRIDS = tuple(
    f"1-LV-{kind}--0-sw" for kind in ("rural1", "rural2", "rural3", "semiurb4", "semiurb5", "urban6")
)
GRID_KW = 15.0
BANDS = (Band(0.9, 1.1), Band(0.95, 1.05), Band(0.95, 1.03))
"""All that EN 50160 allows; half of it; and with a rise by no more than 3 %."""
SIZES_KW = (4.6, 9.2, 15.0, 25.0)
OWN = 3.0
"""A last size: a multiple of the largest load that SimBench gives a user."""
Row = dict[str, float | str]
SAFE_PU = 1e-6
WHOLE, SAME = 0.999, 0.99
TIMED_FEEDERS = 20
TRIED = 300
"""Points inside every envelope, besides its corners, that the power flow checks."""


@dataclass(frozen=True)
class Grid:
    """A grid whole, its outgoing feeders, and the largest load of every user by name, kW."""

    code: str
    whole: Feeder
    lv_feeders: list[Outgoing]
    peak_kw: dict[str, float]


def read(code: str) -> Grid:
    """A SimBench grid. Its PV stands behind connections of users, whose limits count."""
    net = load_net(code)
    peak_kw = dict(zip(net.load.name, 1000.0 * net.load.p_mw, strict=True))
    whole, lv_feeders = read_feeder(net, code, units=False), split(net, code, units=False)
    return Grid(code, whole, lv_feeders, peak_kw)


def classified(feeder: Feeder, connection_kw: FloatArray, band: Band) -> Row:
    """Type of a feeder, sums (import and export) in percent of connections (U,) kW, and what binds.

    Type 1: everybody keeps the connection under the fair rule; 2: the fair sum is the optimal one within 1 %;
    3: it is less. What binds is told by the fair rule, where all bear it alike, and for comparison by the
    optimal one, which serves users near the source first.
    """
    fair, best = (guaranteed(feeder, connection_kw, band, rule) for rule in ("fair", "optimal"))
    worst = -np.inf
    for found in (fair, best):
        inside = random_points(found, TRIED, np.random.default_rng(1))
        tried = np.vstack([inside, found.import_kw, -found.export_kw])
        worst = max(worst, float(np.max(worst_excess_pu(feeder, band, tried))))
    whole = 2.0 * float(connection_kw.sum())
    share, most = (float(e.import_kw.sum() + e.export_kw.sum()) / whole for e in (fair, best))
    return {
        "type": 1 if share > WHOLE else 2 if share > SAME * most else 3,
        "optimal_pct": 100.0 * most,
        "fair_pct": 100.0 * share,
        "import_by": driver(fair.binding, "import"),
        "export_by": driver(fair.binding, "export"),
        "optimal_import_by": driver(best.binding, "import"),
        "optimal_export_by": driver(best.binding, "export"),
        "safe": float(worst <= SAFE_PU),
    }


def driver(binding: Iterable[str], way: str) -> str:
    """What limits import or export of most users: ``current``, ``voltage`` or ``nothing``."""
    causes = [cause for words in binding for cause in words.split("; ") if cause.startswith(way)]
    current, voltage = (sum(word in cause for cause in causes) for word in ("current of", "voltage at"))
    return "nothing" if not current + voltage else "current" if current >= voltage else "voltage"


def grids(found: list[Grid]) -> pd.DataFrame:
    """One row per grid, read whole with its transformer."""
    rows = []
    for grid in found:
        users = len(grid.whole.users)
        about: Row = {"grid": grid.code, "users": users, "connection_kw": users * GRID_KW}
        rows.append(about | classified(grid.whole, np.full(users, GRID_KW), BANDS[0]))
    return pd.DataFrame(rows)


def feeders(found: list[Grid]) -> pd.DataFrame:
    """One row per feeder, size of connections and band."""
    return pd.DataFrame(
        [
            row
            for grid in found
            for number, lv_feeder in enumerate(grid.lv_feeders, start=1)
            for row in _of_lv_feeder(grid, number, lv_feeder)
        ]
    )


def _of_lv_feeder(grid: Grid, number: int, lv_feeder: Outgoing) -> Iterator[Row]:
    feeder = lv_feeder.feeder
    own = OWN * np.array([grid.peak_kw[user.name] for user in feeder.users])
    sizes = {f"{kw:g}": np.full(len(own), kw) for kw in SIZES_KW} | {"own": own}
    trunk = feeder.downstream.all(axis=1)  # what carries every user
    about: Row = {
        "grid": grid.code,
        "kind": grid.code.split("-")[2].rstrip("0123456789"),
        "feeder": number,
        "users": len(own),
        "longest_km": float(lv_feeder.km.max()),
        "line_kva": 1000.0 * float(feeder.section_limit[trunk].min()),
    }
    for size, connection in sizes.items():
        for band in BANDS:
            here: Row = {
                "size_kw": size,
                "connection_kw": float(connection.sum()),
                "low_pu": band.low_pu,
                "high_pu": band.high_pu,
            }
            yield about | here | classified(feeder, connection, band)


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """Feeders of every kind of grid, by band and size: how many of each type, how many driven by what."""
    rows = []
    for (low, high, size, kind), part in table.groupby(["low_pu", "high_pu", "size_kw", "kind"], sort=False):
        row = {"kind": kind, "low_pu": low, "high_pu": high, "size_kw": size, "feeders": len(part)}
        row |= {f"type_{k}": int((part.type == k).sum()) for k in (1, 2, 3)}
        for column in ("import_by", "export_by", "optimal_import_by", "optimal_export_by"):
            row |= {f"{column}_{what}": int((part[column] == what).sum()) for what in ("current", "voltage")}
        rows.append(row)
    return pd.DataFrame(rows).sort_values(["kind", "high_pu", "low_pu"], ascending=[True, False, True])


def seconds(found: list[Grid]) -> dict[str, float]:
    """Seconds for the envelopes of the first twenty feeders, 9.2 kW a user, by rule and band."""
    first = [lv_feeder.feeder for grid in found for lv_feeder in grid.lv_feeders][:TIMED_FEEDERS]
    took = {}
    rules: tuple[Rule, ...] = ("fair", "optimal")
    for rule in rules:
        for band in BANDS:
            start = time.perf_counter()
            for feeder in first:
                guaranteed(feeder, np.full(len(feeder.users), 9.2), band, rule)
            took[f"{rule}, {band.low_pu:g} to {band.high_pu:g} p.u."] = time.perf_counter() - start
    return took


def _panel(ax: Axes, table: pd.DataFrame, band: Band, way: str) -> None:
    part = table[(table.size_kw == "9.2") & (table.low_pu == band.low_pu) & (table.high_pu == band.high_pu)]
    for kind, marker in (("rural", "o"), ("semiurb", "s"), ("urban", "^")):
        for what, colour in (("nothing", GREY), ("current", BLUE), ("voltage", RED)):
            rows = part[(part.kind == kind) & (part[f"{way}_by"] == what)]
            ax.scatter(
                1000.0 * rows.longest_km,
                100.0 * rows.connection_kw / rows.line_kva,
                40.0,
                colour,
                marker=marker,
                edgecolors="white",
                linewidths=0.5,
            )
    ax.axhline(100.0, color=DARK, linestyle="--", linewidth=1.0)
    ax.set_title(f"{way.capitalize()}, {band.low_pu:g} to {band.high_pu:g} p.u.")
    ax.set_xlabel("Farthest user from the busbar (m)")
    ax.set_xlim(0.0, 600.0)
    ax.set_ylim(0.0, 250.0)


def figure(table: pd.DataFrame, folder: Path) -> Path:
    """Length and load of every feeder, coloured by what binds in it."""
    with house_style():
        drawn = new_figure(
            "Binding limits in SimBench's low-voltage feeders",
            "",
            12.5,
            4.2,
            "",
            ("33 feeders, 9.2 kW a user, fair rule; dashed: the outgoing line's rating"),
        )
        panels = drawn.subplots(1, 3, sharey=True)
        for ax, band, way in zip(
            panels, (BANDS[0], BANDS[2], BANDS[2]), ("import", "import", "export"), strict=True
        ):
            _panel(ax, table, band, way)
        panels[0].set_ylabel("Sum of connections (% of the outgoing line)")
        for what, colour in (("nothing binds", GREY), ("current", BLUE), ("voltage", RED)):
            panels[0].scatter([], [], 40.0, colour, label=what)
        for kind, marker in (("rural", "o"), ("semiurban", "s"), ("urban", "^")):
            panels[0].scatter([], [], 40.0, "none", marker=marker, edgecolors=DARK, label=kind)
        panels[0].legend(loc="upper left", ncols=2)
        return save(drawn, folder / "envelope_feeders.png")


def main(folder: Path) -> None:
    """Work everything out, write it, and say how long twenty feeders take."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [read(code) for code in GRIDS]
    table = feeders(found)
    for name, frame in (
        ("envelope_grids", grids(found)),
        ("envelope_feeders", table),
        ("envelope_feeder_types", counted(table)),
    ):
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f")
    figure(table, folder)
    for what, took in seconds(found).items():
        print(f"{TIMED_FEEDERS} feeders, {what}: {took:.2f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
