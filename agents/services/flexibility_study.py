"""A DSO's network flexibility study in a run: takes applications, answers them, looks at them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.markets.grid_checks.flexibility_study import Zones
from tandem_sim.markets.grid_checks.study_register import STUDY_S, Application, Decision, StudyRegister


@dataclass(frozen=True)
class Review:
    """A moment at which a DSO looks again at what it has qualified, and its worst case from then on."""

    at_s: int
    worst: Mapping[int, GridConstraints]


@dataclass(frozen=True)
class Emergency:
    """Temporary measures at some nodes, known to the DSO from the start."""

    nodes: tuple[int, ...]
    from_s: int
    until_s: int
    cause: str


@dataclass(frozen=True)
class Course:
    """What will happen to the study of one area, whoever knows when: seconds since the scenario's start."""

    applications: Sequence[Application]
    reviews: Sequence[Review] = ()
    emergencies: Sequence[Emergency] = ()

    def moments(self) -> list[int]:
        """Seconds at which anything happens, in order."""
        asked = {a.applied_s for a in self.applications}
        answered = {s + STUDY_S for s in asked}
        return sorted(
            asked | answered | {r.at_s for r in self.reviews} | {e.from_s for e in self.emergencies}
        )


class FlexibilityStudyProcess:
    """Carries the study of an area through its course, and writes down what happens (table ``study``)."""

    def __init__(
        self, *, system: str, context: AgentContext, register: StudyRegister, course: Course, isp_seconds: int
    ) -> None:
        self.register, self.course = register, course
        self._system, self._context, self._isp_seconds = system, context, isp_seconds
        self._ahead = course.moments()
        for e in course.emergencies:
            register.emergency(e.nodes, e.from_s, e.until_s, e.cause)

    def zones(self, isp: int) -> Zones:
        """Who may sell when an ISP begins, by what is known now."""
        return self.register.zones(isp * self._isp_seconds)

    def test(self, unit: str) -> tuple[bool, bool, str]:
        """Whether a unit may sell now, up and down, and why not."""
        now = self._context.now()
        return *self.register.may_sell(unit, now), self.register.reason(unit, now)

    def proceed(self, isp: int) -> None:
        """Do what is due by now, in its order; within a second answers first, applications last."""
        while self._ahead and self._ahead[0] <= self._context.now():
            second, course = self._ahead.pop(0), self.course
            decisions = self.register.answer(second)
            for review in course.reviews:
                if review.at_s == second:
                    decisions += self.register.reevaluate(second, review.worst)
            decisions += [self.register.apply(a) for a in course.applications if a.applied_s == second]
            self._record(isp, decisions)
            for measure in course.emergencies:
                if measure.from_s == second:
                    self._record_measure(isp, measure)

    def _record(self, isp: int, decisions: Sequence[Decision]) -> None:
        for d in decisions:
            a, three = d.application, d.application.phases == 3
            up, down = (a.up_mw, a.down_mw) if d.event == "applied" else (a.up_mw * d.up, a.down_mw * d.down)
            self._context.record(
                "flexibility_study",
                {
                    "isp": isp,
                    "system": self._system,
                    "unit": a.unit,
                    "event": d.event,
                    "applicant": a.by,
                    "node": a.node,
                    "devices": len(a.kva),
                    "single_phase_kva": float(a.kva[~three].sum()),
                    "three_phase_kva": float(a.kva[three].sum()),
                    "up_mw": up,
                    "down_mw": down,
                    "at_s": d.at_s,
                    "until_s": np.nan if d.until_s is None else float(d.until_s),
                    "reason": d.reason,
                },
            )

    def _record_measure(self, isp: int, measure: Emergency) -> None:
        for node in measure.nodes:
            self._context.record(
                "flexibility_study",
                {
                    "isp": isp,
                    "system": self._system,
                    "unit": "",
                    "event": "emergency",
                    "applicant": "",
                    "node": node,
                    "devices": 0,
                    "single_phase_kva": 0.0,
                    "three_phase_kva": 0.0,
                    "up_mw": 0.0,
                    "down_mw": 0.0,
                    "at_s": measure.from_s,
                    "until_s": float(measure.until_s),
                    "reason": measure.cause,
                },
            )
