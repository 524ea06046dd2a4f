"""Information that operators share: counted from what blocks read or write outside their own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.markets.coordination.entries import Entry, ResidualSupply
from tandem_sim.markets.coordination.operator_state import AreaState, Known, SystemState
from tandem_sim.markets.orders.bids import Bids

KINDS_SHARED = ("bids", "bid_limits", "grid_rows", "supply_points", "numbers")
NUMBERS_PER_BID = 4
"""Bus, direction, quantity and price."""


@dataclass
class Information:
    """Counts of entries read outside the state of their owner. An unchanged entry counts once."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS_SHARED, 0))
    _seen: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def note(self, states: Mapping[str, AreaState | SystemState]) -> None:
        """Count entries that one operator reads from another."""
        for system, state in states.items():
            for name, value in state.entries().items():
                if self._seen.get((system, name)) is not value:
                    self._seen[system, name] = value
                    for kind, count in contents(name, value).items():
                        self.counts[kind] += count


def numbers_in(state: Known) -> int:
    """Count of all numbers in the known entries of a state."""
    return sum(_numbers(value) for value in state.entries().values())


def contents(name: str, value: Entry) -> dict[str, int]:
    """The content of one entry of an operator state, by kind.

    ``bids``; ``bid_limits`` (MW that each bid may be called for: envelopes, validated and forwarded
    remainders); ``grid_rows`` (limits of branches and voltages, each with its sensitivities);
    ``supply_points`` of residual supply functions; and ``numbers``, everything together.
    """
    found = {"numbers": _numbers(value)}
    if isinstance(value, Bids):
        found["bids"] = len(value)
    elif isinstance(value, GridConstraints):
        found["grid_rows"] = _n_rows(value)
    elif isinstance(value, TransmissionGrid):
        found["grid_rows"] = int(np.isfinite(value.dc.limit_mw).sum())
    elif isinstance(value, ResidualSupply):
        found["supply_points"] = len(value.change_mw)
    elif name == "offers" and isinstance(value, np.ndarray):
        found["bid_limits"] = len(value)
    return found


def _n_rows(rows: GridConstraints) -> int:
    return int(np.isfinite(rows.limit_mw).sum()) + len(rows.w_pu2)


def _numbers(value: Entry | tuple[float, ...]) -> int:
    """Count of the numbers in an entry, or in a field of one."""
    if isinstance(value, Bids):
        return NUMBERS_PER_BID * len(value)
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, GridConstraints):  # sensitivities, present state and both limits of every constraint
        width: int = value.flow_matrix.shape[1] + 3
        return _n_rows(value) * width
    if isinstance(value, DcModel):
        return int(np.count_nonzero(np.isfinite(value.limit_mw))) * (value.network.n_nodes + 1)
    if isinstance(value, Mapping):
        return sum(_numbers(item) for item in value.values())
    if is_dataclass(value):
        return sum(_numbers(getattr(value, f.name)) for f in fields(value))
    return 1
