"""The basic market blocks: a DSO's local market, forwarding of bids, and the TSO's market."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tandem_sim.grids.power_flow.constraints import transmission_constraints
from tandem_sim.grids.power_flow.dc import TransmissionGrid
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import PooledBy, Pricing
from tandem_sim.markets.clearing.auction import Cleared, clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import sale_of
from tandem_sim.markets.clearing.purposes import purposes_of
from tandem_sim.markets.coordination.block import TSO, Block, Values, View, Written
from tandem_sim.markets.coordination.state import area_state, expected_mw, offered_mw, unsold_mw
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.pooling import in_pools

DistributionRows = Literal["none", "full", "relaxed"]


@dataclass(frozen=True)
class Interface:
    """How far a local market may change its interface flow, and the price of a MWh of change."""

    price_eur_per_mwh: float = 0.0
    bound_mw: float | None = 0.0  # None: without a bound


FIXED = Interface()
"""The local area stays balanced. Always feasible: without purchases the flow does not change."""


def clear_area(own: Values, available: FloatArray, interface: Interface = FIXED) -> Cleared:
    """Least cost over `available` (n,) MW of an area's bids within the limits of the area."""
    bids: Bids = own["bids"]
    rows = area_state(own)
    return clear(
        bids.signed_price,
        available,
        sign=bids.direction.astype(np.float64),
        rows=auction_constraints(rows, Columns(bids.node, bids.direction), available),
        imbalance_price=interface.price_eur_per_mwh,
        imbalance_bound_mw=interface.bound_mw,
    )


def dso_market(
    gate: str = "dso_clear",
    name: str = "dso_market",
    interface: Interface = FIXED,
    pricing: Pricing = "pay-as-bid",
) -> Block:
    """Least cost over local bids within the limits of the area, interface flow held at its present value.

    Other settings of `interface` let the flow change at a price or within a bound; the change is shared with
    the TSO (``area.exchange``). After the TSO's market, the present flow is the one which that market leaves.
    """

    def run(area: str, view: View) -> Written:
        bids: Bids = view.own["bids"]
        answer = clear_area(view.own, unsold_mw(view.own), interface).require(f"{name} of {area}")
        exchange = view.own["exchange"] + float(bids.direction @ answer.quantity_mw)
        balanced = replace(answer, short_mw=0.0, long_mw=0.0)  # the rest comes over the interface
        return Written(
            entries={area: {"local": answer, "exchange": exchange}},
            sales={area: sale_of(pricing, bids, answer.quantity_mw, answer)},
            clearings={area: AuctionNeed(balanced, 0.0, answer.short_mw - answer.long_mw)},
        )

    return Block(
        name=name,
        party="dso",
        gate=gate,
        reads=("area.bids", "area.grid", "area.sold", "area.exchange"),
        writes=("area.sold", "area.local", "area.exchange"),
        run=run,
    )


def forward_bids(pool_minimum_mw: float = 0.0, pooled_by: PooledBy = "provider") -> Block:
    """The remainder of every forwardable bid is offered to the TSO, if its pool reaches the minimum."""

    def run(area: str, view: View) -> Written:
        bids: Bids = view.own["bids"]
        left = np.where(bids.forwardable, unsold_mw(view.own) + bids.held_mw, 0.0)
        return Written(
            entries={area: {"offers": np.where(in_pools(bids, left, pool_minimum_mw, pooled_by), left, 0.0)}}
        )

    return Block(
        name="forward_bids",
        party="dso",
        gate="forward",
        reads=("area.bids", "area.sold"),
        writes=("area.offers",),
        run=run,
    )


