"""Aggregation: a DSO offers the least cost of its area as a function of the injection, not bids and grid.

The residual supply function (RSF) of an area is ``C(e)``: the least cost of changing the area's net injection
by ``e`` MW within the limits of its grid. It is convex and piecewise linear, because it is the value of a
linear optimisation problem as a function of its right-hand side. Source: ALEXANDER D3.3, cluster 3 (discrete
points).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tandem_sim.grids.errors import ClearingError
from tandem_sim.grids.power_flow.constraints import GridConstraints, transmission_constraints
from tandem_sim.grids.tolerances import (
    CHANGE_TOLERANCE_MW,
    EQUAL_COST_SHARE,
    NEGLIGIBLE_MW,
    SOLVER_SLACK_MW_OR_PU2,
)
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import Kind, Pricing
from tandem_sim.markets.clearing.auction import Cleared, Status, clear
from tandem_sim.markets.clearing.constraints import Columns, auction_constraints
from tandem_sim.markets.clearing.needs import AuctionNeed, left_of
from tandem_sim.markets.clearing.pricing import sale_of
from tandem_sim.markets.clearing.purposes import purposes_of
from tandem_sim.markets.clearing.warm_start import WarmProblem
from tandem_sim.markets.coordination.block import TSO, Block, Party, View, Written
from tandem_sim.markets.coordination.entries import ResidualSupply, Target
from tandem_sim.markets.coordination.operator_state import AreaState, SystemState
from tandem_sim.markets.coordination.state import area_state, expected_mw, unsold_mw
from tandem_sim.markets.orders.bids import Bids

DEFAULT_STEP_MW = 0.5
MOST_POINTS = 30_000
"""Of an RSF, and of all RSFs among whose points the TSO chooses: more take minutes to choose from."""


class AreaProblem:
    """The optimisation problem of one area: bids, hard grid constraints, and a required change of injection.

    `available_mw` (n,) is what may be activated of each bid.
    """

    def __init__(self, rows: GridConstraints, bids: Bids, available_mw: FloatArray) -> None:
        self._bids, self._available = bids, available_mw
        self._columns = Columns(bids.node, bids.direction)
        self._sign = bids.direction.astype(np.float64)
        self._rows = self._attainable(rows)
        grid = auction_constraints(self._rows, self._columns, available_mw, hard=True)
        self._problem = WarmProblem(bids.signed_price, available_mw, self._sign, grid)
        self.range_mw = self._problem.range()

    def _attainable(self, rows: GridConstraints) -> GridConstraints:
        """Constraints that have a solution: limits that no activation can keep move to the nearest state."""
        n = len(self._bids)
        hard = auction_constraints(rows, self._columns, self._available, hard=True)
        if clear(np.zeros(n), self._available, rows=hard).status is Status.OPTIMAL:
            return rows
        soft = auction_constraints(rows, self._columns, self._available)
        best = clear(np.zeros(n), self._available, rows=soft).require("least violation of an area")
        reached = rows.after(self._bids.injection_mw(best.quantity_mw, rows.flow_matrix.shape[1])).relaxed()
        return replace(
            rows,
            relief_up_mw=reached.relief_up_mw + SOLVER_SLACK_MW_OR_PU2,
            relief_down_mw=reached.relief_down_mw + SOLVER_SLACK_MW_OR_PU2,
            w_min_pu2=reached.w_min_pu2 - SOLVER_SLACK_MW_OR_PU2,
            w_max_pu2=reached.w_max_pu2 + SOLVER_SLACK_MW_OR_PU2,
        )

    def cost(self, change_mw: float) -> tuple[float, float]:
        """Least cost (EUR/h) of a change of injection within the range, and its slope (EUR/MWh)."""
        return self._problem.solve(change_mw)

    def within(self, change_mw: float) -> float:
        """The nearest feasible change of the area (MW)."""
        low, high = self.range_mw
        return float(np.clip(change_mw, low, high))

    def dispatch(self, change_mw: float) -> Cleared:
        """The bids that realise the change at least cost."""
        answer = clear(
            self._bids.signed_price,
            self._available,
            sign=self._sign,
            need_mw=self.within(change_mw),
            rows=auction_constraints(self._rows, self._columns, self._available, hard=True),
            imbalance_bound_mw=CHANGE_TOLERANCE_MW,
        )
        return answer.require("translation of an aggregated bid")


def discrete_points(area: AreaProblem, step_mw: float) -> ResidualSupply:
    """The RSF at ``z_min, z_min + step, ..., z_max`` and at the present flow.

    ``z`` is the interface flow (MW). Raises `ClearingError` for more than `MOST_POINTS`.
    """
    low, high = area.range_mw
    _few_enough((high - low) / step_mw, f"{high - low:g} MW of an area in steps of {step_mw:g} MW")
    points = [*np.arange(high, low, -step_mw), low]  # z_min is the largest injection
    if low < 0.0 < high:
        points.append(0.0)
    change = np.unique(np.round(points, 12))
    return ResidualSupply(change, np.array([area.cost(e)[0] for e in change]))


def _few_enough(points: float, what: str) -> None:
    if points > MOST_POINTS:
        raise ClearingError(
            f"aggregation: {what} are more than {MOST_POINTS} points. Use a larger step, or exact points"
        )


def exact_points(area: AreaProblem) -> ResidualSupply:
    """The RSF at all its breakpoints.

    The tangents of two points meet either on the function, which proves a linear segment, or below it, where
    another breakpoint lies. So the number of solves is about twice the number of segments.
    """
    low, high = area.range_mw
    if high - low < NEGLIGIBLE_MW:
        return ResidualSupply(np.array([low]), np.array([area.cost(low)[0]]))
    found = {low: area.cost(low), high: area.cost(high)}
    pending = [(low, high)]
    while pending:
        a, b = pending.pop()
        if b - a < 1e3 * NEGLIGIBLE_MW:
            continue
        middle = _meeting(a, found[a], b, found[b])
        cost, slope = area.cost(middle)
        chord = found[a][0] + (found[b][0] - found[a][0]) * (middle - a) / (b - a)
        scale = EQUAL_COST_SHARE * max(1.0, abs(cost))
        if chord - cost <= scale:
            continue  # the chord equals the function: one segment
        found[middle] = (cost, slope)
        pending += [(a, middle), (middle, b)]
    change = np.array(sorted(found))
    return _without_collinear(ResidualSupply(change, np.array([found[e][0] for e in change])))


def _meeting(a: float, at_a: tuple[float, float], b: float, at_b: tuple[float, float]) -> float:
    """Where the tangents of two points meet; the middle if they do not meet inside the interval."""
    (cost_a, slope_a), (cost_b, slope_b) = at_a, at_b
    if abs(slope_b - slope_a) > 1e-12:
        meet = (cost_a - cost_b + slope_b * b - slope_a * a) / (slope_b - slope_a)
        if a + 1e-6 * (b - a) < meet < b - 1e-6 * (b - a):
            return meet
    return 0.5 * (a + b)


def _without_collinear(rsf: ResidualSupply) -> ResidualSupply:
    """Points at which the slope changes, and the ends."""
    if len(rsf.change_mw) < 3:
        return rsf
    _, slope = rsf.segments()
    keep = np.concatenate([[True], np.diff(slope) > 1e-7, [True]])
    return ResidualSupply(rsf.change_mw[keep], rsf.cost[keep])


@dataclass(frozen=True, kw_only=True)
class AggregateBids(Block):
    """The DSO turns its book and its grid into an RSF: points of interface flow and cost, nothing else."""

    name: str = "aggregate_bids"
    gate: str = "prequalify"
    kind: Kind = "exact"
    step_mw: float = DEFAULT_STEP_MW

    party: ClassVar[Party] = "dso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.grid", "area.sold")
    writes: ClassVar[tuple[str, ...]] = ("area.rsf",)

    def __call__(self, system: str, view: View) -> Written:
        """Form the RSF of an area."""
        model = AreaProblem(area_state(view.area), view.area.bids, unsold_mw(view.area))
        rsf = exact_points(model) if self.kind == "exact" else discrete_points(model, self.step_mw)
        return Written(areas={system: AreaState(rsf=rsf)})


@dataclass(frozen=True, kw_only=True)
class RsfMarket(Block):
    """The TSO clears its bids and one RSF per area.

    With `kind` ``exact`` it may take any part of the segments, with ``discrete`` exactly one of the points.
    """

    name: str = "tso_market"
    gate: str = "tso_clear"
    kind: Kind = "exact"
    pricing: Pricing = "pay-as-bid"

    party: ClassVar[Party] = "tso"
    reads: ClassVar[tuple[str, ...]] = ("tso.bids", "tso.grid", "tso.sold", "area.rsf", "area.exchange")
    writes: ClassVar[tuple[str, ...]] = ("tso.sold", "tso.balancing", "tso.need", "area.target")

    def __call__(self, system: str, view: View) -> Written:
        """Clear the TSO's market."""
        own, grid = view.tso.bids, view.tso.grid
        parts = {name: _columns(area.rsf, self.kind) for name, area in view.areas.items()}
        if self.kind == "discrete":
            _few_enough(sum(len(c.cost) for c in parts.values()), "the offers of all areas")
        cost = np.concatenate([own.signed_price, *(c.cost for c in parts.values())])
        available = np.concatenate([unsold_mw(view.tso), *(c.available for c in parts.values())])
        sign = np.concatenate([own.direction.astype(np.float64), *(c.change_mw for c in parts.values())])
        ends = np.cumsum([len(own), *(len(c.cost) for c in parts.values())])
        places = {area: np.arange(a, b) for area, a, b in zip(parts, ends[:-1], ends[1:], strict=True)}
        p = expected_mw(view.tso, view.areas)
        need = -float(p.sum())
        nodes = [own.node, *(np.full(len(at), grid.interface_node[area]) for area, at in places.items())]
        for area in places:
            p[grid.interface_node[area]] += parts[area].start_mw
        columns = Columns(np.concatenate(nodes), sign)
        answer = clear(
            cost,
            available,
            sign=sign,
            need_mw=-float(p.sum()),
            rows=auction_constraints(transmission_constraints(grid.dc, p), columns, available, owner=TSO),
            choices=list(places.values()) if self.kind == "discrete" else (),
        ).require("TSO market over residual supply functions")
        assert answer.optimum is not None
        answer = replace(answer, optimum=replace(answer.optimum, wanted_mw=need))
        x = answer.quantity_mw
        why = purposes_of(answer)
        target = {
            area: Target(
                parts[area].start_mw + float(sign[at] @ x[at]),
                parts[area].start_mw + float(sign[at] @ why.unlimited_mw[at]),
            )
            for area, at in places.items()
        }
        return Written(
            areas={area: AreaState(target=each) for area, each in target.items()},
            tso=SystemState(balancing=answer, need=need),
            sales={system: sale_of(self.pricing, own, x[: len(own)], answer, why=why)},
            clearings={system: AuctionNeed(answer, need, sum(each.change_mw for each in target.values()))},
        )


