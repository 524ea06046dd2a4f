"""Requested and delivered aFRR volumes of BSPs, compared every five minutes.

The hybrid scheme proposed for the Netherlands: the TSO compares requested with allocated volumes every five
minutes and tolerates -10 % to +20 % of the set-point; the mean delivery of a stable period, in which the
set-point stays unchanged, is to be at least what was requested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.services.afrr import AfrrBids, AfrrResult, within_band
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

PERIOD_S = 300


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """v comparisons, arrays (v,), each of a BSP, a direction and five minutes.

    `start_s` counts from the start of the ISP, `owner` is the number of the BSP, `direction` +1 or -1.
    Volumes are MWh >= 0 in that direction: the ramp-limited request, and the delivery. For `stable_s` seconds
    the set-point was unchanged above zero and the ramp had reached it; `stable_requested_mw` and
    `stable_delivered_mw` are means over these seconds, zero if there are none.
    """

    start_s: IntArray
    owner: IntArray
    direction: IntArray
    requested_mwh: FloatArray
    delivered_mwh: FloatArray
    within_band: BoolArray
    stable_s: IntArray
    stable_requested_mw: FloatArray
    stable_delivered_mw: FloatArray


def five_minutes(bids: AfrrBids, control: AfrrResult, cycle_s: int) -> Volumes:
    """Compare volumes period by period. A control cycle belongs to the period in which it begins."""
    cycles, owners = len(control.net_mw), int(bids.owner.max(initial=-1)) + 1
    group = 2 * bids.owner + (bids.direction < 0)  # of every bid
    member = np.zeros((len(group), 2 * owners))
    member[np.arange(len(group)), group] = 1.0
    sent, requested_mw, delivered_mw = (  # (k, groups)
        mw @ member for mw in (control.setpoint_mw, control.requested_mw, control.delivered_mw)
    )
    stable = np.zeros(sent.shape, dtype=bool)  # the first cycle has none before it
    stable[1:] = (sent[1:] > NEGLIGIBLE_MW) & (np.abs(np.diff(sent, axis=0)) <= NEGLIGIBLE_MW)
    stable[1:] &= np.abs(requested_mw - sent)[:-1] <= NEGLIGIBLE_MW
    first = np.flatnonzero(np.diff(np.arange(cycles) * cycle_s // PERIOD_S, prepend=-1))

    def total(per_cycle: FloatArray | BoolArray) -> FloatArray:
        return np.asarray(
            np.add.reduceat(per_cycle.astype(np.float64), first, axis=0) * cycle_s
        )  # (p, groups)

    seconds = total(stable)
    divisor = np.maximum(seconds, 1.0)
    requested, delivered = total(requested_mw) / 3600.0, total(delivered_mw) / 3600.0
    period, column = np.nonzero((requested > NEGLIGIBLE_MW) | (delivered > NEGLIGIBLE_MW))
    at = period, column
    return Volumes(
        start_s=period * PERIOD_S,
        owner=column // 2,
        direction=np.where(column % 2, -1, 1),
        requested_mwh=requested[at],
        delivered_mwh=delivered[at],
        within_band=within_band(requested[at], delivered[at]),
        stable_s=np.rint(seconds[at]).astype(np.int64),
        stable_requested_mw=(total(requested_mw * stable) / divisor)[at],
        stable_delivered_mw=(total(delivered_mw * stable) / divisor)[at],
    )
