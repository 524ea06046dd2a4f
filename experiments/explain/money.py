"""Payments for a bid, and all payments of its provider in the ISP."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tandem_sim.experiments.explain.tables import (
    Bid,
    IspTables,
    rows_of,
)
from tandem_sim.experiments.explain.words import eur, mw_text, name_of, per_mwh
from tandem_sim.grids.tolerances import EQUAL_MW, EQUAL_PRICE_EUR_PER_MWH
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.payments import RESERVE
from tandem_sim.sim.settlement.accounts import buyer_of_market


def pricing_of(at: IspTables, market: str) -> str:
    """The pricing rule of a market in the scenario of the run."""
    scenario = at.scenario
    if market == RESERVE:
        return scenario.reserve.pricing
    if market == SUBSTITUTION:
        return "pay-as-bid"
    local = buyer_of_market(at.scheme).get(market) == "dso" and scenario.local_pricing != "same"
    return scenario.local_pricing if local else scenario.pricing


def cleared_eur_per_mwh(at: IspTables, bid: Bid, market: str) -> float | None:
    """The uniform price of a market, as the cost of a MWh of the bid to its buyer; None if not recorded."""
    if market == RESERVE:
        acts = at["activations"]
        called = acts[(acts.market == RESERVE) & (acts.direction == bid.direction)].price_eur_per_mwh
        last = called.max() if bid.direction > 0 else called.min()
        return None if called.empty else bid.direction * float(last)
    rows = at["clearings"]
    dso = any(block.name == market and block.party == "dso" for block in at.scheme.blocks)
    rows = rows[(rows.market == market) & (rows.system == (bid.system if dso else TSO))]
    if rows.empty or not math.isfinite(rows.price_eur_per_mwh.iloc[-1]):
        return None
    return bid.direction * float(rows.price_eur_per_mwh.iloc[-1])


def unit_pay(at: IspTables, bid: Bid, market: str) -> tuple[float, str] | None:
    """What the buyer pays for a MWh of a bid in a market, and by which rule; None if it is not recorded.

    An up bid costs its buyer its price, a down bid the negative of its price: below zero the seller pays.
    With pay-as-cleared the buyer pays at least as much.
    """
    own, pricing = bid.direction * bid.price, pricing_of(at, market)
    if pricing == "pay-as-bid":
        return own, "as bid"
    price = cleared_eur_per_mwh(at, bid, market) if pricing == "pay-as-cleared" else None
    if price is None:
        return None
    if own - price > EQUAL_PRICE_EUR_PER_MWH:
        return own, f"as cleared at {per_mwh(bid.direction * price)}, and made whole to its own price"
    return price, "as cleared"


def pay_eur(at: IspTables, bid: Bid, called: Mapping[str, float]) -> float | None:
    """Payment to the seller of a bid for the MW called in the ISP, EUR; None if it is not recorded."""
    total = 0.0
    for market, mw in called.items():
        unit = unit_pay(at, bid, market)
        if unit is None:
            return None
        total += unit[0] * mw * at.hours
    return total


def money_lines(at: IspTables, bid: Bid, called: Mapping[str, float]) -> list[str]:
    """Payments for a bid by market, and all payments of its provider in the ISP."""
    lines = [
        _of_market(at, bid, market, mw) for market, mw in called.items() if mw > EQUAL_MW and not bid.demand
    ]
    totals = at["settlement"]
    got, gave = totals[totals.payee == bid.provider], totals[totals.payer == bid.provider]
    net: dict[str, list[float]] = {}
    for sign, rows in ((1.0, got), (-1.0, gave)):
        for row in rows_of(rows):
            sums = net.setdefault(str(row.kind), [0.0, 0.0])
            sums[0] += float(row.quantity_mwh)
            sums[1] += sign * float(row.amount_eur)
    if net:
        parts = [f"{kind} {eur(amount)}{_energy(mwh)}" for kind, (mwh, amount) in net.items()]
        lines.append(f"{bid.provider} received in this ISP, all its bids together: {', '.join(parts)}.")
    return lines


def _of_market(at: IspTables, bid: Bid, market: str, mw: float) -> str:
    buyer = {"dso": f"DSO-{bid.system}", "tso": "TSO"}[buyer_of_market(at.scheme).get(market, "tso")]
    found = unit_pay(at, bid, market)
    for_what = f"{mw_text(mw)} during {at.hours:g} h, called by {name_of(market, bid.system)}"
    if found is None:
        return (
            f"{buyer} paid for {for_what}, at prices that are not recorded by bid ({pricing_of(at, market)})."
        )
    unit, how = found
    payer, payee = (buyer, bid.provider) if unit >= 0.0 else (bid.provider, buyer)
    return (
        f"{payer} paid {payee} {eur(abs(unit) * mw * at.hours)} for {for_what}: {per_mwh(abs(unit))}, {how}."
    )


def _energy(mwh: float) -> str:
    return f" ({mwh:+.4f} MWh)" if abs(mwh) > EQUAL_MW else ""
