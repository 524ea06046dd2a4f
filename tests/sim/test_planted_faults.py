"""Faults planted in a running simulation: the audit stops the run, and says which invariant broke where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem_sim.agents.devices.connection_limits import ConnectionLimits
from tandem_sim.agents.households.fleet import FleetStep, HouseholdFleet
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.parties.seller_report import seller_rows
from tandem_sim.agents.services.reserve_volumes import Volumes, five_minutes
from tandem_sim.grids.errors import AuditError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.services.capacity import CapacityBook, Contract
from tandem_sim.markets.settlement.payments import Payment
from tandem_sim.sim.delivery import reserve as control
from tandem_sim.sim.delivery.physics import Physics
from tandem_sim.sim.delivery.reserve import ImbalancePricing
from tandem_sim.sim.output.records import record_system
from tandem_sim.sim.run import run
from tandem_sim.sim.settlement import settler as settling
from tandem_sim.sim.settlement.accounts import bought_mw
from tandem_sim.sim.settlement.audit import audit_capacity
from tests.agents.recording_context import obligation_mw
from tests.sim.conftest import HOURLY, small_scenario

CAPACITY: dict[str, Any] = {
    "flexibility_register": {"enabled": True},
    "reserve": {"enabled": True, "cycle_s": 60},
    "capacity": {"afrr_up_mw": 2.0, "afrr_down_mw": 2.0, "pool_minimum_mw": 0.05, "tick_mw": 0.01},
}


def _caught(out: Path, match: str, **overrides: Any) -> None:
    with pytest.raises(AuditError, match=match):
        run(small_scenario(**overrides), None, out)


def _tamper(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, change: Callable[[list[Payment]], list[Payment]]
) -> None:
    honest = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given: change(honest(*given)))


def test_energy_from_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = HouseholdFleet.step

    def generous(
        self: HouseholdFleet,
        isp: int,
        up: FloatArray | None,
        down: FloatArray | None,
        connection_limits: ConnectionLimits | None,
    ) -> FleetStep:
        step = honest(self, isp, up, down, connection_limits)
        return replace(step, up_kw=step.up_kw + 1.0)

    monkeypatch.setattr(HouseholdFleet, "step", generous)
    _caught(tmp_path, "ISP 0: meters moved")


def test_an_order_that_nobody_gave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = FleetAgent.deliver

    def eager(self: FleetAgent, isp: int) -> FleetStep:
        step = honest(self, isp)
        self.wanted_kw[isp] = self.wanted_kw[isp] + 0.5
        return step

    monkeypatch.setattr(FleetAgent, "deliver", eager)
    _caught(tmp_path, "were ordered")


def test_a_payment_that_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _tamper(monkeypatch, settling, "activation_payments", lambda payments: payments[1:])
    _caught(tmp_path, "EUR was paid for awards that are due")


def test_a_payment_that_is_made_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _tamper(monkeypatch, settling, "activation_payments", lambda payments: [*payments, *payments])
    _caught(tmp_path, "EUR was paid for awards that are due")


def test_a_bill_to_the_wrong_operator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def to_the_dso(payments: list[Payment]) -> list[Payment]:
        return [replace(p, payer="DSO-D1") for p in payments]

    _tamper(monkeypatch, settling, "activation_payments", to_the_dso)
    _caught(tmp_path, "DSOs paid")


def test_a_bid_sold_beyond_its_quantity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def careless(self: Ledger, system: str, market: str, sale: Sale) -> None:
        award = sale.award_mw + 1000.0 * (sale.award_mw > 0)
        for table, values in ((self.markets, award), (self.paid, sale.paid_eur_per_h)):
            table.setdefault(market, {})[system] = values
        self.make_whole.setdefault(market, {})[system] = sale.make_whole_eur_per_h
        self.purposes.setdefault(market, {})[system] = sale.purposes
        self._sold[system] = self._sold[system] + sale.award_mw

    monkeypatch.setattr(Ledger, "book", careless)
    _caught(tmp_path, r"sold .* MW of .* MW offered")


def test_an_invented_imbalance_price(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = ImbalancePricing.prices

    def dearer(self: ImbalancePricing, *given: Any) -> Any:
        prices, alpha = honest(self, *given)
        return replace(prices, long=prices.long + 0.01, short=prices.short + 0.01), alpha

    monkeypatch.setattr(ImbalancePricing, "prices", dearer)
    _caught(tmp_path, "that of no activated bid")


def test_an_imbalance_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "tandem_sim.sim.settlement.settler.bought_mw", lambda *given: {**bought_mw(*given), "BRP-T": 0.5}
    )
    _caught(tmp_path, "imbalances add up to")


def test_power_that_no_meter_explains(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = Physics.deliver

    def leaky(self: Any, *given: Any) -> Any:
        grids = honest(self, *given)
        return {**grids, "D1": replace(grids["D1"], interface_mw=grids["D1"].interface_mw + 0.1)}

    monkeypatch.setattr(Physics, "deliver", leaky)
    _caught(tmp_path, "than its meters and losses add up to")


def test_capacity_paid_at_another_price(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def dearer(payments: list[Payment]) -> list[Payment]:
        return [replace(p, amount_eur=1.01 * p.amount_eur) for p in payments]

    _tamper(monkeypatch, settling, "capacity_payments", dearer)
    _caught(tmp_path, "for capacity worth", **CAPACITY)


def test_a_penalty_beyond_its_rule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def greedy(payments: list[Payment]) -> list[Payment]:
        first = payments[0]
        return [
            *payments,
            Payment(
                payer=first.payee, payee=first.payer, kind="unavailability", quantity_mwh=0.0, amount_eur=1e6
            ),
        ]

    _tamper(monkeypatch, settling, "capacity_payments", greedy)
    _caught(tmp_path, "at most", **CAPACITY)


def test_capacity_sold_beyond_the_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = CapacityBook.enter
    monkeypatch.setattr(
        CapacityBook, "enter", lambda self, contract: honest(self, replace(contract, mw=contract.mw + 500.0))
    )
    _caught(tmp_path, r"MW of capacity in .* and has", **CAPACITY)


def test_a_unit_that_sells_more_than_it_is_registered_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def blind(self: FlexibilityRegister, isp: int, bids: Any, *given: Any) -> list[str]:
        return [""] * len(bids)

    def small(self: FlexibilityRegister, provider: str, units: Sequence[RegisteredUnit], *given: Any) -> None:
        honest(self, provider, [replace(u, up_mw=1e-5, down_mw=1e-5) for u in units], *given)

    honest = FlexibilityRegister.enter
    monkeypatch.setattr(FlexibilityRegister, "enter", small)
    monkeypatch.setattr(FlexibilityRegister, "reasons", blind)
    _caught(tmp_path, "is registered for", flexibility_register={"enabled": True})


def test_an_isp_settled_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = settling.Settler.settle

    def again(self: settling.Settler, isp: int, *given: Any) -> None:
        honest(self, isp, *given)
        if isp == 3:
            honest(self, isp, *given)

    monkeypatch.setattr(settling.Settler, "settle", again)
    _caught(tmp_path, "ISP 3 is settled after ISP 3")


def test_an_isp_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = settling.Settler.settle

    def lazy(self: settling.Settler, isp: int, *given: Any) -> None:
        if isp != 2:
            honest(self, isp, *given)

    monkeypatch.setattr(settling.Settler, "settle", lazy)
    _caught(tmp_path, "ISP 3 is settled after ISP 1")


def test_unserved_need_that_is_not_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Ledger, "unserved_mw", lambda self: 0.0)
    shared = {"scheme": "shared-balancing", "households": 40, **HOURLY}
    _caught(tmp_path, r"ISP \d+: unserved_mw of system is 0\.0, unserved of clearings is", **shared)


def test_a_need_of_which_half_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = Ledger.note

    def forgetful(self: Ledger, system: str, market: str, clearing: AuctionNeed) -> None:
        honest(self, system, market, clearing)
        object.__setattr__(clearing, "need_mw", 0.5 * clearing.need_mw)

    monkeypatch.setattr(Ledger, "note", forgetful)
    _caught(tmp_path, r"ISP \d+, tso_market, T: need - short", scheme="central-01", **HOURLY)


def test_a_seller_report_with_more_than_was_sold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = seller_rows

    def flattering(*given: Any) -> dict[str, Any]:
        rows = honest(*given)
        return {**rows, "sold_mw": rows["sold_mw"] + 0.1 * (rows["sold_mw"] > 0.0)}

    monkeypatch.setattr(settling, "seller_rows", flattering)
    _caught(tmp_path, "sold_mw of sellers is .* award .* of activations is", **HOURLY)


def test_reserve_compared_that_nobody_was_paid_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = five_minutes

    def generous(*given: Any) -> Volumes:
        found = honest(*given)
        return replace(found, delivered_mwh=1.01 * found.delivered_mwh)

    monkeypatch.setattr(control, "five_minutes", generous)
    reserve = {"enabled": True, "cycle_s": 60}
    _caught(tmp_path, r"aFRR .MWh. of activations is .*, delivered_mwh of", reserve=reserve, **HOURLY)


def test_an_award_left_out_of_the_total(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = record_system

    def forgetful(record: Any, isp: int, hours: float, step: Any, wanted: Any, sold: Any, *rest: Any) -> None:
        honest(record, isp, hours, step, wanted, {"D1": sold["D1"]}, *rest)

    monkeypatch.setattr(settling, "record_system", forgetful)
    _caught(
        tmp_path, r"activated_(up|down)_mw of system is .*, (up|down) award .MW. of activations", **HOURLY
    )


def test_contracts_are_what_the_audit_looks_at() -> None:
    book = CapacityBook(FlexibilityRegister())
    book.enter(
        Contract(
            operator="TSO",
            service="aFRR",
            provider="A",
            system="D1",
            direction=1,
            isps=range(2),
            mw=1.0,
            price=5.0,
        )
    )
    with pytest.raises(AuditError, match=r"A sold 1\.0 MW of capacity in D1 and has 0"):
        audit_capacity(0, book, [], 1.3, 0.25)
    assert np.isclose(obligation_mw(book, 1, "A", "aFRR", 1), 1.0)
