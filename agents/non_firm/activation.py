"""Activation of non-firm contracts by a DSO, where it expects congestion that no market has solved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import LimitMessage
from tandem_sim.agents.base.subscriptions import Role, at
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.non_firm.contracts import ContractBook
from tandem_sim.agents.non_firm.lv_feeders import LvFeeder, excess_pu
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Who = Literal["all", "fewest"]
LEVELS = np.linspace(1.0, 0.0, 21)
"""Levels of dynamic limits, from the connection capacity (1) down to the guaranteed capacity (0)."""
Excess = Callable[[Mapping[int, float]], float]
"""Excess of an area over its limits (%), given additional injections by node (MW)."""


@dataclass(frozen=True)
class Activation:
    """How contracts are activated: for all users of a feeder or for the fewest, with margins on the forecast.

    `flow_margin` is the share of rated current kept free, `voltage_margin_pu` the part of the voltage band
    (p.u.) kept free at either end.
    """

    who: Who = "all"
    flow_margin: float = 0.05
    voltage_margin_pu: float = 0.002

    def narrow(self, band: Band) -> Band:
        """Limits of a feeder less the margins."""
        volt = self.voltage_margin_pu
        return Band(band.low_pu + volt, band.high_pu - volt, band.loading * (1.0 - self.flow_margin))


@dataclass(frozen=True)
class Choice:
    """Users of one feeder to be limited (U,), their limits (U,) kW, and whether the feeder is then safe."""

    users: BoolArray
    import_kw: FloatArray
    export_kw: FloatArray
    solved: bool


@dataclass(kw_only=True, eq=False)
class ConnectionLimiter(Role):
    """Activates non-firm contracts of one DSO's customers.

    `pool_of` (C,) is the aggregator of every connection, by number in `fleet_agent.owners`. `informed` says
    whether bids pass through the DSO, so that it knows what was sold. `error` is that of the DSO's forecast
    for an ISP, as a share of load; `lead_s` is how far ahead the ISP is, in seconds. `area_excess` gives the
    excess of the area in an ISP by the forecast of now with known sales. With `before_bids` contracts are
    also activated before bids are sent.
    """

    name: str
    context: AgentContext
    lv_feeders: Sequence[LvFeeder]
    book: ContractBook
    rule: Activation
    fleet_agent: FleetAgent
    pool_of: IntArray
    informed: bool
    error: Callable[[int], float]
    lead_s: Callable[[int], float]
    area_excess: Callable[[int], Excess]
    before_bids: bool = False

    def __post_init__(self) -> None:
        """Leave out feeders with permanent contracts: their limits hold without activation."""
        permanent = self.book.contracts.held & self.book.contracts.permanent
        self.lv_feeders = [s for s in self.lv_feeders if not permanent[s.connections].any()]

    def stands_at(self, gate: str) -> bool:
        """Whether contracts are activated before bids."""
        return gate != "limit_ahead" or self.before_bids

    @at("limit_ahead")
    def limit_feeders(self, isp: int) -> None:
        """Before bids: relieve feeders alone."""
        self.act(isp, None)

    @at("limit")
    def limit(self, isp: int) -> None:
        """After the markets: relieve feeders and the area."""
        self.act(isp, self.area_excess(isp))

    def act(self, isp: int, excess: Excess | None) -> None:
        """Relieve overloaded feeders, then the area above them (`excess`; None: the area is not checked)."""
        before = self.expected_kw(isp)
        kw = self._feeders(isp, before)
        if excess is None:
            return
        change: dict[int, float] = {}
        for lv_feeder in self.lv_feeders:
            relief = float((kw - before)[lv_feeder.connections].sum()) / 1000.0
            change[lv_feeder.node] = change.get(lv_feeder.node, 0.0) + relief
        if excess(change) > 0.0:
            self._area(isp, kw, change, excess)

    def expected_kw(self, isp: int) -> FloatArray:
        """Injections of connections (C,) kW as the DSO expects them."""
        expected = self.fleet_agent.feasible_range(isp)
        kw = expected.connection_kw if self.informed else expected.connection_base_kw
        return np.asarray(kw * (1.0 + self.error(isp)))

    def _feeders(self, isp: int, kw: FloatArray) -> FloatArray:
        """Limit customers of every feeder that would not be safe; the resulting injections (C,) kW."""
        kw, bands = kw.copy(), [self.rule.narrow(lv_feeder.band) for lv_feeder in self.lv_feeders]
        excess = excess_pu(self.lv_feeders, bands, kw)
        for lv_feeder, band, worst in zip(self.lv_feeders, bands, excess.tolist(), strict=True):
            mine = lv_feeder.connections
            if worst <= 0.0:
                continue
            may = self.book.may(isp, self.lead_s(isp))[mine]
            found = self._choose(lv_feeder, band, kw[mine], may)
            self._activate(isp, lv_feeder, found, worst, "feeder")
            kw[mine] = np.clip(kw[mine], -found.import_kw, found.export_kw)
        return kw

    def _choose(self, lv_feeder: LvFeeder, band: Band, kw: FloatArray, may: BoolArray) -> Choice:
        """Users to limit on a feeder, and their limits: of import, of export, or of both if neither suffices.

        The first of these that keeps every limit of the feeder, or the one with the smallest excess.
        """
        mine, free = lv_feeder.connections, np.full(len(kw), np.inf)
        least_in, least_out = self.book.contracts.import_kw[mine], self.book.contracts.export_kw[mine]
        best, closest = Choice(np.zeros(len(kw), dtype=bool), free, free, False), np.inf
        for limits in ((least_in, free), (free, least_out), (least_in, least_out)):
            found = self._on_sides(lv_feeder, band, kw, may, limits)
            after = worst_excess_pu(lv_feeder.feeder, band, -np.clip(kw, -found.import_kw, found.export_kw))
            excess = float(np.nan_to_num(after[0], nan=1e9))  # no solution is worse than any excess
            if found.users.any() and excess < closest - 1e-12:
                best, closest = replace(found, solved=excess <= 0.0), excess
            if closest <= 0.0:
                break
        return best

    def _on_sides(
        self,
        lv_feeder: LvFeeder,
        band: Band,
        kw: FloatArray,
        may: BoolArray,
        limits: tuple[FloatArray, FloatArray],
    ) -> Choice:
        """Users to limit if import and export may be limited to `limits` (U,) kW, inf: not limited."""
        contracts, mine = self.book.contracts, lv_feeder.connections
        least_in, least_out = limits
        relief = np.where(may, np.maximum(-kw - least_in, 0.0) + np.maximum(kw - least_out, 0.0), 0.0)
        users = may & bool(relief.sum() > 0.0)
        if self.rule.who == "fewest":
            order = np.argsort(-relief, kind="stable")[: int((relief > 0).sum())]
            trials = np.zeros((len(order) + 1, len(kw)), dtype=bool)
            for k, user in enumerate(order):
                trials[k + 1 :, user] = True
            users = trials[_first_safe(lv_feeder.feeder, band, _clipped(kw, trials, least_in, least_out))]
        if (contracts.dynamic[mine] & users).any():
            connection = contracts.connection_kw[mine]
            level = LEVELS[:, None] * contracts.dynamic[mine]
            tried = [
                np.where(np.isinf(m), m, m + level * (connection - np.minimum(m, connection))) for m in limits
            ]
            best = _first_safe(lv_feeder.feeder, band, _clipped(kw, users, tried[0], tried[1]))
            least_in, least_out = tried[0][best], tried[1][best]
        return Choice(users, np.where(users, least_in, np.inf), np.where(users, least_out, np.inf), False)

    def _area(self, isp: int, kw: FloatArray, change: dict[int, float], excess: Excess) -> None:
        """Limit whole feeders to guaranteed capacities, largest effect first, while that relieves the area.

        `change` is the change of injection by limits set so far, MW by node.
        """
        contracts = self.book.contracts
        may, worst = self.book.may(isp, self.lead_s(isp)), excess(change)
        options: list[tuple[float, LvFeeder, Choice]] = []
        for lv_feeder in self.lv_feeders:
            mine, users = lv_feeder.connections, may[lv_feeder.connections]
            free = np.full(len(users), np.inf)
            for limits in ((contracts.import_kw[mine], free), (free, contracts.export_kw[mine])):
                cap_in, cap_out = (np.where(users, limit, np.inf) for limit in limits)
                mw = float((np.clip(kw[mine], -cap_in, cap_out) - kw[mine]).sum()) / 1000.0
                options.append((mw, lv_feeder, Choice(users, cap_in, cap_out, False)))
        done: set[str] = set()
        for mw, lv_feeder, choice in sorted(options, key=lambda option: -abs(option[0])):
            if worst <= 0.0 or mw == 0.0 or lv_feeder.name in done:
                continue
            after = excess({**change, lv_feeder.node: change.get(lv_feeder.node, 0.0) + mw})
            if after < worst - 1e-9:
                self._activate(isp, lv_feeder, replace(choice, solved=after <= 0.0), worst / 100.0, "area")
                done.add(lv_feeder.name)
                change[lv_feeder.node] = change.get(lv_feeder.node, 0.0) + mw
                worst = after

    def _activate(self, isp: int, lv_feeder: LvFeeder, found: Choice, worst_pu: float, cause: str) -> None:
        """Book the activation and send the limits."""
        who = lv_feeder.connections.start + np.flatnonzero(found.users)
        if len(who):
            self.book.activate(isp, who, self.lead_s(isp))
            limits = found.import_kw[found.users], found.export_kw[found.users]
            self.send_limits(isp, who, *limits)
        self.context.record(
            "non_firm",
            {
                "isp": isp,
                "dso": self.name,
                "lv_feeder": lv_feeder.name,
                "cause": cause,
                "lead_s": round(self.lead_s(isp)),
                "excess_pct": 100.0 * worst_pu if np.isfinite(worst_pu) else float("nan"),
                "contracts": len(who),
                "import_kw": float(found.import_kw[found.users].min(initial=np.inf)),
                "export_kw": float(found.export_kw[found.users].min(initial=np.inf)),
                "solved": found.solved,
                "most_used": int(self.book.runs(isp)[who].max(initial=0)),
            },
        )

    def send_limits(self, isp: int, who: IntArray, import_kw: FloatArray, export_kw: FloatArray) -> None:
        """Send limits (n,) kW of connections `who` (n,) to the fleet and to the pools of the connections."""
        self._limit(self.fleet_agent.name, isp, who, import_kw, export_kw)
        pools = self.pool_of[who]
        for pool in np.unique(pools):
            its = pools == pool
            owner = self.fleet_agent.owners[int(pool)]
            self._limit(owner, isp, who[its], import_kw[its], export_kw[its])

    def _limit(
        self, receiver: str, isp: int, who: IntArray, import_kw: FloatArray, export_kw: FloatArray
    ) -> None:
        self.context.send(
            LimitMessage(self.name, receiver, isp, connection=who, import_kw=import_kw, export_kw=export_kw)
        )


def _first_safe(feeder: Feeder, band: Band, kw: FloatArray) -> int:
    """Index of the first of K points (K, U) of injections that keeps every limit, or of the last."""
    safe = worst_excess_pu(feeder, band, -kw) <= 0.0
    return int(np.argmax(safe)) if safe.any() else len(safe) - 1


def _clipped(kw: FloatArray, users: BoolArray, most_in: FloatArray, most_out: FloatArray) -> FloatArray:
    """Injections (K, U) kW if `users` (K, U) or (U,) keep import and export limits, (K, U) or (U,)."""
    return np.asarray(np.where(users, np.clip(kw, -most_in, most_out), kw))
