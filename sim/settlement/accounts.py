"""Purchases, awards and orders of parties: sums over books and the ledger of one ISP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tandem_sim.agents.non_firm.substitution import OrderChange
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.services.reactive_power import ReactivePowerSeller
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.reactive_power import ReactiveTrade
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import UP, Bids
from tandem_sim.markets.services.capacity import CapacityBook, Contract
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.payments import RESERVE, CapacityObligation


def buyer_of_market(scheme: Scheme | SchemeDescription) -> dict[str, str]:
    """Kind of party (``tso`` or ``dso``) that pays for each market of the ledger."""
    return {RESERVE: "tso", SUBSTITUTION: "tso", **{block.name: block.buyer for block in scheme.blocks}}


def buyers(scheme: Scheme, tso: str, dsos: Sequence[DSO]) -> dict[tuple[str, str], str]:
    """Name of the party that pays in a market for a system, by (market, system)."""
    dso_of = {dso.system: dso.name for dso in dsos}
    return {
        (market, system): dso_of[system] if buyer == "dso" else tso
        for market, buyer in buyer_of_market(scheme).items()
        for system in (T, *dso_of)
        if buyer != "dso" or system != T
    }


def bought_mw(bids: Bids, ledger: Ledger) -> dict[str, float]:
    """MW of net injection that each company has bought in the book of transmission."""
    bought: dict[str, float] = {}
    sold = ledger.sold(T)
    for k in np.flatnonzero(bids.demand & (sold > 0)):
        name = str(bids.provider[k])
        bought[name] = bought.get(name, 0.0) - float(bids.direction[k] * sold[k])
    return bought


def awarded_mw(pools: Sequence[str], books: Mapping[str, Bids], ledger: Ledger) -> dict[str, float]:
    """Net MW awarded to every household pool over all areas, up positive."""
    awarded = dict.fromkeys(pools, 0.0)
    for system, bids in books.items():
        if system == T:
            continue
        net = bids.direction * ledger.sold(system)
        for name, won in bids.by_provider(net.nonzero()[0]).items():
            awarded[name] += float(net[won].sum())
    return awarded


def ordered_mw(
    pools: Sequence[Aggregator],
    books: Mapping[str, Bids],
    ledger: Ledger,
    changes: Sequence[OrderChange],
    n: int,
) -> FloatArray:
    """Net MW ordered of each of n device groups, up positive: awards, changed by substitution."""
    ordered, by_name = np.zeros(n), {pool.name: pool for pool in pools}
    for system, bids in books.items():
        if system == T:
            continue
        sold = ledger.sold(system)
        for name, won in bids.by_provider(sold.nonzero()[0]).items():
            group, direction = by_name[name].sales.groups_of(bids.bid_id[won].tolist())
            np.add.at(ordered, group, direction * sold[won])
    for change in changes:
        np.add.at(ordered, change.group, change.direction * change.kw / 1000.0)
    return ordered


def reactive_trades(
    isp: int, dsos: Sequence[DSO], pools: Sequence[Aggregator], group_mvar: FloatArray
) -> list[ReactiveTrade]:
    """Reactive power that DSOs have bought for an ISP; `group_mvar` (G,) is injected by device groups."""
    sellers = [role for pool in pools if (role := pool.role(ReactivePowerSeller)) is not None]
    trades = []
    for dso in dsos:
        state = dso.known(isp).area(dso.system)
        if state.knows("reactive_mvar"):
            offers, awarded = state.reactive_bids, state.reactive_mvar
            parts = [seller.delivered_mvar(offers, awarded, group_mvar) for seller in sellers]
            trades.append(
                ReactiveTrade(
                    buyer=dso.name,
                    system=dso.system,
                    offers=offers,
                    awarded_mvar=awarded,
                    delivered_mvar=np.sum(parts, axis=0),
                )
            )
    return trades


def capacity_obligations(
    isp: int,
    capacity: CapacityBook,
    books: Mapping[str, Bids],
    offers_mw: Mapping[str, FloatArray],
    nominated_mw: Mapping[tuple[int, str], tuple[float, float]] | None,
    tso: str,
) -> list[CapacityObligation]:
    """Capacity obligations in an ISP: contracted MW, MW offered as energy, and MW fulfilled after DSO limits.

    Held quantities count for aFRR. Of the rest, the obligation to the DSO counts first, and what is left
    counts for mFRR. Only forwardable bids count for the TSO. `offers_mw` (per bid) is the MW of an area's
    bids that may go to the TSO; `nominated_mw` limits the MW that count as offered for aFRR.
    """
    contracted: dict[tuple[str, str, str, int], list[Contract]] = {}
    local: dict[tuple[str, str, int], float] = {}
    for contract in capacity.by_isp.get(isp, ()):
        key = contract.operator, contract.service, contract.provider, contract.direction
        contracted.setdefault(key, []).append(contract)
        if contract.operator != tso:
            pool = contract.provider, contract.system, contract.direction
            local[pool] = local.get(pool, 0.0) + contract.mw
    found = []
    for (operator, service, provider, direction), contracts in contracted.items():
        offered = fulfilled = 0.0
        for system, bids in books.items():
            mine = (bids.provider == provider) & (bids.direction == direction)
            mine &= bids.forwardable | (operator != tso)
            free = float((bids.quantity_mw - bids.held_mw)[mine].sum())
            if operator != tso:
                offered += free if system == contracts[0].system else 0.0
                continue
            allowed = offers_mw.get(system, bids.quantity_mw)
            allowed = allowed if len(allowed) == len(bids) else np.zeros(len(bids))
            if service == "aFRR":
                offered += float(bids.held_mw[mine].sum())
                fulfilled += float(np.minimum(bids.held_mw, allowed)[mine].sum())
            else:
                offered += max(free - local.get((provider, system, direction), 0.0), 0.0)
                fulfilled += float(np.maximum(allowed - bids.held_mw, 0.0)[mine].sum())
        if nominated_mw is not None and service == "aFRR":
            offered = min(offered, nominated_mw.get((isp, provider), (0.0, 0.0))[0 if direction == UP else 1])
        fulfilled = offered if operator != tso else min(fulfilled, offered)
        mw, pay = sum(c.mw for c in contracts), sum(c.mw * c.price for c in contracts)
        found.append(
            CapacityObligation(
                operator=operator,
                service=service,
                provider=provider,
                direction=direction,
                obligation_mw=mw,
                offered_mw=offered,
                fulfilled_mw=fulfilled,
                pay_eur_per_h=pay,
            )
        )
    return found
