from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.markets.schemes import SCHEMES
from tests.sim.conftest import hashes, small_scenario, table

Runs = Callable[..., Path]
TIGHT = [
    {"id": "D1", "grid": "case69", "load_scale": 0.2, "interface_bus": 4, "other_profile": ["G0-A"],
     "ratings_mva": {"line 4": 0.25, "line 50": 0.02, "line 60": 0.03}},
]  # fmt: skip


def test_same_scenario_and_seed_give_the_same_bytes(small_run: Runs) -> None:
    assert hashes(small_run(label="first")) == hashes(small_run(label="second"))


def test_the_quicker_solver_writes_the_same_tables(small_run: Runs) -> None:
    assert hashes(small_run(solver="highspy")) == hashes(small_run())


def test_the_order_in_which_agents_and_processes_are_created_changes_nothing(small_run: Runs) -> None:
    backwards = small_run(arrange=lambda things: list(reversed(things)), label="backwards")
    assert hashes(backwards) == hashes(small_run(label="first"))


def test_another_seed_gives_another_week(small_run: Runs) -> None:
    assert hashes(small_run(seed=8)) != hashes(small_run(label="first"))


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_every_scheme_runs_a_day_and_its_tables_agree(small_run: Runs, scheme: str) -> None:
    run = small_run(scheme=scheme)
    system, activations, orders = (table(run, name) for name in ("system", "activations", "orders"))
    assert len(system) == 96
    assert system.notna().all().all()
    sold = activations.groupby(["isp", "bid_id"]).quantity_mw.sum()
    offered = orders.set_index(["isp", "bid_id"]).quantity_mw
    assert (sold <= offered.loc[sold.index] + 1e-9).all()
    up = (
        activations[activations.direction > 0]
        .groupby("isp")
        .quantity_mw.sum()
        .reindex(range(96), fill_value=0.0)
    )
    np.testing.assert_allclose(up, system.activated_up_mw, atol=1e-9)


@pytest.mark.parametrize("scheme", ["central-01", "multilevel-03"])
def test_money_is_conserved_and_activations_are_paid_as_bid(small_run: Runs, scheme: str) -> None:
    run = small_run(scheme=scheme)
    settlement, activations = table(run, "settlement"), table(run, "activations")
    net = (
        settlement.groupby("payee")
        .amount_eur.sum()
        .sub(settlement.groupby("payer").amount_eur.sum(), fill_value=0.0)
    )
    assert abs(net.sum()) < 1e-6
    owed = (activations.direction * activations.quantity_mw * activations.price_eur_per_mwh).sum() * 0.25
    assert settlement[settlement.kind == "activation"].amount_eur.sum() == pytest.approx(owed, abs=1e-6)


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"fragmented", "shared-balancing"}))
def test_balancing_draws_on_distribution_where_the_scheme_lets_it(small_run: Runs, scheme: str) -> None:
    activations = table(small_run(scheme=scheme), "activations")
    layers = ["tso_market", "common_market", "integrated_market", "translate_bids"]
    bought = activations[activations.layer.isin(layers)]
    assert (bought.system == "D1").sum() > 50


def test_balancing_reduces_the_imbalance(small_run: Runs) -> None:
    system = table(small_run(scheme="common"), "system")
    before, after = system.imbalance_before_mw.abs().mean(), system.imbalance_after_mw.abs().mean()
    assert before > 1.0
    assert after < 0.3 * before  # what is left is the error of the forecast at the gate, and shortfalls


@pytest.mark.parametrize("scheme", ["fragmented", "shared-balancing"])
def test_schemes_may_leave_distribution_out_of_the_tso_market(small_run: Runs, scheme: str) -> None:
    activations = table(small_run(scheme=scheme), "activations")
    assert set(activations[activations.layer == "tso_market"].system) == {"T"}


