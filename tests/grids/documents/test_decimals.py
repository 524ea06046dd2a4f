"""Numbers in plain decimal notation, and what only looks like a number."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_sim.grids.documents.decimals import decimal, odd_number


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**39), 10**39))
def test_every_number_that_json_writes_is_read_as_it_was(number: float) -> None:
    found = decimal(json.dumps(number))
    assert repr(found) == repr(number)
    assert odd_number(json.dumps(number)) is None


@given(st.from_regex(r"[-+]?(0|[1-9][0-9]{0,8})(\.[0-9]{0,8})?(e-?[0-9]{1,2})?", fullmatch=True))
def test_a_number_has_the_value_of_its_digits(text: str) -> None:
    assert decimal(text) == float(Decimal(text))


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_odd_or_neither(text: str) -> None:
    number = decimal(text)
    assert number is None or (math.isfinite(number) and odd_number(text) is None)


@pytest.mark.parametrize(
    "text",
    [
        "1_000",
        "\u0663",
        "\uff11",
        "010",
        "0x1F",
        "nan",
        "inf",
        " 1",
        "1 ",
        "true",
        "",
        "1,5",
        "1:30",
        "--1",
        "1e",
    ],
)
def test_what_python_may_take_for_a_number_is_none(text: str) -> None:
    assert decimal(text) is None


@pytest.mark.parametrize("text", ["1e309", "-1e309", "1e-400", "9" * 41, "1" * 101, "0." + "1" * 99])
def test_numbers_beyond_computing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        decimal(text)


def test_huge_text_is_looked_at_in_no_time() -> None:
    assert decimal("1_" * 10**6) is None
    assert odd_number("1_" * 10**6) is None
