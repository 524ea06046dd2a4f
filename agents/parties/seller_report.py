"""Offers and sales of all sellers in sums: the rows of table ``sellers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tandem_sim.agents.parties.sales_book import ClosedBook, SalesBook
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.orders.bids import DOWN, UP


def seller_rows(isp: int, sales: Sequence[SalesBook], books: Mapping[str, ClosedBook]) -> dict[str, Any]:
    """Columns of table ``sellers`` for an ISP: a row for every seller, system and direction.

    Rows are sorted by seller; a direction has a row if a resource was available in it. Prices and costs
    (EUR/MWh) are means over offered MW (``price``, ``offered_cost``) or over available MW (``cost``); nan
    where these are zero.
    """
    found = [_rows_of(isp, system, sales, closed) for system, closed in books.items()]
    columns = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    seller = columns.pop("seller")
    order = np.argsort(seller, kind="stable")
    names = [sales[k].provider for k in seller[order].tolist()]
    return {"provider": names} | {name: column[order] for name, column in columns.items()}


def _rows_of(isp: int, system: str, sales: Sequence[SalesBook], closed: ClosedBook) -> dict[str, Any]:
    """The rows of one system. Places: two per seller, upwards and downwards, and one for all others."""
    bids, others = closed.bids, 2 * len(sales)
    place, bid_cost = np.full(len(bids), others), np.zeros(len(bids))
    available = [(k, book, book.available(isp, system)) for k, book in enumerate(sales)]
    could = [(k, book, parts) for k, book, parts in available if parts is not None]
    for k, book, _ in could:
        mine = bids.places_of(book.provider)
        if len(mine):
            place[mine] = 2 * k + (bids.direction[mine] == DOWN)
            bid_cost[mine] = book.cost_of(isp, bids.bid_id[mine].tolist())
    sizes = np.zeros(others, dtype=np.int64)
    for k, _, parts in could:
        sizes[2 * k : 2 * k + 2] = parts.n_up, len(parts.mw) - parts.n_up
    available_place = np.repeat(np.arange(others), sizes)
    available_mw = np.concatenate([np.empty(0), *(parts.mw for _, _, parts in could)])
    available_cost = np.concatenate([np.empty(0), *(parts.cost for _, _, parts in could)])
    some = np.flatnonzero(sizes)

    def summed(values: FloatArray, at: IntArray) -> FloatArray:
        return np.bincount(at, values, others + 1)[some].astype(np.float64)

    offered, could_mw = summed(bids.quantity_mw, place), summed(available_mw, available_place)
    return {
        "seller": some // 2,
        "system": np.full(len(some), system),
        "direction": np.where(some % 2, DOWN, UP),
        "available_mw": could_mw,
        "offered_mw": offered,
        "sold_mw": summed(closed.sold_mw, place),
        "price_eur_per_mwh": _mean(summed(bids.price * bids.quantity_mw, place), offered),
        "cost_eur_per_mwh": _mean(summed(available_cost * available_mw, available_place), could_mw),
        "offered_cost_eur_per_mwh": _mean(summed(bid_cost * bids.quantity_mw, place), offered),
        "received_eur_per_h": summed(closed.received_eur_per_h, place),
        "cost_eur_per_h": summed(bids.direction * bid_cost * closed.sold_mw, place),
    }


def _mean(total: FloatArray, weight: FloatArray) -> FloatArray:
    mean: FloatArray = np.full(len(weight), np.nan)
    np.divide(total, weight, out=mean, where=weight > 0.0)
    return mean
