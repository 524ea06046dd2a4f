"""Imbalance prices: published rules with hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.settlement.imbalance import (
    ImbalancePrices,
    Regulation,
    adder,
    dual_price,
    mid_price,
    regulation_state,
    single_price,
)

NAN = float("nan")


def _found(delta: list[float], up_price: float = NAN, down_price: float = NAN) -> Regulation:
    path = np.array(delta)
    return Regulation(
        delta_mw=path,
        up_mw=float(np.maximum(path, 0).mean()),
        down_mw=float(np.maximum(-path, 0).mean()),
        up_price=up_price,
        down_price=down_price,
    )


@pytest.mark.parametrize(
    ("system_mw", "alpha", "decremental", "long", "short"),
    [
        (215.246, 1.46, 28.67, 27.21, 28.67),
        (146.673, 1.48, 28.67, 27.19, 28.67),
        (57.224, 0.0, 28.67, 28.67, 28.67),
    ],
)
def test_elias_published_rows(
    system_mw: float, alpha: float, decremental: float, long: float, short: float
) -> None:
    """Elia, imbalance prices of 21 February 2018, 00:00 to 00:45: a long system, alpha on its side alone."""
    prices = single_price(_found([-system_mw], down_price=decremental), 40.0, alpha, both_sides=False)
    assert (prices.long, prices.short) == pytest.approx((long, short))


def test_alpha_of_a_short_system_is_on_the_side_of_who_is_short() -> None:
    found = _found([150.0], up_price=60.0)
    assert single_price(found, 40.0, 1.5, both_sides=False) == ImbalancePrices(long=60.0, short=61.5)
    assert single_price(found, 40.0, 1.5) == ImbalancePrices(61.5, 61.5)


def test_a_shortage_costs_no_less_than_what_was_paid() -> None:
    """Regulation (EU) 2017/2195, art. 55(4), (5): bounded by the weighted average of what was activated."""
    up = Regulation(
        delta_mw=np.ones(1),
        up_mw=2.0,
        down_mw=1.0,
        up_price=50.0,
        down_price=20.0,
        up_mean=65.0,
        down_mean=15.0,
    )
    assert single_price(up, 40.0) == ImbalancePrices(65.0, 65.0)  # the bound of the net direction
    down = Regulation(
        delta_mw=-np.ones(1),
        up_mw=1.0,
        down_mw=2.0,
        up_price=50.0,
        down_price=20.0,
        up_mean=65.0,
        down_mean=15.0,
    )
    assert single_price(down, 40.0) == ImbalancePrices(15.0, 15.0)
    turned = Regulation(
        delta_mw=np.array([1.0, -1.0, 2.0]),
        up_mw=2.0,
        down_mw=1.0,
        up_price=50.0,
        down_price=20.0,
        up_mean=65.0,
        down_mean=15.0,
    )
    assert dual_price(turned, 40.0) == ImbalancePrices(long=15.0, short=65.0)


def test_alpha_by_hand() -> None:
    # Eight quarter-hours of 148 MW: 148^2 / 15 000 = 1.460 EUR/MWh. Up to 140 MW there is none.
    assert adder("elia-2019", np.full(8, -148.0)) == pytest.approx(1.4603, abs=1e-4)
    assert adder("elia-2019", np.array([0.0] * 7 + [200.0])) == pytest.approx(200.0**2 / 8 / 15_000)
    assert adder("elia-2019", np.array([500.0] * 7 + [140.0])) == 0.0
    assert adder("elia-2019", np.empty(0)) == 0.0
    assert adder("elia-2019", np.array([900.0] + [150.0] * 8)) == pytest.approx(1.5)  # the ninth is forgotten


def test_alpha_since_2020_by_hand() -> None:
    # Two quarter-hours of 450 MW lie on the middle of the curve: half of 200 EUR/MWh.
    assert adder("elia-2020", np.array([450.0, -450.0])) == pytest.approx(100.0)
    # Mean of 100 and 300 MW: 200 / (1 + exp(250 / 65)) = 4.18. Up to 150 MW now there is none.
    assert adder("elia-2020", np.array([900.0, 100.0, 300.0])) == pytest.approx(4.18, abs=0.005)
    assert adder("elia-2020", np.array([900.0, 150.0])) == 0.0
    assert adder("none", np.array([900.0])) == 0.0


def test_the_mid_price_lies_between_the_best_bids() -> None:
    a = Bids.of(["u", "v"], ["A", "B"], [0, 0], [1, 1], [1.0, 1.0], [60.0, 52.0])
    b = Bids.of(["d", "e"], ["A", "B"], [0, 0], [-1, -1], [1.0, 1.0], [20.0, 28.0])
    assert mid_price([a, b], 99.0) == 40.0  # (52 + 28) / 2
    assert mid_price([a, Bids.empty()], 99.0) == 99.0  # nobody offers down


def test_the_dominating_direction_sets_the_single_price() -> None:
    both = Regulation(delta_mw=np.array([5.0, -2.0]), up_mw=2.5, down_mw=1.0, up_price=80.0, down_price=10.0)
    assert single_price(both, 40.0) == ImbalancePrices(80.0, 80.0)
    assert single_price(_found([0.0]), 40.0) == ImbalancePrices(40.0, 40.0)


@pytest.mark.parametrize(
    ("delta", "state"),
    [
        ([0.0, 0.0], 0),
        ([1.0, 3.0, 2.0], 1),
        ([-1.0, -2.0], -1),
        ([-1.0, 0.0, 2.0], 1),
        ([2.0, 0.0, -1.0], -1),
        ([1.0, -1.0, 2.0], 2),
        ([-1.0, 2.0, 1.0], 2),
    ],
)
def test_regulation_states(delta: list[float], state: int) -> None:
    assert regulation_state(_found(delta, 80.0, 10.0)) == state


def test_dual_prices_by_hand() -> None:
    assert dual_price(_found([1.0], up_price=80.0), 40.0) == ImbalancePrices(80.0, 80.0)
    assert dual_price(_found([-1.0], down_price=10.0), 40.0) == ImbalancePrices(10.0, 10.0)
    turned = _found([1.0, -1.0, 2.0], 80.0, 10.0)
    assert dual_price(turned, 40.0) == ImbalancePrices(long=10.0, short=80.0)
    assert dual_price(turned, 95.0) == ImbalancePrices(
        long=10.0, short=95.0
    )  # never better than the mid price
    assert dual_price(turned, 5.0) == ImbalancePrices(long=5.0, short=80.0)
    assert dual_price(_found([0.0]), 40.0) == ImbalancePrices(40.0, 40.0)
