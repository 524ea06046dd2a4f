"""Market power in a run, compared with the same world with truthful bids of all sellers.

Both runs have the same seed, so demand, weather, forecasts and devices are the same. They differ in the bids
and in the consequences: the states of batteries, cars and buildings depend on earlier calls. A difference
between the runs is therefore the whole effect of strategic bidding over the horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tandem_sim.experiments.market_power.payers import consumer_cost, other_receipts_eur, procurement_eur
from tandem_sim.experiments.market_power.sellers import by_isp, convergence, seller_figures, with_asked
from tandem_sim.experiments.market_power.structure import (
    markets_of,
    pivotal,
    pivotal_isps,
    residual_supply,
    structure,
)
from tandem_sim.experiments.results.statistics import difference
from tandem_sim.experiments.run_folder.manifest import MANIFEST, read_kpis, read_market_manifest, scheme_in
from tandem_sim.experiments.run_folder.tables import read_table
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.coordination.description import SchemeDescription

SAFETY = ("violated_isps", "violated_isps_created", "unserved_mwh")
"""KPIs that are reported with every cost."""
READ = {
    "sellers": "time isp system provider direction available_mw offered_mw sold_mw price_eur_per_mwh "
    "cost_eur_per_mwh offered_cost_eur_per_mwh received_eur_per_h cost_eur_per_h",
    "activations": "isp market system provider direction quantity_mw price_eur_per_mwh",
    "settlement": "payer payee kind amount_eur",
    "schedules": "unit p_mw price_eur_per_mwh cost_eur_per_h",
}
"""Tables that figures are computed from, and the columns they need."""


@dataclass(frozen=True, kw_only=True)
class PowerRun:
    """Data of a run folder: its tables, that of sellers with the column `asked_eur_per_h`."""

    manifest: Mapping[str, Any]
    kpis: Mapping[str, Any]
    sellers: pd.DataFrame
    activations: pd.DataFrame
    settlement: pd.DataFrame
    schedules: pd.DataFrame

    @property
    def hours(self) -> float:
        """Length of an ISP."""
        return float(self.manifest["scenario"]["isp_minutes"]) / 60.0

    @property
    def scheme(self) -> SchemeDescription:
        """The coordination scheme of the run."""
        return scheme_in(self.manifest, MANIFEST, self.manifest["scheme"])

    @property
    def areas(self) -> list[str]:
        """Distribution areas, in the order of the scenario."""
        return [area["id"] for area in self.manifest["scenario"]["distribution"]]

    @cached_property
    def residual(self) -> pd.DataFrame:
        """Rows of `residual_supply` of all markets."""
        markets = markets_of(self.scheme, self.areas)
        parts = [residual_supply(m, self.sellers, self.activations) for m in markets]
        return pd.concat(parts, ignore_index=True)

    @property
    def resource_cost_eur(self) -> float:
        """True cost of all MW sold and of all schedules of units, EUR."""
        sold, scheduled = self.sellers.cost_eur_per_h.sum(), self.schedules.cost_eur_per_h.sum()
        return float(sold + scheduled) * self.hours

    @property
    def day_ahead_margin_eur(self) -> dict[str, float]:
        """Day-ahead revenue of each unit above the true cost of its schedule, EUR."""
        rows = self.schedules
        margin = (rows.p_mw * rows.price_eur_per_mwh - rows.cost_eur_per_h) * self.hours
        return {str(unit): float(eur) for unit, eur in margin.groupby(rows.unit).sum().items()}


def read_power_run(run: Path) -> PowerRun:
    """Read a run folder. Raises `InputError` if tables or columns are missing."""
    manifest, kpis = read_market_manifest(run), read_kpis(run, SAFETY)
    tables = {name: read_table(run, name, columns.split()) for name, columns in READ.items()}
    tables["sellers"] = with_asked(tables["sellers"], tables["activations"])
    return PowerRun(manifest=manifest, kpis=kpis, **tables)


def power_of(run: Path, truthful: Path, reference: Path | None = None) -> dict[str, Any]:
    """Market power in `run`, compared with `truthful`: the same scenario and seed with all bids at cost.

    Keys: `as_bid` and `truthful`, the figures of both (see `figures_of`), `difference`, the first less the
    second, and `inefficiency`: `by_strategy_eur` is what MW sold and schedules of units truly cost more than
    under the truth, `by_scheme_eur` what they cost more, all at the truth, than in the run `reference` under
    another scheme (None without one). Neither is a gain where it is negative and more limits are broken or
    more need is unserved: `safety` stands beside them in all three. Raises `InputError` for folders that do
    not belong together.
    """
    bid, truth = read_power_run(run), read_power_run(truthful)
    other = read_power_run(reference) if reference is not None else None
    _comparable(run, bid, truth, ("scheme", "seed"))
    if other is not None:
        _comparable(run, bid, other, ("seed",))
    first, second = figures_of(bid), figures_of(truth)
    by_scheme = None if other is None else truth.resource_cost_eur - other.resource_cost_eur
    return {
        "scheme": bid.manifest["scheme"],
        "seed": bid.manifest["seed"],
        "as_bid": first,
        "truthful": second,
        "difference": difference(first, second),
        "inefficiency": {
            "by_strategy_eur": bid.resource_cost_eur - truth.resource_cost_eur,
            "by_scheme_eur": by_scheme,
            "reference_safety": None if other is None else {key: other.kpis[key] for key in SAFETY},
        },
        "convergence": {
            name: convergence(rows, bid.manifest["scenario"]["zone"])
            for name, rows in _by_provider(bid.sellers).items()
        },
    }


def _comparable(run: Path, one: PowerRun, two: PowerRun, keys: tuple[str, ...]) -> None:
    """Raise an `InputError` for runs of different worlds, or that differ in one of these `keys`."""
    for key in (*keys, "world"):
        mine, other = one.manifest.get(key), two.manifest.get(key)
        if key == "world":
            mine, other = (found.get("id") if isinstance(found, dict) else None for found in (mine, other))
        if mine != other:
            raise InputError(
                str(run),
                key,
                f"is {mine}, and {other} in the run it is compared with",
                "Give runs that match",
            )


def _by_provider(sellers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): rows for name, rows in sellers.groupby("provider")}


def figures_of(run: PowerRun) -> dict[str, Any]:
    """Figures of one run: all sellers, each of them, markets, payers, cost and safety.

    `total` and `sellers` by name (see `seller_figures`, with `day_ahead_margin_eur` of units, what they earn
    on their schedules, `earned_eur`, both together, `other_receipts_eur` from capacity, imbalance and
    penalties, and ISPs in which a seller is `pivotal_isps` by market), `markets` by name and direction
    (`structure`), `procurement_eur` by operator, `day_ahead_bill_eur` (what units are paid for their
    schedules, no part of it), `consumer_cost` (`consumer_cost`), `resource_cost_eur` at true costs, `safety`.
    """
    beside, margin = other_receipts_eur(run.settlement), run.day_ahead_margin_eur
    sellers = {
        name: {
            **_with_day_ahead(seller_figures(rows, run.hours), margin.get(name, 0.0)),
            "other_receipts_eur": beside.get(name, 0.0),
            "pivotal_isps": pivotal_isps(run.residual, name),
        }
        for name, rows in _by_provider(run.sellers).items()
    }
    return {
        "total": {
            **_with_day_ahead(seller_figures(run.sellers, run.hours), sum(margin.values())),
            "other_receipts_eur": sum(one["other_receipts_eur"] for one in sellers.values()),
        },
        "sellers": sellers,
        "markets": {
            market.name: structure(run.residual[run.residual.market == market.name], run.hours)
            for market in markets_of(run.scheme, run.areas)
        },
        "procurement_eur": procurement_eur(run.settlement, run.areas),
        "day_ahead_bill_eur": float((run.schedules.p_mw * run.schedules.price_eur_per_mwh).sum()) * run.hours,
        "consumer_cost": consumer_cost(run.settlement, run.areas),
        "resource_cost_eur": run.resource_cost_eur,
        "safety": {key: run.kpis[key] for key in SAFETY},
    }


def _with_day_ahead(figures: dict[str, Any], margin_eur: float) -> dict[str, Any]:
    """Figures of a seller with its day-ahead margin and its total earnings."""
    earned = figures["profit_eur"] + margin_eur
    return {**figures, "day_ahead_margin_eur": margin_eur, "earned_eur": earned}


def power_by_isp(run: Path, truthful: Path) -> pd.DataFrame:
    """One row per ISP and seller of `run`: columns of `by_isp`, and the comparison with truthful bids.

    `profit_above_truthful_eur` is the difference, of awards alone; `rsi_min` the seller's lowest residual
    supply index over the markets and directions that buy in the ISP (nan: none), `pivotal` whether that is
    below 1.
    """
    bid, truth = read_power_run(run), read_power_run(truthful)
    _comparable(run, bid, truth, ("scheme", "seed"))
    rows = by_isp(bid.sellers, bid.hours)
    truthful_eur = by_isp(truth.sellers, truth.hours).profit_eur.reindex(rows.index, fill_value=0.0)
    rows.insert(1, "profit_above_truthful_eur", rows.profit_eur - truthful_eur)
    keys = ["isp", "provider"]
    rows["rsi_min"] = bid.residual.groupby(keys).rsi.min().reindex(rows.index)
    rows["pivotal"] = pivotal(bid.residual).groupby([bid.residual[k] for k in keys]).any()
    rows["pivotal"] = rows.pivotal.eq(True)  # nothing bought: not pivotal
    rows = rows.reset_index()
    rows.insert(0, "seed", bid.manifest["seed"])
    rows.insert(0, "scheme", bid.manifest["scheme"])
    return rows
