"""Admission of bids to a book: by the rules of the product, and by qualification of units and groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.markets.choices import PooledBy
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.orders.pooling import in_pools
from tandem_sim.markets.orders.products import Product, Service


@dataclass(frozen=True)
class Admission:
    """The rules of one operator's books: its product, and the flexibility register if there is one."""

    product: Product
    service: Service = "mFRR"
    register: FlexibilityRegister | None = None
    pooled_by: PooledBy = "provider"

    def admit(self, isp: int, book: Bids, now: Callable[[], int]) -> tuple[Bids, list[str]]:
        """The admitted bids, and the reason of rejection of each given bid (n,), empty if admitted.

        Bids of a group may be forwarded to the TSO only if the group is qualified for the TSO's product.
        """
        reasons = self.reasons(isp, book, now)
        if any(reasons):
            book = book.pick(np.array([not r for r in reasons], dtype=bool))
        if self.register is None:
            return book, reasons
        qualified = {p: self.register.qualified(p, "mFRR", now()) for p in book.places}
        onward = np.array([qualified[p] for p in book.provider.tolist()], dtype=bool)
        return replace(book, forwardable=book.forwardable & onward), reasons

    def reasons(self, isp: int, book: Bids, now: Callable[[], int]) -> list[str]:
        """The reason of rejection of each bid of a book (n,), empty if admitted."""
        reasons = self.product.reasons(book)
        if self.register is not None:
            good = np.flatnonzero([not r for r in reasons])
            found = self.register.reasons(isp, book.pick(good), self.service, now())
            for place, reason in zip(good.tolist(), found, strict=True):
                reasons[place] = reason
        minimum = self.product.pool_minimum_mw
        if minimum <= 0.0:
            return reasons
        admitted = np.where([bool(r) for r in reasons], 0.0, book.quantity_mw)
        outside = np.flatnonzero(~in_pools(book, admitted, minimum, self.pooled_by))
        if self.register is not None:
            self.register.release(isp, book.pick(np.array([k for k in outside if not reasons[k]], dtype=int)))
        for k in outside:
            reasons[k] = reasons[k] or f"its pool does not reach the minimum of {minimum:g} MW"
        return reasons
