"""Signals that end a run: it stops between two ISPs, after a checkpoint.

A program that imports Tandem keeps its own handlers. Under the command line (`handled_signals`) Ctrl-C
(SIGINT), SIGTERM and SIGHUP raise `Interrupted`: at once, or in a simulation at the end of the ISP.
The second signal always ends the process at once.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Handled signals; one that the system lacks is left out."""


class Interrupted(KeyboardInterrupt):
    """A signal has requested the end of this process. Code that lets KeyboardInterrupt pass lets it pass."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        """The name of the signal."""
        return signal.Signals(self.number).name


class Signals:
    """State of the signal handlers; one object, as a process has one set of handlers."""

    def __init__(self) -> None:
        self.waits = False  # whether the simulation checks for a signal after the ISP
        self.requested: int | None = None
        self.interrupted: Interrupted | None = None  # the exception raised last

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """The handler of the signals."""
        if self.waits and self.requested is None:
            self.requested = number
            return
        raise self.interruption(number)

    def interruption(self, number: int) -> Interrupted:
        """The exception for a signal."""
        self.interrupted = Interrupted(number)
        return self.interrupted


_SIGNALS = Signals()


@contextmanager
def handled_signals() -> Iterator[Signals]:
    """In this context, signals to end raise `Interrupted`. Ignored signals stay ignored (``nohup``)."""
    _SIGNALS.interrupted = None
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _SIGNALS.handle)
    try:
        yield _SIGNALS
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """In this context, the first signal is only stored; `requested_end` returns it."""
    _SIGNALS.waits, _SIGNALS.requested = True, None
    try:
        yield
    finally:
        _SIGNALS.waits, _SIGNALS.requested = False, None


def requested_end() -> Interrupted | None:
    """The exception to raise between two ISPs, if a signal has come since the simulation began."""
    return None if _SIGNALS.requested is None else _SIGNALS.interruption(_SIGNALS.requested)
