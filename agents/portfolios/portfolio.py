"""What all portfolios share: the protocol, and the types of resources and assets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.orders.bids import StrArray
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit
from tandem_sim.markets.orders.products import Service


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Offers of n resources in one ISP and system; a resource that can go up and down has two rows."""

    system: str
    resource: IntArray  # (n,) number of the resource in its portfolio
    bid_id: StrArray  # (n,) fixed per resource and direction, unique in the book of an ISP
    node: IntArray  # (n,)
    direction: IntArray  # (n,) upwards first
    quantity_mw: FloatArray  # (n,)
    cost: FloatArray  # (n,) EUR/MWh
    baseline_mw: FloatArray  # (n,) injection without activation


@dataclass(frozen=True)
class Assets:
    """Assets for prequalification: units, their MW (up, down) within 5 minutes, and the strictest service."""

    service: Service
    units: tuple[RegisteredUnit, ...]
    fast_mw: tuple[tuple[float, float], ...]


class Portfolio(Protocol):
    """The resources of one seller."""

    def resources(self, isp: int, day_ahead_price: float) -> list[Resources]:
        """Feasible up and down power (MW) and its cost (EUR/MWh) in a later ISP, per system."""
        ...

    def assets(self) -> Assets:
        """Assets for prequalification."""
        ...

    def availability(self, isps: range) -> dict[tuple[str, int], float]:
        """MW expected to be available throughout a block of ISPs, by system and direction."""
        ...
