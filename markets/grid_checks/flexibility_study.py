"""The network flexibility study: zones determined for a worst case, valid until the next study.

Source: Synergrid C8/01 as described in ALEXANDER D3.3, 3.2.2: a zone is green (flexibility may be sold) or
red (it may not), whatever the state of the grid on the day. Who requests a study, and what its answers mean
over time, is in `tandem_sim.markets.grid_checks.study_register`.
"""

from __future__ import annotations

from collections.abc import Mapping

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

LOW_LOAD_SHARE = 0.25
"""Consumption in the hour of least load, as a share of the peak."""


def worst_cases(
    lin: LinDistFlow,
    load_mw: FloatArray,
    generation_mw: FloatArray,
    load_mvar: FloatArray,
    fixed_mvar: FloatArray | float = 0.0,
) -> dict[int, GridConstraints]:
    """The worst state of the grid for each direction of flexibility, by LinDistFlow.

    For up: all generation (N,) >= 0 and least load; for down: peak load (N,) <= 0 and no generation, in MW.
    `load_mvar` (N,) belongs to the load; `fixed_mvar` (N,) belongs to no load and is present in both.
    """
    low = LOW_LOAD_SHARE
    return {
        UP: distribution_constraints(lin, generation_mw + low * load_mw, low * load_mvar + fixed_mvar),
        DOWN: distribution_constraints(lin, load_mw, load_mvar + fixed_mvar),
    }


def fitting_nodes(
    worst: Mapping[int, GridConstraints],
    requested_mw: Mapping[int, FloatArray],
    committed_mw: Mapping[int, FloatArray],
) -> BoolArray:
    """Nodes (2, N), up and down, at which all requested capacity (N,) MW fits; True without a request.

    The worst case, with all of `committed_mw` (N,) activated, admits as much of the requests as it can.
    `committed_mw` is capacity that acts whatever the answer; limits that this state violates are relaxed to
    it. A node fits if everything requested there is admitted. All of `committed_mw` and of the fitting nodes
    together then violate no limit that `committed_mw` alone keeps: flows and voltages of a radial grid are
    monotone in injections, so leaving out the rest does no harm.
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
        admitted = answer.require("network flexibility study").quantity_mw
        fits[line, at] = admitted >= capacity[at] * (1.0 - LIMIT_TOLERANCE_SHARE)
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
