"""The basic market blocks: a DSO's local market, forwarding of bids, and the TSO's market."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from tandem_sim.grids.power_flow.constraints import transmission_constraints
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import PooledBy, Pricing
from tandem_sim.markets.clearing.auction import Cleared, clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import sale_of
from tandem_sim.markets.clearing.purposes import purposes_of
from tandem_sim.markets.coordination.block import TSO, Block, Party, View, Written
from tandem_sim.markets.coordination.operator_state import AreaState, SystemState
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


def clear_area(area: AreaState, available: FloatArray, interface: Interface = FIXED) -> Cleared:
    """Least cost over `available` (n,) MW of an area's bids within the limits of the area."""
    bids, rows = area.bids, area_state(area)
    return clear(
        bids.signed_price,
        available,
        sign=bids.direction.astype(np.float64),
        rows=auction_constraints(rows, Columns(bids.node, bids.direction), available),
        imbalance_price=interface.price_eur_per_mwh,
        imbalance_bound_mw=interface.bound_mw,
    )


@dataclass(frozen=True, kw_only=True)
class DsoMarket(Block):
    """Least cost over local bids within the limits of the area, interface flow held at its present value.

    Other settings of `interface` let the flow change at a price or within a bound; the change is shared with
    the TSO (``area.exchange``). After the TSO's market, the present flow is the one which that market leaves.
    """

    name: str = "dso_market"
    gate: str = "dso_clear"
    interface: Interface = FIXED
    pricing: Pricing = "pay-as-bid"

    party: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.grid", "area.sold", "area.exchange")
    writes: ClassVar[tuple[str, ...]] = ("area.sold", "area.local", "area.exchange")

    def __call__(self, system: str, view: View) -> Written:
        """Clear the market of an area."""
        area, bids = view.area, view.area.bids
        answer = clear_area(area, unsold_mw(area), self.interface).require(f"{self.name} of {system}")
        exchange = area.exchange + float(bids.direction @ answer.quantity_mw)
        balanced = replace(answer, short_mw=0.0, long_mw=0.0)  # the rest comes over the interface
        return Written(
            areas={system: AreaState(local=answer, exchange=exchange)},
            sales={system: sale_of(self.pricing, bids, answer.quantity_mw, answer)},
            clearings={system: AuctionNeed(balanced, 0.0, answer.short_mw - answer.long_mw)},
        )


@dataclass(frozen=True, kw_only=True)
class ForwardBids(Block):
    """The remainder of every forwardable bid is offered to the TSO, if its pool reaches the minimum."""

    name: str = "forward_bids"
    gate: str = "forward"
    pool_minimum_mw: float = 0.0
    pooled_by: PooledBy = "provider"

    party: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.sold")
    writes: ClassVar[tuple[str, ...]] = ("area.offers",)

    def __call__(self, system: str, view: View) -> Written:
        """Offer what is left of the bids of an area."""
        bids = view.area.bids
        left = np.where(bids.forwardable, unsold_mw(view.area) + bids.held_mw, 0.0)
        pooled = in_pools(bids, left, self.pool_minimum_mw, self.pooled_by)
        return Written(areas={system: AreaState(offers=np.where(pooled, left, 0.0))})


@dataclass(frozen=True, kw_only=True)
class TsoMarket(Block):
    """Balance of the whole system at least cost, with the DC constraints of transmission.

    With `der` the market also takes the offers of the areas. With ``distribution_constraints="full"`` it
    includes every area's constraints, which the scheme must share; with ``"relaxed"`` it must not aggravate
    violations of them (see `clear_system`). `flow` selects the flow at the boundary: the TSO's own forecast
    plus the change by the area's market (``exchange``), or the flow to which the DSO has committed
    (``boundary``). With `validated`, an area whose DSO has not accepted the merit order list is left out.
    """

    name: str = "tso_market"
    gate: str = "tso_clear"
    distribution_constraints: DistributionRows = "none"
    der: bool = True
    pricing: Pricing = "pay-as-bid"
    flow: Literal["exchange", "boundary"] = "exchange"
    validated: bool = False

    party: ClassVar[Party] = "tso"

    @property
    def reads(self) -> tuple[str, ...]:
        """Its own grid and book, the flows of areas, and what the options say of their bids and grids."""
        names = ["tso.bids", "tso.grid", "tso.sold", f"area.{self.flow}"]
        names += ["area.bids", "area.offers"] if self.der else []
        names += ["area.grid", "area.sold"] if self.distribution_constraints != "none" else []
        names += ["area.accepted"] if self.validated else []
        return tuple(names)

    @property
    def writes(self) -> tuple[str, ...]:
        """Its result, and the sales of all books that it clears."""
        return ("tso.sold", "tso.balancing", "tso.need") + (("area.sold",) if self.der else ())

    def __call__(self, system: str, view: View) -> Written:
        """Clear the TSO's market."""
        areas = {name: area for name, area in view.areas.items() if self.der}
        available = {system: unsold_mw(view.tso)}
        for name, area in areas.items():
            refused = self.validated and not area.accepted
            available[name] = np.zeros(len(area.offers)) if refused else offered_mw(area)
        return clear_system(
            view.tso,
            areas,
            available,
            expected_mw(view.tso, view.areas),
            limits_of={TSO} if self.distribution_constraints == "none" else {TSO, *areas},
            pricing=self.pricing,
            who=self.name,
            relaxed=self.distribution_constraints == "relaxed",
        )


def clear_system(
    tso: SystemState,
    areas: Mapping[str, AreaState],
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
    grid = tso.grid
    books: dict[str, Bids] = {TSO: tso.bids, **{name: area.bids for name, area in areas.items()}}
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
        tso=SystemState(balancing=answer, need=need),
        sales=sales,
        clearings={TSO: AuctionNeed(answer, need, taken)},
    )
