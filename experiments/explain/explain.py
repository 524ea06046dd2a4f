"""Why a bid of a finished run was called, limited, not called or not paid, in sentences.

Everything is read from the tables of the run. They do not record how much of one bid a DSO allowed, or which
branch was at its limit: the text then states the totals of the area or the market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from tandem_sim.experiments.api import Run
from tandem_sim.experiments.explain.markets import BidStep, steps_of
from tandem_sim.experiments.explain.money import money_lines, pay_eur
from tandem_sim.experiments.explain.reasons import reason
from tandem_sim.experiments.explain.tables import Bid, IspTables, is_local, isp_of, rows_of
from tandem_sim.experiments.explain.words import (
    capital,
    eur,
    mw_text,
    name_of,
    part_of,
    per_mwh,
    purchase_terms,
    terms,
)
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.tolerances import EQUAL_MW
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.payments import RESERVE

HINTS = 3
"""Most bids that are suggested for a mistyped one."""


def explain(run: Run, isp: int | str, bid_id: str) -> list[str]:
    """A sentence for each step of a bid in the order of time, and the result in the last line.

    `isp` is the number of an ISP of the run, or a local time. Raises an `InputError` for an ISP or a bid that
    the run does not have.
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
            "Quantity and price of refused bids are not recorded.",
            f"Refused at gate closure: {refusals[0]}.",
        ]
    bid, called = _as_amended(at, offered), at.called(offered)
    found = [
        _opening(at, offered),
        *_amended(at, offered),
        *steps_of(at, bid, called),
        *_later(at, bid, called),
    ]
    found.sort(key=lambda step: GATES.index(step.gate))
    lines = [f"ISP {at.isp}, {at.start:%a %d %b %Y %H:%M}, scheme {at.scheme.name}."]
    lines += [f"{at.clock(step.gate)} {step.text}" for step in found]
    lines += [*_other_sales(at, bid, called), *_disturbances(at, bid), *money_lines(at, bid, called)]
    return [*lines, _result(at, bid, called, found)]


def _unknown(at: IspTables, bid_id: str) -> InputError:
    known = at.offers().bid_id.tolist()
    near = get_close_matches(bid_id, known, n=HINTS)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    hint = f"{meant}Leave --bid out to see all {len(known)} bids"
    return InputError(str(at.run.folder), f"--bid {bid_id}", f"is no bid of ISP {at.isp}", hint)


def _as_amended(at: IspTables, offered: Bid) -> Bid:
    """The bid with its amendments, at the price at which it was called if mitigation changed it."""
    bid = at.amended(offered)
    called = at["activations"]
    mine = called[(called.bid_id == bid.bid_id) & (called.system == bid.system)]
    return bid if mine.empty else replace(bid, price=float(mine.price_eur_per_mwh.iloc[-1]))


def _opening(at: IspTables, bid: Bid) -> BidStep:
    local = is_local(bid) and any(block.party == "dso" for block in at.scheme.blocks)
    gate, where = "dso_close" if local else "tso_close", f"node {bid.node} of {bid.system}"
    if bid.demand:
        return BidStep(
            gate,
            f"Gate closure: {bid.provider} bid to buy {mw_text(bid.mw)} at {where}: {purchase_terms(bid)}.",
        )
    text = f"Gate closure: {bid.provider} offered {mw_text(bid.mw)} {bid.way} at {where} and "
    return BidStep(gate, f"{text}{terms(bid.direction, bid.price)}.{_markup(at, bid)}{_held(at, bid)}")


def _markup(at: IspTables, bid: Bid) -> str:
    rows = at["sellers"]
    rows = rows[
        (rows.system == bid.system) & (rows.provider == bid.provider) & (rows.direction == bid.direction)
    ]
    if rows.empty:
        return ""
    above = bid.direction * float(rows.price_eur_per_mwh.iloc[0] - rows.offered_cost_eur_per_mwh.iloc[0])
    return f" Its provider's offers {bid.way} were {per_mwh(above)} above cost." if above > 0.005 else ""


def _held(at: IspTables, bid: Bid) -> str:
    held = at.held_mw(bid)
    return (
        f" {mw_text(held)} of it are held for the automatic reserve (aFRR capacity)."
        if held > EQUAL_MW
        else ""
    )


def _amended(at: IspTables, bid: Bid) -> list[BidStep]:
    found = []
    for row in rows_of(at.amendments(bid.bid_id)):
        change = f"to {mw_text(float(row.new_quantity_mw))} at {per_mwh(float(row.new_price_eur_per_mwh))}"
        answer = "amended the bid" if row.reason == "" else f"was refused ({row.reason}) to amend the bid"
        found.append(BidStep("amend", f"{bid.provider} {answer} {change}."))
    return found


def _later(at: IspTables, bid: Bid, called: Mapping[str, float]) -> list[BidStep]:
    """Calls after the markets: substitution of blocked energy, and the automatic reserve."""
    found = []
    if SUBSTITUTION in called:
        why = "to substitute energy that connection limits blocked"
        found.append(BidStep("substitute", f"The TSO called {mw_text(called[SUBSTITUTION])} of it {why}."))
    if RESERVE in called:
        text = f"The automatic reserve called {mw_text(called[RESERVE])} of it, averaged over the ISP."
        found.append(BidStep("deliver", text))
    return found


def _other_sales(at: IspTables, bid: Bid, called: Mapping[str, float]) -> list[str]:
    """The purpose of calls, if recorded; and whether the bid was sold in several markets, or up and down."""
    rows = at["activations"]
    mine = rows[(rows.bid_id == bid.bid_id) & (rows.system == bid.system)]
    lines = []
    if "purpose" in rows.columns:
        for row in rows_of(mine):
            name, mw = capital(name_of(row.market, bid.system)), mw_text(float(row.quantity_mw))
            lines.append(f"{name} called {mw} for {row.purpose}.")
    if len(called) > 1:
        parts = [f"{mw_text(mw)} by {name_of(market, bid.system)}" for market, mw in called.items()]
        lines.append(f"It was sold in separate parts: {' and '.join(parts)}.")
    swap = {"up": "down", "down": "up"}
    opposite = ".".join(swap.get(part, part) for part in bid.bid_id.split("."))
    other = rows[(rows.bid_id == opposite) & (rows.system == bid.system) & (rows.direction == -bid.direction)]
    for row in rows_of(other) if called else ():
        who, mw = name_of(row.market, bid.system), mw_text(float(row.quantity_mw))
        lines.append(
            f"Round trip: {who} called {mw} of the same resource in the other direction ({opposite})."
        )
    return lines


def _disturbances(at: IspTables, bid: Bid) -> list[str]:
    """Messages of the provider that were lost or late, and energy that connection limits blocked."""
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
            f"Connection limits blocked {energy} of the sales of {bid.provider} {bid.way}, "
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


def _result(at: IspTables, bid: Bid, called: Mapping[str, float], found: list[BidStep]) -> str:
    """The last line: the result of the bid, and why."""
    markets = [step.market for step in found if step.market is not None]
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
    return f"{extent} in {who}: {part_of(mw, bid.mw)}; the bid was for {purchase_terms(bid)}."
