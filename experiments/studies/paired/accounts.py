"""Balancing energy, true cost and payments of a run, from its tables, for runs of a study.

In an ISP the system would be out of balance by ``b`` MW had nothing been activated (positive: a surplus), so
``n = -b`` is needed. Markets that go by forecasts activate ``a`` MW net (up less down), and the automatic
reserve ``r`` of what they leave. Of ``a``,

    useful    what goes the way of n, and no further than n
    unneeded  |a| - useful: bought in one direction, and needed in the other or not at all
    wrong     |a| where it goes against n (a part of what is unneeded)
    missing   |n| - useful
    countered what the reserve undoes of it in the same ISP: min(|a|, |r|) where their signs differ

so that |n - a| = missing + unneeded is left to the reserve. What the reserve leaves is small; it is closed
here at the cheapest bids of units and large loads on transmission that are left, so that the energy of two
runs can be compared. Own definitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.experiments.market_power.measure import PowerRun, read_power_run
from tandem_sim.experiments.market_power.payers import consumer_cost
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.markets.clearing.purposes import BALANCING
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.settlement.payments import PURCHASE, PURCHASE_MAKE_WHOLE, RESERVE

KPIS = (
    "procurement_cost_eur",
    "afrr_energy_cost_eur",
    "activated_mwh",
    "activated_from_distribution_mwh",
    "unserved_mwh",
    "delivered_pct",
    "violated_isps",
    "violated_isps_created",
    "max_overload_pct",
    "reserve_bids_stopped",
    "bought_by_dsos_mwh",
    "conflict_undone_at_node_mwh",
)
"""Key figures that are taken over as they are."""
PURCHASES = (PURCHASE, PURCHASE_MAKE_WHOLE)


def figures(run: Path) -> dict[str, float]:
    """All figures of a run folder in which everybody bids the truth; nan where there is nothing to divide by.

    Energy in MWh, money in EUR over the run; payments are what a party pays less what it gets.
    ``tso_and_closing_eur`` is what the TSO pays were the closing its own, ``sellers_eur`` what sellers keep
    of all that TSO, DSOs and BRPs pay once their true cost is taken off.
    """
    power = read_power_run(run)
    system, clearings, grid = (
        pd.read_parquet(run / f"{name}.parquet") for name in ("system", "clearings", "grid")
    )
    bids = pd.read_parquet(run / "bids.parquet", filters=[("system", "==", T)])
    hours = power.hours
    closed = closing(system.set_index("isp").imbalance_after_mw, bids, power.activations) * hours
    closing_eur = float(closed.eur.sum())
    cost, paid = true_cost(power, closing_eur), payments(power.settlement, power.areas)
    return {
        **{name: _number(power.kpis[name]) for name in KPIS},
        **balance(system, power.activations, hours),
        "closing_mwh": float(closed.mwh.sum()),
        "closing_beyond_bids_mwh": float(closed.beyond_mwh.sum()),
        "closing_eur": closing_eur,
        **cost,
        **drawn(power, system, hours),
        **paid,
        "tso_and_closing_eur": paid["tso_eur"] + closing_eur,
        "sellers_eur": sum(paid.values()) - cost["called_eur"] - cost["households_eur"],
        **companies(power.settlement, bids, system, hours),
        **prices(clearings),
        **relief(power.activations, grid, hours),
    }


def balance(system: pd.DataFrame, activations: pd.DataFrame, hours: float) -> dict[str, float]:
    """MWh over the run of what stands at the top of this module, and shares (%) of what markets bought.

    `system` and `activations` as the tables; `hours` is the length of an ISP.
    """
    need = -system.imbalance_before_mw.to_numpy(dtype=np.float64)
    net = activations.direction * activations.quantity_mw
    reserve = activations.market == RESERVE
    bought, called = (
        net[rows]
        .groupby(activations.isp)
        .sum()
        .reindex(system.isp, fill_value=0.0)
        .to_numpy(dtype=np.float64)
        for rows in (~reserve, reserve)
    )
    useful = np.clip(np.sign(need) * bought, 0.0, np.abs(need))
    energy = float(np.abs(bought).sum()) * hours
    against = np.where(bought * called < 0.0, np.minimum(np.abs(bought), np.abs(called)), 0.0)
    parts = {
        "unneeded": float((np.abs(bought) - useful).sum()) * hours,
        "wrong": float(np.abs(bought[need * bought < 0.0]).sum()) * hours,
        "countered": float(against.sum()) * hours,
    }
    return {
        "imbalance_before_mwh": float(np.abs(need).sum()) * hours,
        "bought_mwh": energy,
        **{f"{name}_mwh": mwh for name, mwh in parts.items()},
        **{f"{name}_pct": 100.0 * mwh / energy if energy > 0.0 else np.nan for name, mwh in parts.items()},
        "missing_mwh": float((np.abs(need) - useful).sum()) * hours,
        "left_mwh": float(np.abs(need - bought).sum()) * hours,
        "reserve_up_mwh": float(called.clip(min=0.0).sum()) * hours,
        "reserve_down_mwh": float((-called).clip(min=0.0).sum()) * hours,
        "imbalance_after_mwh": float(system.imbalance_after_mw.abs().sum()) * hours,
    }


def closing(after_mw: pd.Series, orders: pd.DataFrame, activations: pd.DataFrame) -> pd.DataFrame:
    """What it takes to close the imbalance of every ISP with bids on transmission that nobody has called.

    `after_mw` by ISP (positive: a surplus), `orders` and `activations` as the tables. Of bids that are left
    the cheapest go first (down: the best paying); what exceeds them all is valued at the last one. A row per
    ISP: ``mwh`` and ``beyond_mwh`` (of it, beyond all bids) for an ISP of an hour, and ``eur``, what it costs
    (less than nothing where bids down pay).
    """
    called = activations[activations.system == T].groupby(["isp", "bid_id"]).quantity_mw.sum()
    book = orders[(orders.system == T) & ~orders.demand]
    book = book[book.direction == -np.sign(book.isp.map(after_mw))]
    keys = pd.MultiIndex.from_frame(book[["isp", "bid_id"]])
    left = np.maximum(book.quantity_mw.to_numpy() - called.reindex(keys, fill_value=0.0).to_numpy(), 0.0)
    book = book.assign(left_mw=left, signed=book.direction * book.price_eur_per_mwh)
    book = book.sort_values(["isp", "signed", "bid_id"])
    wanted = after_mw.abs()
    if missing := sorted(set(wanted.index[wanted > NEGLIGIBLE_MW]) - set(book.isp)):
        raise ValueError(f"ISP {missing[0]}: no bid on transmission could close {wanted[missing[0]]:g} MW")
    cheaper = book.groupby("isp").left_mw.cumsum() - book.left_mw
    taken = np.clip(book.isp.map(wanted) - cheaper, 0.0, book.left_mw)
    by_isp = pd.DataFrame({"mwh": taken, "eur": taken * book.signed}).groupby(book.isp).sum()
    by_isp = by_isp.reindex(wanted.index, fill_value=0.0)
    beyond = (wanted - by_isp.mwh).clip(lower=0.0)
    last = book.groupby("isp").signed.last().reindex(wanted.index, fill_value=0.0)
    return pd.DataFrame({"mwh": wanted, "beyond_mwh": beyond, "eur": by_isp.eur + beyond * last})


def true_cost(power: PowerRun, closing_eur: float) -> dict[str, float]:
    """What generation and flexibility cost those who have them, EUR.

    Of units and large loads on transmission their schedules and what was called of them, of households what
    they delivered, and what closes the system.
    """
    scheduled = float(power.schedules.cost_eur_per_h.sum()) * power.hours
    called = float(power.sellers[power.sellers.system == T].cost_eur_per_h.sum()) * power.hours
    households = float(power.settlement[power.settlement.kind == "household cost"].amount_eur.sum())
    return {
        "scheduled_eur": scheduled,
        "called_eur": called,
        "households_eur": households,
        "true_cost_eur": scheduled + called + households + closing_eur,
    }


def drawn(power: PowerRun, system: pd.DataFrame, hours: float) -> dict[str, float]:
    """Energy that all loads have drawn in the end, and the mean day-ahead price to value a difference at.

    Two runs with the same loads differ in the energy drawn if batteries, cars and buildings end with
    different energy content. ``drawn_mwh`` is all energy generated, with the energy that closes the system,
    less curtailed solar energy.
    """
    on_t = power.activations[power.activations.system == T]
    called = float((on_t.direction * on_t.quantity_mw).sum())
    generated = float(power.schedules.p_mw.sum()) + called - float(system.imbalance_after_mw.sum())
    return {
        "drawn_mwh": generated * hours - float(system.curtailed_mwh.sum()),
        "day_ahead_eur_per_mwh": float(system.day_ahead_price_eur_per_mwh.mean()),
    }


def extra_cost(rows: pd.DataFrame, references: pd.DataFrame) -> pd.Series:
    """What runs truly cost more than their references, EUR, energy left in stores taken off.

    Rows as of `figures`, one for one. What a run has drawn more stands in stores, and is worth the mean
    day-ahead price of the reference.
    """
    more = rows.drawn_mwh.to_numpy() - references.drawn_mwh.to_numpy()
    worth = more * references.day_ahead_eur_per_mwh.to_numpy()
    difference = rows.true_cost_eur.to_numpy() - references.true_cost_eur.to_numpy()
    return pd.Series(difference - worth, rows.index)


def payments(settlement: pd.DataFrame, areas: Sequence[str]) -> dict[str, float]:
    """What TSO, DSOs and BRPs pay in the end, EUR: all they pay less all they get."""
    by_party: Mapping[str, float] = consumer_cost(settlement, areas)["by_party_eur"]
    return {
        "tso_eur": by_party["TSO"],
        "dsos_eur": sum(by_party[f"DSO-{area}"] for area in areas),
        "brps_eur": sum(by_party[f"BRP-{area}"] for area in [T, *areas]),
    }


def companies(
    settlement: pd.DataFrame, orders: pd.DataFrame, system: pd.DataFrame, hours: float
) -> dict[str, float]:
    """How BRPs cover their imbalances: bought in the market, or settled at the imbalance price.

    MWh are sums of sizes over ISPs and BRPs, EUR what BRPs pay for them. ``above_day_ahead_eur`` is what both
    cost more than the same energy did day-ahead: what it costs BRPs to be off their schedules.
    """
    rows = settlement[settlement.payee.str.startswith("BRP-")]
    bought, settled = rows[rows.kind.isin(PURCHASES)], rows[rows.kind == "imbalance"]
    both = pd.concat([bought, settled])
    price = both.isp.map(system.set_index("isp").day_ahead_price_eur_per_mwh)
    wanted = float(orders[orders.demand].quantity_mw.sum()) * hours
    energy = float(bought.quantity_mwh.abs().sum())
    return {
        "wanted_mwh": wanted,
        "purchased_mwh": energy,
        "purchased_pct": 100.0 * energy / wanted if wanted > 0.0 else float("nan"),
        "purchases_eur": -float(bought.amount_eur.sum()),
        "settled_mwh": float(settled.quantity_mwh.abs().sum()),
        "settled_eur": -float(settled.amount_eur.sum()),
        "above_day_ahead_eur": float((price * both.quantity_mwh - both.amount_eur).sum()),
    }


def prices(clearings: pd.DataFrame) -> dict[str, float]:
    """Mean price of the market of the whole system by direction, and the mean size of the TSO's need (MW).

    Prices are weighted by the net award; those of ISPs in which limits were broken are scarcity prices.
    """
    rows = clearings[clearings.system == T]
    net = rows.need_mw - rows.short_mw + rows.long_mw - rows.exchange_mw
    means = {}
    for name, side in (("price_up_eur_per_mwh", 1.0), ("price_down_eur_per_mwh", -1.0)):
        weight = (side * net).clip(lower=0.0)
        total = float(weight.sum())
        paid = float((rows.price_eur_per_mwh * weight).sum())
        means[name] = paid / total if total > 0.0 else float("nan")
    return {"tso_need_mw": float(rows.need_mw.abs().mean()), **means}


def relief(activations: pd.DataFrame, grid: pd.DataFrame, hours: float) -> dict[str, float]:
    """Energy called in areas against limits (MWh), and how much of it where none would have been broken.

    ``relief_missed`` counts pairs of ISP and area whose limits broke while nothing had been called. DSOs
    buy by forecasts and keep a margin, so some relief is unneeded under perfect forecasts too.
    """
    against = activations[(activations.system != T) & (activations.purpose != BALANCING)]
    keys = ["isp", "system"]
    called = against.groupby(keys).quantity_mw.sum()
    area = grid[grid.system != T].set_index(keys)
    base = (area.base_congested_lines > 0) | (area.base_voltage_violations > 0)
    base |= ~area.base_converged.astype(bool)
    after = (area.congested_lines > 0) | (area.voltage_violations > 0) | ~area.converged
    mwh = called.reindex(area.index, fill_value=0.0) * hours
    total, unneeded = float(mwh.sum()), float(mwh[~base].sum())
    return {
        "relief_mwh": total,
        "relief_unneeded_mwh": unneeded,
        "relief_unneeded_pct": 100.0 * unneeded / total if total > 0.0 else float("nan"),
        "relief_missed": float((base & after & (mwh <= NEGLIGIBLE_MW)).sum()),
    }


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
