"""Substitution of sold energy that connection limits block: within the portfolio, by other pools, by the TSO.

After ALEXANDER D3.3, 3.5.1: the aggregator re-dispatches within its portfolio, the TSO re-dispatches to
others or corrects by a market of its own. Here the pool itself requests energy from other aggregators, and
pays them. The steps that a scenario allows are taken in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import (
    LimitMessage,
    ShortfallMessage,
    SubstitutionAcceptanceMessage,
    SubstitutionOfferMessage,
    SubstitutionRequestMessage,
)
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.agents.portfolios.households import HouseholdPortfolio
from tandem_sim.grids.tolerances import NEGLIGIBLE_KW
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.orders.bids import DOWN, UP

Substitute = Literal["portfolio", "aggregators", "tso"]
AcceptedOffer = tuple[float, str, int, float]
"""Substitution offered by one group: price (EUR/MWh), pool, group, kW."""


@dataclass(frozen=True)
class Sold:
    """Bids of a pool in one ISP, by direction and group (G,).

    `standby_kw`: kW that may still be called; `price`: EUR/MWh of the bid, nan without one.
    """

    standby_kw: Mapping[int, FloatArray]
    price: Mapping[int, FloatArray]


@dataclass(frozen=True, kw_only=True)
class Substitution:
    """Delivery of one pool (`payee`) for another (`payer`), MW in a direction, at the bid price (EUR/MWh)."""

    payer: str
    payee: str
    direction: int
    mw: float
    price: float


@dataclass(frozen=True)
class OrderChange:
    """Change of the orders of groups (n,) in a direction, kW (n,); negative: less is ordered."""

    owner: str
    direction: int
    group: IntArray
    kw: FloatArray


@dataclass(kw_only=True)
class SubstitutionResult:
    """Substitution of one pool, ISP and direction: kW blocked of its orders, and kW by who delivers them."""

    direction: int
    blocked_kw: float = 0.0
    portfolio_kw: float = 0.0
    aggregators_kw: float = 0.0
    substitution_eur_per_h: float = 0.0
    changes: list[OrderChange] = field(default_factory=list)
    substitutions: list[Substitution] = field(default_factory=list)


@dataclass(frozen=True)
class _Side:
    """One direction of one ISP, own groups only, (G,) kW."""

    order: FloatArray
    blocked: FloatArray  # of the orders (and standby), by limits alone
    spare: FloatArray  # available beyond the orders (and standby)
    unlimited: FloatArray  # the same had no contract been activated


class SubstitutionProcess(Role):
    """Finds substitutes for blocked sales of one pool, and offers its spare flexibility to other pools."""

    def __init__(
        self,
        *,
        name: str,
        context: AgentContext,
        portfolio: HouseholdPortfolio,
        substitution: Collection[Substitute],
        peers: Sequence[str],
        tso: str,
        sold: Callable[[int], Sold],
    ) -> None:
        """`peers` are other pools, `sold` returns this pool's bids of an ISP."""
        self._name, self._context, self._portfolio = name, context, portfolio
        self._permitted = frozenset(substitution)
        self._peers, self._tso, self._sold = list(peers), tso, sold
        self.limited: set[int] = set()  # ISPs in which own customers are limited
        self._received_offers: dict[tuple[int, int], list[SubstitutionOfferMessage]] = {}
        self._accepted: dict[tuple[int, int], list[AcceptedOffer]] = {}
        self._offered: dict[tuple[int, int], FloatArray] = {}  # kW by group offered to others
        self._accepted_by_peers: dict[tuple[int, int], FloatArray] = {}  # kW by group, of these offers

    @on(LimitMessage)
    def on_limit(self, message: LimitMessage) -> None:
        """A DSO has limited some of the pool's customers."""
        self.limited.add(message.isp)

    @at("assess")
    def assess(self, isp: int) -> None:
        """Compute what is missing if everything sold is called, and request it from other pools."""
        if isp not in self.limited or "aggregators" not in self._permitted:
            return
        for direction in (UP, DOWN):
            missing = self._missing_kw(isp, direction)
            if missing > NEGLIGIBLE_KW:
                for peer in self._peers:
                    self._context.send(
                        SubstitutionRequestMessage(self._name, peer, isp, direction=direction, kw=missing)
                    )

    @on(SubstitutionRequestMessage)
    def on_substitution_request(self, message: SubstitutionRequestMessage) -> None:
        """Offer to another pool what neither own sales, own blocked energy nor earlier offers need."""
        isp, direction = message.isp, message.direction
        if self._portfolio.is_over(isp):
            return  # the request is too late
        side, price = self._side(isp, direction, standby=True), self._sold(isp).price[direction]
        offered = self._offered.setdefault((isp, direction), np.zeros(len(side.spare)))
        side = replace(side, spare=np.where(np.isfinite(price), side.spare, 0.0))
        order = np.argsort(np.where(side.spare > 0, direction * price, np.inf), kind="stable")
        free = _after(side.spare[order], float(side.blocked.sum()))[np.argsort(order)]
        free = np.maximum(free - offered, 0.0)[order]
        requested = free - _after(free, message.kw)  # the cheapest first
        free = requested[np.argsort(order)]
        group = np.flatnonzero(free > NEGLIGIBLE_KW)
        if len(group):
            offered[group] += free[group]
            offer = SubstitutionOfferMessage(
                self._name,
                message.sender,
                isp,
                direction=direction,
                group=group,
                kw=free[group],
                price=price[group],
            )
            self._context.send(offer)

    @on(SubstitutionAcceptanceMessage)
    def on_substitution_acceptance(self, message: SubstitutionAcceptanceMessage) -> None:
        """Store which part of the offers another pool has accepted."""
        key = message.isp, message.direction
        if key not in self._offered:
            return  # accepted after the ISP was settled
        accepted = self._accepted_by_peers.setdefault(key, np.zeros_like(self._offered[key]))
        accepted[message.group] += message.kw

    @on(SubstitutionOfferMessage)
    def on_substitution_offer(self, message: SubstitutionOfferMessage) -> None:
        """Store an offer until `report`."""
        self._received_offers.setdefault((message.isp, message.direction), []).append(message)

    @at("report")
    def report(self, isp: int) -> None:
        """Accept the cheapest offers, and report to the TSO what still cannot be delivered."""
        if isp not in self.limited or not self._permitted & {"aggregators", "tso"}:
            return
        for direction in (UP, DOWN):
            missing = self._missing_kw(isp, direction)
            offers = [
                (float(price), offer.sender, int(group), float(kw))
                for offer in self._received_offers.pop((isp, direction), [])
                for group, kw, price in zip(offer.group, offer.kw, offer.price, strict=True)
            ]
            for price, peer, group, kw in sorted(offers, key=lambda entry: (direction * entry[0], entry[1:])):
                taken = min(kw, missing)
                if taken > NEGLIGIBLE_KW:
                    self._accepted.setdefault((isp, direction), []).append((price, peer, group, taken))
                    self._context.send(
                        SubstitutionAcceptanceMessage(
                            self._name, peer, isp, direction=direction, group=group, kw=taken
                        )
                    )
                    missing -= taken
            if missing > NEGLIGIBLE_KW and "tso" in self._permitted:
                self._report(isp, direction, missing)

    def _report(self, isp: int, direction: int, missing_kw: float) -> None:
        energy = self._side(isp, direction, standby=False)
        own = float(self._own_substitutes_kw(isp, direction, energy).sum())
        sure = max(float(energy.blocked.sum()) - own - self._accepted_kw(isp, direction), 0.0)
        sure = min(sure, missing_kw)
        self._context.send(
            ShortfallMessage(
                self._name,
                self._tso,
                isp,
                direction=direction,
                energy_mw=sure / 1000.0,
                reserve_mw=(missing_kw - sure) / 1000.0,
            )
        )

    def deliverable_mw(
        self, isp: int, direction: int, group: IntArray, left_mw: FloatArray
    ) -> tuple[FloatArray, float]:
        """MW of bids left (n,) of groups (n,) that aFRR can get, substitutes included; and MW blocked."""
        if isp not in self.limited:
            return left_mw, 0.0
        side = self._side(isp, direction, standby=False)
        left = np.zeros(len(side.order))
        np.add.at(left, group, 1000.0 * left_mw)
        accepted = self._accepted_by_peers.get((isp, direction), 0.0)
        own = np.minimum(left, np.maximum(side.spare - accepted, 0.0))
        blocked = np.maximum(np.minimum(left, side.unlimited) - own, 0.0)
        free = replace(side, spare=side.spare - own)
        substitutes = float(self._own_substitutes_kw(isp, direction, free).sum())
        substitutes += self._accepted_kw(isp, direction)
        substitutes = max(substitutes - float(side.blocked.sum()), 0.0)
        total = float(blocked.sum())
        share = min(1.0, substitutes / total) if total > NEGLIGIBLE_KW else 0.0
        missing = (1.0 - share) * blocked  # what devices cannot deliver anyway is not blocked
        ratio = np.divide(left - missing, left, out=np.zeros(len(left)), where=left > 0)
        return left_mw * ratio[group], total / 1000.0

    def deliver_substitutes(self, isp: int) -> list[SubstitutionResult]:
        """At delivery: shift blocked orders to own groups, then to accepted offers of other pools."""
        if isp not in self.limited:
            return []
        found = []
        for direction in (UP, DOWN):
            side = self._side(isp, direction, standby=False)
            done = SubstitutionResult(direction=direction, blocked_kw=float(side.blocked.sum()))
            if done.blocked_kw <= NEGLIGIBLE_KW:
                continue
            self._substitute(isp, side, done)
            found.append(done)
        return found

    def _substitute(self, isp: int, side: _Side, done: SubstitutionResult) -> None:
        direction, wanted = done.direction, done.blocked_kw
        price = self._sold(isp).price[direction]
        own_kw = self._own_substitutes_kw(isp, direction, side)
        order = np.argsort(np.where(own_kw > 0, direction * price, np.inf), kind="stable")
        own = (own_kw[order] - _after(own_kw[order], wanted))[np.argsort(order)]
        done.portfolio_kw = float(own.sum())
        wanted -= done.portfolio_kw
        for eur, peer, group, kw in self._accepted.get((isp, direction), ()):
            taken = min(kw, wanted)
            if taken > NEGLIGIBLE_KW:
                done.substitutions.append(
                    Substitution(
                        payer=self._name, payee=peer, direction=direction, mw=taken / 1000.0, price=eur
                    )
                )
                done.changes.append(OrderChange(peer, direction, np.array([group]), np.array([taken])))
                done.substitution_eur_per_h += direction * eur * taken / 1000.0
                done.aggregators_kw += taken
                wanted -= taken
        moved = done.portfolio_kw + done.aggregators_kw
        if moved <= NEGLIGIBLE_KW:
            return
        net = own - side.blocked * moved / done.blocked_kw
        moving = np.flatnonzero(net)
        done.changes.insert(0, OrderChange(self._name, direction, moving, net[moving]))

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        self.limited.discard(isp)
        for direction in (UP, DOWN):
            self._received_offers.pop((isp, direction), None)
            self._accepted.pop((isp, direction), None)
            self._offered.pop((isp, direction), None)
            self._accepted_by_peers.pop((isp, direction), None)

    def _missing_kw(self, isp: int, direction: int) -> float:
        """KW missing if everything sold is called and own groups substitute."""
        side = self._side(isp, direction, standby=True)
        return max(float(side.blocked.sum() - self._own_substitutes_kw(isp, direction, side).sum()), 0.0)

    def _accepted_kw(self, isp: int, direction: int) -> float:
        """KW of accepted offers of other pools."""
        return sum(kw for *_, kw in self._accepted.get((isp, direction), ()))

    def _own_substitutes_kw(self, isp: int, direction: int, side: _Side) -> FloatArray:
        """KW by which own groups (G,) may substitute: those with a price, if the portfolio may be used."""
        if "portfolio" not in self._permitted:
            return np.zeros(len(side.spare))
        free = np.maximum(side.spare - self._accepted_by_peers.get((isp, direction), 0.0), 0.0)
        return np.where(np.isfinite(self._sold(isp).price[direction]), free, 0.0)

    def _side(self, isp: int, direction: int, standby: bool) -> _Side:
        order, available, unlimited = self._portfolio.ordered_and_available_kw(isp, direction)
        wanted = order + self._sold(isp).standby_kw[direction] if standby else order
        blocked = np.maximum(np.minimum(wanted, unlimited) - available, 0.0)
        return _Side(order, blocked, np.maximum(available - wanted, 0.0), np.maximum(unlimited - wanted, 0.0))


def _after(kw: FloatArray, used_kw: float) -> FloatArray:
    """The rest of amounts (n,) kW after `used_kw` is taken from them in order."""
    before = np.concatenate([[0.0], np.cumsum(kw)[:-1]])
    return np.asarray(np.maximum(kw - np.maximum(used_kw - before, 0.0), 0.0))
