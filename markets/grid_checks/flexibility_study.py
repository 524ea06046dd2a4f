"""The network flexibility study: zones found for a worst case, and kept until the next study.

Source: Synergrid C8/01 as described in ALEXANDER D3.3, 3.2.2: a zone is green (flexibility may be sold) or
red (it may not), whatever the state of the grid on the day. Who asks for a study, and what its answers mean
in the course of time, is told in `tandem_sim.markets.grid_checks.study_register`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.grids.power_flow.constraints import (
    GridConstraints,
    distribution_constraints,
)
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.tolerances import LIMIT_TOLERANCE_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.flexibility_register import unit_of

LOW_LOAD_SHARE = 0.25
"""Consumption in the hour of least load, as a share of that at peak."""


def worst_cases(
    lin: LinDistFlow,
    load_mw: FloatArray,
    generation_mw: FloatArray,
    load_mvar: FloatArray,
    fixed_mvar: FloatArray | float = 0.0,
) -> dict[int, GridConstraints]:
    """The state that is worst for each direction of flexibility, by LinDistFlow.

    For up: all generation (N,) >= 0 and least load; for down: peak load (N,) <= 0 and no generation.
    Reactive power that goes with no load, `fixed_mvar` (N,), is there in both.
    """
    low = LOW_LOAD_SHARE
    return {
        UP: distribution_constraints(lin, generation_mw + low * load_mw, low * load_mvar + fixed_mvar),
        DOWN: distribution_constraints(lin, load_mw, load_mvar + fixed_mvar),
    }


@dataclass(frozen=True)
class Zones:
    """What a study lets be sold: green nodes (2, N), up and down, and units that stand otherwise than theirs.

    `units` says for up and for down whether a unit may sell: one that is exempt or still qualified in a red
    zone, or that has no answer yet in a green one.
    """

    green: BoolArray
    units: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)

    def open_to(self, bids: Bids) -> BoolArray:
        """Which bids (n,) may be sold; a bid belongs to the unit that it is named after."""
        line = np.where(bids.direction == UP, 0, 1)
        found: BoolArray = self.green[line, bids.node]
        if self.units:
            for k, bid in enumerate(bids.bid_id.tolist()):
                own = self.units.get(unit_of(bid))
                if own is not None:
                    found[k] = own[line[k]]
        return found

    def open_mw(self, bids: Bids, offered_mw: FloatArray) -> FloatArray:
        """What is offered (n,) MW by who may sell; nothing of what others offer."""
        return np.where(self.open_to(bids), offered_mw, 0.0)


def fitting_nodes(
    worst: Mapping[int, GridConstraints],
    requested_mw: Mapping[int, FloatArray],
    committed_mw: Mapping[int, FloatArray],
) -> BoolArray:
    """Nodes (2, N), up and down, all of whose asking capacity (N,) MW fits; those where nobody asks do.

    As much of what asks is let in as the worst case carries in which all of `committed_mw` (N,) is activated, the
    capacity that acts whatever is answered; limits that this state breaks already are relaxed to it. A node
    fits if all that asks there is let in. All of `committed_mw` and of what fits together then break no limit that
    `committed_mw` alone keeps: flows and voltages of a radial grid are monotone in injections, so leaving out the
    rest cannot hurt.
    """
    fits = np.ones((2, len(requested_mw[UP])), dtype=bool)
    for line, direction in enumerate((UP, DOWN)):
        capacity = requested_mw[direction]
        at = np.flatnonzero(capacity > 0)
        if not len(at):
            continue
        rows = worst[direction].after(direction * committed_mw[direction]).relaxed()
        columns = Columns(at, np.full(len(at), direction))
        limits = auction_constraints(rows, columns, capacity[at], hard=True)
        answer = clear(-np.ones(len(at)), capacity[at], rows=limits)
        let_in = answer.require("network flexibility study").quantity_mw
        fits[line, at] = let_in >= capacity[at] * (1.0 - LIMIT_TOLERANCE_SHARE)
    return fits


def registered_mw(bids: Bids, n_nodes: int) -> dict[int, FloatArray]:
    """Capacity by node (N,) MW of each direction that a book offers."""
    supply = ~bids.demand
    return {
        d: np.bincount(
            bids.node,
            weights=np.where(supply & (bids.direction == d), bids.quantity_mw, 0.0),
            minlength=n_nodes,
        ).astype(np.float64)
        for d in (UP, DOWN)
    }