def tso_market(
    distribution_constraints: DistributionRows = "none",
    der: bool = True,
    name: str = "tso_market",
    pricing: Pricing = "pay-as-bid",
    flow: Literal["exchange", "boundary"] = "exchange",
    validated: bool = False,
) -> Block:
    """Balance of the whole system at least cost, with the DC constraints of transmission.

    With `der` the market also takes the offers of the areas. With ``distribution_constraints="full"`` it
    includes every area's constraints, which the scheme must share; with ``"relaxed"`` it must not aggravate
    violations of them (see `clear_system`). `flow` selects the flow at the boundary: the TSO's own forecast
    plus the change by the area's market (``exchange``), or the flow to which the DSO has committed
    (``boundary``). With `validated`, an area whose DSO has not accepted the merit order list is left out.
    """
    seen, relaxed = distribution_constraints != "none", distribution_constraints == "relaxed"
    reads = ["tso.bids", "tso.grid", "tso.sold", f"area.{flow}"]
    reads += ["area.bids", "area.offers"] if der else []
    reads += ["area.grid", "area.sold"] if seen else []
    reads += ["area.accepted"] if validated else []

    def run(system: str, view: View) -> Written:
        areas = {area: v for area, v in view.areas.items() if der}
        available = {system: unsold_mw(view.own)}
        for area, values in areas.items():
            refused = validated and not values["accepted"]
            available[area] = np.zeros(len(values["offers"])) if refused else offered_mw(values)
        p = expected_mw(view.own, view.areas)
        limits_of = {TSO, *areas} if seen else {TSO}
        return clear_system(view.own, areas, available, p, limits_of, pricing, name, relaxed)

    writes = ("tso.sold", "tso.balancing", "tso.need") + (("area.sold",) if der else ())
    return Block(name=name, party="tso", gate="tso_clear", reads=tuple(reads), writes=writes, run=run)


def clear_system(
    tso: Values,
    areas: Mapping[str, Values],
    available: Mapping[str, FloatArray],
    p_mw: FloatArray,
    limits_of: Collection[str],
    pricing: Pricing,
    who: str,
    relaxed: bool = False,
) -> Written:
    """One auction over the books of transmission and `areas`, within the limits of the grids named.

    `available` (MW per bid) by system, transmission first; `p_mw` (N,) are the injections on transmission
    without activation. With transmission in `limits_of`, the need is the imbalance of these injections;
    without it (a market without the TSO) the imbalance stays as it is. With `relaxed`, limits of areas that
    are already broken are moved to the present state, on the side that is broken, and all limits are hard:
    nothing gets worse, and nothing needs to be relieved. Buying nothing fulfils them, so there is always a
    solution. Raises `ClearingError` naming `who`.
    """
    grid: TransmissionGrid = tso["grid"]
    books: dict[str, Bids] = {TSO: tso["bids"], **{area: v["bids"] for area, v in areas.items()}}
    ends = np.cumsum([len(b) for b in books.values()])
    first = dict(zip(books, np.concatenate([[0], ends[:-1]]).tolist(), strict=True))
    width = int(ends[-1])
    sign = np.concatenate([b.direction for b in books.values()])
    offered = np.concatenate(list(available.values()))
    limits = []
    for system in books:
        if system in limits_of and system != TSO:
            own = Columns(books[system].node, books[system].direction, first[system], width)
            rows = area_state(areas[system])
            rows = rows.relaxed() if relaxed else rows
            limits += auction_constraints(rows, own, offered, hard=relaxed, owner=system)
    need = 0.0
    if TSO in limits_of:
        nodes = [
            b.node if system == TSO else np.full(len(b), grid.interface_node[system])
            for system, b in books.items()
        ]
        columns = Columns(np.concatenate(nodes), sign)
        limits = (
            auction_constraints(transmission_constraints(grid.dc, p_mw), columns, offered, owner=TSO) + limits
        )
        need = -float(p_mw.sum())
    answer = clear(
        np.concatenate([b.signed_price for b in books.values()]),
        offered,
        sign=sign.astype(np.float64),
        need_mw=need,
        rows=limits,
    ).require(who)
    awards = dict(zip(books, np.split(answer.quantity_mw, ends[:-1]), strict=True))
    why = purposes_of(answer)
    sales = {s: sale_of(pricing, books[s], mw, answer, first[s], why) for s, mw in awards.items()}
    taken = sum(float((books[s].direction * books[s].demand) @ award) for s, award in awards.items())
    return Written(
        entries={TSO: {"balancing": answer, "need": need}},
        sales=sales,
        clearings={TSO: AuctionNeed(answer, need, taken)},
    )
