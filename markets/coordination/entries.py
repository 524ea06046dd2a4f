"""What single entries of operator states consist of, where that is more than an array or a book of bids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.dc import TransmissionGrid
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import Cleared
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.zones import Zones

PowerFlowRows = Callable[[FloatArray], GridConstraints | None]
"""Constraints of an area around its power flow after a change of injections (N,) MW; None: no solution."""

Qualified = Mapping[int, tuple[float, float]]
"""By direction (1 up, -1 down): MW offered to the TSO, and of that the MW that the DSO allows."""


@dataclass(frozen=True)
class Forecast:
    """Injections that a DSO expects at the nodes of its grid without activation."""

    p_mw: FloatArray  # (N,) MW, injection positive
    q_mvar: FloatArray  # (N,) Mvar, without reactive power that the DSO has bought


@dataclass(frozen=True)
class BoundaryFlow:
    """Flow from transmission into an area (MW): the schedule, and the present expectation of its DSO."""

    scheduled_mw: float
    expected_mw: float


@dataclass(frozen=True)
class ResidualSupply:
    """Points of an RSF, ``change_mw`` ascending (m,) and ``cost`` (m,) in EUR/h."""

    change_mw: FloatArray  # change of the area's net injection; 0 is the present flow
    cost: FloatArray

    def segments(self) -> tuple[FloatArray, FloatArray]:
        """Lengths (MW) and slopes (EUR/MWh) between the points, (m - 1,) each; slopes ascend."""
        length = np.diff(self.change_mw)
        return length, np.diff(self.cost) / length


@dataclass(frozen=True)
class Target:
    """What the TSO buys from an area as a whole: a change of its net injection (MW, injection positive)."""

    change_mw: float
    unlimited_mw: float  # what it would have bought without limits of transmission


NO_TARGET = Target(0.0, 0.0)
NO_SUPPLY = ResidualSupply(np.zeros(1), np.zeros(1))
"""An area that offers no change of its injection."""

Entry = (
    Bids
    | GridConstraints
    | TransmissionGrid
    | AcLimits
    | Zones
    | Cleared
    | Forecast
    | BoundaryFlow
    | ResidualSupply
    | Target
    | PowerFlowRows
    | Qualified
    | FloatArray
    | tuple[str, ...]
    | float
    | bool
)
"""A value of any entry."""
