"""Base of every agent: its name, its context, its roles, its inbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import mesa
import numpy as np
import numpy.typing as npt

from tandem_sim.agents.base.messages import Message
from tandem_sim.agents.base.subscriptions import Action, Role, Subscriber

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
RoleKind = TypeVar("RoleKind", bound=Role)


@dataclass(frozen=True)
class AgentContext:
    """Services of the simulation for one agent: time (s), bus, recorder, and random streams."""

    now: Callable[[], int]
    send: Callable[[Message], None]
    record: Record
    draws: Draws


class Participant(Subscriber, mesa.Agent):
    """An agent that communicates only by messages, and acts only at gates.

    `roles` are the services that it takes part in, in the order in which they act. It acts before them.
    `context` has the time (s), the bus, the recorder and random streams of its own.

    >>> import mesa
    >>> from tandem_sim import Participant, Role
    >>> class Ear(Role):
    ...     pass
    >>> agent = Participant(mesa.Model(rng=0), "monitor", context=None)
    >>> agent.add_role(Ear())
    >>> agent.role(Ear) is agent.roles[0], agent.role(Role) is agent.roles[0]
    (True, True)
    """

    def __init__(self, model: mesa.Model, name: str, context: AgentContext) -> None:
        super().__init__(model)
        self.name = name
        self.context = context
        self.roles: list[Role] = []

    def add_role(self, role: Role) -> None:
        """Have this agent take part in a service."""
        self.roles.append(role)

    def role(self, kind: type[RoleKind]) -> RoleKind | None:
        """Its role of a class, None without one."""
        return next((role for role in self.roles if isinstance(role, kind)), None)

    def actions(self, gate: str) -> Iterator[Action]:
        """What it and its roles do at a gate, in order."""
        for part in (self, *self.roles):
            action = part.action(gate)
            if action is not None:
                yield action

    def receive(self, message: Message) -> None:
        """Take a message from the bus: it goes to the agent and to all of its roles that handle it.

        Raises TypeError for a message that none of them handles.
        """
        handlers = [handler for part in (self, *self.roles) if (handler := part.handler(message))]
        if not handlers:
            raise TypeError(f"{self.name} got an unexpected {type(message).__name__} from {message.sender}")
        for handler in handlers:
            handler(message)

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled, those of its roles included."""
        for role in self.roles:
            role.forget(isp)
