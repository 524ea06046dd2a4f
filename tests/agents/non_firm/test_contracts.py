"""Non-firm connection agreements: guaranteed capacities, and number, length and notice of activations."""

from __future__ import annotations

from dataclasses import fields
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_sim.agents.non_firm.contracts import ContractBook, Contracts, Terms
from tandem_sim.grids.errors import ContractError
from tandem_sim.grids.types import BoolArray, IntArray

QUARTER = 0.25
ALL = np.array([0, 1, 2])
FREE = Terms()


def _contracts(
    terms: Terms = FREE,
    held: tuple[bool, ...] = (True, True, True),
    import_kw: tuple[float, ...] = (4.2, 4.2, 4.2),
    export_kw: tuple[float, ...] = (5.0, 5.0, 5.0),
    isp_hours: float = QUARTER,
) -> Contracts:
    names = [f"S/{letter}" for letter in "abcdefgh"[: len(held)]]
    connection = np.full(len(held), 9.2)
    return Contracts.of(
        names, np.array(held), connection, np.array(import_kw), np.array(export_kw), terms, isp_hours
    )


def _book(terms: Terms = FREE, years: tuple[int, ...] = (2016,) * 12) -> ContractBook:
    return ContractBook(_contracts(terms), np.array(years))


def _one_after_another(book: ContractBook, isps: list[int], who: IntArray = ALL) -> None:
    for isp in isps:
        book.activate(isp, who, 600.0)


def test_more_guaranteed_than_connected_names_user_and_figures() -> None:
    message = r"S/b is guaranteed 10 kW of import, more than its connection of 9.2 kW"
    with pytest.raises(ValueError, match=message):
        _contracts(import_kw=(4.2, 10.0, 4.2))
    with pytest.raises(ValueError, match=r"S/c is guaranteed 9.5 kW of export, more than .* 9.2 kW"):
        _contracts(export_kw=(5.0, 5.0, 9.5))
    with pytest.raises(ValueError, match=r"S/a is guaranteed less than 0 kW of import"):
        _contracts(import_kw=(-0.1, 4.2, 4.2))


def test_a_connection_without_agreement_may_be_guaranteed_anything() -> None:
    """A firm connection has no guaranteed capacity, so the figure is not checked."""
    assert len(_contracts(held=(True, False, True), import_kw=(4.2, 10.0, 4.2))) == 3
    assert len(_contracts(import_kw=(9.2, 9.2, 9.2))) == 3  # all of it: allowed


def test_hours_become_whole_isps_and_none_means_without_limit() -> None:
    given = Terms(activations_per_year=10, hours_each=1.1, notice_minutes=30.0)
    c = _contracts(given)
    assert (c.most[0], c.longest[0], c.notice_s[0]) == (10.0, 4.0, 1800.0)
    assert _contracts(Terms(hours_each=0.3), isp_hours=0.1).longest[0] == 3.0  # not 2, by rounding
    assert (_contracts().most[0], _contracts().longest[0]) == (np.inf, np.inf)


def test_contracts_of_lv_feeders_are_joined_in_their_order() -> None:
    one, two = (
        _contracts(Terms(permanent=True)),
        _contracts(Terms(limits="dynamic"), (False, True), (1, 2), (3, 4)),
    )
    both = Contracts.join([one, two])
    assert both.names == ("S/a", "S/b", "S/c", "S/a", "S/b")
    for f in fields(Contracts)[1:]:
        whole = np.concatenate([getattr(one, f.name), getattr(two, f.name)])
        np.testing.assert_array_equal(getattr(both, f.name), whole)


def test_isps_in_a_row_are_one_activation() -> None:
    book = _book()
    _one_after_another(book, [3, 4, 5])
    assert book.runs(0).tolist() == [1, 1, 1]
    book.activate(7, np.array([1]), 600.0)
    assert book.runs(0).tolist() == [1, 2, 1]
    assert [book.active(isp).tolist() for isp in (4, 6, 7)] == [[True] * 3, [False] * 3, [False, True, False]]


def test_what_fills_a_gap_joins_two_activations_to_one() -> None:
    book = _book(Terms(activations_per_year=2))
    _one_after_another(book, [2, 4])
    assert book.runs(0).tolist() == [2, 2, 2]
    assert not book.may(8, 600.0).any()  # that would be a third
    book.activate(3, ALL, 600.0)
    assert book.runs(0).tolist() == [1, 1, 1]
    assert book.may(8, 600.0).all()  # and now the second


def test_an_activation_may_begin_earlier_than_thought() -> None:
    """At an early gate ISP 5 is limited, at a late one the ISP before it."""
    book = _book(Terms(activations_per_year=1, hours_each=0.5))
    book.activate(5, ALL, 600.0)
    book.activate(4, ALL, 600.0)
    assert book.runs(0).tolist() == [1, 1, 1]
    for isp in (3, 6):  # a third quarter is too long
        assert not book.may(isp, 600.0).any()


def test_activations_are_counted_by_calendar_year() -> None:
    book = _book(Terms(activations_per_year=1), (2016,) * 6 + (2017,) * 6)
    book.activate(1, ALL, 600.0)
    assert not book.may(4, 600.0).any()
    assert book.may(8, 600.0).all()
    book.activate(8, ALL, 600.0)
    assert not book.may(11, 600.0).any()
    assert (book.runs(0)[0], book.runs(11)[0]) == (1, 1)


