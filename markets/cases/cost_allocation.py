"""Allocation of the cost of a common market: by duals of each operator's needs, and by Shapley value."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import factorial

from tandem_sim.grids.tolerances import CANCELLED_CHARGES_SHARE
from tandem_sim.markets.auctions.local_and_tso import clear_system
from tandem_sim.markets.clearing.auction import Cleared
from tandem_sim.markets.coordination.operator_state import TSO, OperatorState
from tandem_sim.markets.coordination.state import expected_mw, offered_mw, unsold_mw

MOST_OPERATORS = 8
"""The Shapley value needs a market for each of ``2**n`` coalitions."""


def by_duals(answer: Cleared, need_mw: float) -> dict[str, float]:
    """Shares (EUR/h) of the cost of one market, in proportion to what its duals charge each operator.

    The charge of an operator is the duals of its constraints times the effect of the cleared bids on them:
    for the TSO the balance and its lines, for a DSO its branches and voltages. The charges add up to the
    payments at locational prices; they are scaled to the procurement cost. A negative share is a service to
    the others. Empty where the charges give no allocation: they cancel out, or have the opposite sign of the
    cost.
    """
    charge = dict(answer.limits_eur_per_h)
    served = need_mw - answer.short_mw + answer.long_mw
    charge[TSO] = charge.get(TSO, 0.0) + answer.price_eur_per_mwh * served
    total = sum(charge.values())
    if (
        abs(total) <= CANCELLED_CHARGES_SHARE * sum(abs(c) for c in charge.values())
        or total * answer.cost_eur_per_h < 0.0
    ):
        return {}
    return {operator: answer.cost_eur_per_h * c / total for operator, c in charge.items()}


def coalition_costs(states: OperatorState) -> dict[frozenset[str], float]:
    """Least cost (EUR/h) of the needs of every coalition of operators, with all bids available.

    With the TSO in a coalition, the balance of the system and the transmission limits must be met; with a
    DSO, the limits of its grid. Without the TSO the imbalance of the system stays as it is. Limits of
    operators outside are ignored. Penalties of limits that cannot be kept are not part of the cost. Raises
    ValueError for too many operators.
    """
    operators = [TSO, *states.areas]
    if len(operators) > MOST_OPERATORS:
        raise ValueError(
            f"{len(operators)} operators are too many for a Shapley value (at most {MOST_OPERATORS})"
        )
    return {
        frozenset(members): _cost(states, frozenset(members))
        for size in range(len(operators) + 1)
        for members in combinations(operators, size)
    }


def _cost(states: OperatorState, members: frozenset[str]) -> float:
    if not members:
        return 0.0
    tso, areas = states.tso, states.areas
    available = {TSO: unsold_mw(tso), **{name: offered_mw(area) for name, area in areas.items()}}
    p = expected_mw(tso, areas)
    written = clear_system(
        tso, areas, available, p, members, "pay-as-bid", f"market of {', '.join(sorted(members))}"
    )
    return written.tso.balancing.cost_eur_per_h


def shapley(costs: Mapping[frozenset[str], float]) -> dict[str, float]:
    """Shapley value (EUR/h): mean marginal cost of each operator over all orders (Shapley, 1953)."""
    players = sorted(frozenset().union(*costs))
    n = len(players)
    value = dict.fromkeys(players, 0.0)
    for coalition, cost in costs.items():
        for player in players:
            k = len(coalition) - (player in coalition)
            weight = factorial(k) * factorial(n - k - 1) / factorial(n)
            value[player] += weight * cost if player in coalition else -weight * cost
    return value
