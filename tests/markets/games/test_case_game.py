"""Games on cases small enough to compute by hand: mark-ups, increase-decrease gaming, and mitigation."""

from __future__ import annotations

import numpy as np
import pytest

from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.games.case_game import (
    TRUTH,
    CaseGame,
    Move,
    Plan,
    Rules,
    case_game,
    with_contracts,
    with_owners,
)
from tandem_sim.markets.games.equilibrium import best_response, gains, iterate
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import book, feeder, system

PLAN = {"gamer": [Plan(system="D", node=2, direction=1, mw=5.0, worth_eur_per_mwh=30.0)]}
MOVES = (TRUTH, Move(planned=1.0), Move(20.0, planned=1.0), Move(45.0, planned=1.0))
LOCAL = ("multilevel-01", "multilevel-03", "common")


def _lv_feeder(limit_mw: float) -> Case:
    """3 MW behind a branch; relief costs 80 EUR/MWh, and whoever takes more elsewhere pays 35."""
    bids = book(("rival", 2, 1, 10.0, 80.0), ("sink", 0, -1, 10.0, 35.0))
    return system(0.0, Bids.empty(), D=feeder(bids, limit_mw, (0.0, -3.0)))


def _inc_dec(limit_mw: float, scheme: str, rules: Rules | None = None) -> CaseGame:
    return case_game(
        _lv_feeder(limit_mw),
        SCHEMES[scheme],
        ["gamer"],
        MOVES,
        PLAN,
        40.0,
        Rules() if rules is None else rules,
    )


@pytest.mark.parametrize("scheme", LOCAL)
def test_inc_dec_is_paid_to_relieve_what_it_created(scheme: str) -> None:
    """Planned 5 MW load the branch of 4 MW with 8: 4 MW are bought back at 75, just below the rival.

    (75 - 30) * 4 on what is called, less (40 - 30) * 5 lost on the plan: 130 EUR/h.
    """
    game = _inc_dec(4.0, scheme)
    play = iterate(game, game.truth)
    assert play.profiles == ((3,),)
    assert game.profits((3,)) == pytest.approx([130.0], abs=1e-3)
    assert game.result((3,)).paid_eur_per_h == pytest.approx(4.0 * (75.0 - 35.0), abs=1e-3)
    assert game.result(game.truth).paid_eur_per_h == 0.0


@pytest.mark.parametrize("scheme", LOCAL)
def test_inc_dec_earns_nothing_where_nothing_is_congested(scheme: str) -> None:
    game = _inc_dec(100.0, scheme)
    assert iterate(game, (3,)).profiles == (game.truth,)
    assert game.profits(game.truth).tolist() == [0.0]
    for played in range(1, 4):
        assert game.profits((played,)) == pytest.approx([-50.0])  # the plan alone


def test_no_pay_to_causers_ends_it() -> None:
    """Of the 4 MW it relieves it caused all: only the day-ahead price of what it does not take is left."""
    game = _inc_dec(4.0, "multilevel-03", Rules(pays_causers=False))
    assert game.profits((3,)) == pytest.approx([130.0 - 4.0 * (75.0 - 40.0)], abs=1e-3)
    assert game.result((3,)).unpaid_eur_per_h == pytest.approx(140.0, abs=1e-3)
    assert iterate(game, game.truth).profiles == (game.truth,)


def test_a_cap_takes_the_mark_up_away() -> None:
    game = _inc_dec(4.0, "multilevel-03", Rules(cap_eur_per_mwh=40.0))
    assert game.profits((3,)) == pytest.approx([4.0 * 10.0 - 50.0], abs=1e-3)
    assert iterate(game, game.truth).profiles == (game.truth,)


def test_a_plan_of_production_is_bought_back_below_the_day_ahead_price() -> None:
    """Behind an export limit of 4 MW with 3 MW of generation: 5 MW at 50 sold day-ahead for 40, back at 5."""
    bids = book(("rival", 2, -1, 10.0, 0.0), ("source", 0, 1, 10.0, 60.0))
    case = system(0.0, Bids.empty(), D=feeder(bids, 4.0, (0.0, 3.0)))
    plans = {"gamer": [Plan(system="D", node=2, direction=-1, mw=5.0, worth_eur_per_mwh=50.0)]}
    game = case_game(case, SCHEMES["common"], ["gamer"], (TRUTH, Move(45.0, planned=1.0)), plans, 40.0)
    assert game.profits((1,)) == pytest.approx([4.0 * (50.0 - 5.0) - 5.0 * (50.0 - 40.0)], abs=1e-3)


def _loaded(price_of_last: float = 90.0) -> Case:
    """A branch of 4 MW loaded with 6: two sellers of 1.5 MW at 20 EUR/MWh, a third far dearer."""
    bids = book(
        ("one", 2, 1, 1.5, 20.0),
        ("two", 2, 1, 1.5, 20.0),
        ("three", 2, 1, 5.0, price_of_last),
        ("sink", 0, -1, 10.0, 10.0),
    )
    return system(0.0, Bids.empty(), D=feeder(bids, 4.0, (0.0, -6.0)))


