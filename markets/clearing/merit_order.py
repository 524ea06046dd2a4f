"""Merit-order clearing: the order in which bids are served, and problems solved by it without a solver.

Each result here is an optimum of the same problem that `tandem_sim.markets.clearing.auction` would pass to
the solver, not an approximation. Where that cannot be shown the result is None, and the solver is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.tolerances import EQUAL_PRICE_TRADE_EUR_PER_MWH, NEGLIGIBLE_MW, TIE_STEP_EUR_PER_MWH
from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.clearing.constraints import AuctionConstraints


@dataclass(frozen=True)
class Filled:
    """An optimum found by merit-order clearing. n bids."""

    quantity_mw: FloatArray  # (n,)
    short_mw: float = 0.0
    long_mw: float = 0.0


def ordered_costs(cost: FloatArray, sign: FloatArray | None) -> FloatArray:
    """Costs (n,) in EUR/MWh by which bids are served: as given, plus small steps that break ties."""
    return cost + _tie_breaks(cost) + _idle_trades(cost, sign)


def fill_balance(
    ordered: FloatArray,
    available: FloatArray,
    sign: FloatArray,
    need_mw: float,
    imbalance_price: float,
    imbalance_bound_mw: float,
    rows: Sequence[AuctionConstraints],
) -> Filled | None:
    """Serve a balance in merit order.

    Arguments are those of `tandem_sim.markets.clearing.auction.clear`, costs in their order. Without
    constraints the problem is a continuous knapsack. Imbalance counts as two more bids. At a price ``p`` of
    injection, every up bid below ``p`` and every down bid above ``p`` is taken whole, and no other bid; the
    net injection rises with ``p``. The price at which it reaches the need is a dual of the balance. The bid
    at that price serves the rest, and no reduced cost has the wrong sign: this is the optimum. It is unique,
    because no other bid has that price. Where the need lies between two bids, every price between theirs is a
    dual, and the optimum is also unique. If it fulfils all constraints, it is the optimum with them: leaving
    constraints out can only lower the least cost. Where they are strictly fulfilled their duals are zero, and
    no soft constraint has a slack.

    None where constraints are not strictly fulfilled; where several bids at the margin have one price; where
    the need cannot be served; and for invalid values.
    """
    n = len(ordered)
    capacity = np.concatenate([available, np.full(2, imbalance_bound_mw)])
    effect = np.concatenate(
        [sign, [-1.0, 1.0]]
    )  # long first: at a price of zero there is no trade between both
    price = effect * np.concatenate([ordered, np.full(2, imbalance_price)])
    if not (_proper(price[:n], available) and (np.abs(sign) == 1.0).all() and imbalance_price >= 0.0):
        return None
    if not imbalance_bound_mw >= 0.0:
        return None
    offered = np.flatnonzero(capacity > 0.0)
    order = offered[np.argsort(price[offered], kind="stable")]
    rising = effect[order] > 0.0
    up, down = np.where(rising, capacity[order], 0.0), np.where(rising, 0.0, capacity[order])
    # Injection at a price between bids k - 1 and k; summed from both ends, so that nothing taken gives 0.
    net = np.cumsum(np.append(0.0, up)) - np.cumsum(np.append(0.0, down[::-1]))[::-1]
    distance = np.abs(net - need_mw)
    merit = np.concatenate([[-np.inf], price[order], [np.inf]])  # of bid k - 1 at k
    if (distance <= NEGLIGIBLE_MW).any():
        k = int(distance.argmin())
        taken = np.where(np.arange(len(order)) < k, up, down)
        if merit[k] == merit[k + 1]:
            return None
    elif net[0] < need_mw < net[-1]:
        k = int(np.searchsorted(net, need_mw))
        taken = np.where(np.arange(len(order)) < k, up, down)
        if merit[k] in (merit[k - 1], merit[k + 1]):
            return None
        taken[k - 1] = need_mw - net[k - 1] if rising[k - 1] else net[k] - need_mw
    else:
        return None
    x = np.zeros(n + 2)
    x[order] = taken
    if not all(part.strictly_kept(x[:n]) for part in rows):
        return None
    return Filled(x[:n], float(x[n + 1]), float(x[n]))


def nothing_to_trade(
    cost: FloatArray,
    available: FloatArray,
    sign: FloatArray,
    imbalance_price: float,
    imbalance_bound_mw: float,
    rows: Sequence[AuctionConstraints],
) -> Filled | None:
    """Result without activation for a balance without a need (arguments as of `auction.clear`).

    No trade is worthwhile if the best down bid is below the cheapest up bid, imbalance counting as two more
    bids. Every price of injection between theirs is then a dual with which no reduced cost has the wrong
    sign. For constraints see `fill_balance`.

    None where a trade is worthwhile or constraints are not strictly fulfilled, and for invalid values.
    """
    if not (_proper(cost, available) and (np.abs(sign) == 1.0).all()):
        return None
    if not (imbalance_price >= 0.0 and imbalance_bound_mw >= 0.0):
        return None
    price, up, offered = sign * cost, sign > 0.0, available > 0.0
    beyond = imbalance_price if imbalance_bound_mw > 0.0 else np.inf
    lowest = max(float(price[offered & ~up].max(initial=-np.inf)), -beyond)
    highest = min(float(price[offered & up].min(initial=np.inf)), beyond)
    x = np.zeros(len(cost))
    if not (lowest < highest and all(part.strictly_kept(x) for part in rows)):
        return None
    return Filled(x)


def fill_nested(
    ordered: FloatArray, available: FloatArray, rows: Sequence[AuctionConstraints]
) -> Filled | None:
    """Take bids with negative cost as far as nested limits permit, in merit order; no balance.

    Flows of a radial grid are sums of injections: of any two branches, either one carries everything that the
    other carries, or they have no injection in common. Filling such limits in order of cost, the innermost
    first, is optimal (the greedy algorithm of a laminar family). The proof is the dual: the value of a MW at
    a column is that of the best bid which a full limit around it leaves over. What is taken is worth no less,
    what is left no more. A limit whose bids an outer limit cuts further adds nothing to the value of the
    outer limit, so its own dual is zero. Constraints of any other kind are left out and checked afterwards,
    as in `fill_balance`.

    None where a constraint left out is not strictly fulfilled, where one is violated without any activation,
    and for invalid values.
    """
    if not _proper(ordered, available):
        return None
    parts = [(part, _sums(part)) for part in rows]
    found = _nested([part.pick(sums) for part, sums in parts if sums.any()])
    if found is None:
        return None
    x = np.where(ordered < 0.0, available, 0.0)
    by_cost = np.argsort(ordered, kind="stable")
    for members, room_mw in found:
        inside = by_cost[members[by_cost]]
        wanted = x[inside]
        left_mw = room_mw - (np.cumsum(wanted) - wanted)
        x[inside] = np.clip(np.where(left_mw > NEGLIGIBLE_MW, left_mw, 0.0), 0.0, wanted)
    if not all(part.pick(~sums).strictly_kept(x) for part, sums in parts):
        return None
    return Filled(x)


def _proper(ordered: FloatArray, available: FloatArray) -> bool:
    """Whether costs are finite and bounds neither negative nor infinite; otherwise the solver decides."""
    return bool(np.isfinite(ordered).all() and np.isfinite(available).all() and (available >= 0.0).all())


def _sums(part: AuctionConstraints) -> BoolArray:
    """Which hard constraints (m,) contain only a sum of columns, times one number."""
    alike: BoolArray = ((part.matrix == 0.0) | (part.matrix == _factor(part.matrix)[:, None])).all(axis=1)
    return alike if np.isinf(part.penalty) else np.zeros(len(alike), dtype=bool)


def _factor(matrix: FloatArray) -> FloatArray:
    """The non-zero number (m,) of rows (m, n) that contain zeros and one other number."""
    return np.asarray(matrix.max(axis=1, initial=0.0) + matrix.min(axis=1, initial=0.0))


def _nested(parts: Sequence[AuctionConstraints]) -> list[tuple[BoolArray, float]] | None:
    """Limits ``sum(x[members]) <= room`` of constraints that are sums, innermost first; None if not so."""
    if not parts:
        return []
    matrix, base = np.vstack([p.matrix for p in parts]), np.concatenate([p.base for p in parts])
    low, high = np.concatenate([p.low for p in parts]), np.concatenate([p.high for p in parts])
    members: BoolArray = matrix != 0.0
    factor = _factor(matrix)
    shared = members.astype(np.float64) @ members.T
    size = shared.diagonal()
    apart_or_around = (shared == 0.0) | (shared == np.minimum(size[:, None], size))
    # Written so that nan gives None: the solver refuses such rows.
    if not (apart_or_around.all() and (base <= high).all() and (base >= low).all()):
        return None
    room = np.where(factor > 0.0, high - base, base - low) / np.abs(factor)
    return [(members[r], float(room[r])) for r in np.argsort(size, kind="stable")]


def _tie_breaks(cost: FloatArray) -> FloatArray:
    """Cost steps (n,) that serve equal costs in column order, and never reorder different ones.

    Columns are in order of time stamp, then bid id. The k-th of a group of equals gets k steps; the step is
    small against the distance to the next higher group.
    """
    order = np.argsort(cost, kind="stable")
    ranked = cost[order]
    rising = np.diff(ranked) > 0
    if rising.all():
        return np.zeros(len(cost))
    starts = np.flatnonzero(np.concatenate([[True], rising]))
    sizes = np.diff(np.concatenate([starts, [len(cost)]]))
    gaps = np.concatenate([np.diff(ranked[starts]), [np.inf]])
    steps = np.minimum(TIE_STEP_EUR_PER_MWH, gaps / (2.0 * sizes))
    place = np.arange(len(cost)) - np.repeat(starts, sizes)
    nudge = np.empty(len(cost))
    nudge[order] = place * np.repeat(steps, sizes)
    return nudge


def _idle_trades(cost: FloatArray, sign: FloatArray | None) -> FloatArray:
    """Cost steps (n,) on bids for which there is a bid in the other direction at the same price."""
    if sign is None:
        return np.zeros(len(cost))
    price, up, down = cost * sign, sign == 1.0, sign == -1.0
    if price[up].min(initial=np.inf) > price[down].max(initial=-np.inf):
        return np.zeros(len(cost))
    both = (up & np.isin(price, price[down])) | (down & np.isin(price, price[up]))
    return np.where(both, EQUAL_PRICE_TRADE_EUR_PER_MWH, 0.0)
