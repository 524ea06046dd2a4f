"""The need of every auction equals its awards, other injections, and the unserved part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.auctions.local_and_tso import DsoMarket, Interface, TsoMarket
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import forecasts_by_gate, open_case
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.schemes import OFFERS, SCHEMES, Options, build_schemes
from tests.markets.hand import book, feeder, system
from tests.markets.small import random_case

UP_AND_DOWN = book(("u", 1, 1, 2.0, 50.0), ("d", 1, -1, 2.0, 20.0))
NO_BIDS = book()


def _carried(case: Case, scheme: Scheme) -> Ledger:
    states, ledger = open_case(case, scheme)
    run_scheme(scheme, states, ledger, forecasts_by_gate(case, states))
    return ledger


def _rows(ledger: Ledger) -> dict[tuple[str, str], tuple[float, float, float, float]]:
    """Need, exchange, short and long (MW) by market and system."""
    return {
        (market, system): (c.need_mw, c.exchange_mw, c.answer.short_mw, c.answer.long_mw)
        for market, systems in ledger.clearings.items()
        for system, c in systems.items()
    }


def _balancing(scheduled_mw: dict[str, float], tolerance_mw: float = 0.0) -> Ledger:
    """Areas that draw 3 MW each and can move by 2 MW either way; transmission can by 9 MW."""
    areas = {
        name: replace(feeder(UP_AND_DOWN, 10.0, (-1.0, -2.0), name), scheduled_mw=flow)
        for name, flow in scheduled_mw.items()
    }
    case = system(1.0, book(("t", 0, 1, 9.0, 70.0), ("td", 0, -1, 9.0, 5.0)), **areas)
    return _carried(case, build_schemes(Options(boundary_tolerance_mw=tolerance_mw))["shared-balancing"])


def test_an_area_that_holds_its_schedule_says_what_it_needed_and_what_it_left() -> None:
    # 3 MW flow, 0.5 are scheduled: 2.5 MW of injection are wanted, 2 MW are there. The TSO, who reckons with
    # 0.5 MW, sees 1 MW - 2.5 MW: 1.5 MW too much.
    rows = _rows(_balancing({"D": 0.5}))
    assert rows["dso_balancing", "D"] == pytest.approx((2.5, 0.0, 0.5, 0.0))
    assert rows["tso_market", "T"] == pytest.approx((-1.5, 0.0, 0.0, 0.0))


def test_what_the_band_lets_flow_is_no_need_unserved() -> None:
    # With 0.3 MW either way for free, 2 of the 2.5 MW are bought, 0.3 MW flow in beyond the schedule.
    rows = _rows(_balancing({"D": 0.5}, tolerance_mw=0.3))
    assert rows["dso_balancing", "D"] == pytest.approx((2.5, 0.3, 0.2, 0.0))


def test_too_much_in_one_area_does_not_hide_what_another_lacks() -> None:
    # E lacks 3 + 2 - 2 = 3 MW less than D has too much of it: 5 MW too little here, 5 MW too much there, 2 MW
    # of bids each. Three stay unserved in either: six in all, and not none.
    ledger = _balancing({"D": -2.0, "E": 8.0})
    rows = _rows(ledger)
    assert rows["dso_balancing", "D"] == pytest.approx((5.0, 0.0, 3.0, 0.0))
    assert rows["dso_balancing", "E"] == pytest.approx((-5.0, 0.0, 0.0, 3.0))
    assert ledger.unserved_mw() == pytest.approx(6.0)


def test_a_refusal_is_unserved_in_its_direction() -> None:
    # The TSO takes 4 + 2 MW behind a branch of 5 MW: 1 MW up is refused, at 60 EUR/MWh.
    bids = book(("a", 1, 1, 4.0, 50.0), ("b", 1, 1, 2.0, 60.0))
    case = system(6.0, book(("t", 0, 1, 9.0, 90.0)), D=feeder(bids, 5.0))
    ledger = _carried(case, SCHEMES["multilevel-02-post"])
    rows = _rows(ledger)
    assert rows["tso_market", "T"] == pytest.approx((6.0, 0.0, 0.0, 0.0))
    assert rows["post_qualify", "D"] == pytest.approx((0.0, 0.0, 1.0, 0.0))
    assert ledger.clearings["post_qualify"]["D"].answer.cost_eur_per_h == pytest.approx(-60.0)
    assert ledger.unserved_mw() == pytest.approx(1.0)


def test_areas_that_sell_as_a_whole_are_exchange_of_the_tso_and_need_of_the_dso() -> None:
    # 3 MW are wanted: 2 MW of the area at 50, the rest on transmission at 70.
    case = system(3.0, book(("t", 0, 1, 9.0, 70.0)), D=feeder(UP_AND_DOWN, 10.0))
    ledger = _carried(case, build_schemes(Options(aggregation="exact"))["aggregation"])
    rows = _rows(ledger)
    assert rows["tso_market", "T"] == pytest.approx((3.0, 2.0, 0.0, 0.0))
    assert rows["translate_bids", "D"] == pytest.approx((2.0, 0.0, 0.0, 0.0), abs=1e-8)
    assert ledger.sold("T") == pytest.approx([1.0])


def test_what_companies_take_is_exchange() -> None:
    # The TSO lacks 3 MW, company A takes 2 MW of injection out of the system: 5 MW are sold.
    bids = book(("t", 0, 1, 9.0, 70.0), ("A", 0, -1, 2.0, 100.0), demand=("A",))
    ledger = _carried(system(3.0, bids, D=feeder(NO_BIDS, 5.0)), SCHEMES["integrated"])
    assert _rows(ledger)["integrated_market", "T"] == pytest.approx((3.0, -2.0, 0.0, 0.0))
    assert ledger.sold("T") == pytest.approx([5.0, 2.0])
    assert ledger.unserved_mw() == 0.0


def test_a_local_market_that_may_move_its_flow_leaves_nothing_unserved() -> None:
    # The area's 3 MW exceed its 2 MW by 1: it buys 1 MW up, and lets the flow fall instead of buying it back.
    case = system(0.0, book(("td", 0, -1, 9.0, 5.0)), D=feeder(UP_AND_DOWN, 2.0, (-3.0, 0.0)))
    moving = DsoMarket(interface=Interface(price_eur_per_mwh=1.0, bound_mw=None))
    scheme = Scheme(
        name="moving", steps=(moving, TsoMarket()), shared=OFFERS, source="a test", summary="a test"
    )
    ledger = _carried(case, scheme)
    rows = _rows(ledger)
    assert rows["dso_market", "D"] == pytest.approx((0.0, -1.0, 0.0, 0.0))
    assert rows["tso_market", "T"] == pytest.approx((-1.0, 0.0, 0.0, 0.0))
    assert ledger.unserved_mw() == 0.0


@pytest.mark.parametrize("scheme", [*sorted(SCHEMES), "pooled"])
@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10_000), st.floats(-0.5, 0.5))
def test_every_need_is_accounted_for_in_every_scheme(scheme: str, seed: int, shift: float) -> None:
    case = random_case(np.random.default_rng(seed))
    areas = {k: replace(a, scheduled_mw=a.network.interface_mw + shift) for k, a in case.areas.items()}
    pooled = build_schemes(Options(perimeter="pooled"))["multilevel-01"]
    ledger = _carried(replace(case, areas=areas), pooled if scheme == "pooled" else SCHEMES[scheme])
    books = {"T": case.tso_bids, **{k: a.bids for k, a in areas.items()}}
    net = {
        market: sum(float((books[s].direction * ~books[s].demand) @ award) for s, award in systems.items())
        for market, systems in ledger.markets.items()
    }
    asked = dict.fromkeys(ledger.clearings, 0.0)
    for (market, _), (need, exchange, short, long_) in _rows(ledger).items():
        assert min(short, long_) == 0.0 or market == "post_qualify"
        asked[market] += need - short + long_ - exchange
    asked["tso_market"] = asked.get("tso_market", 0.0) + asked.pop("post_qualify", 0.0)
    assert {k: net.get(k, 0.0) for k in asked} == pytest.approx(asked, abs=1e-6)
    assert set(net) <= {*asked}
