"""A day of the small scenario: its bytes, its money, its calendar and its messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.sim.conftest import HALF_HOURLY, HOURLY, hashes, small_scenario, table

Runs = Callable[..., Path]


def test_same_scenario_and_seed_give_the_same_bytes(small_run: Runs) -> None:
    assert hashes(small_run(label="first", **HOURLY)) == hashes(small_run(label="second", **HOURLY))


def test_the_quicker_solver_writes_the_same_tables(small_run: Runs) -> None:
    assert hashes(small_run(solver="highspy", **HOURLY)) == hashes(small_run(label="first", **HOURLY))


def test_the_order_in_which_agents_and_processes_are_created_changes_nothing(small_run: Runs) -> None:
    backwards = small_run(creation_order=lambda things: list(reversed(things)), label="backwards", **HOURLY)
    assert hashes(backwards) == hashes(small_run(label="first", **HOURLY))


def test_another_seed_gives_another_day(small_run: Runs) -> None:
    assert hashes(small_run(seed=8, **HOURLY)) != hashes(small_run(label="first", **HOURLY))


@pytest.mark.parametrize(
    ("scheme", "length", "hours"), [("central-01", HALF_HOURLY, 0.5), ("multilevel-03", {}, 0.25)]
)
def test_money_is_conserved_and_activations_are_paid_as_bid(
    small_run: Runs, scheme: str, length: dict[str, Any], hours: float
) -> None:
    run = small_run(scheme=scheme, **length)
    settlement, activations = table(run, "settlement"), table(run, "activations")
    net = (
        settlement.groupby("payee")
        .amount_eur.sum()
        .sub(settlement.groupby("payer").amount_eur.sum(), fill_value=0.0)
    )
    assert abs(net.sum()) < 1e-6
    owed = (activations.direction * activations.quantity_mw * activations.price_eur_per_mwh).sum() * hours
    assert settlement[settlement.kind == "activation"].amount_eur.sum() == pytest.approx(owed, abs=1e-6)


def test_the_model_error_is_reported_for_every_isp_and_small(small_run: Runs) -> None:
    grid = table(small_run(), "grid")
    area = grid[grid.system == "D1"]
    assert len(area) == 96
    assert area.converged.all()
    assert area.voltage_error_pu.max() < 5e-3
    assert area.flow_error_mw.max() < 0.05


@pytest.mark.parametrize(("start", "minutes", "isps"), [("2016-03-27", 60, 23), ("2016-10-30", 15, 100)])
def test_days_on_which_clocks_change_have_no_gap_and_no_double(
    small_run: Runs, start: str, minutes: int, isps: int
) -> None:
    run = small_run(**HOURLY | {"start": start, "isp_minutes": minutes})
    system = table(run, "system")
    assert len(system) == isps
    assert (system.time.diff().dropna() == pd.Timedelta(minutes=minutes)).all()
    assert table(run, "settlement").isp.nunique() == isps


def test_messages_reach_their_gates_and_are_logged(small_run: Runs) -> None:
    messages = table(small_run(), "messages")
    assert set(messages.kind) >= {
        "Schedule",
        "DayAhead",
        "Bids",
        "State",
        "Award",
        "Order",
        "Imbalance",
    }
    assert (messages.delivered_s - messages.sent_s == 1).all()
    assert not messages.lost.any()


def test_the_scenario_is_what_the_file_says() -> None:
    scenario = small_scenario()
    assert (scenario.days, scenario.households, scenario.aggregators) == (1, 400, 3)
    assert scenario.gates.minutes()["tso_clear"] == 12.5
