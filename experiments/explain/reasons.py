"""Why a market did not call the rest of a bid."""

from __future__ import annotations

from collections.abc import Sequence

from tandem_sim.agents.operators.tso import NOT_ACCEPTED
from tandem_sim.experiments.explain.markets import POST_QUALIFY, ClearedMarket, allowed_mw, reads
from tandem_sim.experiments.explain.tables import Bid, IspTables, is_local
from tandem_sim.experiments.explain.words import mw_text, name_of, needed, part_of, per_mwh, terms
from tandem_sim.grids.tolerances import EQUAL_MW, EQUAL_PRICE_EUR_PER_MWH
from tandem_sim.markets.coordination.block import TSO

Reason = tuple[str, str]
"""The result in a few words, and the reason."""


def reason(at: IspTables, bid: Bid, markets: Sequence[ClearedMarket]) -> Reason:
    """Why the rest of a bid was not called, by the last market that could have called it."""
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
        return "Withdrawn", "its provider withdrew it after the local market"
    if markets and at.held_mw(bid) > EQUAL_MW:
        return _held(at, bid)
    return "Not on offer", f"under {at.scheme.name} no market takes bids of {bid.system}"


def _held(at: IspTables, bid: Bid) -> Reason:
    return (
        "Held for the automatic reserve",
        f"{mw_text(at.held_mw(bid))} of it are an aFRR capacity obligation",
    )


def _by_price(bid: Bid, market: ClearedMarket) -> Reason | None:
    """The reason if it is the bid's own price."""
    gain, name = market.gain(bid), name_of(market.block.name, bid.system)
    own = terms(bid.direction, bid.price)
    if market.idle:
        return "Not called", f"{name} had no congestion to relieve; the bid {own}"
    if gain < -EQUAL_PRICE_EUR_PER_MWH and market.called_mw > EQUAL_MW:
        return (
            "Out of the merit order",
            f"{name} called it for its effect on a limit, and needed no more of it",
        )
    if (
        gain < -EQUAL_PRICE_EUR_PER_MWH
        and market.last is not None
        and bid.gain(market.last) < -EQUAL_PRICE_EUR_PER_MWH
    ):
        last = terms(bid.direction, market.last)
        return "Not called", f"the last unit that {name} called {bid.way} {last}, it {own}"
    if gain < -EQUAL_PRICE_EUR_PER_MWH and market.last is None and market.block.party != "dso":
        out = f"the bid {own}, {per_mwh(-gain)} out of the money"
        return "Not called", f"{name} {needed(market.need_mw)} and called nothing {bid.way}; {out}"
    if gain < -EQUAL_PRICE_EUR_PER_MWH:
        return "Not called", f"it was {per_mwh(-gain)} out of the money in {name}; it {own}"
    if gain <= EQUAL_PRICE_EUR_PER_MWH and market.last is None:
        return "Not called", f"{name} called nothing {bid.way}; the bid {own}"
    if gain <= EQUAL_PRICE_EUR_PER_MWH:
        return "Marginal", f"its price is that of {name}, whose need was met without more of it"
    return None


def _in_local_market(bid: Bid, market: ClearedMarket) -> Reason:
    name = name_of(market.block.name, bid.system)
    return (
        "Limited by the grid",
        f"it was in the money in {name}, where a limit of the grid or the scheduled flow allowed no more",
    )


def _shut_out(at: IspTables, bid: Bid, market: ClearedMarket) -> Reason | None:
    """The reason if a rule excluded the bid from the TSO's market, whatever its price."""
    if not is_local(bid) or market.called_mw > EQUAL_MW:
        return None
    refused = at["rejections"]
    if ((refused.system == bid.system) & (refused.reason == NOT_ACCEPTED)).any():
        return "Held back by its DSO", f"{NOT_ACCEPTED} ({bid.system})"
    blocks = {block.name for block in at.scheme.blocks}
    if "forward_bids" in blocks and not at.scenario.forwarding.consent:
        return (
            "Not forwarded",
            "in this scenario sellers do not consent to forwarding from a local market to the TSO's",
        )
    pool, least = pool_mw(at, bid), at.scenario.product.pool_minimum_mw
    if "forward_bids" in blocks and pool < least - 1e-9:
        by = at.scenario.forwarding.pooled_by
        return (
            "Not forwarded",
            f"its pool (by {by}) had {mw_text(pool)} {bid.way}, the TSO's minimum is {least:g} MW",
        )
    checked = _checked_mw(at, bid)
    if checked is not None and checked[1] <= EQUAL_MW < checked[0]:
        return (
            "Held back by its DSO",
            f"its DSO allowed none of {mw_text(checked[0])} offered {bid.way} in {bid.system}",
        )
    return None


