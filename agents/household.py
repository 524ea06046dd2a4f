"""Households as agents, and the desk through which the fleet hears orders and is metered."""

from __future__ import annotations

import mesa
import numpy as np

from agents.fleet import FleetPreview, FleetStep, HouseholdFleet, Order
from agents.messages import Message, MeterMessage, OrderMessage
from agents.participant import Desk, Participant


class Household(mesa.Agent):
    """One household: an agent whose state lives in row `row` of its fleet's arrays."""

    def __init__(self, model: mesa.Model, row: int, site: int, aggregator: str) -> None:
        super().__init__(model)
        self.row = row
        self.site = site
        self.aggregator = aggregator


class FleetDesk(Participant):
    """Takes orders for the household fleet, moves it once per ISP, and reads its meters."""

    def __init__(
        self, model: mesa.Model, name: str, desk: Desk, fleet: HouseholdFleet, owners: list[str]
    ) -> None:
        super().__init__(model, name, desk)
        self.fleet = fleet
        self.owners = owners  # aggregator by number
        self._orders: dict[int, Order] = {}
        self._preview: tuple[tuple[int, int, int], FleetPreview] | None = None
        self._changes = 0
        self.late_orders = 0
        self.steps: dict[int, FleetStep] = {}  # delivered and not yet settled

    def receive(self, message: Message) -> None:
        """Add an order to what is wanted of its groups; one that comes too late is counted and dropped."""
        if not isinstance(message, OrderMessage):
            super().receive(message)
            return
        if message.isp < self.fleet.next_isp:
            self.late_orders += 1
            return
        n = len(self.fleet.groups)
        up, down = self._orders.setdefault(message.isp, (np.zeros(n), np.zeros(n)))
        np.add.at(up, message.group, message.up_kw)
        np.add.at(down, message.group, message.down_kw)
        self._changes += 1

    def preview(self, isp: int, energy_value: float) -> FleetPreview:
        """The fleet in an ISP to come, given the orders known now. Asked by several, worked out once."""
        key = (self.fleet.next_isp, isp, self._changes)
        if self._preview is None or self._preview[0] != key:
            self._preview = key, self.fleet.preview(self.fleet.next_isp, isp, energy_value, self._orders)
        return self._preview[1]

    def deliver(self, isp: int) -> FleetStep:
        """Move the fleet through an ISP with the orders it has got."""
        up, down = self._orders.pop(isp, (None, None))
        self.steps[isp] = step = self.fleet.step(isp, up, down)
        self._changes += 1
        return step

    def meter(self, isp: int) -> None:
        """Tell every aggregator what its groups delivered."""
        step = self.steps[isp]
        moved = (step.up_kw > 0) | (step.down_kw > 0)
        for number, owner in enumerate(self.owners):
            groups = np.flatnonzero(moved & (self.fleet.groups.aggregator == number))
            up, down = step.up_kw[groups], step.down_kw[groups]
            self.desk.send(MeterMessage(self.name, owner, isp, group=groups, up_kw=up, down_kw=down))
