"""Worlds that nobody has tried run, or are refused in one line; their tables agree and hold no gaps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.sim.test_extremes import MOST_S, at_most
from tests.sim.worlds import SEEDS, not_finite, outcome, seed_of, worlds

FEW, MANY = 20, 2000
NUMBERS = pytest.mark.parametrize(
    "n", [FEW, pytest.param(MANY, marks=pytest.mark.long("a hundred times as many worlds: half an hour"))]
)


@NUMBERS
def test_worlds_run_or_say_in_one_line_why_not(n: int, tmp_path: Path) -> None:
    quick = n == FEW
    for name in SEEDS[: 1 if quick else None]:  # grids are read once a process: no mutant is charged for it
        assert outcome(seed_of(name), tmp_path / name, figures=False) == "ran"
    counts: Counter[str] = Counter()
    for k, keys in enumerate(worlds(n, quick)):
        with at_most(MOST_S):
            found = outcome(keys, tmp_path / str(k), figures=k % 8 == 0)
        counts["ran" if found == "ran" else "refused"] += 1
        assert not not_finite(tmp_path / str(k)), keys
    print(dict(counts))
    assert counts["ran"] > n // 2
