"""YAML is read strictly. Values are those of the core schema of YAML 1.2.2 (section 10.3)."""

from __future__ import annotations

import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem_sim.experiments.runs.bundled import SCENARIOS, SWEEPS, scenario_text, sweep_text
from tandem_sim.grids.documents.yaml_reader import DEEPEST, LARGEST_YAML, MOST_NODES, read_yaml, yaml_value
from tandem_sim.grids.errors import InputError

TESTS = Path(__file__).parents[2]
BOMB = """based_on: reference
population:
  pv_kwp:
    - &l0 [1,1,1,1,1,1,1,1,1,1]
""" + "".join(f"    - &l{k} [{','.join([f'*l{k - 1}'] * 10)}]\n" for k in range(1, 9))


def refused(text: str, line: int, problem: str) -> None:
    with pytest.raises(InputError) as found:
        read_yaml(text, "file.yaml")
    assert found.value.source == "file.yaml"
    assert f"line {line}" in f"{found.value.field}: {found.value.problem}"
    assert problem in found.value.problem
    assert found.value.hint
    assert str(found.value).isprintable()


@pytest.mark.parametrize("name", SCENARIOS)
def test_bundled_scenarios_read_as_with_pyyaml(name: str) -> None:
    assert repr(read_yaml(scenario_text(name), name)) == repr(yaml.safe_load(scenario_text(name)))


@pytest.mark.parametrize("name", SWEEPS)
def test_bundled_sweeps_read_as_with_pyyaml(name: str) -> None:
    assert repr(read_yaml(sweep_text(name), name)) == repr(yaml.safe_load(sweep_text(name)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # example 10.9 of the specification and its table of the core schema; not 0o14, 0xC and .inf
        ("A null: null", {"A null": None}),
        ("Also a null: # Empty", {"Also a null": None}),
        ('Not a null: ""', {"Not a null": ""}),
        ("Booleans: [true, false]", {"Booleans": [True, False]}),
        ("Integers: [0, -19, +1]", {"Integers": [0, -19, 1]}),
        ("Floats: [0., -0.0, .5, +12e03, -2E+05]", {"Floats": [0.0, -0.0, 0.5, 12000.0, -200000.0]}),
        ("[~, Null, NULL]", [None, None, None]),
        ("1e3", 1000.0),
        ("1e-3", 0.001),
        ("340282366920938463463374607431768211455", 2**128 - 1),
        # text
        (
            "[1.2.3, 1-2, line 4, 5%, a_1, _1, e3, 1-MV-rural--0-sw, 0e5e]",
            ["1.2.3", "1-2", "line 4", "5%", "a_1", "_1", "e3", "1-MV-rural--0-sw", "0e5e"],
        ),
        ('["010", \'no\', "1:30", ! 12, !!str 1_000]', ["010", "no", "1:30", "12", "1_000"]),
        ("|\n  010", "010"),
        ("a: >-\n  two\n  words", {"a": "two words"}),
        # dates, as in YAML 1.1; without seconds a moment is text
        ("2016-04-18", date(2016, 4, 18)),
        ("2016-04-18T06:00:00", datetime(2016, 4, 18, 6)),
        ("2016-04-18 06:00:00.25", datetime(2016, 4, 18, 6, 0, 0, 250_000)),
        ("2016-04-18T06:00", "2016-04-18T06:00"),
        ('"2016-04-18"', "2016-04-18"),
        # tags that say what stands there
        (
            "[!!int 5, !!float 5, !!bool true, !!null ~, !!timestamp 2016-04-18, !!seq [], !!map {}]",
            [5, 5.0, True, None, date(2016, 4, 18), [], {}],
        ),
        # keys are text
        ("{on: 1, no: 2, '3': 3, \"true\": 4}", {"on": 1, "no": 2, "3": 3, "true": 4}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("{a: 1}", {"a": 1}),
        ("", None),
        ("# nothing", None),
        ("--- 1\n...", 1),
    ],
)
def test_what_is_read(text: str, value: Any) -> None:
    assert repr(read_yaml(text, "file.yaml")) == repr(value)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("010", "leading zero"),
        ("-007", "leading zero"),
        ("00", "leading zero"),
        ("010.5", "leading zero"),
        ("0o10", "octal"),
        ("0x1F", "hexadecimal"),
        ("-0xff", "hexadecimal"),
        ("0b101", "binary"),
        ("1_000", "underscores"),
        ("1_000.5", "underscores"),
        ("1e1_0", "underscores"),
        ("1:30", "base 60"),
        ("08:00", "base 60"),
        ("190:20:30", "base 60"),
        ("190:20:30.15", "base 60"),
        (".nan", "not finite"),
        (".NaN", "not finite"),
        (".inf", "not finite"),
        ("-.INF", "not finite"),
        ("nan", "not finite"),
        ("Infinity", "not finite"),
        ("-inf", "not finite"),
        *((word, "digits 0 to 9") for word in ("\u0663", "\u0661\u0662.\u0665", "\uff11\uff12")),
        *((word, "digits 0 to 9") for word in ("\u22125", "1\u200b0", "10\u00b2")),
        ("1,5", "comma"),
        ("1,000,000.5", "comma"),
        ("1 000", "spaces"),
        ("1\u00a0000", "spaces"),
        *((word, "true or false") for word in ("yes", "No", "NO", "on", "OFF", "y", "N", "True", "FALSE")),
    ],
)
def test_numbers_and_booleans_in_other_notations_are_errors_and_text_in_quotes(word: str, said: str) -> None:
    refused(f"a: 1\nb:\n  - x\n  - {word}\n", 4, said)
    assert read_yaml(f'"{word}"', "file.yaml") == word
    with pytest.raises(InputError, match=rf'"{word[:1]}.*in quotes for text'):
        read_yaml(f"a: {word}", "file.yaml")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("days: 1\ndays: 7\n", 2, "stands in line 1 and again in line 2"),
        ("a:\n  - b: {c: 1,\n      d: 2,\n      c: 3}\n", 4, "stands in line 2 and again in line 4"),
        ('a: 1\n"a": 2', 2, "stands in line 1"),
        ("a: 1\nb: {<<: {c: 1}}", 2, "merges with <<"),
        ("3: x", 1, "key 3, which is no string"),
        ("a: {true: 1}", 1, "key true, which is no string"),
        ("2016-01-01: x", 1, "which is no string"),
        ("~: x", 1, "which is no string"),
        ("010: x", 1, "leading zero"),
        ("? [a]\n: b", 1, "no string"),
        ("&a [*a]", 1, "holds itself"),
        ("a: 1\nb: *c", 2, "anchor c, which is not there"),
        ("[&a 1,\n &a 2]", 2, "anchor a again"),
        ("a\n--- \nb", 2, "a second document"),
        ("a: 2016-02-30", 1, "day is out of range for month"),
        ("a:\n  - 2016-04-18 25:00:00", 2, "hour must be in 0..23"),
        ("9" * 5000, 1, "5000 characters"),
        ("9" * 60, 1, "60 digits"),
        ("a: 1\nb: 1e999", 2, "too large"),
        ("1e-999", 1, "read as zero"),
        ("1." + "3" * 200, 1, "202 characters"),
        ("a: !!python/object/apply:os.system [x]", 1, "python/object/apply:os.system"),
        ("a: !!python/name:os.system ''", 1, "is not read"),
        ("!!binary aGk=", 1, "binary"),
        ("!!set {a}", 1, "set"),
        ("!!omap [a: 1]", 1, "omap"),
        ("!mine 3", 1, "!mine"),
        ("!!int 010", 1, "leading zero"),
        ("!!int x", 1, "its tag says"),
        ("!!float 2016-04-18", 1, "its tag says"),
        ("!!timestamp 5", 1, "its tag says"),
        ("!!seq {}", 1, "is not read"),
        ('"\\ud800"', 1, "surrogate"),
        ('"a\\0"', 1, "NUL"),
        ('"\\U00110000"', 1, "not valid YAML"),
        ("a: b\n\x01", 2, "not allowed: \\x01"),
        ("a\n\u2028b", 2, "line separator"),
        ("%YAML 1." + "9" * 5000 + "\n--- a", 1, "not valid YAML"),
        ("a: [1,\nb", 2, "not valid YAML"),
        ("a: b: c", 1, "mapping values"),
        ("a:\n\tb: 1", 2, "\\t"),
    ],
)
def test_what_is_refused(text: str, line: int, problem: str) -> None:
    refused(text, line, problem)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("a:\n  - b: 1\n  - {b: 010}", "a.1.b"),
        ("a: {b: 1, c: [[], {d: {}, d: 1}]}", "a.c.1.d"),
        ("a: &x [[1]]\nb: {c: yes}", "b.c"),
        ("a: !!set {b}", "a"),
        ("a: [1, {010: 1}]", "a.1"),
        ("a: [1,", "line 1"),
        ("a: [1, 2]\nb: yes", "b"),
    ],
)
def test_faults_name_the_place(text: str, field: str) -> None:
    with pytest.raises(InputError) as found:
        read_yaml(text, "file.yaml")
    assert found.value.field == field


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    begun = time.process_time()
    refused(BOMB, 8, f"more than {MOST_NODES} values")
    assert time.process_time() - begun < 5.0


