"""Time and memory of a run, by its length and by the number of households.

Run it by ``python -m tandem_sim.experiments.studies.scaling.scaling``. One long run of the reference
scenario, with processor time and peak memory at the end of every day, and runs of two days with 100 to 10 000
households, in turns, because the speed of a shared machine changes from minute to minute: the best of each
counts. Each run is a process of its own. Writes ``scaling_days.csv``, ``scaling_households.csv`` and
``scaling.png``; the long run itself goes to `--run`, figures and all.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from tandem_sim.experiments.bench.memory import peak_mib, resident_mib
from tandem_sim.experiments.figures.style import BLUE, GREY, RED, house_style, new_figure, save
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.types import FloatArray
from tandem_sim.sim.observers import after_delivery
from tandem_sim.sim.run import run

HOUSEHOLDS = (100, 300, 1_000, 3_000, 10_000)
TURNS = 3
PER_DAY = 96
FOOTNOTE = "Processor time of one core of a shared machine; reference scenario, scheme multilevel-03"


class _Gauge:
    """Processor time and memory, read when an ISP has been delivered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.resident_mib: list[float] = []

    def __call__(self, isp: int) -> None:
        """Read both."""
        self.seconds.append(time.process_time())
        self.resident_mib.append(resident_mib())


def long_run(out: Path, days: int, fields: dict[str, Any]) -> pd.DataFrame:
    """A run into `out`: at the end of each day its number, ISPs so far, seconds since the first ISP, MiB.

    `peak_mib` is the most that the whole run has had, key figures and plots included.
    """
    scenario, folder = read_scenario("reference", {"start": "2016-01-01", "days": days, **fields})
    gauge = _Gauge()
    run_scenario(scenario, folder, out, gauge, overwrite=True)
    ends = np.arange(PER_DAY, len(gauge.seconds) + 1, PER_DAY)
    seconds = np.array(gauge.seconds)[ends - 1] - gauge.seconds[0]
    memory = np.array(gauge.resident_mib)[ends - 1]
    days_done = {"day": ends // PER_DAY, "isps": ends, "cpu_s": seconds, "resident_mib": memory}
    return pd.DataFrame({**days_done, "peak_mib": peak_mib()})


def isp_ms(households: int, days: int) -> dict[str, float]:
    """Median processor time of an ISP with so many households, and the seconds before the first one."""
    begin, gauge = time.process_time(), _Gauge()
    scenario, folder = read_scenario("reference", {"households": households, "days": days})
    with tempfile.TemporaryDirectory() as out:
        run(scenario, folder, Path(out), observers=[after_delivery(gauge)])
    ms = 1000.0 * statistics.median(np.diff(gauge.seconds))
    return {"households": households, "isp_ms": ms, "start_s": gauge.seconds[0] - begin}


def apart(work: Callable[..., Any], *given: Any) -> Any:
    """The answer of `work` from a process of its own, whose memory nothing else has touched."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def draw(days: pd.DataFrame, households: pd.DataFrame, out: Path) -> None:
    """Time and memory against ISPs, and an ISP against households, with what proportion would be."""
    with house_style():
        figure = new_figure("Time and memory of a run", "reference", 11.0, 3.8, footnote=FOOTNOTE)
        time_axes, memory_axes, home_axes = figure.subplots(1, 3)
        isps, cpu = days.isps.to_numpy(), days.cpu_s.to_numpy()
        time_axes.plot(isps, _line(isps, cpu), color=GREY, linestyle="--", label="straight line")
        time_axes.plot(isps, cpu, color=BLUE, label="measured")
        time_axes.set(title="Time grows with ISPs", xlabel="ISPs", ylabel="processor time since the first, s")
        time_axes.legend()
        memory_axes.plot(days.day, days.resident_mib, color=BLUE, label="while it runs")
        memory_axes.axhline(
            days.peak_mib.iloc[0], color=GREY, linestyle="--", label="most of all, plots included"
        )
        memory_axes.axhline(1536, color=RED, linestyle=":", label="target")
        memory_axes.set(title="Memory does not", xlabel="day", ylabel="memory, MiB", ylim=(0, 1700))
        memory_axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.48))
        n, ms = households.households.to_numpy(), households.isp_ms.to_numpy()
        home_axes.loglog(n, ms[0] * n / n[0], color=GREY, linestyle="--", label="in proportion")
        home_axes.loglog(n, ms, color=BLUE, marker="o", label="measured")
        home_axes.set(
            title="An ISP, by households", xlabel="households", ylabel="processor time of an ISP, ms"
        )
        home_axes.legend()
        save(figure, out)


def _line(x: FloatArray, y: FloatArray) -> FloatArray:
    """The straight line through the origin that fits best."""
    return np.asarray(x * (x @ y) / (x @ x))


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path("docs/studies"),
    folder: Annotated[Path, typer.Option("--run", help="Folder of the long run.")] = Path("runs/year"),
    days: Annotated[int, typer.Option(help="Days of the long run.")] = 366,
    short: Annotated[int, typer.Option(help="Days of the runs by households.")] = 2,
) -> None:
    """Measure, write, draw."""
    turns = pd.DataFrame([apart(isp_ms, n, short) for _ in range(TURNS) for n in HOUSEHOLDS])
    homes = turns.groupby("households", as_index=False).min()
    homes.to_csv(out / "scaling_households.csv", index=False, float_format="%.3f")
    length = apart(long_run, folder, days, {})
    length.to_csv(out / "scaling_days.csv", index=False, float_format="%.3f")
    draw(length, homes, out / "scaling.png")


if __name__ == "__main__":
    typer.run(main)
