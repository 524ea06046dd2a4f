"""Units, loads, the day-ahead market and the aggregator, on cases worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import mesa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import (
    AwardMessage,
    BidsMessage,
    DayAheadMessage,
    Message,
    ScheduleMessage,
)
from tandem_sim.agents.parties.aggregator import Aggregator, MarketAccess
from tandem_sim.agents.parties.day_ahead_market import DayAheadMarket
from tandem_sim.agents.portfolios.transmission import (
    LargeLoad,
    LoadPortfolio,
    TransmissionUnit,
    UnitPortfolio,
)
from tandem_sim.agents.strategies.strategy import Truthful
from tandem_sim.markets.orders.products import Product
from tandem_sim.sim.clock.randomness import stream


class RecordingContext:
    """Stores messages and rows of one agent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.rows: list[tuple[str, Mapping[str, Any]]] = []
        self.context = AgentContext(
            lambda: 0, self.sent.append, lambda t, r: self.rows.append((t, r)), partial(stream, 0)
        )


def _unit(*schedule_mw: float, first: int = 0, least: float = 0.0) -> UnitPortfolio:
    """c = 20 p + 0.1 p^2, so marginal cost is 20 + 0.2 p; up to 100 MW, 20 MW of ramp, half of it 10 MW."""
    portfolio = UnitPortfolio(
        TransmissionUnit(
            name="G", node=3, p_min_mw=least, p_max_mw=100.0, ramp_mw=20.0, c1=20.0, c2=0.1, adder=5.0
        ),
        1 / 3,
    )
    portfolio.scheduled(first, np.array(schedule_mw))
    return portfolio


def _offered(portfolio: UnitPortfolio, isp: int) -> tuple[float, float]:
    (found,) = portfolio.resources(isp, 0.0)
    return float(found.quantity_mw[:2].sum()), float(found.quantity_mw[2:].sum())


def test_a_unit_offers_its_headroom_within_the_ramp_at_marginal_cost() -> None:
    (found,) = _unit(94.0, 94.0, 94.0).resources(1, 0.0)
    assert found.quantity_mw.tolist() == [3.0, 3.0, 5.0, 5.0]
    # Middles: 95.5 and 98.5 going up, 91.5 and 86.5 going down; adder on top going up, off going down.
    assert found.cost == pytest.approx([20 + 19.1 + 5, 20 + 19.7 + 5, 20 + 18.3 - 5, 20 + 17.3 - 5])
    assert found.direction.tolist() == [1, 1, -1, -1]
    assert set(found.node) == {3}


def test_a_unit_offers_half_of_what_its_schedule_leaves_of_the_ramp() -> None:
    # Rising by 12 into ISP 1 leaves 8 up and 32 down; falling by 6 out of it leaves 14 and 26 to come back.
    assert _offered(_unit(40.0, 52.0, 46.0), 1) == (0.5 * 8.0, 0.5 * 26.0)
    # By hand: 4 up in ISP 1 after 13 down before is 52 + 4 - (40 - 13) = 29 > 20, but ISP 0 sells less:
    up, down = _offered(_unit(40.0, 52.0, 46.0), 0)
    assert (up, down) == (10.0, 0.5 * 8.0)
    assert 52.0 + 4.0 - (40.0 - down) == 20.0


def test_behind_the_last_isp_of_a_day_a_third_of_the_ramp_is_left_to_the_next_schedule() -> None:
    portfolio = _unit(50.0, 50.0)
    assert _offered(portfolio, 1) == pytest.approx((0.5 * (20.0 - 20.0 / 3.0), 0.5 * (20.0 - 20.0 / 3.0)))
    portfolio.scheduled(2, np.array([50.0 - 20.0 / 3.0, 50.0]))
    # The most that the next day may fall: up at 23:45 and down at 0:00 together still keep the ramp.
    (up, _), (_, down) = _offered(portfolio, 1), _offered(portfolio, 2)
    assert up + 20.0 / 3.0 + down == pytest.approx(20.0)


@settings(max_examples=50, deadline=None)
@given(moves=st.lists(st.floats(-20.0, 20.0), min_size=2, max_size=8), seed=st.integers(0, 1000))
def test_whatever_is_called_the_ramp_is_kept(moves: list[float], seed: int) -> None:
    schedule = np.clip(50.0 + np.cumsum([0.0, *moves]), 0.0, 100.0)
    portfolio, rng = _unit(*schedule), np.random.default_rng(seed)
    called = []
    for isp in range(len(schedule)):
        up, down = _offered(portfolio, isp)
        called.append(rng.choice([up, -down, 0.0]))
    output = schedule + np.array(called)
    assert (np.abs(np.diff(output)) <= 20.0 + 1e-9).all()
    assert (output >= -1e-9).all()
    assert (output <= 100.0 + 1e-9).all()


