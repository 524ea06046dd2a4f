"""The day-ahead market: least cost supply of what the BRPs have scheduled, network aside."""

from __future__ import annotations

from collections.abc import Sequence

import mesa
import numpy as np

from agents.messages import DayAheadMessage, Message, ScheduleMessage
from agents.participant import Desk, Participant
from agents.portfolio import Unit
from grids.arrays import FloatArray
from grids.errors import InputError
from markets.programme import clear

SERVED_MW = 1e-6
SUPPLY_BLOCKS = 20
"""Steps in which a unit's quadratic cost is offered."""


class DayAheadMarket(Participant):
    """Clears every ISP of the next day, and tells units their schedules and everybody the price."""

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        desk: Desk,
        units: Sequence[Unit],
        sellers: Sequence[str],
        told: Sequence[str],
        operator: str,
    ) -> None:
        """Wire the market.

        `sellers` are the agents of `units`, in the same order; `told` hear the price alone, and `operator`
        (the TSO) every schedule.
        """
        super().__init__(model, name, desk)
        self._units = list(units)
        self._sellers = list(sellers)
        self._told = list(told)
        self._operator = operator
        self._demand: dict[int, FloatArray] = {}
        width = np.array([(u.p_max_mw - u.p_min_mw) / SUPPLY_BLOCKS for u in units])
        middle = np.array([u.p_min_mw for u in units])[:, None] + width[:, None] * (
            np.arange(SUPPLY_BLOCKS) + 0.5
        )
        marginal = (
            np.array([u.c1 for u in units])[:, None] + 2.0 * np.array([u.c2 for u in units])[:, None] * middle
        )
        self._price, self._available = marginal.ravel(), np.repeat(width, SUPPLY_BLOCKS)

    def receive(self, message: Message) -> None:
        """Add up the schedules of a day."""
        if not isinstance(message, ScheduleMessage):
            super().receive(message)
            return
        self._demand[message.isp] = self._demand.get(message.isp, 0.0) - message.p_mw

    def clear_day(self, day: range) -> None:
        """Clear a day and send schedules and prices."""
        demand = self._demand.pop(day.start)
        floor = sum(u.p_min_mw for u in self._units)
        schedule, price = np.empty((len(self._units), len(day))), np.empty(len(day))
        for k in range(len(day)):
            answer = clear(self._price, self._available, np.ones(len(self._price)), float(demand[k]) - floor)
            answer.require(f"{self.name}, ISP {day[k]}")
            if (gap := answer.short_mw - answer.long_mw) and abs(gap) > SERVED_MW:
                raise InputError(
                    "scenario",
                    "transmission.units",
                    f"cannot follow the demand scheduled for ISP {day[k]}: {abs(gap):.1f} MW too "
                    f"{'little' if gap > 0 else 'much'} supply",
                    "Give units more capacity" if gap > 0 else "Lower p_min_mw",
                )
            schedule[:, k] = answer.quantity_mw.reshape(len(self._units), -1).sum(axis=1)
            price[k] = answer.price_eur_per_mwh
        schedule += np.array([[u.p_min_mw] for u in self._units])
        for seller, p in zip(self._sellers, schedule, strict=True):
            self.desk.send(DayAheadMessage(self.name, seller, day.start, p_mw=p, price=price))
            self.desk.send(ScheduleMessage(seller, self._operator, day.start, p_mw=p))
        for receiver in self._told:
            self.desk.send(DayAheadMessage(self.name, receiver, day.start, price=price))
