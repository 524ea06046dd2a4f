"""Intervals over seeds: the bootstrap of paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LEVEL, DRAWS, SEED = 0.95, 10_000, 1
FEWEST = 3
"""With fewer seeds there is no interval."""


@dataclass(frozen=True)
class Interval:
    """A mean over `n` seeds and its interval; `low` and `high` are None with fewer than `FEWEST` seeds."""

    mean: float
    low: float | None
    high: float | None
    n: int


def bootstrap(
    differences: Sequence[float], level: float = LEVEL, draws: int = DRAWS, seed: int = SEED
) -> Interval:
    """Percentile bootstrap of the mean of paired differences (n,), one per seed, in their unit.

    Differences are drawn again with replacement, `draws` times, by a stream of its own that `seed` fixes;
    the interval holds the middle `level` of the means (Efron and Tibshirani, 1993, ch. 13). With few seeds
    it is too narrow: read it as an indication. Raises ValueError without any difference.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not len(values):
        raise ValueError("bootstrap: no differences")
    if len(values) < FEWEST:
        return Interval(float(values.mean()), None, None, len(values))
    drawn = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(values[drawn].mean(axis=1), [tail, 100.0 - tail])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def flat(figures: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers of nested mappings by their path (``sellers.A01.profit_eur``); all else is left out."""
    found: dict[str, float] = {}
    for key, value in figures.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = float(value)
    return found


def difference(figures: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """`figures` less `reference`, number by number, in the same shape; None where either has none."""
    found: dict[str, Any] = {}
    for key, value in figures.items():
        other = reference.get(key)
        if isinstance(value, Mapping):
            found[key] = difference(value, other if isinstance(other, Mapping) else {})
        else:
            found[key] = None if value is None or other is None else value - other
    return found


def over_seeds(figures: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and interval of every number, by its path, over one mapping of figures per seed.

    A number that a seed lacks (a market in which nothing was bought) has a smaller `n`.
    """
    flats = [flat(one) for one in figures]
    paths = dict.fromkeys(path for one in flats for path in one)
    return {path: asdict(bootstrap([one[path] for one in flats if path in one])) for path in paths}
