"""Signals that ask a run to end: it stops between two ISPs, with a checkpoint of that moment.

A program that imports Tandem keeps its own handlers. Under the command line (`heeded`) Ctrl-C (SIGINT),
SIGTERM and SIGHUP raise `Interrupted`: at once, or in a simulation at the end of the ISP.
The second signal always ends the process at once.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Those that mean the same thing; a system that lacks one does without it."""


class Interrupted(KeyboardInterrupt):
    """A signal has asked this process to end. Whatever lets Ctrl-C pass lets it pass."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        """The name of the signal."""
        return signal.Signals(self.number).name


class Signals:
    """What has been asked for; there is one, as there is one set of handlers in a process."""

    def __init__(self) -> None:
        self.waits = False  # whether somebody looks after it at the end of the ISP
        self.asked: int | None = None
        self.interrupted: Interrupted | None = None  # what was raised

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """The handler of the signals."""
        if self.waits and self.asked is None:
            self.asked = number
            return
        raise self.interruption(number)

    def interruption(self, number: int) -> Interrupted:
        """What is raised for a signal."""
        self.interrupted = Interrupted(number)
        return self.interrupted


_SIGNALS = Signals()


@contextmanager
def heeded() -> Iterator[Signals]:
    """Meanwhile signals that ask to end raise `Interrupted`. One that is ignored stays so (``nohup``)."""
    _SIGNALS.interrupted = None
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _SIGNALS.hear)
    try:
        yield _SIGNALS
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def until_the_isp_is_over() -> Iterator[None]:
    """Meanwhile the first signal is only noted; `asked_to_end` tells of it."""
    _SIGNALS.waits, _SIGNALS.asked = True, None
    try:
        yield
    finally:
        _SIGNALS.waits, _SIGNALS.asked = False, None


def asked_to_end() -> Interrupted | None:
    """What to raise when all is safe, if a signal has come since the simulation began."""
    return None if _SIGNALS.asked is None else _SIGNALS.interruption(_SIGNALS.asked)
