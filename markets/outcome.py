"""One case through one scheme: cost, safety and volumes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from grids.rows import Violations, ac_violations
from markets.auctions import unserved_mw
from markets.bids import DOWN, UP
from markets.blocks import TSO, Scheme, carry
from markets.case import Case
from markets.houses import open_houses
from markets.ledger import Ledger
from markets.programme import Cleared


@dataclass(frozen=True)
class Outcome:
    """What a scheme did to a case. `linear` and `ac` count the violations of all distribution grids."""

    scheme: str
    cost_eur_per_h: float
    linear: Violations
    ac: Violations
    unserved_imbalance_mw: float
    unqualified_pct: dict[int, float] | None  # by direction, None without prequalification
    interface_mw: dict[str, float]
    cleared: list[tuple[str, str, float]]  # (bid id, layer, MW)
    seconds: float

    def as_dict(self, common_cost: float | None) -> dict[str, Any]:
        """The JSON entry of `tandem clear`; inefficiency is against the common market's cost."""
        result: dict[str, Any] = {
            "scheme": self.scheme,
            "cost_eur_per_h": self.cost_eur_per_h,
            "inefficiency_pct": inefficiency_pct(self.cost_eur_per_h, common_cost),
            **_violations(self.linear),
            "unserved_imbalance_mw": self.unserved_imbalance_mw,
        }
        if self.unqualified_pct is not None:
            result["unqualified_up_pct"] = self.unqualified_pct[UP]
            result["unqualified_down_pct"] = self.unqualified_pct[DOWN]
        return {
            **result,
            "ac": {**_violations(self.ac), "diverged_grids": self.ac.diverged},
            "interface_mw": self.interface_mw,
            "cleared": [{"bid_id": b, "layer": layer, "quantity_mw": q} for b, layer, q in self.cleared],
            "seconds": self.seconds,
        }


def inefficiency_pct(cost: float, common_cost: float | None) -> float | None:
    """``(J - J_common) / |J_common|`` in percent (ALEXANDER D3.3, 4.1.3); None where it is not defined."""
    return (
        None if common_cost is None or common_cost == 0.0 else 100.0 * (cost - common_cost) / abs(common_cost)
    )


def clear_case(case: Case, scheme: Scheme) -> Outcome:
    """Carry `case` through `scheme` and look at the distribution grids afterwards."""
    start = time.perf_counter()
    houses, ledger = open_houses(
        case.transmission, case.tso_bids, {k: (a.rows, a.bids) for k, a in case.areas.items()}
    )
    carry(scheme, houses, ledger)
    seconds = time.perf_counter() - start
    linear, ac, interface = Violations(), Violations(), {}
    for name, area in case.areas.items():
        dp = area.bids.injection_mw(ledger.sold(name), area.network.n_nodes)
        linear = linear.worst_with(area.rows.after(dp).violations())
        state = area.power_flow.solve(area.network.p_mw + dp, area.network.q_mvar)
        ac = ac.worst_with(ac_violations(state, area.rows))
        interface[name] = area.network.interface_mw - float(dp.sum())
    return Outcome(
        scheme.name,
        _cost(case, ledger),
        linear,
        ac,
        _unserved(houses),
        _unqualified(houses),
        interface,
        _cleared(case, ledger),
        seconds,
    )


def _cost(case: Case, ledger: Ledger) -> float:
    areas = sum(float(a.bids.signed_price @ ledger.sold(k)) for k, a in case.areas.items())
    return areas + float(case.tso_bids.signed_price @ ledger.sold(TSO))


def _unserved(houses: dict[str, dict[str, Any]]) -> float:
    answers: list[Cleared] = [houses[TSO]["balancing"]] if "balancing" in houses[TSO] else []
    return unserved_mw(answers)


def _unqualified(houses: dict[str, dict[str, Any]]) -> dict[int, float] | None:
    held = [values["qualified"] for values in houses.values() if "qualified" in values]
    if not held:
        return None
    result = {}
    for direction in (UP, DOWN):
        offered = sum(h[direction][0] for h in held)
        qualified = sum(h[direction][1] for h in held)
        result[direction] = 100.0 * (1.0 - qualified / offered) if offered > 0 else 0.0
    return result


def _cleared(case: Case, ledger: Ledger) -> list[tuple[str, str, float]]:
    books = {TSO: case.tso_bids, **{k: a.bids for k, a in case.areas.items()}}
    return [
        (str(books[system].bid_id[k]), layer, float(mw[k]))
        for layer, systems in ledger.layers.items()
        for system, mw in systems.items()
        for k in np.flatnonzero(mw > 0)
    ]


def _violations(v: Violations) -> dict[str, float]:
    return {
        "congested_lines": v.lines,
        "max_overload_pct": v.max_overload_pct,
        "voltage_violations": v.buses,
        "max_voltage_violation_pct": v.max_voltage_pct,
    }
