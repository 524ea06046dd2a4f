"""Who bought, who was awarded, who delivered: sums over books and the ledger of one ISP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agents.dso import DSO
from agents.fleet import FleetGroups, FleetStep
from agents.tso import RESERVE
from markets.bids import Bids
from markets.blocks import TSO as T
from markets.blocks import Scheme
from markets.ledger import Ledger


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


def awarded_mw(pools: Sequence[str], books: Mapping[str, Bids], ledger: Ledger) -> dict[str, float]:
    """Net MW awarded to every household pool, up positive."""
    awarded = dict.fromkeys(pools, 0.0)
    for system, bids in books.items():
        sold = bids.direction * ledger.sold(system) if system != T else np.zeros(len(bids))
        for name in pools:
            awarded[name] += float(sold[bids.provider == name].sum())
    return awarded


def delivered_mw(pools: Sequence[str], step: FleetStep, groups: FleetGroups) -> dict[str, float]:
    """Net MW delivered by every household pool (by number), up positive."""
    net = np.bincount(groups.aggregator, weights=step.up_kw - step.down_kw, minlength=len(pools)) / 1000.0
    return {name: float(net[k]) for k, name in enumerate(pools)}
