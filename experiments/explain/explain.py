"""Why a bid of a finished run was called, bounded, passed over or unpaid, in sentences.

Everything is read from the tables of the run. What they do not keep (how much of one bid a DSO let stand, or
which line was full) is not made up: a sentence then says what was true of the area or the market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from tandem_sim.experiments.api import Run
from tandem_sim.experiments.explain.markets import Station, stations
from tandem_sim.experiments.explain.money import money_lines, pay_eur
from tandem_sim.experiments.explain.reasons import reason
from tandem_sim.experiments.explain.tables import (
    Bid,
    IspTables,
    is_local,
    isp_of,
    rows_of,
)
from tandem_sim.experiments.explain.words import capital, eur, mw_text, name_of, part_of, per_mwh, terms, wish
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.tolerances import EQUAL_MW
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.payments import RESERVE

HINTS = 3
"""Bids that are named where one is mistyped."""


def explain(run: Run, isp: int | str, bid_id: str) -> list[str]:
    """What became of a bid, a sentence a station in the order of time, and a verdict last.

    `isp` is a number of the run or a local time. Raises an `InputError` for what the run does not have.
    """
    return explain_bid(IspTables(run, isp_of(run, str(isp))), bid_id)


def explain_bid(at: IspTables, bid_id: str) -> list[str]:
    """The same from tables that have been read. Raises an `InputError` for a bid that is not there."""
    offered, refusals = at.offered(bid_id), at.refusals(bid_id)
    if offered is None:
        if not refusals:
            raise _unknown(at, bid_id)
        return [
            f"ISP {at.isp}, {at.start:%a %d %b %Y %H:%M}, scheme {at.scheme.name}.",
            "Its quantity and price are not kept: tables hold those of bids in a book.",
            f"Refused at gate closure: {refusals[0]}.",
        ]
    bid, called = _as_it_stood(at, offered), at.called(offered)
    found = [
        _opening(at, offered),
        *_amended(at, offered),
        *stations(at, bid, called),
        *_later(at, bid, called),
    ]
    found.sort(key=lambda station: GATES.index(station.gate))
    lines = [f"ISP {at.isp}, {at.start:%a %d %b %Y %H:%M}, scheme {at.scheme.name}."]
    lines += [f"{at.clock(station.gate)} {station.text}" for station in found]
    lines += [*_other_sales(at, bid, called), *_troubles(at, bid), *money_lines(at, bid, called)]
    return [*lines, _verdict(at, bid, called, found)]


def _unknown(at: IspTables, bid_id: str) -> InputError:
    known = at.offers().bid_id.tolist()
    near = get_close_matches(bid_id, known, n=HINTS)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    hint = f"{meant}Leave --bid out to see all {len(known)} bids"
    return InputError(str(at.run.folder), f"--bid {bid_id}", f"is no bid of ISP {at.isp}", hint)


def _as_it_stood(at: IspTables, offered: Bid) -> Bid:
    """The bid with its amendments, and the price at which it was called where a reference price held it."""
    bid = at.amended(offered)
    called = at["activations"]
    mine = called[(called.bid_id == bid.bid_id) & (called.system == bid.system)]
    return bid if mine.empty else replace(bid, price=float(mine.price_eur_per_mwh.iloc[-1]))


def _opening(at: IspTables, bid: Bid) -> Station:
    local = is_local(bid) and any(block.party == "dso" for block in at.scheme.blocks)
    gate, where = "dso_close" if local else "tso_close", f"node {bid.node} of {bid.system}"
    if bid.demand:
        return Station(
            gate, f"Gate closure: {bid.provider} wanted to buy {mw_text(bid.mw)} at {where}: {wish(bid)}."
        )
    text = f"Gate closure: {bid.provider} offered {mw_text(bid.mw)} {bid.way} at {where} and "
    return Station(gate, f"{text}{terms(bid.direction, bid.price)}.{_markup(at, bid)}{_held(at, bid)}")


def _markup(at: IspTables, bid: Bid) -> str:
    rows = at["sellers"]
    rows = rows[
        (rows.system == bid.system) & (rows.provider == bid.provider) & (rows.direction == bid.direction)
    ]
    if rows.empty:
        return ""
    above = bid.direction * float(rows.price_eur_per_mwh.iloc[0] - rows.offered_cost_eur_per_mwh.iloc[0])
    return f" Its provider's offers {bid.way} stood {per_mwh(above)} above cost." if above > 0.005 else ""


def _held(at: IspTables, bid: Bid) -> str:
    held = at.held_mw(bid)
    return (
        f" {mw_text(held)} of it are held for the automatic reserve (aFRR capacity)."
        if held > EQUAL_MW
        else ""
    )


def _amended(at: IspTables, bid: Bid) -> list[Station]:
    found = []
    for row in rows_of(at.amendments(bid.bid_id)):
        change = f"to {mw_text(float(row.new_quantity_mw))} at {per_mwh(float(row.new_price_eur_per_mwh))}"
        answer = "amended the bid" if row.reason == "" else f"was refused ({row.reason}) to amend the bid"
        found.append(Station("amend", f"{bid.provider} {answer} {change}."))
    return found


def _later(at: IspTables, bid: Bid, called: Mapping[str, float]) -> list[Station]:
    """What called a bid behind the markets: replacements and the automatic reserve."""
    found = []
    if SUBSTITUTION in called:
        why = "to replace what limits on connections blocked"
        found.append(Station("substitute", f"The TSO called {mw_text(called[SUBSTITUTION])} of it {why}."))
    if RESERVE in called:
        text = f"The automatic reserve called {mw_text(called[RESERVE])} of it, as a mean over the ISP."
        found.append(Station("deliver", text))
    return found


def _other_sales(at: IspTables, bid: Bid, called: Mapping[str, float]) -> list[str]:
    """Its purpose, where recorded; whether it was sold in several markets, or both ways."""
    rows = at["activations"]
    mine = rows[(rows.bid_id == bid.bid_id) & (rows.system == bid.system)]
    lines = []
    if "purpose" in rows.columns:
        for row in rows_of(mine):
            name, mw = capital(name_of(row.market, bid.system)), mw_text(float(row.quantity_mw))
            lines.append(f"{name} called {mw} for {row.purpose}.")
    if len(called) > 1:
        parts = [f"{mw_text(mw)} by {name_of(market, bid.system)}" for market, mw in called.items()]
        lines.append(f"It was sold in parts, none of them twice: {' and '.join(parts)}.")
    swap = {"up": "down", "down": "up"}
    opposite = ".".join(swap.get(part, part) for part in bid.bid_id.split("."))
    other = rows[(rows.bid_id == opposite) & (rows.system == bid.system) & (rows.direction == -bid.direction)]
    for row in rows_of(other) if called else ():
        who, mw = name_of(row.market, bid.system), mw_text(float(row.quantity_mw))
        lines.append(f"Round trip: {who} called {mw} of the same resource the other way ({opposite}).")
    return lines


def _troubles(at: IspTables, bid: Bid) -> list[str]:
    """Messages of the provider that were lost or late, and what limits on connections blocked."""
    lines = []
    for row in rows_of(at["fallbacks"]):
        about, dso = str(row.about), str(row.party).removeprefix("DSO-")
        elsewhere = str(row.party).startswith("DSO-") and dso != bid.system
        if (row.party == bid.provider or about.endswith(f" from {bid.provider}")) and not elsewhere:
            lines.append(f"A message did not arrive at {row.party} ({about}): {row.consequence}.")
    late = at["rejections"]
    for row in rows_of(late[late.bid_id == bid.provider]):
        lines.append(f"{bid.provider}, {row.system}: {row.reason}.")
    blocked = at["substitution"]
    blocked = blocked[(blocked.provider == bid.provider) & (blocked.direction == bid.direction)]
    for row in rows_of(blocked):
        energy, reserve = mw_text(float(row.energy_blocked_mw)), mw_text(float(row.reserve_blocked_mw))
        lines.append(
            f"Limits on connections blocked {energy} of what {bid.provider} sold {bid.way}, "
            f"and {reserve} of its reserve."
        )
    lv_feeders = at["low_voltage"]
    for row in rows_of(lv_feeders[[str(s) in bid.bid_id.split(".") for s in lv_feeders.lv_feeder]]):
        left, free = (float(getattr(row, f"{part}offer_{bid.way}_kw")) for part in ("", "free_"))
        lines.append(
            f"Feeder {row.lv_feeder}: {row.active_contracts} contracts were active and left {left:.1f} of "
            f"{free:.1f} kW of offers {bid.way}."
        )
    return lines


def _verdict(at: IspTables, bid: Bid, called: Mapping[str, float], found: list[Station]) -> str:
    """The last line: what became of the bid, and why."""
    markets = [station.market for station in found if station.market is not None]
    mw = sum(called.values())
    if mw <= EQUAL_MW:
        word, why = reason(at, bid, markets)
        return f"{word}: {why}."
    who = " and ".join(name_of(market, bid.system) for market in called)
    if bid.demand:
        return _bought(bid, mw, who)
    paid = pay_eur(at, bid, called)
    pay = "" if paid is None else f" It was paid {eur(paid)}." if paid >= 0.0 else f" It paid {eur(-paid)}."
    price = f"it {terms(bid.direction, bid.price)}"
    if mw >= bid.mw - EQUAL_MW:
        return f"Called in full by {who}, {mw_text(bid.mw)} {bid.way}; {price}.{pay}"
    word, why = reason(at, bid, markets)
    part = f"Called in part by {who}, {part_of(mw, bid.mw)} {bid.way}; {price}.{pay}"
    return f"{part} The rest: {word[0].lower()}{word[1:]}, {why}."


def _bought(bid: Bid, mw: float, who: str) -> str:
    extent = "Bought in full" if mw >= bid.mw - EQUAL_MW else "Bought in part"
    return f"{extent} in {who}: {part_of(mw, bid.mw)}; the company wanted {wish(bid)}."
