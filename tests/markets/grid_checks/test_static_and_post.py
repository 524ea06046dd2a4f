"""What a DSO may do before and after without a market: zones of a study, refusal of awards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.power_flow.constraints import Violations
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.markets.cases.clear import clear_case, open_case
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.grid_checks.flexibility_study import (
    LOW_LOAD_SHARE,
    fitting_nodes,
    registered_mw,
    worst_cases,
)
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.orders.zones import Zones
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import book, feeder, system
from tests.markets.small import random_bids, random_case, random_tree

SEEDS = st.integers(0, 10_000)
STATIC = build_schemes(Options(grid_prequalification="static"))


def test_zones_by_hand() -> None:
    # 2 MW of load at node 1 behind 5 MW. Worst for up: a quarter of it, 0.5 MW: 5.5 MW of injection fit. Node
    # 2 registers 3 MW up, node 1 4 MW: 7 MW do not fit, the study lets in all of one and part of the other.
    bids = book(("a", 1, 1, 4.0, 50.0), ("b", 2, 1, 3.0, 40.0), ("c", 2, -1, 2.0, 10.0))
    area = feeder(bids, 5.0, base_mw=(-2.0, 0.0))
    case = system(7.0, book(("t", 0, 1, 9.0, 90.0)), D=area)
    states, _ = open_case(case, STATIC["central-02"])
    green = states.area("D").zones.green
    assert green[0, 1] != green[0, 2]  # one of them is red for up
    assert green[1].all()  # worst for down: 2 MW of load and 2 MW more on 5 MW
    outcome = clear_case(case, STATIC["central-02"])
    called = {bid: mw for bid, _, mw in outcome.cleared}
    kept, size = ("a", 4.0) if green[0, 1] else ("b", 3.0)
    assert called == pytest.approx({kept: size, "t": 7.0 - size})
    assert outcome.unqualified_pct == pytest.approx({UP: 100.0 * (7.0 - size) / 7.0, DOWN: 0.0})
    assert LOW_LOAD_SHARE == 0.25


def test_a_study_is_kept_whatever_the_day_brings() -> None:
    bids = book(("b", 2, 1, 3.0, 40.0))
    area = replace(feeder(bids, 5.0, base_mw=(-2.0, 0.0)), zones=Zones(np.zeros((2, 3), dtype=bool)))
    case = system(3.0, book(("t", 0, 1, 9.0, 90.0)), D=area)
    assert {bid for bid, _, _ in clear_case(case, STATIC["central-02"]).cleared} == {"t"}


@settings(deadline=None, max_examples=40)
@given(SEEDS)
def test_all_green_bids_together_are_safe_in_the_worst_case(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = random_tree(rng, 1.4)
    bids = random_bids(rng, grid.n_nodes, 12)
    load, generation = np.minimum(grid.p_mw, 0.0), np.maximum(grid.p_mw, 0.0)
    worst = worst_cases(LinDistFlow.build(grid), load, generation, grid.q_mvar)
    nobody = dict.fromkeys((UP, DOWN), np.zeros(grid.n_nodes))
    zones = Zones(fitting_nodes(worst, registered_mw(bids, grid.n_nodes), nobody))
    sold = zones.open_mw(bids, bids.quantity_mw)
    assert set(np.unique(sold / bids.quantity_mw)) <= {0.0, 1.0}
    for direction in (UP, DOWN):
        rows = worst[direction].relaxed()
        full = np.where(bids.direction == direction, sold, 0.0)
        after = rows.after(bids.injection_mw(full, grid.n_nodes))
        assert (after.flow_mw <= rows.flow_max_mw + 1e-6).all()
        assert (after.flow_mw >= rows.flow_min_mw - 1e-6).all()
        assert (after.w_pu2 <= rows.w_max_pu2 + 1e-6).all()
        assert (after.w_pu2 >= rows.w_min_pu2 - 1e-6).all()


def test_refusal_by_hand() -> None:
    # The TSO takes 4 + 2 MW behind a branch of 5 MW; the dearer bid is cut by 1 MW, and nobody replaces it.
    bids = book(("cheap", 1, 1, 4.0, 20.0), ("dear", 2, 1, 2.0, 30.0))
    case = system(6.0, book(("t", 0, 1, 9.0, 90.0)), D=feeder(bids, 5.0))
    outcome = clear_case(case, SCHEMES["multilevel-02-post"])
    assert {bid: mw for bid, _, mw in outcome.cleared} == pytest.approx({"cheap": 4.0, "dear": 1.0})
    assert outcome.cost_eur_per_h == pytest.approx(4 * 20 + 30)
    assert outcome.unserved_imbalance_mw == pytest.approx(1.0)
    assert outcome.linear == Violations()


@settings(deadline=None, max_examples=15)
@given(SEEDS)
def test_refusal_leaves_nothing_worse_than_the_local_market_did(seed: int) -> None:
    case = random_case(np.random.default_rng(seed))
    scheme = SCHEMES["multilevel-02-post"]
    states, ledger = open_case(case, scheme)
    run_scheme(scheme, states, ledger)
    for name, area in case.areas.items():
        local = area.bids.injection_mw(ledger.markets["dso_market"][name], area.network.n_nodes)
        allowed = area.rows.after(local).relaxed()
        after = area.rows.after(area.bids.injection_mw(ledger.sold(name), area.network.n_nodes))
        assert (after.flow_mw <= allowed.flow_max_mw + 1e-6).all()
        assert (after.flow_mw >= allowed.flow_min_mw - 1e-6).all()
        assert (after.w_pu2 <= allowed.w_max_pu2 + 1e-6).all()
        assert (after.w_pu2 >= allowed.w_min_pu2 - 1e-6).all()


def test_the_ledger_takes_back_no_more_than_was_sold() -> None:
    ledger = Ledger()
    ledger.open("D", np.array([2.0, 2.0]))
    ledger.book("D", "tso_market", Sale.of(np.array([2.0, 1.0]), np.array([100.0, 60.0])))
    with pytest.raises(ValueError, match="more is cancelled than was awarded"):
        ledger.cancel("D", "tso_market", np.array([0.0, 1.5]))
    ledger.cancel("D", "tso_market", np.array([0.5, 1.0]))
    assert ledger.sold("D") == pytest.approx([1.5, 0.0])
    assert ledger.paid["tso_market"]["D"] == pytest.approx([75.0, 0.0])
    again = Sale.of(np.array([0.5, 2.0]), np.zeros(2))
    ledger.book("D", "late", again)  # what was taken back can be sold again
