"""Units, loads, the day-ahead market and the aggregator, on cases worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mesa
import numpy as np
import pytest

from tandem_sim.agents.aggregator import Aggregator
from tandem_sim.agents.day_ahead import DayAheadMarket
from tandem_sim.agents.messages import AwardMessage, BidsMessage, DayAheadMessage, Message, ScheduleMessage
from tandem_sim.agents.participant import Desk
from tandem_sim.agents.portfolio import LargeLoad, LoadPortfolio, Unit, UnitPortfolio
from tandem_sim.agents.strategies import Truthful
from tandem_sim.markets.products import Product


class Desktop:
    """A desk that keeps what is sent and recorded."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.rows: list[tuple[str, Mapping[str, Any]]] = []
        self.desk = Desk(
            lambda: 0, self.sent.append, lambda t, r: self.rows.append((t, r)), np.random.default_rng(0)
        )


def test_a_unit_offers_its_headroom_within_the_ramp_at_marginal_cost() -> None:
    # c = 20 p + 0.1 p^2: marginal cost is 20 + 0.2 p; at 90 of 100 MW there are 10 MW up; the ramp is 20 MW.
    portfolio = UnitPortfolio(Unit("G", 3, 0.0, 100.0, 20.0, 20.0, 0.1, adder=5.0), 1 / 3)
    portfolio.schedule_mw[0] = 90.0
    (found,) = portfolio.resources(0, 0.0)
    assert found.quantity_mw.tolist() == [5.0, 5.0, 10.0, 10.0]
    # Middles: 92.5 and 97.5 going up, 85 and 75 going down; adder on top going up, off going down.
    assert found.cost == pytest.approx([20 + 18.5 + 5, 20 + 19.5 + 5, 20 + 17.0 - 5, 20 + 15.0 - 5])
    assert found.direction.tolist() == [1, 1, -1, -1]
    assert set(found.node) == {3}


def test_a_unit_at_its_limits_offers_nothing_beyond() -> None:
    portfolio = UnitPortfolio(Unit("G", 0, 10.0, 100.0, 20.0, 20.0), 1 / 3)
    portfolio.schedule_mw.update({0: 100.0, 1: 10.0})
    assert portfolio.resources(0, 0.0)[0].quantity_mw.tolist() == [0.0, 0.0, 10.0, 10.0]
    assert portfolio.resources(1, 0.0)[0].quantity_mw.tolist() == [10.0, 10.0, 0.0, 0.0]


def test_the_day_ahead_market_equalises_marginal_costs() -> None:
    # 20 + 0.2 p1 = 30 + 0.1 p2 and p1 + p2 = 100: p1 = 66.67, p2 = 33.33 at 33.33 EUR/MWh; blocks are 5 MW.
    units = [Unit("G1", 0, 0.0, 100.0, 50.0, 20.0, 0.1), Unit("G2", 1, 0.0, 100.0, 50.0, 30.0, 0.05)]
    top = Desktop()
    market = DayAheadMarket(mesa.Model(rng=0), "market", top.desk, units, ["G1", "G2"], ["A01"], "TSO")
    market.receive(ScheduleMessage("BRP-a", "market", 0, p_mw=np.array([-60.0])))
    market.receive(ScheduleMessage("BRP-b", "market", 0, p_mw=np.array([-40.0])))
    market.clear_day(range(1))
    told = {m.receiver: m for m in top.sent if isinstance(m, DayAheadMessage)}
    assert told["G1"].p_mw[0] == pytest.approx(66.67, abs=5.0)
    assert told["G1"].p_mw[0] + told["G2"].p_mw[0] == pytest.approx(100.0)
    assert told["A01"].price[0] == pytest.approx(33.33, abs=1.0)
    schedules = [m for m in top.sent if isinstance(m, ScheduleMessage)]
    assert {m.sender for m in schedules} == {"G1", "G2"}
    assert all(m.receiver == "TSO" for m in schedules)


def _aggregator(top: Desktop, product: Product) -> Aggregator:
    portfolio = LoadPortfolio(
        LargeLoad("L", 4, up_mw=5.00047, up_price=120.0, down_mw=0.0004, down_price=3.0)
    )
    agent = Aggregator(
        mesa.Model(rng=0), "L", top.desk, portfolio, Truthful(), product, {"T": "TSO"}, "meter"
    )
    agent.receive(DayAheadMessage("market", "L", 0, price=np.array([40.0])))
    return agent


def test_offers_are_rounded_down_to_the_tick_and_small_ones_left_out() -> None:
    top = Desktop()
    _aggregator(top, Product("p", min_quantity_mw=0.001, tick_mw=0.0001)).offer(0)
    (message,) = top.sent
    assert isinstance(message, BidsMessage)
    assert message.receiver == "TSO"
    assert message.bids.bid_id.tolist() == ["L.up"]
    assert message.bids.quantity_mw == pytest.approx([5.0004])
    assert message.bids.price.tolist() == [120.0]


def test_an_award_becomes_an_order_and_a_cost() -> None:
    top = Desktop()
    agent = _aggregator(top, Product("p"))
    agent.offer(0)
    award = AwardMessage(
        "TSO", "L", 0, system="T", layer="tso_market", bid_id=("L.up", "L.down"),
        quantity_mw=np.array([2.0, 0.0002]), price=np.array([120.0, 3.0]),
    )  # fmt: skip
    agent.receive(award)
    order = top.sent[-1]
    assert order.receiver == "meter"
    assert order.up_kw.tolist() == [2000.0, 0.0]  # type: ignore[attr-defined]
    assert order.down_kw == pytest.approx([0.0, 0.2])  # type: ignore[attr-defined]
    # Resource 0 delivers 1.5 of 2 MW up at 120: 180 EUR/h; resource 1 goes down at 3: -0.0006 EUR/h.
    assert agent.settle(0, np.array([1500.0, -0.2])) == pytest.approx(1.5 * 120.0 - 0.0002 * 3.0)
    assert agent.settle(0, np.array([1500.0, -0.2])) == 0.0


def test_an_unexpected_message_says_who_was_wired_wrongly() -> None:
    top = Desktop()
    with pytest.raises(TypeError, match=r"L got an unexpected BidsMessage from X"):
        _aggregator(top, Product("p")).receive(BidsMessage("X", "L", 0))