@dataclass(frozen=True)
class _Columns:
    """An RSF in the TSO's optimisation problem: `change_mw` per unit of each column, from `start_mw` on."""

    cost: FloatArray
    available: FloatArray
    change_mw: FloatArray
    start_mw: float


def _columns(rsf: ResidualSupply, kind: Kind) -> _Columns:
    if kind == "discrete":
        return _Columns(rsf.cost, np.ones(len(rsf.cost)), rsf.change_mw, 0.0)
    length, slope = rsf.segments()
    return _Columns(slope, length, np.ones(len(length)), float(rsf.change_mw[0]))


@dataclass(frozen=True, kw_only=True)
class TranslateBids(Block):
    """The DSO selects the bids that realise the change the TSO has bought, at least cost.

    Of these, balancing is what would have realised, without limits of the area, the change that the TSO would
    have bought without its own limits.
    """

    name: str = "translate_bids"
    gate: str = "correct"
    pricing: Pricing = "pay-as-bid"

    party: ClassVar[Party] = "dso"
    pays: ClassVar[Party] = "tso"
    reads: ClassVar[tuple[str, ...]] = ("area.bids", "area.grid", "area.sold", "area.target")
    writes: ClassVar[tuple[str, ...]] = ("area.sold",)

    def __call__(self, system: str, view: View) -> Written:
        """Select the bids of an area."""
        area, bids, target = view.area, view.area.bids, view.area.target
        model = AreaProblem(area_state(area), bids, unsold_mw(area))
        answer = model.dispatch(target.change_mw)
        wanted, served = target.change_mw, float(bids.direction @ answer.quantity_mw)
        why = purposes_of(answer, model.within(target.unlimited_mw))
        return Written(
            sales={system: sale_of(self.pricing, bids, answer.quantity_mw, answer, why=why)},
            clearings={system: AuctionNeed(left_of(answer, wanted, served), wanted)},
        )