def pool_mw(at: IspTables, bid: Bid) -> float:
    """MW that the bid's pool had left for the TSO, in its area and direction."""
    bids, sold = at["bids"], at["activations"]
    local = {block.name for block in at.scheme.blocks if block.party == "dso" and block.gate == "dso_clear"}
    sold = sold[(sold.system == bid.system) & (sold.direction == bid.direction) & sold.market.isin(local)]
    mine = bids[(bids.system == bid.system) & (bids.direction == bid.direction)]
    if at.scenario.forwarding.pooled_by == "provider":
        mine, sold = mine[mine.provider == bid.provider], sold[sold.provider == bid.provider]
    changed = at["amendments"]
    changed = changed[(changed.reason == "") & changed.bid_id.isin(mine.bid_id)]
    lowered = float((changed.quantity_mw - changed.new_quantity_mw).sum())
    return float(mine.quantity_mw.sum()) - lowered - float(sold.quantity_mw.sum())


def _checked_mw(at: IspTables, bid: Bid) -> tuple[float, float] | None:
    """MW offered in the bid's area and direction, and allowed by its DSO's check; None without a check."""
    rows = at["bid_checks"]
    rows = rows[(rows.system == bid.system) & (rows.market != "forward_bids")]
    return None if rows.empty else allowed_mw(rows, bid)


def _in_the_money(at: IspTables, bid: Bid, market: ClearedMarket) -> Reason:
    """What can have limited a bid that the price alone would have called."""
    gain = f"it was {per_mwh(market.gain(bid))} in the money"
    causes: list[str] = []
    whole = reads(market.block, "area.grid") or market.block.party == "dso"
    checked = _checked_mw(at, bid) if is_local(bid) else None
    held_back = checked is not None and checked[1] < checked[0] - EQUAL_MW
    if checked is not None and held_back:
        causes.append(f"its DSO allowed {part_of(checked[1], checked[0])} offered {bid.way} in {bid.system}")
    if is_local(bid) and any(block.name == POST_QUALIFY for block in at.scheme.blocks):
        causes.append("its DSO refused awards after the TSO's market")
    if is_local(bid) and whole:
        causes.append(f"a limit of the grid of {bid.system}")
    if not is_local(bid) or not causes or _split(at, market):
        causes.append("a limit of the transmission grid")
    if len(causes) == 1:
        word = (
            "Held back by its DSO" if held_back or causes[0].startswith("its DSO") else "Limited by the grid"
        )
        return (
            word,
            f"{gain}; {causes[0]}"
            if word != "Limited by the grid"
            else f"{gain}, and {causes[0]} allowed no more",
        )
    return "Limited", f"{gain}; the tables do not record which of these limited it: {'; '.join(causes)}"


def _split(at: IspTables, market: ClearedMarket) -> bool:
    """Whether bids on transmission were called against the merit order, because a limit there was binding."""
    bids, sold = at["bids"], at["activations"]
    obligations = at["capacity"]
    ready = obligations.provider[obligations.service == "aFRR"]  # MW held for aFRR are no sign of a limit
    bids = bids[(bids.system == TSO) & ~bids.demand.astype(bool) & ~bids.provider.isin(ready)]
    called = (
        sold[(sold.system == TSO) & (sold.market == market.block.name)].groupby("bid_id").quantity_mw.sum()
    )
    mw = called.reindex(bids.bid_id, fill_value=0.0).to_numpy(float)
    gain = (bids.direction * (market.price - bids.price_eur_per_mwh)).to_numpy(float)
    left = bids.quantity_mw.to_numpy(float) - mw > EQUAL_MW
    return bool(
        ((gain < -EQUAL_PRICE_EUR_PER_MWH) & (mw > EQUAL_MW)).any()
        or ((gain > EQUAL_PRICE_EUR_PER_MWH) & left).any()
    )
