"""Random streams by name: of a household, a message, an ISP; independent of the order of draws.

Every stream is named by the seed, a label of this module and a key. So no draw depends on the length of
a run or of its ISPs, on the order of lists in a scenario, or on other parts of it. Results depend on the
labels: they never change, whatever is renamed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

import numpy as np

HOUSEHOLDS: Final = "households"
"""Households at a bus, by area and bus: a row of numbers for each household."""
POOLS_AT_BUS: Final = "pools at bus"
"""Which aggregators serve which bus, by area and aggregator."""
FORECAST: Final = "forecast"
"""Updates of forecasts of an area's injections, by area."""
AUDITED: Final = "audited ISPs"
"""Which ISPs are checked again with pandapower."""
MESSAGE: Final = "message"
"""Latency and loss of a message, by sender, receiver, message label, ISP, second, and count within it."""
INSIDE_ISP: Final = "inside the ISP"
"""The imbalance inside an ISP, by ISP."""
SET_POINTS: Final = "set-points"
"""Which set-points of aFRR arrive, by ISP and BSP."""
SELLER: Final = "seller"
"""Draws of a seller, by seller, purpose and ISP."""
STRATEGY: Final = "strategy"
"""Draws of a strategy, by seller."""
CONTRACTS: Final = "contracts"
"""Users of a feeder under contract, by feeder."""
CASE: Final = "case"
"""Costs of sellers in a case that is cleared repeatedly."""


def stream(seed: int, label: str, *key: str | int) -> np.random.Generator:
    """The random stream of a seed, a label and a key: the same numbers in every call."""
    name = json.dumps([label, *key], separators=(",", ":")) if key else label
    digest = hashlib.sha256(name.encode("utf-8")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
