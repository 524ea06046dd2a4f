"""Time and memory by the size of a scenario: ``python -m tandem_sim.experiments.studies.scaling.scale``.

A day of SimBench's HV/MV grid, cut at its substations, with 2 to 20 DSOs, 10 000 to 100 000 households and
10 to 160 aggregators: processor time of an ISP, where it goes, memory, and programmes solved. Then what it
would take to solve the DSOs' programmes of one gate in other processes. Every run has a process of its own.
Writes ``scale.csv``, ``scale_parallel.csv`` and ``scale.png``.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import typer
from matplotlib.axes import Axes

from tandem_sim.experiments.bench.memory import peak_mib
from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    house_style,
    new_figure,
    save,
)
from tandem_sim.experiments.studies.scaling.scale_parallel import problems
from tandem_sim.experiments.studies.scaling.scale_world import WorldSize, opened, write_worlds
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.markets.clearing import solvers as solver
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.observers import after_delivery

PARTS = {
    "bids": ("offer", "dso_close", "tso_close"),
    "dso": ("dso_clear", "forward", "prequalify"),
    "tso": ("tso_clear",),
    "delivery": ("deliver",),
    "settlement": ("settle",),
}
"""Parts of an ISP and their gates; the rest is messages."""
PARTS_IN_WORDS = {
    "bids": "bids",
    "dso": "DSOs",
    "tso": "TSO",
    "delivery": "delivery, power flow",
    "settlement": "settlement",
}
COLOURS = dict(zip(PARTS, (ORANGE, GREEN, PURPLE, RED, GREY), strict=True))
NOTE = (
    "Processor time of one core, one day. Grids, ratings and profiles: SimBench; population, units and costs "
    "are synthetic"
)
REPEATS = 2
WARM_UP = 8
"""ISPs at either end of the day that do not count: caches fill at one, gates run dry at the other."""


FULL = WorldSize(dsos=20, households=100_000, aggregators=40)
LOADED = WorldSize(dsos=20, households=100_000, aggregators=40, load_scale=2.0)
"""Twice the load of MV grids besides households: some of them break limits, so their markets have work."""
POINTS = (
    WorldSize(dsos=2, households=10_000, aggregators=40),
    WorldSize(dsos=5, households=25_000, aggregators=40),
    WorldSize(dsos=10, households=50_000, aggregators=40),
    FULL,
    WorldSize(dsos=20, households=10_000, aggregators=40),
    WorldSize(dsos=20, households=30_000, aggregators=40),
    WorldSize(dsos=20, households=100_000, aggregators=10),
    WorldSize(dsos=20, households=100_000, aggregators=160),
    LOADED,
)


@contextmanager
def watched(spent: defaultdict[str, float]) -> Iterator[None]:
    """Within this context, seconds of processor time by gate, by solver and by power flow, and solves."""
    gate, solve = Clock.gate, PowerFlow.solve

    def timed(name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def act(*given: Any, **options: Any) -> Any:
            begin = time.process_time()
            try:
                return action(*given, **options)
            finally:
                spent[name] += time.process_time() - begin
                spent[f"{name} calls"] += 1

        return act

    def timed_gate(
        clock: Clock,
        name: str,
        closures: Iterable[tuple[int, Any]],
        actions: Sequence[Callable[[Any], None]],
    ) -> None:
        gate(clock, name, closures, [timed(name, action) for action in actions])

    with (
        patch.object(Clock, "gate", timed_gate),
        patch.object(PowerFlow, "solve", timed("power flow", solve)),
        patch("tandem_sim.markets.clearing.solvers.linprog", timed("solver", vars(solver)["linprog"])),
    ):
        yield


def what_happened(out: Path, point: WorldSize) -> dict[str, float]:
    """Figures of the run's own tables that tell whether there was anything to solve."""
    orders = pd.read_parquet(out / "bids.parquet", columns=["isp"])
    grid = pd.read_parquet(out / "grid.parquet")
    system = pd.read_parquet(out / "system.parquet")
    areas = grid[grid.system != TSO]
    broken = areas.base_congested_lines + areas.base_voltage_violations > 0
    left = areas.congested_lines + areas.voltage_violations > 0
    return {
        "isp_bids": len(orders) / point.isps,
        "areas_broken_pct": 100.0 * float(broken.mean()),
        "areas_broken_after_pct": 100.0 * float(left.mean()),
        "hv_congested_pct": 100.0 * float((grid[grid.system == TSO].congested_lines > 0).mean()),
        "converged_pct": 100.0 * float(grid.converged.mean()),
        "unserved_mw_max": float(system.unserved_mw.abs().max()),
    }


