"""Amendment of bids between a local market and the TSO's: lower quantity, withdrawal, new price.

Source: draft network code on demand response, art. 53.4 (e), in ALEXANDER D3.3, 3.3.2: national terms say
whether providers may change prices and volumes of forwarded bids, or withdraw them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tandem_sim.agents.base.messages import AmendMessage
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.agents.operators.operator import Operator
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.products import Product


@dataclass(frozen=True)
class AmendRules:
    """Quantities may fall to the MW sold; with `reprice`, bids that sold nothing may change their price.

    An amended bid keeps the rules of its product: its price, and its quantity if it is above the MW sold.
    """

    reprice: bool
    product: Product


AmendmentRow = Mapping[str, str | float | None]
"""One requested change of a bid, by column of table ``amendments``."""


@dataclass(kw_only=True, eq=False)
class Amendments(Role):
    """Amendments of the bids in a DSO's book, from the local market until bids are forwarded."""

    dso: Operator
    rules: AmendRules
    _forwarded: set[int] = field(default_factory=set)

    @on(AmendMessage)
    def on_amend(self, message: AmendMessage) -> None:
        """Amend bids of the closed book; after forwarding the amendment is rejected."""
        isp, system, record = message.isp, self.dso.system, self.dso.context.record
        state = self.dso.known(isp).area(system)
        if isp in self._forwarded or not state.knows("bids"):
            reason = "amendment came after bids were forwarded"
            record("rejections", {"isp": isp, "system": system, "bid_id": message.sender, "reason": reason})
            return
        ledger = self.dso.ledger(isp)
        bids, rows = amended(state.bids, ledger.sold(system), message, self.rules)
        ledger.lower(system, bids.quantity_mw)
        offers = np.minimum(state.offers, bids.quantity_mw)
        self.dso.note(isp, AreaState(bids=bids, offers=offers))
        for row in rows:
            record("amendments", {"isp": isp, "system": system, "provider": message.sender, **row})

    @at("forward")
    def close(self, isp: int) -> None:
        """From now on bids are with the next market."""
        self._forwarded.add(isp)

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        self._forwarded.discard(isp)


def amended(
    bids: Bids, sold_mw: FloatArray, message: AmendMessage, rules: AmendRules
) -> tuple[Bids, list[AmendmentRow]]:
    """A book after an amendment, and one row for every requested change (see table ``amendments``)."""
    quantity, price, held = (np.array(x) for x in (bids.quantity_mw, bids.price, bids.held_mw))
    place = {b: k for k, b in enumerate(bids.bid_id.tolist())}
    rows = []
    changes = zip(
        message.bid_id,
        message.quantity_mw.tolist(),
        message.price.tolist(),
        rules.product.quantity_reasons(message.quantity_mw),
        rules.product.price_reasons(message.price),
        strict=True,
    )
    for bid, mw, new_price, bad_quantity, bad_price in changes:
        k = place.get(bid)
        if k is None or bids.provider[k] != message.sender:
            rows.append(_row(bid, "no such bid of this provider", None, mw, None, new_price))
            continue
        reason = ""
        if not sold_mw[k] - NEGLIGIBLE_MW <= mw <= quantity[k] + NEGLIGIBLE_MW:
            reason = "a quantity may only fall, to what is sold at the least"
        elif new_price != price[k] and (not rules.reprice or sold_mw[k] > 0):
            reason = "the price may not be changed"
        elif mw > sold_mw[k] + NEGLIGIBLE_MW and bad_quantity:
            reason = bad_quantity
        elif new_price != price[k]:
            reason = bad_price
        rows.append(_row(bid, reason, float(quantity[k]), mw, float(price[k]), new_price))
        if not reason:
            quantity[k] = np.clip(mw, sold_mw[k], quantity[k])
            held[k] = min(held[k], quantity[k] - sold_mw[k])
            price[k] = new_price
    return replace(bids, quantity_mw=quantity, price=price, held_mw=held), rows


def _row(
    bid: str, reason: str, mw: float | None, new_mw: float, price: float | None, new_price: float
) -> AmendmentRow:
    return {
        "bid_id": bid,
        "reason": reason,
        "quantity_mw": mw,
        "new_quantity_mw": new_mw,
        "price_eur_per_mwh": price,
        "new_price_eur_per_mwh": new_price,
    }
