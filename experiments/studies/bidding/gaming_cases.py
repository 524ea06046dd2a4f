"""Cases for studies of strategic bidding: the ALEXANDER recipe, with bids assigned to sellers.

Grids are real (IEEE 14-bus, case69, case141); injections, ratings, bids and who owns them are synthetic.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tandem_sim.experiments.studies.alexander.cases import Recipe, generate
from tandem_sim.markets.cases.case import Case
from tandem_sim.sim.clock.randomness import stream

BALANCED = Recipe(need_mw=0.0)
"""The system is balanced: all purchases relieve congestion."""
UNCONGESTED = Recipe(need_mw=0.0, overloaded_lines=0)
FOOTNOTE = (
    "IEEE 14-bus, case69 and case141; injections, ratings, bids and owners synthetic (ALEXANDER recipe)"
)


def owned_by_node(case: Case, sellers: int, seed: int) -> Case:
    """A case whose distribution bids belong to S1, S2, ...: all bids of a node to one of them.

    Nodes are assigned in random order, one to each in turn, so that every seller has nodes all over both
    feeders.
    """
    rng, areas = stream(seed, f"owners of {case.name}"), {}
    for name, area in case.areas.items():
        nodes = np.unique(area.bids.node)
        turn = dict(zip(rng.permutation(nodes).tolist(), np.arange(len(nodes)) % sellers, strict=True))
        owner = np.array([f"S{turn[node] + 1}" for node in area.bids.node.tolist()], dtype=np.str_)
        areas[name] = replace(area, bids=replace(area.bids, provider=owner))
    return replace(case, areas=areas)


def world(kind: str, seed: int, sellers: int, recipe: Recipe) -> Case:
    """A case of a kind and seed with so many sellers."""
    return owned_by_node(generate(kind, seed, recipe), sellers, seed)


def quartiles(values: pd.Series, by: pd.Series) -> pd.DataFrame:
    """Quartiles of values by group, columns 0.25, 0.5 and 0.75."""
    groups = values.groupby(by)
    return pd.DataFrame({q: groups.quantile(q) for q in (0.25, 0.5, 0.75)})