def test_areas_hold_their_schedule_where_balancing_is_shared(small_run: Runs) -> None:
    run = small_run(scheme="shared-balancing")
    activations, messages = table(run, "activations"), table(run, "messages")
    local = activations[activations.layer == "dso_balancing"]
    plain = table(small_run(scheme="fragmented"), "activations")
    # The DSO buys the deviation of its area from the BRP's schedule, not only against congestion.
    assert local.quantity_mw.sum() > 2.0 * plain[plain.layer == "dso_market"].quantity_mw.sum()

    # As forecast 55 minutes ahead, the flow at the boundary ends nearer its schedule than in `fragmented`.
    def deviation(folder: Path) -> float:
        settlement = table(folder, "settlement")
        brp = settlement[(settlement.kind == "imbalance") & (settlement.payee == "BRP-D1")]
        bought = table(folder, "activations")
        net = (bought.direction * bought.quantity_mw)[bought.system == "D1"].groupby(bought.isp).sum() * 0.25
        own = brp.groupby("isp").quantity_mwh.sum().reindex(range(96), fill_value=0.0)
        return float((own + net.reindex(range(96), fill_value=0.0)).abs().mean())

    assert deviation(run) < 0.5 * deviation(small_run(scheme="fragmented"))
    assert ((messages.kind == "Schedule") & (messages.receiver == "DSO-D1")).sum() == 1  # one day


def test_companies_buy_and_pay_in_the_integrated_market(small_run: Runs) -> None:
    run = small_run(scheme="integrated")
    settlement, orders = table(run, "settlement"), table(run, "orders")
    bought = settlement[settlement.kind == "purchase"]
    assert set(bought.payee) == {"BRP-T", "BRP-D1"}
    assert set(orders[orders.demand].provider) == {"BRP-T", "BRP-D1"}
    imbalance = settlement[(settlement.kind == "imbalance") & settlement.payee.str.startswith("BRP")]
    alone = table(small_run(scheme="common"), "settlement")
    before = alone[(alone.kind == "imbalance") & alone.payee.str.startswith("BRP")]
    # What they bought they no longer lack.
    assert imbalance.quantity_mwh.abs().sum() < 0.6 * before.quantity_mwh.abs().sum()


def test_a_merit_order_list_is_negotiated_in_rounds(small_run: Runs) -> None:
    messages = table(small_run(scheme="hybrid"), "messages")
    to_dso = messages[
        (messages.kind == "House") & (messages.sender == "TSO") & (messages.receiver == "DSO-D1")
    ]
    lists = to_dso.groupby("isp").size()
    assert lists.min() >= 2  # at least one list, and the award
    assert table(small_run(scheme="hybrid"), "rejections").empty


def test_a_list_that_dsos_never_see_leaves_their_areas_out(small_run: Runs) -> None:
    late = small_run(label="deaf", scheme="hybrid", messages={"latency_s": 700, "loss": 0.0})
    reasons = set(table(late, "rejections").reason)
    assert "the DSO has not accepted the merit order list; the area is left out" in reasons
    activations = table(late, "activations")
    assert set(activations[activations.layer == "tso_market"].system) == {"T"}


@pytest.mark.parametrize("pricing", ["pay-as-cleared", "locational"])
def test_uniform_prices_pay_sellers_more_and_call_the_same_bids(small_run: Runs, pricing: str) -> None:
    as_bid = small_run(scheme="common")
    other = small_run(scheme="common", pricing=pricing)
    first, second = table(as_bid, "activations"), table(other, "activations")
    pd.testing.assert_frame_equal(first, second)
    paid = [
        s[s.kind == "activation"].amount_eur.sum()
        for s in (table(as_bid, "settlement"), table(other, "settlement"))
    ]
    assert paid[1] > 1.01 * paid[0]


def test_red_zones_stay_out_of_the_market(small_run: Runs) -> None:
    # D1's study leaves some nodes red: they bid, and are never called for balancing.
    static = small_run(scheme="central-02", prequalification="static", distribution=TIGHT)
    ours, offered = table(static, "activations"), table(static, "orders")
    up = offered[(offered.system == "D1") & (offered.direction > 0)]
    called = set(ours[(ours.system == "D1") & (ours.direction > 0)].node)
    free = table(small_run(scheme="central-01", distribution=TIGHT), "activations")
    sold = set(free[(free.system == "D1") & (free.direction > 0)].node)
    assert called < sold <= set(up.node)


