"""What agents and roles subscribe to: gates at which they act (`at`), messages that they handle (`on`).

```python
class Observer(Participant):
    @at("tso_clear")
    def look(self, isp: int) -> None: ...

    @on(AwardMessage)
    def on_award(self, message: AwardMessage) -> None: ...
```

The model calls what stands at a gate in the order of its agents, and at each agent in the order of its roles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from tandem_sim.agents.base.messages import Message
from tandem_sim.markets.coordination.gates import GATES

Action = Callable[[Any], None]
"""Called at a gate with what its closure is about: an ISP, the ISPs of a day, or blocks of ISPs."""
Method = TypeVar("Method", bound=Callable[..., Any])
_GATES, _KINDS = "_acts_at_gates", "_handles_messages"


def at(*gates: str) -> Callable[[Method], Method]:
    """Mark a method as what its agent or role does at these gates. Raises ValueError for an unknown gate.

    The method gets what the closure is about: the number of an ISP at most gates, the ISPs of a day (a range)
    at day-ahead gates, blocks of ISPs (a list of ranges) at gates of capacity.

    >>> from tandem_sim import Role, at
    >>> class Night(Role):
    ...     @at("dso_clear", "tso_clear")
    ...     def look(self, isp: int) -> None: ...
    >>> Night().action("tso_clear") is None, Night().action("settle") is None
    (False, True)
    """
    unknown = [gate for gate in gates if gate not in GATES]
    if unknown:
        raise ValueError(f"no such gate: {', '.join(unknown)}; gates are {', '.join(GATES)}")
    return _marked(_GATES, gates)


def on(*kinds: type[Message]) -> Callable[[Method], Method]:
    """Mark a method as the handler of messages of these classes, and of classes derived from them.

    >>> from tandem_sim import Role, on
    >>> from tandem_sim.agents.base.messages import AwardMessage
    >>> class Awards(Role):
    ...     mw = 0.0
    ...     @on(AwardMessage)
    ...     def add(self, message: AwardMessage) -> None:
    ...         self.mw += float(message.quantity_mw.sum())
    >>> awards, message = Awards(), AwardMessage("TSO", "A01", isp=7)
    >>> awards.handler(message) == awards.add
    True
    """
    return _marked(_KINDS, kinds)


def _marked(mark: str, values: tuple[object, ...]) -> Callable[[Method], Method]:
    def marked(method: Method) -> Method:
        setattr(method, mark, values)
        return method

    return marked


def _methods(cls: type, mark: str) -> dict[Any, str]:
    """Names of the marked methods of a class and its bases, by gate or message class."""
    found: dict[Any, str] = {}
    for base in reversed(cls.__mro__):
        own: dict[Any, str] = {}
        for name, method in vars(base).items():
            for key in getattr(method, mark, ()):
                if key in own:
                    raise TypeError(f"{base.__name__}: both {own[key]} and {name} subscribe to {key}")
                own[key] = name
        found |= own
    return found


class Subscriber:
    """Base of agents and roles: its marked methods, by gate and by class of message."""

    _actions: ClassVar[Mapping[str, str]] = MappingProxyType({})
    _handlers: ClassVar[Mapping[type[Message], str]] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._actions, cls._handlers = _methods(cls, _GATES), _methods(cls, _KINDS)

    def stands_at(self, gate: str) -> bool:
        """Whether it acts at a gate for which it has a method; a subclass may say no, by its settings."""
        return True

    def action(self, gate: str) -> Action | None:
        """What it does at a gate, None for nothing."""
        name = self._actions.get(gate)
        return None if name is None or not self.stands_at(gate) else getattr(self, name)

    def handler(self, message: Message) -> Callable[[Message], None] | None:
        """Its method for a message, None if it handles no such messages."""
        for kind in type(message).__mro__:
            if name := self._handlers.get(kind):
                found: Callable[[Message], None] = getattr(self, name)
                return found
        return None


class Role(Subscriber):
    """A service that an agent takes part in. Its agent passes it the messages and gates it subscribes to.

    A role keeps its own data, and forgets those of an ISP that has been settled (`forget`).

    >>> from tandem_sim import Role, at
    >>> class Clock(Role):
    ...     @at("settle")
    ...     def tick(self, isp: int) -> None:
    ...         self.last = isp
    >>> clock = Clock()
    >>> clock.action("settle")(7)
    >>> clock.last
    7
    """

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled; nothing by default."""
