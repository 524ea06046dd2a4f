"""Prequalification: who tests what, what enters the register, and what bad delivery costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tandem_sim.agents.base import messages  # pytest would take AssetResultMessage for a class of tests
from tandem_sim.agents.base.messages import AssetsMessage, QualificationMessage
from tandem_sim.agents.services.qualification import (
    TELLING_MW,
    Applicant,
    AssetTest,
    PrequalificationProcess,
    QualificationRules,
)
from tandem_sim.markets.grid_checks.study_register import RED
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Service
from tests.agents.recording_context import RecordingContext

VALID_S, SUSPENSION_S, STRIKES = 10_000, 500, 3
SMALL_MW = 0.5 * TELLING_MW
G = RegisteredUnit(name="G", system="T", node=0, up_mw=20.0, down_mw=20.0)
U1 = RegisteredUnit(name="A.D1.u1", system="D1", node=3, up_mw=2.0, down_mw=1.0)
U2 = RegisteredUnit(name="A.D2.u2", system="D2", node=1, up_mw=0.5, down_mw=4.0)
FAST = {G.name: (5.0, 6.0), U1.name: (1.5, 1.0), U2.name: (0.5, 3.0)}
OPERATORS = {"T": "TSO", "D1": "DSO-D1", "D2": "DSO-D2"}


class Process:
    """A TSO's prequalification process, and DSOs that answer on command."""

    def __init__(self, study: Callable[[str], tuple[bool, bool, str]] | None = None) -> None:
        self.top = RecordingContext()
        self.register = FlexibilityRegister()
        self.tests = {
            system: AssetTest(
                {u.name: u for u in (G, U1, U2) if u.system == system}, study if system != "T" else None
            )
            for system in OPERATORS
        }
        rules = QualificationRules(VALID_S, STRIKES, SUSPENSION_S)
        self.process = PrequalificationProcess(
            name="TSO",
            context=self.top.context,
            register=self.register,
            rules=rules,
            test=self.tests["T"],
            operators=OPERATORS,
        )

    def ask(self, *units: RegisteredUnit, service: Service = "aFRR") -> list[AssetsMessage]:
        """A request of A; what the TSO passes on."""
        fast = tuple(FAST.get(u.name, (0.0, 0.0)) for u in units)
        self.process.on_assets(
            AssetsMessage("A", "TSO", 0, provider="A", service=service, units=units, fast_mw=fast)
        )
        return self.top.take(AssetsMessage)

    def answer(self, request: AssetsMessage) -> None:
        """A DSO tests and answers."""
        units, reasons = self.tests[request.receiver.removeprefix("DSO-")](request.units)
        self.process.on_asset_result(
            messages.AssetResultMessage(
                request.receiver, "TSO", 0, provider=request.provider, units=units, reasons=reasons
            )
        )

    def qualify(self, *units: RegisteredUnit, service: Service = "aFRR") -> QualificationMessage:
        """A request to its end."""
        for request in self.ask(*units, service=service):
            self.answer(request)
        (answer,) = self.top.take(QualificationMessage)
        return answer

    def judge(self, ordered: float, *delivered: float) -> None:
        """ISPs in which A delivered so much of the same order."""
        for mw in delivered:
            self.judge_places({"D1": (ordered, mw)})

    def judge_places(self, moved: Mapping[str, tuple[float, float]]) -> None:
        """An ISP in which so many MW (up positive) were ordered of A and delivered in every area."""
        side = {area: 1 if ordered > 0 else -1 for area, (ordered, _) in moved.items()}
        self.process.judge(
            0,
            {("A", area, side[area]): side[area] * ordered for area, (ordered, _) in moved.items()},
            {("A", area, side[area]): side[area] * came for area, (_, came) in moved.items()},
        )

    def events(self) -> list[tuple[str, str, str]]:
        """What the table ``register`` says: unit, service, event."""
        return [
            (str(r["unit"]), str(r["service"]), str(r["event"]))
            for r in self.top.table("flexibility_register")
        ]


