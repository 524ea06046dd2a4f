"""The audit catches planted faults of each kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.fleet import HouseholdFleet
from agents.population import Population
from markets.bids import Bids
from markets.ledger import Ledger
from markets.settlement import Payment
from sim.audit import AuditError, audit_balance, audit_energy, audit_ledger, audit_money
from sim.calendar import Calendar
from sim.randomness import stream

BOOKS = {"D1": Bids.of(["a", "b"], ["A", "B"], [1, 2], [1, -1], [2.0, 1.0], [50.0, 20.0])}


def _ledger(*awards: list[float]) -> Ledger:
    ledger = Ledger()
    ledger.open("D1", BOOKS["D1"].quantity_mw)
    for k, award in enumerate(awards):
        ledger.book("D1", f"layer {k}", np.array(award))
    return ledger


def test_honest_books_pass() -> None:
    # 1.5 MW up at 50 and 1 MW down at 20 for a quarter: 18.75 EUR to A, and B pays back 5 EUR.
    ledger = _ledger([1.0, 0.0], [0.5, 1.0])
    payments = [
        Payment("DSO", "A", "activation", 0.375, 18.75),
        Payment("DSO", "B", "activation", -0.25, -5.0),
    ]
    audit_ledger(0, ledger, BOOKS)
    audit_money(0, payments, ledger, BOOKS, 0.25)
    audit_balance(0, {"BRP": -0.3, "A": -0.1}, 0.5, 0.1)


def test_a_megawatt_sold_twice_is_caught() -> None:
    ledger = _ledger([1.0, 0.0])
    ledger.layers["planted"] = {"D1": np.array([1.5, 0.0])}
    with pytest.raises(AuditError, match=r"ISP 3: bid a sold 2\.5 MW of 2\.0 MW"):
        audit_ledger(3, ledger, BOOKS)


def test_a_negative_award_is_caught() -> None:
    ledger = _ledger()
    ledger.layers["planted"] = {"D1": np.array([-0.1, 0.0])}
    with pytest.raises(AuditError, match="negative"):
        audit_ledger(0, ledger, BOOKS)


def test_a_payment_that_does_not_match_its_award_is_caught() -> None:
    ledger = _ledger([1.0, 0.0])
    with pytest.raises(AuditError, match=r"worth 12\.5 EUR"):
        audit_money(0, [Payment("DSO", "A", "activation", 0.25, 13.0)], ledger, BOOKS, 0.25)


def test_an_imbalance_out_of_nowhere_is_caught() -> None:
    with pytest.raises(AuditError, match="add up"):
        audit_balance(0, {"BRP": -0.3}, 0.5, 0.1)


@pytest.fixture(scope="module")
def fleet() -> HouseholdFleet:
    calendar = Calendar.of_days("2016-04-18", 1, 15, "Europe/Brussels")
    sites, pools = np.zeros(60, dtype=np.int64), np.zeros(60, dtype=np.int64)
    population = Population(pv_share=0.6, battery_share=0.5, ev_share=0.5, heat_pump_share=0.5)
    return HouseholdFleet.build(population, sites, pools, calendar.times(8), 1, stream(1, "fleet"))


def test_energy_from_nothing_is_caught(fleet: HouseholdFleet) -> None:
    step = fleet.step(fleet.next_isp, None, None)
    audit_energy(0, step, fleet)
    with pytest.raises(AuditError, match="was delivered"):
        audit_energy(0, replace(step, up_kw=step.up_kw + 1.0), fleet)
    kept = fleet.snapshot()
    broken = {k: v.copy() for k, v in kept.items()}
    broken["stored_kwh"] = broken["stored_kwh"] + 5.0
    fleet.restore(broken)
    with pytest.raises(AuditError, match="battery energy"):
        audit_energy(0, step, fleet)
    fleet.restore(kept)
    audit_energy(0, step, fleet)
