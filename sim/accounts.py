"""Who bought, who was awarded, who delivered: sums over books and the ledger of one ISP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agents.dso import DSO
from agents.tso import RESERVE
from grids.arrays import FloatArray
from markets.bids import UP, Bids
from markets.blocks import TSO as T
from markets.blocks import Scheme
from markets.capacity import CapacityBook, Contract
from markets.ledger import Ledger
from markets.settlement import Standing


def buyer_of_layer(scheme: Scheme) -> dict[str, str]:
    """Party that pays for each layer of the ledger."""
    return {RESERVE: "tso", **{block.name: block.buyer for block in scheme.blocks}}


def buyers(scheme: Scheme, tso: str, dsos: Sequence[DSO]) -> dict[tuple[str, str], str]:
    """Name of whoever pays in a layer for a system: (layer, system) -> party."""
    dso_of = {dso.house: dso.name for dso in dsos}
    return {
        (layer, system): dso_of[system] if buyer == "dso" else tso
        for layer, buyer in buyer_of_layer(scheme).items()
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


def awarded_mw(
    pools: Sequence[str], books: Mapping[str, Bids], ledger: Ledger
) -> dict[tuple[str, str], float]:
    """Net MW awarded to every household pool in every area, up positive: (pool, area) -> MW."""
    awarded: dict[tuple[str, str], float] = {}
    for system, bids in books.items():
        if system == T:
            continue
        sold = bids.direction * ledger.sold(system)
        for name in pools:
            awarded[name, system] = float(sold[bids.provider == name].sum())
    return awarded


def standings(
    isp: int,
    capacity: CapacityBook,
    books: Mapping[str, Bids],
    offers_mw: Mapping[str, FloatArray],
    nominated_mw: Mapping[tuple[int, str], tuple[float, float]] | None,
    tso: str,
) -> list[Standing]:
    """Capacity owed in an ISP, against what was offered as energy and what DSOs let stand of it.

    Held quantities count for aFRR, the rest of bids for mFRR and local capacity. `offers_mw` (per bid) is
    what an area's bids may give to the TSO; `nominated_mw` caps what counts as offered for aFRR.
    """
    owed: dict[tuple[str, str, str, int], list[Contract]] = {}
    for contract in capacity.by_isp.get(isp, ()):
        key = contract.operator, contract.service, contract.provider, contract.direction
        owed.setdefault(key, []).append(contract)
    found = []
    for (operator, service, provider, direction), contracts in owed.items():
        offered = kept = 0.0
        for system, bids in books.items():
            if operator != tso and system != contracts[0].system:
                continue
            mine = (bids.provider == provider) & (bids.direction == direction)
            free = bids.quantity_mw - bids.held_mw
            let = offers_mw.get(system, bids.quantity_mw)
            let = let if len(let) == len(bids) else np.zeros(len(bids))
            share = bids.held_mw if service == "aFRR" else free
            left = np.minimum(bids.held_mw, let) if service == "aFRR" else np.maximum(let - bids.held_mw, 0.0)
            offered += float(share[mine].sum())
            kept += float((left if operator == tso else share)[mine].sum())
        if nominated_mw is not None and service == "aFRR":
            offered = min(offered, nominated_mw.get((isp, provider), (0.0, 0.0))[0 if direction == UP else 1])
        mw = sum(c.mw for c in contracts)
        pay = sum(c.mw * c.price for c in contracts)
        found.append(Standing(operator, service, provider, direction, mw, offered, min(kept, offered), pay))
    return found
