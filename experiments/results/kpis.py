"""KPIs of a run, from its tables. Every key names its unit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tandem_sim.experiments.results.kpis_conflicts import conflict_kpis
from tandem_sim.experiments.results.kpis_non_firm import non_firm_kpis
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW, SUM_ROUNDING_SHARE
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.flexibility_register import SOLD_TWICE
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.payments import FOR_ENERGY, RESERVE
from tandem_sim.sim.assembly.agents import TSO_NAME

NARROWING = ("prequalify", "validate_mol")
"""Blocks in which a DSO checks bids before the TSO buys: it allows a part of them."""

NO_LOCAL_MARKET = ("translate_bids", "post_qualify")
"""Blocks of a DSO that serve or correct purchases of the TSO; the DSO buys nothing for itself in them."""


READ: dict[str, list[str] | None] = {
    "system": None,
    "schedules": ["isp", "ramp_excess_mw"],
    "grid": None,
    "settlement": ["payer", "payee", "kind", "amount_eur"],
    "clearings": ["system", "market", "penalty_eur_per_h"],
    "messages": ["numbers"],
    "rejections": ["bid_id", "reason"],
    "reserve": ["terminated_bids"],
    "reserve_volumes": None,
    "bid_checks": None,
    "capacity": None,
    "flexibility_register": ["event"],
    "baselines": None,
    "amendments": ["reason"],
    "low_voltage": None,
    "non_firm": None,
    "substitution": None,
    "curtailment_trades": ["kw"],
    "conflicts": None,
    "units": None,
}
"""Tables that KPIs are computed from, and their columns (None: all). A year has millions of rows."""


def kpis_of(run: Path, given: Collection[str] = ()) -> dict[str, Any]:
    """Read the tables of a run folder and compute its KPIs.

    `given` names the prices that the scenario gives, ``day_ahead`` and ``imbalance``.
    """
    tables = {
        name: pd.read_parquet(run / f"{name}.parquet", columns=columns) for name, columns in READ.items()
    }
    tables["activations"] = _activations(run)
    system = tables["system"]
    hours = _isp_hours(system)
    return {
        "day_ahead_price_given": int("day_ahead" in given),
        "imbalance_price_given": int("imbalance" in given),
        "isps": len(system),
        **_procurement(tables["settlement"], tables["activations"], hours),
        **_safety(tables["grid"]),
        **_balance(system, hours),
        **_money(tables["settlement"]),
        "isps_beyond_ramps": int(tables["schedules"].query("ramp_excess_mw > 0").isp.nunique()),
        "losses_mwh": float(tables["grid"].loc[tables["grid"].system != TSO, "losses_mw"].sum() * hours),
        "curtailed_mwh": float(system.curtailed_mwh.sum()),
        "delivered_pct": _share(float(system.delivered_mwh.sum()), float(system.ordered_mwh.sum())),
        **_held_back(tables["bid_checks"], hours),
        "reserve_bids_stopped": int(tables["reserve"].terminated_bids.sum())
        if len(tables["reserve"])
        else None,
        **_capacity(tables["capacity"], tables["settlement"], hours),
        "qualifications_withdrawn": int((tables["flexibility_register"].event == "withdrawn").sum()),
        "double_selling_refused": int((tables["rejections"].reason == SOLD_TWICE).sum()),
        "bids_amended": int((tables["amendments"].reason == "").sum()),
        "baseline_error_pct": _baseline_error_pct(tables["baselines"], tables["activations"]),
        "fallbacks": _rows(run, "fallbacks"),
        "numbers_shared": int(tables["messages"].numbers.sum()),
        "bids": _rows(run, "bids"),
        "rejected_bids": int((tables["rejections"].bid_id != "").sum()),
        "messages": len(tables["messages"]),
        "local_markets_short_of_flexibility": _short(tables["clearings"]),
        "flow_error_max_mw": float(tables["grid"].loc[tables["grid"].system != TSO, "flow_error_mw"].max()),
        "dc_flow_error_max_mw": float(
            tables["grid"].loc[tables["grid"].system == TSO, "flow_error_mw"].max()
        ),
        "voltage_error_max_pu": float(tables["grid"].voltage_error_pu.max()),
        **non_firm_kpis(tables, hours),
        **conflict_kpis(tables["conflicts"], tables["units"]),
        **left_to_tso(tables["bid_checks"], hours),
        **reserves_apart(tables, hours),
        **reserve_followed(tables["reserve_volumes"]),
    }


def _activations(run: Path) -> pd.DataFrame:
    """Activations summed over ISPs and bids, at their mean price; read group by group."""
    keys = ["system", "market", "direction"]
    file = pq.ParquetFile(run / "activations.parquet")
    parts = []
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, [*keys, "quantity_mw", "price_eur_per_mwh"]).to_pandas()
        rows["eur_per_h"] = rows.quantity_mw * rows.price_eur_per_mwh
        parts.append(rows.groupby(keys)[["quantity_mw", "eur_per_h"]].sum())
    sums: pd.DataFrame = pd.concat(parts).groupby(level=keys).sum().reset_index()
    sums["price_eur_per_mwh"] = sums.pop("eur_per_h") / sums.quantity_mw
    return sums


def _rows(run: Path, table: str) -> int:
    """Number of rows of a table, without reading it."""
    return int(pq.read_metadata(run / f"{table}.parquet").num_rows)


def _short(clearings: pd.DataFrame) -> int | None:
    """Local auctions that could not keep every limit; None if there are no local markets."""
    local = clearings[(clearings.system != TSO) & ~clearings.market.isin(NO_LOCAL_MARKET)]
    return int((local.penalty_eur_per_h > 1.0).sum()) if len(local) else None


def _held_back(validation: pd.DataFrame, hours: float) -> dict[str, Any]:
    """Offers to the TSO that bid checks of DSOs did not allow: MWh and share; None without bid checks."""
    held = held_back_mwh(validation, hours)
    first = validation[validation.market.isin(NARROWING)].groupby(["isp", "system"]).first()
    offered = float((first.offered_up_mw + first.offered_down_mw).sum()) * hours
    return {"held_back_mwh": held, "held_back_pct": None if held is None else _share(held, offered)}


def held_back_mwh(validation: pd.DataFrame, hours: float) -> float | None:
    """Offers to the TSO that bid checks of DSOs did not allow (MWh); None without bid checks."""
    rows = validation[validation.market.isin(NARROWING)].groupby(["isp", "system"])
    if not len(rows):
        return None
    first, last = rows.first(), rows.last()  # as offered, and as left after the last round
    offered = float((first.offered_up_mw + first.offered_down_mw).sum())
    held = float(
        (first.offered_up_mw + first.offered_down_mw - last.allowed_up_mw - last.allowed_down_mw).sum()
    )
    if abs(held) <= SUM_ROUNDING_SHARE * offered:  # the rounding error of the sums
        return 0.0
    return held * hours


def left_to_tso(validation: pd.DataFrame, hours: float) -> dict[str, float | None]:
    """Offers in areas (MWh, up and down) that are left to the TSO after purchases and checks of DSOs.

    From the table `bid_checks`: the offers of every area after its last block. None without such a block:
    then all offers are left (`central-01`, `multilevel-05`) or none (`fragmented`), and the table has no row
    for them.
    """
    if not len(validation):
        return {"left_to_tso_mwh": None, "left_to_tso_pct": None}
    rows = validation.groupby(["isp", "system"])
    first, last = rows.first(), rows.last()
    offered = float((first.offered_up_mw + first.offered_down_mw).sum()) * hours
    left = float((last.allowed_up_mw + last.allowed_down_mw).sum()) * hours
    return {"left_to_tso_mwh": left, "left_to_tso_pct": _share(left, offered)}


def reserves_apart(tables: dict[str, pd.DataFrame], hours: float) -> dict[str, float | None]:
    """Cost of aFRR and mFRR to the TSO (EUR): energy and capacity, without penalties for unavailability.

    Energy is None without an automatic reserve, because all energy is then one product. mFRR is all energy
    that the TSO buys except aFRR and substitution. Capacity is None if none is bought.
    """
    acts, capacity, money = tables["activations"], tables["capacity"], tables["settlement"]
    afrr_energy = mfrr_energy = None
    if len(tables["reserve"]):
        eur = (acts.direction * acts.price_eur_per_mwh * acts.quantity_mw * hours).groupby(acts.market).sum()
        paid = money[money.kind.isin(FOR_ENERGY) & (money.payer == TSO_NAME)]
        afrr_energy = float(paid[paid.kind == RESERVE].amount_eur.sum())
        mfrr_energy = float(paid.amount_eur.sum()) - afrr_energy - float(eur.get(SUBSTITUTION, 0.0))
    ready = (capacity.pay_eur_per_h * hours)[capacity.operator == TSO_NAME].groupby(capacity.service).sum()
    return {
        "afrr_energy_cost_eur": afrr_energy,
        "mfrr_energy_cost_eur": mfrr_energy,
        "afrr_capacity_cost_eur": float(ready.get("aFRR", 0.0)) if len(capacity) else None,
        "mfrr_capacity_cost_eur": float(ready.get("mFRR", 0.0)) if len(capacity) else None,
    }


def reserve_followed(volumes: pd.DataFrame) -> dict[str, float | None]:
    """Quality of reserve delivery by the five-minute comparisons; None if nothing was requested.

    The share of requested energy in comparisons outside the band, and the share of the time of stable periods
    in which the mean delivery was less than requested.
    """
    requested, stable = volumes.requested_mwh, volumes.stable_s
    short = volumes.stable_delivered_mw < volumes.stable_requested_mw - NEGLIGIBLE_MW
    return {
        "reserve_outside_band_pct": _share(
            float(requested[~volumes.within_band.astype(bool)].sum()), float(requested.sum())
        ),
        "reserve_short_when_stable_pct": _share(float(stable[short].sum()), float(stable.sum())),
    }


def _capacity(capacity: pd.DataFrame, settlement: pd.DataFrame, hours: float) -> dict[str, Any]:
    """Capacity obligations, parts not offered or held back by DSOs, and charges; None without capacity."""
    paid = settlement.groupby("kind").amount_eur.sum()
    charges = {
        "capacity_cost_eur": float(paid.get("capacity", 0.0) - paid.get("unavailability", 0.0)),
        "shortfall_charges_eur": float(paid.get("shortfall", 0.0)),
    }
    if not len(capacity):
        none = ("capacity_obligation_mwh", "capacity_missing_mwh", "capacity_blocked_mwh")
        return {**charges, "capacity_cost_eur": None, **dict.fromkeys(none)}
    missing = (capacity.obligation_mw - capacity.offered_mw).clip(lower=0.0)
    reached = capacity.fulfilled_mw.clip(upper=capacity.obligation_mw)
    return {
        **charges,
        "capacity_obligation_mwh": float(capacity.obligation_mw.sum() * hours),
        "capacity_missing_mwh": float(missing.sum() * hours),
        "capacity_blocked_mwh": float(
            (capacity.obligation_mw - missing - reached).clip(lower=0.0).sum() * hours
        ),
    }


def _baseline_error_pct(baselines: pd.DataFrame, activations: pd.DataFrame) -> dict[str, float | None]:
    """Mean absolute error of baseline methods, in percent of the activated energy that they cover.

    That energy is the energy activated in distribution times the share of readings that the method covers.
    """
    if not len(baselines):
        return {}
    sums = baselines.groupby("method")[["absolute_error_mw", "covered", "meters"]].sum()
    activated = float(activations[activations.system != TSO].quantity_mw.sum())
    return {
        str(method): _share(row.absolute_error_mw, activated * row.covered / row.meters)
        if row.covered
        else None
        for method, row in sums.iterrows()
    }


def _isp_hours(system: pd.DataFrame) -> float:
    """Length of an ISP, from the labels of the first two."""
    return float((system.time.iloc[1] - system.time.iloc[0]) / pd.Timedelta(hours=1))


def _procurement(settlement: pd.DataFrame, activations: pd.DataFrame, hours: float) -> dict[str, Any]:
    bought = settlement[settlement.kind.isin(FOR_ENERGY)]
    by_operator = bought.groupby("payer").amount_eur.sum()
    energy = activations.quantity_mw * hours
    from_der = activations.system != TSO
    total = float(by_operator.sum())
    return {
        "procurement_cost_eur": total,
        "procurement_cost_by_operator_eur": {str(k): float(v) for k, v in by_operator.items()},
        "activated_mwh": float(energy.sum()),
        "activated_from_distribution_mwh": float(energy[from_der].sum()),
        "procurement_cost_eur_per_mwh": total / float(energy.sum()) if energy.sum() > 0 else None,
    }


def _safety(grid: pd.DataFrame) -> dict[str, Any]:
    area = grid[grid.system != TSO]
    broken = (area.congested_lines > 0) | (area.voltage_violations > 0) | ~area.converged
    before = (
        (area.base_congested_lines > 0)
        | (area.base_voltage_violations > 0)
        | ~area.base_converged.astype(bool)
    )
    return {
        "violated_isps": int(area[broken].isp.nunique()),
        "violated_isps_before_activation": int(area[before].isp.nunique()),
        "violated_isps_created": int(area[broken & ~before].isp.nunique()),
        "violated_isps_by_grid": {str(k): int(v) for k, v in broken.groupby(area.system).sum().items()},
        "line_violations": int(area.congested_lines.sum()),
        "max_overload_pct": float(area.max_overload_pct.max()),
        "voltage_violations": int(area.voltage_violations.sum()),
        "max_voltage_violation_pct": float(area.max_voltage_violation_pct.max()),
        "diverged_power_flows": int((~grid.converged).sum()),
    }


def _balance(system: pd.DataFrame, hours: float) -> dict[str, Any]:
    return {
        "imbalance_before_mwh": float(system.imbalance_before_mw.abs().sum() * hours),
        "imbalance_after_mwh": float(system.imbalance_after_mw.abs().sum() * hours),
        "unserved_mwh": float(system.unserved_mw.sum() * hours),
        "imbalance_price_mean_eur_per_mwh": float(system.imbalance_price_short_eur_per_mwh.mean()),
    }


def _money(settlement: pd.DataFrame) -> dict[str, Any]:
    received = settlement.groupby("payee").amount_eur.sum()
    paid = settlement.groupby("payer").amount_eur.sum()
    net = received.sub(paid, fill_value=0.0)
    group = {
        "aggregators": net[net.index.str.fullmatch(r"A\d+")],
        "brps": net[net.index.str.startswith("BRP-")],
        "households": net[net.index == "households"],
    }
    return {f"net_{name}_eur": float(values.sum()) for name, values in group.items()}


def _share(part: float, whole: float) -> float | None:
    return 100.0 * part / whole if whole > 0 else None
