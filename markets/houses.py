"""What stands in each operator's house before a scheme starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grids.arrays import FloatArray
from grids.dc import DcModel
from grids.rows import GridRows
from markets.bids import Bids
from markets.blocks import TSO
from markets.ledger import Ledger


@dataclass(frozen=True)
class TransmissionGrid:
    """The TSO's picture of its grid: base injections (N,), and the flow it expects into each area (MW)."""

    dc: DcModel
    p_mw: FloatArray
    interface_node: Mapping[str, int]
    interface_mw: Mapping[str, float]


def open_houses(
    transmission: TransmissionGrid, tso_bids: Bids, areas: Mapping[str, tuple[GridRows, Bids]]
) -> tuple[dict[str, dict[str, Any]], Ledger]:
    """Houses and ledger at the start of an ISP.

    In a DSO's house: ``grid`` (rows of the base state), ``bids`` (its order book), ``offers`` (MW of each bid
    that the TSO's market may take), ``sold`` (MW booked) and ``exchange`` (change of the area's injection by
    its local market, MW). In the TSO's: ``grid``, ``bids`` and ``sold``.
    """
    ledger = Ledger()
    houses: dict[str, dict[str, Any]] = {TSO: {"grid": transmission, **book_entries(TSO, tso_bids, ledger)}}
    for area, (rows, bids) in areas.items():
        houses[area] = {"grid": rows, **book_entries(area, bids, ledger)}
    return houses, ledger


def book_entries(system: str, bids: Bids, ledger: Ledger) -> dict[str, Any]:
    """Enter a closed order book in the ledger; the entries it puts into its system's house."""
    ledger.open(system, bids.quantity_mw)
    entries: dict[str, Any] = {"bids": bids, "sold": ledger.sold(system)}
    if system != TSO:
        entries["offers"] = np.where(bids.forwardable, bids.quantity_mw, 0.0)
        entries["exchange"] = 0.0
    return entries
