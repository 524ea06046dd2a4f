from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from markets.schemes import SCHEMES
from tests.sim.conftest import hashes, small_scenario, table

Runs = Callable[..., Path]


def test_same_scenario_and_seed_give_the_same_bytes(small_run: Runs) -> None:
    assert hashes(small_run(label="first")) == hashes(small_run(label="second"))


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


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"fragmented"}))
def test_balancing_draws_on_distribution_where_the_scheme_lets_it(small_run: Runs, scheme: str) -> None:
    activations = table(small_run(scheme=scheme), "activations")
    bought = activations[activations.layer.isin(["tso_market", "common_market", "translate_bids"])]
    assert (bought.system == "D1").sum() > 50


def test_balancing_reduces_the_imbalance(small_run: Runs) -> None:
    system = table(small_run(scheme="common"), "system")
    before, after = system.imbalance_before_mw.abs().mean(), system.imbalance_after_mw.abs().mean()
    assert before > 1.0
    assert after < 0.3 * before  # what is left is the error of the forecast at the gate, and shortfalls


def test_the_fragmented_scheme_leaves_distribution_out_of_balancing(small_run: Runs) -> None:
    activations = table(small_run(scheme="fragmented"), "activations")
    assert set(activations[activations.layer == "tso_market"].system) == {"T"}


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


def test_the_scenario_is_what_the_file_says() -> None:
    scenario = small_scenario()
    assert (scenario.days, scenario.households, scenario.aggregators) == (1, 400, 3)
    assert scenario.gates.minutes()["tso_clear"] == 12.5
