"""Capacity: payment for availability in given ISPs, and the obligation that it brings.

A contract for capacity is an obligation to bid as much energy in every ISP of its block; providers without
capacity may bid too (free bids). Uncleared capacity may be forwarded from a DSO's tender to the TSO's
auction, and is never sold twice. Source: ALEXANDER D3.3, 3.3.3 (Flemish LongFlex at D-8 and D-7, then the
TSO's capacity market); OneNet Northern (obligation to bid, free bids always allowed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.orders.bids import DOWN, UP, StrArray
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.orders.products import Service

_COLUMNS = ("provider", "system", "direction", "quantity_mw", "price", "forwarded")


@dataclass(frozen=True, kw_only=True)
class CapacityBids:
    """Offers of n pools for one block of ISPs. `price` is EUR per MW and hour of availability."""

    provider: StrArray
    system: StrArray
    direction: IntArray
    quantity_mw: FloatArray
    price: FloatArray
    forwarded: BoolArray  # uncleared in another operator's tender

    def __len__(self) -> int:
        return len(self.provider)

    @classmethod
    def of(cls, rows: Sequence[tuple[str, str, int, float, float]], forwarded: bool = False) -> CapacityBids:
        """From (provider, system, direction, MW, price) rows."""
        columns = list(zip(*rows, strict=True)) if rows else [(), (), (), (), ()]
        return cls(
            provider=np.array(columns[0], dtype=np.str_),
            system=np.array(columns[1], dtype=np.str_),
            direction=np.array(columns[2], dtype=np.int64),
            quantity_mw=np.array(columns[3], dtype=np.float64),
            price=np.array(columns[4], dtype=np.float64),
            forwarded=np.full(len(rows), forwarded, dtype=bool),
        )

    @classmethod
    def join(cls, books: Sequence[CapacityBids]) -> CapacityBids:
        """Several books as one, sorted by provider, system and direction, forwarded bids first."""
        if not books:
            return cls.of([])
        whole = cls(**{c: np.concatenate([getattr(b, c) for b in books]) for c in _COLUMNS})
        order = np.lexsort((whole.direction, ~whole.forwarded, whole.system, whole.provider))
        return whole.limited(whole.quantity_mw, order)

    def limited(self, quantity_mw: FloatArray, rows: IntArray) -> CapacityBids:
        """The bids at `rows`, with other quantities (n,)."""
        values = {c: getattr(self, c)[rows] for c in _COLUMNS}
        return CapacityBids(**{**values, "quantity_mw": quantity_mw[rows]})


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Capacity sold to an operator for a block of ISPs."""

    operator: str
    service: Service
    provider: str
    system: str
    direction: int
    isps: range
    mw: float
    price: float  # EUR per MW and hour


@dataclass
class CapacityBook:
    """All capacity sold, by ISP: the only record of what part of a pool is sold."""

    register: FlexibilityRegister
    by_isp: dict[int, list[Contract]] = field(default_factory=dict)

    def enter(self, contract: Contract) -> None:
        """Book a contract."""
        for isp in contract.isps:
            self.by_isp.setdefault(isp, []).append(contract)

    def sold_mw(self, isps: range, provider: str, system: str, direction: int) -> float:
        """Largest sale of a pool in any of the ISPs (MW)."""
        return max(
            (
                sum(
                    c.mw
                    for c in self.by_isp.get(isp, ())
                    if (c.provider, c.system, c.direction) == (provider, system, direction)
                )
                for isp in isps
            ),
            default=0.0,
        )

    def room_mw(self, isps: range, bids: CapacityBids, service: Service) -> FloatArray:
        """MW of each bid (n,) neither sold elsewhere nor beyond the qualification of its pool."""
        left: dict[tuple[str, str, int], float] = {}
        room = np.zeros(len(bids))
        rows = zip(bids.provider.tolist(), bids.system.tolist(), bids.direction.tolist(), strict=True)
        for k, key in enumerate(rows):
            if key not in left:
                provider, system, direction = key
                most = self.register.pool_mw(provider, direction, service, system)
                left[key] = max(most - self.sold_mw(isps, provider, system, direction), 0.0)
            room[k] = min(float(bids.quantity_mw[k]), left[key])
            left[key] -= room[k]
        return room

    def forget(self, isp: int) -> None:
        """Drop a settled ISP."""
        self.by_isp.pop(isp, None)


@dataclass(frozen=True)
class CapacityResult:
    """Result of an auction: MW and EUR per MW and hour by bid, (n,) each, and MW missing by direction."""

    award_mw: FloatArray
    price: FloatArray
    short_mw: Mapping[int, float]


def clear_capacity(
    bids: CapacityBids, need_mw: Mapping[int, float], marginal: bool, pool_minimum_mw: float = 0.0
) -> CapacityResult:
    """Least cost for the MW required in each direction; with `marginal` all get the highest accepted price.

    A provider whose bids of one direction add up to less than `pool_minimum_mw` is left out. A need that the
    bids do not cover stays short.
    """
    award, paid, short = np.zeros(len(bids)), bids.price.copy(), {}
    available = np.array(bids.quantity_mw)
    for provider in np.unique(bids.provider):
        for direction in (UP, DOWN):
            pool = (bids.provider == provider) & (bids.direction == direction)
            if available[pool].sum() < pool_minimum_mw - NEGLIGIBLE_MW:
                available[pool] = 0.0
    for direction in (UP, DOWN):
        side = np.flatnonzero(bids.direction == direction)
        need = need_mw.get(direction, 0.0)
        within = min(need, float(available[side].sum()))
        if within > NEGLIGIBLE_MW:
            answer = clear(bids.price[side], available[side], np.ones(len(side)), within)
            award[side] = answer.require("capacity auction").quantity_mw
        award[award < NEGLIGIBLE_MW] = 0.0
        won = side[award[side] > 0]
        if marginal and len(won):
            paid[won] = bids.price[won].max()
        short[direction] = need - float(award[side].sum())
    return CapacityResult(award, paid, short)
