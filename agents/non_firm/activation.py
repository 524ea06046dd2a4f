"""The DSO's last resort: limits on connections under contract, where it expects what no market has solved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import LimitMessage
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.non_firm.contracts import ContractBook
from tandem_sim.agents.non_firm.lv_feeders import LvFeeder, excess_pu
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Who = Literal["all", "fewest"]
LEVELS = np.linspace(1.0, 0.0, 21)
"""Dynamic limits tried, from connection (1) down to guaranteed capacity (0)."""
Excess = Callable[[Mapping[int, float]], float]
"""By how many percent of its limits an area exceeds them when nodes inject so many MW more."""


@dataclass(frozen=True)
class Activation:
    """How contracts are activated: for everybody on a feeder or for the fewest, with margins on the forecast.

    `flow_margin` is a share of rated current kept free, `voltage_margin_pu` of the band at either end.
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
    """Users of one feeder to be limited (U,), their limits (U,) kW, and whether its limits then hold."""

    users: BoolArray
    import_kw: FloatArray
    export_kw: FloatArray
    solved: bool


class ConnectionLimiter:
    """Activates contracts of one DSO's customers."""

    def __init__(
        self,
        *,
        name: str,
        context: AgentContext,
        lv_feeders: Sequence[LvFeeder],
        book: ContractBook,
        rule: Activation,
        fleet_agent: FleetAgent,
        pool_of: IntArray,
        informed: bool,
        error: Callable[[int], float],
        lead_s: Callable[[int], float],
    ) -> None:
        """Set up the desk.

        `pool_of` (C,) is the aggregator of every connection by number in the fleet desk's list of them;
        `informed` says whether bids pass through the DSO, so that it knows what was sold; `error` is that of
        its forecast for an ISP as a share of load, `lead_s` how far ahead the ISP is.
        """
        self.name = name
        self.book = book
        self._context = context
        held, always = book.contracts.held, book.contracts.permanent
        self._lv_feeders = [s for s in lv_feeders if not (held & always)[s.connections].any()]
        self._rule = rule
        self._fleet_agent = fleet_agent
        self._pool_of = pool_of
        self._informed = informed
        self._error = error
        self._lead_s = lead_s

    def act(self, isp: int, excess: Excess | None) -> None:
        """Limit what breaks feeders, then what breaks the area above them (`excess`, None: not looked at)."""
        before = self.expected_kw(isp)
        kw = self._feeders(isp, before)
        if excess is None:
            return
        change: dict[int, float] = {}
        for lv_feeder in self._lv_feeders:
            relief = float((kw - before)[lv_feeder.connections].sum()) / 1000.0
            change[lv_feeder.node] = change.get(lv_feeder.node, 0.0) + relief
        if excess(change) > 0.0:
            self._area(isp, kw, change, excess)

    def expected_kw(self, isp: int) -> FloatArray:
        """Injections of connections (C,) as the DSO expects them."""
        expected = self._fleet_agent.feasible_range(isp)
        kw = expected.connection_kw if self._informed else expected.connection_base_kw
        return np.asarray(kw * (1.0 + self._error(isp)))

    def _feeders(self, isp: int, kw: FloatArray) -> FloatArray:
        """Limit customers of every feeder that would not be safe; injections (C,) as they then are."""
        kw, bands = kw.copy(), [self._rule.narrow(lv_feeder.band) for lv_feeder in self._lv_feeders]
        excess = excess_pu(self._lv_feeders, bands, kw)
        for lv_feeder, band, worst in zip(self._lv_feeders, bands, excess.tolist(), strict=True):
            mine = lv_feeder.connections
            if worst <= 0.0:
                continue
            may = self.book.may(isp, self._lead_s(isp))[mine]
            found = self._choose(lv_feeder, band, kw[mine], may)
            self._activate(isp, lv_feeder, found, worst, "feeder")
            kw[mine] = np.clip(kw[mine], -found.import_kw, found.export_kw)
        return kw

    def _choose(self, lv_feeder: LvFeeder, band: Band, kw: FloatArray, may: BoolArray) -> Choice:
        """Whom to limit on a feeder, and to what: import alone, export alone, or both if neither is enough.

        The first of them that keeps every limit, or the one that comes closest.
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
        """Whom to limit when import, export or both may be held to `limits` (U,) kW, inf: neither."""
        contracts, mine = self.book.contracts, lv_feeder.connections
        least_in, least_out = limits
        relief = np.where(may, np.maximum(-kw - least_in, 0.0) + np.maximum(kw - least_out, 0.0), 0.0)
        users = may & bool(relief.sum() > 0.0)
        if self._rule.who == "fewest":
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
        """Limit whole feeders to what is guaranteed while that helps the area above them, the largest first.

        `change` is what limits have changed already, MW by node.
        """
        contracts = self.book.contracts
        may, worst = self.book.may(isp, self._lead_s(isp)), excess(change)
        options: list[tuple[float, LvFeeder, Choice]] = []
        for lv_feeder in self._lv_feeders:
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
        """Book the activation and tell the customers."""
        who = lv_feeder.connections.start + np.flatnonzero(found.users)
        if len(who):
            self.book.activate(isp, who, self._lead_s(isp))
            limits = found.import_kw[found.users], found.export_kw[found.users]
            self.tell(isp, who, *limits)
        self._context.record(
            "non_firm",
            {
                "isp": isp,
                "dso": self.name,
                "lv_feeder": lv_feeder.name,
                "cause": cause,
                "lead_s": round(self._lead_s(isp)),
                "excess_pct": 100.0 * worst_pu if np.isfinite(worst_pu) else float("nan"),
                "contracts": len(who),
                "import_kw": float(found.import_kw[found.users].min(initial=np.inf)),
                "export_kw": float(found.export_kw[found.users].min(initial=np.inf)),
                "solved": found.solved,
                "most_used": int(self.book.runs(isp)[who].max(initial=0)),
            },
        )

    def tell(self, isp: int, who: IntArray, import_kw: FloatArray, export_kw: FloatArray) -> None:
        """Send limits (n,) kW of connections to the households, and to the pools that serve them."""
        self._limit(self._fleet_agent.name, isp, who, import_kw, export_kw)
        pools = self._pool_of[who]
        for pool in np.unique(pools):
            its = pools == pool
            owner = self._fleet_agent.owners[int(pool)]
            self._limit(owner, isp, who[its], import_kw[its], export_kw[its])

    def _limit(
        self, receiver: str, isp: int, who: IntArray, import_kw: FloatArray, export_kw: FloatArray
    ) -> None:
        self._context.send(
            LimitMessage(self.name, receiver, isp, connection=who, import_kw=import_kw, export_kw=export_kw)
        )


def _first_safe(feeder: Feeder, band: Band, kw: FloatArray) -> int:
    """The first of K points (K, U) of injections that keeps every limit, or the last."""
    kept = worst_excess_pu(feeder, band, -kw) <= 0.0
    return int(np.argmax(kept)) if kept.any() else len(kept) - 1


def _clipped(kw: FloatArray, users: BoolArray, most_in: FloatArray, most_out: FloatArray) -> FloatArray:
    """Injections (K, U) when `users` (K, U) or (U,) are held to import and export limits, (K, U) or (U,)."""
    return np.asarray(np.where(users, np.clip(kw, -most_in, most_out), kw))
