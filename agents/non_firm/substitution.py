"""What a pool does when limits on connections keep it from what it sold: it re-dispatches, asks, and tells.

After ALEXANDER D3.3, 3.5.1: the aggregator re-dispatches within its portfolio, the TSO re-dispatches to
others or corrects by a market of its own. Here it is the pool that asks other aggregators, and pays them.
Those remedies that a scenario allows are tried in this order.
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
from tandem_sim.agents.portfolios.portfolio import HouseholdPortfolio
from tandem_sim.grids.tolerances import NEGLIGIBLE_KW
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.orders.bids import DOWN, UP

Substitute = Literal["portfolio", "aggregators", "tso"]
Lot = tuple[float, str, int, float]
"""Help of one group: price (EUR/MWh), pool, group, kW."""


@dataclass(frozen=True)
class Sold:
    """A pool's sales of one ISP by group (G,) kW: what it may still be called for, and prices (nan: none).

    `standby_kw` and `price` are by direction; prices in EUR/MWh as bids have them.
    """

    standby_kw: Mapping[int, FloatArray]
    price: Mapping[int, FloatArray]


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Delivery that one pool takes over from another, MW in a direction, at EUR/MWh of the bid."""

    payer: str
    payee: str
    direction: int
    mw: float
    price: float


@dataclass(frozen=True)
class Change:
    """Orders that move between groups: kW more (or less) wanted of groups in a direction."""

    owner: str
    direction: int
    group: IntArray
    kw: FloatArray


@dataclass(kw_only=True)
class Substituted:
    """One ISP of a pool and direction (kW): blocked of what was ordered, and who took it over."""

    direction: int
    blocked_kw: float = 0.0
    portfolio_kw: float = 0.0
    aggregators_kw: float = 0.0
    help_eur_per_h: float = 0.0
    changes: list[Change] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)


@dataclass(frozen=True)
class _Side:
    """One direction of one ISP, own groups only (G,) kW."""

    order: FloatArray
    blocked: FloatArray  # of what is wanted, by limits alone
    spare: FloatArray
    unlimited: FloatArray  # spare had no contract been activated


