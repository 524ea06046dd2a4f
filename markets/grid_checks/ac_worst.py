"""The worst that bids can do to AC limits when each is called for anything up to a limit of its own.

For one limit of the grid the worst activation ``0 <= y <= x`` is looked for by the power flow and its
slopes: Frank-Wolfe ascents over the box, from all bids up and from all bids down. In a radial grid it is a
corner where everything that harms is taken and nothing else; or, where the reactive losses of a transformer
bend the voltage, a point between two corners.
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
"""Limits further off than this share where all bids go one way are not looked at (those of currents, further
off than this and what voltages differ by between both ways): other calls move them less."""
WEAK_EFFECT_SHARE = 0.1
"""Bids that move a limit by less a MW than this share of what the strongest does may go the other way too."""
MAX_STEPS = 5


@dataclass(frozen=True)
class Worst:
    """The worst activations within limits ``x`` (n,) of bids, for k limits of the grid."""

    limit: IntArray  # (k,) which
    excess: FloatArray  # (k,) share of it
    weight: FloatArray  # (k, n) how that moves with `x`, per MW, none negative

    def cuts(self, base: FloatArray, most: FloatArray, x: FloatArray) -> AuctionConstraints:
        """What keeps each limit at `most` (R,), as hard rows on limits of bids; `base` (R,) is at none.

        A cut is the tangent at the worst point, or the chord from the base where that lies lower: nothing is
        taken away that is known to be safe along the way from the base.
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
    """The worst activations within limits `x` (n,) of bids; None where a power flow finds no solution.

    Of those limits that are exceeded or near where all bids go one way, `most` (R,) being what is allowed.
    Without being `thorough` only ascents from there are made, which find most of it in few power flows.
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
"""Shares (n,) of the limits of bids that are called, and the limits of the grid (k,) they are tried for."""


def _starts(limits: AcLimits, bids: Bids, way: FloatArray, state: AcState, which: IntArray) -> Points:
    """Where ascents begin: all bids one `way` (n,), and for each limit its weak bids the other way.

    A voltage has a top where nothing moves it to first order, so that slopes alone would not leave it.
    """
    size = np.abs(limits.slopes(state, which)[:, bids.node])
    weak = size < WEAK_EFFECT_SHARE * size.max(axis=1, initial=0.0)[:, None]
    turned: dict[bytes, tuple[FloatArray, list[int]]] = {}
    for limit, share in zip(which.tolist(), np.where(weak, 1.0 - way, way), strict=True):
        turned.setdefault(share.tobytes(), (share, []))[1].append(limit)
    return [(way, which), *((share, np.array(rows)) for share, rows in turned.values())]


@dataclass
class _Climb:
    """One limit on its way up: the worst point found, and where the last step began."""

    excess: float = -np.inf
    weight: FloatArray | None = None  # (n,) of the worst point
    before: FloatArray | None = None  # share of each bid called (n,) before the last step
    gain: float = 0.0  # what that step promised


def _climbed(
    limits: AcLimits, bids: Bids, x: FloatArray, most: FloatArray, starts: Points
) -> dict[int, _Climb] | None:
    """The worst of ascents from all `starts`, by limit; None where a power flow finds no solution."""
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
                        called = np.where(x > 0.0, share, 1.0)  # who has no limit yet may get one
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
    """The next shares (n,) to try from `share`, by what the excess gains with each of them.

    None at the top, and where twice of what can be gained leaves some of the `room` below the limit.
    """
    if climb.before is not None:
        back = float(slope @ (share - climb.before))
        if back < 0.0:  # the last step went over the top: between its ends
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
