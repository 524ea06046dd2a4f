"""Published grids, read once for all processes that are forked from the one that imports this module.

Which ones stands in the environment, in `GRIDS`, separated by blanks: a server that processes are forked from
is told nothing else. Reading one takes as long as a short run.
"""

from __future__ import annotations

import os
from contextlib import suppress

from tandem_sim.grids.io.read import load_network

GRIDS = "TANDEM_PRELOADED_GRIDS"


def preload() -> None:
    """Read the grids. What cannot be read, whatever the reason, is left to the runs that ask for it to tell.

    An error here would end the server, and with it the runs on all other grids.
    """
    for grid in os.environ.get(GRIDS, "").split():
        with suppress(Exception):
            load_network(grid)


preload()
