"""Bids that may be amended, in schemes without a local market whose remainders could be forwarded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sim.conftest import table

SMALL = {
    "households": 40,
    "forwarding": {"amend": True, "reprice": True},
    "power_flow_check": {"audit_share": 0.0},
}
"""Quarter-hours: in longer ISPs nothing has changed between the offer and its amendment."""


@pytest.mark.parametrize("scheme", ["central-01", "central-02"])
def test_a_scenario_that_lets_bids_be_amended_runs_under_every_scheme(
    small_run: Callable[..., Path], scheme: str
) -> None:
    run = small_run(scheme=scheme, **SMALL)
    assert table(run, "system").isp.tolist() == list(range(96))
    sold = table(run, "activations").groupby(["isp", "bid_id"]).quantity_mw.sum()
    offered = table(run, "bids").set_index(["isp", "bid_id"]).quantity_mw
    assert (sold <= offered.loc[sold.index] + 1e-9).all()
