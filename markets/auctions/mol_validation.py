"""The hybrid scheme: the DSOs validate the TSO's merit order list (MOL) until they accept it.

Source: the offering process proposed for the Netherlands (hybrid TSO-DSO managed model): the DSO runs a power
flow and clears a bid or updates its bounds, the TSO rebuilds the list until it is accepted. Tandem's own
additions: the TSO states how much of each bid it would call, and the DSO computes what is free beside a safe
call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tandem_sim.grids.power_flow.constraints import (
    GridConstraints,
)
from tandem_sim.grids.tolerances import (
    EQUAL_MW,
    LIMIT_TOLERANCE_SHARE,
    MOL_FLOW_MARGIN_SHARE,
    MOL_VOLTAGE_MARGIN_PU2,
)
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.local_and_tso import clear_system
from tandem_sim.markets.coordination.block import TSO, Block, Party, Repeat, View, Written
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState
from tandem_sim.markets.coordination.state import area_state, expected_mw, offered_mw, unsold_mw
from tandem_sim.markets.grid_checks.prequalification import envelope_mw
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

MAX_ROUNDS = 6


@dataclass(frozen=True, kw_only=True)
class BuildMol(Block):
    """The TSO orders the bids by price and informs each DSO how much of its bids it would call."""

    name: str = "build_mol"
    gate: str = "mol"

    party: ClassVar[Party] = "tso"
    reads: ClassVar[tuple[str, ...]] = (
        "tso.bids",
        "tso.grid",
        "tso.sold",
        "area.exchange",
        "area.bids",
        "area.offers",
    )
    writes: ClassVar[tuple[str, ...]] = ("area.called",)

    def __call__(self, system: str, view: View) -> Written:
        """Say what the TSO would call in every area."""
        available = {system: unsold_mw(view.tso), **{k: offered_mw(a) for k, a in view.areas.items()}}
        p = expected_mw(view.tso, view.areas)
        plan = clear_system(
            view.tso, view.areas, available, p, limits_of={TSO}, pricing="pay-as-bid", who=self.name
        )
        return Written(areas={area: AreaState(called=plan.awards[area]) for area in view.areas})


@dataclass(frozen=True, kw_only=True)
class ValidateMol(Block):
    """Each DSO checks by power flow what the TSO would call, and lowers or clears the bounds of bids.

    What is called and safe stays allowed, if each direction is also safe without the other. Beyond that, bids
    are allowed as far as the grid permits. Any call within the bounds is safe in the linear model around that
    power flow. So a next list, or a last change of the TSO's need, causes no violation except by the error of
    the model, which the next round detects. Where the linear model finds nothing to lower, half of the call
    is allowed and nothing else.
    """

    name: str = "validate_mol"
    gate: str = "mol_validate"

    party: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = (
        "area.bids",
        "area.grid",
        "area.sold",
        "area.offers",
        "area.called",
        "area.power_flow",
    )
    writes: ClassVar[tuple[str, ...]] = ("area.accepted", "area.offers")

    def __call__(self, system: str, view: View) -> Written:
        """Check a list for an area, and bound its bids."""
        area = view.area
        bids, called, offers, base = area.bids, area.called, area.offers, area_state(area)
        n_nodes = base.flow_matrix.shape[1]
        at_call = bids.injection_mw(called, n_nodes)
        state = area.power_flow(bids.injection_mw(area.sold, n_nodes) + at_call)
        safe = state is not None and _safe(state, base)
        around = base if state is None else state.after(-at_call)
        rows = around.tightened(MOL_FLOW_MARGIN_SHARE, MOL_VOLTAGE_MARGIN_PU2).relaxed()
        alone = [
            rows.after(bids.injection_mw(np.where(bids.direction == d, called, 0.0), n_nodes))
            for d in (UP, DOWN)
        ]
        kept = called
        if not safe or not all(_safe(one, rows) for one in alone):
            kept = envelope_mw(rows, bids, np.minimum(called, offers))
        if not safe and np.allclose(kept, called, atol=EQUAL_MW):
            bounds = 0.5 * called  # violations outside the linear model
        else:
            bounds = validated_mw(rows, bids, offers, kept)
        return Written(areas={system: AreaState(accepted=safe, offers=bounds)})


def validated_mw(rows: GridConstraints, bids: Bids, offers: FloatArray, kept: FloatArray) -> FloatArray:
    """Bounds (n,) in MW within `offers`: `kept` (n,), plus what the grid permits beside it."""
    bounds = kept.copy()
    for direction in (UP, DOWN):
        side = bids.direction == direction
        first = np.where(side, kept, 0.0)
        after = rows.after(bids.injection_mw(first, rows.flow_matrix.shape[1]))
        bounds += envelope_mw(after, bids, np.where(side, offers - kept, 0.0))
    return np.minimum(bounds, offers)


def _safe(state: GridConstraints, base: GridConstraints) -> bool:
    """Whether a state keeps every limit; where `base` breaks one, whether it is not worse than the margin."""
    slack = LIMIT_TOLERANCE_SHARE * np.maximum(state.limit_mw, 1.0)
    spare = MOL_FLOW_MARGIN_SHARE * np.maximum(base.limit_mw, 1.0)
    top, bottom = state.flow_max_mw + slack, state.flow_min_mw - slack
    top = np.where(base.flow_mw > base.flow_max_mw, np.maximum(top, base.flow_mw + spare), top)
    bottom = np.where(base.flow_mw < base.flow_min_mw, np.minimum(bottom, base.flow_mw - spare), bottom)
    high, low = base.w_max_pu2 + LIMIT_TOLERANCE_SHARE, base.w_min_pu2 - LIMIT_TOLERANCE_SHARE
    high = np.where(base.w_pu2 > base.w_max_pu2, base.w_pu2 + MOL_VOLTAGE_MARGIN_PU2, high)
    low = np.where(base.w_pu2 < base.w_min_pu2, base.w_pu2 - MOL_VOLTAGE_MARGIN_PU2, low)
    flows = (state.flow_mw <= top) & (state.flow_mw >= bottom)
    voltages = (state.w_pu2 <= high) & (state.w_pu2 >= low)
    return bool(flows.all() and voltages.all())


def accepted(states: OperatorState) -> bool:
    """Whether every DSO has accepted the list."""
    return all(area.knows("accepted") and area.accepted for area in states.areas.values())


def negotiate(max_rounds: int = MAX_ROUNDS) -> Repeat:
    """List and validation in turn until every DSO accepts, for at most `max_rounds`.

    An area whose DSO has not accepted by then is left out of the market.
    """
    return Repeat((BuildMol(), ValidateMol()), accepted, max_rounds, goes_on=True)
