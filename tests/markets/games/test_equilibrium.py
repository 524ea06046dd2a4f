"""Small games with known answers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.errors import NoEquilibriumError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.games.equilibrium import Play, best_response, gains, iterate
from tests.markets.auction_game import AuctionGame

GRID = np.arange(20.0, 101.0, 4.0)
COST = np.array([20.0, 20.0])
CAP = (20, 20)  # the highest of 21 prices, both


def _prices(game: AuctionGame, play: Play) -> FloatArray:
    """Prices (profiles, n) that a play ends in."""
    return np.array([game.prices_of(profile) for profile in play.profiles])


def test_ample_capacity_brings_prices_down_to_one_step_above_cost() -> None:
    """Either could serve all (Bertrand): who is served second gains by undercutting down to 24."""
    game = AuctionGame(capacity_mw=np.array([10.0, 10.0]), cost=COST, need_mw=10.0, prices=GRID)
    play = iterate(game, (10, 10))
    assert play.is_equilibrium
    assert play.gain == 0.0
    assert _prices(game, play).min() == 24.0
    assert gains(game, play.profiles[0]).max() == 0.0


@pytest.mark.parametrize("pricing", ["pay-as-bid", "pay-as-cleared"])
def test_a_pivotal_seller_goes_to_the_cap(pricing: Literal["pay-as-bid", "pay-as-cleared"]) -> None:
    """10 MW of 15 come from a rival at cost; the other 5 MW only from the second seller."""
    game = AuctionGame(
        capacity_mw=np.array([10.0, 10.0]), cost=COST, need_mw=20.0, prices=GRID, pricing=pricing
    )
    play = iterate(game, (0, 0))
    assert play.is_equilibrium
    assert _prices(game, play).max() == 100.0


def test_tight_capacity_goes_in_circles() -> None:
    """Edgeworth: undercut from the cap down to 60, where 5 MW at the cap pay as much, and up again."""
    game = AuctionGame(capacity_mw=np.array([10.0, 10.0]), cost=COST, need_mw=15.0, prices=GRID)
    play = iterate(game, CAP)
    assert not play.is_equilibrium
    assert play.gain > 0.0
    prices = _prices(game, play)
    assert prices.min() == pytest.approx(60.0, abs=4.0)
    assert prices.max() == 100.0


def test_cleared_prices_admit_an_equilibrium_where_bids_do_not() -> None:
    """The same sellers paid as cleared: one bids low and sells all, the other sets the cap."""
    game = AuctionGame(
        capacity_mw=np.array([10.0, 10.0]), cost=COST, need_mw=15.0, prices=GRID, pricing="pay-as-cleared"
    )
    play = iterate(game, CAP)
    assert play.is_equilibrium
    assert _prices(game, play).max() == 100.0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_best_response_never_earns_less_than_the_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    cost = rng.integers(20, 40, n).astype(np.float64)
    game = AuctionGame(
        capacity_mw=rng.integers(1, 10, n).astype(np.float64),
        cost=cost,
        need_mw=float(rng.integers(1, 20)),
        prices=GRID,
    )
    played = tuple(int(rng.integers(0, moves)) for moves in game.moves)
    for seller in range(n):
        truth = (*played[:seller], 0, *played[seller + 1 :])
        assert best_response(game, seller, played)[1] >= game.profits(truth)[seller] - 1e-9


def test_a_cycle_of_two_does_not_depend_on_who_is_listed_first() -> None:
    """Every turn of the cycle counts, not only those behind the last player."""
    means = []
    for cost in ([20.0, 24.0], [24.0, 20.0]):
        game = AuctionGame(capacity_mw=np.array([10.0, 10.0]), cost=np.array(cost), need_mw=15.0, prices=GRID)
        play = iterate(game, tuple(moves - 1 for moves in game.moves))
        assert not play.is_equilibrium
        found = np.array([game.profits(profile) for profile in play.profiles])
        means.append(float(found.sum(axis=1).mean()))
        for one, two in zip(play.profiles, play.profiles[1:], strict=False):
            assert sum(a != b for a, b in zip(one, two, strict=True)) <= 1  # one player moves at a time
    assert means[0] == pytest.approx(means[1], rel=0.05)


def test_what_does_not_end_in_time_says_so() -> None:
    game = AuctionGame(capacity_mw=np.array([10.0, 10.0]), cost=COST, need_mw=15.0, prices=GRID)
    with pytest.raises(NoEquilibriumError, match="within 2 rounds"):
        iterate(game, CAP, most_rounds=2)
