"""The market blocks: a DSO's local market, forwarding, and the TSO's market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from grids.arrays import FloatArray
from grids.rows import GridRows, transmission_rows
from markets.bids import Bids
from markets.blocks import TSO, Block, View, Written
from markets.houses import TransmissionGrid
from markets.programme import Cleared, Rows, clear, grid_rows

DistributionRows = Literal["none", "full"]


def injection_map(bids: Bids, n_nodes: int) -> FloatArray:
    """Injection (n_nodes, n) in MW per MW activated of each bid."""
    matrix = np.zeros((n_nodes, len(bids)))
    matrix[bids.node, np.arange(len(bids))] = bids.direction
    return matrix


def area_state(values: Any) -> GridRows:
    """Rows of an area after everything booked so far."""
    rows: GridRows = values["grid"]
    bids: Bids = values["bids"]
    sold: FloatArray = values["sold"]
    return rows.after(bids.injection_mw(sold, rows.flow_matrix.shape[1])) if sold.any() else rows


@dataclass(frozen=True)
class Interface:
    """How far a local market may move its interface flow, and what a MWh of that costs it."""

    price_eur_per_mwh: float = 0.0
    bound_mw: float | None = 0.0  # None: as far as it likes


FIXED = Interface()
"""The local area stays balanced. Always feasible: buying nothing leaves the flow where it is."""


def dso_market(gate: str = "dso_clear", name: str = "dso_market", interface: Interface = FIXED) -> Block:
    """Least cost over local bids with the area's rows, the interface flow held at its present value.

    Other settings of `interface` let the flow move at a price or within a bound; the TSO is told of the move
    (``area.exchange``). Behind the TSO's market the flow that market left is the present one.
    """

    def run(area: str, view: View) -> Written:
        bids: Bids = view.own["bids"]
        remaining = bids.quantity_mw - view.own["sold"]
        rows = area_state(view.own)
        n_nodes = rows.flow_matrix.shape[1]
        answer = clear(
            bids.signed_price,
            remaining,
            sign=bids.direction.astype(np.float64),
            rows=grid_rows([(rows, injection_map(bids, n_nodes))], len(bids)),
            imbalance_price=interface.price_eur_per_mwh,
            imbalance_bound_mw=interface.bound_mw,
        ).require(f"{name} of {area}")
        exchange = view.own["exchange"] + float(bids.direction @ answer.quantity_mw)
        return Written(
            entries={area: {"local": answer, "exchange": exchange}},
            awards={area: answer.quantity_mw},
        )

    return Block(
        name,
        "dso",
        gate,
        ("area.bids", "area.grid", "area.sold", "area.exchange"),
        ("area.sold", "area.local", "area.exchange"),
        run,
    )


def forward_bids() -> Block:
    """The uncleared remainder of every forwardable bid is offered to the TSO."""

    def run(area: str, view: View) -> Written:
        bids: Bids = view.own["bids"]
        left = np.where(bids.forwardable, bids.quantity_mw - view.own["sold"], 0.0)
        return Written(entries={area: {"offers": left}})

    return Block("forward_bids", "dso", "forward", ("area.bids", "area.sold"), ("area.offers",), run)


def tso_market(
    distribution_rows: DistributionRows = "none", der: bool = True, name: str = "tso_market"
) -> Block:
    """Balance of the whole system at least cost, with the DC rows of transmission.

    `der` takes what the areas offer; ``distribution_rows="full"`` adds every area's own rows, which the
    scheme must share.
    """
    reads = ["tso.bids", "tso.grid", "tso.sold", "area.exchange"]
    reads += ["area.bids", "area.offers"] if der else []
    reads += ["area.grid", "area.sold"] if distribution_rows == "full" else []

    def run(house: str, view: View) -> Written:
        areas: Mapping[str, Any] = view.areas if der else {}
        books: dict[str, Bids] = {house: view.own["bids"], **{k: v["bids"] for k, v in areas.items()}}
        available = [view.own["bids"].quantity_mw - view.own["sold"], *(v["offers"] for v in areas.values())]
        need, rows = _system(view, books, full=distribution_rows == "full")
        answer = clear(
            np.concatenate([b.signed_price for b in books.values()]),
            np.concatenate(available),
            sign=np.concatenate([b.direction for b in books.values()]).astype(np.float64),
            need_mw=need,
            rows=rows,
        ).require(name)
        ends = np.cumsum([len(b) for b in books.values()])[:-1]
        awards = dict(zip(books, np.split(answer.quantity_mw, ends), strict=True))
        return Written(entries={TSO: {"balancing": answer, "need": need}}, awards=awards)

    writes = ("tso.sold", "tso.balancing", "tso.need") + (("area.sold",) if der else ())
    return Block(name, "tso", "tso_clear", tuple(reads), writes, run)


def expected_mw(view: View, own: Bids) -> FloatArray:
    """Injections (N,) on transmission after everything sold so far, as the TSO sees them."""
    grid: TransmissionGrid = view.own["grid"]
    p = grid.p_mw + own.injection_mw(view.own["sold"], len(grid.p_mw))
    for area, node in grid.interface_node.items():
        p[node] -= grid.interface_mw[area] - view.areas[area]["exchange"]
    return np.asarray(p)


def _system(view: View, books: dict[str, Bids], full: bool) -> tuple[float, list[Rows]]:
    """Need of the whole system (MW of injection) and the grid rows over the columns of all books."""
    grid: TransmissionGrid = view.own["grid"]
    p = expected_mw(view, books[TSO])
    width = sum(len(b) for b in books.values())
    to_transmission = np.zeros((len(grid.p_mw), width))
    parts, first = [], 0
    for system, bids in books.items():
        columns = slice(first, first + len(bids))
        nodes = bids.node if system == TSO else np.full(len(bids), grid.interface_node[system])
        to_transmission[nodes, np.arange(first, first + len(bids))] = bids.direction
        if full and system != TSO:
            rows = area_state(view.areas[system])
            wide = np.zeros((rows.flow_matrix.shape[1], width))
            wide[:, columns] = injection_map(bids, len(wide))
            parts.append((rows, wide))
        first += len(bids)
    parts.insert(0, (transmission_rows(grid.dc, p), to_transmission))
    return -float(p.sum()), grid_rows(parts, width)


def unserved_mw(answers: list[Cleared]) -> float:
    """Imbalance left unserved by a list of auctions (MW)."""
    return sum(a.short_mw + a.long_mw for a in answers)
