"""A limit on how long code of others may take, kept by an alarm of the operating system."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from tandem_sim.grids.errors import OverdueError

LIMIT_S = 60.0
"""Seconds that one call of a strategy of one's own may take, unless a scenario says otherwise."""
AGAIN_S = 1.0
"""An alarm that code has caught, or that hit where Python drops exceptions, comes again after so long."""
_Answer = TypeVar("_Answer")


class _Alarm(BaseException):
    """Ends overdue code; none of `Exception`, which that code may catch and go on."""


def can_interrupt() -> bool:
    """Whether an alarm can end code that this thread runs: in a main thread only, and not on Windows."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def within(limit_s: float, question: Callable[[], _Answer]) -> _Answer:
    """What a question answers, or `OverdueError` once it has taken `limit_s` seconds (0: no limit).

    Where `can_interrupt` is false, and for code that does not give control back to Python or catches every
    exception, the error comes when the answer is there. An alarm that somebody else has set is left alone if
    it is due sooner, and set again afterwards if it is not.
    """
    if not limit_s:
        return question()
    began = time.perf_counter()
    try:
        answer = _alarmed(limit_s, question) if can_interrupt() else question()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an alarm, or what the code made of it
        if isinstance(error, _Alarm) or time.perf_counter() - began > limit_s:
            raise OverdueError from error
        raise
    if time.perf_counter() - began > limit_s:
        raise OverdueError
    return answer


def _alarmed(limit_s: float, question: Callable[[], _Answer]) -> _Answer:
    others_s, others_again_s = signal.getitimer(signal.ITIMER_REAL)
    if 0.0 < others_s <= limit_s:
        return question()
    listening = True

    def end(_signal: int, _frame: FrameType | None) -> None:
        if listening:
            raise _Alarm

    began = time.perf_counter()
    handler = signal.signal(signal.SIGALRM, end)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)
            return question()
        finally:
            listening = False  # an alarm that has rung and is not heard yet finds nothing to end
    finally:
        listening = False  # should one have been heard just before
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if others_s:
            left_s = others_s - (time.perf_counter() - began)
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 1e-6), others_again_s)
