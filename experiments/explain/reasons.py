"""Why a market did not take what was left of a bid."""

from __future__ import annotations

from collections.abc import Sequence

from tandem_sim.experiments.explain.markets import (
    POST_QUALIFY,
    ClearedMarket,
    reads,
    stood_mw,
)
from tandem_sim.experiments.explain.tables import (
    Bid,
    IspTables,
    is_local,
)
from tandem_sim.experiments.explain.words import mw_text, name_of, needed, part_of, per_mwh, terms
from tandem_sim.grids.tolerances import EQUAL_MW, EQUAL_PRICE_EUR_PER_MWH
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.sim.model import NOT_ACCEPTED

Reason = tuple[str, str]
"""A verdict in a word or two, and what it rests on."""


def reason(at: IspTables, bid: Bid, markets: Sequence[ClearedMarket]) -> Reason:
    """Why the rest of a bid was not called, by the market that could have taken it last."""
    open_to = [market for market in markets if market.offered_mw > EQUAL_MW]
    if not open_to:
        return _nowhere(at, bid, markets)
    buys = [market for market in open_to if market.block.buyer == "tso"]
    if is_local(bid) and not buys and len(open_to) == len(markets):
        return _by_price(bid, open_to[-1]) or _in_local_market(bid, open_to[-1])
    market = (buys or open_to)[-1]
    if market.called_mw >= market.offered_mw - EQUAL_MW and at.held_mw(bid) > EQUAL_MW:
        return _held(at, bid)
    price, shut = _by_price(bid, market), _shut_out(at, bid, market)
    if shut is None:
        return price or _in_the_money(at, bid, market)
    if price is None or market.gain(bid) >= -EQUAL_PRICE_EUR_PER_MWH:
        return shut
    return price[0], f"{price[1]}. Besides: {shut[1]}"


def _nowhere(at: IspTables, bid: Bid, markets: Sequence[ClearedMarket]) -> Reason:
    if bid.mw <= EQUAL_MW:
        return "Withdrawn", "its provider took it back after the local market"
    if markets and at.held_mw(bid) > EQUAL_MW:
        return _held(at, bid)
    return "Not on offer", f"under {at.scheme.name} no market takes bids of {bid.system}"


def _held(at: IspTables, bid: Bid) -> Reason:
    return "Held for the automatic reserve", f"{mw_text(at.held_mw(bid))} of it are owed as aFRR capacity"


def _by_price(bid: Bid, market: ClearedMarket) -> Reason | None:
    """The reason if it is the bid's own price."""
    gain, name = market.gain(bid), name_of(market.block.name, bid.system)
    own = terms(bid.direction, bid.price)
    if market.idle:
        return "Passed over", f"{name} had nothing to mend; the bid {own}"
    if gain < -EQUAL_PRICE_EUR_PER_MWH and market.called_mw > EQUAL_MW:
        return (
            "Out of the merit order",
            f"{name} called it for what it does to a limit, and needed no more of it",
        )
    if (
        gain < -EQUAL_PRICE_EUR_PER_MWH
        and market.last is not None
        and bid.gain(market.last) < -EQUAL_PRICE_EUR_PER_MWH
    ):
        last = terms(bid.direction, market.last)
        return "Passed over", f"the last unit that {name} called {bid.way} {last}, it {own}"
    if gain < -EQUAL_PRICE_EUR_PER_MWH and market.last is None and market.block.party != "dso":
        out = f"the bid {own}, {per_mwh(-gain)} out of the money"
        return "Passed over", f"{name} {needed(market.need_mw)} and called nothing {bid.way}; {out}"
    if gain < -EQUAL_PRICE_EUR_PER_MWH:
        return "Passed over", f"it was {per_mwh(-gain)} out of the money in {name}; it {own}"
    if gain <= EQUAL_PRICE_EUR_PER_MWH and market.last is None:
        return "Passed over", f"{name} called nothing {bid.way}; the bid {own}"
    if gain <= EQUAL_PRICE_EUR_PER_MWH:
        return "At the margin", f"it stands at the price of {name}, whose need was met without more of it"
    return None


def _in_local_market(bid: Bid, market: ClearedMarket) -> Reason:
    name = name_of(market.block.name, bid.system)
    return (
        "Bounded by a limit",
        f"it was in the money in {name}, where a limit of the grid or the flow held left no room",
    )


