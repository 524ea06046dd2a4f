"""Cases that nobody has tried clear, or one line says why they have no solution or are refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tandem_sim.experiments.runs.bundled import CASES
from tandem_sim.grids.errors import InputError
from tests.markets.case_mutants import cases, outcome
from tests.sim.test_extremes import at_most

FEW, MANY = 40, 2000
NUMBERS = pytest.mark.parametrize(
    "n", [FEW, pytest.param(MANY, marks=pytest.mark.long("fifty times as many cases: ten minutes"))]
)


@NUMBERS
def test_cases_clear_or_say_in_one_line_why_not(n: int, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for case, schemes in cases(n, tmp_path, () if n == FEW else CASES):
        with at_most(10.0 if n == FEW else 120.0):  # of 2 000 two take 40 s: choices among 14 000 points
            try:
                found = outcome(case, schemes)
            except InputError as error:
                counts["refused"] += str(error).isprintable()
            else:
                counts["no solution" if found["no solution"] else "ran"] += 1
    print(dict(counts))
    assert counts.total() == n
    assert counts["ran"] > n // 2
