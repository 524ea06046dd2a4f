"""A problem solved with violated constraints only has the result of the problem with all of them."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.clearing import auction as problem
from tandem_sim.markets.clearing.auction import Cleared, Status, clear
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.orders.penalties import UNSERVED_EUR_PER_MWH

INF = float("inf")


def book(seed: int) -> tuple[dict[str, Any], list[AuctionConstraints]]:
    """What `clear` takes, with more rows than it hands over at once, some of them broken from the start."""
    rng = np.random.default_rng(seed)
    n, m, hard = int(rng.integers(2, 60)), int(rng.integers(9, 50)), bool(rng.random() < 0.5)
    cost = rng.uniform(-50.0, 100.0, n).round(int(rng.integers(0, 4)))
    sign = None if rng.random() < 0.4 else np.where(rng.random(n) < 0.5, 1.0, -1.0)
    base = rng.normal(size=m)
    matrix = rng.normal(size=(m, n)) * (rng.random((m, n)) < 0.5)
    low, high = -rng.uniform(0.0, 2.0, m), rng.uniform(0.0, 2.0, m)
    high[rng.random(m) < 0.2] = INF
    if hard and rng.random() < 0.8:  # the others have no answer, or only by luck
        low, high = np.minimum(low, base), np.maximum(high, base)
    others = AuctionConstraints(
        matrix=rng.normal(size=(3, n)),
        base=np.zeros(3),
        low=-np.ones(3),
        high=np.ones(3),
        penalty=1e4,
        owner="D2",
    )
    given: dict[str, Any] = {
        "cost": cost,
        "available": rng.uniform(0.0, 1.0, n) * (rng.random(n) < 0.9),
        "sign": sign,
        "need_mw": float(rng.normal()) if sign is not None else 0.0,
    }
    return given, [
        AuctionConstraints(
            matrix=matrix, base=base, low=low, high=high, penalty=INF if hard else 1e4, owner="D1"
        ),
        others,
    ]


def objective(answer: Cleared) -> float:
    imbalance = UNSERVED_EUR_PER_MWH * (answer.short_mw + answer.long_mw)
    return answer.cost_eur_per_h + answer.penalty_eur_per_h + imbalance


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_rows_that_matter_are_enough(seed: int) -> None:
    given, rows = book(seed)
    found = clear(**given, rows=rows)
    with patch.object(problem, "FEW_ROWS", 10**6):
        asked = clear(**given, rows=rows)
    assert found.status is asked.status
    if asked.status is not Status.OPTIMAL:
        return
    assert objective(found) == pytest.approx(objective(asked), rel=1e-8, abs=1e-5)
    for part in rows:
        if np.isinf(part.penalty):
            state = part.base + part.matrix @ found.quantity_mw
            assert ((state <= part.high + 1e-6) & (state >= part.low - 1e-6)).all()
    np.testing.assert_allclose(found.price_eur_per_mwh, asked.price_eur_per_mwh, atol=1e-3)
    assert found.limits_eur_per_h == pytest.approx(asked.limits_eur_per_h, rel=1e-4, abs=1e-3)


def test_rows_of_nan_are_refused_aloud() -> None:
    matrix = np.ones((9, 2))
    matrix[8, 1] = np.nan
    rows = [
        AuctionConstraints(
            matrix=matrix, base=np.zeros(9), low=-np.ones(9), high=np.ones(9), penalty=1e4, owner="D1"
        )
    ]
    with pytest.raises(ValueError, match=r"nan|inf"):
        clear(np.array([-5.0, -4.0]), np.ones(2), rows=rows)
