from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from tandem_sim.agents.base.messages import Message
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.sim.clock.bus import Bus, Link
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.clock.randomness import stream


@pytest.mark.parametrize("order", list(itertools.permutations(["settle", "dso_clear", "deliver"])))
def test_gates_of_one_second_fire_in_the_declared_order(order: tuple[str, ...]) -> None:
    clock = Clock(-10)
    fired: list[tuple[int, str, str]] = []

    def note(name: str, what: str) -> None:
        fired.append((clock.now(), name, what))

    for name in order:
        clock.gate(name, [(0, "a"), (60, "b")], [partial(note, name)])
    clock.run()
    expected = sorted(order, key=GATES.index)
    assert fired == [(0, n, "a") for n in expected] + [(60, n, "b") for n in expected]


def test_messages_due_at_a_second_arrive_before_its_gates() -> None:
    clock, log = Clock(0), []
    clock.gate("connection", [(5, None)], [lambda _: log.append("gate")])
    clock.call(5, lambda: log.append("message"))
    clock.run()
    assert log == ["message", "gate"]


def _bus(loss: float, latency: int = 3) -> tuple[Clock, Bus, list[Message], list[tuple[Message, bool]]]:
    clock, inbox, log = Clock(0), [], []  # type: ignore[var-annotated]
    bus = Bus(clock, Link(latency, loss), 1, lambda m, lost: log.append((m, lost)))
    bus.connect({"b": inbox.append})
    return clock, bus, inbox, log


def test_the_bus_adds_latency_and_stamps_times() -> None:
    clock, bus, inbox, log = _bus(0.0)
    clock.gate("offer", [(10, None)], [lambda _: bus.send(Message("a", "b", 0))])
    clock.run()
    assert inbox == [Message("a", "b", 0, sent_s=10, delivered_s=13)]
    assert log == [(inbox[0], False)]


def test_lost_messages_are_logged_and_reach_nobody() -> None:
    clock, bus, inbox, log = _bus(0.3)
    clock.gate("offer", [(k, None) for k in range(1000)], [lambda _: bus.send(Message("a", "b", 0))])
    clock.run()
    lost = sum(is_lost for _, is_lost in log)
    assert len(log) == 1000
    assert len(inbox) == 1000 - lost
    assert 250 < lost < 350  # binomial(1000, 0.3): five standard deviations are 72
    assert all(m.delivered_s == -1 for m, is_lost in log if is_lost)


def test_what_is_carried_has_its_times_and_its_row_and_reaches_no_inbox() -> None:
    clock, bus, inbox, log = _bus(0.0)
    carried = bus.carry(Message("a", "b", 0), 250)
    clock.run()
    assert carried == Message("a", "b", 0, sent_s=250, delivered_s=253)
    assert log == [(carried, False)]
    assert inbox == []


def test_of_what_is_carried_a_share_is_lost_too() -> None:
    _, bus, _, log = _bus(0.3)
    found = [bus.carry(Message("a", "b", 0), k) for k in range(1000)]
    assert [message is None for message in found] == [is_lost for _, is_lost in log]
    assert 250 < found.count(None) < 350


def test_an_unknown_receiver_is_an_error() -> None:
    _, bus, _, _ = _bus(0.0)
    with pytest.raises(KeyError, match="nobody"):
        bus.send(Message("a", "nobody", 0))


def test_streams_depend_on_seed_and_name_only() -> None:
    assert np.array_equal(stream(1, "x").random(5), stream(1, "x").random(5))
    assert not np.array_equal(stream(1, "x").random(5), stream(1, "y").random(5))
    assert not np.array_equal(stream(1, "x").random(5), stream(2, "x").random(5))
