"""Households at each bus and their aggregators, drawn bus by bus from random streams of their own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tandem_sim.agents.devices.population import COLUMNS, ROW
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.sim.assembly.grids import Grids
from tandem_sim.sim.clock.randomness import HOUSEHOLDS, POOLS_AT_BUS, stream
from tandem_sim.sim.scenario.scenario import Scenario


def household_rows(scenario: Scenario, grids: Grids) -> FloatArray:
    """Random numbers in 0..1 (H, ROW) of every household, sorted by bus; see `draw`.

    One more household at a bus adds a row there and leaves all others unchanged.
    """
    counts = np.bincount(grids.site_of, minlength=grids.n_sites)
    rows = [
        stream(scenario.seed, HOUSEHOLDS, area, bus).random((int(counts[site]), ROW))
        for site, area, bus in _sites(grids)
    ]
    return np.concatenate(rows)


def aggregators_of(scenario: Scenario, grids: Grids, rows: FloatArray) -> IntArray:
    """Aggregator of every household (H,) by number: a few serve each bus, and a household has one of them.

    One more aggregator takes over some households and leaves all others unchanged.
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