def _shut_out(at: IspTables, bid: Bid, market: ClearedMarket) -> Reason | None:
    """The reason if a rule kept the bid from the TSO's market whatever its price."""
    if not is_local(bid) or market.called_mw > EQUAL_MW:
        return None
    refused = at["rejections"]
    if ((refused.system == bid.system) & (refused.reason == NOT_ACCEPTED)).any():
        return "Held back by its DSO", f"{NOT_ACCEPTED} ({bid.system})"
    blocks = {block.name for block in at.scheme.blocks}
    if "forward_bids" in blocks and not at.scenario.forwarding.consent:
        return (
            "Not forwarded",
            "sellers of this scenario do not let bids pass from a local market to the TSO's",
        )
    pool, least = pool_mw(at, bid), at.scenario.product.pool_minimum_mw
    if "forward_bids" in blocks and pool < least - 1e-9:
        by = at.scenario.forwarding.pooled_by
        return (
            "Not forwarded",
            f"its pool (by {by}) had {mw_text(pool)} {bid.way}, the TSO's least is {least:g} MW",
        )
    checked = _checked_mw(at, bid)
    if checked is not None and checked[1] <= EQUAL_MW < checked[0]:
        return (
            "Held back by its DSO",
            f"its DSO let none of {mw_text(checked[0])} offered {bid.way} in {bid.system} stand",
        )
    return None


def pool_mw(at: IspTables, bid: Bid) -> float:
    """MW that the bid's pool had left for the TSO, in its area and direction."""
    orders, sold = at["bids"], at["activations"]
    local = {block.name for block in at.scheme.blocks if block.party == "dso" and block.gate == "dso_clear"}
    sold = sold[(sold.system == bid.system) & (sold.direction == bid.direction) & sold.market.isin(local)]
    mine = orders[(orders.system == bid.system) & (orders.direction == bid.direction)]
    if at.scenario.forwarding.pooled_by == "provider":
        mine, sold = mine[mine.provider == bid.provider], sold[sold.provider == bid.provider]
    changed = at["amendments"]
    changed = changed[(changed.reason == "") & changed.bid_id.isin(mine.bid_id)]
    lowered = float((changed.quantity_mw - changed.new_quantity_mw).sum())
    return float(mine.quantity_mw.sum()) - lowered - float(sold.quantity_mw.sum())


def _checked_mw(at: IspTables, bid: Bid) -> tuple[float, float] | None:
    """MW offered in the bid's area and direction, and what its DSO's check let stand; None without."""
    rows = at["bid_checks"]
    rows = rows[(rows.system == bid.system) & (rows.market != "forward_bids")]
    return None if rows.empty else stood_mw(rows, bid)


def _in_the_money(at: IspTables, bid: Bid, market: ClearedMarket) -> Reason:
    """What can have bounded a bid that the price alone would have called."""
    gain = f"it was {per_mwh(market.gain(bid))} in the money"
    causes: list[str] = []
    whole = reads(market.block, "area.grid") or market.block.party == "dso"
    checked = _checked_mw(at, bid) if is_local(bid) else None
    held_back = checked is not None and checked[1] < checked[0] - EQUAL_MW
    if checked is not None and held_back:
        causes.append(
            f"its DSO let {part_of(checked[1], checked[0])} offered {bid.way} in {bid.system} stand"
        )
    if is_local(bid) and any(block.name == POST_QUALIFY for block in at.scheme.blocks):
        causes.append("its DSO refused awards after the TSO's market")
    if is_local(bid) and whole:
        causes.append(f"a limit of the grid of {bid.system}")
    if not is_local(bid) or not causes or _split(at, market):
        causes.append("a limit of the transmission grid")
    if len(causes) == 1:
        word = (
            "Held back by its DSO" if held_back or causes[0].startswith("its DSO") else "Bounded by a limit"
        )
        return (
            word,
            f"{gain}; {causes[0]}"
            if word != "Bounded by a limit"
            else f"{gain}, and {causes[0]} left no room",
        )
    return "Bounded", f"{gain}; the tables do not tell which of these left no room: {'; '.join(causes)}"


def _split(at: IspTables, market: ClearedMarket) -> bool:
    """Whether bids on transmission were called against their merit order: then one of its limits was full."""
    orders, sold = at["bids"], at["activations"]
    owed = at["capacity"]
    ready = owed.provider[owed.service == "aFRR"]  # what they hold ready is no sign of a limit
    orders = orders[(orders.system == TSO) & ~orders.demand.astype(bool) & ~orders.provider.isin(ready)]
    called = (
        sold[(sold.system == TSO) & (sold.market == market.block.name)].groupby("bid_id").quantity_mw.sum()
    )
    mw = called.reindex(orders.bid_id, fill_value=0.0).to_numpy(float)
    gain = (orders.direction * (market.price - orders.price_eur_per_mwh)).to_numpy(float)
    left = orders.quantity_mw.to_numpy(float) - mw > EQUAL_MW
    return bool(
        ((gain < -EQUAL_PRICE_EUR_PER_MWH) & (mw > EQUAL_MW)).any()
        or ((gain > EQUAL_PRICE_EUR_PER_MWH) & left).any()
    )