def measured(folder: Path, point: WorldSize) -> dict[str, float]:
    """A row of the table: one run in this process."""
    spent: defaultdict[str, float] = defaultdict(float)
    moments: list[tuple[float, float]] = []
    counted: dict[str, float] = {}  # spent up to the last moment
    with watched(spent):
        begin = time.process_time()

        def note(isp: int) -> None:
            if isp == 0:
                spent.clear()  # the day-ahead market and the first offers are no part of an ISP
            moments.append((time.process_time(), spent["solver calls"]))
            counted.update(spent)

        with opened(folder, point, [after_delivery(note)]) as (model, out):
            built = time.process_time()
            model.run_through(model.calendar.seconds(point.isps - 1))
            model.recorder.close()
            found = what_happened(out, point)
    cpu, solves = np.diff(np.array(moments), axis=0).T
    edge = min(WARM_UP, len(cpu) // 4)
    middle = slice(edge, len(cpu) - edge)
    per_isp = 1000.0 / len(cpu)
    return {
        **asdict(point),
        "buses": sum(len(a.network.bus_index) for a in model.areas),
        "sites": sum(len(a.site_node) for a in model.areas),
        "build_cpu_s": built - begin,
        "isp_cpu_ms": 1000.0 * float(np.median(cpu[middle])),
        "isp_cpu_ms_mean": 1000.0 * float(np.mean(cpu)),
        "isp_solves": float(np.mean(solves[middle])),
        **{f"{part}_ms": per_isp * sum(counted.get(g, 0.0) for g in gates) for part, gates in PARTS.items()},
        "solver_ms": per_isp * counted.get("solver", 0.0),
        "power_flow_ms": per_isp * counted.get("power flow", 0.0),
        **found,
        "max_rss_mib": peak_mib(),
    }


def table(
    points: Sequence[WorldSize], folder: Path, run: Callable[[Callable[..., Any], Path, WorldSize], Any]
) -> pd.DataFrame:
    """A row per point, the faster of `REPEATS`; `run` says where: `alone` in a process of its own."""
    found = []
    for point in [*points] * REPEATS:
        found.append(run(measured, folder, point))
        print(f"{point}: {found[-1]['isp_cpu_ms']:.0f} ms", flush=True)
    rows = pd.DataFrame(found)
    number = np.tile(np.arange(len(points)), REPEATS)
    return rows.loc[rows.groupby(number).isp_cpu_ms.idxmin()].reset_index(drop=True)


def alone(work: Callable[..., Any], *given: Any) -> Any:
    """``work(*given)`` in a fresh process, so that its memory and caches are its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def _spaced(number: float) -> str:
    return f"{int(number):,}".replace(",", " ")


def _panel(ax: Axes, rows: pd.DataFrame, column: str, label: str) -> None:
    part = rows.sort_values(column)
    at = part[column].to_numpy(dtype=np.float64)
    total = part.isp_cpu_ms.to_numpy(dtype=np.float64)
    ax.plot(at, total, color=BLUE, marker="o", linewidth=2.0, label="all (median ISP)")
    ax.plot(at, total[-1] * at / at[-1], "--", color=DARK, linewidth=1.0, label="in proportion")
    for name, colour in COLOURS.items():
        ax.plot(at, part[f"{name}_ms"], color=colour, marker=".", linewidth=1.0, label=PARTS_IN_WORDS[name])
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.margins(x=0.08)
    ax.set_xticks(at, [_spaced(x) for x in at])
    ax.minorticks_off()
    ax.set_xlabel(label)


def figure(rows: pd.DataFrame, folder: Path) -> Path:
    """Cost of an ISP against DSOs, households and aggregators, in all and by part, on logarithmic axes."""
    rows = rows[rows.load_scale == 1.0]
    full = rows[(rows.dsos == rows.dsos.max()) & (rows.households == rows.households.max())]
    middle = sorted(rows.aggregators)[len(rows) // 2]
    each = rows.households.max() // rows.dsos.max()
    with house_style():
        drawn = new_figure("Processor time of an ISP by size", "", 12.5, 4.6, "", NOTE)
        axes = drawn.subplots(1, 3, sharey=True)
        by_dso = rows[(rows.households == each * rows.dsos) & (rows.aggregators == middle)]
        _panel(axes[0], by_dso, "dsos", f"DSOs ({_spaced(each)} households each)")
        by_home = rows[(rows.dsos == rows.dsos.max()) & (rows.aggregators == middle)]
        _panel(axes[1], by_home, "households", f"Households ({rows.dsos.max()} DSOs)")
        _panel(axes[2], full, "aggregators", f"Aggregators ({_spaced(full.households.max())} households)")
        axes[0].set_ylabel("ms per ISP")
        drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
        return save(drawn, folder / "scale.png")


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path("runs/studies/scale"),
    grids: Annotated[
        Path | None, typer.Option(help="Folder for grids and scenarios [beside the tables].")
    ] = None,
) -> None:
    """Write the worlds, run each in a process of its own, and write tables and figure."""
    folder = grids or out / "scale_grids"
    out.mkdir(parents=True, exist_ok=True)
    cut = alone(write_worlds, folder, POINTS)
    print("lines opened:", "; ".join(f"{grid}: {', '.join(lines)}" for grid, lines in cut.items()))
    rows = table(POINTS, folder, alone)
    rows.to_csv(out / "scale.csv", index=False, float_format="%.2f", lineterminator="\n")
    figure(rows, out)
    sent = pd.DataFrame([row for point in (FULL, LOADED) for row in alone(problems, folder, point)])
    sent.to_csv(out / "scale_parallel.csv", index=False, float_format="%.3f", lineterminator="\n")
    print(rows.round(1).T.to_string())
    print(sent.round(2).T.to_string())


if __name__ == "__main__":
    typer.run(main)
