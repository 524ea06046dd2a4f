"""KPIs of conflicts between operators, and of the sales of units. Every key names its unit."""

from __future__ import annotations

from typing import Any

import pandas as pd

KEYS = (
    "bought_by_dsos_mwh",
    "bought_by_dsos_isps",
    "conflict_isps",
    "conflict_undone_at_node_mwh",
    "conflict_undone_at_node_pct",
    "conflict_undone_at_node_eur",
    "conflict_undone_on_unit_mwh",
    "conflict_undone_on_unit_pct",
    "conflict_undone_on_unit_eur",
    "round_trips",
    "round_trip_mwh",
    "units_sold",
    "stacking_units",
    "stacking_revenue_pct",
)


def conflict_kpis(conflicts: pd.DataFrame, units: pd.DataFrame) -> dict[str, Any]:
    """All of `KEYS`, from the tables that `tandem_sim.experiments.run_folder.conflicts` computes.

    Shares undone are of all MWh that DSOs buy, None if they buy nothing. An ISP counts once, whatever the
    number of nodes. A unit stacks services if it has revenue from more than one.
    """
    sums, revenue = conflicts.sum(numeric_only=True), units.filter(like="_revenue_eur")
    stacks = (revenue > 0.0).sum(axis=1) > 1
    bought, earned = float(sums.bought_mwh), float(revenue.to_numpy().sum())
    return {
        "bought_by_dsos_mwh": bought,
        "bought_by_dsos_isps": int(conflicts.isp.nunique()),
        "conflict_isps": int(conflicts.isp[conflicts.undone_at_node_mwh > 0.0].nunique()),
        "conflict_undone_at_node_mwh": float(sums.undone_at_node_mwh),
        "conflict_undone_at_node_pct": _pct(sums.undone_at_node_mwh, bought),
        "conflict_undone_at_node_eur": float(sums.undone_at_node_eur),
        "conflict_undone_on_unit_mwh": float(sums.undone_on_unit_mwh),
        "conflict_undone_on_unit_pct": _pct(sums.undone_on_unit_mwh, bought),
        "conflict_undone_on_unit_eur": float(sums.undone_on_unit_eur),
        "round_trips": int(units.round_trips.sum()),
        "round_trip_mwh": float(units.round_trip_mwh.sum()),
        "units_sold": len(units),
        "stacking_units": int(stacks.sum()),
        "stacking_revenue_pct": _pct(revenue[stacks].to_numpy().sum(), earned),
    }


def _pct(part: float, whole: float) -> float | None:
    return 100.0 * float(part) / whole if whole > 0.0 else None
