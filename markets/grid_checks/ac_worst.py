"""The worst activation of bids for AC limits, when each bid may be called up to a limit of its own.

For one limit of the grid, the worst activation ``0 <= y <= x`` is searched by the power flow and its
sensitivities: Frank-Wolfe ascents over the box, from all up bids and from all down bids. In a radial grid the
worst activation is a corner: all bids that raise the excess are called, and no other. Where the reactive
losses of a transformer make the voltage nonlinear, it may lie between two corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.power_flow.ac import AcState
from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.tolerances import NEGLIGIBLE_EFFECT_SHARE, NEGLIGIBLE_RISE_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.clearing.constraints import AuctionConstraints
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

NEAR_LIMIT_SHARE = 0.02
"""Limits further away than this share, with all bids in one direction, are not searched; for currents,
further away than this plus the difference of voltages between both directions. Other calls have less effect
on them."""
WEAK_EFFECT_SHARE = 0.1
"""Bids whose effect on a limit per MW is below this share of the largest effect are also tried in the other
direction."""
MAX_STEPS = 5


@dataclass(frozen=True)
class Worst:
    """The worst activations within limits ``x`` (n,) of bids, for k limits of the grid."""

    limit: IntArray  # (k,) which
    excess: FloatArray  # (k,) as a share of the limit
    weight: FloatArray  # (k, n) its sensitivity to `x`, per MW, none negative

    def cuts(self, base: FloatArray, most: FloatArray, x: FloatArray) -> AuctionConstraints:
        """Hard constraints on limits of bids that keep each limit of the grid at `most` (R,).

        `base` (R,) is the excess without calls. A cut is the tangent at the worst point, or the chord from
        the base where that is lower: nothing known to be safe on the line from the base is cut off.
        """
        moved = self.weight @ x
        some: BoolArray = (moved > 0.0) & (self.excess > base[self.limit])
        limit, excess, moved = self.limit[some], self.excess[some], moved[some]
        start = np.minimum(excess - moved, base[limit])
        matrix = self.weight[some] * ((excess - start) / moved)[:, None]
        return AuctionConstraints(
            matrix=matrix, base=start, low=np.full(len(start), -np.inf), high=most[limit], penalty=np.inf
        )


def worst(
    limits: AcLimits, bids: Bids, x: FloatArray, most: FloatArray, thorough: bool = True
) -> Worst | None:
    """The worst activations within limits `x` (n,) MW of bids; None where a power flow has no solution.

    Searched are limits that are exceeded, or nearly so, when all bids go in one direction; `most` (R,) is the
    permitted excess. Without `thorough`, ascents start only from there, which finds most violations with few
    power flows.
    """
    ways = [(bids.direction == direction).astype(np.float64) for direction in (UP, DOWN)]
    states = [limits.state(bids.injection_mw(way * x, len(limits.p_mw))) for way in ways]
    if not all(state.converged for state in states):
        return None
    swing = float(np.abs(states[0].vm_pu / states[1].vm_pu - 1.0).max())
    near = np.where(np.arange(len(most)) < limits.n_branches, NEAR_LIMIT_SHARE + swing, NEAR_LIMIT_SHARE)
    found = []
    for way, state in zip(ways, states, strict=True):
        which = np.flatnonzero(limits.excess(state) > most - near)
        starts = _starts(limits, bids, way, state, which) if thorough else [(way, which)]
        climbs = _climbed(limits, bids, x, most, starts)
        if climbs is None:
            return None
        found += [(limit, climb) for limit, climb in climbs.items() if climb.weight is not None]
    return Worst(
        np.array([limit for limit, _ in found], dtype=np.int64),
        np.array([climb.excess for _, climb in found], dtype=np.float64),
        np.array([climb.weight for _, climb in found]).reshape(len(found), len(x)),
    )


Points = list[tuple[FloatArray, IntArray]]
"""Shares (n,) of the limits of bids that are called, and the limits of the grid (k,) for which they are
tried."""


def _starts(limits: AcLimits, bids: Bids, way: FloatArray, state: AcState, which: IntArray) -> Points:
    """Starts of ascents: all bids of one direction `way` (n,), and the same with weak bids reversed.

    A voltage can have a maximum where no bid has a first-order effect; sensitivities alone would not lead
    away from it.
    """
    size = np.abs(limits.slopes(state, which)[:, bids.node])
    weak = size < WEAK_EFFECT_SHARE * size.max(axis=1, initial=0.0)[:, None]
    turned: dict[bytes, tuple[FloatArray, list[int]]] = {}
    for limit, share in zip(which.tolist(), np.where(weak, 1.0 - way, way), strict=True):
        turned.setdefault(share.tobytes(), (share, []))[1].append(limit)
    return [(way, which), *((share, np.array(rows)) for share, rows in turned.values())]


@dataclass
class _Climb:
    """The ascent for one limit: the worst point found, and the start of the last step."""

    excess: float = -np.inf
    weight: FloatArray | None = None  # (n,) of the worst point
    before: FloatArray | None = None  # share of each bid called (n,) before the last step
    gain: float = 0.0  # expected gain of that step


def _climbed(
    limits: AcLimits, bids: Bids, x: FloatArray, most: FloatArray, starts: Points
) -> dict[int, _Climb] | None:
    """The worst results of ascents from all `starts`, by limit; None where a power flow has no solution."""
    best: dict[int, _Climb] = {}
    for start in starts:
        climbs, points = {int(limit): _Climb() for limit in start[1]}, [start]
        for _ in range(MAX_STEPS):
            after: dict[bytes, tuple[FloatArray, list[int]]] = {}
            for share, which in points:
                state = limits.state(bids.injection_mw(share * x, len(limits.p_mw)))
                if not state.converged:
                    return None
                excess = limits.excess(state)
                slope = limits.slopes(state, which)[:, bids.node] * bids.direction
                for k, limit in enumerate(which.tolist()):
                    climb = climbs[limit]
                    if excess[limit] > climb.excess:
                        called = np.where(
                            x > 0.0, share, 1.0
                        )  # a bid limited to zero may get a limit above zero
                        climb.excess, climb.weight = float(excess[limit]), np.maximum(slope[k] * called, 0.0)
                    further = _next(climb, share, slope[k] * x, most[limit] - excess[limit])
                    if further is not None:
                        after.setdefault(further.tobytes(), (further, []))[1].append(limit)
            points = [(share, np.array(which)) for share, which in after.values()]
        for limit, climb in climbs.items():
            if limit not in best or climb.excess > best[limit].excess:
                best[limit] = climb
    return best


def _next(climb: _Climb, share: FloatArray, slope: FloatArray, room: float) -> FloatArray | None:
    """The next shares (n,) to try after `share`; `slope` (n,) is the effect of each on the excess.

    None at the maximum, and where twice the possible gain leaves some of the `room` below the limit.
    """
    if climb.before is not None:
        back = float(slope @ (share - climb.before))
        if back < 0.0:  # the last step passed the maximum: go between its ends
            between = climb.before + climb.gain / (climb.gain - back) * (share - climb.before)
            climb.before = None
            return np.asarray(between)
    corner = np.where(
        slope > NEGLIGIBLE_EFFECT_SHARE, 1.0, np.where(slope < -NEGLIGIBLE_EFFECT_SHARE, 0.0, share)
    )
    gain = float(slope @ (corner - share))
    if gain <= max(NEGLIGIBLE_RISE_SHARE, 0.5 * room):
        return None
    climb.before, climb.gain = share, gain
    return corner
