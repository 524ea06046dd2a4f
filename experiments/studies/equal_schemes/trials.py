"""One case under several schemes, and whether they agree: what statements about equal schemes are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints, Violations
from tandem_sim.grids.power_flow.operator_model import Margins
from tandem_sim.grids.tolerances import MOL_FLOW_MARGIN_SHARE, MOL_VOLTAGE_MARGIN_PU2
from tandem_sim.markets.cases.case import Case, CaseArea
from tandem_sim.markets.cases.clear import Outcome, clear_case
from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.schemes import Options, build_schemes

EXACT, NARROWED = "aggregation exact", "central-02 narrowed"
"""Aggregation that sends every breakpoint; central-02 of DSOs whose limits are narrowed as in hybrid."""

SAME_EUR, SAME_MW, SAME_SHARE = 1e-4, 1e-5, 1e-6
"""EUR/h and MW that count as the same, with so much of the sum on top of EUR/h: what solvers leave."""


@cache
def schemes_of(pricing: Pricing) -> Mapping[str, Scheme]:
    """Every scheme by the name it has in statements."""
    table = build_schemes(Options(pricing=pricing))
    exact = build_schemes(Options(pricing=pricing, aggregation="exact"))["aggregation"]
    return {**table, EXACT: exact, NARROWED: table["central-02"]}


@dataclass
class CaseTrial:
    """One case and what schemes make of it, each cleared once: `found` by the name of the scheme."""

    case: Case
    pricing: Pricing = "pay-as-bid"
    found: dict[str, Outcome] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Outcome:
        if name not in self.found:
            case = narrowed(self.case) if name == NARROWED else self.case
            self.found[name] = clear_case(case, schemes_of(self.pricing)[name])
        return self.found[name]


def narrowed(case: Case) -> Case:
    """The case as DSOs see it that keep the margins of the hybrid scheme's validation free."""
    margins = Margins(
        MOL_FLOW_MARGIN_SHARE, 0.5 * MOL_VOLTAGE_MARGIN_PU2
    )  # of squared voltages, which is twice that of voltages
    return replace(case, areas={k: replace(area, margins=margins) for k, area in case.areas.items()})


def awards(outcome: Outcome) -> dict[str, float]:
    """MW bought of each bid over all markets."""
    total: dict[str, float] = {}
    for bid, _, mw in outcome.cleared:
        total[bid] = total.get(bid, 0.0) + mw
    return total


def bought(outcome: Outcome, bids: set[str]) -> bool:
    """Whether any of these bids is called."""
    return any(mw > SAME_MW for bid, mw in awards(outcome).items() if bid in bids)


def of_areas(case: Case) -> set[str]:
    """All bids in distribution."""
    return {bid for area in case.areas.values() for bid in area.bids.bid_id.tolist()}


def apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The largest difference between two tables of numbers; what one of them lacks is zero there."""
    return max((abs(one.get(k, 0.0) - other.get(k, 0.0)) for k in {*one, *other}), default=0.0)


def same_cost(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes cost the same, need unserved included."""
    size = max(abs(one.cost_eur_per_h), abs(other.cost_eur_per_h))
    served = abs(one.unserved_imbalance_mw - other.unserved_imbalance_mw) <= SAME_MW
    return served and abs(one.cost_eur_per_h - other.cost_eur_per_h) <= SAME_EUR + SAME_SHARE * size


def same_awards(one: Outcome, other: Outcome) -> bool:
    """Whether the same bids are called, as much of each."""
    return apart(awards(one), awards(other)) <= SAME_MW


def same_bits(one: Outcome, other: Outcome) -> bool:
    """Whether the same bids are called to the last bit, in markets of whatever name."""
    return [(bid, mw) for bid, _, mw in one.cleared] == [(bid, mw) for bid, _, mw in other.cleared]


def same_payments(one: Outcome, other: Outcome) -> bool:
    """Whether every operator pays the same."""
    size = max((abs(v) for v in one.paid_eur_per_h.values()), default=0.0)
    return apart(one.paid_eur_per_h, other.paid_eur_per_h) <= SAME_EUR + SAME_SHARE * size


MEASURES: Mapping[str, Callable[[Outcome, Outcome], bool]] = {
    "cost": same_cost,
    "awards": same_awards,
    "payments": same_payments,
}


def keeps(outcome: Outcome) -> bool:
    """Whether no limit of a distribution grid is broken in the end."""
    return outcome.linear == Violations()


def serves(outcome: Outcome) -> bool:
    """Whether no need is left."""
    return outcome.unserved_imbalance_mw <= SAME_MW


def base_keeps(case: Case) -> bool:
    """Whether the base state of every distribution grid keeps all its limits."""
    return all(area.rows.violations() == Violations() for area in case.areas.values())


def voltages_cannot_bind(case: Case) -> bool:
    """Whether no voltage leaves its band, whichever bids are called."""
    return all(
        bool((rows.w_pu2 + most <= rows.w_max_pu2).all() and (rows.w_pu2 + least >= rows.w_min_pu2).all())
        for rows, least, most in (_feasible_range(area) for area in case.areas.values())
    )


def _feasible_range(area: CaseArea) -> tuple[GridConstraints, np.ndarray, np.ndarray]:
    """Rows of an area, and how far all bids down and all bids up move its squared voltages."""
    bids, n = area.bids, area.network.n_nodes
    least, most = (
        area.rows.voltage_matrix @ bids.injection_mw(np.where(bids.direction == d, bids.quantity_mw, 0.0), n)
        for d in (DOWN, UP)
    )
    return area.rows, least, most


def after(
    area: CaseArea, outcome: Outcome, market: str | None = None, direction: int | None = None
) -> GridConstraints:
    """Rows of an area once an outcome, or one market or direction of it, is carried out."""
    bids = area.bids
    sold = np.zeros(len(bids))
    for bid, at, mw in outcome.cleared:
        if market in (None, at):
            sold[bids.bid_id == bid] += mw
    if direction is not None:
        sold = np.where(bids.direction == direction, sold, 0.0)
    return area.rows.after(bids.injection_mw(sold, area.network.n_nodes))


def market_keeps(case: Case, outcome: Outcome, market: str) -> bool:
    """Whether the grids keep all limits after one market of an outcome alone."""
    return all(after(a, outcome, market).violations() == Violations() for a in case.areas.values())


def no_trade_pays(case: Case) -> bool:
    """Whether in every area the cheapest bid up asks more than the best bid down pays."""
    return all(
        a.bids.price[a.bids.direction == UP].min(initial=np.inf)
        > a.bids.price[a.bids.direction == DOWN].max(initial=-np.inf)
        for a in case.areas.values()
    )
