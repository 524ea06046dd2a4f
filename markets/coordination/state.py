"""Operator states before a scheme starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.dc import TransmissionGrid
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO, Values
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids


def open_states(
    transmission: TransmissionGrid, tso_bids: Bids, areas: Mapping[str, tuple[GridConstraints, Bids]]
) -> tuple[dict[str, dict[str, Any]], Ledger]:
    """Operator states and ledger at the start of an ISP.

    In a DSO's state: ``grid`` (constraints of the base state), ``bids`` (its order book), ``offers`` (MW of
    each bid that the TSO's market may take), ``sold`` (MW booked) and ``exchange`` (change of the area's
    injection by its local market, MW). In the TSO's state: ``grid``, ``bids`` and ``sold``. Some schemes need
    more: ``scheduled`` (interface flow in MW), ``power_flow``, ``ac_limits``, ``zones`` and ``reactive_bids``
    of an area.
    """
    ledger = Ledger()
    states: dict[str, dict[str, Any]] = {TSO: {"grid": transmission, **book_entries(TSO, tso_bids, ledger)}}
    for area, (rows, bids) in areas.items():
        states[area] = {"grid": rows, **book_entries(area, bids, ledger)}
    return states, ledger


def book_entries(system: str, bids: Bids, ledger: Ledger) -> dict[str, Any]:
    """Enter a closed order book in the ledger; returns the entries for the operator state of its system."""
    ledger.open(system, bids.quantity_mw)
    entries: dict[str, Any] = {"bids": bids, "sold": ledger.sold(system)}
    if system != TSO:
        entries["offers"] = np.where(bids.forwardable & ~bids.demand, bids.quantity_mw, 0.0)
        entries["exchange"] = 0.0
    return entries


def unsold_mw(values: Mapping[str, Any]) -> FloatArray:
    """Unsold MW of each bid (n,) for the energy markets of a system.

    Without demand of companies, and without capacity held for the automatic reserve.
    """
    bids: Bids = values["bids"]
    return np.where(bids.demand, 0.0, np.maximum(bids.quantity_mw - bids.held_mw - values["sold"], 0.0))


def offered_mw(values: Mapping[str, Any]) -> FloatArray:
    """MW of each bid (n,) of an area for the TSO's energy market, without capacity held for reserve."""
    bids: Bids = values["bids"]
    return np.asarray(np.maximum(values["offers"] - bids.held_mw, 0.0))


def wanted_mw(values: Mapping[str, Any]) -> FloatArray:
    """MW of each bid (n,) that companies still want to buy."""
    bids: Bids = values["bids"]
    return np.where(bids.demand, bids.quantity_mw - values["sold"], 0.0)


def area_state(values: Values) -> GridConstraints:
    """Constraints of an area after all bookings so far."""
    rows: GridConstraints = values["grid"]
    bids: Bids = values["bids"]
    sold: FloatArray = values["sold"]
    return rows.after(bids.injection_mw(sold, rows.flow_matrix.shape[1])) if sold.any() else rows


def expected_mw(tso: Values, areas: Mapping[str, Values]) -> FloatArray:
    """Injections (N,) on transmission after all sales so far, as the TSO expects them."""
    grid: TransmissionGrid = tso["grid"]
    bids: Bids = tso["bids"]
    p = grid.p_mw + bids.injection_mw(tso["sold"], len(grid.p_mw))
    for area, node in grid.interface_node.items():
        values = areas[area]
        known = "boundary" in values
        p[node] -= values["boundary"] if known else grid.interface_mw[area] - values["exchange"]
    return np.asarray(p)
