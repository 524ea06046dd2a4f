"""KPIs of low-voltage feeders and non-firm connections. Every key names its unit."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tandem_sim.markets.services.substitution import SUBSTITUTION

KEYS = (
    "lv_unsafe_without_limits_pct",
    "lv_unsafe_with_limits_pct",
    "lv_unsafe_pct",
    "lv_unsafe_by_activation_pct",
    "lv_offers_left_up_pct",
    "lv_offers_left_down_pct",
    "limits_activated",
    "limits_unsolved",
    "limited_contract_hours",
    "most_activations",
    "withheld_mwh",
    "lost_mwh",
    "shed_mwh",
    "blocked_energy_mwh",
    "blocked_reserve_mwh",
    "reserve_undelivered_mwh",
    "reserve_opened_mwh",
    "substituted_by_portfolio_mwh",
    "substituted_by_aggregators_mwh",
    "substituted_by_tso_mwh",
    "tso_substitution_cost_eur",
    "aggregator_substitution_cost_eur",
    "non_firm_compensation_eur",
    "curtailment_traded_mwh",
)


def non_firm_kpis(tables: dict[str, pd.DataFrame], hours: float) -> dict[str, Any]:
    """All of `KEYS`; None if a run has no low-voltage feeders.

    Shares of unsafe feeders are of feeder-ISPs, each from the state at the end of the ISP before: without
    activation and without limits, without activation and with limits, as delivered, and unsafe by activation
    only. Offers left under limits are the energy offered by the feeders' devices with contracts, in percent
    of that without.
    """
    lv, acts, substitution = tables["low_voltage"], tables["non_firm"], tables["substitution"]
    if not len(lv):
        return dict.fromkeys(KEYS)
    offers = lv[["offer_up_kw", "free_offer_up_kw", "offer_down_kw", "free_offer_down_kw"]].sum()
    paid = tables["settlement"].groupby("kind").amount_eur.sum()
    bought = tables["activations"]
    replaced = bought[bought.market == SUBSTITUTION]
    replacement = (replaced.direction * replaced.price_eur_per_mwh * replaced.quantity_mw).sum() * hours
    trades = tables["curtailment_trades"]
    sums = substitution.drop(columns=["time", "isp", "provider", "direction"]).sum() * hours
    return {
        "lv_unsafe_without_limits_pct": _pct(~lv.unconstrained_safe),
        "lv_unsafe_with_limits_pct": _pct(~lv.base_safe),
        "lv_unsafe_pct": _pct(~lv.safe),
        "lv_unsafe_by_activation_pct": _pct(lv.base_safe & ~lv.safe),
        "lv_offers_left_up_pct": _share(offers.offer_up_kw, offers.free_offer_up_kw),
        "lv_offers_left_down_pct": _share(offers.offer_down_kw, offers.free_offer_down_kw),
        "limits_activated": int((acts.contracts > 0).sum()),
        "limits_unsolved": _unsolved(acts),
        "limited_contract_hours": float(lv.active_contracts.sum() * hours),
        "most_activations": int(acts.most_used.max()) if len(acts) else 0,
        "withheld_mwh": float(lv.withheld_kwh.sum() / 1000.0),
        "shed_mwh": float(lv.shed_kwh.sum() / 1000.0),
        "lost_mwh": float(tables["system"].limits_lost_mwh.sum()),
        "blocked_energy_mwh": float(sums.energy_blocked_mw),
        "blocked_reserve_mwh": float(sums.reserve_blocked_mw),
        "reserve_undelivered_mwh": float(sums.reserve_undelivered_mw),
        "reserve_opened_mwh": float(sums.tso_called_mw),
        "substituted_by_portfolio_mwh": float(sums.portfolio_mw),
        "substituted_by_aggregators_mwh": float(sums.aggregators_mw),
        "substituted_by_tso_mwh": float(replaced.quantity_mw.sum() * hours),
        "tso_substitution_cost_eur": float(replacement),
        "aggregator_substitution_cost_eur": float(paid.get("substitution", 0.0)),
        "non_firm_compensation_eur": float(paid.get("non-firm compensation", 0.0)),
        "curtailment_traded_mwh": float(trades.kw.sum() / 1000.0 * hours),
    }


def _unsolved(acts: pd.DataFrame) -> int:
    """Feeders, and areas once an ISP, that contracts did not bring within their limits."""
    solved = acts.solved.astype(bool)
    feeders = int((~solved & (acts.cause == "feeder")).sum())
    areas = acts[acts.cause == "area"].assign(solved=solved).groupby(["isp", "dso"]).solved.any()
    return feeders + int((~areas).sum())


def _pct(found: pd.Series) -> float:
    return 100.0 * float(found.mean())


def _share(part: float, whole: float) -> float | None:
    return 100.0 * float(part) / float(whole) if whole > 0 else None
