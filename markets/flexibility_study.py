"""The network flexibility study: zones found once for a worst case, and kept until the next study.

Source: Synergrid C8/01 as described in ALEXANDER D3.3, 3.2.2: a zone is green (flexibility may be sold) or
red (it may not), whatever the state of the grid on the day.
"""

from __future__ import annotations

import numpy as np

from tandem_sim.grids.arrays import BoolArray, FloatArray
from tandem_sim.grids.lindistflow import LinDistFlow
from tandem_sim.grids.rows import RELATIVE_TOLERANCE, GridRows, distribution_rows
from tandem_sim.markets.bids import DOWN, UP, Bids
from tandem_sim.markets.limits import Columns, grid_rows
from tandem_sim.markets.programme import clear

LOW_LOAD_SHARE = 0.25
"""Consumption in the hour of least load, as a share of that at peak."""


def worst_cases(
    lin: LinDistFlow,
    load_mw: FloatArray,
    generation_mw: FloatArray,
    load_mvar: FloatArray,
    fixed_mvar: FloatArray | float = 0.0,
) -> dict[int, GridRows]:
    """The state that is worst for each direction of flexibility, by LinDistFlow.

    For up: all generation (N,) >= 0 and least load; for down: peak load (N,) <= 0 and no generation.
    Reactive power that goes with no load, `fixed_mvar` (N,), is there in both.
    """
    low = LOW_LOAD_SHARE
    return {
        UP: distribution_rows(lin, generation_mw + low * load_mw, low * load_mvar + fixed_mvar),
        DOWN: distribution_rows(lin, load_mw, load_mvar + fixed_mvar),
    }


def zones(worst: dict[int, GridRows], registered_mw: dict[int, FloatArray]) -> BoolArray:
    """Green nodes (2, N) for up and for down.

    As much registered capacity (N,) MW as the worst case carries is let in, limits that it breaks already
    relaxed to it; a node is green if all of its capacity is. All green nodes together are then safe: flows
    and voltages of a radial grid are monotone in injections, so leaving out the red ones cannot hurt.
    """
    green = np.ones((2, len(registered_mw[UP])), dtype=bool)
    for line, direction in enumerate((UP, DOWN)):
        capacity = registered_mw[direction]
        at = np.flatnonzero(capacity > 0)
        if not len(at):
            continue
        rows = worst[direction].relaxed()
        columns = Columns(at, np.full(len(at), direction))
        limits = grid_rows(rows, columns, capacity[at], hard=True)
        answer = clear(-np.ones(len(at)), capacity[at], rows=limits)
        let_in = answer.require("network flexibility study").quantity_mw
        green[line, at] = let_in >= capacity[at] * (1.0 - RELATIVE_TOLERANCE)
    return green


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


def in_green_mw(green: BoolArray, bids: Bids, offered_mw: FloatArray) -> FloatArray:
    """What is offered (n,) MW in green zones; nothing of what is offered in red ones."""
    line = np.where(bids.direction == UP, 0, 1)
    return np.where(green[line, bids.node], offered_mw, 0.0)