def test_units_in_two_areas_go_to_both_dsos_and_are_answered_when_both_have_tested() -> None:
    process = Process()
    requests = process.ask(U2, G, U1)
    assert [(r.sender, r.receiver, r.units) for r in requests] == [
        ("TSO", "DSO-D1", (U1,)),
        ("TSO", "DSO-D2", (U2,)),
    ]
    for k, request in enumerate(requests):
        assert not process.top.take(QualificationMessage)
        assert not process.register.units("A")
        process.top.now = 100 + k
        process.answer(request)
    (answer,) = process.top.take(QualificationMessage)
    assert (answer.sender, answer.receiver, answer.reason) == ("TSO", "A", "")
    assert answer.services == ("aFRR", "mFRR", "LFM")
    assert answer.until_s == 101 + VALID_S  # from the day of the answer
    assert process.register.units("A") == {u.name: u for u in (G, U1, U2)}
    assert process.register.expires_s("A", "aFRR") == answer.until_s
    # 20 + 2 + 0.5 MW up; within five minutes 5 + 1.5 + 0.5 MW up and 6 + 1 + 3 MW down.
    assert process.register.pool_mw("A", UP, "mFRR") == pytest.approx(22.5)
    assert process.register.pool_mw("A", UP, "aFRR") == pytest.approx(7.0)
    assert process.register.pool_mw("A", DOWN, "aFRR") == pytest.approx(10.0)
    assert process.events() == [
        (U2.name, "", "qualified"), (G.name, "", "qualified"), (U1.name, "", "qualified"),
        ("", "aFRR", "qualified"), ("", "mFRR", "implied"), ("", "LFM", "implied"),
    ]  # fmt: skip


def test_the_tso_tests_what_is_on_transmission_itself() -> None:
    process = Process()
    assert process.ask(G, service="mFRR") == []
    (answer,) = process.top.take(QualificationMessage)
    assert answer.services == ("mFRR", "LFM")
    assert process.register.expires_s("A", "aFRR") is None


def test_a_unit_that_is_not_connected_is_refused_and_the_rest_enters() -> None:
    process = Process()
    moved = RegisteredUnit(
        name=U2.name, system="D2", node=7, up_mw=0.5, down_mw=4.0
    )  # connected at node 1, not 7
    unknown = RegisteredUnit(name="A.D1.ghost", system="D1", node=3, up_mw=1.0, down_mw=1.0)
    elsewhere = RegisteredUnit(
        name=G.name, system="D1", node=0, up_mw=20.0, down_mw=20.0
    )  # it hangs on transmission
    answer = process.qualify(U1, moved, unknown, elsewhere)
    assert answer.services
    assert set(process.register.units("A")) == {U1.name}
    rows = {r["unit"]: r for r in process.top.table("flexibility_register") if r["unit"]}
    for name in (moved.name, unknown.name, elsewhere.name):
        assert (rows[name]["event"], rows[name]["up_mw"], rows[name]["down_mw"]) == ("refused", 0.0, 0.0)
        assert rows[name]["reason"] == "no such unit is connected there"
    assert (rows[U1.name]["event"], rows[U1.name]["reason"]) == ("qualified", "")


def test_a_group_without_a_unit_that_passes_is_refused() -> None:
    process = Process()
    answer = process.qualify(RegisteredUnit(name="A.D1.ghost", system="D1", node=3, up_mw=1.0, down_mw=1.0))
    assert (answer.services, answer.until_s, answer.reason) == ((), 0, "no unit passed its test")
    assert process.register.expires_s("A", "LFM") is None
    assert process.events() == [("A.D1.ghost", "", "refused"), ("", "aFRR", "refused")]


def test_who_claims_too_much_gets_what_is_connected() -> None:
    process = Process()
    process.qualify(RegisteredUnit(name=U1.name, system="D1", node=3, up_mw=9.0, down_mw=0.5))
    # 9 MW up are claimed of 2 MW, and 0.5 MW down of 1 MW asked for: fast at most as much.
    assert process.register.units("A")[U1.name] == RegisteredUnit(
        name=U1.name, system="D1", node=3, up_mw=2.0, down_mw=0.5
    )
    assert process.register.pool_mw("A", DOWN, "aFRR") == pytest.approx(0.5)
    (row,) = (r for r in process.top.table("flexibility_register") if r["unit"])
    assert (row["event"], row["up_mw"], row["down_mw"]) == ("qualified", 2.0, 0.5)
    assert row["reason"] == "more was requested than its connection allows"


