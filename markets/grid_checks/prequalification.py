"""Grid prequalification of bids: how much of each bid the TSO may take while the DSO's grid stays safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.power_flow.constraints import (
    GridConstraints,
)
from tandem_sim.grids.tolerances import (
    AC_SEARCH_MARGIN_SHARE,
    AC_WORSENING_SHARE,
    LIMIT_TOLERANCE_SHARE,
    ROW_TOLERANCE_MW_OR_PU2,
)
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import EnvelopeCheck, Method
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import (
    AuctionConstraints,
    Columns,
    auction_constraints,
)
from tandem_sim.markets.coordination.block import Block, Party, View, Written
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.coordination.state import area_state
from tandem_sim.markets.grid_checks.ac_worst import worst
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

MAX_CUT_ROUNDS = 12
"""Optimisation problems solved with one more set of cuts each; after them all limits shrink in proportion."""


def envelope_mw(
    rows: GridConstraints, bids: Bids, offered_mw: FloatArray, method: Method = "envelope"
) -> FloatArray:
    """Operating envelope: the limit (n,) in MW of every bid, one linear problem per direction.

    ``max sum(w_b x_b)`` with ``0 <= x_b <= offered_b`` and the area's constraints hard; limits that the base
    state violates are relaxed to it ("do not aggravate"). ``w = 1`` for `uniform`; for `envelope`
    (price-based) ``w = 1 + (c_max - c_b)`` for up bids and ``1 + (c_b - c_min)`` for down bids, over the
    area's bids of that direction. Both are methods of Kaushal et al. (2024), as in ALEXANDER D3.3, 4.3.5; the
    deliverable says that prices count and not by which weight, so this weight is Tandem's.

    If all bids change each constraint in the same direction, every activation within the limits, up and down
    together, keeps the constraints. Where some do not (a negative resistance in the star of a three-winding
    transformer), both directions are limited in one problem, see `jointly_mw`.
    """
    rows = rows.relaxed()
    if _mixed(rows):
        return jointly_mw(rows, bids, offered_mw, method)
    limit, weight = np.zeros(len(bids)), _weights(bids, method)
    for direction in (UP, DOWN):
        side = np.flatnonzero((bids.direction == direction) & (offered_mw > 0))
        if not len(side):
            continue
        columns, offered = Columns(bids.node[side], bids.direction[side]), offered_mw[side]
        breakable = auction_constraints(rows, columns, offered, hard=True)
        if not breakable:  # all weights are positive: without limits everything is taken
            limit[side] = offered
            continue
        answer = clear(-weight[side], offered, rows=breakable)
        limit[side] = answer.require(
            f"operating envelope ({'up' if direction == UP else 'down'})"
        ).quantity_mw
    return limit


def jointly_mw(
    rows: GridConstraints,
    bids: Bids,
    offered_mw: FloatArray,
    method: Method,
    cuts: Sequence[AuctionConstraints] = (),
) -> FloatArray:
    """The operating envelope (n,) in MW of both directions at once, also within `cuts` on limits of bids.

    Each side of a constraint holds for the sum of all effects towards that side: no activation has more.
    `rows` are relaxed already. Raises `ClearingError` if the solver fails.
    """
    held = [*cuts, *_harm(rows, bids, offered_mw)]
    answer = clear(-_weights(bids, method), offered_mw, rows=held)
    return answer.require("operating envelope").quantity_mw


def _mixed(rows: GridConstraints) -> bool:
    """Whether injections at two nodes change a constraint in opposite directions."""
    return any(
        bool(((matrix > 0.0).any(axis=1) & (matrix < 0.0).any(axis=1)).any())
        for matrix in (rows.flow_matrix, rows.voltage_matrix)
    )


def _weights(bids: Bids, method: Method) -> FloatArray:
    """Weight of a MW of each bid (n,) in the envelope."""
    weight = np.ones(len(bids))
    for direction in (UP, DOWN) if method == "envelope" else ():
        side = (bids.direction == direction) & ~bids.demand
        if side.any():
            price = bids.price[side]
            weight[side] += price.max() - price if direction == UP else price - price.min()
    return weight


def _harm(rows: GridConstraints, bids: Bids, offered_mw: FloatArray) -> list[AuctionConstraints]:
    """Each side of the constraints that bids can violate, with only the effects towards that side."""
    parts = auction_constraints(rows, Columns(bids.node, bids.direction), offered_mw, hard=True)
    above = [replace(p, matrix=np.maximum(p.matrix, 0.0), low=np.full(len(p.low), -np.inf)) for p in parts]
    below = [replace(p, matrix=np.minimum(p.matrix, 0.0), high=np.full(len(p.high), np.inf)) for p in parts]
    return above + below


def disqualified_mw(rows: GridConstraints, bids: Bids, offered_mw: FloatArray) -> FloatArray:
    """The method of INTERRFACE: limits (n,) in MW that are either the whole offer or zero.

    Per direction the least attractive bid (most expensive up, lowest-paying down) is dropped until full
    activation of the rest is safe. Limits that the base state violates are relaxed to it (ALEXANDER D3.3,
    4.3.5).
    """
    rows = rows.relaxed()
    if _mixed(rows):
        return _dropped(bids, offered_mw, _harm(rows, bids, offered_mw))
    limit = np.zeros(len(bids))
    for direction in (UP, DOWN):
        side = np.flatnonzero((bids.direction == direction) & (offered_mw > 0))
        side = side[np.argsort(bids.signed_price[side], kind="stable")]  # the most attractive first
        activated = direction * offered_mw[side]
        flow = np.cumsum(rows.flow_matrix[:, bids.node[side]] * activated, axis=1)
        w = np.cumsum(rows.voltage_matrix[:, bids.node[side]] * activated, axis=1)
        flow += rows.flow_mw[:, None]
        w += rows.w_pu2[:, None]
        slack = 1.0 + LIMIT_TOLERANCE_SHARE
        safe = (flow <= rows.flow_max_mw[:, None] * slack).all(axis=0)
        safe &= (flow >= rows.flow_min_mw[:, None] * slack).all(axis=0)
        safe &= (w <= rows.w_max_pu2[:, None] * slack).all(axis=0)
        safe &= (w >= rows.w_min_pu2[:, None] / slack).all(axis=0)
        kept = int(np.flatnonzero(safe).max(initial=-1)) + 1
        limit[side[:kept]] = offered_mw[side[:kept]]
    return limit


def _dropped(bids: Bids, limit_mw: FloatArray, held: Sequence[AuctionConstraints]) -> FloatArray:
    """Limits (n,) in MW without the bids that must be dropped to keep all constraints.

    The least attractive bid goes first, from the direction with the larger effect on the constraint with the
    largest violation.
    """
    limit, order = limit_mw.copy(), np.argsort(-bids.signed_price, kind="stable")
    while limit.any():
        matrix = np.vstack([part.matrix for part in held])
        state = np.concatenate([part.base for part in held]) + matrix @ limit
        high, low = (np.concatenate([getattr(p, side) for p in held]) for side in ("high", "low"))
        over = np.maximum(state - high, low - state)
        row = int(over.argmax())
        if over[row] <= ROW_TOLERANCE_MW_OR_PU2:
            break
        harm = np.abs(matrix[row] * limit)
        way = UP if harm[bids.direction == UP].sum() >= harm[bids.direction == DOWN].sum() else DOWN
        limit[order[(limit[order] > 0.0) & (bids.direction[order] == way)][0]] = 0.0
    return limit


def qualified_mw(rows: GridConstraints, bids: Bids, offered_mw: FloatArray, method: Method) -> FloatArray:
    """Permitted call of each bid (n,) in MW, by a method that uses the grid of the day."""
    if method == "disqualify":
        return disqualified_mw(rows, bids, offered_mw)
    return envelope_mw(rows, bids, offered_mw, method)


def ac_qualified_mw(
    limits: AcLimits, rows: GridConstraints, bids: Bids, offered_mw: FloatArray, method: Method
) -> FloatArray:
    """Permitted call of each bid (n,) in MW: as by `qualified_mw`, cut until it holds in the AC power flow.

    For every activation within the result, up and down together, no AC limit is exceeded. A limit that the
    base state exceeds, or is within `AC_WORSENING_SHARE` of, is exceeded by no more than `AC_WORSENING_SHARE`
    beyond the base state. `limits` and `rows` are those around the base state. The worst activations are
    searched (`tandem_sim.markets.grid_checks.ac_worst`); each limit that they violate becomes a cut of the
    optimisation problem, which is solved again with all cuts so far. All limits are zero where the base state
    has no AC solution.
    """
    x = qualified_mw(rows, bids, offered_mw, method)
    state = limits.state()
    if not state.converged:
        return np.zeros(len(bids))
    base = limits.excess(state)
    most, cuts, bound = np.maximum(base + AC_WORSENING_SHARE, 0.0), list[AuctionConstraints](), offered_mw
    thorough = False
    while x.any():
        found = worst(limits, bids, x, most, thorough)
        if found is None:
            x = bound = _less(bids, x, method)
            continue
        if (found.excess <= most[found.limit] - AC_SEARCH_MARGIN_SHARE).all():
            if thorough:
                break
            thorough = True
            continue
        thorough = False
        cuts.append(found.cuts(base, most - 2.0 * AC_SEARCH_MARGIN_SHARE, x))
        if method == "disqualify":
            kept = _dropped(bids, x, cuts[-1:])
            x = _less(bids, x, method) if (kept == x).all() else kept
        elif len(cuts) <= MAX_CUT_ROUNDS:
            x = jointly_mw(rows.relaxed(), bids, bound, method, cuts)
        else:
            x = x * 0.99 * min(1.0, cuts[-1].largest_share(x))
    return x


def _less(bids: Bids, limit_mw: FloatArray, method: Method) -> FloatArray:
    """Half of all limits (n,) MW; for whole bids, without the least attractive one of each direction."""
    if method != "disqualify":
        return limit_mw * 0.5
    limit = limit_mw.copy()
    for direction in (UP, DOWN):
        side = np.flatnonzero((bids.direction == direction) & (limit > 0.0))
        limit[side[bids.signed_price[side].argsort(kind="stable")[-1:]]] = 0.0
    return limit


@dataclass(frozen=True, kw_only=True)
class Prequalify(Block):
    """The DSO reduces what it forwards to what its grid can carry, and records the reduction.

    `static` uses the zones of the last network flexibility study instead of the grid of the day. With the
    check ``ac`` limits are cut until they hold in the AC power flow, see `ac_qualified_mw`.
    """

    name: str = "prequalify"
    gate: str = "prequalify"
    method: Method = "envelope"
    check: EnvelopeCheck = "none"

    party: ClassVar[Party] = "dso"
    writes: ClassVar[tuple[str, ...]] = ("area.offers", "area.qualified")

    @property
    def reads(self) -> tuple[str, ...]:
        """Bids and offers, and the zones, or the grid after sales."""
        basis = ("area.zones",) if self.method == "static" else ("area.grid", "area.sold")
        of_ac = ("area.ac_limits",) if self.check == "ac" else ()
        return ("area.bids", "area.offers", *basis, *of_ac)

    def __call__(self, system: str, view: View) -> Written:
        """Limit the offers of an area."""
        area, bids, offers = view.area, view.area.bids, view.area.offers
        if self.method == "static":
            qualified = area.zones.open_mw(bids, offers)
        elif self.check == "ac":
            sold = bids.injection_mw(area.sold, len(area.ac_limits.p_mw))
            limits = area.ac_limits.after(sold)
            qualified = ac_qualified_mw(limits, area_state(area), bids, offers, self.method)
        else:
            qualified = qualified_mw(area_state(area), bids, offers, self.method)
        held = {
            d: (float(offers[bids.direction == d].sum()), float(qualified[bids.direction == d].sum()))
            for d in (UP, DOWN)
        }
        return Written(areas={system: AreaState(offers=qualified, qualified=held)})