@pytest.mark.parametrize("text", ["[" * 10**5, "[\n" * 10**5, "- " * 10**5, "a:\n" + " - " * 50_000])
def test_depth_is_bounded_before_it_costs_anything(text: str) -> None:
    with pytest.raises(InputError, match=f"more than {DEEPEST} levels"):
        read_yaml(text, "file.yaml")


def test_depth_counts_through_aliases() -> None:
    levels = f"a: &a {'[' * 30}{']' * 30}\n"
    assert read_yaml(f"{levels}b: {'[' * 9}*a{']' * 9}", "file.yaml")
    refused(f"{levels}b: {'[' * 10}*a{']' * 10}", 2, "levels")
    assert read_yaml("[" * DEEPEST + "]" * DEEPEST, "file.yaml")
    refused("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), 1, "levels")


def test_the_size_of_a_document_is_bounded() -> None:
    with pytest.raises(InputError, match=f"at most {LARGEST_YAML} are read"):
        read_yaml("#" * (LARGEST_YAML + 1), "file.yaml")
    assert read_yaml("#" * LARGEST_YAML, "file.yaml") is None


def test_a_value_outside_a_file_names_its_field() -> None:
    assert yaml_value("[1e3, on-time]", "--set", "a=[1e3, on-time]") == [1000.0, "on-time"]
    with pytest.raises(InputError, match=r"^--set: a=010: is '010', which looks like a number"):
        yaml_value("010", "--set", "a=010")
