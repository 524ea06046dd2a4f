"""Operator states before a scheme starts, and quantities that blocks and operators read from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.dc import TransmissionGrid
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import TSO, AreaState, Known, OperatorState, SystemState
from tandem_sim.markets.orders.bids import Bids


def open_states(
    transmission: TransmissionGrid, tso_bids: Bids, areas: Mapping[str, tuple[GridConstraints, Bids]]
) -> tuple[OperatorState, Ledger]:
    """Operator states and ledger at the start of an ISP.

    Known are grids and books, and of areas the offers to the TSO and an exchange of 0 MW. Some schemes need
    more of an area: `scheduled`, `power_flow`, `ac_limits`, `zones` and `reactive_bids`.
    """
    ledger, states = Ledger(), OperatorState()
    states.update(TSO, SystemState(grid=transmission))
    states.update(TSO, book_entries(TSO, tso_bids, ledger))
    for area, (rows, bids) in areas.items():
        states.update(area, AreaState(grid=rows))
        states.update(area, book_entries(area, bids, ledger))
    return states, ledger


def book_entries(system: str, bids: Bids, ledger: Ledger) -> AreaState | SystemState:
    """Enter a closed order book in the ledger; returns the entries for the operator state of its system."""
    ledger.open(system, bids.quantity_mw)
    sold = ledger.sold(system)
    if system == TSO:
        return SystemState(bids=bids, sold=sold)
    offers = np.where(bids.forwardable & ~bids.demand, bids.quantity_mw, 0.0)
    return AreaState(bids=bids, sold=sold, offers=offers, exchange=0.0)


def unsold_mw(state: Known) -> FloatArray:
    """Unsold MW of each bid (n,) for the energy markets of a system.

    Without demand of companies, and without capacity held for the automatic reserve.
    """
    bids = state.bids
    return np.where(bids.demand, 0.0, np.maximum(bids.quantity_mw - bids.held_mw - state.sold, 0.0))


def offered_mw(area: AreaState) -> FloatArray:
    """MW of each bid (n,) of an area for the TSO's energy market, without capacity held for reserve."""
    return np.asarray(np.maximum(area.offers - area.bids.held_mw, 0.0))


def wanted_mw(state: Known) -> FloatArray:
    """MW of each bid (n,) that companies still want to buy."""
    return np.where(state.bids.demand, state.bids.quantity_mw - state.sold, 0.0)


def area_state(area: AreaState) -> GridConstraints:
    """Constraints of an area after all bookings so far."""
    rows, sold = area.grid, area.sold
    return rows.after(area.bids.injection_mw(sold, rows.flow_matrix.shape[1])) if sold.any() else rows


def expected_mw(tso: SystemState, areas: Mapping[str, AreaState]) -> FloatArray:
    """Injections (N,) on transmission after all sales so far, as the TSO expects them."""
    grid = tso.grid
    p = grid.p_mw + tso.bids.injection_mw(tso.sold, len(grid.p_mw))
    for area, node in grid.interface_node.items():
        state = areas[area]
        known = state.knows("boundary")
        p[node] -= state.boundary if known else grid.interface_mw[area] - state.exchange
    return np.asarray(p)
