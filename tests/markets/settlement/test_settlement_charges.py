"""Charges beyond energy, by hand: capacity that stands ready or does not, and energy that is missing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.markets.settlement.payments import (
    CapacityObligation,
    Payment,
    Place,
    balances,
    capacity_payments,
    shortfall_payments,
)

QUARTER = 0.25
UP_HERE, DOWN_THERE = ("A", "D1", 1), ("A", "D2", -1)


def _obligation(
    obligation: float, offered: float, price: float = 8.0, fulfilled: float | None = None
) -> CapacityObligation:
    left = offered if fulfilled is None else fulfilled
    return CapacityObligation(
        operator="TSO",
        service="aFRR",
        provider="A",
        direction=1,
        obligation_mw=obligation,
        offered_mw=offered,
        fulfilled_mw=left,
        pay_eur_per_h=obligation * price,
    )


def test_capacity_that_is_offered_is_paid_and_costs_nothing() -> None:
    # 4 MW at 8 EUR per MW and hour for a quarter of an hour: 8 EUR. Offering more earns no more.
    for offered in (4.0, 9.0):
        assert capacity_payments([_obligation(4.0, offered)], 1.3, QUARTER) == [
            Payment(payer="TSO", payee="A", kind="capacity", quantity_mwh=0.0, amount_eur=8.0)
        ]


def test_capacity_that_is_not_offered_costs_a_multiple_of_its_pay() -> None:
    # 3 of 4 MW are offered: 8 EUR are paid, and a quarter of them times 1.3 is due: 2.60 EUR.
    paid, penalty = capacity_payments([_obligation(4.0, 3.0)], 1.3, QUARTER)
    assert paid == Payment(payer="TSO", payee="A", kind="capacity", quantity_mwh=0.0, amount_eur=8.0)
    assert (penalty.payer, penalty.payee, penalty.kind) == ("A", "TSO", "unavailability")
    assert penalty.amount_eur == pytest.approx(2.6)
    # Nothing offered: the provider pays 1.3 times 8 EUR back, and is left with a loss of 2.40 EUR.
    assert balances(capacity_payments([_obligation(4.0, 0.0)], 1.3, QUARTER)) == pytest.approx(
        {"TSO": 2.4, "A": -2.4}
    )


def test_what_a_dso_holds_back_of_it_is_not_the_providers_fault() -> None:
    assert len(capacity_payments([_obligation(4.0, 4.0, fulfilled=1.0)], 1.3, QUARTER)) == 1


def test_rounding_is_no_shortfall_and_no_obligation_means_nothing_missing() -> None:
    assert len(capacity_payments([_obligation(4.0, 4.0 - 5e-10)], 1.3, QUARTER)) == 1
    (nothing,) = capacity_payments([_obligation(0.0, 0.0)], 1.3, QUARTER)
    assert nothing.amount_eur == 0.0
    assert capacity_payments([], 1.3, QUARTER) == []


def test_contracts_of_one_provider_are_settled_apart() -> None:
    # 2 MW of aFRR at 10 are all there; of 2 MW of local capacity at 4 half is missing: 1 EUR of the 2 paid.
    other = CapacityObligation(
        operator="DSO-D1",
        service="LFM",
        provider="A",
        direction=-1,
        obligation_mw=2.0,
        offered_mw=1.0,
        fulfilled_mw=1.0,
        pay_eur_per_h=8.0,
    )
    payments = capacity_payments([_obligation(2.0, 2.0, price=10.0), other], 1.0, QUARTER)
    assert balances(payments) == pytest.approx({"TSO": -5.0, "DSO-D1": -1.0, "A": 6.0})


def _shortfall(ordered: float, delivered: float, eur_per_mwh: float = 50.0) -> list[Payment]:
    side = 1 if ordered >= 0 else -1
    place = "A", "D1", side
    return shortfall_payments({place: side * ordered}, {place: side * delivered}, "TSO", eur_per_mwh, QUARTER)


def test_energy_missing_beyond_the_tolerance_is_charged() -> None:
    # 10 MW up ordered, 7 delivered: 2 MW below the 9 MW that are tolerated, 0.5 MWh, 25 EUR.
    (bill,) = _shortfall(10.0, 7.0)
    assert (bill.payer, bill.payee, bill.kind) == ("A", "TSO", "shortfall")
    assert bill.quantity_mwh == pytest.approx(-0.5)  # less injection than ordered
    assert bill.amount_eur == pytest.approx(25.0)
    # The same downwards: injection is higher than ordered.
    (bill,) = _shortfall(-10.0, -7.0)
    assert bill.quantity_mwh == pytest.approx(0.5)
    assert bill.amount_eur == pytest.approx(25.0)


def test_going_the_wrong_way_is_missing_too() -> None:
    # 9 MW tolerated at least, 3 MW delivered downwards: 12 MW missing, 3 MWh, 150 EUR.
    (bill,) = _shortfall(10.0, -3.0)
    assert bill.amount_eur == pytest.approx(150.0)


@pytest.mark.parametrize(
    ("ordered", "delivered"),
    [(10.0, 9.0), (10.0, 12.0), (-10.0, -9.0), (-10.0, -20.0), (0.0, 0.0), (0.0, -5.0), (1e-9, 0.0)],
)
def test_within_the_tolerance_beyond_the_order_or_without_one_nothing_is_due(
    ordered: float, delivered: float
) -> None:
    assert _shortfall(ordered, delivered) == []


def test_without_a_charge_there_is_no_booking_and_the_tolerance_can_be_narrowed() -> None:
    assert _shortfall(10.0, 0.0, eur_per_mwh=0.0) == []
    (bill,) = shortfall_payments({UP_HERE: 10.0}, {UP_HERE: 9.5}, "TSO", 100.0, QUARTER, tolerance=0.0)
    assert bill.amount_eur == pytest.approx(12.5)  # 0.5 MW for a quarter of an hour


def test_pools_are_charged_one_by_one() -> None:
    b, c = ("B", "D1", 1), ("C", "D1", -1)
    ordered = {UP_HERE: 10.0, b: 4.0, c: 2.0}
    payments = shortfall_payments(ordered, {UP_HERE: 9.5, b: 1.6, c: 0.0}, "TSO", 50.0, QUARTER)
    # B lacks 3.6 - 1.6 = 2 MW, C 1.8 MW: 25 and 22.50 EUR.
    assert {p.payer: p.amount_eur for p in payments} == pytest.approx({"B": 25.0, "C": 22.5})


def test_nothing_delivered_in_two_areas_is_missing_in_both() -> None:
    # +5 MW in one area and -5 MW in the other, nothing comes: 4.5 MW missing each, 1.125 MWh, 56.25 EUR.
    ordered = {UP_HERE: 5.0, DOWN_THERE: 5.0}
    payments = shortfall_payments(ordered, dict.fromkeys(ordered, 0.0), "TSO", 50.0, QUARTER)
    assert [p.payer for p in payments] == ["A", "A"]
    assert [p.quantity_mwh for p in payments] == pytest.approx([-1.125, 1.125])
    assert [p.amount_eur for p in payments] == pytest.approx([56.25, 56.25])


def test_more_in_one_place_or_direction_makes_up_for_nothing_in_another() -> None:
    # 4 MW up and 4 MW down in one area: all of the one and twice as much, none of the other: 3.6 MW missing.
    down_here = ("A", "D1", -1)
    (bill,) = shortfall_payments(
        {UP_HERE: 4.0, down_here: 4.0}, {UP_HERE: 8.0, down_here: 0.0}, "TSO", 50.0, QUARTER
    )
    assert [bill.quantity_mwh, bill.amount_eur] == pytest.approx([0.9, 45.0])


OBLIGATIONS = st.lists(
    st.builds(
        CapacityObligation,
        operator=st.sampled_from(["TSO", "DSO-D1"]),
        service=st.just("aFRR"),
        provider=st.sampled_from(["A", "B"]),
        direction=st.sampled_from([1, -1]),
        obligation_mw=st.floats(0.01, 9.0),
        offered_mw=st.floats(0.0, 9.0),
        fulfilled_mw=st.just(0.0),
        pay_eur_per_h=st.floats(0.0, 200.0),
    ),
    max_size=6,
)
PLACES = st.tuples(st.sampled_from("AB"), st.sampled_from(["D1", "D2"]), st.sampled_from([1, -1]))
MOVES = st.dictionaries(PLACES, st.tuples(st.floats(0, 9), st.floats(-9, 9)))


@settings(deadline=None, max_examples=60)
@given(OBLIGATIONS, st.floats(0.0, 3.0), MOVES)
def test_no_euro_appears_and_no_charge_is_negative_or_beyond_its_rule(
    obligations: list[CapacityObligation], factor: float, moves: dict[Place, tuple[float, float]]
) -> None:
    payments = capacity_payments(obligations, factor, QUARTER)
    penalties = [p for p in payments if p.kind == "unavailability"]
    assert len(payments) - len(penalties) == len(obligations)
    assert sum(p.amount_eur for p in payments if p.kind == "capacity") == pytest.approx(
        sum(s.pay_eur_per_h for s in obligations) * QUARTER
    )
    most = factor * QUARTER * sum(s.pay_eur_per_h for s in obligations)
    assert 0.0 <= sum(p.amount_eur for p in penalties) <= most + 1e-9
    assert len(penalties) == sum(s.offered_mw < s.obligation_mw - 1e-6 for s in obligations)
    ordered, delivered = ({place: pair[k] for place, pair in moves.items()} for k in (0, 1))
    shortfalls = shortfall_payments(ordered, delivered, "TSO", 50.0, QUARTER)
    assert all(p.amount_eur > 0 for p in shortfalls)
    for pool in "AB":  # never more than all of the orders and what went the wrong way
        lacking = sum(max(ordered[p] - delivered[p], 0.0) for p in moves if p[0] == pool)
        charged = sum(abs(bill.quantity_mwh) for bill in shortfalls if bill.payer == pool)
        assert charged <= lacking * QUARTER + 1e-9
    assert sum(balances([*payments, *shortfalls]).values()) == pytest.approx(0.0, abs=1e-9)