def test_a_unit_at_its_limits_offers_nothing_beyond() -> None:
    portfolio = _unit(100.0, 100.0, 100.0, least=10.0)
    assert portfolio.resources(1, 0.0)[0].quantity_mw.tolist() == [0.0, 0.0, 5.0, 5.0]
    portfolio = _unit(10.0, 10.0, 10.0, least=10.0)
    assert portfolio.resources(1, 0.0)[0].quantity_mw.tolist() == [5.0, 5.0, 0.0, 0.0]


def test_the_day_ahead_market_equalises_marginal_costs() -> None:
    # 20 + 0.2 p1 = 30 + 0.1 p2 and p1 + p2 = 100: p1 = 66.67, p2 = 33.33 at 33.33 EUR/MWh; blocks are 5 MW.
    units = [
        TransmissionUnit(name="G1", node=0, p_min_mw=0.0, p_max_mw=100.0, ramp_mw=50.0, c1=20.0, c2=0.1),
        TransmissionUnit(name="G2", node=1, p_min_mw=0.0, p_max_mw=100.0, ramp_mw=50.0, c1=30.0, c2=0.05),
    ]
    top = RecordingContext()
    market = DayAheadMarket(
        mesa.Model(rng=0),
        name="market",
        context=top.context,
        units=units,
        sellers=["G1", "G2"],
        price_receivers=["A01"],
        operator="TSO",
    )
    market.receive(ScheduleMessage("BRP-a", "market", 0, p_mw=np.array([-60.0])))
    market.receive(ScheduleMessage("BRP-b", "market", 0, p_mw=np.array([-40.0])))
    market.clear_day(range(1))
    sent = {m.receiver: m for m in top.sent if isinstance(m, DayAheadMessage)}
    assert sent["G1"].p_mw[0] == pytest.approx(66.67, abs=5.0)
    assert sent["G1"].p_mw[0] + sent["G2"].p_mw[0] == pytest.approx(100.0)
    assert sent["A01"].price[0] == pytest.approx(33.33, abs=1.0)
    schedules = [m for m in top.sent if isinstance(m, ScheduleMessage)]
    assert {m.sender for m in schedules} == {"G1", "G2"}
    assert all(m.receiver == "TSO" for m in schedules)


def _aggregator(top: RecordingContext, product: Product) -> Aggregator:
    portfolio = LoadPortfolio(
        LargeLoad(name="L", node=4, up_mw=5.00047, up_price=120.0, down_mw=0.0004, down_price=3.0)
    )
    agent = Aggregator(
        mesa.Model(rng=0),
        name="L",
        context=top.context,
        portfolio=portfolio,
        strategy=Truthful(),
        access=MarketAccess(product=product, receivers={"T": "TSO"}, fleet_name="meter"),
    )
    agent.receive(DayAheadMessage("market", "L", 0, price=np.array([40.0])))
    return agent


def test_offers_are_rounded_down_to_the_tick_and_small_ones_left_out() -> None:
    top = RecordingContext()
    _aggregator(top, Product(name="p", min_quantity_mw=0.001, tick_mw=0.0001)).offer(0)
    (message,) = top.sent
    assert isinstance(message, BidsMessage)
    assert message.receiver == "TSO"
    assert message.bids.bid_id.tolist() == ["L.up"]
    assert message.bids.quantity_mw == pytest.approx([5.0004])
    assert message.bids.price.tolist() == [120.0]


def test_an_award_becomes_an_order_and_a_cost() -> None:
    top = RecordingContext()
    agent = _aggregator(top, Product(name="p"))
    agent.offer(0)
    award = AwardMessage(
        "TSO",
        "L",
        0,
        system="T",
        market="tso_market",
        bid_id=("L.up", "L.down"),
        quantity_mw=np.array([2.0, 0.0002]),
        price=np.array([120.0, 3.0]),
    )
    agent.receive(award)
    order = top.sent[-1]
    assert order.receiver == "meter"
    assert order.up_kw.tolist() == [2000.0, 0.0]  # type: ignore[attr-defined]
    assert order.down_kw == pytest.approx([0.0, 0.2])  # type: ignore[attr-defined]
    # Resource 0 delivers 1.5 of 2 MW up at 120: 180 EUR/h; resource 1 goes down at 3: -0.0006 EUR/h.
    assert agent.settle(0, np.array([1500.0, -0.2])) == pytest.approx(1.5 * 120.0 - 0.0002 * 3.0)
    assert agent.settle(0, np.array([1500.0, -0.2])) == 0.0


def test_an_unexpected_message_names_receiver_and_sender() -> None:
    top = RecordingContext()
    with pytest.raises(TypeError, match=r"L got an unexpected BidsMessage from X"):
        _aggregator(top, Product(name="p")).receive(BidsMessage("X", "L", 0))
