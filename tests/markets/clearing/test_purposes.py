"""Why a market bought, and what balancing took: by hand, where lines of transmission bind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import open_case
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tandem_sim.markets.settlement.imbalance import ImbalancePrices, Regulation, mid_price, single_price
from tandem_sim.markets.settlement.regulation import regulation_of
from tests.markets.hand import book, feeder, over_line, system

EXACT = build_schemes(Options(aggregation="exact"))["aggregation"]
BOTH = pytest.mark.parametrize("scheme", [SCHEMES["common"], EXACT], ids=["common", "aggregation"])


def _sold(case: Case, scheme: Scheme) -> tuple[Ledger, dict[str, Bids]]:
    states, ledger = open_case(case, scheme)
    run_scheme(scheme, states, ledger)
    return ledger, states.books()


def _bought(case: Case, scheme: Scheme) -> dict[str, dict[str, float]]:
    """MW by bid id and purpose; what is nothing is left out."""
    ledger, books = _sold(case, scheme)
    found: dict[str, dict[str, float]] = {}
    for market, systems in ledger.markets.items():
        for name, award in systems.items():
            for purpose, mw in ledger.purposes[market][name].by_name(award).items():
                for k in np.flatnonzero(mw > 1e-6):
                    found.setdefault(str(books[name].bid_id[k]), {})[purpose] = round(float(mw[k]), 6)
    return found


def _regulation(case: Case, scheme: Scheme) -> tuple[Regulation, float]:
    ledger, books = _sold(case, scheme)
    bought = {block.name for block in scheme.blocks if block.buyer == "tso"}
    return regulation_of(ledger, books, bought), mid_price(list(books.values()), 99.0)


def _importing() -> Case:
    """The area draws 4 MW over a line of 3 MW: 1 MW at 60 behind it, whatever the 5 MW needed cost (20)."""
    area = feeder(book(("d", 1, 1, 4.0, 60.0)), 100.0, base_mw=(-4.0, 0.0))
    return over_line(system(5.0, book(("t", 0, 1, 9.0, 20.0)), D=area), 3.0)


def _exporting() -> Case:
    """5 MW needed, 4 MW at 20 behind a line of 3 MW, the rest at 50. Without the line: 4 and 1 MW."""
    area = feeder(book(("d", 1, 1, 4.0, 20.0)), 100.0)
    return over_line(system(5.0, book(("t", 0, 1, 9.0, 50.0)), D=area), 3.0)


def _full() -> Case:
    """5 MW needed, 9 MW at 20 behind a line that is full; all of it comes from where a MWh costs 50."""
    area = feeder(book(("d", 1, 1, 9.0, 20.0)), 100.0, base_mw=(3.0, 0.0))
    return over_line(system(5.0, book(("t", 0, 1, 9.0, 50.0), ("td", 0, -1, 9.0, 5.0)), D=area), 3.0)


@BOTH
def test_what_the_tso_buys_of_an_area_against_its_own_line_is_congestion(scheme: Scheme) -> None:
    assert _bought(_importing(), scheme) == {"t": {"balancing": 4.0}, "d": {"congestion": 1.0}}
    assert _bought(_exporting(), scheme) == {
        "d": {"balancing": 3.0},
        "t": {"balancing": 1.0, "congestion": 1.0},
    }
    assert _bought(_full(), scheme) == {"t": {"congestion": 5.0}}


def test_points_are_chosen_whole_without_limits_too() -> None:
    """3 MW needed; the area sells 0, 2 or 4 MW at 20 over a line of 2 MW, which is full and changes nothing.

    For 4 MW are 1 MW too many also without the line: 2 MW, and 1 MW at 50, are the best either way.
    """
    area = feeder(book(("d", 1, 1, 4.0, 20.0)), 100.0)
    case = over_line(system(3.0, book(("t", 0, 1, 9.0, 50.0)), D=area), 2.0)
    scheme = build_schemes(Options(aggregation="discrete", aggregation_step_mw=2.0))["aggregation"]
    assert _bought(case, scheme) == {"d": {"balancing": 2.0}, "t": {"balancing": 1.0}}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_an_area_as_a_whole_is_bought_for_the_reasons_its_bids_would_be(seed: int) -> None:
    """Where no limit of the area binds, aggregation and the common market tell the same purposes."""
    rng = np.random.default_rng(seed)

    def offers(name: str, node: int) -> Bids:
        return book(
            *((f"{name}u{k}", node, 1, rng.uniform(0.5, 2.0), rng.uniform(50.0, 100.0)) for k in range(3)),
            *((f"{name}d{k}", node, -1, rng.uniform(0.5, 2.0), rng.uniform(0.0, 45.0)) for k in range(3)),
        )

    area = feeder(offers("d", 1), 100.0, base_mw=(float(rng.uniform(-4.0, 4.0)), 0.0))
    need, line = float(rng.uniform(-4.0, 4.0)), float(rng.uniform(2.0, 4.0))
    case = over_line(system(need, offers("t", 0), D=area), line)
    common, whole = (_bought(case, scheme) for scheme in (SCHEMES["common"], EXACT))
    assert whole.keys() == common.keys()
    for bid, why in common.items():
        assert whole[bid] == pytest.approx(why, abs=2e-6), bid


@BOTH
def test_a_short_system_is_short_also_where_all_that_is_called_is_congestion(scheme: Scheme) -> None:
    """Without the line 5 MW would have come at 20: so much was needed, and that is what a MWh is worth.

    It is the value of the activation that was avoided (Regulation (EU) 2017/2195, art. 55(4)(b)). The 50 paid
    is the cost of the line (art. 30(1)(b)); the mid price, 12.5, would be that of a system in balance.
    """
    found, mid = _regulation(_full(), scheme)
    assert (found.up_mw, found.down_mw) == pytest.approx((5.0, 0.0))
    assert found.delta_mw == pytest.approx([5.0])
    assert mid == 12.5
    assert single_price(found, mid) == ImbalancePrices(20.0, 20.0)


@BOTH
def test_balancing_is_what_the_system_needs(scheme: Scheme) -> None:
    """4 MW at 20 and 1 MW at 50 without the line; of what was called 3 at 20 and 1 at 50 were balancing."""
    found, mid = _regulation(_exporting(), scheme)
    assert (found.up_mw, found.down_mw) == pytest.approx((5.0, 0.0))
    assert (found.up_price, found.up_mean) == pytest.approx((50.0, (3 * 20 + 50) / 4))
    found, mid = _regulation(_importing(), scheme)  # 5 MW at 20 without the line, 4 of them called
    assert (found.up_mw, found.up_price, found.up_mean) == pytest.approx((5.0, 20.0, 20.0))
    assert single_price(found, mid) == ImbalancePrices(20.0, 20.0)


@BOTH
def test_a_balanced_system_that_redispatches_has_the_mid_price(scheme: Scheme) -> None:
    """1 MW up at 60 behind the line, 1 MW down at 5 before it: nobody was short, nobody long."""
    area = feeder(book(("d", 1, 1, 4.0, 60.0)), 100.0, base_mw=(-4.0, 0.0))
    case = over_line(system(0.0, book(("td", 0, -1, 9.0, 5.0)), D=area), 3.0)
    assert _bought(case, scheme) == {"d": {"congestion": 1.0}, "td": {"congestion": 1.0}}
    found, mid = _regulation(case, scheme)
    assert (found.up_mw, found.down_mw, mid) == (0.0, 0.0, 32.5)
    assert single_price(found, mid) == ImbalancePrices(32.5, 32.5)
