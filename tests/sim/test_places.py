"""Orders and deliveries of pools, place by place and direction by direction, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tandem_sim.agents.households.fleet import FleetGroups
from tandem_sim.agents.non_firm.substitution import OrderChange
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.settlement.baselines import BaselineRules
from tandem_sim.markets.settlement.day_matching import DayIndex
from tandem_sim.sim.delivery.meters import Meters
from tandem_sim.sim.settlement.accounts import ordered_mw

# Groups 0 and 1 of A in D1, group 2 of A in D2, group 3 of B in D2.
NONE = np.zeros(4, dtype=np.int64)
GROUPS = FleetGroups(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 2]), NONE, NONE)
AREAS = [SimpleNamespace(name="D1", sites=range(2)), SimpleNamespace(name="D2", sites=range(2, 3))]


def _meters() -> Meters:
    days = DayIndex({}, {}, {})
    return Meters(
        method="counterfactual",
        rules=BaselineRules(),
        pools=["A", "B"],
        areas=cast(Any, AREAS),
        groups=GROUPS,
        days=days,
        record=lambda *row: None,
    )


def test_orders_and_deliveries_are_not_netted_over_areas_and_directions() -> None:
    ordered = np.array([5.0, -2.0, -3.0, 1.0])
    ordered_by_place, delivered_by_place = _meters().by_place(ordered, np.array([4.0, 0.5, -3.0, 0.0]))
    assert ordered_by_place == {
        ("A", "D1", 1): 5.0,
        ("A", "D1", -1): 2.0,
        ("A", "D2", -1): 3.0,
        ("B", "D2", 1): 1.0,
    }
    # Group 1 was ordered down and moved 0.5 MW up: half a megawatt the wrong way, not credited to group 0.
    assert delivered_by_place == {
        ("A", "D1", 1): 4.0,
        ("A", "D1", -1): -0.5,
        ("A", "D2", -1): 3.0,
        ("B", "D2", 1): 0.0,
    }


def test_an_order_is_net_per_group_and_changed_by_substitution() -> None:
    # Group 0 sold 5 MW up in one market and 2 MW down in another: 3 MW up are to be seen. Group 2 sold 4 MW
    # down, of which 1 MW has gone to group 3 of B.
    d1 = Bids.of(["a+", "a-"], ["A", "A"], [0, 0], [1, -1], [9.0, 9.0], [50.0, 20.0])
    d2 = Bids.of(["b-"], ["A"], [0], [-1], [9.0], [20.0])
    books, ledger = {"T": Bids.empty(), "D1": d1, "D2": d2}, Ledger()
    for system, bids in books.items():
        ledger.open(system, bids.quantity_mw)
    for market, system, award in (
        ("local", "D1", [5.0, 0.0]), ("tso", "D1", [0.0, 2.0]), ("tso", "D2", [4.0]),
    ):  # fmt: skip
        ledger.book(system, market, Sale.of(np.array(award), np.array(award)))
    place = {"a+": (0, 1), "a-": (0, -1), "b-": (2, -1)}
    sales = SimpleNamespace(groups_of=lambda ids: tuple(np.array([place[i] for i in ids]).T))
    pools = [SimpleNamespace(name=name, sales=sales) for name in "AB"]
    changes = [
        OrderChange("A", -1, np.array([2]), np.array([-1000.0])),
        OrderChange("B", -1, np.array([3]), np.array([1000.0])),
    ]
    found = ordered_mw(cast(Any, pools), books, ledger, changes, 4)
    assert found == pytest.approx(np.array([3.0, 0.0, -3.0, -1.0]))
