"""One case under one scheme: cost, safety, volumes, and the information shared between operators."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tandem_sim.grids.power_flow.constraints import GridConstraints, Violations, ac_violations
from tandem_sim.grids.power_flow.operator_model import OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case, CaseArea
from tandem_sim.markets.cases.cost_allocation import MOST_OPERATORS, by_duals, coalition_costs, shapley
from tandem_sim.markets.coordination.block import TSO, Scheme
from tandem_sim.markets.coordination.driver import run_scheme
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import AreaState, OperatorState
from tandem_sim.markets.coordination.state import open_states
from tandem_sim.markets.grid_checks.flexibility_study import fitting_nodes, registered_mw, worst_cases
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.markets.orders.penalties import admitting
from tandem_sim.markets.orders.zones import Zones


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a scheme for a case. `linear` and `ac` count violations of all distribution grids.

    Costs and payments are in EUR/h, those of a down bid that pays are negative. `interface_mw` is the flow
    from transmission into each area. `cleared` has an entry (bid id, market, MW) for each bid bought.

    >>> from tandem_sim import clear
    >>> outcome = clear("alexander-b", "common")["common"]
    >>> round(outcome.cost_eur_per_h, 2), outcome.linear.lines
    (385.23, 0)
    >>> sorted(outcome.interface_mw)
    ['D1', 'D2']
    """

    scheme: str
    cost_eur_per_h: float  # procurement from sellers, at their bids
    paid_eur_per_h: dict[str, float]  # by payer, by the pricing rule; net of payments of companies
    demand_mw: float  # bought by companies
    demand_value_eur_per_h: float  # value of these purchases at their bids
    linear: Violations
    ac: Violations
    unserved_imbalance_mw: float
    unqualified_pct: dict[int, float] | None  # by direction, None without prequalification
    interface_mw: dict[str, float]
    cleared: list[tuple[str, str, float]]  # (bid id, market, MW)
    information: dict[str, int]  # shared between operators, by kind
    seconds: float
    left_out: tuple[str, ...] = ()  # areas whose DSO never accepted the merit order list
    reactive: tuple[tuple[str, float], ...] | None = None  # (bid id, Mvar), None where none is offered
    reactive_cost_eur_per_h: float = 0.0  # of reactive power, not part of the cost above
    allocation: dict[str, dict[str, float]] = field(default_factory=dict)  # rule -> operator -> EUR/h

    @property
    def net_cost_eur_per_h(self) -> float:
        """Procurement cost minus the value of what companies bought."""
        return self.cost_eur_per_h - self.demand_value_eur_per_h

    def as_dict(self, common_cost: float | None) -> dict[str, Any]:
        """The JSON entry of `tandem clear`; inefficiency is relative to the common market's cost."""
        result: dict[str, Any] = {
            "scheme": self.scheme,
            "cost_eur_per_h": self.cost_eur_per_h,
            "inefficiency_pct": inefficiency_pct(self.net_cost_eur_per_h, common_cost),
            **_violations(self.linear),
            "unserved_imbalance_mw": self.unserved_imbalance_mw,
        }
        if self.unqualified_pct is not None:
            result["unqualified_up_pct"] = self.unqualified_pct[UP]
            result["unqualified_down_pct"] = self.unqualified_pct[DOWN]
        if self.demand_mw:
            result["demand_mw"] = self.demand_mw
            result["demand_value_eur_per_h"] = self.demand_value_eur_per_h
        if self.left_out:
            result["left_out"] = list(self.left_out)
        if self.reactive is not None:
            result["reactive"] = [{"bid_id": b, "quantity_mvar": q} for b, q in self.reactive]
            result["reactive_cost_eur_per_h"] = self.reactive_cost_eur_per_h
        if self.allocation:
            result["allocation_eur_per_h"] = self.allocation
        return {
            **result,
            "paid_eur_per_h": self.paid_eur_per_h,
            "ac": {**_violations(self.ac), "diverged_grids": self.ac.diverged},
            "information": self.information,
            "interface_mw": self.interface_mw,
            "cleared": [{"bid_id": b, "market": market, "quantity_mw": q} for b, market, q in self.cleared],
            "seconds": self.seconds,
        }


