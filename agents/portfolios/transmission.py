"""Portfolios on transmission: one conventional unit, or one large load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.portfolios.portfolio import Assets, Resources
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit


@dataclass(frozen=True, kw_only=True)
class TransmissionUnit:
    """A conventional unit or large load on transmission.

    Cost of a unit: ``c1 p + c2 p**2`` EUR/h; its flexibility is priced at marginal cost plus or minus `adder`
    (start and ramping wear). A load (``p_min < 0``) offers at fixed prices instead.
    """

    name: str
    node: int
    p_min_mw: float
    p_max_mw: float
    ramp_mw: float  # largest change of power within one ISP
    c1: float = 0.0
    c2: float = 0.0
    adder: float = 0.0
    blocks: int = 2  # bids per direction


ACROSS_MIDNIGHT = 1.0 / 3.0
"""Share of its ramp by which a unit's schedule may change from one day to the next."""


class UnitPortfolio:
    """One unit on transmission: steps of headroom around its day-ahead schedule.

    It offers what it can deliver whatever is called of it in the ISPs before and after. A call up in one ISP
    and down in the next changes the unit's power by both, and by the change of its schedule. So in each
    direction it offers half of what schedule and ramp leave, for the change into the ISP and out of it. The
    ISP after the last one of a day may not be scheduled yet: there the schedule changes by at most
    `ACROSS_MIDNIGHT` of the ramp.
    """

    def __init__(self, unit: TransmissionUnit, fast_share: float) -> None:
        """`fast_share` is the full activation time of aFRR divided by the length of an ISP."""
        self.unit = unit
        self._fast_share = fast_share
        # ISP -> schedule, headroom up, headroom down (MW)
        self._headroom: dict[int, tuple[float, float, float]] = {}
        self._last: tuple[int, float] | None = None  # the last ISP scheduled, and its schedule
        ids = [f"{unit.name}.{side}.{k}" for side in ("up", "down") for k in range(unit.blocks)]
        self._ids = np.array(ids, dtype=np.str_)
        self._direction = np.repeat([UP, DOWN], unit.blocks)
        self._resource = np.arange(2 * unit.blocks)
        self._node = np.full(2 * unit.blocks, unit.node, dtype=np.int64)
        self._middle = (np.arange(unit.blocks) + 0.5) / unit.blocks

    def resources(self, isp: int, day_ahead_price: float) -> list[Resources]:
        """Headroom within the ramp, in equal steps, each priced at the marginal cost of its middle."""
        unit, (p, up, down) = self.unit, self._headroom[isp]
        quantity = np.repeat([up / unit.blocks, down / unit.blocks], unit.blocks)
        output = np.concatenate([p + up * self._middle, p - down * self._middle])
        cost = unit.c1 + 2.0 * unit.c2 * output + unit.adder * self._direction
        base = np.full(2 * unit.blocks, p)
        return [
            Resources(
                system=TSO,
                resource=self._resource,
                bid_id=self._ids,
                node=self._node,
                direction=self._direction,
                quantity_mw=quantity,
                cost=cost,
                baseline_mw=base,
            )
        ]

    def scheduled(self, first: int, p_mw: FloatArray) -> None:
        """Store the schedule (K,) MW of the K ISPs of a day, from ISP `first` on."""
        unit = self.unit
        before = np.nan if self._last is None or self._last[0] != first - 1 else self._last[1]
        moves = np.diff(p_mw, prepend=before)  # into each ISP
        rise = np.append(moves[1:], -ACROSS_MIDNIGHT * unit.ramp_mw)  # out of it, worst case for a call up
        fall = np.append(moves[1:], ACROSS_MIDNIGHT * unit.ramp_mw)  # and for a call down
        moves = np.nan_to_num(moves, nan=0.0)
        up = np.minimum(unit.p_max_mw - p_mw, 0.5 * (unit.ramp_mw + np.minimum(-moves, rise)))
        down = np.minimum(p_mw - unit.p_min_mw, 0.5 * (unit.ramp_mw + np.minimum(moves, -fall)))
        for k, row in enumerate(zip(p_mw.tolist(), up.tolist(), down.tolist(), strict=True)):
            self._headroom[first + k] = row[0], max(row[1], 0.0), max(row[2], 0.0)
        self._last = first + len(p_mw) - 1, float(p_mw[-1])

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        self._headroom.pop(isp, None)

    def assets(self) -> Assets:
        """One unit; within 5 minutes it can change by the share `fast_share` of its ramp."""
        unit = self.unit
        move = min(unit.ramp_mw, unit.p_max_mw - unit.p_min_mw)
        fast = move * min(self._fast_share, 1.0)
        return Assets(
            "aFRR",
            (RegisteredUnit(name=unit.name, system=TSO, node=unit.node, up_mw=move, down_mw=move),),
            ((fast, fast),),
        )

    def availability(self, isps: range) -> dict[tuple[str, int], float]:
        """MW it can keep free either way within 5 minutes: a share of its ramp, at most half of its range."""
        unit = self.unit
        share = min(self._fast_share, 0.5 * (1.0 - ACROSS_MIDNIGHT))
        free = min(unit.ramp_mw * share, 0.5 * (unit.p_max_mw - unit.p_min_mw))
        return {(TSO, UP): free, (TSO, DOWN): free}


@dataclass(frozen=True, kw_only=True)
class LargeLoad:
    """A large load on transmission that lowers (up) or raises (down) its consumption; prices in EUR/MWh."""

    name: str
    node: int
    up_mw: float
    up_price: float
    down_mw: float
    down_price: float


class LoadPortfolio:
    """One large load: a fixed offer in each direction."""

    def __init__(self, load: LargeLoad) -> None:
        self._load = load
        self._offer = Resources(
            system=TSO,
            resource=np.arange(2),
            bid_id=np.array([f"{load.name}.up", f"{load.name}.down"], dtype=np.str_),
            node=np.full(2, load.node, dtype=np.int64),
            direction=np.array([UP, DOWN]),
            quantity_mw=np.array([load.up_mw, load.down_mw]),
            cost=np.array([load.up_price, load.down_price]),
            baseline_mw=np.zeros(2),
        )

    def resources(self, isp: int, day_ahead_price: float) -> list[Resources]:
        """The fixed volumes and prices."""
        return [self._offer]

    def assets(self) -> Assets:
        """One unit for mFRR, activated manually."""
        load = self._load
        return Assets(
            "mFRR",
            (
                RegisteredUnit(
                    name=load.name, system=TSO, node=load.node, up_mw=load.up_mw, down_mw=load.down_mw
                ),
            ),
            ((0.0, 0.0),),
        )

    def availability(self, isps: range) -> dict[tuple[str, int], float]:
        """The fixed volumes."""
        return {(TSO, UP): self._load.up_mw, (TSO, DOWN): self._load.down_mw}
