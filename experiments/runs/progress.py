"""How far a run is, where there is no terminal to draw a bar on: a line on standard error now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from tandem_sim.sim.scenario.scenario import Scenario

TELL_EVERY_S = 30.0
"""Seconds between two lines of progress."""


def time_left(elapsed_s: float, done: int, left: int) -> timedelta:
    """Expected time for what is left, to the second: the mean time of the `done` times their number."""
    return timedelta(seconds=round(elapsed_s / done * left))


def isp_shown(scenario: Scenario, isp: int) -> str:
    """The local time of an ISP, as progress shows it."""
    calendar = scenario.calendar
    return f"{calendar.time(calendar.seconds(isp)).tz_convert(scenario.zone):%a %d %b %Y %H:%M}"


def to_stderr(line: str) -> None:
    """Print a line on standard error at once."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def waiting(text: str, told: bool = True, every_s: float = TELL_EVERY_S) -> Iterator[Callable[[], None]]:
    """Tell every `every_s` seconds that something still goes on, until the block or the given call ends it.

    For steps that do not report how far they are. Nothing is told if `told` is false, or of a short step.
    """
    over, begin = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(every_s):
            to_stderr(f"{text}, since {timedelta(seconds=round(time.monotonic() - begin))}")

    teller = threading.Thread(target=tell, daemon=True)
    if told:
        teller.start()
    try:
        yield over.set
    finally:
        over.set()


class ProgressLines:
    """Lines on the progress of one run, at most one every `TELL_EVERY_S` seconds.

    Of the simulation: the time simulated, the ISPs done, and the time left at the speed since it began or was
    resumed. Of the rest: the step, and how much of it is done.
    """

    def __init__(
        self,
        scenario: Scenario,
        write: Callable[[str], None] = to_stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scenario, self._write, self._clock = scenario, write, clock
        self._told = clock()
        self._begin: tuple[float, int] | None = None  # moment and number of the first ISP

    def on_isp(self, isp: int) -> None:
        """An ISP was delivered."""
        now = self._clock()
        if self._begin is None:
            self._begin = now, isp
        if not self._is_due(now):
            return
        moment, first = self._begin
        total = self._scenario.calendar.n_isp
        left = f", {time_left(now - moment, isp - first, total - isp - 1)} left" if isp > first else ""
        self._tell(f"simulated {isp_shown(self._scenario, isp)}, {isp + 1} of {total} ISPs{left}")

    def on_step(self, step: str, done: int, total: int) -> None:
        """A part of a step after the simulation is done, of `total` parts."""
        if self._is_due(self._clock()):
            self._tell(f"{step}, {100 * done / total:.0f} %")

    def _is_due(self, now: float) -> bool:
        due = now - self._told >= TELL_EVERY_S
        if due:
            self._told = now
        return due

    def _tell(self, line: str) -> None:
        self._write(f"{self._scenario.scheme}: {line}")
