"""A DSO's study in a run: its events, its records, and its effect on the register."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import mesa
import numpy as np
import pytest

from tandem_sim.agents.base.messages import AssetResultMessage, AssetsMessage, RevisionMessage
from tandem_sim.agents.operators.admission import Admission
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.operator import OperatorSetup
from tandem_sim.agents.services.flexibility_study import (
    Emergency,
    FlexibilityStudyProcess,
    Review,
    StudyTimeline,
)
from tandem_sim.agents.services.qualification import (
    AssetTest,
    AssetTester,
    PrequalificationProcess,
    QualificationRules,
)
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.markets.grid_checks.flexibility_study import worst_cases
from tandem_sim.markets.grid_checks.study_register import (
    DAY_S,
    NEWCOMER,
    RED,
    RISKS,
    UNANSWERED,
    Application,
    StudyRegister,
)
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Product
from tandem_sim.markets.schemes import SCHEMES
from tests.agents.recording_context import RecordingContext
from tests.markets.hand import feeder

AREA = feeder(Bids.empty(), 5.0)
OLD = RegisteredUnit(name="A.D.old", system="D", node=1, up_mw=3.0, down_mw=0.0)
NEW = RegisteredUnit(name="A.D.new", system="D", node=1, up_mw=3.0, down_mw=0.0)
SMALL = RegisteredUnit(name="A.D.small", system="D", node=2, up_mw=0.5, down_mw=0.5)


def worst(peak_mw: float = 2.0) -> dict[int, GridConstraints]:
    """Room for 5 + 2 / 4 MW up behind the branch of 5 MW, and for 5 - 2 MW down."""
    return worst_cases(AREA.lin, np.array([0.0, -peak_mw, 0.0]), np.zeros(3), np.zeros(3))


def asks(unit: RegisteredUnit, day: int, kva: float = 20.0) -> Application:
    return Application(
        unit=unit.name,
        node=unit.node,
        up_mw=unit.up_mw,
        down_mw=unit.down_mw,
        kva=np.array([kva]),
        phases=np.array([1]),
        by="grid user",
        applied_s=day * DAY_S,
    )


def study(top: RecordingContext, *more: Application, **later: Any) -> FlexibilityStudyProcess:
    """OLD and SMALL (exempt) applied 40 days before the start, others later."""
    timeline = StudyTimeline([asks(OLD, -40), asks(SMALL, -40, 2.0), *more], **later)
    return FlexibilityStudyProcess(
        system="D",
        context=top.context,
        register=StudyRegister("flanders", worst()),
        timeline=timeline,
        isp_seconds=900,
    )


def rows(top: RecordingContext) -> list[tuple[str, str, int, str]]:
    """Event, unit, day and reason of all that was written down."""
    return [
        (str(r["event"]), str(r["unit"]), int(r["at_s"]) // DAY_S, str(r["reason"]))
        for r in top.table("flexibility_study")
    ]


def test_what_lies_before_the_run_is_caught_up_with_and_the_rest_happens_in_its_time() -> None:
    top = RecordingContext(now=-3600)
    process = study(top, asks(NEW, 2))
    assert process.timeline.moments() == [d * DAY_S for d in (-40, -10, 2, 32)]
    process.proceed(0)
    assert rows(top) == [
        ("applied", OLD.name, -40, ""), ("exempt", SMALL.name, -40, ""), ("answered", OLD.name, -10, ""),
    ]  # fmt: skip
    assert process.test(OLD.name) == (True, True, "")  # it has nothing to sell down, where its zone is green
    assert process.test(NEW.name) == (False, False, UNANSWERED)
    for day in (2, 32):
        top.now = day * DAY_S
        process.proceed(day * 96)
    assert rows(top)[3:] == [
        ("applied", NEW.name, 2, ""), ("answered", NEW.name, 32, RED), ("notice", OLD.name, 32, NEWCOMER),
    ]  # fmt: skip
    last = top.table("flexibility_study")[-1]
    assert (last["isp"], last["until_s"], last["up_mw"], last["node"]) == (3072, 397 * DAY_S, 3.0, 1)
    assert process.zones(3072).units == {OLD.name: (True, True)}
    assert process.zones(397 * 96).units == {}  # as known now
    applied = top.table("flexibility_study")[0]
    assert (applied["devices"], applied["single_phase_kva"], applied["three_phase_kva"]) == (1, 20.0, 0.0)
    assert (applied["applicant"], applied["until_s"]) == ("grid user", -10 * DAY_S)


def test_reviews_and_emergencies_have_their_moments() -> None:
    top = RecordingContext(now=50 * DAY_S)
    review = Review(20 * DAY_S, worst(5.5))  # no room down any more, up as ever; SMALL is exempt
    emergency = Emergency((1,), 30 * DAY_S, 31 * DAY_S, "flood")
    heavy = RegisteredUnit(name="A.D.heavy", system="D", node=2, up_mw=0.0, down_mw=2.0)
    process = study(top, asks(heavy, -40), reviews=[review], emergencies=[emergency])
    assert not process.zones(30 * 96).green[:, 1].any()
    process.proceed(0)
    assert rows(top)[-2:] == [("notice", heavy.name, 20, RISKS), ("emergency", "", 30, "flood")]
    assert process.register.may_sell(heavy.name, 384 * DAY_S) == (True, True)
    assert process.register.may_sell(heavy.name, 385 * DAY_S)[1] is False
    assert top.table("flexibility_study")[-1]["until_s"] == 31 * DAY_S


def _dso(top: RecordingContext, process: FlexibilityStudyProcess, *units: RegisteredUnit) -> DSO:
    nothing: Any = cast(Any, SimpleNamespace(name="D"))
    product = Product(name="mFRR energy")
    dso = DSO(
        mesa.Model(rng=0),
        setup=OperatorSetup(
            name="DSO-D",
            context=top.context,
            scheme=SCHEMES["multilevel-01"],
            admission=Admission(product),
            ledgers={},
            operators={"D": "DSO-D", "T": "TSO"},
        ),
        area=nothing,
        fleet_agent=nothing,
        forecast_error_mw=lambda area, isp: 0.0,
        operator_model=nothing,
        clearer="TSO",
    )
    dso.add_role(process)
    test = AssetTest({u.name: u for u in units}, process.test)
    dso.add_role(AssetTester(name=dso.name, context=dso.context, test=test))
    return dso


def _connect(dso: DSO, day: int) -> None:
    """The gate of a day at which units are tested again."""
    for action in dso.actions("connection"):
        action(range(day * 96, day * 96 + 96))


def test_the_register_follows_the_study() -> None:
    top, tso = RecordingContext(), RecordingContext()
    process = study(top, asks(NEW, -20))  # to be answered on day 10: OLD has notice until day 375
    dso, register = _dso(top, process, OLD, NEW, SMALL), FlexibilityRegister()
    rules = QualificationRules(2000 * DAY_S, 8, 0)
    qualification = PrequalificationProcess(
        name="TSO",
        context=tso.context,
        register=register,
        rules=rules,
        test=AssetTest({}),
        operators={"D": "DSO-D", "T": "TSO"},
    )
    units = (OLD, NEW, SMALL)
    fast = tuple((0.4, 0.4) for _ in units)
    process.proceed(0)
    qualification.on_assets(
        AssetsMessage("A", "TSO", 0, provider="A", service="aFRR", units=units, fast_mw=fast)
    )
    (passed_on,) = tso.take(AssetsMessage)
    dso.receive(passed_on)
    (result,) = top.take(AssetResultMessage)
    assert result.reasons == {NEW.name: UNANSWERED}
    qualification.on_asset_result(result)
    assert set(register.units("A")) == {OLD.name, SMALL.name}

    def look(day: int) -> list[RevisionMessage]:
        top.now = tso.now = day * DAY_S
        process.proceed(day * 96)
        _connect(dso, day)
        found = top.take(RevisionMessage)
        for message in found:
            qualification.on_revision(message)
        return found

    assert look(5) == []
    assert look(10) == []  # NEW is refused: it may sell as little as before, OLD as much
    (revision,) = look(376)
    assert {u.name: (u.up_mw, revision.reasons[u.name]) for u in revision.units} == {OLD.name: (0.0, RED)}
    assert set(register.units("A")) == {SMALL.name}
    assert look(377) == []
    revised = [r for r in tso.table("flexibility_register") if r["event"] == "revised"]
    assert [(r["unit"], r["up_mw"], r["reason"]) for r in revised] == [(OLD.name, 0.0, RED)]


def test_a_unit_whose_answer_comes_enters_the_register_with_what_it_can_move_fast() -> None:
    top, tso = RecordingContext(), RecordingContext()
    mild = RegisteredUnit(name="A.D.mild", system="D", node=1, up_mw=2.0, down_mw=0.0)
    process = study(top, asks(mild, -20))
    dso, register = _dso(top, process, mild, OLD), FlexibilityRegister()
    qualification = PrequalificationProcess(
        name="TSO",
        context=tso.context,
        register=register,
        rules=QualificationRules(2000 * DAY_S, 8, 0),
        test=AssetTest({}),
        operators={"D": "DSO-D"},
    )
    process.proceed(0)
    qualification.on_assets(
        AssetsMessage(
            "A", "TSO", 0, provider="A", service="aFRR", units=(OLD, mild), fast_mw=((1.0, 1.0), (0.75, 0.75))
        )
    )
    dso.receive(tso.take(AssetsMessage)[0])
    qualification.on_asset_result(top.take(AssetResultMessage)[0])
    assert register.pool_mw("A", UP, "aFRR") == pytest.approx(1.0)
    top.now = tso.now = 10 * DAY_S
    process.proceed(960)
    _connect(dso, 10)
    (revision,) = top.take(RevisionMessage)
    qualification.on_revision(revision)
    assert register.units("A")[mild.name] == mild
    assert register.pool_mw("A", UP, "aFRR") == pytest.approx(1.75)
    assert register.pool_mw("A", DOWN, "aFRR") == 0.0
    assert register.qualified("A", "aFRR", 11 * DAY_S)
