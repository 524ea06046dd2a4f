"""The public contract tests find what they are for: each planted fault fails, and sound code passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from tandem_sim.agents.base.agent import Participant
from tandem_sim.agents.base.messages import StateMessage
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.markets.cases.case import read_case
from tandem_sim.markets.cases.clear import open_case
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.markets.settlement.day_matching import DayIndex
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.testing import check_agent, check_baseline, check_scheme


class Mean:
    """The mean of the readings without activation."""

    def __init__(self, meters: int, days: DayIndex) -> None:
        self.sum, self.n = np.zeros(meters), np.zeros(meters)

    def estimate(self, isp: int, declared_mw: Any) -> Any:
        return np.divide(self.sum, self.n, out=np.full(len(self.n), np.nan), where=self.n > 0)

    def read(self, isp: int, metered_mw: Any, active: Any) -> None:
        self.sum = self.sum + np.where(active, 0.0, metered_mw)
        self.n = self.n + ~active


class Noisy(Mean):
    def estimate(self, isp: int, declared_mw: Any) -> Any:
        return super().estimate(isp, declared_mw) + np.random.default_rng().random()


class TooFew(Mean):
    def estimate(self, isp: int, declared_mw: Any) -> Any:
        return super().estimate(isp, declared_mw)[1:]


class Infinite(Mean):
    def estimate(self, isp: int, declared_mw: Any) -> Any:
        return np.full(len(declared_mw), np.inf)


class Meddler(Mean):
    def read(self, isp: int, metered_mw: Any, active: Any) -> None:
        metered_mw[active] = 0.0
        super().read(isp, metered_mw, active)


class NotKept(Mean):
    def __init__(self, meters: int, days: DayIndex) -> None:
        super().__init__(meters, days)
        self.call = lambda: None


def test_a_sound_baseline_passes() -> None:
    check_baseline(Mean)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Noisy, "equal readings give different estimates"),
        (TooFew, "shape"),
        (Infinite, "infinite"),
        (Meddler, "changes an array"),
        (NotKept, "pickle"),
    ],
)
def test_a_planted_fault_of_a_baseline_is_found(kind: Callable[[int, DayIndex], Mean], says: str) -> None:
    with pytest.raises(Exception, match=says):
        check_baseline(kind)


def test_a_scheme_that_writes_what_it_does_not_declare_is_found() -> None:
    case, scheme = read_case(case_path("alexander-a")), SCHEMES["central-01"]
    check_scheme(scheme, *open_case(case, scheme))
    block = scheme.blocks[0]
    kind = type("Silent", (type(block),), {"writes": ("tso.sold",)})
    silent = kind(**{f.name: getattr(block, f.name) for f in fields(block)})
    with pytest.raises(AssertionError, match="without declaring"):
        check_scheme(replace(scheme, steps=(silent,)), *open_case(case, scheme))


class Tidy(Participant):
    """Counts ISPs, writes to itself, and forgets."""

    def __init__(self, model: FlexibilityModel) -> None:
        super().__init__(model, "watcher", model.context("watcher"))
        self.seen: dict[int, int] = {}
        self.all = 0

    @at("tso_clear")
    def look(self, isp: int) -> None:
        self.seen[isp] = self.all = self.all + 1
        self.context.send(StateMessage(self.name, self.name, isp))

    @on(StateMessage)
    def read(self, message: StateMessage) -> None:
        self.seen[message.isp] += 1

    def forget(self, isp: int) -> None:
        super().forget(isp)
        del self.seen[isp]


class Hoarder(Role):
    """Keeps what it has seen of settled ISPs."""

    def __init__(self) -> None:
        self.kept: dict[int, bool] = {}

    @at("tso_clear")
    def look(self, isp: int) -> None:
        self.kept[isp] = True


class Deaf(Tidy):
    """Receives messages that it does not handle: those of the first mark are its base's, taken away."""

    _handlers = {}  # noqa: RUF012


class Unkept(Role):
    """Holds a value that no checkpoint can keep."""

    def __init__(self) -> None:
        self.call = lambda: None


def add_tidy(model: FlexibilityModel) -> None:
    model.add_agent(Tidy(model))


def add_hoarder(model: FlexibilityModel) -> None:
    model.tso.add_role(Hoarder())


def add_deaf(model: FlexibilityModel) -> None:
    Deaf._handlers = {}
    model.add_agent(Deaf(model))


def add_unkept(model: FlexibilityModel) -> None:
    model.tso.add_role(Unkept())


def test_sound_agents_and_roles_pass() -> None:
    check_agent(add_tidy)


@pytest.mark.parametrize(
    ("add", "says"),
    [
        (add_hoarder, "Hoarder of TSO: kept keeps ISP 0 after it was settled"),
        (add_deaf, "watcher got an unexpected StateMessage"),
        (add_unkept, "no checkpoint can keep"),
    ],
)
def test_a_planted_fault_of_an_agent_is_found(add: Callable[..., None], says: str) -> None:
    with pytest.raises(Exception, match=says):
        check_agent(add)
