"""How games end, in figures: a game without an end has none, and a market that fails is not taken for one."""

from __future__ import annotations

import json

import pytest

from tandem_sim.experiments.market_power import game as game_figures
from tandem_sim.experiments.market_power.game import figures
from tandem_sim.grids.errors import ClearingError, NoEquilibriumError
from tandem_sim.markets.games.case_game import TRUTH, CaseGame, Move, case_game
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import SCHEMES
from tests.markets.hand import book, feeder, system


def _game() -> CaseGame:
    bids = book(("one", 2, 1, 5.0, 20.0), ("sink", 0, -1, 10.0, 10.0))
    case = system(0.0, Bids.empty(), D=feeder(bids, 4.0, (0.0, -6.0)))
    return case_game(case, SCHEMES["multilevel-03"], ["one"], (TRUTH, Move(50.0)))


def test_a_monopolist_in_figures() -> None:
    """2 MW of relief at 20, taken up elsewhere at 10: 20 EUR/h; with the mark-up 120."""
    found = figures(_game())
    assert (found["end"], found["profiles"], found["markup"]) == ("equilibrium", 1, 50.0)
    assert found["paid_truthful"] == pytest.approx(20.0, abs=1e-3)
    assert found["paid"] == pytest.approx(120.0, abs=1e-3)
    assert found["profit"] == pytest.approx(100.0, abs=1e-3)
    assert found["cost"] == pytest.approx(found["cost_truthful"], abs=1e-3)


def test_a_game_without_an_end_has_no_figures_but_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*given: object) -> None:
        raise NoEquilibriumError("neither")

    monkeypatch.setattr(game_figures, "iterate", endless)
    found = figures(_game())
    assert found["end"] == "none"
    assert (found["profit"], found["paid"], found["gain"]) == (None, None, None)
    assert found["paid_truthful"] == pytest.approx(20.0, abs=1e-3)
    json.dumps(found, allow_nan=False)


def test_a_market_without_a_solution_is_no_endless_game(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise ClearingError("dso_market: the market has no solution")

    monkeypatch.setattr(game_figures, "iterate", broken)
    with pytest.raises(ClearingError):
        figures(_game())
