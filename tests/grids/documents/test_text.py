"""Text from outside in messages: one line of bounded length, without control characters."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem_sim.grids.documents.text import hint, one_line, shown
from tandem_sim.grids.errors import LONGEST, InputError, cut, printable


def bomb(levels: int = 30) -> list[Any]:
    """Ten to the thirtieth ones, in thirty lists."""
    nested: list[Any] = [1] * 10
    for _ in range(levels):
        nested = [nested] * 10
    return nested


def holding_itself() -> list[Any]:
    ring: list[Any] = [1]
    ring.append(ring)
    return ring


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


class Slow:
    def __repr__(self) -> str:
        raise AssertionError("its text is its own affair")


@pytest.mark.parametrize(
    "make",
    [
        bomb,
        holding_itself,
        deep,
        Slow,
        lambda: "x" * 10**7,
        lambda: b"x" * 10**7,
        lambda: 10**5000,
        lambda: -(10**5000),
        lambda: {f"key {k}": bomb(3) for k in range(10**5)},
        lambda: {"k" * 10**6: "v" * 10**6},
        lambda: set(range(10**6)),
        lambda: "a\nb\x1b[2J\u2028c\u202ed",
        lambda: ["\x1b[31m" * 50] * 50,
        lambda: np.zeros((1000, 1000)),
    ],
)
def test_any_value_is_shown_on_one_printable_line_of_bounded_length(make: Callable[[], Any]) -> None:
    message = shown(make())
    assert 0 < len(message) <= 80
    assert message.isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (None, "None"),
        (12, "12"),
        (-0.5, "-0.5"),
        (float("nan"), "nan"),
        ("two words", "'two words'"),
        ("a\x1b[2J", r"'a\x1b[2J'"),
        ("two\nlines", r"'two\nlines'"),
        ([1, ["a"]], "[1, ['a']]"),
        ((1, 2), "(1, 2)"),
        ({"a": [1], "b": None}, "{'a': [1], 'b': None}"),
        ([[[[1]]]], "[[[...]]]"),
        (list(range(9)), "[0, 1, 2, 3, 4, 5, ... (9 in all)]"),
        (date(2016, 4, 18), "2016-04-18"),
        (datetime(2016, 4, 18, 6), "2016-04-18T06:00:00"),
        (np.float64(1.5), "1.5"),
        (np.int64(3), "3"),
        (np.True_, "True"),
        (Path("a/b"), "a/b"),
        (Slow(), "a Slow"),
    ],
)
def test_small_values_are_shown_whole(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_huge_whole_number_is_told_by_its_length() -> None:
    assert shown(10**5000) == "a whole number of about 5000 digits"
    assert shown([10**39, 7]) == f"[{10**39}, 7]"


def test_what_is_cut_keeps_its_beginning_and_its_end() -> None:
    assert cut("abcdefghijklmnopqrstuvwxyz", 16) == "abcdefgh... wxyz"
    assert len(cut("x" * 1000, 16)) == 16
    assert cut("x" * 16, 16) == "x" * 16
    assert printable("folder/" * 100 + "case.json").endswith("/case.json")


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("a\x1b]0;title\x07\r\n\x9bb\u202e\ud800é") == r"a\x1b]0;title\x07\r\n\x9bb\u202e\ud800é"


def test_a_message_is_one_line_of_bounded_length_whatever_it_is_made_of() -> None:
    evil = "\x1b[2J\n" * 10**5
    message = str(InputError(evil, evil, evil, evil))
    assert message.isprintable()
    assert len(message) <= sum(LONGEST.values()) + 10
    error = InputError("file\n.yaml", "key\x07", "is wrong", "Correct it")
    assert str(error) == r"file\n.yaml: key\x07: is wrong. Correct it."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_foreign_message_is_cut_and_a_hint_to_a_huge_name_is_given_at_once() -> None:
    assert len(one_line("word " * 10**5)) <= 400
    assert one_line("two\n lines.") == "two lines"
    assert hint("x" * 10**7, ["common"]) == "Use common"
