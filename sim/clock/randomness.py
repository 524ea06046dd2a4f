"""Random numbers by what they belong to: a household, a message, an ISP, and not by the order of asking.

Every stream is named by the seed, a label of this module and a key. So no draw depends on how long a run is,
how long its ISPs are, in which order a scenario lists things, or what else is in it. The labels are part of
every result: they stay as they are whatever is renamed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

import numpy as np

HOUSEHOLDS: Final = "households"
"""Who lives at a bus, by area and bus: a row of numbers for each household there."""
POOLS_AT_BUS: Final = "pools at bus"
"""Which aggregators serve which bus, by area and aggregator."""
FORECAST: Final = "forecast"
"""News about the injections of an area, by area."""
AUDITED: Final = "audited ISPs"
"""Which ISPs are checked again with pandapower."""
MESSAGE: Final = "message"
"""What happens to a message on its way, by sender, receiver, what it is, ISP, second and count within it."""
INSIDE_ISP: Final = "inside the ISP"
"""The imbalance inside an ISP, by ISP."""
SET_POINTS: Final = "set-points"
"""Which set-points of the reserve arrive, by ISP and BSP."""
SELLER: Final = "seller"
"""What a seller draws, by seller, purpose and ISP."""
STRATEGY: Final = "strategy"
"""What a strategy draws, by seller."""
CONTRACTS: Final = "contracts"
"""Who of a feeder is under contract, by feeder."""
CASE: Final = "case"
"""What sellers of a case that is cleared again and again know."""


def stream(seed: int, label: str, *key: str | int) -> np.random.Generator:
    """The stream that belongs to a label and a key: the same numbers whoever asks for it, and when."""
    name = json.dumps([label, *key], separators=(",", ":")) if key else label
    digest = hashlib.sha256(name.encode("utf-8")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
