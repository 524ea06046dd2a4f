"""What an aggregator can offer: household groups in a distribution area, or units on transmission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.devices.study_view import suffix
from tandem_sim.agents.households.fleet import DEVICES
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import DOWN, UP, StrArray
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit
from tandem_sim.markets.orders.products import Service


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Feasible volumes of one ISP, n of them, in one system. A resource that goes both ways has two rows."""

    system: str
    resource: IntArray  # (n,) number of the resource in its portfolio's own counting
    bid_id: StrArray  # (n,) fixed for the resource and direction, unique in the book of an ISP
    node: IntArray  # (n,)
    direction: IntArray  # (n,) upwards first
    quantity_mw: FloatArray  # (n,)
    cost: FloatArray  # (n,) EUR/MWh
    baseline_mw: FloatArray  # (n,) injection of the resource unasked


@dataclass(frozen=True)
class Assets:
    """What may be registered: units, their MW (up, down) within 5 minutes, and the strictest service."""

    service: Service
    units: tuple[RegisteredUnit, ...]
    fast_mw: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Inverters:
    """Groups of PV or batteries in one system, n of them: what feeds in through an inverter."""

    system: str
    group: IntArray  # (n,) number in the portfolio's own counting
    unit: tuple[str, ...]  # (n,) names, as in the flexibility register
    node: IntArray  # (n,)
    rated_mw: FloatArray  # (n,)


class Portfolio(Protocol):
    """A pool of resources."""

    def resources(self, isp: int, day_ahead_price: float) -> list[Resources]:
        """Feasible up and down power and its cost in an ISP to come, per system."""
        ...

    def assets(self) -> Assets:
        """What may be registered."""
        ...

    def availability(self, isps: range) -> dict[tuple[str, int], float]:
        """MW expected throughout a block of ISPs, by system and direction."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The k groups of a pool in one system: resources upwards, then the same downwards."""

    system: str
    groups: IntArray  # (k,)
    stems: tuple[str, ...]  # (k,) names of groups, from which those of bids are made
    node: IntArray  # (k,)
    resource: IntArray  # (2 k,), as are all below
    offer: IntArray  # place among the offers of a preview
    direction: IntArray
    both_nodes: IntArray
    ids: StrArray


def unit_name(pool: str, area: Area, site: int, device: int, standing: int) -> str:
    """Name of a device group, of its bids and in the register; `site` counts within the area."""
    return f"{pool}.{area.name}.{area.site_label[site]}.{DEVICES[device]}{suffix(standing)}"


