"""Offers that a check by DSOs blocks, their effect on limits, and limits broken nevertheless.

A run with a check is compared with the run without one, same world and seed. All is counted by ISP, area and
direction. A **limit is broken by activation** in an ISP and area where it holds had nothing been activated
(as the key figure `violated_isps_created` counts it), and **made worse** where the worst overload is larger
by more than `WORSE_PP` than it would have been. Of what a check blocks (MWh),

* what the TSO did not call in the run without the check was **not asked for**: the rest of blocked B is the
  smaller of B and of what was called there;
* of that rest, what lies in an ISP and area in which the run without the check broke no limit by activation,
  nor made one worse, was **harmless** (a false alarm), the other part **harmful**.

The two runs part as activations move later load: what is said of single ISPs is exact at the beginning only,
and a good approximation on average. Own definitions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tandem_sim.experiments.api import Run
from tandem_sim.experiments.results.kpis import NARROWING
from tandem_sim.experiments.studies.paired.points import share
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.sim.settlement.accounts import buyer_of_market

WORSE_PP = 0.1
"""Percentage points of the rating by which an overload must grow to count as worse."""
PLACE = ["isp", "system"]
KEYS = [*PLACE, "direction"]
REFUSED = "post_qualify"
WAYS = {"up": UP, "down": DOWN}


def offers_of(bid_checks: pd.DataFrame, bids: pd.DataFrame, clearings: pd.DataFrame) -> pd.DataFrame:
    """By `KEYS` what areas offer the TSO and what DSOs block of it (``offered_mw``, ``blocked_mw``).

    From tables of a run. Offered are the bids after local markets and before a check; without either, the
    book. Blocked are bids that the check does not allow, all bids of an area whose DSO has not accepted the
    merit order list in the end, and awards that are refused afterwards.
    """
    checks = bid_checks[bid_checks.market.isin(NARROWING)]
    if len(checks):
        first, last = checks.groupby(PLACE).first(), checks.groupby(PLACE).last()
        offered = _by_way(first, "offered")
        blocked = offered - _by_way(last, "allowed").where(_by_way(last, "accepted") > 0.0, 0.0)
    elif len(bid_checks):
        offered = _by_way(bid_checks.groupby(PLACE).last(), "allowed")
        blocked = 0.0 * offered
    else:
        rows = bids[(bids.system != TSO) & ~bids.demand.astype(bool)]
        offered = rows.groupby(KEYS).quantity_mw.sum()
        blocked = 0.0 * offered
    refusals = clearings[clearings.market == REFUSED].set_index(PLACE)
    refused = _long(pd.DataFrame({UP: refusals.short_mw, DOWN: refusals.long_mw}))
    found = pd.DataFrame({"offered_mw": offered, "blocked_mw": blocked})
    return found.assign(blocked_mw=blocked.add(refused.reindex(found.index, fill_value=0.0)))


def _by_way(rows: pd.DataFrame, what: str) -> pd.Series:
    """Columns for up and down, or one for both, by `KEYS`."""
    names = {way: f"{what}_{name}_mw" for name, way in WAYS.items()}
    return _long(pd.DataFrame({way: rows.get(name, rows.get(what)) for way, name in names.items()}))


def _long(wide: pd.DataFrame) -> pd.Series:
    found = wide.astype(np.float64).rename_axis(columns="direction").stack(future_stack=True)
    return pd.Series(found)


def called_mw(activations: pd.DataFrame, buyer_of: Mapping[str, str]) -> pd.Series:
    """MW that the TSO calls in areas, by `KEYS`: all its markets and its automatic reserve.

    `buyer_of` maps a market to the party that pays for it.
    """
    rows = activations[(activations.system != TSO) & (activations.market.map(buyer_of) == "tso")]
    return rows.groupby(KEYS).quantity_mw.sum()


def limits_of(grid: pd.DataFrame) -> pd.DataFrame:
    """By ISP and area: ``broken``, ``before`` activation, ``created`` by it, ``worse``, ``rise_pp``.

    `rise_pp` is how much larger the worst overload is than it would have been had nothing been activated
    (percentage points of the rating, zero where it is not).
    """
    area = grid[grid.system != TSO].set_index(PLACE)
    broken = (area.congested_lines > 0) | (area.voltage_violations > 0) | ~area.converged.astype(bool)
    before = (
        (area.base_congested_lines > 0)
        | (area.base_voltage_violations > 0)
        | ~area.base_converged.astype(bool)
    )
    rise = (area.max_overload_pct.fillna(0.0) - area.base_max_overload_pct.fillna(0.0)).clip(lower=0.0)
    return pd.DataFrame(
        {
            "broken": broken,
            "before": before,
            "created": broken & ~before,
            "worse": broken & before & (rise > WORSE_PP),
            "rise_pp": rise,
        }
    )


def blocked_parts(blocked: pd.Series, called: pd.Series, limits: pd.DataFrame) -> pd.DataFrame:
    """Blocked MW by `KEYS` split as at the top: `not_asked`, `harmless`, `harmful`; and `where_safe`.

    `called` and `limits` are those of the run without the check. `where_safe` is all that is blocked in ISPs
    and areas in which that run broke no limit at all, by activation or before it.
    """
    asked = blocked.clip(upper=called.reindex(blocked.index, fill_value=0.0))
    there = limits.reindex(blocked.index.droplevel("direction"))
    harm = (there.created | there.worse).to_numpy(dtype=bool)
    safe = ~there.broken.to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            "not_asked": blocked - asked,
            "harmless": asked.where(~harm, 0.0),
            "harmful": asked.where(harm, 0.0),
            "where_safe": blocked.where(safe, 0.0),
        }
    )


def dropped_parts(called: pd.Series, unchecked: pd.Series, limits: pd.DataFrame) -> pd.DataFrame:
    """MW that the run without the check called and this one does not, by `KEYS`: `harmless` and `harmful`."""
    less = (unchecked - called.reindex(unchecked.index, fill_value=0.0)).clip(lower=0.0)
    there = limits.reindex(less.index.droplevel("direction"))
    harm = (there.created | there.worse).to_numpy(dtype=bool)
    return pd.DataFrame({"harmless": less.where(~harm, 0.0), "harmful": less.where(harm, 0.0)})


def _offers(run: Run) -> pd.DataFrame:
    return offers_of(run["bid_checks"], run["bids"], run["clearings"])


def _called(run: Run) -> pd.Series:
    return called_mw(run["activations"], buyer_of_market(run.scheme))


def figures_of(run: Run, without: Run) -> dict[str, float]:
    """Figures of a run beside the one without the check, of the same seed: energy and EUR a day, shares in %.

    `slipped_h` are hours in which an area has a limit broken by activation or made worse, a day;
    `overload_pct_h` the sum of what overloads have grown by (% of the rating times hours), a day.
    """
    days, hours = run.scenario.days, run.scenario.isp_minutes / 60.0
    offers, limits, base = _offers(run), limits_of(run["grid"]), limits_of(without["grid"])
    unchecked, called = _called(without), _called(run)
    parts = blocked_parts(offers.blocked_mw, unchecked, base).sum()
    dropped = dropped_parts(called, unchecked, base).sum()
    by_way = offers.groupby("direction").sum().reindex([UP, DOWN], fill_value=0.0)
    blocked = float(offers.blocked_mw.sum())
    told = run["messages"]
    slipped, slips = (float((table.created | table.worse).sum()) for table in (limits, base))
    rise, rises = (float(table.rise_pp[table.broken].sum()) for table in (limits, base))
    kpis = run.kpis
    return {
        "offered_mwh": float(offers.offered_mw.sum()) * hours / days,
        **{f"offered_{way}_mwh": float(by_way.offered_mw[d]) * hours / days for way, d in WAYS.items()},
        **{f"blocked_{way}_mwh": float(by_way.blocked_mw[d]) * hours / days for way, d in WAYS.items()},
        **{
            f"blocked_{way}_pct": share(float(by_way.blocked_mw[d]), float(by_way.offered_mw[d]))
            for way, d in WAYS.items()
        },
        "blocked_pct": share(blocked, float(offers.offered_mw.sum())),
        **{f"blocked_{name}_mwh": float(mw) * hours / days for name, mw in parts.items()},
        **{f"blocked_{name}_pct": share(float(mw), blocked) for name, mw in parts.items()},
        "false_alarm_pct": share(float(parts.harmless), float(parts.harmless + parts.harmful)),
        "called_mwh": float(called.sum()) * hours / days,
        "called_less_pct": share(float(dropped.sum()), float(unchecked.sum())),
        "called_less_harmless_pct": share(float(dropped.harmless), float(dropped.sum())),
        "slipped_h": slipped * hours / days,
        "created_h": float(limits.created.sum()) * hours / days,
        "worse_h": float(limits.worse.sum()) * hours / days,
        "before_h": float(limits.before.sum()) * hours / days,
        "broken_h": float(limits.broken.sum()) * hours / days,
        "overload_pct_h": rise * hours / days,
        "worst_rise_pp": float(limits.rise_pp[limits.broken].max()) if limits.broken.any() else 0.0,
        "prevented_pct": share(slips - slipped, slips),
        "prevented_overload_pct": share(rises - rise, rises),
        "cost_eur": kpis["procurement_cost_eur"] / days,
        "activated_mwh": kpis["activated_mwh"] / days,
        "imbalance_before_mwh": kpis["imbalance_before_mwh"] / days,
        "unserved_mwh": kpis["unserved_mwh"] / days,
        "bought_by_dsos_mwh": kpis["bought_by_dsos_mwh"] / days,
        "reserve_bids_stopped": (kpis["reserve_bids_stopped"] or 0) / days,
        "numbers_told_per_isp": float(told.numbers[told.sender.str.startswith("DSO-")].sum()) / kpis["isps"],
    }


def by_hour(run: Run) -> pd.DataFrame:
    """Mean MW offered and blocked by local hour and direction."""
    system = run["system"]
    local = system.time.dt.tz_convert(run.scenario.zone).dt.hour
    hour = pd.Series(local.to_numpy(), system.isp, name="hour")
    rows = _offers(run).reset_index()
    sums = rows.groupby([rows.isp.map(hour).rename("hour"), "direction"])[["offered_mw", "blocked_mw"]].sum()
    return sums.div(hour.value_counts().rename_axis("hour"), axis=0, level="hour").reset_index()
