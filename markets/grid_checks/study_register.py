"""The network flexibility study over time: applications, answers after 30 days, notices and emergencies.

Source: ALEXANDER D3.3 (2024), 3.2.2, which rests on Synergrid C8/01 and on the Flemish technical regulation
(VREG, 2023, art. 2.3.26 and 1.5.3). In Flanders and Wallonia grid users apply for the study, in Brussels only
FSPs can. It takes 30 days. In Flanders resources at low voltage below 5 kVA on one phase and below 10 kVA on
three are exempt from restrictions; for Wallonia and Brussels the source has no exemption, so there is none.
Where a new provider turns a zone from green to red, qualified units there stay qualified for 12 months. The
DSO may re-evaluate qualified capacity when risks rise. To withdraw it, the DSO gives 12 months' notice,
unless contracts of several years apply. In emergencies it may take temporary measures; congestion is no
emergency.

Times are whole seconds on any one clock. Where the source is silent, Tandem assumes: the rated power of each
connected device decides, strictly below the limit; 12 months are 365 days; a contract of several years keeps
capacity qualified until it ends; an emergency measure stops all units at its nodes, exempt or not; a zone has
a colour for each direction, and a new unit is admitted after those already qualified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.choices import Region
from tandem_sim.markets.grid_checks.flexibility_study import fitting_nodes
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.zones import Zones

DAY_S = 86_400
STUDY_S = 30 * DAY_S
"""Duration of a study."""
NOTICE_S = 365 * DAY_S
"""Time for which a qualified unit stays qualified after its zone turns red."""
SINGLE_PHASE_KVA, THREE_PHASE_KVA = 5.0, 10.0
"""Flemish devices at low voltage below these are not restricted."""

Applicant = Literal["grid user", "FSP"]
APPLICANTS: dict[Region, Applicant] = {"flanders": "grid user", "wallonia": "grid user", "brussels": "FSP"}
Event = Literal["applied", "exempt", "answered", "notice"]

RED = "the network flexibility study has the connection in a red zone"
NEWCOMER = "a new provider has turned the zone red"
RISKS = "the study was looked at again, and the zone is red"
UNANSWERED = "the network flexibility study is not answered yet"
EMERGENCY = "the DSO has taken temporary measures in an emergency"

_NONE = -np.inf
_LINES = (0, 1)  # up, down


def exempt(region: Region, kva: FloatArray, phases: IntArray) -> BoolArray:
    """Which devices at low voltage (n,) no study restricts, by rated power and number of phases.

    Devices on two phases have the limit of one phase.
    """
    limit = np.where(phases == 3, THREE_PHASE_KVA, SINGLE_PHASE_KVA)
    return np.asarray((region == "flanders") & (kva < limit))


@dataclass(frozen=True, kw_only=True)
class Application:
    """A unit that applies for a study: devices (n,) at one node, all at low voltage, with one answer.

    `contract_until_s` is the end of a contract of several years for its capacity, if it has one.
    """

    unit: str
    node: int
    up_mw: float
    down_mw: float
    kva: FloatArray  # (n,) rated power of each device
    phases: IntArray  # (n,)
    by: Applicant
    applied_s: int
    contract_until_s: int | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A decision on a unit: directions in which it may sell or, for a notice, in which its permission ends.

    `until_s` is when an answer is due, or when a notice ends; otherwise None.
    """

    event: Event
    application: Application
    at_s: int
    up: bool
    down: bool
    until_s: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Measure:
    """Temporary measures in an emergency: no unit at these nodes may sell."""

    nodes: frozenset[int]
    from_s: int
    until_s: int


@dataclass
class _Unit:
    """An exempt (`free`) or answered unit, and until when it is qualified up and down; -inf: not at all."""

    of: Application
    free: bool
    until_s: list[float] = field(default_factory=lambda: [_NONE, _NONE])

    def mw(self, line: int) -> float:
        """Its capacity up (0) or down (1), MW."""
        return self.of.down_mw if line else self.of.up_mw

    def lacks(self, line: int) -> bool:
        """Whether it has capacity in a direction without permanent qualification."""
        return self.mw(line) > 0 and self.until_s[line] < np.inf


