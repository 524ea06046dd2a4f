"""Published grids, read once for all processes that are forked from the one that imports this module.

The environment variable `GRIDS` has their names, separated by blanks, because a fork server gets no other
input. Reading a grid takes as long as a short run.
"""

from __future__ import annotations

import os
from contextlib import suppress

from tandem_sim.grids.io.read import load_network

GRIDS = "TANDEM_PRELOADED_GRIDS"


def preload() -> None:
    """Read the grids. Errors are ignored here, and reported by the runs that use the grid.

    An error here would end the server, and with it the runs on all other grids.
    """
    for grid in os.environ.get(GRIDS, "").split():
        with suppress(Exception):
            load_network(grid)


preload()
