"""A run with a voltage problem: reactive power mends it, is paid where delivered, and faults are caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
from pydantic import ValidationError

from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import AuditError
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.auctions.reactive_power import ReactiveTrade
from tandem_sim.markets.cases.case import read_case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.schemes import build_schemes
from tandem_sim.markets.settlement.payments import Payment, reactive_payments
from tandem_sim.sim.delivery.termination import grid_monitor
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.audit import audit_reactive
from tests.markets.hand import book, feeder
from tests.sim.conftest import HALF_HOURLY, small_scenario, table

LOW_PU = 0.9965
EVENING = 37
"""An ISP in which voltages are low, forecast and in truth."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Case69 with a band that its evenings break."""
    net = load_net("case69")
    net.bus["min_vm_pu"] = LOW_PU
    path = tmp_path_factory.mktemp("grids")
    pp.to_json(net, str(path / "tight.json"))
    return path


def scenario(enabled: bool = True, **overrides: Any) -> Scenario:
    area = {
        "id": "D1",
        "grid": "tight.json",
        "load_scale": 0.2,
        "interface_bus": 4,
        "other_profile": ["G0-A"],
    }
    given = {"scheme": "multilevel-02", "distribution": [area], "local_reactive": {"enabled": enabled}}
    return small_scenario(**{**given, **HALF_HOURLY, **overrides})


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Runs by their overrides, each made once."""
    known: dict[str, Path] = {}

    def make(**overrides: Any) -> Path:
        key = str(sorted(overrides.items()))
        if key not in known:
            known[key] = tmp_path_factory.mktemp("run")
            run(scenario(**overrides), folder, known[key])
        return known[key]

    return make


@pytest.fixture(scope="module")
def bought(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with a market of reactive power, one ISP exported; no figures."""
    out = tmp_path_factory.mktemp("export") / "run"
    run_scenario(scenario(), folder, out, export_isp=EVENING, plots=False)
    return out


Runs = Callable[..., Path]


def area_of(run: Path) -> pd.DataFrame:
    grid = table(run, "grid")
    return grid[grid.system == "D1"]


def test_reactive_power_keeps_voltages_that_active_power_alone_does_not(made: Runs, bought: Path) -> None:
    plain, mended = area_of(made(enabled=False)), area_of(bought)
    assert plain.voltage_violations.sum() > 100  # by AC power flow, after activation
    assert mended.voltage_violations.sum() < 0.02 * plain.voltage_violations.sum()
    assert mended.max_voltage_violation_pct.sum() < 0.02 * plain.max_voltage_violation_pct.sum()
    assert mended.base_voltage_violations.sum() > 100  # without it they would be broken here too
    assert mended.voltage_error_pu.max() < 1e-3
    assert table(made(enabled=False), "reactive").empty
    # What is mended with reactive power needs no active power, and the markets behind it know.
    paid = {
        name: s[(s.kind == "activation") & (s.payer == "DSO-D1")].amount_eur.sum()
        for name, s in (
            ("plain", table(made(enabled=False), "settlement")),
            ("mended", table(bought, "settlement")),
        )
    }
    assert paid["mended"] < 0.1 * paid["plain"]


def check_money(run: Path) -> None:
    """Everything delivered is paid by the DSO at its price, and nothing else of that kind is."""
    sold, settlement = table(run, "reactive"), table(run, "settlement")
    paid = settlement[settlement.kind == "reactive"]
    assert set(paid.payer) == {"DSO-D1"}
    assert (paid.quantity_mwh == 0.0).all()
    owed = (sold.quantity_mvar * sold.price_eur_per_mvarh * 0.5).groupby([sold.isp, sold.provider]).sum()
    np.testing.assert_allclose(paid.groupby(["isp", "payee"]).amount_eur.sum(), owed, atol=1e-12)
    net = settlement.groupby("payee").amount_eur.sum()
    net = net.sub(settlement.groupby("payer").amount_eur.sum(), fill_value=0.0)
    assert abs(net.sum()) < 1e-6


def test_what_is_delivered_is_paid(bought: Path) -> None:
    check_money(bought)
    sold = table(bought, "reactive")
    assert len(sold) > 500
    assert set(sold.price_eur_per_mvarh) == {4.0}
    assert (sold.direction == 1).all()  # voltages are low
    kinds = table(bought, "messages").kind.value_counts()
    assert kinds.ReactiveBids == 3 * 48  # three pools
    assert kinds.ReactiveAward == kinds.ReactiveOrder == len(sold.groupby(["isp", "provider"]))


def test_lost_messages_mean_no_reactive_power_and_no_pay(made: Runs) -> None:
    lossy = made(messages={"latency_s": 1, "loss": 0.3})
    check_money(lossy)
    messages, sold = table(lossy, "messages"), table(lossy, "reactive")
    awards = messages[messages.kind == "ReactiveAward"]
    orders = messages[messages.kind == "ReactiveOrder"]
    assert len(orders) == (~awards.lost).sum()
    assert orders.lost.sum() > 10
    arrived = orders[~orders.lost]
    delivered = set(zip(sold.isp, sold.provider, strict=True))
    assert delivered == set(zip(arrived.isp, arrived.sender, strict=True))
    assert "no reactive power is delivered, and none is paid" in set(table(lossy, "fallbacks").consequence)


