"""Schemes as values: checked when built, views of declared entries only, run through their gates."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tandem_sim.grids.errors import RoundsError, SchemeError, UnknownEntryError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.local_and_tso import DsoMarket, ForwardBids, TsoMarket
from tandem_sim.markets.cases.clear import clear_case, open_case
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.block import TSO, Block, Party, Repeat, Scheme, View, Written
from tandem_sim.markets.coordination.driver import run_scheme, view_of
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.coordination.information import KINDS_SHARED
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState, not_known
from tandem_sim.markets.schemes import GRID, OFFERS, SCHEMES
from tandem_sim.testing import check_block, check_declaration, check_scheme
from tests.markets.small import random_case

NO_ROUNDS = sorted(n for n, s in SCHEMES.items() if all(isinstance(step, Block) for step in s.steps))


def _world(seed: int = 5, scheme: str = "common") -> tuple[OperatorState, Ledger]:
    return open_case(random_case(np.random.default_rng(seed)), SCHEMES[scheme])


@dataclass(frozen=True, kw_only=True)
class Wider(AreaState):
    """A state with entries that only blocks of these tests know."""

    envelope: FloatArray = field(default_factory=not_known)
    x: int = field(default_factory=not_known)
    secret: int = field(default_factory=not_known)


@dataclass(frozen=True, kw_only=True)
class Probe(Block):
    """A block whose every part a test may choose."""

    name: str = "probe"
    gate: str = "forward"
    party: Party = "dso"
    reads: tuple[str, ...] = ("area.bids",)
    writes: tuple[str, ...] = ("area.sold",)
    run: Callable[[str, View], Written] = lambda system, view: Written()

    def __call__(self, system: str, view: View) -> Written:
        return self.run(system, view)


def _scheme(*steps: Block | Repeat, shared: frozenset[str] = OFFERS | GRID) -> Scheme:
    return Scheme(
        name="trial", steps=steps, shared=shared, source="a test", summary="a test", area_state=Wider
    )


@pytest.mark.parametrize(
    ("steps", "shared", "why"),
    [
        (
            [Probe(reads=("area.envelope",))],
            frozenset(),
            "block probe reads area.envelope, which is neither given nor written by a block before it",
        ),
        (
            [Probe(party="tso", gate="tso_clear", reads=("area.bids",))],
            frozenset({"area.offers"}),
            "block probe reads area.bids outside the state of the tso, but the scheme does not share it",
        ),
        (
            [Probe(reads=("tso.grid",))],
            frozenset(),
            "block probe reads tso.grid outside the state of the dso, but the scheme does not share it",
        ),
        (
            [Probe(gate="forward"), Probe(name="late", gate="dso_clear")],
            frozenset(),
            "block late stands at gate dso_clear, before gate forward",
        ),
        ([Probe(gate="noon")], frozenset(), "block probe stands at gate noon, which does not exist"),
        ([Probe(writes=("area.offers",))], frozenset(), "no block writes the dispatch"),
        (
            [Probe(writes=("area.sold", "area.envelope"))],
            frozenset(),
            "block probe writes area.envelope, which is no entry of AreaState or SystemState",
        ),
        ([], frozenset(), "no block writes the dispatch"),
        (
            [Repeat((Probe(reads=("area.envelope",)),), lambda states: True, 3)],
            frozenset(),
            "block probe reads area.envelope",
        ),
    ],
)
def test_badly_composed_schemes_are_refused(
    steps: list[Block | Repeat], shared: frozenset[str], why: str
) -> None:
    with pytest.raises(SchemeError) as error:
        Scheme(name="trial", steps=tuple(steps), shared=shared, source="a test", summary="a test")
    assert str(error.value).startswith("scheme trial: ")
    assert why in str(error.value)


def test_an_entry_written_earlier_may_be_read() -> None:
    first = Probe(writes=("area.envelope",))
    second = Probe(name="second", reads=("area.envelope",))
    assert [b.name for b in _scheme(first, second).blocks] == ["probe", "second"]
    with pytest.raises(SchemeError, match=r"block second reads area\.envelope"):
        _scheme(second, first)


def test_view_holds_declared_reads_and_nothing_else() -> None:
    states, _ = _world()
    dso = view_of(Probe(reads=("area.bids", "area.sold", "tso.grid")), "D2", states)
    assert set(dso.area.entries()) == {"bids", "sold"}
    assert dso.area.bids is states.area("D2").bids
    assert dso.areas == {}
    assert set(dso.tso.entries()) == {"grid"}
    tso = view_of(Probe(party="tso", reads=("area.offers", "tso.bids")), TSO, states)
    assert set(tso.tso.entries()) == {"bids"}
    assert tso.area.entries() == {}
    seen = {area: set(state.entries()) for area, state in tso.areas.items()}
    assert seen == {"D1": {"offers"}, "D2": {"offers"}}


def test_what_is_not_known_is_named_with_its_system_and_isp() -> None:
    states = OperatorState(isp=7)
    states.update("D1", AreaState(exchange=1.5))
    assert states.area("D1").exchange == 1.5
    assert not states.area("D1").knows("grid")
    with pytest.raises(UnknownEntryError, match=r"^area\.grid of D1 is not known in ISP 7$"):
        _ = states.area("D1").grid
    with pytest.raises(UnknownEntryError, match=r"^tso\.need of T is not known in ISP 7$"):
        _ = states.tso.need
    with pytest.raises(UnknownEntryError, match=r"^area\.bids of D1 is not known in ISP 7$"):
        view_of(Probe(), "D1", states)
    with pytest.raises(AttributeError, match="AreaState has no entry gird"):
        _ = states.area("D1").gird  # type: ignore[attr-defined]


def test_a_block_that_reads_more_than_it_declares_is_named() -> None:
    states, _ = _world()
    view = view_of(Probe(reads=("area.bids",)), "D1", states)
    with pytest.raises(UnknownEntryError, match=r"^block probe reads area\.sold of D1 without declaring it$"):
        _ = view.area.sold


def test_states_keep_what_they_know_when_they_are_pickled_and_completed() -> None:
    states, _ = _world()
    again = pickle.loads(pickle.dumps(states))
    assert set(again.area("D1").entries()) == set(states.area("D1").entries())
    known, default = AreaState(system="D1", exchange=1.0), AreaState(exchange=0.0, accepted=False)
    assert known.completed(default).entries() == {"exchange": 1.0, "accepted": False}
    assert known.updated(default).entries() == {"exchange": 0.0, "accepted": False}
    assert known.updated(default).system == "D1"
    assert known.part(["exchange", "boundary"]).entries() == {"exchange": 1.0}


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_blocks_are_values_that_can_be_pickled(name: str) -> None:
    for block in SCHEMES[name].blocks:
        assert pickle.loads(pickle.dumps(block)) == block
        with pytest.raises(AttributeError):
            block.gate = "settle"  # type: ignore[misc]


def test_a_block_never_sees_what_it_does_not_declare() -> None:
    seen: list[tuple[str, set[str], set[str]]] = []

    def run(system: str, view: View) -> Written:
        seen.append((system, set(view.area.entries()), set(view.tso.entries())))
        return Written()

    states, ledger = _world()
    run_scheme(_scheme(Probe(reads=("area.sold",), run=run)), states, ledger)
    assert seen == [("D1", {"sold"}, set()), ("D2", {"sold"}, set())]


@pytest.mark.parametrize("name", NO_ROUNDS)
def test_every_scheme_keeps_the_contract(name: str) -> None:
    for block in SCHEMES[name].blocks:
        check_declaration(block)
    check_scheme(SCHEMES[name], *_world(scheme=name))


def test_the_contract_can_fail() -> None:
    states, _ = _world()

    def mutate(system: str, view: View) -> Written:
        view.area.sold[:] = 1.0
        return Written()

    with pytest.raises(ValueError, match="read-only"):
        check_block(Probe(reads=("area.sold",), run=mutate), "D1", states)
    spill = Probe(run=lambda system, view: Written(areas={system: Wider(secret=1)}))
    with pytest.raises(AssertionError, match=r"writes area\.secret without declaring it"):
        check_block(spill, "D1", states)
    draws = iter(range(9))
    moody = Probe(writes=("area.x",), run=lambda system, view: Written(areas={system: Wider(x=next(draws))}))
    with pytest.raises(AssertionError, match="is not a function of its view"):
        check_block(moody, "D1", states)
    thief = Probe(run=lambda system, view: Written(sales={"D2": Sale.of(np.zeros(10), np.zeros(10))}))
    with pytest.raises(AssertionError, match="sells another's bids"):
        check_block(thief, "D1", states)


def _counting(stop_at: int) -> tuple[Block, Any, list[str]]:
    runs: list[str] = []

    def run(system: str, view: View) -> Written:
        runs.append(system)
        return Written()

    def until(states: OperatorState) -> bool:
        return len(runs) >= 2 * stop_at  # two areas a round

    return Probe(run=run), until, runs


def test_repeat_ends_when_its_condition_holds() -> None:
    block, until, runs = _counting(stop_at=3)
    run_scheme(_scheme(Repeat((block,), until, max_rounds=3)), *_world())
    assert runs == ["D1", "D2"] * 3


def test_repeat_that_does_not_end_says_who_disagreed() -> None:
    block, until, runs = _counting(stop_at=4)
    with pytest.raises(RoundsError, match="scheme trial: probe did not agree within 3 rounds"):
        run_scheme(_scheme(Repeat((block,), until, max_rounds=3)), *_world())
    assert len(runs) == 6


def test_information_shared_lists_what_leaves_its_house() -> None:
    assert SCHEMES["fragmented"].information_shared() == ("area.exchange",)
    unlimited = set(SCHEMES["multilevel-01"].information_shared())
    full = set(SCHEMES["multilevel-04"].information_shared())
    assert "area.grid" not in unlimited
    assert full - unlimited == {"area.grid", "area.sold"}


def test_information_is_counted_from_what_blocks_read() -> None:
    # Two areas of 10 bids each; a bid is 4 numbers, and the TSO reads offers (one each) and the exchange.
    case = random_case(np.random.default_rng(5))
    counts = {name: clear_case(case, SCHEMES[name]).information for name in SCHEMES}
    assert counts["fragmented"] == {**dict.fromkeys(KINDS_SHARED, 0), "numbers": 2}
    assert counts["central-01"]["bids"] == 20
    assert counts["central-01"]["bid_limits"] == 20
    assert counts["central-01"]["numbers"] == 20 * 4 + 20 + 2
    assert (
        counts["multilevel-03"] == counts["multilevel-01"]
    )  # envelopes travel in place of what is forwarded
    rows = sum(len(a.rows.limit_mw) + len(a.rows.w_pu2) for a in case.areas.values())
    assert counts["common"]["grid_rows"] == rows
    assert counts["integrated"]["bids"] == 30  # the independent operator also reads what the TSO has
    assert counts["aggregation"]["bids"] == counts["aggregation"]["grid_rows"] == 0
    assert counts["aggregation"]["supply_points"] > 0


def test_gates_are_one_order_without_repetition() -> None:
    assert len(set(GATES)) == len(GATES)
    around = ("dso_clear", "forward", "prequalify", "tso_clear", "deliver", "settle")
    place = [GATES.index(gate) for gate in around]
    assert place == sorted(place)


def test_bids_without_consent_are_not_forwarded() -> None:
    states, ledger = _world()
    book = states.area("D1").bids
    consent = np.arange(len(book)) % 2 == 0
    object.__setattr__(book, "forwardable", consent)
    states.book_sold("D1", ledger.sold("D1"))
    written = check_block(ForwardBids(), "D1", states)
    offers = written.areas["D1"].offers
    assert (offers[~consent] == 0.0).all()
    assert (offers[consent] == book.quantity_mw[consent]).all()


def test_local_market_keeps_the_interface_where_it_is() -> None:
    states, _ = _world(seed=11)
    for area in ("D1", "D2"):
        written = check_block(DsoMarket(), area, states)
        answer, book = written.areas[area].local, states.area(area).bids
        net = float(book.direction @ answer.quantity_mw)
        assert written.areas[area].exchange == net
        assert net == pytest.approx(answer.long_mw - answer.short_mw, abs=1e-6)


def test_tso_market_serves_the_need_from_both_sides() -> None:
    states, _ = _world()
    written = check_block(TsoMarket(), TSO, states)
    need, answer = written.tso.need, written.tso.balancing
    delivered = sum(
        float(states.of(system).bids.direction @ award) for system, award in written.awards.items()
    )
    assert delivered + answer.short_mw - answer.long_mw == pytest.approx(need, abs=1e-7)
    assert set(written.awards) == {TSO, "D1", "D2"}
    alone = check_block(TsoMarket(der=False), TSO, states)
    assert set(alone.awards) == {TSO}
    assert alone.tso.balancing.cost_eur_per_h >= answer.cost_eur_per_h - 1e-9