def test_in_a_red_zone_a_unit_sells_only_what_its_zone_allows() -> None:
    # Node 3 of D1 is red downwards, node 1 of D2 both ways.
    study = {U1.name: (True, False, RED), U2.name: (False, False, RED)}
    process = Process(study.__getitem__)
    process.qualify(U1, U2)
    assert process.register.units("A") == {
        U1.name: RegisteredUnit(name=U1.name, system="D1", node=3, up_mw=2.0, down_mw=0.0)
    }
    assert process.register.pool_mw("A", DOWN, "aFRR") == 0.0
    rows = {
        r["unit"]: (r["event"], r["reason"]) for r in process.top.table("flexibility_register") if r["unit"]
    }
    assert rows == {U1.name: ("qualified", RED), U2.name: ("refused", RED)}


def test_a_unit_that_fails_its_renewal_leaves_the_register() -> None:
    """It is reported as refused: it may not go on selling on the strength of its first test."""
    process = Process()
    process.qualify(U1, U2)
    process.tests["D2"] = AssetTest({})  # unit 2 has been disconnected
    process.qualify(U1, U2)
    assert (U2.name, "", "refused") in process.events()
    assert set(process.register.units("A")) == {U1.name}


def test_bad_delivery_in_a_row_costs_the_qualification() -> None:
    process = Process()
    process.qualify(U1)
    process.top.now = 1000
    process.judge(1.0, 0.89, 1.21)  # the band is 0.9 to 1.2 MW
    assert process.register.qualified("A", "aFRR", 1000)
    assert not process.top.take(QualificationMessage)
    process.judge(-1.0, -0.5)
    (answer,) = process.top.take(QualificationMessage)
    assert (answer.receiver, answer.services) == ("A", ())
    assert answer.reason == f"delivered outside the band in {STRIKES} ISPs in a row"
    # mFRR is withdrawn, and aFRR that rests on it. Local capacity asks for less.
    assert [process.register.qualified("A", s, 1000) for s in ("aFRR", "mFRR", "LFM")] == [False, False, True]
    assert {(s, e) for _, s, e in process.events() if e == "withdrawn"} == {
        ("mFRR", "withdrawn"),
        ("aFRR", "withdrawn"),
    }


@pytest.mark.parametrize(
    ("ordered", "delivered"),
    [
        (1.0, (0.5, 0.5, 0.95, 0.5, 0.5)),  # good delivery in between wipes the slate clean
        (1.0, (0.9, 1.2, 0.9, 1.2)),
        (-1.0, (-0.9, -1.2, -1.0)),
        (SMALL_MW, (0.0, 0.0, 0.0, 0.0)),  # too small to be judged
        (-SMALL_MW, (1.0, 1.0, 1.0, 1.0)),
    ],
)
def test_who_delivers_well_now_and_then_keeps_it(ordered: float, delivered: Sequence[float]) -> None:
    process = Process()
    process.qualify(U1)
    process.judge(ordered, *delivered)
    assert process.register.qualified("A", "aFRR", 1)
    assert not process.top.take(QualificationMessage)


def test_a_group_is_judged_in_every_place() -> None:
    # 5 MW up in one area and 5 MW down in the other, and nothing comes: zero of zero, and yet all is missing.
    process = Process()
    process.qualify(U1)
    for _ in range(STRIKES):
        process.judge_places({"D1": (5.0, 0.0), "D2": (-5.0, 0.0)})
    assert not process.register.qualified("A", "aFRR", 1)
    # What one area has too little of, another does not make good.
    process = Process()
    process.qualify(U1)
    for _ in range(STRIKES - 1):
        process.judge_places({"D1": (5.0, 6.0), "D2": (5.0, 4.0)})
    assert process.register.qualified("A", "aFRR", 1)
    process.judge_places({"D1": (5.0, 6.0), "D2": (5.0, 4.0)})
    assert not process.register.qualified("A", "aFRR", 1)


def test_moving_the_wrong_way_is_bad_delivery_and_small_orders_do_not_break_a_row() -> None:
    process = Process()
    process.qualify(U1)
    process.judge(-1.0, 1.0, 1.0)
    process.judge(SMALL_MW, SMALL_MW)
    process.judge(-1.0, 1.0)
    assert not process.register.qualified("A", "aFRR", 1)


