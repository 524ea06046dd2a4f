"""Small systems for tests: random radial grids, books of bids and whole cases."""

from __future__ import annotations

from tandem_sim.experiments.studies.equal_schemes.small_cases import (
    area,
    random_bids,
    random_case,
    random_tree,
    rows_of,
)
from tandem_sim.grids.network.made import network

__all__ = ["area", "network", "random_bids", "random_case", "random_tree", "rows_of"]
