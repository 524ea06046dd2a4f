"""The integrated market by hand: companies and operators compete for the same offers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import Row, book, feeder, system
from tests.markets.small import random_case

OFFERS: tuple[Row, ...] = (("t1", 0, 1, 4.0, 40.0), ("t2", 0, 1, 4.0, 60.0), ("t3", 0, 1, 4.0, 80.0))


def _case(*buyers: Row, need_mw: float = 3.0, local: Bids | None = None) -> Case:
    """A need of 3 MW, offers at 40, 60 and 80. A company that buys up takes power out: direction -1."""
    tso = book(*OFFERS, *buyers, demand=tuple(b[0] for b in buyers))
    return system(need_mw, tso, D=feeder(local if local is not None else book(), 5.0))


def _called(case: Case, scheme: str = "integrated") -> dict[str, float]:
    return {bid: mw for bid, _, mw in clear_case(case, SCHEMES[scheme]).cleared}


def test_companies_buy_as_long_as_they_value_it_more_than_it_costs() -> None:
    # After the need 1 MW is left at 40, then 4 at 60, then 4 at 80. A pays up to 70, B up to 50.
    called = _called(_case(("A", 0, -1, 3.0, 70.0), ("B", 0, -1, 3.0, 50.0)))
    assert called == pytest.approx({"t1": 4.0, "t2": 2.0, "A": 3.0})
    outcome = clear_case(_case(("A", 0, -1, 3.0, 70.0), ("B", 0, -1, 3.0, 50.0)), SCHEMES["integrated"])
    assert outcome.cost_eur_per_h == pytest.approx(4 * 40 + 2 * 60)
    assert (outcome.demand_mw, outcome.demand_value_eur_per_h) == pytest.approx((3.0, 210.0))
    # Welfare: against 120 EUR/h for the need alone, the company gets 210 for another 160.
    assert outcome.net_cost_eur_per_h == pytest.approx(280 - 210)
    assert outcome.paid_eur_per_h["T"] == pytest.approx(
        280 - 210
    )  # pay-as-bid: the TSO is the residual buyer


def test_operators_go_first_when_offers_are_short() -> None:
    # 12 MW offered, 11 needed: the company gets 1 MW whatever it pays.
    assert _called(_case(("A", 0, -1, 3.0, 500.0), need_mw=11.0))["A"] == pytest.approx(1.0)


def test_a_company_with_too_much_sells_back_at_its_price() -> None:
    # It buys down: puts 2 MW in, if it gets at least 30. The need takes it before the offers at 40.
    called = _called(_case(("A", 0, 1, 2.0, 30.0)))
    assert called == pytest.approx({"A": 2.0, "t1": 1.0})


def test_a_company_behind_a_full_branch_is_served_up_to_its_limit() -> None:
    local = book(("A", 2, -1, 9.0, 90.0), demand=("A",))
    assert _called(_case(local=local)) == pytest.approx({"t1": 4.0, "t2": 4.0, "A": 5.0})


def test_other_schemes_have_no_place_for_companies() -> None:
    for name in set(SCHEMES) - {"integrated"}:
        with_buyer = clear_case(_case(("A", 0, -1, 3.0, 70.0)), SCHEMES[name])
        without = clear_case(_case(), SCHEMES[name])
        assert with_buyer.cleared == without.cleared, name
        assert with_buyer.demand_mw == 0.0


def test_pay_as_cleared_charges_companies_the_marginal_price() -> None:
    table = build_schemes(Options(pricing="pay-as-cleared"))
    outcome = clear_case(_case(("A", 0, -1, 3.0, 70.0)), table["integrated"])
    # Everybody at 60: sellers get 6 x 60, the company pays 3 x 60, the TSO its need of 3 x 60.
    assert outcome.paid_eur_per_h["T"] == pytest.approx(180.0)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_without_companies_it_is_the_common_market_and_companies_never_lower_welfare(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_case(rng)
    common = clear_case(case, SCHEMES["common"])
    plain = clear_case(case, SCHEMES["integrated"])
    assert plain.cost_eur_per_h == pytest.approx(common.cost_eur_per_h, rel=1e-9, abs=1e-7)
    buyer = book(("company", 0, -1, 0.5, float(rng.uniform(20.0, 120.0))), demand=("company",))
    richer = Case(
        name=case.name,
        transmission=case.transmission,
        tso_bids=Bids.join([case.tso_bids, buyer]),
        areas=case.areas,
    )
    outcome = clear_case(richer, SCHEMES["integrated"])
    if outcome.unserved_imbalance_mw < 1e-7 and outcome.linear == common.linear:
        assert outcome.net_cost_eur_per_h <= common.cost_eur_per_h + 1e-5