class StudyRegister:
    """The units of one area that may sell flexibility, and the present result of its DSO's study.

    Events must be in order of time. Exempt units may sell whatever the study says. So every study assumes
    that exempt and qualified units are activated in full, and determines which other units fit.
    """

    def __init__(self, region: Region, worst: Mapping[int, GridConstraints]) -> None:
        """`worst` is the worst state of the grid for each direction (see `worst_cases`)."""
        self.region: Region = region
        self._worst = worst
        self._green = np.ones((2, worst[UP].flow_matrix.shape[1]), dtype=bool)
        self._units: dict[str, _Unit] = {}
        self._waiting: dict[str, Application] = {}
        self._measures: list[Measure] = []
        self._passed_s = _NONE
        self._last: tuple[int, float, Zones] | None = None  # first moment, end, zones in between

    def apply(self, application: Application) -> Decision:
        """Take an application, with an answer in 30 days. Exempt units may sell at once.

        A unit that was refused or has notice may apply again. Raises ValueError for an applicant that may not
        apply in this region, and for a unit with a pending application or with nothing left to apply for.
        """
        a, known = application, self._units.get(application.unit)
        if a.by != APPLICANTS[self.region]:
            raise ValueError(
                f"{a.unit}: in {self.region} a {APPLICANTS[self.region]} must apply, not a {a.by}"
            )
        if a.unit in self._waiting or (known is not None and not any(known.lacks(line) for line in _LINES)):
            raise ValueError(f"{a.unit} has applied already")
        self._pass(a.applied_s)
        if exempt(self.region, a.kva, a.phases).all():
            self._units[a.unit] = _Unit(a, True, [np.inf, np.inf])
            return Decision(event="exempt", application=a, at_s=a.applied_s, up=True, down=True)
        self._waiting[a.unit] = a
        return Decision(
            event="applied",
            application=a,
            at_s=a.applied_s,
            up=False,
            down=False,
            until_s=a.applied_s + STUDY_S,
        )

    def answer(self, now_s: int) -> list[Decision]:
        """Answer all applications due by now; applications of the same second are studied together.

        Where all capacity requested at a node fits, including earlier refused requests, the zone is green and
        all its units are qualified. Otherwise it is red, the new units are refused, and units qualified in a
        green zone get notice.
        """
        due = {s for a in self._waiting.values() if (s := a.applied_s + STUDY_S) <= now_s}
        found = [decision for at_s in sorted(due) for decision in self._answers(at_s)]
        self._pass(now_s)
        return found

    def reevaluate(self, now_s: int, worst: Mapping[int, GridConstraints]) -> list[Decision]:
        """Study qualified capacity again, in a new worst state, which also applies to later answers.

        Where it no longer fits, the zone turns red and its units get notice. No unit becomes qualified.
        """
        self._pass(now_s)
        self._worst = worst
        fits = self._fits(now_s, lambda unit, line: unit.until_s[line] == np.inf)
        return self._notices(now_s, np.argwhere(~fits & self._green).tolist(), RISKS)

    def emergency(self, nodes: Iterable[int], from_s: int, until_s: int, cause: str) -> None:
        """Stop all units at some nodes for a time. Raises ValueError for congestion, which is no emergency.

        Congestion must be managed by buying flexibility (Regulation (EU) 2019/943, as cited in D3.3).
        """
        if "congestion" in cause.lower():
            raise ValueError("congestion is no emergency: a DSO has to buy flexibility against it")
        if from_s >= until_s:
            raise ValueError(f"the measure ends at {until_s} s, and begins at {from_s} s")
        self._measures.append(Measure(frozenset(nodes), from_s, until_s))
        self._last = None

    def may_sell(self, unit: str, at_s: int) -> tuple[bool, bool]:
        """Whether a unit may sell up and down at a time, as known now."""
        known = self._units.get(unit)
        if known is None or self._stopped(known.of.node, at_s):
            return False, False
        return self._may(known, 0, at_s), self._may(known, 1, at_s)

    def reason(self, unit: str, at_s: int) -> str:
        """Why a unit may not sell all its capacity; empty if it may."""
        known = self._units.get(unit)
        if known is None:
            return UNANSWERED
        if self._stopped(known.of.node, at_s):
            return EMERGENCY
        return "" if all(self._may(known, line, at_s) or not known.mw(line) for line in _LINES) else RED

    def zones(self, at_s: int) -> Zones:
        """Zones at a time, as known now, and the units with permissions that differ from their zone."""
        if self._last is None or not self._last[0] <= at_s < self._last[1]:
            ends = [s for u in self._units.values() for s in u.until_s]
            ends += [s for m in self._measures for s in (m.from_s, m.until_s)]
            self._last = at_s, min((s for s in ends if s > at_s), default=np.inf), self._zones(at_s)
        return self._last[2]

    def _zones(self, at_s: int) -> Zones:
        green = self._green.copy()
        for node in {n for m in self._measures if m.from_s <= at_s < m.until_s for n in m.nodes}:
            green[:, node] = False
        node_of = {a.unit: a.node for a in self._waiting.values()}
        node_of |= {name: unit.of.node for name, unit in self._units.items()}
        may = {name: self.may_sell(name, at_s) for name in node_of}
        return Zones(green, {k: v for k, v in may.items() if v != tuple(green[:, node_of[k]].tolist())})

    def _pass(self, at_s: int) -> None:
        if at_s < self._passed_s:
            raise ValueError(f"{at_s} s is in the past: the study is at {self._passed_s:.0f} s")
        self._passed_s, self._last = at_s, None

    def _stopped(self, node: int, at_s: int) -> bool:
        return any(node in m.nodes and m.from_s <= at_s < m.until_s for m in self._measures)

    def _may(self, unit: _Unit, line: int, at_s: int) -> bool:
        """Whether it may sell in a direction; without capacity the permission of its zone."""
        if not unit.mw(line):
            return bool(self._green[line, unit.of.node])
        return at_s < unit.until_s[line]

    def _fits(self, at_s: int, is_requested: Callable[[_Unit, int], bool]) -> BoolArray:
        """Nodes (2, N) at which all requests fit, with all other permitted units activated in full."""
        requested, committed = (np.zeros((2, self._green.shape[1])) for _ in range(2))
        for unit in self._units.values():
            for line in _LINES:
                if not unit.free and is_requested(unit, line):
                    requested[line, unit.of.node] += unit.mw(line)
                elif at_s < unit.until_s[line]:
                    committed[line, unit.of.node] += unit.mw(line)
        return fitting_nodes(
            self._worst, {UP: requested[0], DOWN: requested[1]}, {UP: committed[0], DOWN: committed[1]}
        )

    def _answers(self, at_s: int) -> list[Decision]:
        """Answers due at one second, and the notices that follow from them."""
        new = {a.unit: a for a in self._waiting.values() if a.applied_s + STUDY_S == at_s}
        for name, a in new.items():
            del self._waiting[name]
            if name in self._units:  # a repeated application keeps what is qualified
                self._units[name].of = a
            else:
                self._units[name] = _Unit(a, False)
        self._pass(at_s)
        applying = [self._units[name] for name in new]
        studied = {(line, u.of.node) for u in applying for line in _LINES if u.lacks(line)}

        def is_requested(unit: _Unit, line: int) -> bool:
            refused = unit.until_s[line] <= at_s and (line, unit.of.node) in studied
            return refused or (unit.of.unit in new and unit.lacks(line))

        fits = self._fits(at_s, is_requested)
        for unit in self._units.values():
            for line in _LINES:
                if (line, unit.of.node) in studied and fits[line, unit.of.node]:
                    unit.until_s[line] = np.inf
                    self._green[line, unit.of.node] = True
        red = [(line, node) for line, node in sorted(studied) if not fits[line, node]]
        notices = self._notices(at_s, red, NEWCOMER)
        answers = [
            Decision(
                event="answered", application=a, at_s=at_s, up=up, down=down, reason=self.reason(name, at_s)
            )
            for name, a in new.items()
            for up, down in [self.may_sell(name, at_s)]
        ]
        return answers + notices

    def _notices(self, at_s: int, red: Iterable[Iterable[int]], reason: str) -> list[Decision]:
        """Turn zones (direction, node) red; units qualified there without notice get one."""
        gone: dict[str, list[bool]] = {}
        ends: dict[str, int] = {}
        for line, node in red:
            self._green[line, node] = False
            for name, unit in self._units.items():
                if unit.of.node == node and not unit.free and unit.until_s[line] == np.inf:
                    contract_s = unit.of.contract_until_s
                    ends[name] = at_s + NOTICE_S if contract_s is None else max(at_s + NOTICE_S, contract_s)
                    unit.until_s[line] = ends[name]
                    gone.setdefault(name, [False, False])[line] = unit.mw(line) > 0
        self._last = None
        return [
            Decision(
                event="notice",
                application=self._units[name].of,
                at_s=at_s,
                up=up,
                down=down,
                until_s=ends[name],
                reason=reason,
            )
            for name, (up, down) in gone.items()
            if up or down
        ]
