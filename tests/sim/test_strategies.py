"""Strategies in whole runs: learners are seeded, and what may not be offered stops a run or is replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simpy.exceptions import SimPyException

from agents.strategies import Offers, OfferView, Outcome, StrategyError
from grids.errors import InputError
from sim.run import run
from tests.sim.conftest import hashes, small_scenario, table


class NotANumber:
    """Offers what no market can take."""

    learns = True
    heard = 0

    def offers(self, view: OfferView) -> Offers:
        """Prices that are no numbers from the tenth ISP on."""
        return Offers(view.cost * (np.nan if view.isp >= 10 else 1.0), view.quantity_mw)

    def learn(self, outcome: Outcome) -> None:
        """Count, and check that nothing is sold that was not offered."""
        NotANumber.heard += 1
        assert (outcome.sold_mw <= outcome.offered_mw + 1e-9).all()


LEARNING: list[dict[str, Any]] = [
    {"aggregators": ["A01"], "name": "exp3"},
    {"aggregators": ["A02", "G1"], "name": "q-learning", "options": {"markups": [0, 10, 30]}},
]
ROGUE = {"aggregators": ["A03"], "name": "tests.sim.test_strategies:NotANumber"}


def test_learners_are_seeded_and_paid_no_less_than_they_asked(small_run: Callable[..., Path]) -> None:
    """The audit checks the payments; the same seed gives the same bytes, and learners do not bid cost."""
    one = small_run(strategies=LEARNING)
    again = small_run(strategies=LEARNING, label="again")
    assert hashes(one) == hashes(again)
    truth = table(small_run(), "orders")
    orders = table(one, "orders")
    bids = orders.merge(truth, on=["isp", "bid_id"], suffixes=("", "_true"))
    up = bids[(bids.provider == "A01") & (bids.direction == 1)]
    markup = up.price_eur_per_mwh - up.price_eur_per_mwh_true
    assert markup.max() > 1.0


def test_a_fault_stops_the_run_and_names_strategy_and_seller(tmp_path: Path) -> None:
    with pytest.raises(
        (StrategyError, SimPyException), match=r"NotANumber of A03, ISP 10: prices must be finite"
    ):
        run(small_scenario(strategies=[ROGUE]), None, tmp_path)


def test_or_the_truth_is_bid_from_then_on(small_run: Callable[..., Path]) -> None:
    NotANumber.heard = 0
    folder = small_run(strategies=[ROGUE], strategy_fault="truthful")
    assert hashes(folder)["orders.parquet"] == hashes(small_run())["orders.parquet"]
    rows = table(folder, "fallbacks")
    assert rows.party.tolist() == ["A03"]
    assert rows.isp.tolist() == [10]
    assert NotANumber.heard > 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([{"aggregators": ["A09"], "name": "exp3"}], "strategies.0.aggregators"),
        ([{"aggregators": ["A01"], "name": "greedy"}], "strategies.0.name"),
        ([*LEARNING, {"aggregators": ["A01"], "name": "truthful"}], "strategies.2.aggregators"),
    ],
)
def test_bad_strategies_are_refused(given: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(InputError) as caught:
        small_scenario(strategies=given)
    assert caught.value.field == field
