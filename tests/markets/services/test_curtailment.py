"""Trading of curtailment on a line of two users, where the drop of voltage can be worked by hand.

A line of 0.4 kV with 0.1 ohm to the near user and 0.1 ohm more to the far one. A kW through 0.1 ohm lowers
the voltage by 0.1 * 1000 / 400**2 = 0.000625 p.u., so that 0.98 p.u. at the far end allow
2 far + near = 32 kW, losses left aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.services.curtailment import Trades, trade_curtailment
from tests.nets import empty_net

NEAR, FAR = 0, 1
TOLERANCE = 0.06
"""What losses, a lower voltage and steps of the last check add to figures worked without them."""


def _line(ohm: Sequence[float], ratings_kw: Sequence[float]) -> Feeder:
    """Users one behind the other, each section with its resistance and the kW it carries at 0.4 kV."""
    net = empty_net(sn_mva=1.0)
    before = pp.create_bus(net, 0.4)
    pp.create_ext_grid(net, before)
    for r, kw in zip(ohm, ratings_kw, strict=True):
        bus = pp.create_bus(net, 0.4)
        pp.create_line_from_parameters(net, before, bus, 1.0, r, 0.0, 0.0, kw / 1000.0 / np.sqrt(3.0) / 0.4)
        pp.create_load(net, bus, 0.001)
        before = bus
    return read_feeder(net, "a line")


LINE = _line([0.1, 0.1], [1e3, 1e3])
CABLE = _line([1e-6, 1e-6], [20.0, 1e3])
THREE = _line([0.05, 0.05, 0.05], [1e3] * 3)
LOW, OPEN = Band(0.98, 1.5), Band(0.5, 1.5)


def _trade(
    imports: Sequence[float] | FloatArray,
    wanted: Sequence[float] | FloatArray,
    offered: Sequence[float] | FloatArray,
    feeder: Feeder = LINE,
    band: Band = LOW,
    value: float = 200.0,
    cost: Sequence[float] = (20.0, 20.0, 20.0),
) -> Trades:
    given = [np.array(part, dtype=np.float64) for part in (imports, wanted, offered)]
    n = len(given[0])
    return trade_curtailment(
        feeder, band, given[0], given[1], np.full(n, value), given[2], np.array(cost[:n])
    )


def _edge(near: float) -> float:
    """The far user's import that just keeps the limit, by power flow, with so many kW at the near end."""
    low, high = 0.0, 20.0
    for _ in range(60):
        far = 0.5 * (low + high)
        low, high = (far, high) if worst_excess_pu(LINE, LOW, np.array([near, far]))[0] <= 0.0 else (low, far)
    return low


ROOM = [16.0, _edge(16.0) - 1.0]
"""Imports that leave 2 kW of 2 far + near."""


def test_the_limit_is_where_it_was_worked_to_be() -> None:
    assert 2.0 * _edge(16.0) + 16.0 == pytest.approx(32.0, rel=TOLERANCE)


def test_a_far_buyer_takes_two_kw_of_a_near_seller_for_one() -> None:
    """Of 3 kW more far away 1 kW fits; the other 2 kW take 4 kW near by."""
    found = _trade(ROOM, [0.0, 3.0], [10.0, 0.0])
    assert found.bought_kw == pytest.approx([0.0, 3.0], rel=TOLERANCE)
    assert found.sold_kw == pytest.approx([4.0, 0.0], rel=TOLERANCE)
    assert 2.0 * found.bought_kw[FAR] - found.sold_kw[NEAR] == pytest.approx(2.0, rel=TOLERANCE)


def test_no_more_is_bought_than_sold_although_more_would_hold() -> None:
    """A kW less far away makes room for two near by; but free room is nobody's to sell."""
    found = _trade(ROOM, [6.0, 0.0], [0.0, 2.0])
    assert found.bought_kw == pytest.approx([2.0, 0.0])
    assert found.sold_kw == pytest.approx([0.0, 2.0])
    roomy = _trade([8.0, 8.0], [3.0, 0.0], [0.0, 5.0], CABLE, OPEN)  # 16 of 20 kW
    assert roomy.bought_kw == pytest.approx([3.0, 0.0])
    assert roomy.sold_kw == pytest.approx([0.0, 3.0])


def test_what_sellers_offer_limits_what_is_bought() -> None:
    found = _trade(ROOM, [0.0, 9.0], [3.0, 0.0])  # 2 kW of room and 3 kW of relief: half as much far away
    assert found.sold_kw == pytest.approx([3.0, 0.0], rel=TOLERANCE)
    assert found.bought_kw == pytest.approx([0.0, 2.5], rel=TOLERANCE)


def test_who_is_far_pays_twice_for_what_is_near() -> None:
    """At 150 EUR/MWh that is 300 for what is worth 200: the room alone is used, 2 kW for 2 kW."""
    dear = (150.0, 150.0)
    far = _trade(ROOM, [0.0, 3.0], [10.0, 0.0], cost=dear)
    assert far.bought_kw == pytest.approx([0.0, 2.0], rel=TOLERANCE)
    assert far.sold_kw == pytest.approx([2.0, 0.0], rel=TOLERANCE)
    near = _trade(ROOM, [6.0, 0.0], [0.0, 5.0], cost=dear)
    assert near.bought_kw == pytest.approx([5.0, 0.0], rel=TOLERANCE)
    assert _trade(ROOM, [6.0, 0.0], [0.0, 5.0], cost=(250.0, 250.0)).bought_kw.max() == 0.0


