"""Register, capacity, amendments and baselines in a run: obligations, settlement and rejections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.markets.orders.flexibility_register import SOLD_TWICE
from tests.sim.conftest import HALF_HOURLY, HOURLY, hashes, table

Runs = Callable[..., Path]

NATIONAL: dict[str, Any] = {
    "seed": 1,
    **HALF_HOURLY,
    "reserve": {"enabled": True, "cycle_s": 20},
    "flexibility_register": {"enabled": True},
    "capacity": {
        "afrr_up_mw": 3.0,
        "afrr_down_mw": 2.5,
        "mfrr_up_mw": 4.0,
        "pool_minimum_mw": 0.1,
        "tick_mw": 0.01,
        "offered_share": 0.8,
        "nomination": True,
        "pool_price_eur_per_mw_h": 2.0,
        "local": {"needs": [{"area": "D1", "direction": "up", "mw": 0.05, "from_hour": 16, "to_hour": 24}]},
    },
    "forwarding": {"amend": True, "reprice": True, "pooled_by": "operator"},
    "product": {"pool_minimum_mw": 0.02},
    "settlement": {"baseline": "schedule", "shortfall_eur_per_mwh": 50.0},
    "scheme": "multilevel-03",
}


@pytest.fixture(scope="module")
def run(small_run: Runs) -> Path:
    return small_run(**NATIONAL)


def test_everybody_who_sells_is_registered_first(run: Path) -> None:
    register, orders = table(run, "flexibility_register"), table(run, "bids")
    units = register[(register.unit != "") & (register.event == "qualified")]
    assert not units.unit.duplicated().any()
    stems = orders.bid_id.str.replace(r"\.(up|down)(\.\d+)?$", "", regex=True)
    assert set(stems) <= set(units.unit)
    groups = register[register.unit == ""]
    got = groups.groupby("provider").service.apply(set)
    assert got["A01"] == {"aFRR", "mFRR", "LFM"}  # the strictest implies the looser ones
    assert got["L3"] == {"mFRR", "LFM"}  # called by hand
    messages = table(run, "messages")
    requests = messages[messages.kind == "Assets"]
    assert {("A01", "TSO"), ("TSO", "DSO-D1")} <= set(zip(requests.sender, requests.receiver, strict=True))


def test_capacity_is_bought_where_it_is_cheapest_and_covers_the_need(run: Path) -> None:
    bought = table(run, "capacity_bids")
    sums = bought.groupby(["isp", "operator", "service", "direction"]).awarded_mw.sum()
    for isp in range(0, 48, 8):
        assert sums[isp, "TSO", "aFRR", 1] == pytest.approx(3.0)
        assert sums[isp, "TSO", "aFRR", -1] == pytest.approx(2.5)
        assert sums[isp, "TSO", "mFRR", 1] == pytest.approx(4.0)
    assert sums[32, "DSO-D1", "LFM", 1] == pytest.approx(0.05)
    assert sums[0, "DSO-D1", "LFM", 1] == 0.0  # needed in the evening only
    part = bought[(bought.isp == 32) & (bought.service == "aFRR") & (bought.direction == 1)]
    dearest = part[part.awarded_mw > 0].price_eur_per_mw_h.max()
    left = part.offered_mw - part.awarded_mw
    large = part.groupby("provider").offered_mw.transform("sum") >= 0.1  # smaller pools are left out
    assert part[large & (left > 1e-6) & (part.price_eur_per_mw_h < dearest - 1e-9)].empty


def test_what_a_dso_does_not_buy_is_forwarded_and_never_sold_twice(run: Path) -> None:
    bought = table(run, "capacity_bids")
    local = bought[(bought.operator == "DSO-D1") & (bought.isp == 32) & (bought.direction == 1)]
    rest = (local.offered_mw - local.awarded_mw).groupby(local.provider).sum()
    onward = bought[
        (bought.service == "aFRR") & (bought.isp == 32) & (bought.direction == 1) & bought.forwarded
    ]
    for provider, mw in rest[rest > 1e-6].items():
        assert onward[onward.provider == provider].offered_mw.sum() == pytest.approx(mw)
    assert (table(run, "rejections").reason != SOLD_TWICE).all()


def test_capacity_is_paid_as_contracted_and_missing_mw_are_charged(run: Path) -> None:
    capacity, money = table(run, "capacity"), table(run, "settlement")
    paid = money[money.kind == "capacity"]
    assert paid.amount_eur.sum() == pytest.approx(capacity.pay_eur_per_h.sum() * 0.5)
    missing = (capacity.obligation_mw - capacity.offered_mw).clip(lower=0.0)
    due = (1.3 * capacity.pay_eur_per_h * missing / capacity.obligation_mw).sum() * 0.5
    assert money[money.kind == "unavailability"].amount_eur.sum() == pytest.approx(due)
    assert (capacity.fulfilled_mw <= capacity.offered_mw + 1e-9).all()
    owed = capacity[capacity.service == "aFRR"].groupby(["isp", "direction"]).obligation_mw.sum()
    assert owed.xs(1, level="direction").to_numpy() == pytest.approx(3.0)
    assert owed.xs(-1, level="direction").to_numpy() == pytest.approx(2.5)
    assert len(owed) == 2 * 48


def test_contracted_reserve_is_nominated_by_d_1_14_45(run: Path, small_run: Runs) -> None:
    """In seconds from the 0:00 that the day starts: sent at 14:30, in by 14:45 of the day before."""
    sent = table(run, "messages").query("kind == 'Nomination'")
    assert set(sent.sent_s) == {-(9 * 60 + 30) * 60}
    assert (sent.delivered_s <= -(9 * 60 + 15) * 60).all()
    capacity = table(run, "capacity").query("service == 'aFRR'")
    assert set(capacity.provider) == set(sent.sender)
    assert capacity.groupby("provider").offered_mw.sum().min() > 0.0


def test_a_nomination_that_comes_too_late_is_none(small_run: Runs) -> None:
    """Messages take 15 minutes on average: what is nominated after the gate counts as missing capacity."""
    slow = {"latency_s": 0, "distribution": "exponential", "spread_s": 900.0}
    folder = small_run(**_with(scheme="central-01", messages=slow, forwarding={}))
    sent = table(folder, "messages").query("kind == 'Nomination'").set_index("sender")
    late = sent.index[sent.delivered_s > -(9 * 60 + 15) * 60]
    assert 0 < len(late) < len(sent)
    fallbacks = table(folder, "fallbacks")
    mine = fallbacks[fallbacks.about.str.startswith("Nomination")]
    assert set(mine.about) == {f"Nomination from {name}" for name in late}
    assert set(mine.consequence) == {"the capacity of the day counts as not offered"}
    offered = table(folder, "capacity").query("service == 'aFRR'").groupby("provider").offered_mw.sum()
    assert {name for name, mw in offered.items() if mw == 0.0} == set(late)
    charged = table(folder, "settlement").query("kind == 'unavailability'")
    assert set(late) <= set(charged.payer)


def test_units_keep_room_for_what_they_sold(run: Path, small_run: Runs) -> None:
    # The day-ahead market leaves units room for the capacity they sold: nothing is missing from them.
    capacity = table(run, "capacity")
    units = capacity[capacity.provider.str.startswith("G")]
    assert len(units)
    assert (units.offered_mw >= units.obligation_mw - 1e-6).all()


def test_money_sums_to_zero_and_every_isp_is_settled_once(run: Path) -> None:
    money = table(run, "settlement")
    assert set(money.isp) == set(range(48))
    assert {"activation", "capacity", "imbalance", "household cost"} <= set(money.kind)
    net = money.groupby("payee").amount_eur.sum().sub(money.groupby("payer").amount_eur.sum(), fill_value=0.0)
    assert net.sum() == pytest.approx(0.0, abs=1e-6)
    assert not money.duplicated(["isp", "payer", "payee", "kind", "quantity_mwh", "amount_eur"]).any()


def test_amended_bids_only_fall(run: Path) -> None:
    changes = table(run, "amendments")
    done = changes[changes.reason == ""]
    assert len(done)
    assert (done.new_quantity_mw <= done.quantity_mw + 1e-9).all()


def test_same_bytes_again(run: Path, small_run: Runs) -> None:
    assert hashes(run) == hashes(small_run(label="again", **NATIONAL))


def _with(**overrides: Any) -> dict[str, Any]:
    return {**NATIONAL, **HOURLY, **overrides}


def test_who_sells_its_capacity_twice_is_refused_and_counted(small_run: Runs) -> None:
    cheat = small_run(**_with(conduct={"double_selling": ["A02"]}))
    refused = table(cheat, "rejections")
    twice = refused[refused.reason == SOLD_TWICE]
    assert len(twice)
    assert twice.bid_id.str.startswith("A02").all()
    bought = table(cheat, "capacity_bids")
    sold = bought[bought.provider == "A02"].groupby(["isp", "system", "direction"]).awarded_mw.sum()
    register = table(cheat, "flexibility_register")
    mine = register[(register.provider == "A02") & (register.unit != "")]
    assert (sold <= max(mine.up_mw.sum(), mine.down_mw.sum()) + 1e-6).all()


def test_an_inflated_baseline_pays_and_shows_as_error(small_run: Runs) -> None:
    honest = small_run(**_with(settlement={"baseline": "schedule", "schedule_mape": 0.0}))
    inflated = small_run(
        **_with(
            settlement={"baseline": "schedule", "schedule_mape": 0.0},
            strategies=[{"aggregators": ["A03"], "name": "baseline-inflation", "options": {"share": 0.5}}],
        )
    )

    def income(folder: Path, party: str) -> float:
        money = table(folder, "settlement")
        return float(
            money[money.payee == party].amount_eur.sum() - money[money.payer == party].amount_eur.sum()
        )

    def bias(folder: Path) -> pd.Series[float]:
        rows = table(folder, "baselines")
        return rows[rows.method == "schedule"].groupby("provider").error_mw.sum()

    assert income(inflated, "A03") > income(honest, "A03") + 1.0
    assert income(inflated, "BRP-D1") < income(honest, "BRP-D1") - 1.0  # whose perimeter is corrected too far
    assert bias(inflated)["A03"] < -0.15
    assert bias(inflated)["A01"] == pytest.approx(0.0, abs=1e-6)


def test_every_method_is_reported_and_one_settles(small_run: Runs) -> None:
    folder = small_run(**_with(days=2, settlement={"baseline": "high_x_of_y"}))
    rows = table(folder, "baselines")
    assert set(rows.method) == {"schedule", "last_isp", "high_x_of_y", "mbma"}
    assert set(rows[rows.used].method) == {"high_x_of_y"}
    assert (rows.absolute_error_mw >= np.abs(rows.error_mw) - 1e-9).all()
    assert rows[(rows.method == "high_x_of_y") & (rows.isp < 24)].covered.sum() == 0  # no day to look back on
    assert rows[(rows.method == "high_x_of_y") & (rows.isp >= 24)].covered.sum() > 0


def test_a_brp_that_is_not_corrected_bears_what_aggregators_do(small_run: Runs) -> None:
    settlement = {"baseline": "counterfactual", "correct_brp": False}
    folder = small_run(**_with(settlement=settlement))
    corrected = small_run(**_with(settlement={"baseline": "counterfactual"}))

    def brp_mwh(run: Path) -> float:
        money = table(run, "settlement")
        return float(money[(money.kind == "imbalance") & (money.payee == "BRP-D1")].quantity_mwh.sum())

    activated = table(corrected, "activations")
    der = activated[activated.system == "D1"]
    ordered = float((der.quantity_mw * der.direction).sum())
    assert ordered != pytest.approx(0.0, abs=0.01)
    delivered = brp_mwh(folder) - brp_mwh(corrected)
    assert delivered == pytest.approx(ordered, rel=0.1)


def test_bad_delivery_costs_the_qualification_and_the_market(small_run: Runs) -> None:
    folder = small_run(
        **_with(
            flexibility_register={"enabled": True, "strikes": 2, "suspension_hours": 6},
            settlement={"baseline": "last_isp"},
            capacity={},
        )
    )
    register = table(folder, "flexibility_register")
    lost = register[register.event == "withdrawn"]
    assert len(lost)
    assert lost.reason.str.contains("2 ISPs in a row").all()
    provider, isp = str(lost.provider.iloc[0]), int(lost.isp.iloc[0])
    # It may go on selling to its DSO, but no new bid of it reaches the TSO.
    sold = table(folder, "activations")
    after = sold[(sold.provider == provider) & (sold.isp > isp + 2) & (sold.isp < isp + 6)]
    assert set(after.market) <= {"dso_market"}
    before = sold[(sold.provider == provider) & (sold.isp <= isp)]
    assert {"tso_market", "afrr"} <= set(before.market)
    system = table(folder, "system")
    assert len(system) == 24


def test_qualifications_that_run_out_are_renewed(small_run: Runs) -> None:
    folder = small_run(
        **_with(days=2, flexibility_register={"enabled": True, "valid_days": 1.5}, capacity={})
    )
    register = table(folder, "flexibility_register")
    again = register[(register.provider == "A01") & (register.unit == "") & (register.service == "aFRR")]
    assert len(again) > 1
    assert not table(folder, "rejections").reason.str.contains("not qualified").any()


@pytest.mark.parametrize(("day", "isps"), [("2016-03-27", 46), ("2016-10-30", 50)])
def test_days_on_which_clocks_change_settle_without_gap_or_double(
    small_run: Runs, day: str, isps: int
) -> None:
    folder = small_run(**_with(**HALF_HOURLY, start=day))
    money, capacity = table(folder, "settlement"), table(folder, "capacity")
    assert sorted(set(money.isp)) == list(range(isps))
    assert table(folder, "system").isp.tolist() == list(range(isps))
    paid = money.kind == "capacity"
    assert paid.sum() == len(capacity)  # two contracts of equal worth are two equal rows
    assert not money[~paid].duplicated(["isp", "payer", "payee", "kind", "quantity_mwh", "amount_eur"]).any()
    per_isp = (
        capacity[(capacity.service == "aFRR") & (capacity.direction == 1)].groupby("isp").obligation_mw.sum()
    )
    assert per_isp.index.tolist() == list(range(isps))
    assert per_isp.to_numpy() == pytest.approx(3.0)