class HouseholdPortfolio:
    """The device groups of one aggregator's households."""

    def __init__(self, name: str, number: int, fleet_agent: FleetAgent, areas: Sequence[Area]) -> None:
        self._fleet_agent = fleet_agent
        groups = fleet_agent.fleet.groups
        self._mine = groups.aggregator == number
        self._parts: list[_Part] = []
        for area in areas:
            mine = np.flatnonzero(
                (groups.aggregator == number)
                & (groups.site >= area.sites.start)
                & (groups.site < area.sites.stop)
            )
            at = groups.site[mine] - area.sites.start
            node = area.site_node[at]
            stems = tuple(
                unit_name(name, area, int(s), int(d), int(k))
                for s, d, k in zip(at, groups.device[mine], groups.status[mine], strict=True)
            )
            ids = np.array([f"{s}.up" for s in stems] + [f"{s}.down" for s in stems], dtype=np.str_)
            direction = np.repeat([UP, DOWN], len(mine))
            offer = np.concatenate([mine, mine + len(groups)])
            both, nodes = np.tile(mine, 2), np.tile(node, 2)
            self._parts.append(
                _Part(
                    system=area.name,
                    groups=mine,
                    stems=stems,
                    node=node,
                    resource=both,
                    offer=offer,
                    direction=direction,
                    both_nodes=nodes,
                    ids=ids,
                )
            )

    def resources(self, isp: int, day_ahead_price: float) -> list[Resources]:
        """Offers of the fleet in the ISP to come, sustained as its population asks."""
        lookahead = self._fleet_agent.lookahead(isp, day_ahead_price)
        found = []
        for part in self._parts:
            found.append(
                Resources(
                    system=part.system,
                    resource=part.resource,
                    bid_id=part.ids,
                    node=part.both_nodes,
                    direction=part.direction,
                    quantity_mw=lookahead.offer_mw[part.offer],
                    cost=lookahead.offer_price[part.offer],
                    baseline_mw=lookahead.group_base_kw[part.resource] / 1000.0,
                )
            )
        return found

    def is_over(self, isp: int) -> bool:
        """Whether an ISP has been delivered."""
        return isp < self._fleet_agent.fleet.next_isp

    def ordered_and_able_kw(self, isp: int, direction: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of all groups (G,) what is ordered in a direction for an ISP, and what devices can do in it.

        Within the limits activated for it, and had none been. Zero for the groups of others.
        """
        ordered = np.maximum(direction * self._fleet_agent.ordered_kw(isp), 0.0)
        both = (self._fleet_agent.feasible_range(isp), self._fleet_agent.feasible_range(isp, limited=False))
        able, freely = (
            feasible_range.up_kw if direction == UP else feasible_range.down_kw for feasible_range in both
        )
        mine = self._mine.astype(np.float64)
        return mine * ordered, mine * able, mine * np.maximum(able, freely)

    def assets(self) -> Assets:
        """Every device group at a node is a unit; all of them follow a signal within minutes."""
        swing = self._fleet_agent.fleet.swing_kw()
        units = [
            RegisteredUnit(
                name=name,
                system=part.system,
                node=int(at),
                up_mw=float(swing[UP][k]) / 1000.0,
                down_mw=float(swing[DOWN][k]) / 1000.0,
            )
            for part in self._parts
            for name, k, at in zip(part.stems, part.groups, part.node, strict=True)
        ]
        return Assets("aFRR", tuple(units), tuple((u.up_mw, u.down_mw) for u in units))

    def inverters(self) -> list[Inverters]:
        """PV and battery groups of every area."""
        rated = self._fleet_agent.fleet.inverter_kw()
        found = []
        for part in self._parts:
            some = np.flatnonzero(rated[part.groups] > 0)
            names, groups = tuple(part.stems[k] for k in some), part.groups[some]
            found.append(
                Inverters(
                    system=part.system,
                    group=groups,
                    unit=names,
                    node=part.node[some],
                    rated_mw=rated[groups] / 1000.0,
                )
            )
        return found

    def availability(self, isps: range) -> dict[tuple[str, int], float]:
        """The least that the pool could offer at the same hours within a day from now (persistence)."""
        up, down = self._fleet_agent.availability(isps)
        return {
            (part.system, direction): float(kw[:, part.groups].sum(axis=1).min()) / 1000.0
            for part in self._parts
            for direction, kw in ((UP, up), (DOWN, down))
        }


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
    ramp_mw: float  # most it can move within one ISP
    c1: float = 0.0
    c2: float = 0.0
    adder: float = 0.0
    blocks: int = 2  # bids per direction


ACROSS_MIDNIGHT = 1.0 / 3.0
"""Share of its ramp by which a unit's schedule moves from one day into the next."""


class UnitPortfolio:
    """One unit on transmission: steps of headroom around its day-ahead schedule.

    It offers what it can deliver whatever is called of it before and after. A call up in one ISP and down in
    the next moves the unit by both, and by its schedule's own move, so each way half of what schedule and
    ramp leave can be sold, into the ISP and out of it. Behind the last ISP of a day, whose successor is not
    scheduled everywhere, the schedule moves by `ACROSS_MIDNIGHT` of the ramp at most.
    """

    def __init__(self, unit: TransmissionUnit, fast_share: float) -> None:
        """`fast_share` is the full activation time of aFRR as a share of an ISP."""
        self.unit = unit
        self._fast_share = fast_share
        self._rooms: dict[int, tuple[float, float, float]] = {}  # ISP -> schedule, room up, room down
        self._last: tuple[int, float] | None = None  # the last ISP scheduled, and its schedule
        ids = [f"{unit.name}.{side}.{k}" for side in ("up", "down") for k in range(unit.blocks)]
        self._ids = np.array(ids, dtype=np.str_)
        self._direction = np.repeat([UP, DOWN], unit.blocks)
        self._resource = np.arange(2 * unit.blocks)
        self._node = np.full(2 * unit.blocks, unit.node, dtype=np.int64)
        self._middle = (np.arange(unit.blocks) + 0.5) / unit.blocks

    def resources(self, isp: int, day_ahead_price: float) -> list[Resources]:
        """Headroom within the ramp, in equal steps, each priced at the marginal cost of its middle."""
        unit, (p, up, down) = self.unit, self._rooms[isp]
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
        """Take the schedule (K,) of the ISPs from `first` on, which are those of a day."""
        unit = self.unit
        before = np.nan if self._last is None or self._last[0] != first - 1 else self._last[1]
        moves = np.diff(p_mw, prepend=before)  # into each ISP
        rise = np.append(moves[1:], -ACROSS_MIDNIGHT * unit.ramp_mw)  # out of it, at worst for a call up
        fall = np.append(moves[1:], ACROSS_MIDNIGHT * unit.ramp_mw)  # and for one down
        moves = np.nan_to_num(moves, nan=0.0)
        up = np.minimum(unit.p_max_mw - p_mw, 0.5 * (unit.ramp_mw + np.minimum(-moves, rise)))
        down = np.minimum(p_mw - unit.p_min_mw, 0.5 * (unit.ramp_mw + np.minimum(moves, -fall)))
        for k, row in enumerate(zip(p_mw.tolist(), up.tolist(), down.tolist(), strict=True)):
            self._rooms[first + k] = row[0], max(row[1], 0.0), max(row[2], 0.0)
        self._last = first + len(p_mw) - 1, float(p_mw[-1])

    def forget(self, isp: int) -> None:
        """Drop an ISP that has been settled."""
        self._rooms.pop(isp, None)

    def assets(self) -> Assets:
        """One unit; of its ramp in an ISP it moves a share within 5 minutes."""
        unit = self.unit
        move = min(unit.ramp_mw, unit.p_max_mw - unit.p_min_mw)
        fast = move * min(self._fast_share, 1.0)
        return Assets(
            "aFRR",
            (RegisteredUnit(name=unit.name, system=TSO, node=unit.node, up_mw=move, down_mw=move),),
            ((fast, fast),),
        )

    def availability(self, isps: range) -> dict[tuple[str, int], float]:
        """What it can keep free either way within 5 minutes: of its ramp, and at most half of its range."""
        unit = self.unit
        share = min(self._fast_share, 0.5 * (1.0 - ACROSS_MIDNIGHT))
        free = min(unit.ramp_mw * share, 0.5 * (unit.p_max_mw - unit.p_min_mw))
        return {(TSO, UP): free, (TSO, DOWN): free}


@dataclass(frozen=True, kw_only=True)
class LargeLoad:
    """A large load on transmission that lowers or raises its consumption for a price of its own."""

    name: str
    node: int
    up_mw: float
    up_price: float
    down_mw: float
    down_price: float


class LoadPortfolio:
    """One large load: a fixed offer each way."""

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
        """The contract's volumes and prices."""
        return [self._offer]

    def assets(self) -> Assets:
        """One unit, called by hand."""
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
        """The contract's volumes."""
        return {(TSO, UP): self._load.up_mw, (TSO, DOWN): self._load.down_mw}
