"""Market structure: residual supply, pivotal sellers and concentration, ISP by ISP.

The perimeter of a DSO's market is its area, and its purchases are those of the local markets. The perimeter
of the TSO's market is all that may be offered to it, with all areas unless the scheme excludes them. Its
purchases are all others, with those for DSOs if one market serves both. MW that an earlier market of the ISP
has bought are not available to later ones. Offers that DSOs hold back from the TSO count as available, so the
indices err on the side of more competition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tandem_sim.experiments.results.run_data import LOCAL_MARKETS
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.markets.orders.bids import DOWN, UP

SIDES = {"up": UP, "down": DOWN}
_OFFERS = ("area.bids", "area.offers", "area.rsf")
_SELLER = ["isp", "direction", "provider"]


@dataclass(frozen=True)
class Market:
    """One perimeter: the systems whose sellers may offer to it, its auctions, and earlier auctions.

    The TSO's market (``T``) has every auction that is not local, so `markets` is None there.
    """

    name: str
    systems: tuple[str, ...]
    markets: tuple[str, ...] | None
    earlier: tuple[str, ...] = ()

    def buys_in(self, market: pd.Series) -> pd.Series:
        """Which of these auctions (rows) belong to it."""
        return ~market.isin(LOCAL_MARKETS) if self.markets is None else market.isin(self.markets)


def markets_of(scheme: Scheme | SchemeDescription, areas: Sequence[str]) -> list[Market]:
    """The TSO's market of a scheme and the local ones, if it has any."""
    names = [block.name for block in scheme.blocks]
    local = tuple(name for name in names if name in LOCAL_MARKETS)
    buying = [b for b in scheme.blocks if b.buyer == "tso"]
    open_to_areas = any(name in block.reads for block in buying for name in _OFFERS)
    first = names.index(buying[0].name) if buying else len(names)
    before = tuple(name for name in names[:first] if name in LOCAL_MARKETS)
    found = [Market(T, (T, *areas) if open_to_areas else (T,), None, before)]
    for k, market in enumerate(local):
        earlier = tuple(names[: names.index(market)])
        found += [
            Market(area if k == 0 else f"{area} {market}", (area,), (market,), earlier) for area in areas
        ]
    return found


def residual_supply(market: Market, sellers: pd.DataFrame, activations: pd.DataFrame) -> pd.DataFrame:
    """One row per ISP, direction and seller of a market, in ISPs and directions in which it buys.

    Columns: `available_mw` of the seller, `sold_mw` by it in this market, `bought_mw` of everybody and `rsi`,
    the residual supply index: MW that all others are able to offer over MW bought. Below 1 the seller is
    pivotal: without it the market could not have bought what it did. `sellers` and `activations` are tables
    of a run (MW >= 0, direction +1 up, -1 down).
    """
    inside = sellers[sellers.system.isin(market.systems)]
    awards = activations[activations.system.isin(market.systems)]
    sold = awards[market.buys_in(awards.market)].groupby(_SELLER).quantity_mw.sum()
    gone = awards[awards.market.isin(market.earlier)].groupby(_SELLER).quantity_mw.sum()
    rows = inside.groupby(_SELLER).available_mw.sum().to_frame()
    rows["available_mw"] = (rows.available_mw - gone.reindex(rows.index, fill_value=0.0)).clip(lower=0.0)
    rows["sold_mw"] = sold.reindex(rows.index, fill_value=0.0)
    rows = rows.reset_index()
    rows.insert(0, "market", market.name)
    whole = rows.groupby(["isp", "direction"])[["available_mw", "sold_mw"]].transform("sum")
    rows["bought_mw"] = whole.sold_mw
    rows["rsi"] = (whole.available_mw - rows.available_mw) / whole.sold_mw.where(
        whole.sold_mw > NEGLIGIBLE_MW
    )
    return rows[rows.bought_mw > NEGLIGIBLE_MW].reset_index(drop=True)


def pivotal(rows: pd.DataFrame) -> pd.Series:
    """Which rows of `residual_supply` are those of a pivotal seller: RSI < 1, rounding aside."""
    return rows.rsi < 1.0 - 1e-9


def herfindahl(mw: pd.Series) -> float:
    """Herfindahl-Hirschman index of the MW (>= 0) of sellers: the sum of squared shares in percent.

    10 000 for a single seller, 10 000 / n for n equal ones; nan where there are no MW.
    """
    total = float(mw.sum())
    return float(((100.0 * mw / total) ** 2).sum()) if total > 0.0 else float("nan")


def structure(rows: pd.DataFrame, hours: float) -> dict[str, Any]:
    """Figures of one market by direction, from its rows of `residual_supply`; means are over ISPs that buy.

    The RSI of an ISP is that of its largest seller, who leaves least; its mean is weighted by MW bought, or
    ISPs with next to no purchases would make it. Figures are None where nothing is bought.
    """
    return {side: _side(rows[rows.direction == sign], hours) for side, sign in SIDES.items()}


def _side(rows: pd.DataFrame, hours: float) -> dict[str, Any]:
    by_isp = rows.groupby("isp")
    if rows.empty:
        none = ("rsi_mean", "rsi_min", "hhi_able", "hhi_sold")
        return {"isps_with_purchases": 0, "bought_mwh": 0.0, "pivotal_isps": 0, **dict.fromkeys(none)}
    worst, bought = by_isp.rsi.min(), by_isp.bought_mw.first()
    return {
        "isps_with_purchases": len(worst),
        "bought_mwh": float(rows.sold_mw.sum() * hours),
        "pivotal_isps": int(rows[pivotal(rows)].isp.nunique()),
        "rsi_mean": float(worst @ bought / bought.sum()),
        "rsi_min": float(worst.min()),
        "hhi_able": float(by_isp.available_mw.apply(herfindahl).mean()),
        "hhi_sold": float(by_isp.sold_mw.apply(herfindahl).mean()),
    }


def pivotal_isps(rows: pd.DataFrame, provider: str) -> dict[str, int]:
    """ISPs in which a seller is pivotal, in either direction, by market; `rows` of all markets."""
    mine = rows[pivotal(rows) & (rows.provider == provider)]
    count = mine.groupby("market").isp.nunique()
    return {str(name): int(count.get(name, 0)) for name in rows.market.unique()}
