"""Buyer, seller and delivery of reactive power, each alone with a context without a bus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import mesa
import numpy as np
import pytest

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import (
    Message,
    ReactiveAwardMessage,
    ReactiveBidsMessage,
    ReactiveOrderMessage,
    RejectionMessage,
)
from tandem_sim.agents.devices.population import ROW, Population
from tandem_sim.agents.households.fleet import DEVICES, HouseholdFleet, Residents
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.portfolios.households import Inverters
from tandem_sim.agents.services.reactive_power import AreaKnowledge, ReactivePowerBuyer, ReactivePowerSeller
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Product
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.clock.randomness import stream
from tests.markets.hand import book

PRODUCT = Product(name="reactive power", price_floor_eur_per_mwh=0.0, price_cap_eur_per_mwh=9.0, unit="Mvar")


class Office:
    """What an agent sends and records."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.rows: list[tuple[str, Mapping[str, Any]]] = []
        keep = self.rows.append
        self.context = AgentContext(
            lambda: 100, self.sent.append, lambda t, r: keep((t, r)), partial(stream, 0)
        )

    def refused(self) -> dict[str, str]:
        return {row["bid_id"]: row["reason"] for table, row in self.rows if table == "rejections"}


def offers_of(name: str, *ids: str, price: float = 4.0, mvar: float = 0.1) -> Bids:
    found = book(*((i, 1, 1 if i.endswith("up.q") else -1, mvar, price) for i in ids))
    return replace(found, provider=np.array([name] * len(ids)))


def send(buyer: ReactivePowerBuyer, bids: Bids, isp: int = 3) -> None:
    buyer.on_reactive_bids(ReactiveBidsMessage(str(bids.provider[0]), "DSO-D", isp, system="D", bids=bids))


NOTHING = cast(AreaKnowledge, None)
"""Nothing is asked of a DSO where a book is closed by hand."""


@pytest.fixture
def recorded() -> Office:
    return Office()


@pytest.fixture
def buyer(recorded: Office) -> ReactivePowerBuyer:
    return ReactivePowerBuyer(
        name="DSO-D", context=recorded.context, system="D", product=PRODUCT, operator_state=NOTHING
    )


def test_a_book_holds_the_latest_admissible_offers_of_everybody(
    buyer: ReactivePowerBuyer, recorded: Office
) -> None:
    send(buyer, offers_of("B", "b.up.q", "b.down.q"))
    send(buyer, offers_of("A", "x.up.q", mvar=5.0))
    send(buyer, offers_of("A", "a.up.q", "a.down.q"))  # instead of the ones before
    send(buyer, offers_of("C", "c.up.q", price=-1.0))
    send(buyer, offers_of("E", "e.up.q", mvar=np.inf))
    send(buyer, offers_of("F", "f.up.q", price=9.5))
    send(buyer, offers_of("A", "later.up.q"), isp=4)
    assert buyer.close(3).bid_id.tolist() == ["a.down.q", "a.up.q", "b.down.q", "b.up.q"]
    assert recorded.refused() == {
        "c.up.q": "price is below the floor of 0.0 EUR/Mvarh",
        "e.up.q": "quantity must be a positive number of Mvar",
        "f.up.q": "price is above the cap of 9.0 EUR/Mvarh",
    }
    assert [(m.receiver, list(m.reasons)) for m in recorded.sent if isinstance(m, RejectionMessage)] == [
        ("C", ["c.up.q"]),
        ("E", ["e.up.q"]),
        ("F", ["f.up.q"]),
    ]
    assert len(buyer.close(4)) == 1
    assert len(buyer.close(5)) == 0


def test_offers_that_come_late_are_refused(buyer: ReactivePowerBuyer, recorded: Office) -> None:
    assert len(buyer.close(3)) == 0
    send(buyer, offers_of("A", "a.up.q"))
    assert recorded.refused() == {"a.up.q": "came after gate closure"}


def test_groups_that_are_not_qualified_for_the_local_market_are_refused(recorded: Office) -> None:
    register = FlexibilityRegister()
    register.enter(
        "A",
        [RegisteredUnit(name="a", system="D", node=1, up_mw=1.0, down_mw=1.0)],
        [(1.0, 1.0)],
        200,
        ["LFM"],
    )
    register.enter(
        "B",
        [RegisteredUnit(name="b", system="D", node=1, up_mw=1.0, down_mw=1.0)],
        [(1.0, 1.0)],
        100,
        ["LFM"],
    )  # it is second 100
    buyer = ReactivePowerBuyer(
        name="DSO-D",
        context=recorded.context,
        system="D",
        product=PRODUCT,
        operator_state=NOTHING,
        register=register,
    )
    for name in ("A", "B", "C"):
        send(buyer, offers_of(name, f"{name.lower()}.up.q"))
    assert buyer.close(3).bid_id.tolist() == ["a.up.q"]
    assert recorded.refused() == {
        "b.up.q": "B is not qualified for LFM",
        "c.up.q": "C is not qualified for LFM",
    }


def test_every_provider_receives_its_awards(buyer: ReactivePowerBuyer, recorded: Office) -> None:
    offers = Bids.join(
        [offers_of("A", "a1.up.q", "a2.up.q"), offers_of("B", "b.up.q"), offers_of("C", "c.up.q")]
    )
    buyer.announce(3, offers, np.array([0.0, 0.04, 0.1, 0.0]))
    awards = [(m.receiver, m.bid_id, m.quantity_mvar.tolist()) for m in recorded.sent]
    assert awards == [("A", ("a2.up.q",), [0.04]), ("B", ("b.up.q",), [0.1])]


