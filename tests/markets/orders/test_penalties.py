"""Penalties lie above every admitted price: no bid is too dear to be called, none earns by what is broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.markets.cases.case import read_case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.orders.penalties import (
    admitting,
    factor_of,
    overload_eur_per_mwh,
    unserved_eur_per_mwh,
)
from tandem_sim.markets.schemes import SCHEMES
from tests.markets.cases.test_edge_markets import little_case

ONE = np.ones(1)


def test_below_ten_thousand_nothing_changes() -> None:
    assert factor_of(0.0) == factor_of(-9999.99) == 1.0
    with admitting(9999.0):
        assert unserved_eur_per_mwh() == 10_000.0


@pytest.mark.parametrize("limit", [10_000.0, 15_000.0, 99_999.0])
def test_the_dearest_admitted_bid_is_called_before_need_is_left(limit: float) -> None:
    with admitting(limit):
        up = clear(limit * ONE, 5.0 * ONE, ONE, 3.0)
        assert (up.quantity_mw.tolist(), up.short_mw, up.price_eur_per_mwh) == ([3.0], 0.0, limit)
        down = clear(limit * ONE, 5.0 * ONE, -ONE, -3.0)  # it asks to be paid for consuming
        assert (down.quantity_mw.tolist(), down.long_mw, down.price_eur_per_mwh) == ([3.0], 0.0, -limit)


@pytest.mark.parametrize("limit", [9999.0, 15_000.0, 99_999.0])
def test_nobody_earns_by_leaving_need_or_breaking_a_limit(limit: float) -> None:
    with admitting(limit):
        greedy = clear(-limit * ONE, 5.0 * ONE, -ONE, 0.0)  # it pays the limit for every MW
        assert (greedy.quantity_mw.tolist(), greedy.short_mw) == ([0.0], 0.0)
        if limit < 10_000.0:
            return  # two bids at the limit are worth more than a MW of overload: see `penalties`
        line = AuctionConstraints(
            matrix=np.ones((1, 2)),
            base=np.zeros(1),
            low=-np.full(1, 9.0),
            high=ONE,
            penalty=overload_eur_per_mwh(),
            owner="D",
        )
        pair = clear(-limit * np.ones(2), np.full(2, 5.0), np.array([1.0, -1.0]), 0.0, [line])
        assert pair.penalty_eur_per_h == 0.0
        assert pair.quantity_mw.tolist() == [0.5, 0.5]


def test_what_nobody_serves_has_the_price_of_its_penalty() -> None:
    with admitting(15_000.0):
        assert clear(30.0 * ONE, 0.5 * ONE, ONE, 100.0).price_eur_per_mwh == pytest.approx(31_500.0)


def test_a_case_admits_what_is_bid_or_what_it_says(tmp_path: Path) -> None:
    """5 MW at 12 000 EUR/MWh for a need of 3 MW: 36 000 EUR/h, not 3 MW unserved for nothing."""
    folder = little_case(tmp_path / "little", "dear,T,1,up,5,12000\n", need_mw=3.0)
    case = read_case(folder)
    assert case.admitted_eur_per_mwh == 12_000.0
    outcome = clear_case(case, SCHEMES["central-01"])
    assert outcome.unserved_imbalance_mw == 0.0
    assert outcome.cost_eur_per_h == pytest.approx(36_000.0)
    spec = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    spec["options"] = {"price_limit_eur_per_mwh": 9999}
    (folder / "case.json").write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(
        InputError, match="bid dear: has a price of 12000 EUR/MWh, beyond the limit of 9999 EUR/MWh"
    ):
        read_case(folder)


@pytest.mark.parametrize(("limit", "kept"), [(4999.0, True), (9999.0, False), (10_000.0, True)])
def test_below_ten_thousand_two_bids_at_the_limit_may_leave_an_overload(limit: float, kept: bool) -> None:
    """A branch is 1 MW over; moving a MW costs twice the limit, the overload 10 000 EUR/h, or 21 000."""
    with admitting(limit):
        line = AuctionConstraints(
            matrix=np.array([[1.0, 0.0]]),
            base=-ONE,
            low=0.0 * ONE,
            high=9.0 * ONE,
            penalty=overload_eur_per_mwh(),
            owner="D",
        )
        found = clear(limit * np.array([1.0, 1.0]), np.full(2, 5.0), np.array([1.0, -1.0]), 0.0, [line])
        assert found.quantity_mw.tolist() == ([1.0, 1.0] if kept else [0.0, 0.0])
