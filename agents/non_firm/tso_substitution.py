"""The TSO's part in substitution: it buys on transmission what connection limits block of pools' sales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tandem_sim.agents.base.messages import ShortfallMessage
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.agents.operators.operator import Operator
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.services.substitution import SUBSTITUTION, substitute_missing


@dataclass(kw_only=True, eq=False)
class TsoSubstitution(Role):
    """Substitutes the energy and the reserve that pools report as blocked.

    Reserve is substituted up to the MW that the TSO can call of a pool: `held_mw` gives them for an ISP by
    pool and direction, nothing without aFRR. With a `register` only qualified MW replace reserve.
    """

    tso: Operator
    register: FlexibilityRegister | None
    held_mw: Callable[[int], Mapping[tuple[str, int], float]]
    slow_mw: dict[int, FloatArray] = field(default_factory=dict)
    """ISP -> mFRR bids on transmission opened to aFRR (n,) MW."""
    substituted: dict[int, dict[tuple[str, int], tuple[float, float]]] = field(default_factory=dict)
    """ISP -> (pool, direction) -> MW of energy and of reserve."""
    _missing: dict[int, list[ShortfallMessage]] = field(default_factory=dict)

    @on(ShortfallMessage)
    def on_shortfall(self, message: ShortfallMessage) -> None:
        """Store what a pool reports as missing."""
        self._missing.setdefault(message.isp, []).append(message)

    @at("substitute")
    def substitute(self, isp: int) -> None:
        """Buy what pools have reported."""
        held = self.held_mw(isp)
        shortfalls = [
            replace(m, reserve_mw=min(m.reserve_mw, held.get((m.sender, m.direction), 0.0)))
            for m in self._missing.pop(isp, [])
        ]
        if not shortfalls:
            return
        bids = self.tso.known(isp).tso.bids
        left = np.where(bids.demand, 0.0, bids.quantity_mw - self.tso.ledger(isp).sold(self.tso.system))
        now = self.tso.context.now()
        fast = left if self.register is None else self.register.within_fast_mw(bids, left, now)
        energy = sum(m.direction * m.energy_mw for m in shortfalls)
        reserve = {d: sum(m.reserve_mw for m in shortfalls if m.direction == d) for d in (1, -1)}
        found = substitute_missing(bids, left, fast, energy, reserve)
        award = found.answer.quantity_mw
        sale = Sale.of(award, bids.signed_price * award) if award.any() else None
        self.tso.buy(isp, SUBSTITUTION, AuctionNeed(found.answer, energy), sale)
        self.slow_mw[isp] = found.slow_mw
        self.substituted[isp] = {(m.sender, m.direction): (m.energy_mw, m.reserve_mw) for m in shortfalls}

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        self._missing.pop(isp, None)
        self.slow_mw.pop(isp, None)
        self.substituted.pop(isp, None)
