"""What became of a bid, from tables written by hand: one for each verdict; and of every bid of a real ISP."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tandem_sim as tandem
from tandem_sim.experiments.cli import main
from tandem_sim.experiments.explain.explain import explain, explain_bid
from tandem_sim.experiments.explain.tables import IspTables, isp_of
from tandem_sim.sim.output.tables import TABLES, schema
from tests.sim.conftest import small_scenario

ISP = 72  # of quarters of an hour from local midnight: 18:00
AuctionConstraints = dict[str, list[dict[str, Any]]]
PLAYED = ("multilevel-03", "integrated", "aggregation", "hybrid")


def order(bid_id: str, mw: float, price: float, system: str = "D1", **more: Any) -> dict[str, Any]:
    direction = -1 if "down" in bid_id else 1
    row = {"system": system, "bid_id": bid_id, "provider": bid_id.split(".")[0], "node": 9, "demand": False}
    return {**row, "direction": direction, "quantity_mw": mw, "price_eur_per_mwh": price, **more}


def called(bid: dict[str, Any], mw: float, market: str = "tso_market") -> dict[str, Any]:
    same = ("system", "bid_id", "provider", "node", "direction", "price_eur_per_mwh")
    return {**{name: bid[name] for name in same}, "market": market, "quantity_mw": mw}


def cleared(price: float, need: float, system: str = "T", market: str = "tso_market") -> dict[str, Any]:
    row = {"system": system, "market": market, "status": "optimal", "need_mw": need, "penalty_eur_per_h": 0.0}
    return {**row, "price_eur_per_mwh": price, "cost_eur_per_h": 0.0, "short_mw": 0.0, "long_mw": 0.0}


def checked(market: str, offered: float, kept: float) -> dict[str, Any]:
    sums = {"offered_up_mw": offered, "allowed_up_mw": kept, "offered_down_mw": 1.0, "allowed_down_mw": 1.0}
    return {"system": "D1", "market": market, "accepted": True, **sums}


def written(folder: Path, rows: AuctionConstraints, **changes: Any) -> tandem.Run:
    """A run folder with these rows in ISP 72 and nothing else."""
    folder.mkdir(parents=True)
    scenario = small_scenario(**{"scheme": "multilevel-03", **changes})
    keys = scenario.model_dump(mode="json", by_alias=True)
    (folder / "manifest.json").write_text(json.dumps({"scenario": keys}), encoding="utf-8")
    (folder / "kpis.json").write_text("{}", encoding="utf-8")
    time = pd.Timestamp("2016-04-18T16:00", tz="UTC")
    for name in TABLES:
        full = [{"time": time, "isp": ISP, **row} for row in rows.get(name, [])]
        extra = {key for row in full for key in row} - set(schema(name).names)
        columns = pa.schema([*schema(name), *(pa.field(key, pa.string()) for key in extra)])
        table = pa.Table.from_pylist(full, schema=columns)
        pq.write_table(table, folder / f"{name}.parquet")
    return tandem.load(folder)


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., tandem.Run]:
    return lambda rows, **changes: written(tmp_path / "run", rows, **changes)


UP = order("A01.up", 2.0, 34.2)


def test_a_bid_called_in_full_is_paid_its_price_for_a_quarter_of_an_hour(run_of: Any) -> None:
    paid = {"payer": "TSO", "payee": "A01", "kind": "activation", "quantity_mwh": 0.5, "amount_eur": 17.1}
    rows = {
        "bids": [UP],
        "activations": [{**called(UP, 2.0), "purpose": "balancing"}],
        "settlement": [paid],
        "clearings": [cleared(0.0, 0.0, "D1", "dso_market"), cleared(40.0, 2.0)],
        "bid_checks": [checked("forward_bids", 2.0, 2.0), checked("prequalify", 2.0, 2.0)],
    }
    lines = explain(run_of(rows), "2016-04-18T18:10", "A01.up")
    assert lines == [
        "ISP 72, Mon 18 Apr 2016 18:00, scheme multilevel-03.",
        "17:00 Gate closure: A01 offered 2.00 MW up at node 9 of D1 and asked 34.20 EUR/MWh.",
        "17:05 The local market of D1 had no congestion to relieve and called nothing.",
        "17:10 The DSO of D1 forwarded to the TSO 2.00 of 2.00 MW that its area offered up: the rest after "
        "its local market.",
        "17:15 The DSO of D1 allowed 2.00 of 2.00 MW that its area offered up as safe for its grid "
        "(prequalify).",
        "17:47 The TSO's market needed 2.00 MW up; its price was 40.00 EUR/MWh, with the bid "
        "5.80 EUR/MWh in the money; it called 2.00 of 2.00 MW left.",
        "The TSO's market called 2.00 MW for balancing.",
        "TSO paid A01 17.10 EUR for 2.00 MW during 0.25 h, called by the TSO's market: "
        "34.20 EUR/MWh, as bid.",
        "A01 received in this ISP, all its bids together: activation 17.10 EUR (+0.5000 MWh).",
        "Called in full by the TSO's market, 2.00 MW up; it asked 34.20 EUR/MWh. It was paid 17.10 EUR.",
    ]


def verdict(run: tandem.Run, bid: str) -> str:
    return explain(run, ISP, bid)[-1]


def test_the_marginal_bid_is_called_in_part_and_a_dearer_one_is_passed_over(run_of: Any) -> None:
    dear, down = order("A02.up", 1.0, 45.0), order("A02.down", 1.0, 10.0)
    rows = {
        "bids": [UP, dear, down],
        "activations": [called(UP, 0.5)],
        "clearings": [cleared(34.2, 0.5)],
    }
    run = run_of(rows, scheme="central-01")
    part = verdict(run, "A01.up")
    assert part.startswith("Called in part by the TSO's market, 0.5000 of 2.00 MW up")
    assert "paid 4.28 EUR. The rest: marginal" in part  # 0.5 MW x 0.25 h x 34.2
    assert verdict(run, "A02.up") == (
        "Not called: the last unit that the TSO's market called up asked 34.20 EUR/MWh, "
        "it asked 45.00 EUR/MWh."
    )
    assert verdict(run, "A02.down") == (
        "Not called: the TSO's market needed 0.5000 MW up and called nothing down; "
        "the bid offered 10.00 EUR/MWh for energy, 24.20 EUR/MWh out of the money."
    )


@pytest.mark.parametrize(
    ("price", "sentence", "pay"),
    [
        (12.0, "A01 paid TSO 3.00 EUR for 1.00 MW during 0.25 h", "It paid 3.00 EUR."),
        (-12.0, "TSO paid A01 3.00 EUR for 1.00 MW during 0.25 h", "It was paid 3.00 EUR."),
    ],
)
def test_a_down_bid_pays_its_price(run_of: Any, price: float, sentence: str, pay: str) -> None:
    down = order("A01.down", 1.0, price)
    rows = {"bids": [down], "activations": [called(down, 1.0)], "clearings": [cleared(price, -1.0)]}
    lines = explain(run_of(rows, scheme="central-01"), ISP, "A01.down")
    assert any(line.startswith(sentence) for line in lines)
    assert lines[-1].endswith(pay)


def test_pay_as_cleared_is_the_price_of_the_balance_and_never_less_than_the_bid(run_of: Any) -> None:
    dear = order("A02.up", 1.0, 60.0)
    whole = {"payer": "TSO", "payee": "A02", "kind": "make-whole", "quantity_mwh": 0.0, "amount_eur": 5.0}
    rows = {
        "bids": [UP, dear],
        "activations": [called(UP, 2.0), called(dear, 1.0)],
        "clearings": [cleared(40.0, 3.0)],
        "settlement": [whole],
    }
    run = run_of(rows, scheme="central-03", pricing="pay-as-cleared")
    assert verdict(run, "A01.up").endswith("It was paid 20.00 EUR.")  # 2 MW x 0.25 h x 40
    lines = explain(run, ISP, "A02.up")
    assert any("60.00 EUR/MWh, as cleared at 40.00 EUR/MWh, and made whole" in line for line in lines)
    assert any("make-whole 5.00 EUR" in line for line in lines)
    assert lines[-1].endswith("It was paid 15.00 EUR.")


def test_a_bid_refused_at_the_gate_says_why(run_of: Any) -> None:
    refused = [
        {"system": "D1", "bid_id": "A01.up.2", "reason": "offered already in another book"},
        {"system": "households", "bid_id": "A01", "reason": "order came after delivery began"},
    ]
    run = run_of(
        {"bids": [UP], "rejections": refused, "clearings": [cleared(20.0, 0.0)]}, scheme="central-01"
    )
    assert verdict(run, "A01.up.2") == "Refused at gate closure: offered already in another book."
    assert IspTables(run, ISP).offers().bid_id.tolist() == ["A01.up", "A01.up.2"]
    assert "A01, households: order came after delivery began." in explain(run, ISP, "A01.up")


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (
            3.2,
            "Held back by its DSO: it was 5.80 EUR/MWh in the money; "
            "its DSO allowed 3.20 of 4.10 MW offered up in D1.",
        ),
        (0.0, "Held back by its DSO: its DSO allowed none of 4.10 MW offered up in D1."),
        (
            4.1,
            "Limited by the grid: it was 5.80 EUR/MWh in the money, and "
            "a limit of the transmission grid allowed no more.",
        ),
    ],
)
def test_a_bid_in_the_money_is_held_back_by_its_dso_or_by_a_limit(
    run_of: Any, kept: float, expected: str
) -> None:
    rows = {
        "bids": [UP],
        "clearings": [cleared(40.0, 2.0)],
        "bid_checks": [checked("forward_bids", 4.1, 4.1), checked("prequalify", 4.1, kept)],
    }
    assert verdict(run_of(rows), "A01.up") == expected


def test_what_the_tables_do_not_tell_is_not_made_up(run_of: Any) -> None:
    """A unit on transmission that is cheap and idle shows that a limit there may have been full too."""
    unit = order("G1.up", 10.0, 20.0, "T")
    rows = {
        "bids": [UP, unit],
        "clearings": [cleared(40.0, 2.0)],
        "bid_checks": [checked("prequalify", 4.1, 3.2)],
    }
    found = verdict(run_of(rows), "A01.up")
    assert found.startswith("Limited: it was 5.80 EUR/MWh in the money; the tables do not record which")
    assert "3.20 of 4.10 MW" in found
    assert "transmission" in found


def test_a_pool_below_the_minimum_is_not_forwarded(run_of: Any) -> None:
    rows = {"bids": [UP], "clearings": [cleared(40.0, 2.0)]}
    found = verdict(run_of(rows, product={"pool_minimum_mw": 3.0}), "A01.up")
    assert found == "Not forwarded: its pool (by provider) had 2.00 MW up, the TSO's minimum is 3 MW."


def test_a_resource_sold_in_parts_and_both_ways(run_of: Any) -> None:
    down = order("A01.down", 1.0, 10.0)
    rows = {
        "bids": [UP, down],
        "activations": [called(UP, 0.5, "dso_market"), called(UP, 1.5), called(down, 0.5, "dso_market")],
        "clearings": [cleared(20.0, 0.0, "D1", "dso_market"), cleared(40.0, 2.0)],
    }
    lines = explain(run_of(rows), ISP, "A01.up")
    parts = "0.5000 MW by the local market of D1 and 1.50 MW by the TSO's market"
    assert f"It was sold in separate parts: {parts}." in lines
    assert any(line.startswith("Round trip: the local market of D1 called 0.5000 MW") for line in lines)
    assert lines[-1].startswith("Called in full by the local market of D1 and the TSO's market, 2.00 MW up")


def test_what_is_owed_as_reserve_is_in_no_energy_market(run_of: Any) -> None:
    """1.5 MW are owed; the cheaper bid of 1 MW is held whole, half of the dearer one of 1 MW is."""
    cheap, dear = order("A01.x.up", 1.0, 30.0), order("A01.y.up", 1.0, 35.0)
    owed = {"operator": "TSO", "service": "aFRR", "provider": "A01", "direction": 1, "obligation_mw": 1.5}
    rows = {
        "bids": [dear, cheap],
        "activations": [called(dear, 0.5)],
        "clearings": [cleared(40.0, 0.5)],
        "capacity": [owed],
    }
    run = run_of(rows, scheme="central-01")
    assert verdict(run, "A01.x.up") == (
        "Held for the automatic reserve: 1.00 MW of it are an aFRR capacity obligation."
    )
    assert verdict(run, "A01.y.up").endswith(
        "The rest: held for the automatic reserve, 0.5000 MW of it are an aFRR capacity obligation."
    )


def test_an_amended_bid_counts_as_amended(run_of: Any) -> None:
    change = {
        "system": "D1",
        "provider": "A01",
        "bid_id": "A01.up",
        "reason": "",
        "quantity_mw": 2.0,
        "new_quantity_mw": 1.0,
        "price_eur_per_mwh": 34.2,
        "new_price_eur_per_mwh": 36.0,
    }
    now = {**UP, "price_eur_per_mwh": 36.0}
    rows = {
        "bids": [UP],
        "amendments": [change],
        "activations": [called(now, 1.0)],
        "clearings": [cleared(40.0, 1.0)],
    }
    lines = explain(run_of(rows), ISP, "A01.up")
    assert "17:08 A01 amended the bid to 1.00 MW at 36.00 EUR/MWh." in lines
    assert lines[-1] == (
        "Called in full by the TSO's market, 1.00 MW up; it asked 36.00 EUR/MWh. It was paid 9.00 EUR."
    )


def test_a_lost_order_is_told(run_of: Any) -> None:
    lost = {"party": "households", "about": "order from A01", "consequence": "not activated"}
    run = run_of({"bids": [UP], "fallbacks": [lost], "clearings": [cleared(20.0, 0.0)]})
    told = "A message did not arrive at households (order from A01): not activated."
    assert told in explain(run, ISP, "A01.up")


def test_a_company_buys_up_to_its_price(run_of: Any) -> None:
    purchase_terms = order("BRP-D1-72", 2.0, 76.0, "T", direction=-1, demand=True)
    bought = {
        "payer": "TSO",
        "payee": "BRP-D1",
        "kind": "purchase",
        "quantity_mwh": -0.375,
        "amount_eur": -28.5,
    }
    row = {**purchase_terms, "provider": "BRP-D1"}
    rows = {
        "bids": [row],
        "settlement": [bought],
        "clearings": [cleared(76.0, 0.0, "T", "integrated_market")],
    }
    run = run_of(rows, scheme="integrated")
    assert verdict(run, "BRP-D1-72") == (
        "Bought in part in the integrated market: 1.50 of 2.00 MW; "
        "the bid was for energy for its shortage, at no more than 76.00 EUR/MWh."
    )
    assert IspTables(run, ISP).offers().sold_mw.tolist() == [1.5]


def test_what_is_not_there_is_named(run_of: Any, tmp_path: Path) -> None:
    run = run_of({"bids": [UP]})
    with pytest.raises(
        tandem.InputError, match=r"is no bid of ISP 72\. Did you mean A01\.up\? Leave --bid out"
    ):
        explain(run, ISP, "A1.up")
    for moment in ("96", "2016-04-19T18:00", "18:00", "noon"):
        with pytest.raises(tandem.InputError, match=r"--isp.*names no ISP"):
            isp_of(run, moment)
    with pytest.raises(tandem.InputError, match="Use 0 to 95"):
        IspTables(run, 96)
    assert isp_of(run, "72") == isp_of(run, "2016-04-18T18:14") == isp_of(run, "2016-04-18T16:00+00:00") == 72


def test_the_command_explains_lists_and_names_the_runs_of_a_folder(
    run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"bids": [UP], "activations": [called(UP, 2.0)], "clearings": [cleared(34.2, 2.0)]}
    run = run_of(rows, scheme="central-01")

    def typed(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["tandem", "explain", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0)

    assert typed(run.folder, "--isp", "2016-04-18T18:00", "--bid", "A01.up") == 0
    said = " ".join(capsys.readouterr().out.split())  # lines are wrapped
    assert "Called in full by the TSO's market, 2.00 MW up" in said
    assert typed(run.folder, "--isp", "72") == 0
    listed = capsys.readouterr().out.split()
    assert listed[-7:] == ["D1", "A01.up", "A01", "up", "2.00", "34.20", "2.00"]
    assert typed(tmp_path, "--isp", "72") == 2
    assert "Load one of its runs: run" in capsys.readouterr().err


@pytest.mark.parametrize("scheme", PLAYED)
def test_every_bid_of_a_real_isp_is_explained_with_what_it_sold(tmp_path: Path, scheme: str) -> None:
    changes = {"isp_minutes": 60, "population.sustain_isps": 1}
    small = Path(__file__).parents[2] / "sim" / "small.yaml"
    at = IspTables(tandem.run(small, tmp_path / "run", scheme=scheme, changes=changes), 18)
    sold = at["activations"].groupby("bid_id").quantity_mw.sum()
    offers = at.offers()
    assert len(offers) == len(at["bids"])
    for bid, mw in zip(offers.bid_id, offers.sold_mw, strict=True):
        lines = explain_bid(at, bid)
        assert lines[-1].startswith(
            ("Called", "Bought") if mw > 1e-6 else ("Not called", "Held", "Marginal", "Limited")
        )
        if not bid.startswith("BRP"):
            assert mw == pytest.approx(sold.get(bid, 0.0))