def test_what_runs_into_the_new_year_is_of_the_old_one() -> None:
    book = _book(Terms(activations_per_year=1), (2016,) * 6 + (2017,) * 6)
    _one_after_another(book, [5, 6, 7])
    assert (book.runs(5)[0], book.runs(6)[0]) == (1, 0)
    assert book.may(10, 600.0).all()


@pytest.mark.parametrize(("hours", "isps"), [(0.25, 1), (0.5, 2), (0.75, 3)])
def test_no_activation_is_longer_than_agreed(hours: float, isps: int) -> None:
    book = _book(Terms(hours_each=hours))
    _one_after_another(book, list(range(2, 2 + isps)))
    assert not book.may(2 + isps, 600.0).any()
    assert not book.may(1, 600.0).any()
    assert book.may(3 + isps, 600.0).all()
    with pytest.raises(ContractError, match=r"ISP \d+: S/a is activated more often, longer or later"):
        book.activate(2 + isps, ALL, 600.0)


def test_two_short_activations_are_not_joined_to_one_that_is_too_long() -> None:
    book = _book(Terms(hours_each=0.5))
    _one_after_another(book, [2, 4])
    assert not book.may(3, 600.0).any()


def test_notice_is_kept_to_the_second() -> None:
    book = _book(Terms(notice_minutes=10.0))
    assert book.may(3, 600.0).all()
    assert not book.may(3, 599.0).any()
    with pytest.raises(ContractError, match=r"ISP 3: S/b .* later than its contract allows"):
        book.activate(3, np.array([1]), 599.0)


def test_an_isp_is_activated_once() -> None:
    book = _book()
    book.activate(3, np.array([0, 2]), 600.0)
    assert book.may(3, 600.0).tolist() == [False, True, False]
    with pytest.raises(ContractError, match="ISP 3: S/c is activated twice"):
        book.activate(3, np.array([1, 2]), 600.0)
    assert book.active(3).tolist() == [True, False, True]  # what is refused is refused whole
    assert book.runs(3).tolist() == [1, 0, 1]


def test_permanent_contracts_and_firm_connections_are_never_activated() -> None:
    fixed = ContractBook(_contracts(Terms(permanent=True)), np.full(4, 2016))
    firm = ContractBook(_contracts(held=(True, False, True)), np.full(4, 2016))
    assert not fixed.may(1, 1e6).any()
    assert firm.may(1, 1e6).tolist() == [True, False, True]
    for book, who in ((fixed, 0), (firm, 1)):
        with pytest.raises(ContractError, match="than its contract allows"):
            book.activate(1, np.array([who]), 1e6)
        assert not book.active(1).any()


def test_what_a_book_answers_cannot_change_it() -> None:
    book = _book()
    book.active(2)[:] = True
    book.runs(2)[:] = 9
    assert not book.active(2).any()
    assert book.runs(2).tolist() == [0, 0, 0]


def _runs(active: BoolArray) -> list[tuple[int, int]]:
    """First ISP and length of every run of a contract's ISPs (T,)."""
    found, at = [], 0
    for on, same in groupby(active.tolist()):
        n = len(list(same))
        if on:
            found.append((at, n))
        at += n
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    most=st.one_of(st.none(), st.integers(1, 5)),
    longest=st.one_of(st.none(), st.integers(1, 5)),
)
def test_a_recount_never_exceeds_what_was_agreed(seed: int, most: int | None, longest: int | None) -> None:
    """Whatever is activated as the book allows, in whatever order of ISPs within one year."""
    rng = np.random.default_rng(seed)
    hours = None if longest is None else QUARTER * longest
    terms = Terms(activations_per_year=most, hours_each=hours, notice_minutes=5.0)
    book = ContractBook(_contracts(terms, (True, True, False)), np.full(24, 2016))
    for isp in rng.integers(0, 24, 80).tolist():
        lead = float(rng.integers(0, 1200))
        who = np.flatnonzero(book.may(isp, lead) & (rng.random(3) < 0.7))
        assert not len(who) or lead >= 300.0
        book.activate(isp, who, lead)
    active = np.array([book.active(isp) for isp in range(24)])
    assert active[:, :2].any()
    assert not active[:, 2].any()
    for contract in range(2):
        runs = _runs(active[:, contract])
        assert len(runs) == book.runs(0)[contract]
        assert most is None or len(runs) <= most
        assert longest is None or max((n for _, n in runs), default=0) <= longest


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), most=st.integers(1, 3), longest=st.integers(1, 6))
def test_over_two_years_a_recount_agrees(seed: int, most: int, longest: int) -> None:
    """In whatever order ISPs are booked, a year's count is that of activations that begin in it."""
    rng = np.random.default_rng(seed)
    year = np.repeat([2016, 2017], 15)
    book = ContractBook(_contracts(Terms(activations_per_year=most, hours_each=QUARTER * longest)), year)
    for isp in rng.permutation(30).tolist():
        book.activate(isp, np.flatnonzero(book.may(isp, 600.0) & (rng.random(3) < 0.6)), 600.0)
    active = np.array([book.active(isp) for isp in range(30)])
    for contract in range(3):
        begun = [year[first] for first, _ in _runs(active[:, contract])]
        assert max((n for _, n in _runs(active[:, contract])), default=0) <= longest
        for y, isp in ((2016, 0), (2017, 29)):
            assert begun.count(y) == book.runs(isp)[contract] <= most