INVERTERS = [
    Inverters(
        system="D1",
        group=np.array([4, 7]),
        unit=("A.D1.0002.pv", "A.D1.0005.battery"),
        node=np.array([2, 5]),
        rated_mw=np.array([0.03, 0.01]),
    ),
    Inverters(
        system="D2",
        group=np.empty(0, dtype=np.int64),
        unit=(),
        node=np.empty(0, dtype=np.int64),
        rated_mw=np.empty(0),
    ),
]


@pytest.fixture
def seller(recorded: Office) -> ReactivePowerSeller:
    buyers = {"D1": "DSO-D1", "D2": "DSO-D2"}
    return ReactivePowerSeller(
        name="A",
        context=recorded.context,
        inverters=INVERTERS,
        power_factor=0.8,
        price_eur_per_mvarh=4.0,
        buyers=buyers,
        fleet_name="households",
    )


def test_inverters_are_offered_both_ways(seller: ReactivePowerSeller, recorded: Office) -> None:
    seller.offer(3)
    (message,) = recorded.sent  # none about D2, where it has no inverters
    bids: Bids = message.bids
    assert (message.receiver, message.isp, message.system) == ("DSO-D1", 3, "D1")
    assert bids.bid_id.tolist() == [
        "A.D1.0002.pv.up.q",
        "A.D1.0005.battery.up.q",
        "A.D1.0002.pv.down.q",
        "A.D1.0005.battery.down.q",
    ]
    assert bids.direction.tolist() == [1, 1, -1, -1]
    assert bids.node.tolist() == [2, 5, 2, 5]
    assert bids.quantity_mw == pytest.approx([0.0225, 0.0075] * 2)  # tan(acos(0.8)) = 0.75
    assert set(bids.price.tolist()) == {4.0}
    assert PRODUCT.reasons(bids) == [""] * 4


def test_awards_become_orders_and_orders_deliveries(seller: ReactivePowerSeller, recorded: Office) -> None:
    ids = ("A.D1.0005.battery.up.q", "A.D1.0002.pv.down.q")
    seller.on_reactive_award(
        ReactiveAwardMessage("DSO-D1", "A", 3, system="D1", bid_id=ids, quantity_mvar=np.array([0.005, 0.02]))
    )
    (order,) = recorded.sent
    assert (order.receiver, order.isp, order.group.tolist()) == ("households", 3, [7, 4])
    assert order.mvar.tolist() == [0.005, -0.02]
    offers = offers_of("A", *ids, "A.D1.0002.pv.up.q")
    awarded, injected = np.array([0.005, 0.02, 0.0]), np.zeros(9)
    assert seller.delivered_mvar(offers, awarded, injected).tolist() == [0.0, 0.0, 0.0]  # the order was lost
    np.add.at(injected, order.group, order.mvar)
    assert seller.delivered_mvar(offers, awarded, injected).tolist() == [0.005, 0.02, 0.0]
    assert seller.delivered_mvar(offers_of("B", "b.up.q"), np.ones(1), injected).tolist() == [0.0]


@pytest.fixture(scope="module")
def fleet() -> HouseholdFleet:
    calendar = Calendar.of_days("2016-04-18", 1, 15, "Europe/Brussels")
    sites, pools = np.arange(40, dtype=np.int64) % 4, np.zeros(40, dtype=np.int64)
    population = Population(pv_share=0.5, battery_share=0.5, ev_share=0.5, heat_pump_share=0.5)
    return HouseholdFleet.build(
        population,
        Residents(
            site_of=sites,
            aggregator_of=pools,
            n_sites=5,
            rows=np.random.default_rng(1).random((len(sites), ROW)),
        ),
        calendar.times(),
    )


def test_pv_and_batteries_have_inverters(fleet: HouseholdFleet) -> None:
    device, swing = fleet.groups.device, fleet.swing_kw()
    is_pv, is_battery = device == DEVICES.index("pv"), device == DEVICES.index("battery")
    rated = fleet.inverter_kw()
    assert is_pv.any()
    assert is_battery.any()
    np.testing.assert_allclose(rated[is_pv], swing[-1][is_pv])
    np.testing.assert_allclose(rated[is_battery], 0.5 * swing[1][is_battery])  # from full charge to discharge
    assert not rated[~is_pv & ~is_battery].any()


def _fleet_agent(fleet: HouseholdFleet, recorded: Office) -> FleetAgent:
    return FleetAgent(
        mesa.Model(rng=0), name="households", context=recorded.context, fleet=fleet, owners=["A"]
    )


def _order(isp: int, group: Sequence[int], mvar: Sequence[float]) -> Message:
    return ReactiveOrderMessage("A", "households", isp, group=np.array(group), mvar=np.array(mvar))


def test_households_inject_what_they_were_ordered_until_it_is_settled(
    fleet: HouseholdFleet, recorded: Office
) -> None:
    fleet_agent, isp = _fleet_agent(fleet, recorded), fleet.next_isp
    fleet_agent.receive(_order(isp, [0, 2], [0.01, -0.02]))
    fleet_agent.receive(_order(isp, [2], [0.005]))
    assert fleet_agent.reactive_mvar(isp)[:3].tolist() == pytest.approx([0.01, 0.0, -0.015])
    assert not fleet_agent.reactive_mvar(isp + 1).any()
    by_site = fleet_agent.site_mvar(isp)
    assert by_site.shape == (5,)
    assert by_site.sum() == pytest.approx(-0.005)
    assert by_site[fleet.groups.site[0]] != 0.0
    fleet_agent.deliver(isp)
    fleet_agent.receive(_order(isp, [0], [0.05]))  # too late
    assert recorded.refused() == {"A": "order came after delivery began"}
    assert fleet_agent.reactive_mvar(isp)[0] == 0.01
    fleet_agent.forget(isp)
    assert not fleet_agent.reactive_mvar(isp).any()
