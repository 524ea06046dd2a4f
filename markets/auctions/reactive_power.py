"""Reactive power for voltage: a product of the local market beside active power, cleared before it.

An offer is a `Bids` with quantities in Mvar and prices in EUR/Mvarh. Up injects reactive power and raises
voltages, down absorbs it and lowers them. The sign rule of prices does not apply: both directions cost the
buyer ``price * q``, because neither saves the seller anything.

Source: the Flemish pilot of a local flexibility market, which has an active and a reactive product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.tolerances import VOLTAGE_ROUNDING_PU2
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import EnvelopeCheck
from tandem_sim.markets.clearing.auction import clear
from tandem_sim.markets.clearing.constraints import AuctionConstraints, Columns
from tandem_sim.markets.coordination.block import Block, Party, View, Written
from tandem_sim.markets.coordination.operator_state import AreaState
from tandem_sim.markets.coordination.state import area_state
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.penalties import voltage_eur_per_h_pu2

VOLTAGE_MARKET = "voltage_market"


@dataclass(frozen=True, kw_only=True)
class ReactiveTrade:
    """What one DSO has bought in one area and ISP, of n offers, and what was delivered."""

    buyer: str
    system: str
    offers: Bids
    awarded_mvar: FloatArray  # (n,)
    delivered_mvar: FloatArray  # (n,)


@dataclass(frozen=True, kw_only=True)
class VoltageMarket(Block):
    """Least cost of reactive power that brings voltages into their band, as far as there are offers.

    Nothing is bought where voltages are within their band. The block writes the purchases
    (``area.reactive_mvar``, Mvar per offer) and the constraints changed by them, for the active market that
    follows: voltages, and what reactive flow leaves of ratings. With `check` ``ac`` it also updates the AC
    limits used by the grid prequalification that follows.
    """

    name: str = VOLTAGE_MARKET
    gate: str = "dso_clear"
    check: EnvelopeCheck = "none"

    party: ClassVar[Party] = "dso"

    @property
    def reads(self) -> tuple[str, ...]:
        """The grid after sales, the offers, and the AC limits if it updates them."""
        return ("area.bids", "area.grid", "area.sold", "area.reactive_bids", *self._of_ac)

    @property
    def writes(self) -> tuple[str, ...]:
        """The purchases, and what they change in the grid."""
        return ("area.reactive_mvar", "area.grid", *self._of_ac)

    @property
    def _of_ac(self) -> tuple[str, ...]:
        return ("area.ac_limits",) if self.check == "ac" else ()

    def __call__(self, system: str, view: View) -> Written:
        """Buy reactive power in an area."""
        area, offers = view.area, view.area.reactive_bids
        bought = least_cost_mvar(area_state(area), offers, f"{self.name} of {system}")
        dq = offers.injection_mw(bought, area.grid.flow_matrix.shape[1])
        found = AreaState(reactive_mvar=bought, grid=_settled(area.grid.after_reactive(dq)))
        if self.check == "ac":
            found = found.updated(AreaState(ac_limits=area.ac_limits.after_reactive(dq)))
        return Written(areas={system: found})


def _settled(rows: GridConstraints) -> GridConstraints:
    """Voltages outside their band by a rounding error are set to its edge."""
    inside = np.clip(rows.w_pu2, rows.w_min_pu2, rows.w_max_pu2)
    near = np.abs(rows.w_pu2 - inside) <= VOLTAGE_ROUNDING_PU2
    return replace(rows, w_pu2=np.where(near, inside, rows.w_pu2))


def least_cost_mvar(rows: GridConstraints, offers: Bids, who: str) -> FloatArray:
    """Mvar to buy of each offer (n,): ``min price.q``, and the penalty of voltages outside their band.

    ``0 <= q <= offered``. No voltage is moved further out of its band, or out of it, for the benefit of
    others. No reactive flow exceeds what the active flow leaves of a rating. Raises `ClearingError` naming
    `who` if the solver fails.
    """
    outside = (rows.w_pu2 < rows.w_min_pu2) | (rows.w_pu2 > rows.w_max_pu2)
    if not outside.any():
        return np.zeros(len(offers))
    columns = Columns(offers.node, offers.direction)
    effect = columns.effect(rows.voltage_q_matrix)
    w, low, high, kept = rows.w_pu2, rows.w_min_pu2, rows.w_max_pu2, rows.relaxed()
    wanted = AuctionConstraints(
        matrix=effect[outside],
        base=w[outside],
        low=low[outside],
        high=high[outside],
        penalty=voltage_eur_per_h_pu2(),
    )
    no_worse = AuctionConstraints(
        matrix=effect, base=w, low=kept.w_min_pu2, high=kept.w_max_pu2, penalty=np.inf
    )
    q, most = rows.q_mvar + np.zeros(len(rows.flow_mw)), rows.reactive_limit_mvar()
    rated = np.isfinite(most)
    low_q, high_q = np.minimum(-most, q)[rated], np.maximum(most, q)[rated]
    no_overload = AuctionConstraints(
        matrix=columns.effect(rows.flow_matrix[rated]), base=q[rated], low=low_q, high=high_q, penalty=np.inf
    )
    answer = clear(offers.price, offers.quantity_mw, rows=[wanted, no_worse, no_overload])
    return answer.require(who).quantity_mw
