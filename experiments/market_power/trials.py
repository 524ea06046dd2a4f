"""The runs that market power is measured by, and their figures by scheme and seed.

A scheme and seed needs three runs of one world: with the strategies of the scenario, with truthful bids, and
with truthful bids under the reference scheme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem_sim.experiments.market_power.measure import power_of
from tandem_sim.experiments.results.intervals import FEWEST, LEVEL, METHOD
from tandem_sim.experiments.results.statistics import over_seeds
from tandem_sim.experiments.runs.bundled import source_of
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.sweeps.sweep import Point
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.scenario.scenario import Scenario

TRUTHFUL = "truthful"
TRUTHFUL_FIELDS: dict[str, Any] = {"strategy": TRUTHFUL, "strategies": []}
"""Fields of the run with truthful bids; all others are those of the scenario."""
REFERENCE_FIELDS: dict[str, Any] = {**TRUTHFUL_FIELDS, "mitigation.enabled": False}
"""Fields of the run under the reference scheme, which may have no local market to mitigate."""


@dataclass(frozen=True, kw_only=True)
class PowerTrial:
    """The runs of one scheme and seed: as bid, truthful, and truthful under the reference scheme."""

    bid: Point
    truth: Point
    reference: Point

    @property
    def runs(self) -> tuple[Point, Point, Point]:
        """All three runs; some may be the same."""
        return self.bid, self.truth, self.reference


def plan(
    name: str, schemes: Sequence[str], seeds: Sequence[int], fields: Mapping[str, Any], reference: str
) -> list[PowerTrial]:
    """The runs to make, every scenario checked. Without schemes or seeds, those of the scenario are used.

    Raises `InputError` for a scenario that cannot be used, and if no seller bids strategically.
    """
    given, folder = read_scenario(name, dict(fields))
    if not strategic_sellers(given):
        raise InputError(
            source_of(name),
            "strategy",
            "no seller is strategic: all bid truthfully, so there is nothing to compare",
            "Name a strategy, for example --set strategy=fixed-markup, or list some under strategies",
        )

    def point(scheme: str, seed: int, bids: Mapping[str, Any]) -> Point:
        found, _ = read_scenario(name, {**fields, "scheme": scheme, "seed": seed, **bids})
        said = {"scheme": scheme, "seed": seed, "bids": TRUTHFUL if bids else "as the scenario says"}
        return Point(fields=said, scenario=found, folder=folder, source=source_of(name))

    return [
        PowerTrial(
            bid=point(scheme, seed, {}),
            truth=point(scheme, seed, TRUTHFUL_FIELDS),
            reference=point(reference, seed, REFERENCE_FIELDS),
        )
        for scheme in dict.fromkeys(schemes or [given.scheme])
        for seed in dict.fromkeys(seeds or [given.seed])
    ]


def strategic_sellers(scenario: Scenario) -> list[str]:
    """Names of the sellers of a scenario whose strategy is not truthful bidding."""
    named = {who: given.name for given in scenario.strategies for who in given.aggregators}
    t = scenario.transmission
    sellers = [*scenario.pools, *(u.name for u in t.units), *(x.name for x in t.large_loads)]
    return [name for name in sellers if named.get(name, scenario.strategy) != TRUTHFUL]


def summary(trials: Sequence[PowerTrial], runs: Path, scenario: str, reference: str) -> dict[str, Any]:
    """Content of ``power.json``: figures by scheme and seed, and by scheme means and intervals over seeds."""
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
