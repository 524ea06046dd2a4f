"""A DSO's network flexibility study in a run: applications, decisions, and later reviews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.subscriptions import Role, at
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.markets.grid_checks.study_register import STUDY_S, Application, Decision, StudyRegister
from tandem_sim.markets.orders.zones import Zones


@dataclass(frozen=True)
class Review:
    """A second at which a DSO reviews its decisions, and its worst case from then on, by direction."""

    at_s: int
    worst: Mapping[int, GridConstraints]


@dataclass(frozen=True)
class Emergency:
    """Temporary measures at some nodes, from second to second, known to the DSO from the start."""

    nodes: tuple[int, ...]
    from_s: int
    until_s: int
    cause: str


@dataclass(frozen=True)
class StudyTimeline:
    """All events of the study of one area; seconds since the scenario's start."""

    applications: Sequence[Application]
    reviews: Sequence[Review] = ()
    emergencies: Sequence[Emergency] = ()

    def moments(self) -> list[int]:
        """Seconds of all events, in order."""
        applied = {a.applied_s for a in self.applications}
        answered = {s + STUDY_S for s in applied}
        return sorted(
            applied | answered | {r.at_s for r in self.reviews} | {e.from_s for e in self.emergencies}
        )


class FlexibilityStudyProcess(Role):
    """Runs the study of an area through its timeline and records it (table ``flexibility_study``)."""

    def __init__(
        self,
        *,
        system: str,
        context: AgentContext,
        register: StudyRegister,
        timeline: StudyTimeline,
        isp_seconds: int,
    ) -> None:
        self.register, self.timeline = register, timeline
        self._system, self._context, self._isp_seconds = system, context, isp_seconds
        self._pending = timeline.moments()
        for e in timeline.emergencies:
            register.emergency(e.nodes, e.from_s, e.until_s, e.cause)

    def zones(self, isp: int) -> Zones:
        """Units and nodes that may sell when an ISP begins, as decided by now."""
        return self.register.zones(isp * self._isp_seconds)

    def test(self, unit: str) -> tuple[bool, bool, str]:
        """Whether a unit may sell now, up and down; and the reason if not."""
        now = self._context.now()
        return *self.register.may_sell(unit, now), self.register.reason(unit, now)

    @at("study")
    def proceed(self, isp: int) -> None:
        """Process the events due by now in order; within a second decisions first, applications last."""
        while self._pending and self._pending[0] <= self._context.now():
            second, timeline = self._pending.pop(0), self.timeline
            decisions = self.register.answer(second)
            for review in timeline.reviews:
                if review.at_s == second:
                    decisions += self.register.reevaluate(second, review.worst)
            decisions += [self.register.apply(a) for a in timeline.applications if a.applied_s == second]
            self._record(isp, decisions)
            for measure in timeline.emergencies:
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
