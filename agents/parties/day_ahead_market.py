"""The day-ahead market: least-cost supply of the demand that BRPs have scheduled, without network limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext, Participant
from tandem_sim.agents.base.messages import (
    DayAheadMessage,
    ReservedMessage,
    ScheduleMessage,
    SupplyMessage,
)
from tandem_sim.agents.base.subscriptions import at, on
from tandem_sim.agents.portfolios.transmission import ACROSS_MIDNIGHT, TransmissionUnit
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.services.day_ahead import Schedules, Supply, schedule_units

SUPPLY_BLOCKS = 20
"""Number of steps in which the quadratic cost of a unit is offered."""


class DayAheadMarket(Participant):
    """Clears every ISP of the next day, and sends schedules to units and prices to all sellers."""

    def __init__(
        self,
        model: mesa.Model,
        *,
        name: str,
        context: AgentContext,
        units: Sequence[TransmissionUnit],
        sellers: Sequence[str],
        price_receivers: Sequence[str],
        operator: str,
        given_price: FloatArray | None = None,
    ) -> None:
        """Build the market.

        `sellers` are the agents of `units`, in the same order. `price_receivers` get the price alone,
        `operator` (the TSO) gets every schedule. With a `given_price` (T,), EUR/MWh, units follow the demand
        at least cost, and everybody is paid and told that price.
        """
        super().__init__(model, name, context)
        self._units = list(units)
        self._sellers = list(sellers)
        self._price_receivers = list(price_receivers)
        self._operator = operator
        self._given_price = given_price
        self._demand: dict[int, FloatArray] = {}
        self._markup: dict[int, FloatArray] = {}  # first ISP of a day -> (units, ISPs) EUR/MWh
        self._reserved: dict[int, FloatArray] = {}  # ISP -> (units, 2) MW kept free upwards and downwards
        width = np.array([(u.p_max_mw - u.p_min_mw) / SUPPLY_BLOCKS for u in units])
        middle = np.array([u.p_min_mw for u in units])[:, None] + width[:, None] * (
            np.arange(SUPPLY_BLOCKS) + 0.5
        )
        marginal = (
            np.array([u.c1 for u in units])[:, None] + 2.0 * np.array([u.c2 for u in units])[:, None] * middle
        )
        self._price = marginal  # (units, steps), as are the next two
        self._low = width[:, None] * np.arange(SUPPLY_BLOCKS)
        self._width = np.repeat(width[:, None], SUPPLY_BLOCKS, axis=1)
        self._last: tuple[int, FloatArray] | None = None  # the last ISP scheduled, and outputs in it (units,)

    @on(ScheduleMessage)
    def on_schedule(self, message: ScheduleMessage) -> None:
        """Add up the schedules of a day."""
        self._demand[message.isp] = self._demand.get(message.isp, 0.0) - message.p_mw

    @on(SupplyMessage)
    def on_supply(self, message: SupplyMessage) -> None:
        """Store the markup of a unit."""
        markup = np.zeros((len(self._units), len(message.markup)))
        markup = self._markup.setdefault(message.isp, markup)
        markup[self._sellers.index(message.sender)] = message.markup

    @on(ReservedMessage)
    def on_reserved(self, message: ReservedMessage) -> None:
        """Store MW of a unit that capacity contracts reserve."""
        unit = self._sellers.index(message.sender)
        for isp in message.block:
            reserved = self._reserved.setdefault(isp, np.zeros((len(self._units), 2)))
            reserved[unit] += message.up_mw, message.down_mw

    def _supply(self, day: range, markup: FloatArray) -> Supply:
        """Supply of the units in the ISPs of a day.

        Capacity sold downwards raises the minimum output, capacity sold upwards lowers the maximum. A unit
        offers half of what schedule and ramp leave (see `UnitPortfolio`), so twice the capacity is deducted
        from the ramp.
        """
        reserved = np.array([self._reserved.pop(isp, np.zeros((len(self._units), 2))) for isp in day])
        up, down = reserved[:, :, 0].T, reserved[:, :, 1].T
        least = np.array([u.p_min_mw for u in self._units])[:, None]
        top = np.array([u.p_max_mw for u in self._units])[:, None] - least - up
        low = self._low[:, :, None]
        steps = np.minimum(low + self._width[:, :, None], top[:, None]) - np.maximum(low, down[:, None])
        most = np.maximum(up, down)
        callable_mw = np.maximum(most, np.column_stack([most[:, :1], most[:, :-1]]))
        ramp = np.array([u.ramp_mw for u in self._units])[:, None]
        room = np.maximum(ramp - 2.0 * callable_mw, 0.0)
        before = np.full(len(self._units), np.nan)
        if self._last is not None and self._last[0] == day.start - 1:
            before = self._last[1]
            room[:, 0] = np.minimum(room[:, 0], ACROSS_MIDNIGHT * ramp[:, 0])
        offered = self._price[:, :, None] + markup[:, None]
        return Supply(
            least_mw=least + down,
            step_mw=np.maximum(steps, 0.0),
            price_eur_per_mwh=offered,
            ramp_mw=room,
            before_mw=before,
        )

    @at("day_ahead")
    def clear_day(self, day: range) -> None:
        """Clear a day and send schedules and prices."""
        demand = self._demand.pop(day.start)
        markup = self._markup.pop(day.start, np.zeros((len(self._units), len(day))))
        found = schedule_units(self._supply(day, markup), demand, self.name)
        if (np.abs(found.short_mw) > NEGLIGIBLE_MW).any():
            k = int(np.abs(found.short_mw).argmax())
            gap = float(found.short_mw[k])
            raise InputError(
                "scenario",
                "transmission.units",
                f"cannot follow the demand scheduled for ISP {day[k]}: {abs(gap):.1f} MW too "
                f"{'little' if gap > 0 else 'much'} supply",
                "Give units more capacity, or sell less of it as reserve"
                if gap > 0
                else "Lower p_min_mw, or buy less capacity downwards",
            )
        if self._given_price is not None:
            found = replace(found, price_eur_per_mwh=self._given_price[day.start : day.stop])
        schedule, price = found.output_mw, found.price_eur_per_mwh
        self._last = day[-1], schedule[:, -1].copy()
        for seller, p in zip(self._sellers, schedule, strict=True):
            self.context.send(DayAheadMessage(self.name, seller, day.start, p_mw=p, price=price))
            self.context.send(ScheduleMessage(seller, self._operator, day.start, p_mw=p))
        for receiver in self._price_receivers:
            self.context.send(DayAheadMessage(self.name, receiver, day.start, price=price))
        self._record(day, found, markup)

    def _record(self, day: range, found: Schedules, markup: FloatArray) -> None:
        schedule, price = found.output_mw, found.price_eur_per_mwh
        c1, c2 = np.array([(u.c1, u.c2) for u in self._units]).T[:, :, None]
        cost = c1 * schedule + c2 * schedule**2
        n = len(self._units)
        self.context.record(
            "schedules",
            {
                "isp": np.tile(np.arange(day.start, day.stop), n),
                "unit": [seller for seller in self._sellers for _ in day],
                "p_mw": schedule.ravel(),
                "price_eur_per_mwh": np.tile(price, n),
                "cost_eur_per_h": cost.ravel(),
                "markup_eur_per_mwh": markup.ravel(),
                "ramp_excess_mw": found.excess_mw.ravel(),
            },
        )
