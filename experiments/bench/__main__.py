"""``make bench``: speed of the main parts, each with a reference measured in the same run.

Times depend on the machine and its load: compare the ratios. The reference of an ISP is the time of the
solvers alone for its optimisation problems and power flows, that of an auction the HiGHS solve of a problem
of the same size, that of a power flow check the power flow of pandapower. Results are also written to
``bench.json``: a list of ``name``, ``value``, ``unit``, ``target``, ``better`` (lower or higher) and
``limit`` (the reference).
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tandem_sim.experiments.bench.figure import Figure
from tandem_sim.experiments.bench.markets import cases, steps, validation
from tandem_sim.experiments.bench.runs import isps, memory, timeseries
from tandem_sim.experiments.bench.start import start
from tandem_sim.experiments.bench.sweep import throughput


def main(out: Path = Path("bench.json")) -> None:
    """Measure, print and write."""
    table = Table(
        title="Tandem bench (one core but for sweeps; parts: median of warm repetitions)", box=SIMPLE_HEAD
    )
    for column in ("what", "measured", "beside it, same run", "ratio", "target", ""):
        table.add_column(column)
    parts = (start, validation, timeseries, cases, steps, isps, memory, sweeps)
    figures = [figure for part in parts for figure in part()]
    for figure in figures:
        table.add_row(*figure.row)
    Console(width=140).print(table)
    out.write_text(json.dumps([figure.as_dict for figure in figures], indent=1) + "\n", encoding="utf-8")


def sweeps() -> list[Figure]:
    """Throughput of a sweep with several worker processes over one; the limit is their number."""
    times, k = throughput()
    return [
        Figure(
            name=f"sweep, {k} workers over one",
            value=times,
            unit="x",
            target=0.8 * k,
            better="higher",
            limit=float(k),
            against="cores used",
        )
    ]


if __name__ == "__main__":
    main()
