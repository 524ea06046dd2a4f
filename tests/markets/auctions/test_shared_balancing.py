"""Shared balancing responsibility by hand: schedule, band, and what bids cannot reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.power_flow.constraints import Violations
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.hand import book, feeder, system
from tests.markets.small import random_case

BIDS = book(("u1", 1, 1, 2.0, 50.0), ("u2", 2, 1, 2.0, 60.0), ("d1", 1, -1, 2.0, 20.0))


def _case(scheduled_mw: float | None, need_mw: float = 1.0) -> Case:
    """An area that draws 3 MW behind 10 MW, and a system that lacks `need_mw` beside it."""
    area = replace(feeder(BIDS, 10.0, base_mw=(-1.0, -2.0)), scheduled_mw=scheduled_mw)
    return system(need_mw, book(("t", 0, 1, 9.0, 70.0), ("td", 0, -1, 9.0, 5.0)), D=area)


def test_the_base_flow_is_the_default_schedule() -> None:
    outcome = clear_case(_case(None), SCHEMES["shared-balancing"])
    assert outcome.cleared == [("t", "tso_market", 1.0)]
    assert outcome.interface_mw["D"] == 3.0


def test_each_side_balances_its_own_part() -> None:
    # Scheduled 0.5 MW, drawing 3: the DSO buys 2.5 MW up (2 at 50, 0.5 at 60). The system lacks 1 MW with the
    # area at 3 MW; at its schedule it has 1.5 MW too much, which the TSO takes out on transmission.
    outcome = clear_case(_case(0.5), SCHEMES["shared-balancing"])
    assert [(bid, market) for bid, market, _ in outcome.cleared] == [
        ("u1", "dso_balancing"),
        ("u2", "dso_balancing"),
        ("td", "tso_market"),
    ]
    assert [mw for _, _, mw in outcome.cleared] == pytest.approx([2.0, 0.5, 1.5])
    assert outcome.interface_mw["D"] == pytest.approx(0.5)
    assert outcome.cost_eur_per_h == pytest.approx(2.0 * 50.0 + 0.5 * 60.0 - 1.5 * 5.0)
    assert outcome.unserved_imbalance_mw == pytest.approx(0.0, abs=1e-9)


def test_a_band_at_the_boundary_is_used_where_it_saves() -> None:
    # Within 1 MW of the schedule: 1.5 MW up is enough, and the TSO takes out 0.5 MW.
    table = build_schemes(Options(boundary_tolerance_mw=1.0))
    outcome = clear_case(_case(0.5), table["shared-balancing"])
    called = {bid: mw for bid, _, mw in outcome.cleared}
    assert called == pytest.approx({"u1": 1.5, "td": 0.5})
    assert outcome.interface_mw["D"] == pytest.approx(1.5)


def test_what_bids_cannot_reach_is_unserved_and_the_tso_does_not_serve_it() -> None:
    # 5 MW up wanted, 4 there: 1 MW unserved; at its schedule of -2 MW the system has 4 MW too much.
    outcome = clear_case(_case(-2.0), SCHEMES["shared-balancing"])
    called = {bid: mw for bid, _, mw in outcome.cleared}
    assert called == pytest.approx({"u1": 2.0, "u2": 2.0, "td": 4.0})
    assert outcome.unserved_imbalance_mw == pytest.approx(1.0)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.floats(-0.5, 0.5))
def test_the_boundary_keeps_its_schedule_and_without_one_nothing_differs_from_fragmented(
    seed: int, shift: float
) -> None:
    case = random_case(np.random.default_rng(seed))
    plain = clear_case(case, SCHEMES["shared-balancing"])
    fragmented = clear_case(case, SCHEMES["fragmented"])
    assert plain.cost_eur_per_h == pytest.approx(fragmented.cost_eur_per_h, rel=1e-6, abs=1e-5)
    areas = {k: replace(a, scheduled_mw=a.network.interface_mw + shift) for k, a in case.areas.items()}
    shifted = clear_case(replace(case, areas=areas), SCHEMES["shared-balancing"])
    if shifted.unserved_imbalance_mw < 1e-9:
        for name, flow in shifted.interface_mw.items():
            assert flow == pytest.approx(areas[name].scheduled_mw, abs=1e-6)
    assert isinstance(shifted.linear, Violations)
