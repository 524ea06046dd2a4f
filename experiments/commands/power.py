"""What ``tandem power`` does: what strategic bidding is worth, to whom, and who pays, scheme by scheme."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.experiments.commands.sweep import check_resumed, check_workers, run_shown
from tandem_sim.experiments.market_power.figure import draw_power
from tandem_sim.experiments.market_power.measure import power_by_isp, power_of
from tandem_sim.experiments.market_power.table import power_table
from tandem_sim.experiments.results.intervals import FEWEST, LEVEL, METHOD
from tandem_sim.experiments.results.statistics import over_seeds
from tandem_sim.experiments.run_folder.outputs import Known, is_object_of, is_png, is_table_of, write_json
from tandem_sim.experiments.runs.logs import terminal
from tandem_sim.experiments.runs.run import check_inside, check_outputs
from tandem_sim.experiments.runs.scenario import fields_of, read_scenario, source_of
from tandem_sim.experiments.sweeps.runs import write_table
from tandem_sim.experiments.sweeps.sweep import Point
from tandem_sim.grids.documents.text import check_known
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.choices import ABOUT
from tandem_sim.sim.scenario.scenario import Scenario

TRUTHFUL = "truthful"
HONEST: dict[str, Any] = {"strategy": TRUTHFUL, "strategies": []}
"""Fields of the counterfactual; all else is as the scenario says."""
UNHELD: dict[str, Any] = {**HONEST, "mitigation.enabled": False}
"""Those of the reference, whose scheme may have no local market to mitigate."""

KNOWN: dict[str, Known] = {
    "power.json": lambda path: is_object_of(path, {"reference", "strategic", "schemes"}),
    "power.parquet": lambda path: is_table_of(path, {"scheme", "seed", "isp", "provider"}),
    "power.png": is_png,
}
"""Files that are written, and how an earlier one is known."""


@dataclass(frozen=True)
class PowerTrial:
    """The runs that one scheme and seed need."""

    bid: Point
    truth: Point
    reference: Point

    @property
    def runs(self) -> tuple[Point, Point, Point]:
        """All three; some may be the same."""
        return self.bid, self.truth, self.reference


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
    """Make the runs that market power is measured by, write the figures, and show them."""
    check_workers(workers)
    files = {name: out / name for name in KNOWN}
    check_known("--scheme", schemes, list(ABOUT))
    check_known("--reference", [reference], list(ABOUT))
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
    write_table(pd.concat(tables, ignore_index=True), files["power.parquet"])
    draw_power(found, files["power.png"])
    console.print(power_table(found))
    console.print(f"Figure: {files['power.png']}", soft_wrap=True)


def plan(
    name: str, schemes: Sequence[str], seeds: Sequence[int], fields: Mapping[str, Any], reference: str
) -> list[PowerTrial]:
    """The runs that are needed, every scenario checked; without schemes or seeds, those of the scenario.

    Raises `InputError`, also if no seller is strategic: then there is nothing to compare.
    """
    given, folder = read_scenario(name, dict(fields))
    if not strategic_sellers(given):
        raise InputError(
            source_of(name),
            "strategy",
            "no seller is strategic: there is nothing to set against the truth",
            "Name a strategy, say --set strategy=fixed-markup, or list some under strategies",
        )

    def point(scheme: str, seed: int, bids: Mapping[str, Any]) -> Point:
        found, _ = read_scenario(name, {**fields, "scheme": scheme, "seed": seed, **bids})
        said = {"scheme": scheme, "seed": seed, "bids": TRUTHFUL if bids else "as the scenario says"}
        return Point(fields=said, scenario=found, folder=folder, source=source_of(name))

    return [
        PowerTrial(point(scheme, seed, {}), point(scheme, seed, HONEST), point(reference, seed, UNHELD))
        for scheme in dict.fromkeys(schemes or [given.scheme])
        for seed in dict.fromkeys(seeds or [given.seed])
    ]


def strategic_sellers(scenario: Scenario) -> list[str]:
    """Sellers of a scenario that do not simply bid the truth."""
    named = {who: given.name for given in scenario.strategies for who in given.aggregators}
    t = scenario.transmission
    sellers = [*scenario.pools, *(u.name for u in t.units), *(x.name for x in t.large_loads)]
    return [name for name in sellers if named.get(name, scenario.strategy) != TRUTHFUL]


def summary(trials: Sequence[PowerTrial], runs: Path, scenario: str, reference: str) -> dict[str, Any]:
    """What is written to ``power.json``: figures by scheme and seed, and intervals over seeds by scheme."""
    schemes: dict[str, Any] = {}
    for trial in trials:
        bid, truth, other = (runs / point.name for point in trial.runs)
        found = {"runs": [bid.name, truth.name, other.name], **power_of(bid, truth, other)}
        schemes.setdefault(trial.bid.scenario.scheme, {"seeds": {}})["seeds"][
            str(trial.bid.scenario.seed)
        ] = found
    for entry in schemes.values():
        for part in ("as_bid", "truthful", "difference", "inefficiency"):
            entry[part] = over_seeds([one[part] for one in entry["seeds"].values()])
    few = len({trial.bid.scenario.seed for trial in trials}) < FEWEST
    return {
        "scenario": scenario,
        "reference": reference,
        "strategic": strategic_sellers(trials[0].bid.scenario),
        "interval": {
            "method": METHOD,
            "level": LEVEL,
            "note": f"fewer than {FEWEST} seeds: no intervals" if few else "",
        },
        "schemes": schemes,
    }
