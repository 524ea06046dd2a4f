"""Time limit for code of users, by an alarm of the operating system."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from tandem_sim.grids.errors import OverdueError

LIMIT_S = 60.0
"""Default limit (s) for one call of a strategy that is not built in."""
AGAIN_S = 1.0
"""Seconds after which an alarm is repeated, in case code caught it or Python dropped it."""
_Answer = TypeVar("_Answer")


class _Alarm(BaseException):
    """Ends overdue code; not an `Exception`, because code may catch that and continue."""


def can_interrupt() -> bool:
    """Whether an alarm can end code of this thread: only in a main thread, and not on Windows."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def within(limit_s: float, call: Callable[[], _Answer]) -> _Answer:
    """The value of a call, or `OverdueError` once it has taken `limit_s` seconds (0: no limit).

    Where `can_interrupt` is false, and for code that does not return control to Python or catches every
    exception, the error is raised after the call has returned. An alarm set by other code stays if it is due
    sooner; otherwise it is set again afterwards.
    """
    if not limit_s:
        return call()
    began = time.perf_counter()
    try:
        answer = _alarmed(limit_s, call) if can_interrupt() else call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an alarm, or an error that the code raised instead
        if isinstance(error, _Alarm) or time.perf_counter() - began > limit_s:
            raise OverdueError from error
        raise
    if time.perf_counter() - began > limit_s:
        raise OverdueError
    return answer


def _alarmed(limit_s: float, call: Callable[[], _Answer]) -> _Answer:
    others_s, others_again_s = signal.getitimer(signal.ITIMER_REAL)
    if 0.0 < others_s <= limit_s:
        return call()
    active = True

    def end(_signal: int, _frame: FrameType | None) -> None:
        if active:
            raise _Alarm

    began = time.perf_counter()
    handler = signal.signal(signal.SIGALRM, end)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)
            return call()
        finally:
            active = False  # an alarm that is already pending must not end other code
    finally:
        active = False  # in case an alarm ended the inner block just before
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if others_s:
            left_s = others_s - (time.perf_counter() - began)
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 1e-6), others_again_s)
