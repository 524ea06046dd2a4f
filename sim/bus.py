"""The message bus: adds latency, may lose messages, logs every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from agents.messages import Message
from sim.clock import Clock


@dataclass(frozen=True)
class Link:
    """How messages travel: whole seconds of latency, and the share of them that is lost."""

    latency_s: int = 1
    loss: float = 0.0


class Bus:
    """Carries messages between agents, by name."""

    def __init__(
        self, clock: Clock, link: Link, rng: np.random.Generator, log: Callable[[Message, bool], None]
    ) -> None:
        self._clock, self._link, self._rng, self._log = clock, link, rng, log
        self._inboxes: dict[str, Callable[[Message], None]] = {}

    def connect(self, inboxes: Mapping[str, Callable[[Message], None]]) -> None:
        """Register the receivers by name."""
        self._inboxes.update(inboxes)

    def send(self, message: Message) -> None:
        """Send a message now. A lost message is logged and reaches nobody."""
        now = self._clock.now
        inbox = self._inboxes[message.receiver]
        lost = not message.acknowledged and self._link.loss > 0.0 and self._rng.random() < self._link.loss
        due = now + self._link.latency_s
        stamped = replace(message, sent_s=now, delivered_s=-1 if lost else due)
        self._log(stamped, lost)
        if not lost:
            self._clock.call(due, lambda: inbox(stamped))
