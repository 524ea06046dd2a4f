"""Who stands at a gate, who handles a message, in what order, and what a wrong subscription says."""

from __future__ import annotations

import mesa
import pytest

from tandem_sim.agents.base.agent import Participant
from tandem_sim.agents.base.messages import AwardMessage, Message, PlatformMessage, StateMessage
from tandem_sim.agents.base.subscriptions import Role, at, on
from tests.agents.recording_context import RecordingContext


class Clerk(Role):
    """Notes what it is called for."""

    def __init__(self, name: str, notes: list[str], *open_gates: str) -> None:
        self.name, self.notes, self.open_gates = name, notes, open_gates

    def stands_at(self, gate: str) -> bool:
        return gate in self.open_gates

    @at("offer", "settle")
    def act(self, isp: int) -> None:
        self.notes.append(f"{self.name} acts at {isp}")

    @on(AwardMessage)
    def on_award(self, message: AwardMessage) -> None:
        self.notes.append(f"{self.name} reads an award")

    def forget(self, isp: int) -> None:
        self.notes.append(f"{self.name} forgets {isp}")


class Office(Participant):
    """An agent with an action and a handler of its own."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__(mesa.Model(rng=0), "office", RecordingContext().context)
        self.notes = notes

    @at("offer")
    def act(self, isp: int) -> None:
        self.notes.append(f"office acts at {isp}")

    @on(StateMessage)
    def on_state(self, message: StateMessage) -> None:
        self.notes.append(f"office reads {message.kind}")


def _office() -> tuple[Office, list[str]]:
    notes: list[str] = []
    office = Office(notes)
    office.add_role(Clerk("first", notes, "offer", "settle"))
    office.add_role(Clerk("second", notes, "settle"))
    return office, notes


def _all(office: Office, gate: str) -> None:
    for action in office.actions(gate):
        action(7)


def test_an_agent_acts_before_its_roles_and_roles_in_the_order_in_which_they_were_added() -> None:
    office, notes = _office()
    _all(office, "offer")
    assert notes == ["office acts at 7", "first acts at 7"]
    _all(office, "settle")
    assert notes[2:] == ["first acts at 7", "second acts at 7"]
    _all(office, "deliver")
    assert len(notes) == 4


def test_a_message_goes_to_the_agent_and_all_roles_that_handle_it() -> None:
    office, notes = _office()
    office.receive(AwardMessage("a", "office", 0))
    office.receive(PlatformMessage("a", "office", 0))  # derived from StateMessage
    assert notes == ["first reads an award", "second reads an award", "office reads Platform"]
    with pytest.raises(TypeError, match="office got an unexpected Message from a"):
        office.receive(Message("a", "office", 0))


def test_roles_are_found_by_their_class_and_forget_with_their_agent() -> None:
    office, notes = _office()
    found = office.role(Clerk)
    assert found is not None
    assert found.name == "first"
    assert office.role(Other) is None
    office.forget(3)
    assert notes == ["first forgets 3", "second forgets 3"]


class Other(Role):
    """A role that nobody holds."""


class Late(Office):
    """Does something else at the gate of its base class: the method counts, marked or not."""

    def act(self, isp: int) -> None:
        self.notes.append("late")


def test_a_subclass_may_override_what_is_done_at_a_gate() -> None:
    notes: list[str] = []
    _all(Late(notes), "offer")
    assert notes == ["late"]


def test_wrong_subscriptions_are_refused_when_the_class_is_made() -> None:
    with pytest.raises(ValueError, match=r"no such gate: ofer; gates are study, .*, settle"):
        at("ofer")
    with pytest.raises(TypeError, match="Twice: both one and two subscribe to offer"):

        class Twice(Role):
            @at("offer")
            def one(self, isp: int) -> None: ...

            @at("offer")
            def two(self, isp: int) -> None: ...
