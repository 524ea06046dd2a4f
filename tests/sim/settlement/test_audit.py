"""The audit catches planted faults of each kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tandem_sim.agents.devices.population import ROW, Population
from tandem_sim.agents.households.fleet import HouseholdFleet, Residents
from tandem_sim.grids.errors import AuditError
from tandem_sim.grids.power_flow.ac import AcState
from tandem_sim.grids.power_flow.constraints import Violations
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.clearing.purposes import Purposes
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.settlement.imbalance import ImbalancePrices, Regulation
from tandem_sim.markets.settlement.payments import Payment
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.delivery.physics import GridResult
from tandem_sim.sim.settlement.audit import (
    audit_balance,
    audit_buyers,
    audit_energy,
    audit_interface,
    audit_ledger,
    audit_money,
    audit_orders,
    audit_price,
    audit_slack,
)

BOOKS = {"D1": Bids.of(["a", "b"], ["A", "B"], [1, 2], [1, -1], [2.0, 1.0], [50.0, 20.0])}


def _ledger(*awards: list[float]) -> Ledger:
    ledger = Ledger()
    ledger.open("D1", BOOKS["D1"].quantity_mw)
    for k, award in enumerate(awards):
        ledger.book("D1", f"market {k}", Sale.of(np.array(award), BOOKS["D1"].signed_price * np.array(award)))
    return ledger


def test_honest_books_pass() -> None:
    # 1.5 MW up at 50 and 1 MW down at 20 for a quarter: 18.75 EUR to A, and B pays back 5 EUR.
    ledger = _ledger([1.0, 0.0], [0.5, 1.0])
    payments = [
        Payment(payer="DSO", payee="A", kind="activation", quantity_mwh=0.375, amount_eur=18.75),
        Payment(payer="DSO", payee="B", kind="activation", quantity_mwh=-0.25, amount_eur=-5.0),
    ]
    audit_ledger(0, ledger, BOOKS)
    audit_money(0, payments, ledger, BOOKS, 0.25)
    audit_balance(0, {"BRP": -0.3, "A": -0.1}, 0.5, 0.1)


def test_a_megawatt_sold_twice_is_caught() -> None:
    ledger = _ledger([1.0, 0.0])
    ledger.markets["planted"] = {"D1": np.array([1.5, 0.0])}
    with pytest.raises(AuditError, match=r"ISP 3: bid a sold 2\.5 MW of 2\.0 MW"):
        audit_ledger(3, ledger, BOOKS)


def test_a_negative_award_is_caught() -> None:
    ledger = _ledger()
    ledger.markets["planted"] = {"D1": np.array([-0.1, 0.0])}
    with pytest.raises(AuditError, match="negative"):
        audit_ledger(0, ledger, BOOKS)


def test_a_payment_that_does_not_match_its_award_is_caught() -> None:
    ledger = _ledger([1.0, 0.0])
    with pytest.raises(AuditError, match=r"due 12\.5 EUR"):
        audit_money(
            0,
            [Payment(payer="DSO", payee="A", kind="activation", quantity_mwh=0.25, amount_eur=13.0)],
            ledger,
            BOOKS,
            0.25,
        )


def test_an_imbalance_out_of_nowhere_is_caught() -> None:
    with pytest.raises(AuditError, match="add up"):
        audit_balance(0, {"BRP": -0.3}, 0.5, 0.1)


@pytest.fixture(scope="module")
def fleet() -> HouseholdFleet:
    calendar = Calendar.of_days("2016-04-18", 1, 15, "Europe/Brussels")
    sites, pools = np.zeros(60, dtype=np.int64), np.zeros(60, dtype=np.int64)
    population = Population(pv_share=0.6, battery_share=0.5, ev_share=0.5, heat_pump_share=0.5)
    return HouseholdFleet.build(
        population,
        Residents(
            site_of=sites,
            aggregator_of=pools,
            n_sites=1,
            rows=np.random.default_rng(1).random((len(sites), ROW)),
        ),
        calendar.times(),
    )


def test_energy_from_nothing_is_caught(fleet: HouseholdFleet) -> None:
    step = fleet.step(fleet.next_isp, None, None)
    audit_energy(0, step, fleet)
    with pytest.raises(AuditError, match="was delivered"):
        audit_energy(0, replace(step, up_kw=step.up_kw + 1.0), fleet)
    kept = fleet.snapshot()
    broken = {k: v.copy() for k, v in kept.items()}
    broken["battery_stored_kwh"] = broken["battery_stored_kwh"] + 5.0
    fleet.restore(broken)
    with pytest.raises(AuditError, match="battery energy"):
        audit_energy(0, step, fleet)
    fleet.restore(kept)
    audit_energy(0, step, fleet)


def test_orders_that_are_not_the_awards_are_caught(fleet: HouseholdFleet) -> None:
    isp = fleet.next_isp
    lookahead = fleet.lookahead(isp, isp, 40.0, {})
    up, none = 0.5 * lookahead.up_kw, np.zeros(len(lookahead.up_kw))
    step = fleet.step(isp, up, none)
    awarded = float(up.sum())
    assert awarded > 1.0
    audit_orders(isp, step, up, awarded)
    with pytest.raises(AuditError, match="awarded"):
        audit_orders(isp, step, 2.0 * up, awarded)  # applied twice
    with pytest.raises(AuditError, match="was ordered"):
        audit_orders(isp, step, -up, -awarded)  # up and down swapped
    with pytest.raises(AuditError, match="was ordered"):
        audit_orders(isp, step, up[::-1].copy(), awarded)  # ordered of others


def _grid(interface_mw: float, losses_mw: float) -> GridResult:
    none = np.zeros(1)
    state = AcState(
        converged=True,
        vm_pu=none,
        p_from_mw=none,
        p_to_mw=none,
        q_from_mvar=none,
        q_to_mvar=none,
        loading_percent=none,
        losses_mw=losses_mw,
        root_mw=interface_mw,
        root_mvar=0.0,
    )
    return GridResult(
        state=state,
        interface_mw=interface_mw,
        losses_mw=losses_mw,
        after=Violations(),
        base=None,
        linear=None,
        flow_error_mw=0.0,
        voltage_error_pu=0.0,
        injections=(none, none),
    )


def test_power_that_no_meter_and_no_loss_explains_is_caught() -> None:
    # 2 MW of consumption and 0.1 MW of losses need 2.1 MW at the interface.
    audit_interface(0, "D1", _grid(2.1, 0.1), -2.0)
    with pytest.raises(AuditError, match="D1"):
        audit_interface(0, "D1", _grid(1.9, 0.1), -2.0)
    # A system 0.5 MW short, with 0.1 and 0.2 MW of losses, takes 0.8 MW from the slack.
    audit_slack(0, {"T": _grid(0.8, 0.2), "D1": _grid(2.1, 0.1)}, -0.5)
    with pytest.raises(AuditError, match="slack"):
        audit_slack(0, {"T": _grid(-0.2, 0.2), "D1": _grid(2.1, 0.1)}, -0.5)


def test_a_bill_sent_to_the_wrong_operator_is_caught() -> None:
    ledger = _ledger([1.0, 0.0])  # 1 MW at 50 for a quarter: 12.5 EUR
    buyers = {"market 0": "dso"}
    audit_buyers(
        0,
        [Payment(payer="DSO-D1", payee="A", kind="activation", quantity_mwh=0.25, amount_eur=12.5)],
        ledger,
        buyers,
        0.25,
    )
    with pytest.raises(AuditError, match="DSOs paid 0"):
        audit_buyers(
            0,
            [Payment(payer="BRP-T", payee="A", kind="activation", quantity_mwh=0.25, amount_eur=12.5)],
            ledger,
            buyers,
            0.25,
        )


def test_a_bid_paid_less_than_it_asked_for_is_caught() -> None:
    ledger = Ledger()
    ledger.open("D1", BOOKS["D1"].quantity_mw)
    ledger.book("D1", "dso_market", Sale.of(np.array([1.0, 0.0]), np.array([48.0, 0.0])))  # it asked for 50
    payments = [Payment(payer="DSO-D1", payee="A", kind="activation", quantity_mwh=0.25, amount_eur=12.0)]
    with pytest.raises(AuditError, match="bid a is paid less than its price in dso_market"):
        audit_money(0, payments, ledger, BOOKS, 0.25)


def test_an_invented_imbalance_price_is_caught() -> None:
    ledger = _ledger([1.0, 0.0])
    nan = float("nan")
    regulation = Regulation(delta_mw=np.zeros(1), up_mw=0.0, down_mw=0.0, up_price=nan, down_price=nan)
    for price in (50.0, 30.0, 10_000.0, -10_000.0):  # of the bid called, day-ahead, of unserved need
        audit_price(0, ImbalancePrices(price, price), 0.0, 30.0, ledger, BOOKS, regulation, (False, False))
    audit_price(
        0, ImbalancePrices(28.5, 51.5), 1.5, 30.0, ledger, BOOKS, regulation, (False, False)
    )  # an adder of 1.5
    short = Regulation(
        delta_mw=np.ones(1),
        up_mw=1.0,
        down_mw=0.0,
        up_price=50.0,
        down_price=nan,
        up_mean=48.0,
        down_mean=nan,
    )
    audit_price(0, ImbalancePrices(50.0, 50.0), 0.0, 30.0, ledger, BOOKS, short, (True, False))
    with pytest.raises(AuditError, match=r"a shortage costs 30.0, less than 48.0 paid upwards"):
        audit_price(0, ImbalancePrices(30.0, 30.0), 0.0, 30.0, ledger, BOOKS, short, (True, False))
    long = Regulation(
        delta_mw=-np.ones(1),
        up_mw=0.0,
        down_mw=1.0,
        up_price=nan,
        down_price=20.0,
        up_mean=nan,
        down_mean=22.0,
    )
    with pytest.raises(AuditError, match=r"a surplus earns 30.0, more than 22.0 paid downwards"):
        audit_price(0, ImbalancePrices(30.0, 30.0), 0.0, 30.0, ledger, BOOKS, long, (False, True))
    against_limits = Ledger()
    against_limits.open("D1", BOOKS["D1"].quantity_mw)
    sale = Sale.of(np.array([1.0, 0.0]), np.array([50.0, 0.0]))
    relief = replace(sale, purposes=Purposes(np.zeros(2), np.zeros(2), np.zeros(2)))
    against_limits.book("D1", "tso_market", relief)
    with pytest.raises(AuditError, match="no activated bid"):
        audit_price(
            0, ImbalancePrices(50.0, 50.0), 0.0, 30.0, against_limits, BOOKS, regulation, (False, False)
        )
    with pytest.raises(AuditError, match="no activated bid"):
        audit_price(0, ImbalancePrices(-50.0, -50.0), 0.0, 30.0, ledger, BOOKS, regulation, (False, False))
    with pytest.raises(AuditError, match="no activated bid"):
        audit_price(0, ImbalancePrices(30.0, 51.5), 0.0, 30.0, ledger, BOOKS, regulation, (False, False))
    with pytest.raises(AuditError, match="more than 30"):
        audit_price(
            0, ImbalancePrices(50.0, 30.0), 0.0, 30.0, ledger, BOOKS, regulation, (False, False)
        )  # swapped
