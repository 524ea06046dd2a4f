"""The command ``tandem power``: effects of strategic bidding on profits, costs and limits, by scheme."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.experiments.commands.sweep import check_resumed, check_workers, run_shown
from tandem_sim.experiments.market_power.figure import draw_power
from tandem_sim.experiments.market_power.measure import power_by_isp
from tandem_sim.experiments.market_power.table import power_tables
from tandem_sim.experiments.market_power.trials import plan, summary
from tandem_sim.experiments.results.run_data import read_run
from tandem_sim.experiments.run_folder.outputs import Known, is_object_of, is_png, is_table_of, write_json
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.experiments.runs.run import check_inside, check_outputs
from tandem_sim.experiments.runs.scenario import fields_of
from tandem_sim.experiments.sweeps.runs import write_table
from tandem_sim.sim.named_schemes import check_scheme_names

KNOWN: dict[str, Known] = {
    "power.json": lambda path: is_object_of(path, {"reference", "strategic", "schemes"}),
    "power.parquet": lambda path: is_table_of(path, {"scheme", "seed", "isp", "provider"}),
    "power.png": is_png,
}
"""Files that the command writes, and how an earlier result is recognised."""


def measure_power(
    scenario: str,
    schemes: Sequence[str],
    seeds: Sequence[int],
    fields: Sequence[str],
    reference: str,
    workers: int | None,
    out: Path,
    allowed: AllowedCode,
    *,
    resume: bool,
    quiet: bool,
) -> None:
    """Make the runs that measure market power, and write and print the results."""
    check_workers(workers)
    files = {name: out / name for name in KNOWN}
    check_scheme_names("--scheme", schemes)
    check_scheme_names("--reference", [reference])
    trials = plan(scenario, schemes, seeds, fields_of(fields), reference)
    check_outputs((), True, {path: KNOWN[name] for name, path in files.items()})
    check_inside([out / "runs"])
    console = terminal(quiet)
    points = list({point.name: point for trial in trials for point in trial.runs}.values())
    check_resumed(out / "runs", resume=resume)
    _, failed = run_shown(points, out / "runs", workers, console, allowed=allowed)
    for point, error in failed:
        print(f"tandem: {scenario}: {point.fields}: {error}", file=sys.stderr)
    if failed:
        raise SystemExit(1)
    found = summary(trials, out / "runs", scenario, reference)
    write_json(files["power.json"], found)
    tables = [power_by_isp(out / "runs" / t.bid.name, out / "runs" / t.truth.name) for t in trials]
    rows = pd.concat(tables, ignore_index=True)
    write_table(rows, files["power.parquet"])
    first = trials[0].bid
    draw_power(found, rows, read_run(out / "runs" / first.name, first.scenario.zone, ""), files["power.png"])
    for table in power_tables(found, console.width):
        console.print(table)
    console.print(f"Figure: {files['power.png']}", soft_wrap=True)