def inefficiency_pct(cost: float, common_cost: float | None) -> float | None:
    """``(J - J_common) / |J_common|`` in percent (ALEXANDER D3.3, 4.1.3); None where it is not defined."""
    return (
        None if common_cost is None or common_cost == 0.0 else 100.0 * (cost - common_cost) / abs(common_cost)
    )


def clear_case(case: Case, scheme: Scheme) -> Outcome:
    """Clear `case` under `scheme`, and check the distribution grids after activation."""
    states, ledger = open_case(case, scheme)
    start = time.perf_counter()
    with admitting(case.admitted_eur_per_mwh):
        information = run_scheme(scheme, states, ledger, forecasts_by_gate(case, states))
    seconds = time.perf_counter() - start
    linear, ac, interface = Violations(), Violations(), {}
    bought = {name: bought_mvar(area, states.area(name)) for name, area in case.areas.items()}
    for name, area in case.areas.items():
        dp = area.bids.injection_mw(ledger.sold(name), area.network.n_nodes)
        dq = area.reactive.injection_mw(bought[name], area.network.n_nodes)
        linear = linear.worst_with(rows_with(area, dq).after(dp).violations())
        state = area.power_flow.solve(area.network.p_mw + dp, area.network.q_mvar + dq)
        ac = ac.worst_with(ac_violations(state, area.rows))
        interface[name] = area.network.interface_mw - float(dp.sum())
    books = _books(case)
    value = {s: np.where(b.demand, b.signed_price, 0.0) @ ledger.sold(s) for s, b in books.items()}
    total = sum(float(b.signed_price @ ledger.sold(s)) for s, b in books.items())
    served = -sum(float(value[s]) for s in books)
    return Outcome(
        scheme=scheme.name,
        cost_eur_per_h=total + served,
        paid_eur_per_h=paid_by_operator(scheme, ledger),
        demand_mw=sum(float(ledger.sold(s)[b.demand].sum()) for s, b in books.items()),
        demand_value_eur_per_h=served,
        linear=linear,
        ac=ac,
        unserved_imbalance_mw=ledger.unserved_mw(),
        unqualified_pct=_unqualified(states),
        interface_mw=interface,
        cleared=_cleared(books, ledger),
        information=information.counts,
        seconds=seconds,
        left_out=tuple(k for k, s in states.areas.items() if s.knows("accepted") and not s.accepted),
        reactive=_reactive(case, bought),
        reactive_cost_eur_per_h=sum(float(a.reactive.price @ bought[name]) for name, a in case.areas.items()),
    )


def bought_mvar(area: CaseArea, state: AreaState) -> FloatArray:
    """Mvar of each offer of reactive power (n,) that the DSO of an area has bought."""
    return state.reactive_mvar if state.knows("reactive_mvar") else np.zeros(len(area.reactive))


def rows_with(area: CaseArea, dq_mvar: FloatArray) -> GridConstraints:
    """Constraints of an area's base state with purchased reactive power (N,) Mvar, ratings included."""
    if not dq_mvar.any():
        return area.rows
    network, operator_model = area.network, OperatorModel(area.lin, area.power_flow, area.offset)
    rows = operator_model.rows(network.p_mw, network.q_mvar + dq_mvar)
    return area.rows.after_reactive(dq_mvar) if rows is None else rows


def forecasts_by_gate(case: Case, states: OperatorState) -> Callable[[str], None]:
    """A function that updates the states of operators at a gate: forecasts of the case up to this gate.

    A DSO also includes the reactive power that it has bought.
    """
    passed: list[str] = []

    def at_gate(gate: str) -> None:
        for earlier in GATES[len(passed) : GATES.index(gate) + 1]:
            passed.append(earlier)
            if earlier not in case.forecasts:
                continue
            now = case.forecasts[earlier]
            if now.tso is not None:
                states.update(TSO, now.tso)
            for name, entries in now.areas.items():
                area, bought = case.areas[name], bought_mvar(case.areas[name], states.area(name))
                dq = area.reactive.injection_mw(bought, area.network.n_nodes)
                expected = entries.forecast
                states.update(
                    name, area.entries(expected.p_mw, expected.q_mvar, dq) if bought.any() else entries
                )

    return at_gate


