"""Strategies: what may be offered, and that learners find what theory says."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

import agents.strategies
from agents.learners import Exp3, MarkupLearner, QLearning, RothErev
from agents.strategies import (
    FixedMarkup,
    Offers,
    OfferView,
    Outcome,
    Strategy,
    StrategyError,
    Truthful,
    Withholding,
    checked,
)
from agents.strategy_table import STRATEGIES, build_strategy
from grids.arrays import FloatArray
from grids.errors import InputError

LEARNERS: tuple[type[MarkupLearner], ...] = (RothErev, QLearning, Exp3)


def _view(isp: int = 0, quantity: float = 10.0, cost: float = 20.0) -> OfferView:
    return OfferView(isp, 40.0, np.array([1]), np.array([quantity]), np.array([cost]), -500.0, 100.0)


def test_known_strategies_offer_what_they_say() -> None:
    view = OfferView(3, 40.0, np.array([1, -1]), np.array([2.0, 4.0]), np.array([30.0, 10.0]), -5.0, 35.0)
    np.testing.assert_array_equal(checked(Truthful(), view, "A").price, [30.0, 10.0])
    np.testing.assert_array_equal(checked(FixedMarkup(12.0), view, "A").price, [35.0, -2.0])  # up to the cap
    np.testing.assert_array_equal(checked(Withholding(0.25), view, "A").quantity_mw, [1.5, 3.0])


class _Rogue:
    """Offers whatever a test makes of a view."""

    learns = False

    def __init__(self, make: Callable[[OfferView], Offers]) -> None:
        self.offers = make

    def learn(self, outcome: Outcome) -> None:
        """Nothing."""


def _peek(view: OfferView) -> Offers:
    view.cost[:] = 0.0
    return Offers(view.cost, view.quantity_mw)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda v: Offers(v.cost * np.nan, v.quantity_mw), "prices must be finite"),
        (lambda v: Offers(v.cost, 2.0 * v.quantity_mw), "offers 20 MW of 10 MW that it owns"),
        (lambda v: Offers(v.cost, -v.quantity_mw), "a negative quantity"),
        (lambda v: Offers(v.cost + 1000.0, v.quantity_mw), "outside -500 to 100 EUR/MWh"),
        (lambda v: Offers(np.zeros(3), v.quantity_mw), r"prices have shape \(3,\)"),
        (_peek, "ValueError: assignment destination is read-only"),
        (lambda v: Offers(v.rivals, v.quantity_mw), "no attribute 'rivals'"),
    ],
)
def test_what_may_not_be_offered_is_named(make: Callable[[OfferView], Offers], problem: str) -> None:
    with pytest.raises(StrategyError, match=f"strategy _Rogue of A07, ISP 5: .*{problem}"):
        checked(_Rogue(make), _view(5), "A07")


def test_a_strategy_that_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents.strategies, "MOST_S", 0.001)

    def slow(view: OfferView) -> Offers:
        time.sleep(0.01)
        return Offers(view.cost, view.quantity_mw)

    with pytest.raises(StrategyError, match=r"more than 0\.001 s"):
        checked(_Rogue(slow), _view(), "A07")


def test_names_options_and_imports() -> None:
    rng = np.random.default_rng(1)
    for name in STRATEGIES:
        checked(build_strategy(name, {}, rng, "strategy"), _view(), "A01")
    own = build_strategy("tests.agents.test_strategies:Mine", {"extra": 3.0}, rng, "strategies.0")
    assert checked(own, _view(), "A01").price.tolist() == [23.0]
    for name, options, field in (
        ("fixed-markup", {"percent": 3}, "strategies.0.options"),
        ("withholding", {"share": 2.0}, "strategies.0.options"),
        ("no.such.module:X", {}, "strategies.0.name"),
        ("tests.agents.test_strategies:Mute", {}, "strategies.0.name"),
    ):
        with pytest.raises(InputError) as caught:
            build_strategy(name, options, rng, "strategies.0")
        assert caught.value.field == field


class Mine:
    """A user's strategy."""

    learns = False

    def __init__(self, extra: float) -> None:
        self.extra = extra

    def offers(self, view: OfferView) -> Offers:
        """Cost and something."""
        return Offers(view.cost + self.extra, view.quantity_mw)

    def learn(self, outcome: Outcome) -> None:
        """Nothing."""


class Mute:
    """No strategy."""


def _auction(
    sellers: list[Strategy], need: float, rounds: int, capacity: float, cost: float = 20.0
) -> FloatArray:
    """Repeated pay-as-bid auctions; prices (rounds, sellers). Equal prices share by turns."""
    prices = np.empty((rounds, len(sellers)))
    for isp in range(rounds):
        view = _view(isp, capacity, cost)
        prices[isp] = [checked(s, view, "A").price[0] for s in sellers]
        left = need
        turn = (np.arange(len(sellers)) + isp) % len(sellers)
        for k in np.lexsort((turn, prices[isp])).tolist():
            sold, left = min(capacity, left), left - min(capacity, left)
            one = np.array([sold])
            sellers[k].learn(Outcome(isp, np.array([capacity]), one, prices[isp, k] * one, cost * one))
    return prices


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learner_finds_the_one_arm_that_pays(kind: type[MarkupLearner]) -> None:
    """A rival at cost + 12 with ample capacity: dearer sells nothing, and of the rest 10 pays most."""
    learner = kind(np.random.default_rng(2), (0.0, 10.0, 20.0, 40.0))
    _auction([learner, FixedMarkup(12.0)], need=10.0, rounds=6000, capacity=10.0)
    assert int(np.argmax(learner.probabilities())) == 1
    assert learner.probabilities()[1] > 0.6


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_pivotal_seller_goes_to_the_cap(kind: type[MarkupLearner]) -> None:
    learner = kind(np.random.default_rng(3), (0.0, 20.0, 40.0, 80.0))
    prices = _auction([learner, Truthful()], need=20.0, rounds=4000, capacity=10.0)
    assert np.median(prices[-500:, 0]) == 100.0


@pytest.mark.parametrize("kind", LEARNERS)
def test_two_symmetric_sellers_with_ample_capacity_come_down_to_cost(kind: type[MarkupLearner]) -> None:
    """Either could serve all: undercutting step by step ends near marginal cost, where no step pays."""
    steps = np.arange(0.0, 31.0, 3.0).tolist()
    sellers: list[Strategy] = [kind(np.random.default_rng(seed), steps) for seed in (4, 5)]
    prices = _auction(sellers, need=10.0, rounds=20_000, capacity=10.0)
    assert np.median(prices[-2000:].min(axis=1)) <= 20.0 + 6.0


def test_a_learner_asked_twice_answers_the_same() -> None:
    learner = Exp3(np.random.default_rng(6))
    first = [learner.offers(_view(isp)).price[0] for isp in range(20)]
    assert [learner.offers(_view(isp)).price[0] for isp in range(20)] == first
