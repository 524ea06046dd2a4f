"""Balance responsible parties: schedules day-ahead, imbalance afterwards."""

from __future__ import annotations

from collections.abc import Callable

import mesa

from agents.messages import ImbalanceMessage, Message, ScheduleMessage
from agents.participant import Desk, Participant
from grids.arrays import FloatArray


class BRP(Participant):
    """Owns the schedule of a portfolio of consumption (and the PV behind it)."""

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        desk: Desk,
        forecast: Callable[[range], FloatArray],
        receivers: tuple[str, ...],
    ) -> None:
        """`forecast` gives the net injection (MW) expected at the day-ahead gate for each ISP of a day."""
        super().__init__(model, name, desk)
        self._forecast = forecast
        self._receivers = receivers
        self.schedule_mw: dict[int, float] = {}

    def receive(self, message: Message) -> None:
        """Take the bill for an imbalance; a BRP that does not learn from it only keeps the paper."""
        if not isinstance(message, ImbalanceMessage):
            super().receive(message)

    def schedule(self, day: range) -> None:
        """Send the schedule of a day to the day-ahead market and the TSO."""
        p = self._forecast(day)
        self.schedule_mw.update(zip(day, p.tolist(), strict=True))
        for receiver in self._receivers:
            self.desk.send(ScheduleMessage(self.name, receiver, day.start, p_mw=p))

    def forget(self, isp: int) -> None:
        """Drop the schedule of an ISP that has been settled."""
        del self.schedule_mw[isp]
