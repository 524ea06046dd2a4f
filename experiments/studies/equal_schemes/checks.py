"""Statements about equal schemes, checked on many random cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from tandem_sim.experiments.studies.alexander.cases import KINDS, SHARED, Recipe, generate
from tandem_sim.experiments.studies.equal_schemes.small_cases import random_case
from tandem_sim.experiments.studies.equal_schemes.statements import STATEMENTS, EqualityStatement
from tandem_sim.experiments.studies.equal_schemes.trials import CaseTrial
from tandem_sim.markets.choices import PRICINGS
from tandem_sim.sim.clock.randomness import stream

WIDE, NARROW = (0.5, 1.5), (0.99, 1.01)
"""Voltage bands (p.u.) that nothing leaves, and that something does."""
RECIPES: tuple[Mapping[str, Any], ...] = (
    {"band": NARROW, "slack": 1.9, "down_below": 75.0},
    {"band": WIDE, "line_mva": 0.4},
    {"band": NARROW, "slack": 1.6},
    {"band": WIDE, "down_below": 75.0},
    {"band": NARROW, "line_mva": 0.4},
    {"band": WIDE, "slack": 1.6},
    {"band": WIDE, "slack": 1.15},
    {"band": NARROW, "slack": 1.6, "line_mva": 0.3, "down_below": 75.0},
    {"band": NARROW, "slack": 1.9},
    {"band": WIDE, "slack": 1.6, "down_below": 75.0},
)
"""How small cases are drawn, in turn: base states that keep or break limits, voltages that bind or cannot,
trades within an area that pay, rated lines of transmission. Arguments of `small_cases.random_case`."""
ALEXANDER_RECIPES = (SHARED, replace(SHARED, root_vm_pu=1.04, vm_max_pu=1.042), Recipe(overloaded_lines=0))
"""Overloaded lines; a voltage band that binds besides; neither."""

COLUMNS = ["statement", "family", "case", "pricing", "met", "same", "telling", "apart_eur_per_h"]


def small_trial(number: int) -> CaseTrial:
    """The random small case of a number; pricing rules take turns."""
    case = random_case(stream(number, "equal schemes"), **RECIPES[number % len(RECIPES)])
    return CaseTrial(case, PRICINGS[number % len(PRICINGS)])


def alexander_trial(number: int) -> CaseTrial:
    """A case of the ALEXANDER study: kinds take turns, then seeds with their recipes."""
    seed, kind = divmod(number, len(KINDS))
    case = generate(KINDS[kind], seed, ALEXANDER_RECIPES[seed % len(ALEXANDER_RECIPES)])
    return CaseTrial(case, PRICINGS[number % len(PRICINGS)])


FAMILIES: Mapping[str, Callable[[int], CaseTrial]] = {"small": small_trial, "ALEXANDER": alexander_trial}


def row_of(statement: EqualityStatement, family: str, number: int, trial: CaseTrial) -> dict[str, Any]:
    """What a case says about a statement, by `COLUMNS`."""
    met = statement.meets(trial)
    costs = [trial[name].cost_eur_per_h for name in statement.beside or ()]
    return {
        "statement": statement.name,
        "family": family,
        "case": number,
        "pricing": trial.pricing,
        "met": met,
        "same": statement.agrees(trial),
        "telling": met and statement.telling.of(trial),
        "apart_eur_per_h": round(abs(costs[0] - costs[1]), 4) if met and costs else float("nan"),
    }


def rows_of_case(
    family: str, number: int, statements: Sequence[EqualityStatement] = STATEMENTS
) -> Iterator[dict[str, Any]]:
    """A row per statement for one case."""
    trial = FAMILIES[family](number)
    for statement in statements:
        yield row_of(statement, family, number, trial)


def checked(counts: Mapping[str, int], on_case: Callable[[], None] = lambda: None) -> pd.DataFrame:
    """A row per statement and case; `counts` says how many cases of each family."""
    rows: list[dict[str, Any]] = []
    for family, count in counts.items():
        for number in range(count):
            rows += rows_of_case(family, number)
            on_case()
    return pd.DataFrame(rows, columns=COLUMNS)
