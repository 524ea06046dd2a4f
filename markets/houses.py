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
    that the TSO's market may take), ``sold`` (MW booked). In the TSO's: ``grid``, ``bids``, ``sold`` and
    ``exchange`` (change of each area's injection by local markets, known from its schedule).
    """
    offered = {TSO: tso_bids.quantity_mw, **{area: bids.quantity_mw for area, (_, bids) in areas.items()}}
    ledger = Ledger(dict(offered))
    houses: dict[str, dict[str, Any]] = {
        TSO: {
            "grid": transmission,
            "bids": tso_bids,
            "sold": ledger.sold(TSO),
            "exchange": dict.fromkeys(areas, 0.0),
        }
    }
    for area, (rows, bids) in areas.items():
        houses[area] = {
            "grid": rows,
            "bids": bids,
            "offers": np.where(bids.forwardable, bids.quantity_mw, 0.0),
            "sold": ledger.sold(area),
        }
    return houses, ledger
