"""The steps of a bid through the blocks of a scheme, from the tables of one ISP."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from tandem_sim.experiments.explain.tables import (
    Bid,
    IspTables,
    is_local,
)
from tandem_sim.experiments.explain.words import capital, name_of, needed, part_of, per_mwh
from tandem_sim.grids.tolerances import EQUAL_MW, EQUAL_PRICE_EUR_PER_MWH
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.coordination.description import BlockDescription

POST_QUALIFY = "post_qualify"


@dataclass(frozen=True, kw_only=True)
class ClearedMarket:
    """A market that could call a bid. `price` (EUR/MWh) is nan if none is recorded.

    `offered_mw` is the part of the bid not yet sold when the market cleared, before bid checks of a DSO.
    """

    block: BlockDescription
    price: float
    need_mw: float  # injection needed; 0 in a local market, which keeps its interface flow
    penalty_eur_per_h: float
    offered_mw: float
    called_mw: float
    last: float | None  # price of the last unit called in the bid's direction, EUR/MWh
    idle: bool = False  # a local market without calls and without a broken limit

    def gain(self, bid: Bid) -> float:
        """EUR/MWh by which the bid is in the money, against the price or else the last unit called."""
        price = self.price if math.isfinite(self.price) else self.last
        return 0.0 if price is None else bid.gain(price)


@dataclass(frozen=True)
class BidStep:
    """The result of a bid at a gate; `market` if one could have called it."""

    gate: str
    text: str
    market: ClearedMarket | None = None


def steps_of(at: IspTables, bid: Bid, called: Mapping[str, float]) -> Iterator[BidStep]:
    """A step of the bid for each block of the scheme that concerns it, in their order.

    `bid` is the bid as amended, `called` the MW called of it by market.
    """
    left = bid.mw if bid.demand else bid.mw - at.held_mw(bid)
    clearings = at["clearings"]
    for block in at.scheme.blocks:
        system = bid.system if block.party == "dso" else TSO
        if block.party == "dso" and not is_local(bid):
            continue
        rows = clearings[(clearings.system == system) & (clearings.market == block.name)]
        checked = at["bid_checks"]
        checked = checked[(checked.system == bid.system) & (checked.market == block.name)]
        takes = ("area.sold" if is_local(bid) else "tso.sold") in block.writes and block.name != POST_QUALIFY
        if takes:
            market = _market(at, bid, block, rows, left, called.get(block.name, 0.0))
            left = max(left - market.called_mw, 0.0)
            yield BidStep(block.gate, _cleared(bid, market), market)
        elif not checked.empty:
            yield BidStep(block.gate, _checked(bid, block, checked))
        elif not rows.empty:
            yield BidStep(block.gate, _closed(bid, block, rows.iloc[-1]))


def _market(
    at: IspTables, bid: Bid, block: BlockDescription, rows: pd.DataFrame, left_mw: float, called_mw: float
) -> ClearedMarket:
    own = bid.system if block.party == "dso" else None
    last = at.last_called(block.name, bid.direction, own)
    if rows.empty:
        return ClearedMarket(
            block=block,
            price=math.nan,
            need_mw=0.0,
            penalty_eur_per_h=0.0,
            offered_mw=left_mw,
            called_mw=called_mw,
            last=last,
        )
    row = rows.iloc[-1]
    price, need, penalty = (
        float(row[name]) for name in ("price_eur_per_mwh", "need_mw", "penalty_eur_per_h")
    )
    quiet = last is None and at.last_called(block.name, -bid.direction, own) is None
    idle = own is not None and quiet and penalty <= EQUAL_PRICE_EUR_PER_MWH
    return ClearedMarket(
        block=block,
        price=price,
        need_mw=need,
        penalty_eur_per_h=penalty,
        offered_mw=left_mw,
        called_mw=called_mw,
        last=last,
        idle=idle,
    )


def _cleared(bid: Bid, market: ClearedMarket) -> str:
    """The need of a market, its price compared with that of the bid, and the MW it called."""
    name = name_of(market.block.name, bid.system)
    if market.idle:
        return f"{capital(name)} had no congestion to relieve and called nothing."
    parts = []
    if market.block.party != "dso":
        beside = " besides the demand bids of companies" if market.block.name == "integrated_market" else ""
        parts.append(f"{needed(market.need_mw)}{beside}")
    if market.penalty_eur_per_h > EQUAL_PRICE_EUR_PER_MWH:
        parts.append(f"flexibility was exhausted, so its price of {per_mwh(market.price)} is a penalty price")
    elif math.isfinite(market.price):
        parts.append(f"its price was {per_mwh(market.price)}, {against(bid, market.gain(bid))}")
    did = ("sold it", "sold it nothing") if bid.demand else ("called", "called nothing of the bid")
    if market.offered_mw <= EQUAL_MW:
        parts.append("no part of the bid was offered to it")
    elif market.called_mw > EQUAL_MW:
        parts.append(f"it {did[0]} {part_of(market.called_mw, market.offered_mw)} left")
    else:
        parts.append(f"it {did[1]}")
    link = " " if market.block.party != "dso" else ": "
    return f"{capital(name)}{link}{'; '.join(parts)}."


def against(bid: Bid, gain: float) -> str:
    """Price of a bid compared with that of the market."""
    if abs(gain) <= EQUAL_PRICE_EUR_PER_MWH:
        return "which is the price of the bid"
    return f"with the bid {per_mwh(abs(gain))} {'in' if gain > 0 else 'out of'} the money"


def _checked(bid: Bid, block: BlockDescription, rows: pd.DataFrame) -> str:
    """How much of all offers in the bid's area and direction a DSO allowed or forwarded."""
    offered, allowed = allowed_mw(rows, bid)
    of = f"{part_of(allowed, offered)} that its area offered {bid.way}"
    if block.name == "forward_bids":
        return f"The DSO of {bid.system} forwarded to the TSO {of}: the rest after its local market."
    rounds = f" in {len(rows)} rounds" if len(rows) > 1 else ""
    ended = "" if bool(rows.accepted.iloc[-1]) else ", and did not accept the list"
    return f"The DSO of {bid.system} allowed {of} as safe for its grid ({block.name}{rounds}){ended}."


def allowed_mw(rows: pd.DataFrame, bid: Bid) -> tuple[float, float]:
    """MW in the bid's area and direction: offered before the first check, allowed after the last."""
    return float(rows[f"offered_{bid.way}_mw"].iloc[0]), float(rows[f"allowed_{bid.way}_mw"].iloc[-1])


def _closed(bid: Bid, block: BlockDescription, row: pd.Series) -> str:
    """A market that takes no bids of areas."""
    price = float(row.price_eur_per_mwh)
    worth = f"; its price was {per_mwh(price)}" if math.isfinite(price) else ""
    how = f"received the bids of {bid.system} as a supply function of its DSO"
    how = how if reads(block, "area.rsf") else f"takes no bids of {bid.system}"
    name = capital(name_of(block.name, bid.system))
    return f"{name} {needed(float(row.need_mw))}{worth}; it {how}."


def reads(block: BlockDescription, entry: str) -> bool:
    """Whether a block reads an entry of another operator's state."""
    return entry in block.foreign_reads()