class SubstitutionProcess:
    """Finds stand-ins for what limits block of one pool's sales, and helps others with what it has spare."""

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
        """`peers` are other pools, `sold` looks up this pool's sales of an ISP."""
        self._name, self._context, self._portfolio = name, context, portfolio
        self._remedies = frozenset(substitution)
        self._peers, self._tso, self._sold = list(peers), tso, sold
        self.limited: set[int] = set()  # ISPs in which own customers are limited
        self._offers: dict[tuple[int, int], list[SubstitutionOfferMessage]] = {}
        self._accepted: dict[tuple[int, int], list[Lot]] = {}
        self._promised: dict[tuple[int, int], FloatArray] = {}  # to others, whether they accept or not
        self._lent: dict[tuple[int, int], FloatArray] = {}  # of it accepted

    def on_limit(self, message: LimitMessage) -> None:
        """A DSO has limited some of the pool's customers."""
        self.limited.add(message.isp)

    def assess(self, isp: int) -> None:
        """See what can no longer be delivered if everything sold is called, and ask others for the rest."""
        if isp not in self.limited or "aggregators" not in self._remedies:
            return
        for direction in (UP, DOWN):
            missing = self._missing_kw(isp, direction)
            if missing > NEGLIGIBLE_KW:
                for peer in self._peers:
                    self._context.send(
                        SubstitutionRequestMessage(self._name, peer, isp, direction=direction, kw=missing)
                    )

    def on_substitution_request(self, message: SubstitutionRequestMessage) -> None:
        """Offer to another pool what neither own sales nor own gaps nor earlier promises need."""
        isp, direction = message.isp, message.direction
        if self._portfolio.is_over(isp):
            return  # asked too late
        side, price = self._side(isp, direction, standby=True), self._sold(isp).price[direction]
        promised = self._promised.setdefault((isp, direction), np.zeros(len(side.spare)))
        side = replace(side, spare=np.where(np.isfinite(price), side.spare, 0.0))
        order = np.argsort(np.where(side.spare > 0, direction * price, np.inf), kind="stable")
        free = _after(side.spare[order], float(side.blocked.sum()))[np.argsort(order)]
        free = np.maximum(free - promised, 0.0)[order]
        asked_for = free - _after(free, message.kw)  # the cheapest first
        free = asked_for[np.argsort(order)]
        group = np.flatnonzero(free > NEGLIGIBLE_KW)
        if len(group):
            promised[group] += free[group]
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

    def on_substitution_acceptance(self, message: SubstitutionAcceptanceMessage) -> None:
        """Keep what another pool counts on."""
        key = message.isp, message.direction
        if key not in self._promised:
            return  # accepted after the ISP was settled
        lent = self._lent.setdefault(key, np.zeros_like(self._promised[key]))
        lent[message.group] += message.kw

    def on_substitution_offer(self, message: SubstitutionOfferMessage) -> None:
        """Keep an offer of help until all are in."""
        self._offers.setdefault((message.isp, message.direction), []).append(message)

    def report(self, isp: int) -> None:
        """Accept the cheapest help, and tell the TSO what still cannot be delivered."""
        if isp not in self.limited or not self._remedies & {"aggregators", "tso"}:
            return
        for direction in (UP, DOWN):
            missing = self._missing_kw(isp, direction)
            lots = [
                (float(price), offer.sender, int(group), float(kw))
                for offer in self._offers.pop((isp, direction), [])
                for group, kw, price in zip(offer.group, offer.kw, offer.price, strict=True)
            ]
            for price, peer, group, kw in sorted(lots, key=lambda lot: (direction * lot[0], lot[1:])):
                taken = min(kw, missing)
                if taken > NEGLIGIBLE_KW:
                    self._accepted.setdefault((isp, direction), []).append((price, peer, group, taken))
                    self._context.send(
                        SubstitutionAcceptanceMessage(
                            self._name, peer, isp, direction=direction, group=group, kw=taken
                        )
                    )
                    missing -= taken
            if missing > NEGLIGIBLE_KW and "tso" in self._remedies:
                self._report(isp, direction, missing)

    def _report(self, isp: int, direction: int, missing_kw: float) -> None:
        energy = self._side(isp, direction, standby=False)
        own = float(self._stand_in_kw(isp, direction, energy).sum())
        sure = max(float(energy.blocked.sum()) - own - self._help_kw(isp, direction), 0.0)
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
        """What of MW left (n,) in bids of groups (n,) a reserve would get, stand-ins included; MW blocked."""
        if isp not in self.limited:
            return left_mw, 0.0
        side = self._side(isp, direction, standby=False)
        left = np.zeros(len(side.order))
        np.add.at(left, group, 1000.0 * left_mw)
        lent = self._lent.get((isp, direction), 0.0)
        own = np.minimum(left, np.maximum(side.spare - lent, 0.0))
        blocked = np.maximum(np.minimum(left, side.unlimited) - own, 0.0)
        free = replace(side, spare=side.spare - own)
        stand_in = float(self._stand_in_kw(isp, direction, free).sum())
        stand_in += self._help_kw(isp, direction)
        stand_in = max(stand_in - float(side.blocked.sum()), 0.0)
        total = float(blocked.sum())
        share = min(1.0, stand_in / total) if total > NEGLIGIBLE_KW else 0.0
        missing = (1.0 - share) * blocked  # what devices lack anyway is no matter of limits
        ratio = np.divide(left - missing, left, out=np.zeros(len(left)), where=left > 0)
        return left_mw * ratio[group], total / 1000.0

    def deliver_substitutes(self, isp: int) -> list[Substituted]:
        """At delivery: move what is blocked of the orders to own groups, then to accepted helpers."""
        if isp not in self.limited:
            return []
        found = []
        for direction in (UP, DOWN):
            side = self._side(isp, direction, standby=False)
            done = Substituted(direction=direction, blocked_kw=float(side.blocked.sum()))
            if done.blocked_kw <= NEGLIGIBLE_KW:
                continue
            self._take_over(isp, side, done)
            found.append(done)
        return found

    def _take_over(self, isp: int, side: _Side, done: Substituted) -> None:
        direction, wanted = done.direction, done.blocked_kw
        price = self._sold(isp).price[direction]
        able = self._stand_in_kw(isp, direction, side)
        order = np.argsort(np.where(able > 0, direction * price, np.inf), kind="stable")
        own = (able[order] - _after(able[order], wanted))[np.argsort(order)]
        done.portfolio_kw = float(own.sum())
        wanted -= done.portfolio_kw
        for eur, peer, group, kw in self._accepted.get((isp, direction), ()):
            taken = min(kw, wanted)
            if taken > NEGLIGIBLE_KW:
                done.transfers.append(
                    Transfer(payer=self._name, payee=peer, direction=direction, mw=taken / 1000.0, price=eur)
                )
                done.changes.append(Change(peer, direction, np.array([group]), np.array([taken])))
                done.help_eur_per_h += direction * eur * taken / 1000.0
                done.aggregators_kw += taken
                wanted -= taken
        moved = done.portfolio_kw + done.aggregators_kw
        if moved <= NEGLIGIBLE_KW:
            return
        net = own - side.blocked * moved / done.blocked_kw
        moving = np.flatnonzero(net)
        done.changes.insert(0, Change(self._name, direction, moving, net[moving]))

    def forget(self, isp: int) -> None:
        """Drop what is known of an ISP that has been settled."""
        self.limited.discard(isp)
        for direction in (UP, DOWN):
            self._offers.pop((isp, direction), None)
            self._accepted.pop((isp, direction), None)
            self._promised.pop((isp, direction), None)
            self._lent.pop((isp, direction), None)

    def _missing_kw(self, isp: int, direction: int) -> float:
        """What would be missing if everything sold were called and own groups stood in."""
        side = self._side(isp, direction, standby=True)
        return max(float(side.blocked.sum() - self._stand_in_kw(isp, direction, side).sum()), 0.0)

    def _help_kw(self, isp: int, direction: int) -> float:
        """What other pools have been taken up on."""
        return sum(kw for *_, kw in self._accepted.get((isp, direction), ()))

    def _stand_in_kw(self, isp: int, direction: int, side: _Side) -> FloatArray:
        """What own groups (G,) may take over: those with a price, if a portfolio is re-dispatched at all."""
        if "portfolio" not in self._remedies:
            return np.zeros(len(side.spare))
        free = np.maximum(side.spare - self._lent.get((isp, direction), 0.0), 0.0)
        return np.where(np.isfinite(self._sold(isp).price[direction]), free, 0.0)

    def _side(self, isp: int, direction: int, standby: bool) -> _Side:
        order, able, freely = self._portfolio.ordered_and_able_kw(isp, direction)
        wanted = order + self._sold(isp).standby_kw[direction] if standby else order
        blocked = np.maximum(np.minimum(wanted, freely) - able, 0.0)
        return _Side(order, blocked, np.maximum(able - wanted, 0.0), np.maximum(freely - wanted, 0.0))


def _after(kw: FloatArray, used_kw: float) -> FloatArray:
    """What is left of amounts (n,) when so many kW have been taken from the first ones on."""
    before = np.concatenate([[0.0], np.cumsum(kw)[:-1]])
    return np.asarray(np.maximum(kw - np.maximum(used_kw - before, 0.0), 0.0))
