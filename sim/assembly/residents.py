"""Households at each bus and their aggregators: drawn bus by bus from random streams, or by their table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tandem_sim.agents.devices.population import COLUMNS, ROW, Households, draw
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.sim.assembly.grids import Grids
from tandem_sim.sim.clock.randomness import HOUSEHOLDS, POOLS_AT_BUS, stream
from tandem_sim.sim.households.given import owners_of_pv, with_given
from tandem_sim.sim.households.summary import AreaHouseholds, hours_of_pv, summary_of
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
    drawn = np.asarray(serving[grids.site_of, pick], dtype=np.int64)
    if grids.people is None:
        return drawn
    return grids.people.instead("aggregator", drawn.astype(np.float64)).astype(np.int64)


def households_of(scenario: Scenario, grids: Grids, rows: FloatArray) -> Households:
    """Households and what they own: as their table says, the rest drawn from the population of their area.

    `rows` (H, ROW) are their random numbers.
    """
    isps_per_hour, people = 60 / scenario.isp_minutes, grids.people
    pv = None if people is None else owners_of_pv(people)
    populations = [scenario.population.drawn_in(d.population) for _, d in scenario.areas]
    if len(set(populations)) == 1:
        homes = draw(populations[0], rows, isps_per_hour, pv)
    else:
        ends = np.searchsorted(grids.site_of, [area.sites.stop for area in grids.areas]).tolist()
        parts = [slice(*cut) for cut in pairwise([0, *ends])]
        homes = Households.join(
            [
                draw(population, rows[part], isps_per_hour, None if pv is None else pv[part])
                for population, part in zip(populations, parts, strict=True)
            ]
        )
    return homes if people is None else with_given(homes, people, rows)


def summaries(
    scenario: Scenario, grids: Grids, homes: Households, profiles: Profiles
) -> list[AreaHouseholds]:
    """What households every area has."""
    pv_hours, found = hours_of_pv(profiles, scenario.population.drawn_from.pvs), []
    for area in grids.areas:
        which = (grids.site_of >= area.sites.start) & (grids.site_of < area.sites.stop)
        found.append(summary_of(area.name, homes, which, len(np.unique(grids.site_of[which])), pv_hours))
    return found


def _sites(grids: Grids) -> Iterator[tuple[int, str, int]]:
    """Every bus with households as (site, area, its index in the pandapower net), in the order of sites."""
    for area in grids.areas:
        network = area.network
        first = np.full(network.n_nodes, np.iinfo(np.int64).max)
        np.minimum.at(first, network.bus_node, network.bus_index)
        for k, node in enumerate(area.site_node.tolist()):
            yield area.sites.start + k, area.name, int(first[node])
