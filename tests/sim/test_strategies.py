"""Strategies in whole runs: learners are seeded, and what may not be offered stops a run or is replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simpy.exceptions import SimPyException

from tandem_sim.agents.strategies.strategy import Offers, OfferView, SellerResult, Truthful
from tandem_sim.grids.errors import InputError, StrategyError
from tandem_sim.sim.run import run, start
from tests.sim.conftest import HOURLY, OWN_CODE, hashes, small_scenario, table


class NotANumber:
    """Offers what no market can take."""

    learns = True
    results = 0

    def offers(self, view: OfferView) -> Offers:
        """Prices that are no numbers from the tenth ISP on."""
        return Offers(view.cost * (np.nan if view.isp >= 10 else 1.0), view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Count, and check that nothing is sold that was not offered."""
        NotANumber.results += 1
        assert (outcome.sold_mw <= outcome.offered_mw + 1e-9).all()


LEARNING: list[dict[str, Any]] = [
    {"aggregators": ["A01"], "name": "exp3"},
    {"aggregators": ["A02", "G1"], "name": "q-learning", "options": {"markups": [0, 10, 30]}},
]
ROGUE = {"aggregators": ["A03"], "name": "tests.sim.test_strategies:NotANumber"}


def test_learners_are_seeded_and_paid_no_less_than_they_asked(small_run: Callable[..., Path]) -> None:
    """The audit checks the payments; the same seed gives the same bytes, and learners do not bid cost."""
    one = small_run(strategies=LEARNING, **HOURLY)
    again = small_run(strategies=LEARNING, label="again", **HOURLY)
    assert hashes(one) == hashes(again)
    truth = table(small_run(**HOURLY), "bids")
    orders = table(one, "bids")
    bids = orders.merge(truth, on=["isp", "bid_id"], suffixes=("", "_true"))
    up = bids[(bids.provider == "A01") & (bids.direction == 1)]
    markup = up.price_eur_per_mwh - up.price_eur_per_mwh_true
    assert markup.max() > 1.0


def test_a_fault_stops_the_run_and_names_strategy_and_seller(tmp_path: Path) -> None:
    with pytest.raises(
        (StrategyError, SimPyException), match=r"NotANumber of A03, ISP 10: prices must be finite"
    ):
        run(small_scenario(strategies=[ROGUE], **HOURLY), None, tmp_path, allowed=OWN_CODE)


def test_or_the_truth_is_bid_from_then_on(small_run: Callable[..., Path]) -> None:
    NotANumber.results = 0
    folder = small_run(strategies=[ROGUE], strategy_fault="truthful", **HOURLY)
    assert hashes(folder)["bids.parquet"] == hashes(small_run(**HOURLY))["bids.parquet"]
    rows = table(folder, "fallbacks")
    assert rows.party.tolist() == ["A03"]
    assert rows.isp.tolist() == [10]
    assert NotANumber.results > 0


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


def _behind_a_line(small_run: Callable[..., Path], name: str, rating_mva: float | None) -> Path:
    """A unit out of the money behind the line that carries the cheapest unit's output."""
    small = small_scenario().model_dump(mode="json", by_alias=True)
    base, area = small["transmission"], small["distribution"][0]
    unit = {"name": "G3", "bus": 0, "p_max_mw": 20, "ramp_mw_per_isp": 20, "c1": 28}
    free = rating_mva is None
    ratings = {} if free else {"line 0": rating_mva}
    return small_run(
        transmission={**base, "units": [*base["units"], unit], "ratings_mva": ratings},
        **HOURLY,
        days=2,
        publishes_books=True,
        forecast={"mape": 0.0 if free else 0.05},
        distribution=[{**area, "ratings_mva": {} if free else area["ratings_mva"]}],
        strategies=[{"aggregators": ["G3"], "name": name}],
        label=f"{name} {rating_mva}",
    )


def _earned_eur(folder: Path, unit: str) -> float:
    """Day-ahead margin and profit on what was called."""
    day_ahead, called = table(folder, "schedules"), table(folder, "sellers")
    mine, own = day_ahead[day_ahead.unit == unit], called[called.provider == unit]
    margin = float((mine.p_mw * mine.price_eur_per_mwh - mine.cost_eur_per_h).sum())
    return 0.25 * (margin + float((own.received_eur_per_h - own.cost_eur_per_h).sum()))


def test_inc_dec_pays_behind_a_congested_line_and_nowhere_else(small_run: Callable[..., Path]) -> None:
    honest, gaming = (_behind_a_line(small_run, name, 80.0) for name in ("truthful", "inc-dec"))
    assert _earned_eur(gaming, "G3") > _earned_eur(honest, "G3") + 100.0
    played = table(gaming, "schedules")
    assert (played[played.unit == "G3"].markup_eur_per_mwh < 0.0).any()
    honest, gaming = (_behind_a_line(small_run, name, None) for name in ("truthful", "inc-dec"))
    assert _earned_eur(gaming, "G3") - _earned_eur(honest, "G3") == pytest.approx(0.0, abs=1e-9)
    assert hashes(gaming)["schedules.parquet"] == hashes(honest)["schedules.parquet"]


