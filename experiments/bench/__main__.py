"""``make bench``: speed of the parts that matter, each beside a limit measured in the same run.

Machines differ and are noisy: read the ratios. The limit of an ISP is what solvers alone take for its
programmes and power flows, that of an auction the bare HiGHS solve of a programme of the same size, that of a
validation the power flow that pandapower offers. Written to ``bench.json`` too: a list of ``name``,
``value``, ``unit``, ``target``, ``better`` (lower or higher) and ``limit``.
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
    """What worker processes add to a sweep; the limit is as many as there are of them."""
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
