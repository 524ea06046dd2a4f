"""A day under every scheme: who sells to whom, and what a scheme is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.markets.schemes import SCHEMES
from tests.sim import conftest
from tests.sim.conftest import table

HOURLY: dict[str, Any] = {**conftest.HOURLY, "seed": 1}
HALF_HOURLY: dict[str, Any] = {**conftest.HALF_HOURLY, "seed": 1}
"""A day on which the TSO is short and calls households in many ISPs."""

Runs = Callable[..., Path]
TIGHT = [
    {
        "id": "D1",
        "grid": "case69",
        "load_scale": 0.2,
        "interface_bus": 4,
        "other_profile": ["G0-A"],
        "ratings_mva": {"line 4": 0.25, "line 50": 0.02, "line 60": 0.03},
    },
]


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_every_scheme_runs_a_day_and_its_tables_agree(small_run: Runs, scheme: str) -> None:
    run = small_run(scheme=scheme, **HOURLY)
    system, activations, orders = (table(run, name) for name in ("system", "activations", "bids"))
    assert len(system) == 24
    assert system.notna().all().all()
    sold = activations.groupby(["isp", "bid_id"]).quantity_mw.sum()
    offered = orders.set_index(["isp", "bid_id"]).quantity_mw
    assert (sold <= offered.loc[sold.index] + 1e-9).all()
    up = (
        activations[activations.direction > 0]
        .groupby("isp")
        .quantity_mw.sum()
        .reindex(range(24), fill_value=0.0)
    )
    np.testing.assert_allclose(up, system.activated_up_mw, atol=1e-9)


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"fragmented", "shared-balancing"}))
def test_balancing_draws_on_distribution_where_the_scheme_lets_it(small_run: Runs, scheme: str) -> None:
    activations = table(small_run(scheme=scheme, **HOURLY), "activations")
    markets = ["tso_market", "common_market", "integrated_market", "translate_bids"]
    bought = activations[activations.market.isin(markets)]
    assert (bought.system == "D1").sum() > 50


def test_balancing_reduces_the_imbalance(small_run: Runs) -> None:
    system = table(small_run(scheme="common", **HOURLY), "system")
    before, after = system.imbalance_before_mw.abs().mean(), system.imbalance_after_mw.abs().mean()
    assert before > 1.0
    assert after < 0.3 * before  # what is left is the error of the forecast at the gate, and shortfalls


@pytest.mark.parametrize("scheme", ["fragmented", "shared-balancing"])
def test_schemes_may_leave_distribution_out_of_the_tso_market(small_run: Runs, scheme: str) -> None:
    activations = table(small_run(scheme=scheme, **HOURLY), "activations")
    assert set(activations[activations.market == "tso_market"].system) == {"T"}


def test_areas_hold_their_schedule_where_balancing_is_shared(small_run: Runs) -> None:
    run = small_run(scheme="shared-balancing", **HALF_HOURLY)
    activations, messages = table(run, "activations"), table(run, "messages")
    local = activations[activations.market == "dso_balancing"]
    plain = table(small_run(scheme="fragmented", **HALF_HOURLY), "activations")
    # The DSO buys the deviation of its area from the BRP's schedule, not only against congestion.
    assert local.quantity_mw.sum() > 2.0 * plain[plain.market == "dso_market"].quantity_mw.sum()

    # As forecast 55 minutes ahead, the flow at the boundary ends nearer its schedule than in `fragmented`.
    def deviation(folder: Path) -> float:
        settlement = table(folder, "settlement")
        brp = settlement[(settlement.kind == "imbalance") & (settlement.payee == "BRP-D1")]
        bought = table(folder, "activations")
        net = (bought.direction * bought.quantity_mw)[bought.system == "D1"].groupby(bought.isp).sum() * 0.5
        own = brp.groupby("isp").quantity_mwh.sum().reindex(range(48), fill_value=0.0)
        return float((own + net.reindex(range(48), fill_value=0.0)).abs().mean())

    assert deviation(run) < 0.5 * deviation(small_run(scheme="fragmented", **HALF_HOURLY))
    assert ((messages.kind == "Schedule") & (messages.receiver == "DSO-D1")).sum() == 1  # one day


def test_companies_buy_and_pay_in_the_integrated_market(small_run: Runs) -> None:
    run = small_run(scheme="integrated", **HOURLY)
    settlement, orders = table(run, "settlement"), table(run, "bids")
    bought = settlement[settlement.kind == "purchase"]
    assert set(bought.payee) == {"BRP-T", "BRP-D1"}
    assert set(orders[orders.demand].provider) == {"BRP-T", "BRP-D1"}
    imbalance = settlement[(settlement.kind == "imbalance") & settlement.payee.str.startswith("BRP")]
    alone = table(small_run(scheme="common", **HOURLY), "settlement")
    before = alone[(alone.kind == "imbalance") & alone.payee.str.startswith("BRP")]
    # What they bought they no longer lack.
    assert imbalance.quantity_mwh.abs().sum() < 0.6 * before.quantity_mwh.abs().sum()


def test_a_merit_order_list_is_negotiated_in_rounds(small_run: Runs) -> None:
    messages = table(small_run(scheme="hybrid", **HOURLY), "messages")
    to_dso = messages[
        (messages.kind == "State") & (messages.sender == "TSO") & (messages.receiver == "DSO-D1")
    ]
    lists = to_dso.groupby("isp").size()
    assert lists.min() >= 2  # at least one list, and the award
    assert table(small_run(scheme="hybrid", **HOURLY), "rejections").empty


@pytest.mark.parametrize("pricing", ["pay-as-cleared", "locational"])
def test_uniform_prices_pay_sellers_more_and_call_the_same_bids(small_run: Runs, pricing: str) -> None:
    as_bid = small_run(scheme="common", **HOURLY)
    other = small_run(scheme="common", pricing=pricing, **HOURLY)
    first, second = table(as_bid, "activations"), table(other, "activations")
    pd.testing.assert_frame_equal(first, second)
    paid = [
        s[s.kind == "activation"].amount_eur.sum()
        for s in (table(as_bid, "settlement"), table(other, "settlement"))
    ]
    assert paid[1] > 1.005 * paid[0]


def test_red_zones_stay_out_of_the_market(small_run: Runs) -> None:
    # D1's study leaves some nodes red: they bid, and are never called for balancing.
    study = {"study": {"region": "wallonia"}}  # which exempts nobody
    static = small_run(
        scheme="central-02",
        grid_prequalification="static",
        distribution=TIGHT,
        flexibility_register=study,
        **HOURLY,
    )
    ours, offered = table(static, "activations"), table(static, "bids")
    up = offered[(offered.system == "D1") & (offered.direction > 0)]
    called = set(ours[(ours.system == "D1") & (ours.direction > 0)].node)
    free = table(small_run(scheme="central-01", distribution=TIGHT, **HOURLY), "activations")
    sold = set(free[(free.system == "D1") & (free.direction > 0)].node)
    assert called < sold <= set(up.node)


def test_limits_checked_by_power_flow_let_less_through(small_run: Runs) -> None:
    # Without margins, in a model without losses, what is let through is too much.
    given = {"scheme": "central-02", "distribution": TIGHT, "forecast": {"mape": 0.0}, **HOURLY}
    exact = {"offset": "linear", "flow_margin": 0.0, "voltage_margin_pu": 0.0}
    runs = {check: small_run(dso={**exact, "envelope_check": check}, **given) for check in ("none", "ac")}
    kept = {check: table(run, "bid_checks") for check, run in runs.items()}
    for way in ("up", "down"):
        assert kept["ac"][f"allowed_{way}_mw"].sum() <= kept["none"][f"allowed_{way}_mw"].sum() + 1e-9
    assert kept["ac"].allowed_down_mw.sum() < 0.999 * kept["none"].allowed_down_mw.sum()
    grid = table(runs["ac"], "grid")
    area = grid[grid.system == "D1"]
    assert (area.max_overload_pct <= area.base_max_overload_pct + 0.05).all()


def test_what_is_broken_is_mended_unless_the_tso_need_not(small_run: Runs) -> None:
    # Nobody errs, so what activation does to limits is what the scheme makes of them.
    given = {"distribution": TIGHT, "forecast": {"mape": 0.0}, **HOURLY}
    areas = {}
    for scheme in ("central-03", "central-03-relaxed"):
        grid = table(small_run(scheme=scheme, **given), "grid")
        areas[scheme] = grid[grid.system == "D1"]
    mended, left = areas.values()
    assert mended.base_max_overload_pct.sum() > 10.0
    assert mended.max_overload_pct.sum() < 0.5 * mended.base_max_overload_pct.sum()
    assert left.base_max_overload_pct.sum() > 10.0
    np.testing.assert_allclose(left.max_overload_pct, left.base_max_overload_pct, atol=0.05)


def test_central_03_is_the_common_market_but_for_its_name(small_run: Runs) -> None:
    runs = [small_run(scheme=scheme, **HOURLY) for scheme in ("central-03", "common")]
    for path in sorted(runs[0].glob("*.parquet")):
        one, other = (table(run, path.stem) for run in runs)
        pd.testing.assert_frame_equal(one.replace("tso_market", "common_market"), other)


def test_a_local_market_keeps_its_area_balanced(small_run: Runs) -> None:
    run = small_run(scheme="multilevel-01", **HOURLY)
    activations, clearings = table(run, "activations"), table(run, "clearings")
    local = activations[activations.market == "dso_market"]
    assert len(local) > 0
    net = (local.direction * local.quantity_mw).groupby(local.isp).sum()
    left = clearings[clearings.market == "dso_market"].set_index("isp")
    np.testing.assert_allclose(net, (left.long_mw - left.short_mw).loc[net.index], atol=1e-7)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_need_is_awards_and_what_is_unserved(small_run: Runs, scheme: str) -> None:
    run = small_run(scheme=scheme, **HOURLY)
    activations, rows = table(run, "activations"), table(run, "clearings")
    wanted = rows[rows.market.isin(["tso_market", "common_market", "integrated_market", "dso_balancing"])]
    assert (wanted.need_mw.abs() > 1e-3).mean() > 0.9
    rows["market"] = rows.market.replace("post_qualify", "tso_market")  # its refusals are of that market
    local = rows.market.isin(["dso_market", "corrective_market", "dso_balancing", "translate_bids"])
    rows["place"] = rows.system.where(local, "all")
    activations["place"] = activations.system.where(activations.market.isin(rows.market[local]), "all")
    keys = ["isp", "market", "place"]
    rows["served"] = rows.need_mw - rows.short_mw + rows.long_mw - rows.exchange_mw
    net = (activations.direction * activations.quantity_mw).groupby([activations[k] for k in keys]).sum()
    served = rows.groupby(keys).served.sum()
    assert set(net.index) <= set(served.index)
    np.testing.assert_allclose(net.reindex(served.index, fill_value=0.0), served, atol=1e-6)
    left = (rows.short_mw + rows.long_mw).groupby(rows.isp).sum()
    np.testing.assert_allclose(table(run, "system").unserved_mw, left, atol=1e-9)
