"""Imbalance prices: published rules with hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from markets.imbalance import (
    ImbalancePrices,
    Regulation,
    dual_price,
    elia_alpha,
    regulation_state,
    single_price,
)

NAN = float("nan")


def _found(delta: list[float], up_price: float = NAN, down_price: float = NAN) -> Regulation:
    path = np.array(delta)
    return Regulation(
        path, float(np.maximum(path, 0).mean()), float(np.maximum(-path, 0).mean()), up_price, down_price
    )


def test_elias_published_example() -> None:
    # A long system: marginal decremental price 28.67, alpha 1.46: positive imbalances are paid 27.21 EUR/MWh.
    prices = single_price(_found([-150.0], down_price=28.67), mid_price=40.0, alpha=1.46)
    assert prices.long == pytest.approx(27.21)
    assert prices.short == prices.long
    # A short system pays the marginal incremental price plus alpha.
    assert single_price(_found([150.0], up_price=60.0), 40.0, 1.46).short == pytest.approx(61.46)


def test_alpha_by_hand() -> None:
    # Eight quarter-hours of 148 MW: 148^2 / 15 000 = 1.460 EUR/MWh. Up to 140 MW there is none.
    assert elia_alpha(np.full(8, -148.0)) == pytest.approx(1.4603, abs=1e-4)
    assert elia_alpha(np.array([0.0] * 7 + [200.0])) == pytest.approx(200.0**2 / 8 / 15_000)
    assert elia_alpha(np.array([500.0] * 7 + [140.0])) == 0.0
    assert elia_alpha(np.empty(0)) == 0.0
    assert elia_alpha(np.array([900.0] + [150.0] * 8)) == pytest.approx(1.5)  # the ninth is forgotten


def test_the_dominating_direction_sets_the_single_price() -> None:
    both = Regulation(np.array([5.0, -2.0]), 2.5, 1.0, 80.0, 10.0)
    assert single_price(both, 40.0) == ImbalancePrices(80.0, 80.0)
    assert single_price(_found([0.0]), 40.0) == ImbalancePrices(40.0, 40.0)


@pytest.mark.parametrize(
    ("delta", "state"),
    [([0.0, 0.0], 0), ([1.0, 3.0, 2.0], 1), ([-1.0, -2.0], -1), ([-1.0, 0.0, 2.0], 1), ([2.0, 0.0, -1.0], -1),
     ([1.0, -1.0, 2.0], 2), ([-1.0, 2.0, 1.0], 2)],
)  # fmt: skip
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
