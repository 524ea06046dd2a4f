"""Who lives at which bus, and which aggregator serves them: drawn bus by bus, each from its own numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tandem_sim.agents.devices.population import COLUMNS, ROW
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.sim.assembly.grids import Grids
from tandem_sim.sim.clock.randomness import HOUSEHOLDS, POOLS_AT_BUS, stream
from tandem_sim.sim.scenario.scenario import Scenario


def household_rows(scenario: Scenario, grids: Grids) -> FloatArray:
    """Numbers in 0..1 (H, ROW) that decide who every household is; those of a bus follow one another.

    One household more at a bus adds a row there, and leaves all others as they are.
    """
    counts = np.bincount(grids.site_of, minlength=grids.n_sites)
    rows = [
        stream(scenario.seed, HOUSEHOLDS, area, bus).random((int(counts[site]), ROW))
        for site, area, bus in _sites(grids)
    ]
    return np.concatenate(rows)


def aggregators_of(scenario: Scenario, grids: Grids, rows: FloatArray) -> IntArray:
    """Aggregator of every household (H,) by number: a few serve each bus, and each household has one of them.

    One aggregator more takes over some customers, and leaves all others where they are.
    """
    few = scenario.aggregators_per_bus
    serving = np.array(
        [
            np.argsort(stream(scenario.seed, POOLS_AT_BUS, area, bus).random(scenario.aggregators))[:few]
            for _, area, bus in _sites(grids)
        ]
    )
    pick = (rows[:, COLUMNS["aggregator"]] * few).astype(np.int64)
    return np.asarray(serving[grids.site_of, pick], dtype=np.int64)


def _sites(grids: Grids) -> Iterator[tuple[int, str, int]]:
    """Every bus with households as (site, area, its index in the pandapower net), in the order of sites."""
    for area in grids.areas:
        network = area.network
        first = np.full(network.n_nodes, np.iinfo(np.int64).max)
        np.minimum.at(first, network.bus_node, network.bus_index)
        for k, node in enumerate(area.site_node.tolist()):
            yield area.sites.start + k, area.name, int(first[node])
