"""Base of every agent: its name, its context, its inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mesa
import numpy as np
import numpy.typing as npt

from tandem_sim.agents.base.messages import Message

Cell = str | bool | int | float | None | np.generic
"""A value in one row of a table; None is empty."""
Column = Sequence[Cell] | npt.NDArray[np.generic]
"""Values of many rows (n,)."""
Row = Mapping[str, Cell | Column]
"""One row (scalars) or many rows (equally long columns) of a table, by column."""
Record = Callable[[str, Row], None]
"""Writes one row (scalars) or many rows (equally long arrays) of a table."""
Draws = Callable[..., np.random.Generator]
"""The random stream that belongs to a label and a key (see `tandem_sim.sim.clock.randomness.stream`)."""
Carry = Callable[[Message, int], Message | None]
"""A message sent at a second, as it arrives; None if lost (see `tandem_sim.sim.clock.bus.Bus.carry`)."""


@dataclass(frozen=True)
class AgentContext:
    """Services of the simulation for one agent: time (s), bus, recorder, and random streams."""

    now: Callable[[], int]
    send: Callable[[Message], None]
    record: Record
    draws: Draws


class Participant(mesa.Agent):
    """An agent that communicates only by messages."""

    def __init__(self, model: mesa.Model, name: str, context: AgentContext) -> None:
        super().__init__(model)
        self.name = name
        self.context = context

    def receive(self, message: Message) -> None:
        """Take a message from the bus. Raises TypeError for a message that this agent does not handle."""
        raise TypeError(f"{self.name} got an unexpected {type(message).__name__} from {message.sender}")