def test_behind_one_cable_a_kw_is_a_kw_and_the_cheaper_seller_sells() -> None:
    """3 kW more are wanted; two sellers of 2 kW each ask 40 and 30 EUR/MWh."""
    feeder = _line([1e-6] * 3, [20.0, 1e3, 1e3])
    found = _trade([7.9, 6.0, 6.0], [3.0, 0.0, 0.0], [0.0, 2.0, 2.0], feeder, OPEN, cost=(0.0, 40.0, 30.0))
    assert found.bought_kw == pytest.approx([3.0, 0.0, 0.0], rel=TOLERANCE)
    assert found.sold_kw == pytest.approx([0.0, 1.0, 2.0], rel=TOLERANCE)


def test_of_two_buyers_the_one_who_values_it_more_is_served() -> None:
    feeder = _line([1e-6] * 3, [20.0, 1e3, 1e3])
    found = trade_curtailment(
        feeder,
        OPEN,
        np.array([7.9, 6.0, 6.0]),
        np.array([3.0, 3.0, 0.0]),
        np.array([100.0, 150.0, 0.0]),
        np.array([0.0, 0.0, 3.0]),
        np.array([0.0, 0.0, 20.0]),
    )
    assert found.bought_kw == pytest.approx([0.0, 3.0, 0.0], rel=TOLERANCE, abs=1e-3)


@pytest.mark.parametrize(("wanted", "offered"), [(0.0, 5.0), (5.0, 0.0), (0.0, 0.0)])
def test_nothing_is_traded_where_nobody_wants_or_nobody_offers(wanted: float, offered: float) -> None:
    found = _trade([12.0, 8.0], [wanted, 0.0], [0.0, offered], CABLE, OPEN)  # the cable is full
    assert not found.bought_kw.any()
    assert not found.sold_kw.any()


def test_a_limit_that_is_broken_is_not_broken_further() -> None:
    """20.5 kW are drawn of 20: what is bought is no more than what is sold."""
    imports = np.array([14.5, 6.0])
    before = float(worst_excess_pu(CABLE, OPEN, imports)[0])
    found = _trade(imports, [3.0, 0.0], [0.0, 2.0], CABLE, OPEN)
    assert before == pytest.approx(0.025, abs=1e-4)
    assert found.bought_kw[NEAR] > 0.5
    assert found.bought_kw.sum() <= found.sold_kw.sum() + 1e-6
    assert worst_excess_pu(CABLE, OPEN, imports + found.bought_kw - found.sold_kw)[0] <= before + 1e-9


def test_a_buyer_alone_behind_a_broken_limit_gets_nothing() -> None:
    """The section to the far user carries 6 of 5 kW: what the near one sells does not help it."""
    feeder = _line([1e-6, 1e-6], [1e3, 5.0])
    found = _trade([8.0, 6.0], [0.0, 2.0], [8.0, 0.0], feeder, OPEN)
    assert found.bought_kw.max() < 1e-3


def test_a_feeder_without_a_solution_trades_nothing() -> None:
    found = _trade([400.0, 400.0], [0.0, 5.0], [300.0, 0.0])
    assert not found.bought_kw.any()
    assert not found.sold_kw.any()


def test_the_power_flow_has_the_last_word() -> None:
    """Far from the limit the linear model errs: the share that holds is taken, of buyer and seller alike."""
    imports, band = np.array([60.0, 20.0]), Band(0.9, 1.5)
    stressed = replace(LINE, name="stressed")
    found = trade_curtailment(
        stressed, band, imports, np.array([0.0, 60.0]), np.full(2, 200.0), np.array([60.0, 0.0]), np.ones(2)
    )
    change = found.bought_kw - found.sold_kw
    assert found.bought_kw[FAR] > 5.0
    assert (
        worst_excess_pu(stressed, band, imports + change)[0]
        <= max(worst_excess_pu(stressed, band, imports)[0], 0.0) + 1e-9
    )
    more = worst_excess_pu(stressed, band, imports + 1.05 * change)[0]
    assert more > 0.0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), room=st.floats(-0.002, 0.004))
def test_trades_leave_every_limit_as_good_as_it_was(seed: int, room: float) -> None:
    """From a little below the limit of voltage to a little above it."""
    rng = np.random.default_rng(seed)
    imports, buys = rng.uniform(0.0, 15.0, 3), rng.random(3) < 0.5
    wanted = np.where(buys, rng.uniform(0.0, 8.0, 3), 0.0)
    offered = np.where(buys, 0.0, imports * rng.random(3))
    band = Band(float(np.abs(THREE.solve(imports).voltage).min()) - room, 1.05)
    before = max(float(worst_excess_pu(THREE, band, imports)[0]), 0.0)
    found = _trade(imports, wanted, offered, THREE, band, cost=rng.uniform(0.0, 100.0, 3).tolist())
    assert (found.bought_kw >= 0.0).all()
    assert (found.sold_kw >= 0.0).all()
    assert (found.bought_kw <= wanted + 1e-9).all()
    assert (found.sold_kw <= offered + 1e-9).all()
    assert found.bought_kw.sum() <= found.sold_kw.sum() + 1e-7
    after = float(worst_excess_pu(THREE, band, imports + found.bought_kw - found.sold_kw)[0])
    assert after <= before + 1e-9
