"""Statistics over seeds: numbers of nested mappings, their differences, their means with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tandem_sim.experiments.results.intervals import interval


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

    The interval is Student's t, of differences the paired one, because figures of one seed share their random
    numbers; `low` and `high` are None where there is none. A number that a seed lacks (a market in which
    nothing was bought) has a smaller `n`.
    """
    flats = [flat(one) for one in figures]
    found: dict[str, dict[str, Any]] = {}
    for path in dict.fromkeys(path for one in flats for path in one):
        values = np.array([one[path] for one in flats if path in one])
        mean, *ends = interval(values)
        low, high = (None if np.isnan(end) else end for end in ends)
        found[path] = {"mean": mean, "low": low, "high": high, "n": len(values)}
    return found