def test_best_response_needs_published_books_and_moves_with_them(small_run: Callable[..., Path]) -> None:
    mine = [{"aggregators": ["A01"], "name": "best-response", "options": {"markups": [0, 10, 30]}}]
    with pytest.raises(InputError, match="uses published books, and none are published"):
        small_run(strategies=mine, **HOURLY)
    folder = small_run(strategies=mine, publishes_books=True, **HOURLY)
    rows = table(folder, "sellers")
    asked = (rows.direction * (rows.price_eur_per_mwh - rows.cost_eur_per_mwh))[rows.provider == "A01"]
    assert asked.max() > 9.0
    assert asked.min() > -1e-9


def test_who_refuses_to_forward_sells_nothing_to_the_tso(small_run: Callable[..., Path]) -> None:
    local = [{"aggregators": ["A01"], "name": "exp3", "options": {"markups": [0.0], "markets": ["local"]}}]
    awards = table(small_run(strategies=local, **HOURLY), "activations")
    truth = table(small_run(**HOURLY), "activations")
    assert not len(awards[(awards.provider == "A01") & (awards.market == "tso_market")])
    assert len(truth[(truth.provider == "A01") & (truth.market == "tso_market")])


class Deaf(NotANumber):
    """Fails on its result."""

    def offers(self, view: OfferView) -> Offers:
        """The truth."""
        return Offers(view.cost, view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Fail."""
        raise KeyError("outcome")


def test_what_learning_raises_is_named_too(tmp_path: Path) -> None:
    deaf = {"aggregators": ["A02"], "name": "tests.sim.test_strategies:Deaf"}
    with pytest.raises((StrategyError, SimPyException), match=r"Deaf of A02, ISP 0: KeyError"):
        run(small_scenario(strategies=[deaf], **HOURLY), None, tmp_path, allowed=OWN_CODE)


def test_a_pivotal_pool_is_held_to_the_reference(small_run: Callable[..., Path]) -> None:
    """A01 to A03 ask 300 EUR/MWh more than cost; with mitigation those that the area needs do not get it."""
    greedy: dict[str, Any] = {
        "strategies": [
            {"aggregators": ["A01", "A02", "A03"], "name": "fixed-markup", "options": {"eur_per_mwh": 300.0}}
        ]
    }
    held = {**greedy, "mitigation": {"enabled": True, "reference_up_eur_per_mwh": 80.0}}
    free, mended = (table(small_run(**over, **HOURLY), "activations") for over in (greedy, held))
    local = [t[(t.market == "dso_market") & (t.direction == 1)].price_eur_per_mwh for t in (free, mended)]
    assert local[0].min() > 300.0
    assert local[1].min() == 80.0
    with pytest.raises(InputError, match="scheme central-01 has no local market"):
        small_run(**held, scheme="central-01", **HOURLY)


def test_a_strike_binds_what_is_under_contract(small_run: Callable[..., Path]) -> None:
    over: dict[str, Any] = {
        "flexibility_register": {"enabled": True},
        "capacity": {
            "tick_mw": 0.01,
            "offered_share": 0.8,
            "strike_eur_per_mwh": 30.0,
            "local": {
                "needs": [{"area": "D1", "direction": "up", "mw": 0.05, "from_hour": 16, "to_hour": 24}]
            },
        },
        "strategies": [
            {"aggregators": ["A01", "A02", "A03"], "name": "fixed-markup", "options": {"eur_per_mwh": 300.0}}
        ],
    }
    folder = small_run(**over, **HOURLY)
    orders, system = table(folder, "bids"), table(folder, "system")
    orders = orders[orders.provider.isin(["A01", "A02", "A03"]) & (orders.direction == 1)]
    orders = orders.merge(system[["isp", "day_ahead_price_eur_per_mwh"]], on="isp")
    beyond = orders.price_eur_per_mwh - orders.day_ahead_price_eur_per_mwh
    capacity = table(folder, "capacity")
    owed = capacity[capacity.provider.isin(["A01", "A02", "A03"])]
    assert len(owed)
    assert (beyond.round(6) == 30.0).any()
    struck = orders[beyond.round(6) <= 30.0].groupby(["isp", "provider"]).quantity_mw.sum()
    due = owed.set_index(["isp", "provider"])
    assert (beyond[orders.isp.isin(due.index.get_level_values(0))] > 100.0).any()  # the rest is free to ask
    assert (
        struck.reindex(due.index).fillna(0.0) >= due[["obligation_mw", "offered_mw"]].min(axis=1) - 1e-6
    ).all()


class Patient(Truthful):
    """The truth, of one's own."""


def test_where_nothing_can_be_ended_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An alarm rings in the main thread only; a run of strategies that are built in needs none."""

    def begin(name: str) -> None:
        given = [{"aggregators": ["A01", "A02"], "name": name}]
        scenario = small_scenario(strategies=given, **HOURLY)
        model = start(scenario, None, tmp_path / name.rpartition(":")[2], allowed=OWN_CODE)
        model.recorder.close()

    for name, times in ((f"{__name__}:Patient", 1), ("withholding", 0)):
        caplog.clear()
        thread = threading.Thread(target=begin, args=(name,))
        thread.start()
        thread.join()
        assert sum("strategy_limit_s" in text for text in caplog.messages) == times
