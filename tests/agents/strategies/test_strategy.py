"""Strategies: what may be offered, and that learners find what theory says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.parties.bidder import Bidder
from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.agents.strategies.best_response import BestResponse, served_in_order
from tandem_sim.agents.strategies.inc_dec import IncDec
from tandem_sim.agents.strategies.learners import MARKETS, Exp3, MarkupLearner, QLearning, RothErev
from tandem_sim.agents.strategies.registry import STRATEGIES, Permission, StrategyInputs, build_strategy
from tandem_sim.agents.strategies.strategy import (
    FixedMarkup,
    Offers,
    OfferView,
    PublishedBook,
    SellerResult,
    Strategy,
    Truthful,
    Withholding,
    checked,
)
from tandem_sim.grids.errors import InputError, StrategyError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.testing import check_strategy

TESTS = Permission(AllowedCode(("tests",)))
LEARNERS: tuple[type[MarkupLearner], ...] = (RothErev, QLearning, Exp3)


def _view(isp: int = 0, quantity: float = 10.0, cost: float = 20.0) -> OfferView:
    return OfferView(
        isp=isp,
        day_ahead_price=40.0,
        direction=np.array([1]),
        quantity_mw=np.array([quantity]),
        cost=np.array([cost]),
        price_floor=-500.0,
        price_cap=100.0,
    )


def test_known_strategies_offer_what_they_say() -> None:
    view = OfferView(
        isp=3,
        day_ahead_price=40.0,
        direction=np.array([1, -1]),
        quantity_mw=np.array([2.0, 4.0]),
        cost=np.array([30.0, 10.0]),
        price_floor=-5.0,
        price_cap=35.0,
    )
    np.testing.assert_array_equal(checked(Truthful(), view, "A").price, [30.0, 10.0])
    np.testing.assert_array_equal(checked(FixedMarkup(12.0), view, "A").price, [35.0, -2.0])  # up to the cap
    np.testing.assert_array_equal(checked(Withholding(0.25), view, "A").quantity_mw, [1.5, 3.0])


class _Rogue:
    """Offers whatever a test makes of a view."""

    learns = False

    def __init__(self, make: Callable[[OfferView], Offers]) -> None:
        self.offers = make

    def learn(self, outcome: SellerResult) -> None:
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
        (lambda v: Offers(cast(Any, ["dear"]), v.quantity_mw), "ValueError: could not convert string"),
        (lambda v: Offers(cast(Any, [None]), v.quantity_mw), "prices must be finite"),
        (lambda v: (v.cost, v.quantity_mw), "answers tuple instead of Offers"),
        (lambda v: Offers(v.cost, v.quantity_mw, np.ones(3, dtype=bool)), r"forwardable has shape \(3,\)"),
    ],
)
def test_what_may_not_be_offered_is_named(make: Callable[[OfferView], Offers], problem: str) -> None:
    with pytest.raises(StrategyError, match=f"strategy _Rogue of A07, ISP 5: .*{problem}"):
        checked(_Rogue(make), _view(5), "A07")


def test_sequences_are_as_good_as_arrays() -> None:
    found = checked(_Rogue(lambda v: Offers(*cast(Any, ([30], [5], [1])))), _view(), "A07")
    assert (found.price.tolist(), found.quantity_mw.tolist()) == ([30.0], [5.0])
    assert found.forwardable is not None
    assert found.forwardable.dtype == bool


class Scheduler(Truthful):
    """Asks for more day-ahead than anybody would."""

    def __init__(self, markup: float) -> None:
        self._markup = markup

    def supply_markup(self, isps: range) -> FloatArray:
        """The same for all."""
        return np.full(len(isps), self._markup)

    def declared_mw(self, baseline_mw: FloatArray, offered_up_mw: FloatArray) -> FloatArray:
        """No numbers."""
        return cast(FloatArray, np.full(len(baseline_mw), "much"))


def test_what_may_not_be_scheduled_or_declared_is_named_and_replaced() -> None:
    rows: list[Mapping[str, Any]] = []
    bidder = Bidder("G1", Scheduler(1e5), lambda table, row: rows.append(row), replaces_faults=True)
    assert np.max(np.abs(cast(Any, bidder.supply_markup(range(96, 100))))) == 0.0
    assert isinstance(bidder.strategy, Truthful)
    assert "Scheduler of G1, ISP 96: a supply markup exceeds 1000 EUR/MWh" in rows[0]["about"]
    strict = Bidder("G1", Scheduler(1.0), lambda table, row: None, replaces_faults=False)
    assert strict.supply_markup(range(2)) == pytest.approx([1.0, 1.0])
    with pytest.raises(StrategyError, match="Scheduler of G1, ISP 5: ValueError"):
        strict.declared_mw(5, np.ones(2), np.ones(2))


def test_a_bidder_looks_at_what_its_strategy_of_the_moment_declares() -> None:
    bidder = Bidder("A01", Truthful(), lambda table, row: None, replaces_faults=False)
    assert bidder.sees == frozenset()
    bidder.play(BestResponse())
    assert bidder.sees == frozenset({"book"})


def test_a_strategy_that_takes_too_long_is_named() -> None:
    def slow(view: OfferView) -> Offers:
        time.sleep(0.01)
        return Offers(view.cost, view.quantity_mw)

    with pytest.raises(StrategyError, match=r"more than 0\.001 s"):
        checked(_Rogue(slow), _view(), "A07", limit_s=0.001)


def test_names_options_and_imports() -> None:
    inputs = StrategyInputs(np.random.default_rng(1), 96, publishes_books=False)
    own = build_strategy(
        "tests.agents.strategies.test_strategy:Mine", {"extra": 3.0}, inputs, "strategies.0", "A01", TESTS
    )
    assert checked(own, _view(), "A01").price.tolist() == [23.0]
    for name, options, field in (
        ("fixed-markup", {"percent": 3}, "strategies.0.options"),
        ("withholding", {"share": 2.0}, "strategies.0.options"),
        ("no.such.module:X", {}, "strategies.0.name"),
        ("tests.agents.strategies.test_strategy:Mute", {}, "strategies.0.name"),
        ("tests.agents.strategies.test_strategy:Curious", {}, "strategies.0.name"),
        ("tests.agents.strategies.test_strategy:Blind", {}, "strategies.0.name"),
        ("tests.agents.strategies.test_strategy:Silent", {}, "strategies.0.name"),
        ("best-response", {}, "strategies.0.name"),  # nobody publishes books here
        ("best-response", {"shares": [2.0]}, "strategies.0.options"),
        ("exp3", {"markets": ["moon"]}, "strategies.0.options"),
    ):
        with pytest.raises(InputError) as caught:
            build_strategy(name, options, inputs, "strategies.0", "A01", TESTS)
        assert caught.value.field == field


class Mine:
    """A user's strategy."""

    learns = False

    def __init__(self, extra: float) -> None:
        self.extra = extra

    def offers(self, view: OfferView) -> Offers:
        """Cost and something."""
        return Offers(view.cost + self.extra, view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Nothing."""


class Mute:
    """No strategy."""


class Curious(Truthful):
    """Wants to see what nobody may."""

    sees = frozenset({"rivals"})


class Blind(Truthful):
    """Declares nothing that could be seen."""

    sees = None


class Silent:
    """Does not say whether it learns."""

    offers, learn = Truthful.offers, Truthful.learn


class Peeping(Truthful):
    """Looks at a book and does not say so."""

    def offers(self, view: OfferView) -> Offers:
        """The truth, after a look."""
        assert view.book is not None
        return super().offers(view)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_keeps_the_contract(name: str) -> None:
    def make(seed: int) -> Strategy:
        inputs = StrategyInputs(np.random.default_rng(seed), 96, publishes_books=True)
        return build_strategy(name, {}, inputs, "strategy", "A01")

    check_strategy(make)


def test_a_look_at_what_was_not_declared_is_named() -> None:
    with pytest.raises(StrategyError, match="Peeping of A01, ISP 0: WithheldError: reads the published book"):
        checked(Peeping(), _view(), "A01")
    with pytest.raises(AssertionError, match="offers depend on information that is not declared"):
        check_strategy(lambda seed: Thief())


class Thief(Truthful):
    """Goes around the guard."""

    def offers(self, view: OfferView) -> Offers:
        """Dearer if others are."""
        return Offers(view.cost + (view.published is not None), view.quantity_mw)


def test_best_response_undercuts_or_waits_for_its_share() -> None:
    """By hand: rivals ask 30 for 6 MW and 50 for 6 MW; 10 MW were bought, own cost is 20 for 10 MW.

    Below 30 it sells all 10 MW: at most 9 EUR/MWh. Below 50 it sells 4 MW: at most 29 EUR/MWh, 116 EUR/h. At
    60 nothing is left for it but what the rivals do not have.
    """
    sees = frozenset({"book"})
    book = PublishedBook(
        isp=0,
        direction=np.array([1, 1]),
        quantity_mw=np.array([6.0, 6.0]),
        price=np.array([30.0, 50.0]),
        bought_mw={1: 10.0, -1: 0.0},
    )
    view = replace(_view(), sees=sees, published=book)
    found = BestResponse(markups=(9.0, 29.0, 40.0), shares=(1.0, 0.5)).offers(view)
    assert found.price.tolist() == [49.0]
    assert found.quantity_mw.tolist() == [10.0]
    few = BestResponse(markups=(9.0,)).offers(view)
    assert few.price.tolist() == [29.0]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(1, 20), st.floats(0, 90)), min_size=0, max_size=6),
    st.floats(0, 60),
    st.floats(1, 20),
    st.floats(0, 60),
    st.sampled_from([1, -1]),
)
def test_best_response_never_expects_less_than_the_truth(
    rivals: list[tuple[float, float]], bought: float, quantity: float, cost: float, direction: int
) -> None:
    mw, price = np.array(rivals).reshape(-1, 2).T
    bought = min(bought, float(mw.sum()) + quantity)
    book = PublishedBook(
        isp=0,
        direction=np.full(len(mw), direction),
        quantity_mw=mw,
        price=price,
        bought_mw={direction: bought, -direction: 0.0},
    )
    view = replace(
        _view(0, quantity, cost), direction=np.array([direction]), sees=frozenset({"book"}), published=book
    )
    strategy = BestResponse()
    found = strategy.offers(view)
    markup = float(direction * (found.price - view.cost)[0])
    best = strategy.profit_eur_per_h(view, book, direction, markup, float(found.quantity_mw[0] / quantity))
    assert best >= strategy.profit_eur_per_h(view, book, direction, 0.0, 1.0) - 1e-6


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0.1, 20), st.integers(-50, 90)), max_size=8), st.floats(0, 60))
def test_the_merit_order_is_what_the_programme_buys(offers: list[tuple[float, float]], need: float) -> None:
    mw, cost = np.array(offers, dtype=np.float64).reshape(-1, 2).T
    answer = clear(cost, mw, np.ones(len(mw)), need).require("test")
    np.testing.assert_allclose(served_in_order(cost, mw, need), answer.quantity_mw, atol=1e-7)


def test_a_learner_chooses_the_market_that_pays() -> None:
    """Three markets, one markup: whoever forwards nothing earns, the others do not."""
    learner = Exp3(np.random.default_rng(9), (10.0,), markets=MARKETS)
    for isp in range(1500):
        offer = checked(learner, _view(isp), "A")
        assert offer.forwardable is not None
        pay = 0.0 if offer.forwardable[0] else 10.0
        one = np.ones(1)
        learner.learn(
            SellerResult(
                isp=isp,
                direction=np.array([1]),
                offered_mw=one,
                sold_mw=one,
                received_eur_per_h=pay * one,
                cost_eur_per_h=0.0 * one,
            )
        )
    assert learner.markets[int(np.argmax(learner.probabilities()))] == "local"
    dear, cheap = Exp3(np.random.default_rng(9), (10.0,), markets=("tso",)), _view(0, cost=20.0)
    assert dear.offers(cheap).price[0] == 100.0  # 20 + 10 and the hurdle of 100, up to the cap
    assert dear.offers(replace(cheap, stage="left")).price[0] == 30.0


def test_inc_dec_watches_first_and_stops_when_it_is_not_called() -> None:
    strategy = IncDec(rng=np.random.default_rng(1), isps_per_day=4, eur_per_mwh=20.0, tries=1.0)
    assert strategy.supply_markup(range(4)).tolist() == [0.0] * 4
    one = np.ones(1)
    strategy.learn(
        SellerResult(
            isp=1,
            direction=np.array([-1]),
            offered_mw=one,
            sold_mw=one,
            received_eur_per_h=-one,
            cost_eur_per_h=-one,
        )
    )
    strategy.learn(
        SellerResult(
            isp=2,
            direction=np.array([1]),
            offered_mw=one,
            sold_mw=one,
            received_eur_per_h=one,
            cost_eur_per_h=one,
        )
    )
    assert strategy.supply_markup(range(4, 8)).tolist() == [0.0, -20.0, 20.0, 0.0]
    strategy.learn(
        SellerResult(
            isp=5,
            direction=np.array([-1]),
            offered_mw=one,
            sold_mw=0.0 * one,
            received_eur_per_h=0.0 * one,
            cost_eur_per_h=0.0 * one,
        )
    )
    assert strategy.supply_markup(range(8, 12)).tolist() == [0.0, 0.0, 20.0, 0.0]


def test_inc_dec_tries_where_redispatch_was_published_and_asks_for_a_margin() -> None:
    strategy = IncDec(rng=np.random.default_rng(1), isps_per_day=4, eur_per_mwh=20.0, tries=1.0)
    both, sides = np.array([5.0, 5.0]), np.array([1, -1])
    view = OfferView(
        isp=9,
        day_ahead_price=40.0,
        direction=sides,
        quantity_mw=both,
        cost=np.array([30.0, 50.0]),
        sees=strategy.sees,
    )
    for isp, bought in ((8, {1: 3.0, -1: 0.0}), (9, {1: 3.0, -1: 2.0})):  # balancing, redispatch
        seen = replace(
            view,
            published=PublishedBook(isp=isp, direction=sides, quantity_mw=both, price=both, bought_mw=bought),
        )
        assert strategy.offers(seen).price.tolist() == [50.0, 30.0]  # around the day-ahead price of 40
    assert np.flatnonzero(strategy.supply_markup(range(12, 16))).tolist() == [1]


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
            sellers[k].learn(
                SellerResult(
                    isp=isp,
                    direction=np.array([1]),
                    offered_mw=np.array([capacity]),
                    sold_mw=one,
                    received_eur_per_h=prices[isp, k] * one,
                    cost_eur_per_h=cost * one,
                )
            )
    return prices


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learner_finds_the_one_arm_that_pays(kind: type[MarkupLearner]) -> None:
    """A rival at cost + 12 with ample capacity: dearer sells nothing, and of the rest 10 pays most."""
    learner = kind(rng=np.random.default_rng(2), markups=(0.0, 10.0, 20.0, 40.0))
    _auction([learner, FixedMarkup(12.0)], need=10.0, rounds=1500, capacity=10.0)
    assert int(np.argmax(learner.probabilities())) == 1
    assert learner.probabilities()[1] > 0.6


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_pivotal_seller_goes_to_the_cap(kind: type[MarkupLearner]) -> None:
    learner = kind(rng=np.random.default_rng(3), markups=(0.0, 20.0, 40.0, 80.0))
    prices = _auction([learner, Truthful()], need=20.0, rounds=2000, capacity=10.0)
    assert np.median(prices[-500:, 0]) == 100.0


@pytest.mark.parametrize(("kind", "rounds"), [(RothErev, 4000), (QLearning, 4000), (Exp3, 10_000)])
def test_two_symmetric_sellers_with_ample_capacity_come_down_to_cost(
    kind: type[MarkupLearner], rounds: int
) -> None:
    """Either could serve all: undercutting step by step ends near marginal cost, where no step pays."""
    steps = np.arange(0.0, 31.0, 3.0).tolist()
    sellers: list[Strategy] = [kind(rng=np.random.default_rng(seed), markups=steps) for seed in (4, 5)]
    prices = _auction(sellers, need=10.0, rounds=rounds, capacity=10.0)
    assert np.median(prices[-1000:].min(axis=1)) <= 20.0 + 6.0


def test_a_learner_asked_twice_answers_the_same() -> None:
    learner = Exp3(np.random.default_rng(6))
    first = [learner.offers(_view(isp)).price[0] for isp in range(20)]
    assert [learner.offers(_view(isp)).price[0] for isp in range(20)] == first


def test_a_strategy_may_use_its_arrays_again() -> None:
    price, quantity = np.zeros(1), np.zeros(1)

    def make(view: OfferView) -> Offers:
        price[:], quantity[:] = view.cost + view.isp, view.quantity_mw
        return Offers(price, quantity)

    first, second = (checked(_Rogue(make), _view(isp), "A") for isp in (1, 2))
    first.price.flags.writeable = False  # as a book does
    np.testing.assert_array_equal([first.price, second.price], [[21.0], [22.0]])
    assert price.flags.writeable
