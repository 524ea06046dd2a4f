"""The worst that bids can do to AC limits when each is called for anything up to a limit of its own.

For one limit of the grid the worst activation ``0 <= y <= x`` is looked for by the power flow and its
slopes: a Frank-Wolfe ascent over the box, once from all bids up and once from all bids down. In a radial grid
it is a corner where everything that harms is taken and nothing else; or, where the reactive losses of a
transformer bend the voltage, a point between two corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.ac_limits import AcLimits
from tandem_sim.grids.arrays import BoolArray, FloatArray, IntArray
from tandem_sim.markets.bids import DOWN, UP, Bids
from tandem_sim.markets.limits import Rows

NEAR_CURRENT, NEAR_VOLTAGE = 0.1, 0.02
"""Limits further off than this share are not looked at: from where an ascent starts bids move them away, or
only by what voltages do to currents and reactive losses to voltages, which is less."""
NOTHING = 1e-7
"""Share of a limit: a bid that moves it by less is left where it is."""
WORTH = 5e-5
"""Share of a limit that another point must promise to make worse before it is tried."""
CLIMBS = 5


@dataclass(frozen=True)
class Worst:
    """The worst activations within limits ``x`` (n,) of bids, for k limits of the grid."""

    limit: IntArray  # (k,) which
    excess: FloatArray  # (k,) share of it
    weight: FloatArray  # (k, n) how that moves with `x`, per MW, none negative

    def cuts(self, base: FloatArray, most: FloatArray, x: FloatArray) -> Rows:
        """What keeps each limit at `most` (R,), as hard rows on limits of bids; `base` (R,) is at none.

        A cut is the tangent at the worst point, or the chord from the base where that lies lower: nothing is
        taken away that is known to be safe along the way from the base.
        """
        moved = self.weight @ x
        some: BoolArray = (moved > 0.0) & (self.excess > base[self.limit])
        limit, excess, moved = self.limit[some], self.excess[some], moved[some]
        start = np.minimum(excess - moved, base[limit])
        matrix = self.weight[some] * ((excess - start) / moved)[:, None]
        return Rows(matrix, start, np.full(len(start), -np.inf), most[limit], np.inf)


def worst(limits: AcLimits, bids: Bids, x: FloatArray, most: FloatArray) -> Worst | None:
    """The worst activations within limits `x` (n,) of bids; None where a power flow finds no solution.

    Of those limits that are exceeded or near where all bids go one way, `most` (R,) being what is allowed.
    """
    found = []
    for direction in (UP, DOWN):
        climbed = _climbed(limits, bids, x, most, (bids.direction == direction).astype(np.float64))
        if climbed is None:
            return None
        found.append(climbed)
    return Worst(
        np.concatenate([w.limit for w in found]),
        np.concatenate([w.excess for w in found]),
        np.vstack([w.weight for w in found]),
    )


@dataclass
class _Climb:
    """One limit on its way up: the worst point found, and where the last step began."""

    excess: float
    weight: FloatArray
    before: FloatArray | None = None  # share of each bid taken (n,) before the last step
    gain: float = 0.0  # what that step promised


def _climbed(
    limits: AcLimits, bids: Bids, x: FloatArray, most: FloatArray, start: FloatArray
) -> Worst | None:
    """Ascents from the shares `start` (n,) of all bids, one for every limit that is near there."""
    climbs: dict[int, _Climb] = {}
    frontier: dict[bytes, tuple[FloatArray, IntArray]] = {}
    n_nodes = len(limits.p_mw)
    for step in range(CLIMBS):
        after: dict[bytes, tuple[FloatArray, list[int]]] = {}
        for share, which in frontier.values() if step else [(start, None)]:
            state = limits.state(bids.injection_mw(share * x, n_nodes))
            if not state.converged:
                return None
            excess = limits.excess(state)
            if which is None:
                of_branch = np.arange(len(most)) < limits.n_branches
                which = np.flatnonzero(excess > most - np.where(of_branch, NEAR_CURRENT, NEAR_VOLTAGE))
            slope = limits.slopes(state, which)[:, bids.node] * bids.direction
            for k, limit in enumerate(which.tolist()):
                climb = climbs.setdefault(limit, _Climb(-np.inf, slope[k]))
                if excess[limit] > climb.excess:
                    taken = np.where(x > 0.0, share, 1.0)  # who has no limit yet may get one
                    climb.excess, climb.weight = float(excess[limit]), np.maximum(slope[k] * taken, 0.0)
                further = _next(climb, share, slope[k] * x, most[limit] - excess[limit])
                if further is not None:
                    after.setdefault(further.tobytes(), (further, []))[1].append(limit)
        frontier = {key: (share, np.array(which)) for key, (share, which) in after.items()}
    weights = [c.weight for c in climbs.values()]
    return Worst(
        np.array(list(climbs), dtype=np.int64),
        np.array([c.excess for c in climbs.values()], dtype=np.float64),
        np.array(weights).reshape(len(weights), len(x)),
    )


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
    corner = np.where(slope > NOTHING, 1.0, np.where(slope < -NOTHING, 0.0, share))
    gain = float(slope @ (corner - share))
    if gain <= max(WORTH, 0.5 * room):
        return None
    climb.before, climb.gain = share, gain
    return corner
