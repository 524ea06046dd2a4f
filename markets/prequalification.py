"""Prequalification: how much of each offered bid the TSO may take so that the DSO's grid stays safe."""

from __future__ import annotations

import numpy as np

from tandem_sim.grids.arrays import FloatArray
from tandem_sim.grids.rows import RELATIVE_TOLERANCE, GridRows
from tandem_sim.markets.auctions import area_state
from tandem_sim.markets.bids import DOWN, UP, Bids
from tandem_sim.markets.blocks import Block, View, Written
from tandem_sim.markets.choices import Method
from tandem_sim.markets.flexibility_study import in_green_mw
from tandem_sim.markets.limits import Columns, grid_rows
from tandem_sim.markets.programme import clear


def envelope_mw(
    rows: GridRows, bids: Bids, offered_mw: FloatArray, method: Method = "envelope"
) -> FloatArray:
    """Operating envelope: the limit (n,) in MW of every bid, one linear programme per direction.

    ``max sum(w_b x_b)`` over ``0 <= x_b <= offered_b`` with the area's rows hard; limits that the base
    already breaks are relaxed to the base ("do not aggravate"). ``w = 1`` for `uniform`; for `envelope`
    (price-based) ``w = 1 + (c_max - c_b)`` for up bids and ``1 + (c_b - c_min)`` for down bids, over the
    area's bids of that direction (Kaushal et al., 2024; ALEXANDER D3.3, 4.3.5).
    """
    rows = rows.relaxed()
    limit = np.zeros(len(bids))
    for direction in (UP, DOWN):
        side = np.flatnonzero((bids.direction == direction) & (offered_mw > 0))
        if not len(side):
            continue
        columns, offered = Columns(bids.node[side], bids.direction[side]), offered_mw[side]
        breakable = grid_rows(rows, columns, offered, hard=True)
        if not breakable:  # every weight is positive: without limits everything is taken
            limit[side] = offered
            continue
        price, weight = bids.price[side], np.ones(len(side))
        if method == "envelope":
            whole = bids.price[(bids.direction == direction) & ~bids.demand]
            weight += whole.max() - price if direction == UP else price - whole.min()
        answer = clear(-weight, offered, rows=breakable)
        limit[side] = answer.require(
            f"operating envelope ({'up' if direction == UP else 'down'})"
        ).quantity_mw
    return limit


def disqualified_mw(rows: GridRows, bids: Bids, offered_mw: FloatArray) -> FloatArray:
    """INTERRFACE's method: limits (n,) in MW that are either the whole offer or nothing.

    Per direction the least attractive bid (dearest up, cheapest-paying down) is dropped until full activation
    of the rest is safe, limits that the base already breaks relaxed to the base (ALEXANDER D3.3, 4.3.5).
    """
    rows = rows.relaxed()
    limit = np.zeros(len(bids))
    for direction in (UP, DOWN):
        side = np.flatnonzero((bids.direction == direction) & (offered_mw > 0))
        side = side[np.argsort(bids.signed_price[side], kind="stable")]  # the most attractive first
        activated = direction * offered_mw[side]
        flow = np.cumsum(rows.flow_matrix[:, bids.node[side]] * activated, axis=1)
        w = np.cumsum(rows.voltage_matrix[:, bids.node[side]] * activated, axis=1)
        flow += rows.flow_mw[:, None]
        w += rows.w_pu2[:, None]
        slack = 1.0 + RELATIVE_TOLERANCE
        safe = (flow <= rows.flow_max_mw[:, None] * slack).all(axis=0)
        safe &= (flow >= rows.flow_min_mw[:, None] * slack).all(axis=0)
        safe &= (w <= rows.w_max_pu2[:, None] * slack).all(axis=0)
        safe &= (w >= rows.w_min_pu2[:, None] / slack).all(axis=0)
        kept = int(np.flatnonzero(safe).max(initial=-1)) + 1
        limit[side[:kept]] = offered_mw[side[:kept]]
    return limit


def qualified_mw(rows: GridRows, bids: Bids, offered_mw: FloatArray, method: Method) -> FloatArray:
    """What each bid may be called for (n,) in MW, by a method that looks at the grid of the day."""
    if method == "disqualify":
        return disqualified_mw(rows, bids, offered_mw)
    return envelope_mw(rows, bids, offered_mw, method)


def prequalify(method: Method = "envelope") -> Block:
    """The DSO narrows what it forwards to what its grid can carry, and notes how much it held back.

    `static` looks at the zones of the last network flexibility study instead of at the grid of the day.
    """
    basis = ("area.zones",) if method == "static" else ("area.grid", "area.sold")

    def run(area: str, view: View) -> Written:
        bids, offers = view.own["bids"], view.own["offers"]
        if method == "static":
            qualified = in_green_mw(view.own["zones"], bids, offers)
        else:
            qualified = qualified_mw(area_state(view.own), bids, offers, method)
        held = {
            d: (float(offers[bids.direction == d].sum()), float(qualified[bids.direction == d].sum()))
            for d in (UP, DOWN)
        }
        return Written(entries={area: {"offers": qualified, "qualified": held}})

    return Block(
        "prequalify",
        "dso",
        "validate",
        ("area.bids", "area.offers", *basis),
        ("area.offers", "area.qualified"),
        run,
    )
