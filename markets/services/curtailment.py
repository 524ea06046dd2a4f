"""Trading of curtailment on one feeder: users with limited import buy relief from their neighbours.

After BiTraDER as in ALEXANDER D3.3, 3.5.2: trades near real time between customers, within the limits of the
grid. The clearing is Tandem's: the trades with the largest value minus cost that the linearised limits of the
feeder permit. They hold only if the three-phase power flow then keeps every limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from tandem_sim.grids.low_voltage.limits import Band, excess_and_slope, limits_of, worst_excess_pu
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.tolerances import NEGLIGIBLE_TRADE_KW
from tandem_sim.grids.types import FloatArray


@dataclass(frozen=True)
class Trades:
    """Import (U,) kW that users have bought and sold; never both."""

    bought_kw: FloatArray
    sold_kw: FloatArray


def trade_curtailment(
    feeder: Feeder,
    band: Band,
    import_kw: FloatArray,
    wanted_kw: FloatArray,
    value: FloatArray,
    offered_kw: FloatArray,
    cost: FloatArray,
) -> Trades:
    """Clear the trades of one feeder and ISP.

    Parameters
    ----------
    import_kw: (U,) expected imports under the limits activated, export negative.
    wanted_kw, value: (U,) import that limits withhold, and its value in EUR/MWh.
    offered_kw, cost: (U,) import that users offer to give up, and their price in EUR/MWh.

    Sellers deliver what they sell; what the linear model permits and the power flow does not is taken from
    the buyers. A limit that is violated already may not be violated further. Raises RuntimeError where the
    solver fails.
    """
    u = len(import_kw)
    nothing = Trades(np.zeros(u), np.zeros(u))
    if (
        wanted_kw.max(initial=0.0) <= NEGLIGIBLE_TRADE_KW
        or offered_kw.max(initial=0.0) <= NEGLIGIBLE_TRADE_KW
    ):
        return nothing
    rows = limits_of(feeder, np.abs(import_kw) + wanted_kw, band, (0.0,))
    points = np.broadcast_to(import_kw, (len(rows.kind), u))
    excess, slope = excess_and_slope(feeder, rows, band, np.array(points))
    matrix, room = np.hstack([slope, -slope]), np.maximum(-excess, 0.0)
    order = 1e-6 * np.arange(2 * u) / u  # equal prices: in the order of users
    prices = np.concatenate([-value, cost]) + order
    bounds: Any = np.column_stack([np.zeros(2 * u), np.concatenate([wanted_kw, offered_kw])])
    no_more = np.concatenate([np.ones(u), -np.ones(u)])  # purchases than sales: free capacity is not traded
    answer: Any = linprog(
        prices, np.vstack([matrix, no_more]), np.append(room, 0.0), bounds=bounds, method="highs"
    )
    if answer.status != 0:
        raise RuntimeError(f"trading of curtailment on {feeder.name}: {answer.message}")
    bought, sold = np.split(np.asarray(answer.x), 2)
    bought = _safe_share(feeder, band, import_kw - sold, bought, import_kw) * bought
    if bought.max() <= NEGLIGIBLE_TRADE_KW or value @ bought < cost @ sold:
        return nothing
    return Trades(bought, sold)


def _safe_share(
    feeder: Feeder, band: Band, import_kw: FloatArray, more_kw: FloatArray, before_kw: FloatArray
) -> float:
    """The largest share of more import that increases no violation, by power flow."""
    shares = np.linspace(1.0, 0.0, 201)
    worst = worst_excess_pu(feeder, band, import_kw + shares[:, None] * more_kw)
    kept = worst <= max(float(worst_excess_pu(feeder, band, before_kw[None, :])[0]), 0.0) + 1e-9
    return float(shares[int(np.argmax(kept))]) if kept.any() else 0.0
