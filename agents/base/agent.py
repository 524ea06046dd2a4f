"""What every agent is: a name, a desk to work at, an inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mesa
import numpy as np

from tandem_sim.agents.base.messages import Message

Record = Callable[[str, Mapping[str, Any]], None]
"""Write one row (scalars) or many rows (equally long arrays) of a table."""
Draws = Callable[..., np.random.Generator]
"""The random stream that belongs to a label and a key (see `tandem_sim.sim.clock.randomness.stream`)."""
Carry = Callable[[Message, int], Message | None]
"""A message sent at a second as it arrives, None if it is lost (see `tandem_sim.sim.clock.bus.Bus.carry`)."""


@dataclass(frozen=True)
class AgentContext:
    """What an agent is handed instead of a clock: time, bus, recorder, and random streams."""

    now: Callable[[], int]
    send: Callable[[Message], None]
    record: Record
    draws: Draws


class Participant(mesa.Agent):
    """An agent that talks only through messages."""

    def __init__(self, model: mesa.Model, name: str, context: AgentContext) -> None:
        super().__init__(model)
        self.name = name
        self.context = context

    def receive(self, message: Message) -> None:
        """Take a message from the bus. An agent that gets what it does not expect has been wired wrongly."""
        raise TypeError(f"{self.name} got an unexpected {type(message).__name__} from {message.sender}")
