"""Day-ahead schedules of units: least cost of the demand of each ISP, within ranges and ramps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.merit_order import ordered_costs
from tandem_sim.markets.orders.penalties import unserved_eur_per_mwh

EXCESS_SHARE = 0.1
"""Cost of a MW beyond a ramp in the optimisation problem, as a share of that of a MWh not served."""


@dataclass(frozen=True, kw_only=True)
class Supply:
    """Ranges of U units in each of K ISPs, in B steps above their minimum output. MW and EUR/MWh.

    `ramp_mw` is the largest change of output from the ISP before; in the first ISP from `before_mw`, which is
    nan for a unit with unknown output.
    """

    least_mw: FloatArray  # (U, K)
    step_mw: FloatArray  # (U, B, K)
    price_eur_per_mwh: FloatArray  # (U, B, K) EUR/MWh, rising over the steps of a unit
    ramp_mw: FloatArray  # (U, K)
    before_mw: FloatArray  # (U,)

    def moved_mw(self, output_mw: FloatArray) -> FloatArray:
        """Change of outputs (U, K) since the ISP before (U, K); 0 where that is unknown."""
        return np.nan_to_num(np.diff(output_mw, axis=1, prepend=self.before_mw[:, None]), nan=0.0)


@dataclass(frozen=True)
class Schedules:
    """Outputs (U, K) in MW, prices (K,) in EUR/MWh, demand not served (K,) in MW (negative: excess).

    `excess_mw` (U, K) is the change of outputs beyond the ramp where no schedule within ramps serves the
    demand.
    """

    output_mw: FloatArray
    price_eur_per_mwh: FloatArray
    short_mw: FloatArray
    excess_mw: FloatArray


def schedule_units(supply: Supply, demand_mw: FloatArray, who: str) -> Schedules:
    """The schedules of least cost for a demand (K,) MW of all units together.

    Each ISP by itself is a merit order. If all outputs then keep the ramps, they are also the optimum with
    ramps, because limits can only raise the least cost. Otherwise ``scipy.optimize.linprog`` solves all ISPs
    as one. The price of an ISP is the rise of the least cost with its demand. Where ramps bind it may exceed
    the price of every unit, because a MW may have to be moved in several ISPs. A demand that changes faster
    than all units together is followed as closely as ramps permit. Raises `ClearingError`, naming `who`, if
    the solver finds no optimum.
    """
    alone = _one_by_one(supply, demand_mw, who)
    if (np.abs(supply.moved_mw(alone.output_mw)) <= supply.ramp_mw + NEGLIGIBLE_MW).all():
        return alone
    return _together(supply, demand_mw, who)


def _one_by_one(supply: Supply, demand_mw: FloatArray, who: str) -> Schedules:
    units, steps, isps = supply.step_mw.shape
    output, price, short = np.empty((units, isps)), np.empty(isps), np.empty(isps)
    for k in range(isps):
        least = supply.least_mw[:, k]
        bid_price, available = supply.price_eur_per_mwh[:, :, k].ravel(), supply.step_mw[:, :, k].ravel()
        need = float(demand_mw[k]) - float(least.sum())
        answer = clear(bid_price, available, np.ones(units * steps), need).require(
            f"{who}, ISP {k} of the day"
        )
        output[:, k] = least + answer.quantity_mw.reshape(units, steps).sum(axis=1)
        price[k], short[k] = answer.price_eur_per_mwh, answer.short_mw - answer.long_mw
    return Schedules(output, price, short, np.zeros(output.shape))


def _together(supply: Supply, demand_mw: FloatArray, who: str) -> Schedules:
    """All ISPs as one problem: a column per step and ISP, shortage and surplus, and ramp excess."""
    units, steps, isps = supply.step_mw.shape
    n, n_moves = supply.step_mw.size, units * isps
    of_unit = sparse.kron(np.ones((1, steps)), sparse.eye_array(isps))
    all_units, no_excess = sparse.kron(np.ones((1, units)), of_unit), sparse.csr_array((isps, n_moves))
    balance = sparse.hstack(
        [all_units, sparse.eye_array(isps), -sparse.eye_array(isps), no_excess], format="csr"
    )
    moved = sparse.kron(sparse.eye_array(units), sparse.eye_array(isps) - sparse.eye_array(isps, k=-1)) @ (
        sparse.kron(sparse.eye_array(units), of_unit)
    )
    no_imbalance, excess = sparse.csr_array((n_moves, 2 * isps)), sparse.eye_array(n_moves)
    ramps = sparse.vstack(
        [sparse.hstack([moved, no_imbalance, -excess]), sparse.hstack([-moved, no_imbalance, -excess])],
        format="csr",
    )
    least = np.diff(supply.least_mw, axis=1, prepend=supply.before_mw[:, None]).ravel()
    known = np.tile(np.isfinite(least), 2)
    unserved = unserved_eur_per_mwh()
    penalties = np.repeat([unserved, EXCESS_SHARE * unserved], [2 * isps, n_moves])
    need = demand_mw - supply.least_mw.sum(axis=0)

    def solved(price: FloatArray, room_mw: FloatArray, most_excess: float) -> Any:
        bound = np.concatenate([room_mw - least, room_mw + least])
        upper = np.concatenate(
            [supply.step_mw.ravel(), np.full(2 * isps, np.inf), np.full(n_moves, most_excess)]
        )
        solve: Any = linprog  # its type stubs know no sparse matrices
        answer = solve(
            np.concatenate([price.ravel(), penalties]),
            A_ub=ramps[known],
            b_ub=bound[known],
            A_eq=balance,
            b_eq=need,
            bounds=np.column_stack([np.zeros(len(upper)), upper]),
            method="highs",
        )
        if answer.status != 0:
            raise ClearingError(f"{who}: units cannot be scheduled (solver: {answer.message})")
        return answer

    # Equal steps are served in their order; prices come from the unchanged costs, without penalties.
    x = solved(_in_order(supply.price_eur_per_mwh), supply.ramp_mw.ravel(), np.inf).x
    beyond = np.where(x[n + 2 * isps :] > NEGLIGIBLE_MW, x[n + 2 * isps :], 0.0)
    priced = solved(supply.price_eur_per_mwh, supply.ramp_mw.ravel() + beyond, NEGLIGIBLE_MW)
    short = x[n : n + isps] - x[n + isps : n + 2 * isps]
    return Schedules(
        supply.least_mw + x[:n].reshape(units, steps, isps).sum(axis=1),
        np.array(priced.eqlin.marginals),
        np.where(np.abs(short) > NEGLIGIBLE_MW, short, 0.0),
        beyond.reshape(units, isps),
    )


def _in_order(price: FloatArray) -> FloatArray:
    """Prices of steps (U, B, K), with small differences between equal ones of an ISP."""
    units, steps, isps = price.shape
    by_isp = [ordered_costs(price[:, :, k].ravel(), None) for k in range(isps)]
    return np.stack(by_isp, axis=1).reshape(units, steps, isps)
