"""Code that takes too long is ended, whatever it catches, and alarms of others ring when they were to."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, cast

import numpy as np
import pytest

from tandem_sim.agents.parties.bidder import Bidder
from tandem_sim.agents.strategies.registry import Permission, StrategyInputs, build_strategy
from tandem_sim.agents.strategies.strategy import Offers, OfferView, SellerResult, Truthful, checked
from tandem_sim.agents.strategies.time_limit import within
from tandem_sim.grids.errors import OverdueError, StrategyError, StrategyLimitError
from tests.sim.conftest import OWN_CODE

SOON_S, LATER_S = 0.05, 30.0


def _view(n: int = 1) -> OfferView:
    return OfferView(
        isp=5,
        day_ahead_price=40.0,
        direction=np.ones(n, dtype=np.int64),
        quantity_mw=np.full(n, 10.0),
        cost=np.full(n, 20.0),
    )


def _endless() -> None:
    while True:
        with suppress(Exception):
            time.sleep(0.001)


def _once_more() -> None:
    """Catches whatever ends it, the first time."""
    with suppress(BaseException):
        _endless()
    _endless()


def _late() -> str:
    """Ends on its own, but too late, having caught the alarm."""
    until = time.monotonic() + 2.0 * SOON_S
    while time.monotonic() < until:
        with suppress(BaseException):
            time.sleep(SOON_S)
    return "late"


def _upset() -> NoReturn:
    """Makes another error of the alarm."""
    try:
        _endless()
    finally:
        raise ValueError("upset")


@pytest.mark.parametrize("question", [_endless, _once_more, _late, _upset])
def test_what_takes_too_long_is_ended(question: Callable[[], object]) -> None:
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(OverdueError):
        within(SOON_S, question)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is handler


def test_what_is_in_time_answers_and_what_it_raises_is_its_own() -> None:
    assert within(LATER_S, lambda: 3) == 3
    assert within(0.0, lambda: time.sleep(SOON_S)) is None  # no limit
    for error in (KeyError, SystemExit, KeyboardInterrupt):
        with pytest.raises(error):
            within(LATER_S, lambda error=error: _raise(error))  # type: ignore[misc]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def _raise(error: type[BaseException]) -> NoReturn:
    raise error


@contextmanager
def _alarm_of_others(seconds: float) -> Iterator[list[float]]:
    """An alarm that a test runner, say, has set; the list is when it rang."""
    rang: list[float] = []

    def ring(_signal: int, _frame: FrameType | None) -> None:
        rang.append(time.monotonic())

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield rang
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_of_others_rings_when_it_was_to() -> None:
    begun = time.monotonic()
    with _alarm_of_others(0.4) as rang:
        with pytest.raises(OverdueError):
            within(0.1, _endless)
        assert not rang
        time.sleep(0.5)
    assert len(rang) == 1
    assert 0.4 <= rang[0] - begun < 0.6
    with _alarm_of_others(0.05) as rang:  # due sooner than ours
        assert within(LATER_S, lambda: time.sleep(0.1)) is None
    assert len(rang) == 1


def test_one_limit_inside_another() -> None:
    def outer() -> None:
        with pytest.raises(OverdueError):
            within(SOON_S, _endless)
        _endless()

    with pytest.raises(OverdueError):
        within(4.0 * SOON_S, outer)


def test_in_another_thread_a_late_return_is_an_error_too() -> None:
    found: list[type[BaseException]] = []

    def ask() -> None:
        try:
            within(SOON_S, lambda: time.sleep(2.0 * SOON_S))
        except OverdueError as error:
            found.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [OverdueError]


class Own(Truthful):
    """Offers whatever a test makes of a view."""

    learns = True

    def __init__(self, make: Callable[[OfferView], Any]) -> None:
        self.make = make

    def offers(self, view: OfferView) -> Offers:
        """What the test says."""
        found: Offers = self.make(view)
        return found

    def learn(self, outcome: SellerResult) -> None:
        """Never done."""
        _endless()


def _deep(view: OfferView) -> Any:
    return _deep(view)


class _Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _mute(view: OfferView) -> NoReturn:
    raise _Mute


HUGE = np.broadcast_to(np.float64(1.0), (10**15,))
"""Takes no room, but a copy of it would take a million gigabytes."""


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda view: _raise(SystemExit), "SystemExit$"),
        (lambda view: _raise(GeneratorExit), "GeneratorExit$"),
        (lambda view: _raise(MemoryError), "MemoryError$"),
        (_deep, "RecursionError: maximum recursion depth exceeded"),
        (_mute, "_Mute$"),
        (lambda view: Offers(HUGE, view.quantity_mw), r"prices have shape \(10{15},\), expected \(1,\)"),
        (
            lambda view: Offers(view.cost, cast(Any, [HUGE])),
            r"quantities have shape \(1, 10{15}\)",
        ),
        (
            lambda view: Offers(view.cost, view.quantity_mw, cast(Any, HUGE)),
            r"forwardable has shape \(10{15},\)",
        ),
        (lambda view: Offers(cast(Any, range(10**15)), view.quantity_mw), r"prices have shape \(10{15},\)"),
        (lambda view: Offers(cast(Any, 3.0), view.quantity_mw), r"prices have shape \(\), expected \(1,\)"),
    ],
)
def test_however_a_strategy_ends_it_is_named(make: Callable[[OfferView], Any], problem: str) -> None:
    with pytest.raises(StrategyError, match=f"^strategy Own of A07, ISP 5: {problem}"):
        checked(Own(make), _view(), "A07")


def test_ctrl_c_is_nobodys_fault() -> None:
    with pytest.raises(KeyboardInterrupt):
        checked(Own(lambda view: _raise(KeyboardInterrupt)), _view(), "A07")


def _nothing(table: str, row: Any) -> None:
    """Keeps no rows."""


def test_a_limit_stops_a_seller_whatever_is_done_about_faults() -> None:
    bidder = Bidder("A07", Own(lambda view: _endless()), _nothing, replaces_faults=True)
    bidder.limit_s = SOON_S
    with pytest.raises(
        StrategyLimitError, match=r"Own of A07, ISP 5: offers takes more than 0\.05 s\. Raise"
    ):
        bidder.offers(_view())
    none = np.zeros(0)
    outcome = SellerResult(
        isp=6,
        direction=none.astype(np.int64),
        offered_mw=none,
        sold_mw=none,
        received_eur_per_h=none,
        cost_eur_per_h=none,
    )
    with pytest.raises(StrategyLimitError, match="Own of A07, ISP 6: learn takes more than"):
        bidder.take_results(outcome, {})


class Slow(Truthful):
    """Is never made."""

    def __init__(self) -> None:
        _endless()


class Leaving(Truthful):
    """Ends the program."""

    def __init__(self) -> None:
        raise SystemExit(0)


def test_constructors_are_held_to_the_same() -> None:
    inputs = StrategyInputs(np.random.default_rng(1), 96, publishes_books=False)
    given: Any = ({}, inputs, "strategies.0", "A03", Permission(OWN_CODE, SOON_S))
    with pytest.raises(StrategyLimitError, match=f"{__name__}:Slow of A03: its constructor takes more than"):
        build_strategy(f"{__name__}:Slow", *given)
    with pytest.raises(StrategyError, match=f"{__name__}:Leaving of A03: its constructor fails: SystemExit"):
        build_strategy(f"{__name__}:Leaving", *given)
