"""What a book admits: bids that keep their product's rules, of units and groups that are qualified."""

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
        """The bids that may enter a book, and why each of those given is rejected (n,), or empty.

        What a group sells locally may go on to the TSO only if the group is qualified for the TSO's product.
        """
        reasons = self.reasons(isp, book, now)
        if any(reasons):
            book = book.pick(np.array([not r for r in reasons], dtype=bool))
        if self.register is None:
            return book, reasons
        able = {p: self.register.qualified(p, "mFRR", now()) for p in book.places}
        onward = np.array([able[p] for p in book.provider.tolist()], dtype=bool)
        return replace(book, forwardable=book.forwardable & onward), reasons

    def reasons(self, isp: int, book: Bids, now: Callable[[], int]) -> list[str]:
        """Why each bid of a book is rejected (n,), empty where it is admitted."""
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
