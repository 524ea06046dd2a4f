"""A DSO that activates contracts: two to four users on a feeder whose cables carry round figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.base.messages import LimitMessage
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.households.views import FeasibleRange
from tandem_sim.agents.non_firm.activation import LEVELS, Activation, ConnectionLimiter, Excess
from tandem_sim.agents.non_firm.contracts import ContractBook, Contracts, Terms
from tandem_sim.agents.non_firm.lv_feeders import LvFeeder, by_feeder, lv_feeder_states
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import IntArray
from tests.agents.recording_context import RecordingContext
from tests.nets import empty_net

WIDE = Band(0.5, 1.5)
FREE = Terms()
EXACT = Activation(flow_margin=0.0, voltage_margin_pu=0.0)
NOW_S = 600.0
ISP = 3
INF = float("inf")


def _feeder(trunk_kw: float, spurs_kw: Sequence[float], ohm: float = 1e-6) -> Feeder:
    """A trunk from the source to a junction, and a spur to every user. At 0.4 kV they carry so many kW."""
    net = empty_net(sn_mva=1.0)
    source, junction = pp.create_bus(net, 0.4), pp.create_bus(net, 0.4)
    pp.create_ext_grid(net, source)

    def line(a: int, b: int, kw: float) -> None:
        pp.create_line_from_parameters(net, a, b, 1.0, ohm, 0.0, 0.0, kw / 1000.0 / np.sqrt(3.0) / 0.4)

    line(source, junction, trunk_kw)
    for kw in spurs_kw:
        bus = pp.create_bus(net, 0.4)
        line(junction, bus, kw)
        pp.create_load(net, bus, 0.001)
    return read_feeder(net, "a hand-made feeder")


class Fleet:
    """Replaces the fleet agent: expected injections (C,) kW, and without sold bids."""

    name, owners = "households", ["A01", "A02"]

    def __init__(self, kw: Sequence[float], base_kw: Sequence[float] | None = None) -> None:
        self._kw = np.array(kw)
        self._base = self._kw if base_kw is None else np.array(base_kw)

    def feasible_range(self, isp: int) -> FeasibleRange:
        none = np.zeros(len(self._kw))
        return FeasibleRange(
            connection_kw=self._kw,
            connection_base_kw=self._base,
            connection_unconstrained_kw=self._base,
            up_kw=np.empty(0),
            down_kw=np.empty(0),
            relief_kw=none,
            relief_price=none,
        )


class Scene(RecordingContext):
    """LV feeders, their contracts, and a limiter that is called once."""

    def __init__(
        self,
        *,
        feeders: Sequence[Feeder],
        kw: Sequence[float],
        rule: Activation = EXACT,
        terms: Terms = FREE,
        held: Sequence[bool] | None = None,
        base_kw: Sequence[float] | None = None,
        informed: bool = True,
        connection_kw: float = 9.2,
        error: float = 0.0,
    ) -> None:
        super().__init__()
        ends = np.cumsum([0, *(len(f.users) for f in feeders)]).tolist()
        self.lv_feeders = [
            LvFeeder(
                name=f"S-{k + 1}",
                area="D1",
                node=5 + k,
                feeder=feeder,
                band=WIDE,
                connections=slice(ends[k], ends[k + 1]),
            )
            for k, feeder in enumerate(feeders)
        ]
        n = ends[-1]
        under = np.ones(n, dtype=bool) if held is None else np.array(held)
        least = np.full(n, 4.0)
        names = [f"u{k}" for k in range(n)]
        contracts = Contracts.of(names, under, np.full(n, connection_kw), least, least, terms, 0.25)
        self.book = ContractBook(contracts, np.full(8, 2016))
        pool_of: IntArray = np.arange(n) % 2
        self.limiter = ConnectionLimiter(
            name="DSO-D1",
            context=self.context,
            lv_feeders=self.lv_feeders,
            book=self.book,
            rule=rule,
            fleet_agent=cast(FleetAgent, Fleet(kw, base_kw)),
            pool_of=pool_of,
            informed=informed,
            error=lambda isp: error,
            lead_s=lambda isp: NOW_S,
            area_excess=lambda isp: lambda change: 0.0,
        )

    def act(self, excess: Excess | None = None) -> list[Mapping[str, Any]]:
        """Rows recorded of the activations of one ISP."""
        self.limiter.act(ISP, excess)
        return self.table("non_firm")

    def limits(self, receiver: str = "households") -> dict[int, tuple[float, float]]:
        """Import and export limits sent to a receiver, by connection."""
        return {
            int(k): (float(a), float(b))
            for m in self.sent
            if isinstance(m, LimitMessage) and m.receiver == receiver
            for k, a, b in zip(m.connection, m.import_kw, m.export_kw, strict=True)
        }


def test_nobody_is_limited_where_everything_holds() -> None:
    scene = Scene(feeders=[_feeder(17.0, [9.0, 9.0, 9.0])], kw=[-8.0, -5.0, -3.0])
    assert scene.act() == []
    assert scene.sent == []
    assert not scene.book.active(ISP).any()


def test_all_are_held_to_their_guaranteed_import() -> None:
    """16 kW on 14 kW; at most 4 kW each leaves 4 + 4 + 3."""
    scene = Scene(feeders=[_feeder(14.0, [9.0, 9.0, 9.0])], kw=[-8.0, -5.0, -3.0])
    (row,) = scene.act()
    assert scene.limits() == {0: (4.0, INF), 1: (4.0, INF), 2: (4.0, INF)}
    assert scene.book.active(ISP).all()
    assert row["excess_pct"] == pytest.approx(100.0 * (16.0 / 14.0 - 1.0), abs=1e-3)
    assert (row["isp"], row["dso"], row["lv_feeder"], row["cause"]) == (ISP, "DSO-D1", "S-1", "feeder")
    assert (row["contracts"], row["import_kw"], row["export_kw"]) == (3, 4.0, INF)
    assert (row["solved"], row["lead_s"]) == (True, 600)


@pytest.mark.parametrize(("trunk_kw", "users"), [(14.0, [0]), (12.5, [0]), (11.5, [0, 1])])
def test_the_fewest_are_those_with_the_largest_relief(trunk_kw: float, users: list[int]) -> None:
    """8, 5 and 3 kW: the first can give 4 kW, the second 1 kW, the third nothing."""
    scene = Scene(
        feeders=[_feeder(trunk_kw, [9.0] * 3)], kw=[-8.0, -5.0, -3.0], rule=Activation("fewest", 0.0, 0.0)
    )
    (row,) = scene.act()
    assert scene.limits() == dict.fromkeys(users, (4.0, INF))
    assert row["solved"]


def test_who_has_no_contract_is_never_limited() -> None:
    scene = Scene(feeders=[_feeder(14.0, [9.0] * 3)], kw=[-8.0, -5.0, -3.0], held=[False, True, True])
    (row,) = scene.act()
    assert set(scene.limits()) == {1, 2}
    assert not row["solved"]  # 8 + 4 + 3 kW
    assert row["contracts"] == 2


def test_what_contracts_cannot_solve_is_recorded() -> None:
    scene = Scene(feeders=[_feeder(10.0, [9.0] * 3)], kw=[-8.0, -5.0, -3.0])  # 11 kW remain
    (row,) = scene.act()
    assert (row["contracts"], row["solved"]) == (3, False)
    firm = Scene(feeders=[_feeder(10.0, [9.0] * 3)], kw=[-8.0, -5.0, -3.0], held=[False] * 3)
    (row,) = firm.act()
    assert (row["contracts"], row["solved"], row["import_kw"]) == (0, False, INF)
    assert firm.sent == []


def test_a_contract_used_up_or_activated_too_late_has_no_effect() -> None:
    scene = Scene(
        feeders=[_feeder(14.0, [9.0] * 3)], kw=[-8.0, -5.0, -3.0], terms=Terms(activations_per_year=1)
    )
    scene.book.activate(0, np.array([0]), NOW_S)  # one run, not next to ISP 3
    (row,) = scene.act()
    assert (set(scene.limits()), row["contracts"], row["solved"]) == ({1, 2}, 2, False)
    late = Scene(feeders=[_feeder(14.0, [9.0] * 3)], kw=[-8.0, -5.0, -3.0], terms=Terms(notice_minutes=15.0))
    (row,) = late.act()
    assert (row["contracts"], row["solved"]) == (0, False)


def test_trouble_with_export_leaves_import_free() -> None:
    out = Scene(feeders=[_feeder(14.0, [9.0] * 3)], kw=[8.0, 5.0, 3.0])
    (row,) = out.act()
    assert set(out.limits().values()) == {(INF, 4.0)}
    assert (row["import_kw"], row["export_kw"], row["solved"]) == (INF, 4.0, True)


def test_users_that_relieve_a_feeder_are_not_limited() -> None:
    """18 kW are drawn and 9 kW fed in behind 5 kW: of 12 kW drawn 3 flow, with the sun held to 4 kW 8."""
    feeder = _feeder(5.0, [20.0] * 4)
    for rule in (EXACT, Activation("fewest", 0.0, 0.0)):
        scene = Scene(feeders=[feeder], kw=[-6.0, -6.0, -6.0, 9.0], rule=rule)
        (row,) = scene.act()
        assert set(scene.limits().values()) == {(4.0, INF)}
        assert row["solved"]
    weak = Scene(
        feeders=[_feeder(50.0, [8.0, 20.0, 20.0, 7.0])], kw=[-9.0, 0.0, 0.0, 9.0]
    )  # both ways at once
    (row,) = weak.act()
    assert (row["solved"], set(weak.limits().values())) == (True, {(4.0, 4.0)})


def test_dynamic_limits_are_the_highest_tried_that_hold() -> None:
    """Three times 8 kW on 14 kW: 4 + 0.10 (9.2 - 4) = 4.52 kW each fit, 4.78 kW do not."""
    scene = Scene(feeders=[_feeder(14.0, [9.0] * 3)], kw=[-8.0] * 3, terms=Terms(limits="dynamic"))
    (row,) = scene.act()
    assert [limit[0] for limit in scene.limits().values()] == pytest.approx([4.52] * 3)
    assert row["solved"]
    short = Scene(feeders=[_feeder(11.0, [9.0] * 3)], kw=[-8.0] * 3, terms=Terms(limits="dynamic"))
    (row,) = short.act()
    assert set(short.limits().values()) == {(4.0, INF)}  # nothing holds, so what is guaranteed
    assert not row["solved"]


FOUR = _feeder(20.0, [9.3] * 4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), dynamic=st.booleans())
def test_limits_lie_between_guaranteed_and_connection(seed: int, dynamic: bool) -> None:
    """Importers only: the fewest suffice where all do, none is needless, and no higher limit tried holds."""
    rng = np.random.default_rng(seed)
    imports, trunk = rng.uniform(1.0, 9.2, 4), float(rng.uniform(12.0, 25.0))
    trunk_limit = np.where(FOUR.downstream.all(axis=1), trunk / 1000.0, FOUR.section_limit)
    feeder, held = replace(FOUR, section_limit=trunk_limit), rng.random(4) < 0.8
    terms = Terms(limits="dynamic" if dynamic else "static")
    few, every = (
        Scene(
            feeders=[feeder],
            kw=(-imports).tolist(),
            rule=Activation(who, 0.0, 0.0),
            terms=terms,
            held=held.tolist(),
        )
        for who in ("fewest", "all")
    )
    found, whole = few.act(), every.act()
    if not found:
        assert (whole, imports.sum() <= trunk + 1e-3) == ([], True)
        return
    limits = few.limits()
    assert set(limits) <= set(every.limits()) <= set(np.flatnonzero(held).tolist())
    assert found[0]["solved"] == whole[0]["solved"]
    limited = imports.copy()
    for user, (most, _) in limits.items():
        assert 4.0 <= most <= 9.2
        limited[user] = min(limited[user], most)
    assert bool(worst_excess_pu(feeder, WIDE, limited)[0] <= 0.0) == found[0]["solved"]
    if not found[0]["solved"]:
        return
    eased = imports.copy()  # without whom the least relief comes from
    spared = min(limits, key=lambda user: imports[user])
    for user in set(limits) - {spared}:
        eased[user] = min(eased[user], 4.0)
    assert eased.sum() > trunk - 1e-3
    if dynamic:
        level = (next(iter(limits.values()))[0] - 4.0) / 5.2
        higher = 4.0 + 5.2 * min((step for step in LEVELS if step > level + 1e-9), default=np.inf)
        tried = [min(kw, higher) if user in limits else kw for user, kw in enumerate(imports)]
        assert sum(tried) > trunk - 1e-3


def test_limits_are_sent_to_households_and_to_their_pools() -> None:
    scene = Scene(feeders=[_feeder(14.0, [9.0] * 3)], kw=[-8.0, -5.0, -3.0])
    scene.act()
    assert [m.receiver for m in scene.sent] == ["households", "A01", "A02"]
    assert set(scene.limits("A01")) == {0, 2}
    assert set(scene.limits("A02")) == {1}
    one = Scene(
        feeders=[_feeder(14.0, [9.0] * 3)], kw=[-8.0, -5.0, -3.0], rule=Activation("fewest", 0.0, 0.0)
    )
    one.act()
    assert [m.receiver for m in one.sent] == ["households", "A01"]


def test_a_dso_that_sees_no_bids_goes_by_the_baseline() -> None:
    given: dict[str, Any] = {"kw": [-8.0, -5.0, -3.0], "base_kw": [-6.0, -5.0, -3.0]}
    feeder = _feeder(15.0, [9.0] * 3)
    assert Scene(feeders=[feeder], **given, informed=False).act() == []
    assert len(Scene(feeders=[feeder], **given, informed=True).act()) == 1


def test_margins_and_the_error_of_the_forecast() -> None:
    """15.5 kW on 16 kW: 5 % of margin leave 15.2 kW; a forecast 5 % too high sees 16.3 kW."""
    feeder, kw = _feeder(16.0, [9.0] * 3), [-7.5, -5.0, -3.0]
    assert Scene(feeders=[feeder], kw=kw).act() == []
    assert len(Scene(feeders=[feeder], kw=kw, rule=Activation("all", 0.05, 0.0)).act()) == 1
    assert len(Scene(feeders=[feeder], kw=kw, error=0.05).act()) == 1
    narrow = Activation("all", 0.05, 0.002).narrow(Band(0.9, 1.1, 1.2))
    assert (narrow.low_pu, narrow.high_pu, narrow.loading) == pytest.approx((0.902, 1.098, 1.14))


def test_a_feeder_without_a_solution_is_brought_back_to_one() -> None:
    """Cables of 0.5 ohm at 0.4 kV carry 90 kW at no voltage; 4 kW each are no trouble."""
    scene = Scene(feeders=[_feeder(1e3, [1e3, 1e3], ohm=0.5)], kw=[-60.0, -30.0], connection_kw=80.0)
    (row,) = scene.act()
    assert (np.isnan(row["excess_pct"]), row["solved"], set(scene.limits())) == (True, True, {0, 1})


def test_lv_feeders_are_solved_together_and_limited_one_by_one() -> None:
    feeder, other = _feeder(14.0, [9.0] * 2), _feeder(9.5, [9.0] * 2)
    scene = Scene(feeders=[feeder, feeder, other], kw=[-7.0, -6.0, -8.0, -7.0, -5.0, -5.0])
    assert [[s.name for s in copies] for copies in by_feeder(scene.lv_feeders)] == [["S-1", "S-2"], ["S-3"]]
    rows = scene.act()
    assert [row["lv_feeder"] for row in rows] == ["S-2", "S-3"]
    assert set(scene.limits()) == {2, 3, 4, 5}
    kw = np.array([[-7.0, -6.0, -8.0, -7.0, -5.0, -5.0], [-7.0, -6.0, -4.0, -4.0, -4.0, -4.0]])
    safe = {
        lv_feeder.name: state.safe.tolist() for lv_feeder, state in lv_feeder_states(scene.lv_feeders, kw)
    }
    assert safe == {"S-1": [True, True], "S-2": [False, True], "S-3": [False, True]}


STRONG = _feeder(50.0, [20.0, 20.0])
SIX_AND_NINE = [-6.0, -6.0, -9.0, -9.0]
"""kW on two LV feeders within limits: limits relieve 4 kW on the first, 10 kW on the second."""


def _short_of(percent: float, *nodes: int) -> Excess:
    """An area over its limits by so many percent, of which a kW more injected at nodes takes 1 % away."""
    return lambda more: percent - 1000.0 * sum(more.get(node, 0.0) for node in nodes)


def test_the_lv_feeder_with_the_largest_relief_comes_first_until_the_area_is_safe() -> None:
    scene = Scene(feeders=[STRONG, STRONG], kw=SIX_AND_NINE)
    (row,) = scene.act(_short_of(8.0, 5, 6))
    assert (row["lv_feeder"], row["cause"], row["solved"], row["excess_pct"]) == ("S-2", "area", True, 8.0)
    assert scene.limits() == {2: (4.0, INF), 3: (4.0, INF)}
    rows = Scene(feeders=[STRONG, STRONG], kw=SIX_AND_NINE).act(_short_of(20.0, 5, 6))  # both are not enough
    assert [(row["lv_feeder"], row["solved"]) for row in rows] == [("S-2", False), ("S-1", False)]
    assert [row["excess_pct"] for row in rows] == pytest.approx([20.0, 10.0])


def test_an_lv_feeder_that_does_not_relieve_its_area_is_not_limited() -> None:
    scene = Scene(feeders=[STRONG, STRONG], kw=SIX_AND_NINE)
    (row,) = scene.act(_short_of(3.0, 5))  # only what happens at node 5 counts
    assert (row["lv_feeder"], row["solved"], set(scene.limits())) == ("S-1", True, {0, 1})


def test_an_area_within_its_limits_limits_nobody() -> None:
    assert Scene(feeders=[STRONG, STRONG], kw=SIX_AND_NINE).act(_short_of(0.0, 5, 6)) == []


def test_an_area_full_of_sun_has_export_limited() -> None:
    scene = Scene(feeders=[STRONG, STRONG], kw=[9.0, 9.0, -9.0, -9.0])
    (row,) = scene.act(lambda more: 5.0 + 1000.0 * sum(more.values()))  # less injection relieves it
    assert (row["lv_feeder"], row["solved"]) == ("S-1", True)
    assert scene.limits() == {0: (INF, 4.0), 1: (INF, 4.0)}


def test_what_limits_of_feeders_do_for_the_area_counts_and_nobody_is_limited_twice() -> None:
    """The first LV feeder cannot carry 12 kW: its limits to 8 kW already relieve the area by 4 kW."""
    lv_feeders = [_feeder(10.0, [9.0] * 2), STRONG]
    (row,) = Scene(feeders=lv_feeders, kw=SIX_AND_NINE).act(_short_of(3.0, 5, 6))
    assert (row["lv_feeder"], row["cause"], row["solved"]) == ("S-1", "feeder", True)
    scene = Scene(feeders=lv_feeders, kw=SIX_AND_NINE)
    rows = scene.act(_short_of(50.0, 5, 6))
    assert [(row["lv_feeder"], row["cause"]) for row in rows] == [("S-1", "feeder"), ("S-2", "area")]
    assert rows[1]["excess_pct"] == pytest.approx(46.0)
    assert sorted(scene.limits()) == [0, 1, 2, 3]