def test_owning_both_cheap_sellers_raises_the_price_to_the_next() -> None:
    """Apart they undercut to where half a MW left by the other pays as much; as one, both ask 89."""
    markups = [TRUTH, *(Move(float(m)) for m in (10, 30, 50, 69, 75))]
    together = with_owners(_loaded(), {"one": "both", "two": "both"})
    game = case_game(together, SCHEMES["multilevel-03"], ["both"], markups)
    assert game.profits(iterate(game, game.truth).profiles[0]) == pytest.approx([2.0 * 69.0], abs=1e-3)
    apart = case_game(_loaded(), SCHEMES["multilevel-03"], ["one", "two"], markups)
    play = iterate(apart, apart.truth)
    assert np.mean([apart.profits(p).sum() for p in play.profiles]) < 2.0 * 69.0


def test_contracts_bind_the_part_under_them() -> None:
    case = with_contracts(with_owners(_loaded(), {"one": "both", "two": "both"}), 0.5)
    game = case_game(
        case, SCHEMES["multilevel-03"], ["both"], (TRUTH, Move(60.0)), rules=Rules(strike_markup=5.0)
    )
    assert game.profits((1,)) == pytest.approx([1.5 * 5.0 + 0.5 * 60.0], abs=1e-3)


def test_withheld_power_and_cached_profiles() -> None:
    game = case_game(_loaded(), SCHEMES["multilevel-03"], ["one"], (TRUTH, Move(0.0, 0.5)))
    assert game.result((1,)).played is game.result((1,)).played
    assert game.variant(1).moves == (1,)
    assert game.variant(1).result((0,)).played is game.result((0,)).played
    assert game.result((1,)).played.sold_mw["D"].sum() == pytest.approx(4.0)  # 2 up, 2 down
    assert gains(game, (0,)).tolist() == [0.0]
    assert best_response(game, 0, (1,)) == (0, 0.0)


def test_a_pivotal_seller_is_held_to_the_reference_and_a_rival_is_not() -> None:
    markups = (TRUTH, Move(50.0))
    held = build_schemes(Options(mitigation=True, reference_up_eur_per_mwh=40.0))["multilevel-03"]
    free = SCHEMES["multilevel-03"]
    alone = system(
        0.0,
        Bids.empty(),
        D=feeder(book(("one", 2, 1, 5.0, 20.0), ("sink", 0, -1, 10.0, 10.0)), 4.0, (0.0, -6.0)),
    )
    paid = [case_game(alone, s, ["one"], markups).profits((1,))[0] for s in (free, held)]
    assert paid == pytest.approx([2.0 * 50.0, 2.0 * 20.0], abs=1e-3)
    paid = [case_game(_loaded(75.0), s, ["one"], markups).profits((1,))[0] for s in (free, held)]
    assert paid == pytest.approx([0.5 * 50.0] * 2, abs=1e-3)  # the third could do it, at 75


def test_pooled_dsos_find_the_other_side_in_each_other() -> None:
    """D must be relieved by 2 MW and has nobody to take them up; E has."""
    d = feeder(book(("one", 2, 1, 5.0, 20.0)), 4.0, (0.0, -6.0), "D")
    e = feeder(book(("sink", 2, -1, 5.0, 15.0)), 100.0, (0.0, -1.0), "E")
    case = system(0.0, Bids.empty(), D=d, E=e)
    pooled = build_schemes(Options(perimeter="pooled"))["multilevel-01"]
    own, both = (
        case_game(case, s, ["one"], (TRUTH,)).result((0,)).played for s in (SCHEMES["multilevel-01"], pooled)
    )
    assert own.penalty_eur_per_h > 1e3
    assert both.penalty_eur_per_h == pytest.approx(0.0, abs=1e-3)
    assert both.sold_mw["D"] == pytest.approx([2.0])
    assert both.sold_mw["E"] == pytest.approx([2.0])
    assert both.paid_eur_per_h == pytest.approx({"D": 40.0, "E": -30.0, "T": 0.0}, abs=1e-3)
    assert both.unserved_mw == pytest.approx(0.0, abs=1e-9)


def test_what_makes_no_game_is_refused() -> None:
    with pytest.raises(ValueError, match="first move of one must be the truth"):
        case_game(_loaded(), SCHEMES["common"], ["one"], (Move(5.0),))
    cheap = {"gamer": [Plan(system="D", node=2, direction=1, mw=5.0, worth_eur_per_mwh=50.0)]}
    with pytest.raises(ValueError, match="is profitable without activation"):
        case_game(_lv_feeder(4.0), SCHEMES["common"], ["gamer"], MOVES, cheap, 40.0)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        with_contracts(_loaded(), np.inf)