def test_a_local_market_keeps_its_area_balanced(small_run: Runs) -> None:
    run = small_run(scheme="multilevel-01")
    activations, clearings = table(run, "activations"), table(run, "clearings")
    local = activations[activations.layer == "dso_market"]
    assert len(local) > 0
    net = (local.direction * local.quantity_mw).groupby(local.isp).sum()
    left = clearings[clearings.layer == "dso_market"].set_index("isp")
    np.testing.assert_allclose(net, (left.long_mw - left.short_mw).loc[net.index], atol=1e-7)


def test_the_model_error_is_reported_for_every_isp_and_small(small_run: Runs) -> None:
    grid = table(small_run(scheme="multilevel-03"), "grid")
    area = grid[grid.system == "D1"]
    assert len(area) == 96
    assert area.converged.all()
    assert area.voltage_error_pu.max() < 5e-3
    assert area.flow_error_mw.max() < 0.05


@pytest.mark.parametrize(("start", "isps"), [("2016-03-27", 92), ("2016-10-30", 100)])
def test_days_on_which_clocks_change_have_no_gap_and_no_double(
    small_run: Runs, start: str, isps: int
) -> None:
    run = small_run(start=start)
    system = table(run, "system")
    assert len(system) == isps
    assert (system.time.diff().dropna() == pd.Timedelta(minutes=15)).all()
    assert table(run, "settlement").isp.nunique() == isps


def test_messages_reach_their_gates_and_are_logged(small_run: Runs) -> None:
    messages = table(small_run(scheme="multilevel-03"), "messages")
    assert set(messages.kind) >= {
        "Schedule",
        "DayAhead",
        "Bids",
        "House",
        "Award",
        "Order",
        "Meter",
        "Imbalance",
    }
    assert (messages.delivered_s - messages.sent_s == 1).all()
    assert not messages.lost.any()


def test_lost_and_late_messages_have_consequences_and_break_nothing(small_run: Runs) -> None:
    lossy = small_run(label="lossy", scheme="multilevel-03", messages={"latency_s": 2, "loss": 0.2})
    assert table(lossy, "messages").lost.mean() == pytest.approx(0.2, abs=0.05)
    assert len(table(lossy, "orders")) < len(table(small_run(scheme="multilevel-03"), "orders"))
    late = small_run(label="late", scheme="multilevel-03", messages={"latency_s": 360, "loss": 0.0})
    rejected = table(late, "rejections")
    assert (rejected.reason == "came after gate closure").all()
    assert len(rejected) > 0


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_no_scheme_breaks_when_messages_are_lost(small_run: Runs, scheme: str) -> None:
    """The audit runs on every ISP: nothing is sold twice, no euro and no energy appears."""
    run = small_run(label="lossy", scheme=scheme, messages={"latency_s": 1, "loss": 0.3})
    assert len(table(run, "system")) == 96
    assert table(run, "messages").lost.sum() > 100


@pytest.mark.parametrize("scheme", ["hybrid", "integrated", "multilevel-02-post"])
def test_results_that_come_too_late_buy_nothing_from_nowhere(small_run: Runs, scheme: str) -> None:
    late = small_run(label="late", scheme=scheme, messages={"latency_s": 800, "loss": 0.0})
    system, settlement = table(late, "system"), table(late, "settlement")
    purchases = settlement[settlement.kind == "purchase"]  # of one company from another cancel out
    bought = purchases.groupby("isp").quantity_mwh.sum().abs().sum()
    delivered = 0.25 * (system.activated_up_mw + system.activated_down_mw).sum()
    assert bought <= delivered + 1e-6


def test_the_scenario_is_what_the_file_says() -> None:
    scenario = small_scenario()
    assert (scenario.days, scenario.households, scenario.aggregators) == (1, 400, 3)
    assert scenario.gates.minutes()["tso_clear"] == 12.5
