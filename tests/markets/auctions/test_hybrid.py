"""The hybrid scheme: the worked example of the Dutch proposal, and guarantees of validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.errors import RoundsError
from tandem_sim.grids.power_flow.constraints import GridConstraints, Violations
from tandem_sim.grids.power_flow.operator_model import OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.local_and_tso import DsoMarket, ForwardBids, TsoMarket
from tandem_sim.markets.auctions.mol_validation import BuildMol, ValidateMol, accepted, negotiate
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.cases.clear import clear_case, open_case
from tandem_sim.markets.coordination.block import TSO, Repeat, Scheme, View, Written
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.schemes import MOL, SCHEMES
from tandem_sim.testing import check_block
from tests.markets.hand import book, feeder, system
from tests.markets.small import area as area_of
from tests.markets.small import random_case

LIMIT_MW = 25.0
REDISPATCHED = Scheme(
    name="hybrid behind a local market",
    steps=(DsoMarket(), ForwardBids(), negotiate(), TsoMarket(validated=True)),
    shared=MOL,
    source="a test",
    summary="the DSO redispatches first",
)


def _worked_example() -> Case:
    """A BSP offers 20 MW up, 10 of them in distribution, behind a transformer that carries 25 MW.

    20 MW flow out already; the DSO redispatches 0 MW net, and 5 MW of room are left. Another 10 MW up stand
    dearer in the merit order list on transmission.
    """
    # Node 1 injects 20 MW: 25 - 20 = 5 MW of room outwards.
    area = feeder(book(("bsp-d", 1, 1, 10.0, 40.0)), LIMIT_MW, base_mw=(20.0, 0.0))
    tso = book(("bsp-t", 0, 1, 10.0, 41.0), ("other", 0, 1, 10.0, 60.0))
    return system(20.0, tso, D=area)


def test_validation_lowers_the_bid_from_20_to_15_mw_and_the_congestion_does_not_occur() -> None:
    case = _worked_example()
    unlimited = clear_case(case, SCHEMES["central-01"])
    called = {bid: mw for bid, _, mw in unlimited.cleared}
    assert called == pytest.approx({"bsp-d": 10.0, "bsp-t": 10.0})  # 20 MW of the cheapest BSP
    assert unlimited.linear.lines == 1
    assert unlimited.linear.max_overload_pct == pytest.approx(20.0)  # 30 MW on 25 MW
    hybrid = clear_case(case, SCHEMES["hybrid"])
    called = {bid: mw for bid, _, mw in hybrid.cleared}
    # The bid's bound is 15 MW, but for the margin of validation: 0.1 % of 25 MW.
    assert called["bsp-d"] + called["bsp-t"] == pytest.approx(15.0, abs=0.026)
    assert called["bsp-d"] <= 5.0
    assert called["other"] == pytest.approx(5.0, abs=0.026)  # the rebuilt list goes on with the next bid
    assert hybrid.linear == Violations()
    assert hybrid.ac == Violations()
    assert hybrid.unserved_imbalance_mw == pytest.approx(0.0, abs=1e-9)


def test_redispatch_behind_the_same_transformer_leaves_less_room() -> None:
    """The DSO relieves the inner branch by 5 MW down at node 2 against 5 MW up at node 1, then validates."""
    bids = book(("dear", 1, 1, 5.0, 50.0), ("down", 2, -1, 5.0, 10.0), ("bsp-d", 1, 1, 10.0, 40.0))
    grid = feeder(bids, LIMIT_MW, base_mw=(0.0, 20.0)).network
    tight = replace(grid, branches=replace(grid.branches, s_max_mva=np.array([LIMIT_MW, 15.0])))
    case = system(20.0, book(("t", 0, 1, 30.0, 60.0)), D=area_of(tight, bids))
    outcome = clear_case(case, REDISPATCHED)
    # 20 MW on 15: 5 MW down at node 2, made good by the cheapest 5 MW up at node 1.
    local = {bid: mw for bid, market, mw in outcome.cleared if market == "dso_market"}
    assert local == pytest.approx({"down": 5.0, "bsp-d": 5.0})
    # The TSO would call the other 5 MW of it and 5 MW of the next: 10 MW where 5 MW fit.
    called = {bid: mw for bid, market, mw in outcome.cleared if market == "tso_market"}
    assert called["bsp-d"] == pytest.approx(5.0, abs=0.026)
    assert called.get("dear", 0.0) == pytest.approx(0.0, abs=1e-6)
    assert outcome.linear == Violations()


def test_a_list_that_is_safe_is_accepted_at_once_and_bounds_leave_room_for_nothing_unsafe() -> None:
    case = _worked_example()
    states, _ = open_case(case, SCHEMES["hybrid"])
    states.update("D", AreaState(called=np.array([3.0])))
    written = check_block(ValidateMol(), "D", states)
    assert written.areas["D"].accepted
    assert written.areas["D"].offers == pytest.approx([5.0], abs=0.026)  # 3 called, 2 more would fit
    states.update("D", AreaState(called=np.array([10.0])))
    written = check_block(ValidateMol(), "D", states)
    assert not written.areas["D"].accepted
    assert written.areas["D"].offers == pytest.approx([5.0], abs=0.026)


def test_what_only_the_power_flow_sees_halves_the_call() -> None:
    """Another branch is overloaded as soon as more than 1 MW is called, and no bid moves its flow."""
    case = _worked_example()
    states, _ = open_case(case, SCHEMES["hybrid"])
    base = states.area("D").grid

    def power_flow(dp_mw: FloatArray) -> GridConstraints:
        after = base.after(dp_mw)
        hidden = np.where([False, dp_mw[1] > 1.0], 2.0 * after.limit_mw, after.flow_mw)
        return replace(after, flow_mw=hidden)

    states.update("D", AreaState(power_flow=power_flow))
    called, rounds = np.array([4.0]), []
    for _ in range(4):
        states.update("D", AreaState(called=called))
        written = check_block(ValidateMol(), "D", states).areas["D"]
        rounds.append((written.accepted, float(written.offers[0])))
        if written.accepted:
            break
        called = written.offers
        states.update("D", AreaState(offers=called))
    assert [done for done, _ in rounds] == [False, False, True]
    assert [bound for _, bound in rounds[:2]] == pytest.approx([2.0, 1.0])


def test_an_area_that_has_not_accepted_is_left_out() -> None:
    case = _worked_example()
    states, _ = open_case(case, SCHEMES["hybrid"])
    states.update("D", AreaState(accepted=False))
    written = check_block(TsoMarket(validated=True), TSO, states)
    assert written.awards["D"] == pytest.approx([0.0])
    states.update("D", AreaState(accepted=True))
    assert check_block(TsoMarket(validated=True), TSO, states).awards["D"] == pytest.approx([10.0])


class _Stubborn(ValidateMol):
    """Never accepts a list."""

    def __call__(self, system: str, view: View) -> Written:
        return Written({system: AreaState(accepted=False)})


def test_rounds_are_bounded() -> None:
    scheme = Scheme(
        name="never",
        steps=(Repeat((BuildMol(), _Stubborn()), accepted, 3), TsoMarket(validated=True)),
        shared=MOL,
        source="a test",
        summary="a test",
    )
    with pytest.raises(RoundsError, match="build_mol, validate_mol did not agree within 3 rounds"):
        run_scheme(scheme, *open_case(_worked_example(), scheme))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_what_dsos_have_accepted_aggravates_nothing(seed: int) -> None:
    case = random_case(np.random.default_rng(seed))
    outcome = clear_case(case, SCHEMES["hybrid"])
    for name, area in case.areas.items():
        allowed = area.rows.relaxed()
        sold = np.zeros(len(area.bids))
        for bid, _, mw in outcome.cleared:
            sold[area.bids.bid_id == bid] += mw
        after = area.rows.after(area.bids.injection_mw(sold, area.network.n_nodes))
        assert (after.flow_mw <= allowed.flow_max_mw + 1e-6).all(), name
        assert (after.flow_mw >= allowed.flow_min_mw - 1e-6).all(), name
        assert (after.w_pu2 <= allowed.w_max_pu2 + 1e-6).all(), name
        assert (after.w_pu2 >= allowed.w_min_pu2 - 1e-6).all(), name


def test_validation_by_ac_power_flow_holds_in_ac() -> None:
    case = _worked_example()
    areas = {k: replace(a, offset="ac") for k, a in case.areas.items()}
    for name, a in areas.items():
        rows = OperatorModel(a.lin, a.power_flow, "ac").rows(a.network.p_mw, a.network.q_mvar)
        assert rows is not None
        areas[name] = replace(a, rows=rows)
    outcome = clear_case(replace(case, areas=areas), SCHEMES["hybrid"])
    assert outcome.ac == Violations()
    assert {bid: mw for bid, _, mw in outcome.cleared}["bsp-d"] == pytest.approx(5.0, abs=0.05)
