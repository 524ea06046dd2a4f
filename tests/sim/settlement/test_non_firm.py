"""Days with non-firm connections on low-voltage feeders: tables, faults planted in them, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.agents.devices.connection_limits import ConnectionLimits
from tandem_sim.agents.households.fleet import FleetStep, HouseholdFleet
from tandem_sim.agents.non_firm.activation import Choice, ConnectionLimiter
from tandem_sim.agents.non_firm.contracts import ContractBook
from tandem_sim.experiments.results.kpis_non_firm import non_firm_kpis
from tandem_sim.grids.errors import AuditError, InputError
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.sections import GateSettings
from tests.sim.conftest import HALF_HOURLY, HOURLY, hashes, small_scenario, table

Runs = Callable[..., Path]
Section = dict[str, Any]
ZONE = "Europe/Brussels"
GUARANTEED_KW, USERS = 4.2, 55
LV_FEEDER: Section = {
    "name": "S",
    "area": "D1",
    "bus": 61,
    "grid": "ieee_european_lv_asymmetric",
    "copies": 2,
    "source_vm_pu": 1.0,
    "band": {"low_pu": 0.95},
}
WEAK: Section = {"copies": 1, "band": {"low_pu": 0.99}}
"""A feeder in trouble from the first ISP on."""


def _given(non_firm: Section | None = None, lv_feeder: Section | None = None, **more: Any) -> Section:
    """The small scenario in January, with more cars and heat pumps, and two feeders of 55 users each."""
    area = {
        "id": "D1",
        "grid": "case69",
        "load_scale": 0.2,
        "interface_bus": 4,
        "other_profile": ["G0-A"],
        "ratings_mva": {"line 4": 0.9},
    }
    contracts = {"enabled": True, "guaranteed_import_kw": GUARANTEED_KW, "sides": "import"}
    return {
        "seed": 2,
        "households": 420,
        "start": "2016-01-18",
        "distribution": [area],
        "population": {"ev_share": 0.8, "heat_pump_share": 0.6, "pv_share": 0.5, "battery_share": 0.4},
        "low_voltage": [LV_FEEDER | (lv_feeder or {})],
        "non_firm": contracts | (non_firm or {}),
        "power_flow_check": {"audit_share": 0.0},
        **more,
    }


PLAIN = _given()
EARLY = _given({"role": "prequalification"})
BUSY_STREET = {"own_aggregator": True, "plug_in": {"at": "2016-01-18T17:00:00", "kwh": 30.0}}
RESERVE = {
    "reserve": {"enabled": True, "cycle_s": 60},
    "flexibility_register": {"enabled": True, "strikes": 96},
}
TRADES = {"participation": 0.6, "trading": True, "compensation_eur_per_mwh": 100.0}
BUSY = _given(TRADES | {"substitution": ["portfolio", "aggregators"]}, BUSY_STREET, **RESERVE)
"""All EVs are plugged in at five, each pool serves one LV feeder, and limited users buy curtailment."""
TSO_ONLY = _given({"substitution": ["tso"]}, BUSY_STREET, **RESERVE) | HALF_HOURLY


def _limited(folder: Path) -> pd.DataFrame:
    """Activations that limited anybody."""
    rows = table(folder, "non_firm")
    return rows[rows.contracts > 0]


def test_the_order_in_which_agents_are_created_changes_nothing(small_run: Runs) -> None:
    day = BUSY | HOURLY
    backwards = small_run(creation_order=lambda things: list(reversed(things)), label="backwards", **day)
    assert hashes(backwards) == hashes(small_run(**day))
    assert all(len(table(backwards, name)) for name in ("non_firm", "curtailment_trades", "substitution"))


@pytest.mark.parametrize("given", [PLAIN, BUSY, EARLY], ids=["plain", "busy", "early"])
def test_limits_are_those_of_active_contracts(small_run: Runs, given: Section) -> None:
    folder = small_run(**given)
    limited, feeders = _limited(folder), table(folder, "low_voltage")
    assert len(feeders) == 2 * 96
    assert len(limited) > 5
    assert (limited.import_kw >= GUARANTEED_KW - 1e-9).all()
    assert np.isinf(limited.export_kw).all()  # sides: import
    held = round(USERS * given["non_firm"].get("participation", 1.0))
    assert limited.contracts.max() == held
    recorded = limited.groupby(["isp", "lv_feeder"]).contracts.sum()
    active = feeders.set_index(["isp", "lv_feeder"]).active_contracts
    pd.testing.assert_series_equal(active[active > 0].sort_index(), recorded.sort_index(), check_names=False)
    assert (feeders.withheld_kwh[feeders.active_contracts == 0] == 0.0).all()
    assert feeders.withheld_kwh.sum() > 0.1
    blocked = table(folder, "substitution")
    assert set(blocked.isp) <= set(limited.isp)


def test_a_feeder_is_safer_with_limits_than_without(small_run: Runs) -> None:
    feeders = table(small_run(**PLAIN), "low_voltage")
    assert (~feeders.safe).sum() < (~feeders.unconstrained_safe).sum()
    worst = feeders[feeders.active_contracts > 0]
    assert (worst.vm_min_pu - worst.unconstrained_vm_min_pu).mean() > 0.0


def test_households_and_pools_hear_of_every_limit(small_run: Runs) -> None:
    folder = small_run(**PLAIN)
    limits = table(folder, "messages").query("kind == 'Limit'")
    assert set(limits.sender) == {"DSO-D1"}
    assert (limits.receiver == "households").sum() == len(_limited(folder))
    assert set(limits.receiver) > {"households"}


def test_limits_set_ahead_keep_bids_from_going_out(small_run: Runs) -> None:
    """At night cars are held back before they bid to charge more."""
    late, early = small_run(**PLAIN | {"seed": 7}), small_run(**EARLY | {"seed": 7})
    ahead = _limited(early)
    gates = GateSettings()
    assert (ahead.lead_s == round(60 * gates.limit_ahead)).all()
    assert (_limited(late).lead_s == round(60 * gates.limit)).all()
    keys = ["isp", "lv_feeder"]
    both = pd.MultiIndex.from_frame(ahead[keys]).intersection(pd.MultiIndex.from_frame(_limited(late)[keys]))

    def down_mw(folder: Path) -> float:
        orders = table(folder, "bids")
        lv_feeder = orders.bid_id.str.extract(r"\.\d{4}-(S-\d)\.", expand=False)
        mine = pd.MultiIndex.from_arrays([orders.isp, lv_feeder]).isin(both) & (orders.direction < 0)
        return float(orders.quantity_mw[mine].sum())

    assert len(both) > 5
    assert 0.0 < down_mw(early) < 0.8 * down_mw(late)


def test_customers_trade_what_limits_withhold(small_run: Runs) -> None:
    folder = small_run(**BUSY)
    deals, feeders = table(folder, "curtailment_trades"), table(folder, "low_voltage")
    assert len(deals) > 10
    assert (deals.kw > 0.0).all()
    active = feeders.set_index(["isp", "lv_feeder"]).active_contracts
    assert (active.loc[list(zip(deals.isp, deals.lv_feeder, strict=True))] > 0).all()
    for column in ("buyer", "seller"):  # neighbours
        assert (deals[column].str.rsplit("/", n=1).str[0] == deals.lv_feeder).all()
    for _, rows in deals.groupby(["isp", "lv_feeder"]):
        assert not set(rows.buyer) & set(rows.seller)
        assert rows.groupby("buyer").gained_kw.nunique().max() == 1
    paid = table(folder, "settlement")
    paid = paid[paid.kind == "curtailment trade"]
    assert paid.amount_eur.to_numpy() == pytest.approx(
        (0.25 * deals.kw / 1000 * deals.price_eur_per_mwh).to_numpy()
    )
    assert paid.payer.tolist() == deals.buyer.tolist()
    assert paid.payee.tolist() == deals.seller.tolist()


def test_the_dso_compensates_what_is_withheld(small_run: Runs) -> None:
    folder = small_run(**BUSY)
    paid, feeders = table(folder, "settlement"), table(folder, "low_voltage")
    due = feeders.groupby("isp").withheld_kwh.sum() / 1000.0 * 100.0
    rows = paid[paid.kind == "non-firm compensation"]
    assert set(zip(rows.payer, rows.payee, strict=True)) == {("DSO-D1", "households")}
    got = rows.groupby("isp").amount_eur.sum().reindex(due.index, fill_value=0.0)
    np.testing.assert_allclose(got, due, atol=1e-9)
    assert due.sum() > 1.0


def test_blocked_energy_is_substituted_at_most_once_and_substitutes_are_paid(small_run: Runs) -> None:
    folder = small_run(**BUSY)
    substitution, paid = table(folder, "substitution"), table(folder, "settlement")
    assert substitution.portfolio_mw.sum() > 0.001
    assert substitution.aggregators_mw.sum() > 0.001
    made = substitution.portfolio_mw + substitution.aggregators_mw
    assert (made <= substitution.energy_blocked_mw + 1e-9).all()
    assert not substitution[["tso_energy_mw", "tso_reserve_mw"]].any().any()
    helped = paid[paid.kind == "substitution"].groupby(["isp", "payer"])
    rows = substitution.assign(mwh=0.25 * substitution.direction * substitution.aggregators_mw)
    substituted = rows[rows.aggregators_mw > 0].groupby(["isp", "provider"])
    assert set(substituted.groups) == set(helped.groups)
    np.testing.assert_allclose(helped.quantity_mwh.sum(), substituted.mwh.sum(), atol=1e-9)
    np.testing.assert_allclose(
        helped.amount_eur.sum(), 0.25 * substituted.aggregators_eur_per_h.sum(), atol=1e-9
    )


def test_the_tso_replaces_on_transmission_what_pools_report(small_run: Runs) -> None:
    folder = small_run(**TSO_ONLY)
    substitution, bought = table(folder, "substitution"), table(folder, "activations")
    assert not substitution[["portfolio_mw", "aggregators_mw"]].any().any()
    replaced = bought[bought.market == SUBSTITUTION]
    assert set(replaced.system) == {"T"}
    net = (replaced.direction * replaced.quantity_mw).groupby(replaced.isp).sum()
    recorded = (substitution.direction * substitution.tso_energy_mw).groupby(substitution.isp).sum()
    assert recorded.abs().sum() > 0.005
    np.testing.assert_allclose(net, recorded[recorded.abs() > 1e-9], atol=1e-6)


@pytest.mark.parametrize(("given", "hours"), [(BUSY, 0.25), (TSO_ONLY, 0.5)], ids=["busy", "tso"])
def test_key_figures_are_those_of_the_tables(small_run: Runs, given: Section, hours: float) -> None:
    tables = {file.stem: pd.read_parquet(file) for file in small_run(**given).glob("*.parquet")}
    kpis, feeders, substitution = non_firm_kpis(tables, hours), tables["low_voltage"], tables["substitution"]
    assert kpis["limits_activated"] == (tables["non_firm"].contracts > 0).sum()
    assert kpis["limited_contract_hours"] == pytest.approx(hours * feeders.active_contracts.sum())
    assert kpis["lv_unsafe_pct"] == pytest.approx(100.0 * (~feeders.safe).mean())
    assert kpis["substituted_by_aggregators_mwh"] == pytest.approx(hours * substitution.aggregators_mw.sum())
    assert (kpis["substituted_by_tso_mwh"] > 0.0) == (given is TSO_ONLY)
    assert kpis["lv_offers_left_down_pct"] < 100.0


def test_permanent_contracts_hold_always_and_are_never_activated(small_run: Runs) -> None:
    folder = small_run(**_given({"permanent": True, "compensation_eur_per_mwh": 100.0}) | HALF_HOURLY)
    feeders, paid = table(folder, "low_voltage"), table(folder, "settlement")
    assert (len(_limited(folder)), feeders.active_contracts.max()) == (0, 0)
    night = feeders[feeders.time.dt.tz_convert(ZONE).dt.hour.isin([0, 1, 2, 22, 23])]
    assert night.withheld_kwh.sum() > 0.5  # whatever the feeder can do
    assert (-feeders.net_kw).max() <= USERS * GUARANTEED_KW
    due = feeders.withheld_kwh.sum() / 1000.0 * 100.0
    assert paid[paid.kind == "non-firm compensation"].amount_eur.sum() == pytest.approx(due)


def test_windows_hold_at_their_hours_only(small_run: Runs) -> None:
    folder = small_run(**_given({"windows": [{"from_hour": 17, "to_hour": 20}]}) | HALF_HOURLY)
    feeders = table(folder, "low_voltage")
    inside = feeders.time.dt.tz_convert(ZONE).dt.hour.between(17, 19)
    assert feeders.withheld_kwh[inside].sum() > 1.0
    assert feeders.withheld_kwh[~inside].max() < 1e-9
    assert _limited(folder).empty


def test_contracts_are_applied_no_oftener_and_no_longer_than_agreed(small_run: Runs) -> None:
    """Twice half an hour a year; everybody on a feeder is limited at once."""
    folder = small_run(**_given({"activations_per_year": 2, "hours_each": 0.5}))
    limited, free = _limited(folder), _limited(small_run(**PLAIN))
    assert set(limited.contracts) == {USERS}
    assert len(limited) < len(free)
    for lv_feeder, rows in table(folder, "low_voltage").groupby("lv_feeder"):
        on = rows.sort_values("isp").active_contracts > 0
        runs = [len(list(same)) for active, same in groupby(on) if active]
        assert (len(runs) <= 2, max(runs)) == (True, 2), lv_feeder
    rows = table(folder, "non_firm")
    assert rows.solved[rows.contracts == 0].tolist() == [False] * (len(rows) - len(limited))
    assert len(rows) > len(limited) + 3  # what is used up is recorded


def _caught(out: Path, match: str, **non_firm: Any) -> None:
    with pytest.raises(AuditError, match=match):
        run(small_scenario(**_given(non_firm, WEAK)), None, out)


def test_households_that_ignore_limits_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = HouseholdFleet.step

    def deaf(
        self: HouseholdFleet,
        isp: int,
        up: FloatArray | None,
        down: FloatArray | None,
        connection_limits: ConnectionLimits | None,
    ) -> FleetStep:
        return honest(self, isp, up, down, None)

    monkeypatch.setattr(HouseholdFleet, "step", deaf)
    _caught(tmp_path, r"ISP \d+: S/\w+ exceeds its limit by", guaranteed_import_kw=1.0)


@pytest.mark.parametrize(
    ("every", "terms", "match"),
    [(1, {"hours_each": 0.5}, "longer than agreed"), (2, {"activations_per_year": 1}, "more often a year")],
)
def test_a_book_that_allows_too_much_is_found(
    every: int, terms: Section, match: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def lax(self: ContractBook, isp: int, lead_s: float) -> BoolArray:
        return np.asarray(self.contracts.held & ~self.active(isp) & (isp % every == 0))

    monkeypatch.setattr(ContractBook, "may", lax)
    _caught(tmp_path, match, **terms)


def test_a_dso_that_limits_below_what_is_guaranteed_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    honest = ConnectionLimiter._choose

    def greedy(self: ConnectionLimiter, *given: Any) -> Choice:
        found = honest(self, *given)
        return replace(found, import_kw=0.9 * found.import_kw)

    monkeypatch.setattr(ConnectionLimiter, "_choose", greedy)
    _caught(tmp_path, r"S/\w+ is limited below its guaranteed capacity, by 0\.42")


def test_a_dso_that_limits_who_has_no_contract_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    honest = ConnectionLimiter.send_limits

    def astray(self: ConnectionLimiter, isp: int, who: IntArray, into: FloatArray, out: FloatArray) -> None:
        honest(self, isp, (who + 1) % USERS, into, out)

    monkeypatch.setattr(ConnectionLimiter, "send_limits", astray)
    _caught(tmp_path, "is limited without an active contract", participation=0.5)


INCIDENT = {"bus": 3, "mw": 40, "start": "2016-01-20T17:30:00", "end": "2016-01-20T18:30:00"}
OVERLAP = [{"from_hour": 8, "to_hour": 12}, {"from_hour": 11, "to_hour": 13}]
LATE = {"plug_in": {"at": "2016-01-20T17:00:00"}}
HORIZON, CORRECT = "within start and days", "Change one of the values named"


@pytest.mark.parametrize(
    ("given", "field", "problem", "hint"),
    [
        (
            _given({"guaranteed_import_kw": 12.0}),
            "non_firm.guaranteed_import_kw",
            "S-1/LOAD1 is guaranteed 12 kW of import, more than its connection of 9.2 kW",
            "low_voltage.0.conn",
        ),
        (
            _given({"sides": "both", "guaranteed_export_kw": 9.3}),
            "non_firm.guaranteed_export_kw",
            "9.3 kW of export",
            "Guarantee less",
        ),
        (_given(lv_feeder={"bus": 1}), "low_voltage.0.bus", "bus 1 of D1 has no households", "with load"),
        (_given(lv_feeder={"bus": 400}), "low_voltage.0.bus", "bus 400", "bus"),
        (
            _given(lv_feeder={"copies": 9}),
            "low_voltage.0.grid",
            "has 55 users, and bus 61 of",
            "lower copies",
        ),
        (_given(households=60), "low_voltage.0.grid", "has 55 users, and bus 61", "Raise households"),
        (
            _given(lv_feeder={"grid": "case145"}),
            "bus 59",
            "a generator or an extended ward holds",
            "static gen",
        ),
        (_given({"guaranteed_import_kw": None}, {"source_vm_pu": 0.94}), "voltage", "no envelope is", "band"),
        (_given(lv_feeder=LATE), "low_voltage.0.plug_in.at", "outside the horizon", HORIZON),
        (_given(incidents=[INCIDENT]), "incidents.0.start", "no ISP of the horizon", HORIZON),
        (_given(lv_feeder={"area": "D9"}), "low_voltage.0.area", "D9 is no area; known are D1", CORRECT),
        (_given({"notice_minutes": 30}), "non_firm.notice_minutes", "30 exceeds the 7 min", CORRECT),
        (_given({"notice_minutes": 90, "role": "prequalification"}), "non_firm.notice_minutes", "70 min", ""),
        (_given(low_voltage=[]), "low_voltage", "must not be empty", CORRECT),
        (
            _given({"substitution": ["tso"]}, scheme="integrated"),
            "non_firm.substitution",
            "integrated has",
            CORRECT,
        ),
        (_given({"windows": OVERLAP}), "non_firm", "windows 8-12 and 11-13 overlap", CORRECT),
        (_given({"permanent": True, "hours_each": 1}), "non_firm", "temporary contracts", CORRECT),
        (_given(lv_feeder={"band": {"low_pu": 1.2}}), "low_voltage.0.band", "1.2 must lie below", CORRECT),
    ],
)
def test_bad_input_names_field_and_mend(
    given: Section, field: str, problem: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as found:
        run(small_scenario(**given), None, tmp_path)
    assert found.value.field == field
    assert problem in found.value.problem
    assert hint in found.value.hint
