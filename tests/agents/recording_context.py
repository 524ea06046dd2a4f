"""A desk without a bus: it keeps what is sent and recorded, and its clock is set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import Message
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.sim.clock.randomness import stream

M = TypeVar("M", bound=Message)


class Desktop:
    """What one agent sends and records; `now` is the second its clock shows."""

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
        """Messages of a kind sent since the last call, which are then forgotten."""
        found = [m for m in self.sent if isinstance(m, kind)]
        self.sent[:] = [m for m in self.sent if not isinstance(m, kind)]
        return found

    def table(self, name: str) -> list[Mapping[str, Any]]:
        """Everything recorded in a table."""
        return [row for table, row in self.rows if table == name]


def obligation_mw(book: CapacityBook, isp: int, provider: str, service: str, direction: int) -> float:
    """What a provider owes in an ISP, over all contracts of one service and direction."""
    asked = provider, service, direction
    return sum(c.mw for c in book.by_isp.get(isp, ()) if (c.provider, c.service, c.direction) == asked)
