"""Messages that are lost or late: agents use their last values, and no MW appear from nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tandem_sim.markets.schemes import SCHEMES
from tests.sim.conftest import HALF_HOURLY, HOURLY, table

Runs = Callable[..., Path]


def test_a_list_that_dsos_never_see_leaves_their_areas_out(small_run: Runs) -> None:
    late = small_run(scheme="hybrid", messages={"latency_s": 700, "loss": 0.0}, **HOURLY)
    reasons = set(table(late, "rejections").reason)
    assert "the DSO has not accepted the merit order list; the area is left out" in reasons
    activations = table(late, "activations")
    assert set(activations[activations.market == "tso_market"].system) == {"T"}


def test_lost_and_late_messages_have_consequences_and_break_nothing(small_run: Runs) -> None:
    lossy = small_run(messages={"latency_s": 2, "loss": 0.2}, **HOURLY)
    assert table(lossy, "messages").lost.mean() == pytest.approx(0.2, abs=0.05)
    assert len(table(lossy, "bids")) < len(table(small_run(**HOURLY), "bids"))
    late = small_run(messages={"latency_s": 360, "loss": 0.0}, **HOURLY)
    rejected = table(late, "rejections")
    assert (rejected.reason == "came after gate closure").all()
    assert len(rejected) > 0


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_no_scheme_breaks_when_messages_are_lost(small_run: Runs, scheme: str) -> None:
    """The audit runs on every ISP: nothing is sold twice, no euro and no energy appears."""
    run = small_run(scheme=scheme, messages={"latency_s": 1, "loss": 0.3}, **HOURLY)
    assert len(table(run, "system")) == 24
    assert table(run, "messages").lost.sum() > 60


@pytest.mark.long(
    "96 ISPs under every scheme, some of them solved again by runpp; the short ones have 24, none"
)
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_no_scheme_breaks_in_a_day_of_quarter_hours_when_messages_are_lost(
    small_run: Runs, scheme: str
) -> None:
    run = small_run(scheme=scheme, messages={"latency_s": 1, "loss": 0.3})
    assert len(table(run, "system")) == 96
    assert table(run, "messages").lost.sum() > 100


@pytest.mark.parametrize("scheme", ["hybrid", "integrated", "multilevel-02-post"])
def test_results_that_come_too_late_buy_nothing_from_nowhere(small_run: Runs, scheme: str) -> None:
    late = small_run(scheme=scheme, messages={"latency_s": 800, "loss": 0.0}, **HALF_HOURLY)
    system, settlement = table(late, "system"), table(late, "settlement")
    purchases = settlement[settlement.kind == "purchase"]  # of one company from another cancel out
    bought = purchases.groupby("isp").quantity_mwh.sum().abs().sum()
    delivered = 0.5 * (system.activated_up_mw + system.activated_down_mw).sum()
    assert bought <= delivered + 1e-6
