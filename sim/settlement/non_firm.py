"""Non-firm connections in a run: their delivery and their payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.agents.base.agent import Record, Row
from tandem_sim.agents.base.messages import OrderMessage
from tandem_sim.agents.devices.connection_limits import PermanentLimits
from tandem_sim.agents.households.fleet import FleetStep
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.non_firm.contracts import ContractBook
from tandem_sim.agents.non_firm.curtailment_trading import CurtailmentMarket
from tandem_sim.agents.non_firm.lv_feeders import LvFeeder, LvFeederState, lv_feeder_states
from tandem_sim.agents.non_firm.substitution import (
    OrderChange,
    Substitution,
    SubstitutionProcess,
    SubstitutionResult,
)
from tandem_sim.agents.non_firm.tso_substitution import TsoSubstitution
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.operators.tso import TSO
from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.services.afrr import AfrrResult
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.settlement.payments import Payment
from tandem_sim.sim.output.tables import TABLES
from tandem_sim.sim.settlement.audit_non_firm import NonFirmAudit

Books = Mapping[str, tuple[Bids, FloatArray]]


@dataclass(kw_only=True)
class NonFirm:
    """Feeders and contracts of a run."""

    lv_feeders: Sequence[LvFeeder]
    book: ContractBook
    dsos: Sequence[DSO]
    pools: Sequence[Aggregator]
    tso: TSO
    fleet_agent: FleetAgent
    audit: NonFirmAudit
    record: Record
    hours: float
    shortfall_eur_per_mwh: float  # charge on reserve called and not delivered
    year_of: IntArray
    permanent: PermanentLimits
    substitutions: dict[int, list[Substitution]] = field(default_factory=dict)
    changes: dict[int, list[OrderChange]] = field(default_factory=dict)  # by ISP
    _substituted: dict[int, list[tuple[str, SubstitutionResult]]] = field(default_factory=dict)
    _undelivered: dict[tuple[int, str, int], tuple[float, float]] = field(default_factory=dict)
    _opened: dict[tuple[int, int], float] = field(default_factory=dict)
    _undelivered_total: dict[int, list[tuple[str, float]]] = field(default_factory=dict)
    _held_back_kwh: dict[int, FloatArray] = field(default_factory=dict)  # PV by year, (C,)

    @property
    def _substituting(self) -> list[tuple[Aggregator, SubstitutionProcess]]:
        """Pools that substitute blocked sales, with that role."""
        found = [(pool, pool.role(SubstitutionProcess)) for pool in self.pools]
        return [(pool, role) for pool, role in found if role is not None]

    @property
    def _trading(self) -> list[CurtailmentMarket]:
        """Curtailment markets of DSOs."""
        found = [dso.role(CurtailmentMarket) for dso in self.dsos]
        return [market for market in found if market is not None]

    def _opened_mw(self, isp: int) -> FloatArray | None:
        """MW (n,) of mFRR bids on transmission that the TSO has opened to aFRR."""
        role = self.tso.role(TsoSubstitution)
        return None if role is None else role.slow_mw.get(isp)

    def reserve_available_mw(self, isp: int, books: Books) -> FloatArray | None:
        """MW (n,) that bids left to aFRR, over all books joined, can deliver; None: all of them in full."""
        limited = [(pool, role) for pool, role in self._substituting if isp in role.limited]
        areas = [(system, book) for system, (book, _) in books.items() if system != T]
        if not limited or not areas:
            return None
        available = np.concatenate([left for _, left in books.values()])
        first = np.cumsum([0, *(len(left) for _, left in books.values())])[:-1]
        start = {system: int(at) for system, at in zip(books, first, strict=True)}
        for pool, role in limited:
            mine = [np.flatnonzero(book.provider == pool.name) for _, book in areas]
            place = np.concatenate([start[name] + at for (name, _), at in zip(areas, mine, strict=True)])
            ids = [str(b) for (_, book), at in zip(areas, mine, strict=True) for b in book.bid_id[at]]
            group, direction = pool.sales.groups_of(ids)
            for side in (UP, DOWN):
                some = place[direction == side]
                available[some], blocked = role.deliverable_mw(
                    isp, side, group[direction == side], available[some]
                )
                self._undelivered[isp, pool.name, side] = (blocked, 0.0)
        return available

    def with_substitutes(
        self, isp: int, books: dict[str, tuple[Bids, FloatArray]]
    ) -> tuple[dict[str, tuple[Bids, FloatArray]], FloatArray | None]:
        """Books left to aFRR including mFRR bids that the TSO opened to it, and the MW (n,) of the latter."""
        opened = self._opened_mw(isp)
        if opened is None or not opened.any():
            return books, None
        slow = {system: opened if system == T else np.zeros(len(left)) for system, (_, left) in books.items()}
        wider = {system: (bids, left + slow[system]) for system, (bids, left) in books.items()}
        return wider, np.concatenate(list(slow.values()))

    def reserve_called(self, isp: int, books: Books, control: AfrrResult) -> None:
        """Store the MW of aFRR called and not delivered by pools."""
        provider = np.concatenate([bids.provider for bids, _ in books.values()])
        direction = np.concatenate([bids.direction for bids, _ in books.values()])
        gap = np.maximum(control.requested_mean_mw - control.delivered_mean_mw, 0.0)
        opened = self._opened_mw(isp)
        if opened is not None and T in books:
            at = sum(len(left) for _, left in list(books.values())[: list(books).index(T)])
            bids, left = books[T]
            slow = np.maximum(control.delivered_mean_mw[at : at + len(left)] - (left - opened), 0.0)
            for side in (UP, DOWN):
                self._opened[isp, side] = float(slow[bids.direction == side].sum())
        for key, (blocked, _) in self._undelivered.items():
            if key[0] == isp:
                mine = (provider == key[1]) & (direction == key[2])
                self._undelivered[key] = (blocked, float(gap[mine].sum()))

    def deliver_substitutes(self, isp: int) -> None:
        """At delivery: pools shift blocked orders to substitutes."""
        found = [
            (pool.name, done) for pool, role in self._substituting for done in role.deliver_substitutes(isp)
        ]
        self.changes[isp] = [change for _, done in found for change in done.changes]
        for change in self.changes[isp]:
            none = np.zeros(len(change.kw))
            up, down = (change.kw, none) if change.direction == UP else (none, change.kw)
            self.fleet_agent.receive(
                OrderMessage(
                    change.owner, self.fleet_agent.name, isp, group=change.group, up_kw=up, down_kw=down
                )
            )
        self._substituted[isp] = found
        self.substitutions[isp] = [substitution for _, done in found for substitution in done.substitutions]

    def deliver(self, isp: int, step: FleetStep) -> None:
        """Audit contracts, compute the state of every LV feeder after delivery, and record both."""
        connection_limits, active = self.fleet_agent.connection_limits(isp), self.book.active(isp)
        self.audit.check(
            isp, step, self.permanent.at(isp, connection_limits), connection_limits, active, self._traded(isp)
        )
        connection = self.book.contracts.connection_kw
        unconstrained = np.clip(step.connection_unconstrained_kw, -connection, connection)
        points = np.stack([step.connection_kw, step.connection_base_kw, unconstrained])
        for lv_feeder, state in lv_feeder_states(self.lv_feeders, points):
            self._record_lv_feeder(isp, lv_feeder, state, step, unconstrained, active)
        self._record_pools(isp)

    def _traded(self, isp: int) -> BoolArray:
        """Connections (C,) that bought or sold curtailment for an ISP."""
        deals = [deal for market in self._trading for deal in market.deals.get(isp, ())]
        names = {name for deal in deals for name in (deal.buyer, deal.seller)}
        return np.array([name in names for name in self.book.contracts.names], dtype=bool)

    def payments(self, isp: int, step: FleetStep) -> list[Payment]:
        """Payments for withheld energy, substitution among pools, and traded curtailment."""
        paid = [
            Payment(
                payer=t.payer,
                payee=t.payee,
                kind="substitution",
                quantity_mwh=t.direction * t.mw * self.hours,
                amount_eur=t.direction * t.price * t.mw * self.hours,
            )
            for t in self.substitutions.get(isp, ())
        ]
        if self.shortfall_eur_per_mwh > 0.0:
            for name, mw in self._undelivered_total.pop(isp, ()):
                mwh = mw * self.hours
                paid.append(
                    Payment(
                        payer=name,
                        payee=self.tso.name,
                        kind="shortfall",
                        quantity_mwh=mwh,
                        amount_eur=self.shortfall_eur_per_mwh * mwh,
                    )
                )
        for dso in self.dsos:
            market = dso.role(CurtailmentMarket)
            for deal in market.deals.pop(isp, ()) if market is not None else ():
                mwh = deal.kw / 1000.0 * self.hours
                paid.append(
                    Payment(
                        payer=deal.buyer,
                        payee=deal.seller,
                        kind="curtailment trade",
                        quantity_mwh=mwh,
                        amount_eur=deal.price * mwh,
                    )
                )
            paid += self._compensation(isp, dso, step)
        return paid

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        self.substitutions.pop(isp, None)
        self.changes.pop(isp, None)
        self._undelivered_total.pop(isp, None)

    def _compensation(self, isp: int, dso: DSO, step: FleetStep) -> list[Payment]:
        contracts, active = self.book.contracts, self._in_force(isp)
        mine = np.zeros(len(contracts), dtype=bool)
        for lv_feeder in self.lv_feeders:
            mine[lv_feeder.connections] |= lv_feeder.area == dso.system
        if not (mine & active).any() or not contracts.compensation_eur_per_mwh.any():
            return []
        withheld = self._withheld_kw(step, active & mine) * self.hours
        export = np.where(step.connection_unconstrained_kw > 0, withheld, 0.0)
        year = int(self.year_of[isp])
        so_far = self._held_back_kwh.setdefault(year, np.zeros(len(contracts)))
        free = contracts.free_share * self.fleet_agent.fleet.connections.generation_kwh
        unpaid = np.minimum(export, np.maximum(free - so_far, 0.0))
        so_far += export
        due = contracts.compensation_eur_per_mwh * (withheld - unpaid) / 1000.0
        if due.sum() <= 0.0:
            return []
        mwh = float((withheld - unpaid).sum()) / 1000.0
        return [
            Payment(
                payer=dso.name,
                payee="households",
                kind="non-firm compensation",
                quantity_mwh=mwh,
                amount_eur=float(due.sum()),
            )
        ]

    def _in_force(self, isp: int) -> BoolArray:
        """Contracts (C,) in force in an ISP: activated ones and permanent ones."""
        return self.book.active(isp) | (self.book.contracts.permanent & self.book.contracts.held)

    def _withheld_kw(self, step: FleetStep, who: BoolArray) -> FloatArray:
        """Change of the net injection of connections (C,) by limits, kW >= 0, without activation of bids."""
        connection = self.book.contracts.connection_kw
        unconstrained = np.clip(step.connection_unconstrained_kw, -connection, connection)
        return np.where(who, np.abs(step.connection_base_kw - unconstrained), 0.0)

    def _record_lv_feeder(
        self,
        isp: int,
        lv_feeder: LvFeeder,
        state: LvFeederState,
        step: FleetStep,
        unconstrained: FloatArray,
        active: BoolArray,
    ) -> None:
        mine = lv_feeder.connections
        withheld = self._withheld_kw(step, self._in_force(isp))[mine]
        offer, free = step.offer_kw[:, mine].sum(axis=1), step.free_offer_kw[:, mine].sum(axis=1)
        self.record(
            "low_voltage",
            {
                "isp": isp,
                "lv_feeder": lv_feeder.name,
                "active_contracts": int(active[mine].sum()),
                "safe": bool(state.safe[0]),
                "base_safe": bool(state.safe[1]),
                "unconstrained_safe": bool(state.safe[2]),
                "loading_pct": float(state.loading_percent[0]),
                "unconstrained_loading_pct": float(state.loading_percent[2]),
                "vm_min_pu": float(state.vm_min_pu[0]),
                "vm_max_pu": float(state.vm_max_pu[0]),
                "unconstrained_vm_min_pu": float(state.vm_min_pu[2]),
                "unconstrained_vm_max_pu": float(state.vm_max_pu[2]),
                "net_kw": float(step.connection_kw[mine].sum()),
                "unconstrained_kw": float(unconstrained[mine].sum()),
                "withheld_kwh": float(withheld.sum()) * self.hours,
                "shed_kwh": float(step.shed_kw[mine].sum()) * self.hours,
                "offer_up_kw": float(offer[0]),
                "offer_down_kw": float(offer[1]),
                "free_offer_up_kw": float(free[0]),
                "free_offer_down_kw": float(free[1]),
            },
        )

    def _record_pools(self, isp: int) -> None:
        """Record one row per pool and direction with blocked energy or reserve."""
        reserve = {k[1:]: self._undelivered.pop(k) for k in list(self._undelivered) if k[0] == isp}
        energy = {(name, done.direction): done for name, done in self._substituted.pop(isp, ())}
        role = self.tso.role(TsoSubstitution)
        reported = {} if role is None else role.substituted.get(isp, {})
        for key in sorted({*reserve, *energy, *reported}):
            done = energy.get(key, SubstitutionResult(direction=key[1]))
            blocked, undelivered = reserve.get(key, (0.0, 0.0))
            energy_mw, reserve_mw = reported.get(key, (0.0, 0.0))
            if blocked + done.blocked_kw + energy_mw + reserve_mw <= NEGLIGIBLE_MW:
                continue
            self.record(
                "substitution",
                {
                    "isp": isp,
                    "provider": key[0],
                    "direction": key[1],
                    "reserve_blocked_mw": blocked,
                    "reserve_undelivered_mw": undelivered,
                    "energy_blocked_mw": done.blocked_kw / 1000.0,
                    "portfolio_mw": done.portfolio_kw / 1000.0,
                    "aggregators_mw": done.aggregators_kw / 1000.0,
                    "aggregators_eur_per_h": done.substitution_eur_per_h,
                    "tso_energy_mw": energy_mw,
                    "tso_reserve_mw": reserve_mw,
                    "tso_called_mw": 0.0,
                },
            )
            self._undelivered_total.setdefault(isp, []).append((key[0], undelivered))
        for side in (UP, DOWN):
            self._record_opened(isp, side, self._opened.pop((isp, side), 0.0))

    def _record_opened(self, isp: int, direction: int, mw: float) -> None:
        """Record aFRR called of mFRR bids that the TSO opened to it, in a row of the TSO."""
        if mw > NEGLIGIBLE_MW:
            names = [name for name in TABLES["substitution"] if name != "isp"]
            row: Row = {**dict.fromkeys(names, 0.0), "provider": self.tso.name, "direction": direction}
            self.record("substitution", {"isp": isp, **row, "tso_called_mw": mw})