def open_case(case: Case, scheme: Scheme) -> tuple[OperatorState, Ledger]:
    """States and ledger of a case, with the entries that `scheme` reads beside books and grids."""
    states, ledger = open_states(
        case.transmission, case.tso_bids, {k: (a.rows_with_margins, a.bids) for k, a in case.areas.items()}
    )
    for name, area in case.areas.items():
        network = area.network
        if any(scheme.reads(f"area.{entry}") for entry in ("scheduled", "power_flow", "ac_limits")):
            states.update(name, area.entries(network.p_mw, network.q_mvar))
        if scheme.reads("area.zones"):
            states.update(name, AreaState(zones=_study(area) if area.zones is None else area.zones))
        if scheme.reads("area.reactive_bids"):
            states.update(name, AreaState(reactive_bids=area.reactive))
    return states, ledger


def _study(area: CaseArea) -> Zones:
    """Zones of an area, with its injections as those of the peak and its bids as the registered capacity."""
    network = area.network
    load, generation = np.minimum(network.p_mw, 0.0), np.maximum(network.p_mw, 0.0)
    worst = worst_cases(area.lin, load, generation, network.q_mvar)
    no_commitment = dict.fromkeys((UP, DOWN), np.zeros(network.n_nodes))
    return Zones(fitting_nodes(worst, registered_mw(area.bids, network.n_nodes), no_commitment))


def allocate(case: Case, scheme: Scheme) -> dict[str, dict[str, float]]:
    """The cost of a market of all operators shared among them, by each rule: rule -> operator -> EUR/h.

    The Shapley value only for up to `MOST_OPERATORS` operators; empty for other schemes than ``common``.
    """
    if scheme.name != "common":
        return {}
    states, ledger = open_case(case, scheme)
    fresh, _ = open_case(case, scheme)
    with admitting(case.admitted_eur_per_mwh):
        run_scheme(scheme, states, ledger, forecasts_by_gate(case, states))
        forecasts_by_gate(case, fresh)("tso_clear")
        found = {"duals": by_duals(states.tso.balancing, states.tso.need)}
        if len(states) <= MOST_OPERATORS:
            found["shapley"] = shapley(coalition_costs(fresh))
    return found


def _books(case: Case) -> dict[str, Bids]:
    return {TSO: case.tso_bids, **{k: a.bids for k, a in case.areas.items()}}


def paid_by_operator(scheme: Scheme, ledger: Ledger) -> dict[str, float]:
    """Payments of each operator (EUR/h) under the scheme's pricing rule."""
    buyer = {block.name: block.buyer for block in scheme.blocks}
    paid: dict[str, float] = {}
    for market, systems in ledger.paid.items():
        for system, amounts in systems.items():
            payer = system if buyer[market] == "dso" else TSO
            paid[payer] = paid.get(payer, 0.0) + float(amounts.sum())
    return paid


def _unqualified(states: OperatorState) -> dict[int, float] | None:
    held = [area.qualified for area in states.areas.values() if area.knows("qualified")]
    if not held:
        return None
    result = {}
    for direction in (UP, DOWN):
        offered = sum(h[direction][0] for h in held)
        qualified = sum(h[direction][1] for h in held)
        result[direction] = 100.0 * (1.0 - qualified / offered) if offered > 0 else 0.0
    return result


def _cleared(books: Mapping[str, Bids], ledger: Ledger) -> list[tuple[str, str, float]]:
    return [
        (str(books[system].bid_id[k]), market, float(mw[k]))
        for market, systems in ledger.markets.items()
        for system, mw in systems.items()
        for k in np.flatnonzero(mw > 0)
    ]


def _reactive(case: Case, bought_mvar: Mapping[str, FloatArray]) -> tuple[tuple[str, float], ...] | None:
    """Purchased quantity of each offer of reactive power (Mvar); None without such offers."""
    if not any(len(area.reactive) for area in case.areas.values()):
        return None
    return tuple(
        (str(area.reactive.bid_id[k]), float(bought_mvar[name][k]))
        for name, area in case.areas.items()
        for k in np.flatnonzero(bought_mvar[name] > 0)
    )


def _violations(v: Violations) -> dict[str, float | None]:
    worst = v.max_overload_pct if np.isfinite(v.max_overload_pct) else None  # a branch rated zero
    return {
        "congested_lines": v.lines,
        "max_overload_pct": worst,
        "voltage_violations": v.buses,
        "max_voltage_violation_pct": v.max_voltage_pct,
    }
