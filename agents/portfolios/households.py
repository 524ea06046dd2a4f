"""Portfolio of one aggregator's households: device groups in distribution areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.devices.study_view import suffix
from tandem_sim.agents.households.fleet import DEVICES
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.portfolios.portfolio import Assets, Resources
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.orders.bids import DOWN, UP, StrArray
from tandem_sim.markets.orders.flexibility_register import RegisteredUnit


@dataclass(frozen=True, kw_only=True)
class Inverters:
    """n groups of PV or batteries in one system: devices that feed in through an inverter."""

    system: str
    group: IntArray  # (n,) number of the device group in the fleet
    unit: tuple[str, ...]  # (n,) names, as in the flexibility register
    node: IntArray  # (n,)
    rated_mw: FloatArray  # (n,)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The k groups of a pool in one system; arrays (2 k,) hold upward rows, then downward rows."""

    system: str
    groups: IntArray  # (k,)
    stems: tuple[str, ...]  # (k,) names of groups, the stems of bid ids
    node: IntArray  # (k,)
    resource: IntArray  # (2 k,), as are all below
    offer: IntArray  # place in `FleetLookahead.offer_mw`
    direction: IntArray
    both_nodes: IntArray
    ids: StrArray


def unit_name(pool: str, area: Area, site: int, device: int, status: int) -> str:
    """Name of a device group in the register, and stem of its bid ids.

    `site` counts within the area, `device` in `DEVICES`; `status` is that of a network flexibility study.
    """
    return f"{pool}.{area.name}.{area.site_label[site]}.{DEVICES[device]}{suffix(status)}"


class HouseholdPortfolio:
    """The device groups of one aggregator's households; `number` is that of the aggregator in the fleet."""

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
        """Sustained offers of the fleet in a later ISP (see `Population.sustain_isps`)."""
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

    def ordered_and_available_kw(self, isp: int, direction: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """KW (G,) of all groups in a direction: ordered, available within activated limits, and without them.

        Zero for groups of other aggregators.
        """
        ordered = np.maximum(direction * self._fleet_agent.ordered_kw(isp), 0.0)
        both = (self._fleet_agent.feasible_range(isp), self._fleet_agent.feasible_range(isp, limited=False))
        available, unlimited = (found.up_kw if direction == UP else found.down_kw for found in both)
        mine = self._mine.astype(np.float64)
        return mine * ordered, mine * available, mine * np.maximum(available, unlimited)

    def assets(self) -> Assets:
        """Every device group at a node is a unit; all can follow a set-point within minutes (aFRR)."""
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
        """The least sustained offer at the same hours within a day from now (persistence)."""
        up, down = self._fleet_agent.availability(isps)
        return {
            (part.system, direction): float(kw[:, part.groups].sum(axis=1).min()) / 1000.0
            for part in self._parts
            for direction, kw in ((UP, up), (DOWN, down))
        }
