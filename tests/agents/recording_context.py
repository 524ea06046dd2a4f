"""An agent context without a bus: it stores messages and table rows, and its clock is set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import Message
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.sim.clock.randomness import stream

M = TypeVar("M", bound=Message)


class RecordingContext:
    """Messages and rows of one agent; `now` is the second of its clock."""

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.sent: list[Message] = []
        self.rows: list[tuple[str, Mapping[str, Any]]] = []
        self.context = AgentContext(
            lambda: self.now,
            self.sent.append,
            lambda t, r: self.rows.append((t, r)),
            partial(stream, 0),
        )

    def take(self, kind: type[M]) -> list[M]:
        """Messages of a kind sent since the last call; they are then dropped."""
        found = [m for m in self.sent if isinstance(m, kind)]
        self.sent[:] = [m for m in self.sent if not isinstance(m, kind)]
        return found

    def table(self, name: str) -> list[Mapping[str, Any]]:
        """All rows of a table."""
        return [row for table, row in self.rows if table == name]


def obligation_mw(book: CapacityBook, isp: int, provider: str, service: str, direction: int) -> float:
    """MW that contracts of one service and direction oblige a provider to offer in an ISP."""
    key = provider, service, direction
    return sum(c.mw for c in book.by_isp.get(isp, ()) if (c.provider, c.service, c.direction) == key)