def test_a_suspended_group_is_refused_until_its_suspension_ends() -> None:
    process = Process()
    process.qualify(U1)
    process.top.now = 1000
    process.judge(1.0, *[0.0] * STRIKES)
    process.top.take(QualificationMessage)
    process.top.now = 1000 + SUSPENSION_S - 1
    assert process.ask(U1) == []  # no test is requested
    (answer,) = process.top.take(QualificationMessage)
    assert (answer.services, answer.reason) == ((), "suspended for repeated non-delivery")
    assert not process.register.qualified("A", "mFRR", process.top.now)
    process.top.now = 1000 + SUSPENSION_S
    assert process.qualify(U1).services == ("aFRR", "mFRR", "LFM")
    assert process.register.qualified("A", "mFRR", process.top.now)
    # The slate is clean: it takes as many strikes again.
    process.judge(1.0, *[0.0] * (STRIKES - 1))
    assert process.register.qualified("A", "mFRR", process.top.now)
    process.judge(1.0, 0.0)
    assert not process.register.qualified("A", "mFRR", process.top.now)


def test_a_group_suspended_while_its_test_is_under_way_is_not_qualified_by_it() -> None:
    process = Process()
    process.qualify(U1)
    process.top.now = VALID_S - 100
    (request,) = process.ask(U1)  # a renewal
    process.judge(1.0, *[0.0] * STRIKES)
    process.answer(request)
    assert not process.register.qualified("A", "mFRR", process.top.now)


def _applicant(top: RecordingContext, units: tuple[RegisteredUnit, ...] = (G, U1)) -> Applicant:
    return Applicant(
        name="A",
        context=top.context,
        operator="TSO",
        service="aFRR",
        units=units,
        fast_mw=[FAST[u.name] for u in units],
        renew_s=200,
    )


def test_an_applicant_asks_until_it_is_qualified_and_renews_before_it_ends() -> None:
    top = RecordingContext(now=-1000)
    applicant = _applicant(top)
    applicant.apply(7)
    (asked,) = top.take(AssetsMessage)
    assert (asked.sender, asked.receiver, asked.provider, asked.isp) == ("A", "TSO", "A", 7)
    assert (asked.service, asked.units, asked.fast_mw) == ("aFRR", (G, U1), (FAST["G"], FAST[U1.name]))
    applicant.on_qualification(QualificationMessage("TSO", "A", 7, reason="no unit passed its test"))
    applicant.apply(8)
    assert len(top.take(AssetsMessage)) == 1
    applicant.on_qualification(QualificationMessage("TSO", "A", 8, services=("mFRR", "LFM"), until_s=600))
    for now, asks in ((-900, 0), (399, 0), (400, 1), (700, 1)):  # 200 s before the end, and after it
        top.now = now
        applicant.apply(9)
        assert len(top.take(AssetsMessage)) == asks
    applicant.on_qualification(QualificationMessage("TSO", "A", 9, services=("mFRR", "LFM"), until_s=5000))
    applicant.apply(10)
    assert not top.sent
    applicant.on_qualification(QualificationMessage("TSO", "A", 10, reason="delivered outside the band"))
    applicant.apply(11)
    assert len(top.take(AssetsMessage)) == 1
    _applicant(top, ()).apply(12)  # who has no units asks for nothing
    assert not top.sent


def test_applicant_and_desk_together_keep_a_group_qualified_without_a_gap() -> None:
    process = Process()
    applicant = _applicant(process.top)
    gaps: list[Any] = []
    for now in range(-2000, 4 * VALID_S, 150):
        process.top.now = now
        if now > -2000 and not process.register.qualified("A", "aFRR", now):
            gaps.append(now)
        applicant.apply(0)
        for asked in process.top.take(AssetsMessage):
            for request in process.ask(*asked.units):
                process.answer(request)
        for answer in process.top.take(QualificationMessage):
            applicant.on_qualification(answer)
    assert gaps == []
    asked_for = [e for e in process.events() if e == ("", "aFRR", "qualified")]
    assert len(asked_for) == 5  # first at -2000, then every 9 900 s: 150 s steps, 200 s ahead
