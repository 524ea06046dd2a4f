"""The one clock: SimPy, integer seconds, and a declared order for gates that fall on the same second."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import simpy
from simpy.events import EventPriority

from tandem_sim.markets.coordination.gates import GATES

MESSAGE_PRIORITY = 2
"""Messages due at a second arrive before any gate of that second (SimPy itself uses 0 and 1)."""
Call = tuple[int, Callable[[], None]]
"""A function, and the second at which it is called."""


class GateClosure(simpy.Event):
    """The closure of a gate `delay` seconds from now; it has succeeded from the start, like a Timeout.

    SimPy processes events of one second in the order of their priorities, the smallest first, and events of
    one priority in the order of their creation.
    """

    def __init__(self, env: simpy.Environment, delay: int, priority: int) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, EventPriority(priority), delay)


class Clock:
    """Calls the actions of gates and delivers messages; the only source of simulated time."""

    def __init__(self, start_second: int = 0) -> None:
        self.set(start_second, [])

    def now(self) -> int:
        """Seconds since the scenario's start."""
        return int(self.env.now)

    def at(self, second: int, priority: int) -> GateClosure:
        """An event at a second; smaller priorities come first, equal ones in order of creation."""
        return GateClosure(self.env, second - self.now(), priority)

    def call(self, second: int, function: Callable[[], None]) -> None:
        """Call a function when messages are due at `second`; those of one second in the order of calls."""
        if second in self._calls:
            self._calls[second].append(function)
            return
        self._calls[second] = [function]
        self.env.process(self._call_all(second))

    def _call_all(self, second: int) -> Generator[simpy.Event, None, None]:
        """The process that delivers the messages of a second."""
        yield self.at(second, MESSAGE_PRIORITY)
        for function in self._calls.pop(second):
            function()

    def gate(
        self, name: str, closures: Iterable[tuple[int, Any]], actions: Sequence[Callable[[Any], None]]
    ) -> None:
        """Call all `actions(what)` at each (second, what), sorted; gates of one second follow `GATES`."""
        self.env.process(self._close(_priority(name), closures, actions))

    def _close(
        self, priority: int, closures: Iterable[tuple[int, Any]], actions: Sequence[Callable[[Any], None]]
    ) -> Generator[simpy.Event, None, None]:
        """The process of one gate."""
        for second, what in closures:
            yield self.at(second, priority)
            for action in actions:
                action(what)

    def run(self) -> None:
        """Run until no event is left."""
        self.env.run()

    def run_to(self, second: int, gate: str) -> None:
        """Run until right before a gate at a second. The event of that gate before it must be still ahead."""
        self.env.run(until=self.at(second, _priority(gate)))

    def run_through(self, second: int) -> None:
        """Run until all events of a second have happened."""
        self.env.run(until=second + 1)

    def calls(self) -> list[Call]:
        """Pending calls of `call`."""
        return [(second, function) for second, functions in self._calls.items() for function in functions]

    def set(self, second: int, calls: Iterable[Call]) -> None:
        """Start again at a second with these pending calls, and without gates."""
        self.env = simpy.Environment(initial_time=second)
        self._calls: dict[int, list[Callable[[], None]]] = {}  # pending, by second
        for due, function in calls:
            self.call(due, function)


def _priority(gate: str) -> int:
    return MESSAGE_PRIORITY + 1 + GATES.index(gate)