def test_an_exported_isp_clears_as_it_did_in_the_run(bought: Path) -> None:
    case = read_case(bought / "case")
    recorded = json.loads((bought / "case" / "recorded.json").read_text(encoding="utf-8"))
    assert case.options.options.local_reactive
    outcome = clear_case(case, build_schemes(case.options.options)[recorded["scheme"]])
    reactive = {q["bid_id"]: q["quantity_mvar"] for q in recorded["reactive"]}
    assert len(reactive) > 5
    assert dict(outcome.reactive or ()) == pytest.approx(reactive, rel=0.0, abs=1e-9)
    sold = table(bought, "reactive")
    there = sold[sold.isp == EVENING].set_index("bid_id").quantity_mvar.to_dict()
    assert there == pytest.approx(reactive, rel=0.0, abs=1e-12)
    again = {(bid, market): mw for bid, market, mw in outcome.cleared}
    cleared = {(c["bid_id"], c["market"]): c["quantity_mw"] for c in recorded["cleared"]}
    assert again == pytest.approx(cleared, rel=0.0, abs=1e-9)
    assert outcome.ac.buses == 0
    assert case.areas["D1"].rows.violations().buses > 0  # its grids are those before anything was bought


@pytest.mark.parametrize("scheme", ["central-01", "multilevel-05", "hybrid"])
def test_schemes_without_a_local_market_that_comes_first_are_refused(scheme: str) -> None:
    with pytest.raises(ValidationError, match=f"local_reactive.enabled: scheme {scheme} has no local market"):
        Scenario.model_validate(scenario().model_dump(by_alias=True, mode="json") | {"scheme": scheme})


@pytest.mark.parametrize(
    ("key", "value"), [("power_factor", 1.0), ("power_factor", 0.0), ("price_eur_per_mvarh", -1.0), ("q", 1)]
)
def test_settings_out_of_range_are_refused(key: str, value: float) -> None:
    given = scenario().model_dump(by_alias=True, mode="json")
    given["local_reactive"][key] = value
    with pytest.raises(ValidationError, match=key):
        Scenario.model_validate(given)


def test_a_dso_that_watches_the_reserve_sees_reactive_power_too() -> None:
    seen: list[list[float]] = []

    def constraints_now(p_mw: FloatArray, q_mvar: FloatArray) -> GridConstraints:
        seen.extend([p_mw.tolist(), q_mvar.tolist()])
        return feeder(book(), 1.0).rows

    area = SimpleNamespace(
        injections=lambda *given: (np.array([0.0, -1.0, -2.0]), np.full(3, -0.5)),
        at_nodes=lambda by_site: np.append(0.0, by_site),
    )
    dso: Any = SimpleNamespace(system="D", area=area, constraints_now=constraints_now)
    lookahead: Any = SimpleNamespace(site_base_kw=None, site_load_kw=None)
    signals: Any = SimpleNamespace(isp=0)
    left = {"D": (book(("a", 1, 1, 0.5, 50.0)), np.array([0.5]))}
    ordered = {"D": np.array([0.0, 0.0, 0.25])}
    grid_monitor([dso], signals, lookahead, ordered, np.array([0.125, -0.25]), left)
    assert seen == [[0.0, -1.0, -1.75], [-0.5, -0.375, -0.75]]


def _trade(awarded: list[float], delivered: list[float]) -> ReactiveTrade:
    offers = book(("a", 1, 1, 0.6, 4.0), ("b", 1, -1, 0.5, 6.0))
    return ReactiveTrade(
        buyer="DSO-D",
        system="D",
        offers=offers,
        awarded_mvar=np.array(awarded),
        delivered_mvar=np.array(delivered),
    )


PAID = [
    Payment(payer="DSO-D", payee="A", kind="reactive", quantity_mwh=0.0, amount_eur=0.5),
    Payment(payer="DSO-D", payee="B", kind="reactive", quantity_mwh=0.0, amount_eur=0.6),
]


def test_honest_trade_passes() -> None:
    # 0.5 Mvar at 4 and 0.4 at 6 for a quarter: 0.5 and 0.6 EUR. Nothing came of the second DSO's order.
    audit_reactive(0, [_trade([0.5, 0.4], [0.5, 0.4])], PAID, np.array([0.5, -0.4, 0.0]), 0.25)
    audit_reactive(0, [_trade([0.5, 0.4], [0.0, 0.0])], [], np.zeros(3), 0.25)


@pytest.mark.parametrize(
    ("trade", "payments", "injected", "problem"),
    [
        (_trade([0.7, 0.0], [0.7, 0.0]), PAID, 0.7, r"bid a sold 0\.7 Mvar of 0\.6 Mvar offered"),
        (_trade([0.5, -0.1], [0.5, 0.0]), PAID, 0.5, r"bid b sold -0\.1 Mvar"),
        (_trade([0.5, 0.4], [0.5, 0.4]), PAID[:1], 0.1, r"DSO-D paid 0\.5 EUR for reactive power worth 1\.1"),
        (_trade([0.5, 0.4], [0.5, 0.4]), PAID + PAID, 0.1, r"DSO-D paid 2\.2 EUR"),
        (_trade([0.5, 0.4], [0.5, 0.4]), PAID, 0.2, r"households inject 0\.2 Mvar of 0\.0"),
    ],
)
def test_planted_faults_are_caught(
    trade: ReactiveTrade, payments: list[Payment], injected: float, problem: str
) -> None:
    with pytest.raises(AuditError, match=f"ISP 7: {problem}"):
        audit_reactive(7, [trade], payments, np.array([injected]), 0.25)


def test_a_payment_made_twice_stops_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "tandem_sim.sim.settlement.settler.reactive_payments", lambda *given: 2 * reactive_payments(*given)
    )
    with pytest.raises(AuditError, match="EUR for reactive power worth"):
        run(scenario(), folder, tmp_path)
