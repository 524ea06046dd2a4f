"""Payments of one ISP. Every payment has a payer and a payee, so money is conserved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tandem_sim.grids.tolerances import NEGLIGIBLE_EUR, NEGLIGIBLE_MW
from tandem_sim.markets.auctions.reactive_power import ReactiveTrade
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.settlement.imbalance import ImbalancePrices

MAKE_WHOLE = "make-whole"
PURCHASE = "purchase"
PURCHASE_MAKE_WHOLE = "purchase make-whole"
RESERVE = "afrr"
"""Market of the automatic reserve, and the kind of payment for its energy."""
FOR_ENERGY = ("activation", RESERVE, MAKE_WHOLE)
"""Kinds of payments of operators for activated energy."""
FOR_AWARDS = (*FOR_ENERGY, PURCHASE, PURCHASE_MAKE_WHOLE)
"""Kinds of payments that settle awards, including those of companies."""
Place = tuple[str, str, int]
"""Unit of settlement of deliveries: pool, system, direction."""


@dataclass(frozen=True, kw_only=True)
class CapacityObligation:
    """Capacity of a provider in one ISP: MW of obligation, offered, and allowed by the DSOs; and its pay."""

    operator: str
    service: str
    provider: str
    direction: int
    obligation_mw: float
    offered_mw: float
    fulfilled_mw: float
    pay_eur_per_h: float


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One booking. A negative amount flows from payee to payer."""

    payer: str
    payee: str
    kind: str
    quantity_mwh: float
    amount_eur: float


def activation_payments(
    ledger: Ledger, books: Mapping[str, Bids], buyer_of: Mapping[tuple[str, str], str], hours: float
) -> list[Payment]:
    """Payments for all awards of the ledger, from the buyer of a market to each provider.

    Purchases of companies are payments of kind ``purchase``, negative where they pay. The supplement from a
    uniform price to a bid's own price is a payment of kind ``make-whole``, without energy; for the bid of a
    company, which pays no more than its bid, of kind ``purchase make-whole``, because nothing is procured by
    it. Energy of the automatic reserve is of kind ``afrr``.

    `buyer_of` gives the payer in a market for a system: (market, system) -> party. `hours` is the length of
    the ISP.
    """
    payments = []
    for market, systems in ledger.markets.items():
        for system, award in systems.items():
            bids = books[system]
            paid, extra = ledger.paid[market][system], ledger.make_whole[market][system]
            (won,) = (award > 0).nonzero()
            bought = bids.demand[won]
            energy = RESERVE if market == RESERVE else "activation"
            for kind, whole, called in (
                (energy, MAKE_WHOLE, won[~bought]),
                (PURCHASE, PURCHASE_MAKE_WHOLE, won[bought]),
            ):
                for provider, mine in bids.by_provider(called).items():
                    mwh = float(bids.direction[mine] @ award[mine]) * hours
                    lifted = float(extra[mine].sum()) * hours
                    lifted = lifted if abs(lifted) > NEGLIGIBLE_EUR else 0.0
                    amount = float(paid[mine].sum()) * hours - lifted
                    buyer = buyer_of[market, system]
                    payments.append(
                        Payment(payer=buyer, payee=provider, kind=kind, quantity_mwh=mwh, amount_eur=amount)
                    )
                    if lifted:
                        payments.append(
                            Payment(
                                payer=buyer, payee=provider, kind=whole, quantity_mwh=0.0, amount_eur=lifted
                            )
                        )
    return payments


def imbalance_payments(
    imbalance_mw: Mapping[str, float], prices: ImbalancePrices, settler: str, hours: float
) -> list[Payment]:
    """Payments for imbalances (MW, positive: long, injects more than sold or scheduled).

    A long party receives its price, a short one pays its price.
    """
    return [
        Payment(
            payer=settler,
            payee=party,
            kind="imbalance",
            quantity_mwh=mw * hours,
            amount_eur=mw * hours * (prices.long if mw > 0 else prices.short),
        )
        for party, mw in imbalance_mw.items()
        if mw != 0.0
    ]


def cost_payments(cost_eur: Mapping[str, float], households: str) -> list[Payment]:
    """Compensation that aggregators pay to their households for wear, comfort and lost feed-in."""
    return [
        Payment(payer=party, payee=households, kind="household cost", quantity_mwh=0.0, amount_eur=amount)
        for party, amount in cost_eur.items()
        if amount != 0.0
    ]


def capacity_payments(
    obligations: Sequence[CapacityObligation], penalty_factor: float, hours: float
) -> list[Payment]:
    """Payments for availability, and penalties of `penalty_factor` times the pay of capacity not offered."""
    payments = []
    for s in obligations:
        payments.append(
            Payment(
                payer=s.operator,
                payee=s.provider,
                kind="capacity",
                quantity_mwh=0.0,
                amount_eur=s.pay_eur_per_h * hours,
            )
        )
        missing = max(s.obligation_mw - s.offered_mw, 0.0)
        if missing > NEGLIGIBLE_MW:
            penalty = penalty_factor * s.pay_eur_per_h * missing / s.obligation_mw * hours
            payments.append(
                Payment(
                    payer=s.provider,
                    payee=s.operator,
                    kind="unavailability",
                    quantity_mwh=0.0,
                    amount_eur=penalty,
                )
            )
    return payments


def reactive_payments(trades: Sequence[ReactiveTrade], hours: float) -> list[Payment]:
    """Payments of DSOs for delivered reactive power, in either direction; no energy is exchanged."""
    payments = []
    for trade in trades:
        amount = trade.offers.price * trade.delivered_mvar * hours
        for provider, mine in trade.offers.places.items():
            if (trade.delivered_mvar[mine] > 0).any():
                due = float(amount[mine].sum())
                payments.append(
                    Payment(
                        payer=trade.buyer, payee=provider, kind="reactive", quantity_mwh=0.0, amount_eur=due
                    )
                )
    return payments


def shortfall_payments(
    ordered_mw: Mapping[Place, float],
    delivered_mw: Mapping[Place, float],
    settler: str,
    eur_per_mwh: float,
    hours: float,
    tolerance: float = 0.1,
) -> list[Payment]:
    """Payments of a pool for MWh missing beyond a tolerance, on top of the imbalance price.

    Each place is settled separately: `ordered_mw` >= 0 and `delivered_mw` are MW in the direction of the
    place, negative where the pool moved in the other direction. A surplus in one place does not offset
    another.
    """
    payments = []
    for place, ordered in ordered_mw.items():
        pool, _, direction = place
        missing = (1.0 - tolerance) * ordered - delivered_mw[place]
        if eur_per_mwh > 0 and ordered > NEGLIGIBLE_MW and missing > NEGLIGIBLE_MW:
            mwh = missing * hours
            payments.append(
                Payment(
                    payer=pool,
                    payee=settler,
                    kind="shortfall",
                    quantity_mwh=-direction * mwh,
                    amount_eur=eur_per_mwh * mwh,
                )
            )
    return payments


def balances(payments: list[Payment]) -> dict[str, float]:
    """Net receipts of every party (EUR); they sum to zero."""
    net: dict[str, float] = {}
    for p in payments:
        net[p.payer] = net.get(p.payer, 0.0) - p.amount_eur
        net[p.payee] = net.get(p.payee, 0.0) + p.amount_eur
    return net
