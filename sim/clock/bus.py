"""The message bus: adds latency, may lose messages, logs every message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from tandem_sim.agents.base.agent import Record
from tandem_sim.agents.base.messages import Message
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.clock.randomness import MESSAGE, stream


@dataclass(frozen=True)
class Link:
    """Latency and loss of messages: least latency (whole seconds), random addition, share lost.

    The addition is zero (``constant``), or random with mean `spread_s`: ``exponential``, or ``lognormal``
    (standard deviation 1 in the exponent: a few messages are very late).
    """

    latency_s: int = 1
    loss: float = 0.0
    distribution: str = "constant"
    spread_s: float = 0.0

    @property
    def certain(self) -> bool:
        """Whether latency and loss are deterministic."""
        return self.loss == 0.0 and (self.distribution == "constant" or self.spread_s == 0.0)

    def delay_s(self, rng: np.random.Generator) -> int:
        """Latency (s) of one message."""
        if self.distribution == "constant" or self.spread_s == 0.0:
            return self.latency_s
        if self.distribution == "exponential":
            return self.latency_s + round(float(rng.exponential(self.spread_s)))
        return self.latency_s + round(float(rng.lognormal(np.log(self.spread_s) - 0.5, 1.0)))


ARRIVES_S = 900
"""Longest latency (s) of an acknowledged message, which its protocol repeats."""
_Key = tuple[str, str, str, int]  # sender, receiver, label, ISP


class Bus:
    """Delivers messages between agents, by name."""

    def __init__(self, clock: Clock, link: Link, seed: int, log: Callable[[Message, bool], None]) -> None:
        self.clock, self._link, self._seed, self._log = clock, link, seed, log
        self._second, self._alike = -1, Counter[_Key]()  # messages of each key sent in this second
        self._inboxes: dict[str, Callable[[Message], None]] = {}

    def connect(self, inboxes: Mapping[str, Callable[[Message], None]]) -> None:
        """Register the receivers by name."""
        self._inboxes.update(inboxes)

    def send(self, message: Message) -> None:
        """Send a message now. A lost message is logged and not delivered."""
        inbox = self._inboxes[message.receiver]
        arriving = self.carry(message, self.clock.now())
        if arriving is not None:
            self.clock.call(arriving.delivered_s, partial(inbox, arriving))

    def carry(self, message: Message, sent_s: int) -> Message | None:
        """A message sent at a second, as it arrives with its times; None if it is lost. It is logged.

        It is put into no inbox: for messages inside an ISP, in a loop that runs ahead of the clock.
        """
        lost, delay = self._passage(message, sent_s)
        due = sent_s + (min(delay, ARRIVES_S) if message.acknowledged else delay)
        stamped = _stamped(message, sent_s, -1 if lost else due)
        self._log(stamped, lost)
        return None if lost else stamped

    def _passage(self, message: Message, sent_s: int) -> tuple[bool, int]:
        """Whether a message sent at a second is lost, and its latency (s).

        The draws of a message depend on no other message.
        """
        if self._link.certain:
            return False, self._link.latency_s
        if sent_s != self._second:
            self._second, self._alike = sent_s, Counter()
        key = message.sender, message.receiver, message.chance, message.isp
        rng = stream(self._seed, MESSAGE, *key, sent_s, self._alike[key])
        self._alike[key] += 1
        lost = rng.random() < self._link.loss and not message.acknowledged
        return lost, self._link.delay_s(rng)


def _stamped(message: Message, sent_s: int, delivered_s: int) -> Message:
    """The message with its times: a copy of its fields, which were checked when it was created."""
    copy = object.__new__(type(message))
    vars(copy).update(vars(message), sent_s=sent_s, delivered_s=delivered_s)
    return copy


def build_bus(link: Link, seed: int, clock: Clock, record: Record) -> Bus:
    """A bus that logs every message in the table ``messages``."""
    return Bus(clock, link, seed, partial(_log, record))


def _log(record: Record, message: Message, lost: bool) -> None:
    record(
        "messages",
        {
            "isp": message.isp,
            "kind": message.kind,
            "sender": message.sender,
            "receiver": message.receiver,
            "sent_s": message.sent_s,
            "delivered_s": message.delivered_s,
            "numbers": message.numbers,
            "lost": lost,
        },
    )
    if lost:
        about = f"{message.kind} from {message.sender}"
        what = {"party": message.receiver, "about": about, "consequence": type(message).if_lost}
        record("fallbacks", {"isp": message.isp, **what})
