"""What a DSO allowed of single bids: the rows of `bid_limits`, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import mesa
import numpy as np
import pytest

from tandem_sim.agents.base.messages import BidsMessage
from tandem_sim.agents.operators.admission import Admission
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.operator import OperatorSetup
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.products import Product
from tandem_sim.markets.schemes import Options, build_schemes
from tests.agents.recording_context import RecordingContext

PRODUCT = Product(name="p", price_floor_eur_per_mwh=-50.0, price_cap_eur_per_mwh=300.0)
BOOK = Bids.of(
    ["a", "b", "c", "d"], ["A", "A", "B", "A"], [1, 2, 1, 1], [UP, UP, UP, DOWN], [2.0, 4.0, 1.0, 1.0],
    [20.0, 30.0, 25.0, 5.0],
)  # fmt: skip
LINE = replace(
    GridConstraints.without_limits(3),
    flow_matrix=np.array([[0.0, 1.0, 1.0]]),  # all injections at nodes 1 and 2 go over one line
    flow_mw=np.array([1.0]),
    limit_mw=np.array([6.0]),
)


def _dso(top: RecordingContext, scheme: Scheme, bids: Bids = BOOK) -> DSO:
    """A DSO with a closed book of ISP 0 and a grid of one line."""
    nothing: Any = cast(Any, SimpleNamespace(name="D1"))
    dso = DSO(
        mesa.Model(rng=0),
        setup=OperatorSetup(
            name="DSO-D1",
            context=top.context,
            scheme=scheme,
            admission=Admission(PRODUCT),
            ledgers={},
            operators={"D1": "DSO-D1", "T": "TSO"},
        ),
        area=nothing,
        fleet_agent=nothing,
        forecast_error_mw=lambda area, isp: 0.0,
        operator_model=nothing,
        clearer="TSO",
    )
    for provider, rows in bids.places.items():
        dso.receive(BidsMessage(provider, "DSO-D1", 0, system="D1", bids=bids.pick(rows)))
    dso.close_book(0, ["D1"])
    dso.refresh = lambda isp: dso.note(isp, AreaState(grid=LINE))  # type: ignore[method-assign]
    return dso


def _limits(top: RecordingContext) -> list[tuple[Any, ...]]:
    """Bid, direction, market, reason, MW offered and allowed of each row."""
    names = ("bid_id", "direction", "market", "reason", "offered_mw", "allowed_mw")
    return [row for r in top.table("bid_limits") for row in zip(*(r[name] for name in names), strict=True)]


def test_the_line_has_room_for_five_megawatts_of_seven() -> None:
    # 1 MW flows, the line carries 6: 5 MW more. The cheapest come first: a 2 of 2, c 1 of 1, b 2 of its 4.
    # d (1 MW down) relieves the line: the flow falls to 0, far from the limit of 6 MW backwards.
    top = RecordingContext()
    _dso(top, build_schemes()["central-02"]).act("prequalify", 0)
    ((bid, *row, offered, allowed),) = _limits(top)
    assert (bid, *row) == ("b", UP, "prequalify", "grid")
    assert (offered, allowed) == pytest.approx((4.0, 2.0), abs=1e-9)
    (checked,) = top.table("bid_checks")
    assert checked["offered_up_mw"] - checked["allowed_up_mw"] == pytest.approx(2.0, abs=1e-9)
    assert checked["offered_down_mw"] == checked["allowed_down_mw"] == 1.0


def test_whole_bids_are_left_out_by_disqualification() -> None:
    # In merit order a (2), c (3), b (7 MW): with b the line would carry 8 of 6 MW.
    top = RecordingContext()
    _dso(top, build_schemes(Options(grid_prequalification="disqualify"))["central-02"]).act("prequalify", 0)
    assert _limits(top) == [("b", UP, "prequalify", "grid", 4.0, 0.0)]


@pytest.mark.parametrize(
    ("sold", "rows"),
    [
        # A has 6 MW up and B 1 MW, less than the minimum of 2; d of A is 1 MW down: left out too.
        ([0.0, 0.0, 0.0, 0.0], [("c", "pool", 1.0, 0.0), ("d", "pool", 1.0, 0.0)]),
        # 2 MW of a and 1 of b are sold to the DSO: 3 MW of A are left up, which is enough.
        ([2.0, 1.0, 0.0, 0.0], [("a", "sold", 2.0, 0.0), ("b", "sold", 4.0, 3.0), ("c", "pool", 1.0, 0.0),
                                ("d", "pool", 1.0, 0.0)]),
        # All of a and 3 MW of b are sold: the last MW of b alone is too small.
        ([2.0, 3.0, 0.0, 0.0], [("a", "sold", 2.0, 0.0), ("b", "pool", 4.0, 0.0), ("c", "pool", 1.0, 0.0),
                                ("d", "pool", 1.0, 0.0)]),
    ],
)  # fmt: skip
def test_forwarding_leaves_out_what_is_sold_and_small_pools(
    sold: Sequence[float], rows: list[tuple[str, str, float, float]]
) -> None:
    top = RecordingContext()
    dso = _dso(top, build_schemes(Options(pool_minimum_mw=2.0))["multilevel-01"])
    dso._ledgers[0].sold = lambda system: np.array(sold)  # type: ignore[method-assign]
    dso.act("forward", 0)
    assert [(bid, reason, offered, allowed) for bid, _, _, reason, offered, allowed in _limits(top)] == rows
    (checked,) = top.table("bid_checks")
    fell = sum(checked[f"offered_{way}_mw"] - checked[f"allowed_{way}_mw"] for way in ("up", "down"))
    assert fell == pytest.approx(sum(offered - allowed for *_, offered, allowed in rows))


def test_nothing_is_recorded_where_all_is_allowed() -> None:
    top = RecordingContext()
    _dso(top, build_schemes()["central-02"], BOOK.pick(np.array([0, 3]))).act("prequalify", 0)
    assert len(top.table("bid_checks")) == 1
    assert not top.table("bid_limits")
