"""Invariants checked in every ISP of every run: ledger, energy, money. A violation is an `AuditError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tandem_sim.agents.households.fleet import FleetStep, HouseholdFleet
from tandem_sim.grids.errors import AuditError
from tandem_sim.grids.tolerances import (
    FLOW_TOLERANCE_MW,
    MONEY_TOLERANCE_EUR,
    NEGLIGIBLE_MW,
    POWER_TOLERANCE_KW,
)
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.reactive_power import ReactiveTrade
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, unit_of
from tandem_sim.markets.orders.penalties import unserved_eur_per_mwh
from tandem_sim.markets.services.capacity import CapacityBook
from tandem_sim.markets.settlement.imbalance import ImbalancePrices, Regulation
from tandem_sim.markets.settlement.payments import FOR_AWARDS, Payment, balances
from tandem_sim.sim.delivery.physics import GridResult


def audit_ledger(isp: int, ledger: Ledger, books: Mapping[str, Bids]) -> None:
    """Awards over all markets never exceed what was offered, and are never negative."""
    for system, bids in books.items():
        total = np.zeros(len(bids))
        for market, systems in ledger.markets.items():
            award = systems.get(system)
            if award is None:
                continue
            if (award < -NEGLIGIBLE_MW).any():
                raise AuditError(f"ISP {isp}: market {market} awarded a negative quantity in {system}")
            total += award
        over = total - bids.quantity_mw
        if (over > NEGLIGIBLE_MW).any():
            k = int(np.argmax(over))
            raise AuditError(
                f"ISP {isp}: bid {bids.bid_id[k]} sold {total[k]} MW of {bids.quantity_mw[k]} MW offered"
            )


def audit_energy(isp: int, step: FleetStep, fleet: HouseholdFleet) -> None:
    """Devices conserve energy within their bounds; meters show baseline plus delivery."""
    problems = fleet.checks()
    if problems:
        raise AuditError(f"ISP {isp}: {'; '.join(problems)}")
    moved = float(step.site_p_kw.sum() - step.site_base_kw.sum())
    delivered = float(step.up_kw.sum() - step.down_kw.sum())
    if abs(moved - delivered) > POWER_TOLERANCE_KW * max(1.0, float(np.abs(step.site_p_kw).sum())):
        raise AuditError(f"ISP {isp}: meters moved by {moved} kW, but {delivered} kW was delivered")


def audit_money(
    isp: int, payments: list[Payment], ledger: Ledger, books: Mapping[str, Bids], hours: float
) -> None:
    """Money sums to zero over parties, awards are paid by the ledger, no bid is paid less than its price."""
    if abs(sum(balances(payments).values())) > MONEY_TOLERANCE_EUR:
        raise AuditError(f"ISP {isp}: money does not sum to zero over parties")
    paid = sum(p.amount_eur for p in payments if p.kind in FOR_AWARDS)
    owed = sum(float(pay.sum()) * hours for systems in ledger.paid.values() for pay in systems.values())
    if abs(paid - owed) > MONEY_TOLERANCE_EUR * max(1.0, abs(owed)):
        raise AuditError(f"ISP {isp}: {paid} EUR was paid for awards that are due {owed} EUR")
    for market, systems in ledger.markets.items():
        for system, award in systems.items():
            short = books[system].signed_price * award - ledger.paid[market][system]
            if (short * hours > MONEY_TOLERANCE_EUR * np.maximum(1.0, np.abs(award))).any():
                bid = books[system].bid_id[int(np.argmax(short))]
                raise AuditError(f"ISP {isp}: bid {bid} is paid less than its price in {market}")


def audit_capacity(
    isp: int, capacity: CapacityBook, payments: Sequence[Payment], penalty_factor: float, hours: float
) -> None:
    """Capacity is paid as contracted, no pool sells it twice, and no penalty exceeds its rule."""
    owed: dict[tuple[str, str], float] = {}
    sold: dict[tuple[str, str, int], float] = {}
    for c in capacity.by_isp.get(isp, ()):
        owed[c.operator, c.provider] = owed.get((c.operator, c.provider), 0.0) + c.mw * c.price * hours
        pool = c.provider, c.system, c.direction
        sold[pool] = sold.get(pool, 0.0) + c.mw
    for (provider, system, direction), mw in sold.items():
        most = capacity.register.pool_mw(provider, direction, "LFM", system)
        if mw > most + 1e-6:
            raise AuditError(f"ISP {isp}: {provider} sold {mw} MW of capacity in {system} and has {most} MW")
    paid: dict[tuple[str, str], float] = {}
    for p in payments:
        if p.kind == "capacity":
            paid[p.payer, p.payee] = paid.get((p.payer, p.payee), 0.0) + p.amount_eur
        most = penalty_factor * owed.get((p.payee, p.payer), 0.0)
        if (
            p.kind == "unavailability"
            and not -MONEY_TOLERANCE_EUR <= p.amount_eur <= most + MONEY_TOLERANCE_EUR
        ):
            raise AuditError(
                f"ISP {isp}: {p.payer} pays {p.amount_eur} EUR for capacity missing, at most {most}"
            )
    for pair in {*owed, *paid}:
        if abs(owed.get(pair, 0.0) - paid.get(pair, 0.0)) > MONEY_TOLERANCE_EUR:
            got, due = paid.get(pair, 0.0), owed.get(pair, 0.0)
            raise AuditError(f"ISP {isp}: {pair[0]} paid {pair[1]} {got} EUR for capacity worth {due} EUR")


def audit_reactive(
    isp: int,
    trades: Sequence[ReactiveTrade],
    payments: Sequence[Payment],
    group_mvar: FloatArray,
    hours: float,
) -> None:
    """Reactive power is sold within bids, paid by its buyer as bid, and injected only if bought.

    `group_mvar` (G,) is the injection of device groups.
    """
    bought = 0.0
    for trade in trades:
        over = np.maximum(trade.awarded_mvar - trade.offers.quantity_mw, -trade.awarded_mvar)
        if (over > NEGLIGIBLE_MW).any():
            k = int(np.argmax(over))
            sold, offered, bid = trade.awarded_mvar[k], trade.offers.quantity_mw[k], trade.offers.bid_id[k]
            raise AuditError(f"ISP {isp}: bid {bid} sold {sold} Mvar of {offered} Mvar offered")
        bought += float(trade.offers.direction @ trade.delivered_mvar)
        owed = float(trade.offers.price @ trade.delivered_mvar) * hours
        paid = sum(p.amount_eur for p in payments if p.kind == "reactive" and p.payer == trade.buyer)
        if abs(paid - owed) > MONEY_TOLERANCE_EUR * max(1.0, owed):
            raise AuditError(f"ISP {isp}: {trade.buyer} paid {paid} EUR for reactive power worth {owed} EUR")
    if abs(float(group_mvar.sum()) - bought) > NEGLIGIBLE_MW * max(1.0, len(group_mvar)):
        raise AuditError(f"ISP {isp}: households inject {group_mvar.sum()} Mvar of {bought} Mvar bought")


def audit_register(
    isp: int, register: FlexibilityRegister, ledger: Ledger, books: Mapping[str, Bids]
) -> None:
    """No unit sells more, over all its bids, than its registered MW."""
    sold: dict[tuple[str, str, int], float] = {}
    for system, bids in books.items():
        award = ledger.sold(system)
        for k in np.flatnonzero((award > NEGLIGIBLE_MW) & ~bids.demand):
            key = str(bids.provider[k]), unit_of(str(bids.bid_id[k])), int(bids.direction[k])
            sold[key] = sold.get(key, 0.0) + float(award[k])
    for (provider, name, direction), mw in sold.items():
        unit = register.units(provider).get(name)
        most = 0.0 if unit is None else unit.up_mw if direction > 0 else unit.down_mw
        if mw > most + 1e-6:
            raise AuditError(
                f"ISP {isp}: unit {name} of {provider} sold {mw} MW and is registered for {most} MW"
            )


def audit_sequence(isp: int, last: int) -> None:
    """ISPs are settled in order, without gap or repetition."""
    if isp != last + 1:
        raise AuditError(f"ISP {isp} is settled after ISP {last}")


def audit_balance(isp: int, imbalance_mw: Mapping[str, float], awarded_mw: float, system_mw: float) -> None:
    """The imbalances of all parties add up to that of the system."""
    total = sum(imbalance_mw.values()) + awarded_mw
    if abs(total - system_mw) > 1e-6 * max(1.0, abs(system_mw)):
        raise AuditError(
            f"ISP {isp}: parties' imbalances add up to {total} MW, the system's is {system_mw} MW"
        )


def audit_orders(isp: int, step: FleetStep, wanted_kw: FloatArray, awarded_kw: float) -> None:
    """Orders to households equal awards; deliveries go in the direction of the orders, and not beyond."""
    if abs(float(wanted_kw.sum()) - awarded_kw) > POWER_TOLERANCE_KW * max(1.0, abs(awarded_kw)):
        raise AuditError(
            f"ISP {isp}: households were ordered {wanted_kw.sum()} kW of {awarded_kw} kW awarded"
        )
    moved = step.up_kw - step.down_kw
    excess = np.where(
        wanted_kw >= 0, np.maximum(moved - wanted_kw, -moved), np.maximum(wanted_kw - moved, moved)
    )
    if (excess > POWER_TOLERANCE_KW).any():
        k = int(np.argmax(excess))
        raise AuditError(f"ISP {isp}: group {k} moved {moved[k]} kW when {wanted_kw[k]} kW was ordered")


def audit_interface(isp: int, area: str, result: GridResult, injection_mw: float) -> None:
    """The flow into an area equals the sum of its meters plus losses."""
    gap = result.interface_mw + injection_mw - result.losses_mw
    if result.state.converged and abs(gap) > FLOW_TOLERANCE_MW:
        raise AuditError(f"ISP {isp}: {area} takes {gap} MW more than its meters and losses add up to")


def audit_slack(isp: int, grids: Mapping[str, GridResult], system_mw: float) -> None:
    """The slack supplies exactly the losses of all grids and the deficit of the system."""
    if not all(g.state.converged for g in grids.values()):
        return
    losses = sum(g.losses_mw for g in grids.values())
    if abs(gap := grids[TSO].interface_mw + system_mw - losses) > FLOW_TOLERANCE_MW:
        raise AuditError(f"ISP {isp}: the slack supplies {gap} MW that no imbalance and no loss explains")


def audit_buyers(
    isp: int,
    payments: list[Payment],
    ledger: Ledger,
    buyer: Mapping[str, str],
    hours: float,
) -> None:
    """Buyers pay: the TSO for awards of its blocks, DSOs for the others."""
    owed = sum(
        float(pay.sum()) * hours
        for market, systems in ledger.paid.items()
        for pay in systems.values()
        if buyer[market] == "dso"
    )
    paid = sum(p.amount_eur for p in payments if p.kind in FOR_AWARDS and p.payer.startswith("DSO-"))
    if abs(paid - owed) > MONEY_TOLERANCE_EUR * max(1.0, abs(owed)):
        raise AuditError(f"ISP {isp}: DSOs paid {paid} EUR for awards worth {owed} EUR")


def audit_price(
    isp: int,
    prices: ImbalancePrices,
    alpha: float,
    mid: float,
    ledger: Ledger,
    books: Mapping[str, Bids],
    found: Regulation,
    bound: tuple[bool, bool],
) -> None:
    """Every imbalance price is that of a balancing bid, of unserved need, the mid price or a mean price paid.

    The adder comes on top. Balancing bids are those that markets bought, or would have bought without network
    limits. In the net direction of activation, a shortage costs at least the mean price paid upwards, and a
    surplus earns at most the mean price paid downwards.
    """
    called = [
        books[s].price[why.unlimited_mw > NEGLIGIBLE_MW]
        for systems in ledger.purposes.values()
        for s, why in systems.items()
    ]
    penalty = unserved_eur_per_mwh()
    known = np.concatenate([*called, [mid, penalty, -penalty, found.up_mean, found.down_mean]])
    known = np.concatenate([known, known + alpha, known - alpha])
    if bound[0] and prices.short < found.up_mean - 1e-9:
        raise AuditError(
            f"ISP {isp}: a shortage costs {prices.short}, less than {found.up_mean} paid upwards"
        )
    if bound[1] and prices.long > found.down_mean + 1e-9:
        raise AuditError(
            f"ISP {isp}: a surplus earns {prices.long}, more than {found.down_mean} paid downwards"
        )
    for price in (prices.long, prices.short):
        if not np.isclose(known, price, rtol=0.0, atol=1e-9).any():
            raise AuditError(f"ISP {isp}: the imbalance price of {price} EUR/MWh is that of no activated bid")
    if prices.long > prices.short + 1e-9:
        raise AuditError(
            f"ISP {isp}: being long pays {prices.long}, more than {prices.short} for being short"
        )
